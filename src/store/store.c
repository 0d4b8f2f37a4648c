#include "store/store.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/housekeeping.h"
#include "store/pg.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKOFF_LEAST_US (100 * US_PER_MS)
#define BACKOFF_MOST_US  (5 * US_PER_S)
#define IDLE_US          (60 * US_PER_S)
#define MAX_BATCH_BYTES  (32 << 20)

#define MAX_CONNECTIONS 16
/* While one connection commits, another begins only when this many wait: two small batches cost more than one. */
#define SECOND_BATCH 32

/* A thread with a connection of its own. */
typedef struct writer {
    store_t *store;
    pthread_t thread;
    int wake_fd; /* an eventfd: something is queued, or it is time to stop */
    bool sleeps; /* guarded by the store's lock: the eventfd is written only then, a write a delivery costs more than
                    the queue */
    bool first;  /* keeps the house */
    pg_t *pg;
    int64_t backoff_us;
    housekeeping_t house;
} writer_t;

struct store {
    store_options_t options;
    char *conninfo;
    writer_t writers[MAX_CONNECTIONS];

    pthread_mutex_t lock; /* guards what follows */
    delivery_t *queue, **queue_tail;
    int64_t waiting;      /* in the queue */
    int64_t queued_bytes; /* of the queue and of what the writers hold */
    int64_t queued_items;
    int committing; /* writers that are sending a batch */
    int connected;  /* writers that have a connection */
    bool stopping;
    int64_t stop_deadline_us;
    char reason[sizeof(((store_state_t *)NULL)->reason)];

    metric_t *bytes_gauge, *items_gauge, *up_gauge, *lost;
    histogram_t *batch_size, *commit_seconds;
};

/* ---- for any thread ---- */

static void ring(const writer_t *w)
{
    uint64_t one = 1;

    if (write(w->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort();
}

/* Under the lock. */
static void show_queue(const store_t *s)
{
    metric_set(s->bytes_gauge, s->queued_bytes);
    metric_set(s->items_gauge, s->queued_items);
}

/* Under the lock: whether a writer should take what waits now. */
static bool is_worth_a_batch(const store_t *s)
{
    return s->queue && (!s->committing || s->waiting >= SECOND_BATCH);
}

/* Under the lock: who should be rung, if anybody. */
static writer_t *pick_sleeper(store_t *s)
{
    if (!is_worth_a_batch(s))
        return NULL;
    for (size_t i = 0; i < s->options.connections; i++) {
        writer_t *w = &s->writers[i];

        if (w->sleeps && w->pg) {
            w->sleeps = false;
            return w;
        }
    }
    return NULL;
}

bool store_put(store_t *s, delivery_t *d, err_t *err)
{
    writer_t *wake = NULL;
    bool up, full;

    d->next = NULL;
    pthread_mutex_lock(&s->lock);
    up = s->connected && !s->stopping;
    full = s->queued_bytes + (int64_t)d->bytes > s->options.max_queued_bytes;
    if (up && !full) {
        *s->queue_tail = d;
        s->queue_tail = &d->next;
        s->waiting++;
        s->queued_bytes += (int64_t)d->bytes;
        s->queued_items++;
        show_queue(s);
        wake = pick_sleeper(s);
    } else {
        err_set(err, up ? ERR_BUSY : ERR_STORE_DOWN, "%s", up ? "too much is waiting for the database" : s->reason);
    }
    pthread_mutex_unlock(&s->lock);
    if (wake)
        ring(wake);
    return up && !full;
}

void store_state(store_t *s, store_state_t *out)
{
    pthread_mutex_lock(&s->lock);
    out->up = s->connected > 0;
    memcpy(out->reason, s->reason, sizeof(out->reason));
    pthread_mutex_unlock(&s->lock);
}

/* ---- a writer ---- */

static void count_connection(store_t *s, int change, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    s->connected += change;
    (void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
    metric_set(s->up_gauge, s->connected > 0);
    pthread_mutex_unlock(&s->lock);
}

/* Sending a batch, or not any more: then what waits may be another's. */
static void count_committing(store_t *s, int change)
{
    writer_t *wake;

    pthread_mutex_lock(&s->lock);
    s->committing += change;
    wake = change < 0 ? pick_sleeper(s) : NULL;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        ring(wake);
}

static bool must_end(store_t *s)
{
    bool end;

    pthread_mutex_lock(&s->lock);
    end = s->stopping && clock_mono_us() >= s->stop_deadline_us;
    pthread_mutex_unlock(&s->lock);
    return end;
}

/* Sleeps until woken, until the database has something to say, or for timeout_us. */
static void sleep_until_woken(const writer_t *w, int64_t timeout_us)
{
    struct pollfd fds[2] = {{.fd = w->wake_fd, .events = POLLIN},
                            {.fd = w->pg ? pg_socket(w->pg) : -1, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, 2, (int)(timeout_us / US_PER_MS) + 1) > 0 && fds[0].revents)
        (void)!read(w->wake_fd, &count, sizeof(count));
}

/* Gives deliveries back. list is linked by next and ends with NULL. */
static void give_back(store_t *s, delivery_t *list)
{
    int64_t bytes = 0, items = 0;

    if (!list)
        return;
    for (const delivery_t *d = list; d; d = d->next) {
        bytes += (int64_t)d->bytes;
        items++;
    }
    pthread_mutex_lock(&s->lock);
    s->queued_bytes -= bytes;
    s->queued_items -= items;
    show_queue(s);
    pthread_mutex_unlock(&s->lock);
    s->options.done(s->options.done_ctx, list);
}

static void give_back_array(store_t *s, delivery_t **deliveries, size_t count, err_code_t failed)
{
    for (size_t i = 0; i < count; i++) {
        deliveries[i]->failed = failed;
        deliveries[i]->next = i + 1 < count ? deliveries[i + 1] : NULL;
    }
    if (count)
        give_back(s, deliveries[0]);
}

/* Takes what has gathered, up to a batch; the writer then counts as committing. 0: it may sleep. */
static size_t take(writer_t *w, bool whatever, delivery_t **out)
{
    store_t *s = w->store;
    size_t count = 0, bytes = 0;

    pthread_mutex_lock(&s->lock);
    while (s->queue && (count || whatever || is_worth_a_batch(s)) && count < s->options.max_batch &&
           (count == 0 || bytes + s->queue->bytes <= MAX_BATCH_BYTES)) {
        delivery_t *d = s->queue;

        s->queue = d->next;
        s->waiting--;
        bytes += d->bytes;
        out[count++] = d;
    }
    if (!s->queue)
        s->queue_tail = &s->queue;
    s->committing += count > 0;
    w->sleeps = count == 0;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static void connection_lost(writer_t *w, const char *why)
{
    pg_close(w->pg);
    pthread_mutex_lock(&w->store->lock); /* pick_sleeper looks at it */
    w->pg = NULL;
    pthread_mutex_unlock(&w->store->lock);
    metric_add(w->store->lost, 1);
    count_connection(w->store, -1, why);
    LOG(LOG_ERROR, "database connection lost", log_cstr("reason", why));
}

static void back_off(writer_t *w)
{
    uint32_t noise;
    int64_t wait_us = w->backoff_us;

    crypto_random(&noise, sizeof(noise));
    wait_us += wait_us / 2 * (noise % 1024) / 1024; /* so that many instances do not come back in step */
    w->backoff_us = w->backoff_us * 2 > BACKOFF_MOST_US ? BACKOFF_MOST_US : w->backoff_us * 2;
    sleep_until_woken(w, wait_us);
}

static bool ensure_connected(writer_t *w)
{
    static log_gate_t gate;
    store_t *s = w->store;
    pg_options_t options = {.conninfo = s->conninfo,
                            .pooled = s->options.pooled,
                            .statement_timeout_us = s->options.statement_timeout_us,
                            .stop_fd = w->wake_fd};
    err_t err = {.code = ERR_NONE};
    int64_t held;
    pg_t *pg;

    if (w->pg)
        return true;
    pg = pg_open(&options, &err);
    if (pg) {
        pthread_mutex_lock(&s->lock);
        w->pg = pg;
        pthread_mutex_unlock(&s->lock);
        w->backoff_us = BACKOFF_LEAST_US;
        count_connection(s, 1, "");
        LOG(LOG_INFO, "database connected", log_cstr("sending", s->options.pooled ? "pooled" : "direct"));
        return true;
    }
    metric_add(s->lost, 1);
    count_connection(s, 0, err.detail);
    if (log_gate_open(&gate, 5 * US_PER_S, &held))
        LOG(LOG_ERROR, "database not ready", log_cstr("reason", err.detail), log_cstr("hint", err.hint));
    return false;
}

static void count_error(const pg_error_t *e)
{
    char labels[32];

    (void)snprintf(labels, sizeof(labels), "class=\"%.2s\"", e->sqlstate[0] ? e->sqlstate : "08");
    metric_add(metrics_series(METRIC_BATCH_ERRORS, labels), 1);
}

static fault_t commit(writer_t *w, delivery_t **deliveries, size_t count, pg_error_t *error)
{
    store_t *s = w->store;
    int64_t began_us = clock_mono_us();
    fault_t fault;
    batch_t batch;

    batch_init(&batch, deliveries, count);
    fault = pg_commit(w->pg, &batch, error);
    batch_clear(&batch);
    if (fault == FAULT_NONE) {
        histogram_observe(s->batch_size, (double)count);
        histogram_observe(s->commit_seconds, (double)(clock_mono_us() - began_us) / (double)US_PER_S);
    } else {
        count_error(error);
    }
    return fault;
}

/* Commits, and tries again for as long as it takes. FAULT_CONTENT: PostgreSQL refuses what is in it. FAULT_CONNECT:
 * given up, since the process has to end. */
static fault_t commit_at_last(writer_t *w, delivery_t **deliveries, size_t count, pg_error_t *error)
{
    for (;;) {
        fault_t fault = FAULT_CONNECT;

        if (ensure_connected(w))
            fault = commit(w, deliveries, count, error);
        if (fault == FAULT_NONE || fault == FAULT_CONTENT)
            return fault;
        if (w->pg) {
            LOG(LOG_WARN, "batch not committed", log_cstr("sqlstate", error->sqlstate), log_int("deliveries", count));
            if (fault != FAULT_RETRY)
                connection_lost(w, error->message);
        }
        if (must_end(w->store))
            return FAULT_CONNECT;
        count_committing(w->store, -1);
        back_off(w);
        count_committing(w->store, 1);
    }
}

/* PostgreSQL refuses this one, alone: a dead letter, without its facts; if even that is refused, without its payload.
 */
static fault_t bury(writer_t *w, delivery_t *d, pg_error_t *error)
{
    char why[400];
    fault_t fault;

    (void)snprintf(why, sizeof(why), "refused by PostgreSQL: %s %s", error->sqlstate, error->message);
    delivery_bury(d, why);
    LOG(LOG_WARN, "dead letter", log_cstr("provider", d->provider), log_cstr("sqlstate", error->sqlstate),
        log_str("event_key", d->event_key));
    fault = commit_at_last(w, &d, 1, error);
    if (fault == FAULT_CONTENT && d->payload.base) {
        d->raw = d->payload;
        d->payload = STR_NONE;
        fault = commit_at_last(w, &d, 1, error);
    }
    return fault;
}

/* One refused row never refuses its batch: halves, until the culprit is alone. */
static void write_out(writer_t *w, delivery_t **deliveries, size_t count)
{
    pg_error_t error;
    fault_t fault = commit_at_last(w, deliveries, count, &error);

    if (fault == FAULT_CONTENT && count > 1) {
        write_out(w, deliveries, count / 2);
        write_out(w, deliveries + count / 2, count - count / 2);
        return;
    }
    if (fault == FAULT_CONTENT)
        fault = bury(w, deliveries[0], &error);
    give_back_array(w->store, deliveries, count,
                    fault == FAULT_NONE      ? ERR_NONE
                    : fault == FAULT_CONTENT ? ERR_INTERNAL
                                             : ERR_STORE_DOWN);
}

static void keep_house(writer_t *w)
{
    if (!w->first || !w->pg || !housekeeping_is_due(&w->house, clock_mono_us()))
        return;
    housekeeping_run(&w->house, w->pg);
    if (!pg_is_alive(w->pg))
        connection_lost(w, "the connection to the database was closed");
}

/* How long to sleep when nothing comes. */
static int64_t idle_us(const writer_t *w)
{
    int64_t wait_us = w->first ? housekeeping_wait_us(&w->house, clock_mono_us()) : IDLE_US;

    return wait_us < IDLE_US ? wait_us : IDLE_US;
}

/* Nothing to take. False: it is time to end. */
static bool rest(writer_t *w, bool connected)
{
    store_t *s = w->store;
    bool stopping, empty;

    pthread_mutex_lock(&s->lock);
    stopping = s->stopping;
    empty = !s->queue;
    pthread_mutex_unlock(&s->lock);
    if (stopping && empty)
        return false;
    if (!connected) {
        back_off(w);
        return true;
    }
    if (w->pg && !pg_is_alive(w->pg))
        connection_lost(w, "the connection to the database was closed");
    else
        sleep_until_woken(w, stopping ? 10 * US_PER_MS : idle_us(w)); /* nobody rings for the end of the queue */
    return true;
}

static void *write_on(void *arg)
{
    writer_t *w = arg;
    delivery_t **batch = mem_alloc(w->store->options.max_batch * sizeof(delivery_t *));
    bool going = true;

    while (going) {
        bool connected = ensure_connected(w), last = must_end(w->store);
        size_t count = connected || last ? take(w, last, batch) : 0;

        if (count) {
            write_out(w, batch, count);
            count_committing(w->store, -1);
        } else {
            going = rest(w, connected);
        }
        keep_house(w);
    }
    free(batch);
    pg_close(w->pg);
    return NULL;
}

/* ---- open and close ---- */

store_t *store_open(const store_options_t *options)
{
    static const double SIZES[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
    store_t *s = mem_zalloc(sizeof(*s));

    s->options = *options;
    if (s->options.connections < 1 || s->options.connections > MAX_CONNECTIONS)
        abort();
    s->conninfo = mem_strdup(str_from(options->conninfo));
    s->queue_tail = &s->queue;
    (void)snprintf(s->reason, sizeof(s->reason), "connecting to the database");
    s->bytes_gauge = metrics_series(METRIC_QUEUE_BYTES, "");
    s->items_gauge = metrics_series(METRIC_QUEUE_ITEMS, "");
    s->up_gauge = metrics_series(METRIC_DATABASE_UP, "");
    s->lost = metrics_series(METRIC_DATABASE_LOST, "");
    s->batch_size = metrics_histogram(METRIC_BATCH_SIZE, "", SIZES, COUNT(SIZES));
    s->commit_seconds =
        metrics_histogram(METRIC_COMMIT_SECONDS, "", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS));
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < s->options.connections; i++) {
        writer_t *w = &s->writers[i];

        *w = (writer_t){.store = s, .first = i == 0, .backoff_us = BACKOFF_LEAST_US};
        w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->wake_fd < 0 || pthread_create(&w->thread, NULL, write_on, w) != 0)
            abort();
    }
    return s;
}

void store_close(store_t *s, int64_t deadline_mono_us)
{
    delivery_t *left;

    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    s->stop_deadline_us = deadline_mono_us;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->options.connections; i++)
        ring(&s->writers[i]);
    for (size_t i = 0; i < s->options.connections; i++)
        pthread_join(s->writers[i].thread, NULL);
    left = s->queue;
    for (delivery_t *d = left; d; d = d->next)
        d->failed = ERR_STORE_DOWN;
    give_back(s, left);
    for (size_t i = 0; i < s->options.connections; i++)
        close(s->writers[i].wake_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->conninfo);
    free(s);
}
