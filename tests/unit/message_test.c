/* message_test.c – messages of a media stream: what is read by hand means what cJSON makes of it. */
#include "media/message.h"

#include "unit.h"

#define SID   "MZ00000000000000000000000000000001"
#define AUDIO "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmamw=="
#define MEDIA                                                                                                          \
    "{\"event\":\"media\",\"sequenceNumber\":\"3\",\"media\":{\"track\":\"inbound\",\"chunk\":\"2\",\"timestamp\":"    \
    "\"77\","                                                                                                          \
    "\"payload\":\"" AUDIO "\"},\"streamSid\":\"" SID "\"}"

#define MARK "{\"event\":\"mark\",\"sequenceNumber\":\"4\",\"streamSid\":\"" SID "\",\"mark\":{\"name\":\"g0:12\"}}"

static arena_t *arena;

static int set_up(void **state)
{
    (void)state;
    json_init();
    arena = arena_new(65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static message_t parse(const char *text)
{
    message_t m;
    err_t err;

    if (!message_parse(arena, str_from(text), &m, &err))
        fail_msg("%s: %s", text, err.detail);
    return m;
}

static void assert_same(const message_t *a, const message_t *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->timestamp, b->timestamp);
    assert_int_equal(a->bytes, b->bytes);
    assert_true(str_eq(a->stream_sid, b->stream_sid));
    assert_true(str_eq(a->track, b->track));
    assert_true(str_eq(a->payload, b->payload));
    assert_true(str_eq(a->mark, b->mark));
}

static void test_media_is_read_by_hand(void **state)
{
    message_t m;

    (void)state;
    assert_true(message_scan(STR(MEDIA), &m));
    assert_int_equal(m.kind, MESSAGE_MEDIA);
    assert_int_equal(m.sequence, 3);
    assert_int_equal(m.timestamp, 77);
    assert_int_equal(m.bytes, 28);
    assert_str(m.track, "inbound");
    assert_str(m.payload, AUDIO);
    assert_str(m.stream_sid, SID);
}

static void test_a_mark_is_read_by_hand(void **state)
{
    message_t m;

    (void)state;
    assert_true(message_scan(STR(MARK), &m));
    assert_int_equal(m.kind, MESSAGE_MARK);
    assert_int_equal(m.sequence, 4);
    assert_str(m.mark, "g0:12");
    assert_str(m.stream_sid, SID);
}

/* Whatever is done to it: it is read by hand as cJSON reads it, or not by hand. */
static size_t assert_read_alike(str_t sample)
{
    static const char ALPHABET[] = "\"\\{}[]:,0123456789eE+-=. /aZ_\x01\x7f\xc3\xa9\t\n";
    uint64_t seed = 20260830;
    size_t taken = 0;

    for (int i = 0; i < 200000; i++) {
        char text[sizeof(MEDIA) + 8];
        size_t len = sample.len;
        message_t fast, slow;

        memcpy(text, sample.base, len);
        for (uint64_t n = next_random(&seed) % 3 + 1; n > 0; n--) {
            size_t at = next_random(&seed) % len;
            char c = ALPHABET[next_random(&seed) % (sizeof(ALPHABET) - 1)];

            switch (next_random(&seed) % 3) {
            case 0:
                text[at] = c;
                break;
            case 1:
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
                break;
            default:
                memmove(text + at + 1, text + at, len - at);
                text[at] = c;
                len++;
            }
        }
        if (!message_scan((str_t){text, len}, &fast))
            continue;
        taken++;
        if (i % 500 == 0) {
            arena_free(arena);
            arena = arena_new(65536);
        }
        assert_true(message_parse(arena, (str_t){text, len}, &slow, NULL));
        assert_same(&fast, &slow);
    }
    return taken;
}

static void test_what_the_scanner_takes_cjson_reads_alike(void **state)
{
    (void)state;
    assert_true(assert_read_alike(STR(MEDIA)) > 1000);
    assert_true(assert_read_alike(STR(MARK)) > 1000);
}

static void test_other_shapes_are_left_to_cjson(void **state)
{
    const char *const others[] = {
        "{\"event\":\"media\",\"sequenceNumber\":3,\"media\":{\"track\":\"inbound\",\"chunk\":2,\"timestamp\":77,"
        "\"payload\":"
        "\"" AUDIO "\"},\"streamSid\":\"" SID "\"}",
        "{ \"streamSid\" : \"" SID "\", \"media\": {\"payload\":\"" AUDIO "\", \"timestamp\":\"77\", "
        "\"track\":\"inbound\", \"new\":[1]}, \"sequenceNumber\":\"3\", \"event\":\"media\", \"more\":{} }",
        "{\"event\":\"media\",\"sequenceNumber\":\"3\",\"media\":{\"track\":\"inbound\",\"chunk\":\"2\",\"timestamp\":"
        "\"77\","
        "\"payload\":\"" AUDIO "\"},\"streamSid\":\"\\u004dZ00000000000000000000000000000001\"}",
    };
    message_t fast, slow;

    (void)state;
    assert_true(message_scan(STR(MEDIA), &fast));
    for (size_t i = 0; i < COUNT(others); i++) {
        message_t unused;

        assert_false(message_scan(str_from(others[i]), &unused));
        slow = parse(others[i]);
        assert_same(&fast, &slow);
    }
}

static void test_every_kind(void **state)
{
    message_t m = parse("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");

    (void)state;
    assert_int_equal(m.kind, MESSAGE_CONNECTED);
    assert_int_equal(m.sequence, MESSAGE_NO_NUMBER);
    m = parse("{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"streamSid\":\"MZ2\",\"callSid\":\"CA2\"},"
              "\"streamSid\":\"MZ1\"}");
    assert_int_equal(m.kind, MESSAGE_START);
    assert_str(m.stream_sid, "MZ2");
    assert_str(json_str(m.start, "callSid"), "CA2");
    m = parse(
        "{\"event\":\"dtmf\",\"streamSid\":\"MZ1\",\"sequenceNumber\":\"5\",\"dtmf\":{\"track\":\"inbound_track\","
        "\"digit\":\"#\"}}");
    assert_int_equal(m.kind, MESSAGE_DTMF);
    assert_str(m.digit, "#");
    assert_str(m.track, "inbound_track");
    assert_str(parse("{\"event\":\"dtmf\",\"dtmf\":{\"digit\":7}}").digit, "7");
    assert_int_equal(parse("{\"event\":\"mark\",\"mark\":{\"name\":\"a\"}}").kind, MESSAGE_MARK);
    assert_int_equal(parse("{\"event\":\"stop\"}").kind, MESSAGE_STOP);
    assert_int_equal(parse("{\"event\":\"new\"}").kind, MESSAGE_OTHER);
    assert_int_equal(parse("{\"event\":5}").kind, MESSAGE_OTHER);
    assert_int_equal(parse("{}").kind, MESSAGE_OTHER);
}

static void test_what_is_missing_or_odd_is_absent(void **state)
{
    message_t m =
        parse("{\"event\":\"media\",\"sequenceNumber\":\"-1\",\"media\":{\"timestamp\":\"x\",\"payload\":5}}");

    (void)state;
    assert_int_equal(m.sequence, MESSAGE_NO_NUMBER);
    assert_int_equal(m.timestamp, MESSAGE_NO_NUMBER);
    assert_int_equal(m.bytes, SIZE_MAX);
    m = parse("{\"event\":\"media\",\"sequenceNumber\":\"9223372036854775807\","
              "\"media\":{\"timestamp\":\"9223372036854775807\"}}"); /* another one is added to them */
    assert_int_equal(m.sequence, MESSAGE_NO_NUMBER);
    assert_int_equal(m.timestamp, MESSAGE_NO_NUMBER);
    assert_int_equal(parse("{\"event\":\"media\"}").bytes, SIZE_MAX);
    assert_int_equal(parse("{\"event\":\"media\",\"media\":[]}").bytes, SIZE_MAX);
    assert_int_equal(parse("{\"event\":\"media\",\"media\":{\"payload\":\"a\"}}").bytes, SIZE_MAX);
}

static void test_what_is_no_object_is_refused(void **state)
{
    const char *const none[] = {"", "x", "[]", "5", "null", "\"a\"", "{", "{\"event\":\"media\"", MEDIA MEDIA};
    message_t m;
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_false(message_scan(str_from(none[i]), &m));
        assert_false(message_parse(arena, str_from(none[i]), &m, &err));
        assert_true(err.detail[0]);
    }
}

static void test_how_much_base64_decodes_to(void **state)
{
    (void)state;
    assert_int_equal(message_decoded(STR("")), 0);
    assert_int_equal(message_decoded(STR("AA==")), 1);
    assert_int_equal(message_decoded(STR("AAA=")), 2);
    assert_int_equal(message_decoded(STR("AAAA")), 3);
    assert_int_equal(message_decoded(STR("/+09azAZ")), 6);
    assert_int_equal(message_decoded(STR("A")), SIZE_MAX);
    assert_int_equal(message_decoded(STR("A===")), SIZE_MAX);
    assert_int_equal(message_decoded(STR("====")), SIZE_MAX);
    assert_int_equal(message_decoded(STR("AA=A")), SIZE_MAX);
    assert_int_equal(message_decoded(STR("AA-_")), SIZE_MAX);
    assert_int_equal(message_decoded(STR("AAAA\0\0\0\0")), SIZE_MAX);
}

#define message_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(test_media_is_read_by_hand),
        message_test(test_a_mark_is_read_by_hand),
        message_test(test_what_the_scanner_takes_cjson_reads_alike),
        message_test(test_other_shapes_are_left_to_cjson),
        message_test(test_every_kind),
        message_test(test_what_is_missing_or_odd_is_absent),
        message_test(test_what_is_no_object_is_refused),
        message_test(test_how_much_base64_decodes_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
