/* store.h – makes deliveries durable in PostgreSQL.
 *
 * A writer is a thread that owns a connection. It takes what gathered while the last batch was committing, sends that
 * as one transaction, and gives every delivery back by `done` once its fate is known. Adaptive group commit, no timer.
 * A second writer begins only when enough for a batch of its own waits: facts merge in any order, so it does not matter
 * which commits first.
 *
 * Any thread may call store_put, store_state. */
#ifndef HOOKLINE_STORE_STORE_H
#define HOOKLINE_STORE_STORE_H

#include "event/delivery.h"

typedef struct store store_t;

typedef struct store_options {
    const char *conninfo;     /* libpq's: URL or key=value; "" for PG* */
    bool pooled;              /* behind a transaction-mode pooler: unnamed statements, no session state */
    size_t connections;       /* writers: 1 to 16 */
    size_t max_batch;         /* deliveries in one transaction */
    int64_t max_queued_bytes; /* bound of what waits */
    int64_t statement_timeout_us;
    /* From a writer's thread: a list by d->next, each durable (failed == ERR_NONE) or not. */
    void (*done)(void *ctx, delivery_t *list);
    void *done_ctx;
} store_options_t;

typedef struct store_state {
    bool up;
    char reason[400]; /* why not */
} store_state_t;

store_t *store_open(const store_options_t *options);
/* Takes d over on true. ERR_BUSY: the queue is full. ERR_STORE_DOWN: no database; nothing is queued. */
bool store_put(store_t *s, delivery_t *d, err_t *err);
void store_state(store_t *s, store_state_t *out);
/* Commits what is queued, until the deadline; what is left comes back with ERR_STORE_DOWN. Joins the threads. */
void store_close(store_t *s, int64_t deadline_mono_us);

#endif
