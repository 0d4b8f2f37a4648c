#include "reconcile/verdict.h"

#include "base/clock.h"

#define MOST_DENIED 32 /* objects in a row: that is what the key may not do */

/* Where lists are given, one object that is not is somebody else's. */
static bool is_denied_alone(manners_t *m, const step_t *s, const answer_t *a)
{
    if (!a->came || a->response.status != 403)
        return false;
    return s->n_calls || (s->at.id.base && m->heard && ++m->denied < MOST_DENIED);
}

/* A list is never gone. */
verdict_t verdict_of(manners_t *m, step_t *s, const answer_t *a, int64_t mono_us, int64_t *again_us)
{
    outcome_t outcome = {
        .came = a->came,
        .sent = a->sent,
        .status = a->response.status,
        .retry_after = a->came ? remote_field(&a->response, "retry-after") : STR_NONE,
        .once = s->once,
        .tries = ++s->tries,
    };
    verdict_t verdict = manners_judge(m, &outcome, mono_us, clock_wall_us(), again_us);

    if ((verdict == VERDICT_GONE && !s->at.id.base) || (verdict == VERDICT_RUN && is_denied_alone(m, s, a)) ||
        (!a->came && a->err.code == ERR_TOO_LARGE))
        return VERDICT_STEP;
    return !a->came && a->err.code == ERR_CONFIG ? VERDICT_RUN : verdict;
}

bool verdict_is_no_name(const step_t *s, const answer_t *a)
{
    return s->n_calls == 1 && s->at.id.base && a->came && (a->response.status == 400 || a->response.status == 422);
}
