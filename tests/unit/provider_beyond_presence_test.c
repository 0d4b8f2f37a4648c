#include "provider_harness.h"

extern const provider_t provider_beyond_presence;
#define P (&provider_beyond_presence)

#define SECRET  "0123456789abcdef0123456789abcdef"
#define SECRET2 "fedcba9876543210-fedcba.98765432"

static delivery_t *deliver_file(const char *name)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "beyond_presence/webhook.%s.json", name).base);
}

static delivery_t *deliver_text(const char *body)
{
    return deliver(P, "events", BODY_JSON, str_from(body));
}

/* ---- the secret ---- */

static hook_request_t request_to(str_t path_secret)
{
    return (hook_request_t){.path_secret = path_secret, .body = STR("{}")};
}

static void test_any_of_the_secrets_lets_in_and_nothing_else(void **state)
{
    void *keys = keys_of(P, SETTINGS({"BEY_WEBHOOK_SECRET", SECRET ", " SECRET2}));
    hook_request_t newest = request_to(STR(SECRET)), older = request_to(STR(SECRET2)), none = request_to(STR_NONE);
    hook_request_t empty = request_to(STR("")), part = request_to(str_slice(STR(SECRET), 0, sizeof(SECRET) - 2));
    hook_request_t more = request_to(STR(SECRET "x"));

    (void)state;
    assert_genuine(P, keys, &newest);
    assert_genuine(P, keys, &older);
    assert_refused(P, keys, &none, ERR_NO_SIGNATURE);
    assert_refused(P, keys, &empty, ERR_NO_SIGNATURE);
    assert_refused(P, keys, &part, ERR_SIGNATURE);
    assert_refused(P, keys, &more, ERR_SIGNATURE);
    for (size_t i = 0; i < sizeof(SECRET) - 1; i++) {
        hook_request_t r = request_to(changed(test_arena, STR(SECRET), i));

        assert_refused(P, keys, &r, ERR_SIGNATURE);
    }
    assert_str(P->path_secret(keys), SECRET);
    assert_int_equal(P->sign(keys, STR_NONE, BODY_JSON, STR("{}"), 0, test_arena, NULL), 0);
    P->keys_free(keys);
}

static void test_a_refusal_is_explained_without_the_secret(void **state)
{
    void *keys = keys_of(P, SETTINGS({"BEY_WEBHOOK_SECRET", SECRET "," SECRET2}));
    hook_request_t r = request_to(STR("wrong-but-maybe-an-older-secret"));
    buf_t tried = BUF_EMPTY;
    err_t err;

    (void)state;
    r.explain = &tried;
    assert_false(P->verify(keys, &r, test_arena, &err));
    assert_true(holds(buf_str(&tried), "31 characters of path with secret 1 of 2: no; "));
    assert_true(holds(buf_str(&tried), "with secret 2 of 2: no"));
    assert_false(holds(buf_str(&tried), "wrong-but"));
    assert_null(strstr(err.detail, "wrong-but"));
    assert_non_null(strstr(err.hint, "BEY_WEBHOOK_SECRET"));
    buf_clear(&tried);
    P->keys_free(keys);
}

static void test_secrets_that_cannot_stand_in_a_path_are_refused(void **state)
{
    static const char *const BAD[] = {"short", "has/a/slash/0123456789", "has blank 0123456789", "q?0123456789abcdef",
                                      "per%20cent0123456789"};
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(BAD); i++) {
        assert_null(keys_or_null(P, SETTINGS({"BEY_WEBHOOK_SECRET", BAD[i]}), &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, "BEY_WEBHOOK_SECRET"));
        assert_null(strstr(err.detail, BAD[i]));
        assert_non_null(strstr(err.detail, "letters, digits, '-', '_', '.' or '~'")); /* all that are let in */
    }
    assert_null(keys_or_null(P, SETTINGS({"BEY_WEBHOOK_SECRET", " , "}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

/* ---- what is understood ---- */

static void test_every_answer_is_200_ok(void **state)
{
    static const char *const BODIES[] = {"{\"event_type\":\"test\"}", "{\"event_type\":\"avatar_blinked\"}", "{broken",
                                         "[]", "{\"event_type\":\"message\",\"call_id\":\"c\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver_text(BODIES[i]);
        hook_reply_t r = reply_to(P, d);

        assert_int_equal(r.status, 200);
        assert_str(r.content_type, "application/json");
        assert_str(r.body, "{\"status\":\"ok\"}");
        delivery_free(d);
    }
}

static void test_the_test_event_is_counted_only(void **state)
{
    delivery_t *bare = deliver_file("test"), *with_text = deliver_file("test.with-message-string");

    (void)state;
    assert_true(bare->unstored);
    assert_true(with_text->unstored);
    assert_absent(with_text->error);
    delivery_free(bare);
    delivery_free(with_text);
}

static void test_a_line_is_named_by_what_was_said_when(void **state)
{
    delivery_t *z = deliver_text("{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":{\"sender\":\"agent\","
                                 "\"message\":\"Hi\",\"sent_at\":\"2026-08-12T09:30:12Z\"}}");
    delivery_t *offset = deliver_text("{\"event_type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"sender\":"
                                      "\"ai\",\"message\":\"Hi\",\"sent_at\":\"2026-08-12T11:30:12.000000+02:00\"}}");
    delivery_t *later = deliver_text("{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":{\"sender\":\"agent\","
                                     "\"message\":\"Hi\",\"sent_at\":\"2026-08-12T09:30:12.000001Z\"}}");
    delivery_t *user = deliver_text("{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":{\"sender\":\"user\","
                                    "\"message\":\"Hi\",\"sent_at\":\"2026-08-12T09:30:12Z\"}}");

    (void)state;
    assert_true(str_starts(z->event_key, STR("message:c:")));
    assert_true(str_eq(z->event_key, offset->event_key));
    assert_true(
        str_eq(find_row(&z->facts, FACT_MESSAGE, NULL)->key, find_row(&offset->facts, FACT_MESSAGE, NULL)->key));
    assert_false(str_eq(z->event_key, later->event_key));
    assert_false(str_eq(z->event_key, user->event_key));
    delivery_free(z);
    delivery_free(offset);
    delivery_free(later);
    delivery_free(user);
}

static void test_a_line_that_cannot_be_read_is_a_dead_letter(void **state)
{
    static const struct {
        const char *message, *told;
    } CASES[] = {
        {"\"Hi\"", "message.message"},
        {"null", "message.message"},
        {"[\"Hi\"]", "message.message"},
        {"{\"sender\":\"user\"}", "message.message"},
        {"{\"sender\":\"user\",\"message\":7}", "message.message"},
        {"{\"sender\":\"moderator\",\"message\":\"Hi\"}", "message.sender"},
        {"{\"message\":\"Hi\"}", "message.sender"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_text(
            arena_printf(test_arena, "{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":%s}", CASES[i].message)
                .base);

        assert_true(holds(d->error, "expected "));
        assert_true(holds(d->error, CASES[i].told));
        assert_null(d->facts.first);
        delivery_free(d);
    }
}

static void test_nothing_said_is_no_line(void **state)
{
    delivery_t *d = deliver_text("{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":{\"sender\":\"user\","
                                 "\"message\":\"\",\"sent_at\":\"2026-08-12T09:30:12Z\"}}");

    (void)state;
    assert_absent(d->error);
    assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 0);
    assert_int_equal(count_rows(&d->facts, FACT_CALL), 1);
    delivery_free(d);
}

static void test_every_word_for_the_assistant_is_known(void **state)
{
    static const char *const WORDS[] = {"agent", "ai", "assistant", "bot"};

    (void)state;
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        delivery_t *d = deliver_text(arena_printf(test_arena,
                                                  "{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":"
                                                  "{\"sender\":\"%s\",\"message\":\"Hi\"}}",
                                                  WORDS[i])
                                         .base);

        ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, NULL), {MESSAGE_ROLE, "assistant"}, {MESSAGE_CONTENT, "Hi"});
        delivery_free(d);
    }
}

static void test_a_report_is_named_by_its_content(void **state)
{
    delivery_t *old = deliver_text("{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":[]}");
    delivery_t *new = deliver_text("{\"messages\":[],\"event_type\":\"conversation_ended\",\"conversation_id\":\"c\"}");
    delivery_t *more = deliver_text("{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":[],"
                                    "\"user_name\":\"Kim\"}");

    (void)state;
    assert_true(str_starts(old->event_key, STR("report:c:")));
    assert_true(str_eq(old->event_key, new->event_key));
    assert_false(str_eq(old->event_key, more->event_key));
    delivery_free(old);
    delivery_free(new);
    delivery_free(more);
}

/* The whole of one call, and a line that comes after its end. */
static size_t whole_call(delivery_t **d)
{
    d[0] = deliver_file("message.user");
    d[1] = deliver_file("message.agent");
    d[2] = deliver_file("message.with-call-data-times");
    d[3] = deliver_file("call_ended.full");
    d[4] = deliver_file("message.after-call-ended");
    d[5] = deliver_file("unknown-event");
    return 6;
}

static void test_a_call_is_the_same_in_any_order(void **state)
{
    delivery_t *d[6];
    size_t n = whole_call(d);
    facts_t rows;
    fact_t *call;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < n; i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    call = find_row(&rows, FACT_CALL, NULL);
    /* the list of call_ended is what is shown, the times are reported where any event reports them */
    ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_TRANSCRIPT_SOURCE, "report"},
                 {CALL_STARTED_AT, "2026-08-12T09:30:00.000000Z"}, {CALL_ENDED_AT, "2026-08-12T09:30:24.300000Z"},
                 {CALL_DURATION, "32"}, {CALL_AGENT_ID, "94cee727-cac4-41b5-ab99-c6b07091dedf"},
                 {CALL_CUSTOMER_NAME, "Alex Example"}, {CALL_SENTIMENT, "positive"}, {CALL_CONFIRMED, "0"},
                 {CALL_SUMMARY, NULL});
    assert_int_equal(rank_of(call, CALL_STARTED_AT), RANK_EVENT);
    assert_int_equal(rank_of(call, CALL_ENDED_AT), RANK_INFERRED);
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "report:3"), {MESSAGE_ROLE, "user"}, {MESSAGE_SEQUENCE, "3"},
                 {MESSAGE_CONTENT, "Sounds good. Könnten wir auf Deutsch weitermachen? 😀"});
    assert_order_free(d, n, 5);
    for (size_t i = 0; i < n; i++)
        delivery_free(d[i]);
}

static void test_a_longer_list_replaces_a_shorter_one(void **state)
{
    static const char NO_LINE[] = "{\"sender\":\"moderator\",\"message\":\"Recorded.\"}";
    static const char LINE[] = "{\"sender\":\"user\",\"message\":\"%s\",\"sent_at\":\"2026-08-12T09:30:0%dZ\"}";
    str_t one = arena_printf(test_arena, LINE, "One", 1), two = arena_printf(test_arena, LINE, "Two", 2);
    delivery_t *d[] = {
        deliver_text(arena_printf(test_arena, "{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":[%s,%s]}",
                                  one.base, two.base)
                         .base),
        deliver_text(arena_printf(test_arena,
                                  "{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":[%s,%s,%s]}", NO_LINE,
                                  NO_LINE, two.base)
                         .base),
    };
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 2);
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "report:0"), {MESSAGE_CONTENT, "One"});
    ASSERT_CELLS(find_row(&rows, FACT_MESSAGE, "report:1"), {MESSAGE_CONTENT, "Two"});
    assert_order_free(d, COUNT(d), 7);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

/* What the API answers of a call ranks as a report: who posts here without a signature must not outdo that. */
static void test_nothing_unsigned_ranks_above_an_event(void **state)
{
    delivery_t *d[6];
    size_t n = whole_call(d);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const fact_t *call = find_row(&d[i]->facts, FACT_CALL, NULL);

        for (int c = 0; call && c < CALL_COLUMN_COUNT; c++)
            if (c != CALL_TRANSCRIPT_SOURCE)
                assert_true(rank_of(call, c) <= RANK_EVENT);
        delivery_free(d[i]);
    }
}

static void test_odd_types_never_break(void **state)
{
    static const struct {
        const char *body;
        bool is_dead;
    } CASES[] = {
        {"{\"event_type\":7}", true},
        {"{\"event_type\":\"message\",\"message\":\"text\"}", true},
        {"{\"event_type\":\"call_ended\",\"call_id\":5}", true},
        {"{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":\"text\",\"call_data\":[]}", true},
        {"{\"event_type\":\"message\",\"call_id\":\"c\",\"message\":{\"sender\":\"user\",\"message\":\"x\"}}", false},
        {"{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":{\"a\":{\"sent_at\":1}},\"evaluation\":[1]}",
         false},
        {"{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"messages\":[null,7,\"x\",{}],\"evaluation\":"
         "{\"duration_minutes\":\"-1\"}}",
         false},
        {"{\"event_type\":\"call_ended\",\"call_id\":\"c\",\"evaluation\":{\"duration_minutes\":1e300}}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_text(CASES[i].body);
        const fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

        assert_int_equal(d->error.base != NULL, CASES[i].is_dead);
        assert_int_not_equal(d->event_key.len, 0);
        if (call)
            ASSERT_CELLS(call, {CALL_DURATION, NULL}, {CALL_STARTED_AT, NULL}, {CALL_ENDED_AT, NULL});
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_any_of_the_secrets_lets_in_and_nothing_else),
        provider_test(test_a_refusal_is_explained_without_the_secret),
        provider_test(test_secrets_that_cannot_stand_in_a_path_are_refused),
        provider_test(test_every_answer_is_200_ok),
        provider_test(test_the_test_event_is_counted_only),
        provider_test(test_a_line_is_named_by_what_was_said_when),
        provider_test(test_a_line_that_cannot_be_read_is_a_dead_letter),
        provider_test(test_nothing_said_is_no_line),
        provider_test(test_every_word_for_the_assistant_is_known),
        provider_test(test_a_report_is_named_by_its_content),
        provider_test(test_a_call_is_the_same_in_any_order),
        provider_test(test_a_longer_list_replaces_a_shorter_one),
        provider_test(test_nothing_unsigned_ranks_above_an_event),
        provider_test(test_odd_types_never_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
