/* queue.h – deliveries that wait for a writer, in two lanes. Not thread-safe: the store's lock guards it. */
#ifndef HOOKLINE_STORE_QUEUE_H
#define HOOKLINE_STORE_QUEUE_H

#include "event/delivery.h"

/* LIVE: somebody waits for the answer. BACKLOG: nobody does. They never share a batch: what is wrong with one of the
 * backlog's must not cost those that somebody waits for. */
typedef enum { LANE_LIVE, LANE_BACKLOG, LANE_COUNT } lane_t;

typedef struct queue {
    struct {
        delivery_t *first, **tail;
        size_t count;
    } lanes[LANE_COUNT];
} queue_t;

void queue_init(queue_t *q);
void queue_put(queue_t *q, lane_t lane, delivery_t *d);
/* The next ones of a lane. At least one, however large, if there is any. */
size_t queue_take(queue_t *q, lane_t lane, size_t most, size_t most_bytes, delivery_t **out);
bool queue_is_empty(const queue_t *q);
delivery_t *queue_take_all(queue_t *q); /* a list by next */

#endif
