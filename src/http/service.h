/* service.h – what answers requests of which http knows no more than the path: the API. Types alone.
 *
 * http asks it on the loop's thread, and gets its answers there: a service has something on every loop (`here`), from
 * enter to leave. Only what is said otherwise may be called from elsewhere. Nothing of it blocks. */
#ifndef HOOKLINE_HTTP_SERVICE_H
#define HOOKLINE_HTTP_SERVICE_H

#include "base/err.h"
#include "provider.h"

/* Borrowed for the duration of the call. */
typedef struct service_request {
    str_t method;      /* GET, POST …; GET for a HEAD, too */
    str_t path, query; /* raw; query without the '?', absent if there is none */
    const header_t *headers;
    size_t n_headers;
    str_t body;
    str_t request_id;
} service_request_t;

/* Good during the call. */
typedef struct service_answer {
    int status;
    str_t body;            /* JSON */
    str_t location;        /* absent: none */
    int retry_after_s;     /* Retry-After; 0: none, but for a 503 (1) */
    const err_t *refused;  /* NULL: it was not. Else status and body are made of it: all of it is told */
    const char *challenge; /* WWW-Authenticate; a literal; NULL: none */
} service_answer_t;
typedef void (*service_answer_fn)(void *ctx, const service_answer_t *answer);

/* A row of the table of routes, by which requests are logged and counted. */
typedef struct service_path {
    const char *pattern; /* "/api/sync/runs/{id}" */
    const char *allow;   /* its methods, as the Allow field says them */
} service_path_t;

typedef struct service {
    void *ctx;
    const service_path_t *paths;
    size_t n_paths;
    size_t (*find)(str_t path); /* which of them; SIZE_MAX: a path that is none of the service's. Any thread */

    /* wake is called from any thread when there is something to drain. */
    void *(*enter)(void *ctx, void (*wake)(void *wake_ctx), void *wake_ctx);
    /* Exactly one of these happens: `answer` is called before it returns, and NULL is returned; or a wait is returned,
     * and `answer` is called later, once, from drain or sweep, unless it is forgotten. Copies what it needs. */
    void *(*take)(void *here, const service_request_t *r, service_answer_fn answer, void *answer_ctx);
    void (*forget)(void *wait); /* the client is gone */
    void (*drain)(void *here);
    void (*sweep)(void *here, int64_t mono_us); /* answers those whose time is over; INT64_MAX: all */
    void (*end)(void *ctx);    /* it is time to stop: what would wait for long is answered soon. Any thread */
    void (*leave)(void *here); /* main thread, when neither the loop's nor the service's own is there any more */
} service_t;

#endif
