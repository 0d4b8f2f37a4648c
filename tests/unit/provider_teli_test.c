#include "provider_harness.h"

extern const provider_t provider_teli;
#define P (&provider_teli)

#define SECRET "0123456789abcdef0123456789abcdef"

static delivery_t *deliver_file(const char *name)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "teli/%s.json", name).base);
}

static delivery_t *deliver_text(const char *body)
{
    return deliver(P, "events", BODY_JSON, str_from(body));
}

static void test_without_a_secret_there_is_no_route(void **state)
{
    err_t err;

    (void)state;
    assert_null(keys_or_null(P, SETTINGS({"BEY_WEBHOOK_SECRET", SECRET}), &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(P->routes[0].traits, ROUTE_SECRET);
}

static void test_the_secret_is_looked_at(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TELI_WEBHOOK_SECRET", SECRET}));
    hook_request_t good = {.path_secret = STR(SECRET)}, bad = {.path_secret = STR(SECRET "0")}, none = {.n_headers = 0};

    (void)state;
    assert_genuine(P, keys, &good);
    assert_refused(P, keys, &bad, ERR_SIGNATURE);
    assert_refused(P, keys, &none, ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

static void test_a_call_is_found_wherever_it_is_named(void **state)
{
    static const char *const BODIES[] = {
        "{\"call\":{\"call_id\":\"call_1\"}}",
        "{\"call_id\":\"call_1\"}",
        "{\"callId\":\"call_1\",\"args\":{}}",
        "{\"call\":{\"id\":\"call_1\"}}",
        "{\"event\":\"call_started\",\"call\":{\"call_id\":\"call_1\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver_text(BODIES[i]);

        assert_absent(d->error);
        assert_str(d->call_id, "call_1");
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_CONFIRMED, "0"});
        assert_str(reply_to(P, d).body, "{\"status\":\"ok\"}");
        delivery_free(d);
    }
}

static void test_what_names_no_call_is_a_dead_letter(void **state)
{
    static const char *const BODIES[] = {"{}", "[]", "7", "{\"call\":\"call_1\"}", "{\"event\":\"call_started\"}", "{"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver_text(BODIES[i]);

        assert_non_null(d->error.base);
        assert_int_equal(holds(d->error, "call.call_id, call_id, callId or call.id"), i != COUNT(BODIES) - 1);
        assert_int_equal(reply_to(P, d).status, 200);
        delivery_free(d);
    }
}

/* What a tool is called with is the model's words: it never becomes a fact, nor another kind of event. */
static void test_a_tools_arguments_are_not_facts(void **state)
{
    delivery_t *d = deliver_text("{\"name\":\"call_ended\",\"call_id\":\"call_1\",\"call_status\":\"error\",\"args\":"
                                 "{\"call_status\":\"ended\",\"from_number\":\"+12025550143\"}}");

    (void)state;
    assert_str(d->event_type, "tool:call_ended");
    assert_true(str_starts(d->event_key, STR("tool:call_1:call_ended:")));
    assert_absent(d->from_number);
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_FROM_NUMBER, NULL},
                 {CALL_OUTCOME, NULL});
    delivery_free(d);
}

static void test_a_tool_called_again_with_the_same_is_one_event(void **state)
{
    delivery_t *a = deliver_text("{\"name\":\"book\",\"args\":{\"day\":\"Friday\",\"at\":9},\"call_id\":\"call_1\"}");
    delivery_t *b = deliver_text("{\"args\":{\"at\":9,\"day\":\"Friday\"},\"name\":\"book\",\"call\":{\"call_id\":"
                                 "\"call_1\",\"duration_ms\":9000}}");
    delivery_t *c = deliver_text("{\"name\":\"book\",\"args\":{\"day\":\"Monday\",\"at\":9},\"call_id\":\"call_1\"}");

    (void)state;
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

static void test_a_link_signed_anew_is_no_other_event(void **state)
{
    static const char EVENT[] = "{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"c\",\"recording_url\":\"%s\","
                                "\"call_analysis\":{\"call_summary\":\"%s\"}}}";
    delivery_t *a = deliver_text(arena_printf(test_arena, EVENT, "https://r.example.com/1?sig=1", "x").base);
    delivery_t *b = deliver_text(arena_printf(test_arena, EVENT, "https://r.example.com/1?sig=2", "x").base);
    delivery_t *c = deliver_text(arena_printf(test_arena, EVENT, "https://r.example.com/1?sig=1", "y").base);

    (void)state;
    assert_true(str_starts(a->event_key, STR("call:c:call_analyzed:")));
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

static void test_the_customer_is_the_other_side(void **state)
{
    delivery_t *in = deliver_file("webhook.call_analyzed.all-fields");
    delivery_t *out = deliver_file("webhook.call_analyzed.outbound-voicemail");
    delivery_t *web = deliver_file("webhook.call_started.web-call");

    (void)state;
    ASSERT_CELLS(find_row(&in->facts, FACT_CALL, NULL), {CALL_CUSTOMER_NUMBER, "+14155550151"});
    ASSERT_CELLS(find_row(&out->facts, FACT_CALL, NULL), {CALL_CUSTOMER_NUMBER, "+14155550152"},
                 {CALL_OUTCOME, "failed"}, {CALL_END_REASON, "voicemail_reached"}, {CALL_ANSWERED_BY, "voicemail"},
                 {CALL_CONNECTED_AT, NULL});
    ASSERT_CELLS(find_row(&web->facts, FACT_CALL, NULL), {CALL_CUSTOMER_NUMBER, NULL}, {CALL_PHASE, "0"});
    assert_false(holds(web->payload, "REDACT-ME"));
    delivery_free(in);
    delivery_free(out);
    delivery_free(web);
}

static void test_how_calls_end(void **state)
{
    static const struct {
        const char *status, *reason, *outcome;
        bool connected;
    } CASES[] = {
        {"ended", "user_hangup", "completed", true},
        {"ended", "call_transfer", "completed", true},
        {"ended", "machine_detected", "failed", false},
        {"not_connected", "dial_busy", "failed", false},
        {"ended", "dial_something_new", "failed", false},
        {"error", "error_llm_websocket_open", "failed", false},
        {"error", "user_hangup", "failed", false},
        {"ended", "some_new_reason", NULL, true}, /* left to whether it was connected */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d =
            deliver_text(arena_printf(test_arena,
                                      "{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c\",\"call_status\":\"%s\","
                                      "\"disconnection_reason\":\"%s\",\"start_timestamp\":1786552680000}}",
                                      CASES[i].status, CASES[i].reason)
                             .base);
        const fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

        ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_OUTCOME, CASES[i].outcome}, {CALL_END_REASON, CASES[i].reason});
        assert_int_equal(call->cells[CALL_CONNECTED_AT].version != 0, CASES[i].connected);
        delivery_free(d);
    }
}

static void test_a_call_is_the_same_in_any_order(void **state)
{
    delivery_t *d[] = {
        deliver_file("webhook.call_started"),
        deliver_file("custom-tool-callback.guessed-shape"),
        deliver_file("webhook.call_ended.export-names"),
        deliver_file("webhook.call_analyzed.guessed-retell-shape"),
        deliver_file("webhook.call_analyzed.all-fields"),
        deliver_file("custom-tool-callback.flat.guessed-shape"),
    };
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 4);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"},
                 {CALL_CALL_SID, "CAe443ea81040bbb0bf4be7b27b01cc132"}, {CALL_DURATION, "126"}, {CALL_COST, "21.7"},
                 {CALL_COST_CURRENCY, "unknown"}, {CALL_TOKENS, "2993"},
                 {CALL_AGENT_ID, "agent_d59c7c206bdefe8e54160a54c7"}, {CALL_CONFIRMED, "0"});
    assert_order_free(d, COUNT(d), 19);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

/* Until a call is analysed its sentiment is "Unknown", which would win by its letters. */
static void test_an_analysed_call_outdoes_one_that_is_not_yet(void **state)
{
    static const char CALL[] = "{\"event\":\"call_x\",\"call\":{\"call_id\":\"c\",\"end_timestamp\":1786552680000,"
                               "\"user_sentiment\":\"Unknown\",\"extracted_fields\":{\"a\":\"%s\"}%s}}";
    static const char ANALYSIS[] = ",\"call_analysis\":{\"user_sentiment\":\"Neutral\"}";
    delivery_t *d[2 * 8];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++) { /* of eight pairs, some would be decided otherwise by their hash */
        str_t value = arena_printf(test_arena, "%s%zu", i % 2 ? "after" : "before", i / 2);

        d[i] = deliver_text(arena_printf(test_arena, CALL, value.base, i % 2 ? ANALYSIS : "").base);
        merge_into(&rows, &d[i]->facts);
    }
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_SENTIMENT, "Neutral"});
    assert_true(holds(find_row(&rows, FACT_CALL, NULL)->cells[CALL_EXTRACTED].text, "after"));
    assert_order_free(d, COUNT(d), 23);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_odd_types_never_break(void **state)
{
    static const char *const CALLS[] = {
        "{\"call_id\":\"c\",\"transcript_object\":{\"role\":\"agent\"},\"call_analysis\":7,\"call_cost\":[]}",
        "{\"call_id\":\"c\",\"transcript_object\":[{\"role\":\"agent\",\"content\":\"x\",\"words\":[{}]},null,4],"
        "\"duration_ms\":-1,\"call_status\":\"unheard_of\"}",
        "{\"call_id\":\"c\",\"start_timestamp\":1786552680000,\"transcript_object\":[{\"role\":\"user\",\"content\":"
        "\"x\",\"words\":[{\"start\":-4,\"end\":1e300}]}],\"llm_token_usage\":{\"values\":[\"7\",-3,1e300]}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CALLS); i++) {
        delivery_t *d =
            deliver_text(arena_printf(test_arena, "{\"event\":\"call_analyzed\",\"call\":%s}", CALLS[i]).base);
        const fact_t *line = find_row(&d->facts, FACT_MESSAGE, NULL);

        assert_absent(d->error);
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_DURATION, NULL}, {CALL_TOKENS, NULL});
        if (line)
            ASSERT_CELLS(line, {MESSAGE_SPOKEN_AT, NULL}, {MESSAGE_ENDED_AT, NULL});
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_without_a_secret_there_is_no_route),
        provider_test(test_the_secret_is_looked_at),
        provider_test(test_a_call_is_found_wherever_it_is_named),
        provider_test(test_what_names_no_call_is_a_dead_letter),
        provider_test(test_a_tools_arguments_are_not_facts),
        provider_test(test_a_tool_called_again_with_the_same_is_one_event),
        provider_test(test_a_link_signed_anew_is_no_other_event),
        provider_test(test_the_customer_is_the_other_side),
        provider_test(test_how_calls_end),
        provider_test(test_a_call_is_the_same_in_any_order),
        provider_test(test_an_analysed_call_outdoes_one_that_is_not_yet),
        provider_test(test_odd_types_never_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
