/* message.c – a message of a media stream, of any bytes: what the scanner takes, cJSON reads alike; and a ticket. */
#include "fuzz.h"

#include "base/stream_token.h"
#include "media/message.h"

static hmac_key_t *key;

void fuzz_begin(void)
{
    uint8_t secret[32];

    crypto_random(secret, sizeof(secret));
    key = stream_token_key((str_t){(const char *)secret, sizeof(secret)});
}

static void check_message(arena_t *a, str_t text)
{
    message_t fast, slow;
    err_t err = {.code = ERR_NONE};
    bool parsed = message_parse(a, text, &slow, &err);

    CHECK(parsed || err.detail[0], text);
    if (parsed) {
        CHECK(slow.sequence >= MESSAGE_NO_NUMBER && slow.timestamp >= MESSAGE_NO_NUMBER, text);
        CHECK(is_storable(slow.stream_sid) && is_storable(slow.track) && is_storable(slow.digit), text);
        CHECK(slow.kind != MESSAGE_MEDIA || slow.bytes == SIZE_MAX || slow.bytes <= slow.payload.len, text);
    }
    if (!message_scan(text, &fast))
        return;
    CHECK(parsed && slow.kind == fast.kind, text);
    CHECK(fast.sequence == slow.sequence && fast.timestamp == slow.timestamp && fast.bytes == slow.bytes, text);
    CHECK(str_eq(fast.payload, slow.payload) && str_eq(fast.track, slow.track) && str_eq(fast.mark, slow.mark), text);
    CHECK(str_eq(fast.stream_sid, slow.stream_sid), text);
}

static void check_ticket(arena_t *a, str_t text)
{
    stream_token_t t;

    if (!stream_token_read(text, &t, NULL))
        return;
    CHECK(!stream_token_fits(&t, key), text); /* nobody has the key */
    CHECK(stream_token_is_call(t.call_id), text);
    CHECK(str_eq(stream_token_make(a, key, t.call_id, t.expires_s).base ? t.signed_part : STR_NONE, t.signed_part),
          text);
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t text = exact_copy(a, input);

    check_message(a, text);
    check_ticket(a, text);
}
