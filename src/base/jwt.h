/* jwt.h – compact HS256 tokens (RFC 7515, RFC 7519). Any thread, one arena at a time. */
#ifndef HOOKLINE_BASE_JWT_H
#define HOOKLINE_BASE_JWT_H

#include "base/crypto.h"

/* jwt_read splits and decodes without trusting anything; it refuses every
 * alg but HS256. The caller then finds the key by the claims' iss and calls jwt_verify. */
typedef struct jwt {
    str_t signing_input; /* header.payload as it came */
    str_t claims;        /* the payload's JSON, decoded into the arena */
    uint8_t signature[32];
} jwt_t;
bool jwt_read(arena_t *a, str_t token, jwt_t *out, err_t *err);
bool jwt_verify(const jwt_t *token, const hmac_key_t *key); /* key: DIGEST_SHA256 */
str_t jwt_make(arena_t *a, str_t claims_json, const hmac_key_t *key);

#endif
