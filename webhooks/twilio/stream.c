/* stream.c – media streams: who may open one, and what is heard on it.
 *
 * Source: twilio.com/docs/voice/media-streams and …/media-streams/websocket-messages, read 2026-11-21. The upgrade is
 * signed like a request without parameters; it has no time and names no call, so whoever caught it once could open
 * another. A ticket at the end of the address has both. Where there is one it must be good: the signature of
 * an address whose ticket has expired fits for ever.
 *
 * What is heard comes from src/media, as JSON in the words of <Stream>'s status callback, so that the stream that we
 * take and the one that Twilio reports are one: its begin is the same event, by the same name. Its end here is what we
 * counted, which Twilio does not tell, and is an event of its own. */
#include "twilio/twilio.h"

#include <stdio.h>

static void let_in(hook_admission_t *out, str_t call_id, const twilio_account_t *account)
{
    (void)snprintf(out->call_id, sizeof(out->call_id), STR_FMT, STR_ARG(call_id));
    (void)snprintf(out->account, sizeof(out->account), "%s", account->sid);
}

/* Of all tokens that are good at this moment. */
static const twilio_account_t *maker_of(const twilio_keys_t *k, const stream_token_t *ticket)
{
    for (size_t i = 0; i < k->count; i++)
        for (size_t j = 0; j < k->accounts[i].tokens.count; j++)
            if (stream_token_fits(ticket, k->accounts[i].ticket_keys[j]))
                return &k->accounts[i];
    return NULL;
}

static bool ticket_is_good(const twilio_keys_t *k, const hook_request_t *r, hook_admission_t *out, err_t *err)
{
    const twilio_account_t *maker;
    stream_token_t ticket;

    if (!stream_token_read(r->path_secret, &ticket, err))
        return false;
    maker = maker_of(k, &ticket);
    if (!maker)
        return err_set(err, ERR_SIGNATURE, "the stream's ticket was made with none of the tokens that are set");
    if (!stream_token_lives(&ticket, r->now_us, err))
        return false;
    let_in(out, ticket.call_id, maker);
    return true;
}

bool twilio_admit(const void *keys, const hook_request_t *r, arena_t *scratch, hook_admission_t *out, err_t *err)
{
    const twilio_account_t *signer = NULL;

    if (!str_is_empty(r->path_secret)) {
        if (ticket_is_good(keys, r, out, err))
            return true;
        hook_explain(r, "ticket: %s", err->detail);
        return false;
    }
    if (!twilio_verify_upgrade(keys, r, scratch, &signer, err))
        return false;
    let_in(out, STR(""), signer);
    return true;
}

/* A key pressed: its name is its number in the stream. */
static void digit(twilio_request_t *r)
{
    str_t number = r->values[TWILIO_SEQUENCE_NUMBER];

    r->d->event_key =
        arena_printf(r->d->arena, "stream:" STR_FMT ":dtmf:" STR_FMT, STR_ARG(r->values[TWILIO_STREAM_SID]),
                     STR_ARG(str_is_empty(number) ? twilio_hash(r) : number));
}

void twilio_heard(twilio_request_t *r)
{
    static const struct {
        const char *event;
        void (*understand)(twilio_request_t *r);
    } EVENTS[] = {
        {"dtmf", digit},
        {"utterance", twilio_utterance},
        {"response", twilio_response},
        {"bridge-started", twilio_bridge_started},
    };

    twilio_stream(r); /* which is all that the others say */
    for (size_t i = 0; i < COUNT(EVENTS); i++)
        if (str_eq(r->values[TWILIO_STREAM_EVENT], str_from(EVENTS[i].event)))
            EVENTS[i].understand(r);
}
