/* queued.h – runs that somebody has asked for by the API: rows of reconcile_runs that wait for an instance to make
 * them.
 *
 * For a thread that may wait; l is open, and no run of it has begun. */
#ifndef HOOKLINE_RECONCILE_QUEUED_H
#define HOOKLINE_RECONCILE_QUEUED_H

#include "reconcile/ledger.h"

typedef struct queued {
    int64_t id;                 /* 0: none waits */
    char *resource;             /* NULL: all */
    int64_t since_us, until_us; /* TIME_NONE: not said */
    bool dry;
} queued_t;
void queued_clear(queued_t *q);

/* The one of the ledger's provider that waits longest. */
bool queued_next(ledger_t *l, queued_t *out, err_t *err);
/* It cannot be made: failed, and why. */
bool queued_refuse(ledger_t *l, int64_t id, const char *why, err_t *err);
/* Every provider of which one waits, whichever is the ledger's. */
bool queued_each(ledger_t *l, void (*each)(void *ctx, str_t provider), void *ctx, err_t *err);

#endif
