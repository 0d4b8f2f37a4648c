/* call.c – what every server message of Vapi says about its call: who talks with whom, by which line, how far it is.
 *
 * Source: the schemas Call, Artifact and TransferDestination* of Vapi's OpenAPI document, read 2026-11-21. */
#include "base/phone.h"
#include "vapi/vapi.h"

/* ---- the two parties ---- */

static str_t first_text(const vapi_message_t *m, const char *const *paths, size_t count)
{
    str_t text = STR_NONE;

    for (size_t i = 0; i < count && str_is_empty(text); i++)
        text = vapi_text(m, paths[i]);
    return text;
}

/* A number that Vapi gave for SIP may have an address and nothing else. */
static str_t our_number(const vapi_message_t *m)
{
    static const char *const PATHS[] = {"phoneNumber.number", "phoneNumber.twilioPhoneNumber", "phoneNumber.sipUri"};

    return first_text(m, PATHS, COUNT(PATHS));
}

static str_t their_number(const vapi_message_t *m)
{
    static const char *const PATHS[] = {"customer.number", "customer.sipUri"};

    return first_text(m, PATHS, COUNT(PATHS));
}

static void parties(const vapi_message_t *m)
{
    str_t type = json_str(m->call, "type");
    bool inbound = str_eq(type, STR("inboundPhoneCall"));
    delivery_t *d = m->d;

    if (!inbound && !str_eq(type, STR("outboundPhoneCall")))
        return; /* in a browser or over a socket: no numbers */
    d->from_number = inbound ? their_number(m) : our_number(m);
    d->to_number = inbound ? our_number(m) : their_number(m);
    fact_text(m->fact, CALL_DIRECTION, m->version, inbound ? STR("inbound") : STR("outbound"));
    fact_text(m->fact, CALL_FROM_NUMBER, m->version, d->from_number);
    fact_text(m->fact, CALL_TO_NUMBER, m->version, d->to_number);
}

static void customer(const vapi_message_t *m)
{
    str_t number = phone_e164(m->d->arena, vapi_text(m, "customer.number"));

    fact_text(m->fact, CALL_CUSTOMER_NUMBER, m->version, number);
    fact_text(m->fact, CALL_CUSTOMER_NAME, m->version, vapi_text(m, "customer.name"));
    fact_text(m->fact, CALL_CUSTOMER_EMAIL, m->version, vapi_text(m, "customer.email"));
}

/* Of several assistants (a squad, a handoff) the call's is the one that took it. A transient one has no id. */
static void agent(const vapi_message_t *m)
{
    static const char *const NAMES[] = {"artifact.assistantActivations.0.assistantName", "assistant.name"};
    str_t id = json_str(m->call, "assistantId");

    if (str_is_empty(id))
        id = vapi_text(m, "artifact.assistantActivations.0.assistantId");
    fact_text(m->fact, CALL_AGENT_ID, m->version, id);
    fact_text(m->fact, CALL_AGENT_NAME, m->version, first_text(m, NAMES, COUNT(NAMES)));
}

/* A call's own updatedAt orders what is said about it: it is the same in every repetition, unlike the message's
 * timestamp, which is that of the sending. */
void vapi_read_call(vapi_message_t *m, rank_t rank)
{
    if (str_is_empty(m->d->call_id))
        return;
    m->rank = rank;
    m->version = version_of(rank, json_iso8601(m->call, "updatedAt"));
    m->fact = fact_call(&m->d->facts, m->d->call_id);
    fact_text(m->fact, CALL_CALL_SID, m->version, m->d->call_sid);
    fact_text(m->fact, CALL_ACCOUNT_ID, m->version, json_str(m->call, "orgId"));
    fact_text(m->fact, CALL_FORWARDED_FROM, m->version, json_str(m->call, "transport.forwardedFrom"));
    parties(m);
    customer(m);
    agent(m);
    vapi_progress(m, json_str(m->call, "status"), TIME_NONE);
}

void vapi_about_call(vapi_message_t *m)
{
    vapi_read_call(m, RANK_EVENT);
}

/* ---- where it was transferred to ---- */

static bool succeeded(const cJSON *attempt)
{
    str_t status = json_str(attempt, "status");

    return str_eq(status, STR("connected")) || str_eq(status, STR("completed"));
}

/* Where the message does not say it at once, its list of attempts may: the last that somebody took. */
static const cJSON *destination(const vapi_message_t *m)
{
    const cJSON *node = vapi_node(m, "destination");
    const cJSON *attempts = node ? NULL : vapi_node(m, "artifact.transfers");

    for (const cJSON *attempt = attempts ? attempts->child : NULL; attempt; attempt = attempt->next)
        if (succeeded(attempt))
            node = json_at(attempt, "destination");
    return node;
}

static str_t transferred_to(const vapi_message_t *m)
{
    static const char *const KEYS[] = {"number", "sipUri", "assistantName"};
    const cJSON *to = destination(m);
    str_t text = STR_NONE;

    for (size_t i = 0; i < COUNT(KEYS) && str_is_empty(text); i++)
        text = json_str(to, KEYS[i]);
    return str_is_empty(text) ? json_str(m->root, "toAssistant.name") : text;
}

/* A call's updatedAt stands still while it goes on, and it may be handed on twice: here the message's time orders. */
void vapi_transferred(const vapi_message_t *m)
{
    fact_text(m->fact, CALL_TRANSFERRED_TO, version_of(m->rank, m->d->occurred_us), transferred_to(m));
}

void vapi_transfer_update(vapi_message_t *m)
{
    vapi_read_call(m, RANK_EVENT);
    if (m->fact)
        vapi_transferred(m);
}

/* Before there is any call: who is about to be called. */
void vapi_campaign_predial(vapi_message_t *m)
{
    m->d->to_number = json_str(m->root, "contact.number");
}
