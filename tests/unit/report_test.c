/* report_test.c – what a run counts of calls, of customers, and by business. */
#include "reconcile/report.h"

#include "unit.h"

#include <stdio.h>

static report_t r;

static void take(const char *call_id, became_t became, customer_outcome_t outcome, const char *business,
                 const char *number)
{
    report_customer_t c = {
        .outcome = outcome,
        .business_id = str_from(business),
        .business_name = str_from(business),
        .number = str_from(number),
    };

    report_call(&r, STR("teli"), str_from(call_id), became, &c);
}

static void check(void (*print)(const report_t *r, buf_t *out), const char *expected)
{
    buf_t out = BUF_EMPTY;

    print(&r, &out);
    assert_str(buf_str(&out), expected);
    buf_clear(&out);
}

static int clear(void **state)
{
    (void)state;
    report_clear(&r);
    return 0;
}

static void test_of_all_that_became_of_a_call_the_greatest_counts(void **state)
{
    (void)state;
    take("a", BECAME_NEW, CUSTOMER_UNKNOWN_AGENT, NULL, NULL);
    take("a", BECAME_UPDATED, CUSTOMER_NO_NUMBER, "b1", NULL);
    check(report_print_skips, "{\"no_number\": 1}");
    check(report_print_ids, "{\"no_number\": [\"a\"]}");
    take("a", BECAME_UNCHANGED, CUSTOMER_CREATED, "b1", "+1");
    take("a", BECAME_UNCHANGED, CUSTOMER_DUPLICATE, "b1", "+1");
    check(report_print_skips, "{}");
    check(report_print_ids, "{}");
    assert_int_equal(r.calls[BECAME_NEW], 1);
    assert_int_equal(r.calls[BECAME_UPDATED] + r.calls[BECAME_UNCHANGED], 0);
    check(report_print_businesses,
          "{\"b1\": {\"name\": \"b1\", \"calls\": {\"new\": 1, \"updated\": 0, \"unchanged\": 0}, "
          "\"customers\": {\"created\": 1, \"updated\": 0, \"duplicate\": 0, \"no_number\": 0}}}");
}

static void test_a_customer_is_made_for_one_call_only(void **state)
{
    (void)state;
    take("a", BECAME_NEW, CUSTOMER_CREATED, "b1", "+1");
    take("b", BECAME_NEW, CUSTOMER_CREATED, "b1", "+1"); /* of a dry run, which took the first one back */
    take("a", BECAME_NEW, CUSTOMER_CREATED, "b1", "+1");
    take("b", BECAME_NEW, CUSTOMER_CREATED, "b1", "+1");
    take("c", BECAME_NEW, CUSTOMER_CREATED, "b2", "+1");
    assert_int_equal(r.businesses[0].customers[CUSTOMER_CREATED], 1);
    assert_int_equal(r.businesses[0].customers[CUSTOMER_UPDATED], 1);
    assert_int_equal(r.businesses[1].customers[CUSTOMER_CREATED], 1);
}

static void test_calls_of_nobody_are_counted_for_nobody(void **state)
{
    (void)state;
    take("a", BECAME_NEW, CUSTOMER_NOBODYS, NULL, NULL);
    take("b", BECAME_NEW, CUSTOMER_NOBODYS, "", "");
    assert_int_equal(r.calls[BECAME_NEW], 2);
    check(report_print_businesses, "{}");
    check(report_print_skips, "{}");
}

static void test_businesses_that_are_too_many_are_summed_up(void **state)
{
    enum { MORE = 50 };

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < REPORT_MAX_BUSINESSES + MORE; i++) {
            char id[16];

            (void)snprintf(id, sizeof(id), "b%d", i);
            take(id, round ? BECAME_NEW : BECAME_UNCHANGED, CUSTOMER_DUPLICATE, id, "+1");
        }
        assert_int_equal(r.n_businesses, REPORT_MAX_BUSINESSES + 1);
        assert_null(r.businesses[REPORT_MAX_BUSINESSES].id);
        assert_int_equal(r.businesses[REPORT_MAX_BUSINESSES].customers[CUSTOMER_DUPLICATE], MORE);
        assert_int_equal(r.businesses[REPORT_MAX_BUSINESSES].calls[round ? BECAME_NEW : BECAME_UNCHANGED], MORE);
        assert_int_equal(r.businesses[REPORT_MAX_BUSINESSES].calls[round ? BECAME_UNCHANGED : BECAME_NEW], 0);
        assert_int_equal(r.businesses[7].calls[round ? BECAME_NEW : BECAME_UNCHANGED], 1);
    }
}

static void test_outcomes_are_the_databases_words(void **state)
{
    (void)state;
    assert_int_equal(report_outcome(STR("created")), CUSTOMER_CREATED);
    assert_int_equal(report_outcome(STR("unknown_agent")), CUSTOMER_UNKNOWN_AGENT);
    assert_int_equal(report_outcome(STR("of a later version")), CUSTOMER_NOBODYS);
    assert_int_equal(report_outcome(STR_NONE), CUSTOMER_NOBODYS);
}

#define report_unit_test(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        report_unit_test(test_of_all_that_became_of_a_call_the_greatest_counts),
        report_unit_test(test_a_customer_is_made_for_one_call_only),
        report_unit_test(test_calls_of_nobody_are_counted_for_nobody),
        report_unit_test(test_businesses_that_are_too_many_are_summed_up),
        report_unit_test(test_outcomes_are_the_databases_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
