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

static delivery_t *pop(queue_t *q, lane_t lane)
{
    delivery_t *d = q->lanes[lane].first;

    q->lanes[lane].first = d->next;
    if (!d->next)
        q->lanes[lane].tail = &q->lanes[lane].first;
    q->count--;
    return d;
}

static size_t take_from(queue_t *q, lane_t lane, size_t most, size_t *bytes_left, delivery_t **out)
{
    size_t count = 0;

    while (count < most && q->lanes[lane].first) {
        size_t bytes = q->lanes[lane].first->bytes;

        if (bytes > *bytes_left)
            break;
        *bytes_left -= bytes;
        out[count++] = pop(q, lane);
    }
    return count;
}

size_t queue_take(queue_t *q, size_t most, size_t most_bytes, delivery_t **out)
{
    size_t reserved = q->lanes[LANE_BACKLOG].first ? most / 4 : 0, bytes_left = most_bytes, count;

    count = take_from(q, LANE_LIVE, most - reserved, &bytes_left, out);
    count += take_from(q, LANE_BACKLOG, most - count, &bytes_left, out + count);
    if (!count && q->count)
        out[count++] = pop(q, q->lanes[LANE_LIVE].first ? LANE_LIVE : LANE_BACKLOG);
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
