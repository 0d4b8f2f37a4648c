/* openai_write.c – what OpenAI's Realtime API is told.
 *
 * Source: github.com/openai/openai-openapi (openapi.yaml, the schemas RealtimeClientEvent*), read 2026-11-21. One field
 * that the server does not know or like, and it refuses the whole message: nothing is written that need not be. */
#include "media/openai.h"

#include "base/form.h"

/* ,"name":"value"; nothing where there is none. */
static void add_text(buf_t *out, const char *name, str_t value)
{
    if (str_is_empty(value))
        return;
    buf_printf(out, ",\"%s\":", name);
    json_escape(out, value);
}

static void begin(buf_t *out, const char *type, str_t event_id)
{
    buf_printf(out, "{\"type\":\"%s\"", type);
    add_text(out, "event_id", event_id);
}

/* ---- the session ---- */

/* The base may have a query of its own. */
str_t openai_address(arena_t *a, str_t base, str_t model)
{
    bool has_query = str_find(base, '?') != SIZE_MAX;
    buf_t query = BUF_EMPTY;
    str_t address;

    if (str_is_empty(model))
        return base;
    (void)form_encode(&query, STR("model"), model);
    address = arena_concat(a, (const str_t[]){base, has_query ? STR("&") : STR("?"), buf_str(&query)}, 3);
    buf_clear(&query);
    return address;
}

/* The models that take several languages, and not one (schema AudioTranscription); and their dated versions. */
static bool takes_languages(str_t model)
{
    return str_starts(model, STR("gpt-transcribe")) || str_starts(model, STR("gpt-live-transcribe"));
}

static void add_transcription(buf_t *out, const realtime_config_t *c)
{
    buf_add(out, STR(",\"transcription\":"));
    if (str_is_empty(c->transcriber)) {
        buf_add(out, STR("null"));
        return;
    }
    buf_add(out, STR("{\"model\":"));
    json_escape(out, c->transcriber);
    if (!str_is_empty(c->language) && takes_languages(c->transcriber)) {
        buf_add(out, STR(",\"languages\":["));
        json_escape(out, c->language);
        buf_addc(out, ']');
    } else {
        add_text(out, "language", c->language);
    }
    buf_addc(out, '}');
}

/* Without a rate, which audio/pcmu does not take. How long a silence ends a turn is said: unset, sessions have 200 ms,
 * too short for a telephone, whatever the reference says. */
#define TELEPHONE "{\"type\":\"audio/pcmu\"}"
#define TURNS                                                                                                          \
    "{\"type\":\"server_vad\",\"threshold\":0.5,\"prefix_padding_ms\":300,\"silence_duration_ms\":500,"                \
    "\"create_response\":true,\"interrupt_response\":true}"

void openai_configure(buf_t *out, const realtime_config_t *c, str_t event_id)
{
    begin(out, "session.update", event_id);
    buf_add(out, STR(",\"session\":{\"type\":\"realtime\""));
    add_text(out, "model", c->model);
    buf_add(out, STR(",\"output_modalities\":[\"audio\"]"));
    add_text(out, "instructions", c->instructions);
    buf_add(out, STR(",\"audio\":{\"input\":{\"format\":" TELEPHONE));
    add_transcription(out, c);
    buf_add(out, STR(",\"noise_reduction\":null,\"turn_detection\":" TURNS "},\"output\":{\"format\":" TELEPHONE));
    add_text(out, "voice", c->voice);
    buf_add(out, STR("}}}}"));
}

/* ---- audio ---- */

void openai_hear(buf_t *out, str_t base64)
{
    buf_add(out, STR("{\"type\":\"input_audio_buffer.append\",\"audio\":\""));
    buf_add(out, base64);
    buf_add(out, STR("\"}"));
}

void openai_stop_answering(buf_t *out)
{
    begin(out, "session.update", STR_NONE);
    buf_add(out, STR(",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":{\"turn_detection\":null}}}}"));
}

void openai_end_turn(buf_t *out, str_t event_id)
{
    begin(out, "input_audio_buffer.commit", event_id);
    buf_addc(out, '}');
}

/* ---- the conversation ---- */

void openai_speak(buf_t *out, str_t instructions, str_t event_id)
{
    begin(out, "response.create", event_id);
    if (!str_is_empty(instructions)) {
        buf_add(out, STR(",\"response\":{\"instructions\":"));
        json_escape(out, instructions);
        buf_addc(out, '}');
    }
    buf_addc(out, '}');
}

void openai_cancel(buf_t *out, str_t response)
{
    begin(out, "response.cancel", STR_NONE);
    add_text(out, "response_id", response);
    buf_addc(out, '}');
}

void openai_truncate(buf_t *out, str_t item, int part, int64_t heard_ms, str_t event_id)
{
    begin(out, "conversation.item.truncate", event_id);
    add_text(out, "item_id", item);
    buf_printf(out, ",\"content_index\":%d,\"audio_end_ms\":%lld}", part, (long long)heard_ms);
}

void openai_forget(buf_t *out, str_t item)
{
    begin(out, "conversation.item.delete", STR_NONE);
    add_text(out, "item_id", item);
    buf_addc(out, '}');
}

/* At the end of the conversation: each goes behind the one before. */
void openai_recall(buf_t *out, str_t id, str_t role, str_t text)
{
    bool said = str_eq(role, STR("assistant"));

    begin(out, "conversation.item.create", STR_NONE);
    buf_add(out, STR(",\"item\":{\"type\":\"message\""));
    add_text(out, "id", id);
    add_text(out, "role", role);
    buf_printf(out, ",\"content\":[{\"type\":\"%s\",\"text\":", said ? "output_text" : "input_text");
    json_escape(out, text);
    buf_add(out, STR("}]}}"));
}
