/* session.h – one run from the settings to its end: what the schedule and the command share. Blocks; any thread. */
#ifndef HOOKLINE_RECONCILE_SESSION_H
#define HOOKLINE_RECONCILE_SESSION_H

#include "config/config.h"
#include "reconcile/run.h"

/* What is read from the settings, so that a reload can replace it as a whole. */
typedef struct session_settings {
    char *conninfo;
    bool pooled;
    int64_t statement_timeout_us;
    int64_t every_us, reach_us, timeout_us, stale_us;
} session_settings_t;
void session_settings_read(session_settings_t *s, const config_t *config);
void session_settings_copy(session_settings_t *to, const session_settings_t *from);
void session_settings_clear(session_settings_t *s);

typedef struct session_wish {
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
} session_wish_t;

/* Not LEASE_TAKEN: there was no run, and err says why. Else *status and the report (cleared by the caller either way)
 * say how it went. */
lease_t session_run(const session_settings_t *s, const session_wish_t *w, fetcher_t *f, run_status_t *status,
                    report_t *report, err_t *err);

/* Whether the provider's API takes the key. */
bool session_probe(const session_settings_t *s, const provider_t *p, const void *access, fetcher_t *f, int *http_status,
                   err_t *err);

#endif
