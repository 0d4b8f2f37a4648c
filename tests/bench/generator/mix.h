/* mix.h – what the bench sends: deliveries of whole calls, many of them alive at once.
 *
 * A call comes by telephone: Twilio tells of its leg, and the platform that answers it (Vapi or LiveKit, in turn) tells
 * of its own; the two share the Call SID and the numbers. In the full mix there are video calls as well, of which
 * Beyond Presence and an agent tell. The deliveries are the providers' own samples, those of the demo
 * (hook_sample_t.after_ms), each call's in the order of their times. Between two deliveries of one call come those
 * of the others in the window, so they lie about (window) deliveries apart. The window begins full, its calls at
 * random points of their lives: the mix is the same from the first delivery to the last.
 *
 * The caller's number is one of 79,900 that are kept for fiction (+1 AAA 555 01NN). One in four (NN divisible by 4) is
 * a lead's: see leads.sql.
 *
 * The same seed and start give the same deliveries; another seed shares no id with them. One thread. */
#ifndef HOOKLINE_BENCH_MIX_H
#define HOOKLINE_BENCH_MIX_H

#include "sample.h"

typedef struct mix mix_t;

/* One delivery to make: filled by hook_fill(sample, &call, event_us, …). */
typedef struct mix_item {
    const provider_t *provider;
    const void *keys; /* the provider's */
    const hook_sample_t *sample;
    const hook_route_t *route;
    sample_call_t call;
    int64_t event_us;
} mix_item_t;

typedef struct mix_options {
    uint64_t seed;
    size_t window;    /* calls alive at once */
    int64_t start_us; /* calls began within the ten minutes before */
    const char *only; /* one provider's deliveries; NULL: the mix */
    bool full;        /* every message of the demo and every provider; else those that the rivals understand too */
} mix_options_t;

/* Reads the secrets from the environment. NULL, and a message on standard error, when one is missing. */
mix_t *mix_new(const mix_options_t *options);
void mix_free(mix_t *m);
mix_item_t mix_next(mix_t *m);

#endif
