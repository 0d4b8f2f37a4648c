/* verdict.h – what an answer means for the step that asked: what manners.h makes of its status, and what only the step
 * can tell. A run and a walk judge by it. One thread. */
#ifndef HOOKLINE_RECONCILE_VERDICT_H
#define HOOKLINE_RECONCILE_VERDICT_H

#include "reconcile/manners.h"
#include "reconcile/step.h"
#include "reconcile/transport.h"

/* Counts the step's try. again_us: of VERDICT_AGAIN, when (mono clock). */
verdict_t verdict_of(manners_t *m, step_t *s, const answer_t *a, int64_t mono_us, int64_t *again_us);

/* Of VERDICT_STEP about one call that somebody here knows: what it is called here the provider does not take for a
 * name, and never will. It is in nobody's way. */
bool verdict_is_no_name(const step_t *s, const answer_t *a);

#endif
