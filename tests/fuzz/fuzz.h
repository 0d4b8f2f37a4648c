/* fuzz.h – what every fuzz target includes. A target is one file with the two functions below; it checks what must hold
 * for any input, not only that nothing crashes. */
#ifndef HOOKLINE_TESTS_FUZZ_H
#define HOOKLINE_TESTS_FUZZ_H

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_begin(void);                  /* once, before the first */
void fuzz_one(arena_t *a, str_t input); /* the arena is freed afterwards; the input has nothing behind it */

/* Ends the run, and libFuzzer keeps the input. about: what it was about, shown with its bytes escaped. */
#define CHECK(condition, about)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail(#condition, __func__, (about));                                                                  \
    } while (0)

static inline _Noreturn void fuzz_fail(const char *condition, const char *where, str_t about)
{
    buf_t text = BUF_EMPTY;

    json_escape(&text, about);
    (void)fprintf(stderr, "\n%s does not hold in %s, about " STR_FMT "\n", condition, where, STR_ARG(buf_str(&text)));
    abort();
}

/* The bytes of the character at `at`; 0 where there is none (RFC 3629, section 3). By itself: src/base has its own. */
static inline size_t character_at(str_t s, size_t at)
{
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)s.base[at];
    size_t len = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    uint32_t code = len == 1 ? first : first & (0x7fU >> len);

    if (!len || at + len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (((uint8_t)s.base[at + i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((uint8_t)s.base[at + i] & 0x3f);
    }
    return code >= LEAST[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? len : 0;
}

/* What a column of type text takes. */
static inline bool is_storable(str_t s)
{
    size_t len;

    for (size_t at = 0; at < s.len; at += len) {
        len = character_at(s, at);
        if (!len || !s.base[at])
            return false;
    }
    return true;
}

/* A copy with nothing behind it, so that the sanitizer sees a read beyond its end. */
static inline str_t exact_copy(arena_t *a, str_t s)
{
    char *copy = arena_alloc(a, s.len);

    if (s.len)
        memcpy(copy, s.base, s.len);
    return (str_t){copy, s.len};
}

/* The next line of an input that is made of several things; empty at its end. */
static inline str_t take_line(arena_t *a, str_t *rest)
{
    str_t line = STR_NONE;

    (void)str_split(rest, '\n', &line);
    return exact_copy(a, line);
}

/* JSON that jsonb takes: cleaning has nothing left to do. */
static inline bool is_clean_json(arena_t *a, str_t text, json_redact_t redact)
{
    str_t again;

    return is_storable(text) && json_clean(a, text, redact, &again, NULL) && str_eq(again, text) &&
           json_parse(a, text, NULL);
}

#endif
