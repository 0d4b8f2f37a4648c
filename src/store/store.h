/* store.h – makes deliveries durable in PostgreSQL.
 *
 * A writer is a thread that owns a connection. It takes what gathered while the last batch was committing, sends that
 * as one transaction, and sends every delivery home once its fate is known. Adaptive group commit, no timer. A second
 * writer begins only when enough for a batch of its own waits, or something in the backlog's lane: facts merge in any
 * order, so it does not matter which commits first.
 *
 * It keeps nothing that it cannot commit: when the connection is gone and no new one can be had, or a batch was refused
 * for the state of things until its deadline, deliveries go home with ERR_STORE_DOWN. From then on it takes a few at a
 * time, once a second, until a batch of them commits.
 *
 * Any thread may call store_put, store_state. */
#ifndef HOOKLINE_STORE_STORE_H
#define HOOKLINE_STORE_STORE_H

#include "store/dialplan.h"
#include "store/queue.h"

typedef struct store store_t;

typedef struct store_options {
    const char *conninfo;      /* libpq's: URL or key=value; "" for PG* */
    bool pooled;               /* behind a transaction-mode pooler: unnamed statements, no session state */
    bool migrate;              /* bring the schema up to date when the database is first reached */
    bool keeps_house;          /* does what housekeeping.h says, as one that stays does */
    dialplan_t *dialplan;      /* kept up to date by one that keeps the house; outlives the store; NULL: none */
    int64_t reconcile_keep_us; /* how long one that keeps the house keeps reconcile runs; 0: for ever */
    size_t connections;        /* writers: 1 to 16 */
    size_t max_batch;          /* deliveries in one transaction */
    int64_t max_queued_bytes;  /* bound of what waits in the live lane */
    int64_t statement_timeout_us;
    int64_t commit_deadline_us; /* how long a writer may try a batch; one that takes longer is not counted on */
} store_options_t;

typedef struct store_state {
    bool up;          /* would take a delivery now */
    char reason[400]; /* why not */
} store_state_t;

store_t *store_open(const store_options_t *options);
/* Takes d over on true, and sends it home later, once. ERR_BUSY: the queue is full. ERR_STORE_DOWN: the database is not
 * there, or does not commit; nothing is queued. */
bool store_put(store_t *s, lane_t lane, delivery_t *d, err_t *err);
void store_state(store_t *s, store_state_t *out);
/* Commits what is queued, until the deadline; what is left goes home with ERR_STORE_DOWN. Joins the threads. Later puts
 * are refused. */
void store_close(store_t *s, int64_t deadline_mono_us);
void store_free(store_t *s); /* after it; NULL is fine */

#endif
