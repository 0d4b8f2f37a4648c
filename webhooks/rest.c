#include "rest.h"

#include "base/crypto.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

static str_t setting_or(const setting_source_t *from, const char *name, const char *fallback)
{
    str_t value = str_trim(setting_get(from, name));

    return str_is_empty(value) ? str_from(fallback) : value;
}

/* Of ASCII, without blanks: what may stand in an address and in a header. */
static bool is_visible(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.base[i] <= ' ' || s.base[i] >= 0x7f)
            return false;
    return true;
}

/* 127.0.0.1 and its like, localhost, [::1]; with a port or without. */
static bool is_loopback(str_t authority)
{
    size_t end = authority.base[0] == '[' ? str_find(authority, ']') + 1 : str_find(authority, ':');
    str_t host = str_slice(authority, 0, end ? end : SIZE_MAX);

    if (str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("[::1]")))
        return true;
    for (size_t i = 0; i < host.len; i++)
        if (!isdigit((unsigned char)host.base[i]) && host.base[i] != '.')
            return false;
    return str_starts(host, STR("127."));
}

static bool is_address(str_t url)
{
    bool tls = str_starts_nocase(url, STR("https://")), plain = str_starts_nocase(url, STR("http://"));
    str_t rest = str_slice(url, tls ? sizeof("https://") - 1 : sizeof("http://") - 1, url.len);
    str_t authority = str_slice(rest, 0, str_find(rest, '/'));

    if (!(tls || plain) || str_is_empty(authority) || !is_visible(url))
        return false;
    if (str_find(url, '?') != SIZE_MAX || str_find(url, '#') != SIZE_MAX || str_find(authority, '@') != SIZE_MAX)
        return false;
    return tls || is_loopback(authority);
}

static str_t copy_of(str_t s)
{
    return (str_t){mem_strdup(s), s.len};
}

static bool read_base(rest_access_t *out, const setting_source_t *from, const rest_names_t *names, err_t *err)
{
    str_t url = setting_or(from, names->url, names->url_fallback);

    if (!is_address(url)) {
        err_set(err, ERR_CONFIG, "%s: expected https://host[:port][/path], and nobody's name in it", names->url);
        return err_hint(err, "http:// is for what runs on this machine");
    }
    while (url.base[url.len - 1] == '/')
        url.len--;
    out->base = copy_of(url);
    return true;
}

static bool read_gap(rest_access_t *out, const setting_source_t *from, const rest_names_t *names, err_t *err)
{
    char *text = mem_strdup(setting_or(from, names->gap, names->gap_fallback));
    char *end;
    double s = strtod(text, &end);
    bool ok = end != text && !*end && s >= 0 && s <= REST_MOST_GAP_S;

    if (ok)
        out->gap_us = (int64_t)(s * (double)US_PER_S + 0.5);
    else
        err_set(err, ERR_CONFIG, "%s: expected seconds from 0 to %d, not %s", names->gap, REST_MOST_GAP_S, text);
    free(text);
    return ok;
}

bool rest_access_init(rest_access_t *out, const setting_source_t *from, const rest_names_t *names, err_t *err)
{
    str_t key = str_trim(setting_get(from, names->key));

    *out = (rest_access_t){.gap_us = 0};
    if (str_is_empty(key))
        return false;
    if (!is_visible(key))
        return err_set(err, ERR_CONFIG, "%s: expected letters, digits and signs, without blanks", names->key);
    if (!read_base(out, from, names, err) || !read_gap(out, from, names, err)) {
        rest_access_clear(out);
        return false;
    }
    out->key = copy_of(key);
    return true;
}

void rest_access_clear(rest_access_t *access)
{
    char *key = (char *)(uintptr_t)access->key.base;

    if (key)
        crypto_wipe(key, access->key.len);
    free(key);
    free((char *)(uintptr_t)access->base.base);
    *access = (rest_access_t){.gap_us = 0};
}

int64_t rest_gap_us(const void *access)
{
    const rest_access_t *rest = access;

    return rest->gap_us;
}

/* ---- asking ---- */

bool rest_fits_path(str_t id)
{
    return !str_is_empty(id) && !str_eq(id, STR(".")) && !str_eq(id, STR(".."));
}

/* RFC 3986, section 2.3: what needs no escape anywhere. */
static bool is_unreserved(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~", c));
}

str_t rest_escape(arena_t *a, str_t text)
{
    buf_t out = BUF_EMPTY;
    str_t copy;

    for (size_t i = 0; i < text.len; i++)
        if (is_unreserved(text.base[i]))
            buf_addc(&out, text.base[i]);
        else
            buf_printf(&out, "%%%02X", (unsigned char)text.base[i]);
    copy = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return copy;
}

bool rest_one(const char *what, str_t call_id, arena_t *a, remote_step_t *out)
{
    *out = remote_step(what, arena_dup(a, call_id));
    return rest_fits_path(call_id);
}

void rest_get(remote_request_t *out, str_t url)
{
    *out = (remote_request_t){.method = "GET", .url = url};
    rest_field(out, "accept", STR("application/json"));
}

void rest_field(remote_request_t *out, const char *name, str_t value)
{
    out->fields[out->n_fields++] = (remote_field_t){str_from(name), value};
}

/* ---- what comes back ---- */

const cJSON *rest_answer(const remote_response_t *r, const remote_page_t *out, err_t *err)
{
    str_t text;

    if (!json_clean(out->arena, r->body, (json_redact_t){NULL}, &text, err))
        return NULL;
    return json_parse(out->arena, text, err);
}
