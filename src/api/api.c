#include "api/api.h"

#include "api/auditor.h"
#include "api/router.h"
#include "api/worker.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/utf8.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CALLS  256 /* that are not answered, over all loops */
#define MOST_BODY   ((size_t)256 * 1024)
#define PATIENCE_US (5 * US_PER_S) /* beside one statement: for the calls before it */

#define MOST_PATHS 64

struct api {
    pthread_rwlock_t lock; /* held for writing only while the pointer is swapped */
    tokens_t *tokens;
    worker_t *worker;
    auditor_t *auditor;
    int64_t patience_us;
    atomic_size_t calls;
    metric_t *calls_gauge;
    service_path_t paths[MOST_PATHS];
    char allows[MOST_PATHS][ROUTER_ALLOW_BYTES];
};

/* A loop's. */
typedef struct api_port {
    api_t *api;
    void (*wake)(void *ctx);
    void *wake_ctx;
    struct api_wait *waits;
    pthread_mutex_t lock; /* for what comes back from the worker */
    api_call_t *back, **back_tail;
} api_port_t;

/* A request that waits for its call. It lives in the call's arena, and is the loop's. */
struct api_wait {
    struct api_wait *prev, *next;
    api_port_t *port;
    api_call_t *call;
    service_answer_fn answer; /* NULL once answered or forgotten */
    void *ctx;
};

/* ---- who waits ---- */

static void link_wait(struct api_wait *w)
{
    w->next = w->port->waits;
    if (w->next)
        w->next->prev = w;
    w->port->waits = w;
}

static void forget(void *wait)
{
    struct api_wait *w = wait;

    if (!w->answer)
        return;
    w->answer = NULL;
    atomic_store(&w->call->gone, true);
    *(w->prev ? &w->prev->next : &w->port->waits) = w->next;
    if (w->next)
        w->next->prev = w->prev;
}

static void give_answer(struct api_wait *w, const service_answer_t *answer)
{
    service_answer_fn fn = w->answer;

    if (!fn)
        return;
    forget(w);
    fn(w->ctx, answer);
}

static void refuse_wait(struct api_wait *w, err_code_t code)
{
    const err_t err = {.code = code};

    give_answer(w, &(service_answer_t){.refused = &err});
}

static void free_call(api_t *a, api_call_t *c)
{
    arena_free(c->arena);
    atomic_fetch_sub(&a->calls, 1);
    metric_add(a->calls_gauge, -1);
}

/* The worker's thread. */
static void give_back(api_call_t *c)
{
    api_port_t *port = c->wait->port;
    bool was_empty;

    c->next = NULL;
    pthread_mutex_lock(&port->lock);
    was_empty = !port->back;
    *port->back_tail = c;
    port->back_tail = &c->next;
    pthread_mutex_unlock(&port->lock);
    if (was_empty)
        port->wake(port->wake_ctx);
}

static void settle(api_call_t *c)
{
    struct api_wait *w = c->wait;

    if (c->err.code != ERR_NONE)
        give_answer(w, &(service_answer_t){.refused = &c->err, .retry_after_s = c->retry_after_s});
    else
        give_answer(
            w, &(service_answer_t){
                   .status = c->status, .body = c->body, .location = c->location, .retry_after_s = c->retry_after_s});
    free_call(w->port->api, c);
}

static void drain(void *here)
{
    api_port_t *port = here;
    api_call_t *list;

    pthread_mutex_lock(&port->lock);
    list = port->back;
    port->back = NULL;
    port->back_tail = &port->back;
    pthread_mutex_unlock(&port->lock);
    for (api_call_t *c = list, *next; c; c = next) {
        next = c->next;
        settle(c);
    }
}

static void sweep(void *here, int64_t mono_us)
{
    api_port_t *port = here;

    for (struct api_wait *w = port->waits, *next; w; w = next) {
        next = w->next;
        if (mono_us >= w->call->deadline_us)
            refuse_wait(w, ERR_COMMIT_TIMEOUT);
    }
}

static void *enter(void *ctx, void (*wake)(void *wake_ctx), void *wake_ctx)
{
    api_port_t *port = mem_zalloc(sizeof(*port));

    port->api = ctx;
    port->wake = wake;
    port->wake_ctx = wake_ctx;
    port->back_tail = &port->back;
    pthread_mutex_init(&port->lock, NULL);
    return port;
}

static void leave(void *here)
{
    api_port_t *port = here;

    while (port->waits) /* none is left but where the loop was ended without them */
        forget(port->waits);
    drain(port);
    pthread_mutex_destroy(&port->lock);
    free(port);
}

/* ---- taking a request in ---- */

/* What is known of a request until it is a call. */
typedef struct intake {
    const service_request_t *request;
    const router_path_t *path;
    const api_method_t *method;
    token_t token; /* a copy: the row may be gone after a reload */
    err_t err;
    const char *challenge;
} intake_t;

static bool refuse(intake_t *in, err_code_t code)
{
    return err_set(&in->err, code, "%s", "");
}

/* Two fields would leave it open which of them counts. */
static str_t read_token(const service_request_t *r)
{
    str_t field = STR_NONE;

    for (size_t i = 0; i < r->n_headers; i++) {
        if (!str_eq(r->headers[i].name, STR("authorization")))
            continue;
        if (field.base)
            return STR_NONE;
        field = r->headers[i].value;
    }
    return token_of_field(field);
}

static bool check_token(api_t *a, intake_t *in)
{
    str_t given = read_token(in->request);
    const token_t *found = NULL;
    bool on;

    pthread_rwlock_rdlock(&a->lock);
    on = tokens_count(a->tokens) > 0;
    found = on && given.len ? tokens_find(a->tokens, given) : NULL;
    if (found)
        in->token = *found;
    pthread_rwlock_unlock(&a->lock);
    if (!on)
        return refuse(in, ERR_API_OFF);
    if (found)
        return true;
    in->challenge = given.len ? "Bearer realm=\"hookline\", error=\"invalid_token\"" : "Bearer realm=\"hookline\"";
    return refuse(in, ERR_TOKEN);
}

static bool check_route(intake_t *in)
{
    in->path = &ROUTER_PATHS[router_find(in->request->path)];
    if (!in->path->methods[0].name)
        return refuse(in, ERR_NOT_FOUND);
    in->method = router_method(in->path, in->request->method);
    if (!in->method)
        return refuse(in, ERR_METHOD);
    if (in->token.scopes & in->method->scope)
        return true;
    in->challenge = "Bearer realm=\"hookline\", error=\"insufficient_scope\"";
    return err_set(&in->err, ERR_SCOPE, "the token %s has not the scope %s", in->token.name,
                   scope_word(in->method->scope));
}

/* Parameters are in the query. An empty object is what some clients send with every POST. */
static bool check_body(intake_t *in)
{
    str_t body = str_trim(in->request->body);

    if (in->request->body.len > MOST_BODY)
        return refuse(in, ERR_TOO_LARGE);
    if (!body.len || str_eq(body, STR("{}")))
        return true;
    return err_set(&in->err, ERR_INVALID, "expected no body: parameters are in the address, behind the ?");
}

static bool is_text(str_t s)
{
    size_t step;

    for (const char *at = s.base, *end = s.base + s.len; at < end; at += step)
        if (!*at || !utf8_step(at, end, &step))
            return false;
    return true;
}

static bool check_param(intake_t *in, const api_call_t *c, size_t i)
{
    const form_pair_t *p = &c->query.pairs[i];

    if (!is_text(p->key) || !router_takes(in->method, p->key))
        return err_set(&in->err, ERR_INVALID, "there is no parameter \"%.40s\" here",
                       is_text(p->key) ? p->key.base : "?");
    if (!is_text(p->value))
        return err_set(&in->err, ERR_INVALID, "%s: expected text in UTF-8, without NUL", p->key.base);
    for (size_t j = 0; j < i; j++)
        if (str_eq(c->query.pairs[j].key, p->key))
            return err_set(&in->err, ERR_INVALID, "%s is given twice", p->key.base);
    return true;
}

/* Every text gets a NUL behind it. */
static bool read_query(intake_t *in, api_call_t *c)
{
    if (!form_parse(c->arena, arena_dup(c->arena, in->request->query), &c->query, &in->err)) {
        in->err.code = ERR_INVALID;
        return false;
    }
    for (size_t i = 0; i < c->query.count; i++) {
        form_pair_t *p = &c->query.pairs[i];

        *p = (form_pair_t){arena_dup(c->arena, p->key), arena_dup(c->arena, p->value)};
        if (!check_param(in, c, i))
            return false;
    }
    return true;
}

static bool fill(const api_t *a, intake_t *in, api_call_t *c)
{
    str_t segments[CALL_MAX_SEGMENTS];
    size_t count = router_segments(in->path->pattern, in->request->path, segments);
    bool waits = in->method->waits;

    c->method = in->method;
    c->auditor = a->auditor;
    c->who = arena_dup(c->arena, str_from(in->token.name)).base;
    for (size_t i = 0; i < count; i++)
        c->segments[i] = arena_dup(c->arena, segments[i]).base;
    if (!read_query(in, c))
        return false;
    if (!call_flag(c, "wait", &waits)) {
        in->err = c->err;
        return false;
    }
    c->deadline_us = clock_mono_us() + a->patience_us + (waits ? CALL_WAIT_US : 0);
    return true;
}

static api_call_t *new_call(api_t *a, intake_t *in)
{
    arena_t *arena;
    api_call_t *c;

    if (atomic_fetch_add(&a->calls, 1) >= MOST_CALLS) {
        atomic_fetch_sub(&a->calls, 1);
        (void)refuse(in, ERR_BUSY);
        return NULL;
    }
    metric_add(a->calls_gauge, 1);
    arena = arena_new(1024);
    c = arena_zalloc(arena, sizeof(*c));
    c->arena = arena;
    if (fill(a, in, c))
        return c;
    free_call(a, c);
    return NULL;
}

static void *take(void *here, const service_request_t *r, service_answer_fn answer, void *answer_ctx)
{
    api_port_t *port = here;
    api_t *a = port->api;
    intake_t in = {.request = r};
    api_call_t *c = check_token(a, &in) && check_route(&in) && check_body(&in) ? new_call(a, &in) : NULL;

    if (!c) {
        answer(answer_ctx, &(service_answer_t){.refused = &in.err, .challenge = in.challenge});
        return NULL;
    }
    c->wait = arena_zalloc(c->arena, sizeof(*c->wait));
    *c->wait = (struct api_wait){.port = port, .call = c, .answer = answer, .ctx = answer_ctx};
    link_wait(c->wait);
    worker_put(a->worker, c);
    return c->wait;
}

/* ---- as a whole ---- */

static void end(void *ctx)
{
    api_t *a = ctx;

    worker_hurry(a->worker);
    auditor_end(a->auditor);
}

service_t api_service(api_t *a)
{
    return (service_t){.ctx = a,
                       .paths = a->paths,
                       .n_paths = router_count(),
                       .find = router_find,
                       .enter = enter,
                       .take = take,
                       .forget = forget,
                       .drain = drain,
                       .sweep = sweep,
                       .end = end,
                       .leave = leave};
}

static void name_paths(api_t *a)
{
    assert(router_count() <= MOST_PATHS);
    for (size_t i = 0; i < router_count(); i++) {
        router_allow(&ROUTER_PATHS[i], a->allows[i]);
        a->paths[i] = (service_path_t){.pattern = ROUTER_PATHS[i].pattern, .allow = a->allows[i]};
    }
}

api_t *api_new(config_t *config, err_t *err)
{
    tokens_t *tokens = tokens_new(config_text(config, "HOOKLINE_API_TOKENS"), err);
    char *conninfo;
    api_t *a;

    if (!tokens)
        return NULL;
    a = mem_zalloc(sizeof(*a));
    pthread_rwlock_init(&a->lock, NULL);
    a->tokens = tokens;
    a->patience_us = config_us(config, "HOOKLINE_STATEMENT_TIMEOUT") + PATIENCE_US;
    a->calls_gauge = metrics_series(METRIC_API, "");
    a->auditor = auditor_new(config);
    name_paths(a);
    conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    a->worker =
        worker_start(&(worker_options_t){.conninfo = conninfo,
                                         .statement_timeout_us = config_us(config, "HOOKLINE_STATEMENT_TIMEOUT"),
                                         .done = give_back});
    free(conninfo);
    return a;
}

bool api_reload(api_t *a, config_t *config, err_t *err)
{
    tokens_t *fresh = tokens_new(config_text(config, "HOOKLINE_API_TOKENS"), err), *old;

    if (!fresh)
        return false;
    pthread_rwlock_wrlock(&a->lock);
    old = a->tokens;
    a->tokens = fresh;
    pthread_rwlock_unlock(&a->lock);
    tokens_free(old);
    auditor_reload(a->auditor, config);
    return true;
}

size_t api_tokens(api_t *a)
{
    size_t count;

    pthread_rwlock_rdlock(&a->lock);
    count = tokens_count(a->tokens);
    pthread_rwlock_unlock(&a->lock);
    return count;
}

void api_stop(api_t *a)
{
    if (!a)
        return;
    worker_stop(a->worker);
    a->worker = NULL;
    auditor_free(a->auditor);
    a->auditor = NULL;
}

void api_free(api_t *a)
{
    if (!a)
        return;
    pthread_rwlock_destroy(&a->lock);
    tokens_free(a->tokens);
    free(a);
}
