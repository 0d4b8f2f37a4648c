/* vapi.c – server messages of Vapi.
 *
 * Source: docs.vapi.ai/server-url/events and the schemas ServerMessage* of Vapi's OpenAPI document, read 2026-11-21;
 * bodies as in tests/fixtures/vapi/.
 * Delivery: POST of {"message": {"type": …}}, no event id, no sequence number. Without a backoff plan on Vapi's side
 * nothing is ever repeated. Anything in a message may be absent or null. */
#include "vapi/vapi.h"

static const hook_route_t ROUTES[] = {{"events", "/webhooks/vapi", BODY_JSON, 0}};

/* A message embeds the phone number and the assistant as they are stored at Vapi, with the customer's own credentials,
 * and links that open a live call. What a tool is called with is the conversation's content, whatever its keys are
 * called; and promptTokens end in "tokens". */
static const char *const REDACT[] = {
    "!arguments",
    "!parameters",
    "!presignedUrlsExpiresAt",
    "*token",
    "*secret",
    "*apikey",
    "*password",
    "authorization",
    "controlUrl",
    "listenUrl",
    "callUrl",
    "headers.*",
    "credentials",
    "presigned*",
    "*privateKey",
    "*accessKey",
    "originalTranscript",
    "originalMessage",
    NULL,
};

/* The type on the wire decides. A row without `understand` is stored as an event, without facts. */
typedef struct row {
    const char *type;
    const char *object;   /* path of the id of what it is about */
    const char *state[3]; /* paths of what, with type and object, names it; none: the hash of the message */
    void (*understand)(vapi_message_t *m);
    const char *answer; /* NULL: {} */
    vapi_answer_fn make_answer;
} row_t;

#define ONCE                                                                                                           \
    {                                                                                                                  \
        ""                                                                                                             \
    } /* type and object name it already */
#define NO_ASSISTANT   "{\"error\":\"We are sorry, this number is not in service at the moment. Goodbye.\"}"
#define NO_DESTINATION "{\"error\":\"There is nobody to transfer this call to.\"}"
static const row_t ROWS[] = {
    {"status-update", "call.id", {0}, vapi_status_update, NULL, NULL},
    {"transcript", "call.id", {0}, vapi_transcript, NULL, NULL},
    {"end-of-call-report", "call.id", {0}, vapi_report, NULL, NULL},
    {"speech-update", "call.id", {"role", "turn", "status"}, NULL, NULL, NULL},
    {"assistant-request", "call.id", {0}, NULL, NO_ASSISTANT, NULL},
    {"tool-calls", "call.id", {"toolCallList.0.id"}, NULL, NULL, vapi_answer_tool_calls},
    {"function-call", "call.id", {0}, NULL, "{\"result\":\"This server has no such function.\"}", NULL},
    {"transfer-destination-request", "call.id", {0}, NULL, NO_DESTINATION, NULL},
    {"handoff-destination-request", "call.id", {0}, NULL, NO_DESTINATION, NULL},
    {"knowledge-base-request", "call.id", {0}, NULL, "{\"documents\":[]}", NULL},
    {"campaign.predial", "campaignId", {"contact.id"}, NULL, "{\"eligible\":false}", NULL},
    {"call.deleted", "call.id", ONCE, NULL, NULL, NULL},
    {"chat.created", "chat.id", ONCE, NULL, NULL, NULL},
    {"chat.deleted", "chat.id", ONCE, NULL, NULL, NULL},
    {"session.created", "session.id", ONCE, NULL, NULL, NULL},
    {"session.updated", "session.id", {"session.updatedAt"}, NULL, NULL, NULL},
    {"session.deleted", "session.id", ONCE, NULL, NULL, NULL},
};

/* Everything else, known or not: new types come. */
static const row_t OTHER = {"", "call.id", {0}, NULL, NULL, NULL};

static const row_t *find_row(str_t type)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (str_eq(type, str_from(ROWS[i].type)))
            return &ROWS[i];
    return &OTHER;
}

/* A subscription to final lines only is called transcript[transcriptType="final"], and so are its messages. */
static str_t type_of(const cJSON *message)
{
    str_t type = json_str(message, "type");

    return str_slice(type, 0, str_find(type, '['));
}

/* Twilio's Call SID, where Twilio carries the call: transport.callSid, in older messages phoneCallProviderId. */
static str_t call_sid(const cJSON *call)
{
    const cJSON *transport = json_at(call, "transport");
    str_t sid = STR_NONE;

    if (str_eq(json_str(transport, "provider"), STR("twilio")))
        sid = json_str(transport, "callSid");
    if (str_is_empty(sid) && str_eq(json_str(call, "phoneCallProvider"), STR("twilio")))
        sid = json_str(call, "phoneCallProviderId");
    return sid;
}

/* ---- event keys ---- */

static bool is_presigned(str_t key)
{
    return str_starts(key, STR("presigned"));
}

static str_t value_text(const cJSON *node, arena_t *a)
{
    if (cJSON_IsString(node))
        return str_from(node->valuestring);
    return cJSON_IsNumber(node) ? json_print(a, node) : STR_NONE;
}

/* The values at the row's paths, joined; absent when it has none, or one is missing. */
static str_t state_of(const row_t *row, const cJSON *message, arena_t *a)
{
    str_t parts[2 * COUNT(row->state)];
    size_t n = 0;

    for (size_t i = 0; i < COUNT(row->state) && row->state[i]; i++) {
        str_t value = value_text(json_at(message, row->state[i]), a);

        if (str_is_empty(value))
            return STR_NONE;
        if (n)
            parts[n++] = STR(":");
        parts[n++] = value;
    }
    return n ? arena_concat(a, parts, n) : STR_NONE;
}

static void set_key(delivery_t *d, const row_t *row, const cJSON *message)
{
    str_t object = json_str(message, row->object);
    bool once = !str_is_empty(object) && row->state[0] && !*row->state[0];
    str_t state = once || str_is_empty(object) ? STR_NONE : state_of(row, message, d->arena);
    str_t parts[] = {d->event_type, STR(":"), str_is_empty(object) ? STR("-") : object, STR(":"), state};

    if (!once && str_is_empty(state))
        parts[4] = json_hash(d->arena, message, is_presigned);
    d->event_key = arena_concat(d->arena, parts, once ? 3 : COUNT(parts));
}

static bool normalise(delivery_t *d, err_t *err)
{
    vapi_message_t m = {.d = d, .root = json_at(d->root, "message")};
    const row_t *row;

    d->event_type = type_of(m.root);
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at message.type, as in every server message");
    row = find_row(d->event_type);
    m.call = json_at(m.root, "call");
    d->call_id = json_str(m.call, "id");
    d->call_sid = call_sid(m.call);
    d->occurred_us = json_time_ms(m.root, "timestamp");
    if (row->understand)
        row->understand(&m);
    if (str_is_empty(d->event_key) && !d->unstored)
        set_key(d, row, m.root);
    return true;
}

static void reply(delivery_t *d, hook_reply_t *out)
{
    const cJSON *message = d->root ? json_at(d->root, "message") : NULL;
    const row_t *row = find_row(d->event_type);
    str_t body = row->answer ? str_from(row->answer) : STR("{}");

    if (row->make_answer)
        body = row->make_answer(message, d->arena);
    *out = (hook_reply_t){200, STR("application/json"), body};
}

const provider_t provider_vapi = {
    .name = "vapi",
    .title = "Vapi",
    .settings = VAPI_SETTINGS,
    .n_settings = VAPI_SETTING_COUNT,
    .keys_new = vapi_keys_new,
    .keys_free = vapi_keys_free,
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .verify = vapi_verify,
    .redact = REDACT,
    .normalise = normalise,
    .reply = reply,
    .sign = vapi_sign,
    .samples = VAPI_SAMPLES,
    .n_samples = VAPI_SAMPLE_COUNT,
};
