#include "provider_harness.h"

extern const provider_t provider_agent;
#define P (&provider_agent)

/* The example of the Standard Webhooks libraries (github.com/standard-webhooks/standard-webhooks). */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET2   "whsec_dGhlIG9sZGVyIHNlY3JldCBvZiB0aGlz"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP "1614265330"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BODY      "{\"test\": 2432232314}"
#define NOW_US    (INT64_C(1614265330) * US_PER_S)

enum { HEADER_ID, HEADER_TIMESTAMP, HEADER_SIGNATURE };

typedef struct signed_request {
    hook_request_t request;
    header_t headers[3];
} signed_request_t;

static void published_vector(signed_request_t *s)
{
    *s = (signed_request_t){
        .request = {.body = STR(BODY), .n_headers = 3, .now_us = NOW_US},
        .headers = {{STR("webhook-id"), STR(ID)},
                    {STR("webhook-timestamp"), STR(TIMESTAMP)},
                    {STR("webhook-signature"), STR(SIGNATURE)}},
    };
    s->request.headers = s->headers;
}

static delivery_t *deliver_file(const char *name)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "agent/%s.json", name).base);
}

static delivery_t *deliver_text(const char *body)
{
    return deliver(P, "events", BODY_JSON, str_from(body));
}

/* ---- signatures ---- */

static void test_the_published_vector_is_genuine(void **state)
{
    void *keys = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));
    signed_request_t s;

    (void)state;
    published_vector(&s);
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_any_byte_changed_is_refused(void **state)
{
    void *keys = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));
    signed_request_t s;

    (void)state;
    published_vector(&s);
    for (size_t h = 0; h < COUNT(s.headers); h++) {
        str_t value = s.headers[h].value;

        for (size_t i = 0; i < value.len; i++) {
            s.headers[h].value = changed(test_arena, value, i);
            assert_refused(P, keys, &s.request, ERR_SIGNATURE);
        }
        s.headers[h].value = value;
    }
    for (size_t i = 0; i < sizeof(BODY) - 1; i++) {
        s.request.body = changed(test_arena, STR(BODY), i);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    }
    P->keys_free(keys);
}

static void test_each_header_is_needed(void **state)
{
    void *keys = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));
    signed_request_t s;

    (void)state;
    for (size_t h = 0; h < COUNT(s.headers); h++) {
        published_vector(&s);
        s.headers[h].name = STR("x-other");
        assert_refused(P, keys, &s.request, ERR_NO_SIGNATURE);
        published_vector(&s);
        s.headers[h].value = STR("");
        assert_refused(P, keys, &s.request, ERR_NO_SIGNATURE);
    }
    P->keys_free(keys);
}

static void test_of_several_signatures_one_must_fit(void **state)
{
    static const struct {
        const char *value;
        err_code_t verdict;
    } CASES[] = {
        {"v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x " SIGNATURE, ERR_NONE},
        {"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== " SIGNATURE,
         ERR_NONE},
        {" " SIGNATURE "  ", ERR_NONE},
        {"v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", ERR_SIGNATURE},
        {"v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", ERR_SIGNATURE},
        {"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", ERR_SIGNATURE},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", ERR_SIGNATURE}, /* no padding */
        {"v1,8348CCF52B04F8E4CF253181ADFED9882AD4B2665137B8524452D59483824BC8", ERR_SIGNATURE},
        {"v1,", ERR_SIGNATURE},
        {",", ERR_SIGNATURE},
    };
    void *keys = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));
    signed_request_t s;

    (void)state;
    published_vector(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        s.headers[HEADER_SIGNATURE].value = str_from(CASES[i].value);
        assert_refused(P, keys, &s.request, CASES[i].verdict);
    }
    P->keys_free(keys);
}

static void test_old_and_early_ones_are_stale(void **state)
{
    static const struct {
        const char *tolerance; /* NULL: the default */
        int64_t away_s;
        err_code_t verdict;
    } CASES[] = {
        {NULL, 300, ERR_NONE}, {NULL, -300, ERR_NONE}, {NULL, 301, ERR_STALE}, {NULL, -301, ERR_STALE},
        {"10", 10, ERR_NONE},  {"10", 11, ERR_STALE},  {"10", -11, ERR_STALE},
    };
    signed_request_t s;

    (void)state;
    published_vector(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, CASES[i].tolerance ? SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET},
                                                              {"AGENT_WEBHOOK_TOLERANCE", CASES[i].tolerance})
                                                   : SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));

        s.request.now_us = NOW_US + CASES[i].away_s * US_PER_S;
        assert_refused(P, keys, &s.request, CASES[i].verdict);
        P->keys_free(keys);
    }
}

static void test_what_we_sign_we_accept_with_either_secret(void **state)
{
    void *old = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET2}));
    void *both = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET "," SECRET2}));
    void *new = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET}));
    header_t headers[HOOK_MAX_SIGNED];
    hook_request_t r = {.headers = headers, .body = STR(BODY), .now_us = NOW_US};

    (void)state;
    r.n_headers = P->sign(old, STR_NONE, BODY_JSON, r.body, NOW_US, test_arena, headers);
    assert_genuine(P, both, &r);
    assert_refused(P, new, &r, ERR_SIGNATURE);
    r.n_headers = P->sign(both, STR_NONE, BODY_JSON, r.body, NOW_US, test_arena, headers);
    assert_genuine(P, new, &r);
    P->keys_free(old);
    P->keys_free(both);
    P->keys_free(new);
}

static void test_a_refusal_is_explained_without_a_secret(void **state)
{
    void *keys = keys_of(P, SETTINGS({"AGENT_WEBHOOK_SECRET", SECRET2 "," SECRET2}));
    buf_t tried = BUF_EMPTY;
    signed_request_t s;
    err_t err;

    (void)state;
    published_vector(&s);
    s.request.explain = &tried;
    assert_false(P->verify(keys, &s.request, test_arena, &err));
    assert_true(holds(buf_str(&tried), "secret 1 of 2"));
    assert_true(holds(buf_str(&tried), "secret 2 of 2, over webhook-id, webhook-timestamp and 20 bytes: no"));
    assert_false(holds(buf_str(&tried), "v1,"));
    assert_non_null(strstr(err.hint, "AGENT_WEBHOOK_SECRET"));
    buf_clear(&tried);
    P->keys_free(keys);
}

static void test_settings_that_cannot_work_are_refused(void **state)
{
    static const struct {
        const char *secret, *tolerance, *detail;
    } CASES[] = {
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "300", "whsec_"},
        {"whsec_", "300", "base64"},
        {"whsec_not base64", "300", "base64"},
        {SECRET ",whsk_x", "300", "whsec_"},
        {SECRET, "0", "AGENT_WEBHOOK_TOLERANCE"},
        {SECRET, "5 minutes", "AGENT_WEBHOOK_TOLERANCE"},
    };
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_null(keys_or_null(
            P, SETTINGS({"AGENT_WEBHOOK_SECRET", CASES[i].secret}, {"AGENT_WEBHOOK_TOLERANCE", CASES[i].tolerance}),
            &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, CASES[i].detail));
        assert_null(strstr(err.detail, "MfKQ9r8G"));
    }
    assert_null(keys_or_null(P, SETTINGS({"AGENT_WEBHOOK_SECRET", " "}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

/* ---- which call ---- */

static void test_a_call_is_named_in_every_way_of_the_contract(void **state)
{
    static const struct {
        const char *data, *provider, *call_id, *key;
    } CASES[] = {
        {"\"call_id\":\"c1\"", NULL, "c1", "message:c1:m"},
        {"\"provider\":\"agent\",\"provider_call_id\":\"c1\"", NULL, "c1", "message:c1:m"},
        {"\"provider\":\"livekit\",\"provider_call_id\":\"RM_1\"", "livekit", "RM_1", "message:livekit:RM_1:m"},
        {"\"provider\":\"livekit\",\"provider_call_id\":\"RM_1\",\"session_id\":\"r\"", "livekit", "RM_1",
         "message:livekit:RM_1:m"},
        {"\"provider\":\"livekit\",\"session_id\":\"r\"", "livekit", "session:r", "message:livekit:session:r:m"},
        {"\"provider\":\"vapi\",\"call_id\":\"v1\"", "vapi", "v1", "message:vapi:v1:m"},
        {"\"room\":{\"sid\":\"RM_1\",\"name\":\"r\"}", "livekit", "RM_1", "message:livekit:RM_1:m"},
        {"\"room\":{\"name\":\"r\"}", "livekit", "session:r", "message:livekit:session:r:m"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d =
            deliver_text(arena_printf(test_arena,
                                      "{\"type\":\"message\",\"data\":{%s,\"id\":\"m\",\"role\":\"user\",\"content\":"
                                      "\"Hi\"}}",
                                      CASES[i].data)
                             .base);

        assert_absent(d->error);
        assert_str(d->event_key, CASES[i].key);
        assert_str(d->call_id, CASES[i].call_id);
        for (const fact_t *f = d->facts.first; f; f = f->next) {
            assert_str(f->call_id, CASES[i].call_id);
            if (CASES[i].provider)
                assert_str(f->provider, CASES[i].provider);
            else
                assert_absent(f->provider);
        }
        assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 1);
        delivery_free(d);
    }
}

static void test_without_a_call_it_is_a_dead_letter(void **state)
{
    static const char *const DATA[] = {
        "\"id\":\"m\"",
        "\"session_id\":\"r\"", /* whose? */
        "\"provider\":\"agent\",\"session_id\":\"r\"",
        "\"provider\":\"livekit\"",
        "\"provider\":\"LiveKit\",\"provider_call_id\":\"RM_1\"",
        "\"provider\":\"a_name_that_is_longer_than_forty_characters\",\"provider_call_id\":\"RM_1\"",
        "\"call_id\":17",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(DATA); i++) {
        delivery_t *d = deliver_text(arena_printf(test_arena, "{\"type\":\"call.ended\",\"data\":{%s}}", DATA[i]).base);

        assert_true(holds(d->error, "data."));
        assert_null(d->facts.first);
        assert_str(reply_to(P, d).body, "{\"status\":\"ok\"}");
        delivery_free(d);
    }
}

static void test_what_has_no_data_or_no_line_is_a_dead_letter(void **state)
{
    static const struct {
        const char *body, *told;
    } CASES[] = {
        {"{\"data\":{\"call_id\":\"c\"}}", "type"},
        {"{\"type\":7,\"data\":{\"call_id\":\"c\"}}", "type"},
        {"{\"type\":\"call.started\",\"call_id\":\"c\"}", "an object at data"},
        {"{\"type\":\"call.ended\",\"call_id\":\"c\",\"data\":[]}", "an object at data"},
        {"{\"type\":\"message\",\"call_id\":\"c\",\"id\":\"m\",\"role\":\"user\",\"content\":\"x\",\"data\":\"x\"}",
         "an object at data"},
        {"{\"type\":\"message\",\"data\":{\"call_id\":\"c\"}}", "role"},
        {"{\"type\":\"message\",\"data\":{\"call_id\":\"c\",\"role\":\"tool\",\"content\":\"x\"}}", "role"},
        {"{\"type\":\"message\",\"data\":{\"call_id\":\"c\",\"role\":\"user\"}}", "content"},
        {"{\"type\":\"message\",\"data\":{\"call_id\":\"c\",\"role\":\"user\",\"content\":7}}", "content"},
        {"{\"type\":\"transcript.item\",\"room\":{\"sid\":\"RM_1\"}}", "role"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_text(CASES[i].body);

        assert_true(holds(d->error, "expected "));
        assert_true(holds(d->error, CASES[i].told));
        assert_null(d->facts.first);
        delivery_free(d);
    }
}

static void test_other_types_are_kept_as_they_are(void **state)
{
    delivery_t *d = deliver_text("{\"type\":\"agent.heartbeat\",\"data\":{\"worker\":1}}");
    delivery_t *of_call = deliver_text("{\"type\":\"tool.called\",\"data\":{\"call_id\":\"c1\"}}");
    delivery_t *no_type = deliver_text("{\"data\":{\"call_id\":\"c1\"}}");

    (void)state;
    assert_absent(d->error);
    assert_true(str_starts(d->event_key, STR("agent.heartbeat:-:")));
    assert_true(str_starts(of_call->event_key, STR("tool.called:c1:")));
    assert_null(of_call->facts.first);
    assert_true(holds(no_type->error, "type"));
    delivery_free(d);
    delivery_free(of_call);
    delivery_free(no_type);
}

/* ---- facts ---- */

static void test_an_own_call_is_the_same_in_any_order(void **state)
{
    delivery_t *d[] = {deliver_file("call.started"), deliver_file("message"), deliver_file("message.assistant"),
                       deliver_file("call.ended")};
    facts_t rows;
    fact_t *call;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 2); /* posted one by one, and again in the list */
    call = find_row(&rows, FACT_CALL, NULL);
    ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_DIRECTION, "inbound"},
                 {CALL_CUSTOMER_NUMBER, "+14155550123"}, {CALL_DURATION, "72"}, {CALL_TOKENS, "1940"},
                 {CALL_STARTED_AT, "2026-08-12T09:30:00.000000Z"}, {CALL_TRANSCRIPT_SOURCE, "agent"},
                 {CALL_CONFIRMED, NULL});
    /* the list has what was heard of the line that was cut short, the post what else is known of it */
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "agent:m2"), {MESSAGE_CONTENT, "I can send someone"},
                 {MESSAGE_TOKENS, "283"}, {MESSAGE_SEQUENCE, "2"}, {MESSAGE_INTERRUPTED, "1"});
    assert_order_free(d, COUNT(d), 29);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_of_anothers_call_only_the_lines_rank(void **state)
{
    delivery_t *d[] = {deliver_file("call.started.livekit"), deliver_file("livekit-item.user"),
                       deliver_file("livekit-item.assistant-interrupted"), deliver_file("call.ended.livekit")};
    facts_t rows;
    const fact_t *call;

    (void)state;
    facts_init(&rows, test_arena);
    facts_about(&rows, STR("livekit"));
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    call = find_row(&rows, FACT_CALL, NULL);
    for (int c = 0; c < CALL_COLUMN_COUNT; c++)
        if (c != CALL_PHASE && c != CALL_TRANSCRIPT_SOURCE)
            assert_true(rank_of(call, c) <= RANK_INFERRED);
    assert_int_equal(call->cells[CALL_TRANSCRIPT_SOURCE].version, version_of(RANK_EVENT, LIVE_BRIDGED));
    ASSERT_CELLS(call, {CALL_CONNECTED_AT, NULL}, {CALL_ENDED_AT, "2025-12-29T09:21:02.000000Z"});
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 2);
    assert_order_free(d, COUNT(d), 31);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_repeats_are_one_event_and_new_content_of_an_end_another(void **state)
{
    static const char ENDED[] =
        "{\"type\":\"call.ended\",\"timestamp\":%d,\"data\":{\"call_id\":\"c\",\"summary\":\"%s\"}}";
    delivery_t *a = deliver_text(arena_printf(test_arena, ENDED, 1767000000, "x").base);
    delivery_t *b = deliver_text(arena_printf(test_arena, ENDED, 1767000009, "x").base);
    delivery_t *c = deliver_text(arena_printf(test_arena, ENDED, 1767000000, "y").base);

    (void)state;
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

static void test_how_calls_end(void **state)
{
    static const struct {
        const char *data, *outcome, *reason;
    } CASES[] = {
        {"\"outcome\":\"completed\",\"end_reason\":\"hung_up\"", "completed", "hung_up"},
        {"\"outcome\":\"failed\"", "failed", NULL},
        {"\"status\":\"busy\"", "failed", "busy"},
        {"\"status\":\"transferred\"", "completed", "transferred"},
        {"\"status\":\"who knows\"", NULL, "who knows"},
        {"\"outcome\":\"great\",\"status\":\"no-answer\"", "failed", "no-answer"},
        {"\"end_reason\":\"x\"", NULL, "x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_text(
            arena_printf(test_arena, "{\"type\":\"call.ended\",\"data\":{\"call_id\":\"c\",%s}}", CASES[i].data).base);

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, CASES[i].outcome},
                     {CALL_END_REASON, CASES[i].reason});
        delivery_free(d);
    }
}

static void test_times_and_tokens_are_read_in_each_form(void **state)
{
    static const struct {
        const char *item, *spoken, *tokens;
    } CASES[] = {
        {"\"created_at\":1767000012.412,\"tokens\":7", "2025-12-29T09:20:12.412000Z", "7"},
        {"\"created_at\":1767000012,\"tokens\":{\"total\":9,\"input\":1}", "2025-12-29T09:20:12.000000Z", "9"},
        {"\"created_at\":\"2025-12-29T10:20:12.5+01:00\",\"tokens\":{\"input\":3,\"output\":4}",
         "2025-12-29T09:20:12.500000Z", "7"},
        {"\"created_at\":\"yesterday\",\"tokens\":{\"output\":4}", "2025-12-29T09:00:00.000000Z", "4"},
        {"\"tokens\":-1", "2025-12-29T09:00:00.000000Z", NULL},
        {"\"tokens\":9223372036854775807", "2025-12-29T09:00:00.000000Z", NULL},
        {"\"tokens\":{\"input\":-3}", "2025-12-29T09:00:00.000000Z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d =
            deliver_text(arena_printf(test_arena,
                                      "{\"type\":\"message\",\"timestamp\":\"2025-12-29T09:00:00Z\",\"data\":{"
                                      "\"call_id\":\"c\",\"id\":\"m\",\"role\":\"user\",\"content\":\"x\",%s}}",
                                      CASES[i].item)
                             .base);

        ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, NULL), {MESSAGE_SPOKEN_AT, CASES[i].spoken},
                     {MESSAGE_TOKENS, CASES[i].tokens});
        delivery_free(d);
    }
}

static void test_odd_types_never_break(void **state)
{
    static const char *const BODIES[] = {
        "{\"type\":\"message\",\"data\":{\"call_id\":\"c\",\"message\":[],\"item\":7,\"content\":[7,null,{}],"
        "\"role\":\"user\"}}",
        "{\"type\":\"transcript.item\",\"room\":{\"sid\":\"RM_1\"},\"item\":{\"type\":\"function_call\",\"id\":\"f\","
        "\"role\":\"user\",\"content\":\"x\"}}",
        "{\"type\":\"call.ended\",\"data\":{\"call_id\":\"c\",\"messages\":{\"role\":\"user\"},\"cost\":\"7\"}}",
        "{\"type\":\"call.ended\",\"data\":{\"call_id\":\"c\",\"messages\":[null,[],{\"role\":7}],\"analysis\":[]}}",
        "{\"type\":\"call.started\",\"data\":{\"call_id\":\"c\",\"started_at\":-1,\"duration_seconds\":1e300}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver_text(BODIES[i]);

        assert_absent(d->error);
        assert_int_not_equal(d->event_key.len, 0);
        assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 0);
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_STARTED_AT, NULL}, {CALL_CONNECTED_AT, NULL},
                     {CALL_COST, NULL}, {CALL_ANALYSIS, NULL}, {CALL_DURATION, NULL}, {CALL_TRANSCRIPT_SOURCE, NULL});
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_the_published_vector_is_genuine),
        provider_test(test_any_byte_changed_is_refused),
        provider_test(test_each_header_is_needed),
        provider_test(test_of_several_signatures_one_must_fit),
        provider_test(test_old_and_early_ones_are_stale),
        provider_test(test_what_we_sign_we_accept_with_either_secret),
        provider_test(test_a_refusal_is_explained_without_a_secret),
        provider_test(test_settings_that_cannot_work_are_refused),
        provider_test(test_a_call_is_named_in_every_way_of_the_contract),
        provider_test(test_without_a_call_it_is_a_dead_letter),
        provider_test(test_what_has_no_data_or_no_line_is_a_dead_letter),
        provider_test(test_other_types_are_kept_as_they_are),
        provider_test(test_an_own_call_is_the_same_in_any_order),
        provider_test(test_of_anothers_call_only_the_lines_rank),
        provider_test(test_repeats_are_one_event_and_new_content_of_an_end_another),
        provider_test(test_how_calls_end),
        provider_test(test_times_and_tokens_are_read_in_each_form),
        provider_test(test_odd_types_never_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
