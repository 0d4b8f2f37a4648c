/* page.c – of the ledger: what a step found is written, with what it changed, what follows from it, and its end. */
#include "reconcile/ledger_inside.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_AT_ONCE 64 /* deliveries in one batch */
#define MOST_TRIES   6
#define BACKOFF_US   (100 * US_PER_MS)

/* ---- the calls that a batch is about ---- */

typedef struct calls {
    touched_t *list;
    size_t count;
} calls_t;

static bool is_known(const calls_t *c, str_t provider, str_t call_id)
{
    const touched_t *last = c->count ? &c->list[c->count - 1] : NULL;

    return last && str_eq(last->provider, provider) && str_eq(last->call_id, call_id);
}

static int by_call(const void *a, const void *b)
{
    const touched_t *x = a, *y = b;
    int by_provider = str_cmp(x->provider, y->provider);

    return by_provider ? by_provider : str_cmp(x->call_id, y->call_id);
}

/* Sorted; each once. */
static calls_t calls_of(arena_t *a, const batch_t *b)
{
    size_t most = 0, kept = 0;
    calls_t c = {.count = 0};

    for (int kind = 0; kind < FACT_KIND_COUNT; kind++)
        most += b->n_rows[kind];
    c.list = arena_alloc(a, (most + 1) * sizeof(*c.list));
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++) {
        if (kind == FACT_ALIAS) /* its id is an agent's */
            continue;
        for (size_t i = 0; i < b->n_rows[kind]; i++) {
            str_t provider = str_from(b->rows[kind][i].provider), call_id = b->rows[kind][i].fact->call_id;

            if (!is_known(&c, provider, call_id))
                c.list[c.count++] = (touched_t){
                    .provider = arena_dup(a, provider), .call_id = arena_dup(a, call_id), .became = BECAME_UNCHANGED};
        }
    }
    qsort(c.list, c.count, sizeof(*c.list), by_call);
    for (size_t i = 0; i < c.count; i++)
        if (!kept || by_call(&c.list[kept - 1], &c.list[i]) != 0)
            c.list[kept++] = c.list[i];
    c.count = kept;
    return c;
}

/* ---- their rows, before and after ---- */

enum { ROW_TABLE, ROW_ID, ROW_CALL, ROW_TEXT, ROW_OUTCOME, ROW_BUSINESS, ROW_NAME, ROW_NUMBER };

/* By table and id, in the order of their bytes; ROW_CALL counts from 1. What follows ROW_TEXT only calls have, and an
 * outcome only where somebody has entered agents of the provider. A subquery with OFFSET is run for each call by
 * itself: joined, a table that was empty when this was planned would be read whole for every page from then on. */
static PGresult *read_rows(ledger_t *l, const calls_t *c, err_t *err)
{
    static const char ROWS[] =
        "WITH k AS MATERIALIZED (SELECT v.*, u.n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS u (p, i, n), "
        "LATERAL (SELECT c.id, (to_jsonb(c) - 'versions' - 'updated_at')::text AS text, CASE WHEN c.business_id IS NOT "
        "NULL OR EXISTS (SELECT FROM public.business_agents b WHERE b.provider = c.provider) THEN "
        "public.hookline_customer_outcome(c, now()) END AS outcome, c.business_id::text AS business, "
        "left(c.business_name, 200) AS name, c.customer_number AS number FROM public.voice_calls c WHERE c.provider = "
        "u.p AND c.provider_call_id = u.i OFFSET 0) v) SELECT * FROM (SELECT 'voice_calls' AS t, k.id::text AS id, "
        "k.n, k.text, k.outcome, k.business, k.name, k.number FROM k UNION ALL SELECT 'voice_messages', m.id::text, "
        "k.n, m.text, NULL, NULL, NULL, NULL FROM k, LATERAL (SELECT r.id, (to_jsonb(r) - 'versions')::text AS text "
        "FROM public.voice_messages r WHERE r.call_id = k.id OFFSET 0) m UNION ALL SELECT 'call_participants', "
        "p.id::text, k.n, p.text, NULL, NULL, NULL, NULL FROM k, LATERAL (SELECT r.id, (to_jsonb(r) - "
        "'versions')::text AS text FROM public.call_participants r WHERE r.call_id = k.id OFFSET 0) p) rows ORDER BY t "
        "COLLATE \"C\", id COLLATE \"C\"";

    ledger_params(l);
    params_begin_array(&l->params, PG_TEXT, c->count);
    for (size_t i = 0; i < c->count; i++)
        params_add_text(&l->params, c->list[i].provider);
    params_begin_array(&l->params, PG_TEXT, c->count);
    for (size_t i = 0; i < c->count; i++)
        params_add_text(&l->params, c->list[i].call_id);
    return ledger_query(l, ROWS, err);
}

typedef struct change {
    const char *table, *id;
    str_t before, after; /* before absent: the row is new */
} change_t;

static int compare_rows(const PGresult *a, int i, const PGresult *b, int j)
{
    int by_table = strcmp(PQgetvalue(a, i, ROW_TABLE), PQgetvalue(b, j, ROW_TABLE));

    return by_table ? by_table : strcmp(PQgetvalue(a, i, ROW_ID), PQgetvalue(b, j, ROW_ID));
}

static void note_change(calls_t *c, const PGresult *after, int row, bool is_new)
{
    touched_t *call = &c->list[ledger_int_at(after, row, ROW_CALL) - 1];
    bool itself = strcmp(PQgetvalue(after, row, ROW_TABLE), "voice_calls") == 0;

    if (itself && is_new)
        call->became = BECAME_NEW;
    else if (call->became == BECAME_UNCHANGED)
        call->became = BECAME_UPDATED;
}

/* Rows are not removed by a batch; one that others removed meanwhile is passed over. changes: room for all of after. */
static size_t compare(calls_t *c, const PGresult *before, const PGresult *after, change_t *changes)
{
    size_t count = 0;

    for (int i = 0, j = 0; j < PQntuples(after); j++) {
        int order = 1;

        while (i < PQntuples(before) && (order = compare_rows(before, i, after, j)) < 0)
            i++;
        if (i == PQntuples(before))
            order = 1;
        if (order == 0 && strcmp(PQgetvalue(before, i, ROW_TEXT), PQgetvalue(after, j, ROW_TEXT)) == 0)
            continue;
        changes[count++] = (change_t){
            .table = PQgetvalue(after, j, ROW_TABLE),
            .id = PQgetvalue(after, j, ROW_ID),
            .before = order == 0 ? ledger_text_at(before, i, ROW_TEXT) : STR_NONE,
            .after = ledger_text_at(after, j, ROW_TEXT),
        };
        note_change(c, after, j, order != 0);
    }
    return count;
}

static void note_customers(const calls_t *c, const PGresult *after, arena_t *a)
{
    for (int i = 0; i < PQntuples(after); i++)
        if (!PQgetisnull(after, i, ROW_OUTCOME))
            c->list[ledger_int_at(after, i, ROW_CALL) - 1].customer = (report_customer_t){
                .outcome = report_outcome(ledger_text_at(after, i, ROW_OUTCOME)),
                .business_id = arena_dup(a, ledger_text_at(after, i, ROW_BUSINESS)),
                .business_name = arena_dup(a, ledger_text_at(after, i, ROW_NAME)),
                .number = arena_dup(a, ledger_text_at(after, i, ROW_NUMBER)),
            };
}

static bool write_changes(ledger_t *l, const change_t *changes, size_t count, err_t *err)
{
    params_t *p = &l->params;

    if (!count || l->options.dry)
        return true;
    ledger_params(l);
    ledger_int(l, l->run_id);
    params_begin_array(p, PG_TEXT, count);
    for (size_t i = 0; i < count; i++)
        params_add_text(p, str_from(changes[i].table));
    params_begin_array(p, PG_TEXT, count);
    for (size_t i = 0; i < count; i++)
        params_add_text(p, str_from(changes[i].id));
    params_begin_array(p, PG_JSONB, count);
    for (size_t i = 0; i < count; i++)
        params_add_json(p, changes[i].before);
    params_begin_array(p, PG_JSONB, count);
    for (size_t i = 0; i < count; i++)
        params_add_json(p, changes[i].after);
    return ledger_do(l,
                     "INSERT INTO public.reconcile_changes (run_id, table_name, row_id, before, after) SELECT $1, * "
                     "FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::jsonb[])",
                     err);
}

/* ---- a batch ---- */

/* What a failure means for the whole transaction. */
typedef enum { PAGE_DONE, PAGE_AGAIN, PAGE_FAILED } page_end_t;

static fault_t apply_once(ledger_t *l, delivery_t **deliveries, size_t n, pg_error_t *error)
{
    batch_t batch;
    fault_t fault;

    batch_init(&batch, deliveries, n);
    fault = pg_commit(l->pg, &batch, error);
    batch_clear(&batch);
    return fault;
}

/* One delivery never holds up the others: halves, until the culprit is alone, and that is a dead letter – if even as
 * such PostgreSQL does not take it, without its payload. */
static fault_t apply(ledger_t *l, delivery_t **deliveries, size_t n, pg_error_t *error)
{
    err_t err;
    fault_t fault;

    if (!ledger_plain(l, "SAVEPOINT hookline", &err))
        return FAULT_CONNECT;
    fault = apply_once(l, deliveries, n, error);
    if (fault != FAULT_CONTENT || (n == 1 && deliveries[0]->raw.base))
        return fault;
    if (!ledger_plain(l, "ROLLBACK TO SAVEPOINT hookline", &err))
        return FAULT_CONNECT;
    if (n > 1) {
        fault = apply(l, deliveries, n / 2, error);
        return fault == FAULT_NONE ? apply(l, deliveries + n / 2, n - n / 2, error) : fault;
    }
    if (deliveries[0]->error.base) {
        deliveries[0]->raw = deliveries[0]->payload;
        deliveries[0]->payload = STR_NONE;
    } else {
        char why[400];

        (void)snprintf(why, sizeof(why), "refused by PostgreSQL: %s %s", error->sqlstate, error->message);
        delivery_bury(deliveries[0], why);
    }
    return apply(l, deliveries, 1, error);
}

static page_end_t end_of(fault_t fault, const pg_error_t *error, err_t *err)
{
    if (fault == FAULT_NONE)
        return PAGE_DONE;
    err_set(err, fault == FAULT_ODD || fault == FAULT_CONTENT ? ERR_CONTENT : ERR_STORE_DOWN,
            "PostgreSQL did not take it: %s %s", error->sqlstate, error->message);
    return fault == FAULT_SCHEMA ? PAGE_FAILED : PAGE_AGAIN;
}

static page_end_t write_batch(ledger_t *l, ledger_page_t *page, delivery_t **deliveries, size_t n, err_t *err)
{
    page_end_t end = PAGE_AGAIN;
    PGresult *before, *after = NULL;
    pg_error_t error = {.message = ""};
    change_t *changes;
    batch_t batch;
    calls_t calls;

    batch_init(&batch, deliveries, n);
    calls = calls_of(page->arena, &batch);
    batch_clear(&batch);
    before = read_rows(l, &calls, err);
    if (!before)
        return PAGE_AGAIN;
    end = end_of(apply(l, deliveries, n, &error), &error, err);
    if (end == PAGE_DONE && !(after = read_rows(l, &calls, err)))
        end = PAGE_AGAIN;
    if (after) {
        changes = mem_alloc(((size_t)PQntuples(after) + 1) * sizeof(*changes));
        if (!write_changes(l, changes, compare(&calls, before, after, changes), err))
            end = PAGE_AGAIN;
        free(changes);
        note_customers(&calls, after, page->arena);
    }
    for (size_t i = 0; i < calls.count; i++)
        page->touched[page->n_touched++] = calls.list[i];
    PQclear(before);
    PQclear(after);
    return end;
}

static size_t count_facts(const ledger_page_t *page)
{
    size_t count = 0;

    for (size_t i = 0; i < page->n_deliveries; i++)
        for (const fact_t *f = page->deliveries[i]->facts.first; f; f = f->next)
            count++;
    return count;
}

static page_end_t write_all(ledger_t *l, ledger_page_t *page, err_t *err)
{
    page_end_t end = PAGE_DONE;

    page->n_touched = 0;
    page->touched = arena_alloc(page->arena, (count_facts(page) + 1) * sizeof(*page->touched));
    for (size_t at = 0; end == PAGE_DONE && at < page->n_deliveries; at += MOST_AT_ONCE) {
        size_t left = page->n_deliveries - at;

        end = write_batch(l, page, page->deliveries + at, left < MOST_AT_ONCE ? left : MOST_AT_ONCE, err);
    }
    return end;
}

/* ---- what follows ---- */

/* $1 the provider; $2, $3, $4 what follows: its kind, its object, and that one's mark. */
static void name_marks(ledger_t *l, const ledger_page_t *page)
{
    params_t *p = &l->params;

    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    params_begin_array(p, PG_TEXT, page->n_follows);
    for (size_t i = 0; i < page->n_follows; i++)
        params_add_text(p, str_from(page->follows[i]->at.what));
    params_begin_array(p, PG_TEXT, page->n_follows);
    for (size_t i = 0; i < page->n_follows; i++)
        params_add_text(p, page->follows[i]->at.id);
    params_begin_array(p, PG_TEXT, page->n_follows);
    for (size_t i = 0; i < page->n_follows; i++)
        params_add_text(p, page->follows[i]->mark);
}

/* That these are still listed; noted of each once a day, since nobody asks more often. */
static bool note_listed(ledger_t *l, const ledger_page_t *page, err_t *err)
{
    if (l->options.dry)
        return true;
    name_marks(l, page);
    return ledger_do(l,
                     "UPDATE public.reconcile_marks m SET seen_at = now() FROM unnest($2::text[], $3::text[], "
                     "$4::text[]) AS u (what, id, mark) WHERE m.provider = $1 AND m.what = u.what AND m.object_id = "
                     "u.id AND m.mark = u.mark AND m.seen_at < now() - interval '1 day'",
                     err);
}

static bool look_up_marks(ledger_t *l, ledger_page_t *page, err_t *err)
{
    bool due = false;
    PGresult *r;

    if (!page->n_follows)
        return true;
    name_marks(l, page);
    r = ledger_query(
        l,
        "SELECT k.seen_at IS NOT NULL, k.seen_at < now() - interval '1 day' FROM unnest($2::text[], $3::text[], "
        "$4::text[]) WITH ORDINALITY AS u (what, id, mark, n) LEFT JOIN LATERAL (SELECT m.mark, m.seen_at FROM "
        "public.reconcile_marks m WHERE m.provider = $1 AND m.what = u.what AND m.object_id = u.id OFFSET 0) k ON "
        "k.mark = u.mark ORDER BY n",
        err);
    for (size_t i = 0; r && i < page->n_follows; i++) {
        page->known[i] = PQgetvalue(r, (int)i, 0)[0] == 't';
        due = due || PQgetvalue(r, (int)i, 1)[0] == 't';
    }
    PQclear(r);
    return r && (!due || note_listed(l, page, err));
}

static bool keep_follows(ledger_t *l, const ledger_page_t *page, err_t *err)
{
    step_t **needed = mem_alloc((page->n_follows + 1) * sizeof(*needed));
    size_t n = 0;
    bool ok;

    for (size_t i = 0; i < page->n_follows; i++)
        if (!page->known[i])
            needed[n++] = page->follows[i];
    ok = !page->step->window || ledger_add_steps(l, page->step->window->id, needed, n, err);
    free(needed);
    return ok;
}

/* ---- the step's end ---- */

static bool keep_mark(ledger_t *l, const step_t *s, err_t *err)
{
    if (!s->mark.base || !s->at.id.base || s->unsettled || s->lacking || l->options.dry)
        return true;
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(s->at.what));
    ledger_text(l, s->at.id);
    ledger_text(l, s->mark);
    return ledger_do(l,
                     "INSERT INTO public.reconcile_marks (provider, what, object_id, mark) VALUES ($1, $2, $3, $4) ON "
                     "CONFLICT (provider, what, object_id) DO UPDATE SET mark = EXCLUDED.mark, seen_at = now()",
                     err);
}

/* False with ERR_BUSY: it is not there any more. */
static bool take_out(ledger_t *l, const step_t *s, err_t *err)
{
    const char *sql = s->lacking ? "UPDATE public.reconcile_steps SET error = 'there is more than what it brought' "
                                   "WHERE id = $1 RETURNING id"
                                 : "DELETE FROM public.reconcile_steps WHERE id = $1 RETURNING id";
    PGresult *r;
    bool there;

    if (!s->id)
        return true;
    ledger_params(l);
    ledger_int(l, s->id);
    r = ledger_query(l, sql, err);
    there = r && PQntuples(r) == 1;
    if (r && !there)
        err_set(err, ERR_BUSY, "the connection was lost while a step was being committed; the next run goes on there");
    PQclear(r);
    return there;
}

static bool note_error(ledger_t *l, const window_t *w, err_t *err)
{
    if (!w || !w->error[0] || !w->id || l->options.dry)
        return true;
    ledger_params(l);
    ledger_int(l, w->id);
    ledger_text(l, str_from(w->error));
    return ledger_do(l, "UPDATE public.reconcile_windows SET error = $2 WHERE id = $1", err);
}

static page_end_t write_page(ledger_t *l, ledger_page_t *page, err_t *err)
{
    page_end_t end;

    err->code = ERR_NONE;
    if (!ledger_hold(l, err) || !take_out(l, page->step, err))
        return err->code == ERR_BUSY ? PAGE_FAILED : PAGE_AGAIN;
    end = write_all(l, page, err);
    if (end == PAGE_DONE && (!look_up_marks(l, page, err) || !keep_follows(l, page, err) ||
                             !keep_mark(l, page->step, err) || !note_error(l, page->step->window, err)))
        end = PAGE_AGAIN;
    return end;
}

static void rest(int tries)
{
    int64_t us = BACKOFF_US << tries;
    struct timespec wait = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};

    (void)nanosleep(&wait, NULL);
}

static bool must_end(const ledger_t *l)
{
    return l->options.end_us && clock_mono_us() >= atomic_load(l->options.end_us);
}

bool ledger_commit(ledger_t *l, ledger_page_t *page, err_t *err)
{
    for (int tries = 0;; tries++) {
        page_end_t end = ledger_open_transaction(l, err) ? write_page(l, page, err) : PAGE_AGAIN;
        err_t why = *err;

        if (l->pg && ledger_close_transaction(l, end == PAGE_DONE, end == PAGE_DONE ? err : &why))
            return true;
        if (end == PAGE_FAILED || tries == MOST_TRIES || must_end(l))
            return false;
        LOG(LOG_WARN, "page not committed", log_cstr("provider", l->options.provider), log_cstr("reason", err->detail));
        rest(tries);
    }
}

bool ledger_step_asked(ledger_t *l, const step_t *s, err_t *err)
{
    if (!s->id || l->options.dry)
        return true;
    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    ledger_int(l, s->id);
    return ledger_do(l, "UPDATE public.reconcile_steps SET asked_at = now() WHERE id = $1", err);
}

bool ledger_step_failed(ledger_t *l, const step_t *s, const char *why, err_t *err)
{
    if (!s->id || l->options.dry)
        return true;
    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    ledger_int(l, s->id);
    ledger_text(l, str_from(why));
    return ledger_do(l, "UPDATE public.reconcile_steps SET error = $2 WHERE id = $1", err) &&
           note_error(l, s->window, err);
}

/* ---- for the reaper ---- */

#define STALE                                                                                                          \
    "WITH stale AS (SELECT c.* FROM public.voice_calls c LEFT JOIN public.reconcile_marks m"                           \
    " ON m.provider = c.provider AND m.what = '(reaper)' AND m.object_id = c.provider_call_id"                         \
    " WHERE c.provider = $1 AND c.status IN ('pending', 'active')"                                                     \
    " AND coalesce(c.started_at, c.created_at) < now() - $2 * interval '1 microsecond'"                                \
    " AND c.provider_call_id NOT LIKE '" FACT_SESSION_PREFIX "%'"                                                      \
    " ORDER BY m.seen_at NULLS FIRST, c.created_at LIMIT $3)"
#define NOTED                                                                                                          \
    ", noted AS (INSERT INTO public.reconcile_marks (provider, what, object_id, mark)"                                 \
    " SELECT $1, '(reaper)', provider_call_id, 'asked' FROM stale"                                                     \
    " ON CONFLICT (provider, what, object_id) DO UPDATE SET seen_at = now())"
/* Whatever happened in a call happened while it went on. Events name the session, so the version of that name has the
 * time of the newest. */
#define LAST_KNOWN                                                                                                     \
    " SELECT s.provider_call_id, (extract(epoch FROM greatest(s.started_at, s.connected_at,"                           \
    " (SELECT greatest(max(p.joined_at), max(p.left_at)) FROM public.call_participants p WHERE p.call_id = s.id),"     \
    " (SELECT greatest(max(v.spoken_at), max(v.ended_at)) FROM public.voice_messages v WHERE v.call_id = s.id)"        \
    ")) * 1000000)::int8, s.versions[$4::int] FROM stale s"

/* TIME_NONE is before all times. */
static open_call_t open_call_at(const PGresult *r, int row, arena_t *a)
{
    int64_t told_us = ledger_int_at(r, row, 1), event_us = version_event_us(ledger_int_at(r, row, 2));

    return (open_call_t){arena_dup(a, ledger_text_at(r, row, 0)), event_us > told_us ? event_us : told_us};
}

bool ledger_stale(ledger_t *l, int64_t age_us, size_t most, arena_t *a, open_call_t **calls, size_t *count, err_t *err)
{
    PGresult *r;

    if (!ledger_connect(l, err))
        return false;
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_int(l, age_us);
    ledger_int(l, (int64_t)most);
    ledger_int(l, CALL_SESSION_ID + 1);
    r = ledger_query(l, l->options.dry ? STALE LAST_KNOWN : STALE NOTED LAST_KNOWN, err);
    *count = r ? (size_t)PQntuples(r) : 0;
    *calls = arena_alloc(a, (*count + 1) * sizeof(**calls));
    for (size_t i = 0; i < *count; i++)
        (*calls)[i] = open_call_at(r, (int)i, a);
    PQclear(r);
    return r != NULL;
}
