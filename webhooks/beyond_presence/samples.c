/* samples.c – a conversation as Beyond Presence reports it: three lines, and the whole of it once it is over. Shaped
 * after the bodies in tests/fixtures/beyond_presence/. */
#include "beyond_presence/beyond_presence.h"

#define LINE_1 "Hello, I am Mira. What brings you here today?"
#define LINE_2 "I would like to know about the trial plan."
#define LINE_3 "The trial lasts fourteen days and includes two agents."

#define LINE(sender, text, at)                                                                                         \
    "{\"sender\":\"" sender "\",\"message\":\"" text "\",\"sent_at\":\"{{start_iso+" at "}}\"}"
#define SAID(sender, text, at)                                                                                         \
    "{\"event_type\":\"message\",\"call_id\":\"{{uuid:beyond}}\",\"message\":" LINE(                                   \
        sender, text, at) ",\"call_data\":{\"userName\":\"Robin Sample\",\"agentId\":\"{{uuid:agent}}\"}}"

const hook_sample_t BEYOND_PRESENCE_SAMPLES[BEYOND_PRESENCE_SAMPLE_COUNT] = {
    {"message", "events", BODY_JSON, SAID("agent", LINE_1, "2100"), 2100},
    {"message-2", "events", BODY_JSON, SAID("user", LINE_2, "8400"), 8400},
    {"message-3", "events", BODY_JSON, SAID("agent", LINE_3, "12950"), 12950},
    {"call_ended", "events", BODY_JSON,
     "{\"event_type\":\"call_ended\",\"call_id\":\"{{uuid:beyond}}\",\"user_name\":\"Robin Sample\",\"evaluation\":{"
     "\"topic\":\"Trial plan\",\"user_sentiment\":\"positive\",\"duration_minutes\":0.35,\"messages_count\":3},"
     "\"messages\":[" LINE("agent", LINE_1, "2100") "," LINE("user", LINE_2, "8400") "," LINE(
         "agent", LINE_3, "12950") "],\"call_data\":{\"agentId\":\"{{uuid:agent}}\"}}",
     21500},
    {"conversation_ended", "events", BODY_JSON,
     "{\"event_type\":\"conversation_ended\",\"conversation_id\":\"{{uuid:beyond}}\",\"evaluation\":{},\"messages\":[]"
     "}",
     -1},
};
