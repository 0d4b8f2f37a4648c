/* reaper.c – of a run: calls whose end was never heard. Their provider is asked for each of them by itself; one that
 * knows calls only while they live, once for all of them, or for very many of them. */
#include "reconcile/run_inside.h"

/* In one run; those that were asked about longest ago first. */
#define MOST_ONE_BY_ONE 500
#define MOST_BY_LIST    20000
#define MOST_OF_A_LIST  500 /* concluded from one answer: they are written in one transaction */

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
        if (!r->remote->forgets_ended || q.count == MOST_OF_A_LIST) {
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
    size_t most = r->remote->forgets_ended ? MOST_BY_LIST : MOST_ONE_BY_ONE, count = 0;
    open_call_t *calls;

    if (ledger_stale(r->o->ledger, r->o->stale_us, most, a, &calls, &count, &err))
        ask_about(r, calls, count, a);
    else
        run_end_early(r, "calls without an end could not be read", &err);
    arena_free(a);
}
