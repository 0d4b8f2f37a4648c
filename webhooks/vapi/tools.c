/* tools.c – tool-calls: which calls a message asks for, and the answer.
 *
 * Source: schemas ServerMessageToolCalls and ServerMessageResponseToolCalls of Vapi's OpenAPI document,
 * docs.vapi.ai/tools/custom-tools and docs.vapi.ai/server-url/events, read 2026-11-21. They do not agree on the shape
 * of a call, nor does what is sent: {id, function: {name, arguments}}, {id, name, arguments}, {id, name, parameters},
 * and a tool's definition with the call in it. All are read. */
#include "vapi/vapi.h"

/* The same calls may stand in three lists. */
static const cJSON *first_call(const cJSON *message)
{
    static const char *const LISTS[] = {"toolCallList", "toolCalls", "toolWithToolCallList"};
    const cJSON *call = NULL;

    for (size_t i = 0; i < COUNT(LISTS) && !call; i++) {
        const cJSON *list = json_at(message, LISTS[i]);

        call = cJSON_IsArray(list) ? list->child : NULL;
    }
    return call;
}

static str_t call_text(const cJSON *call, const char *path)
{
    const cJSON *nested = json_at(call, "toolCall");

    return json_str(nested ? nested : call, path);
}

static str_t call_name(const cJSON *call)
{
    str_t name = call_text(call, "function.name");

    return str_is_empty(name) ? call_text(call, "name") : name;
}

/* "tool-calls:CALL:ID,ID": the model asks once for all of them, and a repetition has the same ids. */
void vapi_tool_calls(vapi_message_t *m)
{
    buf_t key = BUF_EMPTY;
    bool all = !str_is_empty(m->d->call_id);

    vapi_read_call(m, RANK_EVENT);
    buf_printf(&key, "tool-calls:" STR_FMT, STR_ARG(m->d->call_id));
    for (const cJSON *first = first_call(m->root), *call = first; call; call = call->next) {
        str_t id = call_text(call, "id");

        buf_addc(&key, call == first ? ':' : ',');
        buf_add(&key, id);
        all = all && !str_is_empty(id);
    }
    if (all && first_call(m->root))
        m->d->event_key = arena_dup(m->d->arena, buf_str(&key));
    buf_clear(&key);
}

/* One result for every call, named by its id; result and error must be text without line breaks. */
str_t vapi_answer_tool_calls(const cJSON *message, arena_t *a)
{
    const cJSON *first = first_call(message);
    buf_t out = BUF_EMPTY;
    str_t text;

    buf_add(&out, STR("{\"results\":["));
    for (const cJSON *call = first; call; call = call->next) {
        if (call != first)
            buf_addc(&out, ',');
        buf_add(&out, STR("{\"toolCallId\":"));
        json_escape(&out, call_text(call, "id"));
        buf_add(&out, STR(",\"name\":"));
        json_escape(&out, call_name(call));
        buf_add(&out, STR(",\"error\":\"This server has no such tool.\"}"));
    }
    buf_add(&out, STR("]}"));
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}
