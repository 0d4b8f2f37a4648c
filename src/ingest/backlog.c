#include "ingest/backlog.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/drain.h"
#include "journal/reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_US   (500 * US_PER_MS) /* at what is to be done */
#define OTHERS_US (5 * US_PER_S)    /* at the slots of others */
/* After a segment that could not be drained with the database up: the first time, and when it goes on so. */
#define AGAIN_US      (1 * US_PER_S)
#define AGAIN_MOST_US (60 * US_PER_S)

struct backlog {
    char *data_folder;
    journal_t *journal;
    store_t *store;
    drain_t *drain;
    pthread_t thread;
    pthread_mutex_t lock; /* of stopping */
    pthread_cond_t wake;
    bool stopping;
    int64_t own_us, others_us;           /* mono clock: not before */
    int64_t own_wait_us, others_wait_us; /* how long to wait when nothing can be done */
    metric_t *items_gauge, *bytes_gauge;
};

static bool goes_on(void *ctx)
{
    backlog_t *b = ctx;
    bool stopping;

    pthread_mutex_lock(&b->lock);
    stopping = b->stopping;
    pthread_mutex_unlock(&b->lock);
    return !stopping;
}

static bool store_is_up(store_t *store)
{
    store_state_t state;

    store_state(store, &state);
    return state.up;
}

static void show_waiting(backlog_t *b, int64_t records, int64_t bytes)
{
    metric_add(b->items_gauge, records);
    metric_add(b->bytes_gauge, bytes);
}

/* How much of a segment waits. Nothing of one that was set aside does. */
static segment_count_t count_segment(const char *folder, const segment_file_t *file)
{
    segment_count_t found = {.records = 0};
    char *path = slot_segment_path(folder, file);

    if (!file->aside)
        (void)reader_count(path, &found, NULL);
    free(path);
    return found;
}

/* Sequence numbers go on from segment to segment: where they do not, a file has been lost. */
static void look_for_gap(const char *folder, const segment_file_t *file, const segment_count_t *found, uint64_t *next)
{
    if (*next && found->first_sequence > *next)
        LOG(LOG_ERROR, "journal: deliveries are missing", log_cstr("folder", folder),
            log_int("before_segment", file->number), log_int("deliveries", found->first_sequence - *next));
    if (found->next_sequence)
        *next = found->next_sequence;
}

typedef struct outcome {
    size_t gone, left; /* segments */
} outcome_t;

static segment_end_t drain_one(backlog_t *b, const char *folder, const segment_file_t *file, uint64_t *next_sequence,
                               bool own)
{
    segment_count_t found = count_segment(folder, file);
    segment_end_t end;

    look_for_gap(folder, file, &found, next_sequence);
    end = drain_segment(b->drain, folder, file);
    if (end == SEGMENT_LEFT)
        return end;
    show_waiting(b, -(int64_t)found.records, -(int64_t)found.record_bytes);
    if (own)
        journal_forget(b->journal, found.record_bytes);
    if (found.records)
        LOG(LOG_INFO, "journal: segment drained", log_cstr("folder", folder), log_int("number", file->number),
            log_int("deliveries", drain_stored(b->drain)));
    return end;
}

/* The segments of a folder with a number below, oldest first. One that has to be left does not hold up the others, as
 * long as there is a database. */
static outcome_t drain_folder(backlog_t *b, const char *folder, uint64_t below, bool own)
{
    uint64_t next_sequence = 0;
    segment_file_t *files;
    size_t count;
    outcome_t out = {0};

    if (!slot_segments(folder, &files, &count, NULL))
        return (outcome_t){.left = 1};
    for (size_t i = 0; i < count && files[i].number < below; i++) {
        if (files[i].aside)
            next_sequence = 0; /* what it held is not known */
        else if ((out.left && !store_is_up(b->store)) || !goes_on(b))
            out.left++;
        else if (drain_one(b, folder, &files[i], &next_sequence, own) == SEGMENT_LEFT)
            out.left++;
        else
            out.gone++;
    }
    free(files);
    return out;
}

/* When to try again: soon, unless it is always the same that does not work although the database is there. */
static int64_t again_after(backlog_t *b, int64_t *wait_us, const outcome_t *out)
{
    int64_t now_us = clock_mono_us(), at_us = now_us + *wait_us;

    if (!out->left || out->gone) {
        *wait_us = AGAIN_US;
        return out->left ? now_us + AGAIN_US : 0;
    }
    if (store_is_up(b->store))
        *wait_us = 2 * *wait_us < AGAIN_MOST_US ? 2 * *wait_us : AGAIN_MOST_US;
    return at_us;
}

static void drain_own(backlog_t *b)
{
    outcome_t out;

    if (journal_slot(b->journal) < 0)
        return;
    out = drain_folder(b, journal_folder(b->journal), journal_seal(b->journal), true);
    b->own_us = again_after(b, &b->own_wait_us, &out);
}

/* Adds up what waits in a folder. */
static void count_folder(const char *folder, int64_t *records, int64_t *bytes)
{
    segment_file_t *files;
    size_t count;

    *records = *bytes = 0;
    if (!slot_segments(folder, &files, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++) {
        segment_count_t found = count_segment(folder, &files[i]);

        *records += (int64_t)found.records;
        *bytes += (int64_t)found.record_bytes;
    }
    free(files);
}

static outcome_t drain_adopted(backlog_t *b, const char *folder)
{
    int64_t records, bytes;
    outcome_t out;

    LOG(LOG_WARN, "journal: adopted what an instance left behind", log_cstr("folder", folder));
    count_folder(folder, &records, &bytes);
    show_waiting(b, records, bytes);
    out = drain_folder(b, folder, UINT64_MAX, false);
    if (out.left)
        count_folder(folder, &records, &bytes);
    else
        records = bytes = 0;
    show_waiting(b, -records, -bytes); /* whoever takes it next will count what is left */
    return out;
}

static bool has_segments(const char *folder)
{
    segment_file_t *files;
    size_t count, waiting = 0;

    if (!slot_segments(folder, &files, &count, NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        waiting += !files[i].aside;
    free(files);
    return waiting > 0;
}

/* Drains a slot, if it holds anything and nobody holds it. */
static outcome_t look_at_slot(backlog_t *b, unsigned number)
{
    static log_gate_t gate;
    char *folder = slot_folder(b->data_folder, number);
    err_t err = {.code = ERR_NONE};
    outcome_t out = {0};
    int64_t held;
    slot_t slot;

    if (has_segments(folder)) {
        if (slot_adopt(&slot, b->data_folder, number, &err)) {
            if (has_segments(folder)) /* whoever held it until now may have drained it */
                out = drain_adopted(b, folder);
            slot_release(&slot);
        } else if (err.code == ERR_IO && log_gate_open(&gate, 60 * US_PER_S, &held)) {
            LOG(LOG_ERROR, "journal: what an instance left behind cannot be adopted", log_cstr("reason", err.detail),
                log_cstr("hint", "its files must belong to hookline's user"));
        }
    }
    free(folder);
    return out;
}

static void drain_others(backlog_t *b)
{
    int own = journal_slot(b->journal);
    outcome_t all = {0};
    unsigned *numbers;
    size_t count;

    if (!slot_list(b->data_folder, &numbers, &count, NULL))
        return;
    for (size_t i = 0; i < count && goes_on(b); i++) {
        outcome_t one = {0};

        if ((int)numbers[i] != own)
            one = look_at_slot(b, numbers[i]);
        all.gone += one.gone;
        all.left += one.left;
    }
    free(numbers);
    b->others_us = again_after(b, &b->others_wait_us, &all);
    if (b->others_us < clock_mono_us() + OTHERS_US)
        b->others_us = clock_mono_us() + OTHERS_US;
}

static void look(backlog_t *b)
{
    if (store_is_up(b->store) && clock_mono_us() >= b->own_us)
        drain_own(b);
    if (store_is_up(b->store) && clock_mono_us() >= b->others_us)
        drain_others(b);
}

static void *drain_on(void *arg)
{
    backlog_t *b = arg;

    while (goes_on(b)) {
        struct timespec until;

        look(b);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_US * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&b->lock);
        if (!b->stopping)
            (void)pthread_cond_timedwait(&b->wake, &b->lock, &until);
        pthread_mutex_unlock(&b->lock);
    }
    return NULL;
}

backlog_t *backlog_start(const char *data_folder, journal_t *journal, store_t *store)
{
    backlog_t *b = mem_zalloc(sizeof(*b));
    pthread_condattr_t monotonic;

    b->data_folder = mem_strdup(str_from(data_folder));
    b->journal = journal;
    b->store = store;
    b->own_wait_us = b->others_wait_us = AGAIN_US;
    b->drain = drain_new(store, goes_on, b);
    b->items_gauge = metrics_series(METRIC_JOURNAL_ITEMS, "");
    b->bytes_gauge = metrics_series(METRIC_JOURNAL_BYTES, "");
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&b->thread, NULL, drain_on, b) != 0)
        abort();
    return b;
}

void backlog_stop(backlog_t *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void backlog_free(backlog_t *b)
{
    if (!b)
        return;
    pthread_join(b->thread, NULL);
    drain_free(b->drain);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b->data_folder);
    free(b);
}
