/* dial.c – the action of a <Dial>: how the leg that it made ended.
 *
 * Source: twilio.com/docs/voice/twiml/dial ("Action"), read 2026-11-21. That leg is a call of its own, of which this
 * may be all that is heard: its own status callbacks have to be asked for. From and To are those of the first leg. */
#include "twilio/twilio.h"

void twilio_dial(twilio_request_t *r)
{
    str_t sid = r->values[TWILIO_DIAL_CALL_SID];
    version_t v = version_of(RANK_EVENT, 0); /* an action tells no time; the leg's own callbacks do, and win */
    fact_t *leg;

    twilio_call(r);
    if (str_is_empty(sid) || str_eq(sid, r->d->call_id))
        return;
    leg = fact_call(&r->d->facts, sid);
    fact_text(leg, CALL_CALL_SID, v, sid);
    fact_text(leg, CALL_PARENT_CALL_SID, v, r->d->call_id);
    fact_text(leg, CALL_ACCOUNT_ID, v, r->values[TWILIO_ACCOUNT_SID]);
    fact_text(leg, CALL_DIRECTION, v, STR("outbound"));
    twilio_status(leg, v, twilio_status_word(r->values[TWILIO_DIAL_CALL_STATUS]), TIME_NONE,
                  r->values[TWILIO_DIAL_CALL_DURATION]);
}
