/* tell_bridge.h – what is told of an agent on a call: see tell.h, and webhooks/twilio/spoken.c for what becomes of it.
 */
#ifndef HOOKLINE_MEDIA_TELL_BRIDGE_H
#define HOOKLINE_MEDIA_TELL_BRIDGE_H

#include "media/conversation.h"
#include "media/tell.h"

/* speech: realtime_dialect_t.name. */
void tell_utterance(const teller_t *t, const char *speech, const utterance_t *u);
void tell_bridge_started(const teller_t *t, const char *speech, str_t session, str_t model, str_t agent_id,
                         str_t agent_name);
void tell_bridge_ended(const teller_t *t, const char *speech, const char *reason, const char *error, int64_t sessions,
                       const conversation_t *c);

#endif
