/* message.c – message: what was just said, sent while the call goes on.
 *
 * Source: docs.bey.dev/integrations/managed-agents/webhook-events, read 2026-11-21. A line has no id of its own: who
 * said it, when and what make one. The times of one line are written in more than one way (with and without a fraction,
 * Z or +00:00), so that its instant counts. When the call is over, the list of call_ended takes the place of these. */
#include "base/crypto.h"
#include "beyond_presence/beyond_presence.h"

#include <inttypes.h>

/* Webhooks say agent, the API says ai. A sender that is not here is nobody we know: better a dead letter, which
 * somebody sees, than a line that is missing. (In the list of call_ended it is left out; the list is kept.) */
static const struct {
    const char *sender;
    const char *role;
} ROLES[] = {
    {"user", "user"}, {"agent", "assistant"}, {"ai", "assistant"}, {"assistant", "assistant"}, {"bot", "assistant"},
};

static str_t role_of(str_t sender)
{
    for (size_t i = 0; i < COUNT(ROLES); i++)
        if (str_eq(sender, str_from(ROLES[i].sender)))
            return str_from(ROLES[i].role);
    return STR_NONE;
}

line_t beyond_presence_line(const cJSON *message, const void *unused)
{
    (void)unused;
    return (line_t){.role = role_of(json_str(message, "sender")),
                    .text = json_str(message, "message"),
                    .spoken_us = json_iso8601(message, "sent_at"),
                    .ended_us = TIME_NONE};
}

static str_t hash_of(const line_t *line, arena_t *a)
{
    int64_t at_us = line->spoken_us == TIME_NONE ? 0 : line->spoken_us;
    uint8_t hash[32];
    char hex[32];

    sha256(arena_printf(a, STR_FMT "\n%" PRId64 "\n" STR_FMT, STR_ARG(line->role), at_us, STR_ARG(line->text)), hash);
    return arena_dup(a, (str_t){hex, hex_encode(hash, 16, hex)});
}

static void line_facts(delivery_t *d, fact_t *call, const line_t *line, str_t hash)
{
    version_t live = version_of(RANK_EVENT, 0);
    const str_t key[] = {STR("live:"), hash};
    fact_t *f = fact_message(&d->facts, d->call_id, arena_concat(d->arena, key, COUNT(key)));

    fact_text(f, MESSAGE_SOURCE, live, STR("live"));
    fact_text(f, MESSAGE_ROLE, live, line->role);
    fact_text(f, MESSAGE_CONTENT, live, line->text);
    if (line->spoken_us != TIME_NONE)
        fact_number(f, MESSAGE_SEQUENCE, live, line->spoken_us);
    fact_time(f, MESSAGE_SPOKEN_AT, RANK_EVENT, line->spoken_us);
    fact_text(call, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_LINES), STR("live"));
}

static void message_facts(delivery_t *d, const line_t *line)
{
    str_t hash = hash_of(line, d->arena);
    const str_t key[] = {STR("message:"), d->call_id, STR(":"), hash};
    fact_t *call = beyond_presence_call(d, line->spoken_us);

    d->event_key = arena_concat(d->arena, key, COUNT(key));
    d->occurred_us = line->spoken_us;
    fact_time(call, CALL_STARTED_AT, RANK_INFERRED, line->spoken_us);
    fact_time(call, CALL_CONNECTED_AT, RANK_INFERRED, line->spoken_us);
    if (!str_is_empty(line->text))
        line_facts(d, call, line, hash);
}

bool beyond_presence_message(delivery_t *d, err_t *err)
{
    const cJSON *message = json_at(d->root, "message");
    line_t line = beyond_presence_line(message, NULL);

    if (!cJSON_IsString(json_at(message, "message")))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at message.message, as in every message");
    if (str_is_empty(line.role))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected user, agent, ai, assistant or bot at message.sender");
    message_facts(d, &line);
    return true;
}
