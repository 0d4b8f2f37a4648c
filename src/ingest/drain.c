#include "ingest/drain.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/desk.h"
#include "ingest/understand.h"
#include "journal/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK       256
#define CHUNK_BYTES ((size_t)4 * 1024 * 1024)

/* One by one: how long to wait for the database between two, and how many may fail in a row before it is to blame. */
#define PATIENCE      60
#define PATIENCE_US   (50 * 1000)
#define MOST_IN_A_ROW 8

/* ---- one chunk: some deliveries on their way ---- */

typedef struct chunk {
    delivery_t *list, **tail;
    size_t count, bytes;
} chunk_t;

static void chunk_free(chunk_t *c)
{
    for (delivery_t *d = c->list, *next; d; d = next) {
        next = d->next;
        delivery_free(d);
    }
    c->list = NULL;
}

/* ---- one segment ---- */

struct drain {
    store_t *store;
    bool (*goes_on)(void *ctx);
    void *ctx;
    metric_t *drained, *set_aside;
    desk_t desk;

    const char *path; /* of the segment, as what follows */
    reader_t *reader;
    uint64_t stored, stuck;
    uint64_t left;    /* that the database does not take, though it is there: they are tried again */
    uint64_t damages; /* but for a torn end */
};

/* All of it, or from the first one on that the store does not take, nothing more: then false. */
static bool put_chunk(drain_t *dr, chunk_t *c)
{
    while (c->list) {
        delivery_t *d = c->list, *next = d->next;

        if (!desk_put(&dr->desk, dr->store, d, NULL)) {
            chunk_free(c);
            return false;
        }
        c->list = next;
    }
    return true;
}

/* Waits for all that is out. False: some of it could not be committed for now. */
static bool wait_for_all(drain_t *dr)
{
    bool ok = true;

    for (delivery_t *d = desk_wait(&dr->desk), *next; d; d = next) {
        next = d->next;
        dr->stored += d->failed == ERR_NONE;
        dr->stuck += d->failed == ERR_INTERNAL;
        ok = ok && (d->failed == ERR_NONE || d->failed == ERR_INTERNAL);
        delivery_free(d);
    }
    return ok;
}

static void say_damage(drain_t *dr, const damage_t *damage)
{
    dr->damages += !damage->torn;
    LOG(damage->torn ? LOG_WARN : LOG_ERROR, damage->torn ? "journal: torn end" : "journal: damage",
        log_cstr("segment", dr->path), log_int("from_byte", damage->from), log_int("to_byte", damage->to),
        log_int("deliveries_missing", damage->missing), log_cstr("reason", damage->why));
}

/* A place in the segment, between records. */
typedef struct place {
    uint64_t offset, sequence;
} place_t;

static place_t here(const drain_t *dr)
{
    return (place_t){reader_offset(dr->reader), reader_sequence(dr->reader)};
}

static void read_chunk(drain_t *dr, chunk_t *c, size_t most)
{
    record_t record;
    damage_t damage;
    read_t what;

    *c = (chunk_t){.list = NULL};
    c->tail = &c->list;
    while (c->count < most && c->bytes < CHUNK_BYTES &&
           (what = reader_next(dr->reader, &record, &damage)) != READ_END) {
        delivery_t *d;

        if (what == READ_DAMAGE) {
            say_damage(dr, &damage);
            continue;
        }
        d = understand_again(&record.entry);
        d->next = NULL;
        *c->tail = d;
        c->tail = &d->next;
        c->count++;
        c->bytes += d->bytes;
    }
}

static bool store_is_up(const drain_t *dr)
{
    store_state_t state;

    store_state(dr->store, &state);
    return state.up;
}

/* One delivery by itself. It may have to wait for its trial, if the store is not sure of the database. */
static bool put_alone(drain_t *dr, delivery_t *d)
{
    chunk_t one = {.list = d};

    for (int i = 0; i < PATIENCE && !store_is_up(dr) && dr->goes_on(dr->ctx); i++)
        (void)usleep(PATIENCE_US);
    return put_chunk(dr, &one) && wait_for_all(dr);
}

/* A lot that did not commit, one by one. False: it is not one of them that is to blame. */
static bool drain_one_by_one(drain_t *dr, const place_t *from, const place_t *to)
{
    unsigned in_a_row = 0;
    bool ok = true;

    reader_seek(dr->reader, from->offset, from->sequence);
    while (ok && reader_offset(dr->reader) < to->offset) {
        chunk_t one;

        read_chunk(dr, &one, 1);
        if (!one.list)
            continue;
        in_a_row = put_alone(dr, one.list) ? 0 : in_a_row + 1;
        dr->left += in_a_row > 0;
        ok = in_a_row < MOST_IN_A_ROW && dr->goes_on(dr->ctx);
    }
    reader_seek(dr->reader, to->offset, to->sequence);
    return ok;
}

/* One chunk commits while the next is read. False: the database does not take them now, or it is time to end. */
static bool drain_records(drain_t *dr)
{
    chunk_t chunk, following = {.list = NULL};
    place_t from = here(dr), to, end;
    bool ok = true;

    read_chunk(dr, &chunk, CHUNK);
    while (ok && chunk.count) {
        uint64_t before = dr->stored;

        to = here(dr);
        FAILPOINT("backlog.chunk.read");
        ok = dr->goes_on(dr->ctx) && put_chunk(dr, &chunk);
        FAILPOINT("backlog.chunk.put");
        if (ok)
            read_chunk(dr, &following, CHUNK);
        end = here(dr);
        ok = wait_for_all(dr) && ok;
        FAILPOINT("backlog.chunk.durable");
        if (!ok && dr->goes_on(dr->ctx)) {
            ok = drain_one_by_one(dr, &from, &to);
            chunk_free(&following);
            if (ok)
                read_chunk(dr, &following, CHUNK);
            end = here(dr);
        }
        metric_add(dr->drained, (int64_t)(dr->stored - before));
        chunk_free(&chunk);
        chunk = following;
        following = (chunk_t){.list = NULL};
        from = to;
        to = end;
    }
    chunk_free(&chunk);
    return ok && !dr->left;
}

static segment_end_t set_aside(drain_t *dr, const char *folder, const segment_file_t *file, const char *why)
{
    segment_file_t as = {.number = file->number, .aside = true};
    char *to = slot_segment_path(folder, &as);
    bool moved = file->aside || rename(dr->path, to) == 0;

    if (moved) {
        metric_add(dr->set_aside, 1);
        LOG(LOG_ERROR, "journal: segment set aside", log_cstr("segment", to), log_cstr("reason", why),
            log_cstr("hint", "all that could be read of it is stored; `hookline journal verify` says more"));
    } else {
        LOG(LOG_ERROR, "journal: segment cannot be set aside", log_cstr("segment", dr->path),
            log_cstr("reason", strerror(errno)));
    }
    free(to);
    return moved ? SEGMENT_ASIDE : SEGMENT_LEFT;
}

static segment_end_t remove_segment(const drain_t *dr)
{
    if (unlink(dr->path) == 0) {
        FAILPOINT("backlog.segment.removed");
        return SEGMENT_GONE;
    }
    LOG(LOG_ERROR, "journal: drained segment cannot be removed", log_cstr("segment", dr->path),
        log_cstr("reason", strerror(errno)));
    return SEGMENT_LEFT;
}

static segment_end_t drain_open(drain_t *dr, const char *folder, const segment_file_t *file)
{
    if (!drain_records(dr))
        return SEGMENT_LEFT;
    if (dr->damages)
        return set_aside(dr, folder, file, "it is damaged");
    if (dr->stuck)
        return set_aside(dr, folder, file, "PostgreSQL takes some of it in no form");
    return remove_segment(dr);
}

segment_end_t drain_segment(drain_t *dr, const char *folder, const segment_file_t *file)
{
    char *path = slot_segment_path(folder, file);
    err_t err = {.code = ERR_NONE};
    segment_end_t end = SEGMENT_LEFT;

    dr->path = path;
    dr->damages = dr->stored = dr->stuck = dr->left = 0;
    dr->reader = reader_open(path, &err);
    if (dr->reader)
        end = drain_open(dr, folder, file);
    else if (err.code == ERR_UNPARSABLE)
        end = set_aside(dr, folder, file, err.detail);
    else
        LOG(LOG_ERROR, "journal: segment cannot be read", log_cstr("segment", path), log_cstr("reason", err.detail));
    reader_close(dr->reader);
    dr->reader = NULL;
    dr->path = NULL;
    free(path);
    return end;
}

uint64_t drain_stored(const drain_t *dr)
{
    return dr->stored;
}

drain_t *drain_new(store_t *store, bool (*goes_on)(void *ctx), void *ctx)
{
    drain_t *dr = mem_zalloc(sizeof(*dr));

    dr->store = store;
    dr->goes_on = goes_on;
    dr->ctx = ctx;
    dr->drained = metrics_series(METRIC_JOURNAL_DRAINED, "");
    dr->set_aside = metrics_series(METRIC_JOURNAL_ASIDE, "");
    desk_init(&dr->desk);
    return dr;
}

void drain_free(drain_t *dr)
{
    if (!dr)
        return;
    desk_clear(&dr->desk);
    free(dr);
}
