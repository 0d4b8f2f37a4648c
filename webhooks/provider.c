#include "provider.h"

#include <stdarg.h>

static char plain(char c)
{
    return c == '-' ? '_' : c;
}

/* A provider is written with a dash where people type it, and with an underscore where it is stored. */
static bool same_name(str_t typed, const char *name)
{
    str_t stored = str_from(name);

    if (typed.len != stored.len)
        return false;
    for (size_t i = 0; i < typed.len; i++)
        if (plain(typed.base[i]) != stored.base[i])
            return false;
    return true;
}

const provider_t *provider_find(str_t name)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (same_name(name, PROVIDERS[i]->name))
            return PROVIDERS[i];
    return NULL;
}

void hook_explain(const hook_request_t *r, const char *format, ...)
{
    va_list args;

    if (!r->explain)
        return;
    if (r->explain->len)
        buf_add(r->explain, STR("; "));
    va_start(args, format);
    buf_vprintf(r->explain, format, args);
    va_end(args);
}

str_t hook_header(const hook_request_t *r, const char *lower_case_name)
{
    str_t name = str_from(lower_case_name);

    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq(r->headers[i].name, name))
            return r->headers[i].value;
    return STR_NONE;
}

void hook_reply_ok(delivery_t *d, const hook_context_t *with, hook_reply_t *out)
{
    (void)d;
    (void)with;
    *out = (hook_reply_t){200, STR("application/json"), STR("{\"status\":\"ok\"}")};
}
