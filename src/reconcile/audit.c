#include "reconcile/audit.h"

#include "base/clock.h"
#include "reconcile/audit_database.h"
#include "reconcile/audit_diff.h"
#include "reconcile/find.h"
#include "reconcile/keys.h"
#include "reconcile/plan.h"
#include "reconcile/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one provider's audit ---- */

typedef struct audit {
    const audit_options_t *o;
    audit_database_t *db;
    audit_result_t *result;
    audit_provider_t *out;
    const provider_t *provider;
    const void *access;
    transport_t *transport;
    walk_t walk;
    audit_diff_t diff;
    struct candidate *asked; /* calls that are here and were not listed: those asked for */
    size_t n_asked;
    step_t *living; /* the one step that asks for all of them, where the provider tells of what lives only */
    err_t *err;     /* of the database */
    bool lost;      /* it is gone */
} audit_t;

static bool is_stopped(const audit_options_t *o)
{
    return o->stop && atomic_load(o->stop);
}

/* ---- what the API tells ---- */

static bool compare(audit_t *d)
{
    d->lost = d->lost || !audit_diff_run(&d->diff, d->err);
    return !d->lost;
}

static void take_find(audit_t *d, const remote_find_t *f)
{
    delivery_t *delivery = find_understand(d->provider, f);
    bool fresh = false;

    if (delivery->error.base) {
        report_error(&d->out->report, "%s " STR_FMT ": " STR_FMT, f->route, STR_ARG(f->id), STR_ARG(delivery->error));
        d->out->asked = AUDIT_FAILED;
    } else if (!delivery->unstored) {
        batch_hash_key(delivery);
        fresh = seen_add(&d->out->report.objects, delivery->key_hash);
    }
    d->out->report.fetched++;
    if (fresh)
        audit_diff_add(&d->diff, delivery);
    else
        delivery_free(delivery);
}

static void answer_candidates(audit_t *d, const step_t *s, const remote_page_t *page);

static bool take_page(void *ctx, const step_t *s, const remote_page_t *page)
{
    audit_t *d = ctx;

    for (const remote_find_t *f = page ? page->finds : NULL; f; f = f->next)
        take_find(d, f);
    answer_candidates(d, s, page);
    return !audit_diff_is_full(&d->diff) || compare(d);
}

/* ---- what is here and was not told of ---- */

typedef struct candidate {
    audit_stored_t stored;
    bool answered, there;
} candidate_t;

static void answer_candidate(audit_t *d, str_t id, bool there)
{
    for (size_t i = 0; i < d->n_asked; i++)
        if (str_eq(d->asked[i].stored.id, id)) {
            d->asked[i].answered = true;
            d->asked[i].there = there;
        }
}

/* Of what lives all is told, but for rows that could not be read; any other page with nothing on it says nothing. */
static bool is_answer(const audit_t *d, const remote_page_t *page, str_t call, bool *there)
{
    bool is_list = d->provider->remote->forgets_ended;

    *there = page && (is_list ? remote_finds(page, call) : page->finds != NULL);
    return *there || !page || (is_list && !page->skips);
}

static void answer_candidates(audit_t *d, const step_t *s, const remote_page_t *page)
{
    bool there;

    for (size_t i = 0; i < s->n_calls; i++)
        if (is_answer(d, page, s->calls[i].id, &there))
            answer_candidate(d, s->calls[i].id, there);
}

static void note_stored(audit_t *d, audit_list_id_t list, const audit_stored_t *call, const char *why)
{
    audit_entry_t *e = audit_list_add(d->result, &d->out->lists[list], call->id);

    if (!e)
        return;
    e->why = str_from(why);
    e->at_us = call->at_us;
}

/* How far back the provider keeps calls; 0: not known to end. */
static int64_t retention_us(const remote_t *r)
{
    int64_t most = 0;

    for (size_t i = 0; i < r->n_resources; i++)
        if (r->resources[i].retention_us > most)
            most = r->resources[i].retention_us;
    return most;
}

static bool is_past_retention(const audit_t *d, const audit_stored_t *call)
{
    int64_t kept_us = retention_us(d->provider->remote);

    return kept_us && call->at_us < d->result->until_us - kept_us;
}

/* One step about all of those that are asked for together: it is not known yet which these are. */
static void ask_together(audit_t *d, const remote_step_t *at)
{
    if (!d->living)
        d->living = step_new(at, STR_NONE, NULL);
}

static void ask_alone(audit_t *d, const remote_step_t *at, str_t call)
{
    step_t *s = step_new(at, STR_NONE, NULL);

    step_ask_about(s, &(open_call_t){call, TIME_NONE}, 1);
    walk_add(&d->walk, s);
}

/* NULL: it was asked for, and the answer says. */
static const char *ask_for(audit_t *d, const audit_stored_t *call)
{
    const remote_t *remote = d->provider->remote;
    remote_step_t at = {.from_us = TIME_NONE, .to_us = TIME_NONE};
    arena_t *a;

    if (d->n_asked == AUDIT_MAX_ASKED)
        return "not in the list; not asked for by itself: there are too many";
    a = arena_new(1024);
    if (!remote->one || !remote->one(d->access, call->id, a, &at)) {
        arena_free(a);
        return "not in the list; it cannot be asked for by itself";
    }
    d->asked[d->n_asked] = (candidate_t){.stored = *call};
    d->asked[d->n_asked++].stored.id = arena_dup(d->result->arena, call->id);
    if (remote->forgets_ended)
        ask_together(d, &at);
    else
        ask_alone(d, &at, call->id);
    arena_free(a);
    return NULL;
}

static void add_living(audit_t *d)
{
    open_call_t *calls = mem_alloc((d->n_asked + 1) * sizeof(*calls));

    for (size_t i = 0; i < d->n_asked; i++)
        calls[i] = (open_call_t){d->asked[i].stored.id, TIME_NONE};
    if (d->living) {
        step_ask_about(d->living, calls, d->n_asked);
        walk_add(&d->walk, d->living);
    }
    free(calls);
}

static void look_at_stored(audit_t *d, const audit_stored_t *call)
{
    const char *why;

    if (audit_diff_knows(&d->diff, call->id))
        return;
    if (d->provider->remote->forgets_ended && !call->open) {
        note_stored(d, AUDIT_NOT_LISTABLE, call, "its API knows calls only while they live");
        return;
    }
    why = is_past_retention(d, call) ? "older than the provider keeps calls" : ask_for(d, call);
    if (why)
        note_stored(d, AUDIT_ONLY_HERE, call, why);
}

static const char *why_not_there(const candidate_t *c)
{
    if (!c->answered)
        return "not in the list; asked for by itself, it was not given";
    return c->stored.open ? "still open here; not known there" : "deleted there";
}

static void settle_candidates(audit_t *d)
{
    for (size_t i = 0; i < d->n_asked; i++)
        if (!d->asked[i].there)
            note_stored(d, AUDIT_ONLY_HERE, &d->asked[i].stored, why_not_there(&d->asked[i]));
}

/* Pages of one walk through the index, so that one that is asked for is not met again. */
static void find_only_here(audit_t *d)
{
    str_t last = STR_NONE;
    size_t count = AUDIT_PAGE;
    audit_stored_t *calls;

    while (!d->lost && count == AUDIT_PAGE && !is_stopped(d->o)) {
        arena_t *a = arena_new(65536);

        d->lost = !audit_read_calls(d->db, d->provider->name, d->result->since_us, d->result->until_us, last, a, &calls,
                                    &count, d->err);
        for (size_t i = 0; i < count; i++)
            look_at_stored(d, &calls[i]);
        if (count)
            last = arena_dup(d->result->arena, calls[count - 1].id);
        arena_free(a);
    }
}

/* ---- all of it ---- */

/* What failed is said by the report; the walk may be over for good. */
static bool walk_on(audit_t *d)
{
    bool whole = walk_make(&d->walk);

    if (!whole)
        d->out->asked = AUDIT_FAILED;
    return compare(d) && !d->walk.over;
}

static bool read_resource(audit_t *d, const remote_resource_t *resource)
{
    plan_wish_t wish = {.now_us = d->result->until_us,
                        .since_us = d->result->since_us,
                        .until_us = TIME_NONE,
                        .watermark_us = TIME_NONE};
    plan_t plan;

    plan_make(resource, &wish, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (plan.spans[i].refused)
            continue;
        walk_add_span(&d->walk, resource->name, plan.spans[i].from_us, plan.spans[i].to_us);
        if (!walk_on(d))
            return false;
    }
    return true;
}

/* Of what could not be read, nothing can be said of who was not in it. */
static void read_provider(audit_t *d)
{
    const remote_t *remote = d->provider->remote;
    bool ok = true;

    for (size_t i = 0; ok && i < remote->n_resources; i++)
        ok = read_resource(d, &remote->resources[i]);
    if (!ok || d->out->asked == AUDIT_FAILED)
        return;
    find_only_here(d);
    add_living(d);
    if (!d->lost && walk_on(d))
        settle_candidates(d);
}

static size_t most_at_once(const remote_t *r)
{
    return r->most_at_once > 0 ? (size_t)r->most_at_once : 1;
}

static void explain_failure(audit_provider_t *p)
{
    if (p->asked == AUDIT_FAILED && !p->why[0])
        (void)snprintf(p->why, sizeof(p->why), "%.390s",
                       p->report.n_errors ? p->report.errors[0] : "not all of it could be read");
}

/* False: the database is gone. */
static bool audit_provider(const audit_options_t *o, audit_database_t *db, audit_result_t *result,
                           audit_provider_t *out, const void *access, err_t *err)
{
    audit_t d = {
        .o = o, .db = db, .result = result, .out = out, .provider = out->provider, .access = access, .err = err};
    walk_options_t walk = {.provider = out->provider,
                           .access = access,
                           .stop = o->stop,
                           .report = &out->report,
                           .take = take_page,
                           .ctx = &d};

    d.transport = transport_over(o->fetcher, o->settings->timeout_us, most_at_once(out->provider->remote));
    audit_diff_begin(&d.diff, db, result, out);
    d.asked = mem_zalloc(AUDIT_MAX_ASKED * sizeof(*d.asked));
    walk.transport = d.transport;
    walk_begin(&d.walk, &walk);
    read_provider(&d);
    explain_failure(out);
    walk_end(&d.walk);
    transport_close(d.transport);
    audit_diff_end(&d.diff);
    free(d.asked);
    return !d.lost;
}

static void note_no_access(const audit_options_t *o, audit_provider_t *p, const err_t *err)
{
    buf_t names = BUF_EMPTY;

    p->asked = err->code == ERR_NONE ? AUDIT_NO_KEY : AUDIT_FAILED;
    keys_missing(p->provider, o->keys, &names);
    if (p->asked == AUDIT_NO_KEY)
        (void)snprintf(p->why, sizeof(p->why), "set " STR_FMT, STR_ARG(buf_str(&names)));
    else
        (void)snprintf(p->why, sizeof(p->why), "%.390s", err->detail);
    buf_clear(&names);
}

static bool run_provider(const audit_options_t *o, audit_database_t *db, audit_result_t *result, audit_provider_t *out,
                         err_t *err)
{
    const remote_t *remote = out->provider->remote;
    err_t why = {.code = ERR_NONE};
    void *access = remote->access_new(o->keys, &why);
    bool ok = true;

    if (access)
        ok = audit_provider(o, db, result, out, access, err);
    else
        note_no_access(o, out, &why);
    if (access)
        remote->access_free(access);
    return ok;
}

bool audit_run(const audit_options_t *o, audit_result_t *out, err_t *err)
{
    audit_database_t db;
    bool ok;

    *out = (audit_result_t){.arena = arena_new(65536),
                            .max_entries = o->max_entries ? o->max_entries : AUDIT_MAX_ENTRIES,
                            .max_bytes = o->max_bytes,
                            .since_us = o->since_us,
                            .until_us = clock_wall_us()};
    out->providers = arena_zalloc(out->arena, (o->n_providers + 1) * sizeof(*out->providers));
    ok = audit_database_open(&db, o->settings, o->end_us, err);
    for (size_t i = 0; ok && i < o->n_providers && !is_stopped(o); i++) {
        out->providers[out->n_providers].provider = o->providers[i];
        ok = run_provider(o, &db, out, &out->providers[out->n_providers++], err);
    }
    ok = ok && !is_stopped(o) && audit_read_checks(&db, out, err);
    audit_database_close(&db);
    return is_stopped(o) ? err_set(err, ERR_BUSY, "told to stop before the audit was done") : ok;
}
