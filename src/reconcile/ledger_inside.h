/* ledger_inside.h – what the files of the ledger share. Nobody else includes this. */
#ifndef HOOKLINE_RECONCILE_LEDGER_INSIDE_H
#define HOOKLINE_RECONCILE_LEDGER_INSIDE_H

#include "reconcile/ledger.h"
#include "store/pg.h"

#define LEDGER_LEASE "interval '30 s'"

struct ledger {
    ledger_options_t options;
    char *conninfo;
    char me[100]; /* whose the lease is */
    pg_t *pg;     /* NULL: not connected */
    params_t params;
    int64_t run_id; /* 0: a dry run that nobody watches */
    bool canceled;
    int64_t told_us; /* mono clock: when its row was last written */
};

bool ledger_connect(ledger_t *l, err_t *err); /* if it is not */

/* The parameters of the next query. */
void ledger_params(ledger_t *l); /* begins anew */
void ledger_text(ledger_t *l, str_t s);
void ledger_int(ledger_t *l, int64_t value);
void ledger_time(ledger_t *l, int64_t us);
void ledger_json(ledger_t *l, str_t s);
PGresult *ledger_query(ledger_t *l, const char *sql, err_t *err); /* a literal, with them; NULL on failure */
bool ledger_do(ledger_t *l, const char *sql, err_t *err);         /* the same, when the result does not matter */
bool ledger_plain(ledger_t *l, const char *sql, err_t *err);      /* without any */

/* Several queries as one: BEGIN, and at the end COMMIT – of a dry run, ROLLBACK. The first thing in it that is written
 * is the lease. */
bool ledger_open_transaction(ledger_t *l, err_t *err);
bool ledger_close_transaction(ledger_t *l, bool ok, err_t *err); /* not ok: ROLLBACK, and false */
bool ledger_hold(ledger_t *l, err_t *err);                       /* the lease is ours, and goes on from now */

/* steps get their ids. */
bool ledger_add_steps(ledger_t *l, int64_t window_id, step_t *const *steps, size_t n, err_t *err);

int64_t ledger_int_at(const PGresult *r, int row, int column); /* NULL: TIME_NONE */
str_t ledger_text_at(const PGresult *r, int row, int column);  /* NULL: absent; the result's own */

#endif
