/* room.c – a room is a call: its sid names it, its name is the session's.
 *
 * Source: docs.livekit.io/home/server/webhooks, github.com/livekit/protocol protobufs/livekit_models.proto, read
 * 2026-11-21. A name may be used again; the sid is then another. */
#include "livekit/livekit.h"

/* Free text of ours or of an application's: kept as JSON where it is an object or a list. */
static str_t room_metadata(const livekit_event_t *e)
{
    str_t text = json_str(e->room, "metadata"), safe;
    err_t why;

    if (str_is_empty(text) || (text.base[0] != '{' && text.base[0] != '['))
        return STR_NONE;
    return json_clean(e->d->arena, text, (json_redact_t){NULL}, &safe, &why) ? safe : STR_NONE;
}

void livekit_read_room(livekit_event_t *e)
{
    str_t name = json_str(e->room, "name");
    int64_t began_us = json_time_ms(e->room, "creationTimeMs");

    if (str_is_empty(e->d->call_id))
        return;
    e->version = version_of(RANK_EVENT, e->d->occurred_us);
    e->call = fact_call(&e->d->facts, e->d->call_id);
    fact_text(e->call, CALL_SESSION_ID, e->version, name);
    fact_text(e->call, CALL_ROOM_NAME, e->version, name);
    fact_text(e->call, CALL_METADATA, e->version, room_metadata(e));
    /* Older servers give whole seconds only: the moment before the true one. */
    if (began_us != TIME_NONE)
        fact_time(e->call, CALL_STARTED_AT, RANK_EVENT, began_us);
    else
        fact_time(e->call, CALL_STARTED_AT, RANK_INFERRED, json_time_s(e->room, "creationTime"));
}

void livekit_room_started(livekit_event_t *e)
{
    livekit_read_room(e);
    if (e->call)
        fact_phase(e->call, PHASE_PENDING);
}

/* Whether the call succeeded is left open here: it did if a person was ever connected, which other events say. The
 * reason is what holds when none does: the leave of any person goes before it (see participant.c). */
void livekit_room_finished(livekit_event_t *e)
{
    livekit_read_room(e);
    if (!e->call)
        return;
    fact_ended(e->call, version_of(RANK_INFERRED, 0), STR_NONE, STR("no_participant"));
    fact_time(e->call, CALL_ENDED_AT, RANK_EVENT, e->d->occurred_us);
}
