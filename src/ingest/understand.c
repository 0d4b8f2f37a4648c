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

/* d has its payload. */
static void ask_provider(delivery_t *d, const provider_t *provider)
{
    err_t err = {.code = ERR_NONE};

    d->root = json_parse(d->arena, d->payload, &err);
    if (!d->root || !provider->normalise(d, &err))
        delivery_bury(d, err.detail);
    shorten_key(d);
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
    ask_provider(d, provider);
}

static const provider_t *provider_named(str_t name)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (str_eq(name, str_from(PROVIDERS[i]->name)))
            return PROVIDERS[i];
    return NULL;
}

static const char *route_named(const provider_t *provider, str_t name)
{
    for (size_t i = 0; provider && i < provider->n_routes; i++)
        if (str_eq(name, str_from(provider->routes[i].name)))
            return provider->routes[i].name;
    return NULL;
}

/* Of a payload it cannot be told whether it came as JSON or as a form. */
static const char *guess_route(const provider_t *provider, const journal_entry_t *kept)
{
    int bodies = kept->payload.base ? BODY_JSON | BODY_FORM | BODY_QUERY : BODY_JSON;

    for (size_t i = 0; provider && i < provider->n_routes; i++)
        if (provider->routes[i].bodies & bodies)
            return provider->routes[i].name;
    return NULL;
}

/* As it was kept, but for what it means. */
static delivery_t *reopen(const journal_entry_t *kept, const provider_t *provider, const char *route)
{
    size_t body = kept->payload.len + kept->raw.len;
    delivery_t *d = delivery_new(4096 + 3 * (body < 65536 ? body : 65536));

    d->provider = provider ? provider->name : arena_dup(d->arena, kept->provider).base;
    d->route = route ? route : arena_dup(d->arena, kept->route).base;
    d->way = kept->way >= 0 && kept->way <= WAY_REPLAY ? (way_t)kept->way : WAY_WEBHOOK; /* a newer version's */
    d->received_us = kept->received_us;
    if (kept->payload.base)
        d->payload = arena_dup(d->arena, kept->payload);
    if (kept->raw.base)
        d->raw = arena_dup(d->arena, kept->raw);
    if (!provider || !route)
        delivery_bury(d, "of a provider or route that this version does not know");
    return d;
}

delivery_t *understand_again(const journal_entry_t *kept)
{
    const provider_t *provider = provider_named(kept->provider);
    delivery_t *d = reopen(kept, provider, route_named(provider, kept->route));

    if (d->payload.base && !d->error.base)
        ask_provider(d, provider);
    else if (!d->error.base)
        delivery_bury(d, kept->error.base ? arena_dup(d->arena, kept->error).base : "kept without a body");
    d->bytes = arena_bytes(d->arena);
    return d;
}

static void read_raw(delivery_t *d, const provider_t *provider)
{
    err_t err = {.code = ERR_NONE};

    if (!clean(d, provider, d->raw, NULL, &err)) {
        delivery_bury(d, err.detail);
        return;
    }
    d->raw = STR_NONE;
    ask_provider(d, provider);
}

delivery_t *understand_stored(const journal_entry_t *kept)
{
    const provider_t *provider = provider_named(kept->provider);
    const char *route = kept->route.base ? route_named(provider, kept->route) : guess_route(provider, kept);
    delivery_t *d = reopen(kept, provider, route);

    if (d->payload.base && !d->error.base)
        ask_provider(d, provider);
    else if (d->raw.base && !d->error.base)
        read_raw(d, provider);
    else if (!d->error.base)
        delivery_bury(d, "stored without a body");
    d->bytes = arena_bytes(d->arena);
    return d;
}
