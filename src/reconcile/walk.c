#include "reconcile/walk.h"

#include "base/clock.h"
#include "reconcile/refusal.h"
#include "reconcile/verdict.h"

#include <string.h>

#define LOOK_UP_US (200 * US_PER_MS) /* from waiting, to see whether to stop */
#define MOST_STEPS 1000000           /* more is a provider's list that never ends */

/* ---- begin and end ---- */

void walk_begin(walk_t *w, const walk_options_t *o)
{
    *w = (walk_t){.o = *o, .manners = manners_of(o->provider->remote, o->access)};
}

void walk_end(walk_t *w)
{
    agenda_clear(&w->agenda);
    agenda_clear(&(agenda_t){.ready = w->asked});
    seen_clear(&w->steps);
}

void walk_add(walk_t *w, step_t *s)
{
    uint8_t hash[16];

    step_hash(s, hash);
    if (seen_add(&w->steps, hash))
        agenda_push(&w->agenda, s);
    else
        step_free(s);
}

void walk_add_span(walk_t *w, const char *resource, int64_t from_us, int64_t to_us)
{
    arena_t *a = arena_new(4096);
    remote_page_t page;

    remote_page_init(&page, a);
    w->o.provider->remote->begin(w->o.access, resource, from_us, to_us, &page);
    for (const remote_follow_t *f = page.follows; f; f = f->next)
        walk_add(w, step_new(&f->step, f->change_mark, NULL));
    arena_free(a);
}

/* ---- asking ---- */

static int64_t now_us(const walk_t *w)
{
    return w->o.transport->now_us(w->o.transport->ctx);
}

static bool is_stopped(const walk_t *w)
{
    return w->over || (w->o.stop && atomic_load(w->o.stop));
}

static void blame(walk_t *w, const step_t *s, const char *why)
{
    report_error(w->o.report, "%s%s" STR_FMT ": %s", s->at.what, s->at.id.base ? " " : "", STR_ARG(s->at.id), why);
    w->failed++;
}

/* Takes the step. */
static void fail(walk_t *w, step_t *s, const char *why)
{
    blame(w, s, why);
    step_free(s);
}

/* What must not be asked twice changes something there: that is not for who only reads. */
static bool may_ask(const remote_request_t *request, err_t *err)
{
    return !request->once || err_set(err, ERR_BUSY, "it can only be asked for by a reconcile run");
}

static void ask(walk_t *w, step_t *s)
{
    arena_t *a = arena_new(4096);
    remote_request_t request = {.method = "GET"};
    err_t err = {.code = ERR_NONE};

    if (w->o.provider->remote->ask(w->o.access, &s->at, clock_wall_us(), a, &request, &err) &&
        may_ask(&request, &err) && w->o.transport->send(w->o.transport->ctx, &request, s, &err)) {
        manners_asked(&w->manners, now_us(w));
        s->next = w->asked;
        w->asked = s;
    } else {
        fail(w, s, err.detail);
    }
    arena_free(a);
}

static void ask_what_is_due(walk_t *w)
{
    while (!is_stopped(w) && manners_from_us(&w->manners) <= now_us(w)) {
        step_t *s = agenda_take(&w->agenda, now_us(w));

        if (!s)
            return;
        ask(w, s);
    }
}

/* ---- what an answer leads to ---- */

static void hash_finds(const remote_page_t *page, uint8_t out[16])
{
    size_t n = 0;
    str_t *payloads;

    memset(out, 0, 16);
    for (const remote_find_t *f = page->finds; f; f = f->next)
        n++;
    payloads = arena_alloc(page->arena, (n + 1) * sizeof(*payloads));
    n = 0;
    for (const remote_find_t *f = page->finds; f; f = f->next)
        payloads[n++] = f->payload;
    if (n)
        seen_hash(payloads, n, out);
}

/* A list that says the same page after page would never end. */
static bool repeats(const step_t *parent, const step_t *s, const uint8_t hash[16])
{
    static const uint8_t NOTHING[16];

    return strcmp(parent->at.what, s->at.what) == 0 && memcmp(hash, NOTHING, sizeof(NOTHING)) != 0 &&
           memcmp(parent->before, hash, sizeof(parent->before)) == 0;
}

/* A question that goes on is the next step's, and this one has no answer to it. */
static void hand_on(step_t *parent, step_t *s)
{
    s->calls = parent->calls;
    s->n_calls = parent->n_calls;
    parent->calls = NULL;
    parent->n_calls = 0;
}

static void follow(walk_t *w, step_t *parent, const remote_page_t *page)
{
    uint8_t hash[16];

    hash_finds(page, hash);
    for (const remote_follow_t *f = page->follows; f; f = f->next) {
        step_t *s = step_new(&f->step, f->change_mark, NULL);

        if (repeats(parent, s, hash)) {
            fail(w, s, "the list repeats itself: the same page came twice in a row");
            continue;
        }
        if (strcmp(parent->at.what, s->at.what) == 0)
            memcpy(s->before, hash, sizeof(s->before));
        if (step_goes_on(parent, page, &s->at))
            hand_on(parent, s);
        walk_add(w, s);
    }
}

static void give(walk_t *w, const step_t *s, const remote_page_t *page)
{
    if (!w->o.take(w->o.ctx, s, page))
        w->over = true;
}

static void take_page(walk_t *w, step_t *s, const remote_page_t *page)
{
    if (page->gone) {
        give(w, s, NULL);
        return;
    }
    w->o.report->seen += page->seen;
    for (const remote_skip_t *skip = page->skips; skip; skip = skip->next)
        report_skip(w->o.report, skip->reason, skip->id);
    if (page->lacks.base)
        blame(w, s, page->lacks.base);
    follow(w, s, page);
    give(w, s, page);
}

static void try_later(walk_t *w, step_t *s, int64_t at_us)
{
    s->not_before_us = at_us;
    agenda_push_later(&w->agenda, s);
}

/* Takes the step. */
static void read_answer(walk_t *w, step_t *s, answer_t *a)
{
    remote_page_t page;
    err_t err = {.code = ERR_NONE};
    int64_t again_us;

    remote_page_init(&page, a->arena);
    if (w->o.provider->remote->read(w->o.access, &s->at, &a->response, &page, &err)) {
        manners_heard(&w->manners);
        take_page(w, s, &page);
        step_free(s);
    } else if (err.code == ERR_UNPARSABLE && manners_again(&w->manners, ++s->unreadable, now_us(w), &again_us)) {
        try_later(w, s, again_us);
    } else {
        fail(w, s, err.detail[0] ? err.detail : "the answer is not what was expected");
    }
}

static void refuse(walk_t *w, const answer_t *a, verdict_t verdict)
{
    err_t err;

    refusal_explain(w->o.provider, a, verdict, &err);
    report_error(w->o.report, "%s", err.detail);
    w->over = true;
    w->refused = verdict == VERDICT_RUN;
}

/* Takes the step. */
static void skip_unnamed(walk_t *w, step_t *s)
{
    report_skip(w->o.report, "id_not_taken", s->calls[0].id);
    step_free(s);
}

static void fail_answer(walk_t *w, step_t *s, const answer_t *a)
{
    err_t err;

    if (a->came)
        err_set(&err, ERR_IO, "the provider answers %d%s", a->response.status, s->tries > 1 ? ", again and again" : "");
    else
        err = a->err;
    fail(w, s, err.detail);
}

/* What a status means to this provider that it does not mean to others. */
static bool is_meant(const walk_t *w, const step_t *s, const answer_t *a, remote_page_t *page)
{
    const remote_t *remote = w->o.provider->remote;

    remote_page_init(page, a->arena);
    return a->came && (a->response.status < 200 || a->response.status >= 300) && remote->refused &&
           remote->refused(w->o.access, &s->at, &a->response, page);
}

/* Takes both. */
static void take_answer(walk_t *w, step_t *s, answer_t *a)
{
    remote_page_t page;
    int64_t again_us = 0;
    verdict_t verdict;

    w->o.report->requests++;
    if (is_meant(w, s, a, &page)) {
        take_page(w, s, &page);
        step_free(s);
        arena_free(a->arena);
        return;
    }
    verdict = verdict_of(&w->manners, s, a, now_us(w), &again_us);
    switch (verdict) {
    case VERDICT_READ:
        read_answer(w, s, a);
        break;
    case VERDICT_GONE:
        give(w, s, NULL);
        step_free(s);
        break;
    case VERDICT_AGAIN:
        try_later(w, s, again_us);
        break;
    case VERDICT_RUN:
    case VERDICT_LATER:
        refuse(w, a, verdict);
        step_free(s);
        break;
    case VERDICT_STEP:
        if (verdict_is_no_name(s, a))
            skip_unnamed(w, s);
        else
            fail_answer(w, s, a);
        break;
    }
    arena_free(a->arena);
}

/* ---- the loop ---- */

static int64_t wait_until_us(const walk_t *w)
{
    int64_t allowed = manners_from_us(&w->manners), due = agenda_due_us(&w->agenda);
    int64_t next = due > allowed ? due : allowed, look = now_us(w) + LOOK_UP_US;

    return next < look ? next : look;
}

static void take_one(walk_t *w)
{
    answer_t *a = w->o.transport->receive(w->o.transport->ctx, wait_until_us(w));
    step_t **at = &w->asked, *s;

    if (!a)
        return;
    s = a->ticket;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->next = NULL;
    w->manners.in_flight--;
    take_answer(w, s, a);
}

bool walk_make(walk_t *w)
{
    while (!is_stopped(w) && (w->agenda.count || w->asked)) {
        ask_what_is_due(w);
        if (!is_stopped(w) && (w->agenda.count || w->asked))
            take_one(w);
        if (w->steps.count > MOST_STEPS) {
            report_error(w->o.report, "more than %d requests: one of the provider's lists does not end", MOST_STEPS);
            w->over = true;
        }
    }
    return !is_stopped(w) && !w->failed;
}
