/* vapi.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_VAPI_H
#define HOOKLINE_WEBHOOKS_VAPI_H

#include "provider.h"

/* signature.c */
#define VAPI_SETTING_COUNT 11
extern const setting_t VAPI_SETTINGS[VAPI_SETTING_COUNT];
void *vapi_keys_new(const setting_source_t *from, err_t *err);
void vapi_keys_free(void *keys);
bool vapi_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t vapi_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                 header_t *headers);

/* A server message, its parts fetched once. */
typedef struct vapi_message {
    delivery_t *d;
    const cJSON *root; /* the object `message` */
    const cJSON *call; /* message.call; NULL when there is none */
    fact_t *fact;      /* of the call; NULL when the call has no id: then there are no facts at all */
    version_t version; /* of what this message says about the call */
} vapi_message_t;

/* call.c: what every message says about its call, and how calls end */
void vapi_read_call(vapi_message_t *m, rank_t rank);
void vapi_ended(const vapi_message_t *m, str_t reason);
/* call.c: a field of the message, else of its call (older messages, and slim ones) */
str_t vapi_text(const vapi_message_t *m, const char *path);
int64_t vapi_time(const vapi_message_t *m, const char *path); /* ISO 8601 */
const cJSON *vapi_node(const vapi_message_t *m, const char *path);

/* What a message is understood by: sets the event key (else it is made from the row), columns and facts. */
void vapi_status_update(vapi_message_t *m); /* status.c */
void vapi_transcript(vapi_message_t *m);    /* transcript.c */
void vapi_report(vapi_message_t *m);        /* report.c */
str_t vapi_role(str_t role);                /* transcript.c: user or assistant; absent for all others */

/* reply.c: what a message that asks is answered until it is configured otherwise */
typedef str_t (*vapi_answer_fn)(const cJSON *message, arena_t *a);
str_t vapi_answer_tool_calls(const cJSON *message, arena_t *a);

/* samples.c */
#define VAPI_SAMPLE_COUNT 9
extern const hook_sample_t VAPI_SAMPLES[VAPI_SAMPLE_COUNT];

#endif
