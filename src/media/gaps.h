/* gaps.h – where in time a caller's audio is, and how much of it is missing.
 *
 * A provider of speech has no clock but the audio itself: where some is missing the caller would seem to have spoken on
 * at once, and where it ends in mid-word, to speak for ever. Silence stands in for it. Pure; one thread. */
#ifndef HOOKLINE_MEDIA_GAPS_H
#define HOOKLINE_MEDIA_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gaps {
    int64_t heard_us; /* mono clock: the last audio */
    int64_t next_ms;  /* where in the stream the next is due; -1: anywhere */
    bool hushed;      /* silence has stood in since then */
} gaps_t;

void gaps_init(gaps_t *g, int64_t now_us);
/* Audio has come: bytes of µ-law, and where in the stream it belongs, in milliseconds; negative: not known. The silence
 * that belongs before it, in milliseconds. */
int64_t gaps_take(gaps_t *g, size_t bytes, int64_t at_ms, int64_t now_us);
/* Nothing has come for a while, in which the caller was speaking: the silence that is due now; 0: none. */
int64_t gaps_hush(gaps_t *g, int64_t now_us);

#endif
