#include "base/phone.h"
#include "provider_harness.h"

/* The same list is put to PostgreSQL's hookline_e164 by tests/integration/leads.test.mjs. */
static void test_international_forms_are_taken_as_they_are(void **state)
{
    const cJSON *rows = fixture_json("phone-numbers.json");

    (void)state;
    for (const cJSON *row = rows->child; row; row = row->next) {
        const char *raw = row->child->valuestring, *want = row->child->next->valuestring;
        str_t made = phone_e164(test_arena, str_from(raw));

        if (!str_eq(made, str_from(want)))
            fail_msg("%s gives " STR_FMT ", expected %s", raw, STR_ARG(made), want ? want : "none");
    }
    assert_absent(phone_e164(test_arena, STR_NONE));
    assert_absent(phone_e164(test_arena, ((str_t){"+1202555\0"
                                                  "0143",
                                                  13})));
}

static void test_national_forms_are_read_by_each_countrys_plan(void **state)
{
    static const struct {
        const char *region, *raw, *want;
    } rows[] = {
        {"", "+44 (0)20 7946 0958", "+442079460958"},
        {"", "(202) 555-0143", NULL},
        {"US", "(202) 555-0143", "+12025550143"},
        {"us", "1-202-555-0143", "+12025550143"},
        {"US", "202.555.0143 ext. 12", "+12025550143"},
        {"US", "011 44 20 7946 0958", "+442079460958"},
        {"DE", "030 / 1234567", "+49301234567"},
        {"DE", "0049 (0) 30 1234567", "+49301234567"},
        {"GB", "020 7946 0958", "+442079460958"},
        {"US", "555-0143", NULL}, /* without its area code */
        {"US", "202-555-01430000", NULL},
        {"US", "anonymous", NULL},
        {"US", "+8149200-001844-20-7", NULL}, /* good by Japan's plan, but of 16 digits */
        {"US", "client:2025550143", NULL},
        {"US", "sip:2025550143@example.com", NULL},
        {"US", "2025550143@example.com", NULL},
    };
    arena_t *a = arena_new(0);
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(phone_set_region(str_from(rows[i].region), &err));
        if (rows[i].want)
            assert_str(phone_e164(a, str_from(rows[i].raw)), rows[i].want);
        else
            assert_absent(phone_e164(a, str_from(rows[i].raw)));
    }
    arena_free(a);
}

static void test_a_region_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"U", "USA", "XX", "1!", "ZZ", "001"};
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(phone_set_region(str_from(bad[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_international_forms_are_taken_as_they_are),
        cmocka_unit_test(test_national_forms_are_read_by_each_countrys_plan),
        cmocka_unit_test(test_a_region_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
