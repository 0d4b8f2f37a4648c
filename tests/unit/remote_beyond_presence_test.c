#include "remote_harness.h"

extern const provider_t provider_beyond_presence;
#define P (&provider_beyond_presence)

#define KEY         "sk-0123456789abcdef"
#define CALL        "bd7656c1-bb26-4e7f-a2a2-9c2d8b54fce6"
#define BASE        "https://api.bey.dev"
#define ASK(s, url) assert_str(url_of(P, access, &(s), "x-api-key", KEY), (url))

#define LONG_AFTER "Sun, 16 Aug 2026 12:00:00 GMT"

static void *access;

static int setup(void **state)
{
    (void)harness_setup(state);
    access = access_of(P, SETTINGS({"BEY_API_KEY", KEY}));
    return 0;
}

static int teardown(void **state)
{
    P->remote->access_free(access);
    return harness_teardown(state);
}

#define api_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* date: of the answer. */
static remote_page_t read_dated(const remote_step_t *s, str_t body, const char *date)
{
    return read_page_with(P, access, s, body, date ? "date" : NULL, date);
}

static remote_step_t step(const char *what, const char *id)
{
    return (remote_step_t){.what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .id = str_from(id)};
}

static remote_step_t list_since(const char *from)
{
    return (remote_step_t){.what = "list", .from_us = at(from), .to_us = at("2026-08-13T00:00:00Z")};
}

/* ---- settings ---- */

static void test_without_a_key_there_is_no_access(void **state)
{
    err_t err;

    (void)state;
    assert_null(access_or_null(P, SETTINGS({"BEY_API_PREFIX", "x"}), &err));
    assert_int_equal(err.code, ERR_NONE);
    P->remote->access_free(NULL);
    assert_int_equal(P->remote->gap_us(access), 500000);
}

static void test_settings_that_make_no_address_are_refused(void **state)
{
    static const char *const BAD[] = {"v1/calls", "/v1/calls/", "/", "/v1/calls?limit=1", "/v1/c alls", "/v1/#"};

    (void)state;
    for (size_t i = 0; i < COUNT(BAD); i++)
        assert_bad_setting(P, SETTINGS({"BEY_API_KEY", KEY}, {"BEY_API_PREFIX", BAD[i]}), "BEY_API_PREFIX", "");
    assert_bad_setting(P, SETTINGS({"BEY_API_KEY", KEY}, {"BEY_API_URL", "http://api.bey.dev"}), "BEY_API_URL",
                       "http://api.bey.dev");
    assert_bad_setting(P, SETTINGS({"BEY_API_KEY", KEY}, {"BEY_API_GAP", "-1"}), "BEY_API_GAP", "");
}

/* ---- what is asked ---- */

static void test_a_pass_is_a_walk_through_the_list(void **state)
{
    remote_page_t page;
    remote_step_t s;

    (void)state;
    page = begin_pass(P, access, "calls", at("2026-08-12T00:00:00Z"), TIME_NONE);
    assert_int_equal(count_follows(&page), 1);
    s = page.follows->step;
    assert_string_equal(s.what, "list");
    assert_int_equal(s.from_us, at("2026-08-12T00:00:00Z"));
    assert_int_equal(s.to_us, TIME_NONE);
    ASK(s, BASE "/v1/calls?limit=50");
    s.cursor = STR("c2FtcGxl+/=&x");
    ASK(s, BASE "/v1/calls?limit=50&cursor=c2FtcGxl%2B%2F%3D%26x");
}

static void test_every_step_asks_for_its_own(void **state)
{
    static const struct {
        const char *what, *id, *path;
    } STEPS[] = {
        {"list", NULL, "/v1/calls?limit=50"},      {"list-other", NULL, "/v1/conversations?limit=50"},
        {"call", "a/b", "/v1/calls/a%2Fb"},        {"call-other", "a", "/v1/conversations/a"},
        {"messages", "a", "/v1/calls/a/messages"}, {"messages-other", "...", "/v1/conversations/.../messages"},
        {"probe", NULL, "/v1/auth/verify"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(STEPS); i++) {
        remote_step_t s = step(STEPS[i].what, STEPS[i].id);

        ASK(s, arena_printf(test_arena, BASE "%s", STEPS[i].path).base);
    }
}

static void test_the_newer_name_falls_back_on_the_older(void **state)
{
    void *newer = access_of(P, SETTINGS({"BEY_API_KEY", KEY}, {"BEY_API_PREFIX", "/v1/conversations"},
                                        {"BEY_API_URL", "http://127.0.0.1:80/"}, {"BEY_API_GAP", "0"}));
    remote_step_t s = step("list", NULL), other = step("call-other", "a");

    (void)state;
    assert_str(url_of(P, newer, &s, "x-api-key", KEY), "http://127.0.0.1:80/v1/conversations?limit=50");
    assert_str(url_of(P, newer, &other, "x-api-key", KEY), "http://127.0.0.1:80/v1/calls/a");
    assert_int_equal(P->remote->gap_us(newer), 0);
    P->remote->access_free(newer);
}

static void test_one_call_and_the_key(void **state)
{
    remote_step_t s;

    (void)state;
    assert_true(P->remote->one(access, STR(CALL), test_arena, &s));
    ASK(s, BASE "/v1/calls/" CALL);
    assert_false(P->remote->one(access, STR("."), test_arena, &s));
    P->remote->probe(access, test_arena, &s);
    ASK(s, BASE "/v1/auth/verify");
    (void)read_page(P, access, &s, STR_NONE); /* 204 */
}

static void test_steps_of_nobody_are_not_asked(void **state)
{
    remote_step_t steps[] = {step("calls", "a"), step("", NULL),         step("call", NULL),
                             step("call", ".."), step("messages", ".."), step("call-other", "")};

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_not_asked(P, access, &steps[i]);
    assert_unreadable(P, access, &steps[0], STR("[]"), ERR_UNKNOWN_SHAPE);
}

/* ---- a name that is not there ---- */

static bool is_refused(const remote_step_t *s, int status, remote_page_t *page)
{
    const remote_response_t r = {.status = status, .body = STR("{\"detail\":\"Not Found\"}")};

    remote_page_init(page, test_arena);
    return P->remote->refused(access, s, &r, page);
}

static void test_a_name_that_is_not_there_is_asked_by_the_other(void **state)
{
    remote_step_t list = list_since("2026-08-12T00:00:00Z"), call = step("call", CALL);
    remote_page_t page;

    (void)state;
    assert_true(is_refused(&list, 404, &page));
    assert_page(&page, 0, 1, 0, 0);
    assert_string_equal(page.follows->step.what, "list-other");
    assert_int_equal(page.follows->step.from_us, list.from_us);
    assert_int_equal(page.follows->step.to_us, list.to_us);
    assert_absent(page.follows->change_mark);
    assert_true(is_refused(&call, 404, &page));
    assert_string_equal(page.follows->step.what, "call-other");
    assert_str(page.follows->step.id, CALL);
}

static void test_other_refusals_are_the_engines(void **state)
{
    static const int STATUSES[] = {400, 401, 402, 403, 422, 429, 500, 503};
    remote_step_t list = list_since("2026-08-12T00:00:00Z"), second = list;
    const remote_step_t steps[] = {step("list-other", NULL),    step("call-other", "a"), step("messages", "a"),
                                   step("messages-other", "a"), step("probe", NULL),     step("x", NULL)};
    remote_page_t page;

    (void)state;
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        assert_false(is_refused(&list, STATUSES[i], &page));
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_false(is_refused(&steps[i], 404, &page));
    second.cursor = STR("c");
    assert_false(is_refused(&second, 404, &page));
    assert_page(&page, 0, 0, 0, 0);
}

/* ---- what lists mean ---- */

static void assert_messages_follow(const remote_page_t *p, size_t place, const char *what, const char *id,
                                   const char *mark)
{
    const remote_follow_t *f = follow_at(p, place);

    assert_string_equal(f->step.what, what);
    assert_str(f->step.id, id);
    if (mark)
        assert_str(f->change_mark, mark);
    else
        assert_absent(f->change_mark);
}

static void test_pages_are_followed_to_the_last(void **state)
{
    remote_step_t s = list_since("2026-08-12T00:00:00Z"), next;
    remote_page_t page = read_dated(&s, api_answer(P, "calls.page-1"), LONG_AFTER);

    (void)state;
    assert_page(&page, 3, 2, 0, 3);
    assert_understood(P, &page);
    assert_string_equal(page.finds->route, "api-call");
    assert_int_equal(find_at(&page, 0)->at_us, TIME_NONE);
    assert_int_equal(find_at(&page, 2)->at_us, at("2026-08-12T11:29:50Z"));
    /* of the three calls only that which is over */
    assert_messages_follow(&page, 0, "messages", "39d248e2-2d65-4bac-aef7-7b5cbafd44a1", "completed:1786534320000000");
    next = follow_at(&page, 1)->step;
    assert_string_equal(next.what, "list");
    assert_str(next.cursor, "c2FtcGxlLWN1cnNvci0x");
    assert_int_equal(next.from_us, s.from_us);
    page = read_dated(&next, api_answer(P, "calls.page-2"), LONG_AFTER);
    assert_page(&page, 3, 3, 0, 3);
    assert_string_equal(follow_at(&page, 2)->step.what, "messages");
}

static void test_all_shapes_of_a_list_are_read(void **state)
{
    static const struct {
        const char *name, *what;
        size_t seen, follows; /* of messages, and of the next page */
    } LISTS[] = {
        {"calls.empty", "list", 0, 0},
        {"calls.bare-array", "list", 1, 1},
        {"calls.flat-times", "list", 2, 1},
        {"conversations.page-1", "list-other", 2, 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(LISTS); i++) {
        remote_step_t s = step(LISTS[i].what, NULL);
        remote_page_t page = read_dated(&s, api_answer(P, LISTS[i].name), LONG_AFTER);

        assert_page(&page, LISTS[i].seen, LISTS[i].follows, 0, LISTS[i].seen);
        assert_understood(P, &page);
        for (const remote_follow_t *f = page.follows; f; f = f->next)
            assert_int_equal(str_ends_nocase(str_from(f->step.what), STR("-other")), i == 3);
    }
}

/* A transcript may still grow when its call has just ended. */
static void test_messages_are_asked_for_until_they_have_settled(void **state)
{
    static const struct {
        const char *date, *mark;
    } ANSWERS[] = {
        {"Wed, 12 Aug 2026 09:30:40 GMT", NULL},
        {"Wed, 12 Aug 2026 09:40:31 GMT", NULL},
        {"Wed, 12 Aug 2026 09:40:32 GMT", "completed:1786527031800000"},
        {"Wed, 12 Aug 2026 09:29:00 GMT", NULL},
        {"yesterday", "completed:1786527031800000"},
        {NULL, "completed:1786527031800000"},
    };
    remote_step_t s = step("call", CALL);

    (void)state;
    for (size_t i = 0; i < COUNT(ANSWERS); i++) {
        remote_page_t page = read_dated(&s, fixture("beyond_presence/api-call.completed.json"), ANSWERS[i].date);

        assert_page(&page, 1, 1, 0, 1);
        assert_messages_follow(&page, 0, "messages", CALL, ANSWERS[i].mark);
    }
}

static void test_calls_out_of_the_window_are_seen_only(void **state)
{
    remote_step_t s = list_since("2026-08-12T11:00:10Z");
    remote_page_t page = read_dated(&s, api_answer(P, "calls.page-2"), LONG_AFTER);

    (void)state;
    assert_page(&page, 0, 0, 0, 3);
    s.from_us = at("2026-08-12T11:00:09Z"); /* when the last of them ended */
    page = read_dated(&s, api_answer(P, "calls.page-2"), LONG_AFTER);
    assert_page(&page, 1, 1, 0, 3);
    s.to_us = s.from_us = at("2026-08-12T10:00:00Z");
    page = read_dated(&s, api_answer(P, "calls.page-1"), LONG_AFTER);
    assert_page(&page, 1, 1, 0, 3); /* one that has not begun, and the next page */
    assert_str(find_at(&page, 0)->id, "43a875fb-d2d0-4ae8-a82f-b59bc91e56c0");
}

/* count calls of one day, and then `links` that were never opened; more follow. */
static str_t page_of(const char *day, size_t count, size_t links)
{
    buf_t text = BUF_EMPTY;
    str_t copy;

    buf_add(&text, STR("{\"data\":["));
    for (size_t i = 0; i < count; i++)
        buf_printf(&text,
                   "%s{\"id\":\"c%zu\",\"status\":{\"type\":\"completed\",\"started_at\":\"%sT00:00:00Z\","
                   "\"ended_at\":\"%sT00:01:00Z\"}}",
                   i ? "," : "", i, day, day);
    for (size_t i = 0; i < links; i++)
        buf_printf(&text, "%s{\"id\":\"l%zu\",\"status\":{\"type\":\"to_start\"}}", i + count ? "," : "", i);
    buf_add(&text, STR("],\"has_more\":true,\"next_cursor\":\"next\"}"));
    copy = arena_dup(test_arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void test_only_a_full_page_of_older_calls_ends_the_walk(void **state)
{
    static const struct {
        size_t calls, links;
        bool ends;
    } PAGES[] = {{50, 0, true},  {49, 1, true},  {25, 25, true}, {24, 26, false},
                 {49, 0, false}, {0, 50, false}, {1000, 0, true}};
    remote_step_t s = list_since("2026-08-12T00:00:00Z"), open = step("list", NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(PAGES); i++) {
        remote_page_t page = read_dated(&s, page_of("2026-08-11", PAGES[i].calls, PAGES[i].links), LONG_AFTER);

        assert_page(&page, PAGES[i].links, !PAGES[i].ends, 0, PAGES[i].calls + PAGES[i].links);
        page = read_dated(&s, page_of("2026-08-12", PAGES[i].calls, PAGES[i].links), LONG_AFTER);
        assert_int_equal(count_follows(&page), PAGES[i].calls + 1);
        page = read_dated(&open, page_of("2025-08-12", PAGES[i].calls, PAGES[i].links), LONG_AFTER);
        assert_int_equal(count_follows(&page), PAGES[i].calls + 1);
    }
}

static void test_a_cursor_that_leads_nowhere_is_said(void **state)
{
    static const char *const ENDS[] = {
        "{\"data\":[],\"has_more\":true}",
        "{\"data\":[],\"has_more\":true,\"next_cursor\":null}",
        "{\"data\":[],\"has_more\":true,\"next_cursor\":\"\"}",
        "{\"data\":[],\"has_more\":true,\"next_cursor\":7}",
        "{\"data\":[],\"has_more\":true,\"next_cursor\":\"here\"}",
    };
    remote_step_t s = step("list", NULL);
    buf_t text = BUF_EMPTY;
    remote_page_t page;

    (void)state;
    s.cursor = STR("here");
    for (size_t i = 0; i < COUNT(ENDS); i++) {
        page = read_page(P, access, &s, str_from(ENDS[i]));
        assert_page(&page, 0, 0, 0, 0);
        assert_non_null(page.lacks.base);
    }
    buf_printf(&text, "{\"data\":[],\"has_more\":true,\"next_cursor\":\"%02001d\"}", 1);
    page = read_page(P, access, &s, buf_str(&text));
    assert_non_null(page.lacks.base);
    page = read_page(P, access, &s, STR("{\"data\":[],\"has_more\":false,\"next_cursor\":\"x\"}"));
    assert_page(&page, 0, 0, 0, 0);
    page = read_page(P, access, &s, STR("{\"data\":[],\"has_more\":\"yes\",\"next_cursor\":\"x\"}"));
    assert_page(&page, 0, 0, 0, 0);
    buf_clear(&text);
}

static void test_rows_that_are_no_calls_are_skipped(void **state)
{
    remote_step_t s = step("list", NULL);
    remote_page_t page = read_page(
        P, access, &s,
        STR("{\"data\":[null,1,\"x\",[],{},{\"id\":null},{\"id\":7},{\"id\":\"\"},"
            "{\"id\":\"a\",\"agent_id\":null,\"user_name\":1,\"user_email\":[],\"tags\":[1],\"status\":\"ongoing\"},"
            "{\"id\":\"b\",\"status\":{\"type\":\"completed\",\"started_at\":7,\"ended_at\":{}}},"
            "{\"id\":\"..\",\"status\":{\"type\":\"completed\"}},"
            "{\"id\":\"c\",\"status\":{\"type\":\"paused\",\"started_at\":\"2026-08-12T09:30:00Z\"},\"tags\":null}],"
            "\"has_more\":null}"));

    (void)state;
    assert_page(&page, 4, 1, 8, 12);
    assert_string_equal(page.skips->reason, "unreadable");
    assert_messages_follow(&page, 0, "messages", "b", "completed:0");
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
        {"{\"data\":{\"0\":{}}}", ERR_UNKNOWN_SHAPE},
        {"{\"detail\":\"Usage limit reached.\"}", ERR_UNKNOWN_SHAPE},
    };
    remote_step_t s[] = {step("list", NULL),      step("list-other", NULL), step("call", "x"),
                         step("call-other", "x"), step("messages", "x"),    step("messages-other", "x")};

    (void)state;
    for (size_t i = 0; i < COUNT(ANSWERS); i++)
        for (size_t j = 0; j < COUNT(s); j++)
            assert_unreadable(P, access, &s[j], str_from(ANSWERS[i].body), ANSWERS[i].code);
    assert_unreadable(P, access, &s[2], STR("{\"id\":\"y\"}"), ERR_UNKNOWN_SHAPE);
}

/* ---- what was said ---- */

static void test_messages_are_of_the_call_that_was_asked_for(void **state)
{
    remote_step_t s = step("messages", CALL), odd = step("messages", "a\"b\\c");
    remote_page_t page = read_page(P, access, &s, api_answer(P, "messages"));
    delivery_t *d = deliver(P, page.finds->route, BODY_JSON, page.finds->payload);
    delivery_t *same = deliver_fixture(P, "api-messages", "beyond_presence/api-messages.full.json");

    (void)state;
    assert_page(&page, 1, 0, 0, 5);
    assert_str(page.finds->id, CALL);
    assert_true(str_eq(d->event_key, same->event_key));
    assert_same_rows(&d->facts, &same->facts);
    page = read_page(P, access, &odd, STR("[{\"sender\":\"ai\",\"message\":\"x\"},null,7,{\"sender\":[]}]"));
    assert_page(&page, 1, 0, 0, 4);
    assert_understood(P, &page);
    page = read_page(P, access, &s, api_answer(P, "messages.empty"));
    assert_page(&page, 0, 0, 0, 0);
    delivery_free(d);
    delivery_free(same);
}

/* ---- a whole API ---- */

#define CALLS   700
#define BEGIN   INT64_C(1786500000) /* s */
#define SPACING 60

typedef struct api {
    struct {
        int64_t started_s, ended_s; /* 0: not */
        int found, asked;
    } calls[CALLS]; /* the newest first */
    size_t most;    /* on a page */
} api_t;

/* Whole groups begin at one moment; some links are never opened; some calls go on. */
static void make_calls(api_t *api, uint64_t *seed)
{
    int64_t moment = BEGIN + (int64_t)CALLS * SPACING;

    for (size_t i = 0; i < CALLS; i++) {
        uint64_t fate = next_random(seed) % 10;

        moment -= next_random(seed) % 3 ? (int64_t)(next_random(seed) % SPACING) : 0;
        if (fate < 9)
            api->calls[i].started_s = moment;
        if (fate < 8)
            api->calls[i].ended_s = moment + (int64_t)(next_random(seed) % SPACING);
    }
    api->most = 1 + next_random(seed) % 50;
}

static void put_call(buf_t *out, const api_t *api, size_t i)
{
    char started[32], ended[32];

    (void)time_to_iso8601(api->calls[i].started_s * US_PER_S, started);
    (void)time_to_iso8601(api->calls[i].ended_s * US_PER_S, ended);
    buf_printf(out, "{\"id\":\"%zu\",\"status\":{\"type\":\"%s\"", i,
               api->calls[i].ended_s     ? "completed"
               : api->calls[i].started_s ? "ongoing"
                                         : "to_start");
    if (api->calls[i].started_s)
        buf_printf(out, ",\"started_at\":\"%s\"", started);
    if (api->calls[i].ended_s)
        buf_printf(out, ",\"ended_at\":\"%s\"", ended);
    buf_add(out, STR("}}"));
}

static str_t serve_messages(api_t *api, str_t path)
{
    int64_t i;

    path = str_slice(path, sizeof("/v1/calls/") - 1, path.len - (sizeof("/messages") - 1));
    assert_true(str_to_int(path, &i) && i >= 0 && i < CALLS);
    api->calls[i].asked++;
    return STR("[]");
}

static str_t serve(void *arg, const remote_request_t *r, arena_t *a)
{
    api_t *api = arg;
    str_t path = str_slice(r->url, sizeof(BASE) - 1, r->url.len), cursor = query_of(r->url, "cursor"), body;
    buf_t text = BUF_EMPTY;
    int64_t from = 0;
    size_t i;

    if (str_ends_nocase(path, STR("/messages")))
        return serve_messages(api, path);
    assert_true(!cursor.base || str_to_int(cursor, &from));
    buf_add(&text, STR("{\"data\":["));
    for (i = (size_t)from; i < CALLS && i < (size_t)from + api->most; i++) {
        if (i > (size_t)from)
            buf_addc(&text, ',');
        put_call(&text, api, i);
    }
    buf_printf(&text, "],\"has_more\":%s,\"next_cursor\":\"%zu\"}", i < CALLS ? "true" : "false", i);
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

static void assert_found(const api_t *api, int64_t from_s, int64_t to_s)
{
    for (size_t i = 0; i < CALLS; i++) {
        int64_t started_s = api->calls[i].started_s, ended_s = api->calls[i].ended_s;

        if (started_s && started_s >= from_s && started_s < to_s)
            assert_int_equal(api->calls[i].found, 1);
        if (started_s >= to_s || (ended_s && ended_s < from_s))
            assert_int_equal(api->calls[i].found, 0);
        assert_true(api->calls[i].found <= 1);
        assert_int_equal(api->calls[i].asked, ended_s ? api->calls[i].found : 0);
    }
}

static void test_a_pass_finds_each_call_once(void **state)
{
    uint64_t seed = 13;

    (void)state;
    for (int round = 0; round < 60; round++) {
        api_t *api = mem_zalloc(sizeof(*api));
        walk_t w = {.provider = P, .access = access, .serve = serve, .note = note, .api = api};
        int64_t from_s = BEGIN + (int64_t)(next_random(&seed) % ((uint64_t)CALLS * SPACING));
        int64_t to_s = from_s + (int64_t)(next_random(&seed) % ((uint64_t)CALLS * SPACING));

        make_calls(api, &seed);
        api->most = round % 2 ? 50 : api->most;
        walk_pass(&w, from_s * US_PER_S, to_s * US_PER_S);
        assert_found(api, from_s, to_s);
        free(api);
    }
}

static void test_an_open_pass_finds_all(void **state)
{
    uint64_t seed = 17;
    api_t *api = mem_zalloc(sizeof(*api));
    walk_t w = {.provider = P, .access = access, .serve = serve, .note = note, .api = api};

    (void)state;
    make_calls(api, &seed);
    walk_pass(&w, TIME_NONE, TIME_NONE);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(api->calls[i].found, 1);
    free(api);
}

/* ---- with what webhooks told ---- */

static delivery_t *deliver_file(const char *file)
{
    const char *route = strncmp(file, "api-call", 8) == 0        ? "api-call"
                        : strncmp(file, "api-messages", 12) == 0 ? "api-messages"
                                                                 : "events";

    return deliver_fixture(P, route, arena_printf(test_arena, "beyond_presence/%s.json", file).base);
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

static void test_the_api_confirms_what_webhooks_told(void **state)
{
    delivery_t *d[] = {deliver_file("webhook.message.user"), deliver_file("webhook.message.agent"),
                       deliver_file("webhook.call_ended.full"), deliver_file("api-call.completed"),
                       deliver_file("api-messages.full")};
    facts_t told, all;

    (void)state;
    merge_all(&told, d, 3);
    merge_all(&all, d, COUNT(d));
    ASSERT_CELLS(find_row(&told, FACT_CALL, NULL), {CALL_CONFIRMED, "0"},
                 {CALL_STARTED_AT, "2026-08-12T09:30:02.100000Z"});
    ASSERT_CELLS(find_row(&all, FACT_CALL, NULL), {CALL_CONFIRMED, "1"}, {CALL_SENTIMENT, "positive"},
                 {CALL_DURATION, "32"}, {CALL_STARTED_AT, "2026-08-12T09:30:00.000000Z"},
                 {CALL_ENDED_AT, "2026-08-12T09:30:31.800000Z"}, {CALL_CUSTOMER_EMAIL, "alex@example.com"},
                 {CALL_METADATA, "{\"source\":\"pricing-page\"}"}, {CALL_OUTCOME, "completed"});
    assert_true(holds(find_row(&all, FACT_CALL, NULL)->cells[CALL_ANALYSIS].text, "Trial plan"));
    assert_int_equal(count_rows(&told, FACT_MESSAGE), count_rows(&all, FACT_MESSAGE)); /* the same set */
    assert_order_free(d, COUNT(d), 3);
    free_all(d, COUNT(d));
}

static void test_the_api_fills_in_for_a_lost_call_ended(void **state)
{
    delivery_t *d[] = {deliver_file("webhook.message.user"), deliver_file("api-call.completed"),
                       deliver_file("api-messages.full"), deliver_file("api-call.flat-times.ended")};
    facts_t all;

    (void)state;
    merge_all(&all, d, COUNT(d));
    ASSERT_CELLS(find_row(&all, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_TRANSCRIPT_SOURCE, "report"},
                 {CALL_ANALYSIS, NULL}, {CALL_CUSTOMER_NAME, "Alex Example"}, {CALL_CONFIRMED, "1"});
    ASSERT_CELLS(find_row(&all, FACT_MESSAGE, "report:4"), {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_CONTENT, "Natürlich, sehr gerne!"});
    assert_order_free(d, COUNT(d), 4);
    free_all(d, COUNT(d));
}

/* Transcripts come late: a list that is not whole yet takes nothing away. */
static void test_a_shorter_list_takes_nothing_away(void **state)
{
    delivery_t *d[] = {
        deliver_file("webhook.call_ended.full"),
        deliver(P, "api-messages", BODY_JSON,
                STR("{\"call_id\":\"" CALL "\",\"messages\":[{\"sender\":\"ai\",\"message\":\"Hello\"}]}"))};
    facts_t all;

    (void)state;
    merge_all(&all, d, COUNT(d));
    assert_cell(find_row(&all, FACT_MESSAGE, "report:0"), MESSAGE_CONTENT,
                "Hello, I am Mira. What brings you here today?");
    assert_non_null(find_row(&all, FACT_MESSAGE, "report:4"));
    assert_order_free(d, COUNT(d), 5);
    free_all(d, COUNT(d));
}

static void test_states_of_a_call(void **state)
{
    static const struct {
        const char *status, *phase, *outcome, *word;
    } STATES[] = {
        {"\"status\":{\"type\":\"to_start\"}", "0", NULL, "to_start"},
        {"\"status\":{\"type\":\"ongoing\",\"started_at\":\"2026-08-12T09:30:00Z\"}", "1", NULL, "ongoing"},
        {"\"status\":{\"type\":\"completed\"}", "2", "completed", "completed"},
        {"\"status\":{\"type\":\"paused\",\"started_at\":\"2026-08-12T09:30:00Z\"}", "1", NULL, "paused"},
        {"\"status\":{\"started_at\":\"2026-08-12T09:30:00Z\",\"ended_at\":\"2026-08-12T09:31:00Z\"}", "2", "completed",
         "completed"},
        {"\"started_at\":\"2026-08-12T09:30:00+00:00\",\"ended_at\":null", "1", NULL, "ongoing"},
        {"\"started_at\":\"2026-08-12T09:30:00Z\",\"ended_at\":\"2026-08-12T09:31:00Z\"", "2", "completed",
         "completed"},
        {"\"started_at\":null", "0", NULL, "to_start"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(STATES); i++) {
        delivery_t *d =
            deliver(P, "api-call", BODY_JSON, arena_printf(test_arena, "{\"id\":\"a\",%s}", STATES[i].status));

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, STATES[i].phase},
                     {CALL_OUTCOME, STATES[i].outcome}, {CALL_CONFIRMED, "1"});
        assert_str(d->status, STATES[i].word);
        delivery_free(d);
    }
}

static void test_what_opens_a_call_is_not_kept(void **state)
{
    delivery_t *d = deliver(P, "api-call", BODY_JSON,
                            STR("{\"id\":\"a\",\"livekit_url\":\"wss://x\",\"livekit_token\":\"REDACT-ME\"}"));

    (void)state;
    assert_false(holds(d->payload, "REDACT-ME"));
    delivery_free(d);
}

static void test_what_names_no_call_is_a_dead_letter(void **state)
{
    static const char *const BODIES[] = {"{}",
                                         "[]",
                                         "null",
                                         "{\"id\":7}",
                                         "{\"call_id\":\"a\"}",
                                         "{\"call_id\":\"a\",\"messages\":{}}",
                                         "{\"messages\":[]}"};
    static const char *const ROUTES[] = {"api-call", "api-messages"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES) * COUNT(ROUTES); i++) {
        delivery_t *d = deliver(P, ROUTES[i % 2], BODY_JSON, str_from(BODIES[i / 2]));

        assert_non_null(d->error.base);
        assert_null(d->facts.first);
        delivery_free(d);
    }
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        api_test(test_without_a_key_there_is_no_access),
        api_test(test_settings_that_make_no_address_are_refused),
        api_test(test_a_pass_is_a_walk_through_the_list),
        api_test(test_every_step_asks_for_its_own),
        api_test(test_the_newer_name_falls_back_on_the_older),
        api_test(test_one_call_and_the_key),
        api_test(test_steps_of_nobody_are_not_asked),
        api_test(test_a_name_that_is_not_there_is_asked_by_the_other),
        api_test(test_other_refusals_are_the_engines),
        api_test(test_pages_are_followed_to_the_last),
        api_test(test_all_shapes_of_a_list_are_read),
        api_test(test_messages_are_asked_for_until_they_have_settled),
        api_test(test_calls_out_of_the_window_are_seen_only),
        api_test(test_only_a_full_page_of_older_calls_ends_the_walk),
        api_test(test_a_cursor_that_leads_nowhere_is_said),
        api_test(test_rows_that_are_no_calls_are_skipped),
        api_test(test_answers_of_another_shape_are_refused),
        api_test(test_messages_are_of_the_call_that_was_asked_for),
        api_test(test_a_pass_finds_each_call_once),
        api_test(test_an_open_pass_finds_all),
        api_test(test_the_api_confirms_what_webhooks_told),
        api_test(test_the_api_fills_in_for_a_lost_call_ended),
        api_test(test_a_shorter_list_takes_nothing_away),
        api_test(test_states_of_a_call),
        api_test(test_what_opens_a_call_is_not_kept),
        api_test(test_what_names_no_call_is_a_dead_letter),
    };

    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
