/* replay.h – deliveries of call_events put through the normaliser and the store once more.
 *
 * Each goes the way of any other delivery; what becomes of its row is committed with its facts. Whatever is replayed,
 * by however many at once and how often, ends as if this version had taken it in. For one thread; blocks. */
#ifndef HOOKLINE_INGEST_REPLAY_H
#define HOOKLINE_INGEST_REPLAY_H

#include "event/delivery.h"
#include "store/store.h"
#include "store/stored.h"

/* What became of one row. */
typedef struct replay_fate {
    const stored_row_t *row;
    str_t event_key; /* under which it is stored now */
    replayed_t became;
    str_t error;   /* why this version does not understand it; absent where it does */
    bool unstored; /* understood as something of which nothing is stored (delivery_t) */
    bool done;     /* false: not committed, the database being gone; the row is as it was */
} replay_fate_t;

/* each: called for every row, in the order of reading; what it is given is good for the call. */
typedef void (*replay_each_fn)(void *ctx, const replay_fate_t *fate);

/* All that `from` reads, until the end. store NULL: a dry run, which writes nothing, and of which became says what
 * would be. False: the database went away; what was done before stands. */
bool replay_run(stored_t *from, store_t *store, replay_each_fn each, void *ctx, err_t *err);

#endif
