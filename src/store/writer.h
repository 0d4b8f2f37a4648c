/* writer.h – a thread that owns a connection, and commits what the roster gives it.
 *
 * Connects (again and again, with backoff and jitter), sends batches, finds the one delivery in a batch that PostgreSQL
 * refuses for its content, keeps the house, and says on the roster how it goes. */
#ifndef HOOKLINE_STORE_WRITER_H
#define HOOKLINE_STORE_WRITER_H

#include "store/dialplan.h"
#include "store/roster.h"

typedef struct writer writer_t;

typedef struct writer_options {
    roster_t *roster;
    size_t seat; /* 0: it also migrates, and keeps the house where that is asked for */
    const char *conninfo;
    bool pooled;
    bool migrate;
    bool keeps_house;
    dialplan_t *dialplan;      /* read by the one that keeps the house; NULL: none */
    int64_t reconcile_keep_us; /* see housekeeping.h */
    size_t max_batch;
    int64_t statement_timeout_us;
    int64_t commit_deadline_us;
    const _Atomic int64_t *end_us; /* mono clock: when all waiting ends; may come nearer at any time */
} writer_options_t;

writer_t *writer_start(const writer_options_t *options); /* what it points to stays */
void writer_join(writer_t *w);                           /* after roster_stop; frees it */

#endif
