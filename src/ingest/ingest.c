#include "ingest/port.h"

#include "ingest/route.h"
#include "ingest/understand.h"

#include <stdlib.h>
#include <string.h>

size_t port_index_of(const provider_t *provider)
{
    size_t i = 0;

    while (PROVIDERS[i] != provider)
        i++;
    return i;
}

ingest_t *ingest_new(const config_t *config, const ingest_options_t *options, err_t *err)
{
    keyring_t *keys = keyring_new(config, err);
    ingest_t *in;

    if (!keys)
        return NULL;
    in = mem_zalloc(sizeof(*in));
    in->keys = keys;
    in->store = options->store;
    in->journal = options->journal;
    in->dialplan = options->dialplan;
    atomic_init(&in->bridges, options->bridges);
    in->ticket_life_us = config_us(config, "HOOKLINE_STREAM_TICKET");
    in->commit_deadline_us = config_us(config, "HOOKLINE_COMMIT_DEADLINE");
    in->explains = config_bool(config, "HOOKLINE_EXPLAIN_SIGNATURES");
    in->ack_seconds = metrics_histogram(METRIC_ACK_SECONDS, "", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS));
    in->tallies = mem_zalloc(PROVIDER_COUNT * sizeof(*in->tallies));
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        tally_init(&in->tallies[i], PROVIDERS[i]->name);
    in->triggers = triggers_new();
    in->has_news = options->has_news;
    in->ctx = options->ctx;
    return in;
}

void ingest_free(ingest_t *in)
{
    if (!in)
        return;
    keyring_free(in->keys);
    free(in->tallies);
    free(in->triggers);
    free(in);
}

bool ingest_reload(ingest_t *in, const config_t *config, err_t *err)
{
    return keyring_reload(in->keys, config, err);
}

void ingest_set_bridges(ingest_t *in, bool bridges)
{
    atomic_store(&in->bridges, bridges);
}

bool ingest_provider_is_on(const ingest_t *in, const provider_t *p)
{
    bool on = keyring_hold(in->keys, port_index_of(p)) != NULL;

    keyring_release(in->keys);
    return on;
}

/* ---- taking in, on the loop ---- */

static body_kind_t body_kind(const hook_request_t *r, str_t content_type)
{
    str_t media = str_trim(str_slice(content_type, 0, str_find(content_type, ';')));

    if (r->is_get)
        return BODY_QUERY;
    if (str_eq_nocase(media, STR("application/x-www-form-urlencoded")))
        return BODY_FORM;
    if (str_eq_nocase(media, STR("application/json")) || str_ends_nocase(media, STR("+json")))
        return BODY_JSON;
    return 0;
}

static bool check_genuine(ingest_t *in, size_t index, const hook_route_t *route, body_kind_t kind,
                          hook_request_t *request, form_t *form, arena_t *arena, err_t *err)
{
    const void *keys = keyring_hold(in->keys, index);
    bool genuine = false;

    if (!keys)
        err_set(err, ERR_PROVIDER_OFF, "%s is off: no secret is set", PROVIDERS[index]->title);
    else if (!(route->bodies & (int)kind))
        err_set(err, ERR_MEDIA_TYPE, "a content type that %s does not send", PROVIDERS[index]->title);
    else if (kind != BODY_JSON &&
             !form_parse(arena, request->is_get ? route_query(request->target) : request->body, form, err))
        err->code = ERR_MALFORMED; /* the parameters are what is signed */
    else {
        request->form = kind == BODY_JSON ? NULL : form;
        request->path_secret = route_secret(route, request->target);
        genuine = PROVIDERS[index]->verify(keys, request, arena, err);
    }
    keyring_release(in->keys);
    return genuine;
}

/* What the provider wants to know beside the parameters. */
static void add_headers(form_t *form, const provider_t *provider, const hook_request_t *r, arena_t *a)
{
    const char *const *names = provider->keep_headers;
    size_t most = form->count;
    form_pair_t *pairs;

    for (size_t i = 0; names && names[i]; i++)
        most += !str_is_empty(hook_header(r, names[i]));
    if (most == form->count)
        return;
    pairs = arena_alloc(a, most * sizeof(*pairs));
    if (form->count)
        memcpy(pairs, form->pairs, form->count * sizeof(*pairs));
    for (size_t i = 0; names[i]; i++) {
        str_t value = hook_header(r, names[i]);

        if (!str_is_empty(value))
            pairs[form->count++] = (form_pair_t){str_from(names[i]), value};
    }
    form->pairs = pairs;
}

/* tried: what verify explained; absent while that is off. */
static void note_refusal(ingest_t *in, size_t index, const err_t *err, str_t tried, str_t request_id)
{
    int64_t held;

    tally_refusal(&in->tallies[index], err->code);
    if (log_gate_open(&in->tallies[index].refused_gate, US_PER_S, &held))
        LOG(LOG_WARN, "delivery refused", log_cstr("provider", PROVIDERS[index]->name),
            log_cstr("reason", err_metric(err->code)), log_cstr("detail", err->detail), log_cstr("hint", err->hint),
            log_str("tried", tried), log_str("request_id", request_id), log_int("not_logged", held));
}

static void refuse(ingest_t *in, size_t index, const err_t *err, str_t tried, str_t request_id, ingest_answer_fn answer,
                   void *ctx)
{
    ingest_answer_t a = port_refusal(err->code);

    note_refusal(in, index, err, tried, request_id);
    answer(ctx, &a);
}

void port_note_dead_letter(ingest_t *in, size_t index, const delivery_t *d, str_t request_id)
{
    int64_t held;

    if (log_gate_open(&in->tallies[index].dead_gate, US_PER_S, &held))
        LOG(LOG_WARN, "dead letter", log_cstr("provider", PROVIDERS[index]->name), log_str("error", d->error),
            log_str("event_key", d->event_key), log_str("request_id", request_id), log_int("not_logged", held));
}

ingest_wait_t *ingest_take(ingest_port_t *port, const provider_t *provider, const hook_route_t *route,
                           const hook_request_t *request, str_t content_type, str_t request_id, ingest_answer_fn answer,
                           void *ctx)
{
    ingest_t *in = port_ingest(port);
    size_t index = port_index_of(provider);
    hook_request_t r = *request;
    delivery_t *d = delivery_new(4096 + 3 * (r.body.len < 65536 ? r.body.len : 65536));
    ingest_wait_t *wait = NULL;
    ingest_answer_t acknowledgement;
    err_t err = {.code = ERR_NONE};
    buf_t tried = BUF_EMPTY;
    form_t form = {.count = 0};

    r.explain = in->explains ? &tried : NULL;
    if (!check_genuine(in, index, route, body_kind(&r, content_type), &r, &form, d->arena, &err)) {
        refuse(in, index, &err, buf_str(&tried), request_id, answer, ctx);
        buf_clear(&tried);
        delivery_free(d);
        return NULL;
    }
    buf_clear(&tried);
    d->provider = provider->name;
    d->route = route->name;
    d->way = WAY_WEBHOOK;
    d->received_us = r.now_us;
    if (r.form)
        add_headers(&form, provider, &r, d->arena);
    understand(d, provider, r.body, r.form);
    if (d->error.base)
        port_note_dead_letter(in, index, d, request_id);
    acknowledgement = port_acknowledgement(in, index, route, &r, d);
    if (d->unstored) {
        metric_add(in->tallies[index].unstored, 1);
        answer(ctx, &acknowledgement);
    } else {
        wait = port_submit(port, index, d, &acknowledgement, answer, ctx, &err);
        if (!wait)
            refuse(in, index, &err, STR_NONE, request_id, answer, ctx);
    }
    if (!wait)
        delivery_free(d);
    return wait;
}

/* ---- a WebSocket ---- */

err_code_t ingest_admit(ingest_port_t *port, const provider_t *provider, const hook_route_t *route,
                        const hook_request_t *request, str_t request_id, hook_admission_t *out)
{
    ingest_t *in = port_ingest(port);
    size_t index = port_index_of(provider);
    const void *keys = keyring_hold(in->keys, index);
    hook_request_t r = *request;
    arena_t *scratch = arena_new(1024);
    err_t err = {.code = ERR_NONE};
    buf_t tried = BUF_EMPTY;
    bool admitted = false;

    *out = (hook_admission_t){.call_id = ""};
    r.explain = in->explains ? &tried : NULL;
    r.path_secret = route_secret(route, r.target);
    if (keys)
        admitted = provider->admit(keys, &r, scratch, out, &err);
    else
        err_set(&err, ERR_PROVIDER_OFF, "%s is off: no secret is set", provider->title);
    keyring_release(in->keys);
    if (!admitted)
        note_refusal(in, index, &err, buf_str(&tried), request_id);
    buf_clear(&tried);
    arena_free(scratch);
    return admitted ? ERR_NONE : err.code;
}
