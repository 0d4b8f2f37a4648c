#include "http/conn.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_US       (2 * US_PER_S)
#define LINGER_READS    16 /* of LINGER_BYTES, in one turn of the loop */
#define LINGER_BYTES    65536
#define STOP_FRESH_US   US_PER_S /* how long a connection that has not said anything yet is left alone while stopping */
#define LEFT_US         US_PER_S /* how long a request waits before one looks whether its client is there */
#define CUTS_FOR_MEMORY 64       /* in one sweep */

conn_t *conn_of(const h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

static void enter(conn_t *c, conn_state_t state, int64_t now_us)
{
    c->state = state;
    c->since_us = now_us;
}

static void link_conn(loop_t *l, conn_t *c)
{
    c->next = l->conns;
    if (c->next)
        c->next->prev = c;
    l->conns = c;
    l->n_conns++;
}

static void release(conn_t *c)
{
    loop_t *l = c->loop;
    http_server_t *s = l->server;

    *(c->prev ? &c->prev->next : &l->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    l->n_conns--;
    if (c->tls)
        SSL_CTX_free(c->tls);
    free(c);
    metric_add(s->open_gauge, -1);
    atomic_fetch_sub(&s->connections, 1);
    if (atomic_load(&s->accepting_paused))
        loop_ring(s->loops[0]); /* there is room again */
    if (atomic_load(&s->stopping) && !l->n_conns)
        loop_ring(l);
}

/* ---- watching ---- */

/* The next request, or the client's end: h2o will meet it when it reads again. */
static void on_early(h2o_socket_t *sock, const char *err)
{
    (void)err;
    h2o_socket_read_stop(sock);
}

void conn_keep_watched(conn_t *c)
{
    c->watched = true;
    h2o_socket_dont_read(c->sock, 1);
    h2o_socket_read_start(c->sock, on_early);
}

void conn_end_watch(conn_t *c)
{
    if (c->watched)
        h2o_socket_dont_read(c->sock, 0);
    c->watched = false;
}

/* ---- lingering ---- */

static void on_linger_close(void *data)
{
    release(data);
}

static void on_linger_readable(h2o_socket_t *sock, const char *err)
{
    static _Thread_local char scratch[LINGER_BYTES];
    int fd = h2o_socket_get_fd(sock);
    ssize_t n = 1;

    (void)err;
    for (int i = 0; i < LINGER_READS && n > 0; i++)
        n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
        h2o_socket_close(sock);
}

void conn_linger(conn_t *c)
{
    if (c->linger_fd == -1 && !c->cut)
        c->linger_fd = fcntl(h2o_socket_get_fd(c->sock), F_DUPFD_CLOEXEC, 0); /* -1 when there is none: no lingering */
}

static void begin_lingering(conn_t *c)
{
    shutdown(c->linger_fd, SHUT_WR);
    c->sock = h2o_evloop_socket_create(c->loop->evloop, c->linger_fd, H2O_SOCKET_FLAG_DONT_READ);
    c->linger_fd = -1;
    c->cut = false;
    c->write_since_us = 0;
    c->sock->on_close.cb = on_linger_close;
    c->sock->on_close.data = c;
    enter(c, CONN_LINGERING, clock_mono_us());
    h2o_socket_read_start(c->sock, on_linger_readable);
}

/* ---- a WebSocket ---- */

#define STOPPING "the server is stopping"

static void on_stream_ending(void *owner, bool unread)
{
    conn_t *c = owner;

    c->stream = NULL;
    enter(c, CONN_ENDING, clock_mono_us());
    if (unread)
        conn_linger(c);
}

void conn_become_stream(conn_t *c, websocket_t *stream)
{
    enter(c, CONN_STREAM, clock_mono_us());
    c->stream = stream;
    websocket_watch(stream, on_stream_ending, c);
    if (c->loop->streams_ended)
        websocket_close(stream, WEBSOCKET_GOING_AWAY, STOPPING);
}

void conn_end_streams(loop_t *l)
{
    for (conn_t *c = l->conns; c; c = c->next)
        if (c->stream)
            websocket_close(c->stream, WEBSOCKET_GOING_AWAY, STOPPING);
}

/* ---- opening and closing ---- */

static void on_close(void *data)
{
    conn_t *c = data;

    c->sock = NULL;
    if (c->linger_fd != -1)
        begin_lingering(c);
    else
        release(c);
}

static void accept_tls(conn_t *c)
{
    loop_t *l = c->loop;

    c->tls = tls_acquire(l->server->tls);
    l->accept_tls.ssl_ctx = c->tls; /* only looked at during this call */
    h2o_accept(&l->accept_tls, c->sock);
    c->handshake = c->sock->data;
}

void conn_open(loop_t *l, const handover_t *h)
{
    conn_t *c = mem_zalloc(sizeof(*c));

    c->loop = l;
    c->linger_fd = -1;
    c->peer = h->peer;
    c->trusted = proxies_trust(l->server->proxies, &c->peer);
    c->request.conn = c;
    c->sock = h2o_evloop_socket_create(l->evloop, h->fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    c->sock->on_close.cb = on_close;
    c->sock->on_close.data = c;
    enter(c, h->tls ? CONN_HANDSHAKE : CONN_IDLE, clock_mono_us());
    link_conn(l, c);
    if (h->tls)
        accept_tls(c);
    else
        h2o_accept(&l->accept_plain, c->sock);
}

/* ---- deadlines ---- */

static void cut(conn_t *c, cut_reason_t reason)
{
    if (c->cut)
        return;
    c->cut = true;
    metric_add(c->loop->server->cuts[reason], 1);
    if (c->state == CONN_LINGERING)
        h2o_socket_close(c->sock); /* c is gone */
    else
        shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

/* How much the client has taken so far, by its acknowledgements: h2o counts what the kernel has taken. */
static uint64_t bytes_taken(const conn_t *c)
{
    struct tcp_info info = {.tcpi_bytes_acked = 0};
    socklen_t len = sizeof(info);

    (void)getsockopt(h2o_socket_get_fd(c->sock), IPPROTO_TCP, TCP_INFO, &info, &len);
    return info.tcpi_bytes_acked;
}

static void notice_write(conn_t *c, int64_t now_us)
{
    uint64_t taken;

    if (!h2o_socket_is_writing(c->sock)) {
        c->write_since_us = 0;
        return;
    }
    taken = bytes_taken(c); /* few connections are seen here: an answer mostly fits the kernel's buffer */
    if (!c->write_since_us || taken != c->taken) {
        c->write_since_us = now_us;
        c->taken = taken;
    }
}

/* h2o does not say when a handshake is over or a request begins; its traces on the socket do. */
static void notice(conn_t *c, int64_t now_us)
{
    if (c->state == CONN_HANDSHAKE && c->sock->data != c->handshake)
        enter(c, CONN_IDLE, now_us);
    if (c->state == CONN_IDLE && c->sock->input->size)
        enter(c, CONN_READING, now_us);
    notice_write(c, now_us);
}

static void check_deadlines(conn_t *c, int64_t now_us)
{
    const limits_t *limits = &c->loop->server->limits;
    int64_t age_us = now_us - c->since_us;

    if (c->write_since_us && now_us - c->write_since_us >= limits->write_us) {
        cut(c, CUT_WRITE);
        return;
    }
    switch (c->state) {
    case CONN_HANDSHAKE:
        if (age_us >= limits->request_us)
            cut(c, CUT_HANDSHAKE);
        break;
    case CONN_IDLE:
        if (age_us >= limits->idle_us)
            cut(c, CUT_IDLE);
        break;
    case CONN_READING:
        if (age_us >= limits->request_us)
            cut(c, CUT_REQUEST);
        break;
    case CONN_STREAM:  /* swept beside this */
    case CONN_SERVING: /* ingest has its own deadline, and writing has the one above */
        break;
    case CONN_ENDING:
        if (age_us >= LINGER_US && !c->cut) {
            c->cut = true; /* all was said, so this is none to be counted */
            shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
        }
        break;
    case CONN_LINGERING:
        if (age_us >= LINGER_US)
            h2o_socket_close(c->sock); /* c is gone; it was answered, so this is no cut */
        break;
    }
}

/* Some requests wait for long, and h2o reads nothing meanwhile. Who has closed his half by then does not wait any more:
 * under TLS, too, where the farewell before it is left unread. */
static bool is_left(const conn_t *c, int64_t now_us)
{
    struct pollfd fd = {.fd = -1, .events = POLLRDHUP};

    if (c->state != CONN_SERVING || !c->request.service_wait || now_us - c->since_us < LEFT_US)
        return false;
    fd.fd = h2o_socket_get_fd(c->sock);
    return poll(&fd, 1, 0) == 1 && fd.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* While stopping, what waits for its next request is closed. Only reading is shut, so that a request which has arrived
 * already is still served. */
static void close_if_idle(conn_t *c, int64_t now_us)
{
    bool fresh = !c->served && now_us - c->since_us < STOP_FRESH_US;

    if ((c->state == CONN_IDLE || c->state == CONN_HANDSHAKE) && !fresh && !c->half_closed && !c->write_since_us) {
        c->half_closed = true;
        shutdown(h2o_socket_get_fd(c->sock), SHUT_RD);
    }
}

/* Bodies are read before anybody knows who sends them. A request has its own bound; this is the one for all that are
 * being read at once: the largest go first. */
static void bound_memory(loop_t *l, size_t held)
{
    for (int i = 0; i < CUTS_FOR_MEMORY && held > l->server->limits.max_input; i++) {
        conn_t *largest = NULL;

        for (conn_t *c = l->conns; c; c = c->next)
            if (c->state == CONN_READING && !c->cut &&
                (!largest || c->sock->input->capacity > largest->sock->input->capacity))
                largest = c;
        if (!largest)
            return;
        held -= largest->sock->input->capacity;
        cut(largest, CUT_MEMORY);
    }
}

void conn_sweep(loop_t *l, int64_t now_us)
{
    bool stopping = atomic_load(&l->server->stopping);
    websocket_t *stream;
    size_t held = 0;

    for (conn_t *c = l->conns, *next; c; c = next) {
        next = c->next;
        if (c->state != CONN_LINGERING) {
            notice(c, now_us);
            if (c->state == CONN_READING && !c->cut)
                held += c->sock->input->capacity;
            if (stopping)
                close_if_idle(c, now_us);
        }
        if (is_left(c, now_us)) {
            request_abandon(&c->request); /* c may be gone */
            continue;
        }
        stream = c->stream;
        check_deadlines(c, now_us); /* c may be gone, but not while it is a stream */
        if (stream)
            websocket_sweep(stream, now_us); /* and now it may */
    }
    metric_add(l->server->input_gauge, (int64_t)held - (int64_t)l->input_shown);
    l->input_shown = held;
    if (held > l->server->limits.max_input)
        bound_memory(l, held);
}

void conn_cut_all(loop_t *l)
{
    for (conn_t *c = l->conns, *next; c; c = next) {
        next = c->next;
        cut(c, CUT_STOP);
    }
}
