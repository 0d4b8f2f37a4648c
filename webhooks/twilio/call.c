/* call.c – what a request of Twilio says about its call: the status callback, and the parameters of the voice URL.
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

static const status_t STATUSES[] = {
    {"queued", PHASE_PENDING, NULL, CALL_STARTED_AT},       {"initiated", PHASE_PENDING, NULL, CALL_STARTED_AT},
    {"ringing", PHASE_PENDING, NULL, CALL_STARTED_AT},      {"in-progress", PHASE_ACTIVE, NULL, CALL_CONNECTED_AT},
    {"completed", PHASE_ENDED, "completed", CALL_ENDED_AT}, {"busy", PHASE_ENDED, "failed", CALL_ENDED_AT},
    {"no-answer", PHASE_ENDED, "failed", CALL_ENDED_AT},    {"canceled", PHASE_ENDED, "failed", CALL_ENDED_AT},
    {"failed", PHASE_ENDED, "failed", CALL_ENDED_AT},
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

static void direction_facts(fact_t *call, version_t v, const twilio_request_t *r)
{
    str_t word = r->values[TWILIO_DIRECTION];
    delivery_t *d = r->d;

    for (size_t i = 0; i < COUNT(DIRECTIONS); i++) {
        if (!str_eq(word, str_from(DIRECTIONS[i].word)))
            continue;
        fact_text(call, CALL_DIRECTION, v, DIRECTIONS[i].inbound ? STR("inbound") : STR("outbound"));
        fact_text(call, CALL_CUSTOMER_NUMBER, v,
                  phone_e164(d->arena, DIRECTIONS[i].inbound ? d->from_number : d->to_number));
    }
}

/* CallDuration is in seconds. Duration, beside it, is in minutes begun, for billing: never to be used. */
static void duration_facts(fact_t *call, version_t v, const status_t *status, const twilio_request_t *r)
{
    int64_t seconds, at_us = r->d->occurred_us, began_us = at_us;

    if (str_to_int(r->values[TWILIO_CALL_DURATION], &seconds) && seconds >= 0) {
        fact_number(call, CALL_DURATION, v, seconds);
        began_us = at_us == TIME_NONE || seconds > at_us / US_PER_S ? TIME_NONE : at_us - seconds * US_PER_S;
    }
    /* Often no other callback was asked for. What is reckoned here yields to any that was. */
    fact_time(call, CALL_STARTED_AT, RANK_INFERRED, began_us);
    if (str_eq(str_from(status->outcome), STR("completed")))
        fact_time(call, CALL_CONNECTED_AT, RANK_INFERRED, began_us);
}

static void status_facts(fact_t *call, version_t v, const status_t *status, const twilio_request_t *r)
{
    int64_t at_us = r->d->occurred_us;

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
        duration_facts(call, v, status, r);
        break;
    }
}

void twilio_call_facts(const twilio_request_t *r)
{
    static const struct {
        twilio_parameter_t parameter;
        int column;
    } TEXTS[] = {
        {TWILIO_CALL_SID, CALL_CALL_SID},
        {TWILIO_ACCOUNT_SID, CALL_ACCOUNT_ID},
        {TWILIO_FROM, CALL_FROM_NUMBER},
        {TWILIO_TO, CALL_TO_NUMBER},
        {TWILIO_ANSWERED_BY, CALL_ANSWERED_BY},
        {TWILIO_PARENT_CALL_SID, CALL_PARENT_CALL_SID},
        {TWILIO_RECORDING_URL, CALL_RECORDING_URL},
    };
    delivery_t *d = r->d;
    const status_t *status;
    version_t v;
    fact_t *call;

    d->from_number = r->values[TWILIO_FROM];
    d->to_number = r->values[TWILIO_TO];
    d->status = twilio_status_word(r->values[TWILIO_CALL_STATUS]);
    if (str_is_empty(d->call_id))
        return;
    v = version_of(RANK_EVENT, d->occurred_us);
    call = fact_call(&d->facts, d->call_id);
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        fact_text(call, TEXTS[i].column, v, r->values[TEXTS[i].parameter]);
    direction_facts(call, v, r);
    status = find_status(d->status);
    if (status)
        status_facts(call, v, status, r);
}
