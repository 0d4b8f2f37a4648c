/* gather.c – <Gather>: what a caller said or keyed in when asked, and what speech may become while it is heard.
 *
 * Source: twilio.com/docs/voice/twiml/gather, read 2026-11-21. It tells no time and has no id: its parameters are its
 * name, and the idempotency token is one of them here. By it alone are two presses of the same key, in two menus of one
 * call, told from one that was sent twice; without it they are heard once. */
#include "twilio/twilio.h"

#define SOURCE STR("gather")

static str_t speech_metadata(const twilio_request_t *r)
{
    const twilio_entry_t entries[] = {
        {"input", STR("speech"), false},
        {"confidence", r->values[TWILIO_CONFIDENCE], true},
        {"language", r->values[TWILIO_LANGUAGE], false},
    };

    return twilio_object(r->d->arena, entries, COUNT(entries));
}

static str_t digits_metadata(const twilio_request_t *r)
{
    const twilio_entry_t entries[] = {
        {"input", STR("dtmf"), false},
        {"finished_on_key", r->values[TWILIO_FINISHED_ON_KEY], false},
    };

    return twilio_object(r->d->arena, entries, COUNT(entries));
}

void twilio_gather(twilio_request_t *r)
{
    str_t speech = r->values[TWILIO_SPEECH_RESULT], digits = r->values[TWILIO_DIGITS];
    bool spoken = !str_is_empty(speech);
    version_t v = version_of(RANK_EVENT, 0);
    fact_t *message;

    twilio_call(r);
    if (!r->call || (!spoken && str_is_empty(digits))) /* actionOnEmptyResult: nothing was heard */
        return;
    message = fact_message(&r->d->facts, r->d->call_id, r->d->event_key);
    fact_text(message, MESSAGE_SOURCE, v, SOURCE);
    fact_text(message, MESSAGE_ROLE, v, STR("user"));
    fact_text(message, MESSAGE_CONTENT, v, spoken ? speech : digits);
    fact_text(message, MESSAGE_METADATA, v, spoken ? speech_metadata(r) : digits_metadata(r));
    fact_text(r->call, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_LINES), SOURCE);
}

/* partialResultCallback: replaced by the next one, or by the result. */
void twilio_gather_partial(twilio_request_t *r)
{
    r->d->unstored = true;
}
