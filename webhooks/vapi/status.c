/* status.c – status-update: where a call has got to.
 *
 * Source: schema ServerMessageStatusUpdate of Vapi's OpenAPI document, read 2026-11-21. Statuses come late and out of
 * order; a web call skips some; `ended` may never come, the report then says it. */
#include "vapi/vapi.h"

/* not-found and deletion-failed are no stages of a call: they are stored, and move nothing. */
static const struct {
    const char *word;
    call_phase_t phase;
} STATUSES[] = {
    {"scheduled", PHASE_PENDING},  {"queued", PHASE_PENDING},    {"ringing", PHASE_PENDING},
    {"in-progress", PHASE_ACTIVE}, {"forwarding", PHASE_ACTIVE}, {"ended", PHASE_ENDED},
};

/* startedAt is when the call was connected: absent for one that never was. */
static void active(const vapi_message_t *m)
{
    int64_t at_us = json_iso8601(m->call, "startedAt");
    rank_t rank = at_us == TIME_NONE ? RANK_INFERRED : RANK_EVENT;

    if (at_us == TIME_NONE)
        at_us = m->d->occurred_us;
    fact_phase(m->fact, PHASE_ACTIVE);
    fact_time(m->fact, CALL_STARTED_AT, rank, at_us);
    fact_time(m->fact, CALL_CONNECTED_AT, rank, at_us);
    fact_bool(m->fact, CALL_AI_AGENT_USED, RANK_EVENT, true);
}

static void ended(const vapi_message_t *m)
{
    int64_t started_us = json_iso8601(m->call, "startedAt");
    int64_t ended_us = json_iso8601(m->call, "endedAt");

    vapi_ended(m, vapi_text(m, "endedReason"));
    fact_time(m->fact, CALL_STARTED_AT, RANK_EVENT, started_us);
    fact_time(m->fact, CALL_CONNECTED_AT, RANK_EVENT, started_us);
    if (ended_us != TIME_NONE)
        fact_time(m->fact, CALL_ENDED_AT, RANK_EVENT, ended_us);
    else
        fact_time(m->fact, CALL_ENDED_AT, RANK_INFERRED, m->d->occurred_us);
}

static void move(const vapi_message_t *m, call_phase_t phase)
{
    switch (phase) {
    case PHASE_PENDING:
        fact_phase(m->fact, phase);
        break;
    case PHASE_ACTIVE:
        active(m);
        break;
    case PHASE_ENDED:
        ended(m);
        break;
    }
}

/* A call can be forwarded more than once, to different places. */
static void set_key(const vapi_message_t *m)
{
    delivery_t *d = m->d;
    const cJSON *destination = str_eq(d->status, STR("forwarding")) ? vapi_node(m, "destination") : NULL;
    const str_t parts[] = {STR("status:"), d->call_id, STR(":"),
                           d->status,      STR(":"),   destination ? json_hash(d->arena, destination, NULL) : STR_NONE};

    d->event_key = arena_concat(d->arena, parts, destination ? COUNT(parts) : COUNT(parts) - 2);
}

void vapi_status_update(vapi_message_t *m)
{
    m->d->status = json_str(m->root, "status");
    vapi_read_call(m, RANK_EVENT);
    if (!m->fact || str_is_empty(m->d->status))
        return;
    set_key(m);
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (str_eq(m->d->status, str_from(STATUSES[i].word)))
            move(m, STATUSES[i].phase);
}
