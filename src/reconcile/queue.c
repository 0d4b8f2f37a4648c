#include "reconcile/queue.h"

static void clear(step_t *list)
{
    for (step_t *next; list; list = next) {
        next = list->next;
        step_free(list);
    }
}

void queue_clear(queue_t *q)
{
    clear(q->ready);
    clear(q->later);
    *q = (queue_t){.ready = NULL};
}

void queue_push(queue_t *q, step_t *s)
{
    s->next = q->ready;
    q->ready = s;
    q->count++;
}

static bool is_about_one(const step_t *s)
{
    return s->at.id.base && !s->at.cursor.base;
}

void queue_push_all(queue_t *q, step_t **steps, size_t n)
{
    for (size_t i = n; i-- > 0;)
        if (!is_about_one(steps[i]))
            queue_push(q, steps[i]);
    for (size_t i = n; i-- > 0;)
        if (is_about_one(steps[i]))
            queue_push(q, steps[i]);
}

void queue_push_later(queue_t *q, step_t *s)
{
    step_t **at = &q->later;

    while (*at && (*at)->not_before_us <= s->not_before_us)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    q->count++;
}

step_t *queue_take(queue_t *q, int64_t now_us)
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

int64_t queue_due_us(const queue_t *q)
{
    if (q->ready)
        return INT64_MIN;
    return q->later ? q->later->not_before_us : INT64_MAX;
}
