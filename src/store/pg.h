/* pg.h – one connection to PostgreSQL, and a batch sent over it.
 *
 * For a thread that may wait: every call returns at its deadline at the latest. Connecting alone is libpq's own: it
 * goes from host to host of a list, with a time for each (connect_timeout, 5 s if nobody says otherwise), and names are
 * resolved on this thread. Not thread-safe. */
#ifndef HOOKLINE_STORE_PG_H
#define HOOKLINE_STORE_PG_H

#include "base/err.h"
#include "store/batch.h"
#include "store/params.h"
#include "store/sqlstate.h"

typedef struct pg pg_t;

typedef struct pg_options {
    const char *conninfo; /* libpq's; "" for PG* */
    bool pooled;          /* unnamed statements, settings inside the transaction */
    int64_t statement_timeout_us;
    const _Atomic int64_t
        *end_us; /* mono clock: the end of all waiting, which may come nearer at any time; NULL: none */
} pg_options_t;

/* Connects, checks that the schema is ours, prepares. NULL: err says why (ERR_STORE_DOWN) and what to do. */
pg_t *pg_open(const pg_options_t *options, err_t *err);
void pg_close(pg_t *pg);       /* NULL is fine */
int pg_socket(const pg_t *pg); /* readable while idle: call pg_is_alive */
bool pg_is_alive(pg_t *pg);    /* false, too, once something was waited for in vain: it is to be closed */

/* One transaction. FAULT_NONE: committed. Else nothing of it is stored (or, after FAULT_CONNECT, it is not known), and
 * err says what PostgreSQL said: for logs, sqlstate and table only; for a dead letter, detail has the message too. */
typedef struct pg_error {
    char sqlstate[6];
    char message[300];
} pg_error_t;
fault_t pg_commit(pg_t *pg, const batch_t *batch, pg_error_t *error);

/* One statement by itself, seldom: its result, to be cleared by the caller. NULL: err says what PostgreSQL said; the
 * connection may be gone (pg_is_alive). p: finished, in binary; NULL for none. */
PGresult *pg_query(pg_t *pg, const char *sql, const params_t *p, err_t *err);
/* The same for what is asked again and again: planned once a connection, where there is no pooler. sql: a literal,
 * whose parameters have the same types each time. */
PGresult *pg_query_often(pg_t *pg, const char *sql, const params_t *p, err_t *err);
/* The same with parameters as text (NULL: NULL). error: sqlstate "" when the connection is gone, or silent. */
PGresult *pg_ask(pg_t *pg, const char *sql, const char *const *values, int count, pg_error_t *error);
/* BEGIN; behind a pooler with the settings that a session has otherwise. What follows is the caller's, to its COMMIT.
 */
bool pg_begin(pg_t *pg, err_t *err);

#endif
