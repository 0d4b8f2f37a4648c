/* roster.h – what the store's writers know together: what waits, who is there to take it, and whether it is worth
 * while.
 *
 * All of it is under one lock, which is held for no longer than a look. A writer is a number here (its seat); what it
 * does with a connection is its own business (writer.h). Any thread. */
#ifndef HOOKLINE_STORE_ROSTER_H
#define HOOKLINE_STORE_ROSTER_H

#include "store/queue.h"

#define ROSTER_SEATS 16

typedef struct roster roster_t;

typedef struct roster_options {
    size_t seats; /* 1 to ROSTER_SEATS */
    size_t max_batch;
    int64_t max_queued_bytes; /* of the live lane */
    int64_t late_us;          /* a writer that holds a batch for longer is not counted on: it may hang as long as
                                 PostgreSQL does */
} roster_options_t;

roster_t *roster_new(const roster_options_t *options);
void roster_free(roster_t *r); /* NULL is fine */

/* ---- for those who put ---- */

/* Takes d over on true. ERR_BUSY, ERR_STORE_DOWN: see store_put. */
bool roster_put(roster_t *r, lane_t lane, delivery_t *d, err_t *err);
/* Whether a delivery put now would be committed soon, as far as one can tell; else err says why not. */
bool roster_is_up(roster_t *r, err_t *err);
/* From now on nothing is taken in, and every writer is woken. */
void roster_stop(roster_t *r);

/* ---- for a writer ---- */

int roster_wake_fd(const roster_t *r, size_t seat); /* readable when it is woken; the roster's */
void roster_set_connected(roster_t *r, size_t seat, bool connected, const char *why_not);
/* What has gathered, up to a batch: the seat is busy from then on. 0: it sleeps, and will be woken. */
size_t roster_take(roster_t *r, size_t seat, delivery_t **out);
void roster_set_idle(roster_t *r, size_t seat); /* its batch is done: what waits may be another's */
/* Doing something else: not to be woken. */
void roster_set_away(roster_t *r, size_t seat, bool away);
/* How the last batch ended. trouble NULL: committed. Else it went home, and nothing but a trial is taken, once a
 * second, until a batch commits. */
void roster_note(roster_t *r, const char *trouble);
/* Back to where they came from. */
void roster_send_home(roster_t *r, delivery_t *list, err_code_t failed);
/* Sends home all that waits; unless_connected: only when there is nobody who will take it. */
void roster_clear(roster_t *r, bool unless_connected);
void roster_look(roster_t *r, bool *stopping, bool *empty);

#endif
