#include "reconcile/nudge.h"

bool nudge_add(nudge_t *n, int64_t now_us)
{
    bool is_first = !n->waits;

    if (is_first)
        n->first_us = now_us;
    n->last_us = now_us;
    n->waits = true;
    return is_first;
}

void nudge_drop(nudge_t *n)
{
    n->waits = false;
}

int64_t nudge_due_us(const nudge_t *n, int64_t gap_us)
{
    int64_t due_us = n->last_us + NUDGE_SETTLES_US, most_us = n->first_us + gap_us;

    if (!n->waits)
        return INT64_MAX;
    if (most_us < n->first_us + NUDGE_SETTLES_US)
        most_us = n->first_us + NUDGE_SETTLES_US;
    if (due_us > most_us)
        due_us = most_us;
    return due_us > n->least_us ? due_us : n->least_us;
}

void nudge_ran(nudge_t *n, int64_t began_us, int64_t gap_us)
{
    n->least_us = began_us + gap_us;
    if (n->last_us + NUDGE_SEEN_US <= began_us)
        n->waits = false;
    else
        n->first_us = n->last_us;
}

int64_t nudge_every_us(const nudge_t *n, int64_t now_us, int64_t gap_us)
{
    int64_t unseen_us = now_us - n->last_us - NUDGE_SEEN_US;

    return unseen_us > gap_us ? unseen_us : gap_us;
}

/* From then on, a run that is in the way has seen it. */
void nudge_not_due(nudge_t *n, int64_t now_us, int64_t gap_us)
{
    int64_t again_us = n->last_us + NUDGE_SEEN_US + gap_us;

    if (now_us >= again_us)
        n->waits = false;
    else
        n->least_us = again_us;
}

void nudge_put_off(nudge_t *n, int64_t until_us)
{
    n->least_us = until_us;
}
