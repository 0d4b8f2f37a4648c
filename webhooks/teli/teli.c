/* teli.c – what Teli (teli.ai), or the voice provider under it, may be made to send.
 *
 * Teli documents no webhook. Two things can reach us all the same: a custom tool of an agent, which its model calls
 * during the call when it sees fit, and events in the shape of Retell AI, whose objects Teli's are; neither's body is
 * published, so all that is relied on is a JSON object that names a call. This is a hint to a call, never the whole of
 * it; that is to be had from Teli's API.
 * Source: docs.teli.ai/partner-api (agents/update-tools, call-history), docs.retellai.com/features/webhook,
 * read 2026-11-21; bodies as in tests/fixtures/teli/. telli.com is another company.
 * Delivery: nothing is known of repeats or order. Since nobody signs, no call is confirmed by what is said here, and
 * what it says of one ranks as an event. */
#include "teli/teli.h"

#include "path_secret.h"

#define SECRET "TELI_WEBHOOK_SECRET"

static const setting_t SETTINGS[] = {
    {.name = SECRET,
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets, any of which ends the address that Teli's custom tools are given"},
};

static const hook_route_t ROUTES[] = {{"events", "/webhooks/teli", BODY_JSON, ROUTE_SECRET}};

/* Of a web call: its holder can join it. */
static const char *const REDACT[] = {"access_token", NULL};

static void *keys_new(const setting_source_t *from, err_t *err)
{
    return path_keys_new(from, SECRET, err);
}

/* Where the call's id may stand. */
static const char *const CALL_IDS[] = {"call.call_id", "call_id", "callId", "call.id"};

static str_t call_id_of(const cJSON *root)
{
    str_t id = STR_NONE;

    for (size_t i = 0; i < COUNT(CALL_IDS) && str_is_empty(id); i++)
        id = json_str(root, CALL_IDS[i]);
    return id;
}

/* Links are signed anew for every sending. */
static bool is_link(str_t key)
{
    return str_ends_nocase(key, STR("_url"));
}

/* call_started and call_ended are said once; everything else can come again with more, or other, in it. */
static const struct {
    const char *event;
    const char *state;
} ONCE[] = {{"call_started", "started"}, {"call_ended", "ended"}};

static void event_key(delivery_t *d, const cJSON *what)
{
    str_t parts[] = {STR("call:"), d->call_id, STR(":"), d->event_type, STR(":"), json_hash(d->arena, what, is_link)};
    size_t n = COUNT(parts);

    for (size_t i = 0; i < COUNT(ONCE); i++) {
        if (str_eq(d->event_type, str_from(ONCE[i].event))) {
            parts[3] = str_from(ONCE[i].state);
            n = 4;
        }
    }
    d->event_key = arena_concat(d->arena, parts, n);
}

/* A tool is called while the call goes on. What it is called with is the model's words, and names nothing of ours: only
 * the object `call` is looked into. */
static void tool_call(delivery_t *d)
{
    const cJSON *args = json_at(d->root, "args");
    const str_t type[] = {STR("tool:"), json_str(d->root, "name")};
    const str_t key[] = {STR("tool:"), d->call_id, STR(":"),
                         type[1],      STR(":"),   json_hash(d->arena, args ? args : d->root, NULL)};

    d->event_type = str_is_empty(type[1]) ? STR("tool") : arena_concat(d->arena, type, COUNT(type));
    d->event_key = arena_concat(d->arena, key, COUNT(key));
    fact_phase(fact_call(&d->facts, d->call_id), PHASE_ACTIVE);
}

static bool normalise(delivery_t *d, err_t *err)
{
    const cJSON *call = json_at(d->root, "call");

    d->call_id = call_id_of(d->root);
    d->event_type = json_str(d->root, "event");
    if (str_is_empty(d->call_id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the id of a call at call.call_id, call_id, callId or call.id");
    if (str_is_empty(d->event_type))
        tool_call(d);
    else
        event_key(d, call ? call : d->root);
    fact_bool(teli_call_facts(d, call, RANK_EVENT, STR("report")), CALL_CONFIRMED, RANK_EVENT, false);
    return true;
}

const provider_t provider_teli = {
    .name = "teli",
    .title = "Teli",
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
    .samples = TELI_SAMPLES,
    .n_samples = TELI_SAMPLE_COUNT,
};
