/* queue.h – deliveries that wait for a writer, in two lanes. Not thread-safe: the store's lock guards it. */
#ifndef HOOKLINE_STORE_QUEUE_H
#define HOOKLINE_STORE_QUEUE_H

#include "event/delivery.h"

/* LIVE: somebody waits for the answer. BACKLOG: nobody does; it goes along. */
typedef enum { LANE_LIVE, LANE_BACKLOG, LANE_COUNT } lane_t;

typedef struct queue {
    struct {
        delivery_t *first, **tail;
    } lanes[LANE_COUNT];
    size_t count;
} queue_t;

void queue_init(queue_t *q);
void queue_put(queue_t *q, lane_t lane, delivery_t *d);
/* The next ones: the live lane's first, but where both have some a quarter of the room is the backlog's, so that it
 * ends while live traffic never does. At least one, however large, if there is any. */
size_t queue_take(queue_t *q, size_t most, size_t most_bytes, delivery_t **out);
delivery_t *queue_take_all(queue_t *q); /* a list by next */

#endif
