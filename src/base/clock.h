/* clock.h – the one place where time is read and converted.
 *
 * Two clocks: mono_us for durations and deadlines (CLOCK_MONOTONIC), wall_us for what is stored (microseconds since
 * 1970-01-01 UTC). A point in time that is unknown is TIME_NONE. Any thread. */
#ifndef HOOKLINE_BASE_CLOCK_H
#define HOOKLINE_BASE_CLOCK_H

#include "base/str.h"

#define TIME_NONE INT64_MIN
#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

int64_t clock_mono_us(void);
int64_t clock_wall_us(void);

/* Each gives TIME_NONE for what it cannot read, and for what lies outside the years 1970 to 2261. */
int64_t
time_from_iso8601(str_t s); /* RFC 3339: 2026-08-30T08:27:54.123456789Z, or with +02:00; 1 to 9 digits of fraction */
int64_t time_from_rfc2822(str_t s); /* Sun, 30 Aug 2026 08:27:54 +0000 (any offset, or GMT); the weekday is optional */
int64_t time_from_seconds(int64_t s);
int64_t time_from_ms(double ms); /* epoch milliseconds, maybe with a fraction */

size_t time_to_iso8601(int64_t us, char out[32]); /* 2026-08-30T08:27:54.123456Z; the length without the NUL */
size_t time_to_rfc2822(int64_t us, char out[40]);

#endif
