/* json.c – a stranger's JSON: cleaned, redacted, parsed, hashed, printed. */
#include "fuzz.h"

/* One of every kind. */
static const char *const PATTERNS[] = {"!metadata", "authorization", "*token", "twilio*",
                                       "headers.*", "a.b.secret",    NULL};

static bool skip_volatile(str_t key)
{
    return str_eq(key, STR("timestamp"));
}

static void check_hash(arena_t *a, const cJSON *root, str_t text)
{
    str_t printed = json_print(a, root), hash = json_hash(a, root, skip_volatile);

    CHECK(hash.len == 32, text);
    CHECK(is_clean_json(a, printed, (json_redact_t){NULL}), printed);
    CHECK(str_eq(hash, json_hash(a, json_parse(a, printed, NULL), skip_volatile)), printed);
}

static void check_clean(arena_t *a, str_t body, json_redact_t redact)
{
    str_t out;
    err_t err = {.code = ERR_NONE};
    const cJSON *root;

    if (!json_clean(a, body, redact, &out, &err)) {
        CHECK(err.code != ERR_NONE && err.detail[0], body);
        return;
    }
    CHECK(is_clean_json(a, out, redact), out);
    root = json_parse(a, out, &err);
    CHECK(root, out);
    check_hash(a, root, out);
}

void fuzz_begin(void)
{
}

void fuzz_one(arena_t *a, str_t input)
{
    check_clean(a, input, (json_redact_t){NULL});
    check_clean(a, input, (json_redact_t){PATTERNS});
    (void)json_mask_unparsable(a, input, (json_redact_t){PATTERNS});
}
