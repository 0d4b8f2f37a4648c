/* samples.c – a call as LiveKit reports it: a room, a caller by telephone, an agent, all of them gone again, and at
 * last the recording. Shaped after the bodies in tests/fixtures/livekit/. */
#include "livekit/livekit.h"

#define ROOM_BODY                                                                                                      \
    "\"room\":{\"sid\":\"RM_{{id12}}\",\"name\":\"call-{{id12:name}}\",\"emptyTimeout\":300,\"departureTimeout\":20,"  \
    "\"creationTime\":\"{{start_s}}\",\"creationTimeMs\":\"{{start_ms}}\",\"turnPassword\":\"invented-{{n}}\","        \
    "\"enabledCodecs\":[{\"mime\":\"audio/opus\"},{\"mime\":\"audio/red\"}],"                                          \
    "\"metadata\":\"{\\\"line\\\":\\\"front desk\\\"}\"}"
#define ROOM_NAMED "\"room\":{\"sid\":\"RM_{{id12}}\",\"name\":\"call-{{id12:name}}\"}"
#define EVENT_IN(room, name, more)                                                                                     \
    "{\"event\":\"" name "\"," room more ",\"id\":\"EV_{{fresh12}}\",\"createdAt\":\"{{now_s}}\"}"
#define EVENT(name, more)       EVENT_IN(ROOM_BODY, name, more)
#define NAMED_EVENT(name, more) EVENT_IN(ROOM_NAMED, name, more)

#define CALLER(state, status, more)                                                                                    \
    ",\"participant\":{\"sid\":\"PA_{{id12:caller}}\",\"identity\":\"sip_{{from}}\",\"name\":\"Phone {{from}}\","      \
    "\"state\":\"" state "\",\"joinedAt\":\"{{start_s+1400}}\",\"joinedAtMs\":\"{{start_ms+1400}}\",\"version\":3,"    \
    "\"permission\":{\"canSubscribe\":true,\"canPublish\":true,\"canPublishData\":true},\"isPublisher\":true,"         \
    "\"kind\":\"SIP\",\"attributes\":{\"sip.callID\":\"SCL_{{id12:sip}}\",\"sip.callStatus\":\"" status                \
    "\",\"sip.phoneNumber\":\"{{from}}\",\"sip.trunkPhoneNumber\":\"{{to}}\",\"sip.trunkID\":\"ST_inventedtrnk\","     \
    "\"sip.ruleID\":\"SDR_inventedrul\",\"sip.twilio.accountSid\":\"{{account}}\","                                    \
    "\"sip.twilio.callSid\":\"CA{{call32}}\"}" more "}"
#define AGENT(state, more)                                                                                             \
    ",\"participant\":{\"sid\":\"PA_{{id12:agent}}\",\"identity\":\"agent-AJ_{{id12:job}}\",\"state\":\"" state        \
    "\",\"joinedAt\":\"{{start_s+800}}\",\"joinedAtMs\":\"{{start_ms+800}}\",\"version\":2,"                           \
    "\"permission\":{\"canSubscribe\":true,\"canPublish\":true,\"canPublishData\":true,\"agent\":true},"               \
    "\"isPublisher\":true,\"kind\":\"AGENT\",\"attributes\":{\"lk.agent.name\":\"front-desk\"}" more "}"
#define TRACK                                                                                                          \
    ",\"participant\":{\"sid\":\"PA_{{id12:caller}}\",\"identity\":\"sip_{{from}}\"},"                                 \
    "\"track\":{\"sid\":\"TR_{{id12:track}}\",\"source\":\"MICROPHONE\",\"mimeType\":\"audio/opus\",\"mid\":\"0\","    \
    "\"stream\":\"sip\"}"
/* Times in nanoseconds: milliseconds and six zeros. */
#define FILE_NAME "recordings/call-{{id12:name}}.ogg"
#define STORAGE                                                                                                        \
    "\"s3\":{\"accessKey\":\"{access_key}\",\"secret\":\"{secret}\",\"region\":\"us-east-1\","                         \
    "\"bucket\":\"acme-call-recordings\"}"
#define EGRESS(more)                                                                                                   \
    ",\"egressInfo\":{\"egressId\":\"EG_{{id12:egress}}\",\"roomId\":\"RM_{{id12}}\","                                 \
    "\"roomName\":\"call-{{id12:name}}\",\"roomComposite\":{\"roomName\":\"call-{{id12:name}}\",\"audioOnly\":true,"   \
    "\"fileOutputs\":[{\"fileType\":\"OGG\",\"filepath\":\"" FILE_NAME "\"," STORAGE "}]}" more "}"
#define FILED                                                                                                          \
    ",\"status\":\"EGRESS_COMPLETE\",\"startedAt\":\"{{start_ms+2000}}000000\",\"endedAt\":\"{{now_ms}}000000\","      \
    "\"updatedAt\":\"{{now_ms}}000000\",\"details\":\"End reason: Source closed\",\"fileResults\":[{"                  \
    "\"filename\":\"" FILE_NAME "\",\"startedAt\":\"{{start_ms+2000}}000000\","                                        \
    "\"endedAt\":\"{{start_ms+26000}}000000\",\"duration\":\"24000000000\",\"size\":\"192512\","                       \
    "\"location\":\"https://acme-call-recordings.s3.amazonaws.com/" FILE_NAME "\"}]"
#define HUNG_UP ",\"disconnectReason\":\"CLIENT_INITIATED\""

const hook_sample_t LIVEKIT_SAMPLES[LIVEKIT_SAMPLE_COUNT] = {
    {"room_started", "events", BODY_JSON, EVENT("room_started", ""), 0},
    {"participant_joined", "events", BODY_JSON, EVENT("participant_joined", CALLER("ACTIVE", "active", "")), 1500},
    {"participant_joined-agent", "events", BODY_JSON, EVENT("participant_joined", AGENT("ACTIVE", "")), 1600},
    {"track_published", "events", BODY_JSON, NAMED_EVENT("track_published", TRACK), 1700},
    {"egress_started", "events", BODY_JSON,
     NAMED_EVENT("egress_started", EGRESS(",\"updatedAt\":\"{{now_ms}}000000\"")), 1900},
    {"participant_left", "events", BODY_JSON, EVENT("participant_left", CALLER("DISCONNECTED", "hangup", HUNG_UP)),
     25000},
    {"participant_left-agent", "events", BODY_JSON, EVENT("participant_left", AGENT("DISCONNECTED", HUNG_UP)), 26000},
    {"room_finished", "events", BODY_JSON, EVENT("room_finished", ""), 29000},
    {"egress_ended", "events", BODY_JSON, NAMED_EVENT("egress_ended", EGRESS(FILED)), 31000},
    {"participant_connection_aborted", "events", BODY_JSON,
     EVENT("participant_connection_aborted",
           ",\"participant\":{\"sid\":\"PA_{{id12:guest}}\",\"identity\":\"guest-{{id12:guest}}\",\"state\":"
           "\"DISCONNECTED\",\"joinedAt\":\"{{start_s+1400}}\",\"joinedAtMs\":\"{{start_ms+1400}}\","
           "\"disconnectReason\":\"JOIN_FAILURE\"}"),
     -1},
};
