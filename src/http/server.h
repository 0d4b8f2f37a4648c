/* server.h – the inside of the server: what its files share. Nobody outside src/http includes this.
 *
 * server.c  settings, start and stop, from the main thread
 * listen.c  sockets that accept; loop 0 owns them and deals connections out
 * loop.c    one event loop and its thread: doorbell, tick, end
 * conn.c    one connection: its deadlines, and how it ends
 * handler.c one request: from h2o to its route and back
 * upgrade.c one that becomes a WebSocket
 *
 * Everything of a loop (its sockets, connections, ingest port) is made and used in the loop's own thread: h2o keeps
 * free lists per thread. What is shared is atomic, immutable after start, or under a lock that is named here. */
#ifndef HOOKLINE_HTTP_SERVER_H
#define HOOKLINE_HTTP_SERVER_H

#include "base/metrics.h"
#include "http/http.h"
#include "http/peer.h"
#include "http/route.h"
#include "http/tls.h"

#include <h2o.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct loop loop_t;
typedef struct conn conn_t;

/* Why we cut a connection: the label of METRIC_CUT. */
#define CUT_REASONS(X)                                                                                                 \
    X(CUT_HANDSHAKE, "handshake_timeout")                                                                              \
    X(CUT_IDLE, "idle_timeout")                                                                                        \
    X(CUT_REQUEST, "request_timeout")                                                                                  \
    X(CUT_WRITE, "write_timeout")                                                                                      \
    X(CUT_MEMORY, "memory")                                                                                            \
    X(CUT_STOP, "stop")
#define CUT_ENUM(id, label) id,
typedef enum cut_reason { CUT_REASONS(CUT_ENUM) CUT_REASON_COUNT } cut_reason_t;
#undef CUT_ENUM

typedef struct limits {
    int64_t request_us; /* first byte to last byte of a request; also a TLS handshake */
    int64_t idle_us;
    int64_t write_us; /* while an answer is written: how long the client may take none of it */
    size_t max_header;
    size_t max_body;
    int max_connections; /* over all loops */
    size_t max_input;    /* bytes of requests being read, per loop */
} limits_t;

typedef struct listener {
    http_server_t *server;
    int fd;
    int port;
    char address[96]; /* as text, with the port */
    bool tls;
    h2o_socket_t *sock; /* loop 0's; NULL before it begins and once closed */
} listener_t;
#define MAX_LISTENERS 2

struct http_server {
    ingest_t *ingest;
    void (*readiness)(void *ctx, http_readiness_t *out);
    void *readiness_ctx;
    http_streams_t streams;
    service_t service;

    limits_t limits;
    proxies_t *proxies;
    char *public_url; /* without a final slash; NULL when not set */
    bool access_log;
    routes_t *routes;
    tls_t *tls; /* NULL: no TLS listener */
    h2o_globalconf_t h2o;

    listener_t listeners[MAX_LISTENERS]; /* [0] is HOOKLINE_LISTEN */
    size_t n_listeners;
    loop_t **loops;
    size_t n_loops;
    size_t next_loop; /* loop 0's: where the next connection goes */

    atomic_int connections;
    atomic_bool started;
    atomic_bool accepting_paused; /* not begun, at the bound, or out of descriptors */
    atomic_bool draining;
    atomic_bool stopping;
    atomic_bool listeners_closed;
    _Atomic int64_t stop_deadline_us;

    metric_t *open_gauge, *accepted, *input_gauge;
    metric_t *cuts[CUT_REASON_COUNT];
};

/* A connection on its way from loop 0, which accepted it, to the loop that will serve it. */
typedef struct handover {
    int fd;
    bool tls;
    address_t peer;
} handover_t;

struct loop {
    http_server_t *server;
    pthread_t thread;
    h2o_evloop_t *evloop;
    h2o_context_t h2o;
    h2o_accept_ctx_t accept_plain, accept_tls;
    ingest_port_t *port;
    void *streams; /* what the taker of streams has on this loop */
    void *service; /* and what the service has */

    conn_t *conns; /* from accept to close */
    size_t n_conns;
    size_t input_shown;   /* this loop's part of input_gauge */
    uint64_t request_ids; /* state of a generator, seeded at random */

    /* Any thread may ring; the loop then looks at its inbox, its port and whether to stop. */
    int doorbell;
    atomic_bool rung;
    pthread_mutex_t inbox_lock;
    handover_t *inbox;
    size_t inbox_count, inbox_room;

    int tick_fd;
    h2o_socket_t *watched[2];
    bool owns_listeners;
    bool streams_ended; /* the streams have been told to go */
    bool expired;       /* the stop's deadline has passed, and what waited was answered */
    bool clean;         /* all was done before it */
    bool finished;
    loop_t *next_retired;
};

/* loop.c */
loop_t *loop_new(http_server_t *s, bool owns_listeners); /* starts the thread, waits until it runs */
void loop_ring(loop_t *l);                               /* any thread */
void loop_hand_over(loop_t *l, const handover_t *h);     /* any thread */
bool loop_join(loop_t *l);                               /* true when it ended clean */
void loop_free(loop_t *l);                               /* main thread, joined, the store closed */

/* listen.c */
bool listen_open(http_server_t *s, str_t address, bool tls, err_t *err); /* main thread, before the loops */
void listen_announce(const http_server_t *s);
void listen_resume(loop_t *l);         /* loop 0: begins, and goes on where there is room again */
void listen_close(loop_t *l);          /* loop 0 */
void listen_abandon(http_server_t *s); /* main thread, when there is no loop */

/* handler.c */
void handler_register(http_server_t *s);

#endif
