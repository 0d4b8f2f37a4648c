#include "base/clock.h"
#include "base/log.h"
#include "http/conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 32 /* then the connections that are open have their turn */
#define BACKLOG          1024

/* ---- opening, on the main thread ---- */

/* "host:port" or "[v6]:port" as two strings to free. */
static bool split_address(str_t address, char **host, char **port)
{
    size_t colon = address.len;
    str_t name;

    while (colon && address.base[colon - 1] != ':')
        colon--;
    if (!colon)
        return false;
    name = str_slice(address, 0, colon - 1);
    if (name.len >= 2 && name.base[0] == '[' && name.base[name.len - 1] == ']')
        name = str_slice(name, 1, name.len - 1);
    *host = mem_strdup(name);
    *port = mem_strdup(str_slice(address, colon, address.len));
    return true;
}

static int open_one(const struct addrinfo *ai)
{
    const int on = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol), why;

    if (fd == -1)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* what is accepted from it has it too: tcp(7) */
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int open_first(const struct addrinfo *found)
{
    int fd = -1;

    for (const struct addrinfo *ai = found; ai && fd == -1; ai = ai->ai_next)
        fd = open_one(ai);
    return fd;
}

/* Reads back what was bound: a port of 0 picked one. */
static void read_back(listener_t *li)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[64] = "", port[16] = "0";
    int64_t number;

    if (getsockname(li->fd, (struct sockaddr *)&ss, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(li->address, sizeof(li->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    if (str_to_int(str_from(port), &number))
        li->port = (int)number;
}

static bool cannot_listen(err_t *err, bool tls, str_t address, const char *why)
{
    err_set(err, ERR_IO, "%s: cannot listen on " STR_FMT ": %s", tls ? "HOOKLINE_TLS_LISTEN" : "HOOKLINE_LISTEN",
            STR_ARG(address), why);
    err_hint(err, "is another program using that port? A port of 0 picks a free one");
    return false;
}

bool listen_open(http_server_t *s, str_t address, bool tls, err_t *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char *host = NULL, *port = NULL;
    int fd, failed;
    listener_t *li = &s->listeners[s->n_listeners];

    if (!split_address(address, &host, &port))
        return cannot_listen(err, tls, address, "expected host:port");
    failed = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    free(host);
    free(port);
    if (failed)
        return cannot_listen(err, tls, address, gai_strerror(failed));
    fd = open_first(found);
    freeaddrinfo(found);
    if (fd == -1)
        return cannot_listen(err, tls, address, strerror(errno));
    *li = (listener_t){.server = s, .fd = fd, .tls = tls};
    read_back(li);
    s->n_listeners++;
    return true;
}

void listen_announce(const http_server_t *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        LOG(LOG_INFO, "listening", log_cstr("address", s->listeners[i].address),
            log_cstr("scheme", s->listeners[i].tls ? "https" : "http"));
}

void listen_abandon(http_server_t *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        close(s->listeners[i].fd);
    s->n_listeners = 0;
}

/* ---- accepting, on loop 0 ---- */

/* At the bound, or without descriptors, the listener would stay readable and the loop would spin. */
static void pause_accepting(http_server_t *s)
{
    atomic_store(&s->accepting_paused, true);
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].sock)
            h2o_socket_read_stop(s->listeners[i].sock);
}

static void note_pause(const char *why)
{
    static log_gate_t gate;
    int64_t held;

    if (log_gate_open(&gate, 10 * US_PER_S, &held))
        LOG(LOG_WARN, "not accepting connections for now", log_cstr("reason", why), log_int("not_logged", held));
}

static bool has_room(http_server_t *s)
{
    return atomic_load(&s->connections) < s->limits.max_connections;
}

static void deal_out(loop_t *l, const handover_t *h)
{
    http_server_t *s = l->server;
    loop_t *to = s->loops[s->next_loop++ % s->n_loops];

    atomic_fetch_add(&s->connections, 1);
    metric_add(s->open_gauge, 1);
    metric_add(s->accepted, 1);
    if (to == l)
        conn_open(l, h);
    else
        loop_hand_over(to, h);
}

typedef enum { ACCEPT_DONE, ACCEPT_NONE, ACCEPT_AGAIN, ACCEPT_PAUSE } accept_result_t;

static accept_result_t accept_one(loop_t *l, const listener_t *li)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    handover_t h = {.tls = li->tls};

    h.fd = accept4(li->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (h.fd != -1) {
        (void)address_from_sockaddr((struct sockaddr *)&ss, &h.peer);
        deal_out(l, &h);
        return ACCEPT_DONE;
    }
    switch (errno) {
    case EAGAIN:
        return ACCEPT_NONE;
    case EINTR:
    case ECONNABORTED: /* gone before it was accepted */
    case EPROTO:
    case EPERM: /* a firewall's rule */
        return ACCEPT_AGAIN;
    default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM … */
        note_pause(strerror(errno));
        return ACCEPT_PAUSE;
    }
}

static void on_connections(h2o_socket_t *sock, const char *err)
{
    const listener_t *li = sock->data;
    loop_t *l = li->server->loops[0];
    accept_result_t result = ACCEPT_AGAIN;

    (void)err;
    for (int i = 0; i < ACCEPTS_PER_TURN && result != ACCEPT_NONE && result != ACCEPT_PAUSE; i++) {
        if (!has_room(li->server)) {
            note_pause("HOOKLINE_MAX_CONNECTIONS are open");
            result = ACCEPT_PAUSE;
        } else {
            result = accept_one(l, li);
        }
    }
    if (result == ACCEPT_PAUSE)
        pause_accepting(li->server);
}

void listen_resume(loop_t *l)
{
    http_server_t *s = l->server;

    if (!atomic_load(&s->started) || !atomic_load(&s->accepting_paused) || !has_room(s))
        return;
    if (atomic_load(&s->listeners_closed))
        return;
    atomic_store(&s->accepting_paused, false);
    for (size_t i = 0; i < s->n_listeners; i++) {
        listener_t *li = &s->listeners[i];

        if (!li->sock) {
            li->sock = h2o_evloop_socket_create(l->evloop, li->fd, H2O_SOCKET_FLAG_DONT_READ);
            li->sock->data = li;
        }
        h2o_socket_read_start(li->sock, on_connections);
    }
}

void listen_close(loop_t *l)
{
    http_server_t *s = l->server;

    for (size_t i = 0; i < s->n_listeners; i++) {
        if (s->listeners[i].sock)
            h2o_socket_close(s->listeners[i].sock);
        else
            close(s->listeners[i].fd);
        s->listeners[i].sock = NULL;
    }
}
