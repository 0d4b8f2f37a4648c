/* twilio.c – Twilio Programmable Voice.
 *
 * Source: twilio.com/docs/usage/webhooks/voice-webhooks, twilio.com/docs/voice/twiml, twilio.com/docs/voice/api, read
 * 2026-11-21; bodies as in tests/fixtures/twilio/.
 * Delivery: form POST, values are all strings. By default Twilio repeats a request only when it could not connect, and
 * gives up 15 s after it began (twilio.com/docs/usage/webhooks/webhooks-connection-overrides); no order is promised. */
#include "twilio/twilio.h"

#include <string.h>

static const setting_t SETTINGS[] = {
    {.name = "TWILIO_AUTH_TOKEN",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Auth tokens that sign Twilio's webhooks: the primary, then others that may still be in use"},
    {.name = "TWILIO_ACCOUNT_SID",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "AC…: when set, deliveries of other Twilio accounts are refused"},
};

/* Where verbs fetch TwiML, and where everything else is reported. */
#define ROUTE_VOICE "voice"
#define PATH_VOICE  "/webhooks/twilio/voice"

static const hook_route_t ROUTES[] = {
    {"events", "/webhooks/twilio", BODY_FORM | BODY_JSON | BODY_QUERY, 0},
    {ROUTE_VOICE, PATH_VOICE, BODY_FORM | BODY_QUERY, 0},
    {ROUTE_VOICE, "/media-stream-twiml", BODY_FORM | BODY_QUERY, 0},
};

/* CallToken lets its holder place calls in the caller's name. */
static const char *const REDACT[] = {"CallToken", NULL};

typedef enum { ANSWER_EMPTY, ANSWER_TWIML } answer_t;

/* No parameter says which message this is: the first row whose parameter is there (and whose route it came by) does. */
typedef struct row {
    const char *route;            /* NULL: any */
    twilio_parameter_t parameter; /* that only this message has, or that no row above has */
    const char *type;             /* what it is called in call_events; NULL: what the parameter says */
    const char *kind;             /* the event key's: kind:object:state */
    twilio_parameter_t object;    /* the id of what it is about */
    twilio_parameter_t state;     /* HASH: the hash of all parameters */
    answer_t answer;              /* what it is answered on the events route; a verb's action asks for TwiML */
    void (*understand)(const twilio_request_t *r);
} row_t;
#define HASH TWILIO_PARAMETER_COUNT

static void transcription(const twilio_request_t *r);
static void intelligence(const twilio_request_t *r);

#define CALL_PROGRESS "call-progress-events"
static const row_t ROWS[] = {
    /* route, parameter, type, kind, object, state, answer, understand */
    {NULL, TWILIO_CALLBACK_SOURCE, CALL_PROGRESS, "call", TWILIO_CALL_SID, TWILIO_CALL_STATUS, ANSWER_EMPTY,
     twilio_call_facts},
    {ROUTE_VOICE, TWILIO_CALL_STATUS, "voice", "voice", TWILIO_CALL_SID, HASH, ANSWER_TWIML, twilio_call_facts},
    {NULL, TWILIO_TRANSCRIPTION_EVENT, NULL, "transcription", TWILIO_TRANSCRIPTION_SID, TWILIO_SEQUENCE_ID,
     ANSWER_EMPTY, transcription},
    {NULL, TWILIO_TRANSCRIPTION_STATUS, "transcription", "transcription", TWILIO_TRANSCRIPTION_SID,
     TWILIO_TRANSCRIPTION_STATUS, ANSWER_EMPTY, NULL},
    {NULL, TWILIO_STREAM_EVENT, NULL, "stream", TWILIO_STREAM_SID, TWILIO_STREAM_EVENT, ANSWER_EMPTY, NULL},
    {NULL, TWILIO_RECORDING_STATUS, "recording", "recording", TWILIO_RECORDING_SID, TWILIO_RECORDING_STATUS,
     ANSWER_EMPTY, NULL},
    {NULL, TWILIO_SESSION_STATUS, "conversation-relay", "relay", TWILIO_SESSION_ID, TWILIO_SESSION_STATUS, ANSWER_TWIML,
     NULL},
    {NULL, TWILIO_SPEECH_RESULT, "gather", "gather", TWILIO_CALL_SID, HASH, ANSWER_TWIML, NULL},
    {NULL, TWILIO_DIGITS, "gather", "gather", TWILIO_CALL_SID, HASH, ANSWER_TWIML, NULL},
    {NULL, TWILIO_DIAL_CALL_STATUS, "dial", "dial", TWILIO_CALL_SID, TWILIO_DIAL_CALL_SID, ANSWER_TWIML, NULL},
    {NULL, TWILIO_CALL_STATUS, CALL_PROGRESS, "call", TWILIO_CALL_SID, TWILIO_CALL_STATUS, ANSWER_EMPTY,
     twilio_call_facts},
    {NULL, TWILIO_ANSWERED_BY, "async-amd", "amd", TWILIO_CALL_SID, TWILIO_ANSWERED_BY, ANSWER_EMPTY, NULL},
    {NULL, TWILIO_EVENT_TYPE, NULL, "intelligence", TWILIO_TRANSCRIPT_SID, TWILIO_EVENT_TYPE, ANSWER_EMPTY,
     intelligence},
    {NULL, TWILIO_CALL_SID, "other", "other", TWILIO_CALL_SID, HASH, ANSWER_EMPTY, NULL},
    {NULL, TWILIO_ACCOUNT_SID, "other", "other", TWILIO_ACCOUNT_SID, HASH, ANSWER_EMPTY, NULL},
};

static void read_parameters(twilio_request_t *r)
{
#define PARAMETER_NAME(id, name) [TWILIO_##id] = {name, sizeof(name) - 1},
    static const str_t NAMES[] = {TWILIO_PARAMETERS(PARAMETER_NAME)};
#undef PARAMETER_NAME

    for (const cJSON *p = cJSON_IsObject(r->d->root) ? r->d->root->child : NULL; p; p = p->next) {
        str_t name = str_from(p->string);

        for (size_t i = 0; i < COUNT(NAMES); i++)
            if (name.len == NAMES[i].len && memcmp(name.base, NAMES[i].base, name.len) == 0)
                r->values[i] = cJSON_IsString(p) ? str_from(p->valuestring) : STR("");
    }
}

static const row_t *find_row(const twilio_request_t *r)
{
    str_t route = str_from(r->d->route);

    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (r->values[ROWS[i].parameter].base && (!ROWS[i].route || str_eq(route, str_from(ROWS[i].route))))
            return &ROWS[i];
    return NULL;
}

/* A partial is replaced by the next one, or by the final text (twilio.com/docs/voice/twiml/transcription). */
static void transcription(const twilio_request_t *r)
{
    r->d->unstored = str_eq(r->values[TWILIO_FINAL], STR("false"));
}

/* The one message that is JSON, and that calls the call by another name: the customer key that it was given. */
static void intelligence(const twilio_request_t *r)
{
    if (str_starts(r->values[TWILIO_CUSTOMER_KEY], STR("CA")))
        r->d->call_id = r->d->call_sid = r->values[TWILIO_CUSTOMER_KEY];
}

static void set_key(const twilio_request_t *r, const row_t *row)
{
    arena_t *a = r->d->arena;
    str_t object = r->values[row->object];
    str_t state = row->state == HASH ? STR_NONE : twilio_status_word(r->values[row->state]);
    /* One call may fetch TwiML several times, from several addresses. */
    str_t address = row->route ? STR(":" PATH_VOICE ":") : STR(":");
    const str_t parts[] = {str_from(row->kind), STR(":"), str_is_empty(object) ? STR("-") : object, address,
                           str_is_empty(state) ? json_hash(a, r->d->root, NULL) : state};

    r->d->event_key = arena_concat(a, parts, COUNT(parts));
}

/* A call's callbacks write RFC 2822, everything newer ISO 8601. */
static int64_t read_timestamp(str_t text)
{
    int64_t us = time_from_rfc2822(text);

    return us != TIME_NONE ? us : time_from_iso8601(text);
}

static bool normalise(delivery_t *d, err_t *err)
{
    twilio_request_t r = {.d = d};
    const row_t *row;

    read_parameters(&r);
    row = find_row(&r);
    if (!row)
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected CallSid or AccountSid among the parameters");
    d->event_type = row->type ? str_from(row->type) : r.values[row->parameter];
    if (str_is_empty(d->event_type))
        d->event_type = str_from(row->kind);
    if (!str_is_empty(r.values[TWILIO_CALL_SID]))
        d->call_id = d->call_sid = r.values[TWILIO_CALL_SID];
    d->occurred_us = read_timestamp(r.values[TWILIO_TIMESTAMP]);
    set_key(&r, row);
    if (row->understand)
        row->understand(&r);
    return true;
}

/* ---- replies ---- */

/* Until calls are answered by an agent, a caller hears that nobody is there. `text/xml`, or Twilio raises 12300
 * (twilio.com/docs/api/errors/12300). */
#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
static const char NOBODY_THERE[] = XML "<Response><Say>Thank you for calling. Nobody can take your call right now. "
                                       "Please try again later. Goodbye.</Say><Hangup/></Response>";
static const char NOTHING_TO_DO[] = XML "<Response/>";

static void reply_twiml(hook_reply_t *out, const char *document)
{
    *out = (hook_reply_t){200, STR("text/xml; charset=utf-8"), str_from(document)};
}

static bool wants_twiml(const delivery_t *d)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (ROWS[i].answer == ANSWER_TWIML && str_eq(d->event_type, str_from(ROWS[i].type)))
            return true;
    return false;
}

static void reply(delivery_t *d, hook_reply_t *out)
{
    if (str_eq(str_from(d->route), STR(ROUTE_VOICE)))
        reply_twiml(out, NOBODY_THERE);
    else if (wants_twiml(d))
        reply_twiml(out, NOTHING_TO_DO);
    else
        *out = (hook_reply_t){.status = 204};
}

const provider_t provider_twilio = {
    .name = "twilio",
    .title = "Twilio",
    .settings = SETTINGS,
    .n_settings = COUNT(SETTINGS),
    .keys_new = twilio_keys_new,
    .keys_free = twilio_keys_free,
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .verify = twilio_verify,
    .redact = REDACT,
    .normalise = normalise,
    .reply = reply,
    .sign = twilio_sign,
    .query = twilio_query,
    .account = twilio_account,
    .samples = TWILIO_SAMPLES,
    .n_samples = TWILIO_SAMPLE_COUNT,
};
