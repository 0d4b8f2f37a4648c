#include "secret.h"

#include <stdlib.h>
#include <string.h>

static void release(str_t s)
{
    char *text = (char *)(uintptr_t)s.base;

    if (text)
        crypto_wipe(text, s.len);
    free(text);
}

static hmac_key_t *decoded_key(str_t text, const secret_use_t *use, err_t *err)
{
    uint8_t *bytes = mem_alloc(text.len / 4 * 3 + 3);
    size_t len = base64_decode(text, bytes);
    hmac_key_t *key = NULL;

    if (len == SIZE_MAX || !len)
        err_set(err, ERR_CONFIG, "%s: expected the base64 of a secret, with its padding", use->setting);
    else
        key = hmac_key_new(use->digest, (str_t){(const char *)bytes, len});
    crypto_wipe(bytes, text.len / 4 * 3);
    free(bytes);
    return key;
}

#define LEAST_IN_PATH 16

static bool fits_a_path(str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~", c)))
            return false;
    }
    return text.len >= LEAST_IN_PATH;
}

static bool add_one(secrets_t *list, str_t name, str_t text, const secret_use_t *use, err_t *err)
{
    secret_t s = {.key = NULL};

    if (list->count == SECRETS_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d values; two are enough to change one for another",
                       use->setting, SECRETS_MAX);
    if (use->in_path && !fits_a_path(text)) {
        err_set(err, ERR_CONFIG,
                "%s: expected at least %d letters, digits, '-', '_', '.' or '~', as it becomes part of an address",
                use->setting, LEAST_IN_PATH);
        return err_hint(err, "`openssl rand -hex 24` makes a good one");
    }
    if (use->signs) {
        s.key = use->is_base64 ? decoded_key(text, use, err) : hmac_key_new(use->digest, text);
        if (!s.key)
            return false;
    }
    s.text = (str_t){mem_strdup(text), text.len};
    if (!str_is_empty(name))
        s.name = (str_t){mem_strdup(name), name.len};
    list->items[list->count++] = s;
    return true;
}

bool secrets_add_list(secrets_t *list, str_t name, str_t values, const secret_use_t *use, err_t *err)
{
    str_t piece;

    while (str_split(&values, ',', &piece)) {
        piece = str_trim(piece);
        if (!str_is_empty(piece) && !add_one(list, name, piece, use, err))
            return false;
    }
    return true;
}

void secrets_clear(secrets_t *list)
{
    for (size_t i = 0; i < list->count; i++) {
        hmac_key_free(list->items[i].key);
        release(list->items[i].text);
        release(list->items[i].name);
    }
    list->count = 0;
}
