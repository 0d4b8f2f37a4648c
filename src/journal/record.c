#include "journal/record.h"

#include "base/crc32c.h"

#include <endian.h>
#include <string.h>

#define SEGMENT_MAGIC "HOOKLINJ"
#define RECORD_MAGIC  0x52434b48u
#define ABSENT        UINT32_MAX
#define ENTRY_TEXTS   5
#define LEAST_BODY    (1 + 8 + 4 * ENTRY_TEXTS)

/* ---- numbers ---- */

static void put16(uint8_t *at, uint16_t v)
{
    v = htole16(v);
    memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return le16toh(v);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

/* ---- the header of a segment ---- */

static uint32_t header_crc(const uint8_t *h)
{
    return crc32c(crc32c(0, h, 12), h + 16, SEGMENT_HEADER_BYTES - 16);
}

void segment_header_write(const segment_header_t *h, uint8_t out[SEGMENT_HEADER_BYTES])
{
    memcpy(out, SEGMENT_MAGIC, 8);
    put32(out + 8, SEGMENT_VERSION);
    put64(out + 16, h->number);
    put64(out + 24, h->first_sequence);
    put64(out + 32, (uint64_t)h->created_us);
    put64(out + 40, h->salt);
    put32(out + 12, header_crc(out));
}

bool segment_header_read(const uint8_t in[SEGMENT_HEADER_BYTES], segment_header_t *out, err_t *err)
{
    if (memcmp(in, SEGMENT_MAGIC, 8) != 0)
        return err_set(err, ERR_UNPARSABLE, "its first bytes are not those of a journal");
    if (get32(in + 8) != SEGMENT_VERSION)
        return err_set(err, ERR_UNPARSABLE, "it is of version %u, and this program knows version %d", get32(in + 8),
                       SEGMENT_VERSION);
    if (get32(in + 12) != header_crc(in))
        return err_set(err, ERR_UNPARSABLE, "its header is damaged");
    *out = (segment_header_t){get64(in + 16), get64(in + 24), (int64_t)get64(in + 32), get64(in + 40)};
    return true;
}

/* ---- records ---- */

static void texts_of(const journal_entry_t *e, const str_t *out[ENTRY_TEXTS])
{
    out[0] = &e->provider;
    out[1] = &e->route;
    out[2] = &e->payload;
    out[3] = &e->raw;
    out[4] = &e->error;
}

static size_t body_bytes(const journal_entry_t *e)
{
    const str_t *texts[ENTRY_TEXTS];
    size_t bytes = LEAST_BODY;

    texts_of(e, texts);
    for (size_t i = 0; i < ENTRY_TEXTS; i++)
        bytes += texts[i]->len;
    return bytes;
}

static size_t padded(size_t bytes)
{
    return (bytes + RECORD_ALIGNMENT - 1) & ~(RECORD_ALIGNMENT - 1);
}

size_t record_bytes(const journal_entry_t *e)
{
    return padded(RECORD_HEADER_BYTES + body_bytes(e));
}

void record_write(buf_t *out, const journal_entry_t *e)
{
    size_t bytes = record_bytes(e);
    const str_t *texts[ENTRY_TEXTS];
    uint8_t *at;

    buf_reserve(out, bytes);
    at = (uint8_t *)out->base + out->len;
    memset(at, 0, RECORD_HEADER_BYTES);
    put32(at, RECORD_MAGIC);
    put32(at + 4, (uint32_t)body_bytes(e));
    put16(at + 20, RECORD_VERSION);
    at[RECORD_HEADER_BYTES] = (uint8_t)e->way;
    put64(at + RECORD_HEADER_BYTES + 1, (uint64_t)e->received_us);
    at += RECORD_HEADER_BYTES + 9;
    texts_of(e, texts);
    for (size_t i = 0; i < ENTRY_TEXTS; i++) {
        put32(at, texts[i]->base ? (uint32_t)texts[i]->len : ABSENT);
        if (texts[i]->base)
            memcpy(at + 4, texts[i]->base, texts[i]->len);
        at += 4 + texts[i]->len;
    }
    out->len += bytes;
    memset(at, 0, (size_t)((uint8_t *)out->base + out->len - at));
}

static uint32_t salted(uint64_t salt, const uint8_t *record)
{
    uint8_t seed[8];

    put64(seed, salt);
    return crc32c(crc32c(0, seed, sizeof(seed)), record, 16);
}

static uint32_t record_crc(const uint8_t *record, size_t body, uint64_t salt)
{
    return crc32c(salted(salt, record), record + 20, RECORD_HEADER_BYTES - 20 + body);
}

static uint16_t head_check(const uint8_t *record, uint64_t salt)
{
    return (uint16_t)crc32c(salted(salt, record), record + 20, 2);
}

void record_seal(uint8_t *record, uint64_t salt, uint64_t sequence)
{
    put64(record + 8, sequence);
    put16(record + 22, head_check(record, salt));
    put32(record + 16, record_crc(record, get32(record + 4), salt));
}

bool record_begins(const uint8_t *at, uint64_t salt)
{
    return get32(at) == RECORD_MAGIC && get16(at + 22) == head_check(at, salt);
}

size_t record_length(const uint8_t *at, size_t available)
{
    if (available < RECORD_HEADER_BYTES || get32(at) != RECORD_MAGIC)
        return 0;
    return padded(RECORD_HEADER_BYTES + get32(at + 4));
}

bool record_is_cut_off(const uint8_t *at, size_t available)
{
    size_t bytes = record_length(at, available), used = RECORD_HEADER_BYTES + 9;

    if (bytes <= available || get16(at + 20) != RECORD_VERSION)
        return bytes > available;
    while (available && !at[available - 1])
        available--;
    for (size_t i = 0; i < ENTRY_TEXTS; i++) {
        uint32_t len;

        if (available < used + 4)
            return true;
        len = get32(at + used);
        used += 4 + (len == ABSENT ? 0 : (size_t)len);
    }
    return used == RECORD_HEADER_BYTES + (size_t)get32(at + 4);
}

static bool read_text(const uint8_t **at, const uint8_t *end, str_t *out)
{
    uint32_t len;

    if (end - *at < 4)
        return false;
    len = get32(*at);
    *at += 4;
    *out = STR_NONE;
    if (len == ABSENT)
        return true;
    if ((size_t)(end - *at) < len)
        return false;
    *out = (str_t){(const char *)*at, len};
    *at += len;
    return true;
}

static bool read_body(const uint8_t *at, const uint8_t *end, journal_entry_t *out)
{
    if (end - at < LEAST_BODY)
        return false;
    out->way = at[0];
    out->received_us = (int64_t)get64(at + 1);
    at += 9;
    return read_text(&at, end, &out->provider) && read_text(&at, end, &out->route) &&
           read_text(&at, end, &out->payload) && read_text(&at, end, &out->raw) && read_text(&at, end, &out->error) &&
           at == end;
}

bool record_read(const uint8_t *at, size_t available, uint64_t salt, record_t *out)
{
    size_t bytes = record_length(at, available), body;

    if (!bytes || bytes > available || !record_begins(at, salt))
        return false;
    body = get32(at + 4);
    if (get32(at + 16) != record_crc(at, body, salt))
        return false;
    *out = (record_t){.sequence = get64(at + 8), .bytes = bytes, .version = get16(at + 20)};
    return out->version != RECORD_VERSION ||
           read_body(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + body, &out->entry);
}
