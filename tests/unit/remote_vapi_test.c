#include "remote_harness.h"

extern const provider_t provider_vapi;
#define P (&provider_vapi)

#define KEY         "00000000-1111-2222-3333-444444444444"
#define CALL        "22d23a00-05aa-40ac-a1c4-d814a84ee436"
#define BASE        "https://api.vapi.ai"
#define ASK(s, url) assert_str(url_of(P, access, &(s), "authorization", "Bearer " KEY), (url))

static void *access;

static int setup(void **state)
{
    (void)harness_setup(state);
    access = access_of(P, SETTINGS({"VAPI_API_KEY", KEY}));
    return 0;
}

static int teardown(void **state)
{
    P->remote->access_free(access);
    return harness_teardown(state);
}

#define api_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static remote_step_t sweep(const char *what, const char *from, const char *to)
{
    return (remote_step_t){.what = what, .from_us = at(from), .to_us = at(to)};
}

/* ---- settings ---- */

static void test_without_a_key_there_is_no_access(void **state)
{
    err_t err;

    (void)state;
    assert_null(access_or_null(P, SETTINGS({"VAPI_API_URL", BASE}), &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_null(access_or_null(P, SETTINGS({"VAPI_API_KEY", "  "}), &err));
    assert_int_equal(err.code, ERR_NONE);
    P->remote->access_free(NULL);
}

static void test_addresses_that_would_tell_the_key_are_refused(void **state)
{
    static const char *const BAD[] = {
        "http://api.vapi.ai",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@a.example",
        "https://user:secret@a.example",
        "ftp://a.example",
        "api.vapi.ai",
        "https://",
        "https:///call",
        "https://a.example/?x=1",
        "https://a.example/#x",
        "https://a.example/a b",
        "http://[::2]:80",
        "http://1.127.0.1",
        "http://:80",
    };
    static const char *const GOOD[] = {"https://api.eu.vapi.ai", "http://127.0.0.1:9", "http://localhost:1/prefix//",
                                       "HTTP://[::1]:80", "https://a.example:8443/x"};

    (void)state;
    for (size_t i = 0; i < COUNT(BAD); i++)
        assert_bad_setting(P, SETTINGS({"VAPI_API_KEY", KEY}, {"VAPI_API_URL", BAD[i]}), "VAPI_API_URL", BAD[i]);
    for (size_t i = 0; i < COUNT(GOOD); i++)
        P->remote->access_free(access_of(P, SETTINGS({"VAPI_API_KEY", KEY}, {"VAPI_API_URL", GOOD[i]})));
    assert_bad_setting(P, SETTINGS({"VAPI_API_KEY", "a key"}), "VAPI_API_KEY", "a key");
    assert_bad_setting(P, SETTINGS({"VAPI_API_KEY", "key\r\nx: y"}), "VAPI_API_KEY", "key\r\nx: y");
}

static void test_pace_is_a_setting(void **state)
{
    static const char *const BAD[] = {"-1", "61", "x", "1s", "nan"};
    void *fast = access_of(P, SETTINGS({"VAPI_API_KEY", KEY}, {"VAPI_API_GAP", "0.05"}));

    (void)state;
    assert_int_equal(P->remote->gap_us(access), 700000);
    assert_int_equal(P->remote->gap_us(fast), 50000);
    P->remote->access_free(fast);
    for (size_t i = 0; i < COUNT(BAD); i++)
        assert_bad_setting(P, SETTINGS({"VAPI_API_KEY", KEY}, {"VAPI_API_GAP", BAD[i]}), "VAPI_API_GAP", "");
}

/* ---- what is asked ---- */

static void test_a_pass_is_what_was_made_and_what_changed(void **state)
{
    remote_page_t page;
    const remote_step_t *made, *changed;

    (void)state;
    page = begin_pass(P, access, "calls", at("2026-08-12T00:00:00.0005Z"), at("2026-08-13T00:00:00.0001Z"));
    assert_int_equal(count_follows(&page), 2);
    made = &follow_at(&page, 0)->step;
    changed = &follow_at(&page, 1)->step;
    ASK(*made, BASE "/call?createdAtGe=2026-08-12T00:00:00.000Z&createdAtLt=2026-08-13T00:00:00.001Z&limit=100");
    ASK(*changed, BASE "/call?updatedAtGe=2026-08-12T00:00:00.000Z&updatedAtLt=2026-08-13T00:00:00.001Z"
                       "&createdAtLt=2026-08-12T00:00:00.000Z&limit=100");
    assert_absent(follow_at(&page, 0)->change_mark);
}

static void test_open_ends_are_closed(void **state)
{
    remote_page_t page, none;
    const remote_step_t *made;

    (void)state;
    page = begin_pass(P, access, "calls", TIME_NONE, TIME_NONE);
    assert_int_equal(count_follows(&page), 1); /* nothing was made before it */
    made = &follow_at(&page, 0)->step;
    assert_int_equal(made->from_us, at("2023-01-01T00:00:00Z"));
    assert_true(made->to_us >= at("2026-08-01T00:00:00Z"));
    assert_int_equal(made->to_us % US_PER_MS, 0);
    none = begin_pass(P, access, "calls", at("2026-08-13T00:00:00Z"), at("2026-08-13T00:00:00Z"));
    P->remote->begin(access, "calls", INT64_MAX, INT64_MAX, &none);
    P->remote->begin(access, "calls", INT64_MAX - 1, TIME_NONE, &none);
    assert_int_equal(count_follows(&none), 0);
}

static void test_a_millisecond_is_asked_for_all_that_is_granted(void **state)
{
    remote_step_t one_ms = sweep("calls-made", "2026-08-12T17:33:20.114Z", "2026-08-12T17:33:20.115Z");
    remote_step_t two_ms = sweep("calls-made", "2026-08-12T17:33:20.114Z", "2026-08-12T17:33:20.116Z");

    (void)state;
    ASK(one_ms, BASE "/call?createdAtGe=2026-08-12T17:33:20.114Z&createdAtLt=2026-08-12T17:33:20.115Z&limit=1000");
    ASK(two_ms, BASE "/call?createdAtGe=2026-08-12T17:33:20.114Z&createdAtLt=2026-08-12T17:33:20.116Z&limit=100");
}

static void test_one_call_is_asked_by_its_id(void **state)
{
    remote_step_t s;

    (void)state;
    assert_true(P->remote->one(access, STR(CALL), test_arena, &s));
    ASK(s, BASE "/call/" CALL);
    assert_true(P->remote->one(access, STR("../assistant?x=\xff&y#"), test_arena, &s));
    ASK(s, BASE "/call/..%2Fassistant%3Fx%3D%FF%26y%23");
    assert_false(P->remote->one(access, STR(".."), test_arena, &s));
    assert_false(P->remote->one(access, STR(""), test_arena, &s));
    P->remote->probe(access, test_arena, &s);
    ASK(s, BASE "/assistant?limit=1");
}

static void test_another_region_and_a_prefix(void **state)
{
    void *eu = access_of(P, SETTINGS({"VAPI_API_KEY", " " KEY " "}, {"VAPI_API_URL", "https://a.example:8443/v/"}));
    remote_step_t s = {.what = "call", .id = STR("x")};

    (void)state;
    assert_str(url_of(P, eu, &s, "authorization", "Bearer " KEY), "https://a.example:8443/v/call/x");
    P->remote->access_free(eu);
}

static void test_steps_of_nobody_are_not_asked(void **state)
{
    remote_step_t steps[] = {
        {.what = "calls"},
        {.what = ""},
        {.what = "call", .id = STR("..")},
        {.what = "calls-made", .from_us = TIME_NONE, .to_us = TIME_NONE},
        {.what = "calls-made", .from_us = 5000, .to_us = 5000},
        {.what = "calls-made", .from_us = 5000, .to_us = INT64_MAX},
        {.what = "calls-changed", .from_us = 0, .to_us = 5000, .cursor = STR("&x=1")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_not_asked(P, access, &steps[i]);
    assert_unreadable(P, access, &steps[0], STR("[]"), ERR_UNKNOWN_SHAPE);
}

/* ---- what answers mean ---- */

static void test_every_call_of_a_page_is_found(void **state)
{
    static const struct {
        const char *name;
        size_t calls;
    } PAGES[] = {{"calls.page-1", 3}, {"calls.page-2", 3}, {"calls.page-3", 7}, {"calls.empty", 0}};
    remote_step_t s = sweep("calls-made", "2026-08-12T00:00:00Z", "2026-08-13T00:00:00Z");

    (void)state;
    for (size_t i = 0; i < COUNT(PAGES); i++) {
        remote_page_t page = read_page(P, access, &s, api_answer(P, PAGES[i].name));

        assert_page(&page, PAGES[i].calls, 0, 0, PAGES[i].calls);
        assert_understood(P, &page);
    }
}

static void test_a_find_is_the_call_as_it_came(void **state)
{
    remote_step_t s = {.what = "call", .id = STR(CALL)};
    str_t body = fixture("vapi/api-call.ended.json");
    remote_page_t page = read_page(P, access, &s, body);
    const remote_find_t *f = find_at(&page, 0);
    delivery_t *whole = deliver(P, "api-call", BODY_JSON, body), *d = deliver(P, f->route, BODY_JSON, f->payload);

    (void)state;
    assert_page(&page, 1, 0, 0, 1);
    assert_string_equal(f->route, "api-call");
    assert_str(f->id, CALL);
    assert_int_equal(f->at_us, at("2026-08-12T16:03:20.114Z"));
    assert_true(str_eq(d->event_key, whole->event_key));
    assert_same_rows(&d->facts, &whole->facts);
    delivery_free(whole);
    delivery_free(d);
}

/* count calls of one moment, each as much as is needed. */
static str_t calls_at(const char *created, size_t count)
{
    buf_t text = BUF_EMPTY;
    str_t copy;

    buf_addc(&text, '[');
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s{\"id\":\"c%zu\",\"createdAt\":\"%s\",\"updatedAt\":\"%s\"}", i ? "," : "", i, created,
                   created);
    buf_addc(&text, ']');
    copy = arena_dup(test_arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void assert_halves(const remote_page_t *p, const char *from, const char *middle, const char *to)
{
    const remote_step_t *a = &follow_at(p, 0)->step, *b = &follow_at(p, 1)->step;

    assert_int_equal(a->from_us, at(from));
    assert_int_equal(a->to_us, at(middle));
    assert_int_equal(b->from_us, at(middle));
    assert_int_equal(b->to_us, at(to));
}

static void test_a_full_page_is_asked_again_in_halves(void **state)
{
    remote_step_t s = sweep("calls-changed", "2026-08-12T00:00:00Z", "2026-08-13T00:00:00Z"), small = s;
    remote_page_t page;

    (void)state;
    s.cursor = STR("2026-08-12T00:00:00.000Z");
    page = read_page(P, access, &s, calls_at("2026-08-12T01:00:00Z", 99));
    assert_page(&page, 99, 0, 0, 99);
    page = read_page(P, access, &s, calls_at("2026-08-12T01:00:00Z", 100));
    assert_page(&page, 0, 2, 0, 100);
    assert_halves(&page, "2026-08-12T00:00:00Z", "2026-08-12T12:00:00Z", "2026-08-13T00:00:00Z");
    assert_str(follow_at(&page, 1)->step.cursor, "2026-08-12T00:00:00.000Z");
    assert_string_equal(follow_at(&page, 1)->step.what, "calls-changed");
    small.to_us = small.from_us + 3 * US_PER_MS;
    page = read_page(P, access, &small, calls_at("2026-08-12T00:00:00Z", 1000));
    assert_halves(&page, "2026-08-12T00:00:00Z", "2026-08-12T00:00:00.002Z", "2026-08-12T00:00:00.003Z");
}

static void test_too_many_in_a_millisecond_are_said(void **state)
{
    remote_step_t s = sweep("calls-made", "2026-08-12T00:00:00.000Z", "2026-08-12T00:00:00.001Z");
    remote_page_t page = read_page(P, access, &s, calls_at("2026-08-12T00:00:00Z", 999));

    (void)state;
    assert_page(&page, 999, 0, 0, 999);
    page = read_page(P, access, &s, calls_at("2026-08-12T00:00:00Z", 1000));
    assert_page(&page, 1000, 0, 0, 1000);
    assert_str(page.lacks, "1000 calls or more were made at 2026-08-12T00:00:00.000Z: Vapi gives no more of them");
}

static void test_a_server_that_ignores_the_window_is_not_split_for_ever(void **state)
{
    remote_step_t s = sweep("calls-made", "2026-08-10T00:00:00Z", "2026-08-11T00:00:00Z");
    remote_page_t page;

    (void)state;
    assert_unreadable(P, access, &s, calls_at("2026-08-12T00:00:00Z", 100), ERR_UNKNOWN_SHAPE);
    assert_unreadable(P, access, &s, calls_at("2026-08-09T23:59:58.9Z", 1000), ERR_UNKNOWN_SHAPE);
    page = read_page(P, access, &s, calls_at("2026-08-09T23:59:59.5Z", 100)); /* a matter of rounding */
    assert_page(&page, 0, 2, 0, 100);
    page = read_page(P, access, &s, calls_at("2026-08-12T00:00:00Z", 99));
    assert_page(&page, 99, 0, 0, 99);
}

static void test_rows_that_are_no_calls_are_skipped(void **state)
{
    remote_step_t s = sweep("calls-made", "2026-08-12T00:00:00Z", "2026-08-13T00:00:00Z");
    remote_page_t page = read_page(
        P, access, &s,
        STR("[null,1,\"x\",[],{},{\"id\":null},{\"id\":7},{\"id\":\"\"},{\"id\":{\"id\":\"x\"}},"
            "{\"id\":\"a\",\"createdAt\":null,\"status\":[],\"artifact\":\"x\",\"customer\":1,\"costs\":{\"a\":1},"
            "\"analysis\":[1],\"startedAt\":true,\"messages\":{\"a\":{\"role\":\"user\",\"message\":\"x\"}}},"
            "{\"id\":\"b\",\"createdAt\":\"soon\",\"status\":\"ended\",\"endedReason\":{},\"cost\":\"much\"}]"));

    (void)state;
    assert_page(&page, 2, 0, 9, 11);
    assert_string_equal(page.skips->reason, "unreadable");
    assert_int_equal(find_at(&page, 0)->at_us, TIME_NONE);
    assert_int_equal(find_at(&page, 1)->at_us, TIME_NONE);
    assert_understood(P, &page);
}

static void test_answers_of_another_shape_are_refused(void **state)
{
    static const struct {
        const char *body;
        err_code_t code;
    } ANSWERS[] = {
        {"", ERR_UNPARSABLE},
        {"<html><body>502 Bad Gateway</body></html>", ERR_UNPARSABLE},
        {"[{\"id\":\"a\"}", ERR_UNPARSABLE},
        {"null", ERR_UNKNOWN_SHAPE},
        {"{}", ERR_UNKNOWN_SHAPE},
        {"\"[]\"", ERR_UNKNOWN_SHAPE},
        {"{\"results\":[],\"metadata\":{}}", ERR_UNKNOWN_SHAPE},
        {"{\"message\":\"Not Found\",\"statusCode\":404}", ERR_UNKNOWN_SHAPE},
    };
    remote_step_t s[] = {sweep("calls-made", "2026-08-12T00:00:00Z", "2026-08-13T00:00:00Z"),
                         {.what = "call", .id = STR("a")},
                         {.what = "probe"}};

    (void)state;
    for (size_t i = 0; i < COUNT(ANSWERS); i++)
        for (size_t j = 0; j < COUNT(s); j++)
            assert_unreadable(P, access, &s[j], str_from(ANSWERS[i].body), ANSWERS[i].code);
    assert_unreadable(P, access, &s[1], STR("{\"id\":\"b\"}"), ERR_UNKNOWN_SHAPE);
}

static void test_a_good_key_is_told_by_any_list(void **state)
{
    remote_step_t s;
    remote_page_t page;

    (void)state;
    P->remote->probe(access, test_arena, &s);
    page = read_page(P, access, &s, api_answer(P, "assistants"));
    assert_page(&page, 0, 0, 0, 0);
    page = read_page(P, access, &s, STR("[]"));
    assert_page(&page, 0, 0, 0, 0);
}

/* ---- a whole API ---- */

#define CALLS   1500
#define BEGIN   INT64_C(1786500000000) /* ms */
#define SPAN_MS 20000

typedef struct api {
    struct {
        int64_t created_ms, updated_ms;
        int found;
    } calls[CALLS];
    size_t most; /* that it gives, whatever limit says; 0: as limit says */
} api_t;

/* Ties: some moments have hundreds of calls. */
static void make_calls(api_t *api, uint64_t *seed)
{
    int64_t moment = 0;
    size_t left = 0;

    for (size_t i = 0; i < CALLS; i++) {
        if (!left) {
            moment = BEGIN + (int64_t)(next_random(seed) % SPAN_MS);
            left = 1 + (next_random(seed) % 8 ? next_random(seed) % 3 : next_random(seed) % 290);
        }
        left--;
        api->calls[i].created_ms = moment;
        api->calls[i].updated_ms = next_random(seed) % 3 ? moment + (int64_t)(next_random(seed) % SPAN_MS) : moment;
    }
    api->most = next_random(seed) % 2 ? 0 : 300 + next_random(seed) % 700;
}

static bool is_within(const remote_request_t *r, const char *least, const char *below, int64_t ms)
{
    str_t from = query_of(r->url, least), to = query_of(r->url, below);

    return (!from.base || ms >= time_from_iso8601(from) / US_PER_MS) &&
           (!to.base || ms < time_from_iso8601(to) / US_PER_MS);
}

static str_t serve(void *arg, const remote_request_t *r, arena_t *a)
{
    const api_t *api = arg;
    int64_t limit;
    size_t given = 0;
    buf_t text = BUF_EMPTY;
    str_t body;

    assert_true(str_to_int(query_of(r->url, "limit"), &limit));
    buf_addc(&text, '[');
    for (size_t i = 0; i < CALLS && given < (api->most ? api->most : (size_t)limit); i++) {
        char created[32], updated[32];

        if (!is_within(r, "createdAtGe", "createdAtLt", api->calls[i].created_ms) ||
            !is_within(r, "updatedAtGe", "updatedAtLt", api->calls[i].updated_ms))
            continue;
        (void)time_to_iso8601(api->calls[i].created_ms * US_PER_MS, created);
        (void)time_to_iso8601(api->calls[i].updated_ms * US_PER_MS, updated);
        buf_printf(&text, "%s{\"id\":\"%zu\",\"createdAt\":\"%s\",\"updatedAt\":\"%s\"}", given++ ? "," : "", i,
                   created, updated);
    }
    buf_addc(&text, ']');
    body = arena_dup(a, buf_str(&text));
    buf_clear(&text);
    return body;
}

static void note(void *arg, const remote_find_t *f)
{
    api_t *api = arg;
    int64_t i;

    assert_true(str_to_int(f->id, &i) && i >= 0 && i < CALLS);
    api->calls[i].found++;
}

static void test_a_pass_finds_each_call_once(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < 25; round++) {
        api_t *api = mem_zalloc(sizeof(*api));
        walk_t w = {.provider = P, .access = access, .serve = serve, .note = note, .api = api};
        int64_t from = BEGIN + (int64_t)(next_random(&seed) % SPAN_MS);
        int64_t to = from + 1 + (int64_t)(next_random(&seed) % (2 * SPAN_MS));

        make_calls(api, &seed);
        walk_pass(&w, from * US_PER_MS, to * US_PER_MS);
        for (size_t i = 0; i < CALLS; i++) {
            int64_t made = api->calls[i].created_ms, changed = api->calls[i].updated_ms;

            assert_int_equal(api->calls[i].found,
                             (made >= from && made < to) || (made < from && changed >= from && changed < to));
        }
        free(api);
    }
}

/* ---- with what webhooks told ---- */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, strncmp(file, "api-", 4) == 0 ? "api-call" : "events",
                           arena_printf(test_arena, "vapi/%s.json", file).base);
}

static void merge_all(facts_t *rows, delivery_t *const *d, size_t count)
{
    facts_init(rows, test_arena);
    for (size_t i = 0; i < count; i++)
        merge_into(rows, &d[i]->facts);
}

static void free_all(delivery_t **d, size_t count)
{
    for (size_t i = 0; i < count; i++)
        delivery_free(d[i]);
}

static void test_the_api_adds_nothing_to_a_report(void **state)
{
    delivery_t *d[] = {
        deliver_file("webhook.status-update.ringing"),   deliver_file("webhook.status-update.in-progress"),
        deliver_file("webhook.transcript.final-user"),   deliver_file("webhook.conversation-update"),
        deliver_file("webhook.end-of-call-report.full"), deliver_file("api-call.ended")};
    facts_t told, all;

    (void)state;
    merge_all(&told, d, COUNT(d) - 1);
    merge_all(&all, d, COUNT(d));
    assert_same_rows(&told, &all);
    assert_true(holds(find_row(&all, FACT_CALL, NULL)->cells[CALL_METADATA].text, "recordingConsent"));
    assert_order_free(d, COUNT(d), 7);
    free_all(d, COUNT(d));
}

static void test_the_api_fills_in_for_a_lost_report(void **state)
{
    delivery_t *d[] = {deliver_file("webhook.status-update.ringing"), deliver_file("webhook.status-update.in-progress"),
                       deliver_file("webhook.transcript.final-user"), deliver_file("api-call.ended")};
    facts_t all;

    (void)state;
    merge_all(&all, d, COUNT(d));
    ASSERT_CELLS(find_row(&all, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_TOKENS, "1280"},
                 {CALL_TO_NUMBER, "+14155550110"}, {CALL_TRANSCRIPT_SOURCE, "report"},
                 {CALL_METADATA, "{\"phoneNumberId\":\"b00cfca0-a3f0-4109-930b-416bec62b545\"}"},
                 {CALL_ENDED_AT, "2026-08-12T16:03:55.374000Z"});
    ASSERT_CELLS(find_row(&all, FACT_MESSAGE, "report:6"),
                 {MESSAGE_CONTENT, "All set for Friday at two. See you then, goodbye!"});
    assert_order_free(d, COUNT(d), 8);
    free_all(d, COUNT(d));
}

static void test_without_retention_nothing_is_blanked(void **state)
{
    delivery_t *d[] = {deliver_file("webhook.end-of-call-report.forwarded"),
                       deliver_file("api-call.zero-data-retention")};
    facts_t told, all;

    (void)state;
    assert_true(str_eq(d[0]->call_id, d[1]->call_id));
    merge_all(&told, d, 1);
    merge_all(&all, d, 2);
    for (size_t c = 0; c < CALL_COLUMN_COUNT; c++)
        if (find_row(&told, FACT_CALL, NULL)->cells[c].version)
            assert_true(find_row(&all, FACT_CALL, NULL)->cells[c].version);
    assert_int_equal(count_rows(&told, FACT_MESSAGE), count_rows(&all, FACT_MESSAGE));
    assert_true(find_row(&all, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT].text.len > 0);
    assert_order_free(d, COUNT(d), 9);
    free_all(d, COUNT(d));
}

/* The same again but for what changes with every answer is the same event. */
static void test_key_is_of_what_does_not_change_by_itself(void **state)
{
    static const char *const SAME[] = {
        "{\"id\":\"a\",\"status\":\"ended\",\"updatedAt\":\"2026-08-12T16:03:55Z\"}",
        "{\"updatedAt\":\"2026-08-13T16:03:55Z\",\"id\":\"a\",\"status\":\"ended\"}",
        "{\"id\":\"a\",\"status\":\"ended\",\"presignedMonoUrl\":\"x\"}",
    };
    static const char *const OTHERS[] = {"{\"id\":\"a\",\"status\":\"ringing\"}",
                                         "{\"id\":\"a\",\"status\":\"ended\",\"cost\":1}"};
    delivery_t *first = deliver(P, "api-call", BODY_JSON, str_from(SAME[0]));

    (void)state;
    assert_true(str_starts(first->event_key, STR("call:a:api:")));
    for (size_t i = 1; i < COUNT(SAME); i++) {
        delivery_t *d = deliver(P, "api-call", BODY_JSON, str_from(SAME[i]));

        assert_true(str_eq(d->event_key, first->event_key));
        delivery_free(d);
    }
    for (size_t i = 0; i < COUNT(OTHERS); i++) {
        delivery_t *d = deliver(P, "api-call", BODY_JSON, str_from(OTHERS[i]));

        assert_false(str_eq(d->event_key, first->event_key));
        delivery_free(d);
    }
    delivery_free(first);
}

/* What was said so far is a history, which a report replaces; it is no report. */
static void test_a_call_that_goes_on_has_no_report(void **state)
{
    delivery_t *d = deliver(P, "api-call", BODY_JSON,
                            STR("{\"id\":\"a\",\"status\":\"in-progress\",\"startedAt\":\"2026-08-12T16:03:24Z\","
                                "\"cost\":0.1,\"messages\":[{\"role\":\"user\",\"message\":\"Hello\"}]}"));
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(call, {CALL_PHASE, "1"}, {CALL_TRANSCRIPT_SOURCE, "update"}, {CALL_COST, NULL}, {CALL_OUTCOME, NULL});
    assert_int_equal(rank_of(call, CALL_TRANSCRIPT_SOURCE), RANK_EVENT);
    assert_int_equal(rank_of(call, CALL_STARTED_AT), RANK_REPORT);
    assert_non_null(find_row(&d->facts, FACT_MESSAGE, "update:0"));
    delivery_free(d);
}

static void test_what_has_no_id_is_a_dead_letter(void **state)
{
    static const char *const BODIES[] = {"{}", "[]", "null", "{\"id\":7}", "{\"message\":{\"type\":\"hang\"}}"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver(P, "api-call", BODY_JSON, str_from(BODIES[i]));

        assert_non_null(d->error.base);
        assert_null(d->facts.first);
        delivery_free(d);
    }
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        api_test(test_without_a_key_there_is_no_access),
        api_test(test_addresses_that_would_tell_the_key_are_refused),
        api_test(test_pace_is_a_setting),
        api_test(test_a_pass_is_what_was_made_and_what_changed),
        api_test(test_open_ends_are_closed),
        api_test(test_a_millisecond_is_asked_for_all_that_is_granted),
        api_test(test_one_call_is_asked_by_its_id),
        api_test(test_another_region_and_a_prefix),
        api_test(test_steps_of_nobody_are_not_asked),
        api_test(test_every_call_of_a_page_is_found),
        api_test(test_a_find_is_the_call_as_it_came),
        api_test(test_a_full_page_is_asked_again_in_halves),
        api_test(test_too_many_in_a_millisecond_are_said),
        api_test(test_a_server_that_ignores_the_window_is_not_split_for_ever),
        api_test(test_rows_that_are_no_calls_are_skipped),
        api_test(test_answers_of_another_shape_are_refused),
        api_test(test_a_good_key_is_told_by_any_list),
        api_test(test_a_pass_finds_each_call_once),
        api_test(test_the_api_adds_nothing_to_a_report),
        api_test(test_the_api_fills_in_for_a_lost_report),
        api_test(test_without_retention_nothing_is_blanked),
        api_test(test_key_is_of_what_does_not_change_by_itself),
        api_test(test_a_call_that_goes_on_has_no_report),
        api_test(test_what_has_no_id_is_a_dead_letter),
    };

    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
