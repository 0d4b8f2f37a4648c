#include "base/redact.h"
#include "base/utf8.h"

#include <string.h>

/* One pass, by recursive descent (JSON_MAX_DEPTH bounds the stack). `copied` is how far the input is in `out` already;
 * nothing is copied before the first change. */
typedef struct clean {
    arena_t *arena;
    const char *start;
    const char *at;
    const char *end;
    const char *copied;
    char *out;
    size_t out_len, out_cap;
    const redactor_t *redactor; /* NULL: nothing to redact */
    size_t limit;               /* of the patterns that hold here: see redactor_find */
    unsigned muted;             /* inside a redacted value: checked, but changes are not worth writing */
    size_t depth;
    size_t n_path;
    str_t path[JSON_MAX_DEPTH];
    err_t *err;
} clean_t;

static bool value(clean_t *c);

static bool fail(clean_t *c, const char *expected)
{
    size_t where = (size_t)(c->at - c->start);
    unsigned char came = c->at < c->end ? (unsigned char)*c->at : 0;

    if (c->at == c->end)
        return err_set(c->err, ERR_UNPARSABLE, "JSON: expected %s, but it ends at byte %zu", expected, where);
    if (came > ' ' && came < 0x7f)
        return err_set(c->err, ERR_UNPARSABLE, "JSON: expected %s, got '%c' at byte %zu", expected, came, where);
    return err_set(c->err, ERR_UNPARSABLE, "JSON: expected %s, got byte 0x%02x at byte %zu", expected, came, where);
}

static void write_out(clean_t *c, const char *bytes, size_t len)
{
    if (!len)
        return;
    if (c->out_cap - c->out_len < len) {
        size_t cap = (size_t)(c->end - c->start) + 2 * c->out_cap + len + 64;
        char *bigger = arena_alloc(c->arena, cap);
        if (c->out_len)
            memcpy(bigger, c->out, c->out_len);
        c->out = bigger;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

static void replace(clean_t *c, const char *from, const char *to, str_t by)
{
    if (c->muted)
        return;
    write_out(c, c->copied, (size_t)(from - c->copied));
    write_out(c, by.base, by.len);
    c->copied = to;
}

static void skip_blanks(clean_t *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u; -1 where there are not four. */
static int hex4(const char *at, const char *end)
{
    int code = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static bool is_low_surrogate(const char *at, const char *end)
{
    int code = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;

    return code >= 0xdc00 && code <= 0xdfff;
}

static bool unicode_escape(clean_t *c)
{
    const char *from = c->at;
    int code = hex4(from + 2, c->end);

    if (code < 0) {
        c->at += 2;
        return fail(c, "four hexadecimal digits");
    }
    c->at += 6;
    if (code >= 0xd800 && code <= 0xdbff && is_low_surrogate(c->at, c->end))
        c->at += 6;
    else if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
        replace(c, from, c->at, UTF8_REPLACEMENT);
    return true;
}

static bool escape(clean_t *c)
{
    switch (c->end - c->at > 1 ? c->at[1] : 0) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        c->at += 2;
        return true;
    case 'u':
        return unicode_escape(c);
    default:
        c->at++;
        return fail(c, "an escape that JSON knows");
    }
}

/* At the opening quote. *escaped (NULL is fine) is set when there was a backslash. */
static bool string(clean_t *c, bool *escaped)
{
    for (c->at++;;) {
        size_t len;
        c->at = utf8_skip_plain(c->at, c->end);
        if (c->at == c->end)
            return fail(c, "a closing quote");
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\') {
            if (escaped)
                *escaped = true;
            if (!escape(c))
                return false;
        } else if ((unsigned char)*c->at < ' ') {
            return fail(c, "control characters to be escaped");
        } else {
            if (!utf8_step(c->at, c->end, &len))
                replace(c, c->at, c->at + len, UTF8_REPLACEMENT);
            c->at += len;
        }
    }
}

/* ---- numbers and words ---- */

static bool digits(clean_t *c)
{
    const char *from = c->at;

    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > from || fail(c, "a digit");
}

static bool at_char(const clean_t *c, char x)
{
    return c->at < c->end && *c->at == x;
}

static bool number(clean_t *c)
{
    c->at += at_char(c, '-');
    if (at_char(c, '0'))
        c->at++;
    else if (!digits(c))
        return false;
    if (at_char(c, '.')) {
        c->at++;
        if (!digits(c))
            return false;
    }
    if (at_char(c, 'e') || at_char(c, 'E')) {
        c->at++;
        c->at += at_char(c, '+') || at_char(c, '-');
        return digits(c);
    }
    return true;
}

static bool word(clean_t *c, str_t expected)
{
    if (!str_starts((str_t){c->at, (size_t)(c->end - c->at)}, expected))
        return fail(c, "a value");
    c->at += expected.len;
    return true;
}

/* ---- objects and arrays ---- */

/* The key's text where it is written with escapes, so that a pattern sees what a reader would see. Only ASCII matters
 * to patterns; the rest just has to be something else. */
static str_t decode_key(arena_t *a, str_t raw)
{
    char *text = arena_alloc(a, raw.len + 1);
    const char *end = raw.base + raw.len;
    size_t len = 0;

    for (const char *at = raw.base; at < end; at++) {
        int code = (unsigned char)*at;
        if (code == '\\' && *++at == 'u') {
            code = hex4(at + 1, end);
            at += 4;
        } else if (code == '\\') {
            code = strchr("bfnrt", *at) ? 0x7f : (unsigned char)*at;
        }
        text[len++] = code > 0xff ? '\x7f' : (char)code;
    }
    return (str_t){text, len};
}

/* Puts the key at c->at on the path. */
static bool key(clean_t *c)
{
    const char *from = c->at + 1;
    bool escaped = false;
    str_t raw;

    if (!at_char(c, '"'))
        return fail(c, "a key");
    if (!string(c, &escaped))
        return false;
    raw = (str_t){from, (size_t)(c->at - 1 - from)};
    c->path[c->n_path++] = escaped ? decode_key(c->arena, raw) : raw;
    skip_blanks(c);
    if (!at_char(c, ':'))
        return fail(c, "':'");
    c->at++;
    skip_blanks(c);
    return true;
}

static bool redacted_value(clean_t *c)
{
    static const char masked[] = "\"" REDACT_TEXT "\"";
    const char *from = c->at;

    c->muted++;
    if (!value(c))
        return false;
    c->muted--;
    if (!str_eq((str_t){from, (size_t)(c->at - from)}, STR(masked)))
        replace(c, from, c->at, STR(masked));
    return true;
}

static bool member(clean_t *c)
{
    size_t limit = c->limit, found = REDACT_NONE;
    bool ok;

    if (!key(c))
        return false;
    if (c->redactor && !c->muted)
        found = redactor_find(c->redactor, c->path, c->n_path, limit);
    if (found == REDACT_NONE) {
        ok = value(c);
    } else if (c->redactor->patterns[found].protects) {
        c->limit = found;
        ok = value(c);
        c->limit = limit;
    } else {
        ok = redacted_value(c);
    }
    c->n_path--;
    return ok;
}

/* The members of an object, or the values of an array, up to the closing bracket. */
static bool sequence(clean_t *c, char close, bool (*one)(clean_t *c), const char *expected)
{
    if (++c->depth > JSON_MAX_DEPTH)
        return err_set(c->err, ERR_UNPARSABLE, "JSON: expected at most %d levels of nesting, got more at byte %zu",
                       JSON_MAX_DEPTH, (size_t)(c->at - c->start));
    c->at++;
    skip_blanks(c);
    if (!at_char(c, close)) {
        for (;;) {
            if (!one(c))
                return false;
            skip_blanks(c);
            if (!at_char(c, ','))
                break;
            c->at++;
            skip_blanks(c);
        }
        if (!at_char(c, close))
            return fail(c, expected);
    }
    c->at++;
    c->depth--;
    return true;
}

static bool value(clean_t *c)
{
    switch (c->at < c->end ? *c->at : 0) {
    case '"':
        return string(c, NULL);
    case '{':
        return sequence(c, '}', member, "',' or '}'");
    case '[':
        return sequence(c, ']', value, "',' or ']'");
    case 't':
        return word(c, STR("true"));
    case 'f':
        return word(c, STR("false"));
    case 'n':
        return word(c, STR("null"));
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number(c);
    default:
        return fail(c, "a value");
    }
}

static bool document(clean_t *c)
{
    skip_blanks(c);
    if (!value(c))
        return false;
    skip_blanks(c);
    return c->at == c->end || fail(c, "nothing more");
}

bool json_clean(arena_t *a, str_t in, json_redact_t redact, str_t *out, err_t *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    redactor_t redactor;
    clean_t c;

    if (str_starts(in, STR(byte_order_mark)))
        in = str_slice(in, sizeof(byte_order_mark) - 1, in.len);
    if (!in.base)
        in = STR("");
    /* Not zeroed as a whole: the path is large, and written before it is read. */
    c.arena = a;
    c.start = c.at = c.copied = in.base;
    c.end = in.base + in.len;
    c.out = NULL;
    c.out_len = c.out_cap = 0;
    c.redactor = NULL;
    c.limit = SIZE_MAX;
    c.muted = 0;
    c.depth = c.n_path = 0;
    c.err = err;
    if (redact.patterns && redact.patterns[0]) {
        redactor_init(&redactor, redact);
        c.redactor = &redactor;
    }
    if (!document(&c))
        return false;
    if (c.out)
        write_out(&c, c.copied, (size_t)(c.end - c.copied));
    *out = c.out ? (str_t){c.out, c.out_len} : in;
    return true;
}
