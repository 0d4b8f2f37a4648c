/* report.c – end-of-call-report: the whole call, once it is over and processed; and the call as the API has it, which
 * is the same in the same words.
 *
 * Source: schemas ServerMessageEndOfCallReport, Artifact, Analysis and the *Cost ones of Vapi's OpenAPI document,
 * docs.vapi.ai/assistants/retrieve-call-artifacts, read 2026-11-21. It may come again, with more in it (analysis,
 * recordings) or with nothing changed but the signed links, which are made anew for every sending. */
#include "vapi/vapi.h"

/* What two sendings of one report differ in though nothing happened. */
static bool is_volatile(str_t key)
{
    return str_starts(key, STR("presigned")) || str_eq(key, STR("timestamp")) || str_eq(key, STR("updatedAt"));
}

/* ---- texts and objects ---- */

#define PLACES_MAX 6

/* Where each text may stand: the newer place first. A presigned link dies within the hour, so it is none of them. */
static const struct {
    int column;
    const char *const paths[PLACES_MAX];
} TEXTS[] = {
    {CALL_TRANSCRIPT, {"artifact.transcript", "transcript"}},
    {CALL_SUMMARY, {"analysis.summary", "summary"}},
    {CALL_RECORDING_URL,
     {"artifact.recording.mono.combinedUrl", "artifact.recordingUrl", "recordingUrl", "artifact.recording.stereoUrl",
      "artifact.stereoRecordingUrl", "stereoRecordingUrl"}},
};

/* The JSON columns but for the analysis, which is kept as it came: member by member. The addresses of recordings name
 * them; they open nothing without a key to Vapi's API. */
static const struct {
    int column;
    const char *member;
    const char *const paths[PLACES_MAX];
} MEMBERS[] = {
    {CALL_RECORDING, "mono", {"artifact.recording.mono.combinedUrl", "artifact.recordingUrl", "recordingUrl"}},
    {CALL_RECORDING, "stereo", {"artifact.recording.stereoUrl", "artifact.stereoRecordingUrl", "stereoRecordingUrl"}},
    {CALL_RECORDING, "assistant", {"artifact.recording.mono.assistantUrl"}},
    {CALL_RECORDING, "customer", {"artifact.recording.mono.customerUrl"}},
    {CALL_RECORDING, "video", {"artifact.recording.videoUrl", "artifact.videoRecordingUrl"}},
    {CALL_RECORDING,
     "videoStartDelay",
     {"artifact.recording.videoRecordingStartDelaySeconds", "artifact.videoRecordingStartDelaySeconds"}},
    {CALL_RECORDING, "log", {"artifact.logUrl"}},
    {CALL_RECORDING, "pcap", {"artifact.pcapUrl"}},
    {CALL_EXTRACTED, "structuredData", {"analysis.structuredData"}},
    {CALL_EXTRACTED, "structuredDataMulti", {"analysis.structuredDataMulti"}},
    {CALL_EXTRACTED, "structuredOutputs", {"artifact.structuredOutputs"}},
    {CALL_METADATA, "name", {"name"}},
    {CALL_METADATA, "customerExternalId", {"customer.externalId"}},
    {CALL_METADATA, "phoneNumberId", {"phoneNumberId"}},
    {CALL_METADATA, "campaignId", {"campaignId"}},
    {CALL_METADATA, "squadId", {"squadId"}},
    {CALL_METADATA, "workflowId", {"workflowId"}},
    {CALL_METADATA, "assistantVersion", {"assistantVersion"}},
    {CALL_METADATA, "assistantMetadata", {"assistant.metadata"}},
    {CALL_METADATA, "endedMessage", {"endedMessage"}},
    {CALL_METADATA, "compliance", {"compliance"}},
};

static const cJSON *first_of(const vapi_message_t *m, const char *const paths[PLACES_MAX])
{
    const cJSON *node = NULL;

    for (size_t i = 0; i < PLACES_MAX && paths[i] && !node; i++)
        node = vapi_node(m, paths[i]);
    return node;
}

static void texts(const vapi_message_t *m)
{
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        fact_text(m->fact, TEXTS[i].column, m->version, json_str(first_of(m, TEXTS[i].paths), ""));
    fact_text(m->fact, CALL_ANALYSIS, m->version, json_print(m->d->arena, vapi_node(m, "analysis")));
}

static void object(const vapi_message_t *m, int column, version_t v)
{
    buf_t text = BUF_EMPTY;

    for (size_t i = 0; i < COUNT(MEMBERS); i++)
        if (MEMBERS[i].column == column)
            vapi_add_member(&text, m->d->arena, MEMBERS[i].member, first_of(m, MEMBERS[i].paths));
    fact_text(m->fact, column, v, vapi_close_object(&text, m->d->arena));
}

/* ---- numbers ---- */

/* Older reports say how long it took; the others leave it to their times. */
static void duration(const vapi_message_t *m)
{
    static const struct {
        const char *path;
        double seconds;
    } UNITS[] = {{"durationMs", 0.001}, {"durationSeconds", 1}, {"durationMinutes", 60}};
    double n;

    for (size_t i = 0; i < COUNT(UNITS); i++) {
        if (!json_double(m->root, UNITS[i].path, &n) || n < 0 || n > 1e9)
            continue;
        fact_number(m->fact, CALL_DURATION, m->version, (int64_t)(n * UNITS[i].seconds + 0.5));
        return;
    }
}

static void cost(const vapi_message_t *m)
{
    const cJSON *node = vapi_node(m, "cost");

    if (!cJSON_IsNumber(node))
        node = vapi_node(m, "costBreakdown.total");
    if (!cJSON_IsNumber(node))
        return;
    fact_text(m->fact, CALL_COST, m->version, json_print(m->d->arena, node));
    fact_text(m->fact, CALL_COST_CURRENCY, m->version, STR("USD"));
}

/* Both numbers of tokens, added; false where there is neither. */
static bool add_tokens(const cJSON *node, const char *prompt, const char *completion, int64_t *sum)
{
    const char *const paths[] = {prompt, completion};
    bool any = false;
    int64_t n;

    for (size_t i = 0; i < COUNT(paths); i++) {
        if (!json_int(node, paths[i], &n) || n < 0 || n >= INT32_MAX)
            continue;
        *sum += n;
        any = true;
    }
    return any;
}

/* The conversation's own tokens. Analysis rows are work on the call, not the call; reasoning tokens are among the
 * completion's already. A squad has several models. */
static void tokens(const vapi_message_t *m)
{
    const cJSON *costs = vapi_node(m, "costs");
    int64_t sum = 0;
    bool any = false;

    for (const cJSON *row = costs ? costs->child : NULL; row; row = row->next)
        if (str_eq(json_str(row, "type"), STR("model")))
            any = add_tokens(row, "promptTokens", "completionTokens", &sum) || any;
    if (!any)
        any = add_tokens(vapi_node(m, "costBreakdown"), "llmPromptTokens", "llmCompletionTokens", &sum);
    if (any)
        fact_number(m->fact, CALL_TOKENS, m->version, sum);
}

/* Of a call that is over: all but its course. metadata: how good what it says for CALL_METADATA is. */
static void outcome(const vapi_message_t *m, rank_t metadata)
{
    vapi_transferred(m);
    texts(m);
    object(m, CALL_RECORDING, m->version);
    object(m, CALL_EXTRACTED, m->version);
    object(m, CALL_METADATA, version_of(metadata, json_iso8601(m->call, "updatedAt")));
    duration(m);
    cost(m);
    tokens(m);
    vapi_lines(m, STR("report"));
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
    vapi_progress(m, d->status, TIME_NONE);
    outcome(m, RANK_REPORT);
}

/* The metadata of a report holds what its message alone has (the assistant's own, what was consented to), so that the
 * API's, which would take its place whole, is for calls without a report. While a call goes on, what was said is what a
 * conversation-update would bring: the list of its report is another set. */
void vapi_api_call(vapi_message_t *m)
{
    delivery_t *d = m->d;

    d->status = json_str(m->call, "status");
    d->occurred_us = json_iso8601(m->call, "updatedAt");
    d->event_key = arena_printf(d->arena, "call:" STR_FMT ":api:" STR_FMT, STR_ARG(d->call_id),
                                STR_ARG(json_hash(d->arena, m->call, is_volatile)));
    vapi_read_call(m, RANK_REPORT);
    if (str_eq(d->status, STR("ended"))) {
        outcome(m, RANK_EVENT);
    } else {
        m->rank = RANK_EVENT;
        vapi_lines(m, STR("update"));
    }
}
