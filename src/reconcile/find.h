/* find.h – what was found, or concluded, becomes a delivery of way reconcile, as any other. Any thread. */
#ifndef HOOKLINE_RECONCILE_FIND_H
#define HOOKLINE_RECONCILE_FIND_H

#include "event/delivery.h"
#include "provider.h"
#include "reconcile/step.h"

delivery_t *find_understand(const provider_t *provider, const remote_find_t *found);

/* Of a call that the provider does not know (any more), though nobody has heard its end: it failed, by inference, so
 * that whatever anybody reports of it still wins. Where a provider forgets calls as they end, it has ended unseen: not
 * before it was last known to go on, which is the best that can be said of when, and whether anybody was ever connected
 * decides how. */
#define FIND_UNKNOWN "unknown_to_provider"
#define FIND_UNSEEN  "ended_unseen"
delivery_t *find_infer_gone(const provider_t *provider, const open_call_t *call);

#endif
