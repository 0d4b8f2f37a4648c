/* refusal.h – why a provider's API is asked no more, in a sentence for people: what is wrong, and what to do about it.
 * Any thread. */
#ifndef HOOKLINE_RECONCILE_REFUSAL_H
#define HOOKLINE_RECONCILE_REFUSAL_H

#include "provider.h"
#include "reconcile/manners.h"
#include "reconcile/transport.h"

/* Of an answer whose verdict is VERDICT_RUN or VERDICT_LATER. */
void refusal_explain(const provider_t *p, const answer_t *a, verdict_t verdict, err_t *out);

#endif
