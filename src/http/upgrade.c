#include "base/crypto.h"
#include "http/conn.h"
#include "net/websocket_handshake.h"

#include <h2o/http1.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 16

/* What is needed once the 101 is written: the request is gone by then, and if it could not be written the connection
 * is, too. */
typedef struct upgrade {
    conn_t *conn; /* only looked at when the socket is there */
    const provider_t *provider;
    const hook_route_t *route;
    hook_admission_t admission;
    uint8_t id_len;
    char id[REQUEST_ID_BYTES];
} upgrade_t;

/* ---- is it one? RFC 6455 section 4.2.1 ---- */

static bool any_field_has(const fields_t *f, str_t name, str_t word)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->all[i].name, name) && websocket_list_has(f->all[i].value, word))
            return true;
    return false;
}

/* The one field of this name; absent where there is none, or more than one. */
static str_t only_field(const fields_t *f, str_t name)
{
    str_t found = STR_NONE;

    for (size_t i = 0; i < f->count; i++) {
        if (!str_eq(f->all[i].name, name))
            continue;
        if (found.base)
            return STR_NONE;
        found = f->all[i].value;
    }
    return found;
}

static bool asks_for_websocket(const request_t *r, const fields_t *f, const head_t *head)
{
    return head->minor == 1 &&
           websocket_list_has((str_t){r->h2o->upgrade.base, r->h2o->upgrade.len}, STR("websocket")) &&
           any_field_has(f, STR("connection"), STR("upgrade"));
}

static bool is_key(str_t text)
{
    uint8_t bytes[WEBSOCKET_KEY_BYTES];

    return text.len == WEBSOCKET_KEY_BYTES && base64_decode(text, bytes) == KEY_BYTES;
}

/* key: of 24 bytes on ERR_NONE. */
static err_code_t check_handshake(const request_t *r, const fields_t *f, const head_t *head, str_t *key)
{
    *key = only_field(f, STR("sec-websocket-key"));
    if (!asks_for_websocket(r, f, head))
        return ERR_UPGRADE;
    if (!is_key(*key) || r->h2o->entity.len)
        return ERR_MALFORMED;
    return str_eq(only_field(f, STR("sec-websocket-version")), STR("13")) ? ERR_NONE : ERR_UPGRADE;
}

/* ---- then it is ---- */

static str_t make_accept(const request_t *r, str_t key)
{
    char *accept = h2o_mem_alloc_pool(&r->h2o->pool, WEBSOCKET_ACCEPT_BYTES);

    return (str_t){accept, websocket_accept(key, accept)};
}

/* sock: NULL when the 101 could not be written; the connection is closed then. */
static void on_upgraded(void *data, h2o_socket_t *sock, size_t request_bytes)
{
    upgrade_t *u = data;

    if (sock) {
        http_server_t *s = u->conn->loop->server;
        const http_stream_t stream = {.sock = sock,
                                      .port = u->conn->loop->port,
                                      .provider = u->provider,
                                      .route = u->route,
                                      .admission = &u->admission,
                                      .request_id = {u->id, u->id_len}};

        h2o_buffer_consume(&sock->input, request_bytes);
        conn_become_stream(u->conn, s->streams.open(u->conn->loop->streams, &stream));
    }
    free(u);
}

static void switch_protocols(request_t *r, str_t key, upgrade_t *u)
{
    h2o_req_t *req = r->h2o;

    req->res.status = r->status = 101;
    req->res.reason = response_reason(101);
    response_add_upgrade(r, make_accept(r, key));
    routes_count(r->conn->loop->server->routes, r->route, r->status);
    h2o_http1_upgrade(req, NULL, 0, on_upgraded, u);
}

void upgrade_take(request_t *r, const hook_request_t *hook, const fields_t *fields, const head_t *head)
{
    hook_admission_t admission;
    upgrade_t *u;
    str_t key;
    err_code_t code = check_handshake(r, fields, head, &key);

    if (!ingest_provider_is_on(r->conn->loop->server->ingest, r->route->provider))
        code = ERR_PROVIDER_OFF;
    if (code == ERR_NONE)
        code = ingest_admit(r->conn->loop->port, r->route->provider, r->route->hook, hook, (str_t){r->id, r->id_len},
                            &admission);
    if (code != ERR_NONE) {
        respond_error(r, code);
        return;
    }
    u = mem_alloc(sizeof(*u));
    *u = (upgrade_t){.conn = r->conn,
                     .provider = r->route->provider,
                     .route = r->route->hook,
                     .admission = admission,
                     .id_len = r->id_len};
    memcpy(u->id, r->id, r->id_len);
    switch_protocols(r, key, u);
}
