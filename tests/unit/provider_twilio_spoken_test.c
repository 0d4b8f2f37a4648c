/* provider_twilio_spoken_test.c – what our own agent on a media stream of Twilio tells: utterances that become more
 * complete, tokens, and its begin and end. */
#include "provider_harness.h"

extern const provider_t provider_twilio;
#define P       (&provider_twilio)
#define CALL    "CA00000000000000000000000000000001"
#define STREAM  "MZ00000000000000000000000000000001"
#define OF_CALL "\"StreamSid\":\"" STREAM "\",\"CallSid\":\"" CALL "\",\"Timestamp\":\"2026-08-30T08:29:05Z\""
#define MOST    16

static delivery_t *hear(str_t json)
{
    return deliver(P, "media-stream", BODY_JSON, json);
}

/* The deliveries of the sample call; free each. */
static size_t sample_call(delivery_t *out[MOST])
{
    str_t rest = fixture("twilio/bridge-deliveries.jsonl"), line;
    size_t n = 0;

    while (str_split(&rest, '\n', &line))
        if (line.len) {
            assert_true(n < MOST);
            out[n] = hear(line);
            assert_absent(out[n++]->error);
        }
    return n;
}

static void free_all(delivery_t *const *deliveries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        delivery_free(deliveries[i]);
}

static facts_t rows_of(delivery_t *const *deliveries, size_t n)
{
    facts_t rows;

    facts_init(&rows, test_arena);
    for (size_t i = 0; i < n; i++)
        merge_into(&rows, &deliveries[i]->facts);
    return rows;
}

#define A0 "item_DcA0greeting000000001:0"
#define U1 "item_DcU1firstquestion0001:0"
#define A1 "item_DcA1longanswer0000001:0"
#define U2 "item_DcU2interruption00001:0"
#define R9 "resp_DcEdgeRace00000001"

static void test_events_have_names_of_their_own(void **state)
{
    static const struct {
        const char *key, *type;
    } EVENTS[] = {
        {"openai:sess_DcS0twoturnbargein0001:started", "bridge-started"},
        {"openai:" A0 ":final", "utterance"},
        {"openai:" A0 ":counted", "utterance"},
        {"openai:" U1 ":final", "utterance"},
        {"openai:" A1 ":partial", "utterance"},
        {"openai:" A1 ":interrupted", "utterance"},
        {"openai:" A1 ":counted", "utterance"},
        {"openai:" U2 ":failed", "utterance"},
        {"openai:" R9 ":counted", "response"},
        {"stream:" STREAM ":bridge-ended", "bridge-ended"},
    };
    delivery_t *call[MOST];
    size_t n = sample_call(call);

    (void)state;
    assert_int_equal(n, COUNT(EVENTS));
    for (size_t i = 0; i < n; i++) {
        assert_str(call[i]->event_key, EVENTS[i].key);
        assert_str(call[i]->event_type, EVENTS[i].type);
        assert_str(call[i]->call_sid, CALL);
        assert_int_not_equal(call[i]->occurred_us, TIME_NONE);
        assert_int_equal(reply_to(P, call[i]).status, 204);
    }
    free_all(call, n);
}

static void test_what_is_said_becomes_messages(void **state)
{
    delivery_t *call[MOST];
    size_t n = sample_call(call);
    facts_t rows = rows_of(call, n);

    (void)state;
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 5);
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, A0), {MESSAGE_SOURCE, "bridge"}, {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_CONTENT, "Thanks for calling Acme Plumbing. How can I help?"}, {MESSAGE_SEQUENCE, "1"},
                 {MESSAGE_SPOKEN_AT, "2026-08-30T08:29:01.173000Z"}, {MESSAGE_ENDED_AT, "2026-08-30T08:29:03.200000Z"},
                 {MESSAGE_TOKENS, "173"}, {MESSAGE_MODEL, "gpt-realtime-2.1"}, {MESSAGE_INTERRUPTED, NULL},
                 {MESSAGE_AUDIO_URL, NULL});
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, U1), {MESSAGE_ROLE, "user"}, {MESSAGE_CONTENT, "I have a leaking tap."},
                 {MESSAGE_SEQUENCE, "2"}, {MESSAGE_TOKENS, NULL}, {MESSAGE_MODEL, "gpt-4o-mini-transcribe"},
                 {MESSAGE_METADATA, "{\"session_id\":\"sess_DcS0twoturnbargein0001\",\"audio_start_ms\":3600,"
                                    "\"transcription_tokens\":39}"});
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, A1),
                 {MESSAGE_CONTENT, "Sure. A leaking tap usually needs a new washer, and we charge ninety dollars"},
                 {MESSAGE_INTERRUPTED, "1"}, {MESSAGE_TOKENS, "288"},
                 {MESSAGE_METADATA, "{\"response_id\":\"resp_R1\",\"heard_ms\":800,\"generated_ms\":3200,\"usage\":"
                                    "{\"total_tokens\":288,\"input_tokens\":203,\"output_tokens\":85,"
                                    "\"input_token_details\":{\"cached_tokens\":64}}}"});
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, U2), {MESSAGE_ROLE, "user"}, {MESSAGE_CONTENT, NULL},
                 {MESSAGE_SEQUENCE, "4"}, {MESSAGE_MODEL, NULL});
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, R9), {MESSAGE_SOURCE, "bridge"}, {MESSAGE_ROLE, "system"},
                 {MESSAGE_CONTENT, NULL}, {MESSAGE_TOKENS, "170"}, {MESSAGE_SEQUENCE, "5"},
                 {MESSAGE_MODEL, "gpt-realtime-2.1"}, {MESSAGE_INTERRUPTED, NULL});
    free_all(call, n);
}

static void test_the_call_has_an_agent_and_its_transcript(void **state)
{
    delivery_t *call[MOST];
    size_t n = sample_call(call);
    facts_t rows = rows_of(call, n);
    const fact_t *row = find_row(&rows, FACT_CALL, NULL);

    (void)state;
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    ASSERT_CELLS(row, {CALL_AI_AGENT_USED, "1"}, {CALL_AGENT_ID, "019c0000-0000-7000-8000-0000000000a9"},
                 {CALL_AGENT_NAME, "Acme Plumbing"}, {CALL_PHASE, "1"}, {CALL_CALL_SID, CALL},
                 {CALL_CONNECTED_AT, "2026-08-30T08:29:00.700000Z"}, {CALL_TRANSCRIPT_SOURCE, "bridge"},
                 {CALL_ENDED_AT, NULL}, {CALL_OUTCOME, NULL}, {CALL_TOKENS, NULL});
    assert_int_equal(rank_of(row, CALL_CONNECTED_AT), RANK_INFERRED);
    assert_true(row->cells[CALL_TRANSCRIPT_SOURCE].version == version_of(RANK_EVENT, LIVE_BRIDGED));
    free_all(call, n);
}

static void test_order_and_repeats_make_no_difference(void **state)
{
    delivery_t *call[MOST];
    size_t n = sample_call(call);

    (void)state;
    assert_order_free(call, n, 20261121);
    free_all(call, n);
}

static delivery_t *utterance(int revision, const char *more)
{
    delivery_t *d =
        hear(arena_printf(test_arena,
                          "{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"openai\",\"ItemId\":\"i\","
                          "\"State\":\"s%d\",\"Revision\":%d,\"Role\":\"assistant\"%s}",
                          revision, revision, more));

    assert_absent(d->error);
    return d;
}

/* By revision, and not by what is greater: a later word may be shorter, an end earlier, and other details. */
static void test_the_newest_revision_counts_column_by_column(void **state)
{
    delivery_t *d[] = {
        utterance(3, ",\"Text\":\"A\",\"EndedAt\":\"2026-08-30T08:29:03Z\",\"Details\":{\"a\":1},\"Tokens\":1"),
        utterance(1, ",\"Text\":\"Z\",\"EndedAt\":\"2026-08-30T08:29:09Z\",\"Details\":{\"z\":9},\"Position\":7"),
        utterance(2, ",\"Text\":\"M\",\"StartedAt\":\"2026-08-30T08:29:01Z\",\"Details\":{\"m\":5},\"Tokens\":9,"
                     "\"Interrupted\":true"),
        utterance(4, ",\"Text\":null,\"Tokens\":null,\"Details\":null,\"Interrupted\":null,\"Position\":null"),
    };
    facts_t rows = rows_of(d, COUNT(d));

    (void)state;
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "i:0"), {MESSAGE_CONTENT, "A"}, {MESSAGE_METADATA, "{\"a\":1}"},
                 {MESSAGE_TOKENS, "1"}, {MESSAGE_SEQUENCE, "7"}, {MESSAGE_INTERRUPTED, "1"},
                 {MESSAGE_SPOKEN_AT, "2026-08-30T08:29:01.000000Z"}, {MESSAGE_ENDED_AT, "2026-08-30T08:29:03.000000Z"});
    assert_order_free(d, COUNT(d), 7);
    free_all(d, COUNT(d));
}

/* Details of many revisions: JSON never ties, and so has less of a clock than other columns. */
static void test_details_follow_the_revision_too(void **state)
{
    delivery_t *d[MOST];
    facts_t rows;

    (void)state;
    for (int i = 0; i < MOST; i++)
        d[i] = utterance(i + 1, arena_printf(test_arena, ",\"Details\":{\"of\":%d}", i + 1).base);
    rows = rows_of(d, MOST);
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "i:0"), {MESSAGE_METADATA, "{\"of\":16}"});
    assert_order_free(d, MOST, 11);
    free_all(d, MOST);
}

static void test_what_lacks_its_name_is_a_dead_letter(void **state)
{
#define ITEM ",\"Speech\":\"openai\",\"ItemId\":\"i\",\"State\":\"final\",\"Role\":\"user\""
    static const struct {
        const char *json, *why;
    } CASES[] = {
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"openai\",\"State\":\"final\",\"Role\":\"user\"}",
         "ItemId"},
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"openai\",\"ItemId\":5,\"State\":\"final\"}",
         "ItemId"},
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"ItemId\":\"i\",\"State\":\"final\"}", "Speech"},
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"openai\",\"ItemId\":\"i\"}", "State"},
        {"{\"StreamEvent\":\"utterance\",\"StreamSid\":\"" STREAM "\"" ITEM "}", "CallSid"},
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"o\",\"ItemId\":\"i\",\"State\":\"s\"}", "Role"},
        {"{\"StreamEvent\":\"utterance\"," OF_CALL ",\"Speech\":\"o\",\"ItemId\":\"i\",\"State\":\"s\",\"Role\":\"x\"}",
         "Role"},
        {"{\"StreamEvent\":\"response\"," OF_CALL ",\"Speech\":\"openai\"}", "ResponseId"},
        {"{\"StreamEvent\":\"response\",\"CallSid\":\"\",\"Speech\":\"openai\",\"ResponseId\":\"r\"}", "CallSid"},
        {"{\"StreamEvent\":\"bridge-started\"," OF_CALL ",\"Speech\":\"openai\"}", "SessionId"},
    };
    str_t last = STR_NONE;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = hear(str_from(CASES[i].json)), *again = hear(str_from(CASES[i].json));

        if (!holds(d->error, CASES[i].why))
            fail_msg("%s: " STR_FMT, CASES[i].json, STR_ARG(d->error));
        assert_null(d->facts.first);
        assert_true(str_eq(d->event_key, again->event_key));
        assert_false(str_eq(d->event_key, last)); /* or one would stand for all */
        last = arena_dup(test_arena, d->event_key);
        delivery_free(d);
        delivery_free(again);
    }
}

static void test_numbers_that_no_column_takes_are_left_out(void **state)
{
    delivery_t *d[] = {
        utterance(1, ",\"Tokens\":4294967296,\"Position\":-1,\"ContentIndex\":\"x\",\"Text\":7"),
        utterance(2, ",\"Tokens\":1e300,\"Position\":{},\"Details\":[1],\"StartedAt\":\"yesterday\""),
    };
    facts_t rows = rows_of(d, COUNT(d));

    (void)state;
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "i:0"), {MESSAGE_TOKENS, NULL}, {MESSAGE_SEQUENCE, NULL},
                 {MESSAGE_CONTENT, NULL}, {MESSAGE_METADATA, NULL}, {MESSAGE_SPOKEN_AT, NULL},
                 {MESSAGE_ROLE, "assistant"});
    free_all(d, COUNT(d));
}

/* Nobody but us says it: by another route it is a callback like any. */
static void test_it_counts_only_on_a_stream(void **state)
{
    delivery_t *d = deliver(P, "events", BODY_FORM,
                            STR("StreamEvent=utterance&StreamSid=" STREAM "&CallSid=" CALL
                                "&Speech=openai&ItemId=i&State=final&Role=user&Text=forged"));

    (void)state;
    assert_absent(d->error);
    assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 0);
    delivery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_events_have_names_of_their_own),
        provider_test(test_what_is_said_becomes_messages),
        provider_test(test_the_call_has_an_agent_and_its_transcript),
        provider_test(test_order_and_repeats_make_no_difference),
        provider_test(test_the_newest_revision_counts_column_by_column),
        provider_test(test_details_follow_the_revision_too),
        provider_test(test_what_lacks_its_name_is_a_dead_letter),
        provider_test(test_numbers_that_no_column_takes_are_left_out),
        provider_test(test_it_counts_only_on_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
