#include "reconcile/agenda.h"

static void clear(step_t *list)
{
    for (step_t *next; list; list = next) {
        next = list->next;
        step_free(list);
    }
}

void agenda_clear(agenda_t *q)
{
    clear(q->ready);
    clear(q->later);
    *q = (agenda_t){.ready = NULL};
}

void agenda_push(agenda_t *q, step_t *s)
{
    s->next = q->ready;
    q->ready = s;
    q->count++;
}

static bool is_about_one(const step_t *s)
{
    return s->at.id.base != NULL;
}

void agenda_push_all(agenda_t *q, step_t **steps, size_t n)
{
    for (size_t i = n; i-- > 0;)
        if (!is_about_one(steps[i]))
            agenda_push(q, steps[i]);
    for (size_t i = n; i-- > 0;)
        if (is_about_one(steps[i]))
            agenda_push(q, steps[i]);
}

void agenda_push_later(agenda_t *q, step_t *s)
{
    step_t **at = &q->later;

    while (*at && (*at)->not_before_us <= s->not_before_us)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    q->count++;
}

step_t *agenda_take(agenda_t *q, int64_t now_us)
{
    step_t **from = q->later && q->later->not_before_us <= now_us ? &q->later : &q->ready;
    step_t *s = *from;

    if (!s)
        return NULL;
    *from = s->next;
    s->next = NULL;
    q->count--;
    return s;
}

int64_t agenda_due_us(const agenda_t *q)
{
    if (q->ready)
        return INT64_MIN;
    return q->later ? q->later->not_before_us : INT64_MAX;
}
