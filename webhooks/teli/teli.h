/* teli.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_TELI_H
#define HOOKLINE_WEBHOOKS_TELI_H

#include "provider.h"

/* call.c: what a call object says, wherever it is found: in an event, in a tool's callback, in an answer of the API
 * (list, detail or export). Sets the columns of d, but for its key. rank: of all but the lines;
 * source: of the lines, see transcript.h. */
fact_t *teli_call_facts(delivery_t *d, const cJSON *node, rank_t rank, str_t source);

/* call.c: the notations of an agent's id that stand in an object, as one agent's. In a call object `id` is the call's:
 * Retell's has none, so that only an agent's own has all four. */
#define TELI_CALL_NOTATIONS  2
#define TELI_AGENT_NOTATIONS 4
void teli_agent_facts(delivery_t *d, const cJSON *node, size_t notations);

/* teli.c: the id of an agent object, in the notation that Teli asks for it by. */
str_t teli_agent_id(const cJSON *agent);
/* teli.c: a key of an API object that may have another value the next time, though nothing has happened (json_skip_fn).
 */
bool teli_is_volatile(str_t key);

/* The routes of what the API answers. */
#define TELI_API_CALL  "api-call"
#define TELI_API_AGENT "api-agent"

/* remote.c */
#define TELI_API_URL "https://api.teli.ai"
#define TELI_API_GAP "1"
extern const remote_t TELI_REMOTE;

/* samples.c */
#define TELI_SAMPLE_COUNT 4
extern const hook_sample_t TELI_SAMPLES[TELI_SAMPLE_COUNT];

#endif
