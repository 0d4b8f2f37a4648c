/* samples.c – a call as Twilio reports it: an inbound one from the voice URL to its recording, transcribed while it
 * lasted, and what other calls bring: failures, a machine that answered, a menu, a call passed on. Shaped after the
 * bodies in tests/fixtures/twilio/. */
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
#define IDS "AccountSid={{account}}&CallSid=CA{{call32}}"
#define STREAM(event)                                                                                                  \
    IDS "&StreamSid=MZ{{call32:stream}}&StreamName=MZ{{call32:stream}}&StreamEvent=" event "&Timestamp={{now_iso}}"
#define SAID(sequence, track, text)                                                                                    \
    IDS "&LanguageCode=en-US&TranscriptionSid=GT{{call32:transcription}}&TranscriptionEvent=transcription-content"     \
        "&Timestamp={{now_iso}}&SequenceId=" sequence "&TranscriptionData=%7B%22transcript%22%3A%22" text              \
        "%22%2C%22confidence%22%3A0.9956335%7D&Final=true&Track=" track
#define RECORDING_URL                                                                                                  \
    "https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2F{{account}}%2FRecordings%2FRE{{call32:recording}}"

const hook_sample_t TWILIO_SAMPLES[TWILIO_SAMPLE_COUNT] = {
    {"voice", "voice", BODY_FORM, PARTIES("inbound") PLACES "&CallStatus=ringing&StirVerstat=TN-Validation-Passed-A",
     0},
    {"initiated", "events", BODY_FORM, PROGRESS("inbound", "0", "initiated"), 0},
    {"ringing", "events", BODY_FORM, PROGRESS("inbound", "1", "ringing"), 400},
    {"in-progress", "events", BODY_FORM, PROGRESS("inbound", "2", "in-progress"), 3000},
    {"stream-started", "events", BODY_FORM, STREAM("stream-started"), 3100},
    {"transcription", "events", BODY_FORM,
     SAID("2", "outbound_track", "Thank+you+for+calling+Juniper+Street+Dental.+How+can+I+help%3F"), 5900},
    {"transcription-2", "events", BODY_FORM, SAID("3", "inbound_track", "I+would+like+to+move+my+cleaning+to+Friday."),
     10100},
    {"stream-stopped", "events", BODY_FORM, STREAM("stream-stopped"), 29900},
    {"completed", "events", BODY_FORM,
     PROGRESS("inbound", "3", "completed") "&SipResponseCode=200&Duration=1&CallDuration=27", 30000},
    {"recording", "events", BODY_FORM,
     IDS "&RecordingSid=RE{{call32:recording}}&RecordingUrl=" RECORDING_URL
         "&RecordingStatus=completed&RecordingDuration=27&RecordingChannels=2&RecordingStartTime={{start_rfc2822+3000}}"
         "&RecordingSource=StartCallRecordingAPI&RecordingTrack=both",
     30600},
    {"busy", "events", BODY_FORM,
     PROGRESS("outbound-api", "2", "busy") "&SipResponseCode=486&Duration=0&CallDuration=0", -1},
    {"no-answer", "events", BODY_FORM,
     PROGRESS("outbound-api", "2", "no-answer") "&SipResponseCode=487&Duration=0&CallDuration=0", -1},
    {"failed", "events", BODY_FORM,
     PROGRESS("outbound-api", "1", "failed") "&SipResponseCode=404&Duration=0&CallDuration=0", -1},
    {"amd", "events", BODY_FORM, IDS "&AnsweredBy=machine_end_beep&MachineDetectionDuration=8840", -1},
    {"gather", "events", BODY_FORM,
     PARTIES("inbound") PLACES "&CallStatus=in-progress&Language=en-US&Confidence=0.9279665"
                               "&SpeechResult=I+need+to+speak+to+sales+please.",
     -1},
    {"gather-digits", "events", BODY_FORM,
     PARTIES("inbound") PLACES "&CallStatus=in-progress&Digits=1234&FinishedOnKey=%23", -1},
    {"dial", "events", BODY_FORM,
     PARTIES("inbound") PLACES "&CallStatus=in-progress&DialCallStatus=completed&DialCallDuration=41"
                               "&DialCallSid=CA{{call32:leg}}",
     -1},
};
