/* signature.c – LiveKit's webhook token, both ways.
 *
 *   Authorization: <header>.<claims>.<HMAC-SHA256>      a bare token, without "Bearer"
 *   claims: iss (the API key), exp, nbf, sha256 (standard base64 of SHA-256 of the raw body)
 *
 * Source: docs.livekit.io/home/server/webhooks, and github.com/livekit/protocol auth/verifier.go, webhook/notifier.go,
 * read 2026-11-21. LiveKit's Go library allows the clocks a minute, its JavaScript one ten seconds: a minute here.
 * Every token for LiveKit's API is signed by the same secrets; only those for webhooks carry sha256, so without it
 * nothing is let in. A prefix "Bearer " is let pass: some proxies add it, and it proves nothing either way. */
#include "base/jwt.h"
#include "livekit/livekit.h"

#include <inttypes.h>
#include <stdlib.h>

#define LEEWAY_S         60
#define VALID_S          300
#define SHA256_B64_BYTES 44

static const secret_use_t PAIRS = {.setting = "LIVEKIT_KEYS", .signs = true, .digest = DIGEST_SHA256};
static const secret_use_t SINGLE = {.setting = "LIVEKIT_API_SECRET", .signs = true, .digest = DIGEST_SHA256};

/* key:secret,key:secret; blanks around either do not count (LiveKit's own LIVEKIT_KEYS has one after the colon). */
static bool read_pairs(livekit_keys_t *k, str_t pairs, err_t *err)
{
    str_t pair;

    while (str_split(&pairs, ',', &pair)) {
        size_t colon = str_find(pair, ':');
        str_t key = str_trim(str_slice(pair, 0, colon));
        str_t secret = colon == SIZE_MAX ? STR_NONE : str_trim(str_slice(pair, colon + 1, pair.len));

        if (str_is_empty(str_trim(pair)))
            continue;
        if (str_is_empty(key) || str_is_empty(secret))
            return err_set(err, ERR_CONFIG, "LIVEKIT_KEYS: expected key:secret,key:secret");
        if (!secrets_add_list(&k->list, key, secret, &PAIRS, err))
            return false;
    }
    return true;
}

static bool read_single(livekit_keys_t *k, str_t key, str_t secrets, err_t *err)
{
    if (str_is_empty(key) != str_is_empty(secrets)) {
        err_set(err, ERR_CONFIG, "%s is set, but %s is not", secrets.len ? "LIVEKIT_API_SECRET" : "LIVEKIT_API_KEY",
                secrets.len ? "LIVEKIT_API_KEY" : "LIVEKIT_API_SECRET");
        return err_hint(err, "a LiveKit API key and its secret belong together; several pairs go into LIVEKIT_KEYS");
    }
    return str_is_empty(key) || secrets_add_list(&k->list, key, secrets, &SINGLE, err);
}

void *livekit_keys_new(const setting_source_t *from, err_t *err)
{
    livekit_keys_t *k = mem_zalloc(sizeof(*k));
    str_t key = str_trim(setting_get(from, "LIVEKIT_API_KEY"));
    str_t secrets = str_trim(setting_get(from, "LIVEKIT_API_SECRET"));

    if (read_single(k, key, secrets, err) && read_pairs(k, setting_get(from, "LIVEKIT_KEYS"), err) && k->list.count)
        return k;
    livekit_keys_free(k);
    return NULL;
}

void livekit_keys_free(void *keys)
{
    livekit_keys_t *k = keys;

    if (!k)
        return;
    secrets_clear(&k->list);
    free(k);
}

/* ---- verifying ---- */

static str_t token_of(str_t authorization)
{
    static const str_t BEARER = {"Bearer ", 7};

    if (str_starts_nocase(authorization, BEARER))
        authorization = str_slice(authorization, BEARER.len, authorization.len);
    return str_trim(authorization);
}

typedef struct proof {
    jwt_t token;
    const cJSON *claims; /* what it says, read */
} proof_t;

/* A stranger's bytes: checked like a body before they are parsed. */
static const cJSON *read_claims(arena_t *a, str_t text)
{
    err_t why;
    str_t safe;

    return json_clean(a, text, (json_redact_t){NULL}, &safe, &why) ? json_parse(a, safe, &why) : NULL;
}

/* The names of the keys that are set. They are no secrets: every token has one in clear. */
static str_t key_names(const livekit_keys_t *k, arena_t *a)
{
    str_t parts[2 * SECRETS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < k->list.count; i++) {
        if (i && str_eq(k->list.items[i].name, k->list.items[i - 1].name))
            continue;
        if (n)
            parts[n++] = STR(", ");
        parts[n++] = k->list.items[i].name;
    }
    return arena_concat(a, parts, n);
}

#define NAME_SHOWN 40 /* bytes: a stranger may write anything there */

static bool is_signed(const livekit_keys_t *k, const hook_request_t *r, arena_t *scratch, const proof_t *proof,
                      err_t *err)
{
    str_t iss = json_str(proof->claims, "iss"), shown = str_slice(iss, 0, NAME_SHOWN);
    bool known = false;

    for (size_t i = 0; i < k->list.count; i++) {
        bool fits;

        if (!str_eq(iss, k->list.items[i].name))
            continue;
        known = true;
        fits = jwt_verify(&proof->token, k->list.items[i].key);
        hook_explain(r, "iss \"" STR_FMT "\" with secret %zu of %zu: %s", STR_ARG(shown), i + 1, k->list.count,
                     fits ? "yes" : "no");
        if (fits)
            return true;
    }
    if (known)
        return err_set(err, ERR_SIGNATURE, "the token's signature does not fit the secret of its key");
    err_set(err, ERR_SIGNATURE, "the token names key \"" STR_FMT "\", which is not set; set are: " STR_FMT,
            STR_ARG(shown), STR_ARG(key_names(k, scratch)));
    hook_explain(r, "%s", err->detail);
    return err_hint(err, "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to the key that the webhook was made with");
}

/* exp must be there and both must be numbers: current versions of LiveKit's libraries insist on it too. */
static bool is_in_time(const cJSON *claims, const hook_request_t *r, err_t *err)
{
    const cJSON *exp = json_at(claims, "exp"), *nbf = json_at(claims, "nbf");
    double now_s = (double)r->now_us / (double)US_PER_S;

    if (!cJSON_IsNumber(exp) || (nbf && !cJSON_IsNumber(nbf)))
        return err_set(err, ERR_SIGNATURE, "the token's exp (and nbf) must be numbers");
    hook_explain(r, "nbf %.0f, exp %.0f, now %.0f, leeway %d s", nbf ? nbf->valuedouble : 0, exp->valuedouble, now_s,
                 LEEWAY_S);
    if (now_s >= exp->valuedouble + LEEWAY_S)
        err_set(err, ERR_STALE, "the token expired %.0f s ago", now_s - exp->valuedouble);
    else if (nbf && now_s < nbf->valuedouble - LEEWAY_S)
        err_set(err, ERR_STALE, "the token is good only in %.0f s", nbf->valuedouble - now_s);
    else
        return true;
    return err_hint(err, "is this machine's clock right?");
}

static bool is_of_body(const cJSON *claims, const hook_request_t *r, err_t *err)
{
    str_t text = json_str(claims, "sha256");
    uint8_t want[SHA256_B64_BYTES], made[32];
    char made_text[SHA256_B64_BYTES];

    sha256(r->body, made);
    hook_explain(r, "sha256 of the token: " STR_FMT "; of the %zu bytes that came: %.*s",
                 STR_ARG(str_slice(text, 0, SHA256_B64_BYTES)), r->body.len,
                 (int)base64_encode(made, sizeof(made), made_text), made_text);
    if (text.len != SHA256_B64_BYTES || base64_decode(text, want) != sizeof(made))
        return err_set(err, ERR_SIGNATURE, "the token's sha256 must be the base64 of 32 bytes");
    if (crypto_equal(want, sizeof(made), made, sizeof(made)))
        return true;
    err_set(err, ERR_SIGNATURE, "the token is of another body: its sha256 does not fit");
    return err_hint(err, "a proxy in front must pass the body on unchanged");
}

/* What can be read of the header, before anything of it is believed. */
static bool read_token(arena_t *a, str_t authorization, proof_t *proof, err_t *err)
{
    str_t text = token_of(authorization);
    err_t why;

    if (str_is_empty(text))
        return err_set(err, ERR_NO_SIGNATURE, "expected a token in the header authorization, there is none");
    if (!jwt_read(a, text, &proof->token, &why))
        return err_set(err, ERR_SIGNATURE, "authorization: %s", why.detail);
    proof->claims = read_claims(a, proof->token.claims);
    return proof->claims || err_set(err, ERR_SIGNATURE, "authorization: the token's claims are not JSON");
}

bool livekit_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    proof_t proof = {.claims = NULL};

    return read_token(scratch, hook_header(r, "authorization"), &proof, err) &&
           is_signed(keys, r, scratch, &proof, err) && is_in_time(proof.claims, r, err) &&
           is_of_body(proof.claims, r, err);
}

/* ---- signing ---- */

size_t livekit_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                    header_t *headers)
{
    const livekit_keys_t *k = keys;
    const secret_t *newest = &k->list.items[0];
    int64_t now_s = now_us / US_PER_S;
    char hash_text[SHA256_B64_BYTES];
    buf_t claims = BUF_EMPTY;
    uint8_t hash[32];

    (void)url;
    (void)kind;
    sha256(body, hash);
    buf_add(&claims, STR("{\"iss\":"));
    json_escape(&claims, newest->name);
    buf_printf(&claims, ",\"nbf\":%" PRId64 ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 ",\"sha256\":\"%.*s\"}", now_s,
               now_s, now_s + VALID_S, (int)base64_encode(hash, sizeof(hash), hash_text), hash_text);
    headers[0] = (header_t){STR("authorization"), jwt_make(a, buf_str(&claims), newest->key)};
    headers[1] = (header_t){STR("content-type"), STR("application/webhook+json")};
    buf_clear(&claims);
    return 2;
}
