/* ended.c – call_ended: the whole conversation and what Beyond Presence makes of it, once it is over.
 *
 * Source: docs.bey.dev/integrations/managed-agents/webhook-events and github.com/bey-dev/n8n-nodes-beyondpresence, read
 * 2026-11-21. The evaluation is nowhere else: the API does not have it. Its topic is a word or two, and no summary; it
 * stays in the analysis. When the call began and ended is not said: the first and the last line tell about when. */
#include "beyond_presence/beyond_presence.h"

/* What names the event is in its key already, and has two spellings. */
static bool is_name(str_t key)
{
    return str_eq(key, STR("event_type")) || str_eq(key, STR("call_id")) || str_eq(key, STR("conversation_id"));
}

static int64_t last_line(const cJSON *list)
{
    int64_t last_us = TIME_NONE;

    for (const cJSON *node = list ? list->child : NULL; node; node = node->next) {
        int64_t at_us = json_iso8601(node, "sent_at");

        last_us = at_us > last_us ? at_us : last_us;
    }
    return last_us;
}

static void estimate_times(const cJSON *list, fact_t *call)
{
    for (const cJSON *node = list ? list->child : NULL; node; node = node->next) {
        int64_t at_us = json_iso8601(node, "sent_at");

        fact_time(call, CALL_STARTED_AT, RANK_INFERRED, at_us);
        fact_time(call, CALL_CONNECTED_AT, RANK_INFERRED, at_us);
        fact_time(call, CALL_ENDED_AT, RANK_INFERRED, at_us);
    }
}

static void evaluation(const delivery_t *d, fact_t *call, version_t v)
{
    const cJSON *node = json_at(d->root, "evaluation");
    double minutes;

    if (!cJSON_IsObject(node) || !node->child)
        return;
    fact_text(call, CALL_ANALYSIS, v, json_print(d->arena, node));
    fact_text(call, CALL_SENTIMENT, v, json_str(node, "user_sentiment"));
    if (json_double(node, "duration_minutes", &minutes) && minutes >= 0 && minutes < 1e6)
        fact_number(call, CALL_DURATION, v, (int64_t)(minutes * 60 + 0.5));
}

/* It gives no time of its own. The last line's is the same in every repetition, and later when there are more. */
bool beyond_presence_ended(delivery_t *d, err_t *err)
{
    const cJSON *list = json_at(d->root, "messages");
    int64_t clock_us = last_line(list);
    version_t v = version_of(RANK_EVENT, clock_us);
    const str_t key[] = {STR("report:"), d->call_id, STR(":"), json_hash(d->arena, d->root, is_name)};
    const transcript_t said = {
        .rank = RANK_REPORT, .list = list, .read = beyond_presence_line, .source = STR("report")};
    fact_t *call = beyond_presence_call(d, clock_us);

    (void)err; /* whatever is missing: the call is over */
    d->event_key = arena_concat(d->arena, key, COUNT(key));
    fact_ended(call, v, STR("completed"), STR_NONE);
    estimate_times(list, call);
    evaluation(d, call, v);
    transcript_facts(&said, d, call);
    return true;
}
