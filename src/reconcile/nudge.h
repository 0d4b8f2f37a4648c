/* nudge.h – when a run is due that webhooks ask for (remote_trigger_t), so that many of them make few runs. Pure: it
 * knows no clock, and no thread; whoever has one locks it. Zeroed: nothing waits.
 *
 * Due once no more has come for NUDGE_SETTLES_US, or gap_us after the first, and gap_us after the last run began. What
 * comes while a run is under way, or too shortly before it, makes one more after it. Times are of the mono clock. */
#ifndef HOOKLINE_RECONCILE_NUDGE_H
#define HOOKLINE_RECONCILE_NUDGE_H

#include "base/clock.h"

/* A provider needs a moment to finish its own record. How long is not published anywhere; what a run comes too early
 * for, the next one finds. */
#define NUDGE_SETTLES_US (5 * US_PER_S)
/* A run that began so long after something has seen it. */
#define NUDGE_SEEN_US (NUDGE_SETTLES_US / 2)

typedef struct nudge {
    bool waits;
    int64_t first_us, last_us; /* of those that wait */
    int64_t least_us;          /* not before; 0: at any time */
} nudge_t;

bool nudge_add(nudge_t *n, int64_t now_us); /* true: nothing waited */
void nudge_drop(nudge_t *n);
int64_t nudge_due_us(const nudge_t *n, int64_t gap_us); /* INT64_MAX: nothing waits */

/* What became of a run. Whoever asked for it: one began. */
void nudge_ran(nudge_t *n, int64_t began_us, int64_t gap_us);
/* One that is due is made only if the last one began so long ago: another instance may have been first. */
int64_t nudge_every_us(const nudge_t *n, int64_t now_us, int64_t gap_us);
/* It had. That run may have begun too early for what waits here: it is looked at once more. */
void nudge_not_due(nudge_t *n, int64_t now_us, int64_t gap_us);
void nudge_put_off(nudge_t *n, int64_t until_us); /* none could be made */

#endif
