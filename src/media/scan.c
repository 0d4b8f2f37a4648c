#include "media/scan.h"

#include <string.h>

bool scan_literal(str_t *text, str_t literal)
{
    if (text->len < literal.len || memcmp(text->base, literal.base, literal.len) != 0)
        return false;
    text->base += literal.len;
    text->len -= literal.len;
    return true;
}

bool scan_string(str_t *text, str_t *out)
{
    const char *quote = text->len ? memchr(text->base, '"', text->len) : NULL;

    if (!quote)
        return false;
    *out = (str_t){text->base, (size_t)(quote - text->base)};
    text->base = quote + 1;
    text->len -= out->len + 1;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-' || c == ':';
}

bool scan_word(str_t *text, str_t *out)
{
    if (!scan_string(text, out))
        return false;
    for (size_t i = 0; i < out->len; i++)
        if (!is_plain(out->base[i]))
            return false;
    return out->len > 0;
}

bool scan_number(str_t *text, int64_t *out)
{
    size_t digits = 0;

    *out = 0;
    for (; digits < text->len && digits <= SCAN_MOST_DIGITS && is_digit(text->base[digits]); digits++)
        *out = *out * 10 + (text->base[digits] - '0');
    if (!digits || digits > SCAN_MOST_DIGITS || (text->base[0] == '0' && digits > 1))
        return false;
    text->base += digits;
    text->len -= digits;
    return true;
}

bool scan_quoted_number(str_t *text, int64_t *out)
{
    return scan_number(text, out) && scan_literal(text, STR("\""));
}
