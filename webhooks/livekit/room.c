/* room.c – a room is a call: its sid names it, its name is the session's.
 *
 * Source: docs.livekit.io/home/server/webhooks, github.com/livekit/protocol protobufs/livekit_models.proto, read
 * 2026-11-21. A name may be used again; the sid is then another, and so is the call. */
#include "livekit/livekit.h"

void livekit_name_room(livekit_event_t *e, str_t name)
{
    fact_text(e->call, CALL_SESSION_ID, e->version, name);
    fact_text(e->call, CALL_ROOM_NAME, e->version, name);
}

/* Events of tracks, egress and agents have the room's sid and name only. All that a track tells beyond these is in its
 * participant's joining and leaving, and neither may be concluded from it: it does not say of what kind who publishes
 * is, and a telephone leg that we dial publishes before it is answered (livekit/sip pkg/sip/outbound.go, read
 * 2026-11-21). So for tracks this is all. */
void livekit_read_room(livekit_event_t *e)
{
    int64_t began_us = json_time_ms(e->room, "creationTimeMs");
    delivery_t *d = e->d;

    if (str_is_empty(d->call_id))
        return;
    e->version = version_of(RANK_EVENT, d->occurred_us);
    e->call = fact_call(&d->facts, d->call_id);
    livekit_name_room(e, json_str(e->room, "name"));
    fact_text(e->call, CALL_METADATA, e->version, livekit_json_text(d->arena, json_str(e->room, "metadata")));
    /* Older servers give whole seconds only: the moment before the true one. */
    if (began_us != TIME_NONE)
        fact_time(e->call, CALL_STARTED_AT, RANK_EVENT, began_us);
    else
        fact_time(e->call, CALL_STARTED_AT, RANK_INFERRED, json_time_s(e->room, "creationTime"));
}

void livekit_room_started(livekit_event_t *e)
{
    livekit_read_room(e);
    fact_phase(e->call, PHASE_PENDING);
}

/* Whether the call succeeded is left open here: it did if a person was ever connected, which other events say. The
 * reason is what holds when none does: the leave of any person goes before it (see participant.c). */
void livekit_room_finished(livekit_event_t *e)
{
    livekit_read_room(e);
    fact_ended(e->call, version_of(RANK_INFERRED, 0), STR_NONE, STR("no_participant"));
    fact_time(e->call, CALL_ENDED_AT, RANK_EVENT, e->d->occurred_us);
}
