#include "api/sync.h"

#include "base/clock.h"

#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MOST    500

/* A run as JSON. In a list, without what may be long. */
#define RUN_BRIEF                                                                                                      \
    "jsonb_build_object('id', r.id, 'provider', r.provider, 'resource', r.resource, 'asked_by', r.asked_by,"           \
    " 'dry_run', r.dry_run, 'since', r.since, 'until', r.until, 'status', r.status, 'asked_at', r.asked_at,"           \
    " 'started_at', r.started_at, 'finished_at', r.finished_at, 'cancel_asked_at', r.cancel_asked_at,"                 \
    " 'cancel_asked_by', r.cancel_asked_by,"                                                                           \
    " 'progress', jsonb_build_object('requests', r.requests, 'steps_done', r.steps_done, 'steps_left', r.steps_left,"  \
    " 'at', r.progressed_at),"                                                                                         \
    " 'seen', r.seen, 'fetched', r.fetched, 'created', r.created, 'updated', r.updated, 'unchanged', r.unchanged,"     \
    " 'duplicate', r.duplicate, 'skipped', r.skipped, 'error_count', jsonb_array_length(r.errors))"
#define RUN_FULL                                                                                                       \
    RUN_BRIEF " || jsonb_build_object('per_business', r.per_business, 'skipped_ids', r.skipped_ids, 'errors', "        \
              "r.errors)"

/* An id of ours in a path: anything else is not there. */
static bool id_of(api_call_t *c, const char **out)
{
    int64_t id;

    if (!str_to_int(str_from(c->segments[0]), &id) || id <= 0)
        return call_refuse(c, ERR_NOT_FOUND, "there is no such run");
    *out = call_number(c, id);
    return true;
}

/* ---- start ---- */

#define MOST_QUEUED "100"

static const char START[] =
    "INSERT INTO public.reconcile_runs AS r (provider, resource, asked_by, since, until, dry_run, status, started_at)"
    " SELECT $1::text, $2::text, $3::text, $4::timestamptz, $5::timestamptz, $6::boolean, 'queued', NULL"
    " WHERE (SELECT count(*) FROM public.reconcile_runs WHERE provider = $1::text AND status = 'queued') < " MOST_QUEUED
    " RETURNING (" RUN_FULL ")::text, r.id";

static const char ENDED[] = "SELECT (" RUN_FULL ")::text FROM public.reconcile_runs r"
                            " WHERE r.id = $1::bigint AND r.status NOT IN ('queued', 'running')";

static bool has_ended(api_call_t *c, api_db_t *db)
{
    const char *values[] = {call_number(c, c->again_id)};

    return db_answer(db, c, 200, ENDED, values, COUNT(values));
}

static bool knows_resource(const provider_t *p, const char *name)
{
    for (size_t i = 0; i < p->remote->n_resources; i++)
        if (strcmp(p->remote->resources[i].name, name) == 0)
            return true;
    return false;
}

typedef struct wish {
    const char *provider, *resource, *since, *until;
    bool dry, wait;
} wish_t;

static bool read_wish(api_call_t *c, wish_t *w)
{
    const provider_t *p = provider_find(str_from(c->segments[0]));
    int64_t since_us, until_us;

    *w = (wish_t){.resource = call_text(c, "resource")};
    if (!p)
        return call_refuse(c, ERR_NOT_FOUND, "there is no provider of that name");
    if (!p->remote) /* nobody would ever take it up */
        return call_refuse(c, ERR_INVALID, "%s has no API to fetch from", p->name);
    w->provider = p->name;
    if (w->resource && !knows_resource(p, w->resource))
        return call_refuse(c, ERR_INVALID, "resource: expected one of %s's, got \"%.40s\"", p->name, w->resource);
    if (!call_time(c, "since", &w->since, &since_us) || !call_time(c, "until", &w->until, &until_us) ||
        !call_flag(c, "dryRun", &w->dry) || !call_flag(c, "wait", &w->wait))
        return false;
    if (since_us != TIME_NONE && since_us >= (until_us != TIME_NONE ? until_us : clock_wall_us()))
        return call_refuse(c, ERR_INVALID, "since: expected a time before %s", w->until ? "until" : "now");
    return true;
}

bool sync_start(api_call_t *c, api_db_t *db)
{
    wish_t w;
    PGresult *r;

    if (!read_wish(c, &w))
        return false;
    r = db_ask(db, c, START, (const char *[]){w.provider, w.resource, c->who, w.since, w.until, w.dry ? "t" : "f"}, 6);
    if (r && PQntuples(r) == 1) {
        c->status = 202;
        c->body = arena_dup(c->arena, str_from(PQgetvalue(r, 0, 0)));
        c->location = arena_printf(c->arena, "/api/sync/runs/%s", PQgetvalue(r, 0, 1));
        (void)str_to_int(str_from(PQgetvalue(r, 0, 1)), &c->again_id);
        c->again = w.wait ? has_ended : NULL;
        c->again_until_us = clock_mono_us() + CALL_WAIT_US;
    } else if (r) {
        call_refuse(c, ERR_BUSY, MOST_QUEUED " runs over %s wait already", w.provider);
    }
    PQclear(r);
    return c->status != 0;
}

/* ---- looking ---- */

static const char RUNS[] =
    "SELECT json_build_object('runs', coalesce(json_agg(run ORDER BY id DESC), '[]'),"
    " 'next_before', CASE WHEN count(*) = $1::bigint THEN min(id) END)::text"
    " FROM (SELECT r.id, " RUN_BRIEF " AS run FROM public.reconcile_runs r"
    " WHERE r.id < $2::bigint AND ($3::text IS NULL OR r.provider = $3::text)"
    " AND ($4::text IS NULL OR r.status = $4::text) ORDER BY r.id DESC LIMIT $1::bigint) AS page";

static bool is_status(const char *text)
{
    static const char *const WORDS[] = {"queued", "running", "done", "failed", "canceled"};

    for (size_t i = 0; i < COUNT(WORDS); i++)
        if (strcmp(WORDS[i], text) == 0)
            return true;
    return false;
}

bool sync_runs(api_call_t *c, api_db_t *db)
{
    const char *name = call_text(c, "provider"), *status = call_text(c, "status");
    const provider_t *p = name ? provider_find(str_from(name)) : NULL;
    int64_t limit = LIMIT_DEFAULT, before = INT64_MAX;

    if (!call_int(c, "limit", 1, LIMIT_MOST, &limit) || !call_int(c, "before", 1, INT64_MAX, &before))
        return false;
    if (name && !p)
        return call_refuse(c, ERR_INVALID, "provider: there is none of the name \"%.40s\"", name);
    if (status && !is_status(status))
        return call_refuse(c, ERR_INVALID, "status: expected queued, running, done, failed or canceled, got \"%.40s\"",
                           status);
    return db_answer(db, c, 200, RUNS,
                     (const char *[]){call_number(c, limit), call_number(c, before), p ? p->name : NULL, status}, 4);
}

bool sync_run(api_call_t *c, api_db_t *db)
{
    const char *id;

    return id_of(c, &id) && db_answer(db, c, 200,
                                      "SELECT (" RUN_FULL ")::text FROM public.reconcile_runs r"
                                      " WHERE r.id = $1::bigint",
                                      &id, 1);
}

/* ---- cancel ---- */

/* One that is queued ends here; one that runs, when it looks. */
static const char CANCEL[] = "UPDATE public.reconcile_runs AS r SET cancel_asked_at = coalesce(cancel_asked_at, now()),"
                             " cancel_asked_by = coalesce(cancel_asked_by, $2::text),"
                             " finished_at = CASE status WHEN 'queued' THEN now() END,"
                             " status = CASE status WHEN 'queued' THEN 'canceled' ELSE status END"
                             " WHERE r.id = $1::bigint AND r.status IN ('queued', 'running')"
                             " RETURNING (" RUN_FULL ")::text";

bool sync_cancel(api_call_t *c, api_db_t *db)
{
    const char *id;

    if (!id_of(c, &id))
        return false;
    if (db_answer(db, c, 202, CANCEL, (const char *[]){id, c->who}, 2))
        return true;
    if (c->err.code != ERR_NOT_FOUND || !sync_run(c, db))
        return false;
    return call_refuse(c, ERR_CONFLICT, "the run has ended");
}

/* ---- status ---- */

#define MOST_COUNTED "1000000"
#define MOST_WINDOWS "10000"
#define MOST_GAPS    "20" /* of a resource that are told one by one */

/* Windows of one resource: how many of each state, how far back they go, and where something is missing. */
#define WINDOWS_OF_RESOURCE                                                                                            \
    "(SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'failed') AS "       \
    "failed,"                                                                                                          \
    " count(*) FILTER (WHERE state = 'refused') AS refused, min(from_at) FILTER (WHERE state = 'covered') AS since"    \
    " FROM (SELECT state, from_at FROM public.reconcile_windows"                                                       \
    " WHERE provider = s.provider AND resource = s.resource LIMIT " MOST_WINDOWS ") AS spans) AS w"
#define GAPS_OF_RESOURCE                                                                                               \
    "(SELECT coalesce(json_agg(json_build_object('from', from_at, 'to', to_at, 'state', state, 'tries', tries,"        \
    " 'error', error)), '[]') AS list FROM (SELECT * FROM public.reconcile_windows"                                    \
    " WHERE provider = s.provider AND resource = s.resource AND state IN ('pending', 'failed', 'refused')"             \
    " ORDER BY from_at DESC LIMIT " MOST_GAPS ") AS newest) AS g"
#define LAG "CASE WHEN s.watermark IS NOT NULL THEN greatest(extract(epoch FROM now() - s.watermark), 0)::bigint END"
#define COVERAGE                                                                                                       \
    "(SELECT json_agg(json_build_object('resource', s.resource, 'since', w.since, 'until', s.watermark,"               \
    " 'lag_seconds', " LAG ", 'overlap_seconds', extract(epoch FROM s.overlap)::bigint, 'pending', w.pending, "        \
    "'failed', w.failed, 'refused', w.refused, 'gaps', g.list)"                                                        \
    " ORDER BY s.resource) AS list, max(" LAG ") AS lag, sum(w.pending + w.failed) AS missing"                         \
    " FROM public.reconcile_state s CROSS JOIN LATERAL " WINDOWS_OF_RESOURCE " CROSS JOIN LATERAL " GAPS_OF_RESOURCE   \
    " WHERE s.provider = p.name AND s.resource <> '*') AS coverage"

/* A dry run that found something to do says that all is not well, too. */
#define LAST_RUN                                                                                                       \
    "(SELECT " RUN_BRIEF " AS run, r.created + r.updated + r.unchanged AS calls, r.created, r.updated, r.seen,"        \
    " r.status = 'done' AND jsonb_array_length(r.errors) = 0 AND NOT (r.dry_run AND r.created + r.updated > 0)"        \
    " AS clean FROM public.reconcile_runs r"                                                                           \
    " WHERE r.provider = p.name AND r.started_at IS NOT NULL AND r.finished_at IS NOT NULL"                            \
    " ORDER BY r.started_at DESC LIMIT 1) AS last"
#define NOW_WAITING                                                                                                    \
    "(SELECT count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'running') AS"       \
    " running FROM public.reconcile_runs WHERE provider = p.name AND status IN ('queued', 'running')) AS busy"

/* What is counted of a table that may be of any size is counted to a bound. */
static const char STATUS[] =
    "WITH looked_at AS MATERIALIZED (SELECT provider, status FROM public.voice_calls LIMIT " MOST_COUNTED " + 1),"
    " calls AS (SELECT provider, count(*) AS n, count(*) FILTER (WHERE status IN ('pending', 'active')) AS open"
    " FROM looked_at GROUP BY provider), whole AS (SELECT count(*) <= " MOST_COUNTED " AS counted FROM looked_at)"
    " SELECT json_build_object('at', now(), 'providers', json_agg(json_build_object('provider', p.name,"
    " 'in_sync', CASE WHEN p.has_api THEN coalesce(last.clean AND coalesce(coverage.missing, 0) = 0, false) END,"
    " 'here', CASE WHEN whole.counted THEN json_build_object('calls', coalesce(calls.n, 0),"
    " 'open', coalesce(calls.open, 0)) END,"
    " 'there', CASE WHEN last.run IS NOT NULL THEN json_build_object('calls', last.calls, 'missing_here', last.created,"
    " 'different_here', last.updated, 'rows', last.seen) END,"
    " 'last_run', last.run, 'queued', busy.queued, 'running', busy.running, 'lag_seconds', coverage.lag,"
    " 'coverage', coalesce(coverage.list, '[]')) ORDER BY p.name))::text"
    " FROM unnest($1::text[], $2::boolean[]) AS p (name, has_api) CROSS JOIN whole LEFT JOIN calls ON calls.provider = "
    "p.name"
    " CROSS JOIN LATERAL " COVERAGE " CROSS JOIN LATERAL " NOW_WAITING " LEFT JOIN LATERAL " LAST_RUN " ON true";

bool sync_status(api_call_t *c, api_db_t *db)
{
    buf_t names = BUF_EMPTY, have_api = BUF_EMPTY;
    const char *values[2];

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        buf_printf(&names, "%s%s", i ? "," : "{", PROVIDERS[i]->name);
        buf_printf(&have_api, "%s%s", i ? "," : "{", PROVIDERS[i]->remote ? "t" : "f");
    }
    buf_addc(&names, '}');
    buf_addc(&have_api, '}');
    values[0] = arena_dup(c->arena, buf_str(&names)).base;
    values[1] = arena_dup(c->arena, buf_str(&have_api)).base;
    buf_clear(&names);
    buf_clear(&have_api);
    return db_answer(db, c, 200, STATUS, values, COUNT(values));
}
