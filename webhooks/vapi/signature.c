/* signature.c – how a server message of Vapi is proven genuine: a secret in a header, or an HMAC.
 *
 * The HMAC is as the credential was made at Vapi: which headers, digest, encoding and prefix, and what is signed, are
 * all chosen there, so they are all settings here.
 *
 *   signature header = prefix + encode(HMAC(digest, secret, format with {timestamp}, {body} … filled in))
 *
 * Source: docs.vapi.ai/server-url/server-authentication and the schema HMACAuthenticationPlan of Vapi's OpenAPI
 * document, read 2026-11-21. The unit of the timestamp is not said there: its text is signed as it came, and read as
 * seconds, milliseconds or ISO 8601. */
#include "secret.h"
#include "vapi/vapi.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SIGNATURE_HEADER "x-vapi-signature"
#define DEFAULT_TIMESTAMP_HEADER "x-vapi-timestamp"
#define DEFAULT_PAYLOAD_FORMAT   "{timestamp}.{body}"
#define DEFAULT_ENCODING         "hex"
#define DEFAULT_ALGORITHM        "sha256"
#define DEFAULT_TOLERANCE        "300"

const setting_t VAPI_SETTINGS[VAPI_SETTING_COUNT] = {
    {.name = "VAPI_WEBHOOK_SECRET",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets that Vapi sends as X-Vapi-Secret, or as a bearer token"},
    {.name = "VAPI_WEBHOOK_HMAC_SECRET",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets of the HMAC credential; beside VAPI_WEBHOOK_SECRET either proof will do"},
    {.name = "VAPI_WEBHOOK_SIGNATURE_HEADER",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_SIGNATURE_HEADER,
     .reloads = true,
     .help = "The HMAC credential's signature header"},
    {.name = "VAPI_WEBHOOK_TIMESTAMP_HEADER",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_TIMESTAMP_HEADER,
     .reloads = true,
     .help = "The HMAC credential's timestamp header"},
    {.name = "VAPI_WEBHOOK_MESSAGE_ID_HEADER",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "The HMAC credential's message id header, where the payload format has {svix-id}"},
    {.name = "VAPI_WEBHOOK_PAYLOAD_FORMAT",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_PAYLOAD_FORMAT,
     .reloads = true,
     .help = "What the HMAC credential signs: {body}, {timestamp}, {svix-id}, {method}, {url} and text"},
    {.name = "VAPI_WEBHOOK_ENCODING",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_ENCODING,
     .reloads = true,
     .help = "The HMAC credential's encoding: hex or base64"},
    {.name = "VAPI_WEBHOOK_PREFIX",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "What stands before the signature in its header, e.g. sha256="},
    {.name = "VAPI_WEBHOOK_ALGORITHM",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_ALGORITHM,
     .reloads = true,
     .help = "The HMAC credential's digest: sha256, sha512 or sha1"},
    {.name = "VAPI_WEBHOOK_TOLERANCE",
     .type = SETTING_SECONDS,
     .fallback = DEFAULT_TOLERANCE,
     .reloads = true,
     .help = "How far the signed timestamp may be from now; 0: any",
     .least = 0,
     .most = 86400},
    {.name = "VAPI_WEBHOOK_SECRET_IS_BASE64",
     .type = SETTING_BOOL,
     .fallback = "0",
     .reloads = true,
     .help = "Whether the HMAC secret is the base64 of the key"},
};

/* ---- the format, cut into pieces ---- */

typedef enum { PIECE_TEXT, PIECE_BODY, PIECE_TIMESTAMP, PIECE_MESSAGE_ID, PIECE_METHOD, PIECE_URL } piece_kind_t;
typedef struct piece {
    piece_kind_t kind;
    str_t text;
} piece_t;
#define PIECES_MAX 16

static const struct {
    const char *name;
    piece_kind_t kind;
} PLACEHOLDERS[] = {
    {"{body}", PIECE_BODY},
    {"{timestamp}", PIECE_TIMESTAMP},
    {"{svix-id}", PIECE_MESSAGE_ID},
    {"{method}", PIECE_METHOD},
    {"{url}", PIECE_URL},
};

struct keys {
    secrets_t plain; /* compared with a header */
    secrets_t hmac;
    char *signature_header, *timestamp_header, *message_id_header; /* lower case */
    char *prefix, *format;                                         /* the pieces point into the format */
    piece_t pieces[PIECES_MAX];
    size_t n_pieces;
    digest_t digest;
    bool is_base64;
    bool has_timestamp; /* the format has one: only then is it proven, and looked at */
    int64_t tolerance_us;
};

static bool has_piece(const struct keys *k, piece_kind_t kind)
{
    for (size_t i = 0; i < k->n_pieces; i++)
        if (k->pieces[i].kind == kind)
            return true;
    return false;
}

static piece_t next_piece(str_t rest)
{
    size_t brace;

    for (size_t i = 0; i < COUNT(PLACEHOLDERS); i++)
        if (str_starts(rest, str_from(PLACEHOLDERS[i].name)))
            return (piece_t){PLACEHOLDERS[i].kind, str_from(PLACEHOLDERS[i].name)};
    brace = str_find(str_slice(rest, 1, rest.len), '{');
    return (piece_t){PIECE_TEXT, str_slice(rest, 0, brace == SIZE_MAX ? rest.len : brace + 1)};
}

static bool read_format(struct keys *k, err_t *err)
{
    str_t rest = str_from(k->format);

    while (!str_is_empty(rest)) {
        piece_t p = next_piece(rest);

        if (k->n_pieces == PIECES_MAX || (p.kind == PIECE_TEXT && p.text.base[0] == '{'))
            return err_set(err, ERR_CONFIG,
                           "VAPI_WEBHOOK_PAYLOAD_FORMAT: expected {body}, {timestamp}, {svix-id}, {method}, {url} and "
                           "text between them, at \"" STR_FMT "\"",
                           STR_ARG(rest));
        k->pieces[k->n_pieces++] = p;
        rest = str_slice(rest, p.text.len, rest.len);
    }
    if (!has_piece(k, PIECE_BODY))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_PAYLOAD_FORMAT: without {body} nothing is proven");
    if (has_piece(k, PIECE_MESSAGE_ID) && !k->message_id_header)
        return err_set(err, ERR_CONFIG,
                       "VAPI_WEBHOOK_PAYLOAD_FORMAT has {svix-id}, but VAPI_WEBHOOK_MESSAGE_ID_HEADER "
                       "does not say which header that is");
    k->has_timestamp = has_piece(k, PIECE_TIMESTAMP);
    return true;
}

/* ---- settings ---- */

static str_t setting_or(const setting_source_t *from, const char *name, const char *fallback)
{
    str_t value = str_trim(setting_get(from, name));

    return str_is_empty(value) ? str_from(fallback) : value;
}

static char *header_name(const setting_source_t *from, const char *name, const char *fallback)
{
    str_t value = setting_or(from, name, fallback);
    char *copy = value.base ? mem_strdup(value) : NULL;

    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static bool read_words(struct keys *k, const setting_source_t *from, err_t *err)
{
    str_t algorithm = setting_or(from, "VAPI_WEBHOOK_ALGORITHM", DEFAULT_ALGORITHM);
    str_t encoding = setting_or(from, "VAPI_WEBHOOK_ENCODING", DEFAULT_ENCODING);

    if (!digest_from(algorithm, &k->digest))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_ALGORITHM: expected sha256, sha512 or sha1, not " STR_FMT,
                       STR_ARG(algorithm));
    k->is_base64 = str_eq_nocase(encoding, STR("base64"));
    if (!k->is_base64 && !str_eq_nocase(encoding, STR("hex")))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_ENCODING: expected hex or base64, not " STR_FMT,
                       STR_ARG(encoding));
    return true;
}

static bool read_tolerance(struct keys *k, const setting_source_t *from, err_t *err)
{
    char *text = mem_strdup(setting_or(from, "VAPI_WEBHOOK_TOLERANCE", DEFAULT_TOLERANCE));
    char *end;
    double s = strtod(text, &end);
    bool ok = end != text && !*end && s >= 0 && s <= 86400;

    if (ok)
        k->tolerance_us = (int64_t)(s * (double)US_PER_S);
    else
        err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_TOLERANCE: expected seconds from 0 to 86400, not %s", text);
    free(text);
    return ok;
}

static bool is_yes(str_t s)
{
    return str_eq(s, STR("1")) || str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("yes")) ||
           str_eq_nocase(s, STR("on"));
}

static bool read_secrets(struct keys *k, const setting_source_t *from, err_t *err)
{
    const secret_use_t plain = {.setting = "VAPI_WEBHOOK_SECRET"};
    const secret_use_t hmac = {.setting = "VAPI_WEBHOOK_HMAC_SECRET",
                               .signs = true,
                               .digest = k->digest,
                               .is_base64 = is_yes(setting_or(from, "VAPI_WEBHOOK_SECRET_IS_BASE64", "0"))};

    return secrets_add_list(&k->plain, STR_NONE, setting_get(from, plain.setting), &plain, err) &&
           secrets_add_list(&k->hmac, STR_NONE, setting_get(from, hmac.setting), &hmac, err);
}

void *vapi_keys_new(const setting_source_t *from, err_t *err)
{
    struct keys *k = mem_zalloc(sizeof(*k));

    k->signature_header = header_name(from, "VAPI_WEBHOOK_SIGNATURE_HEADER", DEFAULT_SIGNATURE_HEADER);
    k->timestamp_header = header_name(from, "VAPI_WEBHOOK_TIMESTAMP_HEADER", DEFAULT_TIMESTAMP_HEADER);
    k->message_id_header = header_name(from, "VAPI_WEBHOOK_MESSAGE_ID_HEADER", NULL);
    k->prefix = mem_strdup(setting_or(from, "VAPI_WEBHOOK_PREFIX", ""));
    k->format = mem_strdup(setting_or(from, "VAPI_WEBHOOK_PAYLOAD_FORMAT", DEFAULT_PAYLOAD_FORMAT));
    if (read_words(k, from, err) && read_tolerance(k, from, err) && read_secrets(k, from, err) &&
        (!k->hmac.count || read_format(k, err)) && k->plain.count + k->hmac.count)
        return k;
    vapi_keys_free(k);
    return NULL;
}

void vapi_keys_free(void *keys)
{
    struct keys *k = keys;

    if (!k)
        return;
    secrets_clear(&k->plain);
    secrets_clear(&k->hmac);
    free(k->signature_header);
    free(k->timestamp_header);
    free(k->message_id_header);
    free(k->prefix);
    free(k->format);
    free(k);
}

/* ---- the secret in a header ---- */

static bool is_secret(const struct keys *k, str_t given)
{
    for (size_t i = 0; i < k->plain.count; i++)
        if (crypto_equal(given.base, given.len, k->plain.items[i].text.base, k->plain.items[i].text.len))
            return true;
    return false;
}

static bool verify_plain(const struct keys *k, const hook_request_t *r, err_t *err)
{
    static const str_t BEARER = {"Bearer ", 7};
    str_t secret = hook_header(r, "x-vapi-secret");
    str_t authorization = hook_header(r, "authorization");

    if (!str_is_empty(secret) && is_secret(k, secret))
        return true;
    if (str_starts_nocase(authorization, BEARER) &&
        is_secret(k, str_trim(str_slice(authorization, BEARER.len, authorization.len))))
        return true;
    if (str_is_empty(secret) && str_is_empty(authorization))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header x-vapi-secret or authorization, there is neither");
    return err_set(err, ERR_SIGNATURE, "x-vapi-secret or authorization holds none of the %zu secrets", k->plain.count);
}

/* ---- the HMAC ---- */

/* What fills the placeholders; a URL comes in two parts. */
typedef struct filling {
    str_t body, timestamp, message_id, url[2];
} filling_t;

static size_t make_hmac(const struct keys *k, const hmac_key_t *key, const filling_t *f, uint8_t *out)
{
    const str_t values[] = {
        [PIECE_BODY] = f->body,       [PIECE_TIMESTAMP] = f->timestamp, [PIECE_MESSAGE_ID] = f->message_id,
        [PIECE_METHOD] = STR("POST"), [PIECE_URL] = f->url[0],
    };
    str_t parts[2 * PIECES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < k->n_pieces; i++) {
        const piece_t *p = &k->pieces[i];

        parts[n++] = p->kind == PIECE_TEXT ? p->text : values[p->kind];
        if (p->kind == PIECE_URL)
            parts[n++] = f->url[1];
    }
    return hmac_sign(key, parts, n, out);
}

/* The bytes of the header's signature; 0 when it is not of the form that is set. */
static size_t read_signature(const struct keys *k, str_t header, uint8_t *out)
{
    str_t prefix = str_from(k->prefix);
    size_t want = digest_bytes(k->digest), len;
    str_t text;

    if (!str_starts(header, prefix))
        return 0;
    text = str_slice(header, prefix.len, header.len);
    if (text.len != (k->is_base64 ? 4 * ((want + 2) / 3) : 2 * want))
        return 0;
    len = k->is_base64 ? base64_decode(text, out) : hex_decode(text, out);
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
static bool is_fresh(const struct keys *k, str_t timestamp, int64_t now_us, err_t *err)
{
    int64_t at_us, away_us;

    if (!k->has_timestamp || !k->tolerance_us)
        return true;
    at_us = read_timestamp(timestamp);
    if (at_us == TIME_NONE)
        return err_set(err, ERR_STALE, "%s: expected seconds, milliseconds or ISO 8601", k->timestamp_header);
    away_us = now_us > at_us ? now_us - at_us : at_us - now_us;
    if (away_us <= k->tolerance_us)
        return true;
    err_set(err, ERR_STALE, "%s is %" PRId64 " s away from now, %" PRId64 " s are allowed", k->timestamp_header,
            away_us / US_PER_S, k->tolerance_us / US_PER_S);
    return err_hint(err, "is this machine's clock right?");
}

static bool verify_hmac(const struct keys *k, const hook_request_t *r, err_t *err)
{
    str_t header = hook_header(r, k->signature_header);
    filling_t f = {.body = r->body,
                   .timestamp = hook_header(r, k->timestamp_header),
                   .message_id = k->message_id_header ? hook_header(r, k->message_id_header) : STR_NONE,
                   .url = {r->n_origins ? r->origins[0] : STR_NONE, r->target}};
    /* base64 may decode to two bytes more than the digest has, before its length is known to be wrong. */
    uint8_t given[DIGEST_MAX_BYTES + 2], made[DIGEST_MAX_BYTES];
    size_t len;

    if (str_is_empty(header))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header %s, there is none", k->signature_header);
    if (k->has_timestamp && str_is_empty(f.timestamp))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header %s, there is none", k->timestamp_header);
    len = read_signature(k, header, given);
    if (!len)
        return err_set(err, ERR_SIGNATURE, "%s: expected %s%zu bytes in %s", k->signature_header, k->prefix,
                       digest_bytes(k->digest), k->is_base64 ? "base64" : "hex");
    for (size_t i = 0; i < k->hmac.count; i++)
        if (crypto_equal(made, make_hmac(k, k->hmac.items[i].key, &f, made), given, len))
            return is_fresh(k, f.timestamp, r->now_us, err);
    return err_set(err, ERR_SIGNATURE, "%s fits none of the %zu secrets, over %s", k->signature_header, k->hmac.count,
                   k->format);
}

bool vapi_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    const struct keys *k = keys;

    (void)scratch;
    if (k->plain.count && verify_plain(k, r, err))
        return true;
    /* Where both are set either will do; the reason logged is that of the proof which was tried. */
    if (k->plain.count && (!k->hmac.count || (err->code == ERR_SIGNATURE && !hook_header(r, k->signature_header).base)))
        return false;
    return verify_hmac(k, r, err);
}

/* ---- the other side ---- */

static str_t encoded(const struct keys *k, const uint8_t *bytes, size_t len, arena_t *a)
{
    str_t prefix = str_from(k->prefix);
    char *text = arena_alloc(a, prefix.len + 2 * DIGEST_MAX_BYTES);

    memcpy(text, prefix.base, prefix.len);
    len = k->is_base64 ? base64_encode(bytes, len, text + prefix.len) : hex_encode(bytes, len, text + prefix.len);
    return (str_t){text, prefix.len + len};
}

static size_t sign_hmac(const struct keys *k, str_t url, str_t body, int64_t now_us, arena_t *a, header_t *headers)
{
    filling_t f = {.body = body,
                   .timestamp = arena_printf(a, "%" PRId64, now_us / US_PER_S),
                   .message_id = arena_printf(a, "msg_%" PRId64, now_us),
                   .url = {url, STR_NONE}};
    uint8_t made[DIGEST_MAX_BYTES];
    size_t len = make_hmac(k, k->hmac.items[0].key, &f, made), n = 0;

    headers[n++] = (header_t){str_from(k->signature_header), encoded(k, made, len, a)};
    if (k->has_timestamp)
        headers[n++] = (header_t){str_from(k->timestamp_header), f.timestamp};
    if (k->message_id_header)
        headers[n++] = (header_t){str_from(k->message_id_header), f.message_id};
    return n;
}

size_t vapi_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                 header_t *headers)
{
    const struct keys *k = keys;
    size_t n = 0;

    (void)kind;
    if (k->plain.count)
        headers[n++] = (header_t){STR("x-vapi-secret"), k->plain.items[0].text};
    if (k->hmac.count)
        n += sign_hmac(k, url, body, now_us, a, headers + n);
    return n;
}
