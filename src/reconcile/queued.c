#include "reconcile/queued.h"

#include "reconcile/ledger_inside.h"

#include <stdlib.h>

void queued_clear(queued_t *q)
{
    free(q->resource);
    q->resource = NULL;
}

bool queued_next(ledger_t *l, queued_t *out, err_t *err)
{
    PGresult *r;

    *out = (queued_t){.since_us = TIME_NONE, .until_us = TIME_NONE};
    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    r = ledger_query(l,
                     "SELECT id, resource, (extract(epoch FROM since) * 1000000)::bigint, (extract(epoch FROM until) * "
                     "1000000)::bigint, dry_run FROM public.reconcile_runs WHERE provider = $1 AND status = 'queued' "
                     "ORDER BY id LIMIT 1",
                     err);
    if (r && PQntuples(r) == 1) {
        out->id = ledger_int_at(r, 0, 0);
        out->resource = PQgetisnull(r, 0, 1) ? NULL : mem_strdup(ledger_text_at(r, 0, 1));
        out->since_us = ledger_int_at(r, 0, 2);
        out->until_us = ledger_int_at(r, 0, 3);
        out->dry = PQgetvalue(r, 0, 4)[0] == 't';
    }
    PQclear(r);
    return r != NULL;
}

bool queued_refuse(ledger_t *l, int64_t id, const char *why, err_t *err)
{
    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    ledger_int(l, id);
    ledger_text(l, str_from(why));
    return ledger_do(l,
                     "UPDATE public.reconcile_runs SET status = 'failed', started_at = now(), finished_at = now(), "
                     "errors = jsonb_build_array($2) WHERE id = $1 AND status = 'queued'",
                     err);
}

bool queued_each(ledger_t *l, void (*each)(void *ctx, str_t provider), void *ctx, err_t *err)
{
    PGresult *r;

    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    r = ledger_query(l, "SELECT DISTINCT provider FROM public.reconcile_runs WHERE status = 'queued'", err);
    for (int i = 0; r && i < PQntuples(r); i++)
        each(ctx, ledger_text_at(r, i, 0));
    PQclear(r);
    return r != NULL;
}
