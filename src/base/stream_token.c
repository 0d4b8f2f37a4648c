#include "base/stream_token.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

#define MAC_BYTES      32
#define MAC_TEXT_BYTES 43

/* HMAC of a fixed text: from what the key gives away nothing leads back to the secret, or to what else it signs. */
hmac_key_t *stream_token_key(str_t secret)
{
    const str_t use = STR("hookline stream token, version 1");
    hmac_key_t *master = hmac_key_new(DIGEST_SHA256, secret), *key;
    uint8_t derived[DIGEST_MAX_BYTES];
    size_t len = hmac_sign(master, &use, 1, derived);

    key = hmac_key_new(DIGEST_SHA256, (str_t){(const char *)derived, len});
    crypto_wipe(derived, sizeof(derived));
    hmac_key_free(master);
    return key;
}

bool stream_token_is_call(str_t call_id)
{
    for (size_t i = 0; i < call_id.len; i++) {
        char c = call_id.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return call_id.len > 0 && call_id.len <= STREAM_TOKEN_CALL_BYTES;
}

str_t stream_token_make(arena_t *a, const hmac_key_t *key, str_t call_id, int64_t expires_s)
{
    uint8_t mac[DIGEST_MAX_BYTES];
    char text[MAC_TEXT_BYTES + 1];
    str_t signed_part;
    size_t len;

    if (!stream_token_is_call(call_id))
        return STR_NONE;
    signed_part = arena_printf(a, STR_FMT ".%lld", STR_ARG(call_id), (long long)expires_s);
    (void)hmac_sign(key, &signed_part, 1, mac);
    len = base64url_encode(mac, MAC_BYTES, text);
    return arena_printf(a, STR_FMT ".%.*s", STR_ARG(signed_part), (int)len, text);
}

/* As we write it: no sign, no leading zero, so that a ticket has one form. */
static bool read_expiry(str_t s, int64_t *out)
{
    return s.len && s.len <= 18 && s.base[0] >= '1' && s.base[0] <= '9' && str_to_int(s, out);
}

bool stream_token_read(str_t text, stream_token_t *out, err_t *err)
{
    str_t rest = text, call, expiry, mac;
    uint8_t bytes[MAC_TEXT_BYTES * 3 / 4 + 3];

    if (!str_split(&rest, '.', &call) || !str_split(&rest, '.', &expiry) || !str_split(&rest, '.', &mac) || rest.base)
        return err_set(err, ERR_SIGNATURE, "a stream's ticket must have three parts");
    if (!stream_token_is_call(call) || !read_expiry(expiry, &out->expires_s))
        return err_set(err, ERR_SIGNATURE, "a stream's ticket must begin with a call and a time");
    if (mac.len != MAC_TEXT_BYTES || base64url_decode(mac, bytes) != MAC_BYTES)
        return err_set(err, ERR_SIGNATURE, "a stream's ticket must end with 32 bytes of base64url");
    memcpy(out->mac, bytes, MAC_BYTES);
    out->call_id = call;
    out->signed_part = str_slice(text, 0, call.len + 1 + expiry.len);
    return true;
}

bool stream_token_fits(const stream_token_t *t, const hmac_key_t *key)
{
    uint8_t expected[DIGEST_MAX_BYTES];
    size_t len = hmac_sign(key, &t->signed_part, 1, expected);

    assert(len == sizeof(t->mac)); /* a key of SHA-256 */
    return crypto_equal(expected, len, t->mac, sizeof(t->mac));
}

bool stream_token_lives(const stream_token_t *t, int64_t now_us, err_t *err)
{
    int64_t left_s = t->expires_s - now_us / US_PER_S;

    if (left_s <= 0)
        return err_set(err, ERR_STALE, "the stream's ticket expired %lld s ago", (long long)-left_s);
    if (left_s > STREAM_TOKEN_MOST_S)
        return err_set(err, ERR_STALE, "the stream's ticket would live for %lld s more; none of ours does",
                       (long long)left_s);
    return true;
}
