/* twilio.c – Twilio Programmable Voice.
 *
 * Delivery: form POST, values are all strings. By default Twilio repeats a request only when it could not connect, and
 * gives up 15 s after it began (twilio.com/docs/usage/webhooks/webhooks-connection-overrides, read 2026-11-21); no
 * order is promised. What the messages are is in message.c. */
#include "twilio/twilio.h"

const hook_route_t TWILIO_ROUTES[TWILIO_ROUTE_COUNT] = {
    {TWILIO_ROUTE_EVENTS, "/webhooks/twilio", BODY_FORM | BODY_JSON | BODY_QUERY, 0},
    {"voice", "/webhooks/twilio/voice", BODY_FORM | BODY_QUERY, 0},
    {"media-stream-twiml", "/media-stream-twiml", BODY_FORM | BODY_QUERY, 0},
    {TWILIO_ROUTE_STREAM, "/media-stream", BODY_QUERY, ROUTE_STREAM},
};

/* CallToken lets its holder place calls in the caller's name, <Pay> gives a token that charges a card, and a SIP call
 * brings the headers that its sender chose (SipHeader_X-…), credentials among them. */
static const char *const REDACT[] = {
    "!i-twilio-idempotency-token", "*Token", "*Authorization", "*Secret", "*Password", "*Api-Key", NULL,
};

/* Marks attempts at one and the same request (twilio.com/docs/usage/webhooks/webhooks-connection-overrides, read
 * 2026-11-21). Whether every request has it is not said. */
static const char *const KEEP_HEADERS[] = {TWILIO_IDEMPOTENCY_TOKEN, NULL};

/* Until calls are answered by an agent, a caller hears that nobody is there. `text/xml`, or Twilio raises 12300
 * (twilio.com/docs/api/errors/12300). */
#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
static const char NOBODY_THERE[] = XML "<Response><Say>Thank you for calling. Nobody can take your call right now. "
                                       "Please try again later. Goodbye.</Say><Hangup/></Response>";
static const char NOTHING_TO_DO[] = XML "<Response/>";

static void reply(delivery_t *d, hook_reply_t *out)
{
    bool is_event = str_eq(str_from(d->route), STR(TWILIO_ROUTE_EVENTS));

    if (twilio_wants_twiml(d))
        *out = (hook_reply_t){200, STR("text/xml; charset=utf-8"), str_from(is_event ? NOTHING_TO_DO : NOBODY_THERE)};
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
    .normalise = twilio_normalise,
    .reply = reply,
    .sign = twilio_sign,
    .query = twilio_query,
    .account = twilio_account,
    .samples = TWILIO_SAMPLES,
    .n_samples = TWILIO_SAMPLE_COUNT,
};
