#include "base/phone.h"

#include <string.h>

#define LEAST_DIGITS 7
#define MOST_DIGITS  15

/* What people put between digits. */
static bool is_separator(char c)
{
    return c && strchr(" -.()/", c);
}

/* "tel:" and what RFC 3966 lets follow the number (";ext=…"), which does not change it. */
static str_t strip_uri(str_t s)
{
    if (!str_starts_nocase(s, STR("tel:")))
        return s;
    s = str_slice(s, 4, s.len);
    return str_slice(s, 0, str_find(s, ';'));
}

/* "+44 (0)20 …": whether the zero is dialled depends on where one is, so this is no E.164. */
static bool has_trunk_zero(str_t s)
{
    for (size_t i = 0; i + 3 <= s.len; i++)
        if (memcmp(s.base + i, "(0)", 3) == 0)
            return true;
    return false;
}

str_t phone_e164(arena_t *a, str_t raw)
{
    str_t s = str_trim(strip_uri(str_trim(raw)));
    char number[1 + MOST_DIGITS] = "+";
    size_t digits = 0;

    if (str_starts(s, STR("+")))
        s = str_slice(s, 1, s.len);
    else if (str_starts(s, STR("00")))
        s = str_slice(s, 2, s.len);
    else
        return STR_NONE;
    for (size_t i = 0; i < s.len; i++) {
        bool digit = s.base[i] >= '0' && s.base[i] <= '9';
        if ((!digit && !is_separator(s.base[i])) || (digit && digits == MOST_DIGITS))
            return STR_NONE;
        if (digit)
            number[1 + digits++] = s.base[i];
    }
    if (digits < LEAST_DIGITS || number[1] == '0' || has_trunk_zero(s))
        return STR_NONE;
    return arena_dup(a, (str_t){number, 1 + digits});
}
