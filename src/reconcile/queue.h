/* queue.h – the steps that a run has still to make, in its order: what a page's rows call for before the next page, so
 * that few wait however long the list. One thread. */
#ifndef HOOKLINE_RECONCILE_QUEUE_H
#define HOOKLINE_RECONCILE_QUEUE_H

#include "reconcile/step.h"

typedef struct queue {
    step_t *ready; /* the next first */
    step_t *later; /* by not_before_us, the soonest first */
    size_t count;
} queue_t;

void queue_clear(queue_t *q);
void queue_push(queue_t *q, step_t *s);                    /* to be the next */
void queue_push_all(queue_t *q, step_t **steps, size_t n); /* in their order; those about one object before others */
void queue_push_later(queue_t *q, step_t *s);              /* at s->not_before_us */
step_t *queue_take(queue_t *q, int64_t now_us);            /* NULL: none now */
int64_t queue_due_us(const queue_t *q);                    /* when there is one: INT64_MIN now, INT64_MAX never */

#endif
