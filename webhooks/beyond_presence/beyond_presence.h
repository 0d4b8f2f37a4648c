/* beyond_presence.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_BEYOND_PRESENCE_H
#define HOOKLINE_WEBHOOKS_BEYOND_PRESENCE_H

#include "provider.h"
#include "transcript.h"

/* beyond_presence.c: what any event may say about its call. clock_us: the latest time that the event names. */
fact_t *beyond_presence_call(delivery_t *d, int64_t clock_us);

/* message.c: an utterance, in a message event and in the list of call_ended alike */
line_t beyond_presence_line(const cJSON *message, const void *unused);

/* What an event is understood by: sets the event key, columns and facts. False: ERR_UNKNOWN_SHAPE. */
bool beyond_presence_message(delivery_t *d, err_t *err); /* message.c */
bool beyond_presence_ended(delivery_t *d, err_t *err);   /* ended.c */

/* samples.c */
#define BEYOND_PRESENCE_SAMPLE_COUNT 5
extern const hook_sample_t BEYOND_PRESENCE_SAMPLES[BEYOND_PRESENCE_SAMPLE_COUNT];

#endif
