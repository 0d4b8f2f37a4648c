/* form.c – form bodies: read, made JSON, and written again. */
#include "fuzz.h"

#include "base/form.h"

static const char *const PATTERNS[] = {"CallToken", "*secret", NULL};

static void check_round_trip(arena_t *a, const form_t *form)
{
    buf_t text = BUF_EMPTY;
    form_t again;
    err_t err;

    for (size_t i = 0; i < form->count; i++)
        form_encode(&text, form->pairs[i].key, form->pairs[i].value);
    CHECK(form_parse(a, buf_str(&text), &again, &err), buf_str(&text));
    CHECK(again.count == form->count, buf_str(&text));
    for (size_t i = 0; i < form->count; i++)
        CHECK(str_eq(again.pairs[i].key, form->pairs[i].key) && str_eq(again.pairs[i].value, form->pairs[i].value),
              form->pairs[i].key);
    buf_clear(&text);
}

void fuzz_begin(void)
{
}

void fuzz_one(arena_t *a, str_t input)
{
    const json_redact_t redact = {PATTERNS};
    str_t json;
    form_t form;
    err_t err;

    if (form_parse(a, input, &form, &err)) {
        json = form_to_json(a, &form, redact);
        CHECK(is_clean_json(a, json, (json_redact_t){NULL}), json);
        CHECK(cJSON_IsObject(json_parse(a, json, NULL)), json);
        check_round_trip(a, &form);
    } else {
        CHECK(err.code == ERR_UNPARSABLE, input);
    }
    (void)json_mask_unparsable(a, input, redact);
}
