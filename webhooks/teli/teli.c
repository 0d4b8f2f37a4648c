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

#include <string.h>

#define SECRET "TELI_WEBHOOK_SECRET"

static const setting_t SETTINGS[] = {
    {.name = SECRET,
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets, any of which ends the address that Teli's custom tools are given"},
    {.name = "TELI_API_KEY", .type = SETTING_TEXT, .secret = true, .reloads = true, .help = "Key of Teli's API"},
    {.name = "TELI_ORGANIZATION_ID",
     .type = SETTING_LIST,
     .reloads = true,
     .help = "Ids of the organisations whose calls are fetched"},
    {.name = "TELI_API_URL", .type = SETTING_TEXT, .fallback = TELI_API_URL, .reloads = true, .help = "Teli's API"},
    {.name = "TELI_API_GAP",
     .type = SETTING_SECONDS,
     .fallback = TELI_API_GAP,
     .reloads = true,
     .help = "Least time between two requests to Teli's API",
     .most = 60},
};

static const hook_route_t ROUTES[] = {
    {"events", "/webhooks/teli", BODY_JSON, ROUTE_SECRET},
    {TELI_API_CALL, NULL, 0, 0},
    {TELI_API_AGENT, NULL, 0, 0},
};

/* Of a web call: its holder can join it. Of an agent's custom tool: what it proves itself by, to us among others. */
static const char *const REDACT[] = {"access_token", "tools.headers.*", NULL};

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

/* ---- what the API answers ---- */

bool teli_is_volatile(str_t key)
{
    return is_link(key) || str_eq(key, STR("updated_at")) || str_eq(key, STR("modified_at")) ||
           str_eq(key, STR("last_modification_timestamp"));
}

static void object_key(delivery_t *d, const char *kind, str_t id)
{
    const str_t parts[] = {str_from(kind), STR(":"), id, STR(":api:"), json_hash(d->arena, d->root, teli_is_volatile)};

    d->event_type = str_from(kind);
    d->event_key = arena_concat(d->arena, parts, COUNT(parts));
}

/* A row of a list or of an export, or a detail. */
static bool api_call(delivery_t *d, err_t *err)
{
    d->call_id = json_str(d->root, "call_id");
    if (str_is_empty(d->call_id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the id of a call at call_id");
    object_key(d, "call", d->call_id);
    fact_bool(teli_call_facts(d, d->root, RANK_REPORT, STR("report")), CALL_CONFIRMED, RANK_REPORT, true);
    return true;
}

str_t teli_agent_id(const cJSON *agent)
{
    static const char *const IDS[] = {"agent_id", "unique_id", "id"};
    str_t id = STR_NONE;

    for (size_t i = 0; i < COUNT(IDS) && str_is_empty(id); i++)
        id = json_str(agent, IDS[i]);
    return id;
}

static bool api_agent(delivery_t *d, err_t *err)
{
    str_t id = teli_agent_id(d->root);

    if (str_is_empty(id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the id of an agent at agent_id, unique_id or id");
    object_key(d, "agent", id);
    teli_agent_facts(d, d->root, TELI_AGENT_NOTATIONS);
    return true;
}

/* ---- what is sent ---- */

static bool event(delivery_t *d, err_t *err)
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

static bool normalise(delivery_t *d, err_t *err)
{
    if (strcmp(d->route, TELI_API_CALL) == 0)
        return api_call(d, err);
    if (strcmp(d->route, TELI_API_AGENT) == 0)
        return api_agent(d, err);
    return event(d, err);
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
    .remote = &TELI_REMOTE,
};
