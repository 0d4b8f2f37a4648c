/* conversation.c – the lines of a conversation as Vapi keeps them: all of them at once, again and again.
 *
 * A report brings them when the call is over; conversation-update (and requests that ask for an answer to what was
 * said) each bring the whole history so far. Both are sets, taken whole or not at all, the longest first, so that what
 * comes late or twice changes nothing.
 *
 * Source: schemas ServerMessageConversationUpdate, UserMessage, BotMessage … of Vapi's OpenAPI document, read
 * 2026-11-21. */
#include "transcript.h"
#include "vapi/vapi.h"

/* The same lines, in Vapi's own form (with times) and in that of OpenAI; what a message brings itself comes first. */
static const cJSON *find_list(const vapi_message_t *m)
{
    static const char *const PATHS[] = {"messages", "artifact.messages", "messagesOpenAIFormatted",
                                        "artifact.messagesOpenAIFormatted"};
    const cJSON *const places[] = {m->root, m->call};

    for (size_t i = 0; i < COUNT(places) * COUNT(PATHS); i++) {
        const cJSON *list = json_at(places[i / COUNT(PATHS)], PATHS[i % COUNT(PATHS)]);

        if (cJSON_IsArray(list) && list->child)
            return list;
    }
    return NULL;
}

static const struct {
    const char *word;
    const char *role;
} ROLES[] = {{"user", "user"}, {"assistant", "assistant"}, {"bot", "assistant"}};

str_t vapi_role(str_t role)
{
    for (size_t i = 0; i < COUNT(ROLES); i++)
        if (str_eq(role, str_from(ROLES[i].word)))
            return str_from(ROLES[i].role);
    return STR_NONE;
}

str_t vapi_line_metadata(const cJSON *line, arena_t *a)
{
    static const char *const KEYS[] = {"assistantId", "assistantName", "speakerLabel", "isFiltered", "detectedThreats"};
    buf_t object = BUF_EMPTY;

    for (size_t i = 0; i < COUNT(KEYS); i++)
        vapi_add_member(&object, a, KEYS[i], json_at(line, KEYS[i]));
    return vapi_close_object(&object, a);
}

/* A line of the conversation, or not one: the first entry is the system prompt, and a tool's call and its result are
 * the assistant's work, not its words. They stay in the stored payload. */
static line_t read_line(const cJSON *node, const void *ctx)
{
    const vapi_message_t *m = ctx;
    line_t line = {.role = vapi_role(json_str(node, "role")),
                   .text = json_str(node, "message"),
                   .spoken_us = json_time_ms(node, "time"),
                   .ended_us = json_time_ms(node, "endTime"),
                   .metadata = vapi_line_metadata(node, m->d->arena)};

    if (str_is_empty(line.text))
        line.text = json_str(node, "content");
    return line;
}

/* Of what is heard during the call, "update" wins over "live": each update holds what a lost line would have told. */
void vapi_lines(const vapi_message_t *m, str_t source)
{
    const transcript_t said = {.rank = m->rank, .list = find_list(m), .read = read_line, .ctx = m, .source = source};

    transcript_facts(&said, m->d, m->fact);
}

void vapi_conversation_so_far(vapi_message_t *m)
{
    vapi_read_call(m, RANK_EVENT);
    if (m->fact)
        vapi_lines(m, STR("update"));
}
