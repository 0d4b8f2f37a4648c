#include "twilio/twiml.h"

#include "base/utf8.h"

/* Of <Say>, with any voice: 3000 bytes, and 4500 when they are URL-encoded (twilio.com/docs/api/errors/13521, read
 * 2026-11-21). */
#define SAY_BYTES         3000
#define SAY_ENCODED_BYTES 4500
#define PARAMETER_CHARS   500 /* name and value together must have fewer (twilio.com/docs/voice/twiml/stream) */

/* ---- text ---- */

/* As XML wants it in a text and in an attribute alike; a line's end stays what it is in both. */
static str_t entity_of(char c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&apos;");
    case '\t':
        return STR("&#9;");
    case '\n':
        return STR("&#10;");
    case '\r':
        return STR("&#13;");
    }
    return STR_NONE;
}

/* XML 1.0, section 2.2: no control characters but those three, no U+FFFE, no U+FFFF. */
static bool is_allowed(str_t character)
{
    return (unsigned char)character.base[0] >= ' ' && !str_eq(character, STR("\xef\xbf\xbe")) &&
           !str_eq(character, STR("\xef\xbf\xbf"));
}

static void add_text(buf_t *out, str_t text)
{
    const char *at = text.base, *end = text.len ? text.base + text.len : text.base;
    size_t len;

    for (; at < end; at += len) {
        bool good = utf8_step(at, end, &len);
        str_t entity = entity_of(*at);

        if (entity.base)
            buf_add(out, entity);
        else if (!good)
            buf_add(out, UTF8_REPLACEMENT);
        else if (is_allowed((str_t){at, len}))
            buf_append(out, at, len);
    }
}

static void add_attribute(buf_t *out, const char *name, str_t value)
{
    buf_printf(out, " %s=\"", name);
    add_text(out, value);
    buf_addc(out, '"');
}

static bool has_a_word(str_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.base[i] > ' ' && text.base[i] != 0x7f)
            return true;
    return false;
}

static size_t encoded_len(const char *at, size_t len)
{
    size_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        char c = at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        sum += plain ? 1 : 3;
    }
    return sum;
}

static str_t cut_for_say(str_t text)
{
    const char *at = text.base, *end = text.base + text.len;
    size_t encoded = 0, len;

    for (; at < end; at += len) {
        (void)utf8_step(at, end, &len);
        encoded += encoded_len(at, len);
        if ((size_t)(at - text.base) + len > SAY_BYTES || encoded > SAY_ENCODED_BYTES)
            break;
    }
    return (str_t){text.base, (size_t)(at - text.base)};
}

/* ---- a document ---- */

void twiml_begin(buf_t *out)
{
    buf_add(out, STR(TWIML_HEAD "<Response>"));
}

void twiml_say(buf_t *out, str_t text)
{
    if (!has_a_word(text))
        return;
    buf_add(out, STR("<Say>"));
    add_text(out, cut_for_say(text));
    buf_add(out, STR("</Say>"));
}

void twiml_hangup(buf_t *out)
{
    buf_add(out, STR("<Hangup/>"));
}

static void add_parameter(buf_t *out, const twiml_parameter_t *p)
{
    if (str_is_empty(p->value) || strlen(p->name) + p->value.len >= PARAMETER_CHARS)
        return;
    buf_add(out, STR("<Parameter"));
    add_attribute(out, "name", str_from(p->name));
    add_attribute(out, "value", p->value);
    buf_add(out, STR("/>"));
}

void twiml_connect_stream(buf_t *out, str_t url, str_t status_callback, const twiml_parameter_t *parameters,
                          size_t count)
{
    buf_add(out, STR("<Connect><Stream"));
    add_attribute(out, "url", url);
    add_attribute(out, "statusCallback", status_callback);
    add_attribute(out, "statusCallbackMethod", STR("POST"));
    buf_addc(out, '>');
    for (size_t i = 0; i < count; i++)
        add_parameter(out, &parameters[i]);
    buf_add(out, STR("</Stream></Connect>"));
}

str_t twiml_end(buf_t *out, arena_t *a)
{
    str_t text;

    buf_add(out, STR("</Response>"));
    text = arena_dup(a, buf_str(out));
    buf_clear(out);
    return text;
}
