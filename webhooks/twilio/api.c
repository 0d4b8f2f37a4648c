/* api.c – what objects of Twilio's REST API say: a call, a recording, the text of one, an event of a call.
 *
 * Source: twilio.com/docs/voice/api/call-resource, …/recording, …/recording-transcription, …/call-event-resource, and
 * github.com/twilio/twilio-oai, spec/json/twilio_api_v2010.json, read 2026-11-21. An object is named as the callback
 * about the same: what happened once is one event, whichever of the two is heard of first. Names of fields are those of
 * parameters in snake_case; dates are RFC 2822, lengths and prices text. */
#include "twilio/twilio.h"

#include <string.h>

typedef struct field {
    const char *name; /* a path in the object */
    twilio_parameter_t parameter;
} field_t;

/* A number where another version of the API writes text, too. */
static str_t text_at(arena_t *a, const cJSON *root, const char *path)
{
    const cJSON *node = json_at(root, path);

    return cJSON_IsNumber(node) ? json_print(a, node) : json_str(node, "");
}

static int64_t time_at(const delivery_t *d, const char *path)
{
    return time_from_rfc2822(json_str(d->root, path));
}

static void read_fields(twilio_request_t *r, const field_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        r->values[fields[i].parameter] = text_at(r->d->arena, r->d->root, fields[i].name);
}

/* The columns of call_events, and the versions of what is said of the call. */
static void name_event(twilio_request_t *r, const char *type, const char *kind, str_t object, str_t state)
{
    const str_t parts[] = {str_from(kind), STR(":"), object, STR(":"), state};
    delivery_t *d = r->d;

    d->event_type = str_from(type);
    d->event_key = arena_concat(d->arena, parts, COUNT(parts));
    if (!str_is_empty(r->values[TWILIO_CALL_SID]))
        d->call_id = d->call_sid = r->values[TWILIO_CALL_SID];
    d->from_number = r->values[TWILIO_FROM];
    d->to_number = r->values[TWILIO_TO];
    d->status = twilio_status_word(r->values[TWILIO_CALL_STATUS]);
    r->version = version_of(RANK_REPORT, time_at(d, "date_updated"));
    r->numbers = version_of(RANK_EVENT, 0);
}

/* ---- a call ---- */

/* The numbers of an older call may be masked (the property table of the call resource: a time limit of 120 days): what
 * a callback said goes before them, and a mask is none. */
static str_t unless_masked(str_t number)
{
    for (size_t i = 1; str_starts(number, STR("+")) && i < number.len; i++)
        if (number.base[i] < '0' || number.base[i] > '9')
            return STR_NONE;
    return number;
}

/* "-0.01400" is what is charged: a cost of 0.01400. */
static void price_facts(const twilio_request_t *r)
{
    str_t price = text_at(r->d->arena, r->d->root, "price");
    bool is_charge = str_starts(price, STR("-"));

    if (!twilio_is_number(price))
        return;
    if (is_charge)
        price = str_slice(price, 1, price.len);
    else if (strspn(price.base, "0.") < price.len)
        price = arena_printf(r->d->arena, "-" STR_FMT, STR_ARG(price));
    fact_text(r->call, CALL_COST, r->version, price);
    fact_text(r->call, CALL_COST_CURRENCY, r->version, json_str(r->d->root, "price_unit"));
}

/* start_time is when it was dialled, or when it was answered: the documentation does not say, so callbacks know
 * better. */
static void time_facts(const twilio_request_t *r, int64_t began_us, int64_t ended_us)
{
    bool is_over = twilio_is_final(r->d->status);

    fact_time(r->call, CALL_STARTED_AT, RANK_EVENT, began_us);
    fact_time(r->call, CALL_STARTED_AT, RANK_INFERRED, time_at(r->d, "date_created"));
    if (is_over)
        fact_time(r->call, CALL_ENDED_AT, RANK_REPORT, ended_us);
    else if (str_eq(r->d->status, STR("in-progress")))
        fact_time(r->call, CALL_CONNECTED_AT, RANK_INFERRED, began_us);
}

static bool call_object(twilio_request_t *r, err_t *err)
{
    static const field_t FIELDS[] = {
        {"sid", TWILIO_CALL_SID},
        {"account_sid", TWILIO_ACCOUNT_SID},
        {"parent_call_sid", TWILIO_PARENT_CALL_SID},
        {"status", TWILIO_CALL_STATUS},
        {"duration", TWILIO_CALL_DURATION},
        {"direction", TWILIO_DIRECTION},
        {"answered_by", TWILIO_ANSWERED_BY},
        {"forwarded_from", TWILIO_FORWARDED_FROM},
        {"caller_name", TWILIO_CALLER_NAME},
    };
    delivery_t *d = r->d;
    int64_t began_us = time_at(d, "start_time"), ended_us = time_at(d, "end_time");

    read_fields(r, FIELDS, COUNT(FIELDS));
    r->values[TWILIO_FROM] = unless_masked(json_str(d->root, "from"));
    r->values[TWILIO_TO] = unless_masked(json_str(d->root, "to"));
    if (str_is_empty(r->values[TWILIO_CALL_SID]) || str_is_empty(r->values[TWILIO_CALL_STATUS]))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at sid and at status, as in every call");
    name_event(r, "call-progress-events", "call", r->values[TWILIO_CALL_SID],
               twilio_status_word(r->values[TWILIO_CALL_STATUS]));
    if (twilio_is_final(d->status))
        d->occurred_us = ended_us;
    twilio_call(r);
    time_facts(r, began_us, ended_us);
    price_facts(r);
    if (!twilio_is_final(d->status))
        d->occurred_us = began_us == TIME_NONE ? time_at(d, "date_created") : began_us;
    return true;
}

/* ---- a recording, and its text ---- */

/* As the callback writes it: without ".json" (twilio.com/docs/voice/api/recording). */
static str_t recording_url(const delivery_t *d)
{
    str_t url = json_str(d->root, "media_url"), uri = json_str(d->root, "uri");

    if (!str_is_empty(url) || !str_starts(uri, STR("/")) || !str_ends_nocase(uri, STR(".json")))
        return url;
    return arena_printf(d->arena, "https://api.twilio.com" STR_FMT, STR_ARG(str_slice(uri, 0, uri.len - 5)));
}

static bool recording_object(twilio_request_t *r, err_t *err)
{
    static const field_t FIELDS[] = {
        {"sid", TWILIO_RECORDING_SID},
        {"call_sid", TWILIO_CALL_SID},
        {"account_sid", TWILIO_ACCOUNT_SID},
        {"status", TWILIO_RECORDING_STATUS},
        {"duration", TWILIO_RECORDING_DURATION},
        {"channels", TWILIO_RECORDING_CHANNELS},
        {"source", TWILIO_RECORDING_SOURCE},
        {"track", TWILIO_RECORDING_TRACK},
        {"start_time", TWILIO_RECORDING_START_TIME},
        {"error_code", TWILIO_ERROR_CODE},
    };

    read_fields(r, FIELDS, COUNT(FIELDS));
    if (str_is_empty(r->values[TWILIO_RECORDING_SID]) || str_is_empty(r->values[TWILIO_RECORDING_STATUS]))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at sid and at status, as in every recording");
    r->values[TWILIO_RECORDING_URL] = recording_url(r->d);
    r->is_listed = true;
    name_event(r, "recording", "recording", r->values[TWILIO_RECORDING_SID], r->values[TWILIO_RECORDING_STATUS]);
    twilio_call(r);
    return true;
}

/* The object does not name its call: remote.c puts that beside it. */
static bool transcription_object(twilio_request_t *r, err_t *err)
{
    static const field_t FIELDS[] = {
        {"call_sid", TWILIO_CALL_SID},
        {"transcription.sid", TWILIO_TRANSCRIPTION_SID},
        {"transcription.account_sid", TWILIO_ACCOUNT_SID},
        {"transcription.recording_sid", TWILIO_RECORDING_SID},
        {"transcription.status", TWILIO_TRANSCRIPTION_STATUS},
        {"transcription.transcription_text", TWILIO_TRANSCRIPTION_TEXT},
    };

    read_fields(r, FIELDS, COUNT(FIELDS));
    if (str_is_empty(r->values[TWILIO_TRANSCRIPTION_SID]) || str_is_empty(r->values[TWILIO_TRANSCRIPTION_STATUS]))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at transcription.sid and at transcription.status");
    name_event(r, "transcription", "transcription", r->values[TWILIO_TRANSCRIPTION_SID],
               r->values[TWILIO_TRANSCRIPTION_STATUS]);
    twilio_recording_text(r);
    return true;
}

/* ---- an event: a request that Twilio made, as it was made ---- */

/* call_sid: CallSid */
static void add_name(buf_t *out, str_t name)
{
    buf_t parameter = BUF_EMPTY;
    bool begins = true;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.base[i];

        if (c != '_')
            buf_addc(&parameter, begins && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        begins = c == '_';
    }
    json_escape(out, buf_str(&parameter));
    buf_clear(&parameter);
}

str_t twilio_event_parameters(arena_t *a, const cJSON *event)
{
    const cJSON *parameters = json_at(event, "request.parameters");
    buf_t out = BUF_EMPTY;
    str_t text;

    buf_addc(&out, '{');
    for (const cJSON *p = cJSON_IsObject(parameters) ? parameters->child : NULL; p; p = p->next) {
        if (p != parameters->child)
            buf_addc(&out, ',');
        add_name(&out, str_from(p->string));
        buf_addc(&out, ':');
        json_escape(&out, text_at(a, p, ""));
    }
    buf_addc(&out, '}');
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

static bool event_object(twilio_request_t *r, err_t *err)
{
    r->d->root = json_parse(r->d->arena, twilio_event_parameters(r->d->arena, r->d->root), err);
    return r->d->root && twilio_understand(r, err);
}

/* ---- which it is ---- */

static const struct {
    const char *route;
    bool (*understand)(twilio_request_t *r, err_t *err);
} OBJECTS[] = {
    {TWILIO_ROUTE_API_CALL, call_object},
    {TWILIO_ROUTE_API_EVENT, event_object},
    {TWILIO_ROUTE_API_RECORDING, recording_object},
    {TWILIO_ROUTE_API_TRANSCRIPTION, transcription_object},
};

bool twilio_is_object(const delivery_t *d)
{
    for (size_t i = 0; i < COUNT(OBJECTS); i++)
        if (strcmp(d->route, OBJECTS[i].route) == 0)
            return true;
    return false;
}

bool twilio_understand_object(delivery_t *d, err_t *err)
{
    twilio_request_t r = {.d = d};

    for (size_t i = 0; i < COUNT(OBJECTS); i++)
        if (strcmp(d->route, OBJECTS[i].route) == 0)
            return OBJECTS[i].understand(&r, err);
    return err_set(err, ERR_UNKNOWN_SHAPE, "no object of Twilio's is known by this route");
}
