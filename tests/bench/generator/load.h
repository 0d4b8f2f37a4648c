/* load.h – sends prepared requests over keep-alive connections and measures: one thread, one epoll, one request in
 * flight on each connection.
 *
 * Closed loop: a connection sends its next request as soon as it has its answer; latency counts from sending.
 * Open loop: request i is due at a fixed time, i / rate after the start, and is sent then or as soon as a connection is
 * free; latency counts from when it was due, so that a server which holds up the queue is charged for all that waited
 * (nothing is omitted in coordination with it). */
#ifndef HOOKLINE_BENCH_LOAD_H
#define HOOKLINE_BENCH_LOAD_H

#include "requests.h"

typedef struct load_options {
    const char *host; /* an IPv4 address */
    int port;
    size_t connections;
    double rate;       /* a second; 0: closed loop */
    int64_t warmup_us; /* answered meanwhile, but not counted */
    int64_t run_us;    /* then, until this or until there are no more requests */
    /* Called when counting begins and when it ends: the moments at which to read other processes' clocks. */
    void (*on_begin)(void);
    void (*on_end)(void);
} load_options_t;

typedef struct load_result {
    double seconds;      /* counted */
    size_t answered;     /* while counting, by 2xx */
    size_t acknowledged; /* by 2xx, at any time */
    size_t refused;      /* by another status, at any time */
    size_t broken;       /* connections lost with a request in flight, at any time */
    size_t late;         /* open loop: due, but not yet sent at the end */
    size_t sent;         /* in all */
    bool ran_out;        /* of requests, before the time was over */
    double cpu_us;       /* this process, per answered delivery */
    int first_refusal;
    uint32_t *latency_us; /* sorted, `answered` of them */
} load_result_t;

/* Ends the process, with a message on standard error, when the server cannot be reached. */
void load_run(const load_options_t *options, const requests_t *requests, load_result_t *out);
void load_clear(load_result_t *r);

#endif
