/* call.c – what a request of Twilio says about its call: the status callback, and the parameters that the voice URL and
 * the actions of verbs get too; and those messages that say little more.
 *
 * Source: twilio.com/docs/voice/api/call-resource (statuses, StatusCallback) and twilio.com/docs/voice/twiml (request
 * parameters), read 2026-11-21. Callbacks come in any order, some never: each stands alone. */
#include "base/phone.h"
#include "twilio/twilio.h"

/* What a status says of the call. */
typedef struct status {
    const char *word;
    call_phase_t phase;
    const char *outcome; /* of a final status */
    int time;            /* the column that the callback's Timestamp fills */
} status_t;

/* `answered` is said of a <Dial>'s leg only, when the action is called before that leg has ended. */
static const status_t STATUSES[] = {
    {"queued", PHASE_PENDING, NULL, CALL_STARTED_AT},    {"initiated", PHASE_PENDING, NULL, CALL_STARTED_AT},
    {"ringing", PHASE_PENDING, NULL, CALL_STARTED_AT},   {"in-progress", PHASE_ACTIVE, NULL, CALL_CONNECTED_AT},
    {"answered", PHASE_ACTIVE, NULL, CALL_CONNECTED_AT}, {"completed", PHASE_ENDED, "completed", CALL_ENDED_AT},
    {"busy", PHASE_ENDED, "failed", CALL_ENDED_AT},      {"no-answer", PHASE_ENDED, "failed", CALL_ENDED_AT},
    {"canceled", PHASE_ENDED, "failed", CALL_ENDED_AT},  {"failed", PHASE_ENDED, "failed", CALL_ENDED_AT},
};

/* Whose side is whose. Elastic SIP trunks name the direction from Twilio's point of view. */
static const struct {
    const char *word;
    bool inbound;
} DIRECTIONS[] = {
    {"inbound", true},   {"outbound-api", false},        {"outbound-dial", false},
    {"outbound", false}, {"trunking-originating", true}, {"trunking-terminating", false},
};

str_t twilio_status_word(str_t status)
{
    return str_eq(status, STR("cancelled")) ? STR("canceled") : status;
}

static const status_t *find_status(str_t word)
{
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (str_eq(word, str_from(STATUSES[i].word)))
            return &STATUSES[i];
    return NULL;
}

bool twilio_is_final(str_t word)
{
    const status_t *status = find_status(word);

    return status && status->phase == PHASE_ENDED;
}

/* CallDuration is in seconds. Duration, beside it, is in minutes begun, for billing: never to be used. */
static void duration_facts(fact_t *call, version_t v, const status_t *status, int64_t at_us, str_t text)
{
    int64_t seconds, began_us = at_us;

    if (str_to_int(text, &seconds) && seconds >= 0) {
        fact_number(call, CALL_DURATION, v, seconds);
        began_us = at_us == TIME_NONE || seconds > at_us / US_PER_S ? TIME_NONE : at_us - seconds * US_PER_S;
    }
    /* Often no other callback was asked for. What is reckoned here yields to any that was. */
    fact_time(call, CALL_STARTED_AT, RANK_INFERRED, began_us);
    if (str_eq(str_from(status->outcome), STR("completed")))
        fact_time(call, CALL_CONNECTED_AT, RANK_INFERRED, began_us);
}

void twilio_status(fact_t *call, version_t v, str_t word, int64_t at_us, str_t seconds)
{
    const status_t *status = find_status(word);

    if (!status)
        return;
    fact_time(call, status->time, RANK_EVENT, at_us);
    switch (status->phase) {
    case PHASE_PENDING:
        fact_phase(call, status->phase);
        break;
    case PHASE_ACTIVE:
        fact_phase(call, status->phase);
        fact_time(call, CALL_STARTED_AT, RANK_INFERRED, at_us);
        break;
    case PHASE_ENDED:
        fact_ended(call, v, str_from(status->outcome), str_from(status->word));
        duration_facts(call, v, status, at_us, seconds);
        break;
    }
}

/* The caller's name, where there is one, is that of the caller: on an outbound call it is our own. */
static void direction_facts(const twilio_request_t *r)
{
    str_t word = r->values[TWILIO_DIRECTION];
    delivery_t *d = r->d;

    for (size_t i = 0; i < COUNT(DIRECTIONS); i++) {
        bool inbound = DIRECTIONS[i].inbound;

        if (!str_eq(word, str_from(DIRECTIONS[i].word)))
            continue;
        fact_text(r->call, CALL_DIRECTION, r->version, inbound ? STR("inbound") : STR("outbound"));
        fact_text(r->call, CALL_CUSTOMER_NUMBER, r->numbers,
                  phone_e164(d->arena, inbound ? d->from_number : d->to_number));
        if (inbound)
            fact_text(r->call, CALL_CUSTOMER_NAME, r->version, r->values[TWILIO_CALLER_NAME]);
    }
}

void twilio_call(twilio_request_t *r)
{
    static const struct {
        twilio_parameter_t parameter;
        int column;
    } TEXTS[] = {
        {TWILIO_CALL_SID, CALL_CALL_SID},
        {TWILIO_ACCOUNT_SID, CALL_ACCOUNT_ID},
        {TWILIO_FORWARDED_FROM, CALL_FORWARDED_FROM},
        {TWILIO_ANSWERED_BY, CALL_ANSWERED_BY},
        {TWILIO_PARENT_CALL_SID, CALL_PARENT_CALL_SID},
    };
    delivery_t *d = r->d;

    if (str_is_empty(d->call_id))
        return;
    r->call = fact_call(&d->facts, d->call_id);
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        fact_text(r->call, TEXTS[i].column, r->version, r->values[TEXTS[i].parameter]);
    fact_text(r->call, CALL_FROM_NUMBER, r->numbers, r->values[TWILIO_FROM]);
    fact_text(r->call, CALL_TO_NUMBER, r->numbers, r->values[TWILIO_TO]);
    direction_facts(r);
    twilio_status(r->call, r->version, d->status, d->occurred_us, r->values[TWILIO_CALL_DURATION]);
    twilio_recording(r);
}

void twilio_connected(const twilio_request_t *r)
{
    if (!r->call)
        return;
    fact_phase(r->call, PHASE_ACTIVE);
    fact_time(r->call, CALL_STARTED_AT, RANK_INFERRED, r->d->occurred_us);
    fact_time(r->call, CALL_CONNECTED_AT, RANK_INFERRED, r->d->occurred_us);
}

/* Whoever or whatever it was has picked up. */
void twilio_answered(twilio_request_t *r)
{
    twilio_call(r);
    if (r->call)
        fact_phase(r->call, PHASE_ACTIVE);
}

/* A stream that could not be opened says nothing of the call, and the end of one not that the call is over. */
void twilio_stream(twilio_request_t *r)
{
    twilio_call(r);
    if (str_eq(r->values[TWILIO_STREAM_EVENT], STR("stream-started")))
        twilio_connected(r);
}

/* The other end of ConversationRelay is a machine by nature. That a session failed, or was handed over to a person, is
 * no end of the call: what comes next is another message, and HandoffData is the application's own text. */
void twilio_relay(twilio_request_t *r)
{
    twilio_call(r);
    if (r->call)
        fact_bool(r->call, CALL_AI_AGENT_USED, RANK_EVENT, true);
}

/* <Record transcribe="true">: the whole text at once, made afterwards; a failed one has none. The call's transcript
 * until there is any other, since it is of one recording and not of the call. */
void twilio_recording_text(twilio_request_t *r)
{
    twilio_call(r);
    if (r->call && str_eq(r->values[TWILIO_TRANSCRIPTION_STATUS], STR("completed")))
        fact_text(r->call, CALL_TRANSCRIPT, version_of(RANK_EVENT, 0), r->values[TWILIO_TRANSCRIPTION_TEXT]);
}
