/* report.c – end-of-call-report: the whole call, once it is over and processed.
 *
 * Source: schema ServerMessageEndOfCallReport of Vapi's OpenAPI document and docs.vapi.ai/assistants/
 * retrieve-call-artifacts, read 2026-11-21. It may come again, with more in it (analysis, recordings) or with nothing
 * changed but the signed links, which are made anew for every sending. */
#include "base/crypto.h"
#include "vapi/vapi.h"

/* What two sendings of one report differ in though nothing happened. */
static bool is_volatile(str_t key)
{
    return str_starts(key, STR("presigned")) || str_eq(key, STR("timestamp")) || str_eq(key, STR("updatedAt"));
}

/* ---- texts and numbers ---- */

static str_t first_text(const vapi_message_t *m, const char *const *paths)
{
    str_t text = STR_NONE;

    while (*paths && str_is_empty(text))
        text = vapi_text(m, *paths++);
    return text;
}

/* Where each text may stand: the newer place first. A presigned link dies within the hour, so it is none of them. */
static const struct {
    int column;
    const char *const paths[6];
} TEXTS[] = {
    {CALL_TRANSCRIPT, {"artifact.transcript", "transcript"}},
    {CALL_SUMMARY, {"analysis.summary", "summary"}},
    {CALL_RECORDING_URL,
     {"artifact.recording.mono.combinedUrl", "artifact.recordingUrl", "recordingUrl", "artifact.recording.stereoUrl",
      "artifact.stereoRecordingUrl"}},
};

static void texts(const vapi_message_t *m)
{
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        fact_text(m->fact, TEXTS[i].column, m->version, first_text(m, TEXTS[i].paths));
}

static void times(const vapi_message_t *m)
{
    int64_t started_us = vapi_time(m, "startedAt");
    double ms;

    /* startedAt is when the call was connected: absent for one that never was. */
    fact_time(m->fact, CALL_STARTED_AT, RANK_REPORT, started_us);
    fact_time(m->fact, CALL_CONNECTED_AT, RANK_REPORT, started_us);
    fact_time(m->fact, CALL_ENDED_AT, RANK_REPORT, vapi_time(m, "endedAt"));
    if (started_us != TIME_NONE)
        fact_bool(m->fact, CALL_AI_AGENT_USED, RANK_REPORT, true);
    if (json_double(m->root, "durationMs", &ms) && ms >= 0 && ms < 1e12)
        fact_number(m->fact, CALL_DURATION, m->version, (int64_t)(ms / 1000 + 0.5));
}

static void cost(const vapi_message_t *m)
{
    const cJSON *node = json_at(m->root, "cost");

    if (!cJSON_IsNumber(node))
        node = json_at(m->call, "cost");
    if (!cJSON_IsNumber(node))
        return;
    fact_text(m->fact, CALL_COST, m->version, json_print(m->d->arena, node));
    fact_text(m->fact, CALL_COST_CURRENCY, m->version, STR("USD"));
}

/* The conversation's own tokens. Analysis rows are work on the call, not the call; reasoning tokens are among the
 * completion's already. */
static void tokens(const vapi_message_t *m)
{
    const cJSON *costs = vapi_node(m, "costs");
    int64_t sum = 0, n;
    bool any = false;

    for (const cJSON *row = costs ? costs->child : NULL; row; row = row->next) {
        if (!str_eq(json_str(row, "type"), STR("model")))
            continue;
        any = true;
        if (json_int(row, "promptTokens", &n) && n > 0 && n < INT32_MAX)
            sum += n;
        if (json_int(row, "completionTokens", &n) && n > 0 && n < INT32_MAX)
            sum += n;
    }
    if (any)
        fact_number(m->fact, CALL_TOKENS, m->version, sum);
}

/* ---- the messages: a set, taken whole or not at all ---- */

typedef struct line {
    str_t role, text;
    const cJSON *node;
} line_t;

static const cJSON *first_message(const vapi_message_t *m)
{
    const cJSON *list = vapi_node(m, "artifact.messages");

    if (!cJSON_IsArray(list) || !list->child)
        list = vapi_node(m, "messages");
    return cJSON_IsArray(list) ? list->child : NULL;
}

/* A line of the conversation, or not one: the first entry is the system prompt, and a tool's call and its result are
 * the assistant's work, not its words. They stay in the stored payload. */
static bool read_line(const cJSON *node, line_t *out)
{
    *out = (line_t){vapi_role(json_str(node, "role")), json_str(node, "message"), node};
    if (str_is_empty(out->text))
        out->text = json_str(node, "content");
    return !str_is_empty(out->role) && !str_is_empty(out->text);
}

static version_t set_version(const cJSON *first, size_t *count)
{
    buf_t all = BUF_EMPTY;
    uint8_t hash[32];
    char hex[64];
    line_t line;

    *count = 0;
    for (const cJSON *node = first; node; node = node->next) {
        if (!read_line(node, &line))
            continue;
        buf_add(&all, line.role);
        buf_addc(&all, '\n');
        buf_add(&all, line.text);
        buf_addc(&all, '\n');
        ++*count;
    }
    sha256(buf_str(&all), hash);
    buf_clear(&all);
    return version_of_set(RANK_REPORT, *count, (str_t){hex, hex_encode(hash, 4, hex)});
}

static void add_line(const vapi_message_t *m, const line_t *line, size_t position, version_t v)
{
    delivery_t *d = m->d;
    fact_t *f = fact_message(&d->facts, d->call_id, arena_printf(d->arena, "report:%zu", position));
    int64_t began_us = json_time_ms(line->node, "time"), ended_us = json_time_ms(line->node, "endTime");

    fact_text(f, MESSAGE_SOURCE, v, STR("report"));
    fact_text(f, MESSAGE_ROLE, v, line->role);
    fact_text(f, MESSAGE_CONTENT, v, line->text);
    fact_number(f, MESSAGE_SEQUENCE, v, (int64_t)position);
    if (began_us != TIME_NONE)
        fact_number(f, MESSAGE_SPOKEN_AT, v, began_us);
    if (ended_us != TIME_NONE)
        fact_number(f, MESSAGE_ENDED_AT, v, ended_us);
}

/* A position is that in Vapi's own list, so that it stays when more of the list is taken one day. */
static void messages(const vapi_message_t *m)
{
    const cJSON *first = first_message(m);
    size_t count, position = 0;
    version_t v = set_version(first, &count);
    line_t line;

    if (!count)
        return; /* an empty set says nothing: what was heard live stays */
    fact_text(m->fact, CALL_TRANSCRIPT_SOURCE, v, STR("report"));
    for (const cJSON *node = first; node; node = node->next, position++)
        if (read_line(node, &line))
            add_line(m, &line, position, v);
}

void vapi_report(vapi_message_t *m)
{
    delivery_t *d = m->d;

    d->status = STR("ended");
    vapi_read_call(m, RANK_REPORT);
    if (!m->fact)
        return; /* no call id: each repetition would make one more call out of nothing */
    d->event_key = arena_printf(d->arena, "report:" STR_FMT ":" STR_FMT, STR_ARG(d->call_id),
                                STR_ARG(json_hash(d->arena, m->root, is_volatile)));
    vapi_ended(m, vapi_text(m, "endedReason"));
    times(m);
    texts(m);
    cost(m);
    tokens(m);
    messages(m);
}
