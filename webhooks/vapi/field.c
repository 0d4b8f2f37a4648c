/* field.c – reading a message whose fields may stand in two places, and making small objects of them. */
#include "vapi/vapi.h"

static bool says_something(const cJSON *node)
{
    if (cJSON_IsString(node))
        return node->valuestring[0] != '\0';
    if (cJSON_IsObject(node) || cJSON_IsArray(node))
        return node->child != NULL;
    return node && !cJSON_IsNull(node);
}

/* A report repeats its call's fields one level up, and there they are fuller: the nested artifact and analysis may be
 * empty objects. */
const cJSON *vapi_node(const vapi_message_t *m, const char *path)
{
    const cJSON *node = json_at(m->root, path);

    if (!says_something(node))
        node = json_at(m->call, path);
    return says_something(node) ? node : NULL;
}

str_t vapi_text(const vapi_message_t *m, const char *path)
{
    return json_str(vapi_node(m, path), "");
}

int64_t vapi_time(const vapi_message_t *m, const char *path)
{
    return time_from_iso8601(vapi_text(m, path));
}

void vapi_add_member(buf_t *object, arena_t *a, const char *name, const cJSON *node)
{
    if (!says_something(node))
        return;
    buf_addc(object, object->len ? ',' : '{');
    json_escape(object, str_from(name));
    buf_addc(object, ':');
    buf_add(object, json_print(a, node));
}

str_t vapi_close_object(buf_t *object, arena_t *a)
{
    str_t text = STR_NONE;

    if (object->len) {
        buf_addc(object, '}');
        text = arena_dup(a, buf_str(object));
    }
    buf_clear(object);
    return text;
}
