/* crypto.h – what OpenSSL does for us: HMAC, SHA-256, base64, hex, random bytes.
 *
 * Everything that compares a secret does so in constant time. Keys are immutable once made and may be used by several
 * threads at once. */
#ifndef HOOKLINE_BASE_CRYPTO_H
#define HOOKLINE_BASE_CRYPTO_H

#include "base/err.h"
#include "base/mem.h"

typedef enum { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 } digest_t;
#define DIGEST_MAX_BYTES 64
bool digest_from(str_t name, digest_t *out); /* "sha1", "sha256", "sha512" */
size_t digest_bytes(digest_t d);

typedef struct hmac_key hmac_key_t; /* a keyed template, so that signing costs one duplicate and no key schedule */
hmac_key_t *hmac_key_new(digest_t digest, str_t secret);
void hmac_key_free(hmac_key_t *key); /* wipes; NULL is fine */
size_t hmac_sign(const hmac_key_t *key, const str_t *parts, size_t count, uint8_t out[DIGEST_MAX_BYTES]);

void sha256(str_t data, uint8_t out[32]);
void sha1(str_t data, uint8_t out[20]); /* for a protocol that asks for it (WebSocket's handshake); proves nothing */
bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len); /* constant time; lengths are not secret */
void crypto_random(void *out, size_t len);
void crypto_wipe(void *p, size_t len);

/* Text forms. Encoding writes no NUL and returns the length; decoding is strict (padding, alphabet, no blanks, no
 * stray bits) and gives SIZE_MAX when the text is not that form. */
size_t base64_encode(const void *data, size_t len, char *out);    /* out: 4 * ((len + 2) / 3) */
size_t base64_decode(str_t text, uint8_t *out);                   /* out: text.len / 4 * 3 */
size_t base64url_encode(const void *data, size_t len, char *out); /* without padding, RFC 4648 section 5 */
size_t base64url_decode(str_t text, uint8_t *out);                /* out: text.len * 3 / 4 + 3 */
size_t hex_encode(const void *data, size_t len, char *out);       /* lower case; out: 2 * len */
size_t hex_decode(str_t text, uint8_t *out);                      /* either case; out: text.len / 2 */

typedef struct uuid {
    uint8_t bytes[16];
} uuid_t_;
uuid_t_ uuid_v7(int64_t wall_us); /* RFC 9562: time-ordered, so that an index grows at its end */
#define UUID_TEXT_BYTES 36
size_t uuid_to_text(uuid_t_ u, char out[UUID_TEXT_BYTES + 1]);
bool uuid_from_text(str_t text, uuid_t_ *out);

#endif
