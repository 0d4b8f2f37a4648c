/* requests.h – HTTP requests, made and signed before the clock starts, one behind the other in memory. One thread. */
#ifndef HOOKLINE_BENCH_REQUESTS_H
#define HOOKLINE_BENCH_REQUESTS_H

#include "mix.h"

typedef struct share {
    const char *provider; /* NULL after the last */
    size_t deliveries;
    size_t body_bytes;
} share_t;

typedef struct requests {
    buf_t bytes;
    size_t *at; /* count + 1 of them: where each begins */
    size_t count;
    share_t *shares; /* PROVIDER_COUNT + 1 */
} requests_t;

/* public_url: what the providers were told (Twilio signs it), without a final slash; its host is the Host header. */
void requests_make(requests_t *r, mix_t *mix, size_t count, const char *public_url);
void requests_clear(requests_t *r);

static inline str_t requests_get(const requests_t *r, size_t i)
{
    return (str_t){r->bytes.base + r->at[i], r->at[i + 1] - r->at[i]};
}

#endif
