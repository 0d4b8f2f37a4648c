/* openai.c – OpenAI's Realtime API: what it says.
 *
 * Source: github.com/openai/openai-openapi (openapi.yaml, the schemas RealtimeServerEvent* and Realtime*), read
 * 2026-11-21; samples in tests/fixtures/openai-realtime/. Fields that the schemas call text or objects come as null,
 * and events and fields are added without notice: what is not known is passed over.
 *
 * A key that is wrong, a model that there is not: the upgrade succeeds all the same, and the refusal is the first
 * message, followed by a close. An error closes nothing by itself. */
#include "media/openai.h"
#include "media/message.h"
#include "media/scan.h"

#include <string.h>

/* ---- small things ---- */

#define LATEST_S INT64_C(253402300799) /* the end of the year 9999 */

static int64_t number_at(const cJSON *root, const char *path, int64_t most)
{
    int64_t n;

    return json_int(root, path, &n) && n >= 0 && n <= most ? n : 0;
}

static const cJSON *object_at(const cJSON *root, const char *path)
{
    const cJSON *node = json_at(root, path);

    return cJSON_IsObject(node) ? node : NULL;
}

static bool is_one_of(str_t s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(s, str_from(words[i])))
            return true;
    return false;
}

/* ---- keys in what is logged ---- */

#define MASKED STR("[redacted]")

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

#define ELLIPSIS STR("\xe2\x80\xa6")

static size_t key_char_at(str_t s, size_t at)
{
    char c = s.base[at];

    if (is_alphanumeric(c) || c == '_' || c == '-' || c == '*' || c == '.')
        return 1;
    return str_starts(str_slice(s, at, s.len), ELLIPSIS) ? ELLIPSIS.len : 0;
}

/* Where a key begins in a word; its length where there is none. They are told with some of their middle left out, by
 * asterisks or an ellipsis; a key of another kind, too. */
static size_t key_in(str_t word)
{
    for (size_t i = 0; i + 3 <= word.len; i++)
        if (memcmp(word.base + i, "sk-", 3) == 0 && (i == 0 || !is_alphanumeric(word.base[i - 1])))
            return i;
    return word.len && memmem(word.base, word.len, "**", 2) ? 0 : word.len;
}

static str_t word_at(str_t s, size_t at)
{
    size_t end = at, len;

    while (end < s.len && (len = key_char_at(s, end)) > 0)
        end += len;
    while (end > at && s.base[end - 1] == '.') /* of the sentence */
        end--;
    return str_slice(s, at, end);
}

/* What is between two words, or as much of it as is alike: dots in one go, however many they are. */
static size_t gap_at(str_t s, size_t at)
{
    size_t end = at;

    while (end < s.len && s.base[end] == '.')
        end++;
    return end > at ? end - at : 1;
}

static str_t without_keys(arena_t *a, str_t s)
{
    buf_t out = BUF_EMPTY;
    str_t masked = s;
    bool found = false;

    for (size_t at = 0; at < s.len;) {
        str_t word = word_at(s, at);
        size_t key = word.len ? key_in(word) : gap_at(s, at);

        buf_append(&out, s.base + at, key);
        at += key;
        if (key < word.len) {
            buf_add(&out, MASKED);
            at += word.len - key;
            found = true;
        }
    }
    if (found)
        masked = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return masked;
}

/* ---- faults ---- */

/* What is said at code, or at type where there is no code that is known. The words change: what is not here goes on. */
static const struct {
    const char *word;
    realtime_fault_kind_t kind;
} WORDS[] = {
    {"invalid_api_key", FAULT_MISCONFIGURED},
    {"invalid_model", FAULT_MISCONFIGURED},
    {"missing_model", FAULT_MISCONFIGURED},
    {"model_not_found", FAULT_MISCONFIGURED},
    {"beta_api_shape_disabled", FAULT_MISCONFIGURED},
    {"insufficient_quota", FAULT_QUOTA},
    {"rate_limit_exceeded", FAULT_BUSY},
    {"session_expired", FAULT_EXPIRED},
    {"server_error", FAULT_SERVER},
};

/* Where neither says it. */
static const struct {
    const char *beginning;
    realtime_fault_kind_t kind;
} SENTENCES[] = {
    {"Missing bearer", FAULT_MISCONFIGURED},
    {"Your session hit the maximum duration", FAULT_EXPIRED},
};

static bool find_word(str_t word, realtime_fault_kind_t *kind)
{
    for (size_t i = 0; i < COUNT(WORDS); i++)
        if (str_eq(word, str_from(WORDS[i].word))) {
            *kind = WORDS[i].kind;
            return true;
        }
    return false;
}

static bool find_sentence(str_t message, realtime_fault_kind_t *kind)
{
    for (size_t i = 0; i < COUNT(SENTENCES); i++)
        if (str_starts(message, str_from(SENTENCES[i].beginning))) {
            *kind = SENTENCES[i].kind;
            return true;
        }
    return false;
}

/* The member, or one within it. */
static bool is_within(str_t param, str_t member)
{
    return str_starts(param, member) &&
           (param.len == member.len || param.base[member.len] == '.' || param.base[member.len] == '[');
}

/* Some transcribers take no turn detection, and then that is what is complained of. */
static bool is_about_transcriber(str_t param, str_t message)
{
    return is_within(param, STR("session.audio.input.transcription")) ||
           is_within(param, STR("session.input_audio_transcription")) ||
           (message.base && memmem(message.base, message.len, "this transcription model", 24));
}

static realtime_fault_kind_t classify(const realtime_fault_t *f, str_t type)
{
    realtime_fault_kind_t kind;

    if (is_about_transcriber(f->param, f->message))
        return FAULT_TRANSCRIBER;
    if (find_word(f->code, &kind))
        return kind;
    if (is_within(f->param, STR("session")))
        return FAULT_SETTINGS;
    return find_word(type, &kind) || find_sentence(f->message, &kind) ? kind : FAULT_HARMLESS;
}

static void read_fault(arena_t *a, const cJSON *error, realtime_fault_t *out)
{
    out->code = without_keys(a, json_str(error, "code"));
    out->message = without_keys(a, json_str(error, "message"));
    out->param = without_keys(a, json_str(error, "param"));
    out->kind = classify(out, json_str(error, "type"));
}

/* ---- events ---- */

typedef void (*reader_fn)(arena_t *a, const cJSON *root, realtime_event_t *out);

static bool is_telephone(const cJSON *session, const char *format, const char *beta_format)
{
    return str_eq(json_str(session, format), STR("audio/pcmu")) ||
           str_eq(json_str(session, beta_format), STR("g711_ulaw"));
}

static void read_session(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    const cJSON *session = json_at(root, "session");

    (void)a;
    out->session = json_str(session, "id");
    out->model = json_str(session, "model");
    out->expires_s = number_at(session, "expires_at", LATEST_S);
    if (out->kind == REALTIME_CONFIGURED)
        out->telephone = is_telephone(session, "audio.input.format.type", "input_audio_format") &&
                         is_telephone(session, "audio.output.format.type", "output_audio_format");
}

/* Where in the conversation it is, as far as the event says. */
static void read_place(const cJSON *root, realtime_event_t *out)
{
    out->response = json_str(root, "response_id");
    out->item = json_str(root, "item_id");
    out->part = (int)number_at(root, "content_index", INT32_MAX);
}

static void read_turn(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    (void)a;
    out->item = json_str(root, "item_id");
    if (out->kind == REALTIME_TURN_TAKEN)
        out->previous = json_str(root, "previous_item_id");
    if (out->kind == REALTIME_SPEECH_BEGAN)
        out->at_ms = number_at(root, "audio_start_ms", INT32_MAX);
    if (out->kind == REALTIME_SPEECH_ENDED)
        out->at_ms = number_at(root, "audio_end_ms", INT32_MAX);
}

static void read_item(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    (void)a;
    out->item = json_str(root, "item.id");
    out->previous = json_str(root, "previous_item_id");
    out->role = json_str(root, "item.role");
    out->message = str_eq(json_str(root, "item.type"), STR("message"));
}

static void read_delta(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    (void)a;
    read_place(root, out);
    out->text = json_str(root, "delta");
}

static void read_whole(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    (void)a;
    read_place(root, out);
    out->text = json_str(root, "transcript");
}

/* What writes it down is billed by tokens or by seconds. */
static void read_heard(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    read_whole(a, root, out);
    out->usage = object_at(root, "usage");
    out->tokens = number_at(out->usage, "total_tokens", INT32_MAX);
}

/* That the transcriber is not ours to use shows only once there is something to write down. It is no fault of the
 * session, which goes on. */
static void read_heard_failed(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    read_place(root, out);
    read_fault(a, json_at(root, "error"), &out->fault);
    if (out->fault.kind == FAULT_MISCONFIGURED)
        out->fault.kind = FAULT_TRANSCRIBER;
}

static void read_audio(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    size_t bytes = message_decoded(json_str(root, "delta"));

    if (bytes == SIZE_MAX) {
        out->kind = REALTIME_OTHER;
        return;
    }
    read_delta(a, root, out);
    out->bytes = bytes;
}

static void read_response_began(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    (void)a;
    out->response = json_str(root, "response.id");
}

static const struct {
    const char *status;
    realtime_outcome_t outcome;
} OUTCOMES[] = {
    {"completed", OUTCOME_COMPLETED},
    {"cancelled", OUTCOME_INTERRUPTED},
    {"incomplete", OUTCOME_CUT},
    {"failed", OUTCOME_FAILED},
};

static realtime_outcome_t outcome_of(const cJSON *response)
{
    str_t status = json_str(response, "status");

    for (size_t i = 0; i < COUNT(OUTCOMES); i++)
        if (str_eq(status, str_from(OUTCOMES[i].status)))
            return OUTCOMES[i].outcome;
    return object_at(response, "status_details.error") ? OUTCOME_FAILED : OUTCOME_COMPLETED;
}

/* Why it failed is here and nowhere else. The session stands, so only money and limits make a difference. Some servers
 * write text where an object is due. */
static void read_failure(arena_t *a, const cJSON *response, realtime_fault_t *out)
{
    const cJSON *error = object_at(response, "status_details.error");
    str_t text = json_str(response, "status_details");

    if (error)
        read_fault(a, error, out);
    else if (find_word(text, &out->kind))
        out->code = text;
    else
        out->message = without_keys(a, text);
    if (out->kind != FAULT_QUOTA && out->kind != FAULT_BUSY)
        out->kind = FAULT_SERVER;
}

static void read_response_ended(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    const cJSON *response = json_at(root, "response"), *output = json_at(response, "output");

    out->response = json_str(response, "id");
    out->outcome = outcome_of(response);
    out->usage = object_at(response, "usage");
    out->tokens = number_at(out->usage, "total_tokens", INT32_MAX);
    out->output = cJSON_IsArray(output) ? output : NULL;
    if (out->outcome == OUTCOME_FAILED)
        read_failure(a, response, &out->fault);
    else
        out->fault.code = without_keys(a, json_str(response, "status_details.reason"));
}

static void read_error(arena_t *a, const cJSON *root, realtime_event_t *out)
{
    read_fault(a, json_at(root, "error"), &out->fault);
    out->of_event = json_str(root, "error.event_id");
}

/* The last text of an item is told five times; it is taken once, from ….transcript.done. Items that were added are
 * done later: nothing comes of that. */
static const struct {
    const char *type;
    realtime_kind_t kind;
    reader_fn read;
} EVENTS[] = {
    {"response.output_audio.delta", REALTIME_AUDIO, read_audio}, /* the first, as most are of it */
    {"response.output_audio_transcript.delta", REALTIME_SAID_PART, read_delta},
    {"response.output_audio_transcript.done", REALTIME_SAID, read_whole},
    {"response.created", REALTIME_RESPONSE_BEGAN, read_response_began},
    {"response.done", REALTIME_RESPONSE_ENDED, read_response_ended},
    {"input_audio_buffer.speech_started", REALTIME_SPEECH_BEGAN, read_turn},
    {"input_audio_buffer.speech_stopped", REALTIME_SPEECH_ENDED, read_turn},
    {"input_audio_buffer.committed", REALTIME_TURN_TAKEN, read_turn},
    {"input_audio_buffer.timeout_triggered", REALTIME_TURN_EMPTY, read_turn},
    {"conversation.item.added", REALTIME_ITEM_ADDED, read_item},
    {"conversation.item.input_audio_transcription.delta", REALTIME_HEARD_PART, read_delta},
    {"conversation.item.input_audio_transcription.completed", REALTIME_HEARD, read_heard},
    {"conversation.item.input_audio_transcription.failed", REALTIME_HEARD_FAILED, read_heard_failed},
    {"session.created", REALTIME_CREATED, read_session},
    {"session.updated", REALTIME_CONFIGURED, read_session},
    {"error", REALTIME_ERROR, read_error},
};

/* The names of the beta, which OpenAI has given up and servers like it have not. */
static const struct {
    const char *beta, *now;
} OLD_NAMES[] = {
    {"response.audio.delta", "response.output_audio.delta"},
    {"response.audio_transcript.delta", "response.output_audio_transcript.delta"},
    {"response.audio_transcript.done", "response.output_audio_transcript.done"},
    {"conversation.item.created", "conversation.item.added"},
};

static str_t name_now(str_t type)
{
    for (size_t i = 0; i < COUNT(OLD_NAMES); i++)
        if (str_eq(type, str_from(OLD_NAMES[i].beta)))
            return str_from(OLD_NAMES[i].now);
    return type;
}

/* Audio in the very shape that OpenAI writes: nearly all that comes. Without a tree; borrowed from the text. */
static bool scan_audio(str_t text, realtime_event_t *out)
{
    str_t rest = text, event;
    int64_t output, part;

    if (!scan_literal(&rest, STR("{\"type\":\"response.output_audio.delta\",\"event_id\":\"")) ||
        !scan_word(&rest, &event) || !scan_literal(&rest, STR(",\"response_id\":\"")) ||
        !scan_word(&rest, &out->response) || !scan_literal(&rest, STR(",\"item_id\":\"")) ||
        !scan_word(&rest, &out->item) || !scan_literal(&rest, STR(",\"output_index\":")) ||
        !scan_number(&rest, &output) || !scan_literal(&rest, STR(",\"content_index\":")) ||
        !scan_number(&rest, &part) || part > INT32_MAX || !scan_literal(&rest, STR(",\"delta\":\"")) ||
        !scan_string(&rest, &out->text) || !out->text.len || !scan_literal(&rest, STR("}")) || rest.len)
        return false;
    out->kind = REALTIME_AUDIO;
    out->type = STR("response.output_audio.delta");
    out->part = (int)part;
    out->bytes = message_decoded(out->text);
    return out->bytes != SIZE_MAX;
}

static bool read_event(arena_t *a, str_t text, realtime_event_t *out, err_t *err)
{
    const cJSON *root;
    str_t safe, name;

    *out = (realtime_event_t){.kind = REALTIME_OTHER};
    if (scan_audio(text, out))
        return true;
    *out = (realtime_event_t){.kind = REALTIME_OTHER};
    if (!json_clean(a, text, (json_redact_t){NULL}, &safe, err) || !(root = json_parse(a, safe, err)))
        return false;
    out->type = json_str(root, "type");
    if (!cJSON_IsObject(root) || str_is_empty(out->type))
        return err_set(err, ERR_UNPARSABLE, "an event must be a JSON object with a type");
    name = name_now(out->type);
    for (size_t i = 0; i < COUNT(EVENTS); i++)
        if (str_eq(name, str_from(EVENTS[i].type))) {
            out->kind = EVENTS[i].kind;
            EVENTS[i].read(a, root, out);
            break;
        }
    return true;
}

/* ---- what else there is to read ---- */

static bool said(const cJSON *output_item, realtime_said_t *out)
{
    static const char *const SPOKEN[] = {"output_audio", "audio"}, *const WRITTEN[] = {"output_text", "text"};
    const cJSON *content = json_at(output_item, "content");

    *out = (realtime_said_t){.item = json_str(output_item, "id")};
    if (!str_eq(json_str(output_item, "type"), STR("message")))
        return false;
    for (const cJSON *part = cJSON_IsArray(content) ? content->child : NULL; part; part = part->next) {
        str_t type = json_str(part, "type");

        if (is_one_of(type, SPOKEN, COUNT(SPOKEN)))
            out->text = json_str(part, "transcript");
        else if (is_one_of(type, WRITTEN, COUNT(WRITTEN)))
            out->text = json_str(part, "text");
        if (!str_is_empty(out->text))
            return true;
        out->part++;
    }
    out->part = 0;
    return true;
}

/* Their own: 3000 for who asks, 4000 for what is asked. 1001 is the end of the longest session, and of a server. */
static realtime_fault_kind_t closed(int code)
{
    switch (code) {
    case 3000:
    case 4000:
        return FAULT_MISCONFIGURED;
    case 1001:
        return FAULT_EXPIRED;
    default:
        return FAULT_SERVER;
    }
}

const realtime_dialect_t REALTIME_OPENAI = {
    .name = "openai",
    .title = "OpenAI Realtime",
    .key_field = "Authorization",
    .key_prefix = "Bearer ",
    .address = openai_address,
    .configure = openai_configure,
    .hear = openai_hear,
    .speak = openai_speak,
    .cancel = openai_cancel,
    .truncate = openai_truncate,
    .forget = openai_forget,
    .recall = openai_recall,
    .stop_answering = openai_stop_answering,
    .end_turn = openai_end_turn,
    .read = read_event,
    .said = said,
    .closed = closed,
};
