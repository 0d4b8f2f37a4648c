/* http.h – the server: listeners, connections, limits, routes, health, metrics, drain. On libh2o's event loops.
 *
 * HTTP/1.1 only. One catch-all handler does the routing by a table; providers' routes come from ingest. Every
 * connection has deadlines by the monotonic clock; see server.c. */
#ifndef HOOKLINE_HTTP_HTTP_H
#define HOOKLINE_HTTP_HTTP_H

#include "http/service.h"
#include "ingest/ingest.h"
#include "net/websocket.h"

struct st_h2o_evloop_t;
struct st_h2o_multithread_queue_t;
typedef struct http_server http_server_t;

/* Whether the process can make deliveries durable right now; called from any loop, must not block. */
typedef struct http_readiness {
    bool ready;
    char database[400]; /* why it takes none; empty when it does */
    char journal[400];
} http_readiness_t;

/* A WebSocket that has been let in on a provider's route (ROUTE_STREAM), its 101 written. */
typedef struct http_stream {
    struct st_h2o_socket_t *sock; /* handed over: see websocket_serve */
    ingest_port_t *port;          /* of the loop that it lives on */
    const provider_t *provider;
    const hook_route_t *route;
    const hook_admission_t *admission;
    str_t request_id;
} http_stream_t;

/* Who takes the streams. `here` is what it has on one loop, from enter to leave; all but enter's ctx are that loop's,
 * and all calls come from its thread. */
typedef struct http_streams {
    void *ctx;
    void *(*enter)(void *ctx, struct st_h2o_evloop_t *loop, struct st_h2o_multithread_queue_t *queue);
    /* The loop sweeps it from then on, and closes it with 1001 when it is time to stop. */
    websocket_t *(*open)(void *here, const http_stream_t *stream);
    void (*sweep)(void *here, int64_t mono_us);
    size_t (*pending)(void *here); /* what is not over yet when all streams are closed: the loop waits for it, too */
    void (*end)(void *here);       /* it is time to stop: pending is soon 0 */
    void (*leave)(void *here);
} http_streams_t;

typedef struct http_options {
    const config_t *config;
    ingest_t *ingest;
    void (*readiness)(void *ctx, http_readiness_t *out);
    void *readiness_ctx;
    http_streams_t streams;
    service_t service;
} http_options_t;

/* Binds, starts the loop threads, and begins to accept. Says on the log where it listens. */
http_server_t *http_start(const http_options_t *options, err_t *err);
/* New certificates; the old ones are kept when these cannot be used. */
bool http_reload_tls(http_server_t *s, const config_t *config, err_t *err);
/* Readiness turns 503 at once; new requests are still served. */
void http_begin_drain(http_server_t *s);
/* Closes the listeners and idle connections; what is in flight finishes; true when all is done before the deadline.
 * Then the threads are joined. Call http_begin_drain first. */
bool http_stop(http_server_t *s, int64_t deadline_mono_us);
/* After http_stop, and after the store and the journal have given everything back: what still came is taken off the
 * ports here. */
void http_free(http_server_t *s);

#endif
