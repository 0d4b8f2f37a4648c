/* migrate.h – brings a database's schema to what this program knows.
 *
 * The files of schema/ are built in. NNNN_*.sql run once, in order; repeatable_*.sql run again when their text changes.
 * Each file is one transaction, under an advisory lock held by the transaction, so that any number of migrations may
 * start at once, behind a transaction-mode pooler too. Blocking; for the command line and the start. */
#ifndef HOOKLINE_STORE_MIGRATE_H
#define HOOKLINE_STORE_MIGRATE_H

#include "base/err.h"

#include <libpq-fe.h>

typedef enum { MIGRATION_DONE, MIGRATION_PENDING, MIGRATION_CHANGED, MIGRATION_UNKNOWN } migration_state_t;

/* Says what became of each file, or (dry) what would. UNKNOWN: the database has one that this program has not. */
typedef void (*migrate_report_fn)(void *ctx, const char *file, migration_state_t state, bool ran);

bool migrate_run(const char *conninfo, bool dry, migrate_report_fn report, void *ctx, err_t *err);

/* For a connection of one's own: the statement, and whether its result holds all that we need. A database that is ahead
 * of us is fine: migrations only add. */
const char *migrate_check_sql(void);
bool migrate_check(const PGresult *result, err_t *err);

#endif
