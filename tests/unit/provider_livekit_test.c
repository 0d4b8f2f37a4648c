#include "provider_harness.h"

extern const provider_t provider_livekit;
#define P (&provider_livekit)

#define SECRET  "devsecret-0123456789abcdef0123456789abcdef"
#define SECRET2 "rotated-secret-fedcba9876543210fedcba9876543210"
#define ROOM    "RM_hT7Kq2vXw9Zb"
#define NAME    "call-_+14155550123_x7Qk2mZp9LrT"
#define NOW_US  (INT64_C(1767000030) * US_PER_S)

static void *both_keys(void)
{
    return keys_of(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}, {"LIVEKIT_API_SECRET", SECRET},
                               {"LIVEKIT_KEYS", "devkey2: " SECRET2}));
}

/* The header Authorization of a vector, under its lower-case name. */
static size_t authorization_of(const cJSON *request, header_t *out)
{
    const cJSON *header = json_at(request, "headers.Authorization");

    if (!header)
        return 0;
    *out = (header_t){STR("authorization"), str_from(header->valuestring)};
    return 1;
}

static void test_every_vector_gets_its_verdict(void **state)
{
    void *keys = both_keys();
    size_t accepted = 0, refused = 0;

    (void)state;
    for (const cJSON *v = json_at(fixture_json("livekit/webhook-vectors.json"), "vectors")->child; v; v = v->next) {
        const cJSON *request = json_at(v, "request");
        str_t expect = json_str(v, "expect");
        header_t header;
        int64_t at_s;
        hook_request_t r = {.headers = &header, .n_headers = authorization_of(request, &header)};
        bool genuine;

        r.body = json_str(request, "body");
        assert_true(json_int(v, "verify_at", &at_s));
        r.now_us = at_s * US_PER_S;
        genuine = verdict_of(P, keys, &r) == ERR_NONE;
        accepted += genuine;
        refused += !genuine;
        if (!str_eq(expect, STR("either")) && genuine != str_starts(expect, STR("accept")))
            fail_msg("%s", json_str(v, "name").base);
        if (genuine) {
            delivery_t *d = deliver(P, "events", BODY_JSON, r.body);

            assert_int_equal(d->error.base != NULL, str_eq(expect, STR("accept_dead_letter")));
            delivery_free(d);
        }
    }
    assert_int_equal(accepted + refused, 59);
    assert_int_equal(refused, 24 + 1); /* 24 bad ones, and of the two that may go either way the padded one */
    P->keys_free(keys);
}

typedef struct signed_event {
    hook_request_t request;
    header_t header;
} signed_event_t;

static void first_vector(signed_event_t *s)
{
    const cJSON *request = json_at(fixture_json("livekit/webhook-vectors.json"), "vectors.0.request");

    *s = (signed_event_t){.request = {.now_us = NOW_US, .n_headers = 1}};
    authorization_of(request, &s->header);
    s->request.headers = &s->header;
    s->request.body = json_str(request, "body");
}

static void test_any_byte_changed_is_refused(void **state)
{
    void *keys = both_keys();
    signed_event_t s;
    str_t body, token;

    (void)state;
    first_vector(&s);
    body = s.request.body;
    token = s.header.value;
    assert_genuine(P, keys, &s.request);
    for (size_t i = 0; i < body.len; i++) {
        s.request.body = changed(test_arena, body, i);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    }
    s.request.body = body;
    for (size_t i = 0; i < token.len; i++) {
        s.header.value = changed(test_arena, token, i);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    }
    P->keys_free(keys);
}

static void test_late_and_early_tokens_are_stale(void **state)
{
    void *keys = both_keys();
    signed_event_t s;

    (void)state;
    first_vector(&s);
    s.request.now_us = (INT64_C(1767000000) - 60) * US_PER_S;
    assert_genuine(P, keys, &s.request);
    s.request.now_us -= 1;
    assert_refused(P, keys, &s.request, ERR_STALE);
    s.request.now_us = (INT64_C(4102444800) + 60) * US_PER_S;
    assert_refused(P, keys, &s.request, ERR_STALE);
    s.request.now_us -= 1;
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_two_secrets_of_one_key_are_valid_at_once(void **state)
{
    static const struct {
        const char *secrets;
        err_code_t verdict;
    } CASES[] = {
        {"new-secret, " SECRET, ERR_NONE}, {SECRET ",old-secret", ERR_NONE}, {"new-secret,old-secret", ERR_SIGNATURE}};
    signed_event_t s;

    (void)state;
    first_vector(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}, {"LIVEKIT_API_SECRET", CASES[i].secrets}));

        assert_int_equal(verdict_of(P, keys, &s.request), CASES[i].verdict);
        P->keys_free(keys);
    }
}

static void test_keys_that_cannot_work_are_refused(void **state)
{
    err_t err;

    (void)state;
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.detail, "LIVEKIT_API_SECRET is not"));
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_API_SECRET", SECRET}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", "devkey"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", "a:b,:c"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", ""}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

static void test_what_we_sign_we_accept(void **state)
{
    void *keys = keys_of(P, SETTINGS({"LIVEKIT_KEYS", "first:secret-one,second:secret-two"}));
    header_t headers[HOOK_MAX_SIGNED];
    hook_request_t r = {.headers = headers, .body = STR("{\"event\":\"room_started\"}"), .now_us = NOW_US};

    (void)state;
    r.n_headers = P->sign(keys, STR("https://x"), BODY_JSON, r.body, NOW_US, test_arena, headers);
    assert_genuine(P, keys, &r);
    r.now_us += 361 * US_PER_S;
    assert_refused(P, keys, &r, ERR_STALE);
    P->keys_free(keys);
}

/* ---- what is understood ---- */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "livekit/events/%s.json", file).base);
}

static const struct {
    const char *file, *key, *type, *call;
    bool has_facts;
} EVENTS[] = {
    {"room_started", "room_started:" ROOM, "room_started", ROOM, true},
    {"room_finished", "room_finished:" ROOM, "room_finished", ROOM, true},
    {"room_finished_never_joined", "room_finished:RM_nEvErJ0inEd0", "room_finished", "RM_nEvErJ0inEd0", true},
    {"participant_joined_agent", "participant_joined:PA_agt3RsTuVwXy", "participant_joined", ROOM, true},
    {"participant_joined_sip_inbound", "participant_joined:PA_sip7JkLmNoPq", "participant_joined", ROOM, true},
    {"participant_joined_sip_outbound", "participant_joined:PA_out5TgBnHyUj", "participant_joined", "RM_oUtB0undR00m",
     true},
    {"participant_joined_web", "participant_joined:PA_web9ZxCvBnMq", "participant_joined", "RM_wEbK2mQ8sXcV", true},
    {"participant_left_agent", "participant_left:PA_agt3RsTuVwXy", "participant_left", ROOM, true},
    {"participant_left_sip", "participant_left:PA_sip7JkLmNoPq", "participant_left", ROOM, true},
    {"participant_left_egress_recorder", "participant_left:PA_egr2WsXcDeRf", "participant_left", ROOM, true},
    {"participant_connection_aborted", "participant_connection_aborted:PA_abr1QaZwSxEd",
     "participant_connection_aborted", ROOM, true},
    {"track_published", "track_published:TR_AMsip01aBcDeF", "track_published", ROOM, false},
    {"track_unpublished", "track_unpublished:TR_AMsip01aBcDeF", "track_unpublished", ROOM, false},
    {"egress_started", "egress_started:EG_bQ8xZr4NmKtW", "egress_started", ROOM, false},
    {"egress_updated_active", "egress_updated:EG_bQ8xZr4NmKtW:EGRESS_ACTIVE:1767000003300000000", "egress_updated",
     ROOM, false},
    {"egress_updated_ending", "egress_updated:EG_bQ8xZr4NmKtW:EGRESS_ENDING:1767000066100000000", "egress_updated",
     ROOM, false},
    {"egress_ended_complete", "egress_ended:EG_bQ8xZr4NmKtW", "egress_ended", ROOM, false},
    {"egress_ended_failed", "egress_ended:EG_fA1lEd00Xy9Z", "egress_ended", ROOM, false},
    {"ingress_started", "ingress_started:IN_pLm0KnJbHvGc:RT_1a2b3c4d5e6f", "ingress_started", "RM_wEb1NaR42abc", false},
    {"ingress_ended", "ingress_ended:IN_pLm0KnJbHvGc:RT_1a2b3c4d5e6f", "ingress_ended", "RM_wEb1NaR42abc", false},
    {"agent_job_started", "agent_job_started:AJ_9QwErTyUiOpA", "agent_job_started", ROOM, false},
    {"agent_job_ended", "agent_job_ended:AJ_9QwErTyUiOpA", "agent_job_ended", ROOM, false},
};

static void test_every_event_has_its_key_and_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);

        assert_absent(d->error);
        assert_str(d->event_key, EVENTS[i].key);
        assert_str(d->event_type, EVENTS[i].type);
        assert_str(d->call_id, EVENTS[i].call);
        assert_int_equal(d->facts.first != NULL, EVENTS[i].has_facts);
        assert_int_not_equal(d->occurred_us, TIME_NONE);
        assert_int_equal(reply_to(P, d).status, 200);
        assert_absent(reply_to(P, d).body);
        delivery_free(d);
    }
}

static void test_secrets_are_redacted(void **state)
{
    static const char *const SECRETS[] = {"T9r2Hh1pQm7sVx0KcBqLwYzEdNfUjA3", "sk_redacted", "{access_key}", "{secret}"};

    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);

        for (size_t j = 0; j < COUNT(SECRETS); j++)
            assert_false(holds(d->payload, SECRETS[j]));
        delivery_free(d);
    }
}

static void test_new_events_are_stored_and_strangers_dead_letters(void **state)
{
    delivery_t *fresh = deliver(P, "events", BODY_JSON,
                                STR("{\"event\":\"room_hibernated\",\"room\":{\"sid\":\"RM_1\"},\"id\":\"EV_1\"}"));
    delivery_t *bare = deliver(P, "events", BODY_JSON, STR("{\"event\":\"egress_ended\",\"id\":\"EV_2\"}"));
    delivery_t *strange = deliver(P, "events", BODY_JSON, STR("{\"room\":{\"sid\":\"RM_1\"}}"));
    delivery_t *broken = deliver(P, "events", BODY_JSON, STR("not json at all"));

    (void)state;
    assert_absent(fresh->error);
    assert_str(fresh->event_key, "room_hibernated:EV_1");
    assert_str(fresh->call_id, "RM_1");
    assert_null(fresh->facts.first);
    assert_str(bare->event_key, "egress_ended:EV_2");
    assert_non_null(strange->error.base);
    assert_non_null(broken->error.base);
    assert_int_equal(reply_to(P, broken).status, 200);
    delivery_free(fresh);
    delivery_free(bare);
    delivery_free(strange);
    delivery_free(broken);
}

/* ---- scenarios ---- */

/* As the store computes it from the monotone columns. */
static const char *status_of(const fact_t *call)
{
    if (call->cells[CALL_PHASE].number == PHASE_PENDING)
        return "pending";
    if (call->cells[CALL_PHASE].number == PHASE_ACTIVE)
        return "active";
    if (call->cells[CALL_OUTCOME].version)
        return call->cells[CALL_OUTCOME].text.base;
    return call->cells[CALL_CONNECTED_AT].version ? "completed" : "failed";
}

static size_t deliver_scenario(const cJSON *scenario, delivery_t **out)
{
    void *keys = both_keys();
    size_t n = 0;

    for (const cJSON *s = json_at(scenario, "deliveries")->child; s; s = s->next) {
        header_t header;
        hook_request_t r = {.headers = &header, .n_headers = authorization_of(s, &header), .now_us = NOW_US};

        r.body = json_str(s, "body");
        assert_genuine(P, keys, &r);
        out[n++] = deliver(P, "events", BODY_JSON, r.body);
    }
    P->keys_free(keys);
    return n;
}

/* A column of an expected row, by its name in the file. recording_url is of the egress events. */
static void assert_expected(const fact_t *row, const cJSON *want)
{
    static const struct {
        const char *name;
        fact_kind_t kind;
        int column;
    } COLUMNS[] = {
        {"session_id", FACT_CALL, CALL_SESSION_ID},
        {"room_name", FACT_CALL, CALL_ROOM_NAME},
        {"call_sid", FACT_CALL, CALL_CALL_SID},
        {"direction", FACT_CALL, CALL_DIRECTION},
        {"from_number", FACT_CALL, CALL_FROM_NUMBER},
        {"to_number", FACT_CALL, CALL_TO_NUMBER},
        {"started_at", FACT_CALL, CALL_STARTED_AT},
        {"connected_at", FACT_CALL, CALL_CONNECTED_AT},
        {"ended_at", FACT_CALL, CALL_ENDED_AT},
        {"participant_identity", FACT_PARTICIPANT, PARTICIPANT_IDENTITY},
        {"participant_name", FACT_PARTICIPANT, PARTICIPANT_NAME},
        {"participant_type", FACT_PARTICIPANT, PARTICIPANT_TYPE},
        {"joined_at", FACT_PARTICIPANT, PARTICIPANT_JOINED_AT},
        {"left_at", FACT_PARTICIPANT, PARTICIPANT_LEFT_AT},
        {"disconnect_reason", FACT_PARTICIPANT, PARTICIPANT_LEFT_REASON},
    };

    assert_non_null(row);
    for (size_t i = 0; i < COUNT(COLUMNS); i++) {
        str_t text = json_str(want, COLUMNS[i].name);

        if (COLUMNS[i].kind != row->kind || str_is_empty(text))
            continue;
        if (FACT_TABLES[row->kind].columns[COLUMNS[i].column].type == COLUMN_TIME)
            assert_int_equal(row->cells[COLUMNS[i].column].number, time_from_iso8601(text));
        else
            assert_cell(row, COLUMNS[i].column, text.base);
    }
}

static void test_scenarios_give_the_expected_rows_in_any_order(void **state)
{
    const cJSON *scenarios = json_at(fixture_json("livekit/scenario-calls.json"), "scenarios");

    (void)state;
    for (const cJSON *s = scenarios->child; s; s = s->next) {
        const cJSON *want = json_at(s, "expect"), *people = json_at(want, "call_participants");
        const cJSON *want_call = json_at(want, "voice_calls.0");
        delivery_t *d[32];
        size_t n = deliver_scenario(s, d);
        facts_t rows;
        fact_t *call;

        facts_init(&rows, test_arena);
        for (size_t i = 0; i < n; i++)
            merge_into(&rows, &d[i]->facts);
        call = find_row(&rows, FACT_CALL, NULL);
        assert_int_equal(count_rows(&rows, FACT_CALL), 1);
        assert_true(str_eq(call->call_id, json_str(want_call, "provider_call_id")));
        assert_expected(call, want_call);
        assert_string_equal(status_of(call), json_str(want_call, "status").base);
        for (const cJSON *p = people ? people->child : NULL; p; p = p->next)
            assert_expected(find_row(&rows, FACT_PARTICIPANT, json_str(p, "participant_sid").base), p);
        if (people)
            assert_int_equal(count_rows(&rows, FACT_PARTICIPANT), cJSON_GetArraySize(people));
        assert_order_free(d, n, 11);
        for (size_t i = 0; i < n; i++)
            delivery_free(d[i]);
    }
}

static void test_scenario_has_as_many_events_as_expected(void **state)
{
    delivery_t *d[32];
    const cJSON *scenario = json_at(fixture_json("livekit/scenario-calls.json"), "scenarios.0");
    size_t n = deliver_scenario(scenario, d), distinct = 0;
    int64_t want;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        bool seen = false;

        for (size_t j = 0; j < i; j++)
            seen |= str_eq(d[i]->event_key, d[j]->event_key);
        distinct += !seen;
    }
    assert_true(json_int(scenario, "expect.call_events.rows", &want));
    assert_int_equal(distinct, want);
    for (size_t i = 0; i < n; i++)
        delivery_free(d[i]);
}

static void test_inbound_call_facts(void **state)
{
    delivery_t *d[] = {deliver_file("participant_joined_sip_inbound"), deliver_file("participant_joined_agent"),
                       deliver_file("participant_left_sip"), deliver_file("room_finished")};
    facts_t rows;

    (void)state;
    assert_str(d[0]->call_sid, "CA1234567890abcdef1234567890abcdef");
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_CUSTOMER_NUMBER, "+14155550123"}, {CALL_AI_AGENT_USED, "1"},
                 {CALL_AGENT_NAME, "support-agent"}, {CALL_END_REASON, "CLIENT_INITIATED"},
                 {CALL_METADATA, "{\"business_id\":\"7c6d5b6e-0f1f-4f0e-9f4b-0c6a1c1a2b3d\"}"});
    ASSERT_CELLS(find_row(&rows, FACT_PARTICIPANT, "PA_sip7JkLmNoPq"), {PARTICIPANT_KIND, "SIP"},
                 {PARTICIPANT_CONNECTED, "1"}, {PARTICIPANT_PHONE, "+14155550123"});
    assert_non_null(find_row(&rows, FACT_PARTICIPANT, "PA_sip7JkLmNoPq")->cells[PARTICIPANT_ATTRIBUTES].text.base);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_room_that_nobody_joined_failed(void **state)
{
    delivery_t *d = deliver_file("room_finished_never_joined");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_OUTCOME, NULL}, {CALL_END_REASON, "no_participant"},
                 {CALL_CONNECTED_AT, NULL}, {CALL_ENDED_AT, "2025-12-29T09:25:00.000000Z"});
    assert_string_equal(status_of(call), "failed");
    delivery_free(d);
}

static void test_web_guest_connects_and_recorder_does_not(void **state)
{
    delivery_t *web = deliver_file("participant_joined_web"),
               *recorder = deliver_file("participant_left_egress_recorder");
    delivery_t *agent = deliver_file("participant_joined_agent");

    (void)state;
    ASSERT_CELLS(find_row(&web->facts, FACT_CALL, NULL), {CALL_PHASE, "1"},
                 {CALL_CONNECTED_AT, "2025-12-29T09:20:02.011000Z"}, {CALL_DIRECTION, NULL});
    ASSERT_CELLS(find_row(&web->facts, FACT_PARTICIPANT, NULL), {PARTICIPANT_KIND, "STANDARD"},
                 {PARTICIPANT_TYPE, "user"}, {PARTICIPANT_NAME, "Zoë Müller"});
    assert_null(find_row(&recorder->facts, FACT_PARTICIPANT, NULL));
    ASSERT_CELLS(find_row(&recorder->facts, FACT_CALL, NULL), {CALL_CONNECTED_AT, NULL}, {CALL_END_REASON, NULL});
    ASSERT_CELLS(find_row(&agent->facts, FACT_CALL, NULL), {CALL_PHASE, "0"}, {CALL_CONNECTED_AT, NULL});
    delivery_free(web);
    delivery_free(recorder);
    delivery_free(agent);
}

static void test_aborted_stay_is_not_connected(void **state)
{
    delivery_t *d = deliver_file("participant_connection_aborted");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_PARTICIPANT, "PA_abr1QaZwSxEd"), {PARTICIPANT_CONNECTED, "0"},
                 {PARTICIPANT_JOINED_AT, "2025-12-29T09:20:04.090000Z"},
                 {PARTICIPANT_LEFT_AT, "2025-12-29T09:20:14.000000Z"}, {PARTICIPANT_LEFT_REASON, "JOIN_FAILURE"});
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "0"}, {CALL_CONNECTED_AT, NULL});
    delivery_free(d);
}

static delivery_t *sip_event(const char *event, const char *sid, int joined_s, const char *more)
{
    return deliver(P, "events", BODY_JSON,
                   arena_printf(test_arena,
                                "{\"event\":\"%s\",\"room\":{\"sid\":\"RM_1\",\"name\":\"r\"%s},\"createdAt\":\"%d\","
                                "\"participant\":{\"sid\":\"%s\",\"kind\":3,\"joinedAtMs\":\"%d000\",%s}}",
                                event, strstr(more, "\"others\"") ? ",\"numParticipants\":1" : "", joined_s + 9, sid,
                                joined_s, more));
}

#define OUTBOUND(status) "\"attributes\":{\"sip.callStatus\":\"" status "\",\"sip.phoneNumber\":\"+12025550143\"}"

static void test_outbound_legs_connect_when_answered_only(void **state)
{
    static const struct {
        const char *event, *more, *status;
    } CASES[] = {
        {"participant_joined", OUTBOUND("dialing"), "pending"},
        {"participant_joined", OUTBOUND("ringing"), "pending"},
        {"participant_joined", OUTBOUND("active"), "active"},
        /* the room was closed on it: while it rang, while they talked */
        {"participant_left", OUTBOUND("ringing") ",\"disconnectReason\":\"ROOM_DELETED\"", "pending"},
        {"participant_left", OUTBOUND("active") ",\"disconnectReason\":\"ROOM_DELETED\"", "active"},
        {"participant_left", OUTBOUND("hangup") ",\"disconnectReason\":\"CLIENT_INITIATED\"", "active"},
        {"participant_left", OUTBOUND("hangup") ",\"disconnectReason\":\"USER_REJECTED\"", "failed"},
        {"participant_left", OUTBOUND("dialing") ",\"disconnectReason\":11", "failed"}, /* USER_UNAVAILABLE */
        {"participant_left", OUTBOUND("dialing") ",\"disconnectReason\":\"SIP_TRUNK_FAILURE\"", "failed"},
        /* somebody called in who did not come: the call goes on */
        {"participant_left", OUTBOUND("dialing") ",\"disconnectReason\":\"USER_REJECTED\",\"others\":1", "pending"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = sip_event(CASES[i].event, "PA_1", 1767000000, CASES[i].more);

        assert_absent(d->error);
        assert_string_equal(status_of(find_row(&d->facts, FACT_CALL, NULL)), CASES[i].status);
        delivery_free(d);
    }
}

static void test_the_call_is_the_leg_that_came_first(void **state)
{
    static const char CALLER[] = "\"attributes\":{\"sip.callStatus\":\"active\",\"sip.ruleID\":\"SDR_1\","
                                 "\"sip.phoneNumber\":\"+12025550143\",\"sip.twilio.callSid\":\"CAcaller\"}";
    static const char CALLED_IN[] = "\"attributes\":{\"sip.callStatus\":\"active\",\"sip.phoneNumber\":"
                                    "\"+12025550199\",\"sip.twilio.callSid\":\"CAcalledin\"}";
    delivery_t *d[] = {sip_event("participant_joined", "PA_2", 1767000060, CALLED_IN),
                       sip_event("participant_left", "PA_2", 1767000060, CALLED_IN),
                       sip_event("participant_joined", "PA_1", 1767000001, CALLER)};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_DIRECTION, "inbound"}, {CALL_CALL_SID, "CAcaller"},
                 {CALL_CUSTOMER_NUMBER, "+12025550143"}, {CALL_CONNECTED_AT, "2025-12-29T09:20:01.000000Z"});
    assert_order_free(d, COUNT(d), 13);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_hidden_guest_is_an_admin_and_leave_is_never_before_joining(void **state)
{
    delivery_t *d = deliver(
        P, "events", BODY_JSON,
        STR("{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_1\",\"metadata\":\"{broken\"},\"createdAt\":"
            "\"1767000001\",\"participant\":{\"sid\":\"PA_1\",\"joinedAtMs\":\"1767000001700\",\"permission\":"
            "{\"hidden\":true},\"disconnectReason\":\"CLIENT_INITIATED\"}}"));

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_PARTICIPANT, "PA_1"), {PARTICIPANT_TYPE, "admin"},
                 {PARTICIPANT_LEFT_AT, "2025-12-29T09:20:01.700000Z"});
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_CONNECTED_AT, NULL}, {CALL_METADATA, NULL},
                 {CALL_END_REASON, NULL});
    delivery_free(d);
}

static void test_odd_types_never_break(void **state)
{
    static const char *const BODIES[] = {
        "{\"event\":\"participant_joined\"}",
        "{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_1\"},\"participant\":[1]}",
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"kind\":-1,\"attributes\":[1],"
        "\"sid\":\"PA_1\",\"disconnectReason\":99,\"joinedAtMs\":\"x\"}}",
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"kind\":5,\"attributes\":"
        "{\"sip.phoneNumber\":7}}}",
        "{\"event\":\"room_finished\",\"room\":[],\"createdAt\":1e300}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON, str_from(BODIES[i]));

        assert_absent(d->error);
        assert_int_not_equal(d->event_key.len, 0);
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_vector_gets_its_verdict),
        provider_test(test_any_byte_changed_is_refused),
        provider_test(test_late_and_early_tokens_are_stale),
        provider_test(test_two_secrets_of_one_key_are_valid_at_once),
        provider_test(test_keys_that_cannot_work_are_refused),
        provider_test(test_what_we_sign_we_accept),
        provider_test(test_every_event_has_its_key_and_call),
        provider_test(test_secrets_are_redacted),
        provider_test(test_new_events_are_stored_and_strangers_dead_letters),
        provider_test(test_scenarios_give_the_expected_rows_in_any_order),
        provider_test(test_scenario_has_as_many_events_as_expected),
        provider_test(test_inbound_call_facts),
        provider_test(test_room_that_nobody_joined_failed),
        provider_test(test_web_guest_connects_and_recorder_does_not),
        provider_test(test_aborted_stay_is_not_connected),
        provider_test(test_outbound_legs_connect_when_answered_only),
        provider_test(test_the_call_is_the_leg_that_came_first),
        provider_test(test_hidden_guest_is_an_admin_and_leave_is_never_before_joining),
        provider_test(test_odd_types_never_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
