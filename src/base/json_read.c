#include "base/crypto.h"
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_init(void)
{
    cJSON_Hooks hooks = {arena_current_alloc, arena_current_free};

    cJSON_InitHooks(&hooks);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

cJSON *json_parse(arena_t *a, str_t text, err_t *err)
{
    const char *stopped = text.base, *end = text.base;
    cJSON *root = NULL;

    if (text.len)
        end += text.len;
    /* cJSON before 1.7.18 reads one byte too many after a comma at the very end (CVE-2023-53154). */
    if (text.len && end[-1] != ',') {
        arena_set_current(a);
        root = cJSON_ParseWithLengthOpts(text.base, text.len, &stopped, false);
        arena_set_current(NULL);
    }
    while (root && stopped < end && is_blank(*stopped))
        stopped++;
    if (root && stopped == end)
        return root;
    (void)err_set(err, ERR_UNPARSABLE, "JSON: cannot be read at byte %zu of %zu", (size_t)(stopped - text.base),
                  text.len);
    return NULL;
}

/* ---- typed reading ---- */

/* jsonb keeps the last of several equal keys, and a replay reads from there: so the last counts here too. */
static const cJSON *child_named(const cJSON *object, str_t name)
{
    const cJSON *found = NULL;

    for (const cJSON *child = object->child; child; child = child->next)
        if (child->string && child->string[0] == (name.len ? name.base[0] : '\0') && /* most differ there already */
            strncmp(child->string, name.base, name.len) == 0 && child->string[name.len] == '\0')
            found = child;
    return found;
}

static const cJSON *child_at(const cJSON *array, str_t index)
{
    const cJSON *child = array->child;
    int64_t i;

    if (!str_to_int(index, &i) || i < 0)
        return NULL;
    while (child && i--)
        child = child->next;
    return child;
}

const cJSON *json_at(const cJSON *root, const char *path)
{
    str_t rest = *path ? str_from(path) : STR_NONE, step;

    while (root && str_split(&rest, '.', &step)) {
        if (cJSON_IsObject(root))
            root = child_named(root, step);
        else
            root = cJSON_IsArray(root) ? child_at(root, step) : NULL;
    }
    return root;
}

static str_t text_of(const cJSON *node)
{
    return cJSON_IsString(node) ? str_from(node->valuestring) : STR_NONE;
}

str_t json_str(const cJSON *root, const char *path)
{
    str_t s = text_of(json_at(root, path));

    return s.len ? s : STR_NONE;
}

#define TWO_TO_53 9007199254740992.0
#define TWO_TO_63 9223372036854775808.0

static bool is_whole(double d)
{
    return d >= -TWO_TO_63 && d < TWO_TO_63 && (double)(int64_t)d == d;
}

bool json_int(const cJSON *root, const char *path, int64_t *out)
{
    const cJSON *node = json_at(root, path);

    if (!cJSON_IsNumber(node))
        return str_to_int(text_of(node), out);
    if (!is_whole(node->valuedouble))
        return false;
    *out = (int64_t)node->valuedouble;
    return true;
}

/* strtod alone would also take blanks, "inf", "nan" and hexadecimal. */
static bool text_to_double(str_t s, double *out)
{
    char *end;

    if (!s.len || strspn(s.base, "+-0123456789.eE") != s.len)
        return false;
    *out = strtod(s.base, &end);
    return *end == '\0' && isfinite(*out);
}

bool json_double(const cJSON *root, const char *path, double *out)
{
    const cJSON *node = json_at(root, path);

    if (!cJSON_IsNumber(node))
        return text_to_double(text_of(node), out);
    if (!isfinite(node->valuedouble))
        return false;
    *out = node->valuedouble;
    return true;
}

bool json_bool(const cJSON *root, const char *path, bool *out)
{
    const cJSON *node = json_at(root, path);
    str_t s = text_of(node);

    if (!cJSON_IsBool(node) && !str_eq(s, STR("true")) && !str_eq(s, STR("false")))
        return false;
    *out = cJSON_IsTrue(node) || str_eq(s, STR("true"));
    return true;
}

int64_t json_iso8601(const cJSON *root, const char *path)
{
    return time_from_iso8601(text_of(json_at(root, path)));
}

/* 0 is how protobuf, and others, write a time that is not known. */
static int64_t known(int64_t us)
{
    return us ? us : TIME_NONE;
}

int64_t json_time_ms(const cJSON *root, const char *path)
{
    double ms;

    return json_double(root, path, &ms) ? known(time_from_ms(ms)) : TIME_NONE;
}

int64_t json_time_s(const cJSON *root, const char *path)
{
    int64_t whole;
    double s;

    if (json_int(root, path, &whole))
        return known(time_from_seconds(whole));
    return json_double(root, path, &s) ? known(time_from_ms(s * 1000)) : TIME_NONE;
}

/* ---- writing ---- */

void json_escape(buf_t *out, str_t s)
{
    static const char names[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const char *at = s.base, *end = s.len ? s.base + s.len : s.base;

    buf_reserve(out, s.len + 2);
    buf_addc(out, '"');
    while (at < end) {
        const char *from = at, *name;
        size_t len = 1;
        at = utf8_skip_plain(at, end);
        buf_append(out, from, (size_t)(at - from));
        if (at == end)
            break;
        if (*at == '\0' || !utf8_step(at, end, &len))
            buf_add(out, UTF8_REPLACEMENT);
        else if (len > 1)
            buf_append(out, at, len);
        else if ((name = strchr(names, *at)))
            buf_append(out, (const char[]){'\\', name[1]}, 2);
        else
            buf_printf(out, "\\u%04x", (unsigned)*at);
        at += len;
    }
    buf_addc(out, '"');
}

typedef struct writer {
    buf_t out;
    arena_t *arena;
    bool canonical;
    json_skip_fn skip;
} writer_t;

static void write_node(writer_t *w, const cJSON *node);

static void write_integer(writer_t *w, int64_t value)
{
    char text[24], *end = text + sizeof(text), *at = end;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    buf_append(&w->out, at, (size_t)(end - at));
}

/* The hash of this text is stored for ever, so it is not left to the version of cJSON: those differ in how they write
 * large whole numbers. */
static void write_number(writer_t *w, double d)
{
    char text[32];
    int len;

    if (!isfinite(d)) {
        buf_add(&w->out, STR("null"));
        return;
    }
    if (is_whole(d) && d > -TWO_TO_53 && d < TWO_TO_53) {
        write_integer(w, (int64_t)d);
        return;
    }
    len = snprintf(text, sizeof(text), "%.15g", d);
    if (strtod(text, NULL) != d)
        len = snprintf(text, sizeof(text), "%.17g", d);
    buf_append(&w->out, text, (size_t)len);
}

static void write_member(writer_t *w, const cJSON *member, bool first)
{
    if (!first)
        buf_addc(&w->out, ',');
    json_escape(&w->out, str_from(member->string));
    buf_addc(&w->out, ':');
    write_node(w, member);
}

typedef struct sorted {
    const cJSON *member;
    size_t at;
} sorted_t;

static int by_key(const void *a, const void *b)
{
    const sorted_t *x = a, *y = b;
    int order = strcmp(x->member->string, y->member->string);

    return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* Most objects are small: no call for them, and none of qsort's allocations. */
static void sort_members(sorted_t *members, size_t count)
{
    if (count > 32) {
        qsort(members, count, sizeof(*members), by_key);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        sorted_t moving = members[i];
        size_t to = i;

        for (; to && by_key(&members[to - 1], &moving) > 0; to--)
            members[to] = members[to - 1];
        members[to] = moving;
    }
}

static void write_sorted(writer_t *w, const cJSON *object)
{
    size_t count = 0, i = 0;
    bool first = true;
    sorted_t *members;

    for (const cJSON *child = object->child; child; child = child->next)
        count++;
    members = arena_alloc(w->arena, count * sizeof(*members));
    for (const cJSON *child = object->child; child; child = child->next, i++)
        members[i] = (sorted_t){child, i};
    sort_members(members, count);
    for (i = 0; i < count; i++) {
        const char *key = members[i].member->string;
        if ((w->skip && w->skip(str_from(key))) ||
            (i + 1 < count && strcmp(key, members[i + 1].member->string) == 0)) /* the last counts, as in json_at */
            continue;
        write_member(w, members[i].member, first);
        first = false;
    }
}

static void write_object(writer_t *w, const cJSON *object)
{
    buf_addc(&w->out, '{');
    if (w->canonical)
        write_sorted(w, object);
    else
        for (const cJSON *child = object->child; child; child = child->next)
            write_member(w, child, child == object->child);
    buf_addc(&w->out, '}');
}

static void write_array(writer_t *w, const cJSON *array)
{
    buf_addc(&w->out, '[');
    for (const cJSON *child = array->child; child; child = child->next) {
        if (child != array->child)
            buf_addc(&w->out, ',');
        write_node(w, child);
    }
    buf_addc(&w->out, ']');
}

static void write_node(writer_t *w, const cJSON *node)
{
    switch (node->type & 0xff) {
    case cJSON_Object:
        write_object(w, node);
        break;
    case cJSON_Array:
        write_array(w, node);
        break;
    case cJSON_String:
        json_escape(&w->out, str_from(node->valuestring));
        break;
    case cJSON_Number:
        write_number(w, node->valuedouble);
        break;
    case cJSON_True:
        buf_add(&w->out, STR("true"));
        break;
    case cJSON_False:
        buf_add(&w->out, STR("false"));
        break;
    case cJSON_Raw:
        buf_add(&w->out, str_from(node->valuestring));
        break;
    default:
        buf_add(&w->out, STR("null"));
    }
}

str_t json_print(arena_t *a, const cJSON *node)
{
    writer_t w = {.arena = a};
    str_t text;

    if (!node)
        return STR_NONE;
    write_node(&w, node);
    text = arena_dup(a, buf_str(&w.out));
    buf_clear(&w.out);
    return text;
}

str_t json_hash(arena_t *a, const cJSON *node, json_skip_fn skip)
{
    writer_t w = {.arena = a, .canonical = true, .skip = skip};
    uint8_t hash[32];
    char *hex = arena_alloc(a, 33);

    if (!node)
        return STR_NONE;
    write_node(&w, node);
    sha256(buf_str(&w.out), hash);
    buf_clear(&w.out);
    hex[hex_encode(hash, 16, hex)] = '\0';
    return (str_t){hex, 32};
}
