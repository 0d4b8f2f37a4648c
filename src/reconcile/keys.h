/* keys.h – which settings hold a provider's key for its API, for people. Any thread. */
#ifndef HOOKLINE_RECONCILE_KEYS_H
#define HOOKLINE_RECONCILE_KEYS_H

#include "provider.h"

/* "VAPI_API_KEY", or several: the provider's secrets but for those of its webhooks. */
void keys_name(const provider_t *p, buf_t *out);

/* Of a provider that cannot be asked: the settings that are missing. Its key; or, where that is there for the webhooks,
 * what says where its API is or whose the key is ("LIVEKIT_URL"). */
void keys_missing(const provider_t *p, const setting_source_t *from, buf_t *out);

#endif
