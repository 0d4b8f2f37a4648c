#include "base/clock.h"
#include "base/log.h"
#include "http/conn.h"
#include "http/head.h"

#include <string.h>

/* A client may send requests before it has the answers. h2o serves what it has read of them without a look at other
 * connections, so they may not be many. */
#define MOST_BEHIND ((size_t)32 * 1024)

/* ---- what h2o has let through ---- */

/* The head still stands at the start of the connection's input, where h2o has parsed it. */
static bool look_at_head(request_t *r, head_t *head, err_t *err)
{
    const h2o_buffer_t *input = r->conn->sock->input;
    h2o_iovec_t body = r->h2o->entity;
    size_t behind;

    if (!head_read((str_t){input->bytes, input->size}, head, err))
        return false;
    if (head->len > r->conn->loop->server->limits.max_header)
        return err_set(err, ERR_MALFORMED, "a head of more than HOOKLINE_MAX_HEADER bytes");
    if (body.base && body.base != input->bytes + head->len)
        return err_set(err, ERR_SMUGGLING, "a body that does not begin where the head ends");
    behind = input->size - head->len - body.len;
    if (behind > MOST_BEHIND)
        r->closes = r->lingers = true;
    return head_fits_body(head, body.len, behind, err);
}

static void note_refusal(const request_t *r, const err_t *err)
{
    static log_gate_t gate;
    int64_t held;

    if (log_gate_open(&gate, US_PER_S, &held))
        LOG(LOG_WARN, "request refused", log_cstr("reason", err_metric(err->code)), log_cstr("detail", err->detail),
            log_str("request_id", ((str_t){r->id, r->id_len})), log_int("not_logged", held));
}

static bool is_sound(request_t *r, head_t *head)
{
    err_t err;

    if (!look_at_head(r, head, &err)) {
        note_refusal(r, &err);
        respond_error(r, err.code);
        return false;
    }
    if (r->h2o->entity.len > r->conn->loop->server->limits.max_body) {
        respond_error(r, ERR_TOO_LARGE);
        return false;
    }
    if (head->chunked)
        r->closes = true; /* h2o's decoder is too generous for anything that follows to be believed */
    return true;
}

static bool method_is(const request_t *r, str_t name)
{
    return str_eq((str_t){r->h2o->method.base, r->h2o->method.len}, name);
}

/* ---- a provider's route ---- */

static void on_answer(void *ctx, const ingest_answer_t *answer)
{
    request_t *r = ctx;

    r->wait = NULL;
    if (answer->code != ERR_NONE)
        respond_error(r, answer->code);
    else
        respond(r, &(response_t){.status = answer->status, .content_type = answer->content_type, .body = answer->body});
}

static void take_in(request_t *r, const hook_request_t *hook, str_t content_type)
{
    r->wait = ingest_take(r->conn->loop->port, r->route->provider, r->route->hook, hook, content_type,
                          (str_t){r->id, r->id_len}, on_answer, r);
    if (r->wait)
        conn_keep_watched(r->conn);
}

static void hand_over(request_t *r, const fields_t *fields, const head_t *head)
{
    conn_t *c = r->conn;
    const http_server_t *s = c->loop->server;
    const h2o_req_t *req = r->h2o;
    const peer_names_t names = {.tls = c->tls != NULL,
                                .host = head->host,
                                .trusted = c->trusted,
                                .forwarded_proto = fields->forwarded_proto,
                                .forwarded_host = fields->forwarded_host};
    hook_request_t hook = {.target = {req->path.base, req->path.len},
                           .is_get = method_is(r, STR("GET")),
                           .headers = fields->all,
                           .n_headers = fields->count,
                           .body = {req->entity.base, req->entity.len},
                           .now_us = clock_wall_us()};
    peer_room_t room;

    _Static_assert(PEER_MAX_ORIGINS <= HOOK_MAX_ORIGINS, "origins must fit a hook_request_t");
    hook.n_origins = peer_origins(str_from(s->public_url), &names, &room, hook.origins);
    if (r->route->hook->traits & ROUTE_STREAM)
        upgrade_take(r, &hook, fields, head);
    else
        take_in(r, &hook, fields->content_type);
}

/* ---- the service's ---- */

static void on_service_answer(void *ctx, const service_answer_t *answer)
{
    request_t *r = ctx;

    r->service_wait = NULL;
    if (answer->refused)
        respond_refusal(r, answer->refused, answer->challenge, answer->retry_after_s);
    else
        respond(r, &(response_t){.status = answer->status,
                                 .content_type = STR("application/json"),
                                 .body = answer->body,
                                 .location = answer->location,
                                 .retry_after_s = answer->retry_after_s});
}

static void ask_service(request_t *r, const fields_t *fields)
{
    const loop_t *l = r->conn->loop;
    const h2o_req_t *req = r->h2o;
    str_t target = {req->path.base, req->path.len};
    size_t end = str_find(target, '?');
    const service_request_t asked = {.method = method_is(r, STR("HEAD")) ? STR("GET")
                                                                         : (str_t){req->method.base, req->method.len},
                                     .path = str_slice(target, 0, end),
                                     .query = end == SIZE_MAX ? STR_NONE : str_slice(target, end + 1, target.len),
                                     .headers = fields->all,
                                     .n_headers = fields->count,
                                     .body = {req->entity.base, req->entity.len},
                                     .request_id = {r->id, r->id_len}};

    r->service_wait = l->server->service.take(l->service, &asked, on_service_answer, r);
    if (r->service_wait)
        conn_keep_watched(r->conn);
}

void request_abandon(request_t *r)
{
    r->conn->loop->server->service.forget(r->service_wait);
    r->service_wait = NULL;
    r->closes = true;
    respond_error(r, ERR_CLIENT_GONE);
}

/* ---- from h2o, and back to it ---- */

static bool takes_method(const request_t *r)
{
    const hook_route_t *hook = r->route->hook;

    return (method_is(r, STR("POST")) && !(hook->traits & ROUTE_STREAM)) ||
           (method_is(r, STR("GET")) && hook->bodies & BODY_QUERY);
}

static void dispatch(request_t *r, const fields_t *fields, const head_t *head)
{
    const http_server_t *s = r->conn->loop->server;
    const route_t *route = r->route;

    switch (route->auth) {
    case ROUTE_AUTH_OPEN:
        if (method_is(r, STR("GET")) || method_is(r, STR("HEAD")))
            route->serve(r);
        else
            respond_error(r, ERR_METHOD);
        return;
    case ROUTE_AUTH_PROVIDER:
        if (takes_method(r))
            hand_over(r, fields, head);
        else if (!ingest_provider_is_on(s->ingest, route->provider))
            respond_error(r, ERR_PROVIDER_OFF);
        else if (method_is(r, STR("OPTIONS")) && route->hook->traits & ROUTE_BROWSER)
            respond(r, &(response_t){.status = 204, .preflight = true});
        else
            respond_error(r, ERR_METHOD);
        return;
    case ROUTE_AUTH_TOKEN:
        ask_service(r, fields);
        return;
    case ROUTE_AUTH_NOTHING:
        break;
    }
    respond_error(r, ERR_NOT_FOUND);
}

static const route_t *route_of(const request_t *r)
{
    const http_server_t *s = r->conn->loop->server;
    str_t target = {r->h2o->path.base, r->h2o->path.len};

    return routes_find(s->routes, str_slice(target, 0, str_find(target, '?')));
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    request_t *r = &conn_of(req)->request;
    fields_t fields;
    head_t head;

    (void)self;
    request_begin(r, req, &fields);
    r->route = route_of(r);
    if (is_sound(r, &head))
        dispatch(r, &fields, &head);
    return 0;
}

static void on_end(h2o_logger_t *self, h2o_req_t *req)
{
    request_t *r = &conn_of(req)->request;

    (void)self;
    if (r->h2o == req)
        request_end(r);
}

/* ---- what h2o refuses by itself, before any handler: 400, 413, 417 ---- */

static err_code_t code_of(int status)
{
    return status == 413 ? ERR_TOO_LARGE : ERR_MALFORMED;
}

typedef struct rewriter {
    h2o_ostream_t super;
    h2o_iovec_t body;
} rewriter_t;

static void send_rewritten(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    rewriter_t *rw = (rewriter_t *)self;

    h2o_ostream_send_next(self, req, count ? &rw->body : bufs, count ? 1 : 0, state);
}

/* Gives such an answer the form of ours, an id and its place in the metrics. */
static void on_own_answer(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    request_t *r = &conn_of(req)->request;
    http_server_t *s = r->conn->loop->server;
    rewriter_t *rw = (rewriter_t *)h2o_add_ostream(req, sizeof(*rw), slot);
    fields_t fields;
    char body[512];
    str_t text;

    (void)self;
    request_begin(r, req, &fields);
    r->route = route_of(r);
    r->code = code_of(req->res.status);
    r->status = req->res.status;
    r->closes = true;
    text = response_error_body(r, r->code, body);
    rw->super.do_send = send_rewritten;
    rw->body = h2o_strdup(&req->pool, text.base, text.len);
    r->bytes = text.len;
    req->http1_is_persistent = 0;
    req->res.reason = response_reason(r->status);
    req->res.content_length = text.len;
    memset(&req->res.headers, 0, sizeof(req->res.headers));
    response_add_fields(r, &(response_t){.content_type = STR("application/json")});
    routes_count(s->routes, r->route, r->status);
    h2o_setup_next_ostream(req, &rw->super.next);
}

static void watch_end(h2o_pathconf_t *path)
{
    h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = on_end;
}

void handler_register(http_server_t *s)
{
    h2o_hostconf_t *host = h2o_config_register_host(&s->h2o, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *all = h2o_config_register_path(host, "/", 0);

    h2o_create_handler(all, sizeof(h2o_handler_t))->on_req = on_request;
    watch_end(all);
    h2o_create_filter(&host->fallback_path, sizeof(h2o_filter_t))->on_setup_ostream = on_own_answer;
    watch_end(&host->fallback_path);
}
