/* worker.h – runs the API's calls: a thread with a connection to PostgreSQL of its own, which it opens when it is first
 * needed. One call after the other, each in a transaction; beside them it looks at those that wait for something.
 *
 * worker_put is for any thread; calls come back by `done`, on the worker's. What a call cannot have (the database is
 * away, too slow, or its time is over) is in its err. */
#ifndef HOOKLINE_API_WORKER_H
#define HOOKLINE_API_WORKER_H

#include "api/call.h"

typedef struct worker worker_t;

typedef struct worker_options {
    const char *conninfo; /* copied */
    int64_t statement_timeout_us;
    void (*done)(api_call_t *c);
} worker_options_t;

worker_t *worker_start(const worker_options_t *options);
void worker_put(worker_t *w, api_call_t *c);
void worker_hurry(worker_t *w); /* from now on nothing is waited for: what waits is answered with what it has */
void worker_stop(worker_t *w);  /* gives all back, and ends */

#endif
