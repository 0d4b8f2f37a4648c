/* journal_harness.h – what the tests of src/journal share: folders of their own, and entries known by a number. */
#ifndef HOOKLINE_TESTS_JOURNAL_HARNESS_H
#define HOOKLINE_TESTS_JOURNAL_HARNESS_H

#include "journal/record.h"
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- folders and files ---- */

/* A new one, in memory where that can be: what happens to files here thousands of times is not to wait for a disk. */
static inline char *folder_new(void)
{
    const char *tmp = getenv("TMPDIR");
    buf_t path = BUF_EMPTY;

    if (access("/dev/shm", R_OK | W_OK | X_OK) == 0)
        tmp = "/dev/shm";
    buf_printf(&path, "%s/hookline-journal.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    buf_addc(&path, '\0');
    assert_non_null(mkdtemp(path.base));
    return path.base;
}

static inline int remove_one(const char *path, const struct stat *st, int what, struct FTW *where)
{
    (void)st;
    (void)what;
    (void)where;
    return remove(path);
}

/* With all that is in it; the path itself stays good. */
static inline void folder_empty(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void folder_free(char *path)
{
    folder_empty(path);
    free(path);
}

static inline char *path_join(const char *folder, const char *name)
{
    buf_t path = BUF_EMPTY;

    buf_printf(&path, "%s/%s", folder, name);
    buf_addc(&path, '\0');
    return path.base;
}

static inline void file_write(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline buf_t file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    buf_t b = BUF_EMPTY;
    size_t n;

    assert_non_null(f);
    do {
        buf_reserve(&b, 65536);
        n = fread(b.base + b.len, 1, 65536, f);
        b.len += n;
    } while (n);
    assert_int_equal(fclose(f), 0);
    return b;
}

/* ---- entries ---- */

/* An entry that its number tells all of; its texts lie one behind the other in bytes. */
typedef struct known {
    buf_t bytes;
    journal_entry_t entry;
} known_t;

/* Of every shape in turn: with a payload, or with a raw body and an error; with a route, an empty one, or none. */
static inline known_t known_new(uint64_t number, size_t body_bytes)
{
    static const str_t PROVIDERS[] = {{"twilio", 6}, {"vapi", 4}, {"a_provider_with_a_long_name", 27}};
    static const str_t ROUTES[] = {{NULL, 0}, {"", 0}, {"main", 4}};
    known_t k = {.bytes = BUF_EMPTY};
    uint64_t random = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    str_t body;

    buf_printf(&k.bytes, "{\"number\":%llu,\"filling\":\"", (unsigned long long)number);
    while (k.bytes.len < body_bytes)
        buf_addc(&k.bytes, (char)(number % 2 ? next_random(&random) >> 56 : 'a' + next_random(&random) % 26));
    body = buf_str(&k.bytes);
    k.entry = (journal_entry_t){.provider = PROVIDERS[number % COUNT(PROVIDERS)],
                                .route = ROUTES[number / 2 % COUNT(ROUTES)],
                                .way = (int)(number % 3),
                                .received_us = (int64_t)number};
    if (number % 2) {
        k.entry.raw = body;
        k.entry.error = STR("no JSON: a quotation mark is missing");
    } else {
        k.entry.payload = body;
    }
    return k;
}

static inline void known_free(known_t *k)
{
    buf_clear(&k->bytes);
}

/* Absent and empty are two things here. */
static inline bool is_same_text(str_t a, str_t b)
{
    return !a.base == !b.base && str_eq(a, b);
}

static inline bool is_same_entry(const journal_entry_t *a, const journal_entry_t *b)
{
    return a->way == b->way && a->received_us == b->received_us && is_same_text(a->provider, b->provider) &&
           is_same_text(a->route, b->route) && is_same_text(a->payload, b->payload) && is_same_text(a->raw, b->raw) &&
           is_same_text(a->error, b->error);
}

/* ---- segments made by hand ---- */

static inline buf_t segment_begin(uint64_t number, uint64_t first_sequence, uint64_t salt)
{
    const segment_header_t header = {number, first_sequence, 1788078474000000, salt};
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    buf_t b = BUF_EMPTY;

    segment_header_write(&header, bytes);
    buf_append(&b, bytes, sizeof(bytes));
    return b;
}

static inline void segment_add(buf_t *b, const journal_entry_t *e, uint64_t salt, uint64_t sequence)
{
    size_t at = b->len;

    record_write(b, e);
    record_seal((uint8_t *)b->base + at, salt, sequence);
}

#endif
