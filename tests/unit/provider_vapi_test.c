#include "provider_harness.h"
#include "sample.h"

#include <ctype.h>

extern const provider_t provider_vapi;
#define P    (&provider_vapi)
#define CALL "22d23a00-05aa-40ac-a1c4-d814a84ee436"
#define SID  "CAac20bab04ae2e0229737a4afc886e97d"

#define NOW_US (INT64_C(1786550603) * US_PER_S)

/* ---- what is understood ---- */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "vapi/webhook.%s.json", file).base);
}

#define FORWARDED "5cb224a8-4018-4d4e-81c3-27b40dd0d5cb"
static const struct {
    const char *file, *key; /* in a key, '#' stands for a hash */
} EVENTS[] = {
    {"status-update.ringing", "status:" CALL ":ringing"},
    {"status-update.in-progress", "status:" CALL ":in-progress"},
    {"status-update.ended.customer-ended-call", "status:" CALL ":ended"},
    {"status-update.queued.outbound", "status:20e60003-cd20-42ba-86fc-85eba4f465a2:queued"},
    {"status-update.forwarding", "status:" FORWARDED ":forwarding:#"},
    {"status-update.without-call", "status-update:-:#"},
    {"transcript.final-user", "transcript:" CALL ":user:1786550613454:452aca99fb976dd0392ccaaf7c7677d0"},
    {"transcript.final-assistant.bracketed-type",
     "transcript:" CALL ":assistant:1786550616884:4556184265b567b20b66fe15f9cf5792"},
    {"transcript.final-user.non-ascii-filtered",
     "transcript:" CALL ":user:1786550619014:f7c526af0ccedcf747c2b730bb1f260f"},
    {"end-of-call-report.full", "report:" CALL ":#"},
    {"end-of-call-report.web-call", "report:d07990b5-dde1-4ba3-96fe-6dc15ab65348:#"},
    {"conversation-update", "conversation-update:" CALL},
    {"speech-update.started-user", "speech-update:" CALL ":user:1:started"},
    {"speech-update.stopped-assistant", "speech-update:" CALL ":assistant:2:stopped"},
    {"assistant.started", "assistant.started:" CALL ":1786550604400"},
    {"assistant.speechStarted.word-alignment", "assistant.speechStarted:" CALL ":2:#"},
    {"user-interrupted", "user-interrupted:" CALL ":turn-4-9c1e"},
    {"model-output", "model-output:" CALL ":turn-2-41b7:#"},
    {"voice-input", "voice-input:" CALL ":#:1786550614414"},
    {"language-change-detected", "language-change-detected:" CALL ":es:1786550619014"},
    {"hang", "hang:" CALL ":1786550620914"},
    {"phone-call-control.forward", "phone-call-control:" CALL ":forward:1786550624314"},
    {"phone-call-control.hang-up", "phone-call-control:" CALL ":hang-up:1786550633300"},
    {"assistant-request", "assistant-request:" CALL},
    {"tool-calls.arguments-as-object", "tool-calls:" CALL ":call_9211a295c0251909249490bd"},
    {"tool-calls.arguments-as-string", "tool-calls:" CALL ":call_9211a295c0251909249490bd"},
    {"tool-calls.flat-shape-two-calls",
     "tool-calls:" CALL ":call_9211a295c0251909249490ba,call_9211a295c0251909249490bb"},
    {"function-call.legacy", "function-call:" CALL ":#:1786550619554"},
    {"knowledge-base-request", "knowledge-base-request:" CALL},
    {"call.endpointing.request", "call.endpointing.request:" CALL},
    {"transfer-destination-request", "transfer-destination-request:" FORWARDED ":1786553460114"},
    {"handoff-destination-request", "handoff-destination-request:" FORWARDED ":#:1786553459114"},
    {"transfer-update.to-number", "transfer-update:" FORWARDED ":#:1786553461114"},
    {"transfer-update.to-assistant", "transfer-update:" FORWARDED ":#:1786553449114"},
    {"call.artifact.upload", "call.artifact.upload:" CALL ":#"},
    {"call.deleted", "call.deleted:" CALL},
    {"call.delete.failed", "call.delete.failed:" CALL ":1786637001114"},
    {"session.created", "session.created:5903349b-dc22-4163-9ae4-2949d782c201"},
    {"session.updated", "session.updated:5903349b-dc22-4163-9ae4-2949d782c201:2026-08-12T17:12:32.114Z"},
    {"session.deleted", "session.deleted:5903349b-dc22-4163-9ae4-2949d782c201"},
    {"chat.created", "chat.created:140a79f1-e909-45e9-a9d0-e7ef905320d5"},
    {"chat.deleted", "chat.deleted:140a79f1-e909-45e9-a9d0-e7ef905320d5"},
    {"campaign.predial", "campaign.predial:86bb2041-ed03-42ca-84fa-15103a7b9906:03be67bb-671a-4681-a08f-ee5e0dc928b1"},
    {"unknown-type", "call.mood-detected:" CALL ":#"},
};

static bool key_fits(str_t key, const char *want)
{
    size_t i = 0;

    for (; *want; want++) {
        size_t len = *want == '#' ? 32 : 1;

        if (i + len > key.len || (len == 1 && key.base[i] != *want))
            return false;
        for (size_t j = 0; len == 32 && j < len; j++)
            if (!isxdigit((unsigned char)key.base[i + j]))
                return false;
        i += len;
    }
    return i == key.len;
}

static void test_every_message_has_its_key_and_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);
        bool of_call = strstr(EVENTS[i].key, CALL) != NULL;

        assert_absent(d->error);
        assert_false(d->unstored);
        if (!key_fits(d->event_key, EVENTS[i].key))
            fail_msg("%s: %.*s", EVENTS[i].file, STR_ARG(d->event_key));
        if (of_call) {
            assert_str(d->call_id, CALL);
            assert_str(d->call_sid, SID);
            ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_CALL_SID, SID}, {CALL_DIRECTION, "inbound"},
                         {CALL_CUSTOMER_NUMBER, "+14155550142"}, {CALL_CUSTOMER_NAME, "Zoë Nakamura"});
        }
        assert_int_equal(d->facts.first != NULL, d->call_id.base != NULL);
        assert_int_not_equal(d->occurred_us, TIME_NONE);
        delivery_free(d);
    }
}

/* A repetition may have a new timestamp and newly signed links. What has a name of its own is the same event still. */
static void test_keys_that_need_no_time_have_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        str_t body = fixture(arena_printf(test_arena, "vapi/webhook.%s.json", EVENTS[i].file).base);
        char *digit = strstr(body.base, "\"timestamp\": 1786") + strlen("\"timestamp\": 1");
        delivery_t *first = deliver(P, "events", BODY_JSON, body), *again;
        bool needs_time = strstr(EVENTS[i].key, ":1786") || strstr(EVENTS[i].file, "without-call") ||
                          strstr(EVENTS[i].file, "unknown-type");

        *digit = '8';
        again = deliver(P, "events", BODY_JSON, body);
        assert_int_equal(str_eq(first->event_key, again->event_key), !needs_time);
        delivery_free(first);
        delivery_free(again);
    }
}

static void test_redaction_spares_the_conversation(void **state)
{
    static const char BODY[] =
        "{\"message\":{\"type\":\"tool-calls\",\"promptTokens\":3,\"transcript\":\"my token is 1\",\"toolCallList\":"
        "[{\"id\":\"1\",\"function\":{\"name\":\"pay\",\"arguments\":{\"token\":\"kept\",\"card\":{\"secret\":"
        "\"kept too\"}}}},{\"id\":\"2\",\"name\":\"x\",\"parameters\":{\"password\":\"also kept\"}}],\"server\":"
        "{\"secret\":\"gone\",\"headers\":{\"X-Any\":\"gone\"}},\"analysis\":{\"structuredData\":{\"token\":\"A-12\"}},"
        "\"assistant\":{\"credentials\":[{\"k\":\"gone\"}]},"
        "\"phoneNumber\":{\"twilioApiKey\":\"gone\",\"twilioAuthToken\":\"gone\"}}}";
    delivery_t *d = deliver(P, "events", BODY_JSON, STR(BODY));

    (void)state;
    assert_false(holds(d->payload, "gone"));
    assert_true(holds(d->payload, "\"token\":\"kept\""));
    assert_true(holds(d->payload, "kept too"));
    assert_true(holds(d->payload, "also kept"));
    assert_true(holds(d->payload, "A-12"));
    assert_true(holds(d->payload, "\"promptTokens\":3"));
    assert_true(holds(d->payload, "my token is 1"));
    delivery_free(d);
}

static void test_what_a_tool_is_made_with_is_redacted_and_what_it_is_called_with_is_not(void **state)
{
    static const char BODY[] =
        "{\"message\":{\"type\":\"tool-calls\",\"assistant\":{\"model\":{\"tools\":[{\"type\":\"apiRequest\","
        "\"parameters\":[{\"key\":\"x-api-key\",\"value\":\"gone\"},{\"key\":\"card\",\"value\":{\"token\":\"gone\"}}],"
        "\"function\":{\"parameters\":{\"properties\":{\"value\":{\"type\":\"kept\"}}}}}],\"tools:append\":[{"
        "\"parameters\":[{\"key\":\"k\",\"value\":\"gone\"}]}]},\"api_key\":\"gone\",\"x-api-key\":\"gone\"},"
        "\"toolWithToolCallList\":[{\"parameters\":[{\"key\":\"k\",\"value\":\"gone\"}],\"toolCall\":{\"parameters\":"
        "{\"value\":\"kept too\"}}}],\"toolCallList\":[{\"parameters\":{\"value\":\"also kept\",\"api_key\":"
        "\"kept as well\"}}]}}";
    delivery_t *d = deliver(P, "events", BODY_JSON, STR(BODY));

    (void)state;
    assert_false(holds(d->payload, "gone"));
    assert_true(holds(d->payload, "{\"key\":\"card\",\"value\":\"[redacted]\"}"));
    assert_true(holds(d->payload, "{\"type\":\"kept\"}"));
    assert_true(holds(d->payload, "kept too"));
    assert_true(holds(d->payload, "also kept"));
    assert_true(holds(d->payload, "kept as well"));
    delivery_free(d);
}

static void test_live_lines(void **state)
{
    delivery_t *d = deliver_file("transcript.final-user.non-ascii-filtered");
    fact_t *line = find_row(&d->facts, FACT_MESSAGE, "live:user:1786550619014:f7c526af");

    (void)state;
    ASSERT_CELLS(line, {MESSAGE_SOURCE, "live"}, {MESSAGE_ROLE, "user"},
                 {MESSAGE_CONTENT, "Zoë Nakamura, [filtered] 🙂"}, {MESSAGE_SEQUENCE, "1786550619014"},
                 {MESSAGE_SPOKEN_AT, "2026-08-12T16:03:39.014000Z"},
                 {MESSAGE_METADATA, "{\"isFiltered\":true,\"detectedThreats\":[\"xss\"]}"});
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_TRANSCRIPT_SOURCE, "live"},
                 {CALL_CALL_SID, SID});
    delivery_free(d);
}

static void test_partial_lines_are_counted_only(void **state)
{
    delivery_t *d = deliver_file("transcript.partial-user");

    (void)state;
    assert_true(d->unstored);
    assert_null(d->facts.first);
    assert_absent(d->error);
    assert_str(reply_to(P, d).body, "{}");
    delivery_free(d);
}

/* ---- a conversation that comes whole, again and again ---- */

static delivery_t *update_of(const char *lines)
{
    return deliver(P, "events", BODY_JSON,
                   arena_printf(test_arena,
                                "{\"message\":{\"type\":\"conversation-update\",\"messagesOpenAIFormatted\":[%s],"
                                "\"call\":{\"id\":\"" CALL "\"}}}",
                                lines));
}

static void test_conversation_updates_are_one_event_and_the_longest_wins(void **state)
{
    static const char BEGIN[] = "{\"role\":\"system\",\"content\":\"Be brief.\"},"
                                "{\"role\":\"assistant\",\"content\":\"Hello?\"}";
    delivery_t *d[] = {update_of(BEGIN),
                       update_of(arena_printf(test_arena, "%s,{\"role\":\"user\",\"content\":\"Hi.\"}", BEGIN).base),
                       update_of(""), deliver_file("conversation-update")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++) {
        assert_str(d[i]->event_key, "conversation-update:" CALL);
        merge_into(&rows, &d[i]->facts);
    }
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 4);
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "update:0"), {MESSAGE_SOURCE, "update"}, {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_CONTENT, "Thanks for calling Juniper Street Dental, this is Juniper. How can I help?"},
                 {MESSAGE_SPOKEN_AT, "2026-08-12T16:03:25.494000Z"});
    assert_cell(find_row(&rows, FACT_MESSAGE, "update:3"), MESSAGE_CONTENT, "Zoë Nakamura.");
    assert_cell(find_row(&rows, FACT_CALL, NULL), CALL_TRANSCRIPT_SOURCE, "update");
    assert_int_equal(find_row(&rows, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT_SOURCE].version,
                     version_of(RANK_EVENT, LIVE_HEARD));
    assert_order_free(d, COUNT(d), 11);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_requests_that_bring_the_history_are_updates_too(void **state)
{
    static const char *const FILES[] = {"knowledge-base-request", "call.endpointing.request",
                                        "status-update.forwarding"};

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file(FILES[i]);

        assert_cell(find_row(&d->facts, FACT_CALL, NULL), CALL_TRANSCRIPT_SOURCE, "update");
        assert_non_null(find_row(&d->facts, FACT_MESSAGE, "update:0"));
        delivery_free(d);
    }
}

/* live < update < report, whatever comes first */
static void test_best_source_of_lines_is_shown(void **state)
{
    static const struct {
        const char *file, *source;
    } STEPS[] = {{"transcript.final-user", "live"},
                 {"conversation-update", "update"},
                 {"transcript.final-assistant.bracketed-type", "update"},
                 {"end-of-call-report.full", "report"},
                 {"conversation-update", "report"}};
    delivery_t *d[COUNT(STEPS)];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(STEPS); i++) {
        d[i] = deliver_file(STEPS[i].file);
        merge_into(&rows, &d[i]->facts);
        assert_cell(find_row(&rows, FACT_CALL, NULL), CALL_TRANSCRIPT_SOURCE, STEPS[i].source);
    }
    for (size_t i = 0; i < COUNT(STEPS); i++)
        delivery_free(d[i]);
}

/* ---- calls ---- */

static void test_any_message_tells_of_its_call(void **state)
{
    delivery_t *d = deliver_file("hang");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_CALL_SID, SID},
                 {CALL_DIRECTION, "inbound"}, {CALL_FROM_NUMBER, "+14155550142"}, {CALL_TO_NUMBER, NULL},
                 {CALL_CONNECTED_AT, "2026-08-12T16:03:24.314000Z"}, {CALL_AI_AGENT_USED, "1"}, {CALL_OUTCOME, NULL},
                 {CALL_AGENT_ID, "2de8bbed-041e-41b2-81c1-a340ce642e18"});
    delivery_free(d);
}

static void test_deleting_at_vapi_takes_nothing_from_us(void **state)
{
    static const char *const FILES[] = {"call.deleted", "call.delete.failed"};
    delivery_t *report = deliver_file("end-of-call-report.full");
    fact_t *call = find_row(&report->facts, FACT_CALL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file(FILES[i]);
        facts_t rows;

        facts_init(&rows, test_arena);
        merge_into(&rows, &report->facts);
        merge_into(&rows, &d->facts);
        for (int c = 0; c < CALL_COLUMN_COUNT; c++)
            assert_true(same_cell(FACT_TABLES[FACT_CALL].columns[c].type, &call->cells[c],
                                  &find_row(&rows, FACT_CALL, NULL)->cells[c]));
        delivery_free(d);
    }
    delivery_free(report);
}

static void test_chats_sessions_and_contacts_are_no_calls(void **state)
{
    static const char *const FILES[] = {
        "chat.created",    "chat.deleted",     "session.created",           "session.updated",
        "session.deleted", "campaign.predial", "status-update.without-call"};

    (void)state;
    for (size_t i = 0; i < COUNT(FILES); i++) {
        delivery_t *d = deliver_file(FILES[i]);

        assert_absent(d->call_id);
        assert_null(d->facts.first);
        delivery_free(d);
    }
}

static void test_transfers_say_where_to(void **state)
{
    static const struct {
        const char *file, *to;
    } CASES[] = {{"transfer-update.to-number", "+14155550199"},
                 {"transfer-update.to-assistant", "Billing desk"},
                 {"status-update.forwarding", "+14155550199"},
                 {"end-of-call-report.forwarded", "+14155550199"},
                 {"end-of-call-report.squad-sip", "sip:desk@pbx.example.com"}, /* of two attempts, who answered */
                 {"end-of-call-report.full", NULL},
                 {"phone-call-control.forward", NULL}}; /* asks for one; nobody does it */

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file(CASES[i].file);

        assert_cell(find_row(&d->facts, FACT_CALL, NULL), CALL_TRANSFERRED_TO, CASES[i].to);
        delivery_free(d);
    }
}

static void test_attempts_that_failed_are_no_transfers(void **state)
{
    static const char ATTEMPT[] = "{\"status\":\"%s\",\"destination\":{\"number\":\"%s\"}}";
    static const struct {
        const char *statuses[2], *to;
    } CASES[] = {{{"connected", "failed"}, "+1"}, {{"no-answer", "completed"}, "+2"}, {{"busy", "voicemail"}, NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t first = arena_printf(test_arena, ATTEMPT, CASES[i].statuses[0], "+1");
        str_t second = arena_printf(test_arena, ATTEMPT, CASES[i].statuses[1], "+2");
        delivery_t *d =
            deliver(P, "events", BODY_JSON,
                    arena_printf(test_arena,
                                 "{\"message\":{\"type\":\"end-of-call-report\",\"artifact\":{\"transfers\":"
                                 "[%s,%s]},\"call\":{\"id\":\"c\"}}}",
                                 first.base, second.base));

        assert_cell(find_row(&d->facts, FACT_CALL, NULL), CALL_TRANSFERRED_TO, CASES[i].to);
        delivery_free(d);
    }
}

static void test_last_of_several_transfers_counts(void **state)
{
    delivery_t *d[] = {deliver_file("transfer-update.to-assistant"), deliver_file("transfer-update.to-number")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_cell(find_row(&rows, FACT_CALL, NULL), CALL_TRANSFERRED_TO, "+14155550199");
    assert_order_free(d, COUNT(d), 17);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_forwarding_brings_what_was_said(void **state)
{
    delivery_t *d = deliver_file("status-update.forwarding");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(call, {CALL_PHASE, "1"}, {CALL_SUMMARY, "The caller asked for a person."},
                 {CALL_TRANSCRIPT, "AI: Thanks for calling Juniper Street Dental.\nUser: A person, please.\n"});
    assert_int_equal(rank_of(call, CALL_SUMMARY), RANK_EVENT);
    delivery_free(d);
}

/* A set that wins leaves no line of another standing, though that one had entries that are no lines. */
static void test_longer_set_leaves_nothing_of_a_shorter_one(void **state)
{
    static const char TOOL[] = "{\"role\":\"tool\",\"content\":\"7\"}";
    static const char LINE[] = "{\"role\":\"user\",\"content\":\"One.\"}";
    delivery_t *d[] = {update_of(arena_printf(test_arena, "%s,%s,%s,%s", TOOL, TOOL, TOOL, LINE).base),
                       update_of(arena_printf(test_arena, "%s,%s", LINE, LINE).base)};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 2);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_whole_call_in_any_order(void **state)
{
    static const char *const FILES[] = {"assistant-request",
                                        "status-update.ringing",
                                        "status-update.in-progress",
                                        "assistant.started",
                                        "assistant.speechStarted.word-alignment",
                                        "speech-update.started-user",
                                        "speech-update.stopped-assistant",
                                        "transcript.final-user",
                                        "transcript.final-assistant.bracketed-type",
                                        "transcript.final-user.non-ascii-filtered",
                                        "conversation-update",
                                        "knowledge-base-request",
                                        "call.endpointing.request",
                                        "tool-calls.arguments-as-object",
                                        "tool-calls.arguments-as-string",
                                        "tool-calls.flat-shape-two-calls",
                                        "user-interrupted",
                                        "hang",
                                        "phone-call-control.forward",
                                        "status-update.ended.customer-ended-call",
                                        "end-of-call-report.full",
                                        "end-of-call-report.full.redelivered",
                                        "call.artifact.upload",
                                        "call.delete.failed",
                                        "call.deleted"};
    delivery_t *d[COUNT(FILES)];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++) {
        d[i] = deliver_file(FILES[i]);
        merge_into(&rows, &d[i]->facts);
    }
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 3 + 4 + 7); /* live, update, report */
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"},
                 {CALL_TRANSCRIPT_SOURCE, "report"}, {CALL_DURATION, "31"}, {CALL_TRANSFERRED_TO, NULL},
                 {CALL_STARTED_AT, "2026-08-12T16:03:24.314000Z"}, {CALL_ENDED_AT, "2026-08-12T16:03:55.374000Z"});
    assert_order_free(d, COUNT(d), 7);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_transferred_call_in_any_order(void **state)
{
    static const char *const FILES[] = {"transfer-destination-request", "handoff-destination-request",
                                        "transfer-update.to-assistant", "transfer-update.to-number",
                                        "status-update.forwarding",     "end-of-call-report.forwarded"};
    delivery_t *d[COUNT(FILES)];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++) {
        d[i] = deliver_file(FILES[i]);
        merge_into(&rows, &d[i]->facts);
    }
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_TRANSFERRED_TO, "+14155550199"}, {CALL_OUTCOME, "completed"},
                 {CALL_SUMMARY, "The caller asked for a person and was transferred."},
                 {CALL_TRANSCRIPT_SOURCE, "report"});
    assert_order_free(d, COUNT(d), 13);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_not_found_moves_nothing(void **state)
{
    static const char *const WORDS[] = {"not-found", "deletion-failed"};

    (void)state;
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON,
                                arena_printf(test_arena,
                                             "{\"message\":{\"type\":\"status-update\",\"status\":\"%s\",\"call\":"
                                             "{\"id\":\"c\",\"endedAt\":\"2026-08-12T16:03:55.374Z\"}}}",
                                             WORDS[i]));

        assert_str(d->event_key, arena_printf(test_arena, "status:c:%s", WORDS[i]).base);
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, NULL}, {CALL_ENDED_AT, NULL});
        delivery_free(d);
    }
}

static void test_unknown_shapes_are_dead_letters(void **state)
{
    static const char *const BODIES[] = {"{}",
                                         "[]",
                                         "null",
                                         "{\"message\":[]}",
                                         "{\"message\":\"hello\"}",
                                         "{\"message\":{\"type\":7}}",
                                         "{\"message\":{\"type\":\"\"}}",
                                         "{\"type\":\"status-update\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON, str_from(BODIES[i]));

        assert_non_null(d->error.base);
        assert_true(str_starts(d->event_key, STR("unknown:")));
        assert_null(d->facts.first);
        assert_int_equal(reply_to(P, d).status, 200);
        assert_str(reply_to(P, d).body, "{}");
        delivery_free(d);
    }
}

/* The call is c; the rest is what a sender could write there. */
static void test_odd_types_never_break(void **state)
{
    static const struct {
        const char *type, *rest;
    } CASES[] = {
        {"status-update", "\"status\":5"},
        {"end-of-call-report", "\"costs\":{\"a\":1},\"artifact\":[]"},
        {"end-of-call-report", "\"costs\":[1,null,{\"type\":\"model\",\"promptTokens\":1e300}],\"cost\":\"free\""},
        {"end-of-call-report", "\"durationMs\":1e300,\"artifact\":{\"messages\":[null,1,{\"role\":5}]}"},
        {"end-of-call-report", "\"messages\":[{\"role\":\"user\",\"message\":[]},{\"role\":\"bot\",\"content\":\"y\","
                               "\"time\":-1e99}]"},
        {"transcript", "\"transcript\":{},\"role\":null,\"timestamp\":\"x\""},
        {"tool-calls", "\"toolCallList\":[1,{\"id\":2}]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        static const char *const CALLS[] = {"{\"id\":\"c\",\"transport\":[]}", "{\"id\":7}", "null", "[[]]"};

        for (size_t j = 0; j < COUNT(CALLS); j++) {
            str_t body = arena_printf(test_arena, "{\"message\":{\"type\":\"%s\",%s,\"call\":%s}}", CASES[i].type,
                                      CASES[i].rest, CALLS[j]);
            delivery_t *d = deliver(P, "events", BODY_JSON, body);

            assert_absent(d->error);
            assert_int_not_equal(d->event_key.len, 0);
            assert_int_equal(d->call_id.base != NULL, j == 0);
            assert_int_equal(reply_to(P, d).status, 200);
            delivery_free(d);
        }
    }
}

static void test_each_question_has_its_answer(void **state)
{
    static const struct {
        const char *file, *body;
    } CASES[] = {
        {"assistant-request", "{\"error\":\"We are sorry, this number is not in service at the moment. Goodbye.\"}"},
        {"tool-calls.flat-shape-two-calls",
         "{\"results\":[{\"toolCallId\":\"call_9211a295c0251909249490ba\",\"name\":\"lookupAppointment\",\"error\":"
         "\"This server has no such tool.\"},{\"toolCallId\":\"call_9211a295c0251909249490bb\",\"name\":"
         "\"openingHours\",\"error\":\"This server has no such tool.\"}]}"},
        {"tool-calls.arguments-as-object",
         "{\"results\":[{\"toolCallId\":\"call_9211a295c0251909249490bd\",\"name\":\"lookupAppointment\",\"error\":"
         "\"This server has no such tool.\"}]}"},
        {"function-call.legacy", "{\"result\":\"This server has no such function.\"}"},
        {"transfer-destination-request", "{\"error\":\"There is nobody to transfer this call to.\"}"},
        {"handoff-destination-request", "{\"error\":\"There is nobody to transfer this call to.\"}"},
        {"knowledge-base-request", "{\"documents\":[]}"},
        {"call.endpointing.request", "{\"timeoutSeconds\":1}"},
        {"campaign.predial", "{\"eligible\":false}"},
        {"hang", "{}"},
        {"status-update.ringing", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file(CASES[i].file);
        hook_reply_t r = reply_to(P, d);

        assert_int_equal(r.status, 200);
        assert_str(r.content_type, "application/json");
        assert_str(r.body, CASES[i].body);
        delivery_free(d);
    }
}

/* The shapes of the OpenAPI document, of the prose pages, and what was seen; what has no id gets a hash for a key. */
static void test_tool_calls_are_read_in_every_shape(void **state)
{
    static const struct {
        const char *lists, *key, *results;
    } CASES[] = {
        {"\"toolCallList\":[{\"id\":\"1\",\"function\":{\"name\":\"a\"}},{\"id\":\"2\",\"name\":\"b\"}]",
         "tool-calls:c:1,2", "1 a, 2 b"},
        {"\"toolCallList\":[],\"toolCalls\":[{\"id\":\"3\",\"function\":{\"name\":\"d\"}}]", "tool-calls:c:3", "3 d"},
        {"\"toolWithToolCallList\":[{\"type\":\"function\",\"name\":\"def\",\"toolCall\":{\"id\":\"4\","
         "\"function\":{\"name\":\"e\",\"parameters\":{}}}}]",
         "tool-calls:c:4", "4 e"},
        {"\"toolCallList\":[{\"id\":\"5\"},{\"name\":\"f\"}]", "tool-calls:c:#", "5 ,  f"},
        {"\"toolCallList\":{}", "tool-calls:c:#", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d =
            deliver(P, "events", BODY_JSON,
                    arena_printf(test_arena, "{\"message\":{\"type\":\"tool-calls\",%s,\"call\":{\"id\":\"c\"}}}",
                                 CASES[i].lists));
        buf_t results = BUF_EMPTY;
        err_t err;
        const cJSON *reply = json_parse(test_arena, reply_to(P, d).body, &err);

        assert_non_null(reply);
        for (const cJSON *first = json_at(reply, "results.0"), *r = first; r; r = r->next) {
            assert_false(str_is_empty(json_str(r, "error")));
            buf_printf(&results, "%s" STR_FMT " " STR_FMT, r == first ? "" : ", ", STR_ARG(json_str(r, "toolCallId")),
                       STR_ARG(json_str(r, "name")));
        }
        assert_true(str_eq(buf_str(&results), str_from(CASES[i].results)));
        assert_true(key_fits(d->event_key, CASES[i].key));
        buf_clear(&results);
        delivery_free(d);
    }
}

/* Any 200 would be played to the caller: the voice is refused, but stored. */
static void test_custom_voice_is_refused_loudly(void **state)
{
    delivery_t *d = deliver(P, "events", BODY_JSON,
                            STR("{\"message\":{\"type\":\"voice-request\",\"text\":\"Hello, world!\",\"sampleRate\":"
                                "24000,\"timestamp\":1786550605600,\"call\":{\"id\":\"c\"}}}"));

    (void)state;
    assert_absent(d->error);
    assert_false(d->unstored);
    assert_true(key_fits(d->event_key, "voice-request:c:#:1786550605600"));
    assert_int_equal(reply_to(P, d).status, 422);
    delivery_free(d);
}

static void test_samples_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < P->n_samples; i++) {
        sample_call_t call;
        delivery_t *d;

        sample_call_init(&call, 1, NOW_US);
        d = deliver(P, "events", BODY_JSON, hook_fill(&P->samples[i], &call, NOW_US + US_PER_S, test_arena));
        assert_absent(d->error);
        assert_true(d->unstored || !str_is_empty(d->event_key));
        assert_non_null(d->call_id.base);
        assert_true(d->unstored || find_row(&d->facts, FACT_CALL, NULL));
        assert_int_equal(strcmp(P->samples[i].event, "transcript-partial") == 0, d->unstored);
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_message_has_its_key_and_call),
        provider_test(test_keys_that_need_no_time_have_none),
        provider_test(test_redaction_spares_the_conversation),
        provider_test(test_what_a_tool_is_made_with_is_redacted_and_what_it_is_called_with_is_not),
        provider_test(test_live_lines),
        provider_test(test_partial_lines_are_counted_only),
        provider_test(test_conversation_updates_are_one_event_and_the_longest_wins),
        provider_test(test_requests_that_bring_the_history_are_updates_too),
        provider_test(test_best_source_of_lines_is_shown),
        provider_test(test_any_message_tells_of_its_call),
        provider_test(test_deleting_at_vapi_takes_nothing_from_us),
        provider_test(test_chats_sessions_and_contacts_are_no_calls),
        provider_test(test_transfers_say_where_to),
        provider_test(test_attempts_that_failed_are_no_transfers),
        provider_test(test_last_of_several_transfers_counts),
        provider_test(test_forwarding_brings_what_was_said),
        provider_test(test_longer_set_leaves_nothing_of_a_shorter_one),
        provider_test(test_whole_call_in_any_order),
        provider_test(test_transferred_call_in_any_order),
        provider_test(test_not_found_moves_nothing),
        provider_test(test_unknown_shapes_are_dead_letters),
        provider_test(test_odd_types_never_break),
        provider_test(test_each_question_has_its_answer),
        provider_test(test_tool_calls_are_read_in_every_shape),
        provider_test(test_custom_voice_is_refused_loudly),
        provider_test(test_samples_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
