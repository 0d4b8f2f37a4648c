/* transcription.c – <Start><Transcription>: what is said on a call, while it is said.
 *
 * Source: twilio.com/docs/voice/twiml/transcription and twilio.com/docs/voice/api/realtime-transcription-resource, read
 * 2026-11-21. Twilio keeps none of it: what is not stored here is lost. */
#include "twilio/twilio.h"

#define SOURCE STR("transcription")

/* A track is named as Twilio hears it: inbound is what the far party of this leg says, outbound what it is told. That
 * party is the person on the telephone whichever side dialled, so the role needs no direction (which the message does
 * not tell). On the second leg of a <Dial> it is whoever was dialled: the person that *that* call is with. */
static const struct {
    const char *track;
    const char *role;
} ROLES[] = {{"inbound_track", "user"}, {"outbound_track", "assistant"}};

static str_t role_of(str_t track)
{
    for (size_t i = 0; i < COUNT(ROLES); i++)
        if (str_eq(track, str_from(ROLES[i].track)))
            return str_from(ROLES[i].role);
    return STR_NONE;
}

/* Happens many times in one session: told apart by its number in it, the only name that it has. */
static void number_key(twilio_request_t *r)
{
    delivery_t *d = r->d;
    str_t number = r->values[TWILIO_SEQUENCE_ID];
    const str_t parts[] = {d->event_key, STR(":"), str_is_empty(number) ? twilio_hash(r) : number};

    d->event_key = arena_concat(d->arena, parts, COUNT(parts));
}

/* JSON within a parameter: a stranger's bytes, checked like a body. */
static const cJSON *read_data(const twilio_request_t *r)
{
    str_t text = r->values[TWILIO_TRANSCRIPTION_DATA], safe;
    err_t why;

    if (!json_clean(r->d->arena, text, (json_redact_t){NULL}, &safe, &why))
        return NULL;
    return json_parse(r->d->arena, safe, &why);
}

/* Numbers are in order on each track only: across both it is the time that orders, by the millisecond, and the number
 * where that is equal. Below 2^53, so that whoever reads it as a double has it whole. */
static int64_t place(const twilio_request_t *r)
{
    int64_t at_us = r->d->occurred_us, number;

    if (!str_to_int(r->values[TWILIO_SEQUENCE_ID], &number) || number < 0)
        number = 0;
    return at_us == TIME_NONE ? number : at_us / US_PER_MS * 1000 + number % 1000;
}

static str_t metadata(const twilio_request_t *r, const cJSON *data)
{
    const cJSON *confidence = json_at(data, "confidence");
    const twilio_entry_t entries[] = {
        {"track", r->values[TWILIO_TRACK], false},
        {"language", r->values[TWILIO_LANGUAGE_CODE], false},
        {"confidence", cJSON_IsNumber(confidence) ? json_print(r->d->arena, confidence) : STR_NONE, true},
    };

    return twilio_object(r->d->arena, entries, COUNT(entries));
}

static void line_facts(const twilio_request_t *r, const cJSON *data)
{
    version_t v = version_of(RANK_EVENT, 0);
    fact_t *line = fact_message(&r->d->facts, r->d->call_id, r->d->event_key);

    fact_text(line, MESSAGE_SOURCE, v, SOURCE);
    fact_text(line, MESSAGE_ROLE, v, role_of(r->values[TWILIO_TRACK]));
    fact_text(line, MESSAGE_CONTENT, v, json_str(data, "transcript"));
    fact_number(line, MESSAGE_SEQUENCE, v, place(r));
    fact_time(line, MESSAGE_SPOKEN_AT, RANK_EVENT, r->d->occurred_us);
    fact_text(line, MESSAGE_METADATA, v, metadata(r, data));
    fact_text(r->call, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_HEARD), SOURCE);
}

/* Unreadable, it is a dead letter: a line was said that is not in the transcript, and somebody should know. */
static void content(twilio_request_t *r)
{
    const cJSON *data = read_data(r);

    number_key(r);
    if (!cJSON_IsString(json_at(data, "transcript"))) {
        r->unread = "TranscriptionData: expected JSON as {\"transcript\":\"…\"}";
        return;
    }
    if (!r->call || str_is_empty(json_str(data, "transcript")))
        return;
    fact_phase(r->call, PHASE_ACTIVE);
    line_facts(r, data);
}

static void started(twilio_request_t *r)
{
    twilio_connected(r);
}

void twilio_transcription(twilio_request_t *r)
{
    static const struct {
        const char *event;
        void (*understand)(twilio_request_t *r);
    } EVENTS[] = {
        {"transcription-started", started},
        {"transcription-content", content},
        {"transcription-error", number_key},
    };

    if (str_eq(r->values[TWILIO_FINAL], STR("false"))) {
        r->d->unstored = true; /* a partial: replaced by the next one, or by the final text */
        return;
    }
    twilio_call(r); /* which is all that transcription-stopped says */
    for (size_t i = 0; i < COUNT(EVENTS); i++)
        if (str_eq(r->values[TWILIO_TRANSCRIPTION_EVENT], str_from(EVENTS[i].event)))
            EVENTS[i].understand(r);
}
