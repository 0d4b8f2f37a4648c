#include "media/gaps.h"

#include "base/clock.h"

#define FRAME_MS    20
#define BYTES_MS    8
#define GAP_MS      (2 * FRAME_MS) /* a hole, at least */
#define MOST_GAP_MS 10000
#define HUSH_US     (750 * US_PER_MS)
#define HUSH_MS     1000

void gaps_init(gaps_t *g, int64_t now_us)
{
    *g = (gaps_t){.heard_us = now_us, .next_ms = -1};
}

int64_t gaps_take(gaps_t *g, size_t bytes, int64_t at_ms, int64_t now_us)
{
    int64_t gap_ms = g->next_ms < 0 || at_ms < 0 ? 0 : at_ms - g->next_ms;

    g->heard_us = now_us;
    g->hushed = false;
    if (at_ms >= 0)
        g->next_ms = at_ms + (int64_t)bytes / BYTES_MS;
    if (gap_ms <= GAP_MS)
        return 0;
    return gap_ms < MOST_GAP_MS ? gap_ms : MOST_GAP_MS;
}

int64_t gaps_hush(gaps_t *g, int64_t now_us)
{
    if (g->hushed || now_us - g->heard_us < HUSH_US)
        return 0;
    g->hushed = true;
    if (g->next_ms >= 0)
        g->next_ms += HUSH_MS;
    return HUSH_MS;
}
