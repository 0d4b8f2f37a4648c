#include "store/writer.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/housekeeping.h"
#include "store/migrate.h"
#include "store/pg.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKOFF_LEAST_US (100 * US_PER_MS)
#define BACKOFF_MOST_US  (5 * US_PER_S)
#define IDLE_US          (60 * US_PER_S)

struct writer {
    writer_options_t options;
    roster_t *roster;
    pthread_t thread;
    pg_t *pg;         /* NULL: not connected */
    int64_t since_us; /* when it took the batch that it holds */
    int64_t backoff_us;
    bool migrated;      /* or nobody asked for it */
    bool dialplan_read; /* once at least */
    housekeeping_t house;
    metric_t *lost;
    histogram_t *batch_size, *commit_seconds;
};

static bool must_end(const writer_t *w)
{
    return clock_mono_us() >= atomic_load(w->options.end_us);
}

/* Sleeps until woken, until the database has something to say, or for timeout_us. */
static void sleep_until_woken(const writer_t *w, int64_t timeout_us)
{
    struct pollfd fds[2] = {{.fd = roster_wake_fd(w->roster, w->options.seat), .events = POLLIN},
                            {.fd = w->pg ? pg_socket(w->pg) : -1, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, 2, (int)(timeout_us / US_PER_MS) + 1) > 0 && fds[0].revents)
        (void)!read(fds[0].fd, &count, sizeof(count));
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

static bool keeps_house(const writer_t *w)
{
    return w->options.keeps_house && w->options.seat == 0;
}

/* ---- the connection ---- */

static void connection_lost(writer_t *w, const char *why)
{
    roster_set_connected(w->roster, w->options.seat, false, why);
    pg_close(w->pg);
    w->pg = NULL;
    metric_add(w->lost, 1);
    LOG(LOG_ERROR, "database connection lost", log_cstr("reason", why));
}

static void log_migration(void *ctx, const char *file, migration_state_t state, bool ran)
{
    (void)ctx;
    (void)state;
    if (ran)
        LOG(LOG_INFO, "migrated", log_cstr("file", file));
}

/* By one writer; the others wait for the schema that it makes. */
static bool ensure_migrated(writer_t *w, err_t *err)
{
    if (!w->migrated)
        w->migrated = migrate_run(w->options.conninfo, false, log_migration, NULL, err);
    return w->migrated;
}

/* The first page is there before anybody hears that the database is; later there is one to go on with. */
static void read_dialplan(writer_t *w)
{
    if (!keeps_house(w) || !w->house.dialplan)
        return;
    if (w->pg && !w->dialplan_read)
        housekeeping_read_dialplan(&w->house, w->pg);
    else
        w->house.dialplan_us = 0;
    w->dialplan_read |= w->pg != NULL;
    dialplan_note_tried(w->house.dialplan);
}

static bool ensure_connected(writer_t *w)
{
    static log_gate_t gate;
    const writer_options_t *o = &w->options;
    pg_options_t options = {.conninfo = o->conninfo,
                            .pooled = o->pooled,
                            .statement_timeout_us = o->statement_timeout_us,
                            .end_us = o->end_us};
    err_t err = {.code = ERR_NONE};
    int64_t held;

    if (w->pg)
        return true;
    w->pg = ensure_migrated(w, &err) ? pg_open(&options, &err) : NULL;
    read_dialplan(w);
    roster_set_connected(w->roster, o->seat, w->pg != NULL, err.detail);
    if (w->pg) {
        w->backoff_us = BACKOFF_LEAST_US;
        LOG(LOG_INFO, "database connected", log_cstr("sending", o->pooled ? "pooled" : "direct"));
        return true;
    }
    metric_add(w->lost, 1);
    if (log_gate_open(&gate, 5 * US_PER_S, &held))
        LOG(LOG_ERROR, "database not ready", log_cstr("reason", err.detail), log_cstr("hint", err.hint));
    return false;
}

/* ---- a batch ---- */

static void count_error(const pg_error_t *e)
{
    char labels[32];

    (void)snprintf(labels, sizeof(labels), "class=\"%.2s\"", e->sqlstate[0] ? e->sqlstate : "08");
    metric_add(metrics_series(METRIC_BATCH_ERRORS, labels), 1);
}

static fault_t commit(writer_t *w, delivery_t **deliveries, size_t count, pg_error_t *error)
{
    int64_t began_us = clock_mono_us();
    fault_t fault;
    batch_t batch;

    batch_init(&batch, deliveries, count);
    fault = pg_commit(w->pg, &batch, error);
    batch_clear(&batch);
    if (fault == FAULT_NONE) {
        FAILPOINT("store.batch.committed");
        histogram_observe(w->batch_size, (double)count);
        histogram_observe(w->commit_seconds, (double)(clock_mono_us() - began_us) / (double)US_PER_S);
    } else {
        count_error(error);
    }
    return fault;
}

/* Commits, and tries again until the batch's deadline, or until there is no connection to be had. FAULT_CONTENT:
 * PostgreSQL refuses what is in it. Else, but for FAULT_NONE, the state of things is to blame. */
static fault_t commit_in_time(writer_t *w, delivery_t **deliveries, size_t count, pg_error_t *error)
{
    for (;;) {
        bool connected = ensure_connected(w);
        fault_t fault = connected ? commit(w, deliveries, count, error) : FAULT_CONNECT;

        if (fault == FAULT_NONE || fault == FAULT_CONTENT || (fault == FAULT_ODD && count > 1))
            return fault;
        if (connected) {
            LOG(LOG_WARN, "batch not committed", log_cstr("sqlstate", error->sqlstate), log_int("deliveries", count));
            if (fault != FAULT_RETRY && fault != FAULT_ODD)
                connection_lost(w, error->message);
        }
        if (!connected || must_end(w) || clock_mono_us() >= w->since_us + w->options.commit_deadline_us)
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

static void send_home(writer_t *w, delivery_t **deliveries, size_t count, err_code_t failed)
{
    for (size_t i = 0; i < count; i++)
        deliveries[i]->next = i + 1 < count ? deliveries[i + 1] : NULL;
    roster_send_home(w->roster, deliveries[0], failed);
}

/* It is not to blame for anything that we know of, so it is no dead letter: the journal has it, and it is tried again.
 */
static void note_odd(const delivery_t *d, const pg_error_t *error)
{
    LOG(LOG_ERROR, "delivery not committed", log_cstr("provider", d->provider), log_str("event_key", d->event_key),
        log_cstr("sqlstate", error->sqlstate), log_cstr("reason", error->message),
        log_cstr("hint", "a trigger or a constraint of your own? Once it is mended, the journal is drained"));
}

/* One row never holds up its batch: halves, until the culprit is alone. */
static void write_out(writer_t *w, delivery_t **deliveries, size_t count)
{
    pg_error_t error = {.message = "the connection to the database was lost"};
    fault_t fault = commit_in_time(w, deliveries, count, &error);

    if ((fault == FAULT_CONTENT || fault == FAULT_ODD) && count > 1) {
        write_out(w, deliveries, count / 2);
        write_out(w, deliveries + count / 2, count - count / 2);
        return;
    }
    if (fault == FAULT_CONTENT)
        fault = bury(w, deliveries[0], &error);
    if (fault == FAULT_ODD)
        note_odd(deliveries[0], &error);
    else if (fault == FAULT_NONE || !deliveries[0]->backlog) /* the backlog's troubles may be its own */
        roster_note(w->roster, fault == FAULT_NONE || fault == FAULT_CONTENT ? NULL : error.message);
    send_home(w, deliveries, count,
              fault == FAULT_NONE      ? ERR_NONE
              : fault == FAULT_CONTENT ? ERR_INTERNAL
                                       : ERR_STORE_DOWN);
}

/* ---- the thread ---- */

static void keep_house(writer_t *w)
{
    if (!keeps_house(w) || !w->pg || !housekeeping_is_due(&w->house, clock_mono_us()))
        return;
    roster_set_away(w->roster, w->options.seat, true);
    housekeeping_run(&w->house, w->pg);
    if (!pg_is_alive(w->pg))
        connection_lost(w, "the connection to the database was closed");
    roster_set_away(w->roster, w->options.seat, false);
}

/* How long to sleep when nothing comes. */
static int64_t idle_us(const writer_t *w)
{
    int64_t wait_us = keeps_house(w) ? housekeeping_wait_us(&w->house, clock_mono_us()) : IDLE_US;

    return wait_us < IDLE_US ? wait_us : IDLE_US;
}

/* Nothing to take. False: it is time to end. */
static bool rest(writer_t *w, bool connected)
{
    bool stopping, empty;

    roster_look(w->roster, &stopping, &empty);
    if (stopping && (empty || !connected))
        return false;
    if (!connected) {
        roster_clear(w->roster, true);
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
    delivery_t **batch = mem_alloc(w->options.max_batch * sizeof(*batch));
    bool going = true;

    while (going && !must_end(w)) {
        bool connected = ensure_connected(w);
        size_t count = connected ? roster_take(w->roster, w->options.seat, batch) : 0;

        if (count) {
            FAILPOINT("store.batch.taken");
            w->since_us = clock_mono_us();
            write_out(w, batch, count);
            roster_set_idle(w->roster, w->options.seat);
        } else {
            going = rest(w, connected);
        }
        keep_house(w);
    }
    free(batch);
    pg_close(w->pg);
    return NULL;
}

writer_t *writer_start(const writer_options_t *options)
{
    static const double SIZES[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
    writer_t *w = mem_zalloc(sizeof(*w));

    w->options = *options;
    w->roster = options->roster;
    w->backoff_us = BACKOFF_LEAST_US;
    w->migrated = !options->migrate || options->seat != 0;
    w->house.dialplan = options->dialplan;
    w->house.reconcile_keep_us = options->reconcile_keep_us;
    w->lost = metrics_series(METRIC_DATABASE_LOST, "");
    w->batch_size = metrics_histogram(METRIC_BATCH_SIZE, "", SIZES, COUNT(SIZES));
    w->commit_seconds =
        metrics_histogram(METRIC_COMMIT_SECONDS, "", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS));
    if (pthread_create(&w->thread, NULL, write_on, w) != 0)
        abort();
    return w;
}

void writer_join(writer_t *w)
{
    pthread_join(w->thread, NULL);
    free(w);
}
