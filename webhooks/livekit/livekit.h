/* livekit.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_LIVEKIT_H
#define HOOKLINE_WEBHOOKS_LIVEKIT_H

#include "provider.h"

/* signature.c */
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
    fact_t *call;      /* of the room; NULL when it has no sid: then there are no facts at all */
    version_t version; /* of what this event says: its createdAt, which a repetition does not change */
} livekit_event_t;

/* room.c: what every event that carries its room in full says about the call */
void livekit_read_room(livekit_event_t *e);
void livekit_room_started(livekit_event_t *e);
void livekit_room_finished(livekit_event_t *e);

/* participant.c */
void livekit_participant_joined(livekit_event_t *e);
void livekit_participant_left(livekit_event_t *e);
void livekit_participant_aborted(livekit_event_t *e);

/* samples.c */
#define LIVEKIT_SAMPLE_COUNT 7
extern const hook_sample_t LIVEKIT_SAMPLES[LIVEKIT_SAMPLE_COUNT];

#endif
