#include "api/call.h"

#include "base/clock.h"

#include <stdio.h>

const char *call_text(const api_call_t *c, const char *name)
{
    return form_get(&c->query, str_from(name)).base; /* followed by a NUL: see read_query in api.c */
}

bool call_refuse(api_call_t *c, err_code_t code, const char *format, ...)
{
    va_list args;
    str_t detail;
    char text[sizeof(c->err.detail)];

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    detail = str_from(text);
    return err_set(&c->err, code, STR_FMT, STR_ARG(detail));
}

bool call_int(api_call_t *c, const char *name, int64_t least, int64_t most, int64_t *inout)
{
    const char *text = call_text(c, name);
    int64_t value;

    if (!text)
        return true;
    if (!str_to_int(str_from(text), &value) || value < least || value > most)
        return call_refuse(c, ERR_INVALID, "%s: expected a whole number from %lld to %lld, got \"%.40s\"", name,
                           (long long)least, (long long)most, text);
    *inout = value;
    return true;
}

bool call_flag(api_call_t *c, const char *name, bool *inout)
{
    const char *text = call_text(c, name);
    str_t s = str_from(text);

    if (!text)
        return true;
    *inout = str_eq(s, STR("1")) || str_eq(s, STR("true"));
    if (!*inout && !str_eq(s, STR("0")) && !str_eq(s, STR("false")))
        return call_refuse(c, ERR_INVALID, "%s: expected 1, true, 0 or false, got \"%.40s\"", name, text);
    return true;
}

bool call_time(api_call_t *c, const char *name, const char **text, int64_t *us)
{
    const char *given = call_text(c, name);
    char iso[32];

    *text = NULL;
    *us = TIME_NONE;
    if (!given)
        return true;
    *us = time_from_iso8601(str_from(given));
    if (*us == TIME_NONE)
        *us = time_from_iso8601(arena_printf(c->arena, "%sT00:00:00Z", given));
    if (*us == TIME_NONE) {
        call_refuse(c, ERR_INVALID, "%s: expected a time such as 2026-08-30T08:00:00Z, or a date, got \"%.40s\"", name,
                    given);
        return err_hint(&c->err, "a + in an address is a blank: write %%2B");
    }
    *text = arena_dup(c->arena, (str_t){iso, time_to_iso8601(*us, iso)}).base;
    return true;
}

const char *call_number(api_call_t *c, int64_t value)
{
    return arena_printf(c->arena, "%lld", (long long)value).base;
}
