/* stream_token_test.c – tickets for media streams: made, read, and what nobody may change in one. */
#include "base/stream_token.h"

#include "base/clock.h"
#include "unit.h"

#define CALL   "CA00000000000000000000000000000001"
#define NOW_S  INT64_C(1786550000)
#define NOW_US (NOW_S * US_PER_S)

static arena_t *arena;
static hmac_key_t *key, *other;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(4096);
    key = stream_token_key(STR("00112233445566778899aabbccddeeff"));
    other = stream_token_key(STR("10112233445566778899aabbccddeeff"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hmac_key_free(key);
    hmac_key_free(other);
    arena_free(arena);
    return 0;
}

static err_code_t verdict(str_t text, const hmac_key_t *with, int64_t now_us)
{
    stream_token_t t;
    err_t err = {.code = ERR_NONE};

    if (!stream_token_read(text, &t, &err))
        return err.code;
    if (!stream_token_fits(&t, with))
        return ERR_SIGNATURE;
    return stream_token_lives(&t, now_us, &err) ? ERR_NONE : err.code;
}

static void test_what_is_made_is_read(void **state)
{
    str_t text = stream_token_make(arena, key, STR(CALL), NOW_S + 60);
    stream_token_t t;

    (void)state;
    assert_true(stream_token_read(text, &t, NULL));
    assert_str(t.call_id, CALL);
    assert_int_equal(t.expires_s, NOW_S + 60);
    assert_int_equal(verdict(text, key, NOW_US), ERR_NONE);
    assert_int_equal(verdict(text, other, NOW_US), ERR_SIGNATURE);
}

/* As other programs may make them: computed by Python's hmac. */
static void test_a_known_ticket(void **state)
{
    (void)state;
    assert_str(stream_token_make(arena, key, STR(CALL), 1786550060),
               CALL ".1786550060.wUh6ET4yj-10RdGeXfen_ZF7S4eHhvKc0P2Fbo_JpQo");
}

static void test_it_expires(void **state)
{
    str_t text = stream_token_make(arena, key, STR(CALL), NOW_S + 60);

    (void)state;
    assert_int_equal(verdict(text, key, NOW_US + 60 * US_PER_S - 1), ERR_NONE);
    assert_int_equal(verdict(text, key, NOW_US + 60 * US_PER_S), ERR_STALE);
    assert_int_equal(verdict(text, key, NOW_US + 3600 * US_PER_S), ERR_STALE);
}

static void test_one_that_lives_too_long_is_not_taken(void **state)
{
    (void)state;
    assert_int_equal(verdict(stream_token_make(arena, key, STR(CALL), NOW_S + STREAM_TOKEN_MOST_S), key, NOW_US),
                     ERR_NONE);
    assert_int_equal(verdict(stream_token_make(arena, key, STR(CALL), NOW_S + STREAM_TOKEN_MOST_S + 1), key, NOW_US),
                     ERR_STALE);
    assert_int_equal(verdict(stream_token_make(arena, key, STR(CALL), 999999999999999999), key, NOW_US), ERR_STALE);
}

static void test_every_changed_byte_spoils_it(void **state)
{
    str_t text = stream_token_make(arena, key, STR(CALL), NOW_S + 60);

    (void)state;
    for (size_t i = 0; i < text.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char *spoilt = mem_strdup(text);

            spoilt[i] = (char)(spoilt[i] ^ 1 << bit);
            assert_int_equal(verdict((str_t){spoilt, text.len}, key, NOW_US), ERR_SIGNATURE);
            free(spoilt);
        }
    }
}

static void test_what_is_no_ticket(void **state)
{
    str_t text = stream_token_make(arena, key, STR(CALL), NOW_S + 60);
    const char *const none[] = {"",         ".",         "..",         "...",          "a.1",        "a.b.c",
                                ".1.MAC",   "CA1.1.",    "CA1.-1.MAC", "CA1.01.MAC",   "CA1.+1.MAC", "CA 1.1.MAC",
                                "CA1..MAC", "CA1.1.MAC", "CA/1.1.MAC", "CA1.1.MAC.MAC"};

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(verdict(str_from(none[i]), key, NOW_US), ERR_SIGNATURE);
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(verdict(str_slice(text, 0, len), key, NOW_US), ERR_SIGNATURE);
    assert_int_equal(verdict(arena_printf(arena, STR_FMT "A", STR_ARG(text)), key, NOW_US), ERR_SIGNATURE);
    assert_int_equal(verdict(arena_printf(arena, STR_FMT "=", STR_ARG(text)), key, NOW_US), ERR_SIGNATURE);
    assert_int_equal(verdict(STR_NONE, key, NOW_US), ERR_SIGNATURE);
}

static void test_a_call_that_cannot_be_named_has_none(void **state)
{
    str_t longest = arena_printf(arena, "%064d", 1);

    (void)state;
    assert_absent(stream_token_make(arena, key, STR(""), NOW_S));
    assert_absent(stream_token_make(arena, key, STR("CA.1"), NOW_S));
    assert_absent(stream_token_make(arena, key, STR("CA/1"), NOW_S));
    assert_absent(stream_token_make(arena, key, STR("CA\xc3\xa9"), NOW_S));
    assert_int_equal(verdict(stream_token_make(arena, key, longest, NOW_S + 1), key, NOW_US), ERR_NONE);
    assert_absent(stream_token_make(arena, key, arena_printf(arena, "%065d", 1), NOW_S));
}

#define token_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        token_test(test_what_is_made_is_read),
        token_test(test_a_known_ticket),
        token_test(test_it_expires),
        token_test(test_one_that_lives_too_long_is_not_taken),
        token_test(test_every_changed_byte_spoils_it),
        token_test(test_what_is_no_ticket),
        token_test(test_a_call_that_cannot_be_named_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
