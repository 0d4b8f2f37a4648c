/* audit_diff.h – of an audit: what a provider's API told, held against what is stored.
 *
 * What was told is kept until there is enough to compare; what differs goes into the provider's lists of the result,
 * each call once in a list and each of its fields once. Writes nothing to the database. Blocks while it compares; one
 * thread. */
#ifndef HOOKLINE_RECONCILE_AUDIT_DIFF_H
#define HOOKLINE_RECONCILE_AUDIT_DIFF_H

#include "reconcile/audit_database.h"
#include "reconcile/audit_result.h"

#define AUDIT_DIFF_BUCKETS 1024

typedef struct audit_diff {
    audit_database_t *db;
    audit_result_t *result;
    audit_provider_t *out; /* in it */
    delivery_t **told;     /* not compared yet */
    size_t n_told, told_bytes;
    seen_t calls;  /* that the API told of */
    seen_t listed; /* bit AUDIT_… of the lists that a call is in */
    audit_entry_t *buckets[AUDIT_LIST_COUNT][AUDIT_DIFF_BUCKETS];
} audit_diff_t;

void audit_diff_begin(audit_diff_t *d, audit_database_t *db, audit_result_t *result, audit_provider_t *out);
void audit_diff_end(audit_diff_t *d); /* what is not compared is dropped */

void audit_diff_add(audit_diff_t *d, delivery_t *told); /* owned from here on */
bool audit_diff_is_full(const audit_diff_t *d);         /* it is time to compare */
bool audit_diff_run(audit_diff_t *d, err_t *err);       /* all that was told; false: the database is gone */

/* Whether the API told of that call, as far as it was compared. */
bool audit_diff_knows(audit_diff_t *d, str_t call_id);

#endif
