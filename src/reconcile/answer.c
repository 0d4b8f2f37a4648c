/* answer.c – of a run: what an answer means for the step that asked, and what comes of it. */
#include "reconcile/run_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "reconcile/find.h"
#include "reconcile/refusal.h"
#include "reconcile/verdict.h"
#include "store/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const step_t *s)
{
    return s->window ? s->window->resource : "a call without an end";
}

/* ---- a step's end ---- */

static void close_window(run_t *r, window_t *w)
{
    err_t err = {.code = ERR_NONE};

    if (!w || --w->open > 0)
        return;
    r->windows_done++;
    r->failed = r->failed || w->error[0];
    if (!r->over && !ledger_window_end(r->o->ledger, w, &err))
        run_end_early(r, "a window could not be ended", &err);
}

static void blame(run_t *r, const step_t *s, const char *why)
{
    report_error(r->report, "%s, %s%s" STR_FMT ": %s", name_of(s), s->at.what, s->at.id.base ? " " : "",
                 STR_ARG(s->at.id), why);
    LOG(LOG_WARN, "reconcile step failed", log_cstr("provider", r->o->provider->name), log_cstr("resource", name_of(s)),
        log_cstr("step", s->at.what), log_str("id", s->at.id), log_cstr("reason", why));
    if (s->window && !s->window->error[0])
        (void)snprintf(s->window->error, sizeof(s->window->error), "%.190s", why);
}

/* What came is taken. If the step went with it, only the window would know, and would be covered by a run that goes on
 * with its other steps. */
static void lack(run_t *r, step_t *s, const char *why)
{
    blame(r, s, why);
    s->lacking = true;
}

void run_fail_step(run_t *r, step_t *s, const char *why)
{
    err_t err = {.code = ERR_NONE};

    blame(r, s, why);
    if (!ledger_step_failed(r->o->ledger, s, why, &err))
        run_end_early(r, "the database cannot be reached", &err);
    close_window(r, s->window);
    step_free(s);
}

static void try_later(run_t *r, step_t *s, int64_t at_us)
{
    s->not_before_us = at_us;
    agenda_push_later(&r->agenda, s);
}

/* ---- what was found ---- */

typedef struct haul {
    delivery_t **list;
    size_t count;
    uint8_t hash[16]; /* of all payloads, or of what else tells the page from others */
} haul_t;

/* Another object about the same happening says more of it; the very same one says nothing more. */
static bool is_fresh(run_t *r, const remote_find_t *f)
{
    str_t parts[] = {str_from(f->route), f->payload};
    uint8_t hash[16];

    seen_hash(parts, COUNT(parts), hash);
    if (seen_add(&r->report->objects, hash))
        return true;
    r->report->duplicate++;
    return false;
}

static void note_dead(run_t *r, const delivery_t *d)
{
    r->report->dead++;
    report_error(r->report, "%s " STR_FMT ": " STR_FMT " (kept as a dead letter)", d->route, STR_ARG(d->event_key),
                 STR_ARG(d->error));
}

static void add_find(run_t *r, haul_t *h, const remote_find_t *f)
{
    delivery_t *d;

    r->report->fetched++;
    if (!is_fresh(r, f))
        return;
    d = find_understand(r->o->provider, f);
    if (d->unstored) {
        delivery_free(d);
        return;
    }
    if (d->error.base)
        note_dead(r, d);
    h->list[h->count++] = d;
}

static haul_t take_finds(run_t *r, const remote_page_t *page)
{
    haul_t h = {.count = 0};
    size_t n = 0;
    str_t *payloads;

    for (const remote_find_t *f = page->finds; f; f = f->next)
        n++;
    h.list = mem_alloc((n + 1) * sizeof(*h.list));
    payloads = arena_alloc(page->arena, (n + 1) * sizeof(*payloads));
    n = 0;
    for (const remote_find_t *f = page->finds; f; f = f->next) {
        payloads[n++] = f->payload;
        add_find(r, &h, f);
    }
    if (n)
        seen_hash(payloads, n, h.hash);
    return h;
}

static void drop_haul(haul_t *h)
{
    for (size_t i = 0; i < h->count; i++)
        delivery_free(h->list[i]);
    free(h->list);
}

/* ---- what follows ---- */

typedef struct followers {
    step_t **list;
    bool *known;
    size_t count;
} followers_t;

static bool is_nothing(const uint8_t hash[16])
{
    static const uint8_t NOTHING[16];

    return memcmp(hash, NOTHING, sizeof(NOTHING)) == 0;
}

/* A list that leads back to where it was, or says the same page after page, would never end. A step of another kind is
 * only one too many. */
static bool is_new(run_t *r, step_t *parent, step_t *s, const uint8_t page_hash[16])
{
    bool goes_on = strcmp(parent->at.what, s->at.what) == 0;
    uint8_t hash[16];

    if (goes_on)
        memcpy(s->before, page_hash, sizeof(s->before));
    if (goes_on && !is_nothing(page_hash) && memcmp(parent->before, page_hash, sizeof(s->before)) == 0) {
        lack(r, parent, "the list repeats itself: the same page came twice in a row");
        return false;
    }
    step_hash(s, hash);
    if (seen_add(&r->steps, hash))
        return true;
    if (goes_on)
        lack(r, parent, "the list leads back to a page that was read already");
    return false;
}

static followers_t take_follows(run_t *r, step_t *parent, const remote_page_t *page, const uint8_t page_hash[16])
{
    followers_t out = {.count = 0};
    size_t n = 0;

    for (const remote_follow_t *f = page->follows; f; f = f->next)
        n++;
    out.list = mem_alloc((n + 1) * sizeof(*out.list));
    for (const remote_follow_t *f = page->follows; f; f = f->next) {
        step_t *s = step_new(&f->step, f->change_mark, parent->window);

        if (step_goes_on(parent, page, &s->at))
            step_ask_about(s, parent->calls, parent->n_calls);
        if (is_new(r, parent, s, page_hash))
            out.list[out.count++] = s;
        else
            step_free(s);
    }
    out.known = mem_zalloc((out.count + 1) * sizeof(*out.known));
    return out;
}

static void enqueue(run_t *r, const step_t *parent, followers_t *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++) {
        if (f->known[i])
            step_free(f->list[i]);
        else
            f->list[n++] = f->list[i];
    }
    if (parent->window)
        parent->window->open += n;
    agenda_push_all(&r->agenda, f->list, n);
    f->count = 0;
}

static void drop_followers(followers_t *f)
{
    for (size_t i = 0; i < f->count; i++)
        step_free(f->list[i]);
    free(f->list);
    free(f->known);
}

/* ---- the page ---- */

static void note_calls(run_t *r, const ledger_page_t *done)
{
    for (size_t i = 0; i < done->n_touched; i++) {
        const touched_t *t = &done->touched[i];

        report_call(r->report, t->provider, t->call_id, t->became, &t->customer);
    }
}

static bool commit(run_t *r, step_t *s, haul_t *h, followers_t *f, arena_t *a, err_t *err)
{
    ledger_page_t done = {
        .step = s,
        .deliveries = h->list,
        .n_deliveries = h->count,
        .follows = f->list,
        .n_follows = f->count,
        .known = f->known,
        .report = r->report,
        .arena = a,
    };

    if (!ledger_commit(r->o->ledger, &done, err))
        return false;
    note_calls(r, &done);
    return true;
}

/* Takes the step. */
static void keep_page(run_t *r, step_t *s, haul_t *h, const remote_page_t *page)
{
    followers_t follows;
    err_t err = {.code = ERR_NONE};

    if (is_nothing(h->hash) && page->rows.len)
        seen_hash(&page->rows, 1, h->hash);
    follows = take_follows(r, s, page, h->hash);

    if (commit(r, s, h, &follows, page->arena, &err)) {
        enqueue(r, s, &follows);
        close_window(r, s->window);
        step_free(s);
    } else {
        if (err.code != ERR_CONTENT)
            run_end_early(r, "a page could not be committed", &err);
        run_fail_step(r, s, err.detail);
    }
    drop_followers(&follows);
    drop_haul(h);
}

static void take_page(run_t *r, step_t *s, const remote_page_t *page)
{
    haul_t h = take_finds(r, page);

    r->report->seen += page->seen;
    for (const remote_skip_t *skip = page->skips; skip; skip = skip->next)
        report_skip(r->report, skip->reason, skip->id);
    s->unsettled = page->unsettled;
    if (page->lacks.base)
        lack(r, s, page->lacks.base);
    keep_page(r, s, &h, page);
}

static void infer_gone(run_t *r, haul_t *h, const open_call_t *call)
{
    h->list = mem_realloc(h->list, (h->count + 1) * sizeof(*h->list));
    h->list[h->count++] = find_infer_gone(r->o->provider, call);
}

/* The provider knows no such thing. Of a call without an end that is what it has come to; of anything else, nothing. */
static void take_gone(run_t *r, step_t *s, arena_t *a)
{
    haul_t h = {.list = NULL};
    remote_page_t nothing;

    remote_page_init(&nothing, a);
    if (s->n_calls)
        infer_gone(r, &h, &s->calls[0]);
    else
        report_skip(r->report, "gone", s->at.id);
    s->unsettled = true; /* what is listed may be there by the next run */
    keep_page(r, s, &h, &nothing);
}

/* Which of the calls that it asks about are not among those that live. What the others are at is told by the list that
 * every run begins with. A row that cannot be read may be any of them. */
static void take_living(run_t *r, step_t *s, const remote_page_t *page)
{
    haul_t h = {.list = NULL};
    remote_page_t nothing;

    r->report->seen += page->seen;
    if (page->skips) {
        run_fail_step(r, s, "not all of what lives can be read, so nothing is concluded of what is not there");
        return;
    }
    remote_page_init(&nothing, page->arena);
    for (size_t i = 0; i < s->n_calls; i++)
        if (!remote_finds(page, s->calls[i].id))
            infer_gone(r, &h, &s->calls[i]);
    keep_page(r, s, &h, &nothing);
}

static void read_answer(run_t *r, step_t *s, answer_t *a)
{
    remote_page_t page;
    err_t err = {.code = ERR_NONE};
    int64_t again_us;

    remote_page_init(&page, a->arena);
    if (!r->remote->read(r->o->access, &s->at, &a->response, &page, &err)) {
        if (err.code == ERR_UNPARSABLE && !s->once &&
            manners_again(&r->manners, ++s->unreadable, r->o->transport->now_us(r->o->transport->ctx), &again_us))
            try_later(r, s, again_us);
        else
            run_fail_step(r, s, err.detail[0] ? err.detail : "the answer is not what was expected");
        return;
    }
    manners_heard(&r->manners);
    if (page.gone) {
        take_gone(r, s, a->arena);
    } else if (s->n_calls && r->remote->forgets_ended) {
        take_living(r, s, &page);
    } else {
        take_page(r, s, &page);
    }
}

/* An answer that is no 2xx, and means something to the provider's file. */
static bool take_refusal(run_t *r, step_t *s, answer_t *a)
{
    remote_page_t page;

    remote_page_init(&page, a->arena);
    if (!a->came || !r->remote->refused || !r->remote->refused(r->o->access, &s->at, &a->response, &page))
        return false;
    take_page(r, s, &page);
    return true;
}

/* ---- the verdict ---- */

static void count_request(const run_t *r, const answer_t *a)
{
    char labels[80];

    (void)snprintf(labels, sizeof(labels), "provider=\"%s\",status=\"%d\"", r->o->provider->name,
                   a->came ? a->response.status : 0);
    metric_add(metrics_series(METRIC_RECONCILE_REQUESTS, labels), 1);
    r->report->requests++;
}

/* Takes the step, which is left for a later run, as its window is. */
static void end_run(run_t *r, step_t *s, const answer_t *a, verdict_t verdict)
{
    err_t err;

    refusal_explain(r->o->provider, a, verdict, &err);
    run_end_early(r, verdict == VERDICT_RUN ? "refused" : "ended early", &err);
    close_window(r, s->window);
    step_free(s);
}

static void describe(const answer_t *a, const step_t *s, char out[300])
{
    if (!a->came)
        (void)snprintf(out, 300, "%.200s%s", a->err.detail,
                       s->once && a->sent ? " (it may have been done, and is not asked for again)" : "");
    else
        (void)snprintf(out, 300, "the provider answers %d%s", a->response.status,
                       s->tries > 1 ? ", again and again" : "");
}

/* Takes the step. */
static void skip_unnamed(run_t *r, step_t *s)
{
    report_skip(r->report, "id_not_taken", s->calls[0].id);
    step_free(s);
}

void run_take_answer(run_t *r, step_t *s, answer_t *a)
{
    int64_t again_us = 0;
    verdict_t verdict = verdict_of(&r->manners, s, a, r->o->transport->now_us(r->o->transport->ctx), &again_us);
    char why[300];

    count_request(r, a);
    if (verdict != VERDICT_READ && take_refusal(r, s, a)) {
        arena_free(a->arena);
        return;
    }
    switch (verdict) {
    case VERDICT_READ:
        read_answer(r, s, a);
        break;
    case VERDICT_GONE:
        take_gone(r, s, a->arena);
        break;
    case VERDICT_AGAIN:
        s->asked = false; /* of a request that must not be made twice: it is known that nothing came of it */
        try_later(r, s, again_us);
        break;
    case VERDICT_RUN:
    case VERDICT_LATER:
        end_run(r, s, a, verdict);
        break;
    case VERDICT_STEP:
        if (verdict_is_no_name(s, a)) {
            skip_unnamed(r, s);
            break;
        }
        describe(a, s, why);
        run_fail_step(r, s, why);
        break;
    }
    arena_free(a->arena);
}
