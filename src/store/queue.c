#include "store/queue.h"

void queue_init(queue_t *q)
{
    for (size_t i = 0; i < LANE_COUNT; i++) {
        q->lanes[i].first = NULL;
        q->lanes[i].tail = &q->lanes[i].first;
        q->lanes[i].count = 0;
    }
}

void queue_put(queue_t *q, lane_t lane, delivery_t *d)
{
    d->next = NULL;
    *q->lanes[lane].tail = d;
    q->lanes[lane].tail = &d->next;
    q->lanes[lane].count++;
}

bool queue_is_empty(const queue_t *q)
{
    for (size_t i = 0; i < LANE_COUNT; i++)
        if (q->lanes[i].count)
            return false;
    return true;
}

size_t queue_take(queue_t *q, lane_t lane, size_t most, size_t most_bytes, delivery_t **out)
{
    size_t count = 0, bytes = 0;
    delivery_t *d;

    while (count < most && (d = q->lanes[lane].first) && (!count || bytes + d->bytes <= most_bytes)) {
        q->lanes[lane].first = d->next;
        if (!d->next)
            q->lanes[lane].tail = &q->lanes[lane].first;
        bytes += d->bytes;
        out[count++] = d;
    }
    q->lanes[lane].count -= count;
    return count;
}

delivery_t *queue_take_all(queue_t *q)
{
    delivery_t *all;

    *q->lanes[LANE_LIVE].tail = q->lanes[LANE_BACKLOG].first;
    all = q->lanes[LANE_LIVE].first;
    queue_init(q);
    return all;
}
