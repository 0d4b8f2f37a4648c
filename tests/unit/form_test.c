#include "base/form.h"
#include "unit.h"

static arena_t *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static form_t parse(const char *body)
{
    form_t f;

    assert_true(form_parse(arena, str_from(body), &f, NULL));
    return f;
}

static void pair_is(const form_t *f, size_t i, const char *key, const char *value)
{
    assert_true(i < f->count);
    assert_str(f->pairs[i].key, key);
    assert_str(f->pairs[i].value, value);
}

static void test_form_keeps_order_repeats_and_empty_values(void **state)
{
    form_t f = parse("b=2&a=&b=1&&c&=x&d=1=2&");

    (void)state;
    assert_int_equal(f.count, 6);
    pair_is(&f, 0, "b", "2");
    pair_is(&f, 1, "a", "");
    pair_is(&f, 2, "b", "1");
    pair_is(&f, 3, "c", "");
    pair_is(&f, 4, "", "x");
    pair_is(&f, 5, "d", "1=2");
    assert_str(form_get(&f, STR("b")), "2");
    assert_non_null(form_get(&f, STR("a")).base);
    assert_absent(form_get(&f, STR("B")));
}

static void test_form_decodes_once(void **state)
{
    form_t f = parse("From=%2B1202&Name=+John+D%20oe+&pct=100%&bad=%zz%4&twice=%252B&%41%3d=1&utf=caf%C3%A9");

    (void)state;
    pair_is(&f, 0, "From", "+1202");
    pair_is(&f, 1, "Name", " John D oe ");
    pair_is(&f, 2, "pct", "100%");
    pair_is(&f, 3, "bad", "%zz%4");
    pair_is(&f, 4, "twice", "%2B");
    pair_is(&f, 5, "A=", "1");
    pair_is(&f, 6, "utf", "caf\xc3\xa9");
}

static void test_form_decodes_to_any_byte(void **state)
{
    form_t f = parse("a=x%00%ff");

    (void)state;
    assert_int_equal(f.pairs[0].value.len, 3);
    assert_memory_equal(f.pairs[0].value.base, "x\0\xff", 3);
}

static void test_form_of_nothing_is_empty(void **state)
{
    form_t f;

    (void)state;
    assert_true(form_parse(arena, STR_NONE, &f, NULL));
    assert_int_equal(f.count, 0);
    assert_str(form_to_json(arena, &f, (json_redact_t){NULL}), "{}");
    f = parse("");
    assert_int_equal(f.count, 0);
}

static void test_form_bounds_the_number_of_pairs(void **state)
{
    buf_t body = BUF_EMPTY;
    err_t err;
    form_t f;

    (void)state;
    for (int i = 0; i < FORM_MAX_PAIRS; i++)
        buf_printf(&body, "&k%d=%d", i % 7, i);
    assert_true(form_parse(arena, buf_str(&body), &f, &err));
    assert_int_equal(f.count, FORM_MAX_PAIRS);
    buf_printf(&body, "&one=more");
    assert_false(form_parse(arena, buf_str(&body), &f, &err));
    assert_int_equal(err.code, ERR_UNPARSABLE);
    buf_clear(&body);
}

static void json_is(const char *body, const char *const *redact, const char *expected)
{
    form_t f = parse(body);

    assert_str(form_to_json(arena, &f, (json_redact_t){redact}), expected);
}

static void test_form_becomes_an_object_of_strings(void **state)
{
    (void)state;
    json_is("b=2&a=%22x%5C%0a&e=", NULL, "{\"b\":\"2\",\"a\":\"\\\"x\\\\\\n\",\"e\":\"\"}");
    json_is("z=1&a=2&z=3&b=4&z=", NULL, "{\"z\":[\"1\",\"3\",\"\"],\"a\":\"2\",\"b\":\"4\"}");
    json_is("a=%00&b=%ff%c3", NULL, "{\"a\":\"\xef\xbf\xbd\",\"b\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void test_form_keys_that_become_equal_are_grouped(void **state)
{
    (void)state;
    json_is("%ff=1&%fe=2", NULL, "{\"\xef\xbf\xbd\":[\"1\",\"2\"]}");
}

static void test_form_redacts_named_keys(void **state)
{
    static const char *const patterns[] = {"!PublicToken", "*token", "headers.*", "Secret", NULL};

    (void)state;
    json_is("AuthToken=x&secret=a&secret=b&other=1&publictoken=y", patterns,
            "{\"AuthToken\":\"[redacted]\",\"secret\":[\"[redacted]\",\"[redacted]\"],\"other\":\"1\","
            "\"publictoken\":\"y\"}");
}

static void test_form_encoding_gives_back_what_it_took(void **state)
{
    char all[256];
    buf_t out = BUF_EMPTY;
    form_t f;

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    assert_int_equal(form_encode(&out, STR("a b"), STR("+1 (x)")), 16);
    assert_str(buf_str(&out), "a+b=%2B1+%28x%29");
    (void)form_encode(&out, STR("*-._~"), (str_t){all, sizeof(all)});
    assert_memory_equal(out.base + 16, "&*-._%7E=%00%01", 15);
    assert_true(form_parse(arena, buf_str(&out), &f, NULL));
    assert_int_equal(f.count, 2);
    assert_int_equal(f.pairs[1].value.len, 256);
    assert_memory_equal(f.pairs[1].value.base, all, 256);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_form_keeps_order_repeats_and_empty_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_decodes_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_decodes_to_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_of_nothing_is_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_bounds_the_number_of_pairs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_becomes_an_object_of_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_keys_that_become_equal_are_grouped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_redacts_named_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form_encoding_gives_back_what_it_took, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
