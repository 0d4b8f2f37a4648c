/* progress.c – how far a call has got, by its status, whichever message brings it.
 *
 * Source: schema Call of Vapi's OpenAPI document, read 2026-11-21. Statuses come late and out of order; a web call
 * skips some; `ended` may never come, the report then says it. Every message carries the call with its status, and
 * moves it. */
#include "vapi/vapi.h"

/* startedAt is when the call was connected: absent for one that never was. */
static void started(const vapi_message_t *m, int64_t at_us, rank_t rank)
{
    if (at_us == TIME_NONE)
        return;
    fact_time(m->fact, CALL_STARTED_AT, rank, at_us);
    fact_time(m->fact, CALL_CONNECTED_AT, rank, at_us);
    fact_bool(m->fact, CALL_AI_AGENT_USED, rank, true);
}

static void pending(const vapi_message_t *m, int64_t guess_us)
{
    (void)guess_us;
    fact_phase(m->fact, PHASE_PENDING);
}

static void active(const vapi_message_t *m, int64_t guess_us)
{
    fact_phase(m->fact, PHASE_ACTIVE);
    started(m, guess_us, RANK_INFERRED);
    started(m, vapi_time(m, "startedAt"), m->rank);
}

static void ended(const vapi_message_t *m, int64_t guess_us)
{
    vapi_ended(m, vapi_text(m, "endedReason"));
    started(m, vapi_time(m, "startedAt"), m->rank);
    fact_time(m->fact, CALL_ENDED_AT, RANK_INFERRED, guess_us);
    fact_time(m->fact, CALL_ENDED_AT, m->rank, vapi_time(m, "endedAt"));
}

/* not-found and deletion-failed are no stages of a call: they are stored, and move nothing. */
static const struct {
    const char *word;
    void (*move)(const vapi_message_t *m, int64_t guess_us);
} STATUSES[] = {
    {"scheduled", pending},  {"queued", pending},    {"ringing", pending},
    {"in-progress", active}, {"forwarding", active}, {"ended", ended},
};

/* guess_us: when the call got there, should nothing better be known; or TIME_NONE. */
void vapi_progress(const vapi_message_t *m, str_t status, int64_t guess_us)
{
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (str_eq(status, str_from(STATUSES[i].word)))
            STATUSES[i].move(m, guess_us);
}
