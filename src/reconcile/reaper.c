/* reaper.c – of a run: calls whose end was never heard. Their provider is asked for each of them by itself. */
#include "reconcile/run_inside.h"

#define MOST_AT_A_TIME 500 /* in one run; those that were asked about longest ago first */

static void add(run_t *r, str_t call_id, arena_t *a)
{
    remote_step_t at = {.from_us = TIME_NONE, .to_us = TIME_NONE};
    step_t *s;

    if (!r->remote->one(r->o->access, call_id, a, &at))
        return;
    s = step_new(&at, STR_NONE, NULL);
    step_ask_about(s, &call_id, 1);
    agenda_push(&r->agenda, s);
}

void run_add_stale(run_t *r)
{
    arena_t *a = arena_new(8192);
    err_t err = {.code = ERR_NONE};
    size_t count = 0;
    str_t *ids;

    if (ledger_stale(r->o->ledger, r->o->stale_us, MOST_AT_A_TIME, a, &ids, &count, &err))
        for (size_t i = count; i-- > 0;)
            add(r, ids[i], a);
    else
        run_end_early(r, "calls without an end could not be read", &err);
    arena_free(a);
}
