/* housekeeping.h – what a hookline does for its database beside writing batches: partitions of the months to come, a
 * sample of the tables' sizes, the numbers of leads that others have saved, customers of businesses that others have
 * added, what reconcile runs left long ago (schema/repeatable_reconcile.sql), and the dial plan.
 *
 * Every hookline does it; each step is safe beside another's. For the thread that owns the connection. */
#ifndef HOOKLINE_STORE_HOUSEKEEPING_H
#define HOOKLINE_STORE_HOUSEKEEPING_H

#include "store/dialplan.h"
#include "store/pg.h"

/* Zeroed at first, but for the dial plan and the settings: everything is due. */
typedef struct housekeeping {
    dialplan_t *dialplan;      /* NULL: none */
    int64_t reconcile_keep_us; /* how long reconcile runs are kept; 0: for ever */
    int64_t seldom_us;         /* mono clock: when the next of each is due */
    int64_t leads_us;
    int64_t forget_us;
    int64_t dialplan_us;
    bool all_leads_seen; /* since this process began: another release may read more numbers, another region others */
} housekeeping_t;

bool housekeeping_is_due(const housekeeping_t *h, int64_t mono_us);
int64_t housekeeping_wait_us(const housekeeping_t *h, int64_t mono_us); /* until something is due */
/* Does what is due. What fails is logged, and tried again when it is due again. */
void housekeeping_run(housekeeping_t *h, pg_t *pg);
/* At once, due or not. */
void housekeeping_read_dialplan(housekeeping_t *h, pg_t *pg);

#endif
