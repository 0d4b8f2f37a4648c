#include "remote_harness.h"

extern const provider_t provider_teli;
#define P (&provider_teli)

#define ORG  "1735611774964x329409709645939916"
#define BASE "https://api.teli.ai"

#define ACCESS() access_of(P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", ORG}, {"TELI_API_GAP", "0"}))

static str_t asked(const void *access, const remote_step_t *step)
{
    return url_of(P, access, step, "x-api-key", "key");
}

static remote_page_t read_fixture(const void *access, const remote_step_t *step, const char *name)
{
    return read_page(P, access, step, api_answer(P, name));
}

/* Of what the pass begins with: the first of that kind. */
static remote_step_t first_step(const void *access, const char *resource, const char *what, int64_t from_us,
                                int64_t to_us)
{
    remote_page_t page;

    page = begin_pass(P, access, resource, from_us, to_us);
    for (const remote_follow_t *f = page.follows; f; f = f->next)
        if (strcmp(f->step.what, what) == 0)
            return f->step;
    fail_msg("no step %s", what);
    return page.follows->step;
}

/* ---- settings ---- */

static void test_without_a_key_nothing_is_fetched(void **state)
{
    (void)state;
    assert_no_access(P, SETTINGS({"TELI_ORGANIZATION_ID", ORG}), NULL);
    P->remote->access_free(NULL);
}

static void test_a_key_needs_an_organisation_and_an_address_that_is_safe(void **state)
{
    (void)state;
    assert_no_access(P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", " , "}), "TELI_ORGANIZATION_ID");
    assert_no_access(
        P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", ORG}, {"TELI_API_URL", "http://api.teli.ai"}),
        "TELI_API_URL");
    assert_no_access(
        P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}),
        "TELI_ORGANIZATION_ID");
}

static void test_the_pace_is_set(void **state)
{
    void *slow = access_of(P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", ORG})), *fast = ACCESS();

    (void)state;
    assert_int_equal(P->remote->gap_us(slow), US_PER_S);
    assert_int_equal(P->remote->gap_us(fast), 0);
    P->remote->access_free(slow);
    P->remote->access_free(fast);
}

/* ---- requests ---- */

#define LIST(org, status)                                                                                              \
    BASE "/v1/voice/calls?organization_id=" org "&is_admin=true&call_status=" status                                   \
         "&limit=100&start_date=2026-08-12T13:59:59.999Z&end_date=2026-08-12T17:00:00.000Z"

static void test_every_organisation_and_status_is_asked_for(void **state)
{
    static const char *const WANT[] = {LIST("1x1", "ended"),   LIST("1x1", "error"),   LIST("1x1", "ongoing"),
                                       LIST("2%26x", "ended"), LIST("2%26x", "error"), LIST("2%26x", "ongoing")};
    void *access = access_of(P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", "1x1, 2&x"}));
    remote_page_t page;
    size_t n = 0;

    (void)state;
    page = begin_pass(P, access, "calls", at("2026-08-12T14:00:00Z"), at("2026-08-12T17:00:00Z"));
    for (const remote_follow_t *f = page.follows; f; f = f->next) {
        assert_true(n < COUNT(WANT));
        assert_absent(f->change_mark);
        assert_str(asked(access, &f->step), WANT[n++]);
    }
    assert_int_equal(n, COUNT(WANT));
    page = begin_pass(P, access, "agents", TIME_NONE, TIME_NONE);
    assert_int_equal(count_follows(&page), 2);
    assert_str(asked(access, &page.follows->next->step), BASE "/v1/agents?organization_id=2%26x&is_admin=true");
    P->remote->access_free(access);
}

static void test_bounds_are_whole_milliseconds_that_hold_the_window(void **state)
{
    void *access = ACCESS();
    remote_step_t step = first_step(access, "calls", "calls-ended", at("2026-08-12T14:00:00.000500Z"),
                                    at("2026-08-12T17:00:00.000001Z"));

    (void)state;
    assert_true(holds(asked(access, &step), "&start_date=2026-08-12T13:59:59.999Z&end_date=2026-08-12T17:00:00.001Z"));
    step.from_us = step.to_us = TIME_NONE;
    assert_false(holds(asked(access, &step), "_date"));
    P->remote->access_free(access);
}

static void test_one_call_the_probe_and_an_export(void **state)
{
    void *access = access_of(
        P, SETTINGS({"TELI_API_KEY", "key"}, {"TELI_ORGANIZATION_ID", ORG}, {"TELI_API_URL", "http://127.0.0.1:9/x/"}));
    remote_step_t step;

    (void)state;
    assert_true(P->remote->one(access, STR("call_1/?#"), test_arena, &step));
    assert_str(asked(access, &step), "http://127.0.0.1:9/x/v1/voice/calls/call_1%2F%3F%23");
    P->remote->probe(access, test_arena, &step);
    assert_str(asked(access, &step), "http://127.0.0.1:9/x/v1/agents?organization_id=" ORG "&is_admin=true");
    step.what = "export-error";
    step.from_us = at("2026-08-12T14:00:00Z");
    assert_str(asked(access, &step),
               "http://127.0.0.1:9/x/v1/voice/calls?organization_id=" ORG
               "&is_admin=true&call_status=error&format=json&columns=call_id,start_time,end_time,duration_seconds,"
               "from_number,to_number,direction,agent_name,user_sentiment,call_successful,in_voicemail,call_status,"
               "recording_url,campaign_id,contact_id,transcript&start_date=2026-08-12T13:59:59.999Z");
    P->remote->access_free(access);
}

static void test_what_is_no_step_is_not_asked(void **state)
{
    static const remote_step_t STEPS[] = {
        {.what = "call", .from_us = TIME_NONE, .to_us = TIME_NONE},
        {.what = "call", .id = {"..", 2}},
        {.what = "agents"},
        {.what = "calls-ended"},
        {.what = "of-another-version", .cursor = {"1", 1}},
        {.what = "calls-ended", .from_us = 5, .to_us = 5, .cursor = {"1", 1}},
        {.what = "calls-ended", .from_us = INT64_MAX - 1, .to_us = INT64_MAX, .cursor = {"1", 1}},
        {.what = "export-ended", .from_us = -1, .to_us = 5, .cursor = {"1", 1}},
        {.what = "agents", .cursor = {"1&is_admin=false", 16}},
    };
    void *access = ACCESS();

    (void)state;
    for (size_t i = 0; i < COUNT(STEPS); i++)
        assert_not_asked(P, access, &STEPS[i]);
    P->remote->access_free(access);
}

/* ---- answers ---- */

#define WHOLE_DAY at("2026-08-12T00:00:00Z"), at("2026-08-13T00:00:00Z")

static void test_a_list_finds_its_rows_and_asks_for_their_details(void **state)
{
    void *access = ACCESS();
    remote_step_t step = first_step(access, "calls", "calls-ended", WHOLE_DAY);
    remote_page_t page = read_fixture(access, &step, "voice-calls.window-full.page-1");

    (void)state;
    assert_int_equal(page.seen, 3);
    assert_int_equal(count_finds(&page), 3);
    assert_string_equal(page.finds->route, "api-call");
    assert_str(page.finds->id, "call_3b9d59d3690a2b408ddadb80e1f");
    assert_int_equal(page.finds->at_us, INT64_C(1786553820000) * US_PER_MS);
    assert_true(holds(page.finds->payload, "\"start_timestamp\":1786553820000"));
    assert_int_equal(count_follows(&page), 3); /* three are no full page */
    assert_string_equal(page.follows->step.what, "call");
    assert_str(page.follows->step.id, "call_3b9d59d3690a2b408ddadb80e1f");
    assert_str(page.follows->change_mark, "2026-08-12T16:58:19.000077");
    page = read_fixture(access, &step, "voice-calls.empty");
    assert_int_equal(page.seen + count_finds(&page) + count_follows(&page), 0);
    page = read_fixture(access, &step, "voice-calls.with-from-number.seed-001-variant");
    assert_true(holds(page.finds->payload, "+14155550151"));
    page = read_fixture(access, &step, "voice-calls.status-error");
    assert_str(page.finds->id, "call_a8ace02e9702c75da8db7fef47f");
    for (const char *const *name = (const char *const[]){"2", "3.last", NULL}; *name; name++) {
        page = read_fixture(access, &step, arena_printf(test_arena, "voice-calls.window-walk.page-%s", *name).base);
        assert_int_equal(count_finds(&page), 3);
    }
    P->remote->access_free(access);
}

static void test_an_export_is_as_good_as_a_list(void **state)
{
    void *access = ACCESS();
    remote_step_t step = first_step(access, "calls", "calls-ended", WHOLE_DAY);
    remote_page_t page, again;

    (void)state;
    step.what = "export-ended";
    page = read_fixture(access, &step, "voice-calls.export-json");
    again = read_fixture(access, &step, "voice-calls.export-json");
    assert_int_equal(count_finds(&page), 2);
    assert_str(page.finds->id, "call_0911c54e6b547ff9fac65615c19");
    assert_int_equal(page.finds->at_us, at("2026-08-12T16:38:00Z"));
    assert_int_equal(count_follows(&page), 2);
    assert_true(page.follows->change_mark.len && str_eq(page.follows->change_mark, again.follows->change_mark));
    P->remote->access_free(access);
}

static void test_a_detail_is_the_call_itself(void **state)
{
    static const struct {
        const char *name, *id;
    } CASES[] = {
        {"inbound", "call_0911c54e6b547ff9fac65615c19"},
        {"outbound-voicemail", "call_a3e4e6158f627f21c6528108073"},
        {"not-analyzed-yet", "call_3b9d59d3690a2b408ddadb80e1f"},
    };
    void *access = ACCESS();

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        remote_step_t step;
        remote_page_t page;
        delivery_t *d;

        assert_true(P->remote->one(access, str_from(CASES[i].id), test_arena, &step));
        page = read_fixture(access, &step, arena_printf(test_arena, "voice-call-by-id.%s", CASES[i].name).base);
        assert_int_equal(count_finds(&page), 1);
        assert_null(page.follows);
        assert_str(page.finds->id, CASES[i].id);
        d = deliver_found(P, page.finds);
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_CONFIRMED, "1"});
        delivery_free(d);
    }
    P->remote->access_free(access);
}

static void test_agents_are_found_with_all_notations(void **state)
{
    void *access = ACCESS();
    remote_step_t step = first_step(access, "agents", "agents", TIME_NONE, TIME_NONE);
    remote_page_t page = read_fixture(access, &step, "agents");
    delivery_t *d = deliver(P, page.finds->route, BODY_JSON, page.finds->payload);

    (void)state;
    assert_int_equal(page.seen, 3);
    assert_int_equal(count_finds(&page), 3);
    assert_null(page.follows);
    assert_absent(page.finds->id);
    assert_int_equal(count_rows(&d->facts, FACT_ALIAS), 3); /* two of the four are equal */
    assert_int_equal(count_rows(&d->facts, FACT_CALL), 0);
    assert_absent(d->call_id);
    delivery_free(d);
    P->remote->access_free(access);
}

static void test_an_object_that_says_nothing_new_is_no_other_event(void **state)
{
    static const char CALL[] =
        "{\"call_id\":\"c\",\"updated_at\":\"%s\",\"recording_url\":\"%s\",\"agent_name\":\"%s\"}";
    delivery_t *a = deliver(P, "api-call", BODY_JSON, arena_printf(test_arena, CALL, "1", "https://a/?s=1", "x"));
    delivery_t *b = deliver(P, "api-call", BODY_JSON, arena_printf(test_arena, CALL, "2", "https://a/?s=2", "x"));
    delivery_t *c = deliver(P, "api-call", BODY_JSON, arena_printf(test_arena, CALL, "2", "https://a/?s=2", "y"));

    (void)state;
    assert_true(str_starts(a->event_key, STR("call:c:api:")));
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

/* A list says neither how its calls ended nor whether they were ever connected: whoever does is believed. */
static void test_a_row_of_a_list_leaves_the_outcome_to_its_detail(void **state)
{
    static const char ROW[] = "{\"call_id\":\"c\",\"call_status\":\"ended\",\"start_timestamp\":1786552680000}";
    static const char DETAIL[] = "{\"call_id\":\"c\",\"call_status\":\"ended\",\"start_timestamp\":1786552680000,"
                                 "\"disconnection_reason\":\"dial_no_answer\"}";
    delivery_t *d[] = {deliver(P, "api-call", BODY_JSON, STR(ROW)), deliver(P, "api-call", BODY_JSON, STR(DETAIL))};
    facts_t rows;

    (void)state;
    ASSERT_CELLS(find_row(&d[0]->facts, FACT_CALL, NULL), {CALL_OUTCOME, "completed"}, {CALL_CONNECTED_AT, NULL});
    facts_init(&rows, test_arena);
    merge_into(&rows, &d[0]->facts);
    merge_into(&rows, &d[1]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_OUTCOME, "failed"}, {CALL_CONNECTED_AT, NULL},
                 {CALL_END_REASON, "dial_no_answer"});
    assert_order_free(d, COUNT(d), 5);
    delivery_free(d[0]);
    delivery_free(d[1]);
}

/* Some deployments' lists have the beginning of a transcript, and one of the extracted fields. */
static void test_a_row_of_a_list_never_outdoes_the_detail(void **state)
{
    static const char *const TEXTS[] = {"A", "Z"};
    delivery_t *detail = deliver_fixture(P, "api-call", "teli/api-call.detail.inbound.json");
    const fact_t *whole = find_row(&detail->facts, FACT_CALL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(TEXTS); i++) { /* whose texts are before and behind the detail's, by their letters */
        str_t row = arena_printf(test_arena,
                                 "{\"call_id\":\"call_0911c54e6b547ff9fac65615c19\",\"call_status\":\"ended\","
                                 "\"end_timestamp\":1786552806000,\"call_analyzed_at\":\"2026-08-12T16:40:20.500001\","
                                 "\"transcript\":\"%s\",\"extracted_fields\":{\"first_name\":\"%s\"}}",
                                 TEXTS[i], TEXTS[i]);
        delivery_t *d[] = {deliver(P, "api-call", BODY_JSON, row), detail};
        facts_t rows;

        facts_init(&rows, test_arena);
        merge_into(&rows, &d[0]->facts);
        merge_into(&rows, &d[1]->facts);
        ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL),
                     {CALL_TRANSCRIPT, arena_dup(test_arena, whole->cells[CALL_TRANSCRIPT].text).base},
                     {CALL_EXTRACTED, arena_dup(test_arena, whole->cells[CALL_EXTRACTED].text).base});
        assert_order_free(d, COUNT(d), 3);
        delivery_free(d[0]);
    }
    delivery_free(detail);
}

/* The API's word of a call joins what its webhooks told: one call, one transcript, and it is confirmed. */
static void test_a_call_known_from_webhooks_gains_only_what_was_missing(void **state)
{
    delivery_t *d[] = {
        deliver_fixture(P, "events", "teli/webhook.call_started.json"),
        deliver_fixture(P, "events", "teli/webhook.call_analyzed.all-fields.json"),
        deliver_fixture(P, "api-call", "teli/api-call.detail.inbound.json"),
        deliver_fixture(P, "api-call", "teli/api-call.row.ended.json"),
        deliver_fixture(P, "api-call", "teli/api-call.export.inbound.json"),
    };
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 4);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_CONFIRMED, "1"}, {CALL_CUSTOMER_NAME, "Dana Ibáñez"},
                 {CALL_OUTCOME, "completed"}, {CALL_SENTIMENT, "Positive"}, {CALL_END_REASON, "user_hangup"});
    assert_order_free(d, COUNT(d), 29);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_what_is_no_answer_is_an_error_of_the_step(void **state)
{
    static const char *const BODIES[] = {
        "",
        "<html>502</html>",
        "[]",
        "7",
        "{}",
        "{\"success\":true}",
        "{\"success\":true,\"calls\":{},\"agents\":\"x\",\"call\":[]}",
        "{\"success\":false,\"calls\":[],\"agents\":[],\"call\":{\"call_id\":\"c\"}}",
        "{\"success\":true,\"error\":\"no\",\"calls\":[],\"agents\":[],\"call\":{\"call_id\":\"c\"}}",
        "{\"success\":true,\"call\":{\"call_id\":\"another\"}}",
        "{\"success\":true,\"calls\":[{\"call_id\":",
    };
    static const char *const FIXED[] = {"success-false-with-200", "error-400.missing-organization", "error-401",
                                        "error-404", "error-500"};
    static const char *const WHATS[] = {"calls-ended", "export-ongoing", "agents", "call"};
    void *access = ACCESS();

    (void)state;
    for (size_t w = 0; w < COUNT(WHATS); w++) {
        remote_step_t step = {
            .what = WHATS[w], .from_us = TIME_NONE, .to_us = TIME_NONE, .cursor = STR(ORG), .id = STR("c")};
        remote_page_t page;
        err_t err;

        for (size_t i = 0; i < COUNT(BODIES) + COUNT(FIXED); i++) {
            str_t body = i < COUNT(BODIES) ? str_from(BODIES[i]) : api_answer(P, FIXED[i - COUNT(BODIES)]);

            if (try_read(P, access, &step, body, &page, &err))
                fail_msg("%s takes " STR_FMT, WHATS[w], STR_ARG(body));
            assert_true(err.code == ERR_UNPARSABLE || err.code == ERR_UNKNOWN_SHAPE);
            assert_true(err.detail[0]);
        }
    }
    P->remote->access_free(access);
}

/* The detail of an error goes to a log. */
static void test_an_error_tells_what_teli_said_but_no_secret(void **state)
{
    void *access = access_of(P, SETTINGS({"TELI_API_KEY", "k-1234567"}, {"TELI_ORGANIZATION_ID", ORG}));
    remote_step_t step = first_step(access, "agents", "agents", TIME_NONE, TIME_NONE);
    remote_page_t page;
    err_t err;

    (void)state;
    assert_false(try_read(P, access, &step, STR("{\"success\":false,\"error\":\"try later\"}"), &page, &err));
    assert_true(holds(str_from(err.detail), "try later"));
    assert_false(try_read(P, access, &step, STR("{\"error\":\"no such key: k-1234567\"}"), &page, &err));
    assert_false(holds(str_from(err.detail), "k-1234567"));
    P->remote->access_free(access);
}

static void test_a_row_that_cannot_be_read_is_skipped(void **state)
{
    static const char ROWS[] = "{\"success\":true,\"calls\":[null,7,{},{\"call_id\":\"\"},{\"call_id\":\"..\"},"
                               "{\"call_id\":\"c\",\"start_timestamp\":\"soon\",\"updated_at\":null}],"
                               "\"agents\":[null,{},{\"agent_id\":\"a\"}]}";
    remote_step_t step = {.what = "calls-error", .from_us = TIME_NONE, .to_us = TIME_NONE, .cursor = STR(ORG)};
    void *access = ACCESS();
    remote_page_t page;
    err_t err;
    size_t skipped = 0;

    (void)state;
    assert_true(try_read(P, access, &step, STR(ROWS), &page, &err));
    assert_int_equal(page.seen, 6);
    assert_int_equal(count_finds(&page), 1);
    assert_int_equal(page.finds->at_us, TIME_NONE);
    for (const remote_skip_t *s = page.skips; s; s = s->next, skipped++)
        assert_string_equal(s->reason, "unreadable");
    assert_int_equal(skipped, 5);
    step.what = "agents";
    assert_true(try_read(P, access, &step, STR(ROWS), &page, &err));
    assert_int_equal(count_finds(&page), 1);
    P->remote->access_free(access);
}

/* ---- a whole pass over an API that is played here ---- */

#define MOST_CALLS 700
#define DAY_MS     INT64_C(86400000)
#define NEW_YEAR   INT64_C(1767225600000) /* ms: 2026-01-01 */

typedef struct api {
    int64_t at_ms[MOST_CALLS]; /* newest first */
    size_t n, export_cap;
    bool ignores_start, ignores_end, start_exclusive, end_inclusive;
    size_t asked, exports;
    bool found[MOST_CALLS];
} api_t;

static int newest_first(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x < *y) - (*x > *y);
}

/* Some calls have one start in common, now and then more than a page of them. */
static void make_calls(api_t *api, uint64_t *seed)
{
    size_t same = next_random(seed) % 4 ? 3 : 150;

    api->n = next_random(seed) % MOST_CALLS;
    for (size_t i = 0; i < api->n; i++) {
        bool repeats = i && i % 200 < same;

        api->at_ms[i] = repeats ? api->at_ms[i - 1] : NEW_YEAR + (int64_t)(next_random(seed) % (uint64_t)DAY_MS);
    }
    qsort(api->at_ms, api->n, sizeof(*api->at_ms), newest_first);
}

static int64_t date_in(str_t url, const char *name)
{
    const char *at = memmem(url.base, url.len, name, strlen(name));
    str_t text =
        at ? str_slice((str_t){at, (size_t)(url.base + url.len - at)}, strlen(name), strlen(name) + 24) : STR_NONE;

    return at ? time_from_iso8601(text) / US_PER_MS : TIME_NONE;
}

static bool is_shown(const api_t *api, int64_t at_ms, int64_t start_ms, int64_t end_ms)
{
    if (!api->ignores_start && (api->start_exclusive ? at_ms <= start_ms : at_ms < start_ms))
        return false;
    return api->ignores_end || (api->end_inclusive ? at_ms <= end_ms : at_ms < end_ms);
}

static str_t answer(api_t *api, arena_t *a, str_t url, bool *truncated)
{
    bool is_export = holds(url, "&format=json");
    size_t cap = is_export ? api->export_cap : 100, given = 0;
    int64_t start_ms = date_in(url, "&start_date="), end_ms = date_in(url, "&end_date=");
    buf_t out = BUF_EMPTY;
    str_t text;

    api->asked++;
    api->exports += is_export;
    *truncated = false;
    buf_printf(&out, "{\"success\":true,\"calls\":[");
    for (size_t i = 0; i < api->n; i++) {
        if (!is_shown(api, api->at_ms[i], start_ms, end_ms))
            continue;
        *truncated = is_export && given == cap;
        if (given++ >= cap)
            break;
        buf_printf(&out, "%s{\"call_id\":\"%zu\",\"start_timestamp\":%lld,\"updated_at\":\"1\"}", given > 1 ? "," : "",
                   i, (long long)api->at_ms[i]);
    }
    buf_printf(&out, "]}");
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

typedef struct queue {
    remote_step_t steps[64];
    size_t n;
} queue_t;

static void put(queue_t *q, const remote_page_t *page)
{
    for (const remote_follow_t *f = page->follows; f; f = f->next) {
        if (strcmp(f->step.what, "call") == 0)
            continue;
        assert_true(q->n < COUNT(q->steps));
        q->steps[q->n++] = f->step;
    }
}

/* One status is enough: all are walked alike. False: what is missing cannot be had, and was said. */
static bool walk(const void *access, api_t *api, int64_t from_us, int64_t to_us)
{
    queue_t q = {.n = 1, .steps = {first_step(access, "calls", "calls-ended", from_us, to_us)}};
    bool whole = true;

    while (q.n) {
        remote_step_t step = q.steps[--q.n];
        remote_page_t page;
        bool truncated;
        str_t body = answer(api, test_arena, asked(access, &step), &truncated);

        if (api->asked > 4 * MOST_CALLS)
            fail_msg("it has no end");
        page = read_page_with(P, access, &step, body, truncated ? "x-export-truncated" : NULL, "true");
        for (const remote_find_t *f = page.finds; f; f = f->next)
            api->found[strtoul(f->id.base, NULL, 10)] = true;
        whole = whole && !page.lacks.base;
        put(&q, &page);
    }
    return whole;
}

static void assert_all_found(const api_t *api, int64_t from_us, int64_t to_us, size_t round)
{
    for (size_t i = 0; i < api->n; i++) {
        int64_t at_us = api->at_ms[i] * US_PER_MS;

        if (at_us >= from_us && at_us < to_us && !api->found[i])
            fail_msg("round %zu: call %zu of %zu at %lld is not found", round, i, api->n, (long long)api->at_ms[i]);
    }
}

static void test_a_pass_finds_every_call_of_its_window(void **state)
{
    uint64_t seed = 20261121;
    void *access = ACCESS();
    api_t *api = mem_alloc(sizeof(*api));
    size_t exports = 0;

    (void)state;
    for (size_t round = 0; round < 400; round++) {
        int64_t from_us = NEW_YEAR * US_PER_MS + (int64_t)(next_random(&seed) % (uint64_t)(DAY_MS * US_PER_MS / 2));
        int64_t to_us = from_us + 1 + (int64_t)(next_random(&seed) % (uint64_t)(DAY_MS * US_PER_MS));
        uint64_t how = next_random(&seed);

        memset(api, 0, sizeof(*api));
        make_calls(api, &seed);
        api->export_cap = how & 8 ? 50000 : 160;
        api->start_exclusive = how & 1;
        api->end_inclusive = how & 2;
        api->ignores_end = (how & 0x30) == 0;
        api->ignores_start = (how & 0xf0) == 0;
        if (walk(access, api, from_us, to_us))
            assert_all_found(api, from_us, to_us, round);
        else
            assert_true(api->ignores_end && api->export_cap == 160); /* more than can be had, and that is said */
        exports += api->exports;
        arena_free(test_arena);
        test_arena = arena_new(65536);
    }
    assert_true(exports > 0);
    free(api);
    P->remote->access_free(access);
}

/* A server that knows no window at all, and cuts its export off: the pass ends, and says that it is not whole. */
static void test_a_pass_that_cannot_be_whole_says_so(void **state)
{
    void *access = ACCESS();
    api_t *api = mem_zalloc(sizeof(*api));

    (void)state;
    api->n = 600;
    api->export_cap = 200;
    api->ignores_start = api->ignores_end = true;
    for (size_t i = 0; i < api->n; i++)
        api->at_ms[i] = NEW_YEAR + DAY_MS - (int64_t)i * 60000;
    assert_false(walk(access, api, (NEW_YEAR + DAY_MS / 2) * US_PER_MS, (NEW_YEAR + DAY_MS) * US_PER_MS));
    assert_true(api->asked < 10);
    free(api);
    P->remote->access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_without_a_key_nothing_is_fetched),
        provider_test(test_a_key_needs_an_organisation_and_an_address_that_is_safe),
        provider_test(test_the_pace_is_set),
        provider_test(test_every_organisation_and_status_is_asked_for),
        provider_test(test_bounds_are_whole_milliseconds_that_hold_the_window),
        provider_test(test_one_call_the_probe_and_an_export),
        provider_test(test_what_is_no_step_is_not_asked),
        provider_test(test_a_list_finds_its_rows_and_asks_for_their_details),
        provider_test(test_an_export_is_as_good_as_a_list),
        provider_test(test_a_detail_is_the_call_itself),
        provider_test(test_agents_are_found_with_all_notations),
        provider_test(test_an_object_that_says_nothing_new_is_no_other_event),
        provider_test(test_a_row_of_a_list_leaves_the_outcome_to_its_detail),
        provider_test(test_a_row_of_a_list_never_outdoes_the_detail),
        provider_test(test_a_call_known_from_webhooks_gains_only_what_was_missing),
        provider_test(test_what_is_no_answer_is_an_error_of_the_step),
        provider_test(test_an_error_tells_what_teli_said_but_no_secret),
        provider_test(test_a_row_that_cannot_be_read_is_skipped),
        provider_test(test_a_pass_finds_every_call_of_its_window),
        provider_test(test_a_pass_that_cannot_be_whole_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
