/* spoken.c – what is said on a media stream that an agent of ours answers, while it is said.
 *
 * It comes from src/media, as JSON like all that is heard on a stream (stream.c). What is known of an utterance grows:
 * its words, that it was cut short, what it cost. Each delivery about it has a revision, and the newest that says
 * something counts, in whatever order they come; its state is part of the event's name.
 *
 * Tokens are counted at utterances; a response without one has a row of its own, of the system, without words. */
#include "twilio/twilio.h"

#define SOURCE STR("bridge")

/* A revision, as a clock. Of JSON the last 20 bits are no clock: see json_version in fact.c. */
#define REVISION_BITS 20

static int64_t number_at(const twilio_request_t *r, const char *name, int64_t least, int64_t otherwise)
{
    int64_t n;

    return json_int(r->d->root, name, &n) && n >= least && n <= INT32_MAX ? n : otherwise;
}

static str_t text_at(const twilio_request_t *r, const char *name)
{
    return json_str(r->d->root, name);
}

static version_t version_of_revision(const twilio_request_t *r)
{
    return version_of(RANK_EVENT, number_at(r, "Revision", 0, 0) << REVISION_BITS);
}

/* "speech:object:state": what happened, the same however often it is told. */
static void set_key(const twilio_request_t *r, str_t object, str_t state)
{
    const str_t parts[] = {text_at(r, "Speech"), STR(":"), object, STR(":"), state};

    r->d->event_key = arena_concat(r->d->arena, parts, COUNT(parts));
}

/* Nothing is lost over it, but somebody should know. Named by content, or one would stand for all. */
static void bury(twilio_request_t *r, const char *why)
{
    const str_t parts[] = {r->d->event_key, STR(":"), twilio_hash(r)};

    r->d->event_key = arena_concat(r->d->arena, parts, COUNT(parts));
    r->unread = why;
}

static bool lacks(const twilio_request_t *r, const char *id)
{
    return !r->call || str_is_empty(text_at(r, "Speech")) || str_is_empty(text_at(r, id));
}

/* What utterances and responses have in common. */
static fact_t *message(const twilio_request_t *r, str_t key, str_t role)
{
    const cJSON *details = json_at(r->d->root, "Details");
    version_t v = version_of_revision(r);
    fact_t *f = fact_message(&r->d->facts, r->d->call_id, key);
    int64_t position = number_at(r, "Position", 0, -1), tokens = number_at(r, "Tokens", 0, -1);

    fact_text(f, MESSAGE_SOURCE, v, SOURCE);
    fact_text(f, MESSAGE_ROLE, v, role);
    fact_text(f, MESSAGE_MODEL, v, text_at(r, "Model"));
    if (position >= 0)
        fact_number(f, MESSAGE_SEQUENCE, v, position);
    if (tokens >= 0)
        fact_number(f, MESSAGE_TOKENS, v, tokens);
    if (cJSON_IsObject(details))
        fact_text(f, MESSAGE_METADATA, v, json_print(r->d->arena, details));
    return f;
}

static void add_time(const twilio_request_t *r, fact_t *f, int column, const char *name)
{
    int64_t us = json_iso8601(r->d->root, name);

    if (us != TIME_NONE)
        fact_number(f, column, version_of_revision(r), us);
}

static void utterance_facts(const twilio_request_t *r, str_t key)
{
    fact_t *f = message(r, key, text_at(r, "Role"));
    bool interrupted;

    fact_text(f, MESSAGE_CONTENT, version_of_revision(r), text_at(r, "Text"));
    add_time(r, f, MESSAGE_SPOKEN_AT, "StartedAt");
    add_time(r, f, MESSAGE_ENDED_AT, "EndedAt");
    if (json_bool(r->d->root, "Interrupted", &interrupted))
        fact_bool(f, MESSAGE_INTERRUPTED, RANK_EVENT, interrupted);
    fact_text(r->call, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_BRIDGED), SOURCE);
}

static bool is_speaker(str_t role)
{
    return str_eq(role, STR("user")) || str_eq(role, STR("assistant"));
}

void twilio_utterance(twilio_request_t *r)
{
    int64_t part = number_at(r, "ContentIndex", 0, 0);
    str_t key;

    if (lacks(r, "ItemId") || str_is_empty(text_at(r, "State"))) {
        bury(r, "an utterance must have CallSid, Speech, ItemId and State");
        return;
    }
    if (!is_speaker(text_at(r, "Role"))) {
        bury(r, "Role: expected user or assistant");
        return;
    }
    key = arena_printf(r->d->arena, STR_FMT ":%lld", STR_ARG(text_at(r, "ItemId")), (long long)part);
    set_key(r, key, text_at(r, "State"));
    utterance_facts(r, key);
}

/* It is no line of the conversation, and does not say whose lines are. */
void twilio_response(twilio_request_t *r)
{
    if (lacks(r, "ResponseId")) {
        bury(r, "a response must have CallSid, Speech and ResponseId");
        return;
    }
    set_key(r, text_at(r, "ResponseId"), STR("counted"));
    (void)message(r, text_at(r, "ResponseId"), STR("system"));
}

void twilio_bridge_started(twilio_request_t *r)
{
    if (lacks(r, "SessionId")) {
        bury(r, "the begin of a bridge must have CallSid, Speech and SessionId");
        return;
    }
    set_key(r, text_at(r, "SessionId"), STR("started"));
    twilio_connected(r);
    fact_bool(r->call, CALL_AI_AGENT_USED, RANK_EVENT, true);
    fact_text(r->call, CALL_AGENT_ID, r->version, text_at(r, "AgentId"));
    fact_text(r->call, CALL_AGENT_NAME, r->version, text_at(r, "AgentName"));
}
