#include "store/roster.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* While one connection commits live deliveries, another begins only when this many wait: two small batches cost more
 * than one. */
#define SECOND_BATCH    32
#define MAX_BATCH_BYTES (32 << 20)
#define BACKLOG_TURN    4              /* every so many batches one is the backlog's, however much live there is */
#define PROBE_US        (1 * US_PER_S) /* after a batch that went home: before the next is tried */

typedef struct seat {
    int wake_fd; /* an eventfd */
    bool connected;
    bool sleeps;      /* the eventfd is written only then: a write a delivery costs more than the queue */
    lane_t lane;      /* whose batch it holds */
    int64_t since_us; /* when it took that, mono clock; 0: it holds none */
    int64_t away_us;  /* since when it does something else; 0: it does not */
} seat_t;

struct roster {
    roster_options_t options;
    pthread_mutex_t lock; /* guards what follows */
    seat_t seats[ROSTER_SEATS];
    queue_t queue;
    unsigned turn; /* counts batches */
    struct {
        int64_t bytes, items; /* in the queue, and with the writers */
        metric_t *bytes_gauge, *items_gauge;
    } lanes[LANE_COUNT];
    bool unwell; /* the last batch went home: the next is but a trial, not before probe_us */
    int64_t probe_us;
    bool stopping;
    char reason[300];  /* why there is no connection */
    char trouble[300]; /* why the last batch went home */
    metric_t *up_gauge;
};

/* ---- under the lock ---- */

typedef struct census {
    size_t connected;
    size_t busy[LANE_COUNT]; /* with a batch of that lane, and not late */
    size_t late;
} census_t;

static census_t count_seats(const roster_t *r)
{
    int64_t late_us = clock_mono_us() - r->options.late_us;
    census_t c = {0};

    for (size_t i = 0; i < r->options.seats; i++) {
        const seat_t *s = &r->seats[i];

        c.connected += s->connected;
        c.busy[s->lane] += s->since_us && s->since_us >= late_us;
        c.late += (s->since_us && s->since_us < late_us) || (s->connected && s->away_us && s->away_us < late_us);
    }
    return c;
}

static bool would_commit(const roster_t *r, err_t *err)
{
    census_t c = count_seats(r);

    if (!c.connected || r->stopping)
        return err_set(err, ERR_STORE_DOWN, "%s", r->reason);
    if (c.late >= c.connected)
        return err_set(err, ERR_STORE_DOWN, "no commit has come back in HOOKLINE_COMMIT_DEADLINE");
    if (r->unwell && (c.busy[LANE_LIVE] || c.late || r->queue.lanes[LANE_LIVE].count || clock_mono_us() < r->probe_us))
        return err_set(err, ERR_STORE_DOWN, "the last batch was not committed: %s", r->trouble);
    return true;
}

static bool is_up(const roster_t *r, err_t *err)
{
    bool up = would_commit(r, err);

    metric_set(r->up_gauge, up);
    return up;
}

/* Whose batch a writer should take now; LANE_COUNT: nobody's. The backlog has one writer at a time. */
static lane_t pick_lane(const roster_t *r)
{
    size_t live = r->queue.lanes[LANE_LIVE].count, backlog = r->queue.lanes[LANE_BACKLOG].count;
    census_t c;

    if (!live && !backlog)
        return LANE_COUNT;
    c = count_seats(r);
    if (backlog && (c.busy[LANE_BACKLOG] || (c.late && c.late + 1 >= c.connected)))
        backlog = 0; /* the last seat that works is for those who wait */
    if (backlog && r->turn % BACKLOG_TURN == 0)
        return LANE_BACKLOG;
    if (live && (!c.busy[LANE_LIVE] || live >= SECOND_BATCH))
        return LANE_LIVE;
    return backlog ? LANE_BACKLOG : LANE_COUNT;
}

/* Who should be rung, if anybody: a descriptor, or -1. */
static int pick_sleeper(roster_t *r)
{
    if (pick_lane(r) == LANE_COUNT)
        return -1;
    for (size_t i = 0; i < r->options.seats; i++) {
        seat_t *s = &r->seats[i];

        if (s->sleeps && s->connected) {
            s->sleeps = false;
            return s->wake_fd;
        }
    }
    return -1;
}

static void show_lanes(const roster_t *r)
{
    for (size_t i = 0; i < LANE_COUNT; i++) {
        metric_set(r->lanes[i].bytes_gauge, r->lanes[i].bytes);
        metric_set(r->lanes[i].items_gauge, r->lanes[i].items);
    }
}

static void count(roster_t *r, const delivery_t *d, int sign)
{
    lane_t lane = d->backlog ? LANE_BACKLOG : LANE_LIVE;

    r->lanes[lane].bytes += sign * (int64_t)d->bytes;
    r->lanes[lane].items += sign;
}

/* ---- for those who put ---- */

static void ring(int wake_fd)
{
    uint64_t one = 1;

    if (wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort();
}

bool roster_put(roster_t *r, lane_t lane, delivery_t *d, err_t *err)
{
    int wake_fd = -1;
    bool taken;

    pthread_mutex_lock(&r->lock);
    taken = is_up(r, err);
    if (taken && lane == LANE_LIVE && r->lanes[lane].bytes + (int64_t)d->bytes > r->options.max_queued_bytes)
        taken = err_set(err, ERR_BUSY, "too much is waiting for the database");
    if (taken) {
        d->backlog = lane == LANE_BACKLOG;
        queue_put(&r->queue, lane, d);
        count(r, d, 1);
        show_lanes(r);
        wake_fd = pick_sleeper(r);
    }
    pthread_mutex_unlock(&r->lock);
    ring(wake_fd);
    return taken;
}

bool roster_is_up(roster_t *r, err_t *err)
{
    bool up;

    pthread_mutex_lock(&r->lock);
    up = is_up(r, err);
    pthread_mutex_unlock(&r->lock);
    return up;
}

void roster_stop(roster_t *r)
{
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    (void)snprintf(r->reason, sizeof(r->reason), "hookline is stopping");
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->options.seats; i++)
        ring(r->seats[i].wake_fd);
}

/* ---- for a writer ---- */

int roster_wake_fd(const roster_t *r, size_t seat)
{
    return r->seats[seat].wake_fd;
}

void roster_set_connected(roster_t *r, size_t seat, bool connected, const char *why_not)
{
    pthread_mutex_lock(&r->lock);
    r->seats[seat].connected = connected;
    if (!r->stopping)
        (void)snprintf(r->reason, sizeof(r->reason), "%s", why_not);
    (void)is_up(r, NULL);
    pthread_mutex_unlock(&r->lock);
}

size_t roster_take(roster_t *r, size_t seat, delivery_t **out)
{
    seat_t *s = &r->seats[seat];
    int wake_fd;
    size_t taken = 0;
    lane_t lane;

    pthread_mutex_lock(&r->lock);
    lane = pick_lane(r);
    if (lane != LANE_COUNT) {
        taken = queue_take(&r->queue, lane, r->options.max_batch, MAX_BATCH_BYTES, out);
        s->lane = lane;
        s->since_us = clock_mono_us();
        r->turn++;
    }
    s->sleeps = taken == 0;
    wake_fd = pick_sleeper(r); /* the other lane may be worth one of its own */
    pthread_mutex_unlock(&r->lock);
    ring(wake_fd);
    return taken;
}

void roster_set_idle(roster_t *r, size_t seat)
{
    int wake_fd;

    pthread_mutex_lock(&r->lock);
    r->seats[seat].since_us = 0;
    wake_fd = pick_sleeper(r);
    pthread_mutex_unlock(&r->lock);
    ring(wake_fd);
}

void roster_set_away(roster_t *r, size_t seat, bool away)
{
    pthread_mutex_lock(&r->lock);
    r->seats[seat].away_us = away ? clock_mono_us() : 0;
    r->seats[seat].sleeps = false;
    pthread_mutex_unlock(&r->lock);
}

void roster_note(roster_t *r, const char *trouble)
{
    pthread_mutex_lock(&r->lock);
    r->unwell = trouble != NULL;
    r->probe_us = clock_mono_us() + PROBE_US;
    (void)snprintf(r->trouble, sizeof(r->trouble), "%s", trouble ? trouble : "");
    pthread_mutex_unlock(&r->lock);
}

void roster_send_home(roster_t *r, delivery_t *list, err_code_t failed)
{
    if (!list)
        return;
    for (delivery_t *d = list; d; d = d->next)
        d->failed = failed;
    pthread_mutex_lock(&r->lock);
    for (const delivery_t *d = list; d; d = d->next)
        count(r, d, -1);
    show_lanes(r);
    pthread_mutex_unlock(&r->lock);
    delivery_send_home(list);
}

void roster_clear(roster_t *r, bool unless_connected)
{
    delivery_t *left = NULL;

    pthread_mutex_lock(&r->lock);
    if (!unless_connected || !count_seats(r).connected)
        left = queue_take_all(&r->queue);
    pthread_mutex_unlock(&r->lock);
    roster_send_home(r, left, ERR_STORE_DOWN);
}

void roster_look(roster_t *r, bool *stopping, bool *empty)
{
    pthread_mutex_lock(&r->lock);
    *stopping = r->stopping;
    *empty = queue_is_empty(&r->queue);
    pthread_mutex_unlock(&r->lock);
}

/* ---- new and free ---- */

roster_t *roster_new(const roster_options_t *options)
{
    static const char *const LABELS[LANE_COUNT] = {"lane=\"live\"", "lane=\"backlog\""};
    roster_t *r = mem_zalloc(sizeof(*r));

    r->options = *options;
    if (options->seats < 1 || options->seats > ROSTER_SEATS)
        abort();
    queue_init(&r->queue);
    (void)snprintf(r->reason, sizeof(r->reason), "connecting to the database");
    for (size_t i = 0; i < LANE_COUNT; i++) {
        r->lanes[i].bytes_gauge = metrics_series(METRIC_QUEUE_BYTES, LABELS[i]);
        r->lanes[i].items_gauge = metrics_series(METRIC_QUEUE_ITEMS, LABELS[i]);
    }
    r->up_gauge = metrics_series(METRIC_DATABASE_UP, "");
    pthread_mutex_init(&r->lock, NULL);
    for (size_t i = 0; i < options->seats; i++) {
        r->seats[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (r->seats[i].wake_fd < 0)
            abort();
    }
    return r;
}

void roster_free(roster_t *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->options.seats; i++)
        close(r->seats[i].wake_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
