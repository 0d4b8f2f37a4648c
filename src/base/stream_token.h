/* stream_token.h – a ticket for one call's media stream: whoever brings it may open the WebSocket, and then stream that
 * call and no other.
 *
 *   {call id}.{expiry, seconds since 1970}.{base64url of HMAC-SHA256 over all before the second dot}
 *
 * It stands at the end of an address, so it has only characters that may stand there. The key is derived from the
 * secret that the provider signs with, for this use alone: a new secret makes new tickets, and those of the old one are
 * good as long as both secrets are. It can be used more than once until it expires. Any thread. */
#ifndef HOOKLINE_BASE_STREAM_TOKEN_H
#define HOOKLINE_BASE_STREAM_TOKEN_H

#include "base/crypto.h"

#define STREAM_TOKEN_CALL_BYTES 64 /* of a call id, at most: letters and digits */
#define STREAM_TOKEN_MOST_S     3600

typedef struct stream_token {
    str_t call_id;
    int64_t expires_s;
    str_t signed_part;
    uint8_t mac[32];
} stream_token_t;

hmac_key_t *stream_token_key(str_t secret); /* hmac_key_free releases */

bool stream_token_is_call(str_t call_id); /* whether a ticket can name it */
/* Absent for a call that it cannot name. expires_s: no more than STREAM_TOKEN_MOST_S from now, or nobody takes it. */
str_t stream_token_make(arena_t *a, const hmac_key_t *key, str_t call_id, int64_t expires_s);

/* Splits without trusting anything; out borrows from text. ERR_SIGNATURE when it is no ticket. */
bool stream_token_read(str_t text, stream_token_t *out, err_t *err);
bool stream_token_fits(const stream_token_t *t, const hmac_key_t *key); /* constant time */
/* Of one that fits. ERR_STALE when it has expired, or lives longer than any that we make. */
bool stream_token_lives(const stream_token_t *t, int64_t now_us, err_t *err);

#endif
