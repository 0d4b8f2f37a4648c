/* object.c – a JSON object of a message's parameters, for columns that are JSON. */
#include "twilio/twilio.h"

#define MOST_DIGITS 20

static bool is_digit(str_t s, size_t i)
{
    return i < s.len && s.base[i] >= '0' && s.base[i] <= '9';
}

static size_t digits_from(str_t s, size_t i)
{
    while (is_digit(s, i))
        i++;
    return i;
}

/* As JSON writes one (RFC 8259, without an exponent): parameters are text, and could be anything. */
bool twilio_is_number(str_t s)
{
    size_t first = str_starts(s, STR("-")), end = digits_from(s, first);

    if (end == first || s.len > MOST_DIGITS || (s.base[first] == '0' && end > first + 1))
        return false;
    if (end < s.len && s.base[end] == '.' && is_digit(s, end + 1))
        end = digits_from(s, end + 1);
    return end == s.len;
}

str_t twilio_object(arena_t *a, const twilio_entry_t *entries, size_t count)
{
    buf_t out = BUF_EMPTY;
    str_t text = STR_NONE;

    for (size_t i = 0; i < count; i++) {
        if (str_is_empty(entries[i].value))
            continue;
        buf_addc(&out, out.len ? ',' : '{');
        json_escape(&out, str_from(entries[i].name));
        buf_addc(&out, ':');
        if (entries[i].number && twilio_is_number(entries[i].value))
            buf_add(&out, entries[i].value);
        else
            json_escape(&out, entries[i].value);
    }
    if (out.len) {
        buf_addc(&out, '}');
        text = arena_dup(a, buf_str(&out));
    }
    buf_clear(&out);
    return text;
}
