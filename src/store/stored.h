/* stored.h – reads deliveries back out of call_events, one after the other: for a replay.
 *
 * Page by page, so that neither this side nor a snapshot of PostgreSQL's holds all of them. What comes in after the
 * opening is not read. Changes nothing. Blocks; one thread. */
#ifndef HOOKLINE_STORE_STORED_H
#define HOOKLINE_STORE_STORED_H

#include "base/err.h"
#include "base/mem.h"

typedef struct stored_filter {
    const str_t *providers; /* their names as stored; borrowed; rows of others are not read */
    size_t n_providers;     /* 0: no matter whose */
    int64_t since_us;       /* received then or later; TIME_NONE: no matter when */
    int64_t id;             /* that row, whatever it is; 0: all that fit */
    bool all;               /* else dead letters only */
} stored_filter_t;

typedef struct stored_row {
    int64_t id, received_us;
    bool dead;
    str_t provider, event_key;
    str_t route; /* absent: not known, as what follows */
    str_t error;
    str_t payload; /* JSON */
    str_t raw;
} stored_row_t;

typedef struct stored stored_t;

/* NULL: err says why (ERR_STORE_DOWN), and what to do. The filter is copied, but for the providers. */
stored_t *stored_open(const char *conninfo, bool pooled, const stored_filter_t *filter, err_t *err);
void stored_close(stored_t *s); /* NULL is fine */

/* The next ones, dead letters by time, else by id; a page of them, of some megabytes at most where a single row is not
 * larger: *count 0 at the end. The rows are good until the next call. False: the database is gone. */
bool stored_page(stored_t *s, const stored_row_t **rows, size_t *count, err_t *err);

/* For each key (key_hash of batch_hash_key) whether an event of it has ever been stored: known has count places. */
bool stored_knows(stored_t *s, const uint8_t (*key_hashes)[16], size_t count, bool *known, err_t *err);

#endif
