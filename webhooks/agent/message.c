/* message.c – what was said, as the agent has it in its own history (the contract is in agent.c).
 *
 * A message has an id, so that one posted as it was said and the same one in call.ended's list are one row; in the list
 * it may have changed (cut short when it was interrupted), so the list's word is the better one. The agent is in the
 * call: it knows what it said itself, and how far it came. Of what is heard live, its lines are the best. */
#include "agent/agent.h"

static const struct {
    const char *word;
    const char *role;
} ROLES[] = {
    {"user", "user"},    {"assistant", "assistant"}, {"agent", "assistant"},
    {"ai", "assistant"}, {"system", "system"},       {"developer", "system"},
};

static str_t role_of(const cJSON *item)
{
    str_t word = json_str(item, "role");

    for (size_t i = 0; i < COUNT(ROLES); i++)
        if (str_eq(word, str_from(ROLES[i].word)))
            return str_from(ROLES[i].role);
    return STR_NONE;
}

/* A text, or a list of them among images and sounds. */
static str_t content_of(const cJSON *item, arena_t *a)
{
    const cJSON *content = json_at(item, "content");
    buf_t all = BUF_EMPTY;
    str_t text;

    if (!cJSON_IsArray(content))
        return json_str(item, "content");
    for (const cJSON *part = content->child; part; part = part->next) {
        if (!cJSON_IsString(part))
            continue;
        if (all.len)
            buf_addc(&all, '\n');
        buf_add(&all, str_from(part->valuestring));
    }
    text = arena_dup(a, buf_str(&all));
    buf_clear(&all);
    return text;
}

/* What has no column of its own, together; absent when there is nothing. */
static str_t metadata_of(const cJSON *item, arena_t *a)
{
    static const char *const KEPT[] = {"language", "metrics", "metadata"};
    buf_t all = BUF_EMPTY;
    str_t text = STR_NONE;

    for (size_t i = 0; i < COUNT(KEPT); i++) {
        str_t value = json_print(a, json_at(item, KEPT[i]));

        if (!str_is_empty(value))
            buf_printf(&all, "%c\"%s\":" STR_FMT, all.len ? ',' : '{', KEPT[i], STR_ARG(value));
    }
    if (all.len) {
        buf_addc(&all, '}');
        text = arena_dup(a, buf_str(&all));
    }
    buf_clear(&all);
    return text;
}

static str_t id_of(const cJSON *item, arena_t *a)
{
    str_t id = json_str(item, "id");

    return str_is_empty(id) ? json_hash(a, item, NULL) : id;
}

/* A history holds calls of tools, too. */
static bool is_said(const cJSON *item)
{
    str_t type = json_str(item, "type");

    return str_is_empty(type) || str_eq(type, STR("message"));
}

/* One message, and where it stands in a list. beside: the object around the item, which may have its model and tokens.
 */
typedef struct said {
    const cJSON *item, *beside;
    int64_t spoken_us;
    int64_t position; /* -1: alone */
    rank_t rank;
} said_t;

static void number_it(fact_t *f, const said_t *s, version_t v)
{
    int64_t sequence;

    if (json_int(s->item, "sequence", &sequence))
        fact_number(f, MESSAGE_SEQUENCE, v, sequence);
    else if (s->spoken_us != TIME_NONE)
        fact_number(f, MESSAGE_SEQUENCE, v, s->spoken_us);
    else if (s->position >= 0)
        fact_number(f, MESSAGE_SEQUENCE, v, s->position);
}

static void model_and_tokens(fact_t *f, const said_t *s, version_t v)
{
    str_t model = json_str(s->item, "model");
    int64_t tokens;

    fact_text(f, MESSAGE_MODEL, v, str_is_empty(model) ? json_str(s->beside, "model") : model);
    if (agent_tokens(s->item, &tokens) || agent_tokens(s->beside, &tokens))
        fact_number(f, MESSAGE_TOKENS, v, tokens);
}

static void message_facts(const agent_event_t *e, const said_t *s)
{
    delivery_t *d = e->d;
    str_t role = role_of(s->item), content = content_of(s->item, d->arena);
    const str_t key[] = {STR("agent:"), id_of(s->item, d->arena)};
    version_t v = version_of(s->rank, 0);
    bool interrupted;
    fact_t *f;

    if (!is_said(s->item) || str_is_empty(role) || str_is_empty(content))
        return;
    f = fact_message(&d->facts, d->call_id, arena_concat(d->arena, key, COUNT(key)));
    fact_text(f, MESSAGE_SOURCE, v, STR("agent"));
    fact_text(f, MESSAGE_ROLE, v, role);
    fact_text(f, MESSAGE_CONTENT, v, content);
    fact_time(f, MESSAGE_SPOKEN_AT, s->rank, s->spoken_us);
    fact_time(f, MESSAGE_ENDED_AT, s->rank, agent_time(s->item, "ended_at"));
    fact_text(f, MESSAGE_AUDIO_URL, v, json_str(s->item, "audio_url"));
    fact_text(f, MESSAGE_METADATA, v, metadata_of(s->item, d->arena));
    if (json_bool(s->item, "interrupted", &interrupted))
        fact_bool(f, MESSAGE_INTERRUPTED, s->rank, interrupted);
    number_it(f, s, v);
    model_and_tokens(f, s, v);
    fact_text(e->fact, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_BRIDGED), STR("agent"));
}

/* NULL: there is none, in a body that has it beside its type. */
static const cJSON *item_of(const agent_event_t *e)
{
    static const char *const PLACES[] = {"item", "message"};

    for (size_t i = 0; i < COUNT(PLACES); i++)
        if (cJSON_IsObject(json_at(e->data, PLACES[i])))
            return json_at(e->data, PLACES[i]);
    return e->data == e->d->root ? NULL : e->data;
}

/* What was said by nobody we know, or is no text, is a line that is missing: NULL where nothing is wrong. */
static const char *unread(const cJSON *item)
{
    const cJSON *content = json_at(item, "content");

    if (!is_said(item))
        return NULL;
    if (str_is_empty(role_of(item)))
        return "expected user, assistant or system at role, as in every message";
    if (!cJSON_IsString(content) && !cJSON_IsArray(content))
        return "expected a text, or a list of them, at content, as in every message";
    return NULL;
}

void agent_message(agent_event_t *e)
{
    delivery_t *d = e->d;
    said_t s = {.item = item_of(e), .beside = e->data, .position = -1, .rank = RANK_EVENT};
    const str_t key[] = {STR("message:"), e->call, STR(":"), id_of(s.item, d->arena)};

    e->unread = unread(s.item);
    if (e->unread)
        return;
    s.spoken_us = agent_time(s.item, "created_at");
    if (s.spoken_us == TIME_NONE)
        s.spoken_us = d->occurred_us;
    d->occurred_us = s.spoken_us;
    d->event_key = arena_concat(d->arena, key, COUNT(key));
    if (e->is_ours) {
        fact_phase(e->fact, PHASE_ACTIVE);
        fact_time(e->fact, CALL_STARTED_AT, RANK_INFERRED, s.spoken_us);
        fact_time(e->fact, CALL_CONNECTED_AT, RANK_INFERRED, s.spoken_us);
    }
    message_facts(e, &s);
}

void agent_message_list(const agent_event_t *e, const cJSON *list)
{
    said_t s = {.rank = RANK_REPORT};

    for (s.item = cJSON_IsArray(list) ? list->child : NULL; s.item; s.item = s.item->next) {
        s.spoken_us = agent_time(s.item, "created_at");
        message_facts(e, &s);
        s.position++;
    }
}
