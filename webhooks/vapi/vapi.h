/* vapi.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_VAPI_H
#define HOOKLINE_WEBHOOKS_VAPI_H

#include "provider.h"

/* credential.c */
#define VAPI_SETTING_COUNT 15
extern const setting_t VAPI_SETTINGS[VAPI_SETTING_COUNT];
void *vapi_keys_new(const setting_source_t *from, err_t *err);
void vapi_keys_free(void *keys);

/* remote.c: the names of the settings that are for its API, and what holds where they are not set */
#define VAPI_API_URL         "VAPI_API_URL"
#define VAPI_API_URL_DEFAULT "https://api.vapi.ai"
#define VAPI_API_KEY         "VAPI_API_KEY"
#define VAPI_API_GAP         "VAPI_API_GAP"
#define VAPI_API_GAP_DEFAULT "0.7"
#define VAPI_ROUTE_API_CALL  "api-call" /* a call as the API has it */
extern const remote_t VAPI_REMOTE;

/* signature.c */
bool vapi_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t vapi_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                 header_t *headers);

/* A server message, its parts fetched once. */
typedef struct vapi_message {
    delivery_t *d;
    const cJSON *root; /* the object `message` */
    const cJSON *call; /* message.call; NULL when there is none */
    fact_t *fact;      /* of the call; NULL when the call has no id: then there are no facts at all */
    rank_t rank;       /* of what this message says about the call */
    version_t version; /* rank, and the call's own clock */
} vapi_message_t;

/* field.c: a field of the message where it says something there, else of its call (older messages, and slim ones) */
const cJSON *vapi_node(const vapi_message_t *m, const char *path);
str_t vapi_text(const vapi_message_t *m, const char *path);
int64_t vapi_time(const vapi_message_t *m, const char *path); /* ISO 8601 */
/* field.c: an object, member by member; a node that says nothing is left out, and an object of none is absent */
void vapi_add_member(buf_t *object, arena_t *a, const char *name, const cJSON *node);
str_t vapi_close_object(buf_t *object, arena_t *a); /* releases the buffer */

/* What a message is understood by: sets the event key (else it is made from the row), columns and facts. */
void vapi_about_call(vapi_message_t *m);          /* call.c: nothing but what its call object says */
void vapi_transfer_update(vapi_message_t *m);     /* call.c */
void vapi_campaign_predial(vapi_message_t *m);    /* call.c */
void vapi_status_update(vapi_message_t *m);       /* status.c */
void vapi_transcript(vapi_message_t *m);          /* transcript.c */
void vapi_conversation_so_far(vapi_message_t *m); /* conversation.c */
void vapi_tool_calls(vapi_message_t *m);          /* tools.c */
void vapi_report(vapi_message_t *m);              /* report.c */
void vapi_api_call(vapi_message_t *m);            /* report.c: no message, but the call as the API has it */

/* And what these are made of. vapi_read_call comes first: it sets fact, rank and version. */
void vapi_read_call(vapi_message_t *m, rank_t rank);                         /* call.c */
void vapi_transferred(const vapi_message_t *m);                              /* call.c */
void vapi_progress(const vapi_message_t *m, str_t status, int64_t guess_us); /* progress.c */
void vapi_ended(const vapi_message_t *m, str_t reason);                      /* ended.c */
void vapi_lines(const vapi_message_t *m, str_t source);                      /* conversation.c */
str_t vapi_line_metadata(const cJSON *line, arena_t *a);                     /* conversation.c */
str_t vapi_role(str_t role); /* conversation.c: user or assistant; absent for all others */

/* tools.c: what a tool call is answered until tools can be configured */
typedef str_t (*vapi_answer_fn)(const cJSON *message, arena_t *a);
str_t vapi_answer_tool_calls(const cJSON *message, arena_t *a);

/* samples.c */
#define VAPI_SAMPLE_COUNT 14
extern const hook_sample_t VAPI_SAMPLES[VAPI_SAMPLE_COUNT];

#endif
