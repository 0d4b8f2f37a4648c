/* twiml_test.c – what Twilio is told to do with a call, by what is planned for the number; and how it is written. */
#include "provider_harness.h"
#include "twilio/twiml.h"

#include "base/stream_token.h"

extern const provider_t provider_twilio;
#define P       (&provider_twilio)
#define TOKEN   "00112233445566778899aabbccddeeff"
#define OLD     "ffeeddccbbaa99887766554433221100"
#define OUR     "AC000000000000000000000000000000ac"
#define SUB     "AC000000000000000000000000000000ad"
#define CALL    "CA00000000000000000000000000000001"
#define AGENT   "6f1c7a1e-0000-4000-8000-000000000001"
#define NOW_S   INT64_C(1786550000)
#define LIFE_S  300
#define ORIGIN  "https://calls.example.com"
#define RINGS   "CallSid=" CALL "&AccountSid=" OUR "&Direction=inbound&From=%2B12025550143&To=%2B12025550100"
#define INBOUND RINGS "&CallStatus=ringing"

#define NOBODY  "<Say>Thank you for calling. Nobody can take your call right now. Please try again later. Goodbye.</Say>"
#define REGRET  "<Say>Sorry, we cannot go on with this call right now. Please call again. Goodbye.</Say>"
#define HANG_UP "<Hangup/></Response>"
#define FROM_TO                                                                                                        \
    "<Parameter name=\"direction\" value=\"inbound\"/><Parameter name=\"from\" value=\"+12025550143\"/>"               \
    "<Parameter name=\"to\" value=\"+12025550100\"/></Stream></Connect>"
#define CALLBACK " statusCallback=\"" ORIGIN "/webhooks/twilio\" statusCallbackMethod=\"POST\">"

static const call_agent_t ROSE = {.id = {AGENT, sizeof(AGENT) - 1}, .greeting = {"I am Rose.", 10}};

typedef struct asked {
    const char *form;
    const char *origin;
    bool bridges;
    call_plan_t plan;
    const test_setting_t *settings; /* NULL: the one account */
    const char *route;              /* NULL: voice */
} asked_t;

/* The body, which must be TwiML. */
static str_t twiml_of(const asked_t *q)
{
    delivery_t *d = deliver(P, q->route ? q->route : "voice", BODY_FORM, str_from(q->form));
    void *keys =
        keys_of(P, q->settings ? q->settings : SETTINGS({"TWILIO_ACCOUNT_SID", OUR}, {"TWILIO_AUTH_TOKEN", TOKEN}));
    const hook_context_t with = {.keys = keys,
                                 .origin = str_from(q->origin ? q->origin : ORIGIN),
                                 .plan = &q->plan,
                                 .bridges = q->bridges,
                                 .now_us = NOW_S * US_PER_S + 999999,
                                 .ticket_life_us = LIFE_S * US_PER_S};
    hook_reply_t reply = reply_with(P, d, &with);
    str_t body = arena_dup(test_arena, reply.body);

    assert_int_equal(reply.status, 200);
    assert_str(reply.content_type, "text/xml; charset=utf-8");
    assert_true(str_starts(body, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")));
    P->keys_free(keys);
    delivery_free(d);
    return str_slice(body, sizeof(TWIML_HEAD) - 1, body.len);
}

static str_t ticket(const char *token)
{
    hmac_key_t *key = stream_token_key(str_from(token));
    str_t text = stream_token_make(test_arena, key, STR(CALL), NOW_S + LIFE_S);

    hmac_key_free(key);
    return text;
}

static str_t connect_to(const char *url, str_t one_ticket, const char *rest)
{
    return arena_printf(test_arena, "<Connect><Stream url=\"%s/media-stream/" STR_FMT "\"" CALLBACK "%s", url,
                        STR_ARG(one_ticket), rest);
}

static void assert_twiml(const asked_t *q, const char *want)
{
    str_t got = twiml_of(q);

    if (!str_eq(got, str_from(want)))
        fail_msg("got  " STR_FMT "\nwant %s", STR_ARG(got), want);
}

/* ---- what becomes of a call ---- */

static void test_a_number_without_a_plan_is_told_that_nobody_is_there(void **state)
{
    (void)state;
    assert_twiml(&(asked_t){.form = INBOUND, .bridges = true}, "<Response>" NOBODY HANG_UP);
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.greeting = STR("Hi."), .agent = &ROSE}},
                 "<Response>" NOBODY HANG_UP);
}

static void test_answer_says_the_greeting_and_goodbye(void **state)
{
    (void)state;
    assert_twiml(
        &(asked_t){.form = INBOUND, .plan = {.action = CALL_ANSWER, .greeting = STR("Closed."), .agent = &ROSE}},
        "<Response><Say>Closed.</Say>" HANG_UP);
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_ANSWER, .agent = &ROSE}},
                 "<Response><Say>I am Rose.</Say>" HANG_UP);
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_ANSWER}}, "<Response>" NOBODY HANG_UP);
}

static void test_stream_connects_and_nothing_follows(void **state)
{
    static const char rest[] = "<Parameter name=\"action\" value=\"stream\"/>" FROM_TO;
    str_t stream = connect_to("wss://calls.example.com", ticket(TOKEN), rest);
    str_t with_agent = connect_to(
        "wss://calls.example.com", ticket(TOKEN),
        "<Parameter name=\"action\" value=\"stream\"/><Parameter name=\"agent\" value=\"" AGENT "\"/>" FROM_TO);

    (void)state;
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_STREAM}},
                 arena_printf(test_arena, "<Response>" STR_FMT "</Response>", STR_ARG(stream)).base);
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_STREAM, .greeting = STR("Hi.")}},
                 arena_printf(test_arena, "<Response><Say>Hi.</Say>" STR_FMT "</Response>", STR_ARG(stream)).base);
    assert_twiml(
        &(asked_t){.form = INBOUND, .plan = {.action = CALL_STREAM, .agent = &ROSE}},
        arena_printf(test_arena, "<Response><Say>I am Rose.</Say>" STR_FMT "</Response>", STR_ARG(with_agent)).base);
}

/* The agent greets by itself; what follows the stream is for when it cannot go on. */
static void test_bridge_connects_and_regrets_what_follows(void **state)
{
    str_t stream = connect_to("wss://calls.example.com", ticket(TOKEN),
                              "<Parameter name=\"action\" value=\"bridge\"/><Parameter name=\"agent\" value=\"" AGENT
                              "\"/>" FROM_TO);
    call_plan_t plan = {.action = CALL_BRIDGE, .agent = &ROSE};

    (void)state;
    assert_twiml(&(asked_t){.form = INBOUND, .bridges = true, .plan = plan},
                 arena_printf(test_arena, "<Response>" STR_FMT REGRET HANG_UP, STR_ARG(stream)).base);
    assert_twiml(&(asked_t){.form = INBOUND, .bridges = true, .plan = plan, .route = "media-stream-twiml"},
                 arena_printf(test_arena, "<Response>" STR_FMT REGRET HANG_UP, STR_ARG(stream)).base);
    plan.greeting = STR("One moment.");
    assert_twiml(
        &(asked_t){.form = INBOUND, .bridges = true, .plan = plan},
        arena_printf(test_arena, "<Response><Say>One moment.</Say>" STR_FMT REGRET HANG_UP, STR_ARG(stream)).base);
}

static void test_bridge_without_anybody_to_speak_is_told_so(void **state)
{
    (void)state;
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_BRIDGE, .agent = &ROSE}},
                 "<Response>" NOBODY HANG_UP);
    assert_twiml(&(asked_t){.form = INBOUND, .plan = {.action = CALL_BRIDGE, .greeting = STR("One moment.")}},
                 "<Response><Say>One moment.</Say>" NOBODY HANG_UP);
}

static void test_a_call_that_is_over_is_told_nothing(void **state)
{
    static const char *const STATUSES[] = {"completed", "busy", "no-answer", "canceled", "cancelled", "failed"};

    (void)state;
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        assert_twiml(&(asked_t){.form = arena_printf(test_arena, "%s&CallStatus=%s", RINGS, STATUSES[i]).base,
                                .plan = {.action = CALL_STREAM}},
                     "<Response/>");
}

/* The action of a verb, a status callback, a form that says nothing: they do not ask what to do with the call. */
static void test_what_does_not_ask_for_a_plan_gets_none(void **state)
{
    static const char *const FORMS[] = {INBOUND "&Digits=1", INBOUND "&DialCallStatus=busy",
                                        INBOUND "&SequenceNumber=1&"
                                                "CallbackSource=call-progress-events",
                                        "Foo=bar", ""};

    (void)state;
    for (size_t i = 0; i < COUNT(FORMS); i++)
        assert_twiml(&(asked_t){.form = FORMS[i], .plan = {.action = CALL_STREAM}}, "<Response>" NOBODY HANG_UP);
    assert_true(
        holds(twiml_of(&(asked_t){.form = INBOUND "&ErrorUrl=x", .plan = {.action = CALL_STREAM}}), "<Stream "));
    assert_twiml(&(asked_t){.form = INBOUND "&Digits=1", .route = "events", .plan = {.action = CALL_STREAM}},
                 "<Response/>");
}

static void test_our_number_is_the_one_that_is_called_or_calls(void **state)
{
    static const struct {
        const char *form, *number;
    } CASES[] = {
        {INBOUND, "+12025550100"},
        {"CallSid=" CALL "&CallStatus=ringing&To=%2B1+(202)+555-0100", "+12025550100"},
        {"CallSid=" CALL "&CallStatus=in-progress&Direction=outbound-api&From=%2B12025550100&To=%2B1", "+12025550100"},
        {"CallSid=" CALL "&CallStatus=ringing&Direction=inbound&To=sip:ada@example.com", NULL},
        {"CallSid=" CALL "&CallStatus=ringing&Direction=inbound&To=client:ada", NULL},
        {"Foo=bar", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = deliver(P, "voice", BODY_FORM, str_from(CASES[i].form));

        if (CASES[i].number)
            assert_str(P->our_number(d), CASES[i].number);
        else
            assert_absent(P->our_number(d));
        delivery_free(d);
    }
}

/* ---- the stream's address ---- */

static void test_the_stream_comes_where_the_request_came(void **state)
{
    static const struct {
        const char *origin, *url, *callback;
    } CASES[] = {
        {"https://calls.example.com:8443", "\"wss://calls.example.com:8443/media-stream/CA",
         "\"https://calls.example.com:8443/webhooks/twilio\""},
        {"https://example.com/calls", "\"wss://example.com/calls/media-stream/CA",
         "\"https://example.com/calls/webhooks/twilio\""},
        {"http://127.0.0.1:8080", "\"ws://127.0.0.1:8080/media-stream/CA", "\"http://127.0.0.1:8080/webhooks/twilio\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t text = twiml_of(&(asked_t){.form = INBOUND, .origin = CASES[i].origin, .plan = {.action = CALL_STREAM}});

        assert_true(holds(text, CASES[i].url));
        assert_true(holds(text, CASES[i].callback));
    }
}

/* By the newest of its own tokens; else by one that is good for any account. */
static void test_the_ticket_is_made_with_the_accounts_token(void **state)
{
    const struct {
        const test_setting_t *settings;
        const char *token;
    } cases[] = {
        {SETTINGS({"TWILIO_ACCOUNT_SID", OUR}, {"TWILIO_AUTH_TOKEN", TOKEN "," OLD}), TOKEN},
        {SETTINGS({"TWILIO_ACCOUNT_SID", SUB}, {"TWILIO_AUTH_TOKEN", OLD}, {"TWILIO_ACCOUNTS", OUR ":" TOKEN}), TOKEN},
        {SETTINGS({"TWILIO_AUTH_TOKEN", OLD}, {"TWILIO_ACCOUNTS", OUR ":" TOKEN}), TOKEN},
        {SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNTS", SUB ":" OLD}), TOKEN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        str_t text =
            twiml_of(&(asked_t){.form = INBOUND, .settings = cases[i].settings, .plan = {.action = CALL_STREAM}});

        assert_true(holds(text, arena_printf(test_arena, "/" STR_FMT "\"", STR_ARG(ticket(cases[i].token))).base));
    }
}

static void test_a_call_that_no_ticket_can_name_has_none(void **state)
{
    static const char form[] = "CallSid=CA-1&AccountSid=" OUR "&CallStatus=ringing&To=%2B12025550100";
    str_t text = twiml_of(&(asked_t){.form = form, .plan = {.action = CALL_STREAM}});
    str_t others = twiml_of(&(asked_t){.form = INBOUND,
                                       .settings = SETTINGS({"TWILIO_ACCOUNT_SID", SUB}, {"TWILIO_AUTH_TOKEN", OLD}),
                                       .plan = {.action = CALL_STREAM}});

    (void)state;
    assert_true(holds(text, "url=\"wss://calls.example.com/media-stream\""));
    assert_true(holds(others, "url=\"wss://calls.example.com/media-stream\""));
}

/* ---- how it is written ---- */

static void test_text_is_never_markup(void **state)
{
    static const char form[] = "CallSid=" CALL "&AccountSid=" OUR "&CallStatus=ringing&To=%2B12025550100"
                               "&From=%22%3E%3CHangup/%3E%26amp;'%0D%0A%09%01%EF%BF%BF%F0%9F%98%80";
    str_t text = twiml_of(
        &(asked_t){.form = form, .plan = {.action = CALL_STREAM, .greeting = STR("a \"b\" <c> & 'd'\x02\n]]>")}});

    (void)state;
    assert_true(holds(text, "<Say>a &quot;b&quot; &lt;c&gt; &amp; &apos;d&apos;&#10;]]&gt;</Say>"));
    assert_true(holds(text, "<Parameter name=\"from\" value=\"&quot;&gt;&lt;Hangup/&gt;&amp;amp;&apos;&#13;&#10;&#9;"
                            "\xf0\x9f\x98\x80\"/>"));
}

static str_t say(str_t text)
{
    buf_t out = BUF_EMPTY;
    str_t all;

    twiml_begin(&out);
    twiml_say(&out, text);
    all = twiml_end(&out, test_arena);
    return str_slice(all, sizeof(TWIML_HEAD "<Response>") - 1, all.len - (sizeof("</Response>") - 1));
}

static void test_what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    assert_str(say(STR("a\xff\xc3")), "<Say>a\xef\xbf\xbd\xef\xbf\xbd</Say>");
    assert_str(say(STR("\xef\xbf\xbe\xed\xa0\x80z")), "<Say>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz</Say>");
}

static void test_nothing_to_say_is_not_said(void **state)
{
    (void)state;
    assert_str(say(STR_NONE), "");
    assert_str(say(STR(" \n\t\x01\x7f")), "");
}

static void test_a_text_too_long_to_be_said_is_cut_between_characters(void **state)
{
    char ascii[5000];
    buf_t umlauts = BUF_EMPTY;

    (void)state;
    memset(ascii, 'a', sizeof(ascii));
    assert_int_equal(say((str_t){ascii, sizeof(ascii)}).len, 3000 + sizeof("<Say></Say>") - 1);
    for (int i = 0; i < 2000; i++)
        buf_add(&umlauts, STR("\xc3\xa4"));
    assert_int_equal(say(buf_str(&umlauts)).len, 1500 + sizeof("<Say></Say>") - 1);
    buf_clear(&umlauts);
}

static void test_a_parameter_that_is_too_long_is_left_out(void **state)
{
    char digits[500];
    buf_t out = BUF_EMPTY;
    str_t text;

    (void)state;
    memset(digits, '1', sizeof(digits));
    twiml_begin(&out);
    twiml_connect_stream(
        &out, STR("wss://a"), STR("https://a"),
        (const twiml_parameter_t[]){{"fits", {digits, 495}}, {"long", {digits, 496}}, {"none", STR("")}}, 3);
    text = twiml_end(&out, test_arena);
    assert_true(holds(text, "\"fits\""));
    assert_false(holds(text, "\"long\""));
    assert_false(holds(text, "\"none\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_a_number_without_a_plan_is_told_that_nobody_is_there),
        provider_test(test_answer_says_the_greeting_and_goodbye),
        provider_test(test_stream_connects_and_nothing_follows),
        provider_test(test_bridge_connects_and_regrets_what_follows),
        provider_test(test_bridge_without_anybody_to_speak_is_told_so),
        provider_test(test_a_call_that_is_over_is_told_nothing),
        provider_test(test_what_does_not_ask_for_a_plan_gets_none),
        provider_test(test_our_number_is_the_one_that_is_called_or_calls),
        provider_test(test_the_stream_comes_where_the_request_came),
        provider_test(test_the_ticket_is_made_with_the_accounts_token),
        provider_test(test_a_call_that_no_ticket_can_name_has_none),
        provider_test(test_text_is_never_markup),
        provider_test(test_what_is_no_utf8_is_replaced),
        provider_test(test_nothing_to_say_is_not_said),
        provider_test(test_a_text_too_long_to_be_said_is_cut_between_characters),
        provider_test(test_a_parameter_that_is_too_long_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
