#include "provider_harness.h"

extern const provider_t provider_vapi;
#define P    (&provider_vapi)
#define CALL "22d23a00-05aa-40ac-a1c4-d814a84ee436"
#define SID  "CAac20bab04ae2e0229737a4afc886e97d"

#define NOW_US (INT64_C(1786550603) * US_PER_S)
static const char RINGING[] = "{\"message\":{\"type\":\"status-update\",\"timestamp\":1786550601014,\"status\":"
                              "\"ringing\",\"call\":{\"id\":\"" CALL "\"}}}";

/* ---- proofs ---- */

static const char *yes(const cJSON *config, const char *key)
{
    bool value = false;

    return json_bool(config, key, &value) && value ? "1" : "0";
}

static void *vector_keys(const cJSON *config)
{
    test_setting_t settings[] = {
        {"VAPI_WEBHOOK_HMAC_SECRET", json_str(config, "secret").base},
        {"VAPI_WEBHOOK_SIGNATURE_HEADER", json_str(config, "signatureHeader").base},
        {"VAPI_WEBHOOK_TIMESTAMP_HEADER", json_str(config, "timestampHeader").base},
        {"VAPI_WEBHOOK_MESSAGE_ID_HEADER", json_str(config, "messageIdHeader").base},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", json_str(config, "payloadFormat").base},
        {"VAPI_WEBHOOK_ENCODING", json_str(config, "signatureEncoding").base},
        {"VAPI_WEBHOOK_PREFIX", json_str(config, "signaturePrefix").base},
        {"VAPI_WEBHOOK_ALGORITHM", json_str(config, "algorithm").base},
        {"VAPI_WEBHOOK_SECRET_IS_BASE64", yes(config, "secretIsBase64")},
        {NULL, NULL},
    };

    return keys_of(P, settings);
}

static size_t headers_of(const cJSON *object, header_t *out)
{
    size_t n = 0;

    for (const cJSON *h = object->child; h; h = h->next)
        out[n++] = (header_t){str_from(h->string), str_from(h->valuestring)};
    return n;
}

static void test_every_hmac_vector_gets_its_verdict(void **state)
{
    size_t accepted = 0, refused = 0;

    (void)state;
    for (const cJSON *v = json_at(fixture_json("vapi/hmac-test-vectors.json"), "vectors")->child; v; v = v->next) {
        void *keys = vector_keys(json_at(v, "config"));
        header_t headers[8];
        int64_t now_s;
        hook_request_t r = {.headers = headers, .n_headers = headers_of(json_at(v, "headers"), headers)};
        bool accept = str_eq(json_str(v, "expect"), STR("accept"));

        r.body = json_str(v, "body");
        assert_true(json_int(v, "now_epoch_seconds", &now_s));
        r.now_us = now_s * US_PER_S;
        if ((verdict_of(P, keys, &r) == ERR_NONE) != accept)
            fail_msg("%s", json_str(v, "name").base);
        for (size_t i = 0; accept && i < r.body.len; i++) {
            hook_request_t forged = r;

            forged.body = changed(test_arena, r.body, i);
            assert_refused(P, keys, &forged, ERR_SIGNATURE);
        }
        accepted += accept;
        refused += !accept;
        P->keys_free(keys);
    }
    assert_int_equal(accepted, 13);
    assert_int_equal(refused, 7);
}

static err_code_t secret_verdict(const void *keys, const char *name, const char *value)
{
    header_t header = {str_from(name), str_from(value)};
    hook_request_t r = {.headers = &header, .n_headers = name != NULL, .body = str_from(RINGING), .now_us = NOW_US};

    return verdict_of(P, keys, &r);
}

static void test_secret_comes_in_either_header(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "new-secret, old-secret"}));

    (void)state;
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "old-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "Bearer old-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "bearer new-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "new-secret"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secre"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secrets"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secret, old-secret"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", ""), ERR_NO_SIGNATURE);
    assert_int_equal(secret_verdict(keys, NULL, NULL), ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

#define RIGHT "76ac4abc5981ece7ff9e0a9e2d3b02875d1b4f6debf840798bdac2c1b8de2e31" /* of RINGING at 1786550601 */

static err_code_t hmac_verdict(const void *keys, const char *secret, const char *signature, int64_t now_us)
{
    header_t headers[] = {{STR("x-vapi-timestamp"), STR("1786550601")},
                          {STR("x-vapi-signature"), str_from(signature)},
                          {STR("x-vapi-secret"), str_from(secret)}};
    hook_request_t r = {.headers = headers, .n_headers = 3, .body = str_from(RINGING), .now_us = now_us};

    return verdict_of(P, keys, &r);
}

static void test_either_proof_suffices_where_both_are_set(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "plain"},
                                     {"VAPI_WEBHOOK_HMAC_SECRET", "next,sample-hmac-secret-not-real"}));

    (void)state;
    assert_int_equal(hmac_verdict(keys, "plain", RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "wrong", RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, NULL, RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "plain", "00", NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "wrong", "00", NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, "wrong", NULL, NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, NULL, NULL, NOW_US), ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

static void test_tolerance_can_be_set_and_switched_off(void **state)
{
    static const struct {
        const char *tolerance;
        int64_t away_s;
        err_code_t verdict;
    } CASES[] = {{"300", 300, ERR_NONE}, {"300", 301, ERR_STALE}, {"300", -300, ERR_NONE}, {"300", -301, ERR_STALE},
                 {"10.5", 10, ERR_NONE}, {"10.5", 11, ERR_STALE}, {"0", 999999, ERR_NONE}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "sample-hmac-secret-not-real"},
                                         {"VAPI_WEBHOOK_TOLERANCE", CASES[i].tolerance}));
        int64_t now_us = (1786550601 + CASES[i].away_s) * US_PER_S;

        assert_int_equal(hmac_verdict(keys, NULL, RIGHT, now_us), CASES[i].verdict);
        P->keys_free(keys);
    }
}

static void test_every_character_of_a_signature_counts(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "sample-hmac-secret-not-real"}));

    (void)state;
    for (size_t i = 0; i < strlen(RIGHT); i++)
        assert_int_equal(hmac_verdict(keys, NULL, changed(test_arena, STR(RIGHT), i).base, NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, NULL, RIGHT "00", NOW_US), ERR_SIGNATURE);
    P->keys_free(keys);
}

static void test_settings_that_cannot_work_are_refused(void **state)
{
    static const test_setting_t CASES[] = {
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{timestamp}"},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{body}{unknown}"},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{svix-id}{body}"},
        {"VAPI_WEBHOOK_ALGORITHM", "md5"},
        {"VAPI_WEBHOOK_ENCODING", "base32"},
        {"VAPI_WEBHOOK_TOLERANCE", "-1"},
        {"VAPI_WEBHOOK_SECRET_IS_BASE64", "yes"},
    };
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_null(keys_or_null(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "not base64!"}, CASES[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, "VAPI_WEBHOOK_"));
        assert_null(strstr(err.detail, "not base64!"));
    }
    assert_null(keys_or_null(P, SETTINGS({"VAPI_WEBHOOK_PREFIX", "v1,"}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

static void test_what_we_sign_we_accept(void **state)
{
    static const char *const FORMATS[] = {"{timestamp}.{body}", "{body}", "{svix-id}.{timestamp}.{body}",
                                          "{method} {url}\n{timestamp}\n{body}"};

    (void)state;
    for (size_t i = 0; i < COUNT(FORMATS); i++) {
        void *keys =
            keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"}, {"VAPI_WEBHOOK_PAYLOAD_FORMAT", FORMATS[i]},
                                {"VAPI_WEBHOOK_MESSAGE_ID_HEADER", "X-Vapi-Message-Id"},
                                {"VAPI_WEBHOOK_ENCODING", i % 2 ? "base64" : "hex"},
                                {"VAPI_WEBHOOK_PREFIX", i % 2 ? "v1," : ""}));
        header_t headers[HOOK_MAX_SIGNED];
        hook_request_t r = {.headers = headers,
                            .target = STR("/webhooks/vapi"),
                            .origins = {STR("https://calls.example.com")},
                            .n_origins = 1,
                            .body = str_from(RINGING),
                            .now_us = NOW_US};

        r.n_headers = P->sign(keys, STR("https://calls.example.com/webhooks/vapi"), BODY_JSON, r.body, NOW_US,
                              test_arena, headers);
        assert_genuine(P, keys, &r);
        headers[0].value = changed(test_arena, headers[0].value, 9);
        assert_refused(P, keys, &r, ERR_SIGNATURE);
        P->keys_free(keys);
    }
}

/* ---- what is understood ---- */

static delivery_t *deliver_file(const char *file)
{
    return deliver_fixture(P, "events", arena_printf(test_arena, "vapi/webhook.%s.json", file).base);
}

static const struct {
    const char *file, *key, *type; /* key: its beginning, where a hash follows */
    bool has_facts;
} EVENTS[] = {
    {"status-update.ringing", "status:" CALL ":ringing", "status-update", true},
    {"status-update.in-progress", "status:" CALL ":in-progress", "status-update", true},
    {"status-update.ended.customer-ended-call", "status:" CALL ":ended", "status-update", true},
    {"status-update.queued.outbound", "status:20e60003-cd20-42ba-86fc-85eba4f465a2:queued", "status-update", true},
    {"status-update.forwarding", "status:5cb224a8-4018-4d4e-81c3-27b40dd0d5cb:forwarding:", "status-update", true},
    {"status-update.without-call", "status-update:-:", "status-update", false},
    {"transcript.final-user", "transcript:" CALL ":user:1786550613454:452aca99fb976dd0392ccaaf7c7677d0", "transcript",
     true},
    {"transcript.final-assistant.bracketed-type",
     "transcript:" CALL ":assistant:1786550616884:4556184265b567b20b66fe15f9cf5792", "transcript", true},
    {"transcript.final-user.non-ascii-filtered",
     "transcript:" CALL ":user:1786550619014:f7c526af0ccedcf747c2b730bb1f260f", "transcript", true},
    {"end-of-call-report.full", "report:" CALL ":", "end-of-call-report", true},
    {"end-of-call-report.web-call", "report:d07990b5-dde1-4ba3-96fe-6dc15ab65348:", "end-of-call-report", true},
    {"speech-update.started-user", "speech-update:" CALL ":user:1:started", "speech-update", false},
    {"speech-update.stopped-assistant", "speech-update:" CALL ":assistant:2:stopped", "speech-update", false},
    {"assistant-request", "assistant-request:" CALL ":", "assistant-request", false},
    {"tool-calls.arguments-as-object", "tool-calls:" CALL ":call_9211a295c0251909249490bd", "tool-calls", false},
    {"tool-calls.arguments-as-string", "tool-calls:" CALL ":call_9211a295c0251909249490bd", "tool-calls", false},
    {"tool-calls.flat-shape-two-calls", "tool-calls:" CALL ":call_9211a295c0251909249490ba", "tool-calls", false},
    {"function-call.legacy", "function-call:" CALL ":", "function-call", false},
    {"conversation-update", "conversation-update:" CALL ":", "conversation-update", false},
    {"user-interrupted", "user-interrupted:" CALL ":", "user-interrupted", false},
    {"hang", "hang:" CALL ":", "hang", false},
    {"model-output", "model-output:" CALL ":", "model-output", false},
    {"voice-input", "voice-input:" CALL ":", "voice-input", false},
    {"assistant.speechStarted.word-alignment", "assistant.speechStarted:" CALL ":", "assistant.speechStarted", false},
    {"language-change-detected", "language-change-detected:" CALL ":", "language-change-detected", false},
    {"phone-call-control.forward", "phone-call-control:" CALL ":", "phone-call-control", false},
    {"knowledge-base-request", "knowledge-base-request:" CALL ":", "knowledge-base-request", false},
    {"transfer-destination-request",
     "transfer-destination-request:5cb224a8-4018-4d4e-81c3-27b40dd0d5cb:", "transfer-destination-request", false},
    {"handoff-destination-request",
     "handoff-destination-request:5cb224a8-4018-4d4e-81c3-27b40dd0d5cb:", "handoff-destination-request", false},
    {"transfer-update.to-number", "transfer-update:5cb224a8-4018-4d4e-81c3-27b40dd0d5cb:", "transfer-update", false},
    {"call.artifact.upload", "call.artifact.upload:" CALL ":", "call.artifact.upload", false},
    {"call.deleted", "call.deleted:" CALL, "call.deleted", false},
    {"call.delete.failed", "call.delete.failed:" CALL ":", "call.delete.failed", false},
    {"session.created", "session.created:5903349b-dc22-4163-9ae4-2949d782c201", "session.created", false},
    {"session.updated", "session.updated:5903349b-dc22-4163-9ae4-2949d782c201:2026-08-12T17:12:32.114Z",
     "session.updated", false},
    {"chat.created", "chat.created:140a79f1-e909-45e9-a9d0-e7ef905320d5", "chat.created", false},
    {"campaign.predial", "campaign.predial:86bb2041-ed03-42ca-84fa-15103a7b9906:03be67bb-671a-4681-a08f-ee5e0dc928b1",
     "campaign.predial", false},
    {"unknown-type", "call.mood-detected:" CALL ":", "call.mood-detected", false},
};

static void test_every_message_has_its_key_and_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].file);
        str_t want = str_from(EVENTS[i].key);

        assert_absent(d->error);
        assert_false(d->unstored);
        if (want.base[want.len - 1] == ':') {
            assert_true(str_starts(d->event_key, want));
            assert_int_equal(d->event_key.len, want.len + 32);
        } else {
            assert_str(d->event_key, EVENTS[i].key);
        }
        assert_str(d->event_type, EVENTS[i].type);
        if (strstr(EVENTS[i].key, CALL)) {
            assert_str(d->call_id, CALL);
            assert_str(d->call_sid, SID);
        }
        assert_int_equal(d->facts.first != NULL, EVENTS[i].has_facts);
        assert_int_not_equal(d->occurred_us, TIME_NONE);
        delivery_free(d);
    }
}

static void test_no_secret_reaches_the_payload(void **state)
{
    static const char *const MORE[] = {"end-of-call-report.full.redelivered",          "end-of-call-report.forwarded",
                                       "end-of-call-report.no-answer.minimal",         "status-update.ended.no-answer",
                                       "status-update.ended.assistant-request-failed", "transcript.partial-user"};

    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS) + COUNT(MORE); i++) {
        delivery_t *d = deliver_file(i < COUNT(EVENTS) ? EVENTS[i].file : MORE[i - COUNT(EVENTS)]);

        assert_absent(d->error);
        if (holds(d->payload, "REDACT-ME"))
            fail_msg("a secret is left in %s", d->event_type.base);
        delivery_free(d);
    }
}

static void test_redaction_spares_the_conversation(void **state)
{
    static const char BODY[] =
        "{\"message\":{\"type\":\"tool-calls\",\"promptTokens\":3,\"transcript\":\"my token is 1\",\"toolCallList\":"
        "[{\"id\":\"1\",\"function\":{\"name\":\"pay\",\"arguments\":{\"token\":\"kept\",\"card\":{\"secret\":"
        "\"kept too\"}}}},{\"id\":\"2\",\"name\":\"x\",\"parameters\":{\"password\":\"also kept\"}}],\"server\":"
        "{\"secret\":\"gone\",\"headers\":{\"X-Any\":\"gone\"}},\"assistant\":{\"credentials\":[{\"k\":\"gone\"}]},"
        "\"phoneNumber\":{\"twilioApiKey\":\"gone\",\"twilioAuthToken\":\"gone\"}}}";
    delivery_t *d = deliver(P, "events", BODY_JSON, STR(BODY));

    (void)state;
    assert_false(holds(d->payload, "gone"));
    assert_true(holds(d->payload, "\"token\":\"kept\""));
    assert_true(holds(d->payload, "kept too"));
    assert_true(holds(d->payload, "also kept"));
    assert_true(holds(d->payload, "\"promptTokens\":3"));
    assert_true(holds(d->payload, "my token is 1"));
    delivery_free(d);
}

static void test_report_facts(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.full");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    assert_str(d->from_number, "+14155550142");
    assert_str(d->to_number, "+14155550110");
    ASSERT_CELLS(
        call, {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"}, {CALL_END_REASON, "customer-ended-call"},
        {CALL_CALL_SID, SID}, {CALL_ACCOUNT_ID, "daedada0-7908-4278-b81a-1c725d634d53"}, {CALL_DIRECTION, "inbound"},
        {CALL_FROM_NUMBER, "+14155550142"}, {CALL_TO_NUMBER, "+14155550110"}, {CALL_CUSTOMER_NUMBER, "+14155550142"},
        {CALL_STARTED_AT, "2026-08-12T16:03:24.314000Z"}, {CALL_CONNECTED_AT, "2026-08-12T16:03:24.314000Z"},
        {CALL_ENDED_AT, "2026-08-12T16:03:55.374000Z"}, {CALL_DURATION, "31"}, {CALL_TOKENS, "1280"},
        {CALL_COST, "0.0482"}, {CALL_COST_CURRENCY, "USD"}, {CALL_TRANSCRIPT_SOURCE, "report"},
        {CALL_SUMMARY, "Zoë Nakamura moved her Thursday 10:00 cleaning to Friday at 14:00. The change was confirmed."},
        {CALL_RECORDING_URL, "https://storage.example.com/recordings/" CALL "-mono.wav"},
        {CALL_AGENT_ID, "2de8bbed-041e-41b2-81c1-a340ce642e18"}, {CALL_AGENT_NAME, "Front desk (inbound)"},
        {CALL_AI_AGENT_USED, "1"});
    assert_true(str_starts(call->cells[CALL_TRANSCRIPT].text, STR("AI: Thanks for calling")));
    assert_int_equal(rank_of(call, CALL_OUTCOME), RANK_REPORT);
    delivery_free(d);
}

static void test_report_messages_are_one_set(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.full");
    version_t set = find_row(&d->facts, FACT_CALL, NULL)->cells[CALL_TRANSCRIPT_SOURCE].version;

    (void)state;
    assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 7);
    assert_null(find_row(&d->facts, FACT_MESSAGE, "report:0")); /* the system prompt */
    assert_null(find_row(&d->facts, FACT_MESSAGE, "report:5")); /* a tool's call */
    assert_null(find_row(&d->facts, FACT_MESSAGE, "report:6")); /* and its result */
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:1"), {MESSAGE_SOURCE, "report"}, {MESSAGE_ROLE, "assistant"},
                 {MESSAGE_SEQUENCE, "1"},
                 {MESSAGE_CONTENT, "Thanks for calling Juniper Street Dental, this is Juniper. How can I help?"},
                 {MESSAGE_SPOKEN_AT, "2026-08-12T16:03:25.494000Z"}, {MESSAGE_ENDED_AT, "2026-08-12T16:03:29.644000Z"});
    ASSERT_CELLS(find_row(&d->facts, FACT_MESSAGE, "report:4"), {MESSAGE_ROLE, "user"},
                 {MESSAGE_CONTENT, "Zoë Nakamura."});
    for (const fact_t *f = d->facts.first; f; f = f->next)
        for (int c = 0; f->kind == FACT_MESSAGE && c < MESSAGE_COLUMN_COUNT; c++)
            assert_true(f->cells[c].version == 0 || f->cells[c].version == set);
    delivery_free(d);
}

static void test_redelivered_report_is_the_same_event_and_facts(void **state)
{
    delivery_t *first = deliver_file("end-of-call-report.full");
    delivery_t *again = deliver_file("end-of-call-report.full.redelivered");

    (void)state;
    assert_true(str_eq(first->event_key, again->event_key));
    assert_same_rows(&first->facts, &again->facts);
    delivery_free(first);
    delivery_free(again);
}

static void test_grown_report_is_another_event_and_wins(void **state)
{
    static const char LIST[] = "\"messages\": [";
    str_t body = fixture("vapi/webhook.end-of-call-report.forwarded.json");
    size_t at = (size_t)(strstr(body.base, LIST) - body.base) + strlen(LIST);
    const str_t parts[] = {str_slice(body, 0, at),
                           STR("{\"role\":\"bot\",\"message\":\"Hello?\",\"time\":1786553424114},"),
                           str_slice(body, at, body.len)};
    delivery_t *thin = deliver(P, "events", BODY_JSON, body);
    delivery_t *rich = deliver(P, "events", BODY_JSON, arena_concat(test_arena, parts, COUNT(parts)));
    facts_t rows;

    (void)state;
    assert_absent(rich->error);
    assert_false(str_eq(thin->event_key, rich->event_key));
    facts_init(&rows, test_arena);
    merge_into(&rows, &rich->facts);
    merge_into(&rows, &thin->facts);
    assert_cell(find_row(&rows, FACT_MESSAGE, "report:0"), MESSAGE_CONTENT, "Hello?");
    assert_cell(find_row(&rows, FACT_MESSAGE, "report:1"), MESSAGE_CONTENT, "A person, please.");
    delivery_free(thin);
    delivery_free(rich);
}

static void test_call_that_nobody_answered(void **state)
{
    delivery_t *d[] = {deliver_file("status-update.queued.outbound"), deliver_file("status-update.ended.no-answer"),
                       deliver_file("end-of-call-report.no-answer.minimal")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "failed"},
                 {CALL_END_REASON, "customer-did-not-answer"}, {CALL_FROM_NUMBER, "+14155550110"},
                 {CALL_TO_NUMBER, "+14155550187"}, {CALL_CUSTOMER_NUMBER, "+14155550187"}, {CALL_DIRECTION, "outbound"},
                 {CALL_STARTED_AT, NULL}, {CALL_CONNECTED_AT, NULL}, {CALL_ENDED_AT, "2026-08-12T16:25:51.014000Z"},
                 {CALL_TRANSCRIPT_SOURCE, NULL}, {CALL_COST, "0"}, {CALL_TOKENS, NULL});
    assert_order_free(d, COUNT(d), 5);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_web_call_has_no_numbers_and_no_agent_id(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.web-call");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_FROM_NUMBER, NULL}, {CALL_TO_NUMBER, NULL},
                 {CALL_DIRECTION, NULL}, {CALL_AGENT_ID, NULL}, {CALL_CALL_SID, NULL}, {CALL_OUTCOME, "completed"},
                 {CALL_CONNECTED_AT, "2026-08-12T17:12:22.114000Z"});
    assert_absent(d->call_sid);
    delivery_free(d);
}

static void test_forwarded_call_is_completed(void **state)
{
    delivery_t *d = deliver_file("end-of-call-report.forwarded");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, "completed"},
                 {CALL_END_REASON, "assistant-forwarded-call"}, {CALL_TOKENS, "681"},
                 {CALL_CALL_SID, "CA0d686b446c2d34712a2b97302e155667"}, {CALL_DURATION, NULL});
    delivery_free(d);
}

static void test_each_ended_reason_has_its_outcome(void **state)
{
    static const struct {
        const char *reason, *outcome;
    } CASES[] = {
        {"customer-ended-call", "completed"},
        {"customer-ended-call-after-warm-transfer-attempt", "completed"},
        {"assistant-ended-call-with-hangup-task", "completed"},
        {"exceeded-max-duration", "completed"},
        {"call.ringing.hook-executed-transfer", "completed"},
        {"assistant-request-returned-forwarding-phone-number", "completed"},
        {"assistant-request-failed", "failed"},
        {"customer-busy", "failed"},
        {"voicemail", "failed"},
        {"call.forwarding.operator-busy", "failed"},
        {"call.in-progress.error-pipeline-no-available-llm-model", "failed"},
        {"pipeline-error-openai-llm-failed", "failed"},
        {"twilio-failed-to-connect-call", "failed"},
        {"call.in-progress.error-vapifault-transport-never-connected", "failed"},
        {"unheard-of", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON,
                                arena_printf(test_arena,
                                             "{\"message\":{\"type\":\"status-update\",\"status\":\"ended\","
                                             "\"endedReason\":\"%s\",\"call\":{\"id\":\"c\"}}}",
                                             CASES[i].reason));

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, CASES[i].outcome},
                     {CALL_END_REASON, CASES[i].reason}, {CALL_PHASE, "2"});
        delivery_free(d);
    }
}

static void test_live_lines(void **state)
{
    delivery_t *d = deliver_file("transcript.final-user.non-ascii-filtered");
    fact_t *line = find_row(&d->facts, FACT_MESSAGE, "live:user:1786550619014:f7c526af");

    (void)state;
    ASSERT_CELLS(line, {MESSAGE_SOURCE, "live"}, {MESSAGE_ROLE, "user"},
                 {MESSAGE_CONTENT, "Zoë Nakamura, [filtered] 🙂"}, {MESSAGE_SEQUENCE, "1786550619014"},
                 {MESSAGE_SPOKEN_AT, "2026-08-12T16:03:39.014000Z"});
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "1"}, {CALL_TRANSCRIPT_SOURCE, "live"},
                 {CALL_CALL_SID, SID});
    delivery_free(d);
}

static void test_partial_lines_are_counted_only(void **state)
{
    delivery_t *d = deliver_file("transcript.partial-user");

    (void)state;
    assert_true(d->unstored);
    assert_null(d->facts.first);
    assert_absent(d->error);
    assert_str(reply_to(P, d).body, "{}");
    delivery_free(d);
}

static void test_whole_call_in_any_order(void **state)
{
    delivery_t *d[] = {deliver_file("status-update.ringing"),
                       deliver_file("status-update.in-progress"),
                       deliver_file("transcript.final-user"),
                       deliver_file("transcript.final-assistant.bracketed-type"),
                       deliver_file("status-update.ended.customer-ended-call"),
                       deliver_file("end-of-call-report.full"),
                       deliver_file("end-of-call-report.full.redelivered"),
                       deliver_file("call.delete.failed")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    assert_int_equal(count_rows(&rows, FACT_MESSAGE), 9);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"},
                 {CALL_TRANSCRIPT_SOURCE, "report"}, {CALL_DURATION, "31"});
    assert_order_free(d, COUNT(d), 7);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_not_found_moves_nothing(void **state)
{
    static const char *const WORDS[] = {"not-found", "deletion-failed"};

    (void)state;
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON,
                                arena_printf(test_arena,
                                             "{\"message\":{\"type\":\"status-update\",\"status\":\"%s\",\"call\":"
                                             "{\"id\":\"c\",\"endedAt\":\"2026-08-12T16:03:55.374Z\"}}}",
                                             WORDS[i]));

        assert_str(d->event_key, arena_printf(test_arena, "status:c:%s", WORDS[i]).base);
        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, NULL}, {CALL_ENDED_AT, NULL});
        delivery_free(d);
    }
}

static void test_unknown_shapes_are_dead_letters(void **state)
{
    static const char *const BODIES[] = {"{}",
                                         "[]",
                                         "null",
                                         "{\"message\":[]}",
                                         "{\"message\":\"hello\"}",
                                         "{\"message\":{\"type\":7}}",
                                         "{\"message\":{\"type\":\"\"}}",
                                         "{\"type\":\"status-update\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT(BODIES); i++) {
        delivery_t *d = deliver(P, "events", BODY_JSON, str_from(BODIES[i]));

        assert_non_null(d->error.base);
        assert_true(str_starts(d->event_key, STR("unknown:")));
        assert_null(d->facts.first);
        assert_int_equal(reply_to(P, d).status, 200);
        assert_str(reply_to(P, d).body, "{}");
        delivery_free(d);
    }
}

/* The call is c; the rest is what a sender could write there. */
static void test_odd_types_never_break(void **state)
{
    static const struct {
        const char *type, *rest;
    } CASES[] = {
        {"status-update", "\"status\":5"},
        {"end-of-call-report", "\"costs\":{\"a\":1},\"artifact\":[]"},
        {"end-of-call-report", "\"costs\":[1,null,{\"type\":\"model\",\"promptTokens\":1e300}],\"cost\":\"free\""},
        {"end-of-call-report", "\"durationMs\":1e300,\"artifact\":{\"messages\":[null,1,{\"role\":5}]}"},
        {"end-of-call-report", "\"messages\":[{\"role\":\"user\",\"message\":[]},{\"role\":\"bot\",\"content\":\"y\","
                               "\"time\":-1e99}]"},
        {"transcript", "\"transcript\":{},\"role\":null,\"timestamp\":\"x\""},
        {"tool-calls", "\"toolCallList\":[1,{\"id\":2}]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        static const char *const CALLS[] = {"{\"id\":\"c\",\"transport\":[]}", "{\"id\":7}", "null", "[[]]"};

        for (size_t j = 0; j < COUNT(CALLS); j++) {
            str_t body = arena_printf(test_arena, "{\"message\":{\"type\":\"%s\",%s,\"call\":%s}}", CASES[i].type,
                                      CASES[i].rest, CALLS[j]);
            delivery_t *d = deliver(P, "events", BODY_JSON, body);

            assert_absent(d->error);
            assert_int_not_equal(d->event_key.len, 0);
            assert_int_equal(d->call_id.base != NULL, j == 0);
            assert_int_equal(reply_to(P, d).status, 200);
            delivery_free(d);
        }
    }
}

static void test_each_question_has_its_answer(void **state)
{
    static const struct {
        const char *file, *body;
    } CASES[] = {
        {"assistant-request", "{\"error\":\"We are sorry, this number is not in service at the moment. Goodbye.\"}"},
        {"tool-calls.flat-shape-two-calls",
         "{\"results\":[{\"toolCallId\":\"call_9211a295c0251909249490ba\",\"name\":\"lookupAppointment\",\"error\":"
         "\"This server has no such tool.\"},{\"toolCallId\":\"call_9211a295c0251909249490bb\",\"name\":"
         "\"openingHours\",\"error\":\"This server has no such tool.\"}]}"},
        {"tool-calls.arguments-as-object",
         "{\"results\":[{\"toolCallId\":\"call_9211a295c0251909249490bd\",\"name\":\"lookupAppointment\",\"error\":"
         "\"This server has no such tool.\"}]}"},
        {"function-call.legacy", "{\"result\":\"This server has no such function.\"}"},
        {"transfer-destination-request", "{\"error\":\"There is nobody to transfer this call to.\"}"},
        {"handoff-destination-request", "{\"error\":\"There is nobody to transfer this call to.\"}"},
        {"knowledge-base-request", "{\"documents\":[]}"},
        {"campaign.predial", "{\"eligible\":false}"},
        {"hang", "{}"},
        {"status-update.ringing", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file(CASES[i].file);
        hook_reply_t r = reply_to(P, d);

        assert_int_equal(r.status, 200);
        assert_str(r.content_type, "application/json");
        assert_str(r.body, CASES[i].body);
        delivery_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_hmac_vector_gets_its_verdict),
        provider_test(test_secret_comes_in_either_header),
        provider_test(test_either_proof_suffices_where_both_are_set),
        provider_test(test_tolerance_can_be_set_and_switched_off),
        provider_test(test_every_character_of_a_signature_counts),
        provider_test(test_settings_that_cannot_work_are_refused),
        provider_test(test_what_we_sign_we_accept),
        provider_test(test_every_message_has_its_key_and_call),
        provider_test(test_no_secret_reaches_the_payload),
        provider_test(test_redaction_spares_the_conversation),
        provider_test(test_report_facts),
        provider_test(test_report_messages_are_one_set),
        provider_test(test_redelivered_report_is_the_same_event_and_facts),
        provider_test(test_grown_report_is_another_event_and_wins),
        provider_test(test_call_that_nobody_answered),
        provider_test(test_web_call_has_no_numbers_and_no_agent_id),
        provider_test(test_forwarded_call_is_completed),
        provider_test(test_each_ended_reason_has_its_outcome),
        provider_test(test_live_lines),
        provider_test(test_partial_lines_are_counted_only),
        provider_test(test_whole_call_in_any_order),
        provider_test(test_not_found_moves_nothing),
        provider_test(test_unknown_shapes_are_dead_letters),
        provider_test(test_odd_types_never_break),
        provider_test(test_each_question_has_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
