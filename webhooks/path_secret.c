#include "path_secret.h"

#include "secret.h"

#include <stdlib.h>

struct keys {
    secrets_t list;
    const char *setting; /* for messages */
};

void *path_keys_new(const setting_source_t *from, const char *setting, err_t *err)
{
    const secret_use_t use = {.setting = setting, .in_path = true};
    struct keys *k = mem_zalloc(sizeof(*k));

    k->setting = setting;
    if (secrets_add_list(&k->list, STR_NONE, setting_get(from, setting), &use, err) && k->list.count)
        return k;
    path_keys_free(k);
    return NULL;
}

void path_keys_free(void *keys)
{
    struct keys *k = keys;

    if (!k)
        return;
    secrets_clear(&k->list);
    free(k);
}

/* A secret has no characters that a path would encode, so what came is compared as it came. */
bool path_secret_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    const struct keys *k = keys;
    str_t given = r->path_secret;

    (void)scratch;
    if (str_is_empty(given)) {
        err_set(err, ERR_NO_SIGNATURE, "the path ends where its secret should follow");
        return err_hint(err, "the address to give to the provider ends in \"/\" and the first value of %s", k->setting);
    }
    for (size_t i = 0; i < k->list.count; i++) {
        str_t secret = k->list.items[i].text;
        bool fits = crypto_equal(given.base, given.len, secret.base, secret.len);

        hook_explain(r, "%zu characters of path with secret %zu of %zu: %s", given.len, i + 1, k->list.count,
                     fits ? "yes" : "no");
        if (fits)
            return true;
    }
    err_set(err, ERR_SIGNATURE, "the end of the path is none of the %zu secrets", k->list.count);
    return err_hint(err, "set %s to what the address at the provider ends in, or change it there", k->setting);
}

str_t path_secret_newest(const void *keys)
{
    const struct keys *k = keys;

    return k->list.items[0].text;
}

size_t path_secret_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                        header_t *headers)
{
    (void)keys;
    (void)url;
    (void)kind;
    (void)body;
    (void)now_us;
    (void)a;
    (void)headers;
    return 0;
}
