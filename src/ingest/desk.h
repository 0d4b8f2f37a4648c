/* desk.h – where deliveries come back to that somebody waits for: what is put into the store, and when all of it is
 * committed, or refused.
 *
 * One thread puts and waits; the store brings back from its own. */
#ifndef HOOKLINE_INGEST_DESK_H
#define HOOKLINE_INGEST_DESK_H

#include "store/store.h"

#include <pthread.h>

typedef struct desk {
    delivery_home_t home; /* first */
    pthread_mutex_t lock;
    pthread_cond_t all_back;
    size_t out;       /* deliveries that the store has */
    delivery_t *back; /* those that it has brought back */
} desk_t;

void desk_init(desk_t *desk);
void desk_clear(desk_t *desk); /* nothing is out, and nothing lies here */

/* By the backlog's lane. False: the store does not take it, and it is the caller's still. */
bool desk_put(desk_t *desk, store_t *store, delivery_t *d, err_t *err);

/* Waits until nothing is out; what came back since the last time, in no order, is the caller's again: `failed` says
 * what became of each. */
delivery_t *desk_wait(desk_t *desk);

#endif
