/* signature.c – X-Twilio-Signature, both ways.
 *
 *   data = URL, as Twilio was given it
 *   form body: for every parameter, sorted by key (bytes): data += key + value, decoded, empty values included
 *   JSON body: nothing more, but the URL carries bodySHA256=<hex of SHA-256 of the body>
 *   signature = base64(HMAC-SHA1(auth token, data))
 *
 * Source: twilio.com/docs/usage/security and twilio.com/docs/usage/webhooks/webhooks-security, read 2026-11-21. What
 * the pages leave open follows Twilio's own libraries (twilio-node src/webhooks/webhooks.ts, twilio-python
 * request_validator.py): the port may or may not be in the URL, and a repeated key counts once for each distinct value,
 * values sorted. */
#include "secret.h"
#include "twilio/twilio.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE_TEXT_BYTES 28
#define SHA1_BYTES           20

struct keys {
    secrets_t tokens;
    str_t account_sid; /* absent: any */
    char *account_sid_text;
};

void *twilio_keys_new(const setting_source_t *from, err_t *err)
{
    static const secret_use_t USE = {.setting = "TWILIO_AUTH_TOKEN", .signs = true, .digest = DIGEST_SHA1};
    struct keys *k = mem_zalloc(sizeof(*k));

    if (!secrets_add_list(&k->tokens, STR_NONE, setting_get(from, "TWILIO_AUTH_TOKEN"), &USE, err) ||
        !k->tokens.count) {
        twilio_keys_free(k);
        return NULL;
    }
    k->account_sid_text = mem_strdup(str_trim(setting_get(from, "TWILIO_ACCOUNT_SID")));
    k->account_sid = str_from(k->account_sid_text);
    return k;
}

void twilio_keys_free(void *keys)
{
    struct keys *k = keys;

    if (!k)
        return;
    secrets_clear(&k->tokens);
    free(k->account_sid_text);
    free(k);
}

str_t twilio_account(const void *keys)
{
    const struct keys *k = keys;

    return k->account_sid;
}

/* ---- what is signed ---- */

/* Most keys differ in their first eight bytes: compared as one number they sort without a call. */
typedef struct sortable {
    uint64_t head;
    const form_pair_t *pair;
} sortable_t;

static uint64_t head_of(str_t s)
{
    uint64_t head = 0;

    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | (i < s.len ? (unsigned char)s.base[i] : 0);
    return head;
}

static int by_key_then_value(const void *a, const void *b)
{
    const sortable_t *x = a, *y = b;
    int order;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    order = str_cmp(x->pair->key, y->pair->key);
    return order ? order : str_cmp(x->pair->value, y->pair->value);
}

static bool same_pair(const form_pair_t *a, const form_pair_t *b)
{
    return str_eq(a->key, b->key) && str_eq(a->value, b->value);
}

/* Keys sorted by bytes, values of one key sorted, exact repeats dropped; key and value without anything between. */
static str_t signed_parameters(const form_t *form, arena_t *a)
{
    sortable_t *sorted = arena_alloc(a, form->count * sizeof(*sorted));
    str_t *parts = arena_alloc(a, 2 * form->count * sizeof(*parts));
    size_t n = 0;

    for (size_t i = 0; i < form->count; i++)
        sorted[i] = (sortable_t){head_of(form->pairs[i].key), &form->pairs[i]};
    if (form->count)
        qsort(sorted, form->count, sizeof(*sorted), by_key_then_value);
    for (size_t i = 0; i < form->count; i++) {
        if (i && same_pair(sorted[i - 1].pair, sorted[i].pair))
            continue;
        parts[n++] = sorted[i].pair->key;
        parts[n++] = sorted[i].pair->value;
    }
    return arena_concat(a, parts, n);
}

/* An address that Twilio may have signed, in pieces. */
typedef struct address {
    str_t head;   /* scheme://host */
    str_t port;   /* :443, or absent */
    str_t prefix; /* what follows in the origin: the part of a path that a proxy takes off */
} address_t;

/* Where the port begins, or the path: after the closing bracket where the host is an IPv6 literal. */
static size_t end_of_host(str_t origin, size_t host)
{
    size_t i = host;

    if (i < origin.len && origin.base[i] == '[')
        while (i < origin.len && origin.base[i] != ']')
            i++;
    while (i < origin.len && origin.base[i] != ':' && origin.base[i] != '/')
        i++;
    return i;
}

static address_t split_origin(str_t origin)
{
    size_t colon = str_find(origin, ':');
    size_t host = colon == SIZE_MAX ? 0 : colon + 3; /* "://" */
    size_t port = end_of_host(origin, host), path = port;

    while (path < origin.len && origin.base[path] != '/')
        path++;
    return (address_t){str_slice(origin, 0, port), str_slice(origin, port, path), str_slice(origin, path, origin.len)};
}

/* The same with the port taken off, or with the scheme's own put in: the documentation says which of them is signed,
 * and every one of Twilio's libraries accepts either. */
static address_t other_port(address_t a)
{
    if (!str_is_empty(a.port))
        a.port = STR_NONE;
    else
        a.port = str_starts(a.head, STR("https:")) || str_starts(a.head, STR("wss:")) ? STR(":443") : STR(":80");
    return a;
}

static bool fits(const struct keys *k, const address_t *at, str_t target, str_t parameters, const uint8_t *given)
{
    const str_t parts[] = {at->head, at->port, at->prefix, target, parameters};
    uint8_t made[DIGEST_MAX_BYTES];

    for (size_t i = 0; i < k->tokens.count; i++)
        if (crypto_equal(made, hmac_sign(k->tokens.items[i].key, parts, COUNT(parts), made), given, SHA1_BYTES))
            return true;
    return false;
}

static bool fits_any(const struct keys *k, const hook_request_t *r, str_t parameters, const uint8_t *given)
{
    for (size_t i = 0; i < r->n_origins; i++) {
        address_t as_known = split_origin(r->origins[i]);
        address_t other = other_port(as_known);

        if (fits(k, &as_known, r->target, parameters, given) || fits(k, &other, r->target, parameters, given))
            return true;
    }
    return false;
}

/* ---- a JSON body is covered by a parameter of the URL only ---- */

static str_t query_value(str_t target, str_t name)
{
    str_t rest = str_slice(target, str_find(target, '?'), target.len);
    str_t pair;

    if (str_is_empty(rest))
        return STR_NONE;
    rest = str_slice(rest, 1, rest.len);
    while (str_split(&rest, '&', &pair))
        if (str_starts(pair, name) && pair.len > name.len && pair.base[name.len] == '=')
            return str_slice(pair, name.len + 1, pair.len);
    return STR_NONE;
}

static bool body_is_the_signed_one(const hook_request_t *r)
{
    str_t given = query_value(r->target, STR("bodySHA256"));
    uint8_t want[32], made[32];

    if (given.len != 2 * sizeof(want) || hex_decode(given, want) != sizeof(want))
        return false;
    sha256(r->body, made);
    return crypto_equal(want, sizeof(want), made, sizeof(made));
}

/* ---- the two ends ---- */

static bool is_our_account(const struct keys *k, const hook_request_t *r)
{
    str_t sid = r->form ? form_get(r->form, STR("AccountSid")) : STR_NONE;

    /* A delivery that names no account is still proven by the token, which belongs to one. */
    return str_is_empty(k->account_sid) || str_is_empty(sid) || str_eq(sid, k->account_sid);
}

static bool refuse_signature(const struct keys *k, const hook_request_t *r, err_t *err)
{
    str_t path = str_slice(r->target, 0, str_find(r->target, '?'));
    str_t origin = r->n_origins ? r->origins[0] : STR("(no address is known)");

    err_set(err, ERR_SIGNATURE,
            "x-twilio-signature fits none of the %zu addresses tried with %zu tokens; the first was " STR_FMT STR_FMT,
            2 * r->n_origins, k->tokens.count, STR_ARG(origin), STR_ARG(path));
    return err_hint(err, "set HOOKLINE_PUBLIC_URL to the address that Twilio was given, and TWILIO_AUTH_TOKEN to the "
                         "account's primary token");
}

bool twilio_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    const struct keys *k = keys;
    str_t header = hook_header(r, "x-twilio-signature");
    uint8_t given[SIGNATURE_TEXT_BYTES];

    if (str_is_empty(header))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header x-twilio-signature, there is none");
    if (header.len != SIGNATURE_TEXT_BYTES || base64_decode(header, given) != SHA1_BYTES)
        return err_set(err, ERR_SIGNATURE, "x-twilio-signature: expected the base64 of 20 bytes, %zu characters came",
                       header.len);
    if (!r->form && !body_is_the_signed_one(r))
        return err_set(err, ERR_SIGNATURE,
                       "a JSON body is signed by bodySHA256 in the URL: it is missing, or of another body");
    if (!fits_any(k, r, r->form ? signed_parameters(r->form, scratch) : STR_NONE, given))
        return refuse_signature(k, r, err);
    if (!is_our_account(k, r))
        return err_set(err, ERR_SIGNATURE, "AccountSid is not the account of TWILIO_ACCOUNT_SID");
    return true;
}

str_t twilio_query(body_kind_t kind, str_t body, arena_t *a)
{
    uint8_t hash[32];
    char hex[64];

    if (kind != BODY_JSON)
        return STR_NONE;
    sha256(body, hash);
    return arena_printf(a, "bodySHA256=%.*s", (int)hex_encode(hash, sizeof(hash), hex), hex);
}

size_t twilio_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                   header_t *headers)
{
    const struct keys *k = keys;
    uint8_t made[DIGEST_MAX_BYTES];
    char *text = arena_alloc(a, SIGNATURE_TEXT_BYTES);
    str_t parts[2] = {url, STR_NONE};
    form_t form;

    (void)now_us; /* the signature knows no time */
    if (kind == BODY_FORM && form_parse(a, body, &form, NULL))
        parts[1] = signed_parameters(&form, a);
    hmac_sign(k->tokens.items[0].key, parts, COUNT(parts), made);
    headers[0] = (header_t){STR("x-twilio-signature"), {text, base64_encode(made, SHA1_BYTES, text)}};
    return 1;
}
