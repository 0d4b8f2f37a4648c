/* windows.c – of the ledger: which spans of time are covered, and what is left of those that are not. */
#include "reconcile/ledger_inside.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define MOST_LEFT 64 /* windows that are not covered, of one resource: twice what one plan makes (plan.h) */

static void name_resource(ledger_t *l, const char *resource)
{
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(resource));
}

bool ledger_watermark(ledger_t *l, const char *resource, int64_t *us, err_t *err)
{
    PGresult *r;

    *us = TIME_NONE;
    if (!ledger_connect(l, err))
        return false;
    name_resource(l, resource);
    r = ledger_query(l,
                     "SELECT (extract(epoch FROM watermark) * 1000000)::int8 FROM public.reconcile_state WHERE "
                     "provider = $1 AND resource = $2",
                     err);
    if (r && PQntuples(r) == 1)
        *us = ledger_int_at(r, 0, 0);
    PQclear(r);
    return r != NULL;
}

/* ---- what is left ---- */

/* What is planned anew: rooms that lived then do not now, and spans of which all is asked for. $3, $4, $5: since when,
 * until when, and how far back the provider reaches. */
#define PLANNED_ANEW "(from_at IS NULL OR (from_at >= $3 AND to_at <= $4 AND to_at >= coalesce($5, to_at)))"

static void name_wish(ledger_t *l, const ledger_wish_t *w)
{
    name_resource(l, w->resource);
    ledger_time(l, w->since_us);
    ledger_time(l, w->until_us);
    ledger_time(l, w->least_us);
}

/* With the plan, or not at all: until that is kept, nothing else says that they are not covered. */
static bool forget(ledger_t *l, const ledger_wish_t *w, err_t *err)
{
    name_wish(l, w);
    return ledger_do(l,
                     "DELETE FROM public.reconcile_windows WHERE provider = $1 AND resource = $2 AND state IN "
                     "('pending', 'failed') AND " PLANNED_ANEW,
                     err);
}

static bool refuse(ledger_t *l, const ledger_wish_t *w, err_t *err)
{
    name_resource(l, w->resource);
    ledger_time(l, w->least_us);
    return ledger_do(
        l,
        "UPDATE public.reconcile_windows SET state = 'refused', updated_at = now(), error = 'the provider does not "
        "reach back so far any more' WHERE provider = $1 AND resource = $2 AND state = 'failed' AND to_at < $3",
        err);
}

/* A run that ends early, as for want of a good key, leaves its window to the next, which adds another: they overlap,
 * and each would be listed by itself. Where there are too many, those that touch become one, which is begun anew; it
 * rests as the one that failed most often would. */
static bool join_left(ledger_t *l, const ledger_wish_t *w, err_t *err)
{
    name_resource(l, w->resource);
    ledger_int(l, MOST_LEFT);
    return ledger_do(
        l,
        "WITH left_over AS MATERIALIZED (SELECT id, from_at, to_at, state, tries, updated_at, from_at <= max(to_at) "
        "OVER (ORDER BY from_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS touches FROM "
        "public.reconcile_windows WHERE provider = $1 AND resource = $2 AND state IN ('pending', 'failed') AND from_at "
        "IS NOT NULL), numbered AS (SELECT *, count(*) FILTER (WHERE touches IS NOT TRUE) OVER (ORDER BY from_at, id) "
        "AS place FROM left_over WHERE (SELECT count(*) FROM left_over) > $3), joined AS MATERIALIZED (SELECT min(id) "
        "AS id, array_agg(id) AS ids, min(from_at) AS from_at, max(to_at) AS to_at, max(state) AS state, max(tries) AS "
        "tries, max(updated_at) AS updated_at FROM numbered GROUP BY place HAVING count(*) > 1), steps AS (DELETE FROM "
        "public.reconcile_steps s USING joined j WHERE s.window_id = ANY (j.ids)), others AS (DELETE FROM "
        "public.reconcile_windows o USING joined j WHERE o.id = ANY (j.ids) AND o.id <> j.id) UPDATE "
        "public.reconcile_windows k SET from_at = j.from_at, to_at = j.to_at, state = j.state, tries = j.tries, "
        "updated_at = j.updated_at FROM joined j WHERE k.id = j.id",
        err);
}

static bool read_windows(ledger_t *l, const ledger_wish_t *w, ledger_work_t *out, err_t *err)
{
    PGresult *r;

    name_wish(l, w);
    ledger_int(l, w->all);
    r = ledger_query(
        l,
        "SELECT id, (extract(epoch FROM from_at) * 1000000)::int8, (extract(epoch FROM to_at) * "
        "1000000)::int8, tries FROM public.reconcile_windows WHERE provider = $1 AND resource = $2 AND " PLANNED_ANEW
        " IS NOT TRUE AND "
        "(state = 'pending' OR (state = 'failed' AND ($6 = 1 OR updated_at < now() - least(interval '10 "
        "s' * power(2, least(tries, 20)), interval '6 h')))) ORDER BY from_at, id",
        err);
    if (!r)
        return false;
    out->n_windows = (size_t)PQntuples(r);
    out->windows = mem_alloc((out->n_windows + 1) * sizeof(*out->windows));
    for (int i = 0; i < PQntuples(r); i++) {
        out->windows[i] = mem_zalloc(sizeof(*out->windows[i]));
        *out->windows[i] = (window_t){
            .id = ledger_int_at(r, i, 0),
            .resource = w->resource,
            .from_us = ledger_int_at(r, i, 1),
            .to_us = ledger_int_at(r, i, 2),
            .tries = (int)ledger_int_at(r, i, 3),
        };
    }
    PQclear(r);
    return true;
}

static window_t *window_of(const ledger_work_t *w, int64_t id)
{
    for (size_t i = 0; i < w->n_windows; i++)
        if (w->windows[i]->id == id)
            return w->windows[i];
    return NULL;
}

static step_t *read_step(const PGresult *r, int row, window_t *window)
{
    remote_step_t at = {
        .what = PQgetvalue(r, row, 2),
        .from_us = ledger_int_at(r, row, 3),
        .to_us = ledger_int_at(r, row, 4),
        .id = ledger_text_at(r, row, 5),
        .cursor = ledger_text_at(r, row, 6),
    };
    step_t *s = step_new(&at, ledger_text_at(r, row, 7), window);

    s->id = ledger_int_at(r, row, 0);
    s->asked = PQgetvalue(r, row, 8)[0] == 't';
    return s;
}

static bool read_steps(ledger_t *l, ledger_work_t *out, err_t *err)
{
    PGresult *r;

    ledger_params(l);
    params_begin_array(&l->params, PG_INT8, out->n_windows);
    for (size_t i = 0; i < out->n_windows; i++)
        params_add_int(&l->params, out->windows[i]->id);
    r = ledger_query(l,
                     "SELECT id, window_id, what, (extract(epoch FROM from_at) * 1000000)::int8, (extract(epoch FROM "
                     "to_at) * 1000000)::int8, object_id, cursor, mark, asked_at IS NOT NULL FROM "
                     "public.reconcile_steps WHERE window_id = ANY ($1::int8[]) ORDER BY id",
                     err);
    out->n_steps = r ? (size_t)PQntuples(r) : 0;
    out->steps = mem_alloc((out->n_steps + 1) * sizeof(*out->steps));
    for (size_t i = 0; i < out->n_steps; i++) {
        window_t *w = window_of(out, ledger_int_at(r, (int)i, 1));

        out->steps[i] = read_step(r, (int)i, w);
        w->open++;
    }
    PQclear(r);
    return r != NULL;
}

bool ledger_left(ledger_t *l, const ledger_wish_t *wish, ledger_work_t *out, err_t *err)
{
    bool ok;

    *out = (ledger_work_t){.windows = NULL};
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err) && refuse(l, wish, err) && join_left(l, wish, err) && read_windows(l, wish, out, err) &&
         (!out->n_windows || read_steps(l, out, err));
    return ledger_close_transaction(l, ok, err);
}

/* ---- what is planned ---- */

bool ledger_add_steps(ledger_t *l, int64_t window_id, step_t *const *steps, size_t n, err_t *err)
{
    params_t *p = &l->params;
    PGresult *r;

    if (!n || l->options.dry)
        return true;
    ledger_params(l);
    ledger_int(l, window_id);
    params_begin_array(p, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(p, str_from(steps[i]->at.what));
    params_begin_array(p, PG_TIMESTAMPTZ, n);
    for (size_t i = 0; i < n; i++)
        params_add_time(p, steps[i]->at.from_us);
    params_begin_array(p, PG_TIMESTAMPTZ, n);
    for (size_t i = 0; i < n; i++)
        params_add_time(p, steps[i]->at.to_us);
    params_begin_array(p, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(p, steps[i]->at.id);
    params_begin_array(p, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(p, steps[i]->at.cursor);
    params_begin_array(p, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(p, steps[i]->mark);
    r = ledger_query(l,
                     "INSERT INTO public.reconcile_steps (window_id, what, from_at, to_at, object_id, cursor, mark) "
                     "SELECT $1, what, from_at, to_at, object_id, cursor, mark FROM unnest($2::text[], "
                     "$3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY AS u "
                     "(what, from_at, to_at, object_id, cursor, mark, n) ORDER BY n RETURNING id",
                     err);
    for (size_t i = 0; r && i < n; i++)
        steps[i]->id = ledger_int_at(r, (int)i, 0);
    PQclear(r);
    return r != NULL;
}

/* Others of that state, and with the same said of them, that it touches become part of it. */
static bool grow_together(ledger_t *l, const window_t *w, str_t state, str_t error, err_t *err)
{
    name_resource(l, w->resource);
    ledger_int(l, w->id);
    ledger_time(l, w->from_us);
    ledger_time(l, w->to_us);
    ledger_text(l, state);
    ledger_text(l, error);
    return ledger_do(
        l,
        "WITH others AS (DELETE FROM public.reconcile_windows WHERE provider = $1 AND resource = $2 AND state = $6 AND "
        "error IS NOT DISTINCT FROM $7 AND id <> $3 AND to_at >= $4 AND from_at <= $5 RETURNING from_at, to_at) UPDATE "
        "public.reconcile_windows SET state = $6, error = $7, updated_at = now(), from_at = least(from_at, (SELECT "
        "min(from_at) FROM others)), to_at = greatest(to_at, (SELECT max(to_at) FROM others)) WHERE id = $3",
        err);
}

static bool add_window(ledger_t *l, window_t *w, err_t *err)
{
    static const str_t NOT_KEPT = STR("the provider does not reach back so far");
    PGresult *r;

    name_resource(l, w->resource);
    ledger_time(l, w->from_us);
    ledger_time(l, w->to_us);
    r = ledger_query(l,
                     "INSERT INTO public.reconcile_windows (provider, resource, from_at, to_at) VALUES ($1, $2, $3, "
                     "$4) RETURNING id",
                     err);
    if (r)
        w->id = ledger_int_at(r, 0, 0);
    PQclear(r);
    return r && (!w->refused || grow_together(l, w, STR("refused"), NOT_KEPT, err));
}

static bool add_steps_of(ledger_t *l, const window_t *w, const ledger_plan_t *plan, err_t *err)
{
    step_t **its = mem_alloc((plan->n_steps + 1) * sizeof(*its));
    size_t n = 0;
    bool ok;

    for (size_t i = 0; i < plan->n_steps; i++)
        if (plan->steps[i]->window == w)
            its[n++] = plan->steps[i];
    ok = ledger_add_steps(l, w->id, its, n, err);
    free(its);
    return ok;
}

/* The resource's row: how far it has come, and by which run. */
static bool note_plan(ledger_t *l, const ledger_plan_t *plan, err_t *err)
{
    name_resource(l, plan->resource);
    ledger_time(l, plan->watermark_us);
    ledger_int(l, plan->overlap_us);
    ledger_int(l, l->run_id);
    return ledger_do(
        l,
        "INSERT INTO public.reconcile_state AS s (provider, resource, watermark, overlap, last_run_id, "
        "last_run_at) VALUES ($1, $2, $3, $4 * interval '1 microsecond', $5, now()) ON CONFLICT "
        "(provider, resource) DO UPDATE SET watermark = coalesce(EXCLUDED.watermark, s.watermark), overlap "
        "= EXCLUDED.overlap, last_run_id = EXCLUDED.last_run_id, last_run_at = now(), updated_at = now()",
        err);
}

bool ledger_plan(ledger_t *l, const ledger_plan_t *plan, err_t *err)
{
    bool ok;

    if (l->options.dry)
        return true;
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err) && forget(l, plan->wish, err);
    for (size_t i = 0; ok && i < plan->n_windows; i++)
        ok = add_window(l, plan->windows[i], err) && add_steps_of(l, plan->windows[i], plan, err);
    ok = ok && note_plan(l, plan, err);
    return ledger_close_transaction(l, ok, err);
}

bool ledger_restart(ledger_t *l, window_t *w, step_t **steps, size_t n_steps, err_t *err)
{
    bool ok;

    if (l->options.dry)
        return true;
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err);
    ledger_params(l);
    ledger_int(l, w->id);
    ok = ok && ledger_do(l, "DELETE FROM public.reconcile_steps WHERE window_id = $1", err) &&
         ledger_add_steps(l, w->id, steps, n_steps, err);
    return ledger_close_transaction(l, ok, err);
}

/* ---- how it ended ---- */

static bool fail(ledger_t *l, const window_t *w, err_t *err)
{
    ledger_params(l);
    ledger_int(l, w->id);
    ledger_text(l, str_from(w->error));
    return ledger_do(l,
                     "UPDATE public.reconcile_windows SET state = 'failed', tries = tries + 1, error = $2, updated_at "
                     "= now() WHERE id = $1",
                     err);
}

static bool take_out(ledger_t *l, const window_t *w, err_t *err)
{
    ledger_params(l);
    ledger_int(l, w->id);
    return ledger_do(l, "DELETE FROM public.reconcile_windows WHERE id = $1", err);
}

bool ledger_window_end(ledger_t *l, window_t *w, err_t *err)
{
    bool ok;

    if (l->options.dry || w->refused)
        return true;
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err) && (w->error[0]               ? fail(l, w, err)
                                 : w->from_us == TIME_NONE ? take_out(l, w, err)
                                                           : grow_together(l, w, STR("covered"), STR_NONE, err));
    return ledger_close_transaction(l, ok, err);
}
