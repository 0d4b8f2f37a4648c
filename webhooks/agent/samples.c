/* samples.c – an agent in a LiveKit room, or anywhere else, tells of its call: picked up, three lines, over. */
#include "agent/agent.h"

#define OF_ROOM                 "\"provider\":\"livekit\",\"provider_call_id\":\"RM_{{id12}}\",\"session_id\":\"call-{{id12:name}}\""
#define EVENT(type, call, more) "{\"type\":\"" type "\",\"timestamp\":\"{{now_iso}}\",\"data\":{" call more "}}"

#define ITEM(id, role, text, at, more)                                                                                 \
    "\"id\":\"item_{{id12:" id "}}\",\"role\":\"" role "\",\"content\":[\"" text "\"],\"created_at\":"                 \
    "\"{{start_iso+" at "}}\"" more
#define LINE_1 ITEM("1", "assistant", "Thank you for calling. How can I help?", "2600", ",\"interrupted\":false")
#define LINE_2 ITEM("2", "user", "I have a leaking tap.", "6100", ",\"language\":\"en\"")
#define LINE_3                                                                                                         \
    ITEM("3", "assistant", "I can send someone on Friday.", "9800",                                                    \
         ",\"interrupted\":false,\"model\":\"gpt-realtime\",\"tokens\":{\"input\":198,\"output\":85}")

#define PICKED_UP                                                                                                      \
    ",\"direction\":\"inbound\",\"from_number\":\"{{from}}\",\"to_number\":\"{{to}}\",\"call_sid\":\"CA{{call32}}\","  \
    "\"agent_name\":\"front-desk\",\"started_at\":\"{{start_iso+1400}}\",\"connected_at\":\"{{start_iso+1400}}\""
#define OVER                                                                                                           \
    ",\"ended_at\":\"{{start_iso+24800}}\",\"outcome\":\"completed\",\"end_reason\":\"customer_hung_up\","             \
    "\"summary\":\"A leaking tap; a plumber comes on Friday.\",\"total_tokens\":1940,\"messages\":[{" LINE_1           \
    "},{" LINE_2 "},{" LINE_3 "}]"

const hook_sample_t AGENT_SAMPLES[AGENT_SAMPLE_COUNT] = {
    {"call.started", "events", BODY_JSON, EVENT("call.started", OF_ROOM, PICKED_UP), 1600},
    {"message", "events", BODY_JSON, EVENT("message", OF_ROOM, "," LINE_1), 4100},
    {"message-2", "events", BODY_JSON, EVENT("message", OF_ROOM, "," LINE_2), 7400},
    {"message-3", "events", BODY_JSON, EVENT("message", OF_ROOM, "," LINE_3), 12000},
    {"call.ended", "events", BODY_JSON, EVENT("call.ended", OF_ROOM, OVER), 25000},
    {"call.started-own", "events", BODY_JSON, EVENT("call.started", "\"call_id\":\"{{uuid:agent}}\"", PICKED_UP), -1},
};
