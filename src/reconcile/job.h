/* job.h – one run from the settings to its end: what the schedule and the command share. Blocks; any thread. */
#ifndef HOOKLINE_RECONCILE_JOB_H
#define HOOKLINE_RECONCILE_JOB_H

#include "config/config.h"
#include "reconcile/run.h"

/* What is read from the settings, so that a reload can replace it as a whole. */
typedef struct job_settings {
    char *conninfo;
    bool pooled;
    int64_t statement_timeout_us;
    int64_t every_us, gap_us, reach_us, timeout_us, stale_us;
    int64_t overlap_us; /* TIME_NONE: as each resource says */
} job_settings_t;
void job_settings_read(job_settings_t *s, const config_t *config);
void job_settings_copy(job_settings_t *to, const job_settings_t *from);
void job_settings_clear(job_settings_t *s);

typedef struct job_wish {
    const provider_t *provider;
    const void *access;
    const char *asked_by;
    bool dry;
    int64_t queued_id;          /* of the row that asked for it; 0: none */
    int64_t every_us;           /* only if the last run began so long ago; 0: now */
    const char *resource;       /* NULL: all */
    int64_t since_us, until_us; /* TIME_NONE: see plan.h */
    bool by_hand;
    const _Atomic bool *stop;
    const _Atomic int64_t *end_us; /* mono clock: the end of all waiting for the database; NULL: none */
    void (*progress)(void *ctx, const run_progress_t *p);
    void *ctx;
} job_wish_t;

/* Not LEASE_TAKEN: there was no run, and err says why. Else *status and the report (cleared by the caller either way)
 * say how it went. */
lease_t job_run(const job_settings_t *s, const job_wish_t *w, fetcher_t *f, run_status_t *status, report_t *report,
                err_t *err);

/* Whether the provider's API takes the key. */
bool job_probe(const job_settings_t *s, const provider_t *p, const void *access, fetcher_t *f, int *http_status,
               err_t *err);

#endif
