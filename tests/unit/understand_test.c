#include "provider_harness.h"

/* A provider whose event key is what the body says it is. */
static bool take_key(delivery_t *d, err_t *err)
{
    (void)err;
    d->event_key = json_str(d->root, "key");
    d->event_type = STR("made-up");
    return true;
}

static const provider_t MADE_UP = {.name = "made_up", .normalise = take_key};

static str_t key_of(const char *key)
{
    str_t body = arena_printf(test_arena, "{\"key\":\"%s\"}", key);
    delivery_t *d = deliver(&MADE_UP, "events", BODY_JSON, body);
    str_t made = arena_dup(test_arena, d->event_key);

    delivery_free(d);
    return made;
}

/* `count` times `part`. */
static const char *repeated(const char *part, size_t count)
{
    str_t all = STR("");

    while (count--)
        all = arena_printf(test_arena, STR_FMT "%s", STR_ARG(all), part);
    return all.base;
}

static void test_a_key_of_up_to_400_bytes_stays_as_it_is(void **state)
{
    const char *key = repeated("k", 400);

    (void)state;
    assert_str(key_of(key), key);
}

static void test_a_longer_key_becomes_its_beginning_and_its_hash(void **state)
{
    str_t one = key_of(repeated("k", 401)), other = key_of(repeated("k", 402));

    (void)state;
    assert_int_equal(one.len, 64 + 1 + 32);
    assert_true(str_starts(one, str_from(repeated("k", 64))));
    assert_false(str_eq(one, other));
}

static void test_a_longer_key_is_cut_between_characters(void **state)
{
    (void)state;
    for (int before = 0; before < 4; before++) {
        const char *key = arena_printf(test_arena, "%.*s%s", before, "abc", repeated("\xf0\x9f\x93\x9e", 120)).base;
        size_t whole = (64 - (size_t)before) / 4 * 4 + (size_t)before; /* characters of four bytes after the first */
        str_t cut = key_of(key);

        assert_int_equal(cut.len, whole + 1 + 32);
        assert_true(str_starts(cut, str_slice(str_from(key), 0, whole)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_a_key_of_up_to_400_bytes_stays_as_it_is),
        provider_test(test_a_longer_key_becomes_its_beginning_and_its_hash),
        provider_test(test_a_longer_key_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
