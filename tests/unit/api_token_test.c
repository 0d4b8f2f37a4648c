#include "api/token.h"
#include "unit.h"

static tokens_t *made(const char *setting)
{
    err_t err = {.code = ERR_NONE};
    tokens_t *t = tokens_new(str_from(setting), &err);

    if (!t)
        fail_msg("%s", err.detail);
    return t;
}

static void who_is(const tokens_t *t, const char *token, const char *name, unsigned scopes)
{
    const token_t *found = tokens_find(t, str_from(token));

    assert_non_null(found);
    assert_string_equal(found->name, name);
    assert_int_equal(found->scopes & (SCOPE_READ | SCOPE_SYNC), scopes);
}

static void test_token_without_scopes_has_all(void **state)
{
    tokens_t *t = made("ops:0123456789abcdef, dash:AAAA-._~+/=:read,both:b:sync+read,");

    (void)state;
    assert_int_equal(tokens_count(t), 3);
    who_is(t, "0123456789abcdef", "ops", SCOPE_READ | SCOPE_SYNC);
    who_is(t, "AAAA-._~+/=", "dash", SCOPE_READ);
    who_is(t, "b", "both", SCOPE_READ | SCOPE_SYNC);
    assert_null(tokens_find(t, STR("0123456789abcde")));
    assert_null(tokens_find(t, STR("0123456789abcdef0")));
    assert_null(tokens_find(t, STR("")));
    assert_null(tokens_find(t, STR("ops")));
    tokens_free(t);
}

/* printf abc | sha256sum (FIPS 180-4, appendix B.1 of 180-2) */
#define HASH_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_token_may_be_set_by_its_hash(void **state)
{
    tokens_t *t = made("ops:sha256$" HASH_OF_ABC ":sync,old:sha256$"
                       "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F2001500");

    (void)state;
    who_is(t, "abc", "ops", SCOPE_SYNC);
    assert_null(tokens_find(t, STR(HASH_OF_ABC)));
    assert_null(tokens_find(t, STR("sha256$" HASH_OF_ABC)));
    tokens_free(t);
}

static void test_token_may_be_changed_under_one_name(void **state)
{
    tokens_t *t = made("ops:new,ops:old:read");

    (void)state;
    who_is(t, "new", "ops", SCOPE_READ | SCOPE_SYNC);
    who_is(t, "old", "ops", SCOPE_READ);
    tokens_free(t);
}

static void test_no_setting_is_no_token(void **state)
{
    err_t err = {.code = ERR_NONE};
    tokens_t *t = tokens_new(STR_NONE, &err);

    (void)state;
    assert_int_equal(tokens_count(t), 0);
    assert_null(tokens_find(t, STR("")));
    tokens_free(t);
}

static void test_rows_that_are_wrong_are_refused_and_not_told(void **state)
{
    static const char *const WRONG[] = {
        "s3cret",
        ":s3cret",
        "a b:s3cret",
        "ops:",
        "ops::read",
        "ops:s3cret:",
        "ops:s3cret:write",
        "ops:s3cret:read+",
        "ops:s3cret:read:sync",
        "ops:s3 cret",
        "ops:s3cret\xc3\xa4",
        "ops:sha256$s3cret",
        "ops:sha256$ba7816bf",
        "ok:fine,s3cret",
        "a2345678901234567890123456789012345678901234567890123456789012345:s3cret",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(WRONG); i++) {
        err_t err = {.code = ERR_NONE};
        tokens_t *t = tokens_new(str_from(WRONG[i]), &err);

        if (t)
            fail_msg("taken: %s", WRONG[i]);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.detail, "s3"));
    }
}

static void test_token_is_read_from_its_field(void **state)
{
    (void)state;
    assert_str(token_of_field(STR("Bearer abc")), "abc");
    assert_str(token_of_field(STR("bearer  abc")), "abc");
    assert_absent(token_of_field(STR("Basic abc")));
    assert_absent(token_of_field(STR("Bearerabc")));
    assert_absent(token_of_field(STR_NONE));
    assert_int_equal(token_of_field(STR("Bearer ")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_without_scopes_has_all),
        cmocka_unit_test(test_token_may_be_set_by_its_hash),
        cmocka_unit_test(test_token_may_be_changed_under_one_name),
        cmocka_unit_test(test_no_setting_is_no_token),
        cmocka_unit_test(test_rows_that_are_wrong_are_refused_and_not_told),
        cmocka_unit_test(test_token_is_read_from_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
