/* beyond_presence.c – webhooks of Beyond Presence (bey.dev): video avatars that hold a conversation.
 *
 * Source: docs.bey.dev/webhooks, docs.bey.dev/integrations/managed-agents/webhook-events,
 * docs.bey.dev/concepts/agents/webhook-events and github.com/bey-dev/bey-examples (call-events-webhook), read
 * 2026-11-21; bodies as in tests/fixtures/beyond_presence/.
 * Delivery: POST of JSON, once: what is not answered 200 within 10 s is lost, and nobody is told. Nothing is signed,
 * and there is neither an event id nor a time of sending. The test event, sent when the address is saved, comes from
 * the operator's browser, so that CORS applies.
 *
 * Since nobody signs, no call is confirmed by what is said here, and what it says of one ranks as an event, a
 * call_ended included: what the API answers to a question of ours ranks above it. */
#include "beyond_presence/beyond_presence.h"
#include "path_secret.h"
#include "rest.h"

#define SECRET "BEY_WEBHOOK_SECRET"

static const setting_t SETTINGS[] = {
    {.name = SECRET,
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets, any of which ends the address that Beyond Presence is given"},
    {.name = BEY_API_KEY,
     .type = SETTING_TEXT,
     .secret = true,
     .reloads = true,
     .help = "Beyond Presence's API key, to fetch calls that no webhook told of, and to confirm those that one did"},
    {.name = BEY_API_URL,
     .type = SETTING_TEXT,
     .fallback = BEY_API_URL_DEFAULT,
     .reloads = true,
     .help = "Where Beyond Presence's API is"},
    {.name = BEY_API_PREFIX,
     .type = SETTING_TEXT,
     .fallback = BEY_API_PREFIX_DEFAULT,
     .reloads = true,
     .help = "What its API calls calls: /v1/calls or /v1/conversations; the other one is tried where it is not there"},
    {.name = BEY_API_GAP,
     .type = SETTING_SECONDS,
     .fallback = BEY_API_GAP_DEFAULT,
     .reloads = true,
     .help = "The least time between two requests to Beyond Presence's API",
     .least = 0,
     .most = REST_MOST_GAP_S},
};

static const hook_route_t ROUTES[] = {
    {"events", "/webhooks/beyond-presence", BODY_JSON, ROUTE_SECRET | ROUTE_BROWSER},
    {BEY_ROUTE_CALL, NULL, 0, 0},
    {BEY_ROUTE_MESSAGES, NULL, 0, 0},
};

/* Whoever has it joins the call. It is in the answer to a call that is made, which we do not; better it is in none. */
static const char *const REDACT[] = {"livekit_token", NULL};

static void *keys_new(const setting_source_t *from, err_t *err)
{
    return path_keys_new(from, SECRET, err);
}

static str_t first_of(const cJSON *root, const char *path, const char *other)
{
    str_t text = json_str(root, path);

    return str_is_empty(text) ? json_str(root, other) : text;
}

/* Names are in camelCase and in snake_case, by event; the times are known from the vendor's n8n node only. When a
 * visitor left (leftAt) is not when the call ended. */
fact_t *beyond_presence_call(delivery_t *d, int64_t clock_us)
{
    fact_t *call = fact_call(&d->facts, d->call_id);
    version_t v = version_of(RANK_EVENT, clock_us);
    int64_t started_us = json_iso8601(d->root, "call_data.startedAt");
    int64_t ended_us = json_iso8601(d->root, "call_data.endedAt");

    fact_phase(call, PHASE_ACTIVE);
    fact_bool(call, CALL_CONFIRMED, RANK_EVENT, false);
    fact_bool(call, CALL_AI_AGENT_USED, RANK_EVENT, true);
    fact_text(call, CALL_AGENT_ID, v, first_of(d->root, "call_data.agentId", "agentId"));
    fact_text(call, CALL_CUSTOMER_NAME, v, first_of(d->root, "user_name", "call_data.userName"));
    fact_time(call, CALL_STARTED_AT, RANK_EVENT, started_us);
    fact_time(call, CALL_CONNECTED_AT, RANK_EVENT, started_us);
    fact_time(call, CALL_ENDED_AT, RANK_EVENT, ended_us);
    if (ended_us != TIME_NONE)
        fact_ended(call, v, STR("completed"), STR_NONE);
    return call;
}

/* The newer pages call a call a conversation, though no event was seen that does. */
static const struct {
    const char *type;
    bool (*understand)(delivery_t *d, err_t *err);
} ROWS[] = {
    {"message", beyond_presence_message},
    {"call_ended", beyond_presence_ended},
    {"conversation_ended", beyond_presence_ended},
};

static void other(delivery_t *d)
{
    const str_t parts[] = {d->event_type, STR(":"), str_is_empty(d->call_id) ? STR("-") : d->call_id, STR(":"),
                           json_hash(d->arena, d->root, NULL)};

    d->event_key = arena_concat(d->arena, parts, COUNT(parts));
}

static bool normalise_event(delivery_t *d, err_t *err)
{
    d->event_type = json_str(d->root, "event_type");
    d->call_id = first_of(d->root, "call_id", "conversation_id");
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at event_type, as in every event");
    if (str_eq(d->event_type, STR("test"))) {
        d->unstored = true; /* only asks whether somebody is there */
        return true;
    }
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        if (!str_eq(d->event_type, str_from(ROWS[i].type)))
            continue;
        if (str_is_empty(d->call_id))
            return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at call_id, as in every %s", ROWS[i].type);
        return ROWS[i].understand(d, err);
    }
    other(d);
    return true;
}

static bool normalise(delivery_t *d, err_t *err)
{
    str_t route = str_from(d->route);

    if (str_eq(route, STR(BEY_ROUTE_CALL)))
        return beyond_presence_api_call(d, err);
    if (str_eq(route, STR(BEY_ROUTE_MESSAGES)))
        return beyond_presence_api_messages(d, err);
    return normalise_event(d, err);
}

/* Exactly 200: the documents know no other success. */
const provider_t provider_beyond_presence = {
    .name = "beyond_presence",
    .title = "Beyond Presence",
    .settings = SETTINGS,
    .n_settings = COUNT(SETTINGS),
    .keys_new = keys_new,
    .keys_free = path_keys_free,
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .verify = path_secret_verify,
    .redact = REDACT,
    .normalise = normalise,
    .reply = hook_reply_ok,
    .sign = path_secret_sign,
    .path_secret = path_secret_newest,
    .samples = BEYOND_PRESENCE_SAMPLES,
    .n_samples = BEYOND_PRESENCE_SAMPLE_COUNT,
    .remote = &BEYOND_PRESENCE_REMOTE,
};
