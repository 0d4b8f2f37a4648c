/* batch.h – the deliveries of one transaction, merged into the rows to write.
 *
 * One row a key (the same call told by five deliveries is one row), in one fixed order – replayed rows by id,
 * events by hash, then calls, participants and messages by key – so that two writers never wait for each other in a
 * circle. Borrows the deliveries and changes none of them but key_hash (and replayed, which the database says): a batch
 * that failed is split and built anew.
 *
 * Replayed deliveries bring their keys by a statement of their own, before the others' keys. Nobody mixes the two in
 * one batch; who did would have deadlocks with other writers now and then, which PostgreSQL ends and the store repeats.
 */
#ifndef HOOKLINE_STORE_BATCH_H
#define HOOKLINE_STORE_BATCH_H

#include "event/delivery.h"

/* What a call's new facts call for beside its own row. */
typedef enum {
    MARK_TIE = 1,       /* what ties it to leads is told: its number, start or Call SID */
    MARK_SOURCE = 2,    /* messages of a better source came in: others may be superseded now */
    MARK_TOKENS = 4,    /* the sum of its messages' tokens is to be made anew */
    MARK_SESSION = 8,   /* its session is named: a row that waits under that name is this call's */
    MARK_CUSTOMER = 16, /* its agent, or something of its customer, is told */
} call_mark_t;

typedef struct row {
    const char *provider;
    fact_t *fact; /* a delivery's own, or a merged copy in the batch's arena */
    bool merged;
    unsigned marks; /* of a call: call_mark_t, or-ed */
} row_t;

typedef struct batch {
    arena_t *arena;
    delivery_t **events; /* one a key, sorted by key_hash */
    size_t n_events;
    delivery_t **replays; /* those read from a row of call_events, sorted by its id; none is among the events */
    size_t n_replays;
    row_t *rows[FACT_KIND_COUNT]; /* sorted by (provider, call id, key) */
    size_t n_rows[FACT_KIND_COUNT];
    unsigned marks; /* of any call */
} batch_t;

str_t batch_session(const row_t *call); /* the name of a call's session; absent where it is not told */
void batch_hash_key(delivery_t *d);     /* key_hash, of provider and event_key */
void batch_init(batch_t *b, delivery_t *const *deliveries, size_t count);
void batch_clear(batch_t *b);

#endif
