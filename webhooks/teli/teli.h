/* teli.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_TELI_H
#define HOOKLINE_WEBHOOKS_TELI_H

#include "provider.h"

/* call.c: what a call object says, wherever it is found: in an event, in a tool's callback, in an answer of the API
 * (list, detail or export). Sets the columns of d, but for its key. rank: of all but the lines;
 * source: of the lines, see transcript.h. */
fact_t *teli_call_facts(delivery_t *d, const cJSON *node, rank_t rank, str_t source);

/* samples.c */
#define TELI_SAMPLE_COUNT 4
extern const hook_sample_t TELI_SAMPLES[TELI_SAMPLE_COUNT];

#endif
