#include "base/json.h"
#include "http/conn.h"

#include <stdio.h>
#include <string.h>

const char *response_reason(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 499:
        return "Client Closed Request";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "-";
    }
}

static void add_field(h2o_req_t *req, const h2o_token_t *token, str_t value)
{
    h2o_add_header(&req->pool, &req->res.headers, token, NULL, value.base, value.len);
}

static void add_named(h2o_req_t *req, const char *name, str_t value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 0, NULL, value.base, value.len);
}

/* The secret is in the address, and no cookie is asked for: any page may send, as the provider's own does from its
 * user's browser (fetch.spec.whatwg.org, "CORS protocol"). */
static void add_cors_fields(h2o_req_t *req, bool preflight)
{
    add_named(req, "access-control-allow-origin", STR("*"));
    if (!preflight)
        return;
    add_named(req, "access-control-allow-methods", STR("POST, OPTIONS"));
    add_named(req, "access-control-allow-headers", STR("Content-Type"));
    add_named(req, "access-control-max-age", STR("600"));
}

static void add_retry_after(h2o_req_t *req, int seconds)
{
    char *text = h2o_mem_alloc_pool(&req->pool, 16);
    int len = snprintf(text, 16, "%d", seconds);

    add_field(req, H2O_TOKEN_RETRY_AFTER, (str_t){text, (size_t)len});
}

static void add_request_id(request_t *r)
{
    add_named(r->h2o, "x-request-id", (str_t){r->id, r->id_len});
}

void response_add_fields(request_t *r, const response_t *what)
{
    h2o_req_t *req = r->h2o;

    h2o_vector_reserve(&req->pool, &req->res.headers, 12);
    if (what->content_type.len)
        add_field(req, H2O_TOKEN_CONTENT_TYPE, what->content_type);
    add_field(req, H2O_TOKEN_CACHE_CONTROL, STR("no-store"));
    if (what->allow)
        add_field(req, H2O_TOKEN_ALLOW, str_from(what->allow));
    if (r->route->hook && r->route->hook->traits & ROUTE_BROWSER)
        add_cors_fields(req, what->preflight);
    if (what->upgrade) { /* RFC 9110 section 15.5.22, RFC 6455 section 4.4 */
        add_field(req, H2O_TOKEN_UPGRADE, STR("websocket"));
        add_field(req, H2O_TOKEN_CONNECTION, STR("upgrade"));
        add_named(req, "sec-websocket-version", STR("13"));
    }
    if (what->location.len) {
        h2o_iovec_t kept = h2o_strdup(&req->pool, what->location.base, what->location.len);

        add_named(req, "location", (str_t){kept.base, kept.len});
    }
    if (what->challenge)
        add_named(req, "www-authenticate", str_from(what->challenge));
    if (what->retry_after_s)
        add_retry_after(req, what->retry_after_s);
    add_request_id(r);
}

void response_add_upgrade(request_t *r, str_t accept)
{
    add_field(r->h2o, H2O_TOKEN_UPGRADE, STR("websocket")); /* h2o adds Connection by itself */
    add_named(r->h2o, "sec-websocket-accept", accept);
    add_request_id(r);
}

void respond(request_t *r, const response_t *what)
{
    static h2o_generator_t nothing_follows;
    h2o_req_t *req = r->h2o;
    http_server_t *s = r->conn->loop->server;
    bool head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    h2o_iovec_t body = {NULL, 0};

    req->res.status = what->status;
    req->res.reason = response_reason(what->status);
    if (what->status != 204) /* which has no Content-Length: RFC 9110 section 8.6 */
        req->res.content_length = what->body.len;
    response_add_fields(r, what);
    if (r->closes || atomic_load_explicit(&s->draining, memory_order_relaxed))
        req->http1_is_persistent = 0;
    r->closes = !req->http1_is_persistent;
    r->status = what->status;
    if (what->body.len && !head)
        body = h2o_strdup(&req->pool, what->body.base, what->body.len);
    r->bytes = body.len;
    routes_count(s->routes, r->route, r->status);
    h2o_start_response(req, &nothing_follows);
    h2o_send(req, &body, body.len ? 1 : 0, H2O_SEND_STATE_FINAL); /* an empty buffer would cost a turn of the loop */
}

str_t response_error_body(const request_t *r, err_code_t code, char out[512])
{
    /* Codes and sentences are literals of ours, and an id has no character that JSON escapes. */
    int n = snprintf(out, 512, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"},\"request_id\":\"%.*s\"}\n",
                     err_metric(code), err_told(code), (int)r->id_len, r->id);

    return (str_t){out, (size_t)n};
}

static void respond_failure(request_t *r, err_code_t code, str_t body, const char *challenge, int retry_after_s)
{
    int status = err_http_status(code);

    r->code = code;
    if (status == 400 || status == 408 || status == 413)
        r->closes = true; /* where its end is may be in doubt */
    respond(r, &(response_t){.status = status,
                             .content_type = STR("application/json"),
                             .body = body,
                             .allow = status == 405 ? r->route->allow : NULL,
                             .upgrade = status == 426,
                             .retry_after_s = status != 503   ? 0
                                              : retry_after_s ? retry_after_s
                                                              : 1,
                             .challenge = challenge});
}

void respond_error(request_t *r, err_code_t code)
{
    char body[512];

    respond_failure(r, code, response_error_body(r, code, body), NULL, 0);
}

void respond_refusal(request_t *r, const err_t *err, const char *challenge, int retry_after_s)
{
    buf_t body = BUF_EMPTY;

    buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":", err_metric(err->code));
    json_escape(&body, str_from(err->detail[0] ? err->detail : err_told(err->code)));
    if (err->hint[0]) {
        buf_printf(&body, ",\"hint\":");
        json_escape(&body, str_from(err->hint));
    }
    buf_printf(&body, "},\"request_id\":\"%.*s\"}\n", (int)r->id_len, r->id);
    respond_failure(r, err->code, buf_str(&body), challenge, retry_after_s);
    buf_clear(&body);
}
