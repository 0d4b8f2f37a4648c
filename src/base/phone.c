#include "base/phone.h"

#include "base/phone_plan.h"

#include <ctype.h>
#include <string.h>

#define LEAST_DIGITS 7
#define MOST_DIGITS  15
#define MOST_BYTES   64 /* of what is worth a look: the longest number, generously written, with an extension */

static char default_region[3] = "ZZ"; /* libphonenumber's word for none */

bool phone_set_region(str_t region, err_t *err)
{
    char name[3] = "";

    if (str_is_empty(region))
        return true;
    for (size_t i = 0; i < region.len && i < 2; i++)
        name[i] = (char)toupper((unsigned char)region.base[i]);
    if (region.len != 2 || !phone_plan_knows_region(name))
        return err_set(err, ERR_CONFIG, "HOOKLINE_DEFAULT_REGION: expected a country of two letters such as US or DE");
    memcpy(default_region, name, sizeof(name));
    return true;
}

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

/* "+44 (0)20 …": whether the zero is dialled depends on the country. */
static bool has_trunk_zero(str_t s)
{
    for (size_t i = 0; i + 3 <= s.len; i++)
        if (memcmp(s.base + i, "(0)", 3) == 0)
            return true;
    return false;
}

static str_t international(arena_t *a, str_t s)
{
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

/* Not an address ("sip:…", "ada@…") nor a word ("anonymous"), in which digits would be found all the same. */
static bool looks_like_a_number(str_t s)
{
    size_t digits = 0;

    if (str_is_empty(s) || s.len > MOST_BYTES || !(strchr("+(", s.base[0]) || isdigit((unsigned char)s.base[0])))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (strchr("@:", s.base[i])) /* NUL too */
            return false;
        digits += isdigit((unsigned char)s.base[i]) != 0;
    }
    return digits >= LEAST_DIGITS;
}

str_t phone_e164(arena_t *a, str_t raw)
{
    str_t s = str_trim(strip_uri(str_trim(raw)));
    str_t number = international(a, s);
    char by_plan[PHONE_PLAN_BYTES];

    if (!number.base && looks_like_a_number(s) && phone_plan_e164(s.base, s.len, default_region, by_plan))
        number = arena_dup(a, str_from(by_plan));
    return number;
}
