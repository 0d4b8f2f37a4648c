/* drain.h – one segment of a journal, brought to PostgreSQL: what the backlog and the command line do again and again.
 *
 * In order, through the store's backlog lane, a few hundred deliveries at a time; while one lot commits the next is
 * read and understood. A lot of which some do not commit although the database is there is read once more, and its
 * deliveries put one by one: what is wrong with one of them holds up no other. For one thread; blocks. */
#ifndef HOOKLINE_INGEST_DRAIN_H
#define HOOKLINE_INGEST_DRAIN_H

#include "journal/slot.h"
#include "store/store.h"

typedef struct drain drain_t;

/* goes_on: asked before each lot; false ends the segment as SEGMENT_LEFT. */
drain_t *drain_new(store_t *store, bool (*goes_on)(void *ctx), void *ctx);
void drain_free(drain_t *dr); /* NULL is fine */

typedef enum {
    SEGMENT_GONE,  /* all of it is committed, and the file removed */
    SEGMENT_ASIDE, /* all of it that can be read and stored is committed; the file is kept under its other name */
    SEGMENT_LEFT,  /* not now: the database does not take all of it, or the disk does not let us */
} segment_end_t;
segment_end_t drain_segment(drain_t *dr, const char *folder, const segment_file_t *file);
uint64_t drain_stored(const drain_t *dr); /* deliveries of that segment that were committed */

#endif
