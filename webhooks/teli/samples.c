/* samples.c – a call as Teli might report it: started, a tool called, ended, analysed. Shaped after the bodies in
 * tests/fixtures/teli/. */
#include "teli/teli.h"

#define AGENT_ID "agent_0123456789abcdef0123456789"

#define CALL(status, more)                                                                                             \
    "\"call\":{\"call_id\":\"call_{{id12}}\",\"agent_id\":\"" AGENT_ID                                                 \
    "\",\"call_type\":\"phone_call\",\"call_status\":\"" status                                                        \
    "\",\"direction\":\"inbound\",\"from_number\":\"{{from}}\",\"to_number\":\"{{to}}\",\"start_timestamp\":"          \
    "{{start_ms}},\"telephony_identifier\":{\"twilio_call_sid\":\"CA{{call32}}\"}" more "}"
#define LINE(role, text, start, end)                                                                                   \
    "{\"role\":\"" role "\",\"content\":\"" text "\",\"words\":[{\"word\":\"" text "\",\"start\":" start               \
    ",\"end\":" end "}]}"
#define LINE_1 "Cedar Plumbing, how can I help?"
#define LINE_2 "My sink is leaking."
#define OVER                                                                                                           \
    ",\"end_timestamp\":{{start_ms+23000}},\"duration_ms\":23000,\"disconnection_reason\":\"user_hangup\","            \
    "\"transcript\":\"Agent: " LINE_1 "\\nUser: " LINE_2                                                               \
    "\\n\",\"transcript_object\":[" LINE("agent", LINE_1, "0.8", "2.4") "," LINE("user", LINE_2, "4.1", "5.6") "]"
#define EVENT(event, call) "{\"event\":\"" event "\"," call "}"

const hook_sample_t TELI_SAMPLES[TELI_SAMPLE_COUNT] = {
    {"call_started", "events", BODY_JSON, EVENT("call_started", CALL("ongoing", "")), 500},
    {"tool", "events", BODY_JSON,
     "{\"name\":\"push_call_status\",\"args\":{\"status\":\"booked\"}," CALL("ongoing", "") "}", 9000},
    {"call_ended", "events", BODY_JSON, EVENT("call_ended", CALL("ended", OVER)), 23500},
    {"call_analyzed", "events", BODY_JSON,
     EVENT("call_analyzed",
           CALL("ended", OVER ",\"call_analysis\":{\"call_summary\":\"The caller has a leaking sink.\","
                              "\"in_voicemail\":false,\"user_sentiment\":\"Neutral\",\"call_successful\":true,"
                              "\"custom_analysis_data\":{}}")),
     29000},
};
