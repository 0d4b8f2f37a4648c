/* agent.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_AGENT_H
#define HOOKLINE_WEBHOOKS_AGENT_H

#include "provider.h"

/* signature.c */
#define AGENT_SETTING_COUNT 2
extern const setting_t AGENT_SETTINGS[AGENT_SETTING_COUNT];
void *agent_keys_new(const setting_source_t *from, err_t *err);
void agent_keys_free(void *keys);
bool agent_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t agent_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                  header_t *headers);

/* An event, and the call that it names. */
typedef struct agent_event {
    delivery_t *d;
    const cJSON *data;
    str_t call;   /* how the event key names the call: its id, behind its provider's name where that is not us */
    bool is_ours; /* a call of provider agent; else another provider's, who knows better where it says anything */
    fact_t *fact;
    rank_t rank;
    version_t version;
    const char *unread; /* why it cannot be understood: it becomes a dead letter */
} agent_event_t;

/* call.c: call.started and call.ended say what they know of the call, in the same words */
void agent_call_started(agent_event_t *e);
void agent_call_ended(agent_event_t *e);

/* message.c: one message, and the list of them that call.ended may have */
void agent_message(agent_event_t *e);
void agent_message_list(const agent_event_t *e, const cJSON *list);

/* RFC 3339, or seconds since 1970 with a fraction; TIME_NONE when it is neither. */
int64_t agent_time(const cJSON *root, const char *path);
/* A number of tokens, or the object {total} or {input, output}. False: not given. */
bool agent_tokens(const cJSON *root, int64_t *out);

/* samples.c */
#define AGENT_SAMPLE_COUNT 6
extern const hook_sample_t AGENT_SAMPLES[AGENT_SAMPLE_COUNT];

#endif
