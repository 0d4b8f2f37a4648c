#include "base/redact.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool contains_nocase(str_t s, str_t part)
{
    for (size_t at = 0; at + part.len <= s.len; at++)
        if (str_starts_nocase(str_slice(s, at, s.len), part))
            return true;
    return false;
}

static bool match_segment(str_t segment, str_t key)
{
    bool front = segment.len && segment.base[0] == '*';
    bool back = segment.len > (size_t)front && segment.base[segment.len - 1] == '*';

    segment = str_slice(segment, front, segment.len - back);
    if (front && back)
        return contains_nocase(key, segment);
    if (front)
        return str_ends_nocase(key, segment);
    return back ? str_starts_nocase(key, segment) : str_eq_nocase(key, segment);
}

/* Takes the last segment off a pattern. */
static str_t cut_last(str_t *pattern)
{
    size_t at = pattern->len;
    str_t last;

    while (at && pattern->base[at - 1] != '.')
        at--;
    last = str_slice(*pattern, at, pattern->len);
    pattern->len = at ? at - 1 : 0;
    return last;
}

static bool match_path(str_t pattern, const str_t *path, size_t depth)
{
    do {
        if (!depth || !match_segment(cut_last(&pattern), path[--depth]))
            return false;
    } while (pattern.len);
    return true;
}

/* Where a text is looked up: by its last two letters. */
static size_t slot_of(str_t s)
{
    return (lower(s.base[s.len - 1]) * 33u ^ lower(s.base[s.len - 2])) % REDACT_SLOTS;
}

static bool has_slot(str_t segment)
{
    return segment.len >= 2 && segment.base[segment.len - 1] != '*' && segment.base[segment.len - 2] != '*';
}

static void index_pattern(redactor_t *r, redact_pattern_t *p, uint64_t bit)
{
    str_t rest = str_from(p->text), parent;

    p->last = cut_last(&rest);
    if (has_slot(p->last)) {
        r->by_key[slot_of(p->last)] |= bit;
        return;
    }
    parent = cut_last(&rest);
    if (has_slot(parent))
        r->by_parent[slot_of(parent)] |= bit;
    else
        r->any |= bit;
}

void redactor_init(redactor_t *r, json_redact_t redact)
{
    memset(r->by_key, 0, sizeof(r->by_key));
    memset(r->by_parent, 0, sizeof(r->by_parent));
    r->any = 0;
    for (r->count = 0; redact.patterns && redact.patterns[r->count]; r->count++) {
        redact_pattern_t *p = &r->patterns[r->count];
        assert(r->count < JSON_REDACT_MAX);
        p->protects = redact.patterns[r->count][0] == '!';
        p->text = redact.patterns[r->count] + p->protects;
        index_pattern(r, p, UINT64_C(1) << r->count);
    }
}

static uint64_t candidates(const redactor_t *r, const str_t *path, size_t depth)
{
    uint64_t found = r->any;

    if (path[depth - 1].len >= 2)
        found |= r->by_key[slot_of(path[depth - 1])];
    if (depth >= 2 && path[depth - 2].len >= 2)
        found |= r->by_parent[slot_of(path[depth - 2])];
    return found;
}

size_t redactor_find(const redactor_t *r, const str_t *path, size_t depth, size_t limit)
{
    for (uint64_t maybe = candidates(r, path, depth); maybe; maybe &= maybe - 1) {
        size_t i = (size_t)__builtin_ctzll(maybe);
        if (i >= limit)
            break;
        if (match_segment(r->patterns[i].last, path[depth - 1]) &&
            match_path(str_from(r->patterns[i].text), path, depth))
            return i;
    }
    return REDACT_NONE;
}

static bool protects(str_t pattern, const str_t *path, size_t depth)
{
    for (size_t d = 1; d <= depth; d++)
        if (match_path(pattern, path, d))
            return true;
    return false;
}

bool json_redact_key(const char *const *patterns, const str_t *path, size_t depth)
{
    for (; patterns && *patterns; patterns++) {
        str_t text = str_from(*patterns);
        if (text.base[0] == '!' && protects(str_slice(text, 1, text.len), path, depth))
            return false;
        if (text.base[0] != '!' && match_path(text, path, depth))
            return true;
    }
    return false;
}

/* ---- bytes that did not parse ---- */

typedef struct mask {
    const char *const *patterns;
    const char *at;
    const char *end;
    const char *copied; /* what is before it is in out already */
    buf_t out;
} mask_t;

/* The key that a pattern is about when parents cannot be known: its last segment; for "headers.*", which names every
 * key below, "headers" as a whole. What protects needs the path, so it does not count here: better too much masked. */
static bool names_key(const mask_t *m, str_t key)
{
    for (const char *const *p = m->patterns; p && *p; p++) {
        str_t rest = str_from(*p), last;
        if (rest.base[0] == '!')
            continue;
        do
            last = cut_last(&rest);
        while (rest.len && str_eq(last, STR("*")));
        if (match_segment(last, key))
            return true;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* The quote that closes the one before `at`; end when there is none. */
static const char *find_close(const char *at, const char *end, char quote)
{
    for (; at < end && *at != quote; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at;
}

/* Past a value that begins here, as far as it can be told: a string, a bracket to its partner, or a bare word. */
static const char *skip_value(const char *at, const char *end)
{
    size_t open = 0;

    if (at < end && *at != '"' && *at != '\'' && *at != '{' && *at != '[') {
        while (at < end && !is_blank(*at) && *at != ',' && *at != '}' && *at != ']')
            at++;
        return at;
    }
    for (; at < end; at++) {
        if (*at == '"' || *at == '\'') {
            at = find_close(at + 1, end, *at);
            if (at == end)
                return end;
        } else if (*at == '{' || *at == '[') {
            open++;
        } else if (*at == '}' || *at == ']') {
            open--;
        }
        if (!open)
            return at + 1;
    }
    return end;
}

static void mask_until(mask_t *m, const char *from, const char *to, const char *text)
{
    buf_append(&m->out, m->copied, (size_t)(from - m->copied));
    buf_add(&m->out, str_from(text));
    m->at = m->copied = to;
}

static unsigned hex_of(const char *digits)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++)
        value = value << 4 | (unsigned)(digits[i] <= '9' ? digits[i] - '0' : (digits[i] | 0x20) - 'a' + 10);
    return value;
}

/* A key's letters where they are written as \uXXXX; other escapes stay, since no pattern has such letters. */
static str_t unescape_ascii(str_t key, char *room, size_t size)
{
    size_t len = 0;

    if (str_find(key, '\\') == SIZE_MAX || key.len > size)
        return key;
    for (size_t i = 0; i < key.len; i++) {
        unsigned code = 0;
        if (key.base[i] == '\\' && i + 5 < key.len && key.base[i + 1] == 'u')
            code = hex_of(key.base + i + 2);
        room[len++] = code && code < 0x80 ? (char)code : key.base[i];
        if (code && code < 0x80)
            i += 5;
    }
    return (str_t){room, len};
}

/* At a quote: is it "key": value? If not, its partner may still open the next key: bytes that were cut anywhere can
 * begin in the middle of a string. */
static void mask_quoted(mask_t *m)
{
    const char *open = m->at, *close = find_close(open + 1, m->end, *open), *value;
    char room[256];
    str_t key;

    if (close == m->end) {
        m->at++;
        return;
    }
    value = skip_blanks(close + 1, m->end);
    if (value == m->end || *value != ':') {
        m->at++;
        return;
    }
    key = unescape_ascii((str_t){open + 1, (size_t)(close - open - 1)}, room, sizeof(room));
    value = skip_blanks(value + 1, m->end);
    m->at = value;
    if (names_key(m, key))
        mask_until(m, value, skip_value(value, m->end), "\"" REDACT_TEXT "\"");
}

/* Escaped bytes go by twos, everywhere: a quote that is escaped here and none there would have every quote of a hostile
 * body look for its partner to the very end. */
static void skip_one(mask_t *m)
{
    m->at += *m->at == '\\' && m->at + 1 < m->end ? 2 : 1;
}

static bool ends_word(char c)
{
    return (unsigned char)c <= ' ' || strchr("&;?\"'{}()<>,:=\\", c);
}

/* At a word: is it key=value? */
static void mask_word(mask_t *m)
{
    const char *from = m->at, *value;

    while (m->at < m->end && !ends_word(*m->at))
        m->at++;
    if (m->at == m->end || *m->at != '=' || !names_key(m, (str_t){from, (size_t)(m->at - from)}))
        return;
    value = ++m->at;
    while (m->at < m->end && (unsigned char)*m->at > ' ' && !strchr("&\"'", *m->at))
        skip_one(m);
    mask_until(m, value, m->at, REDACT_TEXT);
}

str_t json_mask_unparsable(arena_t *a, str_t in, json_redact_t redact)
{
    mask_t m = {redact.patterns, in.base, in.base + in.len, in.base, BUF_EMPTY};
    str_t out = in;

    if (!in.len || !redact.patterns)
        return in;
    while (m.at < m.end) {
        if (*m.at == '"' || *m.at == '\'')
            mask_quoted(&m);
        else if (ends_word(*m.at))
            skip_one(&m);
        else
            mask_word(&m);
    }
    if (m.copied != in.base) {
        buf_append(&m.out, m.copied, (size_t)(m.end - m.copied));
        out = arena_dup(a, buf_str(&m.out));
    }
    buf_clear(&m.out);
    return out;
}
