/* transport.h – how a run asks: an interface, so that tests can answer, and keep the clock, themselves.
 *
 * transport_over is the one over the fetcher. One thread. */
#ifndef HOOKLINE_RECONCILE_TRANSPORT_H
#define HOOKLINE_RECONCILE_TRANSPORT_H

#include "net/fetcher.h"
#include "remote.h"

/* What became of a request. */
typedef struct answer {
    void *ticket;
    bool came, sent; /* as in fetched_t */
    remote_response_t response;
    err_t err;      /* why there is none */
    arena_t *arena; /* of all of it; the receiver may put more there, and frees it */
} answer_t;

typedef struct transport {
    void *ctx;
    int64_t (*now_us)(void *ctx); /* mono clock */
    /* Copies the request; its answer is received once, later. False: it could not be asked. */
    bool (*send)(void *ctx, const remote_request_t *r, void *ticket, err_t *err);
    answer_t *(*receive)(void *ctx, int64_t until_us); /* NULL: none by then */
} transport_t;

/* timeout_us: of one request. NULL is fine to close. */
transport_t *transport_over(fetcher_t *f, int64_t timeout_us, size_t most_at_once);
void transport_close(transport_t *t);

#endif
