/* signature.c – how a server message of Vapi is proven genuine: a secret in a header, or an HMAC.
 *
 *   secret header    = secret, or "Bearer " + secret
 *   signature header = prefix + encode(HMAC(digest, secret, format with {timestamp}, {body} … filled in))
 *
 * Source: docs.vapi.ai/server-url/server-authentication, read 2026-11-21. The unit of the timestamp is not said there:
 * its text is signed as it came, and read as seconds, milliseconds or ISO 8601. Nor is what {url} expands to: every
 * address that the sender may have used is tried. */
#include "vapi/credential.h"

#include <inttypes.h>
#include <string.h>

/* ---- the secret in a header ---- */

/* A prefix proves nothing: whether the credential adds one is not asked. */
static str_t without_bearer(str_t value)
{
    static const str_t BEARER = {"Bearer ", 7};

    return str_starts_nocase(value, BEARER) ? str_trim(str_slice(value, BEARER.len, value.len)) : value;
}

static bool is_secret(const vapi_credential_t *c, const hook_request_t *r, const char *header)
{
    str_t given = without_bearer(hook_header(r, header));

    for (size_t i = 0; i < c->plain.count; i++) {
        bool same = crypto_equal(given.base, given.len, c->plain.items[i].text.base, c->plain.items[i].text.len);

        hook_explain(r, "%s against secret %zu of %zu: %s", header, i + 1, c->plain.count, same ? "yes" : "no");
        if (same)
            return true;
    }
    return false;
}

static bool verify_plain(const vapi_credential_t *c, const hook_request_t *r, err_t *err)
{
    const char *const headers[] = {c->secret_header ? c->secret_header : "x-vapi-secret", "authorization"};
    size_t count = c->secret_header ? 1 : COUNT(headers), present = 0;

    for (size_t i = 0; i < count; i++) {
        if (str_is_empty(hook_header(r, headers[i]))) {
            hook_explain(r, "no header %s", headers[i]);
            continue;
        }
        if (is_secret(c, r, headers[i]))
            return true;
        present++;
    }
    return err_set(err, present ? ERR_SIGNATURE : ERR_NO_SIGNATURE, "expected one of the %zu secrets in %s%s, %s",
                   c->plain.count, headers[0], count > 1 ? " or authorization" : "",
                   present ? "there is something else" : "there is nothing");
}

/* ---- the HMAC ---- */

/* What fills the placeholders; a URL comes in two parts. */
typedef struct filling {
    str_t body, timestamp, message_id, url[2];
} filling_t;

static size_t make_hmac(const vapi_credential_t *c, const hmac_key_t *key, const filling_t *f, uint8_t *out)
{
    const str_t values[] = {
        [PIECE_BODY] = f->body,       [PIECE_TIMESTAMP] = f->timestamp, [PIECE_MESSAGE_ID] = f->message_id,
        [PIECE_METHOD] = STR("POST"), [PIECE_URL] = f->url[0],
    };
    str_t parts[2 * PIECES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < c->n_pieces; i++) {
        const piece_t *p = &c->pieces[i];

        parts[n++] = p->kind == PIECE_TEXT ? p->text : values[p->kind];
        if (p->kind == PIECE_URL)
            parts[n++] = f->url[1];
    }
    return hmac_sign(key, parts, n, out);
}

/* The bytes of the header's signature; 0 when it is not of the form that is set. */
static size_t read_signature(const vapi_credential_t *c, str_t header, uint8_t *out)
{
    str_t prefix = str_from(c->prefix);
    size_t want = digest_bytes(c->digest), len;
    str_t text;

    if (!str_starts(header, prefix))
        return 0;
    text = str_slice(header, prefix.len, header.len);
    if (text.len != (c->is_base64 ? 4 * ((want + 2) / 3) : 2 * want))
        return 0;
    len = c->is_base64 ? base64_decode(text, out) : hex_decode(text, out);
    return len == want ? len : 0;
}

static int64_t read_timestamp(str_t text)
{
    int64_t n;

    if (!str_to_int(text, &n))
        return time_from_iso8601(text);
    return text.len <= 11 ? time_from_seconds(n) : time_from_ms((double)n);
}

/* Looked at after the signature, so that only what was genuine once is called stale. */
static bool is_fresh(const vapi_credential_t *c, str_t timestamp, int64_t now_us, err_t *err)
{
    int64_t at_us, away_us;

    if (!c->has_timestamp || !c->tolerance_us)
        return true;
    at_us = read_timestamp(timestamp);
    if (at_us == TIME_NONE)
        return err_set(err, ERR_STALE, "%s: expected seconds, milliseconds or ISO 8601", c->timestamp_header);
    away_us = now_us > at_us ? now_us - at_us : at_us - now_us;
    if (away_us <= c->tolerance_us)
        return true;
    err_set(err, ERR_STALE, "%s is %" PRId64 " s away from now, %" PRId64 " s are allowed", c->timestamp_header,
            away_us / US_PER_S, c->tolerance_us / US_PER_S);
    return err_hint(err, "is this machine's clock right?");
}

/* base64 may decode to two bytes more than the digest has, before its length is known to be wrong. */
#define SIGNATURE_MAX (DIGEST_MAX_BYTES + 2)

static bool fits_a_secret(const vapi_credential_t *c, const hook_request_t *r, const filling_t *f, const uint8_t *given,
                          size_t len)
{
    uint8_t made[DIGEST_MAX_BYTES];

    for (size_t i = 0; i < c->hmac.count; i++) {
        bool same = crypto_equal(made, make_hmac(c, c->hmac.items[i].key, f, made), given, len);

        hook_explain(r, "%s over \"%s\" of %zu bytes" STR_FMT STR_FMT ", with secret %zu of %zu: %s",
                     c->signature_header, c->format, f->body.len, STR_ARG(f->url[0]), STR_ARG(f->url[1]), i + 1,
                     c->hmac.count, same ? "yes" : "no");
        if (same)
            return true;
    }
    return false;
}

/* Without {url} in the format there is nothing to try but once. */
static bool fits_an_address(const vapi_credential_t *c, const hook_request_t *r, filling_t *f, const uint8_t *given,
                            size_t len)
{
    if (!vapi_credential_signs(c, PIECE_URL))
        return fits_a_secret(c, r, f, given, len);
    f->url[1] = r->target;
    for (size_t i = 0; i < r->n_origins; i++) {
        f->url[0] = r->origins[i];
        if (fits_a_secret(c, r, f, given, len))
            return true;
    }
    return false;
}

static bool verify_hmac(const vapi_credential_t *c, const hook_request_t *r, err_t *err)
{
    str_t header = hook_header(r, c->signature_header);
    filling_t f = {.body = r->body,
                   .timestamp = hook_header(r, c->timestamp_header),
                   .message_id = c->message_id_header ? hook_header(r, c->message_id_header) : STR_NONE};
    uint8_t given[SIGNATURE_MAX];
    size_t len;

    if (str_is_empty(header))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header %s, there is none", c->signature_header);
    if (c->has_timestamp && str_is_empty(f.timestamp))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header %s, there is none", c->timestamp_header);
    len = read_signature(c, header, given);
    if (!len)
        return err_set(err, ERR_SIGNATURE, "%s: expected %s%zu bytes in %s", c->signature_header, c->prefix,
                       digest_bytes(c->digest), c->is_base64 ? "base64" : "hex");
    if (fits_an_address(c, r, &f, given, len))
        return is_fresh(c, f.timestamp, r->now_us, err);
    return err_set(err, ERR_SIGNATURE, "%s fits none of the %zu secrets, over %s", c->signature_header, c->hmac.count,
                   c->format);
}

bool vapi_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    const vapi_credential_t *c = keys;

    (void)scratch;
    if (c->plain.count && verify_plain(c, r, err))
        return true;
    /* Where both are set either will do; the reason logged is that of the proof which was tried. */
    if (c->plain.count && (!c->hmac.count || (err->code == ERR_SIGNATURE && !hook_header(r, c->signature_header).base)))
        return false;
    return verify_hmac(c, r, err);
}

/* ---- the other side ---- */

static str_t encoded(const vapi_credential_t *c, const uint8_t *bytes, size_t len, arena_t *a)
{
    str_t prefix = str_from(c->prefix);
    char *text = arena_alloc(a, prefix.len + 2 * DIGEST_MAX_BYTES);

    memcpy(text, prefix.base, prefix.len);
    len = c->is_base64 ? base64_encode(bytes, len, text + prefix.len) : hex_encode(bytes, len, text + prefix.len);
    return (str_t){text, prefix.len + len};
}

static size_t sign_hmac(const vapi_credential_t *c, str_t url, str_t body, int64_t now_us, arena_t *a,
                        header_t *headers)
{
    filling_t f = {.body = body,
                   .timestamp = arena_printf(a, "%" PRId64, now_us / US_PER_S),
                   .message_id = arena_printf(a, "msg_%" PRId64, now_us),
                   .url = {url, STR_NONE}};
    uint8_t made[DIGEST_MAX_BYTES];
    size_t len = make_hmac(c, c->hmac.items[0].key, &f, made), n = 0;

    headers[n++] = (header_t){str_from(c->signature_header), encoded(c, made, len, a)};
    if (c->has_timestamp)
        headers[n++] = (header_t){str_from(c->timestamp_header), f.timestamp};
    if (c->message_id_header)
        headers[n++] = (header_t){str_from(c->message_id_header), f.message_id};
    return n;
}

size_t vapi_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                 header_t *headers)
{
    const vapi_credential_t *c = keys;
    size_t n = 0;

    (void)kind;
    if (c->plain.count)
        headers[n++] =
            (header_t){str_from(c->secret_header ? c->secret_header : "x-vapi-secret"), c->plain.items[0].text};
    if (c->hmac.count)
        n += sign_hmac(c, url, body, now_us, a, headers + n);
    return n;
}
