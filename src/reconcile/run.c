#include "reconcile/run_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_UP_US (200 * US_PER_MS) /* from waiting, to see whether to stop */
#define MOST_STEPS 1000000           /* in one run: more is a provider's list that never ends */

const char *run_status_name(run_status_t s)
{
    static const char *const NAMES[] = {[RUN_DONE] = "done", [RUN_FAILED] = "failed", [RUN_CANCELED] = "canceled"};

    return NAMES[s];
}

static bool is_stopped(const run_t *r)
{
    return (r->o->stop && atomic_load(r->o->stop)) || ledger_is_canceled(r->o->ledger);
}

static int64_t now_us(const run_t *r)
{
    return r->o->transport->now_us(r->o->transport->ctx);
}

/* ---- asking ---- */

static bool may_ask(run_t *r, step_t *s, const remote_request_t *request, err_t *err)
{
    s->once = request->once;
    if (!request->once)
        return true;
    if (s->asked)
        return err_set(err, ERR_BUSY, "it was asked for before, and what came of that is not known: not asked again");
    s->asked = true;
    return ledger_step_asked(r->o->ledger, s, err);
}

/* Takes the step. */
static void ask(run_t *r, step_t *s)
{
    arena_t *a = arena_new(4096);
    remote_request_t request = {.method = "GET"};
    err_t err = {.code = ERR_NONE};

    if (r->remote->ask(r->o->access, &s->at, clock_wall_us(), a, &request, &err) && may_ask(r, s, &request, &err) &&
        r->o->transport->send(r->o->transport->ctx, &request, s, &err)) {
        manners_asked(&r->manners, now_us(r));
        s->next = r->asked;
        r->asked = s;
    } else {
        run_fail_step(r, s, err.detail);
    }
    arena_free(a);
}

static void ask_what_is_due(run_t *r)
{
    while (!r->over && !is_stopped(r) && manners_from_us(&r->manners) <= now_us(r)) {
        step_t *s = agenda_take(&r->agenda, now_us(r));

        if (!s)
            return;
        ask(r, s);
    }
}

/* ---- the loop ---- */

/* Until an answer comes, or there is something to ask. */
static int64_t wait_until_us(const run_t *r)
{
    int64_t allowed = manners_from_us(&r->manners), due = agenda_due_us(&r->agenda);
    int64_t next = due > allowed ? due : allowed, look = now_us(r) + LOOK_UP_US;

    return next < look ? next : look;
}

static void tell(const run_t *r)
{
    run_progress_t p = {
        .provider = r->o->provider->name,
        .windows = r->n_windows,
        .windows_done = r->windows_done,
        .steps_left = r->agenda.count + (size_t)r->manners.in_flight,
        .report = r->report,
        .began_us = r->began_us,
    };

    r->report->steps_left = p.steps_left;
    if (r->o->progress)
        r->o->progress(r->o->ctx, &p);
}

static void take_off(step_t **list, step_t *s)
{
    while (*list != s)
        list = &(*list)->next;
    *list = s->next;
    s->next = NULL;
}

static void take_one(run_t *r)
{
    answer_t *a = r->o->transport->receive(r->o->transport->ctx, wait_until_us(r));
    step_t *s;

    if (!a)
        return;
    s = a->ticket;
    take_off(&r->asked, s);
    r->manners.in_flight--;
    if (a->came && a->response.status >= 200 && a->response.status < 300)
        ask_what_is_due(r); /* the provider works on that while what came is committed */
    run_take_answer(r, s, a);
    tell(r);
}

static void keep_lease(run_t *r)
{
    err_t err = {.code = ERR_NONE};

    if (!r->over && !ledger_renew(r->o->ledger, r->report, &err))
        run_end_early(r, "the lease could not be kept", &err);
}

static void check_bound(run_t *r)
{
    err_t err = {.code = ERR_NONE};

    if (r->steps.count <= MOST_STEPS)
        return;
    err_set(&err, ERR_INTERNAL, "more than %d requests in one run: one of the provider's lists does not end",
            MOST_STEPS);
    run_end_early(r, "too much", &err);
}

static void work(run_t *r)
{
    while (!r->over && !is_stopped(r) && (r->agenda.count || r->asked)) {
        ask_what_is_due(r);
        if (!r->over && (r->agenda.count || r->asked))
            take_one(r);
        keep_lease(r);
        check_bound(r);
    }
}

/* ---- begin and end ---- */

/* Windows that begin with nothing, as of a resource without what it is about (no number is set up), are covered. */
static void end_empty_windows(run_t *r)
{
    err_t err = {.code = ERR_NONE};

    for (size_t i = 0; i < r->n_windows && !r->over; i++) {
        if (r->windows[i]->refused || r->windows[i]->open)
            continue;
        r->windows_done++;
        if (!ledger_window_end(r->o->ledger, r->windows[i], &err))
            run_end_early(r, "a window could not be ended", &err);
    }
}

static void count_run(const run_t *r, run_status_t status)
{
    static const char *const BECAME[] = {
        [BECAME_UNCHANGED] = "unchanged", [BECAME_UPDATED] = "updated", [BECAME_NEW] = "new"};
    char labels[80];

    (void)snprintf(labels, sizeof(labels), "provider=\"%s\",result=\"%s\"", r->o->provider->name,
                   run_status_name(status));
    metric_add(metrics_series(METRIC_RECONCILE_RUNS, labels), 1);
    for (int became = BECAME_UNCHANGED; became <= BECAME_NEW; became++) {
        (void)snprintf(labels, sizeof(labels), "provider=\"%s\",became=\"%s\"", r->o->provider->name, BECAME[became]);
        metric_add(metrics_series(METRIC_RECONCILE_CALLS, labels), (int64_t)r->report->calls[became]);
    }
}

static run_status_t finish(run_t *r)
{
    run_status_t status = is_stopped(r) ? RUN_CANCELED : r->failed ? RUN_FAILED : RUN_DONE;
    err_t err = {.code = ERR_NONE};

    if (!ledger_end(r->o->ledger, run_status_name(status), r->report, &err)) {
        run_end_early(r, "its end could not be noted", &err);
        status = RUN_FAILED;
    }
    count_run(r, status);
    agenda_clear(&r->agenda);
    agenda_clear(&(agenda_t){.ready = r->asked}); /* nobody takes their answers any more */
    seen_clear(&r->steps);
    for (size_t i = 0; i < r->n_windows; i++)
        free(r->windows[i]);
    free(r->windows);
    return status;
}

run_status_t run_make(const run_options_t *o, report_t *report)
{
    run_t r = {.o = o, .remote = o->provider->remote, .report = report};

    r.manners = manners_of(r.remote, o->access);
    r.began_us = now_us(&r);
    run_plan(&r);
    end_empty_windows(&r);
    work(&r);
    if (r.manners.heard && !r.over && !is_stopped(&r) && !o->resource && o->stale_us && r.remote->one) {
        run_add_stale(&r);
        work(&r);
    }
    return finish(&r);
}
