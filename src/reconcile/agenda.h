/* agenda.h – the steps that a run has still to make, in its order: what a page's rows call for before the next page, so
 * that few wait however long the list. One thread. */
#ifndef HOOKLINE_RECONCILE_AGENDA_H
#define HOOKLINE_RECONCILE_AGENDA_H

#include "reconcile/step.h"

typedef struct agenda {
    step_t *ready; /* the next first */
    step_t *later; /* by not_before_us, the soonest first */
    size_t count;
} agenda_t;

void agenda_clear(agenda_t *q);
void agenda_push(agenda_t *q, step_t *s);                    /* to be the next */
void agenda_push_all(agenda_t *q, step_t **steps, size_t n); /* in their order; those about one object before others */
void agenda_push_later(agenda_t *q, step_t *s);              /* at s->not_before_us */
step_t *agenda_take(agenda_t *q, int64_t now_us);            /* NULL: none now */
int64_t agenda_due_us(const agenda_t *q);                    /* when there is one: INT64_MIN now, INT64_MAX never */

#endif
