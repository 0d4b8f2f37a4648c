#include "base/crypto.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} DIGESTS[] = {
    [DIGEST_SHA1] = {"SHA1", 20},
    [DIGEST_SHA256] = {"SHA256", 32},
    [DIGEST_SHA512] = {"SHA512", 64},
};

/* Looking an algorithm up by name takes a lock and longer than the hash of a short body, so it is done once. */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MAC *hmac;
static EVP_MD *sha256_md;

/* OpenSSL fails here only when there is no memory or its configuration offers no such algorithm: nothing to go on with.
 */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "hookline: OpenSSL cannot %s\n", what);
    abort();
}

static void fetch(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(hmac && sha256_md, "provide HMAC and SHA-256");
}

bool digest_from(str_t name, digest_t *out)
{
    for (size_t i = 0; i < COUNT(DIGESTS); i++) {
        if (str_eq_nocase(name, str_from(DIGESTS[i].name))) {
            *out = (digest_t)i;
            return true;
        }
    }
    return false;
}

size_t digest_bytes(digest_t d)
{
    return DIGESTS[d].bytes;
}

struct hmac_key {
    digest_t digest;
    EVP_MAC_CTX *keyed;
};

hmac_key_t *hmac_key_new(digest_t digest, str_t secret)
{
    hmac_key_t *key = mem_alloc(sizeof(*key));
    char name[8];
    OSSL_PARAM params[] = {OSSL_PARAM_END, OSSL_PARAM_END};

    must(pthread_once(&fetched, fetch) == 0, "start");
    (void)snprintf(name, sizeof(name), "%s", DIGESTS[digest].name);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    key->digest = digest;
    key->keyed = EVP_MAC_CTX_new(hmac);
    must(key->keyed && EVP_MAC_init(key->keyed, (const uint8_t *)(secret.len ? secret.base : ""), secret.len, params),
         "make an HMAC key");
    return key;
}

void hmac_key_free(hmac_key_t *key)
{
    if (!key)
        return;
    EVP_MAC_CTX_free(key->keyed); /* which clears its copies of the key */
    free(key);
}

size_t hmac_sign(const hmac_key_t *key, const str_t *parts, size_t count, uint8_t out[DIGEST_MAX_BYTES])
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(key->keyed);
    size_t len = 0;
    bool ok = ctx != NULL;

    for (size_t i = 0; ok && i < count; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, (const uint8_t *)parts[i].base, parts[i].len);
    must(ok && EVP_MAC_final(ctx, out, &len, DIGEST_MAX_BYTES), "sign");
    EVP_MAC_CTX_free(ctx);
    return len;
}

void sha256(str_t data, uint8_t out[32])
{
    must(pthread_once(&fetched, fetch) == 0, "start");
    must(EVP_Digest(data.len ? data.base : "", data.len, out, NULL, sha256_md, NULL), "hash");
}

void sha1(str_t data, uint8_t out[20])
{
    must(EVP_Digest(data.len ? data.base : "", data.len, out, NULL, EVP_sha1(), NULL), "hash");
}

bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || CRYPTO_memcmp(a, b, a_len) == 0);
}

void crypto_random(void *out, size_t len)
{
    assert(len <= INT32_MAX);
    must(RAND_bytes(out, (int)len) == 1, "give random bytes");
}

void crypto_wipe(void *p, size_t len)
{
    if (p)
        OPENSSL_cleanse(p, len);
}

/* ---- base64 and hex: three tables and their inverses ---- */

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char HEX[] = "0123456789abcdef";
#define NOT_A_DIGIT 0xff

/* One character's six bits. All but the last two of the alphabet are the same in both forms. */
static unsigned six_bits(char c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : NOT_A_DIGIT;
}

static size_t encode64(const uint8_t *in, size_t len, const char *alphabet, char *out)
{
    char *at = out;

    for (; len >= 3; len -= 3, in += 3) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = alphabet[bits >> 6 & 63];
        *at++ = alphabet[bits & 63];
    }
    if (len) {
        uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        if (len == 2)
            *at++ = alphabet[bits >> 6 & 63];
    }
    return (size_t)(at - out);
}

/* Without padding. A last group of two or three characters must leave no bit over, or two texts would mean the same. */
static size_t decode64(str_t text, const char *alphabet, uint8_t *out)
{
    uint32_t bits = 0;
    size_t len = 0, over = text.len % 4;

    for (size_t i = 0; i < text.len; i++) {
        unsigned six = six_bits(text.base[i], alphabet);
        if (six == NOT_A_DIGIT)
            return SIZE_MAX;
        bits = bits << 6 | six;
        if (i % 4 == 3) {
            out[len++] = (uint8_t)(bits >> 16);
            out[len++] = (uint8_t)(bits >> 8);
            out[len++] = (uint8_t)bits;
        }
    }
    if (over == 1 || (over == 2 && bits & 0xf) || (over == 3 && bits & 0x3))
        return SIZE_MAX;
    if (over >= 2)
        out[len++] = (uint8_t)(over == 2 ? bits >> 4 : bits >> 10);
    if (over == 3)
        out[len++] = (uint8_t)(bits >> 2);
    return len;
}

size_t base64_encode(const void *data, size_t len, char *out)
{
    size_t n = encode64(data, len, BASE64, out);

    while (n % 4)
        out[n++] = '=';
    return n;
}

size_t base64_decode(str_t text, uint8_t *out)
{
    size_t padding = 0;

    if (text.len % 4)
        return SIZE_MAX;
    while (padding < 2 && padding < text.len && text.base[text.len - 1 - padding] == '=')
        padding++;
    text.len -= padding;
    return decode64(text, BASE64, out);
}

size_t base64url_encode(const void *data, size_t len, char *out)
{
    return encode64(data, len, BASE64URL, out);
}

size_t base64url_decode(str_t text, uint8_t *out)
{
    return decode64(text, BASE64URL, out);
}

size_t hex_encode(const void *data, size_t len, char *out)
{
    const uint8_t *in = data;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = HEX[in[i] >> 4];
        out[2 * i + 1] = HEX[in[i] & 15];
    }
    return 2 * len;
}

static unsigned four_bits(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : NOT_A_DIGIT;
}

size_t hex_decode(str_t text, uint8_t *out)
{
    if (text.len % 2)
        return SIZE_MAX;
    for (size_t i = 0; i < text.len / 2; i++) {
        unsigned high = four_bits(text.base[2 * i]), low = four_bits(text.base[2 * i + 1]);
        if (high == NOT_A_DIGIT || low == NOT_A_DIGIT)
            return SIZE_MAX;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text.len / 2;
}

/* ---- UUIDs ---- */

/* 48 bits of milliseconds, version 7, 12 bits of the millisecond's fraction (RFC 9562 section 6.2, method 3, so that
 * rows made in one millisecond keep their order), variant 2, 62 random bits. */
uuid_t_ uuid_v7(int64_t wall_us)
{
    uint64_t us = wall_us > 0 ? (uint64_t)wall_us : 0, ms = us / 1000, fraction = us % 1000 * 4096 / 1000;
    uuid_t_ u;

    for (int i = 0; i < 6; i++)
        u.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    u.bytes[6] = (uint8_t)(0x70 | fraction >> 8);
    u.bytes[7] = (uint8_t)fraction;
    crypto_random(u.bytes + 8, 8);
    u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
    return u;
}

static bool dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

size_t uuid_to_text(uuid_t_ u, char out[UUID_TEXT_BYTES + 1])
{
    char *at = out;

    for (size_t i = 0; i < sizeof(u.bytes); i++) {
        if (dash_before(i))
            *at++ = '-';
        at += hex_encode(&u.bytes[i], 1, at);
    }
    *at = '\0';
    return UUID_TEXT_BYTES;
}

bool uuid_from_text(str_t text, uuid_t_ *out)
{
    const char *at = text.base;

    if (text.len != UUID_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < sizeof(out->bytes); i++) {
        if (dash_before(i) && *at++ != '-')
            return false;
        if (hex_decode((str_t){at, 2}, &out->bytes[i]) == SIZE_MAX)
            return false;
        at += 2;
    }
    return true;
}
