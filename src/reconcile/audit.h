/* audit.h – whether what is stored here is what the providers' APIs say: which calls are only there, which only here
 * and why, and which differ, field by field; and whether calls, customers, transcripts and leads fit together.
 *
 * Asks as a reconcile run does (the same steps, transport and manners) and writes nothing: neither there nor here. What
 * differs is what a run would change (audit_compare.h). Blocks; any thread, one audit at a time on it. */
#ifndef HOOKLINE_RECONCILE_AUDIT_H
#define HOOKLINE_RECONCILE_AUDIT_H

#include "base/clock.h"
#include "reconcile/audit_result.h"
#include "reconcile/job.h"

#define AUDIT_SINCE_US  (INT64_C(7) * 86400 * US_PER_S) /* how far back, where nobody says */
#define AUDIT_MAX_ASKED 200 /* calls that are only here and asked for one by one, of one provider */

typedef struct audit_options {
    const job_settings_t *settings;
    const setting_source_t *keys;
    fetcher_t *fetcher;
    const provider_t *const *providers; /* each with remote */
    size_t n_providers;
    int64_t since_us;
    size_t max_entries;            /* of one list; 0: AUDIT_MAX_ENTRIES */
    size_t max_bytes;              /* about: of all that is listed; what comes after it is counted. 0: no bound */
    const _Atomic bool *stop;      /* NULL: nobody does */
    const _Atomic int64_t *end_us; /* mono clock: the end of all waiting for the database; NULL: none */
} audit_options_t;

/* False: the database could not be read (or the audit was told to stop), and there is no result. A provider that could
 * not be asked does not fail the others. The result is cleared by the caller either way. */
bool audit_run(const audit_options_t *o, audit_result_t *out, err_t *err);

#endif
