#include "load.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES  4096 /* the servers under test answer with less */
#define DRAIN_US      (30 * US_PER_S)
#define BREAKS_MOST   1000 /* connections lost: enough to give up */
#define EVENTS_A_TURN 256

typedef struct conn {
    int fd;
    bool busy;
    bool wants_out;
    str_t left;         /* of the request: not sent yet */
    int64_t counted_us; /* latency counts from here */
    size_t got;
    char answer[ANSWER_BYTES];
} conn_t;

typedef enum { PHASE_WARMUP, PHASE_COUNTING, PHASE_DRAINING } phase_t;

typedef struct load {
    const load_options_t *options;
    const requests_t *requests;
    load_result_t *result;
    struct sockaddr_in address;
    int epoll;
    conn_t *conns;
    conn_t **idle; /* a stack */
    size_t n_idle;
    phase_t phase;
    size_t next;      /* request */
    int64_t first_us; /* open loop: when request 0 was due */
    int64_t begin_us; /* counting */
    int64_t end_us;
    double cpu_begin_us;
} load_t;

static double cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- connections ---- */

static bool conn_open(load_t *l, conn_t *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&l->address, sizeof(l->address)) != 0)
        return false;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->busy = c->wants_out = false;
    c->got = 0;
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void conn_wait_for(load_t *l, conn_t *c, bool out)
{
    struct epoll_event event = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};

    if (c->wants_out == out)
        return;
    c->wants_out = out;
    (void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

_Noreturn static void give_up(const load_t *l, const char *why)
{
    (void)fprintf(stderr, "generator: %s (%s:%d): %s\n", why, l->options->host, l->options->port, strerror(errno));
    exit(1);
}

/* The server ended it: normal between two requests, a fault with one in flight. */
static void conn_lost(load_t *l, conn_t *c)
{
    bool in_flight = c->busy;

    close(c->fd);
    if (in_flight && ++l->result->broken > BREAKS_MOST)
        give_up(l, "connections break all the time");
    if (!conn_open(l, c))
        give_up(l, "cannot connect again");
    if (in_flight)
        l->idle[l->n_idle++] = c;
}

static void conn_push(load_t *l, conn_t *c)
{
    while (c->left.len) {
        ssize_t n = send(c->fd, c->left.base, c->left.len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            conn_lost(l, c);
            return;
        }
        c->left = str_slice(c->left, (size_t)n, c->left.len);
    }
    conn_wait_for(l, c, c->left.len > 0);
}

static void conn_send(load_t *l, conn_t *c, int64_t counted_us)
{
    c->left = requests_get(l->requests, l->next++);
    c->counted_us = counted_us;
    c->busy = true;
    c->got = 0;
    conn_push(l, c);
}

/* ---- answers ---- */

static const char *find_header(const char *head, const char *end, const char *lower_case)
{
    size_t len = strlen(lower_case);

    for (const char *at = head; (at = memchr(at, '\n', (size_t)(end - at)));) {
        at++;
        if ((size_t)(end - at) > len && str_eq_nocase((str_t){at, len}, str_from(lower_case)))
            return at + len;
    }
    return NULL;
}

typedef struct answer {
    int status;
    bool closes;
} answer_t;

/* False: not all of it is there yet. */
static bool read_answer(const conn_t *c, answer_t *out)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4), *value;
    size_t head, body = 0;

    if (!end)
        return false;
    end += 2;
    head = (size_t)(end - c->answer) + 2;
    out->status = c->got > 12 ? (int)strtol(c->answer + 9, NULL, 10) : 0;
    value = find_header(c->answer, end, "connection:");
    out->closes = value && memmem(value, (size_t)(end - value), "close", 5) == value + 1;
    if (out->status == 204)
        return true;
    value = find_header(c->answer, end, "content-length:");
    if (value)
        body = strtoul(value, NULL, 10);
    else if (find_header(c->answer, end, "transfer-encoding:"))
        return c->got >= head + 5 && memcmp(c->answer + c->got - 5, "0\r\n\r\n", 5) == 0;
    return c->got >= head + body;
}

static void count_answer(load_t *l, const conn_t *c, const answer_t *a)
{
    load_result_t *r = l->result;

    if (a->status < 200 || a->status > 299) {
        if (!r->refused++)
            r->first_refusal = a->status;
        return;
    }
    r->acknowledged++;
    if (l->phase == PHASE_COUNTING && (l->options->rate == 0 || c->counted_us >= l->begin_us))
        r->latency_us[r->answered++] = (uint32_t)(clock_mono_us() - c->counted_us);
}

static void conn_answered(load_t *l, conn_t *c, const answer_t *a)
{
    c->busy = false;
    count_answer(l, c, a);
    if (a->closes) {
        conn_lost(l, c);
        l->idle[l->n_idle++] = c;
    } else if (l->options->rate == 0 && l->phase != PHASE_DRAINING && l->next < l->requests->count) {
        conn_send(l, c, clock_mono_us());
    } else {
        l->idle[l->n_idle++] = c;
    }
}

static void conn_readable(load_t *l, conn_t *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - c->got, MSG_DONTWAIT);
    answer_t a;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !c->busy) {
        conn_lost(l, c);
        return;
    }
    c->got += (size_t)n;
    if (read_answer(c, &a))
        conn_answered(l, c, &a);
    else if (c->got == sizeof(c->answer))
        give_up(l, "an answer is longer than expected");
}

/* ---- time ---- */

static int64_t due_us(const load_t *l, size_t request)
{
    return l->first_us + (int64_t)((double)request * 1e6 / l->options->rate);
}

static void send_what_is_due(load_t *l, int64_t now_us)
{
    if (l->phase == PHASE_DRAINING)
        return;
    while (l->n_idle && l->next < l->requests->count) {
        int64_t from_us = l->options->rate > 0 ? due_us(l, l->next) : now_us;

        if (from_us > now_us)
            break;
        conn_send(l, l->idle[--l->n_idle], from_us);
    }
}

/* In an open loop the schedule begins anew: what piled up before the server was warm is not held against it. */
static void begin_counting(load_t *l, int64_t now_us)
{
    l->phase = PHASE_COUNTING;
    if (l->options->rate > 0)
        l->first_us += now_us - due_us(l, l->next);
    l->begin_us = now_us;
    l->end_us = now_us + l->options->run_us;
    l->cpu_begin_us = cpu_us();
    l->options->on_begin();
}

static void end_counting(load_t *l, int64_t now_us)
{
    load_result_t *r = l->result;

    l->options->on_end();
    r->cpu_us = r->answered ? (cpu_us() - l->cpu_begin_us) / (double)r->answered : 0;
    r->seconds = (double)(now_us - l->begin_us) / 1e6;
    r->ran_out = l->next == l->requests->count;
    if (l->options->rate > 0)
        while (l->next + r->late < l->requests->count && due_us(l, l->next + r->late) <= now_us)
            r->late++;
    l->phase = PHASE_DRAINING;
    l->end_us = now_us + DRAIN_US;
}

static bool all_idle(const load_t *l)
{
    return l->n_idle == l->options->connections;
}

/* False when it is over. Requests that run out end the counting at their last answer. */
static bool move_on(load_t *l, int64_t now_us)
{
    bool out = l->next == l->requests->count && all_idle(l);

    if (l->phase == PHASE_WARMUP && (now_us - l->first_us >= l->options->warmup_us || out))
        begin_counting(l, now_us);
    if (l->phase == PHASE_COUNTING && (now_us >= l->end_us || out))
        end_counting(l, now_us);
    return l->phase != PHASE_DRAINING || (!all_idle(l) && now_us < l->end_us);
}

/* Until something is to be done by the clock; finer than epoll_wait's milliseconds. */
static struct timespec until_next(const load_t *l, int64_t now_us)
{
    int64_t wait_us = 10 * US_PER_MS;

    if (l->options->rate > 0 && l->phase != PHASE_DRAINING && l->n_idle && l->next < l->requests->count) {
        int64_t due = due_us(l, l->next) - now_us;

        wait_us = due < 0 ? 0 : due < wait_us ? due : wait_us;
    }
    return (struct timespec){.tv_nsec = wait_us * 1000};
}

static void run_on(load_t *l)
{
    struct epoll_event events[EVENTS_A_TURN];
    int64_t now_us = clock_mono_us();

    l->first_us = now_us;
    while (move_on(l, now_us)) {
        struct timespec wait;
        int n;

        send_what_is_due(l, now_us);
        wait = until_next(l, clock_mono_us());
        n = epoll_pwait2(l->epoll, events, EVENTS_A_TURN, &wait, NULL);
        for (int i = 0; i < n; i++) {
            conn_t *c = events[i].data.ptr;

            if (events[i].events & EPOLLOUT && c->busy)
                conn_push(l, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                conn_readable(l, c);
        }
        now_us = clock_mono_us();
    }
}

static int by_latency(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void load_run(const load_options_t *options, const requests_t *requests, load_result_t *out)
{
    load_t l = {.options = options,
                .requests = requests,
                .result = out,
                .address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)},
                .epoll = epoll_create1(EPOLL_CLOEXEC),
                .conns = mem_zalloc(options->connections * sizeof(conn_t)),
                .idle = mem_alloc(options->connections * sizeof(conn_t *))};

    *out = (load_result_t){.latency_us = mem_alloc(requests->count * sizeof(uint32_t))};
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* sleep no longer than asked */
    if (inet_pton(AF_INET, options->host, &l.address.sin_addr) != 1)
        give_up(&l, "not an IPv4 address");
    for (size_t i = 0; i < options->connections; i++) {
        if (!conn_open(&l, &l.conns[i]))
            give_up(&l, "cannot connect");
        l.idle[l.n_idle++] = &l.conns[i];
    }
    run_on(&l);
    out->sent = l.next;
    qsort(out->latency_us, out->answered, sizeof(uint32_t), by_latency);
    for (size_t i = 0; i < options->connections; i++)
        close(l.conns[i].fd);
    close(l.epoll);
    free(l.conns);
    free(l.idle);
}

void load_clear(load_result_t *r)
{
    free(r->latency_us);
}
