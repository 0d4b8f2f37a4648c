/* agent.c – agents of your own: whoever signs by the Standard Webhooks spec may tell of calls here.
 *
 * Source of the envelope and of the signature: standardwebhooks.com and
 * github.com/standard-webhooks/standard-webhooks (spec/standard-webhooks.md), read 2026-11-21; of an item of a LiveKit
 * agent: docs.livekit.io/agents/build/text and docs.livekit.io/agents/build/sessions, read 2026-11-21. The rest is
 * our own contract: README.md beside this file. The answer is 200 once it is committed; everything may be repeated and
 * come in any order, since what is the same event is found by what it says, never by webhook-id. */
#include "agent/agent.h"

static const hook_route_t ROUTES[] = {{"events", "/webhooks/agent", BODY_JSON, 0}};

typedef struct row {
    const char *type;
    rank_t rank;                          /* of what it says about a call of the agent's own */
    const char *time;                     /* in data: when it happened, where there is no timestamp; NULL: nothing */
    void (*understand)(agent_event_t *e); /* NULL: stored, needs no call and has no facts */
    bool bare;                            /* may have what belongs into data beside its type */
} row_t;

static const row_t ROWS[] = {
    {"call.started", RANK_EVENT, "started_at", agent_call_started, false},
    {"message", RANK_EVENT, NULL, agent_message, false},
    {"transcript.item", RANK_EVENT, NULL, agent_message, true}, /* of a LiveKit agent, posted as it is */
    {"call.ended", RANK_REPORT, "ended_at", agent_call_ended, false},
};
static const row_t OTHER = {"", RANK_EVENT, NULL, NULL, true};

static const row_t *find_row(str_t type)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (str_eq(type, str_from(ROWS[i].type)))
            return &ROWS[i];
    return &OTHER;
}

int64_t agent_time(const cJSON *root, const char *path)
{
    int64_t us = json_time_s(root, path);

    return us != TIME_NONE ? us : json_iso8601(root, path);
}

static bool count_at(const cJSON *root, const char *path, int64_t *out)
{
    int64_t n;

    if (!json_int(root, path, &n) || n < 0 || n > 1000000000)
        return false;
    *out = n;
    return true;
}

bool agent_tokens(const cJSON *root, int64_t *out)
{
    int64_t input = 0, output = 0;
    bool has_input, has_output;

    if (count_at(root, "tokens", out) || count_at(root, "tokens.total", out))
        return true;
    has_input = count_at(root, "tokens.input", &input);
    has_output = count_at(root, "tokens.output", &output);
    *out = input + output;
    return has_input || has_output;
}

/* ---- which call ---- */

static str_t first_of(const cJSON *data, const char *path, const char *other)
{
    str_t text = json_str(data, path);

    return str_is_empty(text) ? json_str(data, other) : text;
}

#define MAX_PROVIDER_NAME 40

static bool is_provider_name(str_t name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.len <= MAX_PROVIDER_NAME;
}

static str_t provider_of(const cJSON *data)
{
    str_t provider = json_str(data, "provider");

    if (str_is_empty(provider) && json_at(data, "room"))
        return STR("livekit");
    return str_is_empty(provider) ? STR("agent") : provider;
}

/* False: no call is named, or not so that it could be found. */
static bool find_call(agent_event_t *e, err_t *err)
{
    str_t provider = provider_of(e->data), session = first_of(e->data, "session_id", "room.name");
    delivery_t *d = e->d;
    str_t id = first_of(e->data, "provider_call_id", "call_id");

    if (!is_provider_name(provider))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a provider's name (a-z, 0-9 and _) at data.provider");
    e->is_ours = str_eq(provider, STR("agent"));
    if (str_is_empty(id))
        id = json_str(e->data, "room.sid");
    if (str_is_empty(id) && !e->is_ours && !str_is_empty(session))
        id = fact_session_call(d->arena, session);
    if (str_is_empty(id))
        return err_set(err, ERR_UNKNOWN_SHAPE,
                       "expected a call at data.call_id, or data.provider with provider_call_id or session_id");
    d->call_id = id;
    e->call = e->is_ours ? id : arena_printf(d->arena, STR_FMT ":" STR_FMT, STR_ARG(provider), STR_ARG(id));
    if (!e->is_ours)
        facts_about(&d->facts, provider);
    return true;
}

/* Another provider knows its calls better than we do: there, what is said here stands only where it says nothing. */
static void open_call(agent_event_t *e, rank_t rank)
{
    e->rank = e->is_ours ? rank : RANK_INFERRED;
    e->version = version_of(e->rank, e->d->occurred_us);
    e->fact = fact_call(&e->d->facts, e->d->call_id);
    fact_bool(e->fact, CALL_AI_AGENT_USED, e->rank, true);
    fact_text(e->fact, CALL_SESSION_ID, e->version, first_of(e->data, "session_id", "room.name"));
    fact_text(e->fact, CALL_ROOM_NAME, e->version, json_str(e->data, "room.name"));
}

static void other(agent_event_t *e)
{
    delivery_t *d = e->d;
    const str_t parts[] = {d->event_type, STR(":"), str_is_empty(e->call) ? STR("-") : e->call, STR(":"),
                           json_hash(d->arena, d->root, NULL)};

    d->event_key = arena_concat(d->arena, parts, COUNT(parts));
}

static bool normalise(delivery_t *d, err_t *err)
{
    agent_event_t e = {.d = d, .data = json_at(d->root, "data")};
    const row_t *row;
    bool named;

    d->event_type = json_str(d->root, "type");
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at type, such as call.started or message");
    row = find_row(d->event_type);
    if (!cJSON_IsObject(e.data)) {
        if (!row->bare)
            return err_set(err, ERR_UNKNOWN_SHAPE, "expected an object at data, as in every %s", row->type);
        e.data = d->root;
    }
    d->occurred_us = agent_time(d->root, "timestamp");
    if (d->occurred_us == TIME_NONE && row->time)
        d->occurred_us = agent_time(e.data, row->time);
    named = find_call(&e, err);
    if (!row->understand) {
        other(&e);
        return true;
    }
    if (!named)
        return false;
    open_call(&e, row->rank);
    row->understand(&e);
    return !e.unread || err_set(err, ERR_UNKNOWN_SHAPE, "%s", e.unread);
}

const provider_t provider_agent = {
    .name = "agent",
    .title = "Agents",
    .settings = AGENT_SETTINGS,
    .n_settings = AGENT_SETTING_COUNT,
    .keys_new = agent_keys_new,
    .keys_free = agent_keys_free,
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .verify = agent_verify,
    .normalise = normalise,
    .reply = hook_reply_ok,
    .sign = agent_sign,
    .samples = AGENT_SAMPLES,
    .n_samples = AGENT_SAMPLE_COUNT,
};
