/* voice.c – what becomes of a call: the answer to Twilio's voice URL, by what is planned for our number.
 *
 * Source: twilio.com/docs/voice/twiml, …/twiml/connect, …/twiml/stream, read 2026-11-21. */
#include "twilio/twilio.h"
#include "twilio/twiml.h"

#include "base/log.h"
#include "base/phone.h"

#define WARN_US (60 * US_PER_S)

#define NOBODY_THERE STR("Thank you for calling. Nobody can take your call right now. Please try again later. Goodbye.")
#define CUT_OFF      STR("Sorry, we cannot go on with this call right now. Please call again. Goodbye.")

/* ---- which call it is ---- */

static bool is_outbound(const delivery_t *d)
{
    return str_starts(json_str(d->root, "Direction"), STR("outbound"));
}

str_t twilio_our_number(const delivery_t *d)
{
    return phone_e164(d->arena, is_outbound(d) ? d->from_number : d->to_number);
}

/* It asks what to do with the call: not what to do next, as the action of a verb does. */
static bool asks_for_a_plan(const delivery_t *d)
{
    return str_eq(d->event_type, STR(TWILIO_VOICE)) || str_eq(d->event_type, STR(TWILIO_VOICE_FALLBACK));
}

static call_action_t action_of(const delivery_t *d, const hook_context_t *with)
{
    static log_gate_t gate;
    int64_t held;

    if (!with->plan || !asks_for_a_plan(d) || str_is_empty(with->origin))
        return CALL_UNPLANNED;
    if (with->plan->action == CALL_BRIDGE && !with->bridges && log_gate_open(&gate, WARN_US, &held))
        LOG(LOG_WARN, "a call is to be bridged, and nobody can speak", log_phone("number", with->plan->number),
            log_str("call_sid", d->call_sid), log_int("not_logged", held), log_cstr("hint", "set OPENAI_API_KEY"));
    return with->plan->action;
}

/* ---- the stream ---- */

/* The account's own tokens before those that are good for any. NULL: none of ours. */
static const twilio_account_t *account_of(const twilio_keys_t *k, str_t sid)
{
    const twilio_account_t *any = NULL;

    for (size_t i = 0; k && i < k->count; i++) {
        if (!twilio_may_sign(k, &k->accounts[i], sid))
            continue;
        if (k->accounts[i].sid[0])
            return &k->accounts[i];
        any = &k->accounts[i];
    }
    return any;
}

/* Absent where none can be made: the signature of the upgrade is all its proof then. */
static str_t ticket_of(const delivery_t *d, const hook_context_t *with)
{
    const twilio_account_t *account = account_of(with->keys, json_str(d->root, "AccountSid"));

    if (!account)
        return STR_NONE;
    return stream_token_make(d->arena, account->ticket_keys[0], d->call_sid,
                             (with->now_us + with->ticket_life_us) / US_PER_S);
}

/* wss, or error 31920; ws is for who tries it without TLS. */
static str_t stream_url(const delivery_t *d, const hook_context_t *with)
{
    bool tls = !str_starts_nocase(with->origin, STR("http://"));
    str_t ticket = ticket_of(d, with);
    const str_t parts[] = {tls ? STR("wss://") : STR("ws://"),
                           str_slice(with->origin, tls ? 8 : 7, with->origin.len), /* "https://", "http://" */
                           STR(TWILIO_PATH_STREAM), ticket.base ? STR("/") : STR(""), ticket};

    return arena_concat(d->arena, parts, COUNT(parts));
}

static str_t status_callback(const delivery_t *d, const hook_context_t *with)
{
    return arena_printf(d->arena, STR_FMT TWILIO_PATH_EVENTS, STR_ARG(with->origin));
}

static void connect(buf_t *out, const delivery_t *d, const hook_context_t *with, str_t action)
{
    const twiml_parameter_t parameters[] = {
        {"action", action},
        {"agent", with->plan->agent ? with->plan->agent->id : STR_NONE},
        {"direction", is_outbound(d) ? STR("outbound") : STR("inbound")},
        {"from", d->from_number},
        {"to", d->to_number},
    };

    twiml_connect_stream(out, stream_url(d, with), status_callback(d, with), parameters, COUNT(parameters));
}

/* ---- the answer ---- */

static void say_goodbye(buf_t *out, str_t words)
{
    twiml_say(out, words);
    twiml_hangup(out);
}

/* The number's own words, else its agent's. */
static str_t greeting_of(const call_plan_t *plan)
{
    return str_is_empty(plan->greeting) && plan->agent ? plan->agent->greeting : plan->greeting;
}

static void answer(buf_t *out, const hook_context_t *with)
{
    str_t greeting = greeting_of(with->plan);

    say_goodbye(out, str_is_empty(greeting) ? NOBODY_THERE : greeting);
}

/* The agent's greeting is its own to speak. What follows the stream is heard only where we close it: who hangs up hears
 * nothing, and when a conversation is over the agent ends the call. */
static void bridge(buf_t *out, const delivery_t *d, const hook_context_t *with)
{
    twiml_say(out, with->plan->greeting);
    if (!with->bridges) {
        say_goodbye(out, NOBODY_THERE);
        return;
    }
    connect(out, d, with, STR("bridge"));
    say_goodbye(out, CUT_OFF);
}

str_t twilio_voice_answer(delivery_t *d, const hook_context_t *with)
{
    buf_t out = BUF_EMPTY;

    if (twilio_is_final(d->status))
        return STR(TWIML_EMPTY); /* nobody is there to hear anything */
    twiml_begin(&out);
    switch (action_of(d, with)) {
    case CALL_UNPLANNED:
        say_goodbye(&out, NOBODY_THERE);
        break;
    case CALL_ANSWER:
        answer(&out, with);
        break;
    case CALL_STREAM:
        twiml_say(&out, greeting_of(with->plan));
        connect(&out, d, with, STR("stream"));
        break;
    case CALL_BRIDGE:
        bridge(&out, d, with);
        break;
    }
    return twiml_end(&out, d->arena);
}
