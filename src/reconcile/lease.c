/* lease.c – of the ledger: one run of a provider at a time, whoever starts it, and the row that tells of it. */
#include "reconcile/ledger_inside.h"

#include "base/clock.h"

#define RENEW_US (2 * US_PER_S)

static const str_t WHOLE = {"*", 1};

/* Who has it, or when the last one was. */
static lease_t why_not(ledger_t *l, err_t *err)
{
    lease_t lease = LEASE_FAILED;
    PGresult *r;

    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    r = ledger_query(l,
                     "SELECT leased_by, leased_until >= clock_timestamp() FROM public.reconcile_state WHERE provider = "
                     "$1 AND resource = '*'",
                     err);
    if (r && PQntuples(r) == 1 && PQgetvalue(r, 0, 1)[0] == 't') {
        lease = LEASE_HELD;
        err_set(err, ERR_BUSY, "another run over %s is under way (%.80s)", l->options.provider, PQgetvalue(r, 0, 0));
        err_hint(err, "wait until it has ended; one that was cut off is forgotten after half a minute");
    } else if (r) {
        lease = LEASE_NOT_DUE;
    }
    PQclear(r);
    return lease;
}

/* whole: of all resources, from where the last one ended. Another takes no place of the schedule's next. */
static lease_t take_lease(ledger_t *l, int64_t every_us, bool whole, err_t *err)
{
    PGresult *r;
    bool ours;

    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, WHOLE);
    if (!ledger_do(l, "INSERT INTO public.reconcile_state (provider, resource) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                   err))
        return LEASE_FAILED;
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(l->me));
    ledger_int(l, every_us);
    ledger_int(l, whole);
    r = ledger_query(
        l,
        "UPDATE public.reconcile_state SET leased_by = $2, leased_until = clock_timestamp() + " LEDGER_LEASE
        ", last_run_at = CASE WHEN $4 = 1 THEN clock_timestamp() ELSE last_run_at END, updated_at = clock_timestamp() "
        "WHERE provider = $1 AND resource = '*' AND "
        "(leased_until IS NULL OR leased_until < clock_timestamp()) AND (last_run_at IS NULL OR last_run_at <= "
        "clock_timestamp() - $3 * interval '1 microsecond') RETURNING provider",
        err);
    ours = r && PQntuples(r) == 1;
    PQclear(r);
    l->told_us = clock_mono_us();
    return !r ? LEASE_FAILED : ours ? LEASE_TAKEN : why_not(l, err);
}

/* Whoever held the lease before and did not give it back has ended. */
static bool bury_others(ledger_t *l, err_t *err)
{
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    return ledger_do(
        l,
        "UPDATE public.reconcile_runs SET status = 'failed', finished_at = now(), errors = errors || '[\"it was cut "
        "off: a later run goes on where it ended\"]' WHERE provider = $1 AND status = 'running' AND (NOT dry_run OR "
        "progressed_at < now() - " LEDGER_LEASE ")",
        err);
}

static bool add_run(ledger_t *l, const char *resource, int64_t since_us, int64_t until_us, err_t *err)
{
    PGresult *r;

    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(resource));
    ledger_text(l, str_from(l->options.asked_by));
    ledger_time(l, since_us);
    ledger_time(l, until_us);
    r = ledger_query(
        l,
        "WITH run AS (INSERT INTO public.reconcile_runs (provider, resource, asked_by, since, until) VALUES ($1, $2, "
        "$3, $4, $5) RETURNING id), state AS (UPDATE public.reconcile_state SET last_run_id = run.id FROM run WHERE "
        "provider = $1 AND reconcile_state.resource = '*') SELECT id FROM run",
        err);
    if (r)
        l->run_id = ledger_int_at(r, 0, 0);
    PQclear(r);
    return r != NULL;
}

/* The row is there already, and is ours from now on, unless it was canceled or somebody else was first. */
static lease_t take_queued(ledger_t *l, err_t *err)
{
    PGresult *r;
    bool ours;

    ledger_params(l);
    ledger_int(l, l->options.queued_id);
    r = ledger_query(l,
                     "UPDATE public.reconcile_runs SET status = 'running', started_at = now(), progressed_at = now() "
                     "WHERE id = $1 AND status = 'queued' RETURNING id",
                     err);
    ours = r && PQntuples(r) == 1;
    PQclear(r);
    if (ours)
        l->run_id = l->options.queued_id;
    l->told_us = clock_mono_us();
    return !r ? LEASE_FAILED : ours ? LEASE_TAKEN : LEASE_NOT_DUE;
}

static bool give_back(ledger_t *l, err_t *err)
{
    ledger_params(l);
    ledger_text(l, str_from(l->options.provider));
    ledger_text(l, str_from(l->me));
    return ledger_do(l,
                     "UPDATE public.reconcile_state SET leased_by = NULL, leased_until = NULL, updated_at = "
                     "clock_timestamp() WHERE provider = $1 AND leased_by = $2",
                     err);
}

static lease_t begin_run(ledger_t *l, const char *resource, int64_t since_us, int64_t until_us, err_t *err)
{
    if (!bury_others(l, err))
        return LEASE_FAILED;
    if (l->options.queued_id)
        return take_queued(l, err);
    return add_run(l, resource, since_us, until_us, err) ? LEASE_TAKEN : LEASE_FAILED;
}

lease_t ledger_begin(ledger_t *l, int64_t every_us, const char *resource, int64_t since_us, int64_t until_us,
                     err_t *err)
{
    lease_t lease;
    err_t unheard;

    if (l->options.dry && !l->options.queued_id)
        return LEASE_TAKEN;
    if (!ledger_connect(l, err))
        return LEASE_FAILED;
    if (l->options.dry)
        return take_queued(l, err);
    lease = take_lease(l, every_us, !resource && since_us == TIME_NONE && until_us == TIME_NONE, err);
    if (lease != LEASE_TAKEN)
        return lease;
    lease = begin_run(l, resource, since_us, until_us, err);
    if (lease != LEASE_TAKEN)
        (void)give_back(l, &unheard);
    return lease;
}

static bool write_run(ledger_t *l, const char *status, const report_t *r, err_t *err)
{
    buf_t json = BUF_EMPTY;
    uint64_t counts[] = {
        r->requests, r->seen, r->fetched, r->calls[BECAME_NEW], r->calls[BECAME_UPDATED], r->calls[BECAME_UNCHANGED],
        r->duplicate};
    PGresult *row;

    ledger_params(l);
    ledger_int(l, l->run_id);
    ledger_text(l, str_from(status));
    report_print_skips(r, &json);
    ledger_json(l, buf_str(&json));
    json.len = 0;
    report_print_ids(r, &json);
    ledger_json(l, buf_str(&json));
    json.len = 0;
    report_print_errors(r, &json);
    ledger_json(l, buf_str(&json));
    json.len = 0;
    report_print_businesses(r, &json);
    ledger_json(l, buf_str(&json));
    for (size_t i = 0; i < COUNT(counts); i++)
        ledger_int(l, (int64_t)counts[i]);
    ledger_int(l, (int64_t)r->steps_left);
    row = ledger_query(l,
                       "UPDATE public.reconcile_runs SET status = $2, skipped = $3, skipped_ids = $4, errors = $5, "
                       "per_business = $6, requests = $7, seen = $8, fetched = $9, created = $10, updated = $11, "
                       "unchanged = $12, duplicate = $13, steps_done = $7, steps_left = $14, progressed_at = now(), "
                       "finished_at = CASE WHEN $2 <> 'running' THEN now() END WHERE id = $1 RETURNING "
                       "cancel_asked_at IS NOT NULL",
                       err);
    l->told_us = clock_mono_us();
    l->canceled = row && PQntuples(row) == 1 && PQgetvalue(row, 0, 0)[0] == 't';
    PQclear(row);
    buf_clear(&json);
    return row != NULL;
}

bool ledger_renew(ledger_t *l, const report_t *r, err_t *err)
{
    bool ok;

    if ((l->options.dry && !l->run_id) || clock_mono_us() < l->told_us + RENEW_US)
        return true;
    if (l->options.dry) /* its transactions are taken back: this is none */
        return ledger_connect(l, err) && write_run(l, "running", r, err);
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err) && write_run(l, "running", r, err);
    return ledger_close_transaction(l, ok, err);
}

bool ledger_is_canceled(const ledger_t *l)
{
    return l->canceled;
}

bool ledger_end(ledger_t *l, const char *status, const report_t *r, err_t *err)
{
    bool ok;

    if (l->options.dry)
        return !l->run_id || (ledger_connect(l, err) && write_run(l, status, r, err));
    if (!ledger_open_transaction(l, err))
        return false;
    ok = ledger_hold(l, err) && write_run(l, status, r, err) && give_back(l, err);
    return ledger_close_transaction(l, ok, err);
}
