#include "base/clock.h"
#include "base/log.h"
#include "http/conn.h"

/* No query, no header and no body: each can hold a secret. */
static str_t loggable_path(const request_t *r)
{
    str_t target = {r->h2o->path.base, r->h2o->path.len};

    if (r->route->path)
        return str_from(r->route->path);
    return routes_loggable(r->conn->loop->server->routes, str_slice(target, 0, str_find(target, '?')));
}

void access_log(const request_t *r)
{
    char client[ADDRESS_TEXT_BYTES];
    size_t client_len = address_to_text(&r->client, client);
    const provider_t *provider = r->route->provider;
    const log_field_t none = {.key = NULL};

    LOG(LOG_INFO, "request", log_str("method", str_slice((str_t){r->h2o->method.base, r->h2o->method.len}, 0, 16)),
        log_str("path", loggable_path(r)), log_int("status", r->status), log_int("bytes", r->bytes),
        log_int("us", clock_mono_us() - r->began_us), log_str("client", ((str_t){client, client_len})),
        log_str("request_id", ((str_t){r->id, r->id_len})), provider ? log_cstr("provider", provider->name) : none,
        r->code != ERR_NONE ? log_cstr("reason", err_metric(r->code)) : none);
}
