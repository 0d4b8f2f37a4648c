#include "reconcile/plan.h"

#include "base/clock.h"

#define DAY_US    (INT64_C(86400) * US_PER_S)
#define MOST_CUTS 32

int64_t plan_overlap_us(const remote_resource_t *r, int64_t wish_us)
{
    return wish_us == TIME_NONE ? r->overlap_us : wish_us;
}

static int64_t begin_of(const remote_resource_t *r, const plan_wish_t *w)
{
    if (w->since_us != TIME_NONE)
        return w->since_us;
    if (w->watermark_us == TIME_NONE)
        return w->now_us - w->reach_us;
    return (w->watermark_us < w->now_us ? w->watermark_us : w->now_us) - plan_overlap_us(r, w->overlap_us);
}

static void add(plan_t *out, int64_t from_us, int64_t to_us, bool refused)
{
    out->spans[out->count++] = (span_t){from_us, to_us, refused};
}

/* Days, or longer ones where those would be too many: a span that failed is tried again by itself. */
static void cut(plan_t *out, const remote_resource_t *r, int64_t from_us, int64_t to_us)
{
    int64_t length = r->from_newest ? to_us - from_us : (to_us - from_us) / MOST_CUTS + 1;

    if (length < DAY_US)
        length = DAY_US;
    for (int64_t at = from_us; at < to_us; at += length)
        add(out, at, at + length < to_us ? at + length : to_us, false);
}

/* Of a pass into the past it says nothing, nor of a first one that goes back less far than is set; one that leaves no
 * gap moves it – back, where a clock was ahead. */
static int64_t watermark_after(const plan_wish_t *w, int64_t from_us, int64_t to_us)
{
    if (w->watermark_us == TIME_NONE)
        return w->until_us == TIME_NONE && from_us <= w->now_us - w->reach_us ? to_us : TIME_NONE;
    if (w->watermark_us > w->now_us)
        return w->since_us == TIME_NONE && to_us == w->now_us ? to_us : TIME_NONE;
    return from_us <= w->watermark_us && to_us > w->watermark_us ? to_us : TIME_NONE;
}

void plan_make(const remote_resource_t *r, const plan_wish_t *w, plan_t *out)
{
    int64_t to_us = w->until_us == TIME_NONE || w->until_us > w->now_us ? w->now_us : w->until_us;
    int64_t from_us = begin_of(r, w);
    int64_t least_us = r->retention_us ? w->now_us - r->retention_us : 0;

    *out = (plan_t){.count = 0, .watermark_us = TIME_NONE};
    if (r->live) {
        add(out, TIME_NONE, TIME_NONE, false);
        return;
    }
    if (from_us < 0)
        from_us = 0;
    if (from_us >= to_us)
        return;
    out->watermark_us = watermark_after(w, from_us, to_us);
    if (from_us < least_us)
        add(out, from_us, least_us < to_us ? least_us : to_us, true);
    cut(out, r, from_us < least_us ? least_us : from_us, to_us);
}
