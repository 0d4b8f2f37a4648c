#include "base/phone.h"
#include "unit.h"

static void test_phone_numbers_become_e164(void **state)
{
    static const char *const rows[][2] = {
        {"+12025550143", "+12025550143"},
        {"+1 (202) 555-0143", "+12025550143"},
        {" +1.202.555.0143 ", "+12025550143"},
        {"tel:+1-202-555-0143", "+12025550143"},
        {"TEL:+12025550143;ext=12", "+12025550143"},
        {"0012025550143", "+12025550143"},
        {"00 49 30/1234567", "+49301234567"},
        {"+1234567", "+1234567"},
        {"+123456789012345", "+123456789012345"},
    };
    arena_t *a = arena_new(0);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(phone_e164(a, str_from(rows[i][0])), rows[i][1]);
    arena_free(a);
}

static void test_what_is_no_number_is_absent(void **state)
{
    static const char *const bad[] = {
        "",           "+",           "00",        "2025550143",    "12025550143",          "+0202555014",
        "+123456",    "0001234567",  "anonymous", "client:alice",  "sip:+12025550143@x.y", "+1202555014x",
        "++12025550", "+12025550+1", "tel:",      "tel:202555014", "+1234567890123456",    "+44 (0)20 7946 0958",
    };
    arena_t *a = arena_new(0);

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_absent(phone_e164(a, str_from(bad[i])));
    assert_absent(phone_e164(a, STR_NONE));
    assert_absent(phone_e164(a, ((str_t){"+1202555\0"
                                         "0143",
                                         13})));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phone_numbers_become_e164),
        cmocka_unit_test(test_what_is_no_number_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
