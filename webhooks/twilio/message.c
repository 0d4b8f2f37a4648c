/* message.c – which of Twilio's messages a request is.
 *
 * Source: twilio.com/docs/usage/webhooks/voice-webhooks, twilio.com/docs/voice/twiml, twilio.com/docs/voice/api, read
 * 2026-11-21; bodies as in tests/fixtures/twilio/. No parameter says it, and all may come to one address: the first row
 * whose parameter is there (and whose route it came by) does. */
#include "twilio/twilio.h"

#include <string.h>

typedef enum { ANY_ROUTE, WHERE_TWIML_IS_FETCHED, ON_A_STREAM } place_t;
typedef enum { ANSWER_EMPTY, ANSWER_TWIML } answer_t;

typedef struct row {
    place_t place;
    twilio_parameter_t parameter; /* that only this message has, or that no row above has */
    const char *type;             /* what it is called in call_events; NULL: what the parameter says */
    const char *kind;             /* the event key's: kind:object:state */
    twilio_parameter_t object;    /* the id of what it is about */
    twilio_parameter_t state;     /* HASH: the hash of all parameters; HASH_AND_TOKEN: and of the idempotency token */
    answer_t answer;              /* what it is answered on the events route; a verb's action asks for TwiML */
    void (*understand)(twilio_request_t *r); /* NULL: an event, and no facts */
} row_t;
#define HASH           TWILIO_PARAMETER_COUNT
#define HASH_AND_TOKEN (TWILIO_PARAMETER_COUNT + 1)

#define CALL_PROGRESS "call-progress-events" /* what its CallbackSource says */

static void intelligence(twilio_request_t *r);

static const row_t ROWS[] = {
    /* place, parameter, type, kind, object, state, answer, understand */
    {ON_A_STREAM, TWILIO_STREAM_EVENT, NULL, "stream", TWILIO_STREAM_SID, TWILIO_STREAM_EVENT, ANSWER_EMPTY,
     twilio_heard},
    {ANY_ROUTE, TWILIO_CALLBACK_SOURCE, CALL_PROGRESS, "call", TWILIO_CALL_SID, TWILIO_CALL_STATUS, ANSWER_EMPTY,
     twilio_call},
    {ANY_ROUTE, TWILIO_TRANSCRIPTION_EVENT, NULL, "transcription", TWILIO_TRANSCRIPTION_SID, TWILIO_TRANSCRIPTION_EVENT,
     ANSWER_EMPTY, twilio_transcription},
    {ANY_ROUTE, TWILIO_TRANSCRIPTION_STATUS, "transcription", "transcription", TWILIO_TRANSCRIPTION_SID,
     TWILIO_TRANSCRIPTION_STATUS, ANSWER_EMPTY, twilio_recording_text},
    {ANY_ROUTE, TWILIO_STREAM_EVENT, NULL, "stream", TWILIO_STREAM_SID, TWILIO_STREAM_EVENT, ANSWER_EMPTY,
     twilio_stream},
    {ANY_ROUTE, TWILIO_RECORDING_STATUS, "recording", "recording", TWILIO_RECORDING_SID, TWILIO_RECORDING_STATUS,
     ANSWER_EMPTY, twilio_call},
    {ANY_ROUTE, TWILIO_UNSTABLE_SPEECH_RESULT, "gather-partial", "gather", TWILIO_CALL_SID, HASH, ANSWER_EMPTY,
     twilio_gather_partial},
    {ANY_ROUTE, TWILIO_STABLE_SPEECH_RESULT, "gather-partial", "gather", TWILIO_CALL_SID, HASH, ANSWER_EMPTY,
     twilio_gather_partial},
    {ANY_ROUTE, TWILIO_SESSION_STATUS, "conversation-relay", "relay", TWILIO_SESSION_ID, TWILIO_SESSION_STATUS,
     ANSWER_TWIML, twilio_relay},
    {ANY_ROUTE, TWILIO_DIAL_CALL_STATUS, "dial", "dial", TWILIO_CALL_SID, TWILIO_DIAL_CALL_SID, ANSWER_TWIML,
     twilio_dial},
    /* <Record>, before <Gather>: its Digits are the key that ended it, or "hangup" */
    {ANY_ROUTE, TWILIO_RECORDING_URL, "record", "record", TWILIO_CALL_SID, HASH, ANSWER_TWIML, twilio_call},
    {ANY_ROUTE, TWILIO_SPEECH_RESULT, "gather", "gather", TWILIO_CALL_SID, HASH_AND_TOKEN, ANSWER_TWIML, twilio_gather},
    {ANY_ROUTE, TWILIO_DIGITS, "gather", "gather", TWILIO_CALL_SID, HASH_AND_TOKEN, ANSWER_TWIML, twilio_gather},
    {ANY_ROUTE, TWILIO_ERROR_URL, TWILIO_VOICE_FALLBACK, "fallback", TWILIO_CALL_SID, HASH, ANSWER_TWIML, twilio_call},
    {WHERE_TWIML_IS_FETCHED, TWILIO_CALL_STATUS, TWILIO_VOICE, "voice", TWILIO_CALL_SID, HASH, ANSWER_TWIML,
     twilio_call},
    /* a status callback all the same, by what only it has */
    {ANY_ROUTE, TWILIO_SEQUENCE_NUMBER, CALL_PROGRESS, "call", TWILIO_CALL_SID, TWILIO_CALL_STATUS, ANSWER_EMPTY,
     twilio_call},
    {ANY_ROUTE, TWILIO_CALL_DURATION, CALL_PROGRESS, "call", TWILIO_CALL_SID, TWILIO_CALL_STATUS, ANSWER_EMPTY,
     twilio_call},
    /* any other verb's: it must not take the name of a status callback */
    {ANY_ROUTE, TWILIO_CALL_STATUS, "action", "action", TWILIO_CALL_SID, HASH, ANSWER_TWIML, twilio_call},
    {ANY_ROUTE, TWILIO_ANSWERED_BY, "async-amd", "amd", TWILIO_CALL_SID, TWILIO_ANSWERED_BY, ANSWER_EMPTY,
     twilio_answered},
    {ANY_ROUTE, TWILIO_EVENT_TYPE, NULL, "intelligence", TWILIO_TRANSCRIPT_SID, TWILIO_EVENT_TYPE, ANSWER_EMPTY,
     intelligence},
    {ANY_ROUTE, TWILIO_CALL_SID, "other", "other", TWILIO_CALL_SID, HASH, ANSWER_EMPTY, NULL},
    {ANY_ROUTE, TWILIO_ACCOUNT_SID, "other", "other", TWILIO_ACCOUNT_SID, HASH, ANSWER_EMPTY, NULL},
    {ANY_ROUTE, TWILIO_JSON_ACCOUNT_SID, "other", "other", TWILIO_JSON_ACCOUNT_SID, HASH, ANSWER_EMPTY, NULL},
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

/* The path of a route that TwiML is fetched from; absent for the others. */
static str_t twiml_path(const delivery_t *d)
{
    for (size_t i = 0; i < TWILIO_ROUTE_COUNT; i++)
        if (strcmp(d->route, TWILIO_ROUTES[i].name) == 0 && strcmp(d->route, TWILIO_ROUTE_EVENTS) != 0 &&
            strcmp(d->route, TWILIO_ROUTE_STREAM) != 0)
            return str_from(TWILIO_ROUTES[i].path);
    return STR_NONE;
}

static bool is_place(place_t place, const delivery_t *d)
{
    switch (place) {
    case WHERE_TWIML_IS_FETCHED:
        return !str_is_empty(twiml_path(d));
    case ON_A_STREAM:
        return strcmp(d->route, TWILIO_ROUTE_STREAM) == 0;
    case ANY_ROUTE:
        break;
    }
    return true;
}

static const row_t *find_row(const twilio_request_t *r)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (r->values[ROWS[i].parameter].base && is_place(ROWS[i].place, r->d))
            return &ROWS[i];
    return NULL;
}

/* Conversational Intelligence: ids only, in JSON or as a form, and the call by another name: the customer key that its
 * transcript was given (twilio.com/docs/voice/intelligence). That is no fact of the call. */
static void intelligence(twilio_request_t *r)
{
    if (str_starts(r->values[TWILIO_CUSTOMER_KEY], STR("CA")))
        r->d->call_id = r->d->call_sid = r->values[TWILIO_CUSTOMER_KEY];
}

static bool is_idempotency_token(str_t key)
{
    return str_eq(key, STR(TWILIO_IDEMPOTENCY_TOKEN));
}

/* The token is a header: it may be missing, and is not signed. What the parameters name has the same name with it and
 * without. */
str_t twilio_hash(const twilio_request_t *r)
{
    return json_hash(r->d->arena, r->d->root, is_idempotency_token);
}

static str_t state_of(const twilio_request_t *r, const row_t *row)
{
    str_t word = row->state < TWILIO_PARAMETER_COUNT ? twilio_status_word(r->values[row->state]) : STR_NONE;

    if (!str_is_empty(word))
        return word;
    return row->state == HASH_AND_TOKEN ? json_hash(r->d->arena, r->d->root, NULL) : twilio_hash(r);
}

/* One call may fetch TwiML several times, from several addresses: the address is part of the name then. */
static void set_key(const twilio_request_t *r, const row_t *row)
{
    str_t object = r->values[row->object];
    str_t path = row->place == WHERE_TWIML_IS_FETCHED ? twiml_path(r->d) : STR_NONE;
    const str_t parts[] = {str_from(row->kind),
                           STR(":"),
                           str_is_empty(object) ? STR("-") : object,
                           STR(":"),
                           path,
                           str_is_empty(path) ? STR("") : STR(":"),
                           state_of(r, row)};

    r->d->event_key = arena_concat(r->d->arena, parts, COUNT(parts));
}

/* A call's callbacks write RFC 2822, everything newer ISO 8601. */
static int64_t read_timestamp(str_t text)
{
    int64_t us = time_from_rfc2822(text);

    return us != TIME_NONE ? us : time_from_iso8601(text);
}

static void set_columns(twilio_request_t *r, const row_t *row)
{
    delivery_t *d = r->d;

    d->event_type = row->type ? str_from(row->type) : r->values[row->parameter];
    if (str_is_empty(d->event_type))
        d->event_type = str_from(row->kind);
    if (!str_is_empty(r->values[TWILIO_CALL_SID]))
        d->call_id = d->call_sid = r->values[TWILIO_CALL_SID];
    d->from_number = r->values[TWILIO_FROM];
    d->to_number = r->values[TWILIO_TO];
    d->status = twilio_status_word(r->values[TWILIO_CALL_STATUS]);
    d->occurred_us = read_timestamp(r->values[TWILIO_TIMESTAMP]);
    r->version = r->numbers = version_of(RANK_EVENT, d->occurred_us);
}

bool twilio_understand(twilio_request_t *r, err_t *err)
{
    const row_t *row;

    read_parameters(r);
    row = find_row(r);
    if (!row)
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected CallSid or AccountSid among the parameters");
    set_columns(r, row);
    set_key(r, row);
    if (row->understand)
        row->understand(r);
    return !r->unread || err_set(err, ERR_UNKNOWN_SHAPE, "%s", r->unread);
}

bool twilio_has_name(delivery_t *d)
{
    twilio_request_t r = {.d = d};
    const row_t *row;

    read_parameters(&r);
    row = find_row(&r);
    if (!row || row->state >= TWILIO_PARAMETER_COUNT || str_is_empty(r.values[row->state]) ||
        str_is_empty(r.values[row->object]))
        return false;
    /* One of these happens many times in a session, and what may change yet is not stored. */
    return row->understand != twilio_transcription ||
           (!str_is_empty(r.values[TWILIO_SEQUENCE_ID]) && !str_eq(r.values[TWILIO_FINAL], STR("false")));
}

bool twilio_wants_twiml(const delivery_t *d)
{
    if (!str_is_empty(twiml_path(d)))
        return true;
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (ROWS[i].answer == ANSWER_TWIML && str_eq(d->event_type, str_from(ROWS[i].type)))
            return true;
    return false;
}
