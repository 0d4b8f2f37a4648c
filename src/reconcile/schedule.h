/* schedule.h – runs each provider whose API can be asked, every so often, when webhooks say that it has news (nudge.h),
 * and when the API of ours is asked to (queued.h), while hookline serves.
 *
 * A thread for each, so that one that is slow holds up no other; of several hooklines on one database one makes the
 * run. Any thread may reload; one stops. */
#ifndef HOOKLINE_RECONCILE_SCHEDULE_H
#define HOOKLINE_RECONCILE_SCHEDULE_H

#include "config/config.h"
#include "provider.h"

typedef struct schedule schedule_t;

schedule_t *schedule_start(const config_t *config, err_t *err); /* ERR_CONFIG: a key is set, but not usable */
/* From the next run on. False: the old settings stay. */
bool schedule_reload(schedule_t *s, const config_t *config, err_t *err);
/* Its API has news: a run is made soon, if the schedule is on and there is a key. Any thread; never waits. */
void schedule_nudge(schedule_t *s, const provider_t *provider);
/* What is under way ends at once, and is gone on with by a later run. Does not wait for it. */
void schedule_begin_stop(schedule_t *s);
/* Waits for it, joins the threads, and frees. NULL is fine. */
void schedule_stop(schedule_t *s);

#endif
