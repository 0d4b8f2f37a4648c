#include "provider_harness.h"

extern const provider_t provider_twilio;
#define P    (&provider_twilio)
#define LEG1 "CA00000000000000000000000000000001"
#define LEG2 "CA00000000000000000000000000000002"
#define LEG3 "CA00000000000000000000000000000003"
#define OUR  "AC000000000000000000000000000000ac"
#define GT   "GT00000000000000000000000000000001"

/* Which fixture is which message is in golden/twilio.txt. Here: what names an event, and what must not. */
static const struct {
    const char *file, *route, *key; /* a key that ends in ':' goes on with a hash */
} KEYS[] = {
    {"status-outbound-0-initiated.form", "events", "call:" LEG2 ":initiated"},
    {"status-outbound-3-completed.form", "events", "call:" LEG2 ":completed"},
    {"status-outbound-cancelled.form", "events", "call:CA00000000000000000000000000000008:canceled"},
    {"voice-inbound-ringing.form", "voice", "voice:" LEG1 ":/webhooks/twilio/voice:"},
    {"voice-inbound-ringing.form", "media-stream-twiml", "voice:" LEG1 ":/media-stream-twiml:"},
    {"voice-inbound-ringing.form", "events", "action:" LEG1 ":"},
    {"voice-fallback-after-error.form", "voice", "fallback:" LEG1 ":"},
    {"amd-async-result-machine.form", "events", "amd:" LEG2 ":machine_end_beep"},
    {"recording-status-in-progress.form", "events", "recording:RE00000000000000000000000000000001:in-progress"},
    {"recording-status-completed.form", "events", "recording:RE00000000000000000000000000000001:completed"},
    {"transcription-legacy-completed.form", "events", "transcription:TR00000000000000000000000000000001:completed"},
    {"rtt-1-transcription-started.form", "events", "transcription:" GT ":transcription-started"},
    {"rtt-3-transcription-content-final.form", "events", "transcription:" GT ":transcription-content:3"},
    {"rtt-5-transcription-error.form", "events", "transcription:" GT ":transcription-error:5"},
    {"rtt-6-transcription-stopped.form", "events", "transcription:" GT ":transcription-stopped"},
    {"stream-status-error.form", "events", "stream:MZ00000000000000000000000000000002:stream-error"},
    {"conversationrelay-action-ended-handoff.form", "events", "relay:VX00000000000000000000000000000001:ended"},
    {"gather-speech-result.form", "events", "gather:" LEG1 ":"},
    {"voice-gather-result.form", "voice", "gather:" LEG1 ":"},
    {"record-action.form", "events", "record:" LEG1 ":"},
    {"dial-action-completed.form", "events", "dial:" LEG1 ":" LEG3},
    {"intelligence-transcript-available.json", "events",
     "intelligence:GT00000000000000000000000000000001:voice_intelligence_transcript_available"},
};

static delivery_t *deliver_file(const char *route, const char *file)
{
    return deliver_fixture(P, route, arena_printf(test_arena, "twilio/%s", file).base);
}

static void test_an_event_is_named_by_what_happened(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(KEYS); i++) {
        delivery_t *d = deliver_file(KEYS[i].route, KEYS[i].file);
        str_t want = str_from(KEYS[i].key);
        bool hashed = want.base[want.len - 1] == ':';

        assert_absent(d->error);
        assert_str(str_slice(d->event_key, 0, want.len), KEYS[i].key);
        assert_int_equal(d->event_key.len, want.len + (hashed ? 32 : 0));
        assert_int_equal(d->call_id.len, 34);
        assert_true(str_eq(d->call_id, d->call_sid));
        delivery_free(d);
    }
}

static void free_all(delivery_t *const *d, size_t count)
{
    for (size_t i = 0; i < count; i++)
        delivery_free(d[i]);
}

static void test_status_facts_of_an_outbound_call(void **state)
{
    delivery_t *d[] = {deliver_file("events", "status-outbound-1-ringing.form"),
                       deliver_file("events", "status-outbound-0-initiated.form"),
                       deliver_file("events", "status-outbound-3-completed.form"),
                       deliver_file("events", "status-outbound-2-in-progress.form"),
                       deliver_file("voice", "voice-outbound-answered-url-fetch.form")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"},
                 {CALL_END_REASON, "completed"}, {CALL_CALL_SID, LEG2}, {CALL_ACCOUNT_ID, OUR},
                 {CALL_DIRECTION, "outbound"}, {CALL_FROM_NUMBER, "+12025550100"}, {CALL_TO_NUMBER, "+12025550177"},
                 {CALL_CUSTOMER_NUMBER, "+12025550177"}, {CALL_STARTED_AT, "2026-08-30T08:27:54.000000Z"},
                 {CALL_CONNECTED_AT, "2026-08-30T08:27:58.000000Z"}, {CALL_ENDED_AT, "2026-08-30T08:28:22.000000Z"},
                 {CALL_DURATION, "24"}, {CALL_ANSWERED_BY, "human"}, {CALL_PARENT_CALL_SID, NULL},
                 {CALL_RECORDING_URL,
                  "https://api.twilio.com/2010-04-01/Accounts/" OUR "/Recordings/RE00000000000000000000000000000001"});
    assert_order_free(d, COUNT(d), 1);
    free_all(d, COUNT(d));
}

static void test_only_completed_infers_the_rest(void **state)
{
    delivery_t *d = deliver_file("events", "status-inbound-number-completed.form");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_DIRECTION, "inbound"}, {CALL_CUSTOMER_NUMBER, "+12025550143"},
                 {CALL_STARTED_AT, "2026-08-30T08:28:56.000000Z"}, {CALL_CONNECTED_AT, "2026-08-30T08:28:56.000000Z"},
                 {CALL_ENDED_AT, "2026-08-30T08:30:11.000000Z"}, {CALL_DURATION, "75"});
    assert_int_equal(rank_of(call, CALL_CONNECTED_AT), RANK_INFERRED);
    assert_int_equal(rank_of(call, CALL_ENDED_AT), RANK_EVENT);
    delivery_free(d);
}

static void test_calls_that_failed(void **state)
{
    static const struct {
        const char *file, *reason;
    } CASES[] = {{"status-outbound-busy-486.form", "busy"},
                 {"status-outbound-no-answer.form", "no-answer"},
                 {"status-outbound-failed-404.form", "failed"}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file("events", CASES[i].file);

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "failed"},
                     {CALL_END_REASON, CASES[i].reason}, {CALL_CONNECTED_AT, NULL}, {CALL_DURATION, "0"});
        delivery_free(d);
    }
}

static void test_cancelled_is_spelled_canceled(void **state)
{
    delivery_t *d = deliver(P, "events", BODY_FORM,
                            STR("CallSid=CA1&AccountSid=AC1&CallStatus=cancelled&CallbackSource=call-progress-events"));

    (void)state;
    assert_str(d->event_key, "call:CA1:canceled");
    assert_str(d->status, "canceled");
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, "failed"}, {CALL_END_REASON, "canceled"},
                 {CALL_STARTED_AT, NULL}, {CALL_ENDED_AT, NULL});
    delivery_free(d);
}

/* By what only a status callback has; everything else that tells a status is the action of some verb. */
static void test_status_callback_without_its_source(void **state)
{
    static const struct {
        const char *body, *key;
    } CASES[] = {
        {"CallSid=CA1&CallStatus=ringing&SequenceNumber=1", "call:CA1:ringing"},
        {"CallSid=CA1&CallStatus=completed&CallDuration=3&Duration=1", "call:CA1:completed"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver(P, "events", BODY_FORM, str_from(CASES[i].body));

        assert_str(d->event_key, CASES[i].key);
        assert_str(d->event_type, "call-progress-events");
        assert_int_equal(reply_to(P, d).status, 204);
        delivery_free(d);
    }
}

static void test_child_leg_names_its_parent(void **state)
{
    delivery_t *d = deliver_file("events", "status-dial-child-leg-completed.form");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PARENT_CALL_SID, LEG1}, {CALL_DIRECTION, "outbound"},
                 {CALL_CUSTOMER_NUMBER, "+12025550177"}, {CALL_DURATION, "41"});
    delivery_free(d);
}

static void test_voice_fetch_of_a_withheld_number(void **state)
{
    delivery_t *d = deliver_file("voice", "voice-inbound-anonymous-utf8.form");
    str_t key = d->event_key;

    (void)state;
    assert_true(str_starts(key, STR("voice:" LEG1 ":/webhooks/twilio/voice:")));
    assert_int_equal(key.len, strlen("voice:" LEG1 ":/webhooks/twilio/voice:") + 32);
    assert_str(d->from_number, "anonymous");
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "0"}, {CALL_FROM_NUMBER, "anonymous"},
                 {CALL_CUSTOMER_NUMBER, NULL}, {CALL_STARTED_AT, NULL});
    delivery_free(d);
}

static void test_voice_key_knows_the_parameters_but_not_their_order(void **state)
{
    delivery_t *a = deliver(P, "voice", BODY_FORM, STR("CallSid=CA1&CallStatus=ringing&From=1"));
    delivery_t *b = deliver(P, "voice", BODY_FORM, STR("From=1&CallStatus=ringing&CallSid=CA1"));
    delivery_t *c = deliver(P, "voice", BODY_FORM, STR("From=2&CallStatus=ringing&CallSid=CA1"));

    (void)state;
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

static str_t key_of(const char *route, const char *body, const char *token)
{
    str_t form = arena_printf(test_arena, "CallSid=CA1&AccountSid=AC1&%s%s%s", body,
                              token ? "&i-twilio-idempotency-token=" : "", token ? token : "");
    delivery_t *d = deliver(P, route, BODY_FORM, form);
    str_t key = arena_dup(test_arena, d->event_key);

    assert_absent(d->error);
    assert_int_equal(holds(d->payload, "\"i-twilio-idempotency-token\":\"T1\""), token && strcmp(token, "T1") == 0);
    delivery_free(d);
    return key;
}

static void test_only_what_was_gathered_is_named_by_the_idempotency_token_too(void **state)
{
    static const struct {
        const char *route, *body;
        bool by_token;
    } CASES[] = {
        {"events", "CallStatus=in-progress&Digits=1", true},
        {"voice", "CallStatus=in-progress&Digits=1", true},
        {"events", "CallStatus=in-progress&SpeechResult=yes", true},
        {"events", "CallStatus=in-progress&RecordingUrl=https://x", false},
        {"events", "CallStatus=in-progress&ErrorUrl=https://x", false},
        {"voice", "CallStatus=ringing", false},
        {"events", "CallStatus=in-progress", false},
        {"events", "CallStatus=ringing&SequenceNumber=1", false},
        {"events", "Something=1", false},
        {"events", "TranscriptionSid=GT1&TranscriptionEvent=transcription-error", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t without = key_of(CASES[i].route, CASES[i].body, NULL);
        str_t first = key_of(CASES[i].route, CASES[i].body, "T1"), again = key_of(CASES[i].route, CASES[i].body, "T1");
        str_t second = key_of(CASES[i].route, CASES[i].body, "T2");

        assert_true(str_eq(first, again));
        assert_int_equal(str_eq(first, second), !CASES[i].by_token);
        assert_int_equal(str_eq(first, without), !CASES[i].by_token);
    }
    assert_string_equal(P->keep_headers[0], "i-twilio-idempotency-token");
    assert_null(P->keep_headers[1]);
}

#define PRESSED "CallSid=CA1&AccountSid=AC1&CallStatus=in-progress&Digits=1&i-twilio-idempotency-token="

static void test_the_same_key_pressed_twice_is_two_lines(void **state)
{
    delivery_t *d[] = {deliver(P, "events", BODY_FORM, STR(PRESSED "T1")),
                       deliver(P, "events", BODY_FORM, STR(PRESSED "T2")),
                       deliver(P, "events", BODY_FORM, STR(PRESSED "T1"))};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 2);
    free_all(d, COUNT(d));
}

/* ---- recordings ---- */

#define RECORDINGS "https://api.twilio.com/2010-04-01/Accounts/" OUR "/Recordings/"

static void test_a_recording_is_what_its_own_last_callback_says(void **state)
{
    delivery_t *d[] = {deliver_file("events", "recording-status-in-progress.form"),
                       deliver_file("events", "recording-status-completed.form"),
                       deliver_file("events", "status-outbound-3-completed.form")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL),
                 {CALL_RECORDING,
                  "{\"id\":\"RE00000000000000000000000000000001\",\"status\":\"completed\",\"seconds\":23,"
                  "\"channels\":2,\"source\":\"OutboundAPI\",\"track\":\"both\","
                  "\"started_at\":\"2026-08-30T08:27:58.000000Z\"}"},
                 {CALL_RECORDING_URL, RECORDINGS "RE00000000000000000000000000000001"});
    assert_order_free(d, COUNT(d), 2);
    free_all(d, COUNT(d));
}

static void test_a_recording_that_is_absent_or_not_ready_has_no_address(void **state)
{
    static const char *const FILES[] = {"recording-status-absent.form", "recording-status-absent-error.form",
                                        "recording-status-in-progress.form"};

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file("events", FILES[i]);
        const fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

        ASSERT_CELLS(call, {CALL_RECORDING_URL, NULL}, {CALL_PHASE, NULL});
        assert_false(holds(call->cells[CALL_RECORDING].text, "seconds"));
        assert_int_equal(holds(call->cells[CALL_RECORDING].text, "\"error\":\"16111\""), i == 1);
        delivery_free(d);
    }
}

static delivery_t *recording(const char *id, const char *status, const char *began)
{
    return deliver(P, "events", BODY_FORM,
                   arena_printf(test_arena,
                                "AccountSid=AC1&CallSid=CA1&RecordingSid=%s&RecordingStatus=%s&RecordingUrl=https://%s&"
                                "RecordingStartTime=Sun%%2C+30+Aug+2026+08%%3A%s+%%2B0000",
                                id, status, id, began));
}

static void test_of_two_recordings_the_later_that_is_there_counts(void **state)
{
    delivery_t *d[] = {recording("RE1", "completed", "27%3A58"), recording("RE2", "completed", "27%3A59"),
                       recording("RE3", "in-progress", "29%3A00"), recording("RE4", "absent", "30%3A00"),
                       deliver(P, "events", BODY_FORM,
                               STR("AccountSid=AC1&CallSid=CA1&CallStatus=in-progress&RecordingUrl=https://RE5&"
                                   "RecordingSid=RE5&RecordingDuration=9&Digits=hangup"))};
    facts_t rows;
    const fact_t *call;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    call = find_row(&rows, FACT_CALL, NULL);
    ASSERT_CELLS(call, {CALL_RECORDING_URL, "https://RE2"});
    assert_true(holds(call->cells[CALL_RECORDING].text, "\"id\":\"RE2\""));
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 0); /* "hangup" was not said by anybody */
    assert_order_free(d, COUNT(d), 3);
    free_all(d, COUNT(d));
}

static void test_text_of_a_recording_is_the_transcript_if_there_is_one(void **state)
{
    delivery_t *done = deliver_file("events", "transcription-legacy-completed.form");
    delivery_t *failed = deliver_file("events", "transcription-legacy-failed.form");

    (void)state;
    ASSERT_CELLS(find_row(&done->facts, FACT_CALL, NULL),
                 {CALL_TRANSCRIPT, "Hi, this is Dana. Please call me back about the appointment on Friday."},
                 {CALL_TRANSCRIPT_SOURCE, NULL});
    assert_int_equal(find_row(&done->facts, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT].version,
                     version_of(RANK_EVENT, 0));
    ASSERT_CELLS(find_row(&failed->facts, FACT_CALL, NULL), {CALL_TRANSCRIPT, NULL});
    delivery_free(done);
    delivery_free(failed);
}

/* ---- what was said ---- */

static void test_lines_are_in_order_of_time_across_the_tracks(void **state)
{
    delivery_t *user = deliver_file("events", "rtt-3-transcription-content-final.form");
    delivery_t *agent = deliver_file("events", "rtt-4-transcription-content-final-outbound.form");
    const fact_t *second = find_row(&user->facts, FACT_MESSAGE, NULL),
                 *first = find_row(&agent->facts, FACT_MESSAGE, NULL);

    (void)state;
    ASSERT_CELLS(first, {MESSAGE_ROLE, "assistant"}, {MESSAGE_CONTENT, "Thank you for calling."},
                 {MESSAGE_SPOKEN_AT, "2026-08-30T08:29:05.101110Z"});
    ASSERT_CELLS(second, {MESSAGE_ROLE, "user"}, {MESSAGE_SOURCE, "transcription"},
                 {MESSAGE_METADATA, "{\"track\":\"inbound_track\",\"language\":\"en-US\",\"confidence\":0.9956335}"});
    assert_true(first->cells[MESSAGE_SEQUENCE].number < second->cells[MESSAGE_SEQUENCE].number);
    assert_true(second->cells[MESSAGE_SEQUENCE].number < INT64_C(1) << 53);
    delivery_free(user);
    delivery_free(agent);
}

static delivery_t *content(const char *number, const char *at, const char *data, const char *more)
{
    return deliver(
        P, "events", BODY_FORM,
        arena_printf(test_arena,
                     "AccountSid=AC1&CallSid=CA1&TranscriptionSid=GT1&TranscriptionEvent=transcription-content&"
                     "SequenceId=%s&Timestamp=%s&TranscriptionData=%s%s",
                     number, at, data, more));
}

static void test_of_two_lines_at_one_time_the_number_decides(void **state)
{
    delivery_t *nine = content("9", "2026-08-30T08:29:05Z", "{\"transcript\":\"a\"}", "&Final=true");
    delivery_t *ten = content("10", "2026-08-30T08:29:05Z", "{\"transcript\":\"b\"}", "&Final=true");
    delivery_t *timeless = content("11", "", "{\"transcript\":\"c\"}", "");

    (void)state;
    assert_true(find_row(&nine->facts, FACT_MESSAGE, NULL)->cells[MESSAGE_SEQUENCE].number <
                find_row(&ten->facts, FACT_MESSAGE, NULL)->cells[MESSAGE_SEQUENCE].number);
    ASSERT_CELLS(find_row(&timeless->facts, FACT_MESSAGE, NULL), {MESSAGE_SEQUENCE, "11"}, {MESSAGE_ROLE, NULL},
                 {MESSAGE_SPOKEN_AT, NULL}, {MESSAGE_METADATA, NULL});
    delivery_free(nine);
    delivery_free(ten);
    delivery_free(timeless);
}

static void test_a_line_that_cannot_be_read_is_a_dead_letter(void **state)
{
    static const char *const DATA[] = {"",         "{",  "{\"transcript\":",   "[]",
                                       "\"said\"", "{}", "{\"transcript\":7}", "null"};

    (void)state;
    for (size_t i = 0; i < COUNT(DATA); i++) {
        delivery_t *d = content("3", "2026-08-30T08:29:05Z", DATA[i], "&Final=true");

        assert_true(holds(d->error, "TranscriptionData"));
        assert_str(d->event_key, "transcription:GT1:transcription-content:3");
        assert_null(d->facts.first);
        assert_non_null(d->payload.base);
        assert_int_equal(reply_to(P, d).status, 204);
        delivery_free(d);
    }
}

static void test_what_nobody_said_is_no_line(void **state)
{
    delivery_t *silence = content("3", "2026-08-30T08:29:05Z", "{\"transcript\":\"\"}", "&Final=true");
    delivery_t *no_key = deliver_file("events", "gather-empty-result.form");

    (void)state;
    assert_absent(silence->error);
    assert_absent(no_key->error);
    assert_int_equal(count_rows(&silence->facts, FACT_MESSAGE), 0);
    assert_int_equal(count_rows(&no_key->facts, FACT_MESSAGE), 0);
    delivery_free(silence);
    delivery_free(no_key);
}

static void test_a_line_is_safe_whatever_its_json_holds(void **state)
{
    delivery_t *d =
        content("3", "2026-08-30T08:29:05Z", "{\"transcript\":\"a%5Cu0000b%5Cud800\",\"confidence\":1e999}", "");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, NULL), {MESSAGE_CONTENT, "a\xef\xbf\xbd"
                                                                            "b\xef\xbf\xbd"});
    delivery_free(d);
}

static void test_partials_are_not_stored(void **state)
{
    static const char *const FILES[] = {"rtt-2-transcription-content-partial.form", "gather-partial-result.form"};
    delivery_t *stable = deliver(P, "events", BODY_FORM, STR("CallSid=CA1&StableSpeechResult=a&Stability=0.9"));

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file("events", FILES[i]);

        assert_true(d->unstored);
        assert_null(d->facts.first);
        delivery_free(d);
    }
    assert_true(stable->unstored);
    delivery_free(stable);
}

static void test_what_a_caller_answers_is_a_line_of_theirs(void **state)
{
    delivery_t *speech = deliver_file("events", "gather-speech-result.form");
    delivery_t *digits = deliver_file("events", "gather-dtmf-result.form");
    delivery_t *odd = deliver(P, "events", BODY_FORM, STR("CallSid=CA1&SpeechResult=x&Confidence=01&Digits="));

    (void)state;
    ASSERT_CELLS(find_row(&speech->facts, FACT_MESSAGE, NULL), {MESSAGE_SOURCE, "gather"}, {MESSAGE_ROLE, "user"},
                 {MESSAGE_CONTENT, "I need to speak to sales please."},
                 {MESSAGE_METADATA, "{\"input\":\"speech\",\"confidence\":0.9279665,\"language\":\"en-US\"}"});
    ASSERT_CELLS(find_row(&digits->facts, FACT_MESSAGE, NULL), {MESSAGE_CONTENT, "1234"},
                 {MESSAGE_METADATA, "{\"input\":\"dtmf\",\"finished_on_key\":\"#\"}"});
    ASSERT_CELLS(find_row(&odd->facts, FACT_MESSAGE, NULL), /* 01 is no number in JSON */
                 {MESSAGE_METADATA, "{\"input\":\"speech\",\"confidence\":\"01\"}"});
    delivery_free(speech);
    delivery_free(digits);
    delivery_free(odd);
}

static void test_only_what_json_takes_for_a_number_is_written_as_one(void **state)
{
    static const struct {
        const char *text, *written;
    } CASES[] = {{"0", "0"},           {"-0.5", "-0.5"},
                 {"12.50", "12.50"},   {"1.", "\"1.\""},
                 {".5", "\".5\""},     {"-", "\"-\""},
                 {"1e9", "\"1e9\""},   {"NaN", "\"NaN\""},
                 {"1.5x", "\"1.5x\""}, {"123456789012345678901", "\"123456789012345678901\""}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t body = arena_printf(test_arena, "CallSid=CA1&SpeechResult=x&Confidence=%s", CASES[i].text);
        delivery_t *d = deliver(P, "events", BODY_FORM, body);
        str_t want = arena_printf(test_arena, "{\"input\":\"speech\",\"confidence\":%s}", CASES[i].written);

        ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, NULL), {MESSAGE_METADATA, want.base});
        delivery_free(d);
    }
}

static void test_what_is_overheard_is_shown_rather_than_what_was_asked(void **state)
{
    delivery_t *heard = deliver_file("events", "rtt-3-transcription-content-final.form");
    delivery_t *asked = deliver_file("events", "gather-speech-result.form");
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    merge_into(&rows, &heard->facts);
    merge_into(&rows, &asked->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_TRANSCRIPT_SOURCE, "transcription"});
    assert_true(find_row(&heard->facts, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT_SOURCE].version ==
                version_of(RANK_EVENT, LIVE_HEARD)); /* by rank, and not by the words */
    delivery_free(heard);
    delivery_free(asked);
}

/* ---- other legs, other ends ---- */

static const fact_t *leg(const facts_t *rows, const char *sid)
{
    for (const fact_t *f = rows->first; f; f = f->next)
        if (f->kind == FACT_CALL && str_eq(f->call_id, str_from(sid)))
            return f;
    fail_msg("no leg %s", sid);
    return NULL;
}

static void test_a_dial_tells_of_the_leg_that_it_made(void **state)
{
    delivery_t *d = deliver_file("events", "dial-action-completed.form");
    delivery_t *unanswered = deliver_file("events", "dial-action-no-answer.form");
    delivery_t *nobody = deliver(P, "events", BODY_FORM, STR("AccountSid=AC1&CallSid=CA1&DialCallStatus=failed"));

    (void)state;
    ASSERT_CELLS(leg(&d->facts, LEG3), {CALL_CALL_SID, LEG3}, {CALL_PARENT_CALL_SID, LEG1}, {CALL_ACCOUNT_ID, OUR},
                 {CALL_DIRECTION, "outbound"}, {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_DURATION, "41"},
                 {CALL_FROM_NUMBER, NULL}, {CALL_TO_NUMBER, NULL}, {CALL_ENDED_AT, NULL}, {CALL_RECORDING_URL, NULL});
    ASSERT_CELLS(leg(&d->facts, LEG1), {CALL_PHASE, "1"}, {CALL_DURATION, NULL}, {CALL_PARENT_CALL_SID, NULL},
                 {CALL_RECORDING_URL, RECORDINGS "RE00000000000000000000000000000006"});
    ASSERT_CELLS(leg(&unanswered->facts, "CA00000000000000000000000000000010"), {CALL_OUTCOME, "failed"},
                 {CALL_END_REASON, "no-answer"});
    assert_int_equal(count_rows(&nobody->facts, FACT_CALL), 1);
    assert_true(str_starts(nobody->event_key, STR("dial:CA1:")));
    delivery_free(d);
    delivery_free(unanswered);
    delivery_free(nobody);
}

static void test_a_machine_that_answers_has_answered(void **state)
{
    delivery_t *d = deliver_file("events", "amd-async-result-machine.form");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_ANSWERED_BY, "machine_end_beep"}, {CALL_PHASE, "1"});
    assert_true(holds(d->payload, "\"MachineDetectionDuration\":\"8840\""));
    delivery_free(d);
}

static void test_only_a_stream_that_began_says_that_the_call_is_up(void **state)
{
    static const struct {
        const char *file, *phase, *connected;
    } CASES[] = {{"stream-status-started.form", "1", "2026-08-30T08:29:00.412000Z"},
                 {"stream-status-stopped.form", NULL, NULL},
                 {"stream-status-error.form", NULL, NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file("events", CASES[i].file);

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, CASES[i].phase},
                     {CALL_CONNECTED_AT, CASES[i].connected}, {CALL_CALL_SID, LEG1});
        delivery_free(d);
    }
}

static void test_a_session_that_failed_is_no_call_that_failed(void **state)
{
    static const char *const FILES[] = {"conversationrelay-action-failed.form",
                                        "conversationrelay-action-ended-handoff.form"};

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file("events", FILES[i]);

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_OUTCOME, NULL},
                     {CALL_AI_AGENT_USED, "1"});
        assert_int_equal(reply_to(P, d).status, 200);
        delivery_free(d);
    }
}

static void test_name_of_the_caller_is_the_customers_only_when_they_call(void **state)
{
    delivery_t *in = deliver_file("events", "status-inbound-forwarded-in-progress.form");
    delivery_t *out =
        deliver(P, "events", BODY_FORM,
                STR("CallSid=CA1&CallStatus=ringing&CallbackSource=x&Direction=outbound-api&CallerName=Us"));

    (void)state;
    ASSERT_CELLS(find_row(&in->facts, FACT_CALL, NULL), {CALL_CUSTOMER_NAME, "Dana"},
                 {CALL_FORWARDED_FROM, "+12025550190"});
    ASSERT_CELLS(find_row(&out->facts, FACT_CALL, NULL), {CALL_CUSTOMER_NAME, NULL});
    delivery_free(in);
    delivery_free(out);
}

static void test_an_unknown_verb_takes_no_status_callbacks_name(void **state)
{
    delivery_t *d = deliver_file("events", "action-enqueue.form");

    (void)state;
    assert_str(d->event_type, "action");
    assert_false(str_starts(d->event_key, STR("call:")));
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"});
    assert_true(holds(reply_to(P, d).body, "<Response/>"));
    delivery_free(d);
}

/* ---- whole calls, in any order ---- */

typedef struct heard {
    const char *route, *file;
} heard_t;

static void test_a_whole_inbound_call_in_any_order(void **state)
{
    static const heard_t CALL[] = {
        {"voice", "voice-inbound-ringing.form"},
        {"events", "stream-status-started.form"},
        {"events", "stream-status-error.form"},
        {"events", "rtt-1-transcription-started.form"},
        {"events", "rtt-3-transcription-content-final.form"},
        {"events", "rtt-4-transcription-content-final-outbound.form"},
        {"events", "rtt-5-transcription-error.form"},
        {"events", "rtt-7-transcription-content-provider-data.form"},
        {"events", "gather-speech-result.form"},
        {"events", "gather-dtmf-result.form"},
        {"events", "record-action.form"},
        {"events", "dial-action-completed.form"},
        {"events", "status-dial-child-leg-completed.form"},
        {"events", "conversationrelay-action-ended-handoff.form"},
        {"events", "rtt-6-transcription-stopped.form"},
        {"events", "stream-status-stopped.form"},
        {"events", "transcription-legacy-completed.form"},
        {"events", "status-inbound-number-completed.form"},
        {"events", "intelligence-transcript-available.json"},
    };
    delivery_t *d[COUNT(CALL)];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(CALL); i++) {
        d[i] = deliver_file(CALL[i].route, CALL[i].file);
        merge_into(&rows, &d[i]->facts);
    }
    assert_int_equal(count_rows(&rows, FACT_CALL), 2);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 5);
    ASSERT_CELLS(leg(&rows, LEG1), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_DURATION, "75"},
                 {CALL_STARTED_AT, "2026-08-30T08:28:56.000000Z"}, {CALL_CONNECTED_AT, "2026-08-30T08:28:56.000000Z"},
                 {CALL_ENDED_AT, "2026-08-30T08:30:11.000000Z"}, {CALL_CUSTOMER_NUMBER, "+12025550143"},
                 {CALL_TRANSCRIPT_SOURCE, "transcription"}, {CALL_AI_AGENT_USED, "1"}, {CALL_PARENT_CALL_SID, NULL});
    ASSERT_CELLS(leg(&rows, LEG3), {CALL_PARENT_CALL_SID, LEG1}, {CALL_DURATION, "41"},
                 {CALL_TO_NUMBER, "+12025550177"}, {CALL_ENDED_AT, "2026-08-30T08:30:10.000000Z"});
    assert_order_free(d, COUNT(d), 4);
    free_all(d, COUNT(d));
}

static void test_a_whole_outbound_call_in_any_order(void **state)
{
    static const heard_t CALL[] = {
        {"events", "status-outbound-0-initiated.form"},       {"events", "status-outbound-1-ringing.form"},
        {"events", "status-outbound-2-in-progress.form"},     {"voice", "voice-outbound-answered-url-fetch.form"},
        {"events", "recording-status-in-progress.form"},      {"events", "amd-async-result-machine.form"},
        {"events", "status-outbound-3-completed.form"},       {"events", "recording-status-completed.form"},
        {"events", "intelligence-transcript-available.form"},
    };
    delivery_t *d[COUNT(CALL)];

    (void)state;
    for (size_t i = 0; i < COUNT(CALL); i++)
        d[i] = deliver_file(CALL[i].route, CALL[i].file);
    assert_order_free(d, COUNT(d), 5);
    free_all(d, COUNT(d));
}

/* ---- what is kept, and what is answered ---- */

static void test_call_token_is_redacted(void **state)
{
    delivery_t *d = deliver_file("voice", "voice-inbound-ringing.form");

    (void)state;
    assert_false(holds(d->payload, "FICTIONAL"));
    assert_true(holds(d->payload, "\"CallToken\":\"[redacted]\""));
    assert_true(holds(d->payload, "\"StirVerstat\":\"TN-Validation-Passed-A\""));
    delivery_free(d);
}

static void test_secrets_among_sip_headers_are_redacted(void **state)
{
    delivery_t *d = deliver_file("voice", "voice-inbound-sip-forwarded.form");

    (void)state;
    assert_false(holds(d->payload, "REDACT-ME"));
    assert_true(holds(d->payload, "\"SipHeader_X-Session-Token\":\"[redacted]\""));
    assert_true(holds(d->payload, "\"SipHeader_X-Queue\":\"sales\""));
    delivery_free(d);
}

static void test_other_messages_are_events_and_strangers_dead_letters(void **state)
{
    delivery_t *known = deliver(P, "events", BODY_FORM, STR("AccountSid=AC1&Something=new&CallSid=CA1"));
    delivery_t *account = deliver(P, "events", BODY_FORM, STR("AccountSid=AC1&Something=new"));
    delivery_t *strange = deliver(P, "events", BODY_FORM, STR("foo=bar"));
    delivery_t *broken = deliver(P, "events", BODY_JSON, STR("{\"a\":"));

    (void)state;
    assert_absent(known->error);
    assert_true(str_starts(known->event_key, STR("other:CA1:")));
    assert_true(str_starts(account->event_key, STR("other:AC1:")));
    assert_null(known->facts.first);
    assert_non_null(strange->error.base);
    assert_true(str_starts(strange->event_key, STR("unknown:")));
    assert_non_null(broken->error.base);
    assert_absent(broken->payload);
    assert_int_equal(reply_to(P, strange).status, 204);
    assert_int_equal(reply_to(P, broken).status, 204);
    delivery_free(known);
    delivery_free(account);
    delivery_free(strange);
    delivery_free(broken);
}

static void test_each_is_answered_as_twilio_wants(void **state)
{
    delivery_t *status = deliver_file("events", "status-outbound-2-in-progress.form");
    delivery_t *voice = deliver_file("voice", "voice-inbound-ringing.form");
    delivery_t *dead = deliver(P, "voice", BODY_FORM, STR("foo=bar"));
    delivery_t *action = deliver_file("events", "gather-dtmf-result.form");

    (void)state;
    assert_int_equal(reply_to(P, status).status, 204);
    assert_absent(reply_to(P, status).body);
    assert_int_equal(reply_to(P, voice).status, 200);
    assert_str(reply_to(P, voice).content_type, "text/xml; charset=utf-8");
    assert_true(holds(reply_to(P, voice).body, "<Response><Say>"));
    assert_true(holds(reply_to(P, voice).body, "<Hangup/></Response>"));
    assert_true(holds(reply_to(P, dead).body, "<Hangup/>"));
    assert_true(holds(reply_to(P, action).body, "<Response/>"));
    delivery_free(status);
    delivery_free(voice);
    delivery_free(dead);
    delivery_free(action);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_an_event_is_named_by_what_happened),
        provider_test(test_status_facts_of_an_outbound_call),
        provider_test(test_only_completed_infers_the_rest),
        provider_test(test_calls_that_failed),
        provider_test(test_cancelled_is_spelled_canceled),
        provider_test(test_status_callback_without_its_source),
        provider_test(test_child_leg_names_its_parent),
        provider_test(test_voice_fetch_of_a_withheld_number),
        provider_test(test_voice_key_knows_the_parameters_but_not_their_order),
        provider_test(test_only_what_was_gathered_is_named_by_the_idempotency_token_too),
        provider_test(test_the_same_key_pressed_twice_is_two_lines),
        provider_test(test_a_recording_is_what_its_own_last_callback_says),
        provider_test(test_a_recording_that_is_absent_or_not_ready_has_no_address),
        provider_test(test_of_two_recordings_the_later_that_is_there_counts),
        provider_test(test_text_of_a_recording_is_the_transcript_if_there_is_one),
        provider_test(test_lines_are_in_order_of_time_across_the_tracks),
        provider_test(test_of_two_lines_at_one_time_the_number_decides),
        provider_test(test_a_line_that_cannot_be_read_is_a_dead_letter),
        provider_test(test_what_nobody_said_is_no_line),
        provider_test(test_a_line_is_safe_whatever_its_json_holds),
        provider_test(test_partials_are_not_stored),
        provider_test(test_what_a_caller_answers_is_a_line_of_theirs),
        provider_test(test_only_what_json_takes_for_a_number_is_written_as_one),
        provider_test(test_what_is_overheard_is_shown_rather_than_what_was_asked),
        provider_test(test_a_dial_tells_of_the_leg_that_it_made),
        provider_test(test_a_machine_that_answers_has_answered),
        provider_test(test_only_a_stream_that_began_says_that_the_call_is_up),
        provider_test(test_a_session_that_failed_is_no_call_that_failed),
        provider_test(test_name_of_the_caller_is_the_customers_only_when_they_call),
        provider_test(test_an_unknown_verb_takes_no_status_callbacks_name),
        provider_test(test_a_whole_inbound_call_in_any_order),
        provider_test(test_a_whole_outbound_call_in_any_order),
        provider_test(test_call_token_is_redacted),
        provider_test(test_secrets_among_sip_headers_are_redacted),
        provider_test(test_other_messages_are_events_and_strangers_dead_letters),
        provider_test(test_each_is_answered_as_twilio_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
