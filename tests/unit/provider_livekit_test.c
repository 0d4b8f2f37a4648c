#include "livekit_keys.h"

#define ROOM   "RM_hT7Kq2vXw9Zb"
#define NOW_US (INT64_C(1767000030) * US_PER_S)

/* ---- what is understood ---- */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "livekit/events/%s.json", file).base);
}

#define FULL        "RM_fUlL5aMpLe01"
#define ACTIVE_HASH "9909b25f9caac3da16d32c3c4acb0f4e" /* of egressInfo without updatedAt */
#define ENDING_HASH "2a5eb6b93dcc5b43bc4cf5b02358d7f6"

/* Every body there is, under the name of its event. */
static const struct {
    const char *file, *key, *call, *status;
    bool has_facts;
} EVENTS[] = {
    {"room_started", "room_started:" ROOM, ROOM, NULL, true},
    {"room_finished", "room_finished:" ROOM, ROOM, NULL, true},
    {"room_finished_full", "room_finished:" FULL, FULL, NULL, true},
    {"room_finished_never_joined", "room_finished:RM_nEvErJ0inEd0", "RM_nEvErJ0inEd0", NULL, true},
    {"participant_joined_agent", "participant_joined:PA_agt3RsTuVwXy", ROOM, "ACTIVE", true},
    {"participant_joined_hidden", "participant_joined:PA_hIdDeN000001", FULL, "ACTIVE", true},
    {"participant_joined_ingress", "participant_joined:PA_iNgReSs00001", FULL, "ACTIVE", true},
    {"participant_joined_sip_headers", "participant_joined:PA_sIpHeAdErS01", "RM_sIpHeAdErS01", "active", true},
    {"participant_joined_sip_inbound", "participant_joined:PA_sip7JkLmNoPq", ROOM, "active", true},
    {"participant_joined_sip_other_carrier", "participant_joined:PA_tElNyX0000001", FULL, "automation", true},
    {"participant_joined_sip_outbound", "participant_joined:PA_out5TgBnHyUj", "RM_oUtB0undR00m", "dialing", true},
    {"participant_joined_web", "participant_joined:PA_web9ZxCvBnMq", "RM_wEbK2mQ8sXcV", "ACTIVE", true},
    {"participant_left_agent", "participant_left:PA_agt3RsTuVwXy", ROOM, "DISCONNECTED", true},
    {"participant_left_connector", "participant_left:PA_cOnNeCt00001", FULL, "DISCONNECTED", true},
    {"participant_left_sip", "participant_left:PA_sip7JkLmNoPq", ROOM, "hangup", true},
    {"participant_left_sip_outbound_busy", "participant_left:PA_out5TgBnHyUj", "RM_oUtB0undR00m", "hangup", true},
    {"participant_left_sip_unanswered", "participant_left:PA_nOaNsWeR0001", "RM_nOaNsWeR0001", "ringing", true},
    {"participant_left_egress_recorder", "participant_left:PA_egr2WsXcDeRf", ROOM, "DISCONNECTED", true},
    {"participant_connection_aborted", "participant_connection_aborted:PA_abr1QaZwSxEd", ROOM, "DISCONNECTED", true},
    {"track_published", "track_published:TR_AMsip01aBcDeF", ROOM, NULL, true},
    {"track_published_full", "track_published:TR_VCfUlL0000001", FULL, NULL, true},
    {"track_unpublished", "track_unpublished:TR_AMsip01aBcDeF", ROOM, NULL, true},
    {"egress_started", "egress_started:EG_bQ8xZr4NmKtW", ROOM, "EGRESS_STARTING", true},
    {"egress_updated_active", "egress_updated:EG_bQ8xZr4NmKtW:EGRESS_ACTIVE:" ACTIVE_HASH, ROOM, "EGRESS_ACTIVE", true},
    {"egress_updated_ending", "egress_updated:EG_bQ8xZr4NmKtW:EGRESS_ENDING:" ENDING_HASH, ROOM, "EGRESS_ENDING", true},
    {"egress_ended_complete", "egress_ended:EG_bQ8xZr4NmKtW", ROOM, "EGRESS_COMPLETE", true},
    {"egress_ended_failed", "egress_ended:EG_fA1lEd00Xy9Z", ROOM, "EGRESS_FAILED", true},
    {"egress_ended_aborted", "egress_ended:EG_aB0rTeD0Xy9Z", ROOM, "EGRESS_ABORTED", true},
    {"egress_ended_segments", "egress_ended:EG_sEgMeNtS0001", FULL, "EGRESS_LIMIT_REACHED", true},
    {"egress_ended_segments_deprecated", "egress_ended:EG_oLdSeGs00001", FULL, "EGRESS_COMPLETE", true},
    {"egress_ended_web_deprecated", "egress_ended:EG_oLdFoRm00001", FULL, "EGRESS_COMPLETE", true},
    {"egress_ended_without_id", "egress_ended:EV_fUlL0000000b", FULL, "EGRESS_FAILED", true},
    {"ingress_started", "ingress_started:IN_pLm0KnJbHvGc:RT_1a2b3c4d5e6f", "RM_wEb1NaR42abc", "ENDPOINT_PUBLISHING",
     false},
    {"ingress_ended", "ingress_ended:IN_pLm0KnJbHvGc:RT_1a2b3c4d5e6f", "RM_wEb1NaR42abc", "ENDPOINT_INACTIVE", false},
    {"ingress_ended_full", "ingress_ended:IN_fUlL00000001:RT_fUlL00000001", FULL, "ENDPOINT_ERROR", false},
    {"ingress_started_by_name", "ingress_started:EV_fUlL0000000d", NULL, "ENDPOINT_BUFFERING", false},
    {"agent_job_started", "agent_job_started:AJ_9QwErTyUiOpA", ROOM, "JS_RUNNING", true},
    {"agent_job_ended", "agent_job_ended:AJ_9QwErTyUiOpA", ROOM, "JS_SUCCESS", true},
    {"agent_job_ended_failed", "agent_job_ended:AJ_fUlL00000001", FULL, "JS_FAILED", true},
};

static void test_every_event_has_its_key_and_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);

        assert_absent(d->error);
        assert_str(d->event_key, EVENTS[i].key);
        assert_true(str_starts(str_from(EVENTS[i].file), d->event_type));
        if (!str_eq(d->call_id, str_from(EVENTS[i].call)) || !str_eq(d->status, str_from(EVENTS[i].status)))
            fail_msg("%s: call " STR_FMT ", status " STR_FMT, EVENTS[i].file, STR_ARG(d->call_id), STR_ARG(d->status));
        assert_int_equal(d->facts.first != NULL, EVENTS[i].has_facts);
        assert_int_not_equal(d->occurred_us, TIME_NONE);
        assert_int_equal(reply_to(P, d).status, 200);
        assert_absent(reply_to(P, d).body);
        delivery_free(d);
    }
}

static void test_secrets_are_redacted(void **state)
{
    static const char *const SECRETS[] = {"T9r2Hh1pQm7sVx0KcBqLwYzEdNfUjA3", "sk_redacted", "{access_key}", "{secret}",
                                          "REDACT-ME"};
    size_t redacted = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);

        for (size_t j = 0; j < COUNT(SECRETS); j++) {
            assert_false(holds(d->payload, SECRETS[j]));
            for (const fact_t *f = d->facts.first; f; f = f->next)
                for (size_t c = 0; c < FACT_TABLES[f->kind].count; c++)
                    if (FACT_TABLES[f->kind].columns[c].type == COLUMN_JSON)
                        assert_false(holds(f->cells[c].text, SECRETS[j]));
        }
        redacted += holds(d->payload, "[redacted]");
        delivery_free(d);
    }
    assert_true(redacted > 20);
}

static void test_keys_in_attributes_are_redacted(void **state)
{
    delivery_t *d =
        deliver(P, "events", BODY_JSON,
                STR("{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":\"PA_1\","
                    "\"kind\":\"SIP\",\"attributes\":{\"sip.h.x-api-key\":\"gone\",\"api_key\":\"gone\",\"apiKey\":"
                    "\"gone\",\"sip.h.x-key-of-piano\":\"kept\"}}}"));

    (void)state;
    assert_false(holds(d->payload, "gone"));
    assert_true(holds(d->payload, "kept"));
    assert_false(holds(find_row(&d->facts, FACT_PARTICIPANT, NULL)->cells[PARTICIPANT_ATTRIBUTES].text, "gone"));
    delivery_free(d);
}

static void test_names_of_signing_keys_are_no_secret(void **state)
{
    delivery_t *d = deliver_file("egress_ended_segments");

    (void)state;
    assert_true(holds(d->payload, "\"signingKey\":\"APIinvented0001\""));
    delivery_free(d);
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

/* A column of an expected row, by its name in the file. */
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
        {"recording_url", FACT_CALL, CALL_RECORDING_URL},
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
        if (json_at(want_call, "ai_agent_used"))
            assert_cell(call, CALL_AI_AGENT_USED, "1");
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

static void test_a_name_used_again_is_another_call(void **state)
{
    static const char BODY[] = "{\"event\":\"room_started\",\"room\":{\"sid\":\"%s\",\"name\":\"daily\"}}";
    delivery_t *d[] = {deliver(P, "events", BODY_JSON, arena_printf(test_arena, BODY, "RM_1")),
                       deliver(P, "events", BODY_JSON, arena_printf(test_arena, BODY, "RM_2"))};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 2);
    for (const fact_t *call = rows.first; call; call = call->next)
        ASSERT_CELLS(call, {CALL_SESSION_ID, "daily"}, {CALL_ROOM_NAME, "daily"});
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
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

/* ---- recordings ---- */

static const fact_t *call_of(const delivery_t *d)
{
    return find_row(&d->facts, FACT_CALL, NULL);
}

static void test_recordings_are_read_from_every_form(void **state)
{
    static const struct {
        const char *file, *url, *recording;
    } CASES[] = {
        {"egress_started", NULL,
         "{\"status\":\"EGRESS_STARTING\",\"source\":\"roomComposite\",\"id\":\"EG_bQ8xZr4NmKtW\"}"},
        {"egress_ended_complete",
         "https://acme-call-recordings.s3.amazonaws.com/recordings/"
         "call-_+14155550123_x7Qk2mZp9LrT-2025-12-29T092003.ogg",
         "{\"status\":\"EGRESS_COMPLETE\",\"source\":\"roomComposite\",\"id\":\"EG_bQ8xZr4NmKtW\",\"url\":\"https://"
         "acme-call-recordings.s3.amazonaws.com/recordings/call-_+14155550123_x7Qk2mZp9LrT-2025-12-29T092003.ogg\","
         "\"filename\":\"recordings/call-_+14155550123_x7Qk2mZp9LrT-2025-12-29T092003.ogg\",\"seconds\":62.717,"
         "\"bytes\":514237,\"started_at\":\"2025-12-29T09:20:03.214000Z\",\"ended_at\":\"2025-12-29T09:21:05.931000Z\","
         "\"details\":\"End reason: Source closed\",\"manifest_url\":\"https://acme-call-recordings.s3.amazonaws.com/"
         "recordings/EG_bQ8xZr4NmKtW.json\"}"},
        {"egress_ended_segments", "https://s3.example.com/acme/hls/a.m3u8",
         "{\"status\":\"EGRESS_LIMIT_REACHED\",\"source\":\"egress\",\"id\":\"EG_sEgMeNtS0001\",\"url\":\"https://"
         "s3.example.com/acme/hls/a.m3u8\",\"filename\":\"hls/a.m3u8\",\"seconds\":3600.000,\"bytes\":7340032,"
         "\"segments\":600,\"started_at\":\"2025-12-29T09:20:03.000000Z\",\"ended_at\":\"2025-12-29T10:20:03.000000Z\","
         "\"error\":\"Session limit reached\",\"error_code\":413,\"details\":\"End reason: Limit reached\","
         "\"manifest_url\":\"https://s3.example.com/acme/EG_sEgMeNtS0001.json\",\"in_backup_storage\":true}"},
        {"egress_ended_web_deprecated", "https://acme.s3.amazonaws.com/old.mp4",
         "{\"status\":\"EGRESS_COMPLETE\",\"source\":\"web\",\"id\":\"EG_oLdFoRm00001\",\"url\":\"https://"
         "acme.s3.amazonaws.com/old.mp4\",\"filename\":\"old.mp4\",\"seconds\":59.999,\"bytes\":1048576,"
         "\"started_at\":\"2025-12-29T09:20:03.000000Z\",\"ended_at\":\"2025-12-29T09:21:03.000000Z\"}"},
        {"egress_ended_segments_deprecated", "https://acme.s3.amazonaws.com/old.m3u8",
         "{\"status\":\"EGRESS_COMPLETE\",\"source\":\"participant\",\"id\":\"EG_oLdSeGs00001\",\"url\":\"https://"
         "acme.s3.amazonaws.com/"
         "old.m3u8\",\"filename\":\"old.m3u8\",\"seconds\":60.000,\"bytes\":4096,\"segments\":10}"},
        {"egress_ended_failed", NULL,
         "{\"status\":\"EGRESS_FAILED\",\"source\":\"roomComposite\",\"id\":\"EG_fA1lEd00Xy9Z\",\"started_at\":"
         "\"2025-12-29T09:20:03.300000Z\",\"ended_at\":\"2025-12-29T09:20:04.000000Z\",\"error\":\"upload failed: "
         "AccessDenied\",\"error_code\":403,\"details\":\"End reason: Failure\"}"},
        {"egress_ended_without_id", NULL,
         "{\"status\":\"EGRESS_FAILED\",\"error\":\"no workers available\",\"error_code\":503}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file(CASES[i].file);

        /* the call's own status is not touched */
        ASSERT_CELLS(call_of(d), {CALL_RECORDING_URL, CASES[i].url}, {CALL_RECORDING, CASES[i].recording},
                     {CALL_PHASE, NULL}, {CALL_OUTCOME, NULL}, {CALL_END_REASON, NULL}, {CALL_ENDED_AT, NULL});
        delivery_free(d);
    }
}

/* One file, ended at the same moment as all the others. */
static delivery_t *egress(const char *id, const char *request, const char *status, const char *ms, const char *location)
{
    return deliver(P, "events", BODY_JSON,
                   arena_printf(test_arena,
                                "{\"event\":\"egress_ended\",\"createdAt\":\"1767000069\",\"egressInfo\":{\"egressId\":"
                                "\"%s\",\"roomId\":\"RM_1\",\"status\":\"%s\",\"%s\":{},\"fileResults\":[{\"filename\":"
                                "\"f\"},{\"duration\":\"%s000000\",\"location\":\"%s\"},"
                                "{\"location\":\"https://x/not-the-first\"}]}}",
                                id, status, request, ms, location));
}

static void test_the_recording_of_a_call_is_the_longest_of_the_whole_room(void **state)
{
    delivery_t *d[] = {
        egress("EG_1", "roomComposite", "EGRESS_COMPLETE", "1000", "https://x/short"),
        egress("EG_2", "roomComposite", "EGRESS_COMPLETE", "2001", "https://x/long"),
        egress("EG_3", "roomComposite", "EGRESS_COMPLETE", "2000", "https://x/shorter"),
        egress("EG_4", "participant", "EGRESS_COMPLETE", "9000", "https://x/one-voice"),
        egress("EG_5", "roomComposite", "EGRESS_FAILED", "9000", "https://x/broken"),
        egress("EG_6", "roomComposite", "EGRESS_ACTIVE", "9000", "https://x/going-on"),
    };
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_RECORDING_URL, "https://x/long"});
    assert_true(holds(find_row(&rows, FACT_CALL, NULL)->cells[CALL_RECORDING].text, "\"id\":\"EG_2\""));
    assert_order_free(d, COUNT(d), 17);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_a_recording_goes_on_until_it_has_ended(void **state)
{
    static const char *const FILES[] = {"egress_started", "egress_updated_active", "egress_updated_ending",
                                        "egress_ended_failed", "egress_ended_complete"};
    delivery_t *d[COUNT(FILES)];
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(FILES); i++) {
        d[i] = deliver_file(FILES[i]);
        merge_into(&rows, &d[i]->facts);
        assert_true(holds(find_row(&rows, FACT_CALL, NULL)->cells[CALL_RECORDING].text, d[i]->status.base));
    }
    assert_order_free(d, COUNT(d), 19);
    for (size_t i = 0; i < COUNT(FILES); i++)
        delivery_free(d[i]);
}

static void test_an_update_that_says_nothing_new_is_the_same_event(void **state)
{
    static const char UPDATE[] = "{\"event\":\"egress_updated\",\"id\":\"%s\",\"egressInfo\":{\"egressId\":\"EG_1\","
                                 "\"roomId\":\"RM_1\",\"status\":%s,\"updatedAt\":\"%d\"%s}}";
    delivery_t *d[4];
    static const struct {
        const char *id, *status, *more;
        int at;
    } UPDATES[] = {{"EV_1", "1", "", 1},
                   {"EV_2", "1", "", 2},
                   {"EV_3", "2", "", 3},
                   {"EV_4", "1", ",\"streamResults\":[{\"url\":\"rtmp://x/{s...y}\"}]", 4}};

    (void)state;
    for (size_t i = 0; i < COUNT(d); i++)
        d[i] =
            deliver(P, "events", BODY_JSON,
                    arena_printf(test_arena, UPDATE, UPDATES[i].id, UPDATES[i].status, UPDATES[i].at, UPDATES[i].more));
    assert_str(d[1]->event_key, d[0]->event_key.base);
    assert_true(str_starts(d[2]->event_key, STR("egress_updated:EG_1:EGRESS_ENDING:")));
    assert_true(str_starts(d[3]->event_key, STR("egress_updated:EG_1:EGRESS_ACTIVE:")));
    assert_false(str_eq(d[3]->event_key, d[0]->event_key));
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

/* ---- agents, ingress, and who is nobody ---- */

static void test_jobs_tell_of_the_agent(void **state)
{
    delivery_t *ended = deliver_file("agent_job_ended"), *failed = deliver_file("agent_job_ended_failed");

    (void)state;
    ASSERT_CELLS(call_of(ended), {CALL_AGENT_NAME, "support-agent"}, {CALL_AGENT_ID, "A_supp0rt"},
                 {CALL_AI_AGENT_USED, "1"}, {CALL_METADATA, "{\"lead_id\":123}"}, {CALL_PHASE, NULL});
    assert_int_equal(rank_of(call_of(ended), CALL_METADATA), RANK_INFERRED);
    ASSERT_CELLS(call_of(failed), {CALL_AI_AGENT_USED, NULL}, {CALL_SESSION_ID, "support/über + call"},
                 {CALL_METADATA, "{\"lead_id\":123,\"tags\":[\"a\",\"b\"]}"});
    delivery_free(ended);
    delivery_free(failed);
}

static void test_rooms_and_participants_without_a_sid_are_dead_letters(void **state)
{
    static const struct {
        const char *body, *told;
    } CASES[] = {
        {"{\"event\":\"room_started\"}", "room.sid"},
        {"{\"event\":\"room_started\",\"room\":{\"name\":\"n\"}}", "room.sid"},
        {"{\"event\":\"room_finished\",\"room\":{\"sid\":\"\"}}", "room.sid"},
        {"{\"event\":\"room_finished\",\"room\":[],\"createdAt\":1e300}", "room.sid"},
        {"{\"event\":\"participant_joined\",\"room\":{\"name\":\"n\"},\"participant\":{\"sid\":\"PA_1\"}}", "room.sid"},
        {"{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"}}", "participant.sid"},
        {"{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_1\"},\"participant\":[1]}", "participant.sid"},
        {"{\"event\":\"participant_connection_aborted\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":7}}",
         "participant.sid"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON, str_from(CASES[i].body));

        assert_true(holds(d->error, "expected a text at "));
        assert_true(holds(d->error, CASES[i].told));
        assert_null(d->facts.first);
        assert_int_equal(reply_to(P, d).status, 200);
        delivery_free(d);
    }
}

static void test_what_has_no_sid_makes_no_call(void **state)
{
    static const char *const BODIES[] = {
        "{\"event\":\"track_published\",\"room\":{\"name\":\"n\"},\"track\":{\"sid\":\"TR_1\"}}",
        "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomName\":\"n\",\"status\":\"EGRESS_COMPLETE\"}}",
        "{\"event\":\"ingress_started\",\"room\":{\"name\":\"n\"},\"ingressInfo\":{\"ingressId\":\"IN_1\"}}",
        "{\"event\":\"agent_job_started\",\"job\":{\"id\":\"AJ_1\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON, str_from(BODIES[i]));

        assert_absent(d->error);
        assert_absent(d->call_id);
        assert_null(d->facts.first);
        assert_int_not_equal(d->event_key.len, 0);
        delivery_free(d);
    }
}

static void test_kinds_say_who_has_a_stay(void **state)
{
    static const struct {
        const char *kind, *type; /* NULL: no stay */
    } CASES[] = {{"\"STANDARD\"", "user"},
                 {"0", "user"},
                 {"\"SIP\"", "user"},
                 {"\"CONNECTOR\"", "user"},
                 {"7", "user"},
                 {"\"AGENT\"", "agent"},
                 {"4", "agent"},
                 {"\"EGRESS\"", NULL},
                 {"\"INGRESS\"", NULL},
                 {"1", NULL},
                 {"\"BRIDGE\"", NULL},
                 {"8", NULL},
                 {"5", NULL},
                 {"99", NULL},
                 {"\"NEWCOMER\"", NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON,
                                arena_printf(test_arena,
                                             "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},"
                                             "\"participant\":{\"sid\":\"PA_1\",\"kind\":%s}}",
                                             CASES[i].kind));
        fact_t *stay = find_row(&d->facts, FACT_PARTICIPANT, NULL);

        assert_int_equal(stay != NULL, CASES[i].type != NULL);
        if (stay)
            ASSERT_CELLS(stay, {PARTICIPANT_TYPE, CASES[i].type});
        delivery_free(d);
    }
}

static void test_attributes_of_a_web_guest_are_not_those_of_a_telephone(void **state)
{
    static const char BODY[] = "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":"
                               "\"PA_1\",\"kind\":\"%s\",\"attributes\":{\"sip.twilio.callSid\":\"CA1\","
                               "\"sip.phoneNumber\":\"+12025550177\"}}}";
    delivery_t *web = deliver(P, "events", BODY_JSON, arena_printf(test_arena, BODY, "STANDARD"));
    delivery_t *connector = deliver(P, "events", BODY_JSON, arena_printf(test_arena, BODY, "CONNECTOR"));

    (void)state;
    assert_absent(web->call_sid);
    ASSERT_CELLS(call_of(web), {CALL_CALL_SID, NULL}, {CALL_CUSTOMER_NUMBER, NULL});
    ASSERT_CELLS(find_row(&web->facts, FACT_PARTICIPANT, "PA_1"), {PARTICIPANT_PHONE, NULL});
    assert_str(connector->call_sid, "CA1");
    ASSERT_CELLS(call_of(connector), {CALL_CALL_SID, "CA1"}, {CALL_CUSTOMER_NUMBER, "+12025550177"},
                 {CALL_DIRECTION, NULL}, {CALL_FROM_NUMBER, NULL});
    delivery_free(web);
    delivery_free(connector);
}

/* Both in one second, as where a number does not exist. Of two versions that are equal the content decides, and so one
 * number alone might come out right by chance. */
static void test_what_the_leave_says_is_newer_than_what_the_joining_said(void **state)
{
    static const char MORE[] = "\"attributes\":{\"sip.callStatus\":\"%s\",\"sip.phoneNumber\":\"+1202555010%d\"},"
                               "\"disconnectReason\":\"SIP_TRUNK_FAILURE\"";

    (void)state;
    for (int i = 0; i < 10; i++) {
        delivery_t *left =
            sip_event("participant_left", "PA_1", 1767000000, arena_printf(test_arena, MORE, "hangup", i).base);
        delivery_t *joined =
            sip_event("participant_joined", "PA_1", 1767000000, arena_printf(test_arena, MORE, "dialing", i).base);
        facts_t rows;

        facts_init(&rows, test_arena);
        merge_into(&rows, &left->facts);
        merge_into(&rows, &joined->facts);
        assert_true(holds(find_row(&rows, FACT_PARTICIPANT, "PA_1")->cells[PARTICIPANT_ATTRIBUTES].text, "hangup"));
        delivery_free(left);
        delivery_free(joined);
    }
}

static void test_an_egress_without_its_object_tells_nothing(void **state)
{
    delivery_t *d = deliver(P, "events", BODY_JSON,
                            STR("{\"event\":\"egress_ended\",\"id\":\"EV_1\",\"room\":{\"sid\":\"RM_1\"}}"));

    (void)state;
    assert_str(d->event_key, "egress_ended:EV_1");
    assert_absent(d->status);
    ASSERT_CELLS(call_of(d), {CALL_RECORDING, NULL}, {CALL_RECORDING_URL, NULL});
    delivery_free(d);
}

static void test_odd_types_never_break(void **state)
{
    static const char *const BODIES[] = {
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"kind\":-1,\"attributes\":[1],"
        "\"sid\":\"PA_1\",\"disconnectReason\":99,\"joinedAtMs\":\"x\"}}",
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":\"PA_1\",\"kind\":5,"
        "\"attributes\":"
        "{\"sip.phoneNumber\":7}}}",
        "{\"event\":\"room_finished\",\"room\":{\"sid\":\"RM_1\"},\"createdAt\":1e300}",
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":\"PA_1\",\"kind\":3,"
        "\"attributes\":[1]}}",
        "{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_1\"},\"participant\":{\"sid\":\"PA_1\",\"kind\":4,"
        "\"attributes\":[{\"lk.agent.name\":1}]}}",
        "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_1\",\"status\":-1,\"fileResults\":[7,null,{"
        "\"duration\":"
        "\"-9223372036854775808\",\"size\":1e300,\"location\":{}}],\"error\":[],\"track\":null}}",
        "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_1\",\"status\":3,\"fileResults\":{\"location\":"
        "\"https://x\",\"duration\":\"9223372036854775807\"}}}",
        "{\"event\":\"ingress_ended\",\"ingressInfo\":[]}",
        "{\"event\":\"agent_job_ended\",\"room\":{\"sid\":\"RM_1\"},\"job\":\"x\"}",
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
        provider_test(test_every_event_has_its_key_and_call),
        provider_test(test_secrets_are_redacted),
        provider_test(test_keys_in_attributes_are_redacted),
        provider_test(test_names_of_signing_keys_are_no_secret),
        provider_test(test_new_events_are_stored_and_strangers_dead_letters),
        provider_test(test_scenarios_give_the_expected_rows_in_any_order),
        provider_test(test_scenario_has_as_many_events_as_expected),
        provider_test(test_inbound_call_facts),
        provider_test(test_room_that_nobody_joined_failed),
        provider_test(test_a_name_used_again_is_another_call),
        provider_test(test_web_guest_connects_and_recorder_does_not),
        provider_test(test_aborted_stay_is_not_connected),
        provider_test(test_outbound_legs_connect_when_answered_only),
        provider_test(test_the_call_is_the_leg_that_came_first),
        provider_test(test_hidden_guest_is_an_admin_and_leave_is_never_before_joining),
        provider_test(test_recordings_are_read_from_every_form),
        provider_test(test_the_recording_of_a_call_is_the_longest_of_the_whole_room),
        provider_test(test_a_recording_goes_on_until_it_has_ended),
        provider_test(test_an_update_that_says_nothing_new_is_the_same_event),
        provider_test(test_jobs_tell_of_the_agent),
        provider_test(test_rooms_and_participants_without_a_sid_are_dead_letters),
        provider_test(test_what_has_no_sid_makes_no_call),
        provider_test(test_kinds_say_who_has_a_stay),
        provider_test(test_attributes_of_a_web_guest_are_not_those_of_a_telephone),
        provider_test(test_what_the_leave_says_is_newer_than_what_the_joining_said),
        provider_test(test_an_egress_without_its_object_tells_nothing),
        provider_test(test_odd_types_never_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
