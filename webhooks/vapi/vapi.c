/* vapi.c – server messages of Vapi.
 *
 * Source: docs.vapi.ai/server-url/events and the schemas ServerMessage* of Vapi's OpenAPI document, read 2026-11-21;
 * bodies as in tests/fixtures/vapi/.
 * Delivery: POST of {"message": {"type": …}}, no event id, no sequence number. Without a backoff plan on Vapi's side
 * nothing is ever repeated. Anything in a message may be absent or null. */
#include "vapi/vapi.h"

static const hook_route_t ROUTES[] = {
    {"events", "/webhooks/vapi", BODY_JSON, 0},
    {VAPI_ROUTE_API_CALL, NULL, 0, 0},
};

/* A message embeds the phone number and the assistant as they are stored at Vapi, with the customer's own credentials,
 * and links that open a live call. What a tool is called with, and what was drawn from the conversation, is the
 * conversation's content, whatever its keys are called; and promptTokens end in "tokens". But the parameters of a tool
 * as it is defined are a list of {key, value} that the model never sees, made for what its server wants to be shown:
 * docs.vapi.ai/tools/static-variables-and-aliases, read 2026-11-21. */
static const char *const REDACT[] = {
    "tools*.parameters.value",
    "toolWithToolCallList.parameters.value",
    "!arguments",
    "!parameters",
    "!structuredData",
    "!structuredDataMulti",
    "!structuredOutputs",
    "!presignedUrlsExpiresAt",
    "*token",
    "*secret",
    "*secretKey",
    "*apikey",
    "*api-key",
    "*api_key",
    "*password",
    "authorization",
    "controlUrl",
    "listenUrl",
    "callUrl",
    "callSipUri",
    "headers.*",
    "credentials",
    "presigned*",
    "*privateKey",
    "*accessKey",
    "originalTranscript",
    "originalMessage",
    NULL,
};

/* The type on the wire decides what a message is about, what names it, and what it is answered.
 *
 * A key is "type:object:state". The state is what in the message tells one such happening from the next: its own ids
 * and words first; the message's timestamp only where there is nothing else, as two of the same would otherwise be one.
 */
typedef struct row {
    const char *type;
    const char *object;   /* path of the id of what it is about; NULL: the call, whose facts are then read */
    const char *state[3]; /* paths; "#path" is the hash of what is there. None, or one missing: the message's hash */
    bool once;            /* type and object name it: it happens once, or one row stands for all of them */
    void (*understand)(vapi_message_t *m); /* NULL: vapi_about_call where it is about a call, else nothing */
    const char *answer;                    /* NULL: {} */
    vapi_answer_fn make_answer;
    int status; /* of the answer; 0: 200 */
} row_t;

/* Until answers can be configured, each is the refusal that Vapi handles well: a sentence that the caller hears, or an
 * error that the model reads. With status 200: the agent ignores the body of any other.
 *
 * A history that a request brings is that of conversation-update, and has one row like it. The custom voice is the
 * exception: it wants sound, and would play any 200 to the caller. An error lets Vapi take its fallback voice, and 422
 * is among the statuses that a backoff plan should exclude, so that it is not asked again. */
#define NO_ASSISTANT   "{\"error\":\"We are sorry, this number is not in service at the moment. Goodbye.\"}"
#define NO_DESTINATION "{\"error\":\"There is nobody to transfer this call to.\"}"
#define NO_FUNCTION    "{\"result\":\"This server has no such function.\"}"
#define NO_VOICE       "{\"error\":\"This server makes no speech.\"}"
static const row_t ROWS[] = {
    {.type = "status-update", .understand = vapi_status_update},
    {.type = "transcript", .understand = vapi_transcript},
    {.type = "end-of-call-report", .understand = vapi_report},
    {.type = "conversation-update", .once = true, .understand = vapi_conversation_so_far},
    {.type = "transfer-update", .state = {"#destination", "timestamp"}, .understand = vapi_transfer_update},
    {.type = "assistant.started", .state = {"timestamp"}},
    {.type = "assistant.speechStarted", .state = {"turn", "#text"}},
    {.type = "speech-update", .state = {"role", "turn", "status"}},
    {.type = "user-interrupted", .state = {"turnId"}},
    {.type = "model-output", .state = {"turnId", "#output"}},
    {.type = "voice-input", .state = {"#input", "timestamp"}},
    {.type = "language-change-detected", .state = {"language", "timestamp"}},
    {.type = "hang", .state = {"timestamp"}},
    {.type = "phone-call-control", .state = {"request", "timestamp"}},
    {.type = "call.artifact.upload", .state = {"#artifacts"}},
    {.type = "call.deleted", .once = true},
    {.type = "call.delete.failed", .state = {"timestamp"}},

    {.type = "assistant-request", .once = true, .answer = NO_ASSISTANT},
    {.type = "tool-calls", .understand = vapi_tool_calls, .make_answer = vapi_answer_tool_calls},
    {.type = "function-call", .state = {"#functionCall", "timestamp"}, .answer = NO_FUNCTION},
    {.type = "transfer-destination-request", .state = {"timestamp"}, .answer = NO_DESTINATION},
    {.type = "handoff-destination-request", .state = {"#parameters", "timestamp"}, .answer = NO_DESTINATION},
    {.type = "knowledge-base-request",
     .once = true,
     .understand = vapi_conversation_so_far,
     .answer = "{\"documents\":[]}"},
    {.type = "call.endpointing.request",
     .once = true,
     .understand = vapi_conversation_so_far,
     .answer = "{\"timeoutSeconds\":1}"},
    {.type = "voice-request", .state = {"#text", "timestamp"}, .answer = NO_VOICE, .status = 422},
    {.type = "campaign.predial",
     .object = "campaignId",
     .state = {"contact.id"},
     .understand = vapi_campaign_predial,
     .answer = "{\"eligible\":false}"},

    /* text chats: no calls, and no facts about any */
    {.type = "chat.created", .object = "chat.id", .once = true},
    {.type = "chat.deleted", .object = "chat.id", .once = true},
    {.type = "session.created", .object = "session.id", .once = true},
    {.type = "session.updated", .object = "session.id", .state = {"session.updatedAt"}},
    {.type = "session.deleted", .object = "session.id", .once = true},
};

/* Everything else, known or not: new types come. */
static const row_t OTHER = {.type = ""};

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

static str_t state_at(const cJSON *message, const char *path, arena_t *a)
{
    const cJSON *node = json_at(message, path + (*path == '#'));

    if (*path == '#')
        return json_hash(a, node, NULL);
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
        str_t value = state_at(message, row->state[i], a);

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
    str_t object = row->object ? json_str(message, row->object) : d->call_id;
    bool named = !str_is_empty(object), once = named && row->once;
    str_t state = named ? state_of(row, message, d->arena) : STR_NONE;
    str_t parts[] = {d->event_type, STR(":"), named ? object : STR("-"), STR(":"), state};

    if (!once && str_is_empty(state))
        parts[4] = json_hash(d->arena, message, is_presigned);
    d->event_key = arena_concat(d->arena, parts, once ? 3 : COUNT(parts));
}

/* ---- the provider ---- */

static void read_message(vapi_message_t *m, const row_t *row)
{
    if (!row->object) {
        m->call = json_at(m->root, "call");
        m->d->call_id = json_str(m->call, "id");
        m->d->call_sid = call_sid(m->call);
    }
    m->d->occurred_us = json_time_ms(m->root, "timestamp");
    if (row->understand)
        row->understand(m);
    else if (!row->object)
        vapi_about_call(m);
}

static bool normalise_api_call(delivery_t *d, err_t *err)
{
    vapi_message_t m = {.d = d, .root = d->root, .call = d->root};

    d->event_type = STR("call");
    d->call_id = json_str(m.call, "id");
    d->call_sid = call_sid(m.call);
    if (str_is_empty(d->call_id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at id, as in every call of the API");
    vapi_api_call(&m);
    return true;
}

static bool normalise(delivery_t *d, err_t *err)
{
    vapi_message_t m = {.d = d, .root = json_at(d->root, "message")};
    const row_t *row;

    if (str_eq(str_from(d->route), STR(VAPI_ROUTE_API_CALL)))
        return normalise_api_call(d, err);
    d->event_type = type_of(m.root);
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at message.type, as in every server message");
    row = find_row(d->event_type);
    read_message(&m, row);
    if (str_is_empty(d->event_key) && !d->unstored)
        set_key(d, row, m.root);
    return true;
}

static void reply(delivery_t *d, const hook_context_t *with, hook_reply_t *out)
{
    const cJSON *message = d->root ? json_at(d->root, "message") : NULL;
    const row_t *row = find_row(d->event_type);
    str_t body = row->answer ? str_from(row->answer) : STR("{}");

    (void)with;
    if (row->make_answer)
        body = row->make_answer(message, d->arena);
    *out = (hook_reply_t){row->status ? row->status : 200, STR("application/json"), body};
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
    .remote = &VAPI_REMOTE,
};
