#include "journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES ((size_t)256 * 1024)

struct reader {
    int fd;
    uint64_t size, at;
    uint64_t expected; /* sequence number of the next record */
    segment_header_t header;
    bool headless; /* too short for a header, or nothing but zeros */

    uint8_t *window; /* what was read last, and where it begins */
    uint64_t window_at;
    size_t window_len, window_room;
};

static bool read_fully(reader_t *r, uint64_t offset, uint8_t *out, size_t len)
{
    while (len) {
        ssize_t n = pread(r->fd, out, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        out += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

/* Up to len bytes from offset on; NULL when the disk does not give them. *available: how many of them there are. */
static const uint8_t *look(reader_t *r, uint64_t offset, size_t len, size_t *available)
{
    uint64_t left = r->size - offset;
    size_t want;

    *available = left < len ? (size_t)left : len;
    if (offset >= r->window_at && offset + *available <= r->window_at + r->window_len)
        return r->window + (offset - r->window_at);
    want = *available > WINDOW_BYTES ? *available : WINDOW_BYTES;
    if (want > left)
        want = (size_t)left;
    if (want > r->window_room) {
        r->window = mem_realloc(r->window, want);
        r->window_room = want;
    }
    r->window_len = 0;
    if (!read_fully(r, offset, r->window, want))
        return NULL;
    r->window_at = offset;
    r->window_len = want;
    return r->window;
}

static bool is_zero(reader_t *r, uint64_t from)
{
    while (from < r->size) {
        size_t available;
        const uint8_t *p = look(r, from, 4096, &available);

        if (!p)
            return false;
        for (size_t i = 0; i < available; i++)
            if (p[i])
                return false;
        from += available;
    }
    return true;
}

static bool read_header(reader_t *r, err_t *err)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];

    if (r->size < sizeof(bytes)) {
        r->headless = true;
        return true;
    }
    if (!read_fully(r, 0, bytes, sizeof(bytes)))
        return err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
    r->headless = is_zero(r, 0); /* it was made, and the power went before what was written to it was synced */
    return r->headless || segment_header_read(bytes, &r->header, err);
}

reader_t *reader_open(const char *path, err_t *err)
{
    reader_t *r = mem_zalloc(sizeof(*r));
    struct stat st;

    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) != 0) {
        err_set(err, ERR_IO, "cannot be opened: %s", strerror(errno));
    } else {
        r->size = (uint64_t)st.st_size;
        if (read_header(r, err)) {
            r->at = r->headless ? 0 : SEGMENT_HEADER_BYTES;
            r->expected = r->header.first_sequence;
            return r;
        }
    }
    reader_close(r);
    return NULL;
}

void reader_close(reader_t *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->window);
    free(r);
}

const segment_header_t *reader_header(const reader_t *r)
{
    return &r->header;
}

uint64_t reader_sequence(const reader_t *r)
{
    return r->expected;
}

uint64_t reader_offset(const reader_t *r)
{
    return r->at;
}

void reader_seek(reader_t *r, uint64_t offset, uint64_t sequence)
{
    r->at = offset;
    r->expected = sequence;
}

/* Whether a sound record is at this offset. */
static bool sound_at(reader_t *r, uint64_t offset, record_t *out)
{
    size_t available, bytes;
    const uint8_t *p = look(r, offset, RECORD_HEADER_BYTES, &available);

    bytes = p ? record_length(p, available) : 0;
    if (!bytes || bytes > r->size - offset || !record_begins(p, r->header.salt))
        return false;
    p = look(r, offset, bytes, &available);
    return p && record_read(p, available, r->header.salt, out);
}

/* What stands from `at` to the end of the file: the beginning of a record, or what a file system puts in its place. */
static bool is_torn_end(reader_t *r)
{
    size_t available;
    const uint8_t *p;

    if (r->headless || r->size - r->at < RECORD_HEADER_BYTES)
        return true;
    if (is_zero(r, r->at))
        return true;
    p = look(r, r->at, (size_t)(r->size - r->at), &available);
    return p && record_is_cut_off(p, available);
}

/* No sound record is at r->at: where does the next one begin? */
static read_t pass_damage(reader_t *r, damage_t *out)
{
    record_t found;

    *out = (damage_t){.from = r->at, .to = r->size, .why = "not a sound record"};
    for (uint64_t at = r->at + RECORD_ALIGNMENT; at + RECORD_HEADER_BYTES <= r->size; at += RECORD_ALIGNMENT)
        if (sound_at(r, at, &found) && found.sequence >= r->expected) {
            out->to = at;
            out->missing = found.sequence - r->expected;
            r->expected = found.sequence;
            break;
        }
    if (out->to == r->size && is_torn_end(r)) {
        out->torn = true;
        out->why = "cut off while it was written";
    }
    r->at = out->to;
    return READ_DAMAGE;
}

read_t reader_next(reader_t *r, record_t *record, damage_t *damage)
{
    if (r->at >= r->size)
        return READ_END;
    if (r->headless || !sound_at(r, r->at, record))
        return pass_damage(r, damage);
    if (record->sequence > r->expected) {
        *damage = (damage_t){r->at, r->at, false, record->sequence - r->expected, "records are missing"};
        r->expected = record->sequence;
        return READ_DAMAGE;
    }
    r->expected = record->sequence + 1;
    r->at += record->bytes;
    if (record->version == RECORD_VERSION)
        return READ_RECORD;
    *damage =
        (damage_t){r->at - record->bytes, r->at, false, 1, "a record of a version that this program does not know"};
    return READ_DAMAGE;
}

bool reader_count(const char *path, segment_count_t *out, err_t *err)
{
    reader_t *r = reader_open(path, err);
    record_t record;
    damage_t damage;
    read_t what;

    if (!r)
        return false;
    *out = (segment_count_t){.first_sequence = r->header.first_sequence};
    while ((what = reader_next(r, &record, &damage)) != READ_END) {
        if (what == READ_RECORD) {
            out->records++;
            out->record_bytes += record.bytes;
        } else {
            out->torn |= damage.torn;
            out->damages += !damage.torn;
        }
    }
    out->next_sequence = r->expected;
    reader_close(r);
    return true;
}
