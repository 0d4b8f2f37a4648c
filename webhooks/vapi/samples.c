/* samples.c – a call as Vapi reports it: queued, answered, three lines, ended, and the report; and what may come
 * between. Shaped after the bodies in tests/fixtures/vapi/. */
#include "vapi/vapi.h"

#define ASSISTANT_ID "3f0f3a52-6d0b-4d8e-9a51-5d1c0d5a7e21"
#define NUMBER_ID    "a7c1de90-54c7-4a1b-8f2e-0b6f3c7d9e10"
#define ORG_ID       "c58b1f1e-2d35-4c36-b0a7-9e0d4f6a8b32"

/* The call: created at the start, connected 2 s later, over after 24 s. */
#define CALL(status, updated, more)                                                                                    \
    "\"call\":{\"id\":\"{{uuid}}\",\"orgId\":\"" ORG_ID                                                                \
    "\",\"createdAt\":\"{{start_iso}}\",\"updatedAt\":\"{{" updated                                                    \
    "}}\",\"type\":\"inboundPhoneCall\",\"status\":\"" status                                                          \
    "\",\"phoneCallProvider\":\"twilio\",\"phoneCallTransport\":\"pstn\",\"phoneCallProviderId\":\"CA{{call32}}\","    \
    "\"transport\":{\"provider\":\"twilio\",\"accountSid\":\"{{account}}\",\"callSid\":\"CA{{call32}}\"},"             \
    "\"phoneNumberId\":\"" NUMBER_ID "\",\"assistantId\":\"" ASSISTANT_ID                                              \
    "\",\"customer\":{\"number\":\"{{from}}\",\"name\":\"Robin Sample\"}" more "}"
#define STARTED ",\"startedAt\":\"{{start_iso+2000}}\""
#define OVER    STARTED ",\"endedAt\":\"{{start_iso+24000}}\",\"endedReason\":\"customer-ended-call\""
#define PARTIES                                                                                                        \
    "\"phoneNumber\":{\"provider\":\"twilio\",\"number\":\"{{to}}\",\"name\":\"Front desk\",\"id\":\"" NUMBER_ID       \
    "\"},"                                                                                                             \
    "\"customer\":{\"number\":\"{{from}}\",\"name\":\"Robin Sample\"},"                                                \
    "\"assistant\":{\"name\":\"Front desk\",\"firstMessage\":\"" LINE_1 "\"},"

#define LINE_1 "Thank you for calling Juniper Street Dental. How can I help?"
#define LINE_2 "I would like to move my cleaning to Friday."
#define LINE_3 "Friday at two is free. I have moved it for you."

#define MESSAGE(type, more) "{\"message\":{\"timestamp\":{{now_ms}},\"type\":\"" type "\"," more "}}"
#define STATUS(status, updated, more, call)                                                                            \
    MESSAGE("status-update", "\"status\":\"" status "\"," more PARTIES CALL(status, updated, call))
#define SAID(kind, role, text)                                                                                         \
    MESSAGE("transcript", "\"role\":\"" role "\",\"transcriptType\":\"" kind "\",\"transcript\":\"" text               \
                          "\"," CALL("in-progress", "start_iso+2000", STARTED))

#define ENTRY(role, text, time, end, seconds)                                                                          \
    "{\"role\":\"" role "\",\"message\":\"" text "\",\"time\":{{start_ms+" time "}},\"endTime\":{{start_ms+" end       \
    "}},\"secondsFromStart\":" seconds "}"
#define DESTINATION "\"destination\":{\"type\":\"number\",\"number\":\"+12025550107\"}"
#define ARTIFACT                                                                                                       \
    "\"artifact\":{\"messages\":["                                                                                     \
    "{\"role\":\"system\",\"message\":\"You are the front desk of Juniper Street Dental.\",\"time\":{{start_ms+2000}}" \
    ",\"secondsFromStart\":0}," ENTRY("bot", LINE_1, "2800", "5900", "0.8") "," ENTRY(                                 \
        "user", LINE_2, "7400", "10100",                                                                               \
        "5.4") "," ENTRY("bot", LINE_3, "12000", "15300",                                                              \
                         "10") "],\"transcript\":\"AI: " LINE_1 "\\nUser: " LINE_2 "\\nAI: " LINE_3                    \
                               "\\n\",\"recordingUrl\":\"https://storage.example.com/recordings/{{uuid}}-mono.wav\","  \
                               "\"presignedMonoUrl\":\"https://storage.example.com/recordings/"                        \
                               "{{uuid}}-mono.wav?signature={{n}}\"}"
#define COSTS                                                                                                          \
    "\"cost\":0.0311,\"costs\":[{\"type\":\"transport\",\"provider\":\"twilio\",\"minutes\":0.3667,\"cost\":0.0029},"  \
    "{\"type\":\"model\",\"model\":{\"provider\":\"openai\",\"model\":\"gpt-4.1-mini\"},\"promptTokens\":702,"         \
    "\"completionTokens\":58,\"cost\":0.0004},{\"type\":\"vapi\",\"subType\":\"normal\",\"minutes\":0.3667,"           \
    "\"cost\":0.0183}]"

const hook_sample_t VAPI_SAMPLES[VAPI_SAMPLE_COUNT] = {
    {"queued", "events", BODY_JSON, STATUS("queued", "start_iso", "", ""), 100},
    {"in-progress", "events", BODY_JSON, STATUS("in-progress", "start_iso+2000", "", STARTED), 2000},
    {"transcript", "events", BODY_JSON, SAID("final", "assistant", LINE_1), 5900},
    {"transcript-2", "events", BODY_JSON, SAID("final", "user", LINE_2), 10100},
    {"transcript-3", "events", BODY_JSON, SAID("final", "assistant", LINE_3), 15300},
    {"ended", "events", BODY_JSON, STATUS("ended", "start_iso+24100", "\"endedReason\":\"customer-ended-call\",", OVER),
     24100},
    {"end-of-call-report", "events", BODY_JSON,
     MESSAGE("end-of-call-report",
             "\"endedReason\":\"customer-ended-call\"," COSTS
             ",\"startedAt\":\"{{start_iso+2000}}\",\"endedAt\":\"{{start_iso+24000}}\",\"durationMs\":22000,"
             "\"analysis\":{\"summary\":\"Robin Sample moved a cleaning to Friday at two.\","
             "\"successEvaluation\":\"true\"}," ARTIFACT "," PARTIES CALL("ended", "start_iso+27000", OVER)),
     28000},
    {"transcript-partial", "events", BODY_JSON, SAID("partial", "user", "I would like"), -1},
    {"assistant-request", "events", BODY_JSON, MESSAGE("assistant-request", PARTIES CALL("ringing", "start_iso", "")),
     -1},
    {"conversation-update", "events", BODY_JSON,
     MESSAGE("conversation-update",
             "\"messages\":[" ENTRY("bot", LINE_1, "2800", "5900", "0.8") "," ENTRY(
                 "user", LINE_2, "7400", "10100",
                 "5.4") "],\"messagesOpenAIFormatted\":[{\"role\":\"assistant\",\"content\":\"" LINE_1
                        "\"},{\"role\":\"user\",\"content\":\"" LINE_2
                        "\"}]," CALL("in-progress", "start_iso+2000", STARTED)),
     -1},
    {"tool-calls", "events", BODY_JSON,
     MESSAGE("tool-calls", "\"toolCallList\":[{\"id\":\"call_{{fresh12}}\",\"type\":\"function\",\"function\":"
                           "{\"name\":\"openingHours\",\"arguments\":{}}}],\"toolWithToolCallList\":[]," CALL(
                               "in-progress", "start_iso+2000", STARTED)),
     -1},
    {"transfer-update", "events", BODY_JSON,
     MESSAGE("transfer-update", DESTINATION "," CALL("in-progress", "start_iso+2000", STARTED)), -1},
    {"forwarding", "events", BODY_JSON, STATUS("forwarding", "start_iso+16000", DESTINATION ",", STARTED), -1},
    {"user-interrupted", "events", BODY_JSON,
     MESSAGE("user-interrupted", "\"turnId\":\"{{fresh12}}\"," CALL("in-progress", "start_iso+2000", STARTED)), -1},
};
