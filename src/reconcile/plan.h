/* plan.h – which spans of time a pass over one resource is to cover. Pure. */
#ifndef HOOKLINE_RECONCILE_PLAN_H
#define HOOKLINE_RECONCILE_PLAN_H

#include "remote.h"

#define PLAN_MAX_SPANS 40

typedef struct plan_wish {
    int64_t now_us;
    int64_t since_us, until_us; /* as asked for; TIME_NONE: from the watermark on; until now */
    int64_t watermark_us;       /* TIME_NONE: it is the first pass */
    int64_t reach_us;           /* how far back the first pass goes */
    int64_t overlap_us;         /* how far back of the watermark a later one begins; TIME_NONE: as the resource says */
} plan_wish_t;

typedef struct span {
    int64_t from_us, to_us;
    bool refused; /* the provider does not keep it for so long */
} span_t;

typedef struct plan {
    span_t spans[PLAN_MAX_SPANS]; /* the oldest first; live: one, from and to TIME_NONE */
    size_t count;
    int64_t watermark_us; /* once these are in the ledger; TIME_NONE: it stays where it is */
} plan_t;

int64_t plan_overlap_us(const remote_resource_t *r, int64_t wish_us);
void plan_make(const remote_resource_t *r, const plan_wish_t *w, plan_t *out);

#endif
