/* provider_twilio_stream_test.c – media streams of Twilio: who may open one, and what is made of what is heard. */
#include "base/stream_token.h"
#include "provider_harness.h"

extern const provider_t provider_twilio;
#define P       (&provider_twilio)
#define TOKEN   "00112233445566778899aabbccddeeff"
#define OLD     "ffeeddccbbaa99887766554433221100"
#define OUR     "AC000000000000000000000000000000ac"
#define CALL    "CA00000000000000000000000000000001"
#define STREAM  "MZ00000000000000000000000000000001"
#define NOW_S   INT64_C(1786550000)
#define ORIGIN  "https://calls.example.com"
#define PATH    "/media-stream"
#define ON_CALL "\"StreamSid\":\"" STREAM "\",\"CallSid\":\"" CALL "\",\"AccountSid\":\"" OUR "\""

/* ---- who is let in ---- */

typedef struct upgrade {
    hook_request_t request;
    header_t header;
    buf_t tried;
} upgrade_t;

static void init_upgrade(upgrade_t *u, str_t origin, str_t target, str_t signature)
{
    str_t ticket = str_slice(target, sizeof(PATH), str_find(target, '?'));

    *u = (upgrade_t){.header = {STR("x-twilio-signature"), signature}};
    u->request = (hook_request_t){.target = target,
                                  .is_get = true,
                                  .headers = &u->header,
                                  .n_headers = signature.base ? 1 : 0,
                                  .path_secret = ticket.len ? ticket : STR_NONE,
                                  .origins = {origin},
                                  .n_origins = 1,
                                  .now_us = NOW_S * US_PER_S};
}

static err_code_t admits(const void *keys, const hook_request_t *r, hook_admission_t *out)
{
    arena_t *scratch = arena_new(1024);
    err_t err = {.code = ERR_NONE};
    bool admitted;

    *out = (hook_admission_t){.call_id = ""};
    admitted = P->admit(keys, r, scratch, out, &err);
    arena_free(scratch);
    assert_true(admitted || err.detail[0]);
    return admitted ? ERR_NONE : err.code;
}

static str_t sign(const char *token, const char *url)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", token}));
    header_t headers[HOOK_MAX_SIGNED];

    P->sign(keys, str_from(url), BODY_QUERY, STR_NONE, 0, test_arena, headers);
    P->keys_free(keys);
    return headers[0].value;
}

static str_t ticket_of(const char *token, const char *call, int64_t seconds)
{
    hmac_key_t *key = stream_token_key(str_from(token));
    str_t ticket = stream_token_make(test_arena, key, str_from(call), NOW_S + seconds);

    hmac_key_free(key);
    return ticket;
}

static str_t path_with(str_t ticket)
{
    return arena_printf(test_arena, PATH "/" STR_FMT, STR_ARG(ticket));
}

/* Each form of the address that a vector was signed by fits the address that we were given; spoilt, none. */
static void test_every_published_upgrade_is_let_in(void **state)
{
    hook_admission_t who;
    size_t n = 0;

    (void)state;
    for (const cJSON *v = fixture_json("twilio/signature-vectors.json")->child; v; v = v->next) {
        void *keys;
        upgrade_t u;

        if (!holds(json_str(v, "note"), "WebSocket upgrade"))
            continue;
        n++;
        keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", json_str(v, "auth_token").base}));
        init_upgrade(&u, STR(ORIGIN), STR("/twilio/media"), json_str(v, "signature"));
        u.request.path_secret = STR_NONE;
        if (admits(keys, &u.request, &who) != ERR_NONE)
            fail_msg("refused: %s", json_str(v, "url").base);
        assert_string_equal(who.call_id, "");
        u.header.value = changed(test_arena, u.header.value, 5);
        assert_int_equal(admits(keys, &u.request, &who), ERR_SIGNATURE);
        P->keys_free(keys);
    }
    assert_int_equal(n, 4);
}

static void test_address_may_be_written_in_several_ways(void **state)
{
    static const struct {
        const char *target, *signed_as;
        bool fits;
    } CASES[] = {
        {PATH, "wss://calls.example.com" PATH, true},
        {PATH, "wss://calls.example.com" PATH "/", true},
        {PATH "/", "wss://calls.example.com" PATH, true},
        {PATH, "wss://calls.example.com:443" PATH "/", true},
        {PATH, "https://calls.example.com" PATH, true},
        {PATH, "https://calls.example.com:443" PATH "/", true},
        {PATH "?a=1", "wss://calls.example.com" PATH "?a=1", true},
        {PATH "?a=1", "wss://calls.example.com" PATH "/?a=1", true},
        {PATH, "ws://calls.example.com" PATH, false},
        {PATH, "http://calls.example.com" PATH, false},
        {PATH, "wss://calls.example.com:8443" PATH, false},
        {PATH, "wss://calls.example.com" PATH "//", false},
        {PATH, "wss://calls.example.com" PATH "?", false},
        {PATH "?a=1", "wss://calls.example.com" PATH, false},
        {PATH, "wss://other.example.com" PATH, false},
    };
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}));

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        hook_admission_t who;
        upgrade_t u;

        init_upgrade(&u, STR(ORIGIN), str_from(CASES[i].target), sign(TOKEN, CASES[i].signed_as));
        if (admits(keys, &u.request, &who) != (CASES[i].fits ? ERR_NONE : ERR_SIGNATURE))
            fail_msg("%s signed as %s", CASES[i].target, CASES[i].signed_as);
    }
    P->keys_free(keys);
}

static void test_whose_proof_it_was_is_told(void **state)
{
    void *keys = keys_of(
        P, SETTINGS({"TWILIO_ACCOUNT_SID", OUR}, {"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNTS", "AC1:" OLD}));
    hook_admission_t who;
    upgrade_t u;

    (void)state;
    init_upgrade(&u, STR(ORIGIN), STR(PATH), sign(TOKEN, "wss://calls.example.com" PATH));
    assert_int_equal(admits(keys, &u.request, &who), ERR_NONE);
    assert_string_equal(who.account, OUR);
    init_upgrade(&u, STR(ORIGIN), STR(PATH), sign(OLD, "wss://calls.example.com" PATH));
    assert_int_equal(admits(keys, &u.request, &who), ERR_NONE);
    assert_string_equal(who.account, "AC1");
    init_upgrade(&u, STR(ORIGIN), path_with(ticket_of(OLD, CALL, 60)), STR_NONE);
    assert_int_equal(admits(keys, &u.request, &who), ERR_NONE);
    assert_string_equal(who.account, "AC1");
    assert_string_equal(who.call_id, CALL);
    P->keys_free(keys);
}

static void test_a_ticket_lets_in_for_its_call(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN "," OLD}));
    const struct {
        str_t ticket;
        err_code_t code;
    } cases[] = {
        {ticket_of(TOKEN, CALL, 60), ERR_NONE},
        {ticket_of(OLD, CALL, 60), ERR_NONE},
        {ticket_of(TOKEN, CALL, 0), ERR_STALE},
        {ticket_of(TOKEN, CALL, -60), ERR_STALE},
        {ticket_of(TOKEN, CALL, STREAM_TOKEN_MOST_S + 1), ERR_STALE},
        {ticket_of("another", CALL, 60), ERR_SIGNATURE},
        {changed(test_arena, ticket_of(TOKEN, CALL, 60), 3), ERR_SIGNATURE},
        {STR("x"), ERR_SIGNATURE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hook_admission_t who;
        upgrade_t u;

        init_upgrade(&u, STR(ORIGIN), path_with(cases[i].ticket), STR_NONE);
        assert_int_equal(admits(keys, &u.request, &who), cases[i].code);
        assert_string_equal(who.call_id, cases[i].code == ERR_NONE ? CALL : "");
    }
    P->keys_free(keys);
}

/* Who caught the request that a ticket came with has its signature, too. */
static void test_a_signature_does_not_make_up_for_a_bad_ticket(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}));
    const struct {
        str_t ticket;
        err_code_t code;
    } cases[] = {
        {ticket_of(TOKEN, CALL, 60), ERR_NONE},
        {ticket_of(TOKEN, CALL, -1), ERR_STALE},
        {ticket_of(OLD, CALL, 60), ERR_SIGNATURE},
        {STR("line-1"), ERR_SIGNATURE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        str_t path = path_with(cases[i].ticket);
        str_t url = arena_printf(test_arena, "wss://calls.example.com" STR_FMT, STR_ARG(path));
        hook_admission_t who;
        upgrade_t u;

        init_upgrade(&u, STR(ORIGIN), path, sign(TOKEN, url.base));
        assert_int_equal(admits(keys, &u.request, &who), cases[i].code);
    }
    P->keys_free(keys);
}

static void test_no_proof_is_refused(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}));
    hook_admission_t who;
    upgrade_t u;

    (void)state;
    init_upgrade(&u, STR(ORIGIN), STR(PATH), STR_NONE);
    assert_int_equal(admits(keys, &u.request, &who), ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

/* What is logged of what was tried has no ticket, and no secret. */
static void test_what_is_tried_is_explained_without_the_ticket(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}));
    str_t ticket = ticket_of(TOKEN, CALL, -1);
    err_t err = {.code = ERR_NONE};
    hook_admission_t who = {.call_id = ""};
    upgrade_t u;

    (void)state;
    init_upgrade(&u, STR(ORIGIN), path_with(ticket), sign(OLD, "wss://calls.example.com" PATH));
    u.request.explain = &u.tried;
    assert_false(P->admit(keys, &u.request, test_arena, &who, &err));
    assert_true(holds(buf_str(&u.tried), "ticket: the stream's ticket expired 1 s ago"));
    assert_false(holds(buf_str(&u.tried), str_slice(ticket, ticket.len - 20, ticket.len).base));
    assert_false(holds(buf_str(&u.tried), CALL));
    assert_false(holds(str_from(err.detail), CALL));
    assert_false(holds(buf_str(&u.tried), TOKEN));
    buf_clear(&u.tried);
    P->keys_free(keys);
}

/* ---- what is heard ---- */

static delivery_t *hear(const char *json)
{
    delivery_t *d = deliver(P, "media-stream", BODY_JSON, str_from(json));

    assert_absent(d->error);
    return d;
}

static void test_the_begin_is_the_event_that_twilio_reports(void **state)
{
    delivery_t *heard =
        hear("{\"StreamEvent\":\"stream-started\"," ON_CALL ",\"Timestamp\":\"2026-08-30T08:29:00.412Z\","
             "\"Tracks\":[\"inbound\"],\"CustomParameters\":{\"CallStatus\":\"completed\"}}");
    delivery_t *told = deliver_fixture(P, "events", "twilio/stream-status-started.form");

    (void)state;
    assert_true(str_eq(heard->event_key, told->event_key));
    assert_true(str_eq(heard->event_type, told->event_type));
    assert_true(str_eq(heard->call_sid, told->call_sid));
    assert_int_equal(heard->occurred_us, told->occurred_us);
    assert_same_rows(&heard->facts, &told->facts);
    delivery_free(heard);
    delivery_free(told);
}

static void test_the_end_is_an_event_of_its_own_and_no_end_of_the_call(void **state)
{
    delivery_t *d = hear("{\"StreamEvent\":\"stream-ended\"," ON_CALL ",\"Timestamp\":\"2026-08-30T08:30:10.9Z\","
                         "\"Reason\":\"stop\",\"CloseCode\":1000,\"Frames\":4}");

    (void)state;
    assert_str(d->event_key, "stream:" STREAM ":stream-ended");
    assert_str(d->event_type, "stream-ended");
    ASSERT_CELLS(find_row(&d->facts, FACT_CALL, NULL), {CALL_PHASE, NULL}, {CALL_OUTCOME, NULL}, {CALL_ENDED_AT, NULL},
                 {CALL_CALL_SID, CALL}, {CALL_ACCOUNT_ID, OUR});
    delivery_free(d);
}

static void test_a_digit_is_named_by_its_number(void **state)
{
    delivery_t *d = hear("{\"StreamEvent\":\"dtmf\"," ON_CALL ",\"Timestamp\":\"2026-08-30T08:29:05Z\","
                         "\"SequenceNumber\":\"5\",\"Digit\":\"#\",\"Track\":\"inbound_track\"}");
    delivery_t *unnumbered = hear("{\"StreamEvent\":\"dtmf\"," ON_CALL ",\"Timestamp\":\"2026-08-30T08:29:05Z\","
                                  "\"Digit\":\"#\"}");
    str_t start = STR("stream:" STREAM ":dtmf:");

    (void)state;
    assert_str(d->event_key, "stream:" STREAM ":dtmf:5");
    assert_str(d->event_type, "dtmf");
    assert_int_equal(count_rows(&d->facts, FACT_MESSAGE), 0);
    assert_true(str_starts(unnumbered->event_key, start));
    assert_int_equal(unnumbered->event_key.len, start.len + 32);
    delivery_free(d);
    delivery_free(unnumbered);
}

static void test_it_is_answered_with_nothing(void **state)
{
    delivery_t *d = hear("{\"StreamEvent\":\"stream-ended\"," ON_CALL "}");

    (void)state;
    assert_int_equal(reply_to(P, d).status, 204);
    delivery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_published_upgrade_is_let_in),
        provider_test(test_address_may_be_written_in_several_ways),
        provider_test(test_whose_proof_it_was_is_told),
        provider_test(test_a_ticket_lets_in_for_its_call),
        provider_test(test_a_signature_does_not_make_up_for_a_bad_ticket),
        provider_test(test_no_proof_is_refused),
        provider_test(test_what_is_tried_is_explained_without_the_ticket),
        provider_test(test_the_begin_is_the_event_that_twilio_reports),
        provider_test(test_the_end_is_an_event_of_its_own_and_no_end_of_the_call),
        provider_test(test_a_digit_is_named_by_its_number),
        provider_test(test_it_is_answered_with_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
