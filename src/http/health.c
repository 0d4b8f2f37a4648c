#include "base/json.h"
#include "http/conn.h"

#include <stdio.h>

static void respond_json(request_t *r, int status, str_t body)
{
    respond(r, &(response_t){.status = status, .content_type = STR("application/json"), .body = body});
}

void serve_livez(request_t *r)
{
    respond_json(r, 200, STR("{\"status\":\"alive\"}\n"));
}

/* "database":"up", or why not. */
static void add_part(buf_t *out, const char *name, const char *fault)
{
    buf_printf(out, ",\"%s\":", name);
    json_escape(out, *fault ? str_from(fault) : STR("up"));
}

static void add_reasons(buf_t *out, const http_readiness_t *state, bool draining)
{
    char reason[sizeof(state->database) + 16];

    buf_printf(out, ",\"reasons\":[%s", draining ? "\"draining\"" : "");
    if (!state->ready) {
        (void)snprintf(reason, sizeof(reason), "database: %s", state->database);
        buf_printf(out, "%s", draining ? "," : "");
        json_escape(out, str_from(reason));
        (void)snprintf(reason, sizeof(reason), "journal: %s", state->journal);
        buf_printf(out, ",");
        json_escape(out, str_from(reason));
    }
    buf_printf(out, "]");
}

void serve_ready(request_t *r)
{
    http_server_t *s = r->conn->loop->server;
    bool draining = atomic_load(&s->draining);
    http_readiness_t state = {.ready = true};
    buf_t body = BUF_EMPTY;
    bool ready;

    s->readiness(s->readiness_ctx, &state);
    ready = state.ready && !draining;
    buf_printf(&body, "{\"status\":\"%s\"", ready ? "ready" : "not_ready");
    if (!ready)
        add_reasons(&body, &state, draining);
    add_part(&body, "database", state.database);
    add_part(&body, "journal", state.journal);
    buf_add(&body, STR("}\n"));
    respond_json(r, ready ? 200 : 503, buf_str(&body));
    buf_clear(&body);
}

void serve_metrics(request_t *r)
{
    buf_t body = BUF_EMPTY;

    metrics_render(&body);
    respond(r, &(response_t){.status = 200,
                             .content_type = STR("text/plain; version=0.0.4; charset=utf-8"),
                             .body = buf_str(&body)});
    buf_clear(&body);
}
