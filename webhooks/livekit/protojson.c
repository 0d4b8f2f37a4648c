/* protojson.c – how protobuf's JSON writes things.
 *
 * Source: protobuf.dev/programming-guides/json, read 2026-11-21. What has its zero value is left out, so the first name
 * of an enum stands for one that is missing; a value that the sender has no name for is a number; whole numbers of 64
 * bits are texts, for which json_int and its like see to themselves.
 *
 * The server API writes keys in snake_case, and every field (github.com/twitchtv/twirp, the JSON of generated servers,
 * read 2026-11-21). What reads a webhook reads that too, once it is written as one. */
#include "livekit/livekit.h"

#include <string.h>

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

/* ---- the server API's form ---- */

/* Whole numbers of 64 bits, which are texts. */
static const char *const WHOLE[] = {"creation_time", "creation_time_ms", "joined_at", "joined_at_ms", "started_at",
                                    "ended_at",      "updated_at",       "duration",  "size",         "segment_count"};

static bool is_zero_text(const cJSON *node)
{
    if (!node->valuestring[0])
        return true;
    for (size_t i = 0; i < COUNT(WHOLE); i++)
        if (node->string && strcmp(node->string, WHOLE[i]) == 0)
            return strcmp(node->valuestring, "0") == 0;
    return false;
}

static bool is_zero(const cJSON *node)
{
    if (cJSON_IsString(node))
        return is_zero_text(node);
    if (cJSON_IsNumber(node))
        return node->valuedouble == 0;
    return cJSON_IsNull(node) || cJSON_IsFalse(node) || (cJSON_IsArray(node) && !node->child);
}

/* file_results: fileResults */
static char *lower_camel(arena_t *a, const char *name)
{
    char *camel = arena_alloc(a, strlen(name) + 1), *to = camel;

    for (const char *c = name; *c; c++) {
        bool begins = *c == '_' && c[1] >= 'a' && c[1] <= 'z' && c > name;

        *to++ = begins ? (char)(*++c - 'a' + 'A') : *c;
    }
    *to = '\0';
    return camel;
}

static cJSON *convert(arena_t *a, const cJSON *node);

static void convert_children(arena_t *a, const cJSON *from, cJSON *to)
{
    cJSON *last = NULL;

    to->child = NULL;
    for (const cJSON *child = from->child; child; child = child->next) {
        cJSON *copy;

        if (child->string && is_zero(child))
            continue;
        copy = convert(a, child);
        copy->prev = last;
        copy->next = NULL;
        if (last)
            last->next = copy;
        else
            to->child = copy;
        last = copy;
    }
    if (to->child)
        to->child->prev = last;
}

/* The keys of attributes are whoever set them's. */
static cJSON *convert(arena_t *a, const cJSON *node)
{
    cJSON *copy = arena_alloc(a, sizeof(*copy));

    *copy = *node;
    if (node->string)
        copy->string = lower_camel(a, node->string);
    if (!node->string || strcmp(node->string, "attributes") != 0)
        convert_children(a, node, copy);
    return copy;
}

cJSON *livekit_as_event(arena_t *a, const cJSON *message)
{
    return convert(a, message);
}
