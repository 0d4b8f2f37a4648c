#include "provider_harness.h"
#include "sample.h"

#include <ctype.h>

extern const provider_t provider_vapi;
#define P    (&provider_vapi)
#define CALL "22d23a00-05aa-40ac-a1c4-d814a84ee436"
#define SID  "CAac20bab04ae2e0229737a4afc886e97d"

/* The call as it is told once it is over. */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "vapi/webhook.%s.json", file).base);
}

static void test_report_facts(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.full");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    assert_str(d->from_number, "+14155550142");
    assert_str(d->to_number, "+14155550110");
    ASSERT_CELLS(
        call, {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_END_REASON, "customer-ended-call"},
        {CALL_CALL_SID, SID}, {CALL_ACCOUNT_ID, "daedada0-7908-4278-b81a-1c725d634d53"}, {CALL_DIRECTION, "inbound"},
        {CALL_FROM_NUMBER, "+14155550142"}, {CALL_TO_NUMBER, "+14155550110"}, {CALL_CUSTOMER_NUMBER, "+14155550142"},
        {CALL_STARTED_AT, "2026-08-12T16:03:24.314000Z"}, {CALL_CONNECTED_AT, "2026-08-12T16:03:24.314000Z"},
        {CALL_ENDED_AT, "2026-08-12T16:03:55.374000Z"}, {CALL_DURATION, "31"}, {CALL_TOKENS, "1280"},
        {CALL_COST, "0.0482"}, {CALL_COST_CURRENCY, "USD"}, {CALL_TRANSCRIPT_SOURCE, "report"},
        {CALL_SUMMARY, "Zoë Nakamura moved her Thursday 10:00 cleaning to Friday at 14:00. The change was confirmed."},
        {CALL_RECORDING_URL, "https://storage.example.com/recordings/" CALL "-mono.wav"},
        {CALL_AGENT_ID, "2de8bbed-041e-41b2-81c1-a340ce642e18"}, {CALL_AGENT_NAME, "Front desk (inbound)"},
        {CALL_AI_AGENT_USED, "1"});
    assert_true(str_starts(call->cells[CALL_TRANSCRIPT].text, STR("AI: Thanks for calling")));
    assert_int_equal(rank_of(call, CALL_OUTCOME), RANK_REPORT);
    delivery_free(d);
}

static void test_report_messages_are_one_set(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.full");
    version_t set = find_row(&d->facts, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT_SOURCE].version;

    (void)state;
    assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 7);
    /* neither the system prompt nor a tool's call and its result */
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:0"), {MESSAGE_SOURCE, "report"}, {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_SEQUENCE, "0"},
                 {MESSAGE_CONTENT, "Thanks for calling Juniper Street Dental, this is Juniper. How can I help?"},
                 {MESSAGE_SPOKEN_AT, "2026-08-12T16:03:25.494000Z"}, {MESSAGE_ENDED_AT, "2026-08-12T16:03:29.644000Z"});
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:3"), {MESSAGE_ROLE, "user"},
                 {MESSAGE_CONTENT, "Zoë Nakamura."});
    assert_non_null(find_row(&d->facts, FACT_MESSAGE, "report:6"));
    for (const fact_t *f = d->facts.first; f; f = f->next)
        for (int c = 0; f->kind == FACT_MESSAGE && c < MESSAGE_METADATA; c++)
            assert_true(f->cells[c].version == 0 || f->cells[c].version == set);
    delivery_free(d);
}

static void test_redelivered_report_is_the_same_event_and_facts(void **state)
{
    delivery_t *first = deliver_file("end-of-call-report.full");
    delivery_t *again = deliver_file("end-of-call-report.full.redelivered");

    (void)state;
    assert_true(str_eq(first->event_key, again->event_key));
    assert_same_rows(&first->facts, &again->facts);
    delivery_free(first);
    delivery_free(again);
}

static void test_grown_report_is_another_event_and_wins(void **state)
{
    static const char LIST[] = "\"messages\": [";
    str_t body = fixture("vapi/webhook.end-of-call-report.forwarded.json");
    size_t at = (size_t)(strstr(body.base, LIST) - body.base) + strlen(LIST);
    const str_t parts[] = {str_slice(body, 0, at),
                           STR("{\"role\":\"bot\",\"message\":\"Hello?\",\"time\":1786553424114},"),
                           str_slice(body, at, body.len)};
    delivery_t *thin = deliver(P, "events", BODY_JSON, body);
    delivery_t *rich = deliver(P, "events", BODY_JSON, arena_concat(test_arena, parts, COUNT(parts)));
    facts_t rows;

    (void)state;
    assert_absent(rich->error);
    assert_false(str_eq(thin->event_key, rich->event_key));
    facts_init(&rows, test_arena);
    merge_into(&rows, &rich->facts);
    merge_into(&rows, &thin->facts);
    assert_cell(find_row(&rows, FACT_MESSAGE, "report:0"), MESSAGE_CONTENT, "Hello?");
    assert_cell(find_row(&rows, FACT_MESSAGE, "report:1"), MESSAGE_CONTENT, "A person, please.");
    delivery_free(thin);
    delivery_free(rich);
}

static void test_call_that_nobody_answered(void **state)
{
    delivery_t *d[] = {deliver_file("status-update.queued.outbound"), deliver_file("status-update.ended.no-answer"),
                       deliver_file("end-of-call-report.no-answer.minimal")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "failed"},
                 {CALL_END_REASON, "customer-did-not-answer"}, {CALL_FROM_NUMBER, "+14155550110"},
                 {CALL_TO_NUMBER, "+14155550187"}, {CALL_CUSTOMER_NUMBER, "+14155550187"}, {CALL_DIRECTION, "outbound"},
                 {CALL_STARTED_AT, NULL}, {CALL_CONNECTED_AT, NULL}, {CALL_ENDED_AT, "2026-08-12T16:25:51.014000Z"},
                 {CALL_TRANSCRIPT_SOURCE, NULL}, {CALL_COST, "0"}, {CALL_TOKENS, NULL});
    assert_order_free(d, COUNT(d), 5);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_web_call_has_no_numbers_and_no_agent_id(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.web-call");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_FROM_NUMBER, NULL}, {CALL_TO_NUMBER, NULL},
                 {CALL_DIRECTION, NULL}, {CALL_AGENT_ID, NULL}, {CALL_CALL_SID, NULL}, {CALL_OUTCOME, "completed"},
                 {CALL_CONNECTED_AT, "2026-08-12T17:12:22.114000Z"});
    assert_absent(d->call_sid);
    delivery_free(d);
}

static void test_forwarded_call_is_completed(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.forwarded");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, "completed"},
                 {CALL_END_REASON, "assistant-forwarded-call"}, {CALL_TOKENS, "681"},
                 {CALL_CALL_SID, "CA0d686b446c2d34712a2b97302e155667"}, {CALL_DURATION, NULL});
    delivery_free(d);
}

static const char *outcome_of(str_t reason)
{
    delivery_t *d = deliver(P, "events", BODY_JSON,
                            arena_printf(test_arena,
                                         "{\"message\":{\"type\":\"status-update\",\"status\":\"ended\","
                                         "\"endedReason\":\"" STR_FMT "\",\"call\":{\"id\":\"c\"}}}",
                                         STR_ARG(reason)));
    const fact_t *call = find_row(&d->facts, FACT_CALL, NULL);
    const char *outcome = "undecided";

    assert_true(str_eq(call->cells[CALL_END_REASON].text, reason));
    assert_int_equal(call->cells[CALL_PHASE].number, PHASE_ENDED);
    if (call->cells[CALL_OUTCOME].version)
        outcome = arena_dup(test_arena, call->cells[CALL_OUTCOME].text).base;
    delivery_free(d);
    return outcome;
}

static void test_each_ended_reason_has_its_outcome(void **state)
{
    str_t rest = fixture("vapi/ended-reasons.txt"), line;
    size_t completed = 0, failed = 0, undecided = 0;

    (void)state;
    while (str_split(&rest, '\n', &line)) {
        size_t blank = str_find(line, ' ');
        const char *outcome;

        if (blank == SIZE_MAX)
            continue;
        outcome = outcome_of(str_slice(line, blank + 1, line.len));
        if (!str_eq(str_slice(line, 0, blank), str_from(outcome)))
            fail_msg(STR_FMT " came to %s", STR_ARG(line), outcome);
        completed += strcmp(outcome, "completed") == 0;
        failed += strcmp(outcome, "failed") == 0;
        undecided += strcmp(outcome, "undecided") == 0;
    }
    /* 595 different values in the enum; those that no rule knows are decided by whether the call was connected */
    assert_int_equal(completed, 18);
    assert_int_equal(failed, 571);
    assert_int_equal(undecided, 6);
    assert_string_equal(outcome_of(STR("unheard-of")), "undecided");
    assert_string_equal(outcome_of(STR("call.in-progress.hook-executed-transfer")), "completed");
}

static void test_report_of_a_squad_over_sip(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.squad-sip");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(
        call, {CALL_CALL_SID, NULL}, {CALL_DIRECTION, "inbound"}, {CALL_FROM_NUMBER, "sip:robin@pbx.example.com"},
        {CALL_TO_NUMBER, "sip:juniper@sip.example.com"}, {CALL_CUSTOMER_NUMBER, NULL},
        {CALL_CUSTOMER_NAME, "Robin Sample"}, {CALL_CUSTOMER_EMAIL, "robin@example.com"},
        {CALL_AGENT_ID, "2de8bbed-041e-41b2-81c1-a340ce642e18"}, {CALL_AGENT_NAME, "Front desk (inbound)"},
        {CALL_TOKENS, "850"}, {CALL_COST, "0.0931"}, {CALL_DURATION, NULL}, {CALL_OUTCOME, "completed"},
        {CALL_RECORDING_URL, "https://storage.example.com/recordings/6a2b-stereo.wav"},
        {CALL_RECORDING, "{\"stereo\":\"https://storage.example.com/recordings/6a2b-stereo.wav\","
                         "\"video\":\"https://storage.example.com/recordings/6a2b-video.mp4\","
                         "\"videoStartDelay\":0.4,\"log\":\"https://storage.example.com/logs/6a2b.jsonl.gz\","
                         "\"pcap\":\"https://storage.example.com/pcap/6a2b.pcap\"}"},
        {CALL_ANALYSIS, "{\"summary\":\"Robin Sample asked about a charge.\",\"structuredDataMulti\":[{\"plan\":"
                        "{\"key\":\"mood\"},\"result\":{\"mood\":\"worried\"}}],\"successEvaluation\":\"Good\"}"},
        {CALL_EXTRACTED, "{\"structuredDataMulti\":[{\"plan\":{\"key\":\"mood\"},\"result\":{\"mood\":"
                         "\"worried\"}}],\"structuredOutputs\":{\"e910b752-9ce9-4a95-aa0b-bab694fb2915\":{\"name\":"
                         "\"Call intent\",\"result\":{\"intent\":\"billing\",\"token\":\"A-12\"}}}}"},
        {CALL_METADATA,
         "{\"name\":\"Deposit question\",\"phoneNumberId\":\"0d7f1f52-2a51-4d0c-8d7a-9c0f5b2e6a31\",\"campaignId\":"
         "\"86bb2041-ed03-42ca-84fa-15103a7b9906\",\"squadId\":\"4c1e2f7a-5a0e-4a2c-9d39-7c1b8e5f2a90\",\"workflowId\":"
         "\"1f3b5d7a-9c1e-4a3b-8d5f-7a9b1c3d5e6f\",\"assistantVersion\":\"v7\",\"assistantMetadata\":{\"localAgentId\":"
         "\"agent-0001\"},\"endedMessage\":\"The assistant said "
         "goodbye.\",\"compliance\":{\"recordingConsent\":{\"type\":"
         "\"stay-on-line\",\"grantedAt\":\"2026-08-13T11:00:03.114Z\"}}}"});
    ASSERT_CELLS(
        find_row(&d->facts, FACT_MESSAGE, "report:1"), {MESSAGE_CONTENT, "My card is [filtered], why was it charged?"},
        {MESSAGE_METADATA, "{\"speakerLabel\":\"SPEAKER_0\",\"isFiltered\":true,\"detectedThreats\":[\"pci\"]}"});
    delivery_free(d);
}

static void test_report_in_the_older_form(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.legacy");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, "completed"}, {CALL_DURATION, "66"},
                 {CALL_SUMMARY, "A wrong number."}, {CALL_TRANSCRIPT, "AI: Hello?\nUser: Wrong number.\n"},
                 {CALL_RECORDING_URL, "https://storage.example.com/recordings/31c0-mono.wav"}, {CALL_COST, "0.02"},
                 {CALL_TOKENS, "224"}, {CALL_AGENT_NAME, "Transient caller"}, {CALL_AGENT_ID, NULL},
                 {CALL_CALL_SID, NULL}, {CALL_FROM_NUMBER, "+14155550110"}, {CALL_TO_NUMBER, "+14155550187"},
                 {CALL_ANALYSIS, NULL}, {CALL_EXTRACTED, NULL}, {CALL_TRANSCRIPT_SOURCE, "report"});
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:0"), {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_CONTENT, "Hello?"});
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:1"), {MESSAGE_ROLE, "user"},
                 {MESSAGE_SPOKEN_AT, "2026-08-13T13:00:12.114000Z"});
    delivery_free(d);
}

static void test_what_is_empty_in_the_message_is_taken_from_its_call(void **state)
{
    delivery_t *d =
        deliver(P, "events", BODY_JSON,
                STR("{\"message\":{\"type\":\"end-of-call-report\",\"summary\":\"\",\"analysis\":{},\"cost\":null,"
                    "\"costs\":[],\"endedReason\":\"\",\"call\":{\"id\":\"c\",\"summary\":\"S\",\"analysis\":"
                    "{\"successEvaluation\":\"8\"},\"cost\":0.5,\"costs\":[{\"type\":\"model\",\"promptTokens\":3,"
                    "\"completionTokens\":4}],\"endedReason\":\"voicemail\"}}}"));

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_SUMMARY, "S"}, {CALL_COST, "0.5"}, {CALL_TOKENS, "7"},
                 {CALL_ANALYSIS, "{\"successEvaluation\":\"8\"}"}, {CALL_END_REASON, "voicemail"});
    delivery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_report_facts),
        provider_test(test_report_messages_are_one_set),
        provider_test(test_redelivered_report_is_the_same_event_and_facts),
        provider_test(test_grown_report_is_another_event_and_wins),
        provider_test(test_call_that_nobody_answered),
        provider_test(test_web_call_has_no_numbers_and_no_agent_id),
        provider_test(test_forwarded_call_is_completed),
        provider_test(test_each_ended_reason_has_its_outcome),
        provider_test(test_report_of_a_squad_over_sip),
        provider_test(test_report_in_the_older_form),
        provider_test(test_what_is_empty_in_the_message_is_taken_from_its_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
