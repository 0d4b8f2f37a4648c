/* protojson.c – how protobuf's JSON writes things.
 *
 * Source: protobuf.dev/programming-guides/json, read 2026-11-21. What has its zero value is left out, so the first name
 * of an enum stands for one that is missing; a value that the sender has no name for is a number; whole numbers of 64
 * bits are texts, for which json_int and its like see to themselves. */
#include "livekit/livekit.h"

#define NS_PER_US 1000

str_t livekit_enum_name(const cJSON *message, const char *field, const livekit_enum_t *values)
{
    const cJSON *node = json_at(message, field);

    if (!message)
        return STR_NONE;
    if (!node || cJSON_IsNull(node))
        return str_from(values->names[0]);
    if (cJSON_IsNumber(node) && node->valuedouble >= 0 && node->valuedouble < (double)values->count)
        return str_from(values->names[(size_t)node->valuedouble]);
    return json_str(node, "");
}

int64_t livekit_time_of_ns(const cJSON *message, const char *field)
{
    int64_t ns;

    return json_int(message, field, &ns) && ns > 0 ? ns / NS_PER_US : TIME_NONE;
}

/* Metadata is free text. What is no object or list is of no use to who looks for a key in it. */
str_t livekit_json_text(arena_t *a, str_t text)
{
    str_t safe;
    err_t why;

    text = str_trim(text);
    if (str_is_empty(text) || (text.base[0] != '{' && text.base[0] != '['))
        return STR_NONE;
    return json_clean(a, text, (json_redact_t){NULL}, &safe, &why) ? safe : STR_NONE;
}
