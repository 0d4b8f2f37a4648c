#include "base/jwt.h"

#include "base/json.h"

#include <assert.h>
#include <string.h>

#define HS256_TEXT_BYTES 43 /* 32 bytes in base64url */

static bool decode_part(arena_t *a, str_t part, const char *name, str_t *out, err_t *err)
{
    uint8_t *bytes = arena_alloc(a, part.len * 3 / 4 + 3);
    size_t len = base64url_decode(part, bytes);

    if (len == SIZE_MAX)
        return err_set(err, ERR_SIGNATURE, "a token's %s must be base64url", name);
    *out = (str_t){(const char *)bytes, len};
    return true;
}

/* "crit" names extensions that a reader must know (RFC 7515 section 4.1.11); we know none. */
static bool check_header(arena_t *a, str_t header, err_t *err)
{
    const cJSON *root;

    if (!json_clean(a, header, (json_redact_t){NULL}, &header, NULL) || !(root = json_parse(a, header, NULL)))
        return err_set(err, ERR_SIGNATURE, "a token's header must be JSON");
    if (!str_eq(json_str(root, "alg"), STR("HS256")))
        return err_set(err, ERR_SIGNATURE, "a token's alg must be HS256");
    if (json_at(root, "crit"))
        return err_set(err, ERR_SIGNATURE, "a token's header must not have crit");
    return true;
}

bool jwt_read(arena_t *a, str_t token, jwt_t *out, err_t *err)
{
    str_t rest = token, header, claims, signature;
    uint8_t bytes[HS256_TEXT_BYTES * 3 / 4 + 3];

    if (!str_split(&rest, '.', &header) || !str_split(&rest, '.', &claims) || !str_split(&rest, '.', &signature) ||
        rest.base)
        return err_set(err, ERR_SIGNATURE, "a token must have three parts");
    out->signing_input = str_slice(token, 0, header.len + 1 + claims.len);
    if (!decode_part(a, header, "header", &header, err) || !check_header(a, header, err))
        return false;
    if (signature.len != HS256_TEXT_BYTES || base64url_decode(signature, bytes) != sizeof(out->signature))
        return err_set(err, ERR_SIGNATURE, "a token's signature must be 32 bytes of base64url");
    memcpy(out->signature, bytes, sizeof(out->signature));
    return decode_part(a, claims, "claims", &out->claims, err);
}

bool jwt_verify(const jwt_t *token, const hmac_key_t *key)
{
    uint8_t expected[DIGEST_MAX_BYTES];
    size_t len;

    len = hmac_sign(key, &token->signing_input, 1, expected);
    assert(len == sizeof(token->signature)); /* a key of SHA-256 */
    return crypto_equal(expected, len, token->signature, sizeof(token->signature));
}

str_t jwt_make(arena_t *a, str_t claims_json, const hmac_key_t *key)
{
    static const char header[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."; /* {"alg":"HS256","typ":"JWT"} */
    char *text = arena_alloc(a, sizeof(header) + 4 * ((claims_json.len + 2) / 3) + 1 + HS256_TEXT_BYTES);
    size_t len = sizeof(header) - 1;
    uint8_t signature[DIGEST_MAX_BYTES];
    str_t input;

    memcpy(text, header, len);
    len += base64url_encode(claims_json.base, claims_json.len, text + len);
    input = (str_t){text, len};
    (void)hmac_sign(key, &input, 1, signature);
    text[len++] = '.';
    len += base64url_encode(signature, 32, text + len);
    text[len] = '\0';
    return (str_t){text, len};
}
