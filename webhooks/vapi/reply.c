/* reply.c – what a server message that asks something is answered.
 *
 * Until answers can be configured, each is the refusal that Vapi handles well: a sentence that the caller hears, or an
 * error that the model reads. Always with status 200: the agent ignores the body of any other.
 * Source: docs.vapi.ai/server-url/events and docs.vapi.ai/tools/custom-tools, read 2026-11-21. */
#include "vapi/vapi.h"

static const cJSON *tool_name(const cJSON *call)
{
    const cJSON *name = json_at(call, "function.name");

    return name ? name : json_at(call, "name");
}

/* One result for every call, named by its id; result and error must be text without line breaks. */
str_t vapi_answer_tool_calls(const cJSON *message, arena_t *a)
{
    const cJSON *list = json_at(message, "toolCallList");
    buf_t out = BUF_EMPTY;
    str_t text;

    buf_add(&out, STR("{\"results\":["));
    for (const cJSON *call = list ? list->child : NULL; call; call = call->next) {
        const cJSON *name = tool_name(call);

        if (call != list->child)
            buf_addc(&out, ',');
        buf_add(&out, STR("{\"toolCallId\":"));
        json_escape(&out, json_str(call, "id"));
        if (cJSON_IsString(name)) {
            buf_add(&out, STR(",\"name\":"));
            json_escape(&out, str_from(name->valuestring));
        }
        buf_add(&out, STR(",\"error\":\"This server has no such tool.\"}"));
    }
    buf_add(&out, STR("]}"));
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}
