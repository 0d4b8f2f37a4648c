/* twilio.c – Twilio Programmable Voice.
 *
 * Delivery: form POST, values are all strings. By default Twilio repeats a request only when it could not connect, and
 * gives up 15 s after it began (twilio.com/docs/usage/webhooks/webhooks-connection-overrides, read 2026-11-21); no
 * order is promised. What the messages are is in message.c. */
#include "twilio/twilio.h"
#include "twilio/twiml.h"

/* CallToken lets its holder place calls in the caller's name, <Pay> gives a token that charges a card, and a SIP call
 * brings the headers that its sender chose (SipHeader_X-…), credentials among them. An event of the API's has these in
 * snake_case, the address that was asked, which may have a password in it, and our answer, which may have a ticket. */
static const char *const REDACT[] = {
    "!i-twilio-idempotency-token",
    "*Token",
    "*Authorization",
    "*Secret",
    "*Password",
    "*Api-Key",
    "*api_key",
    "request.url",
    "response.response_body",
    NULL,
};

/* Marks attempts at one and the same request (twilio.com/docs/usage/webhooks/webhooks-connection-overrides, read
 * 2026-11-21). Whether every request has it is not said. */
static const char *const KEEP_HEADERS[] = {TWILIO_IDEMPOTENCY_TOKEN, NULL};

static bool normalise(delivery_t *d, err_t *err)
{
    twilio_request_t r = {.d = d};

    return twilio_is_object(d) ? twilio_understand_object(d, err) : twilio_understand(&r, err);
}

static void reply(delivery_t *d, const hook_context_t *with, hook_reply_t *out)
{
    bool is_event = str_eq(str_from(d->route), STR(TWILIO_ROUTE_EVENTS));

    if (twilio_wants_twiml(d))
        *out = (hook_reply_t){200, STR(TWIML_CONTENT_TYPE), is_event ? STR(TWIML_EMPTY) : twilio_voice_answer(d, with)};
    else
        *out = (hook_reply_t){.status = 204};
}

const provider_t provider_twilio = {
    .name = "twilio",
    .title = "Twilio",
    .settings = TWILIO_SETTINGS,
    .n_settings = TWILIO_SETTING_COUNT,
    .keys_new = twilio_keys_new,
    .keys_free = twilio_keys_free,
    .routes = TWILIO_ROUTES,
    .n_routes = TWILIO_ROUTE_COUNT,
    .verify = twilio_verify,
    .admit = twilio_admit,
    .redact = REDACT,
    .keep_headers = KEEP_HEADERS,
    .normalise = normalise,
    .our_number = twilio_our_number,
    .reply = reply,
    .sign = twilio_sign,
    .query = twilio_query,
    .account = twilio_account,
    .samples = TWILIO_SAMPLES,
    .n_samples = TWILIO_SAMPLE_COUNT,
    .remote = &TWILIO_REMOTE,
};
