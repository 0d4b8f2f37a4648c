#include "ingest/understand.h"

/* A key longer than this is replaced by its hash: PostgreSQL would store it, people could not read it. */
#define MAX_EVENT_KEY 400
#define KEY_START     64 /* what is kept of it before the hash, for people */

#include "base/crypto.h"

static bool clean(delivery_t *d, const provider_t *provider, str_t body, const form_t *form, err_t *err)
{
    json_redact_t redact = {provider->redact};

    if (form) {
        d->payload = form_to_json(d->arena, form, redact);
        return true;
    }
    if (!json_clean(d->arena, body, redact, &d->payload, err)) {
        d->payload = STR_NONE;
        return false;
    }
    if (d->payload.base == body.base)
        d->payload = arena_dup(d->arena, body);
    return true;
}

/* Where s can be cut, at `most` or just before, without halving a character: PostgreSQL takes no half ones. */
static size_t end_of_character(str_t s, size_t most)
{
    while (most && ((unsigned char)s.base[most] & 0xc0) == 0x80)
        most--;
    return most;
}

static void shorten_key(delivery_t *d)
{
    uint8_t hash[32];
    char hex[64];
    str_t start;

    if (d->event_key.len <= MAX_EVENT_KEY)
        return;
    sha256(d->event_key, hash);
    start = str_slice(d->event_key, 0, end_of_character(d->event_key, KEY_START));
    d->event_key = arena_printf(d->arena, STR_FMT ":%.*s", STR_ARG(start), (int)hex_encode(hash, 16, hex), hex);
}

void understand(delivery_t *d, const provider_t *provider, str_t body, const form_t *form)
{
    err_t err = {.code = ERR_NONE};

    if (!clean(d, provider, body, form, &err)) {
        d->raw = json_mask_unparsable(d->arena, body, (json_redact_t){provider->redact});
        if (d->raw.base == body.base)
            d->raw = arena_dup(d->arena, body);
        delivery_bury(d, err.detail);
        return;
    }
    d->root = json_parse(d->arena, d->payload, &err);
    if (!d->root || !provider->normalise(d, &err))
        delivery_bury(d, err.detail);
    shorten_key(d);
}
