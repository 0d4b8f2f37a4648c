/* call.c – a call object of Teli's: Retell's in names and meaning, with more ids.
 *
 * Source: docs.teli.ai/partner-api/call-history (list, get, export) and docs.retellai.com/api-references/get-call, read
 * 2026-11-21. Anything may be absent or null. The times that have no zone (call_started_at, updated_at …) are when Teli
 * worked on the call, not when it took place, and are not even in that order. */
#include "base/phone.h"
#include "teli/teli.h"
#include "transcript.h"

/* A call object, read once. */
typedef struct call {
    delivery_t *d;
    const cJSON *node;
    fact_t *fact;
    rank_t rank;
    version_t version;
    int64_t started_us;
} call_t;

/* ---- how a call ended ---- */

static const struct {
    const char *status;
    call_phase_t phase;
    bool failed;
} STATUSES[] = {
    {"registered", PHASE_PENDING, false}, {"not_connected", PHASE_ENDED, true}, {"ongoing", PHASE_ACTIVE, false},
    {"ended", PHASE_ENDED, false},        {"error", PHASE_ENDED, true},
};

/* '*' at the end stands for anything. A reason that no row knows leaves it to whether the call was ever connected. */
static const struct {
    const char *reason;
    const char *outcome;
} OUTCOMES[] = {
    {"user_hangup", "completed"},
    {"agent_hangup", "completed"},
    {"call_transfer", "completed"},
    {"inactivity", "completed"},
    {"max_duration_reached", "completed"},
    /* nobody to talk to */
    {"voicemail_reached", "failed"},
    {"machine_detected", "failed"},
    {"dial_*", "failed"},
    {"user_declined", "failed"},
    {"marked_as_spam", "failed"},
    {"telephony_provider_*", "failed"},
    /* technical */
    {"concurrency_limit_reached", "failed"},
    {"no_valid_payment", "failed"},
    {"scam_detected", "failed"},
    {"invalid_destination", "failed"},
    {"sip_routing_error", "failed"},
    {"registered_call_timeout", "failed"},
    {"error_*", "failed"},
};

static bool reason_fits(str_t reason, str_t pattern)
{
    if (pattern.base[pattern.len - 1] == '*')
        return str_starts(reason, str_slice(pattern, 0, pattern.len - 1));
    return str_eq(reason, pattern);
}

static str_t outcome_of(str_t reason)
{
    for (size_t i = 0; i < COUNT(OUTCOMES); i++)
        if (reason_fits(reason, str_from(OUTCOMES[i].reason)))
            return str_from(OUTCOMES[i].outcome);
    return STR_NONE;
}

static bool is_voicemail(const cJSON *call)
{
    bool is_one;

    return (json_bool(call, "call_analysis.in_voicemail", &is_one) || json_bool(call, "in_voicemail", &is_one)) &&
           is_one;
}

/* A row of a list or an export does not say how its call ended, nor whether it was ever connected. */
static bool is_silent(const call_t *c)
{
    return c->rank == RANK_REPORT && !json_at(c->node, "disconnection_reason");
}

/* start_timestamp is when the call was connected, and stands in one that never was, too. */
static void progress(const call_t *c, call_phase_t phase, bool failed)
{
    str_t reason = json_str(c->node, "disconnection_reason");
    str_t outcome = failed ? STR("failed") : outcome_of(reason);

    fact_phase(c->fact, phase);
    if (phase == PHASE_ENDED && !failed && is_silent(c)) {
        outcome = is_voicemail(c->node) ? STR("failed") : STR("completed");
        fact_ended(c->fact, version_of(RANK_INFERRED, 0), outcome, STR_NONE);
        return;
    }
    if (phase == PHASE_ENDED)
        fact_ended(c->fact, c->version, outcome, reason);
    if (phase == PHASE_PENDING || str_eq(outcome, STR("failed")))
        return;
    fact_time(c->fact, CALL_CONNECTED_AT, c->rank, c->started_us);
    fact_bool(c->fact, CALL_AI_AGENT_USED, c->rank, true);
}

static void status(const call_t *c)
{
    str_t word = json_str(c->node, "call_status");

    c->d->status = word;
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (str_eq(word, str_from(STATUSES[i].status)))
            progress(c, STATUSES[i].phase, STATUSES[i].failed);
}

/* ---- texts, times and numbers ---- */

/* An export calls them by other names than the rest. */
static int64_t time_at(const cJSON *call, const char *ms, const char *iso)
{
    int64_t us = json_time_ms(call, ms);

    return us != TIME_NONE ? us : json_iso8601(call, iso);
}

/* An object has no clock that could order what is said of a call. How far the call had come does: until it is analysed
 * its sentiment is "Unknown"; and of what the API answers, where the call had come as far, a detail goes before a row
 * of a list, which in some deployments has the beginning of the transcript and a few of the extracted fields. Half a
 * step, too, is above what a version keeps of the clock for a JSON column (see fact.c). */
#define STAGE_US (10 * US_PER_S)

static int64_t stage_us(const cJSON *call, rank_t rank)
{
    const cJSON *analysis = json_at(call, "call_analysis");
    bool is_detail = rank == RANK_REPORT && cJSON_IsArray(json_at(call, "transcript_object"));
    int64_t us = is_detail ? STAGE_US / 2 : 0;

    if ((analysis && analysis->child) || !str_is_empty(json_str(call, "call_analyzed_at")))
        return us + 2 * STAGE_US;
    return time_at(call, "end_timestamp", "end_time") != TIME_NONE ? us + STAGE_US : us;
}

static void times(const call_t *c)
{
    double ms, seconds;

    fact_time(c->fact, CALL_STARTED_AT, c->rank, c->started_us);
    fact_time(c->fact, CALL_ENDED_AT, c->rank, time_at(c->node, "end_timestamp", "end_time"));
    if (json_double(c->node, "duration_ms", &ms))
        seconds = ms / 1000;
    else if (!json_double(c->node, "duration_seconds", &seconds))
        return;
    if (seconds >= 0 && seconds < 1e8)
        fact_number(c->fact, CALL_DURATION, c->version, (int64_t)(seconds + 0.5));
}

/* Where each text may stand, the better place first. voice_agent_id is the id that everything else names the agent by;
 * in Retell's own shape there is only agent_id, which is then that. */
static const struct {
    int column;
    const char *const paths[2];
} TEXTS[] = {
    {CALL_CALL_SID, {"telephony_identifier.twilio_call_sid"}},
    {CALL_AGENT_ID, {"voice_agent_id", "agent_id"}},
    {CALL_AGENT_NAME, {"agent_name"}},
    {CALL_RECORDING_URL, {"recording_url"}},
    {CALL_TRANSCRIPT, {"transcript"}},
    {CALL_SUMMARY, {"call_analysis.call_summary"}},
    {CALL_SENTIMENT, {"call_analysis.user_sentiment", "user_sentiment"}},
};

static const struct {
    int column;
    const char *path;
} OBJECTS[] = {
    {CALL_ANALYSIS, "call_analysis"},
    {CALL_EXTRACTED, "extracted_fields"},
    {CALL_METADATA, "metadata"},
};

static void texts(const call_t *c)
{
    for (size_t i = 0; i < COUNT(TEXTS); i++) {
        str_t text = json_str(c->node, TEXTS[i].paths[0]);

        if (str_is_empty(text) && TEXTS[i].paths[1])
            text = json_str(c->node, TEXTS[i].paths[1]);
        fact_text(c->fact, TEXTS[i].column, c->version, text);
    }
    for (size_t i = 0; i < COUNT(OBJECTS); i++) {
        const cJSON *object = json_at(c->node, OBJECTS[i].path);

        if (cJSON_IsObject(object) && object->child)
            fact_text(c->fact, OBJECTS[i].column, c->version, json_print(c->d->arena, object));
    }
}

static void voicemail(const call_t *c)
{
    if (is_voicemail(c->node))
        fact_text(c->fact, CALL_ANSWERED_BY, c->version, STR("voicemail"));
}

/* The unit of the cost is not said anywhere; Retell's are cents. */
static void costs(const call_t *c)
{
    const cJSON *cost = json_at(c->node, "call_cost.combined_cost");
    const cJSON *requests = json_at(c->node, "llm_token_usage.values");
    int64_t sum = 0;

    if (cJSON_IsNumber(cost)) {
        fact_text(c->fact, CALL_COST, c->version, json_print(c->d->arena, cost));
        fact_text(c->fact, CALL_COST_CURRENCY, c->version, STR("unknown"));
    }
    for (const cJSON *n = cJSON_IsArray(requests) ? requests->child : NULL; n; n = n->next)
        if (cJSON_IsNumber(n) && n->valuedouble > 0 && n->valuedouble < 1e9)
            sum += (int64_t)n->valuedouble;
    if (sum)
        fact_number(c->fact, CALL_TOKENS, c->version, sum);
}

/* The customer is the other side: who calls in, or who is called. A call in a browser has no numbers. */
static void parties(const call_t *c)
{
    str_t direction = json_str(c->node, "direction");
    bool inbound = str_eq(direction, STR("inbound"));
    delivery_t *d = c->d;

    d->from_number = json_str(c->node, "from_number");
    d->to_number = json_str(c->node, "to_number");
    fact_text(c->fact, CALL_FROM_NUMBER, c->version, d->from_number);
    fact_text(c->fact, CALL_TO_NUMBER, c->version, d->to_number);
    if (!inbound && !str_eq(direction, STR("outbound")))
        return;
    fact_text(c->fact, CALL_DIRECTION, c->version, direction);
    fact_text(c->fact, CALL_CUSTOMER_NUMBER, c->version, phone_e164(d->arena, inbound ? d->from_number : d->to_number));
}

/* What a model drew from a call is text, whatever it is; nothing is "", or "N/A". */
static str_t extracted(const call_t *c, const char *path)
{
    str_t text = str_trim(json_str(c->node, path));

    return str_eq_nocase(text, STR("N/A")) ? STR_NONE : text;
}

static void customer(const call_t *c)
{
    str_t first = extracted(c, "extracted_fields.first_name"), last = extracted(c, "extracted_fields.last_name");
    const str_t parts[] = {first, str_from(str_is_empty(first) || str_is_empty(last) ? "" : " "), last};

    fact_text(c->fact, CALL_CUSTOMER_NAME, c->version, arena_concat(c->d->arena, parts, COUNT(parts)));
    fact_text(c->fact, CALL_CUSTOMER_EMAIL, c->version, extracted(c, "extracted_fields.email"));
}

/* ---- its agent ---- */

void teli_agent_facts(delivery_t *d, const cJSON *node, size_t notations)
{
    static const char *const IDS[TELI_AGENT_NOTATIONS] = {"voice_agent_id", "agent_id", "unique_id", "id"};
    str_t voice = json_str(node, IDS[0]);

    for (size_t i = 0; i < notations && !str_is_empty(voice); i++) {
        str_t id = json_str(node, IDS[i]);

        if (!str_is_empty(id))
            fact_alias(&d->facts, id, voice);
    }
}

/* ---- what was said ---- */

/* Words are timed in seconds from the call's start. */
static int64_t instant(int64_t started_us, const cJSON *word, const char *field)
{
    double seconds;

    if (started_us == TIME_NONE || !json_double(word, field, &seconds) || seconds < 0 || seconds > 1e6)
        return TIME_NONE;
    return started_us + (int64_t)(seconds * (double)US_PER_S + 0.5);
}

/* ctx: when the call started. */
static line_t read_line(const cJSON *node, const void *ctx)
{
    const cJSON *words = json_at(node, "words");
    const cJSON *first = cJSON_IsArray(words) ? words->child : NULL;
    const int64_t *started_us = ctx;
    str_t role = json_str(node, "role");
    line_t line = {.text = json_str(node, "content"), .spoken_us = TIME_NONE, .ended_us = TIME_NONE};

    if (str_eq(role, STR("agent")))
        line.role = STR("assistant");
    else if (str_eq(role, STR("user")))
        line.role = role;
    if (first) {
        line.spoken_us = instant(*started_us, first, "start");
        line.ended_us = instant(*started_us, first->prev, "end"); /* the first one's prev is the last one */
    }
    return line;
}

fact_t *teli_call_facts(delivery_t *d, const cJSON *node, rank_t rank, str_t source)
{
    call_t c = {.d = d, .node = node, .fact = fact_call(&d->facts, d->call_id), .rank = rank};
    const transcript_t said = {RANK_REPORT, json_at(node, "transcript_object"), read_line, &c.started_us, source};

    c.version = version_of(rank, stage_us(node, rank));
    c.started_us = time_at(node, "start_timestamp", "start_time");
    d->call_sid = json_str(node, "telephony_identifier.twilio_call_sid");
    if (!str_is_empty(json_str(node, "agent_id"))) /* one alone is no other notation of anything */
        teli_agent_facts(d, node, TELI_CALL_NOTATIONS);
    status(&c);
    parties(&c);
    times(&c);
    texts(&c);
    voicemail(&c);
    costs(&c);
    customer(&c);
    transcript_facts(&said, d, c.fact);
    return c.fact;
}
