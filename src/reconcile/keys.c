#include "reconcile/keys.h"

#include <string.h>

static bool is_key(const setting_t *s)
{
    return s->secret && !strstr(s->name, "WEBHOOK");
}

void keys_name(const provider_t *p, buf_t *out)
{
    size_t said = 0;

    for (size_t i = 0; i < p->n_settings; i++)
        if (is_key(&p->settings[i]))
            buf_printf(out, "%s%s", said++ ? ", " : "", p->settings[i].name);
    if (!said)
        buf_add(out, STR("its key"));
}

static bool is_set(const setting_source_t *from, const setting_t *s)
{
    return !str_is_empty(setting_get(from, s->name));
}

static bool says_where_or_whose(const setting_t *s)
{
    return str_ends_nocase(str_from(s->name), STR("_URL")) || str_ends_nocase(str_from(s->name), STR("_SID"));
}

void keys_missing(const provider_t *p, const setting_source_t *from, buf_t *out)
{
    size_t before = out->len;
    bool has_key = false;

    for (size_t i = 0; i < p->n_settings; i++)
        has_key = has_key || (is_key(&p->settings[i]) && is_set(from, &p->settings[i]));
    for (size_t i = 0; has_key && i < p->n_settings; i++)
        if (says_where_or_whose(&p->settings[i]) && !is_set(from, &p->settings[i]))
            buf_printf(out, "%s%s", out->len > before ? " or " : "", p->settings[i].name);
    if (out->len == before)
        keys_name(p, out);
}
