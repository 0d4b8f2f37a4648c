/* ledger.h – what a run has done and has still to do, in PostgreSQL: its lease, windows, steps, and what came of them.
 *
 * What came of a step, the steps that follow from it, and its own end are one transaction, so that a run that is cut
 * off anywhere goes on there, and a run whose lease was taken over writes nothing more. A dry run does the same and
 * takes every transaction back. Blocks; one thread. Every function: false (or what stands for it) with err, when the
 * database is gone for longer than a moment, or the lease is. */
#ifndef HOOKLINE_RECONCILE_LEDGER_H
#define HOOKLINE_RECONCILE_LEDGER_H

#include "event/delivery.h"
#include "reconcile/report.h"
#include "reconcile/step.h"

#include <stdatomic.h>

typedef struct ledger ledger_t;

typedef struct ledger_options {
    const char *conninfo;
    bool pooled;
    int64_t statement_timeout_us;
    const char *provider; /* its name; a literal */
    const char *asked_by; /* "schedule", "webhook", "command" … : reconcile_runs; a literal */
    bool dry;
    int64_t queued_id; /* of the row that asked for this run (queued.h); 0: it makes its own, or none if it is dry */
    const _Atomic int64_t *end_us; /* mono clock: the end of all waiting, which may come nearer; NULL: none */
} ledger_options_t;

ledger_t *ledger_open(const ledger_options_t *options, err_t *err);
void ledger_close(ledger_t *l); /* NULL is fine */

/* ---- the run (lease.c) ---- */

typedef enum {
    LEASE_TAKEN,
    LEASE_HELD,    /* another run is under way: err says whose */
    LEASE_NOT_DUE, /* the last one began too recently; what was queued waits no more */
    LEASE_FAILED,
} lease_t;
/* every_us: only if the last one began so long ago; 0: no matter when. resource: NULL for all. */
lease_t ledger_begin(ledger_t *l, int64_t every_us, const char *resource, int64_t since_us, int64_t until_us,
                     err_t *err);
/* Now and then while nothing is committed, and before anything that took long. */
bool ledger_renew(ledger_t *l, const report_t *r, err_t *err);
bool ledger_is_canceled(const ledger_t *l); /* as the last renewal saw it: somebody wants it to end */
bool ledger_end(ledger_t *l, const char *status, const report_t *r, err_t *err); /* "done", "failed", "canceled" */

/* ---- windows (windows.c) ---- */

typedef struct ledger_work {
    window_t **windows; /* the caller's, from mem_alloc */
    size_t n_windows;
    step_t **steps; /* as well; of those windows, in order */
    size_t n_steps;
} ledger_work_t;

bool ledger_watermark(ledger_t *l, const char *resource, int64_t *us, err_t *err); /* TIME_NONE: none yet */
/* What earlier runs have left of it, but for those within [since, until) (TIME_NONE: none), and what lives: they are
 * planned anew, and forgotten by ledger_plan. Those that the provider does not reach back to any more (before least_us)
 * are refused. Of too many those that touch are one, without steps: it begins anew. */
typedef struct ledger_wish {
    const char *resource;
    int64_t since_us, until_us, least_us;
    bool all; /* failed ones that were tried just now, too */
} ledger_wish_t;
bool ledger_left(ledger_t *l, const ledger_wish_t *wish, ledger_work_t *out, err_t *err);
/* New windows of a resource and what each begins with. */
typedef struct ledger_plan {
    const ledger_wish_t *wish; /* what it takes the place of */
    const char *resource;
    window_t **windows; /* get their ids */
    size_t n_windows;
    step_t **steps; /* as well */
    size_t n_steps;
    int64_t watermark_us; /* TIME_NONE: it stays */
    int64_t overlap_us;   /* that it was planned with; for who reads the table */
} ledger_plan_t;
bool ledger_plan(ledger_t *l, const ledger_plan_t *plan, err_t *err); /* all of it or none */
/* Forgets the steps that are left of it: these take their place. */
bool ledger_restart(ledger_t *l, window_t *w, step_t **steps, size_t n_steps, err_t *err);
bool ledger_window_end(ledger_t *l, window_t *w, err_t *err); /* covered; with an error in it: failed */

/* ---- steps (page.c) ---- */

typedef struct touched {
    str_t provider, call_id;
    became_t became;
    report_customer_t customer; /* as the step's own transaction left it */
} touched_t;

/* A step that is done. */
typedef struct ledger_page {
    const step_t *step;
    delivery_t **deliveries;
    size_t n_deliveries;
    step_t **follows; /* get their ids */
    size_t n_follows;
    bool *known; /* as many: their marks are those of before, so they are not needed (and not kept) */
    const report_t *report;
    /* what came of it, in the arena */
    arena_t *arena;
    touched_t *touched;
    size_t n_touched;
} ledger_page_t;
/* False with ERR_CONTENT: PostgreSQL refuses this page alone, and not for what is in it. */
bool ledger_commit(ledger_t *l, ledger_page_t *page, err_t *err);
bool ledger_step_asked(ledger_t *l, const step_t *s, err_t *err); /* before a request that must not be made twice */
bool ledger_step_failed(ledger_t *l, const step_t *s, const char *why, err_t *err);
/* Calls that began so long ago and have not ended, in the arena: those that were looked after longest ago first. */
bool ledger_stale(ledger_t *l, int64_t age_us, size_t most, arena_t *a, open_call_t **calls, size_t *count, err_t *err);

#endif
