#include "store/sqlstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_errors_about_content_make_dead_letters(void **state)
{
    static const char *const CODES[] = {"22003", "22021", "22P02", "22P05", "23502", "23503", "54000"};

    (void)state;
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++)
        assert_int_equal(sqlstate_fault(CODES[i], NULL), FAULT_CONTENT);
    assert_int_equal(sqlstate_fault("23514", "leads_status_check"), FAULT_CONTENT);
}

static void test_errors_about_state_never_make_dead_letters(void **state)
{
    static const char *const CODES[] = {"40001", "40P01", "55P03", "57014", "57P01", "53100", "53300", "08006",
                                        "25006", "42P01", "42703", "XX000", "23505", "0A000", "26000"};

    (void)state;
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++)
        assert_int_not_equal(sqlstate_fault(CODES[i], NULL), FAULT_CONTENT);
}

static void test_missing_partition_is_state_though_reported_as_a_check(void **state)
{
    (void)state;
    assert_int_equal(sqlstate_fault("23514", NULL), FAULT_SCHEMA);
    assert_int_equal(sqlstate_fault("23514", ""), FAULT_SCHEMA);
}

static void test_lost_connection_has_no_code(void **state)
{
    (void)state;
    assert_int_equal(sqlstate_fault(NULL, NULL), FAULT_CONNECT);
    assert_int_equal(sqlstate_fault("", NULL), FAULT_CONNECT);
    assert_int_equal(sqlstate_fault("57P01", NULL), FAULT_CONNECT); /* an administrator ended it */
    assert_int_equal(sqlstate_fault("57014", NULL), FAULT_RETRY);   /* the statement's deadline */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_about_content_make_dead_letters),
        cmocka_unit_test(test_errors_about_state_never_make_dead_letters),
        cmocka_unit_test(test_missing_partition_is_state_though_reported_as_a_check),
        cmocka_unit_test(test_lost_connection_has_no_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
