/* manners.h – how a provider's API is asked: how much at once, when again, and when not any more.
 *
 * RFC 9110 section 10.2.3 (Retry-After: seconds or a date), RFC 6585 section 4 (429). One thread; it has no clock. */
#ifndef HOOKLINE_RECONCILE_MANNERS_H
#define HOOKLINE_RECONCILE_MANNERS_H

#include "remote.h"

typedef struct manners {
    int most_at_once, in_flight;
    int64_t least_gap_us, next_us; /* mono clock, as all that follows: not before */
    int64_t pause_us;              /* the provider wants to hear nothing until then */
    int retries;                   /* of this run so far */
    int in_vain;                   /* requests in a row that were refused for now, or not answered at all */
    bool heard;                    /* the API has told something: it is where it is looked for */
    int denied;                    /* objects in a row that were not given, though others were */
} manners_t;

typedef enum {
    VERDICT_READ,
    VERDICT_GONE,  /* there is no such thing */
    VERDICT_AGAIN, /* later */
    VERDICT_STEP,  /* this step failed */
    VERDICT_RUN,   /* nothing else would go better: somebody has to act */
    VERDICT_LATER, /* nor this, and a later run may find it well again: what is left is left to it */
} verdict_t;

/* What became of a request. */
typedef struct outcome {
    bool came, sent; /* as in fetched_t */
    int status;
    str_t retry_after;
    bool once;
    int tries; /* of this step in this run, this one included */
} outcome_t;

manners_t manners_of(const remote_t *r, const void *access);
/* From when on one may ask: in the past when at once; INT64_MAX: not before an answer has come. */
int64_t manners_from_us(const manners_t *m);
void manners_asked(manners_t *m, int64_t mono_us);
/* again_us: of VERDICT_AGAIN, when. Counts retries, and pauses all when the provider says so. */
verdict_t manners_judge(manners_t *m, const outcome_t *o, int64_t mono_us, int64_t wall_us, int64_t *again_us);
/* An answer could be read. */
void manners_heard(manners_t *m);
/* For an answer that came whole and could not be read, the how manieth of its step: whether it is worth asking once
 * more. */
bool manners_again(manners_t *m, int unreadable, int64_t mono_us, int64_t *again_us);

#endif
