/* run.h – one reconcile run over one provider: resources, windows, steps, and the calls that nobody has heard the end
 * of.
 *
 * It knows no socket (transport.h), no SQL (ledger.h) and no provider. Blocks until all is done, or until it is told to
 * stop; one thread. What it did not come to, a later run does. */
#ifndef HOOKLINE_RECONCILE_RUN_H
#define HOOKLINE_RECONCILE_RUN_H

#include "provider.h"
#include "reconcile/ledger.h"
#include "reconcile/report.h"
#include "reconcile/transport.h"

typedef struct run_progress {
    const char *provider;
    size_t windows, windows_done;
    size_t steps_left;
    const report_t *report;
    int64_t began_us; /* mono clock */
} run_progress_t;

typedef struct run_options {
    const provider_t *provider; /* with remote */
    const void *access;         /* its own */
    const transport_t *transport;
    ledger_t *ledger;           /* begun */
    const char *resource;       /* NULL: all */
    int64_t since_us, until_us; /* TIME_NONE: see plan.h */
    bool by_hand;               /* what failed just now is tried again, too */
    int64_t reach_us;           /* how far back the first run goes */
    int64_t overlap_us;         /* how far later ones reach back; TIME_NONE: as each resource says */
    int64_t stale_us;           /* after which a call without an end is asked about; 0: none is */
    const _Atomic bool *stop;
    void (*progress)(void *ctx, const run_progress_t *p); /* after every page; NULL: nobody wants to know */
    void *ctx;
} run_options_t;

typedef enum { RUN_DONE, RUN_FAILED, RUN_CANCELED } run_status_t;
const char *run_status_name(run_status_t s); /* as in reconcile_runs */

/* RUN_DONE: every window is covered. Errors are in the report. Ends the ledger's run, too. Answers that still come are
 * nobody's: the transport is closed after it. */
run_status_t run_make(const run_options_t *o, report_t *report);

#endif
