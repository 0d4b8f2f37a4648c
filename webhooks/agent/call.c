/* call.c – call.started and call.ended: what the agent knows of a call, field by field (the contract is in agent.c). */
#include "agent/agent.h"
#include "base/phone.h"

#include <math.h>

/* A column's type says how its field is read. */
static const struct {
    const char *field;
    int column;
} FIELDS[] = {
    {"direction", CALL_DIRECTION},
    {"from_number", CALL_FROM_NUMBER},
    {"to_number", CALL_TO_NUMBER},
    {"customer_name", CALL_CUSTOMER_NAME},
    {"customer_email", CALL_CUSTOMER_EMAIL},
    {"call_sid", CALL_CALL_SID},
    {"parent_call_sid", CALL_PARENT_CALL_SID},
    {"agent_id", CALL_AGENT_ID},
    {"agent_name", CALL_AGENT_NAME},
    {"answered_by", CALL_ANSWERED_BY},
    {"forwarded_from", CALL_FORWARDED_FROM},
    {"transferred_to", CALL_TRANSFERRED_TO},
    {"started_at", CALL_STARTED_AT},
    {"connected_at", CALL_CONNECTED_AT},
    {"ended_at", CALL_ENDED_AT},
    {"duration_seconds", CALL_DURATION},
    {"summary", CALL_SUMMARY},
    {"sentiment", CALL_SENTIMENT},
    {"transcript", CALL_TRANSCRIPT},
    {"recording_url", CALL_RECORDING_URL},
    {"total_tokens", CALL_TOKENS},
    {"cost", CALL_COST},
    {"cost_currency", CALL_COST_CURRENCY},
    {"metadata", CALL_METADATA},
    {"recording", CALL_RECORDING},
    {"analysis", CALL_ANALYSIS},
    {"extracted_fields", CALL_EXTRACTED},
};

static void read_field(const agent_event_t *e, const char *field, int column)
{
    const cJSON *node = json_at(e->data, field);
    double number;

    switch (FACT_TABLES[FACT_CALL].columns[column].type) {
    case COLUMN_TEXT:
        fact_text(e->fact, column, e->version, json_str(e->data, field));
        break;
    case COLUMN_TIME:
        fact_time(e->fact, column, e->rank, agent_time(e->data, field));
        break;
    case COLUMN_INT:
        if (json_double(e->data, field, &number) && number >= 0 && number < INT32_MAX)
            fact_number(e->fact, column, e->version, llround(number));
        break;
    case COLUMN_NUMERIC:
        if (cJSON_IsNumber(node))
            fact_text(e->fact, column, e->version, json_print(e->d->arena, node));
        break;
    case COLUMN_JSON:
        if (cJSON_IsObject(node) && node->child)
            fact_text(e->fact, column, e->version, json_print(e->d->arena, node));
        break;
    case COLUMN_BOOL:
        break; /* no field is one */
    }
}

static str_t customer_number(const agent_event_t *e)
{
    str_t given = json_str(e->data, "customer_number");
    bool inbound = str_eq(json_str(e->data, "direction"), STR("inbound"));
    bool outbound = str_eq(json_str(e->data, "direction"), STR("outbound"));

    if (str_is_empty(given) && inbound)
        given = e->d->from_number;
    else if (str_is_empty(given) && outbound)
        given = e->d->to_number;
    return phone_e164(e->d->arena, given);
}

static void read_call(const agent_event_t *e)
{
    delivery_t *d = e->d;
    int64_t tokens;

    d->call_sid = json_str(e->data, "call_sid");
    d->from_number = json_str(e->data, "from_number");
    d->to_number = json_str(e->data, "to_number");
    for (size_t i = 0; i < COUNT(FIELDS); i++)
        read_field(e, FIELDS[i].field, FIELDS[i].column);
    fact_text(e->fact, CALL_CUSTOMER_NUMBER, e->version, customer_number(e));
    if (agent_tokens(e->data, &tokens))
        fact_number(e->fact, CALL_TOKENS, e->version, tokens);
}

static bool is_known(const agent_event_t *e, int column)
{
    return e->fact->cells[column].version != 0;
}

static void infer_time(const agent_event_t *e, int column, int64_t us)
{
    if (!is_known(e, column))
        fact_time(e->fact, column, RANK_INFERRED, us);
}

/* An agent of its own call starts when it has picked up. In another provider's call it may be there first, and whether
 * a person ever came is not for it to guess: that decides how such a call ended. */
void agent_call_started(agent_event_t *e)
{
    const str_t key[] = {STR("call.started:"), e->call};
    int64_t began_us = agent_time(e->data, "started_at");

    if (began_us == TIME_NONE)
        began_us = e->d->occurred_us;
    read_call(e);
    infer_time(e, CALL_STARTED_AT, began_us);
    if (e->is_ours)
        infer_time(e, CALL_CONNECTED_AT, began_us);
    fact_phase(e->fact, e->is_ours || is_known(e, CALL_CONNECTED_AT) ? PHASE_ACTIVE : PHASE_PENDING);
    e->d->event_key = arena_concat(e->d->arena, key, COUNT(key));
}

static const struct {
    const char *status;
    const char *outcome;
} OUTCOMES[] = {
    {"completed", "completed"}, {"ended", "completed"}, {"success", "completed"}, {"transferred", "completed"},
    {"failed", "failed"},       {"error", "failed"},    {"busy", "failed"},       {"no-answer", "failed"},
    {"no_answer", "failed"},    {"canceled", "failed"}, {"cancelled", "failed"},  {"rejected", "failed"},
    {"voicemail", "failed"},
};

static str_t outcome_of(str_t status)
{
    for (size_t i = 0; i < COUNT(OUTCOMES); i++)
        if (str_eq(status, str_from(OUTCOMES[i].status)))
            return str_from(OUTCOMES[i].outcome);
    return STR_NONE;
}

static void outcome_facts(const agent_event_t *e)
{
    str_t status = json_str(e->data, "status"), reason = json_str(e->data, "end_reason");
    str_t outcome = outcome_of(json_str(e->data, "outcome"));

    if (str_is_empty(outcome))
        outcome = outcome_of(status);
    if (str_is_empty(reason))
        reason = status;
    e->d->status = str_is_empty(status) ? json_str(e->data, "outcome") : status;
    fact_ended(e->fact, e->version, outcome, reason);
}

static bool is_time_of_sending(str_t key)
{
    return str_eq(key, STR("timestamp"));
}

void agent_call_ended(agent_event_t *e)
{
    delivery_t *d = e->d;
    const str_t key[] = {STR("call.ended:"), e->call, STR(":"), json_hash(d->arena, d->root, is_time_of_sending)};

    read_call(e);
    outcome_facts(e);
    infer_time(e, CALL_ENDED_AT, d->occurred_us);
    agent_message_list(e, json_at(e->data, "messages"));
    d->event_key = arena_concat(d->arena, key, COUNT(key));
}
