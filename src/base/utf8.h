/* utf8.h – steps through UTF-8 (RFC 3629) that a stranger sent. Any thread. */
#ifndef HOOKLINE_BASE_UTF8_H
#define HOOKLINE_BASE_UTF8_H

#include "base/mem.h"

#include <endian.h>
#include <string.h>

#define UTF8_REPLACEMENT STR("\xef\xbf\xbd") /* U+FFFD */

/* The sequence that begins at `at` (before `end`): true and its length when it is well-formed. Otherwise false and the
 * length of what one U+FFFD stands for: the longest beginning of a well-formed sequence, or one byte (Unicode 15,
 * section 3.9, table 3-7 and "U+FFFD substitution of maximal subparts"). */
static inline bool utf8_step(const char *at, const char *end, size_t *len)
{
    const uint8_t *p = (const uint8_t *)at;
    size_t room = (size_t)(end - at), want;
    uint8_t low = 0x80, high = 0xbf;

    *len = 1;
    if (p[0] < 0x80)
        return true;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return false;
    want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    for (; *len < want; ++*len, low = 0x80, high = 0xbf)
        if (*len == room || p[*len] < low || p[*len] > high)
            return false;
    return true;
}

/* A byte's high bit is set where w has a byte that is not plain: a quote, a backslash, a control character, or not
 * ASCII. Bits above the lowest one may be wrong (a borrow), and are not looked at. */
static inline uint64_t utf8_not_plain(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t quotes = w ^ ones * '"', slashes = w ^ ones * '\\';

    return (w | ((w - ones * ' ') & ~w) | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes)) & tops;
}

/* Past the bytes that JSON writes in a string as they are, as far as they are ASCII. */
static inline const char *utf8_skip_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t w, found;
        memcpy(&w, at, sizeof(w));
        found = utf8_not_plain(le64toh(w));
        if (found)
            return at + (__builtin_ctzll(found) >> 3);
        at += 8;
    }
    while (at < end && (unsigned char)*at >= ' ' && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* s with U+FFFD for NUL and for what is not UTF-8: s itself where there is neither, else a copy in the arena. */
str_t utf8_scrub(arena_t *a, str_t s);

#endif
