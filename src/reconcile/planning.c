/* planning.c – of a run: which windows it works on, and what they begin with. */
#include "reconcile/run_inside.h"

#include "base/clock.h"
#include "reconcile/plan.h"

#include <stdlib.h>
#include <string.h>

/* A window that has failed so often is begun anew: what is left of it may lead nowhere (a cursor that has expired). */
#define TRIES_WITH_WHAT_IS_LEFT 2

typedef struct steps {
    step_t **list;
    size_t count;
} steps_t;

static void begin_window(const run_t *r, window_t *w, steps_t *out)
{
    arena_t *a = arena_new(4096);
    remote_page_t page;
    size_t n = 0;

    remote_page_init(&page, a);
    r->remote->begin(r->o->access, w->resource, w->from_us, w->to_us, &page);
    for (remote_follow_t *f = page.follows; f; f = f->next)
        n++;
    out->list = mem_realloc(out->list, (out->count + n + 1) * sizeof(*out->list));
    for (remote_follow_t *f = page.follows; f; f = f->next)
        out->list[out->count++] = step_new(&f->step, f->change_mark, w);
    w->open += n;
    arena_free(a);
}

static void enqueue(run_t *r, steps_t *s)
{
    uint8_t hash[16];

    for (size_t i = 0; i < s->count; i++) {
        step_hash(s->list[i], hash);
        (void)seen_add(&r->steps, hash);
    }
    agenda_push_all(&r->agenda, s->list, s->count);
    free(s->list);
}

/* ---- what earlier runs have left ---- */

static bool must_restart(const window_t *w)
{
    return w->tries > TRIES_WITH_WHAT_IS_LEFT || w->open == 0;
}

static steps_t steps_left(const ledger_work_t *work, const window_t *w)
{
    steps_t out = {.list = mem_alloc((work->n_steps + 1) * sizeof(*out.list))};

    for (size_t i = 0; i < work->n_steps; i++)
        if (work->steps[i]->window == w)
            out.list[out.count++] = work->steps[i];
    return out;
}

static bool take_up(run_t *r, const ledger_work_t *work, window_t *w, err_t *err)
{
    steps_t left = steps_left(work, w);
    bool ok = true;

    if (must_restart(w)) {
        for (size_t i = 0; i < left.count; i++)
            step_free(left.list[i]);
        left.count = w->open = 0;
        begin_window(r, w, &left);
        ok = ledger_restart(r->o->ledger, w, left.list, left.count, err);
    }
    enqueue(r, &left);
    return ok;
}

static ledger_wish_t wish_for(const run_t *r, const remote_resource_t *resource, int64_t now_us)
{
    return (ledger_wish_t){
        .resource = resource->name,
        .since_us = r->o->since_us,
        .until_us = r->o->since_us == TIME_NONE   ? TIME_NONE
                    : r->o->until_us == TIME_NONE ? now_us
                                                  : r->o->until_us,
        .least_us = resource->retention_us ? now_us - resource->retention_us : TIME_NONE,
        .all = r->o->by_hand,
    };
}

static bool take_up_left(run_t *r, const ledger_wish_t *wish, err_t *err)
{
    ledger_work_t work;
    bool ok = ledger_left(r->o->ledger, wish, &work, err);

    for (size_t i = 0; i < work.n_windows; i++)
        run_add_window(r, work.windows[i]);
    for (size_t i = work.n_windows; i-- > 0;) /* all of them, so that every step has an owner */
        ok = take_up(r, &work, work.windows[i], err) && ok;
    free(work.windows);
    free(work.steps);
    return ok;
}

/* ---- what is new ---- */

static window_t *window_of(const remote_resource_t *resource, const span_t *span)
{
    window_t *w = mem_zalloc(sizeof(*w));

    w->resource = resource->name;
    w->from_us = span->from_us;
    w->to_us = span->to_us;
    w->refused = span->refused;
    return w;
}

static bool add_new(run_t *r, const remote_resource_t *resource, const ledger_wish_t *wish, const plan_t *plan,
                    err_t *err)
{
    steps_t steps = {.list = NULL};
    size_t first = r->n_windows;
    ledger_plan_t made;
    bool ok;

    for (size_t i = 0; i < plan->count; i++) {
        window_t *w = window_of(resource, &plan->spans[i]);

        run_add_window(r, w);
        if (!w->refused)
            begin_window(r, w, &steps);
    }
    made = (ledger_plan_t){
        .wish = wish,
        .resource = resource->name,
        .windows = r->windows + first,
        .n_windows = plan->count,
        .steps = steps.list,
        .n_steps = steps.count,
        .watermark_us = plan->watermark_us,
        .overlap_us = plan_overlap_us(resource, r->o->overlap_us),
    };
    ok = ledger_plan(r->o->ledger, &made, err);
    enqueue(r, &steps);
    return ok;
}

static bool plan_resource(run_t *r, const remote_resource_t *resource, err_t *err)
{
    plan_wish_t wish = {
        .now_us = clock_wall_us(),
        .since_us = r->o->since_us,
        .until_us = r->o->until_us,
        .reach_us = r->o->reach_us,
        .overlap_us = r->o->overlap_us,
    };
    ledger_wish_t left = wish_for(r, resource, wish.now_us);
    plan_t plan;

    if (!take_up_left(r, &left, err) || !ledger_watermark(r->o->ledger, resource->name, &wish.watermark_us, err))
        return false;
    plan_make(resource, &wish, &plan);
    return add_new(r, resource, &left, &plan, err);
}

/* The last one's steps come first off the agenda: so the resources go in backwards. */
void run_plan(run_t *r)
{
    err_t err = {.code = ERR_NONE};

    for (size_t i = r->remote->n_resources; !r->over && i-- > 0;) {
        const remote_resource_t *resource = &r->remote->resources[i];

        if (r->o->resource && strcmp(r->o->resource, resource->name) != 0)
            continue;
        if (!plan_resource(r, resource, &err))
            run_end_early(r, "it could not be planned", &err);
    }
}
