/* journal_command.c – `hookline journal`: what an operator does with the files of the journal. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "base/phone.h"
#include "command.h"
#include "ingest/drain.h"
#include "ingest/understand.h"
#include "journal/reader.h"
#include "journal/slot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_US (5 * US_PER_S)

/* ---- every segment of every slot ---- */

typedef struct tour {
    const char *data_folder;
    void (*slot)(struct tour *t, unsigned number, const char *folder); /* before its segments; may be NULL */
    void (*segment)(struct tour *t, const char *folder, const segment_file_t *file, const char *path);
    uint64_t next_sequence; /* what should come next in this slot; 0: nothing was seen yet */
    uint64_t deliveries, faults;
} tour_t;

static bool tour_slot(tour_t *t, unsigned number, err_t *err)
{
    char *folder = slot_folder(t->data_folder, number);
    segment_file_t *files;
    size_t count;
    bool ok = slot_segments(folder, &files, &count, err);

    t->next_sequence = 0;
    if (ok && count && t->slot)
        t->slot(t, number, folder);
    for (size_t i = 0; i < count; i++) {
        char *path = slot_segment_path(folder, &files[i]);

        t->segment(t, folder, &files[i], path);
        free(path);
    }
    free(files);
    free(folder);
    return ok;
}

static bool tour_all(tour_t *t, err_t *err)
{
    unsigned *numbers;
    size_t count;
    bool ok = slot_list(t->data_folder, &numbers, &count, err);

    for (size_t i = 0; ok && i < count; i++)
        ok = tour_slot(t, numbers[i], err);
    free(numbers);
    return ok;
}

/* ---- verify ---- */

/* Reading only: whether somebody holds it is asked by trying. */
static bool is_held(const char *data_folder, unsigned number)
{
    err_t err = {.code = ERR_NONE};
    slot_t slot;

    if (!slot_adopt(&slot, data_folder, number, &err))
        return err.code == ERR_BUSY;
    slot_release(&slot);
    return false;
}

static void verify_slot(tour_t *t, unsigned number, const char *folder)
{
    printf("%s%s\n", folder, is_held(t->data_folder, number) ? "  (held by a running hookline)" : "");
}

static void fault(tour_t *t)
{
    t->faults++;
    printf("      FAULT  ");
}

/* What should stand between this segment and the one before. One set aside says nothing: those after it go on. */
static void verify_place(tour_t *t, const segment_file_t *file, const segment_count_t *found)
{
    if (file->aside) {
        t->next_sequence = 0;
        return;
    }
    if (t->next_sequence && found->first_sequence > t->next_sequence) {
        fault(t);
        printf("%" PRIu64 " deliveries between it and the one before are missing\n",
               found->first_sequence - t->next_sequence);
    }
    t->next_sequence = found->next_sequence;
}

static void verify_damage(tour_t *t, const damage_t *d)
{
    if (d->torn)
        printf("      note   ");
    else
        fault(t);
    printf("bytes %" PRIu64 " to %" PRIu64 ": %s", d->from, d->to, d->why);
    if (d->missing)
        printf("; %" PRIu64 " deliveries missing", d->missing);
    printf("\n");
}

static void verify_segment(tour_t *t, const char *folder, const segment_file_t *file, const char *path)
{
    segment_count_t found;
    err_t err = {.code = ERR_NONE};
    reader_t *r = reader_open(path, &err);
    record_t record;
    damage_t damage;
    read_t what;

    (void)folder;
    if ((!r || !reader_count(path, &found, &err)) && access(path, F_OK) != 0) {
        reader_close(r); /* drained meanwhile */
        return;
    }
    if (!r || err.code != ERR_NONE) {
        printf("  %s\n", strrchr(path, '/') + 1);
        fault(t);
        printf("%s\n", err.detail);
        reader_close(r);
        return;
    }
    t->deliveries += file->aside ? 0 : found.records;
    printf("  %s  %" PRIu64 " deliveries, %" PRIu64 " bytes%s\n", strrchr(path, '/') + 1, found.records, file->bytes,
           file->aside ? "; was set aside: what can be read of it is stored" : "");
    verify_place(t, file, &found);
    while ((what = reader_next(r, &record, &damage)) != READ_END)
        if (what == READ_DAMAGE)
            verify_damage(t, &damage);
    reader_close(r);
}

static int verify(const char *data_folder)
{
    tour_t t = {.data_folder = data_folder, .slot = verify_slot, .segment = verify_segment};
    err_t err = {.code = ERR_NONE};

    if (!tour_all(&t, &err))
        return command_complain(&err);
    printf("%" PRIu64 " deliveries wait under %s; %" PRIu64 " faults\n", t.deliveries, data_folder, t.faults);
    return t.faults ? 1 : 0;
}

/* ---- dump ---- */

static void add_text(buf_t *out, const char *name, str_t text)
{
    if (!text.base)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_escape(out, text);
}

static void add_raw(buf_t *out, str_t raw)
{
    if (!raw.base)
        return;
    buf_printf(out, ",\"raw_base64\":\"");
    buf_reserve(out, 4 * ((raw.len + 2) / 3));
    out->len += base64_encode(raw.base, raw.len, out->base + out->len);
    buf_addc(out, '"');
}

/* On one line, whoever wrote it: within a string there is no line's end. */
static void add_payload(buf_t *out, str_t payload)
{
    size_t from;

    if (!payload.base)
        return;
    buf_printf(out, ",\"payload\":");
    from = out->len;
    buf_add(out, payload);
    for (size_t i = from; i < out->len; i++)
        if (out->base[i] == '\n' || out->base[i] == '\r')
            out->base[i] = ' ';
}

static void dump_record(const char *path, const record_t *record)
{
    const journal_entry_t *e = &record->entry;
    delivery_t *d = understand_again(e);
    buf_t line = BUF_EMPTY;
    char received[32];

    (void)time_to_iso8601(e->received_us, received);
    buf_printf(&line, "{\"sequence\":%" PRIu64 ",\"received_at\":\"%s\"", record->sequence, received);
    add_text(&line, "segment", str_from(path));
    add_text(&line, "provider", e->provider);
    add_text(&line, "route", e->route);
    add_text(&line, "event_key", d->event_key);
    add_text(&line, "error", d->error);
    add_raw(&line, e->raw);
    add_payload(&line, e->payload);
    buf_addc(&line, '}');
    buf_addc(&line, '\n');
    (void)fwrite(line.base, 1, line.len, stdout);
    buf_clear(&line);
    delivery_free(d);
}

static void dump_segment(tour_t *t, const char *folder, const segment_file_t *file, const char *path)
{
    err_t err = {.code = ERR_NONE};
    reader_t *r = reader_open(path, &err);
    record_t record;
    damage_t damage;
    read_t what;

    (void)folder;
    (void)file;
    if (!r) {
        t->faults++;
        (void)fprintf(stderr, "hookline: %s: %s\n", path, err.detail);
        return;
    }
    while ((what = reader_next(r, &record, &damage)) != READ_END) {
        if (what == READ_RECORD) {
            dump_record(path, &record);
        } else if (!damage.torn) {
            t->faults++;
            (void)fprintf(stderr, "hookline: %s: bytes %" PRIu64 " to %" PRIu64 ": %s\n", path, damage.from, damage.to,
                          damage.why);
        }
    }
    reader_close(r);
}

static int dump(const char *data_folder)
{
    tour_t t = {.data_folder = data_folder, .segment = dump_segment};
    err_t err = {.code = ERR_NONE};

    if (!tour_all(&t, &err))
        return command_complain(&err);
    return t.faults ? 1 : 0;
}

/* ---- drain ---- */

typedef struct draining {
    store_t *store;
    drain_t *drain;
    uint64_t stored, left;
} draining_t;

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void drain_file(draining_t *dr, const char *folder, const segment_file_t *file)
{
    static const char *const ENDS[] = {
        [SEGMENT_GONE] = "drained",
        [SEGMENT_ASIDE] = "all that can be read and stored of it is; the file stays: hookline journal verify",
        [SEGMENT_LEFT] = "left: the database does not take it now",
    };
    segment_end_t end = drain_segment(dr->drain, folder, file);

    dr->stored += drain_stored(dr->drain);
    dr->left += end != SEGMENT_GONE;
    printf("  %016" PRIu64 "  %" PRIu64 " deliveries  %s\n", file->number, drain_stored(dr->drain), ENDS[end]);
    (void)fflush(stdout);
}

static bool drain_slot(draining_t *dr, const char *data_folder, unsigned number, err_t *err)
{
    segment_file_t *files;
    size_t count;
    slot_t slot;

    if (!slot_adopt(&slot, data_folder, number, err)) {
        if (err->code == ERR_BUSY)
            printf("slot %u  held by a running hookline, which drains it by itself\n", number);
        return err->code == ERR_BUSY;
    }
    if (slot_segments(slot.folder, &files, &count, err) && count) {
        printf("%s\n", slot.folder);
        for (size_t i = 0; i < count; i++)
            drain_file(dr, slot.folder, &files[i]);
    }
    free(files);
    slot_release(&slot);
    return true;
}

static int drain(const config_t *config, const char *data_folder)
{
    draining_t dr = {.stored = 0};
    err_t err = {.code = ERR_NONE};
    unsigned *numbers = NULL;
    size_t count = 0;
    bool ok;

    if (!phone_set_region(config_text(config, "HOOKLINE_DEFAULT_REGION"), &err))
        return command_complain(&err);
    dr.store = command_open_store(config, false, NULL);
    ok = command_wait_for_store(dr.store, &err) && slot_list(data_folder, &numbers, &count, &err);
    dr.drain = drain_new(dr.store, always, NULL);
    for (size_t i = 0; ok && i < count; i++)
        ok = drain_slot(&dr, data_folder, numbers[i], &err);
    free(numbers);
    store_close(dr.store, clock_mono_us() + CLOSE_US);
    drain_free(dr.drain);
    store_free(dr.store);
    if (!ok)
        return command_complain(&err);
    printf("%" PRIu64 " deliveries stored; %" PRIu64 " segments left\n", dr.stored, dr.left);
    return dr.left ? 1 : 0;
}

/* ---- which of them ---- */

int journal_command(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    err_t err = {.code = ERR_NONE};
    config_t *config = config_read(&err);
    char *data_folder;
    int code = 2;

    if (!config)
        return command_complain(&err);
    data_folder = mem_strdup(config_text(config, "HOOKLINE_DATA_DIR"));
    if (strcmp(what, "verify") == 0)
        code = verify(data_folder);
    else if (strcmp(what, "dump") == 0)
        code = dump(data_folder);
    else if (strcmp(what, "drain") == 0)
        code = drain(config, data_folder);
    else
        (void)fprintf(stderr, "usage: hookline journal verify|dump|drain\n");
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("hookline: standard output");
        code = 1;
    }
    free(data_folder);
    config_free(config);
    return code;
}
