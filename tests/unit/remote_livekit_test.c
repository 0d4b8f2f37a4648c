#include "livekit_keys.h"
#include "remote_harness.h"

#include "base/crypto.h"
#include "base/jwt.h"

#define ROOM      "RM_hT7Kq2vXw9Zb"
#define ROOM_NAME "call-_+14155550123_x7Qk2mZp9LrT"
#define NOW_US    (INT64_C(1767000000) * US_PER_S + 999999)
#define URL       "https://project.livekit.cloud"

#define KEYS                                                                                                           \
    {"LIVEKIT_API_KEY", "devkey"},                                                                                     \
    {                                                                                                                  \
        "LIVEKIT_API_SECRET", SECRET ",older"                                                                          \
    }

static void *access_at(const char *url)
{
    return access_of(P, SETTINGS(KEYS, {"LIVEKIT_URL", url}));
}

static void *access_now(void)
{
    return access_at("wss://project.livekit.cloud");
}

static remote_step_t step_of(const char *what, const char *id, const char *cursor)
{
    return (remote_step_t){
        .what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .id = str_from(id), .cursor = str_from(cursor)};
}

/* ---- settings ---- */

static void test_without_an_address_or_a_key_nothing_is_fetched(void **state)
{
    (void)state;
    assert_no_access(P, SETTINGS(KEYS), NULL);
    assert_no_access(P, SETTINGS({"LIVEKIT_URL", URL}), NULL);
    assert_no_access(P, SETTINGS({"LIVEKIT_URL", URL}, {"LIVEKIT_API_KEY", "devkey"}), "LIVEKIT_API_SECRET is not");
}

static void test_an_address_that_cannot_be_meant_is_refused(void **state)
{
    static const char *const URLS[] = {"project.livekit.cloud", "ftp://a",   "wss://",    "wss:///",     "https://a b",
                                       "https://u:p@a",         "wss://a?x", "wss://a#x", "https://a\rb"};

    (void)state;
    for (size_t i = 0; i < COUNT(URLS); i++)
        assert_no_access(P, SETTINGS(KEYS, {"LIVEKIT_URL", URLS[i]}), "LIVEKIT_URL: expected");
}

static void test_a_websocket_address_is_asked_by_http(void **state)
{
    static const struct {
        const char *setting, *base;
    } ROWS[] = {
        {"wss://project.livekit.cloud", URL},
        {"WSS://project.livekit.cloud/", URL},
        {"https://project.livekit.cloud//", URL},
        {"ws://127.0.0.1:7880", "http://127.0.0.1:7880"},
        {"http://[::1]:7880/lk/", "http://[::1]:7880/lk"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        void *access = access_at(ROWS[i].setting);
        remote_step_t step;

        P->remote->probe(access, test_arena, &step);
        assert_str(request_of(P, access, &step, NOW_US).url,
                   arena_printf(test_arena, "%s/twirp/livekit.RoomService/ListRooms", ROWS[i].base).base);
        P->remote->access_free(access);
    }
}

/* ---- what is asked ---- */

/* The claims of a request's token, whose signature fits `secret`. */
static const cJSON *claims_of(const remote_request_t *r, const char *secret)
{
    str_t authorization = field_of(r, "authorization");
    hmac_key_t *key = hmac_key_new(DIGEST_SHA256, str_from(secret));
    const cJSON *claims;
    jwt_t token;
    err_t err;

    assert_true(str_starts(authorization, STR("Bearer ")));
    assert_true(jwt_read(test_arena, str_slice(authorization, 7, authorization.len), &token, &err));
    assert_true(jwt_verify(&token, key));
    hmac_key_free(key);
    claims = json_parse(test_arena, token.claims, &err);
    assert_non_null(claims);
    return claims;
}

static bool same_json(const cJSON *a, const cJSON *b)
{
    return str_eq(json_hash(test_arena, a, NULL), json_hash(test_arena, b, NULL));
}

static const cJSON *parse(str_t text)
{
    err_t err;
    const cJSON *root = json_parse(test_arena, text, &err);

    assert_non_null(root);
    return root;
}

/* As LiveKit's own library asks. */
static void test_requests_are_as_livekits_library_makes_them(void **state)
{
    static const struct {
        const char *what, *cursor, *file;
        bool same_body;
    } ROWS[] = {
        {"rooms", NULL, "rooms", true},
        {"participants", ROOM_NAME, "participants", true},
        {"egress", NULL, "egress-active", false}, /* all are asked for, not those that are active */
    };
    void *access = access_now();

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        const cJSON *want = json_at(fixture_json("livekit/api/request-vectors.json"), ROWS[i].file);
        remote_step_t step = step_of(ROWS[i].what, ROOM, ROWS[i].cursor);
        remote_request_t r = request_of(P, access, &step, NOW_US);

        assert_string_equal(r.method, "POST");
        assert_str(r.url, arena_printf(test_arena, URL "%s", json_str(want, "path").base).base);
        assert_int_equal(r.n_fields, 3);
        assert_str(field_of(&r, "content-type"), "application/json");
        assert_str(field_of(&r, "accept"), "application/json");
        assert_true(same_json(claims_of(&r, SECRET), json_at(want, "jwt_claims")));
        if (ROWS[i].same_body)
            assert_true(same_json(parse(r.body), json_at(want, "body")));
        else
            assert_str(r.body, "{}");
    }
    P->remote->access_free(access);
}

static void test_names_are_escaped_wherever_they_stand(void **state)
{
    static const char NAME[] = "a\"},\"x\":{\"\\ \n+/ é";
    void *access = access_now();
    remote_step_t step = step_of("participants", ROOM, NAME);
    remote_request_t r = request_of(P, access, &step, NOW_US);

    (void)state;
    assert_str(json_str(parse(r.body), "room"), NAME);
    assert_str(json_str(claims_of(&r, SECRET), "video.room"), NAME);
    step = step_of("egress", NULL, NAME);
    r = request_of(P, access, &step, NOW_US);
    assert_str(json_str(parse(r.body), "page_token.token"), NAME);
    P->remote->access_free(access);
}

static void test_the_first_key_of_a_list_signs(void **state)
{
    void *access = access_of(P, SETTINGS({"LIVEKIT_KEYS", "first:" SECRET2 ",devkey:" SECRET}, {"LIVEKIT_URL", URL}));
    remote_step_t step = step_of("rooms", NULL, NULL);
    remote_request_t r = request_of(P, access, &step, NOW_US);

    (void)state;
    assert_str(json_str(claims_of(&r, SECRET2), "iss"), "first");
    P->remote->access_free(access);
}

static void test_a_pass_begins_with_one_step(void **state)
{
    void *access = access_now();
    remote_page_t rooms = begin_pass(P, access, "rooms", 1, 2), egress = begin_pass(P, access, "egress", 1, 2);

    (void)state;
    assert_true(P->remote->resources[0].live);
    assert_page(&rooms, 0, 1, 0, 0);
    assert_string_equal(follow_at(&rooms, 0)->step.what, "rooms");
    assert_page(&egress, 0, 1, 0, 0);
    assert_string_equal(follow_at(&egress, 0)->step.what, "egress");
    assert_int_equal(follow_at(&egress, 0)->step.from_us, 1);
    assert_int_equal(follow_at(&egress, 0)->step.to_us, 2);
    assert_true(P->remote->resources[1].from_newest); /* nothing of a window is in what is asked */
    P->remote->access_free(access);
}

static void test_steps_that_are_none_are_not_asked(void **state)
{
    const remote_step_t steps[] = {step_of("nonsense", NULL, NULL), step_of("participants", ROOM, NULL)};
    void *access = access_now();

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        remote_request_t r;
        err_t err = {.code = ERR_NONE};

        assert_false(P->remote->ask(access, &steps[i], NOW_US, test_arena, &r, &err));
        assert_int_equal(err.code, ERR_UNKNOWN_SHAPE);
    }
    P->remote->access_free(access);
}

/* ---- what is read ---- */

static str_t answer(const char *name)
{
    return fixture(arena_printf(test_arena, "livekit/api/response.%s.json", name).base);
}

static void test_rooms_are_found_and_their_participants_asked_for(void **state)
{
    void *access = access_now();
    remote_step_t step = step_of("rooms", NULL, NULL), next;
    remote_page_t page = read_page(P, access, &step, answer("rooms"));
    delivery_t *d;

    (void)state;
    assert_page(&page, 2, 2, 0, 2);
    assert_string_equal(find_at(&page, 0)->route, "api-room");
    assert_str(find_at(&page, 0)->id, ROOM);
    assert_int_equal(find_at(&page, 0)->at_us, INT64_C(1767000000137) * US_PER_MS);
    next = follow_at(&page, 0)->step;
    assert_string_equal(next.what, "participants");
    assert_str(next.id, ROOM);
    assert_str(next.cursor, ROOM_NAME);
    assert_absent(follow_at(&page, 0)->change_mark);
    d = deliver_found(P, find_at(&page, 0));
    assert_str(d->event_key, "room_started:" ROOM);
    delivery_free(d);

    page = read_page(P, access, &next, answer("participants"));
    assert_page(&page, 2, 0, 0, 2);
    assert_false(page.gone);
    d = deliver_found(P, find_at(&page, 1));
    assert_str(d->event_key, "participant_joined:PA_sip7JkLmNoPq");
    assert_str(d->call_sid, "CA1234567890abcdef1234567890abcdef");
    delivery_free(d);
    P->remote->access_free(access);
}

/* Who is connecting yet may still fail to, and who has left is none that joins. */
static void test_only_who_is_active_has_joined(void **state)
{
    static const struct {
        const char *state;
        size_t finds;
    } ROWS[] = {{"\"JOINING\"", 0}, {"\"JOINED\"", 0}, {"\"ACTIVE\"", 1}, {"\"DISCONNECTED\"", 0},
                {"0", 0},           {"2", 1},          {"null", 0},       {"[]", 0}};
    void *access = access_now();
    remote_step_t step = step_of("participants", ROOM, "a \"name\"");

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        remote_page_t page = read_page(P, access, &step,
                                       arena_printf(test_arena,
                                                    "{\"participants\":[{\"sid\":\"PA_1\",\"identity\":\"x\","
                                                    "\"joined_at\":\"1767000000\",\"state\":%s}]}",
                                                    ROWS[i].state));

        assert_page(&page, ROWS[i].finds, 0, 0, 1);
        if (ROWS[i].finds)
            assert_str(json_str(parse(find_at(&page, 0)->payload), "room.name"), "a \"name\"");
    }
    P->remote->access_free(access);
}

/* By its sid a room cannot be asked for: one request tells of any number of them. */
static void test_rooms_are_looked_for_among_those_that_live(void **state)
{
    void *access = access_now();
    remote_step_t step, other;
    remote_page_t page;

    (void)state;
    assert_true(P->remote->forgets_ended);
    assert_false(P->remote->one(access, STR("session:name"), test_arena, &step));
    assert_true(P->remote->one(access, STR("RM_another"), test_arena, &other));
    assert_true(P->remote->one(access, STR(ROOM), test_arena, &step));
    assert_string_equal(step.what, other.what);
    assert_absent(step.id);
    assert_absent(step.cursor);
    assert_str(request_of(P, access, &step, NOW_US).body, "{}");
    page = read_page(P, access, &step, answer("rooms"));
    assert_page(&page, 2, 2, 0, 2);
    assert_true(remote_finds(&page, STR(ROOM)));
    assert_false(remote_finds(&page, STR("RM_another")));
    assert_false(page.gone);
    assert_unreadable(P, access, &step, STR("{\"message\":\"ok\"}"), ERR_UNKNOWN_SHAPE); /* nobody has ended by this */
    P->remote->access_free(access);
}

static void test_egress_is_read_page_by_page(void **state)
{
    void *access = access_now();
    remote_step_t step = step_of("egress", NULL, NULL);
    remote_page_t page = read_page(P, access, &step, answer("egress-active"));
    delivery_t *d;

    (void)state;
    assert_page(&page, 1, 1, 0, 1);
    assert_str(find_at(&page, 0)->id, ROOM);
    d = deliver_found(P, find_at(&page, 0));
    assert_str(d->event_key, "egress_started:EG_bQ8xZr4NmKtW");
    delivery_free(d);
    step = follow_at(&page, 0)->step;
    assert_str(request_of(P, access, &step, NOW_US).body, "{\"page_token\":{\"token\":\"b3BhcXVl\"}}");
    assert_unreadable(P, access, &step, answer("egress-active"), ERR_UNKNOWN_SHAPE); /* the same page again */
    page = read_page(P, access, &step, answer("egress-by-room"));
    assert_page(&page, 2, 0, 0, 2);
    P->remote->access_free(access);
}

static void test_of_a_window_is_what_went_on_in_it(void **state)
{
    static const struct {
        int64_t from_s, to_s;
        size_t finds;
    } ROWS[] = {
        {1767000000, 1767000100, 2}, {1767000005, 1767000060, 1}, {1767000070, 1767000100, 0},
        {1766999000, 1767000003, 0}, {1766999000, 1767000004, 2}, {1767000069, 1767000070, 1},
    };
    void *access = access_now();
    remote_step_t step = step_of("egress", NULL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        remote_page_t page;

        step.from_us = ROWS[i].from_s * US_PER_S;
        step.to_us = ROWS[i].to_s * US_PER_S;
        page = read_page(P, access, &step, answer("egress-by-room"));
        assert_page(&page, ROWS[i].finds, 0, 0, 2);
    }
    P->remote->access_free(access);
}

/* ---- hostile answers ---- */

static void test_an_answer_of_another_shape_is_an_error(void **state)
{
    static const char *const WHATS[] = {"rooms", "living", "participants", "egress", "probe"};
    static const struct {
        const char *body;
        err_code_t code;
    } ROWS[] = {
        {"", ERR_UNPARSABLE},
        {"invalid API key", ERR_UNPARSABLE},
        {"{\"rooms\":[", ERR_UNPARSABLE},
        {"null", ERR_UNKNOWN_SHAPE},
        {"[]", ERR_UNKNOWN_SHAPE},
        {"{\"rooms\":null,\"x\":1}", ERR_UNKNOWN_SHAPE},
        {"7", ERR_UNKNOWN_SHAPE},
        {"{\"rooms\":{},\"items\":7,\"participants\":\"\"}", ERR_UNKNOWN_SHAPE},
        {"{\"code\":\"internal\",\"msg\":\"x\"}", ERR_UNKNOWN_SHAPE},
    };
    void *access = access_now();

    (void)state;
    for (size_t i = 0; i < COUNT(WHATS); i++) {
        remote_step_t step = step_of(WHATS[i], ROOM, ROOM_NAME);
        remote_page_t page;

        for (size_t j = 0; j < COUNT(ROWS); j++)
            assert_unreadable(P, access, &step, str_from(ROWS[j].body), ROWS[j].code);
        page = read_page(P, access, &step, STR("{}")); /* an empty list that is left out */
        assert_page(&page, 0, 0, 0, 0);
    }
    assert_unreadable(P, access, &(remote_step_t){.what = "nonsense"}, STR("{}"), ERR_UNKNOWN_SHAPE);
    P->remote->access_free(access);
}

static void test_a_row_that_cannot_be_read_is_skipped(void **state)
{
    static const char *const LISTS[] = {"rooms", "participants", "items"};
    static const char *const WHATS[] = {"rooms", "participants", "egress"};
    static const char *const BAD[] = {"null",
                                      "7",
                                      "[]",
                                      "{}",
                                      "{\"sid\":null,\"name\":null,\"egress_id\":null}",
                                      "{\"sid\":{},\"name\":[],\"egress_id\":7}"};
    void *access = access_now();

    (void)state;
    for (size_t i = 0; i < COUNT(LISTS); i++)
        for (size_t j = 0; j < COUNT(BAD); j++) {
            remote_step_t step = step_of(WHATS[i], ROOM, ROOM_NAME);
            str_t body = arena_printf(test_arena,
                                      "{\"%s\":[%s,{\"sid\":\"PA_1\",\"name\":\"x\",\"egress_id\":\"EG_1\","
                                      "\"state\":\"ACTIVE\",\"joined_at_ms\":null,\"creation_time\":[],"
                                      "\"room_id\":null,\"attributes\":null,\"file_results\":null}]}",
                                      LISTS[i], BAD[j]);
            remote_page_t page = read_page(P, access, &step, body);
            delivery_t *d;

            assert_page(&page, 1, i == 0, 1, 2);
            assert_string_equal(skip_at(&page, 0)->reason, "unreadable");
            d = deliver(P, find_at(&page, 0)->route, BODY_JSON, find_at(&page, 0)->payload);
            assert_absent(d->error);
            delivery_free(d);
        }
    P->remote->access_free(access);
}

static void test_a_thousand_rooms_are_read(void **state)
{
    void *access = access_now();
    remote_step_t step = step_of("rooms", NULL, NULL);
    buf_t body = BUF_EMPTY;
    remote_page_t page;

    (void)state;
    buf_add(&body, STR("{\"rooms\":["));
    for (int i = 0; i < 1000; i++)
        buf_printf(&body, "%s{\"sid\":\"RM_%d\",\"name\":\"n%d\"}", i ? "," : "", i, i);
    buf_add(&body, STR("]}"));
    page = read_page(P, access, &step, buf_str(&body));
    assert_page(&page, 1000, 1000, 0, 1000);
    assert_int_equal(find_at(&page, 0)->at_us, TIME_NONE);
    buf_clear(&body);
    P->remote->access_free(access);
}

/* ---- the same happening, by event and by the API ---- */

static delivery_t *event(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "livekit/events/%s.json", file).base);
}

static delivery_t *object(const char *route, const char *file)
{
    return deliver_fixture(P, route, arena_printf(test_arena, "livekit/api/%s.json", file).base);
}

static void merge_all(facts_t *rows, delivery_t *const *all, size_t count)
{
    facts_init(rows, test_arena);
    for (size_t i = 0; i < count; i++)
        merge_into(rows, &all[i]->facts);
}

static void test_a_call_is_the_same_by_event_and_by_the_api(void **state)
{
    delivery_t *all[] = {
        event("room_started"),
        event("participant_joined_agent"),
        event("participant_joined_sip_inbound"),
        event("egress_ended_complete"),
        event("participant_left_sip"),
        event("participant_left_agent"),
        event("room_finished"),
        object("api-room", "api-room"),
        object("api-participant", "api-participant.agent"),
        object("api-participant", "api-participant.sip"),
        object("api-egress", "api-egress.active"),
        object("api-egress", "api-egress.complete"),
    };
    facts_t events, both;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_true(str_eq(all[i]->event_key, all[i + 7]->event_key));
    assert_true(str_eq(all[3]->event_key, all[11]->event_key));
    assert_order_free(all, COUNT(all), 21);
    merge_all(&events, all, 7);
    merge_all(&both, all, COUNT(all));
    assert_same_rows(&events, &both); /* of a call whose events all came nothing is left to be told */
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

/* By the API alone the same rows come to be, but for the leaving. */
static void test_a_call_without_events_has_its_rows_by_the_api(void **state)
{
    delivery_t *all[] = {
        object("api-room", "api-room"),
        object("api-participant", "api-participant.agent"),
        object("api-participant", "api-participant.sip"),
        object("api-egress", "api-egress.complete"),
    };
    facts_t rows;

    (void)state;
    assert_order_free(all, COUNT(all), 22);
    merge_all(&rows, all, COUNT(all));
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_PARTICIPANT), 2);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_SESSION_ID, ROOM_NAME},
                 {CALL_DIRECTION, "inbound"}, {CALL_CUSTOMER_NUMBER, "+14155550123"},
                 {CALL_CALL_SID, "CA1234567890abcdef1234567890abcdef"}, {CALL_AGENT_NAME, "support-agent"},
                 {CALL_STARTED_AT, "2025-12-29T09:20:00.137000Z"}, {CALL_CONNECTED_AT, "2025-12-29T09:20:01.402000Z"},
                 {CALL_ENDED_AT, NULL}, {CALL_OUTCOME, NULL});
    ASSERT_CELLS(find_row(&rows, FACT_PARTICIPANT, "PA_sip7JkLmNoPq"), {PARTICIPANT_TYPE, "user"},
                 {PARTICIPANT_CONNECTED, "1"}, {PARTICIPANT_LEFT_AT, NULL}, {PARTICIPANT_LEFT_REASON, NULL});
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

/* A leg that we dial: its attributes go on after it has joined, and no event tells of it until it leaves. */
static void test_a_participant_there_is_newer_than_its_joining_and_older_than_its_leaving(void **state)
{
#define OUTBOUND(status)                                                                                               \
    STR("{\"room\":{\"sid\":\"RM_oUtB0undR00m\",\"name\":\"n\"},\"participant\":{\"sid\":\"PA_1\",\"identity\":\"x\"," \
        "\"state\":\"ACTIVE\",\"kind\":\"SIP\",\"joined_at_ms\":\"1767000001402\",\"attributes\":{"                    \
        "\"sip.callStatus\":\"" status "\",\"sip.twilio.callSid\":\"CA9\"}}}")
#define EVENT(name, created, status)                                                                                   \
    STR("{\"event\":\"" name "\",\"createdAt\":\"" created "\",\"room\":{\"sid\":\"RM_oUtB0undR00m\",\"name\":\"n\"}," \
        "\"participant\":{\"sid\":\"PA_1\",\"identity\":\"x\",\"state\":\"ACTIVE\",\"kind\":\"SIP\","                  \
        "\"joinedAtMs\":\"1767000001402\",\"attributes\":{\"sip.callStatus\":\"" status "\"}}}")
    delivery_t *all[] = {
        deliver(P, "events", BODY_JSON, EVENT("participant_joined", "1767000001", "dialing")),
        deliver(P, "api-participant", BODY_JSON, OUTBOUND("active")),
        deliver(P, "events", BODY_JSON, EVENT("participant_left", "1767000001", "hangup")),
    };
    const fact_t *stay;
    facts_t rows;

    (void)state;
    assert_order_free(all, COUNT(all), 23);
    merge_all(&rows, all, 2);
    stay = find_row(&rows, FACT_PARTICIPANT, "PA_1");
    assert_true(holds(stay->cells[PARTICIPANT_ATTRIBUTES].text, "active"));
    assert_cell(find_row(&rows, FACT_CALL, NULL), CALL_CALL_SID, "CA9");
    /* joined is not answered: its time is a guess */
    assert_int_equal(rank_of(find_row(&rows, FACT_CALL, NULL), CALL_CONNECTED_AT), RANK_INFERRED);
    merge_all(&rows, all, COUNT(all));
    stay = find_row(&rows, FACT_PARTICIPANT, "PA_1");
    assert_true(holds(stay->cells[PARTICIPANT_ATTRIBUTES].text, "hangup"));
    for (size_t i = 0; i < COUNT(all); i++)
        delivery_free(all[i]);
}

/* What is written with its zero value says no more than what is left out; users' own keys stay as they are. */
static void test_zero_values_say_nothing(void **state)
{
    delivery_t *d = deliver(P, "api-participant", BODY_JSON,
                            STR("{\"room\":{\"sid\":\"RM_1\",\"name\":\"0\"},\"participant\":{\"sid\":\"PA_1\","
                                "\"identity\":\"0\",\"name\":\"\",\"state\":\"ACTIVE\",\"joined_at\":\"0\","
                                "\"joined_at_ms\":\"0\",\"permission\":{\"hidden\":false},\"kind\":\"STANDARD\","
                                "\"attributes\":{\"my_key\":\"\",\"a_zero\":\"0\"}}}"));
    const fact_t *stay = find_row(&d->facts, FACT_PARTICIPANT, "PA_1");

    (void)state;
    assert_absent(d->error);
    ASSERT_CELLS(stay, {PARTICIPANT_IDENTITY, "0"}, {PARTICIPANT_NAME, NULL}, {PARTICIPANT_TYPE, "user"},
                 {PARTICIPANT_JOINED_AT, NULL}, {PARTICIPANT_ATTRIBUTES, "{\"my_key\":\"\",\"a_zero\":\"0\"}"});
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_SESSION_ID, "0"}, {CALL_CONNECTED_AT, NULL});
    assert_int_equal(d->occurred_us, TIME_NONE);
    delivery_free(d);
}

/* As a server writes that uses lowerCamelCase and leaves zero values out. */
static void test_answers_in_camel_case_are_read_too(void **state)
{
    void *access = access_now();
    remote_step_t step = step_of("egress", NULL, NULL);
    str_t info =
        json_print(test_arena, json_at(fixture_json("livekit/events/egress_ended_complete.json"), "egressInfo"));
    remote_page_t page = read_page(
        P, access, &step,
        arena_printf(test_arena, "{\"items\":[" STR_FMT "],\"nextPageToken\":{\"token\":\"t\"}}", STR_ARG(info)));
    delivery_t *d, *e = event("egress_ended_complete");

    (void)state;
    assert_page(&page, 1, 1, 0, 1);
    d = deliver_found(P, find_at(&page, 0));
    assert_true(str_eq(d->event_key, e->event_key));
    for (int column = CALL_RECORDING_URL; column <= CALL_RECORDING; column += CALL_RECORDING - CALL_RECORDING_URL)
        assert_true(same_cell(FACT_TABLES[FACT_CALL].columns[column].type, &d->facts.first->cells[column],
                              &e->facts.first->cells[column]));
    delivery_free(d);
    delivery_free(e);
    P->remote->access_free(access);
}

static void test_objects_without_an_id_are_dead_letters(void **state)
{
    static const char *const ROUTES[] = {"api-room", "api-participant", "api-egress"};
    static const char *const BODIES[] = {"{}", "null", "[]", "7", "{\"sid\":null}", "{\"room\":7,\"participant\":[]}"};

    (void)state;
    for (size_t i = 0; i < COUNT(ROUTES); i++)
        for (size_t j = 0; j < COUNT(BODIES); j++) {
            delivery_t *d = deliver(P, ROUTES[i], BODY_JSON, str_from(BODIES[j]));

            assert_non_null(d->error.base);
            assert_false(str_is_empty(d->event_key));
            delivery_free(d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_without_an_address_or_a_key_nothing_is_fetched),
        provider_test(test_an_address_that_cannot_be_meant_is_refused),
        provider_test(test_a_websocket_address_is_asked_by_http),
        provider_test(test_requests_are_as_livekits_library_makes_them),
        provider_test(test_names_are_escaped_wherever_they_stand),
        provider_test(test_the_first_key_of_a_list_signs),
        provider_test(test_a_pass_begins_with_one_step),
        provider_test(test_steps_that_are_none_are_not_asked),
        provider_test(test_rooms_are_found_and_their_participants_asked_for),
        provider_test(test_only_who_is_active_has_joined),
        provider_test(test_rooms_are_looked_for_among_those_that_live),
        provider_test(test_egress_is_read_page_by_page),
        provider_test(test_of_a_window_is_what_went_on_in_it),
        provider_test(test_an_answer_of_another_shape_is_an_error),
        provider_test(test_a_row_that_cannot_be_read_is_skipped),
        provider_test(test_a_thousand_rooms_are_read),
        provider_test(test_a_call_is_the_same_by_event_and_by_the_api),
        provider_test(test_a_call_without_events_has_its_rows_by_the_api),
        provider_test(test_a_participant_there_is_newer_than_its_joining_and_older_than_its_leaving),
        provider_test(test_zero_values_say_nothing),
        provider_test(test_answers_in_camel_case_are_read_too),
        provider_test(test_objects_without_an_id_are_dead_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
