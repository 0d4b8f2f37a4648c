/* reaper.c – of a run: calls whose end was never heard. Their provider is asked for each of them by itself; one that
 * knows calls only while they live, once for all of them. */
#include "reconcile/run_inside.h"

#define MOST_AT_A_TIME 500 /* in one run; those that were asked about longest ago first */

typedef struct question {
    remote_step_t at;
    open_call_t *calls;
    size_t count;
} question_t;

static void ask(run_t *r, const question_t *q)
{
    step_t *s;

    if (!q->count)
        return;
    s = step_new(&q->at, STR_NONE, NULL);
    step_ask_about(s, q->calls, q->count);
    agenda_push(&r->agenda, s);
}

/* The agenda's last is its first: the calls come backwards. */
static void ask_about(run_t *r, const open_call_t *calls, size_t count, arena_t *a)
{
    question_t q = {.calls = arena_alloc(a, (count + 1) * sizeof(*q.calls))};

    for (size_t i = count; i-- > 0;) {
        remote_step_t at = {.from_us = TIME_NONE, .to_us = TIME_NONE};

        if (!r->remote->one(r->o->access, calls[i].id, a, &at))
            continue;
        q.at = at;
        q.calls[q.count++] = calls[i];
        if (!r->remote->forgets_ended) {
            ask(r, &q);
            q.count = 0;
        }
    }
    ask(r, &q);
}

void run_add_stale(run_t *r)
{
    arena_t *a = arena_new(8192);
    err_t err = {.code = ERR_NONE};
    size_t count = 0;
    open_call_t *calls;

    if (ledger_stale(r->o->ledger, r->o->stale_us, MOST_AT_A_TIME, a, &calls, &count, &err))
        ask_about(r, calls, count, a);
    else
        run_end_early(r, "calls without an end could not be read", &err);
    arena_free(a);
}
