/* api.c – a call, and what was said on it, as Beyond Presence's API has them.
 *
 * Source: docs.bey.dev/api-reference/agent-conversations and the OpenAPI document at docs.bey.dev/openapi.json, read
 * 2026-11-21. The times of a call stand in its status; in older answers beside its id (github.com/bey-dev/bey-examples,
 * e2e-agent/fetch_calls.py; the SDKs bey-python and bey-typescript), where nothing else says how far it is. There is no
 * evaluation, so that a webhook's stays. What the API knows is a call: it is confirmed. */
#include "beyond_presence/beyond_presence.h"

static const struct {
    const char *word;
    call_phase_t phase;
} WORDS[] = {{"to_start", PHASE_PENDING}, {"ongoing", PHASE_ACTIVE}, {"completed", PHASE_ENDED}};

static int64_t time_at(const cJSON *call, const char *path, const char *older)
{
    int64_t at_us = json_iso8601(call, path);

    return at_us == TIME_NONE ? json_iso8601(call, older) : at_us;
}

beyond_presence_course_t beyond_presence_course_of(const cJSON *call)
{
    beyond_presence_course_t c = {.word = json_str(call, "status.type"),
                                  .started_us = time_at(call, "status.started_at", "started_at"),
                                  .ended_us = time_at(call, "status.ended_at", "ended_at")};

    c.phase = c.ended_us != TIME_NONE ? PHASE_ENDED : c.started_us != TIME_NONE ? PHASE_ACTIVE : PHASE_PENDING;
    for (size_t i = 0; i < COUNT(WORDS); i++)
        if (str_eq(c.word, str_from(WORDS[i].word)))
            c.phase = WORDS[i].phase;
    if (str_is_empty(c.word))
        c.word = str_from(WORDS[c.phase].word);
    return c;
}

static int64_t latest(const beyond_presence_course_t *c)
{
    return c->ended_us == TIME_NONE ? c->started_us : c->ended_us;
}

static void about(const delivery_t *d, fact_t *call, version_t v)
{
    const cJSON *tags = json_at(d->root, "tags");

    fact_text(call, CALL_AGENT_ID, v, json_str(d->root, "agent_id"));
    fact_text(call, CALL_CUSTOMER_NAME, v, json_str(d->root, "user_name"));
    fact_text(call, CALL_CUSTOMER_EMAIL, v, json_str(d->root, "user_email"));
    if (cJSON_IsObject(tags) && tags->child)
        fact_text(call, CALL_METADATA, v, json_print(d->arena, tags));
}

static void course(fact_t *call, const beyond_presence_course_t *c, version_t v)
{
    fact_phase(call, c->phase);
    fact_time(call, CALL_STARTED_AT, RANK_REPORT, c->started_us);
    fact_time(call, CALL_CONNECTED_AT, RANK_REPORT, c->started_us);
    fact_time(call, CALL_ENDED_AT, RANK_REPORT, c->ended_us);
    if (c->phase != PHASE_PENDING)
        fact_bool(call, CALL_AI_AGENT_USED, RANK_REPORT, true);
    if (c->phase == PHASE_ENDED)
        fact_ended(call, v, STR("completed"), STR_NONE);
}

static str_t key_of(const delivery_t *d, const char *what)
{
    const str_t parts[] = {str_from(what), STR(":"), d->call_id, STR(":api:"), json_hash(d->arena, d->root, NULL)};

    return arena_concat(d->arena, parts, COUNT(parts));
}

/* Its own times are the only clock: the later ones are of the later state. */
bool beyond_presence_api_call(delivery_t *d, err_t *err)
{
    beyond_presence_course_t c = beyond_presence_course_of(d->root);
    version_t v = version_of(RANK_REPORT, latest(&c));
    fact_t *call;

    d->event_type = STR("call");
    d->call_id = json_str(d->root, "id");
    if (str_is_empty(d->call_id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at id, as in every call of the API");
    d->status = c.word;
    d->occurred_us = latest(&c);
    d->event_key = key_of(d, "call");
    call = fact_call(&d->facts, d->call_id);
    fact_bool(call, CALL_CONFIRMED, RANK_REPORT, true);
    about(d, call, v);
    course(call, &c, v);
    return true;
}

/* The list of call_ended is the same transcript: the longer of the two is shown. */
bool beyond_presence_api_messages(delivery_t *d, err_t *err)
{
    const transcript_t said = {.rank = RANK_REPORT,
                               .list = json_at(d->root, "messages"),
                               .read = beyond_presence_line,
                               .source = STR("report")};
    fact_t *call;

    d->event_type = STR("messages");
    d->call_id = json_str(d->root, "call_id");
    if (str_is_empty(d->call_id) || !cJSON_IsArray(said.list))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at call_id, and an array at messages");
    d->event_key = key_of(d, "messages");
    call = fact_call(&d->facts, d->call_id);
    fact_phase(call, PHASE_ACTIVE);
    fact_bool(call, CALL_CONFIRMED, RANK_REPORT, true);
    transcript_facts(&said, d, call);
    return true;
}
