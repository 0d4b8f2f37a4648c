#include "journal/journal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "journal/reader.h"
#include "journal/segment.h"
#include "journal/slot.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_US      (1 * US_PER_S)
#define SEGMENTS      16 /* of max_bytes: what is drained is given back in pieces of that size */
#define LEAST_SEGMENT ((uint64_t)64 * 1024)
#define MOST_SEGMENT  ((uint64_t)16 * 1024 * 1024)
#define KEPT_BUFFER   ((size_t)4 * 1024 * 1024)

typedef struct group {
    buf_t records;
    uint64_t count;
    int64_t held; /* by the tickets' owners */
    journal_ticket_t *first, **tail;
} group_t;

struct journal {
    journal_options_t options;
    char *data_folder;
    uint64_t segment_bytes;
    pthread_t thread;
    pthread_mutex_t lock;  /* guards what follows, but for what is said to be the thread's */
    pthread_cond_t wake;   /* the thread: something is to be done */
    pthread_cond_t sealed; /* who asked for sealing: it is done */

    group_t pending;
    int64_t writing_bytes; /* of the group that is being written */
    int64_t writing_held;
    int64_t durable_bytes; /* of records, in closed segments and the open one */
    uint64_t seal_wanted, seal_done;
    uint64_t closed_below; /* segments with a lower number are closed */
    bool up, stopping;
    char reason[sizeof(((journal_state_t *)NULL)->reason)];
    slot_t slot; /* folder_fd -1: none yet. Set once, under the lock */

    segment_t open; /* the thread's, as what follows; fd -1: none */
    uint64_t next_number, next_sequence;
    int64_t retry_us; /* mono clock: when to try again to make a segment */
    bool complained;

    metric_t *up_gauge, *pending_gauge, *bytes_gauge, *items_gauge, *failures;
    histogram_t *sync_seconds;
};

/* ---- for any thread ---- */

/* Under the lock, as what follows. */
static int64_t unwritten(const journal_t *j)
{
    return (int64_t)j->pending.records.len + j->writing_bytes;
}

static int64_t in_memory(const journal_t *j)
{
    return unwritten(j) + j->pending.held + j->writing_held;
}

static void show_pending(const journal_t *j)
{
    metric_set(j->pending_gauge, in_memory(j));
}

static void begin_group(group_t *g, buf_t spare)
{
    *g = (group_t){.records = spare};
    g->records.len = 0;
    g->tail = &g->first;
}

static bool has_room(const journal_t *j, size_t bytes, size_t held, err_t *err)
{
    if (!j->up || j->stopping)
        return err_set(err, ERR_JOURNAL, "the journal cannot be written: %s", j->reason);
    if (unwritten(j) && in_memory(j) + (int64_t)(bytes + held) > j->options.max_pending_bytes)
        return err_set(err, ERR_BUSY, "too much is waiting for the journal's disk");
    if (j->durable_bytes + unwritten(j) + (int64_t)bytes > j->options.max_bytes)
        return err_set(err, ERR_BUSY, "the journal is full: %" PRId64 " bytes of HOOKLINE_JOURNAL_MAX_BYTES are used",
                       j->durable_bytes);
    return true;
}

bool journal_put(journal_t *j, const journal_entry_t *entry, journal_ticket_t *ticket, err_t *err)
{
    size_t bytes = record_bytes(entry);
    bool taken;

    pthread_mutex_lock(&j->lock);
    taken = has_room(j, bytes, ticket->held, err);
    if (taken) {
        if (!j->pending.count++)
            pthread_cond_signal(&j->wake);
        record_write(&j->pending.records, entry);
        j->pending.held += (int64_t)ticket->held;
        ticket->next = NULL;
        *j->pending.tail = ticket;
        j->pending.tail = &ticket->next;
        show_pending(j);
    }
    pthread_mutex_unlock(&j->lock);
    return taken;
}

void journal_state(journal_t *j, journal_state_t *out)
{
    err_t err = {.code = ERR_NONE};

    pthread_mutex_lock(&j->lock);
    out->up = has_room(j, (size_t)(j->segment_bytes / 4), 0, &err); /* for a delivery of some size */
    (void)snprintf(out->reason, sizeof(out->reason), "%s", out->up ? "" : err.detail);
    pthread_mutex_unlock(&j->lock);
}

int journal_slot(journal_t *j)
{
    int number;

    pthread_mutex_lock(&j->lock);
    number = j->slot.folder_fd < 0 ? -1 : (int)j->slot.number;
    pthread_mutex_unlock(&j->lock);
    return number;
}

const char *journal_folder(journal_t *j)
{
    return j->slot.folder;
}

uint64_t journal_seal(journal_t *j)
{
    uint64_t mine, below;

    pthread_mutex_lock(&j->lock);
    mine = ++j->seal_wanted;
    pthread_cond_signal(&j->wake);
    while (j->seal_done < mine && !j->stopping)
        pthread_cond_wait(&j->sealed, &j->lock);
    below = j->closed_below;
    pthread_mutex_unlock(&j->lock);
    return below;
}

void journal_forget(journal_t *j, uint64_t bytes)
{
    pthread_mutex_lock(&j->lock);
    j->durable_bytes -= (int64_t)bytes;
    pthread_mutex_unlock(&j->lock);
}

/* ---- the thread ---- */

static void set_up(journal_t *j, bool up, const char *reason)
{
    pthread_mutex_lock(&j->lock);
    j->up = up;
    (void)snprintf(j->reason, sizeof(j->reason), "%s", reason);
    pthread_mutex_unlock(&j->lock);
    metric_set(j->up_gauge, up);
}

/* It failed: until a new segment can be made nothing is taken. */
static void fail(journal_t *j, const err_t *err)
{
    if (!j->complained)
        LOG(LOG_ERROR, "journal failed", log_cstr("reason", err->detail), log_cstr("hint", err->hint));
    j->complained = true;
    j->retry_us = clock_mono_us() + RETRY_US;
    metric_add(j->failures, 1);
    set_up(j, false, err->detail);
}

/* What an earlier process left in the slot that is ours now: it counts for our bound, and its numbers are taken. */
static bool take_stock(journal_t *j, const slot_t *slot, err_t *err)
{
    segment_file_t *files;
    size_t count;
    int64_t bytes = 0;

    if (!slot_segments(slot->folder, &files, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        char *path = slot_segment_path(slot->folder, &files[i]);
        segment_count_t found;

        if (files[i].number >= j->next_number)
            j->next_number = files[i].number + 1;
        if (reader_count(path, &found, NULL)) {
            if (found.next_sequence > j->next_sequence)
                j->next_sequence = found.next_sequence;
            if (!files[i].aside) {
                bytes += (int64_t)found.record_bytes;
                metric_add(j->items_gauge, (int64_t)found.records);
            }
        }
        free(path);
    }
    free(files);
    metric_add(j->bytes_gauge, bytes);
    pthread_mutex_lock(&j->lock);
    j->durable_bytes += bytes;
    pthread_mutex_unlock(&j->lock);
    return true;
}

static bool ensure_slot(journal_t *j, err_t *err)
{
    slot_t slot;

    if (j->slot.folder_fd >= 0)
        return true;
    if (!slot_claim(&slot, j->data_folder, err))
        return false;
    if (!take_stock(j, &slot, err)) {
        slot_release(&slot);
        return false;
    }
    pthread_mutex_lock(&j->lock);
    j->slot = slot;
    j->closed_below = j->next_number; /* may be drained though no segment can be made: that may be why none can */
    pthread_mutex_unlock(&j->lock);
    return true;
}

static bool ensure_segment(journal_t *j)
{
    err_t err = {.code = ERR_NONE};

    if (j->open.fd >= 0)
        return true;
    if (clock_mono_us() < j->retry_us)
        return false;
    /* Its number is used up even if it cannot be made: the file may be there all the same. */
    if (!ensure_slot(j, &err) ||
        !segment_create(&j->open, j->slot.folder_fd, j->next_number++, j->next_sequence, &err)) {
        fail(j, &err);
        return false;
    }
    pthread_mutex_lock(&j->lock);
    j->closed_below = j->open.number;
    pthread_mutex_unlock(&j->lock);
    if (!j->up)
        set_up(j, true, "");
    if (j->complained)
        LOG_PLAIN(LOG_INFO, "journal works again");
    j->complained = false;
    return true;
}

static void close_segment(journal_t *j)
{
    if (j->open.fd < 0)
        return;
    j->next_sequence = j->open.next_sequence;
    segment_close(&j->open, j->slot.folder_fd);
    pthread_mutex_lock(&j->lock);
    j->closed_below = j->next_number;
    pthread_mutex_unlock(&j->lock);
}

static bool write_group(journal_t *j, group_t *g)
{
    int64_t began_us = clock_mono_us();
    err_t err = {.code = ERR_NONE};

    if (!ensure_segment(j))
        return false;
    if (j->open.records && j->open.bytes + g->records.len > j->segment_bytes) {
        close_segment(j);
        if (!ensure_segment(j))
            return false;
    }
    if (!segment_append(&j->open, (uint8_t *)g->records.base, g->records.len, g->count, &err)) {
        close_segment(j);
        fail(j, &err);
        return false;
    }
    histogram_observe(j->sync_seconds, (double)(clock_mono_us() - began_us) / (double)US_PER_S);
    metric_add(j->bytes_gauge, (int64_t)g->records.len);
    metric_add(j->items_gauge, (int64_t)g->count);
    return true;
}

/* Takes what is pending, writes it, and gives it back. */
static void write_pending(journal_t *j, buf_t *spare)
{
    group_t g;
    bool ok;

    pthread_mutex_lock(&j->lock);
    g = j->pending;
    begin_group(&j->pending, *spare);
    j->writing_bytes = (int64_t)g.records.len;
    j->writing_held = g.held;
    pthread_mutex_unlock(&j->lock);
    *spare = BUF_EMPTY;
    if (!g.count) {
        *spare = g.records;
        return;
    }
    ok = write_group(j, &g);
    pthread_mutex_lock(&j->lock);
    j->writing_bytes = j->writing_held = 0;
    j->durable_bytes += ok ? (int64_t)g.records.len : 0;
    show_pending(j);
    pthread_mutex_unlock(&j->lock);
    for (journal_ticket_t *t = g.first; t; t = t->next)
        t->failed = ok ? ERR_NONE : ERR_JOURNAL;
    j->options.done(j->options.done_ctx, g.first);
    if (g.records.cap > KEPT_BUFFER)
        buf_clear(&g.records);
    *spare = g.records;
}

static void seal_if_wanted(journal_t *j)
{
    uint64_t wanted;

    pthread_mutex_lock(&j->lock);
    wanted = j->seal_wanted;
    pthread_mutex_unlock(&j->lock);
    if (wanted == j->seal_done)
        return;
    if (j->open.fd >= 0 && j->open.records)
        close_segment(j);
    pthread_mutex_lock(&j->lock);
    j->seal_done = wanted;
    pthread_cond_broadcast(&j->sealed);
    pthread_mutex_unlock(&j->lock);
}

/* Until there is something to do. False: it is time to end. */
static bool sleep_until_woken(journal_t *j)
{
    struct timespec until;
    bool stopping;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&j->lock);
    while (!j->pending.count && !j->stopping && j->seal_wanted == j->seal_done &&
           pthread_cond_timedwait(&j->wake, &j->lock, &until) == 0)
        ;
    stopping = j->stopping && !j->pending.count;
    pthread_mutex_unlock(&j->lock);
    return !stopping;
}

static void *write_on(void *arg)
{
    journal_t *j = arg;
    buf_t spare = BUF_EMPTY;

    do {
        write_pending(j, &spare);
        seal_if_wanted(j);
        (void)ensure_segment(j); /* so that what comes next finds one, and a disk that fails is known before */
    } while (sleep_until_woken(j));
    close_segment(j);
    buf_clear(&spare);
    return NULL;
}

/* ---- open and close ---- */

static uint64_t segment_bytes_for(int64_t max_bytes)
{
    uint64_t bytes = (uint64_t)max_bytes / SEGMENTS;

    return bytes < LEAST_SEGMENT ? LEAST_SEGMENT : bytes > MOST_SEGMENT ? MOST_SEGMENT : bytes;
}

journal_t *journal_open(const journal_options_t *options)
{
    journal_t *j = mem_zalloc(sizeof(*j));
    pthread_condattr_t monotonic;

    j->options = *options;
    j->data_folder = mem_strdup(str_from(options->data_folder));
    j->segment_bytes = segment_bytes_for(options->max_bytes);
    j->slot = (slot_t){.folder_fd = -1, .lock_fd = -1};
    j->open.fd = -1;
    j->next_number = j->next_sequence = 1;
    begin_group(&j->pending, BUF_EMPTY);
    j->up_gauge = metrics_series(METRIC_JOURNAL_UP, "");
    j->pending_gauge = metrics_series(METRIC_JOURNAL_PENDING, "");
    j->bytes_gauge = metrics_series(METRIC_JOURNAL_BYTES, "");
    j->items_gauge = metrics_series(METRIC_JOURNAL_ITEMS, "");
    j->failures = metrics_series(METRIC_JOURNAL_FAILURES, "");
    j->sync_seconds =
        metrics_histogram(METRIC_JOURNAL_SECONDS, "", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS));
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->wake, &monotonic);
    pthread_cond_init(&j->sealed, NULL);
    pthread_condattr_destroy(&monotonic);
    (void)ensure_segment(j);
    if (pthread_create(&j->thread, NULL, write_on, j) != 0)
        abort();
    return j;
}

void journal_close(journal_t *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    (void)snprintf(j->reason, sizeof(j->reason), "hookline is stopping");
    pthread_cond_signal(&j->wake);
    pthread_cond_broadcast(&j->sealed);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
}

void journal_free(journal_t *j)
{
    if (!j)
        return;
    if (j->slot.folder_fd >= 0)
        slot_release(&j->slot);
    buf_clear(&j->pending.records);
    pthread_cond_destroy(&j->wake);
    pthread_cond_destroy(&j->sealed);
    pthread_mutex_destroy(&j->lock);
    free(j->data_folder);
    free(j);
}
