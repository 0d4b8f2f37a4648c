#include "requests.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Behind the host: what a proxy and a client commonly add. */
#define COMMON_HEADERS                                                                                                 \
    "\r\nUser-Agent: hookline-bench/1\r\nAccept: */*\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"

static str_t host_of(const char *public_url)
{
    const char *host = strstr(public_url, "://");

    return str_from(host ? host + 3 : public_url);
}

static str_t content_type(const mix_item_t *item)
{
    return item->sample->kind == BODY_FORM ? STR("application/x-www-form-urlencoded; charset=UTF-8")
                                           : STR("application/json");
}

static bool add_headers(buf_t *out, const header_t *headers, size_t count)
{
    bool typed = false;

    for (size_t i = 0; i < count; i++) {
        buf_printf(out, STR_FMT ": " STR_FMT "\r\n", STR_ARG(headers[i].name), STR_ARG(headers[i].value));
        typed = typed || str_eq(headers[i].name, STR("content-type"));
    }
    return typed;
}

/* Returns the body's length. */
static size_t add_request(buf_t *out, const mix_item_t *item, const char *public_url, int64_t now_us, arena_t *a)
{
    str_t body = hook_fill(item->sample, &item->call, item->event_us, a);
    str_t target = str_from(item->route->path);
    str_t query = item->provider->query ? item->provider->query(item->sample->kind, body, a) : STR_NONE;
    header_t headers[HOOK_MAX_SIGNED];
    size_t n;

    if (item->route->traits & ROUTE_SECRET)
        target =
            arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(target), STR_ARG(item->provider->path_secret(item->keys)));
    if (!str_is_empty(query))
        target = arena_printf(a, STR_FMT "?" STR_FMT, STR_ARG(target), STR_ARG(query));
    n = item->provider->sign(item->keys, arena_printf(a, "%s" STR_FMT, public_url, STR_ARG(target)), item->sample->kind,
                             body, now_us, a, headers);
    buf_printf(out, "POST " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT COMMON_HEADERS, STR_ARG(target),
               STR_ARG(host_of(public_url)));
    if (!add_headers(out, headers, n))
        buf_printf(out, "Content-Type: " STR_FMT "\r\n", STR_ARG(content_type(item)));
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
    buf_add(out, body);
    return body.len;
}

static void count_share(share_t *shares, const provider_t *provider, size_t body_bytes)
{
    while (shares->provider && strcmp(shares->provider, provider->name) != 0)
        shares++;
    shares->provider = provider->name;
    shares->deliveries++;
    shares->body_bytes += body_bytes;
}

void requests_make(requests_t *r, mix_t *mix, size_t count, const char *public_url)
{
    int64_t now_us = clock_wall_us();

    *r = (requests_t){.at = mem_alloc((count + 1) * sizeof(*r->at)),
                      .count = count,
                      .shares = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(*r->shares))};
    for (size_t i = 0; i < count; i++) {
        arena_t *a = arena_new(16384);
        mix_item_t item = mix_next(mix);

        r->at[i] = r->bytes.len;
        count_share(r->shares, item.provider, add_request(&r->bytes, &item, public_url, now_us, a));
        arena_free(a);
    }
    r->at[count] = r->bytes.len;
}

void requests_clear(requests_t *r)
{
    buf_clear(&r->bytes);
    free(r->at);
    free(r->shares);
}
