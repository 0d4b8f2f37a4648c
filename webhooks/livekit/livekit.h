/* livekit.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_LIVEKIT_H
#define HOOKLINE_WEBHOOKS_LIVEKIT_H

#include "provider.h"
#include "secret.h"

/* signature.c: by API key, newest first */
typedef struct livekit_keys {
    secrets_t list;
} livekit_keys_t;
void *livekit_keys_new(const setting_source_t *from, err_t *err);
void livekit_keys_free(void *keys);
bool livekit_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t livekit_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                    header_t *headers);

/* A webhook event, its parts fetched once. */
typedef struct livekit_event {
    delivery_t *d;
    const cJSON *root;
    const cJSON *room;
    const cJSON *participant;
    fact_t *call;      /* of the room; NULL when no sid is told: then there are no facts at all */
    version_t version; /* of what this event says: its createdAt, which a repetition does not change */
} livekit_event_t;

/* protojson.c: how protobuf's JSON writes things */
typedef struct livekit_enum {
    const char *const *names; /* by number; NULL where a number has no name */
    size_t count;
} livekit_enum_t;
#define LIVEKIT_ENUM(...)                                                                                              \
    {                                                                                                                  \
        .names = (const char *const[]){__VA_ARGS__}, .count = COUNT(((const char *const[]){__VA_ARGS__}))              \
    }
str_t livekit_enum_name(const cJSON *message, const char *field, const livekit_enum_t *values);
int64_t livekit_time_of_ns(const cJSON *message,
                           const char *field);             /* of nanoseconds since 1970: µs; TIME_NONE for 0 */
str_t livekit_json_text(arena_t *a, str_t text);           /* a text that is itself JSON; else absent */
cJSON *livekit_as_event(arena_t *a, const cJSON *message); /* of the API's: as a webhook would have it */

/* room.c: what every event says about the call that its room is */
void livekit_read_room(livekit_event_t *e);
void livekit_name_room(livekit_event_t *e, str_t name);
void livekit_room_started(livekit_event_t *e);
void livekit_room_finished(livekit_event_t *e);

/* participant.c */
void livekit_participant_joined(livekit_event_t *e);
void livekit_participant_there(livekit_event_t *e); /* somebody who had joined before the API was asked */
bool livekit_is_active(const cJSON *participant);
void livekit_participant_left(livekit_event_t *e);
void livekit_participant_aborted(livekit_event_t *e);

/* egress.c, ingress.c, job.c */
void livekit_egress(livekit_event_t *e);
bool livekit_egress_is_over(const cJSON *info);
void livekit_ingress(livekit_event_t *e);
void livekit_job(livekit_event_t *e);

/* api.c: objects of the server API, by the route that they come by, as events */
#define LIVEKIT_ROUTE_API_ROOM        "api-room"
#define LIVEKIT_ROUTE_API_PARTICIPANT "api-participant"
#define LIVEKIT_ROUTE_API_EGRESS      "api-egress"
bool livekit_is_object(const delivery_t *d);
bool livekit_object_event(delivery_t *d, err_t *err); /* makes d->root a webhook event of it, and sets occurred_us */

/* remote.c: what the server API is asked */
extern const remote_t LIVEKIT_REMOTE;

/* samples.c */
#define LIVEKIT_SAMPLE_COUNT 10
extern const hook_sample_t LIVEKIT_SAMPLES[LIVEKIT_SAMPLE_COUNT];

#endif
