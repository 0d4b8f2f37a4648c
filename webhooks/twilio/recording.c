/* recording.c – recordings of a call.
 *
 * Source: twilio.com/docs/voice/api/recording and twilio.com/docs/voice/twiml/record, read 2026-11-21. A recording has
 * a callback of its own, which comes with the id of the parent leg. Other messages name a recording in passing: the
 * last status callback of a call that was made with Record=true, the action of <Record> and <Dial>, a transcription. */
#include "twilio/twilio.h"

/* How much a message is worth as a report of the call's recording. A list of the API's has no tracks, which the
 * callback of a completed one has. */
enum { NAMED, NAMED_WITH_LENGTH, BEGUN, ABSENT, LISTED, COMPLETED };

static int standing(const twilio_request_t *r)
{
    static const struct {
        const char *word;
        int standing;
    } STATUSES[] = {{"absent", ABSENT}, {"completed", COMPLETED}};
    str_t status = r->values[TWILIO_RECORDING_STATUS];

    if (str_is_empty(status))
        return str_is_empty(r->values[TWILIO_RECORDING_DURATION]) ? NAMED : NAMED_WITH_LENGTH;
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (str_eq(status, str_from(STATUSES[i].word)))
            return r->is_listed && STATUSES[i].standing == COMPLETED ? LISTED : STATUSES[i].standing;
    return BEGUN; /* in-progress */
}

/* Of several reports the best counts, and of several recordings that are equally good the one that began last.
 *
 *   bits 54..56 the standing   20..53 the second it began   0..19 left to fact_text, for JSON
 */
static version_t report_version(int worth, int64_t began_us)
{
    int64_t began_s = began_us == TIME_NONE ? 0 : began_us / US_PER_S;

    return version_of(RANK_EVENT, (int64_t)worth << 54 | began_s << 20);
}

static str_t iso8601(arena_t *a, int64_t us)
{
    char text[32];

    return us == TIME_NONE ? STR_NONE : arena_dup(a, (str_t){text, time_to_iso8601(us, text)});
}

/* -1 is written where there is no length, 0 where there is no error. */
static str_t unless(str_t value, str_t nothing)
{
    return str_eq(value, nothing) ? STR_NONE : value;
}

void twilio_recording(const twilio_request_t *r)
{
    const str_t *p = r->values;
    int64_t began_us = time_from_rfc2822(p[TWILIO_RECORDING_START_TIME]);
    int worth = standing(r);
    version_t v = report_version(worth, began_us);
    const twilio_entry_t entries[] = {
        {"id", p[TWILIO_RECORDING_SID], false},
        {"status", p[TWILIO_RECORDING_STATUS], false},
        {"seconds", unless(p[TWILIO_RECORDING_DURATION], STR("-1")), true},
        {"channels", p[TWILIO_RECORDING_CHANNELS], true},
        {"source", p[TWILIO_RECORDING_SOURCE], false},
        {"track", p[TWILIO_RECORDING_TRACK], false},
        {"started_at", iso8601(r->d->arena, began_us), false},
        {"error", unless(p[TWILIO_ERROR_CODE], STR("0")), false},
    };

    if (!str_is_empty(p[TWILIO_RECORDING_SID]))
        fact_text(r->call, CALL_RECORDING, v, twilio_object(r->d->arena, entries, COUNT(entries)));
    if (worth != BEGUN && worth != ABSENT) /* there is nothing to hear at that address, or not yet */
        fact_text(r->call, CALL_RECORDING_URL, v, p[TWILIO_RECORDING_URL]);
}
