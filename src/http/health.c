#include "base/json.h"
#include "http/conn.h"

#include <string.h>

static void respond_json(request_t *r, int status, str_t body)
{
    respond(r, &(response_t){.status = status, .content_type = STR("application/json"), .body = body});
}

void serve_livez(request_t *r)
{
    respond_json(r, 200, STR("{\"status\":\"alive\"}\n"));
}

void serve_ready(request_t *r)
{
    http_server_t *s = r->conn->loop->server;
    bool draining = atomic_load(&s->draining);
    http_readiness_t state = {.ready = true};
    buf_t body = BUF_EMPTY;

    s->readiness(s->readiness_ctx, &state);
    if (state.ready && !draining) {
        respond_json(r, 200, STR("{\"status\":\"ready\"}\n"));
        return;
    }
    buf_add(&body, STR("{\"status\":\"not_ready\",\"reasons\":["));
    if (draining)
        buf_add(&body, state.ready ? STR("\"draining\"") : STR("\"draining\","));
    if (!state.ready)
        json_escape(&body, str_from(state.reason));
    buf_add(&body, STR("]}\n"));
    respond_json(r, 503, buf_str(&body));
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
