#include "store/store.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/housekeeping.h"
#include "store/migrate.h"
#include "store/pg.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKOFF_LEAST_US (100 * US_PER_MS)
#define BACKOFF_MOST_US  (5 * US_PER_S)
#define IDLE_US          (60 * US_PER_S)
#define PROBE_US         (1 * US_PER_S) /* after a batch that could not be committed: before the next is tried */
#define MAX_BATCH_BYTES  (32 << 20)

#define MAX_CONNECTIONS 16
/* While one connection commits, another begins only when this many wait: two small batches cost more than one. */
#define SECOND_BATCH 32

/* A thread with a connection of its own. */
typedef struct writer {
    store_t *store;
    pthread_t thread;
    int wake_fd;      /* an eventfd: something is queued, or it is time to stop */
    bool sleeps;      /* guarded by the store's lock, as pg's pointer and since_us: the eventfd is written only then, a
                         write a delivery costs more than the queue */
    bool first;       /* migrates, and keeps the house */
    pg_t *pg;         /* NULL: not connected */
    int64_t since_us; /* when it took the batch that it holds, mono clock; 0: it holds none */
    int64_t backoff_us;
    housekeeping_t house;
    int64_t house_us; /* when it began to keep it; 0: it does not now */
} writer_t;

struct store {
    store_options_t options;
    char *conninfo;
    writer_t writers[MAX_CONNECTIONS];
    _Atomic int64_t end_us; /* when stopping: the end of all waiting, mono clock */

    pthread_mutex_t lock; /* guards what follows */
    queue_t queue;
    int64_t live_bytes;   /* of the live lane, and of what the writers hold of it */
    int64_t queued_bytes; /* of both lanes, and of what the writers hold */
    int64_t queued_items;
    bool migrated; /* or nobody asked for it */
    bool unwell;   /* the last batch went home: the next is but a trial, not before probe_us */
    int64_t probe_us;
    bool stopping;
    char reason[300];  /* why there is no connection */
    char trouble[300]; /* why the last batch went home */

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

/* Under the lock. A writer that is late, or away for too long, is not counted on: it may hang for as long as PostgreSQL
 * does. */
typedef struct census {
    size_t connected, busy, late, away;
} census_t;

static census_t count_writers(const store_t *s)
{
    int64_t late_us = clock_mono_us() - s->options.commit_deadline_us;
    census_t c = {0};

    for (size_t i = 0; i < s->options.connections; i++) {
        const writer_t *w = &s->writers[i];

        c.connected += w->pg != NULL;
        c.busy += w->since_us != 0;
        c.late += w->since_us != 0 && w->since_us < late_us;
        c.away += w->house_us != 0 && w->house_us < late_us;
    }
    return c;
}

/* Under the lock: whether a delivery put now would be committed soon, as far as one can tell. */
static bool is_up(const store_t *s, err_t *err)
{
    census_t c = count_writers(s);

    if (!c.connected || s->stopping)
        return err_set(err, ERR_STORE_DOWN, "%s", s->reason);
    if (c.late + c.away >= c.connected)
        return err_set(err, ERR_STORE_DOWN, "no commit has come back in HOOKLINE_COMMIT_DEADLINE");
    if (s->unwell && (c.busy || s->queue.count || clock_mono_us() < s->probe_us))
        return err_set(err, ERR_STORE_DOWN, "the last batch was not committed: %s", s->trouble);
    return true;
}

/* Under the lock: whether a writer should take what waits now. */
static bool is_worth_a_batch(const store_t *s)
{
    census_t c;

    if (!s->queue.count)
        return false;
    if (s->queue.count >= SECOND_BATCH)
        return true;
    c = count_writers(s);
    return c.busy == c.late;
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

/* Under the lock. */
static void count_in(store_t *s, lane_t lane, const delivery_t *d)
{
    if (lane == LANE_LIVE)
        s->live_bytes += (int64_t)d->bytes;
    s->queued_bytes += (int64_t)d->bytes;
    s->queued_items++;
    show_queue(s);
}

bool store_put(store_t *s, lane_t lane, delivery_t *d, err_t *err)
{
    writer_t *wake = NULL;
    bool taken;

    pthread_mutex_lock(&s->lock);
    taken = is_up(s, err);
    if (taken && lane == LANE_LIVE && s->live_bytes + (int64_t)d->bytes > s->options.max_queued_bytes)
        taken = err_set(err, ERR_BUSY, "too much is waiting for the database");
    if (taken) {
        d->backlog = lane == LANE_BACKLOG;
        queue_put(&s->queue, lane, d);
        count_in(s, lane, d);
        wake = pick_sleeper(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (wake)
        ring(wake);
    return taken;
}

void store_state(store_t *s, store_state_t *out)
{
    err_t err = {.code = ERR_NONE};

    pthread_mutex_lock(&s->lock);
    out->up = is_up(s, &err);
    (void)snprintf(out->reason, sizeof(out->reason), "%s", out->up ? "" : err.detail);
    pthread_mutex_unlock(&s->lock);
}

/* ---- a writer ---- */

/* Says why there is no connection, and counts those that there are. Under the lock. */
static void show_connections(store_t *s, const char *reason)
{
    (void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
    metric_set(s->up_gauge, count_writers(s).connected > 0);
}

static void set_connection(writer_t *w, pg_t *pg, const char *reason)
{
    store_t *s = w->store;

    pthread_mutex_lock(&s->lock);
    w->pg = pg;
    show_connections(s, reason);
    pthread_mutex_unlock(&s->lock);
}

/* Holding a batch, or not any more: then what waits may be another's. */
static void set_busy(writer_t *w, int64_t since_us)
{
    store_t *s = w->store;
    writer_t *wake;

    pthread_mutex_lock(&s->lock);
    w->since_us = since_us;
    wake = since_us ? NULL : pick_sleeper(s);
    pthread_mutex_unlock(&s->lock);
    if (wake)
        ring(wake);
}

/* A batch was committed, or went home. */
static void set_unwell(store_t *s, bool unwell, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    s->unwell = unwell;
    s->probe_us = clock_mono_us() + PROBE_US;
    if (unwell)
        (void)snprintf(s->trouble, sizeof(s->trouble), "%s", reason);
    pthread_mutex_unlock(&s->lock);
}

static bool must_end(store_t *s)
{
    return clock_mono_us() >= atomic_load(&s->end_us);
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

/* list is linked by next and ends with NULL. */
static void send_home(store_t *s, delivery_t *list)
{
    if (!list)
        return;
    pthread_mutex_lock(&s->lock);
    for (const delivery_t *d = list; d; d = d->next) {
        s->live_bytes -= d->backlog ? 0 : (int64_t)d->bytes;
        s->queued_bytes -= (int64_t)d->bytes;
        s->queued_items--;
    }
    show_queue(s);
    pthread_mutex_unlock(&s->lock);
    delivery_send_home(list);
}

static void send_array_home(store_t *s, delivery_t **deliveries, size_t count, err_code_t failed)
{
    for (size_t i = 0; i < count; i++) {
        deliveries[i]->failed = failed;
        deliveries[i]->next = i + 1 < count ? deliveries[i + 1] : NULL;
    }
    if (count)
        send_home(s, deliveries[0]);
}

/* When no writer has a connection, nobody will take what waits. */
static void send_queue_home(store_t *s)
{
    delivery_t *left = NULL;

    pthread_mutex_lock(&s->lock);
    if (!count_writers(s).connected)
        left = queue_take_all(&s->queue);
    pthread_mutex_unlock(&s->lock);
    for (delivery_t *d = left; d; d = d->next)
        d->failed = ERR_STORE_DOWN;
    send_home(s, left);
}

/* Takes what has gathered, up to a batch. 0: it may sleep. */
static size_t take(writer_t *w, delivery_t **out)
{
    store_t *s = w->store;
    size_t count = 0;

    pthread_mutex_lock(&s->lock);
    if (is_worth_a_batch(s))
        count = queue_take(&s->queue, s->options.max_batch, MAX_BATCH_BYTES, out);
    w->sleeps = count == 0;
    if (count)
        w->since_us = clock_mono_us();
    pthread_mutex_unlock(&s->lock);
    if (count)
        FAILPOINT("store.batch.taken");
    return count;
}

static void connection_lost(writer_t *w, const char *why)
{
    pg_t *pg = w->pg;

    set_connection(w, NULL, why);
    pg_close(pg);
    metric_add(w->store->lost, 1);
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

static void log_migration(void *ctx, const char *file, migration_state_t state, bool ran)
{
    (void)ctx;
    (void)state;
    if (ran)
        LOG(LOG_INFO, "migrated", log_cstr("file", file));
}

/* By the first writer; the others wait for the schema that it makes. */
static bool ensure_migrated(writer_t *w, err_t *err)
{
    store_t *s = w->store;

    if (!w->first || s->migrated)
        return true;
    s->migrated = migrate_run(s->conninfo, false, log_migration, NULL, err);
    return s->migrated;
}

static bool ensure_connected(writer_t *w)
{
    static log_gate_t gate;
    store_t *s = w->store;
    pg_options_t options = {.conninfo = s->conninfo,
                            .pooled = s->options.pooled,
                            .statement_timeout_us = s->options.statement_timeout_us,
                            .stop_fd = w->wake_fd,
                            .end_us = &s->end_us};
    err_t err = {.code = ERR_NONE};
    int64_t held;
    pg_t *pg;

    if (w->pg)
        return true;
    pg = ensure_migrated(w, &err) ? pg_open(&options, &err) : NULL;
    if (pg) {
        set_connection(w, pg, "");
        w->backoff_us = BACKOFF_LEAST_US;
        LOG(LOG_INFO, "database connected", log_cstr("sending", s->options.pooled ? "pooled" : "direct"));
        return true;
    }
    metric_add(s->lost, 1);
    set_connection(w, NULL, err.detail);
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
        FAILPOINT("store.batch.committed");
        histogram_observe(s->batch_size, (double)count);
        histogram_observe(s->commit_seconds, (double)(clock_mono_us() - began_us) / (double)US_PER_S);
    } else {
        count_error(error);
    }
    return fault;
}

/* Commits, and tries again until the batch's deadline, or until there is no connection to be had. FAULT_CONTENT:
 * PostgreSQL refuses what is in it. Else, but for FAULT_NONE, the state of things is to blame. */
static fault_t commit_in_time(writer_t *w, delivery_t **deliveries, size_t count, pg_error_t *error)
{
    store_t *s = w->store;

    for (;;) {
        bool connected = ensure_connected(w);
        fault_t fault = connected ? commit(w, deliveries, count, error) : FAULT_CONNECT;

        if (fault == FAULT_NONE || fault == FAULT_CONTENT)
            return fault;
        if (connected) {
            LOG(LOG_WARN, "batch not committed", log_cstr("sqlstate", error->sqlstate), log_int("deliveries", count));
            if (fault != FAULT_RETRY)
                connection_lost(w, error->message);
        }
        if (!connected || must_end(s) || clock_mono_us() >= w->since_us + s->options.commit_deadline_us)
            return fault;
        back_off(w);
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
    fault = commit_in_time(w, &d, 1, error);
    if (fault == FAULT_CONTENT && d->payload.base) {
        d->raw = d->payload;
        d->payload = STR_NONE;
        fault = commit_in_time(w, &d, 1, error);
    }
    return fault;
}

/* One refused row never refuses its batch: halves, until the culprit is alone. */
static void write_out(writer_t *w, delivery_t **deliveries, size_t count)
{
    pg_error_t error = {.message = "the connection to the database was lost"};
    fault_t fault = commit_in_time(w, deliveries, count, &error);

    if (fault == FAULT_CONTENT && count > 1) {
        write_out(w, deliveries, count / 2);
        write_out(w, deliveries + count / 2, count - count / 2);
        return;
    }
    if (fault == FAULT_CONTENT)
        fault = bury(w, deliveries[0], &error);
    set_unwell(w->store, fault != FAULT_NONE && fault != FAULT_CONTENT, error.message);
    send_array_home(w->store, deliveries, count,
                    fault == FAULT_NONE      ? ERR_NONE
                    : fault == FAULT_CONTENT ? ERR_INTERNAL
                                             : ERR_STORE_DOWN);
}

/* Not to be woken meanwhile: whoever sleeps for sure is to take what comes. */
static void set_away(writer_t *w, int64_t since_us)
{
    pthread_mutex_lock(&w->store->lock);
    w->house_us = since_us;
    w->sleeps = false;
    pthread_mutex_unlock(&w->store->lock);
}

static void keep_house(writer_t *w)
{
    if (!w->first || !w->pg || !housekeeping_is_due(&w->house, clock_mono_us()))
        return;
    set_away(w, clock_mono_us());
    housekeeping_run(&w->house, w->pg);
    if (!pg_is_alive(w->pg))
        connection_lost(w, "the connection to the database was closed");
    set_away(w, 0);
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
    empty = !s->queue.count;
    pthread_mutex_unlock(&s->lock);
    if (stopping && (empty || !connected))
        return false;
    if (!connected) {
        send_queue_home(s);
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

    while (going && !must_end(w->store)) {
        bool connected = ensure_connected(w);
        size_t count = connected ? take(w, batch) : 0;

        if (count) {
            write_out(w, batch, count);
            set_busy(w, 0);
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
    s->migrated = !options->migrate;
    queue_init(&s->queue);
    atomic_store(&s->end_us, INT64_MAX);
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
        if (w->wake_fd < 0)
            abort();
    }
    for (size_t i = 0; i < s->options.connections; i++) /* each looks at all of them */
        if (pthread_create(&s->writers[i].thread, NULL, write_on, &s->writers[i]) != 0)
            abort();
    return s;
}

void store_close(store_t *s, int64_t deadline_mono_us)
{
    delivery_t *left;

    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    (void)snprintf(s->reason, sizeof(s->reason), "hookline is stopping");
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->end_us, deadline_mono_us);
    for (size_t i = 0; i < s->options.connections; i++)
        ring(&s->writers[i]);
    for (size_t i = 0; i < s->options.connections; i++)
        pthread_join(s->writers[i].thread, NULL);
    left = queue_take_all(&s->queue);
    for (delivery_t *d = left; d; d = d->next)
        d->failed = ERR_STORE_DOWN;
    send_home(s, left);
}

void store_free(store_t *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->options.connections; i++)
        close(s->writers[i].wake_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->conninfo);
    free(s);
}
