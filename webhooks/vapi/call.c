/* call.c – what every server message of Vapi says about its call, and what the ways to end one mean.
 *
 * Source: the schemas Call and CallEndedReason of Vapi's OpenAPI document, docs.vapi.ai/calls/call-ended-reason, read
 * 2026-11-21. */
#include "base/phone.h"
#include "vapi/vapi.h"

/* A report repeats its call's fields one level up, and there they are fuller: the nested artifact and analysis may be
 * empty objects. */
str_t vapi_text(const vapi_message_t *m, const char *path)
{
    str_t text = json_str(m->root, path);

    return str_is_empty(text) ? json_str(m->call, path) : text;
}

int64_t vapi_time(const vapi_message_t *m, const char *path)
{
    return time_from_iso8601(vapi_text(m, path));
}

const cJSON *vapi_node(const vapi_message_t *m, const char *path)
{
    const cJSON *node = json_at(m->root, path);

    return node && node->child ? node : json_at(m->call, path);
}

/* ---- how a call ended ---- */

/* '*' at either end stands for anything. The first row that fits decides; a reason that no row knows (there are over
 * six hundred, and new ones come) leaves it to whether the call was ever connected. */
static const struct {
    const char *reason;
    const char *outcome;
} OUTCOMES[] = {
    {"customer-ended-call*", "completed"},
    {"assistant-ended-call*", "completed"},
    {"assistant-said-end-call-phrase", "completed"},
    {"silence-timed-out", "completed"},
    {"exceeded-max-duration", "completed"},
    {"manually-canceled", "completed"},
    {"vonage-completed", "completed"},
    {"call.in-progress.twilio-completed-call", "completed"},
    {"call.in-progress.sip-completed-call", "completed"},
    /* transferred: Vapi's leg ended, the people may go on talking */
    {"assistant-forwarded-call", "completed"},
    {"*hook-executed-transfer", "completed"},
    {"assistant-request-returned-forwarding-phone-number", "completed"},
    /* nobody to talk to */
    {"customer-did-not-answer", "failed"},
    {"customer-busy", "failed"},
    {"call.forwarding.*", "failed"},
    {"voicemail", "failed"},
    {"call-deleted", "failed"},
    {"scheduled-call-deleted", "failed"},
    /* technical */
    {"call.start.error*", "failed"},
    {"call-start-error*", "failed"},
    {"call.in-progress.error*", "failed"},
    {"call.ringing.error*", "failed"},
    {"pipeline-*", "failed"},
    {"assistant-request-*", "failed"},
    {"assistant-not-*", "failed"},
    {"*-failed-to-connect-call", "failed"},
    {"*transport-never-connected", "failed"},
    {"worker-*", "failed"},
    {"phone-call-provider-*", "failed"},
    {"vonage-rejected", "failed"},
    {"vonage-disconnected", "failed"},
    {"twilio-reported-customer-misdialed", "failed"},
};

static bool reason_fits(str_t reason, str_t pattern)
{
    if (pattern.base[0] == '*')
        return str_ends_nocase(reason, str_slice(pattern, 1, pattern.len));
    if (pattern.base[pattern.len - 1] == '*')
        return str_starts(reason, str_slice(pattern, 0, pattern.len - 1));
    return str_eq(reason, pattern);
}

void vapi_ended(const vapi_message_t *m, str_t reason)
{
    str_t outcome = STR_NONE;

    for (size_t i = 0; i < COUNT(OUTCOMES) && !outcome.base; i++)
        if (reason_fits(reason, str_from(OUTCOMES[i].reason)))
            outcome = str_from(OUTCOMES[i].outcome);
    fact_ended(m->fact, m->version, outcome, reason);
}

/* ---- who talks with whom ---- */

static str_t our_number(const vapi_message_t *m)
{
    const cJSON *ours = json_at(m->call, "phoneNumber");
    str_t number = json_str(json_at(m->root, "phoneNumber"), "number");

    if (str_is_empty(number))
        number = json_str(ours, "number");
    return str_is_empty(number) ? json_str(ours, "twilioPhoneNumber") : number;
}

static str_t customer(const vapi_message_t *m, const char *field)
{
    str_t value = json_str(json_at(m->root, "customer"), field);

    return str_is_empty(value) ? json_str(json_at(m->call, "customer"), field) : value;
}

static void parties(const vapi_message_t *m)
{
    str_t type = json_str(m->call, "type");
    bool inbound = str_eq(type, STR("inboundPhoneCall"));
    str_t theirs = customer(m, "number"), ours = our_number(m);
    delivery_t *d = m->d;

    if (!inbound && !str_eq(type, STR("outboundPhoneCall")))
        return; /* in a browser or over a socket: no numbers */
    fact_text(m->fact, CALL_CUSTOMER_NUMBER, m->version, phone_e164(d->arena, theirs));
    if (str_is_empty(theirs))
        theirs = customer(m, "sipUri");
    d->from_number = inbound ? theirs : ours;
    d->to_number = inbound ? ours : theirs;
    fact_text(m->fact, CALL_DIRECTION, m->version, inbound ? STR("inbound") : STR("outbound"));
    fact_text(m->fact, CALL_FROM_NUMBER, m->version, d->from_number);
    fact_text(m->fact, CALL_TO_NUMBER, m->version, d->to_number);
}

static str_t agent_name(const vapi_message_t *m)
{
    str_t name = json_str(json_at(m->root, "assistant"), "name");

    if (str_is_empty(name))
        name = json_str(m->root, "artifact.assistantActivations.0.assistantName");
    return str_is_empty(name) ? json_str(m->call, "assistant.name") : name;
}

/* A call's own updatedAt orders what is said about it: it is the same in every repetition, unlike the message's
 * timestamp, which is that of the sending. */
void vapi_read_call(vapi_message_t *m, rank_t rank)
{
    if (str_is_empty(m->d->call_id))
        return;
    m->version = version_of(rank, json_iso8601(m->call, "updatedAt"));
    m->fact = fact_call(&m->d->facts, m->d->call_id);
    fact_text(m->fact, CALL_CALL_SID, m->version, m->d->call_sid);
    fact_text(m->fact, CALL_ACCOUNT_ID, m->version, json_str(m->call, "orgId"));
    fact_text(m->fact, CALL_AGENT_ID, m->version, json_str(m->call, "assistantId"));
    fact_text(m->fact, CALL_AGENT_NAME, m->version, agent_name(m));
    parties(m);
}
