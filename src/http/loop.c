#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "http/conn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS       (100 * 1000 * 1000)
#define STREAM_END_US US_PER_S /* before the stop's deadline: for streams to end, and their ends to be committed */
#define STOP_GRACE_US (US_PER_S / 4) /* after the stop's deadline: for the answers that it caused */

void loop_ring(loop_t *l)
{
    const uint64_t one = 1;

    if (atomic_exchange(&l->rung, true))
        return; /* it has not looked yet, and will see this too */
    while (write(l->doorbell, &one, sizeof(one)) == -1 && errno == EINTR)
        ;
}

static void ring(void *ctx)
{
    loop_ring(ctx);
}

void loop_hand_over(loop_t *l, const handover_t *h)
{
    pthread_mutex_lock(&l->inbox_lock);
    if (l->inbox_count == l->inbox_room) {
        l->inbox_room = l->inbox_room ? 2 * l->inbox_room : 16;
        l->inbox = mem_realloc(l->inbox, l->inbox_room * sizeof(*l->inbox));
    }
    l->inbox[l->inbox_count++] = *h;
    pthread_mutex_unlock(&l->inbox_lock);
    loop_ring(l);
}

static bool take_handover(loop_t *l, handover_t *out)
{
    bool any;

    pthread_mutex_lock(&l->inbox_lock);
    any = l->inbox_count > 0;
    if (any)
        *out = l->inbox[--l->inbox_count];
    pthread_mutex_unlock(&l->inbox_lock);
    return any;
}

static bool is_empty(loop_t *l)
{
    bool inbox;

    pthread_mutex_lock(&l->inbox_lock);
    inbox = l->inbox_count > 0;
    pthread_mutex_unlock(&l->inbox_lock);
    return !inbox && !l->n_conns && !l->server->streams.pending(l->streams) && !ingest_port_pending(l->port);
}

/* The deadline has passed: whoever still waits is told to try again, gets a moment to read that, and is cut. */
static void stop_late(loop_t *l, int64_t now_us)
{
    int64_t late_us = now_us - atomic_load(&l->server->stop_deadline_us);

    l->expired = true;
    ingest_port_expire(l->port, INT64_MAX);
    l->server->service.sweep(l->service, INT64_MAX);
    if (late_us >= STOP_GRACE_US)
        conn_cut_all(l);
    if (late_us >= 2 * STOP_GRACE_US)
        l->finished = true;
}

/* They have nearly all of the time until the deadline: a call should not be torn down for our sake. */
static void end_streams(loop_t *l, int64_t now_us)
{
    if (l->streams_ended || now_us < atomic_load(&l->server->stop_deadline_us) - STREAM_END_US)
        return;
    l->streams_ended = true;
    conn_end_streams(l);
    l->server->streams.end(l->streams);
}

static void stop_if_done(loop_t *l, int64_t now_us)
{
    http_server_t *s = l->server;

    if (!atomic_load(&s->stopping))
        return;
    if (l->owns_listeners && !atomic_load(&s->listeners_closed)) {
        listen_close(l);
        atomic_store(&s->listeners_closed, true);
        s->service.end(s->service.ctx);
        for (size_t i = 1; i < s->n_loops; i++)
            loop_ring(s->loops[i]);
    }
    end_streams(l, now_us);
    if (atomic_load(&s->listeners_closed) && is_empty(l)) { /* before that, one more might be handed over */
        l->clean = !l->expired;
        l->finished = true;
    } else if (now_us >= atomic_load(&s->stop_deadline_us)) {
        stop_late(l, now_us);
    }
}

static void on_doorbell(h2o_socket_t *sock, const char *err)
{
    loop_t *l = sock->data;
    handover_t h;
    uint64_t count;

    (void)err;
    (void)!read(l->doorbell, &count, sizeof(count));
    atomic_store(&l->rung, false); /* before looking: what comes after this rings again */
    ingest_port_drain(l->port);
    l->server->service.drain(l->service);
    while (take_handover(l, &h))
        conn_open(l, &h);
    if (l->owns_listeners)
        listen_resume(l);
    stop_if_done(l, clock_mono_us());
}

static void on_tick(h2o_socket_t *sock, const char *err)
{
    loop_t *l = sock->data;
    int64_t now_us = clock_mono_us();
    uint64_t count;

    (void)err;
    (void)!read(l->tick_fd, &count, sizeof(count));
    ingest_port_expire(l->port, now_us);
    l->server->service.sweep(l->service, now_us);
    conn_sweep(l, now_us);
    l->server->streams.sweep(l->streams, now_us);
    if (l->owns_listeners)
        listen_resume(l);
    stop_if_done(l, now_us);
}

/* A descriptor that is only watched: h2o calls, we read. */
static h2o_socket_t *watch(loop_t *l, int fd, h2o_socket_cb cb)
{
    h2o_socket_t *sock = h2o_evloop_socket_create(l->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);

    sock->data = l;
    h2o_socket_read_start(sock, cb);
    return sock;
}

static void set_up(loop_t *l)
{
    const struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
    http_server_t *s = l->server;

    l->evloop = h2o_evloop_create();
    h2o_context_init(&l->h2o, l->evloop, &s->h2o);
    l->accept_plain = (h2o_accept_ctx_t){.ctx = &l->h2o, .hosts = s->h2o.hosts};
    l->accept_tls = l->accept_plain;
    timerfd_settime(l->tick_fd, 0, &every, NULL);
    l->watched[0] = watch(l, l->doorbell, on_doorbell);
    l->watched[1] = watch(l, l->tick_fd, on_tick);
    l->port = ingest_port_new(s->ingest, ring, l);
    l->streams = s->streams.enter(s->streams.ctx, l->evloop, l->h2o.queue);
    l->service = s->service.enter(s->service.ctx, ring, l);
    crypto_random(&l->request_ids, sizeof(l->request_ids));
}

typedef struct start {
    loop_t *loop;
    pthread_mutex_t lock;
    pthread_cond_t running;
    bool runs;
} start_t;

static void *run(void *arg)
{
    start_t *start = arg;
    loop_t *l = start->loop;

    set_up(l);
    pthread_mutex_lock(&start->lock);
    start->runs = true;
    pthread_cond_signal(&start->running);
    pthread_mutex_unlock(&start->lock);
    while (!l->finished)
        if (h2o_evloop_run(l->evloop, INT32_MAX) != 0 && errno != EINTR)
            abort(); /* epoll itself failed: nothing can go on */
    l->server->streams.leave(l->streams);
    return NULL;
}

loop_t *loop_new(http_server_t *s, bool owns_listeners)
{
    loop_t *l = mem_zalloc(sizeof(*l));
    start_t start = {.loop = l, .lock = PTHREAD_MUTEX_INITIALIZER, .running = PTHREAD_COND_INITIALIZER};
    sigset_t all, before;

    l->server = s;
    l->owns_listeners = owns_listeners;
    pthread_mutex_init(&l->inbox_lock, NULL);
    l->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (l->doorbell == -1 || l->tick_fd == -1) {
        LOG(LOG_ERROR, "no descriptor for an event loop", log_cstr("error", strerror(errno)));
        abort();
    }
    sigfillset(&all); /* signals are the main thread's; a new thread inherits the mask */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h2o_multithread_create_thread(&l->thread, NULL, run, &start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&start.lock);
    while (!start.runs)
        pthread_cond_wait(&start.running, &start.lock);
    pthread_mutex_unlock(&start.lock);
    pthread_mutex_destroy(&start.lock);
    pthread_cond_destroy(&start.running);
    return l;
}

bool loop_join(loop_t *l)
{
    pthread_join(l->thread, NULL);
    return l->clean;
}

/* h2o's context and loop are kept, and stay reachable here: disposing of them asserts that no timer is linked, which
 * buys a process that is about to end nothing but a way to abort. */
static loop_t *retired;

void loop_free(loop_t *l)
{
    ingest_port_drain(l->port); /* what came back after the thread's end */
    if (ingest_port_pending(l->port)) {
        LOG(LOG_ERROR, "deliveries are still with the store", log_int("count", ingest_port_pending(l->port)));
    } else {
        ingest_port_free(l->port);
        close(l->doorbell);
    }
    l->server->service.leave(l->service);
    close(l->tick_fd);
    free(l->inbox);
    l->inbox = NULL;
    pthread_mutex_destroy(&l->inbox_lock);
    l->next_retired = retired;
    retired = l;
}
