#include "media/message.h"

#include "media/scan.h"

#include <string.h>

/* ---- base64 ---- */

static bool is_base64_digit(char c)
{
    static const bool DIGITS[256] = {
        ['+'] = true, ['/'] = true, ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true,
        ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true, ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true,
        ['E'] = true, ['F'] = true, ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true, ['L'] = true,
        ['M'] = true, ['N'] = true, ['O'] = true, ['P'] = true, ['Q'] = true, ['R'] = true, ['S'] = true, ['T'] = true,
        ['U'] = true, ['V'] = true, ['W'] = true, ['X'] = true, ['Y'] = true, ['Z'] = true, ['a'] = true, ['b'] = true,
        ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true, ['j'] = true,
        ['k'] = true, ['l'] = true, ['m'] = true, ['n'] = true, ['o'] = true, ['p'] = true, ['q'] = true, ['r'] = true,
        ['s'] = true, ['t'] = true, ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true, ['z'] = true,
    };

    return DIGITS[(unsigned char)c];
}

size_t message_decoded(str_t base64)
{
    size_t digits = base64.len;

    if (base64.len % 4)
        return SIZE_MAX;
    while (digits && base64.len - digits < 2 && base64.base[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++)
        if (!is_base64_digit(base64.base[i]))
            return SIZE_MAX;
    return base64.len / 4 * 3 - (base64.len - digits);
}

/* ---- by hand ---- */

static bool scan_media(str_t text, message_t *out)
{
    int64_t chunk;

    *out = (message_t){.kind = MESSAGE_MEDIA};
    return scan_literal(&text, STR("{\"event\":\"media\",\"sequenceNumber\":\"")) &&
           scan_quoted_number(&text, &out->sequence) && scan_literal(&text, STR(",\"media\":{\"track\":\"")) &&
           scan_word(&text, &out->track) && scan_literal(&text, STR(",\"chunk\":\"")) &&
           scan_quoted_number(&text, &chunk) && scan_literal(&text, STR(",\"timestamp\":\"")) &&
           scan_quoted_number(&text, &out->timestamp) && scan_literal(&text, STR(",\"payload\":\"")) &&
           scan_string(&text, &out->payload) && out->payload.len > 0 &&
           (out->bytes = message_decoded(out->payload)) != SIZE_MAX && scan_literal(&text, STR("},\"streamSid\":\"")) &&
           scan_word(&text, &out->stream_sid) && scan_literal(&text, STR("}")) && text.len == 0;
}

/* One for each piece of an agent's audio. */
static bool scan_mark(str_t text, message_t *out)
{
    *out = (message_t){.kind = MESSAGE_MARK, .timestamp = MESSAGE_NO_NUMBER};
    return scan_literal(&text, STR("{\"event\":\"mark\",\"sequenceNumber\":\"")) &&
           scan_quoted_number(&text, &out->sequence) && scan_literal(&text, STR(",\"streamSid\":\"")) &&
           scan_word(&text, &out->stream_sid) && scan_literal(&text, STR(",\"mark\":{\"name\":\"")) &&
           scan_word(&text, &out->mark) && scan_literal(&text, STR("}}")) && text.len == 0;
}

bool message_scan(str_t text, message_t *out)
{
    return scan_media(text, out) || scan_mark(text, out);
}

/* ---- by cJSON ---- */

#define MOST_NUMBER INT64_C(1000000000000000) /* of SCAN_MOST_DIGITS */

static const struct {
    const char *word;
    message_kind_t kind;
} KINDS[] = {
    {"connected", MESSAGE_CONNECTED}, {"start", MESSAGE_START}, {"media", MESSAGE_MEDIA},
    {"dtmf", MESSAGE_DTMF},           {"mark", MESSAGE_MARK},   {"stop", MESSAGE_STOP},
};

static int64_t number_at(const cJSON *root, const char *path)
{
    int64_t n;

    return json_int(root, path, &n) && n >= 0 && n < MOST_NUMBER ? n : MESSAGE_NO_NUMBER;
}

static void read_kind(const cJSON *root, message_t *out)
{
    str_t word = json_str(root, "event");

    for (size_t i = 0; i < COUNT(KINDS); i++)
        if (str_eq(word, str_from(KINDS[i].word)))
            out->kind = KINDS[i].kind;
}

/* Twilio says "digit" as a string; a number is taken too. */
static str_t read_digit(arena_t *a, const cJSON *root)
{
    const cJSON *digit = json_at(root, "dtmf.digit");

    return cJSON_IsNumber(digit) ? json_print(a, digit) : json_str(root, "dtmf.digit");
}

static void read_body(arena_t *a, const cJSON *root, message_t *out)
{
    switch (out->kind) {
    case MESSAGE_START:
        out->start = json_at(root, "start");
        if (!str_is_empty(json_str(root, "start.streamSid")))
            out->stream_sid = json_str(root, "start.streamSid");
        break;
    case MESSAGE_MEDIA:
        out->track = json_str(root, "media.track");
        out->timestamp = number_at(root, "media.timestamp");
        out->payload = json_str(root, "media.payload");
        out->bytes = out->payload.len ? message_decoded(out->payload) : SIZE_MAX;
        break;
    case MESSAGE_DTMF:
        out->track = json_str(root, "dtmf.track");
        out->digit = read_digit(a, root);
        break;
    case MESSAGE_MARK:
        out->mark = json_str(root, "mark.name");
        break;
    case MESSAGE_OTHER:
    case MESSAGE_CONNECTED:
    case MESSAGE_STOP:
        break;
    }
}

bool message_parse(arena_t *a, str_t text, message_t *out, err_t *err)
{
    const cJSON *root;
    str_t safe;

    *out = (message_t){.kind = MESSAGE_OTHER, .timestamp = MESSAGE_NO_NUMBER};
    if (!json_clean(a, text, (json_redact_t){NULL}, &safe, err) || !(root = json_parse(a, safe, err)))
        return false;
    if (!cJSON_IsObject(root))
        return err_set(err, ERR_UNPARSABLE, "a stream's message must be a JSON object");
    out->sequence = number_at(root, "sequenceNumber");
    out->stream_sid = json_str(root, "streamSid");
    read_kind(root, out);
    read_body(a, root, out);
    return true;
}

/* ---- writing ---- */

static void begin(buf_t *out, str_t event, str_t sid)
{
    buf_add(out, STR("{\"event\":\""));
    buf_add(out, event);
    buf_add(out, STR("\",\"streamSid\":\""));
    buf_add(out, sid);
    buf_addc(out, '"');
}

void message_write_media(buf_t *out, str_t sid, str_t base64)
{
    buf_reserve(out, 128 + base64.len);
    begin(out, STR("media"), sid);
    buf_add(out, STR(",\"media\":{\"payload\":\""));
    buf_add(out, base64);
    buf_add(out, STR("\"}}"));
}

void message_write_mark(buf_t *out, str_t sid, str_t name)
{
    begin(out, STR("mark"), sid);
    buf_add(out, STR(",\"mark\":{\"name\":"));
    json_escape(out, name);
    buf_add(out, STR("}}"));
}

void message_write_clear(buf_t *out, str_t sid)
{
    begin(out, STR("clear"), sid);
    buf_addc(out, '}');
}
