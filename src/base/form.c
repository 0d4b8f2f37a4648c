#include "base/form.h"
#include "base/redact.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that %XX at `at` means, or -1. */
static int percent(const char *at, const char *end)
{
    int high, low;

    if (*at != '%' || end - at < 3 || (high = hex_digit(at[1])) < 0 || (low = hex_digit(at[2])) < 0)
        return -1;
    return high << 4 | low;
}

static bool is_coded(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.base[i] == '+' || s.base[i] == '%')
            return true;
    return false;
}

static str_t decode(arena_t *a, str_t s)
{
    const char *at = s.base, *end = s.base + s.len;
    size_t len = 0;
    char *out;

    if (!is_coded(s))
        return s;
    out = arena_alloc(a, s.len);
    for (int byte; at < end; at++) {
        byte = percent(at, end);
        if (byte >= 0)
            at += 2;
        else
            byte = *at == '+' ? ' ' : *at;
        out[len++] = (char)byte;
    }
    return (str_t){out, len};
}

static form_pair_t parse_pair(arena_t *a, str_t piece)
{
    size_t equals = str_find(piece, '=');
    size_t from = equals == SIZE_MAX ? piece.len : equals + 1;

    return (form_pair_t){decode(a, str_slice(piece, 0, equals)),
                         decode(a, (str_t){piece.base + from, piece.len - from})};
}

bool form_parse(arena_t *a, str_t body, form_t *out, err_t *err)
{
    size_t room = 0;
    str_t rest = body, piece;

    *out = (form_t){NULL, 0};
    while (str_split(&rest, '&', &piece))
        room += piece.len > 0;
    if (room > FORM_MAX_PAIRS)
        return err_set(err, ERR_UNPARSABLE, "form: expected at most %d parameters, got %zu", FORM_MAX_PAIRS, room);
    out->pairs = arena_alloc(a, room * sizeof(*out->pairs));
    for (rest = body; str_split(&rest, '&', &piece);)
        if (piece.len)
            out->pairs[out->count++] = parse_pair(a, piece);
    return true;
}

str_t form_get(const form_t *f, str_t key)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->pairs[i].key, key))
            return f->pairs[i].value;
    return STR_NONE;
}

/* ---- as JSON ---- */

/* A key, scrubbed: two keys that differ only in what cannot be written must not become two equal ones. */
typedef struct named {
    str_t key;
    size_t pair;
    size_t next; /* the next pair of that key, or 0 */
    bool first;
} named_t;

static int by_key(const void *a, const void *b)
{
    const named_t *const *x = a, *const *y = b;
    int order = str_cmp((*x)->key, (*y)->key);

    return order ? order : ((*x)->pair > (*y)->pair) - ((*x)->pair < (*y)->pair);
}

/* Links the pairs that share a key. Sorted, since a thousand parameters are allowed. */
static named_t *group(arena_t *a, const form_t *f)
{
    named_t *named = arena_alloc(a, f->count * sizeof(*named));
    named_t **sorted = arena_alloc(a, f->count * sizeof(named_t *));

    for (size_t i = 0; i < f->count; i++) {
        named[i] = (named_t){utf8_scrub(a, f->pairs[i].key), i, 0, true};
        sorted[i] = &named[i];
    }
    qsort(sorted, f->count, sizeof(*sorted), by_key);
    for (size_t i = 1; i < f->count; i++) {
        if (str_eq(sorted[i - 1]->key, sorted[i]->key)) {
            sorted[i - 1]->next = sorted[i]->pair;
            sorted[i]->first = false;
        }
    }
    return named;
}

static void add_values(buf_t *out, const form_t *f, const named_t *named, size_t i, bool redacted)
{
    bool many = named[i].next != 0;

    if (many)
        buf_addc(out, '[');
    for (;;) {
        json_escape(out, redacted ? STR(REDACT_TEXT) : f->pairs[i].value);
        i = named[i].next;
        if (!i)
            break;
        buf_addc(out, ',');
    }
    if (many)
        buf_addc(out, ']');
}

static bool is_redacted(const redactor_t *r, const str_t *key)
{
    size_t found = redactor_find(r, key, 1, REDACT_NONE);

    return found != REDACT_NONE && !r->patterns[found].protects;
}

str_t form_to_json(arena_t *a, const form_t *f, json_redact_t redact)
{
    const named_t *named = group(a, f);
    buf_t out = BUF_EMPTY;
    redactor_t redactor;
    str_t text;

    redactor_init(&redactor, redact);
    buf_addc(&out, '{');
    for (size_t i = 0; i < f->count; i++) {
        if (!named[i].first)
            continue;
        if (out.len > 1)
            buf_addc(&out, ',');
        json_escape(&out, named[i].key);
        buf_addc(&out, ':');
        add_values(&out, f, named, i, is_redacted(&redactor, &named[i].key));
    }
    buf_addc(&out, '}');
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ---- writing ---- */

static void encode(buf_t *out, str_t s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.base[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("*-._", c)))
            buf_addc(out, (char)c);
        else if (c == ' ')
            buf_addc(out, '+');
        else
            buf_append(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}

size_t form_encode(buf_t *out, str_t key, str_t value)
{
    size_t before = out->len;

    if (before)
        buf_addc(out, '&');
    encode(out, key);
    buf_addc(out, '=');
    encode(out, value);
    return out->len - before;
}
