#include "remote_harness.h"

#include "base/crypto.h"

extern const provider_t provider_twilio;
#define P (&provider_twilio)

#define AC    "AC000000000000000000000000000000ac"
#define AC2   "AC000000000000000000000000000000ad"
#define AC3   "AC000000000000000000000000000000ae"
#define CA1   "CA00000000000000000000000000000001"
#define CA2   "CA00000000000000000000000000000002"
#define CA4   "CA00000000000000000000000000000004"
#define RE1   "RE00000000000000000000000000000001"
#define TR1   "TR00000000000000000000000000000001"
#define PATH  "/2010-04-01/Accounts/" AC
#define TOKEN "00112233445566778899aabbccddeeff"

#define ONE_ACCOUNT                                                                                                    \
    {"TWILIO_ACCOUNT_SID", AC},                                                                                        \
    {                                                                                                                  \
        "TWILIO_AUTH_TOKEN", TOKEN ",older"                                                                            \
    }

static void *one_account(void)
{
    return access_of(P, SETTINGS(ONE_ACCOUNT));
}

static str_t basic(const char *user_and_password)
{
    char text[256];
    size_t len = base64_encode(user_and_password, strlen(user_and_password), text);

    return arena_printf(test_arena, "Basic %.*s", (int)len, text);
}

static remote_step_t step_of(const char *what, const char *id, const char *cursor)
{
    return (remote_step_t){
        .what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .id = str_from(id), .cursor = str_from(cursor)};
}

/* ---- settings ---- */

static void test_without_an_account_nothing_is_fetched(void **state)
{
    (void)state;
    assert_no_access(P, SETTINGS({"TWILIO_API_URL", "https://api.twilio.com"}), NULL);
    assert_no_access(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}), NULL); /* whose calls are meant is not known */
    assert_no_access(P, SETTINGS({"TWILIO_ACCOUNT_SID", AC}), NULL);
}

static void test_settings_that_cannot_be_meant_are_refused(void **state)
{
    (void)state;
    assert_no_access(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_API_KEY", "SK1"}), "TWILIO_API_SECRET is not");
    assert_no_access(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_API_SECRET", "s"}), "TWILIO_API_KEY is not");
    assert_no_access(P, SETTINGS({"TWILIO_API_KEY", "SK1"}, {"TWILIO_API_SECRET", "s"}), "TWILIO_ACCOUNT_SID is not");
    assert_no_access(P, SETTINGS({"TWILIO_ACCOUNT_SID", "SK1"}, {"TWILIO_AUTH_TOKEN", TOKEN}), "TWILIO_ACCOUNT_SID");
    assert_no_access(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_ACCOUNTS", "nonsense"}), "TWILIO_ACCOUNTS");
    for (size_t i = 0; i < 7; i++) {
        static const char *const URLS[] = {"api.twilio.com",
                                           "ftp://api.twilio.com",
                                           "https://",
                                           "https:///x",
                                           "https://a b",
                                           "https://u:p@api.twilio.com",
                                           "https://api.twilio.com?x"};

        assert_no_access(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_API_URL", URLS[i]}), "TWILIO_API_URL: expected");
    }
}

static void assert_asks(const test_setting_t *settings, const char *url, const char *user_and_password)
{
    void *access = access_of(P, settings);
    remote_step_t step;
    remote_request_t r;

    P->remote->probe(access, test_arena, &step);
    r = request_of(P, access, &step, 0);
    assert_string_equal(r.method, "GET");
    assert_str(r.url, url);
    assert_absent(r.body);
    assert_int_equal(r.n_fields, 2);
    assert_str(field_of(&r, "authorization"), basic(user_and_password).base);
    assert_str(field_of(&r, "accept"), "application/json");
    P->remote->access_free(access);
}

static void test_the_key_is_taken_before_the_newest_token(void **state)
{
#define PROBE PATH "/Calls.json?PageSize=1"
    (void)state;
    assert_asks(SETTINGS(ONE_ACCOUNT), "https://api.twilio.com" PROBE, AC ":" TOKEN);
    assert_asks(SETTINGS(ONE_ACCOUNT, {"TWILIO_API_KEY", "SK1"}, {"TWILIO_API_SECRET", "hush"}),
                "https://api.twilio.com" PROBE, "SK1:hush");
    assert_asks(SETTINGS({"TWILIO_ACCOUNT_SID", AC}, {"TWILIO_API_KEY", "SK1"}, {"TWILIO_API_SECRET", "hush"}),
                "https://api.twilio.com" PROBE, "SK1:hush");
    assert_asks(SETTINGS(ONE_ACCOUNT, {"TWILIO_API_URL", "http://127.0.0.1:8123//"}), "http://127.0.0.1:8123" PROBE,
                AC ":" TOKEN);
    assert_asks(SETTINGS(ONE_ACCOUNT, {"TWILIO_API_URL", "https://proxy.example/twilio/"}),
                "https://proxy.example/twilio" PROBE, AC ":" TOKEN);
}

static void test_each_account_is_fetched_with_its_own_token(void **state)
{
    void *access = access_of(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_API_KEY", "SK1"}, {"TWILIO_API_SECRET", "hush"},
                                         {"TWILIO_ACCOUNTS", AC2 ":new," AC2 ":old," AC ":other"}));
    remote_page_t page = begin_pass(P, access, "recordings", TIME_NONE, TIME_NONE);
    remote_request_t r;

    (void)state;
    assert_page(&page, 0, 2, 0, 0);
    r = request_of(P, access, &follow_at(&page, 0)->step, 0);
    assert_str(r.url, "https://api.twilio.com" PATH "/Recordings.json?PageSize=1000");
    assert_str(field_of(&r, "authorization"), basic("SK1:hush").base);
    r = request_of(P, access, &follow_at(&page, 1)->step, 0);
    assert_str(r.url, "https://api.twilio.com/2010-04-01/Accounts/" AC2 "/Recordings.json?PageSize=1000");
    assert_str(field_of(&r, "authorization"), basic(AC2 ":new").base);
    P->remote->access_free(access);
}

/* ---- what is asked ---- */

static void test_a_window_is_asked_for_with_a_day_more(void **state)
{
    static const struct {
        const char *resource, *url;
    } ROWS[] = {
        {"calls",
         "/Calls.json?StartTime%3E=2026-08-30T07%3A59%3A59Z&StartTime%3C=2026-08-31T09%3A00%3A00Z&PageSize=1000"},
        {"recordings", "/Recordings.json?DateCreated%3E=2026-08-30T07%3A59%3A59Z&DateCreated%3C=2026-08-31T09%3A00%"
                       "3A00Z&PageSize=1000"},
        {"transcriptions", "/Transcriptions.json?PageSize=1000"},
    };
    void *access = one_account();

    (void)state;
    assert_int_equal(P->remote->n_resources, COUNT(ROWS));
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        remote_page_t page = begin_pass(P, access, P->remote->resources[i].name, at("2026-08-30T08:00:00.5Z"),
                                        at("2026-08-30T09:00:00Z"));
        remote_request_t r;

        assert_page(&page, 0, 1, 0, 0);
        assert_string_equal(follow_at(&page, 0)->step.what, ROWS[i].resource);
        r = request_of(P, access, &follow_at(&page, 0)->step, 0);
        assert_str(r.url, arena_printf(test_arena, "https://api.twilio.com" PATH "%s", ROWS[i].url).base);
    }
    P->remote->access_free(access);
}

static void test_an_open_window_has_no_bounds(void **state)
{
    void *access = one_account();
    remote_page_t open = begin_pass(P, access, "calls", TIME_NONE, TIME_NONE);
    remote_page_t from = begin_pass(P, access, "calls", at("2026-08-30T08:00:00Z"), INT64_MAX);

    (void)state;
    assert_str(follow_at(&open, 0)->step.cursor, PATH "/Calls.json?PageSize=1000");
    assert_str(follow_at(&from, 0)->step.cursor,
               PATH "/Calls.json?StartTime%3E=2026-08-30T07%3A59%3A59Z&PageSize=1000");
    P->remote->access_free(access);
}

static void test_one_call_is_asked_for_by_its_sid(void **state)
{
    static const char *const BAD[] = {"", "CA", "RE1", "CA/../x", "CA1?x", "CA 1", "CA1\r\nx: y"};
    void *access = one_account();
    remote_step_t step;

    (void)state;
    assert_true(P->remote->one(access, STR(CA2), test_arena, &step));
    assert_str(request_of(P, access, &step, 0).url, "https://api.twilio.com" PATH "/Calls/" CA2 ".json");
    assert_str(step.id, CA2);
    for (size_t i = 0; i < COUNT(BAD); i++)
        assert_false(P->remote->one(access, str_from(BAD[i]), test_arena, &step));
    P->remote->access_free(access);
}

/* Asked of one account after the other, for as long as each says `status`: how many were asked. */
static size_t ask_in_turn(void *access, int status, remote_step_t *step, remote_page_t *last)
{
    remote_response_t r = {.status = status, .body = STR("{\"code\": 20404}")};

    for (size_t asked = 1;; asked++) {
        remote_page_init(last, test_arena);
        if (!P->remote->refused(access, step, &r, last) || !last->follows)
            return asked;
        assert_page(last, 0, 1, 0, 0);
        assert_absent(follow_at(last, 0)->change_mark);
        *step = follow_at(last, 0)->step;
        assert_string_equal(step->what, "call");
        assert_str(step->id, CA2);
    }
}

static void test_a_call_is_looked_for_in_one_account_after_the_other(void **state)
{
    static const int OTHERS[] = {400, 401, 403, 429, 500};
    void *access = access_of(P, SETTINGS(ONE_ACCOUNT, {"TWILIO_ACCOUNTS", AC2 ":second," AC3 ":third"},
                                         {"TWILIO_API_URL", "https://proxy.example/twilio"}));
    remote_step_t step, events;
    remote_request_t r;
    remote_page_t page;

    (void)state;
    for (size_t i = 0; i < COUNT(OTHERS); i++) {
        assert_true(P->remote->one(access, STR(CA2), test_arena, &step));
        assert_int_equal(ask_in_turn(access, OTHERS[i], &step, &page), 1);
    }
    assert_int_equal(ask_in_turn(access, 404, &step, &page), 3);
    assert_page(&page, 0, 0, 0, 0);
    r = request_of(P, access, &step, 0);
    assert_str(r.url, "https://proxy.example/twilio/2010-04-01/Accounts/" AC3 "/Calls/" CA2 ".json");
    assert_str(field_of(&r, "authorization"), basic(AC3 ":third").base);
    page = read_page(P, access, &step, fixture("twilio/api/api-call.completed.json"));
    events = follow_at(&page, 0)->step;
    assert_str(events.cursor, "/twilio/2010-04-01/Accounts/" AC3 "/Calls/" CA2 "/Events.json?PageSize=1000");
    assert_int_equal(ask_in_turn(access, 404, &events, &page), 1); /* of its events 404 says what it says */
    P->remote->access_free(access);
}

static void test_nothing_is_concluded_where_calls_come_of_an_account_that_is_not_named(void **state)
{
    void *access =
        access_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNTS", AC ":first," AC2 ":second"}));
    remote_step_t step;
    remote_page_t page;

    (void)state;
    assert_true(P->remote->one(access, STR(CA2), test_arena, &step));
    assert_int_equal(ask_in_turn(access, 404, &step, &page), 2);
    assert_page(&page, 0, 0, 1, 0);
    assert_false(page.gone);
    assert_string_equal(skip_at(&page, 0)->reason, "account_not_named");
    assert_str(skip_at(&page, 0)->id, CA2);
    P->remote->access_free(access);
}

static void test_what_is_no_path_of_a_known_account_is_not_asked(void **state)
{
    static const char *const CURSORS[] = {NULL,
                                          "",
                                          "https://evil.example" PATH "/Calls.json",
                                          "@evil.example" PATH "/Calls.json",
                                          "/2010-04-01/Accounts/AC9/Calls.json",
                                          "/2010-04-01/Accounts/" AC,
                                          PATH "/Calls.json?a b",
                                          PATH "/Calls.json\r\nx: y",
                                          "/other"};
    void *access = one_account();

    (void)state;
    for (size_t i = 0; i < COUNT(CURSORS); i++) {
        remote_step_t step = step_of("calls", NULL, CURSORS[i]);
        remote_request_t r;
        err_t err = {.code = ERR_NONE};

        assert_false(P->remote->ask(access, &step, 0, test_arena, &r, &err));
        assert_int_not_equal(err.code, ERR_NONE);
    }
    P->remote->access_free(access);
}

/* ---- what is read ---- */

static void test_a_page_of_calls_is_found_and_followed(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("calls", NULL, PATH "/Calls.json?PageSize=2");
    remote_page_t page = read_page(P, access, &step, fixture("twilio/api/response.calls-page-1.json"));

    (void)state;
    assert_page(&page, 2, 3, 0, 2);
    assert_string_equal(find_at(&page, 0)->route, "api-call");
    assert_str(find_at(&page, 0)->id, CA2);
    assert_int_equal(find_at(&page, 0)->at_us, at("2026-08-30T08:27:58Z"));
    assert_str(find_at(&page, 1)->id, CA1);
    assert_string_equal(follow_at(&page, 0)->step.what, "events");
    assert_str(follow_at(&page, 0)->step.id, CA2);
    assert_str(follow_at(&page, 0)->step.cursor, PATH "/Calls/" CA2 "/Events.json?PageSize=1000");
    assert_str(follow_at(&page, 0)->change_mark, "2026-08-30T08:28:23.000000Z");
    assert_string_equal(follow_at(&page, 2)->step.what, "calls");
    assert_absent(follow_at(&page, 2)->change_mark);
    /* the page's own address, byte for byte */
    assert_str(request_of(P, access, &follow_at(&page, 2)->step, 0).url,
               "https://api.twilio.com" PATH "/Calls.json?StartTime%3E=2026-08-30T00%3A00%3A00Z&PageSize=2&Page=1&"
               "PageToken=PACA00000000000000000000000000000001");
    page = read_page(P, access, &follow_at(&page, 2)->step, fixture("twilio/api/response.calls-page-2.json"));
    assert_page(&page, 1, 1, 0, 1);
    assert_str(find_at(&page, 0)->id, CA4);
    P->remote->access_free(access);
}

static void test_only_what_is_in_the_window_is_found(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("calls", NULL, PATH "/Calls.json?PageSize=2");
    str_t body = fixture("twilio/api/response.calls-page-1.json");
    remote_page_t page;

    (void)state;
    step.from_us = at("2026-08-30T08:27:59Z");
    step.to_us = at("2026-08-30T08:28:57Z");
    page = read_page(P, access, &step, body);
    assert_page(&page, 1, 2, 0, 2);
    assert_str(find_at(&page, 0)->id, CA1);
    assert_int_equal(follow_at(&page, 1)->step.from_us, step.from_us); /* the next page is of the same window */
    assert_int_equal(follow_at(&page, 1)->step.to_us, step.to_us);
    step.from_us = at("2026-08-30T08:27:58Z"); /* which begins with its first moment, and ends before its last */
    step.to_us = at("2026-08-30T08:28:56Z");
    page = read_page(P, access, &step, body);
    assert_str(find_at(&page, 0)->id, CA2);
    assert_page(&page, 1, 2, 0, 2);
    step.from_us = step.to_us = at("2026-01-01T00:00:00Z");
    page = read_page(P, access, &step, body);
    assert_page(&page, 0, 1, 0, 2);
    assert_str(page.rows, CA2 "\n" CA1); /* a page of which nothing is wanted is known again all the same */
    body = STR("{\"calls\":[{\"sid\":\"" CA1 "\",\"status\":\"queued\",\"start_time\":null}]}");
    page = read_page(P, access, &step, body);
    assert_page(&page, 1, 0, 0, 1); /* it has not begun: neither inside nor outside */
    P->remote->access_free(access);
}

static void test_one_call_and_its_events_are_found(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("call", CA2, PATH "/Calls/" CA2 ".json");
    remote_page_t page = read_page(P, access, &step, fixture("twilio/api/api-call.completed.json"));

    (void)state;
    assert_page(&page, 1, 1, 0, 1);
    page = read_page(P, access, &follow_at(&page, 0)->step, fixture("twilio/api/response.call-events.json"));
    assert_page(&page, 1, 0, 0, 1);
    assert_string_equal(find_at(&page, 0)->route, "api-event");
    assert_str(find_at(&page, 0)->id, CA2);
    step.id = STR(CA4);
    assert_unreadable(P, access, &step, fixture("twilio/api/api-call.completed.json"), ERR_UNKNOWN_SHAPE);
    P->remote->access_free(access);
}

/* What only a hash of all parameters names cannot be told from the request that came. */
static void test_events_without_a_name_are_left_out(void **state)
{
    static const struct {
        const char *parameters;
        size_t finds;
    } ROWS[] = {
        {"\"call_status\":\"in-progress\",\"speech_result\":\"hello\"", 0},
        {"\"call_status\":\"in-progress\",\"digits\":\"1\"", 0},
        {"\"call_status\":\"ringing\",\"direction\":\"inbound\"", 0},
        {"\"transcription_event\":\"transcription-content\",\"transcription_sid\":\"GT1\",\"sequence_id\":\"2\","
         "\"final\":\"false\"",
         0},
        {"\"transcription_event\":\"transcription-content\",\"transcription_sid\":\"GT1\"", 0},
        {"\"transcription_event\":\"transcription-stopped\",\"transcription_sid\":\"GT1\",\"sequence_id\":\"2\"", 1},
        {"\"call_status\":\"ringing\",\"callback_source\":\"call-progress-events\"", 1},
        {"\"recording_sid\":\"" RE1 "\",\"recording_status\":\"completed\"", 1},
        {"\"stream_sid\":\"MZ1\",\"stream_event\":\"stream-started\"", 1},
        {"\"answered_by\":\"human\"", 1},
        {"\"call_status\":\"completed\",\"dial_call_status\":\"completed\",\"dial_call_sid\":\"CA9\"", 1},
    };
    void *access = one_account();
    remote_step_t step = step_of("events", CA1, PATH "/Calls/" CA1 "/Events.json");

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        str_t body =
            arena_printf(test_arena, "{\"events\":[{\"request\":{\"parameters\":{\"call_sid\":\"" CA1 "\",%s}}}]}",
                         ROWS[i].parameters);
        remote_page_t page = read_page(P, access, &step, body);

        assert_page(&page, ROWS[i].finds, 0, 0, 1);
    }
    P->remote->access_free(access);
}

static void test_recordings_are_found_once_they_have_a_callback(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("recordings", NULL, PATH "/Recordings.json?PageSize=1000");
    remote_page_t page = read_page(P, access, &step, fixture("twilio/api/response.recordings.json"));

    (void)state;
    assert_page(&page, 1, 0, 0, 1);
    assert_string_equal(find_at(&page, 0)->route, "api-recording");
    assert_str(find_at(&page, 0)->id, CA2);
    page = read_page(P, access, &step,
                     STR("{\"recordings\":[{\"sid\":\"RE1\",\"status\":\"processing\"},{\"sid\":\"RE2\",\"status\":"
                         "\"deleted\"},{\"sid\":\"RE3\",\"status\":\"absent\"}]}"));
    assert_page(&page, 1, 0, 2, 3);
    assert_string_equal(skip_at(&page, 0)->reason, "not_ready");
    assert_string_equal(skip_at(&page, 1)->reason, "deleted");
    assert_absent(find_at(&page, 0)->id);
    P->remote->access_free(access);
}

/* A transcription names its recording, and that its call. */
static void test_a_transcription_is_found_by_way_of_its_recording(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("transcriptions", NULL, PATH "/Transcriptions.json?PageSize=1000"), next;
    remote_page_t page = read_page(P, access, &step, fixture("twilio/api/response.transcriptions.json"));
    str_t text;

    (void)state;
    assert_page(&page, 0, 1, 0, 1);
    next = follow_at(&page, 0)->step;
    assert_str(request_of(P, access, &next, 0).url, "https://api.twilio.com" PATH "/Recordings/" RE1 ".json");
    page = read_page(P, access, &next, fixture("twilio/api/api-recording.completed.json"));
    assert_page(&page, 0, 1, 0, 0);
    next = follow_at(&page, 0)->step;
    assert_str(next.id, CA2);
    assert_str(request_of(P, access, &next, 0).url, "https://api.twilio.com" PATH "/Transcriptions/" TR1 ".json");
    text = json_print(test_arena, json_at(fixture_json("twilio/api/response.transcriptions.json"), "transcriptions.0"));
    page = read_page(P, access, &next, text);
    assert_page(&page, 1, 0, 0, 1);
    assert_str(
        find_at(&page, 0)->payload,
        arena_printf(test_arena, "{\"call_sid\":\"" CA2 "\",\"transcription\":" STR_FMT "}", STR_ARG(text)).base);
    next = step_of("transcribed", TR1, PATH "/Recordings/" RE1 ".json");
    page = read_page(P, access, &next, fixture("twilio/api/api-recording.conference.json"));
    assert_page(&page, 0, 0, 1, 0);
    assert_string_equal(skip_at(&page, 0)->reason, "no_call");
    page = read_page(P, access, &step,
                     STR("{\"transcriptions\":[{\"sid\":\"TR1\",\"recording_sid\":\"RE1\",\"status\":\"in-progress\"},"
                         "{\"sid\":\"TR2\",\"recording_sid\":null,\"status\":\"completed\"}]}"));
    assert_page(&page, 0, 0, 2, 2);
    assert_string_equal(skip_at(&page, 0)->reason, "not_ready");
    assert_string_equal(skip_at(&page, 1)->reason, "no_recording");
    P->remote->access_free(access);
}

/* ---- hostile answers ---- */

static void test_a_next_page_elsewhere_is_refused(void **state)
{
    static const char *const NEXT[] = {"\"https://evil.example" PATH "/Calls.json\"",
                                       "\"https://api.twilio.com.evil.example" PATH "/Calls.json\"",
                                       "\"https://api.twilio.com@evil.example" PATH "/Calls.json\"",
                                       "\"http://api.twilio.com" PATH "/Calls.json\"",
                                       "\"//evil.example" PATH "/Calls.json\"",
                                       "\"@evil.example" PATH "/Calls.json\"",
                                       "\"/2010-04-01/Accounts/" AC2 "/Calls.json\"",
                                       "\"/v1/other\"",
                                       "\"" PATH "/Calls.json?a b\"",
                                       "\"" PATH "/Calls.json\\r\\nx: y\"",
                                       "\"" PATH "/Calls.json?Page=7\"", /* itself */
                                       "7",
                                       "{}",
                                       "[]",
                                       "true"};
    void *access = one_account();
    remote_step_t step = step_of("calls", NULL, PATH "/Calls.json?Page=7");
    remote_page_t page;

    (void)state;
    for (size_t i = 0; i < COUNT(NEXT); i++)
        assert_unreadable(P, access, &step, arena_printf(test_arena, "{\"calls\":[],\"next_page_uri\":%s}", NEXT[i]),
                          ERR_UNKNOWN_SHAPE);
    page = read_page(P, access, &step,
                     STR("{\"calls\":[],\"next_page_uri\":\"https://api.twilio.com" PATH "/Calls.json?Page=8\"}"));
    assert_str(follow_at(&page, 0)->step.cursor, PATH "/Calls.json?Page=8"); /* the same host, written out */
    P->remote->access_free(access);
}

static void test_an_answer_of_another_shape_is_an_error(void **state)
{
    static const struct {
        const char *body;
        err_code_t code;
    } ROWS[] = {
        {"", ERR_UNPARSABLE},
        {"<html>", ERR_UNPARSABLE},
        {"{\"calls\":[", ERR_UNPARSABLE},
        {"null", ERR_UNKNOWN_SHAPE},
        {"[]", ERR_UNKNOWN_SHAPE},
        {"{}", ERR_UNKNOWN_SHAPE},
        {"{\"calls\":null}", ERR_UNKNOWN_SHAPE},
        {"{\"calls\":{}}", ERR_UNKNOWN_SHAPE},
        {"{\"code\":20404,\"message\":\"x\",\"status\":404}", ERR_UNKNOWN_SHAPE},
    };
    void *access = one_account();

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        remote_step_t calls = step_of("calls", NULL, PATH "/Calls.json"),
                      probe = step_of("probe", NULL, PATH "/Calls.json");
        remote_step_t call = step_of("call", CA1, PATH "/Calls/" CA1 ".json");
        remote_step_t recording = step_of("transcribed", TR1, PATH "/Recordings/" RE1 ".json");
        remote_step_t text = step_of("transcription", CA1, PATH "/Transcriptions/" TR1 ".json");

        assert_unreadable(P, access, &calls, str_from(ROWS[i].body), ROWS[i].code);
        assert_unreadable(P, access, &probe, str_from(ROWS[i].body), ROWS[i].code);
        assert_unreadable(P, access, &call, str_from(ROWS[i].body), ROWS[i].code);
        assert_unreadable(P, access, &recording, str_from(ROWS[i].body), ROWS[i].code);
        assert_unreadable(P, access, &text, str_from(ROWS[i].body), ROWS[i].code);
    }
    assert_unreadable(P, access, &(remote_step_t){.what = "nonsense"}, STR("{}"), ERR_UNKNOWN_SHAPE);
    P->remote->access_free(access);
}

static void test_a_row_that_cannot_be_read_is_skipped(void **state)
{
    static const char *const ROWS[] = {"null",
                                       "7",
                                       "[]",
                                       "{}",
                                       "{\"sid\":null,\"status\":null}",
                                       "{\"sid\":{},\"status\":[]}",
                                       "{\"sid\":\"CA/../x\",\"status\":\"completed\"}",
                                       "{\"sid\":\"CA1\",\"status\":7}"};
    void *access = one_account();
    remote_step_t step = step_of("calls", NULL, PATH "/Calls.json");

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        str_t body = arena_printf(test_arena, "{\"calls\":[%s,{\"sid\":\"" CA1 "\",\"status\":\"queued\"}]}", ROWS[i]);
        remote_page_t page = read_page(P, access, &step, body);

        assert_page(&page, 1, 0, 1, 2);
        assert_string_equal(skip_at(&page, 0)->reason, "unreadable");
    }
    P->remote->access_free(access);
}

static void test_a_full_page_and_an_empty_one_are_read(void **state)
{
    void *access = one_account();
    remote_step_t step = step_of("calls", NULL, PATH "/Calls.json");
    buf_t body = BUF_EMPTY;
    remote_page_t page;

    (void)state;
    buf_add(&body, STR("{\"calls\":["));
    for (int i = 0; i < 1000; i++)
        buf_printf(&body, "%s{\"sid\":\"CA%032d\",\"status\":\"completed\"}", i ? "," : "", i);
    buf_add(&body, STR("],\"next_page_uri\":null}"));
    page = read_page(P, access, &step, buf_str(&body));
    assert_page(&page, 1000, 1000, 0, 1000);
    assert_absent(follow_at(&page, 0)->change_mark);
    buf_clear(&body);
    page = read_page(P, access, &step, STR("{\"calls\":[],\"next_page_uri\":\"\"}"));
    assert_page(&page, 0, 0, 0, 0);
    P->remote->access_free(access);
}

/* ---- the same happening, by callback and by the API ---- */

static delivery_t *object(const char *route, const char *file)
{
    return deliver_fixture(P, route, arena_printf(test_arena, "twilio/api/%s.json", file).base);
}

static void test_a_call_is_the_same_by_callback_and_by_the_api(void **state)
{
    delivery_t *all[] = {
        deliver_fixture(P, "events", "twilio/status-outbound-0-initiated.form"),
        deliver_fixture(P, "events", "twilio/status-outbound-1-ringing.form"),
        deliver_fixture(P, "events", "twilio/status-outbound-2-in-progress.form"),
        deliver_fixture(P, "events", "twilio/status-outbound-3-completed.form"),
        deliver_fixture(P, "events", "twilio/recording-status-completed.form"),
        object("api-call", "api-call.completed"),
        object("api-call", "api-call.in-progress-masked"),
        object("api-recording", "api-recording.completed"),
        object("api-event", "api-event.status"),
    };
    facts_t rows;

    (void)state;
    assert_true(str_eq(all[3]->event_key, all[5]->event_key));
    assert_true(str_eq(all[3]->event_key, all[8]->event_key));
    assert_true(str_eq(all[2]->event_key, all[6]->event_key));
    assert_true(str_eq(all[4]->event_key, all[7]->event_key));
    assert_order_free(all, COUNT(all), 11);
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(all); i++)
        merge_into(&rows, &all[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_OUTCOME, "completed"}, {CALL_FROM_NUMBER, "+12025550100"},
                 {CALL_CUSTOMER_NUMBER, "+12025550177"}, {CALL_ENDED_AT, "2026-08-30T08:28:22.000000Z"},
                 {CALL_DURATION, "24"}, {CALL_COST, "0.01400"}, {CALL_COST_CURRENCY, "USD"});
    assert_true(holds(find_row(&rows, FACT_CALL, NULL)->cells[CALL_RECORDING].text, "\"track\":\"both\""));
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

/* The API alone has the recording where its own callback was lost, though another message named it in passing. */
static void test_a_listed_recording_is_better_than_one_named_in_passing(void **state)
{
    delivery_t *all[] = {deliver_fixture(P, "events", "twilio/status-outbound-3-completed.form"),
                         object("api-recording", "api-recording.completed")};
    facts_t rows;

    (void)state;
    assert_order_free(all, COUNT(all), 12);
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(all); i++)
        merge_into(&rows, &all[i]->facts);
    assert_true(holds(find_row(&rows, FACT_CALL, NULL)->cells[CALL_RECORDING].text, "\"channels\":2"));
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

static void test_texts_are_the_same_by_callback_and_by_the_api(void **state)
{
    delivery_t *all[] = {
        deliver_fixture(P, "events", "twilio/rtt-3-transcription-content-final.form"),
        object("api-event", "api-event.transcription"),
        deliver_fixture(P, "events", "twilio/transcription-legacy-completed.form"),
        object("api-transcription", "api-transcription.completed"),
    };
    facts_t rows;

    (void)state;
    assert_true(str_eq(all[0]->event_key, all[1]->event_key));
    assert_true(str_eq(all[2]->event_key, all[3]->event_key));
    assert_order_free(all, COUNT(all), 13);
    assert_same_rows(&all[0]->facts, &all[1]->facts); /* nothing of it is lost on the way by the API */
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(all); i++)
        merge_into(&rows, &all[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 1);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

static void test_a_price_is_a_cost(void **state)
{
    static const struct {
        const char *price, *cost;
    } ROWS[] = {{"\"-0.01400\"", "0.01400"},
                {"-0.5", "0.5"},
                {"\"0.00000\"", "0.00000"},
                {"0", "0"},
                {"\"0.25\"", "-0.25"},
                {"null", NULL},
                {"\"x\"", NULL},
                {"\"\"", NULL},
                {"[]", NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        delivery_t *d =
            deliver(P, "api-call", BODY_JSON,
                    arena_printf(test_arena, "{\"sid\":\"CA1\",\"status\":\"completed\",\"price\":%s}", ROWS[i].price));

        assert_absent(d->error);
        assert_cell(find_row(&d->facts, FACT_CALL, NULL), CALL_COST, ROWS[i].cost);
        delivery_free(d);
    }
}

static void test_objects_without_an_id_are_dead_letters(void **state)
{
    static const char *const ROUTES[] = {"api-call", "api-recording", "api-transcription", "api-event"};

    (void)state;
    for (size_t i = 0; i < COUNT(ROUTES); i++) {
        static const char *const BODIES[] = {"{}", "null", "[]", "7", "{\"sid\":null,\"status\":null}"};

        for (size_t j = 0; j < COUNT(BODIES); j++) {
            delivery_t *d = deliver(P, ROUTES[i], BODY_JSON, str_from(BODIES[j]));

            assert_non_null(d->error.base);
            assert_false(str_is_empty(d->event_key));
            delivery_free(d);
        }
    }
}

static void test_what_was_found_is_understood(void **state)
{
    static const struct {
        const char *what, *cursor, *file, *key;
    } ROWS[] = {
        {"calls", PATH "/Calls.json", "calls-page-2", "call:" CA4 ":no-answer"},
        {"recordings", PATH "/Recordings.json", "recordings", "recording:" RE1 ":completed"},
        {"events", PATH "/Calls/" CA2 "/Events.json", "call-events", "call:" CA2 ":completed"},
    };
    void *access = one_account();

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        remote_step_t step = step_of(ROWS[i].what, NULL, ROWS[i].cursor);
        str_t body = fixture(arena_printf(test_arena, "twilio/api/response.%s.json", ROWS[i].file).base);
        remote_page_t page = read_page(P, access, &step, body);
        delivery_t *d = deliver_found(P, find_at(&page, 0));

        assert_str(d->event_key, ROWS[i].key);
        delivery_free(d);
    }
    P->remote->access_free(access);
}

/* Two windows of a list that takes none are the same request: whoever plans has to know. */
static void test_a_list_that_takes_no_window_says_so(void **state)
{
    void *access = access_of(P, SETTINGS(ONE_ACCOUNT));

    (void)state;
    for (size_t i = 0; i < P->remote->n_resources; i++) {
        const remote_resource_t *r = &P->remote->resources[i];
        remote_page_t a = begin_pass(P, access, r->name, at("2026-08-28T00:00:00Z"), at("2026-08-29T00:00:00Z"));
        remote_page_t b = begin_pass(P, access, r->name, at("2026-08-29T00:00:00Z"), at("2026-08-30T00:00:00Z"));

        assert_int_equal(str_eq(a.follows->step.cursor, b.follows->step.cursor), r->from_newest);
    }
    P->remote->access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_a_list_that_takes_no_window_says_so),
        provider_test(test_without_an_account_nothing_is_fetched),
        provider_test(test_settings_that_cannot_be_meant_are_refused),
        provider_test(test_the_key_is_taken_before_the_newest_token),
        provider_test(test_each_account_is_fetched_with_its_own_token),
        provider_test(test_a_window_is_asked_for_with_a_day_more),
        provider_test(test_an_open_window_has_no_bounds),
        provider_test(test_one_call_is_asked_for_by_its_sid),
        provider_test(test_a_call_is_looked_for_in_one_account_after_the_other),
        provider_test(test_nothing_is_concluded_where_calls_come_of_an_account_that_is_not_named),
        provider_test(test_what_is_no_path_of_a_known_account_is_not_asked),
        provider_test(test_a_page_of_calls_is_found_and_followed),
        provider_test(test_only_what_is_in_the_window_is_found),
        provider_test(test_one_call_and_its_events_are_found),
        provider_test(test_events_without_a_name_are_left_out),
        provider_test(test_recordings_are_found_once_they_have_a_callback),
        provider_test(test_a_transcription_is_found_by_way_of_its_recording),
        provider_test(test_a_next_page_elsewhere_is_refused),
        provider_test(test_an_answer_of_another_shape_is_an_error),
        provider_test(test_a_row_that_cannot_be_read_is_skipped),
        provider_test(test_a_full_page_and_an_empty_one_are_read),
        provider_test(test_a_call_is_the_same_by_callback_and_by_the_api),
        provider_test(test_a_listed_recording_is_better_than_one_named_in_passing),
        provider_test(test_texts_are_the_same_by_callback_and_by_the_api),
        provider_test(test_a_price_is_a_cost),
        provider_test(test_objects_without_an_id_are_dead_letters),
        provider_test(test_what_was_found_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
