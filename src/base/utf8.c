#include "base/utf8.h"

static bool good(const char *at, const char *end, size_t *len)
{
    return utf8_step(at, end, len) && *at != '\0';
}

str_t utf8_scrub(arena_t *a, str_t s)
{
    const char *at = s.base, *end = s.len ? s.base + s.len : s.base;
    buf_t out = BUF_EMPTY;
    size_t len = 0;

    while (at < end && good(at, end, &len))
        at += len;
    if (at == end)
        return s;
    buf_append(&out, s.base, (size_t)(at - s.base));
    for (; at < end; at += len) {
        if (good(at, end, &len))
            buf_append(&out, at, len);
        else
            buf_add(&out, UTF8_REPLACEMENT);
    }
    s = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return s;
}
