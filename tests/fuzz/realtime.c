/* realtime.c – a message of a provider of speech, of any bytes: what is read of it is within bounds, and can be stored
 * and logged. */
#include "fuzz.h"

#include "media/message.h"
#include "media/realtime.h"

static const realtime_dialect_t *const dialect = &REALTIME_OPENAI;

void fuzz_begin(void)
{
}

static void check_texts(const realtime_event_t *e)
{
    const str_t texts[] = {e->type, e->session, e->model,    e->item,       e->previous,      e->response,
                           e->role, e->text,    e->of_event, e->fault.code, e->fault.message, e->fault.param};

    for (size_t i = 0; i < COUNT(texts); i++)
        CHECK(is_storable(texts[i]) && (texts[i].base || !texts[i].len), texts[i]);
}

/* As anybody would write a key. */
static void check_keys(str_t s)
{
    for (size_t i = 0; i + 3 < s.len; i++)
        CHECK(memcmp(s.base + i, " sk-", 4) != 0, s);
}

static void check_numbers(const realtime_event_t *e, str_t text)
{
    CHECK(e->kind >= REALTIME_OTHER && e->kind <= REALTIME_ERROR, text);
    CHECK(e->fault.kind >= FAULT_HARMLESS && e->fault.kind <= FAULT_SERVER, text);
    CHECK(e->outcome >= OUTCOME_COMPLETED && e->outcome <= OUTCOME_FAILED, text);
    CHECK(e->part >= 0 && e->at_ms >= 0 && e->at_ms <= INT32_MAX, text);
    CHECK(e->tokens >= 0 && e->tokens <= INT32_MAX, text);
    CHECK(e->expires_s >= 0 && e->expires_s < INT64_C(253402300800), text);
    CHECK(e->kind == REALTIME_AUDIO ? e->bytes == message_decoded(e->text) : !e->bytes, text);
    CHECK(!e->usage || cJSON_IsObject(e->usage), text);
}

static void check_output(const cJSON *output)
{
    realtime_said_t s;

    CHECK(!output || cJSON_IsArray(output), STR("output"));
    for (const cJSON *item = output ? output->child : NULL; item; item = item->next)
        if (dialect->said(item, &s))
            CHECK(is_storable(s.item) && is_storable(s.text) && s.part >= 0, s.text);
}

/* What is told back in another message arrives as it was read. */
static void check_writing(arena_t *a, const realtime_event_t *e)
{
    buf_t out = BUF_EMPTY;
    const cJSON *root;

    dialect->recall(&out, e->item, e->role, e->text);
    CHECK(is_clean_json(a, buf_str(&out), (json_redact_t){NULL}), buf_str(&out));
    root = json_parse(a, buf_str(&out), NULL);
    CHECK(str_eq(json_str(root, "item.id"), e->item), e->item);
    CHECK(str_eq(json_str(root, "item.content.0.text"), e->text), e->text);
    buf_clear(&out);
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t text = exact_copy(a, input);
    err_t err = {.code = ERR_NONE};
    realtime_event_t e;

    if (!dialect->read(a, text, &e, &err)) {
        CHECK(err.code == ERR_UNPARSABLE && err.detail[0], text);
        return;
    }
    CHECK(!str_is_empty(e.type), text);
    check_texts(&e);
    check_keys(e.fault.code);
    check_keys(e.fault.message);
    check_keys(e.fault.param);
    check_numbers(&e, text);
    check_output(e.output);
    check_writing(a, &e);
}
