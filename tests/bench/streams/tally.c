#include "tally.h"

#include <string.h>

#define BUCKET_US 10

void tally_add(tally_t *t, int64_t us)
{
    int64_t bucket = us < 0 ? 0 : us / BUCKET_US;

    t->buckets[bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1]++;
    t->count++;
    if (us > t->max_us)
        t->max_us = us;
}

double tally_ms(const tally_t *t, double quantile)
{
    size_t wanted = (size_t)(quantile * (double)t->count), seen = 0;

    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        seen += t->buckets[i];
        if (seen > wanted)
            return (double)(i + 1) * BUCKET_US / 1000.0;
    }
    return (double)t->max_us / 1000.0;
}

void tally_reset(tally_t *t)
{
    memset(t, 0, sizeof(*t));
}
