#include "provider_harness.h"

extern const provider_t provider_twilio;
#define P    (&provider_twilio)
#define LEG1 "CA00000000000000000000000000000001"
#define LEG2 "CA00000000000000000000000000000002"
#define OUR  "AC000000000000000000000000000000ac"

static const char TOKEN[] = "00112233445566778899aabbccddeeff";

static header_t signature_header(str_t signature)
{
    return (header_t){STR("x-twilio-signature"), signature};
}

/* https://host:port + /path?query */
static void split_url(str_t url, str_t *origin, str_t *target)
{
    size_t host = str_find(url, ':') + 3;
    size_t path = host + str_find(str_slice(url, host, url.len), '/');

    *origin = str_slice(url, 0, path);
    *target = str_slice(url, path, url.len);
}

static void *token_keys(const char *tokens)
{
    return keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", tokens}));
}

/* A signed form as index and vectors have it. */
typedef struct signed_form {
    hook_request_t request;
    header_t header;
    form_t form;
} signed_form_t;

static void init_request(signed_form_t *s, str_t url, str_t signature)
{
    *s = (signed_form_t){.header = signature_header(signature)};
    split_url(url, &s->request.origins[0], &s->request.target);
    s->request.n_origins = 1;
    s->request.headers = &s->header;
    s->request.n_headers = 1;
}

static void add_pair(form_t *form, str_t key, str_t value)
{
    form->pairs[form->count++] = (form_pair_t){key, value};
}

static void form_of_params(const cJSON *params, form_t *form)
{
    *form = (form_t){arena_alloc(test_arena, 32 * sizeof(form_pair_t)), 0};
    for (const cJSON *p = params->child; p; p = p->next) {
        str_t key = str_from(p->string);

        if (cJSON_IsArray(p))
            for (const cJSON *v = p->child; v; v = v->next)
                add_pair(form, key, str_from(v->valuestring));
        else
            add_pair(form, key, str_from(p->valuestring));
    }
}

/* The vectors of JSON bodies tell the body in their note. */
static str_t json_body_of(const cJSON *vector)
{
    str_t note = json_str(vector, "note");

    return str_starts(note, STR("JSON body {}")) ? STR("{}") : STR("{\"property\": \"value\", \"boolean\": true}");
}

static void test_every_published_signature_is_accepted(void **state)
{
    size_t n = 0;

    (void)state;
    for (const cJSON *v = fixture_json("twilio/signature-vectors.json")->child; v; v = v->next, n++) {
        void *keys = token_keys(json_str(v, "auth_token").base);
        str_t url = json_str(v, "url");
        signed_form_t s;

        init_request(&s, url, json_str(v, "signature"));
        form_of_params(json_at(v, "params"), &s.form);
        if (strstr(url.base, "bodySHA256="))
            s.request.body = json_body_of(v);
        else
            s.request.form = &s.form;
        if (verdict_of(P, keys, &s.request) != ERR_NONE)
            fail_msg("refused: %s, %s", json_str(v, "origin").base, url.base);
        s.header.value = changed(test_arena, s.header.value, 3);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
        P->keys_free(keys);
    }
    assert_int_equal(n, 28);
}

static void each_form_request(void (*check)(const void *keys, signed_form_t *s))
{
    const cJSON *index = fixture_json("twilio/signed-requests-index.json");
    void *keys = token_keys(TOKEN);
    size_t n = 0;

    for (const cJSON *r = json_at(index, "requests")->child; r; r = r->next) {
        str_t file = json_str(r, "file");
        signed_form_t s;
        err_t err;

        if (!str_ends_nocase(file, STR(".form")))
            continue;
        init_request(&s, json_str(r, "url"), json_str(r, "signature"));
        s.request.body = fixture(arena_printf(test_arena, "twilio/%s", file.base).base);
        assert_true(form_parse(test_arena, s.request.body, &s.form, &err));
        s.request.form = &s.form;
        check(keys, &s);
        n++;
    }
    assert_int_equal(n, 31);
    P->keys_free(keys);
}

static void accept_it(const void *keys, signed_form_t *s)
{
    assert_genuine(P, keys, &s->request);
}

static void test_every_sample_request_is_accepted(void **state)
{
    (void)state;
    each_form_request(accept_it);
}

static void tamper_with_parameters(const void *keys, signed_form_t *s)
{
    for (size_t i = 0; i < s->form.count; i++) {
        form_pair_t was = s->form.pairs[i];

        s->form.pairs[i].value = arena_printf(test_arena, STR_FMT "x", STR_ARG(was.value));
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.pairs[i] = (form_pair_t){arena_printf(test_arena, "%sx", was.key.base ? "k" : ""), was.value};
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.pairs[i] = s->form.pairs[s->form.count - 1]; /* left out */
        s->form.count--;
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.count++;
        s->form.pairs[i] = was;
    }
    assert_genuine(P, keys, &s->request);
}

static void test_any_parameter_changed_or_left_out_is_refused(void **state)
{
    (void)state;
    each_form_request(tamper_with_parameters);
}

static void tamper_with_address(const void *keys, signed_form_t *s)
{
    str_t target = s->request.target, origin = s->request.origins[0], header = s->header.value;

    for (size_t i = 0; i < target.len; i++) {
        s->request.target = changed(test_arena, target, i);
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    }
    s->request.target = target;
    s->request.origins[0] = changed(test_arena, origin, origin.len - 1);
    assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    s->request.origins[0] = origin;
    for (size_t i = 0; i < header.len; i++) {
        s->header.value = changed(test_arena, header, i);
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    }
    s->header.value = STR("");
    assert_refused(P, keys, &s->request, ERR_NO_SIGNATURE);
    s->request.n_headers = 0;
    assert_refused(P, keys, &s->request, ERR_NO_SIGNATURE);
}

static void test_another_address_or_signature_is_refused(void **state)
{
    (void)state;
    each_form_request(tamper_with_address);
}

static void first_sample(signed_form_t *s)
{
    err_t err;

    init_request(s, STR("https://calls.example.com/twilio/voice"), STR("u95Lh/KqDZqUWWroM+18Ps5eqjU="));
    s->request.body = fixture("twilio/voice-inbound-ringing.form");
    assert_true(form_parse(test_arena, s->request.body, &s->form, &err));
    s->request.form = &s->form;
}

static void test_port_may_be_in_the_address_or_not(void **state)
{
    void *keys = token_keys(TOKEN), *other;
    signed_form_t s;

    (void)state;
    first_sample(&s);
    s.request.origins[0] = STR("https://calls.example.com:443");
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("https://calls.example.com:8443");
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("http://calls.example.com");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    /* Official vector: signed with :443, received without. */
    other = token_keys("12345");
    init_request(&s, STR("https://mycompany.com/myapp.php?foo=1&bar=2"), STR("kvajT1Ptam85bY51eRf/AJRuM3w="));
    form_of_params(json_at(fixture_json("twilio/signature-vectors.json"), "1.params"), &s.form);
    s.request.form = &s.form;
    assert_genuine(P, other, &s.request);
    P->keys_free(other);
    P->keys_free(keys);
}

static void test_every_known_address_is_tried(void **state)
{
    void *keys = token_keys(TOKEN);
    signed_form_t s;

    (void)state;
    first_sample(&s);
    s.request.origins[0] = STR("https://inside.example.net");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    s.request.origins[1] = STR("https://[2001:db8::1]:8443");
    s.request.origins[2] = STR("https://calls.example.com");
    s.request.n_origins = 3;
    assert_genuine(P, keys, &s.request);
    s.request.target = STR("/voice"); /* a proxy took the prefix off */
    s.request.origins[2] = STR("https://calls.example.com:443/twilio");
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_two_tokens_are_valid_at_once(void **state)
{
    signed_form_t s;

    (void)state;
    first_sample(&s);
    for (int i = 0; i < 3; i++) {
        static const char *const LISTS[] = {"new-token, 00112233445566778899aabbccddeeff",
                                            "00112233445566778899aabbccddeeff,old-token", "neither,of-these"};
        void *keys = token_keys(LISTS[i]);

        assert_int_equal(verdict_of(P, keys, &s.request), i < 2 ? ERR_NONE : ERR_SIGNATURE);
        P->keys_free(keys);
    }
}

static void test_another_account_is_refused_where_ours_is_set(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNT_SID", OUR}));
    void *others = keys_of(
        P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"}));
    signed_form_t s;

    (void)state;
    first_sample(&s);
    assert_genuine(P, keys, &s.request);
    assert_refused(P, others, &s.request, ERR_SIGNATURE);
    assert_str(P->account(keys), OUR);
    P->keys_free(keys);
    P->keys_free(others);
}

static void test_json_body_needs_its_hash_in_the_address(void **state)
{
    static const char HASH[] = "cbcc2a9a5b29294b313d57e12110a1f3d73960df3c9b663ac183fdc2c3c22818";
    void *keys = token_keys(TOKEN);
    signed_form_t s;

    (void)state;
    init_request(&s, arena_printf(test_arena, "https://calls.example.com/twilio/intelligence?bodySHA256=%s", HASH),
                 STR("+HGCA+Y8Dpbqf3xsM+noOyyI9uw="));
    s.request.body = fixture("twilio/intelligence-transcript-available.json");
    assert_genuine(P, keys, &s.request);
    for (size_t i = 0; i < s.request.body.len; i++) {
        hook_request_t r = s.request;

        r.body = changed(test_arena, r.body, i);
        assert_refused(P, keys, &r, ERR_SIGNATURE);
    }
    s.request.target = STR("/twilio/intelligence");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    s.request.target = STR("/twilio/intelligence?bodySHA256=");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    P->keys_free(keys);
}

static void test_what_we_sign_we_accept(void **state)
{
    static const str_t FORM = {"B=2&A=%C3%A9+1&A=&B=2&CallSid=CA1", 33}, JSON = {"{\"account_sid\":\"AC1\"}", 21};
    void *keys = token_keys("newest,older");
    header_t headers[HOOK_MAX_SIGNED];
    signed_form_t s;
    err_t err;
    str_t url = STR("https://calls.example.com/webhooks/twilio");

    (void)state;
    assert_int_equal(P->sign(keys, url, BODY_FORM, FORM, 0, test_arena, headers), 1);
    init_request(&s, url, headers[0].value);
    assert_true(form_parse(test_arena, FORM, &s.form, &err));
    s.request.form = &s.form;
    assert_genuine(P, keys, &s.request);

    assert_absent(P->query(BODY_FORM, FORM, test_arena));
    url = arena_printf(test_arena, "%s?" STR_FMT, url.base, STR_ARG(P->query(BODY_JSON, JSON, test_arena)));
    P->sign(keys, url, BODY_JSON, JSON, 0, test_arena, headers);
    init_request(&s, url, headers[0].value);
    s.request.body = JSON;
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_without_a_token_it_is_off(void **state)
{
    static const char *const NONE[] = {"", " , "};
    err_t err;

    (void)state;
    assert_null(keys_or_null(P, SETTINGS({"TWILIO_ACCOUNT_SID", OUR}), &err));
    assert_int_equal(err.code, ERR_NONE);
    for (size_t i = 0; i < COUNT(NONE); i++) {
        assert_null(keys_or_null(P, SETTINGS({"TWILIO_AUTH_TOKEN", NONE[i]}), &err));
        assert_int_equal(err.code, ERR_NONE);
    }
    assert_null(keys_or_null(P, SETTINGS({"TWILIO_AUTH_TOKEN", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

/* ---- what is understood ---- */

static const struct {
    const char *file, *route, *key, *type, *call, *status;
    bool unstored;
} EVENTS[] = {
    {"status-outbound-0-initiated.form", "events", "call:" LEG2 ":initiated", "call-progress-events", LEG2, "initiated",
     false},
    {"status-outbound-1-ringing.form", "events", "call:" LEG2 ":ringing", "call-progress-events", LEG2, "ringing",
     false},
    {"status-outbound-2-in-progress.form", "events", "call:" LEG2 ":in-progress", "call-progress-events", LEG2,
     "in-progress", false},
    {"status-outbound-3-completed.form", "events", "call:" LEG2 ":completed", "call-progress-events", LEG2, "completed",
     false},
    {"status-inbound-number-completed.form", "events", "call:" LEG1 ":completed", "call-progress-events", LEG1,
     "completed", false},
    {"status-outbound-busy-486.form", "events", "call:CA00000000000000000000000000000006:busy", "call-progress-events",
     "CA00000000000000000000000000000006", "busy", false},
    {"voice-inbound-ringing.form", "voice", NULL, "voice", LEG1, "ringing", false},
    {"voice-fallback-after-error.form", "voice", NULL, "voice", LEG1, "ringing", false},
    {"amd-async-result-machine.form", "events", "amd:" LEG2 ":machine_end_beep", "async-amd", LEG2, NULL, false},
    {"recording-status-completed.form", "events", "recording:RE00000000000000000000000000000001:completed", "recording",
     LEG2, NULL, false},
    {"recording-status-absent.form", "events", "recording:RE00000000000000000000000000000002:absent", "recording",
     "CA00000000000000000000000000000004", NULL, false},
    {"transcription-legacy-completed.form", "events", "transcription:TR00000000000000000000000000000001:completed",
     "transcription", LEG1, NULL, false},
    {"rtt-1-transcription-started.form", "events", "transcription:GT00000000000000000000000000000001:1",
     "transcription-started", LEG1, NULL, false},
    {"rtt-2-transcription-content-partial.form", "events", "transcription:GT00000000000000000000000000000001:2",
     "transcription-content", LEG1, NULL, true},
    {"rtt-3-transcription-content-final.form", "events", "transcription:GT00000000000000000000000000000001:3",
     "transcription-content", LEG1, NULL, false},
    {"stream-status-error.form", "events", "stream:MZ00000000000000000000000000000002:stream-error", "stream-error",
     LEG1, NULL, false},
    {"conversationrelay-action-ended-handoff.form", "events", "relay:VX00000000000000000000000000000001:ended",
     "conversation-relay", LEG1, NULL, false},
    {"gather-speech-result.form", "events", NULL, "gather", LEG1, NULL, false},
    {"gather-dtmf-result.form", "events", NULL, "gather", LEG1, NULL, false},
    {"intelligence-transcript-available.json", "events",
     "intelligence:GT00000000000000000000000000000001:voice_intelligence_transcript_available",
     "voice_intelligence_transcript_available", LEG1, NULL, false},
};

static delivery_t *deliver_file(const char *route, const char *file)
{
    return deliver_fixture(P, route, arena_printf(test_arena, "twilio/%s", file).base);
}

static void test_every_message_has_its_key_and_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(EVENTS); i++) {
        delivery_t *d = deliver_file(EVENTS[i].route, EVENTS[i].file);

        assert_absent(d->error);
        if (EVENTS[i].key)
            assert_str(d->event_key, EVENTS[i].key);
        assert_str(d->event_type, EVENTS[i].type);
        assert_str(d->call_id, EVENTS[i].call);
        assert_str(d->call_sid, EVENTS[i].call);
        if (EVENTS[i].status)
            assert_str(d->status, EVENTS[i].status);
        else
            assert_absent(d->status);
        assert_int_equal(d->unstored, EVENTS[i].unstored);
        assert_int_equal(d->facts.first != NULL, EVENTS[i].status != NULL);
        delivery_free(d);
    }
}

static void test_status_facts_of_an_outbound_call(void **state)
{
    delivery_t *d[] = {deliver_file("events", "status-outbound-1-ringing.form"),
                       deliver_file("events", "status-outbound-0-initiated.form"),
                       deliver_file("events", "status-outbound-3-completed.form"),
                       deliver_file("events", "status-outbound-2-in-progress.form"),
                       deliver_file("voice", "voice-outbound-answered-url-fetch.form")};
    facts_t rows;

    (void)state;
    facts_init(&rows, test_arena);
    for (size_t i = 0; i < COUNT(d); i++)
        merge_into(&rows, &d[i]->facts);
    assert_int_equal(count_rows(&rows, FACT_CALL), 1);
    ASSERT_CELLS(find_row(&rows, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "completed"},
                 {CALL_END_REASON, "completed"}, {CALL_CALL_SID, LEG2}, {CALL_ACCOUNT_ID, OUR},
                 {CALL_DIRECTION, "outbound"}, {CALL_FROM_NUMBER, "+12025550100"}, {CALL_TO_NUMBER, "+12025550177"},
                 {CALL_CUSTOMER_NUMBER, "+12025550177"}, {CALL_STARTED_AT, "2026-08-30T08:27:54.000000Z"},
                 {CALL_CONNECTED_AT, "2026-08-30T08:27:58.000000Z"}, {CALL_ENDED_AT, "2026-08-30T08:28:22.000000Z"},
                 {CALL_DURATION, "24"}, {CALL_ANSWERED_BY, "human"}, {CALL_PARENT_CALL_SID, NULL},
                 {CALL_RECORDING_URL,
                  "https://api.twilio.com/2010-04-01/Accounts/" OUR "/Recordings/RE00000000000000000000000000000001"});
    assert_order_free(d, COUNT(d), 1);
    for (size_t i = 0; i < COUNT(d); i++)
        delivery_free(d[i]);
}

static void test_only_completed_infers_the_rest(void **state)
{
    delivery_t *d = deliver_file("events", "status-inbound-number-completed.form");
    fact_t *call = find_row(&d->facts, FACT_CALL, NULL);

    (void)state;
    ASSERT_CELLS(call, {CALL_PHASE, "2"}, {CALL_DIRECTION, "inbound"}, {CALL_CUSTOMER_NUMBER, "+12025550143"},
                 {CALL_STARTED_AT, "2026-08-30T08:28:56.000000Z"}, {CALL_CONNECTED_AT, "2026-08-30T08:28:56.000000Z"},
                 {CALL_ENDED_AT, "2026-08-30T08:30:11.000000Z"}, {CALL_DURATION, "75"});
    assert_int_equal(rank_of(call, CALL_CONNECTED_AT), RANK_INFERRED);
    assert_int_equal(rank_of(call, CALL_ENDED_AT), RANK_EVENT);
    delivery_free(d);
}

static void test_calls_that_failed(void **state)
{
    static const struct {
        const char *file, *reason;
    } CASES[] = {{"status-outbound-busy-486.form", "busy"},
                 {"status-outbound-no-answer.form", "no-answer"},
                 {"status-outbound-failed-404.form", "failed"}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver_file("events", CASES[i].file);

        ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "2"}, {CALL_OUTCOME, "failed"},
                     {CALL_END_REASON, CASES[i].reason}, {CALL_CONNECTED_AT, NULL}, {CALL_DURATION, "0"});
        delivery_free(d);
    }
}

static void test_cancelled_is_spelled_canceled(void **state)
{
    delivery_t *d = deliver(P, "events", BODY_FORM,
                            STR("CallSid=CA1&AccountSid=AC1&CallStatus=cancelled&CallbackSource=call-progress-events"));

    (void)state;
    assert_str(d->event_key, "call:CA1:canceled");
    assert_str(d->status, "canceled");
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_OUTCOME, "failed"}, {CALL_END_REASON, "canceled"},
                 {CALL_STARTED_AT, NULL}, {CALL_ENDED_AT, NULL});
    delivery_free(d);
}

static void test_child_leg_names_its_parent(void **state)
{
    delivery_t *d = deliver_file("events", "status-dial-child-leg-completed.form");

    (void)state;
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PARENT_CALL_SID, LEG1}, {CALL_DIRECTION, "outbound"},
                 {CALL_CUSTOMER_NUMBER, "+12025550177"}, {CALL_DURATION, "41"});
    delivery_free(d);
}

static void test_voice_fetch_of_a_withheld_number(void **state)
{
    delivery_t *d = deliver_file("voice", "voice-inbound-anonymous-utf8.form");
    str_t key = d->event_key;

    (void)state;
    assert_true(str_starts(key, STR("voice:" LEG1 ":/webhooks/twilio/voice:")));
    assert_int_equal(key.len, strlen("voice:" LEG1 ":/webhooks/twilio/voice:") + 32);
    assert_str(d->from_number, "anonymous");
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, "0"}, {CALL_FROM_NUMBER, "anonymous"},
                 {CALL_CUSTOMER_NUMBER, NULL}, {CALL_STARTED_AT, NULL});
    delivery_free(d);
}

static void test_voice_key_knows_the_parameters_but_not_their_order(void **state)
{
    delivery_t *a = deliver(P, "voice", BODY_FORM, STR("CallSid=CA1&CallStatus=ringing&From=1"));
    delivery_t *b = deliver(P, "voice", BODY_FORM, STR("From=1&CallStatus=ringing&CallSid=CA1"));
    delivery_t *c = deliver(P, "voice", BODY_FORM, STR("From=2&CallStatus=ringing&CallSid=CA1"));

    (void)state;
    assert_true(str_eq(a->event_key, b->event_key));
    assert_false(str_eq(a->event_key, c->event_key));
    delivery_free(a);
    delivery_free(b);
    delivery_free(c);
}

static void test_call_token_is_redacted(void **state)
{
    delivery_t *d = deliver_file("voice", "voice-inbound-ringing.form");

    (void)state;
    assert_false(holds(d->payload, "FICTIONAL"));
    assert_true(holds(d->payload, "\"CallToken\":\"[redacted]\""));
    assert_true(holds(d->payload, "\"StirVerstat\":\"TN-Validation-Passed-A\""));
    delivery_free(d);
}

static void test_other_messages_are_events_and_strangers_dead_letters(void **state)
{
    delivery_t *known = deliver(P, "events", BODY_FORM, STR("AccountSid=AC1&Something=new&CallSid=CA1"));
    delivery_t *account = deliver(P, "events", BODY_FORM, STR("AccountSid=AC1&Something=new"));
    delivery_t *strange = deliver(P, "events", BODY_FORM, STR("foo=bar"));
    delivery_t *broken = deliver(P, "events", BODY_JSON, STR("{\"a\":"));

    (void)state;
    assert_absent(known->error);
    assert_true(str_starts(known->event_key, STR("other:CA1:")));
    assert_true(str_starts(account->event_key, STR("other:AC1:")));
    assert_null(known->facts.first);
    assert_non_null(strange->error.base);
    assert_true(str_starts(strange->event_key, STR("unknown:")));
    assert_non_null(broken->error.base);
    assert_absent(broken->payload);
    assert_int_equal(reply_to(P, strange).status, 204);
    assert_int_equal(reply_to(P, broken).status, 204);
    delivery_free(known);
    delivery_free(account);
    delivery_free(strange);
    delivery_free(broken);
}

static void test_each_is_answered_as_twilio_wants(void **state)
{
    delivery_t *status = deliver_file("events", "status-outbound-2-in-progress.form");
    delivery_t *voice = deliver_file("voice", "voice-inbound-ringing.form");
    delivery_t *dead = deliver(P, "voice", BODY_FORM, STR("foo=bar"));
    delivery_t *action = deliver_file("events", "gather-dtmf-result.form");

    (void)state;
    assert_int_equal(reply_to(P, status).status, 204);
    assert_absent(reply_to(P, status).body);
    assert_int_equal(reply_to(P, voice).status, 200);
    assert_str(reply_to(P, voice).content_type, "text/xml; charset=utf-8");
    assert_true(holds(reply_to(P, voice).body, "<Response><Say>"));
    assert_true(holds(reply_to(P, voice).body, "<Hangup/></Response>"));
    assert_true(holds(reply_to(P, dead).body, "<Hangup/>"));
    assert_true(holds(reply_to(P, action).body, "<Response/>"));
    delivery_free(status);
    delivery_free(voice);
    delivery_free(dead);
    delivery_free(action);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_published_signature_is_accepted),
        provider_test(test_every_sample_request_is_accepted),
        provider_test(test_any_parameter_changed_or_left_out_is_refused),
        provider_test(test_another_address_or_signature_is_refused),
        provider_test(test_port_may_be_in_the_address_or_not),
        provider_test(test_every_known_address_is_tried),
        provider_test(test_two_tokens_are_valid_at_once),
        provider_test(test_another_account_is_refused_where_ours_is_set),
        provider_test(test_json_body_needs_its_hash_in_the_address),
        provider_test(test_what_we_sign_we_accept),
        provider_test(test_without_a_token_it_is_off),
        provider_test(test_every_message_has_its_key_and_call),
        provider_test(test_status_facts_of_an_outbound_call),
        provider_test(test_only_completed_infers_the_rest),
        provider_test(test_calls_that_failed),
        provider_test(test_cancelled_is_spelled_canceled),
        provider_test(test_child_leg_names_its_parent),
        provider_test(test_voice_fetch_of_a_withheld_number),
        provider_test(test_voice_key_knows_the_parameters_but_not_their_order),
        provider_test(test_call_token_is_redacted),
        provider_test(test_other_messages_are_events_and_strangers_dead_letters),
        provider_test(test_each_is_answered_as_twilio_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
