/* job.c – an agent is sent to a room.
 *
 * Source: github.com/livekit/protocol protobufs/livekit_agent.proto, read 2026-11-21. The events agent_job_started and
 * agent_job_ended are in LiveKit's protocol since August 2026; the open server of then does not send them yet, so what
 * is read here is the message's definition. */
#include "livekit/livekit.h"

static const livekit_enum_t STATES = LIVEKIT_ENUM("JS_PENDING", "JS_RUNNING", "JS_SUCCESS", "JS_FAILED");

void livekit_job(livekit_event_t *e)
{
    const cJSON *job = json_at(e->root, "job");
    delivery_t *d = e->d;

    d->status = livekit_enum_name(json_at(job, "state"), "status", &STATES);
    if (!e->room)
        e->room = json_at(job, "room");
    livekit_read_room(e);
    if (!e->call)
        return;
    fact_text(e->call, CALL_AGENT_NAME, e->version, json_str(job, "agentName"));
    fact_text(e->call, CALL_AGENT_ID, e->version, json_str(job, "state.agentId"));
    /* One that failed may never have come. If it had, its joining says so. */
    if (str_eq(d->status, STR("JS_RUNNING")) || str_eq(d->status, STR("JS_SUCCESS")))
        fact_bool(e->call, CALL_AI_AGENT_USED, RANK_EVENT, true);
    /* What the agent was given to know of the call: where the room itself has nothing. */
    fact_text(e->call, CALL_METADATA, version_of(RANK_INFERRED, d->occurred_us),
              livekit_json_text(d->arena, json_str(job, "metadata")));
}
