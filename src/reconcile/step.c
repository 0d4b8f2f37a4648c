#include "reconcile/step.h"

#include "reconcile/seen.h"

#include <stdlib.h>

static str_t keep(str_t s)
{
    return s.base ? (str_t){mem_strdup(s), s.len} : STR_NONE;
}

static void drop(str_t s)
{
    union {
        const char *base;
        void *owned;
    } u = {.base = s.base};

    free(u.owned);
}

step_t *step_new(const remote_step_t *at, str_t mark, window_t *window)
{
    step_t *s = mem_zalloc(sizeof(*s));

    s->at = *at;
    s->at.what = keep(str_from(at->what)).base;
    s->at.id = keep(at->id);
    s->at.cursor = keep(at->cursor);
    s->mark = keep(mark);
    s->window = window;
    return s;
}

void step_free(step_t *s)
{
    if (!s)
        return;
    drop(str_from(s->at.what));
    drop(s->at.id);
    drop(s->at.cursor);
    drop(s->mark);
    for (size_t i = 0; i < s->n_calls; i++)
        drop(s->calls[i].id);
    free(s->calls);
    free(s);
}

void step_ask_about(step_t *s, const open_call_t *calls, size_t n)
{
    s->calls = mem_alloc((n + 1) * sizeof(*s->calls));
    for (size_t i = 0; i < n; i++)
        s->calls[s->n_calls++] = (open_call_t){keep(calls[i].id), calls[i].last_us};
}

bool step_goes_on(const step_t *s, const remote_page_t *page, const remote_step_t *next)
{
    return s->n_calls && !page->finds && s->at.id.base && str_eq(s->at.id, next->id);
}

void step_hash(const step_t *s, uint8_t out[16])
{
    str_t parts[] = {
        str_from(s->window ? s->window->resource : NULL),
        str_from(s->at.what),
        {(const char *)&s->at.from_us, sizeof(s->at.from_us)},
        {(const char *)&s->at.to_us, sizeof(s->at.to_us)},
        s->at.id,
        s->at.cursor,
    };

    seen_hash(parts, COUNT(parts), out);
}
