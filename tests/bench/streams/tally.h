/* tally.h – durations, counted in buckets of 10 µs, so that a run may be as long as it likes. One thread. */
#ifndef HOOKLINE_BENCH_TALLY_H
#define HOOKLINE_BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_BUCKETS 200000 /* 2 s, and what is longer */

typedef struct tally {
    size_t count;
    int64_t max_us;
    uint32_t buckets[TALLY_BUCKETS];
} tally_t;

void tally_add(tally_t *t, int64_t us);
double tally_ms(const tally_t *t, double quantile);
void tally_reset(tally_t *t);

#endif
