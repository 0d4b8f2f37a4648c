/* understand.c – a body of the provider PROVIDER (set by the build: one program each) through the engine: what comes of
 * it can be stored, and is the same when it comes again. It is not known to be genuine here, as no proof says what a
 * provider's own users wrote into it. */
#include "fuzz.h"

#include "ingest/understand.h"
static const provider_t *provider;
static const json_redact_t none = {NULL};

/* ---- can it be stored? ---- */

static void check_text(str_t s)
{
    CHECK(is_storable(s), s);
}

static void check_cell(arena_t *a, const column_t *column, const cell_t *cell)
{
    if (!cell->version)
        return;
    switch (column->type) {
    case COLUMN_TEXT:
        check_text(cell->text);
        break;
    case COLUMN_JSON:
        CHECK(is_clean_json(a, cell->text, none), cell->text);
        break;
    case COLUMN_NUMERIC:
        CHECK(is_clean_json(a, cell->text, none) && cJSON_IsNumber(json_parse(a, cell->text, NULL)), cell->text);
        break;
    case COLUMN_TIME:
        CHECK(cell->number >= 0, str_from(column->name));
        break;
    case COLUMN_BOOL:
        CHECK(cell->number == 0 || cell->number == 1, str_from(column->name));
        break;
    case COLUMN_INT:
        break;
    }
}

static void check_fact(arena_t *a, const fact_t *f)
{
    check_text(f->provider);
    check_text(f->call_id);
    check_text(f->key);
    CHECK(!str_is_empty(f->call_id), f->key);
    CHECK(f->kind == FACT_CALL || !str_is_empty(f->key), f->call_id);
    for (size_t i = 0; i < FACT_TABLES[f->kind].count; i++)
        check_cell(a, &FACT_TABLES[f->kind].columns[i], &f->cells[i]);
}

static void check_delivery(const delivery_t *d)
{
    const str_t texts[] = {d->event_key,   d->event_type, d->call_id, d->call_sid,
                           d->from_number, d->to_number,  d->status,  d->error};

    for (size_t i = 0; i < COUNT(texts); i++)
        check_text(texts[i]);
    CHECK(d->unstored || !str_is_empty(d->event_key), d->payload);
    CHECK(d->payload.base || d->raw.base, d->event_key);
    CHECK(!d->payload.base || is_clean_json(d->arena, d->payload, none), d->payload);
    CHECK(!d->error.base || !d->facts.first, d->error);
    CHECK(d->occurred_us == TIME_NONE || d->occurred_us >= 0, d->event_key);
    for (const fact_t *f = d->facts.first; f; f = f->next)
        check_fact(d->arena, f);
}

static void check_reply(delivery_t *d, const call_plan_t *plan)
{
    const hook_context_t with = {
        .origin = STR("https://calls.example.com"), .plan = plan, .bridges = true, .ticket_life_us = US_PER_S};
    hook_reply_t reply = {.status = 200};

    provider->reply(d, &with, &reply);
    /* 422: what no answer of ours could serve, and any 2xx would be taken for one (Vapi's voice-request) */
    CHECK((reply.status >= 200 && reply.status < 300) || reply.status == 422, d->event_type);
    CHECK(str_is_empty(reply.body) == str_is_empty(reply.content_type), reply.body);
    CHECK(is_storable(reply.body), reply.body);
    if (str_eq(reply.content_type, STR("application/json")))
        CHECK(is_clean_json(d->arena, reply.body, none), reply.body);
}

/* What is planned has been written by somebody, too. */
static void check_answers(delivery_t *d, const hook_route_t *route, str_t words)
{
    const call_agent_t agent = {.id = words, .greeting = words};

    if (!(route->traits & ROUTE_ANSWER))
        return;
    check_text(provider->our_number(d));
    for (int action = CALL_UNPLANNED; action <= CALL_BRIDGE; action++)
        check_reply(d, &(call_plan_t){.action = (call_action_t)action, .greeting = words, .agent = &agent});
}

/* ---- is it the same again? ---- */

static void check_same(const delivery_t *a, const delivery_t *b)
{
    const fact_t *f = a->facts.first, *g = b->facts.first;

    CHECK(str_eq(a->event_key, b->event_key), a->event_key);
    CHECK(str_eq(a->call_id, b->call_id) && a->unstored == b->unstored && a->occurred_us == b->occurred_us,
          a->event_key);
    for (; f && g; f = f->next, g = g->next)
        CHECK(f->kind == g->kind && str_eq(f->call_id, g->call_id) && str_eq(f->key, g->key), f->key);
    CHECK(!f && !g, a->event_key);
}

static delivery_t *deliver(const hook_route_t *route, str_t body, bool is_form, int64_t received_us)
{
    delivery_t *d = delivery_new(4096);
    form_t form;

    if (is_form && !form_parse(d->arena, body, &form, NULL)) {
        delivery_free(d); /* ingest refuses it before anybody looks */
        return NULL;
    }
    d->provider = provider->name;
    d->route = route->name;
    d->received_us = received_us;
    understand(d, provider, body, is_form ? &form : NULL);
    return d;
}

static void try_route(const hook_route_t *route, str_t body, bool is_form)
{
    delivery_t *d = deliver(route, body, is_form, US_PER_S), *again = deliver(route, body, is_form, 2 * US_PER_S);

    if (d) {
        check_delivery(d);
        check_same(d, again);
        check_reply(d, NULL);
        check_answers(d, route, body);
    }
    delivery_free(d);
    delivery_free(again);
}

void fuzz_begin(void)
{
    provider = provider_find(str_from(PROVIDER));
    CHECK(provider, STR(PROVIDER));
}

void fuzz_one(arena_t *a, str_t input)
{
    (void)a;
    for (size_t i = 0; i < provider->n_routes; i++) {
        const hook_route_t *route = &provider->routes[i];

        /* what is heard on a stream is told in JSON, and so is what an API answers */
        if (route->bodies & BODY_JSON || route->traits & ROUTE_STREAM || !route->path)
            try_route(route, input, false);
        if (route->bodies & (BODY_FORM | BODY_QUERY))
            try_route(route, input, true);
    }
}
