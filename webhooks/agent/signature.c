/* signature.c – the Standard Webhooks signature, both ways.
 *
 *   webhook-id         names the message, whatever it is
 *   webhook-timestamp  seconds since 1970, when it was sent
 *   webhook-signature  "v1,<base64>", several of them separated by blanks (while the sender changes its secret)
 *   v1                 HMAC-SHA256 over id.timestamp.body; the key is the base64 after "whsec_"
 *
 * Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, read 2026-11-21. v1a (Ed25519) and
 * whatever comes later is passed over. */
#include "agent/agent.h"
#include "secret.h"

#include <inttypes.h>
#include <stdlib.h>

#define SECRET            "AGENT_WEBHOOK_SECRET"
#define TOLERANCE         "AGENT_WEBHOOK_TOLERANCE"
#define DEFAULT_TOLERANCE "300"
#define MAX_TOLERANCE_S   86400
#define SHA256_BYTES      32
#define SHA256_B64_BYTES  44

const setting_t AGENT_SETTINGS[AGENT_SETTING_COUNT] = {
    {.name = SECRET,
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "whsec_…: secrets that agents of your own sign with (Standard Webhooks)"},
    {.name = TOLERANCE,
     .type = SETTING_SECONDS,
     .fallback = DEFAULT_TOLERANCE,
     .reloads = true,
     .help = "How far an agent's webhook-timestamp may be from now, either way",
     .least = 1,
     .most = MAX_TOLERANCE_S},
};

struct keys {
    secrets_t list;
    int64_t tolerance_us;
};

/* ---- settings ---- */

static bool read_secrets(struct keys *k, str_t values, err_t *err)
{
    static const secret_use_t USE = {.setting = SECRET, .signs = true, .digest = DIGEST_SHA256, .is_base64 = true};
    static const str_t PREFIX = {"whsec_", 6};
    str_t piece;

    while (str_split(&values, ',', &piece)) {
        piece = str_trim(piece);
        if (str_is_empty(piece))
            continue;
        if (!str_starts(piece, PREFIX) || piece.len == PREFIX.len) {
            err_set(err, ERR_CONFIG, "%s: expected whsec_ and the base64 of a secret", SECRET);
            return err_hint(err, "`echo whsec_$(openssl rand -base64 32)` makes a good one");
        }
        if (!secrets_add_list(&k->list, STR_NONE, str_slice(piece, PREFIX.len, piece.len), &USE, err))
            return false;
    }
    return true;
}

static bool read_tolerance(struct keys *k, str_t text, err_t *err)
{
    char *copy = mem_strdup(str_is_empty(text) ? STR(DEFAULT_TOLERANCE) : text);
    char *end;
    double s = strtod(copy, &end);
    bool ok = end != copy && !*end && s >= 1 && s <= MAX_TOLERANCE_S;

    if (ok)
        k->tolerance_us = (int64_t)(s * (double)US_PER_S);
    else
        err_set(err, ERR_CONFIG, "%s: expected seconds from 1 to %d, not %s", TOLERANCE, MAX_TOLERANCE_S, copy);
    free(copy);
    return ok;
}

void *agent_keys_new(const setting_source_t *from, err_t *err)
{
    struct keys *k = mem_zalloc(sizeof(*k));

    if (read_tolerance(k, str_trim(setting_get(from, TOLERANCE)), err) &&
        read_secrets(k, setting_get(from, SECRET), err) && k->list.count)
        return k;
    agent_keys_free(k);
    return NULL;
}

void agent_keys_free(void *keys)
{
    struct keys *k = keys;

    if (!k)
        return;
    secrets_clear(&k->list);
    free(k);
}

/* ---- verifying ---- */

typedef struct proof {
    str_t id, timestamp, signatures;
} proof_t;

static bool read_proof(const hook_request_t *r, proof_t *p, err_t *err)
{
    const char *missing = NULL;

    *p = (proof_t){hook_header(r, "webhook-id"), hook_header(r, "webhook-timestamp"),
                   hook_header(r, "webhook-signature")};
    if (str_is_empty(p->signatures))
        missing = "webhook-signature";
    if (str_is_empty(p->timestamp))
        missing = "webhook-timestamp";
    if (str_is_empty(p->id))
        missing = "webhook-id";
    return !missing || err_set(err, ERR_NO_SIGNATURE, "expected a header %s, there is none", missing);
}

static void make_hmac(const hmac_key_t *key, const proof_t *p, str_t body, uint8_t *out)
{
    const str_t parts[] = {p->id, STR("."), p->timestamp, STR("."), body};

    hmac_sign(key, parts, COUNT(parts), out);
}

/* Whether any of the sender's signatures is `made`. */
static bool holds_signature(str_t signatures, const uint8_t *made)
{
    static const str_t V1 = {"v1,", 3};
    uint8_t given[SHA256_B64_BYTES];
    str_t piece;

    while (str_split(&signatures, ' ', &piece)) {
        str_t text = str_slice(piece, V1.len, piece.len);

        if (str_starts(piece, V1) && text.len == SHA256_B64_BYTES && base64_decode(text, given) == SHA256_BYTES &&
            crypto_equal(given, SHA256_BYTES, made, SHA256_BYTES))
            return true;
    }
    return false;
}

static bool is_signed(const struct keys *k, const hook_request_t *r, const proof_t *p, err_t *err)
{
    uint8_t made[DIGEST_MAX_BYTES];

    for (size_t i = 0; i < k->list.count; i++) {
        bool fits;

        make_hmac(k->list.items[i].key, p, r->body, made);
        fits = holds_signature(p->signatures, made);
        hook_explain(r,
                     "webhook-signature with secret %zu of %zu, over webhook-id, webhook-timestamp and %zu bytes: %s",
                     i + 1, k->list.count, r->body.len, fits ? "yes" : "no");
        if (fits)
            return true;
    }
    err_set(err, ERR_SIGNATURE, "no v1 in webhook-signature fits any of the %zu secrets", k->list.count);
    return err_hint(err, "agent and server need the same %s; a proxy between them must pass the body on unchanged",
                    SECRET);
}

/* Looked at after the signature, so that only what was genuine once is called stale. */
static bool is_fresh(const struct keys *k, str_t timestamp, int64_t now_us, err_t *err)
{
    int64_t at_s, at_us, away_us;

    if (!str_to_int(timestamp, &at_s) || (at_us = time_from_seconds(at_s)) == TIME_NONE)
        return err_set(err, ERR_STALE, "webhook-timestamp: expected whole seconds since 1970");
    away_us = now_us > at_us ? now_us - at_us : at_us - now_us;
    if (away_us <= k->tolerance_us)
        return true;
    err_set(err, ERR_STALE, "webhook-timestamp is %" PRId64 " s away from now, %" PRId64 " s are allowed",
            away_us / US_PER_S, k->tolerance_us / US_PER_S);
    return err_hint(err, "are both clocks right? %s says how far apart they may be", TOLERANCE);
}

bool agent_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    const struct keys *k = keys;
    proof_t p;

    (void)scratch;
    return read_proof(r, &p, err) && is_signed(k, r, &p, err) && is_fresh(k, p.timestamp, r->now_us, err);
}

/* ---- signing ---- */

/* The same body is the same message, so it has the same id. */
static str_t id_of(str_t body, arena_t *a)
{
    uint8_t hash[32];
    char hex[32];

    sha256(body, hash);
    return arena_printf(a, "msg_%.*s", (int)hex_encode(hash, 16, hex), hex);
}

size_t agent_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                  header_t *headers)
{
    const struct keys *k = keys;
    proof_t p = {.id = id_of(body, a), .timestamp = arena_printf(a, "%" PRId64, now_us / US_PER_S)};
    uint8_t made[DIGEST_MAX_BYTES];
    char text[SHA256_B64_BYTES];

    (void)url;
    (void)kind;
    make_hmac(k->list.items[0].key, &p, body, made);
    p.signatures = arena_printf(a, "v1,%.*s", (int)base64_encode(made, SHA256_BYTES, text), text);
    headers[0] = (header_t){STR("webhook-id"), p.id};
    headers[1] = (header_t){STR("webhook-timestamp"), p.timestamp};
    headers[2] = (header_t){STR("webhook-signature"), p.signatures};
    return 3;
}
