/* samples.c – a call as Twilio reports it: an inbound one from the voice URL to its end, and three that failed. Shaped
 * after the bodies in tests/fixtures/twilio/. */
#include "twilio/twilio.h"

#define PARTIES(direction)                                                                                             \
    "Called={{to}}&Direction=" direction                                                                               \
    "&CallSid=CA{{call32}}&To={{to}}&ApiVersion=2010-04-01&From={{from}}&AccountSid={{account}}&Caller={{from}}"
#define PLACES                                                                                                         \
    "&ToCity=&ToState=&ToZip=&ToCountry=US&CalledCity=&CalledState=&CalledZip=&CalledCountry=US"                       \
    "&FromCity=WASHINGTON&FromState=DC&FromZip=&FromCountry=US&CallerCity=WASHINGTON&CallerState=DC&CallerZip="        \
    "&CallerCountry=US"
#define PROGRESS(direction, sequence, status)                                                                          \
    PARTIES(direction)                                                                                                 \
    PLACES "&CallbackSource=call-progress-events&SequenceNumber=" sequence "&CallStatus=" status                       \
           "&Timestamp={{now_rfc2822}}"

const hook_sample_t TWILIO_SAMPLES[TWILIO_SAMPLE_COUNT] = {
    {"voice", "voice", BODY_FORM, PARTIES("inbound") PLACES "&CallStatus=ringing&StirVerstat=TN-Validation-Passed-A",
     0},
    {"initiated", "events", BODY_FORM, PROGRESS("inbound", "0", "initiated"), 0},
    {"ringing", "events", BODY_FORM, PROGRESS("inbound", "1", "ringing"), 400},
    {"in-progress", "events", BODY_FORM, PROGRESS("inbound", "2", "in-progress"), 3000},
    {"completed", "events", BODY_FORM,
     PROGRESS("inbound", "3", "completed") "&SipResponseCode=200&Duration=1&CallDuration=27", 30000},
    {"busy", "events", BODY_FORM,
     PROGRESS("outbound-api", "2", "busy") "&SipResponseCode=486&Duration=0&CallDuration=0", -1},
    {"no-answer", "events", BODY_FORM,
     PROGRESS("outbound-api", "2", "no-answer") "&SipResponseCode=487&Duration=0&CallDuration=0", -1},
    {"failed", "events", BODY_FORM,
     PROGRESS("outbound-api", "1", "failed") "&SipResponseCode=404&Duration=0&CallDuration=0", -1},
};
