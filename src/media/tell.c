#include "media/tell.h"

#include "base/clock.h"

void tell_text(buf_t *out, const char *name, str_t text)
{
    if (!text.base)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_escape(out, text);
}

void tell_number(buf_t *out, const char *name, int64_t n)
{
    buf_printf(out, ",\"%s\":%lld", name, (long long)n);
}

void tell_time(buf_t *out, const char *name, int64_t wall_us)
{
    char text[32];

    if (wall_us == TIME_NONE)
        return;
    tell_text(out, name, (str_t){text, time_to_iso8601(wall_us, text)});
}

void tell_json(buf_t *out, const char *name, str_t json)
{
    if (!str_is_empty(json))
        buf_printf(out, ",\"%s\":" STR_FMT, name, STR_ARG(json));
}

void tell_begin(const teller_t *t, buf_t *out, const char *event)
{
    buf_printf(out, "{\"StreamEvent\":\"%s\",\"StreamSid\":\"%s\",\"CallSid\":\"%s\"", event, t->sid, t->call_sid);
    if (t->account_sid[0])
        buf_printf(out, ",\"AccountSid\":\"%s\"", t->account_sid);
    tell_time(out, "Timestamp", clock_wall_us());
}

void tell_end(const teller_t *t, buf_t *out)
{
    buf_addc(out, '}');
    ingest_give(t->port, t->provider, t->route, WAY_MEDIA, buf_str(out));
    buf_clear(out);
}
