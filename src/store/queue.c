#include "store/queue.h"

void queue_init(queue_t *q)
{
    *q = (queue_t){.count = 0};
    for (size_t i = 0; i < LANE_COUNT; i++)
        q->lanes[i].tail = &q->lanes[i].first;
}

void queue_put(queue_t *q, lane_t lane, delivery_t *d)
{
    d->next = NULL;
    *q->lanes[lane].tail = d;
    q->lanes[lane].tail = &d->next;
    q->count++;
}

/* NULL: there is none. */
static delivery_t *pop(queue_t *q, lane_t lane)
{
    delivery_t *d = q->lanes[lane].first;

    if (!d)
        return NULL;
    q->lanes[lane].first = d->next;
    if (!d->next)
        q->lanes[lane].tail = &q->lanes[lane].first;
    q->count--;
    return d;
}

static size_t take_from(queue_t *q, lane_t lane, size_t most, size_t *bytes_left, delivery_t **out)
{
    size_t count = 0;

    for (const delivery_t *d; count < most && (d = q->lanes[lane].first) && d->bytes <= *bytes_left;) {
        *bytes_left -= d->bytes;
        out[count++] = pop(q, lane);
    }
    return count;
}

size_t queue_take(queue_t *q, size_t most, size_t most_bytes, delivery_t **out)
{
    size_t reserved = q->lanes[LANE_BACKLOG].first ? most / 4 : 0, bytes_left = most_bytes, count;

    count = take_from(q, LANE_LIVE, most - reserved, &bytes_left, out);
    count += take_from(q, LANE_BACKLOG, most - count, &bytes_left, out + count);
    for (size_t i = 0; !count && i < LANE_COUNT; i++)
        if ((out[0] = pop(q, (lane_t)i)))
            count = 1;
    return count;
}

delivery_t *queue_take_all(queue_t *q)
{
    delivery_t *all = q->lanes[LANE_LIVE].first;

    *q->lanes[LANE_LIVE].tail = q->lanes[LANE_BACKLOG].first;
    if (!all)
        all = q->lanes[LANE_BACKLOG].first;
    queue_init(q);
    return all;
}
