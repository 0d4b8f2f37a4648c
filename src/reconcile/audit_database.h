/* audit_database.h – of an audit: what is stored. Reads, each in a transaction that can do nothing else.
 *
 * Blocks; one thread. False: ERR_STORE_DOWN and its like, and nothing was read. */
#ifndef HOOKLINE_RECONCILE_AUDIT_DATABASE_H
#define HOOKLINE_RECONCILE_AUDIT_DATABASE_H

#include "reconcile/audit_compare.h"
#include "reconcile/audit_result.h"
#include "reconcile/job.h"
#include "store/batch.h"
#include "store/pg.h"

#define AUDIT_PAGE 500 /* rows */

typedef struct audit_database {
    pg_options_t options;
    pg_t *pg; /* NULL: not connected */
    params_t params;
} audit_database_t;
/* end_us: mono clock: the end of all waiting, which may come nearer; NULL: none. */
bool audit_database_open(audit_database_t *db, const job_settings_t *s, const _Atomic int64_t *end_us, err_t *err);
void audit_database_close(audit_database_t *db);

/* The stored side of a fact. */
typedef struct audit_row {
    bool call_there, there; /* the call's row; its own */
    held_t *columns;        /* as many as the kind has; NULL: there is none */
} audit_row_t;
/* rows: at most AUDIT_PAGE; as many, in the same order, in the arena. */
bool audit_read_rows(audit_database_t *db, fact_kind_t kind, const row_t *rows, size_t count, arena_t *a,
                     audit_row_t **out, err_t *err);

typedef struct audit_stored {
    str_t id;
    int64_t at_us;
    bool open; /* neither completed nor failed */
} audit_stored_t;
/* A provider's calls of [since, until) by id, from behind `after` on: at most AUDIT_PAGE. */
bool audit_read_calls(audit_database_t *db, const char *provider, int64_t since_us, int64_t until_us, str_t after,
                      arena_t *a, audit_stored_t **out, size_t *count, err_t *err);

/* Fills checks of the result. */
bool audit_read_checks(audit_database_t *db, audit_result_t *r, err_t *err);

#endif
