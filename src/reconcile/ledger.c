#include "reconcile/ledger_inside.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- open and close ---- */

static void name_me(char *out, size_t size)
{
    char host[64] = "";
    uint32_t noise;

    (void)gethostname(host, sizeof(host) - 1);
    crypto_random(&noise, sizeof(noise));
    (void)snprintf(out, size, "%s:%d:%08x", host, (int)getpid(), noise);
}

bool ledger_connect(ledger_t *l, err_t *err)
{
    pg_options_t options = {
        .conninfo = l->conninfo,
        .pooled = l->options.pooled,
        .statement_timeout_us = l->options.statement_timeout_us,
        .end_us = l->options.end_us,
    };

    if (l->pg && !pg_is_alive(l->pg)) {
        pg_close(l->pg);
        l->pg = NULL;
    }
    if (!l->pg)
        l->pg = pg_open(&options, err);
    return l->pg != NULL;
}

ledger_t *ledger_open(const ledger_options_t *options, err_t *err)
{
    ledger_t *l = mem_zalloc(sizeof(*l));

    l->options = *options;
    l->conninfo = mem_strdup(str_from(options->conninfo));
    name_me(l->me, sizeof(l->me));
    if (ledger_connect(l, err))
        return l;
    ledger_close(l);
    return NULL;
}

void ledger_close(ledger_t *l)
{
    if (!l)
        return;
    pg_close(l->pg);
    params_clear(&l->params);
    free(l->conninfo);
    free(l);
}

/* ---- queries ---- */

void ledger_params(ledger_t *l)
{
    params_reset(&l->params);
}

void ledger_text(ledger_t *l, str_t s)
{
    params_begin_one(&l->params, PG_TEXT);
    params_add_text(&l->params, s);
}

void ledger_int(ledger_t *l, int64_t value)
{
    params_begin_one(&l->params, PG_INT8);
    params_add_int(&l->params, value);
}

void ledger_time(ledger_t *l, int64_t us)
{
    params_begin_one(&l->params, PG_TIMESTAMPTZ);
    params_add_time(&l->params, us);
}

void ledger_json(ledger_t *l, str_t s)
{
    params_begin_one(&l->params, PG_JSONB);
    params_add_json(&l->params, s);
}

PGresult *ledger_query(ledger_t *l, const char *sql, err_t *err)
{
    params_finish(&l->params);
    return pg_query_often(l->pg, sql, &l->params, err);
}

bool ledger_do(ledger_t *l, const char *sql, err_t *err)
{
    PGresult *r = ledger_query(l, sql, err);

    PQclear(r);
    return r != NULL;
}

bool ledger_plain(ledger_t *l, const char *sql, err_t *err)
{
    PGresult *r = pg_query(l->pg, sql, NULL, err);

    PQclear(r);
    return r != NULL;
}

bool ledger_open_transaction(ledger_t *l, err_t *err)
{
    return ledger_connect(l, err) && pg_begin(l->pg, err);
}

bool ledger_close_transaction(ledger_t *l, bool ok, err_t *err)
{
    err_t unheard;

    if (ok)
        return ledger_plain(l, l->options.dry ? "ROLLBACK" : "COMMIT", err);
    (void)ledger_plain(l, "ROLLBACK", &unheard);
    return false;
}

bool ledger_hold(ledger_t *l, err_t *err)
{
    PGresult *r;
    bool ours;

    if (l->options.dry)
        return true;
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(l->me));
    r = ledger_query(
        l,
        "UPDATE public.reconcile_state SET leased_until = clock_timestamp() + " LEDGER_LEASE
        ", updated_at = clock_timestamp() WHERE provider = $1 AND resource = '*' AND leased_by = $2 RETURNING provider",
        err);
    ours = r && PQntuples(r) == 1;
    if (r && !ours)
        err_set(err, ERR_BUSY, "another run has taken this one's place: it was silent for too long");
    PQclear(r);
    return ours;
}

int64_t ledger_int_at(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? TIME_NONE : strtoll(PQgetvalue(r, row, column), NULL, 10);
}

str_t ledger_text_at(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return STR_NONE;
    return (str_t){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}
