/* segment.c – the reader of the journal, of a file of any bytes. The first byte of an input says whether the checksums
 * are put right before: nothing else would get beyond them. */
#include "fuzz.h"

#include "journal/reader.h"

#include <sys/mman.h>
#include <unistd.h>

#define HEADER_RIGHT  1
#define RECORDS_RIGHT 2

static int file;      /* in memory */
static char path[40]; /* of it */

/* ---- the input ---- */

static uint64_t number_at(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static void set_header_right(uint8_t *bytes, size_t len)
{
    segment_header_t h;

    if (len < SEGMENT_HEADER_BYTES)
        return;
    h = (segment_header_t){number_at(bytes + 16), number_at(bytes + 24), (int64_t)number_at(bytes + 32),
                           number_at(bytes + 40)};
    segment_header_write(&h, bytes);
}

static void set_records_right(uint8_t *bytes, size_t len)
{
    for (size_t at = SEGMENT_HEADER_BYTES; at < len;) {
        size_t record = record_length(bytes + at, len - at);

        if (record && record <= len - at)
            record_seal(bytes + at, number_at(bytes + 40), number_at(bytes + at + 8));
        at += record && record <= len - at ? record : RECORD_ALIGNMENT;
    }
}

static str_t segment_of(arena_t *a, str_t input)
{
    str_t bytes = exact_copy(a, str_slice(input, 1, input.len));
    uint8_t *at = (uint8_t *)(uintptr_t)bytes.base;

    if (input.len && input.base[0] & HEADER_RIGHT)
        set_header_right(at, bytes.len);
    if (input.len && input.base[0] & RECORDS_RIGHT)
        set_records_right(at, bytes.len);
    return bytes;
}

static void fill_file(str_t bytes)
{
    CHECK(ftruncate(file, 0) == 0, bytes);
    CHECK(pwrite(file, bytes.base, bytes.len, 0) == (ssize_t)bytes.len, bytes);
}

/* ---- what must hold ---- */

/* It stands there, and to write it anew gives the same. */
static void check_record(arena_t *a, str_t bytes, uint64_t from, const reader_t *r, const record_t *record)
{
    str_t there = exact_copy(a, str_slice(bytes, (size_t)from, (size_t)from + record->bytes));
    record_t again;
    buf_t made = BUF_EMPTY;

    CHECK(there.len == record->bytes && reader_offset(r) == from + record->bytes, there);
    CHECK(from % RECORD_ALIGNMENT == 0 && record->version == RECORD_VERSION, there);
    CHECK(record_read((const uint8_t *)there.base, there.len, reader_header(r)->salt, &again), there);
    CHECK(again.sequence == record->sequence && again.bytes == record->bytes, there);
    record_write(&made, &record->entry);
    CHECK(made.len == there.len, there);
    CHECK(memcmp(made.base + 4, there.base + 4, 4) == 0, there); /* the body's length */
    CHECK(memcmp(made.base + RECORD_HEADER_BYTES, there.base + RECORD_HEADER_BYTES,
                 (size_t)(number_at((const uint8_t *)there.base + 4) & UINT32_MAX)) == 0,
          there);
    buf_clear(&made);
}

static void check_damage(str_t bytes, uint64_t from, const reader_t *r, const damage_t *d)
{
    CHECK(d->from == from && d->to == reader_offset(r) && d->from <= d->to && d->to <= bytes.len, bytes);
    CHECK(d->from < d->to || d->missing, bytes);
    CHECK(!d->torn || d->to == bytes.len, bytes);
    CHECK(d->why, bytes);
}

/* Piece by piece, without a gap and without an end that never comes. */
static segment_count_t check_pieces(arena_t *a, str_t bytes, reader_t *r)
{
    segment_count_t count = {.first_sequence = reader_header(r)->first_sequence};
    uint64_t from = reader_offset(r);
    size_t steps = 0;
    record_t record;
    damage_t damage;
    read_t what;

    while ((what = reader_next(r, &record, &damage)) != READ_END) {
        CHECK(++steps <= bytes.len / 4 + 2, bytes);
        if (what == READ_RECORD) {
            check_record(a, bytes, from, r, &record);
            count.records++;
            count.record_bytes += record.bytes;
        } else {
            check_damage(bytes, from, r, &damage);
            count.torn |= damage.torn;
            count.damages += !damage.torn;
        }
        from = reader_offset(r);
    }
    CHECK(from == bytes.len || (from == SEGMENT_HEADER_BYTES && bytes.len <= from), bytes);
    return count;
}

void fuzz_begin(void)
{
    file = memfd_create("segment", MFD_CLOEXEC);
    CHECK(file >= 0, STR("memfd_create"));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t bytes = segment_of(a, input);
    segment_count_t count, again;
    err_t err = {.code = ERR_NONE};
    reader_t *r;

    fill_file(bytes);
    r = reader_open(path, &err);
    if (!r) {
        CHECK(err.code == ERR_UNPARSABLE && bytes.len >= SEGMENT_HEADER_BYTES, bytes);
        return;
    }
    count = check_pieces(a, bytes, r);
    reader_close(r);
    CHECK(reader_count(path, &again, NULL), bytes);
    CHECK(count.records == again.records && count.record_bytes == again.record_bytes, bytes);
    CHECK(count.damages == again.damages && count.torn == again.torn, bytes);
}
