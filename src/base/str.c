#include "base/str.h"

#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

str_t str_from(const char *text)
{
    return text ? (str_t){text, strlen(text)} : STR_NONE;
}

bool str_is_empty(str_t s)
{
    return s.len == 0;
}

bool str_eq(str_t a, str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

bool str_eq_nocase(str_t a, str_t b)
{
    return a.len == b.len && str_starts_nocase(a, b);
}

bool str_starts(str_t s, str_t prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.base, prefix.base, prefix.len) == 0);
}

bool str_starts_nocase(str_t s, str_t prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (lower(s.base[i]) != lower(prefix.base[i]))
            return false;
    return true;
}

bool str_ends_nocase(str_t s, str_t suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_slice(s, s.len - suffix.len, s.len), suffix);
}

int str_cmp(str_t a, str_t b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.base, b.base, common) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t str_find(str_t s, char c)
{
    const char *at = s.len ? memchr(s.base, c, s.len) : NULL;

    return at ? (size_t)(at - s.base) : SIZE_MAX;
}

str_t str_slice(str_t s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from >= to)
        return (str_t){s.base, 0};
    return (str_t){s.base + from, to - from};
}

str_t str_trim(str_t s)
{
    while (s.len && (s.base[0] == ' ' || s.base[0] == '\t'))
        s = str_slice(s, 1, s.len);
    while (s.len && (s.base[s.len - 1] == ' ' || s.base[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool str_split(str_t *rest, char separator, str_t *piece)
{
    size_t at;

    if (!rest->base)
        return false;
    at = str_find(*rest, separator);
    if (at == SIZE_MAX) {
        *piece = *rest;
        *rest = STR_NONE;
    } else {
        *piece = str_slice(*rest, 0, at);
        rest->base += at + 1;
        rest->len -= at + 1;
    }
    return true;
}

bool str_to_int(str_t s, int64_t *out)
{
    bool negative = s.len && s.base[0] == '-';
    int64_t value = 0;

    if (s.len && (s.base[0] == '-' || s.base[0] == '+'))
        s = str_slice(s, 1, s.len);
    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.base[i] < '0' || s.base[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, s.base[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}
