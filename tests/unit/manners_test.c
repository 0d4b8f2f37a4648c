/* manners_test.c – how much, when again, and when not any more. */
#include "reconcile/manners.h"

#include "base/clock.h"
#include "unit.h"

#define NOW  (1000 * US_PER_S)
#define WALL (INT64_C(1795000000) * US_PER_S)

static const remote_t REMOTE = {.most_at_once = 2, .least_gap_us = 50 * US_PER_MS};

static outcome_t came(int status)
{
    return (outcome_t){.came = true, .sent = true, .status = status, .tries = 1};
}

static verdict_t judge(manners_t *m, outcome_t o, int64_t *wait_us)
{
    int64_t again_us = NOW;
    verdict_t v = manners_judge(m, &o, NOW, WALL, &again_us);

    if (wait_us)
        *wait_us = again_us - NOW;
    return v;
}

static void test_no_more_are_asked_at_once_and_no_faster_than_allowed(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);

    (void)state;
    assert_true(manners_from_us(&m) <= NOW);
    manners_asked(&m, NOW);
    assert_int_equal(manners_from_us(&m), NOW + REMOTE.least_gap_us);
    manners_asked(&m, NOW + REMOTE.least_gap_us);
    assert_int_equal(manners_from_us(&m), INT64_MAX);
    m.in_flight--;
    assert_int_equal(manners_from_us(&m), NOW + 2 * REMOTE.least_gap_us);
}

static void test_a_status_decides(void **state)
{
    static const struct {
        int status;
        verdict_t verdict;
    } ROWS[] = {
        {200, VERDICT_READ},  {204, VERDICT_READ},  {301, VERDICT_STEP},  {400, VERDICT_STEP},  {401, VERDICT_RUN},
        {402, VERDICT_RUN},   {403, VERDICT_RUN},   {404, VERDICT_GONE},  {408, VERDICT_AGAIN}, {422, VERDICT_STEP},
        {425, VERDICT_AGAIN}, {429, VERDICT_AGAIN}, {500, VERDICT_AGAIN}, {503, VERDICT_AGAIN}, {599, VERDICT_AGAIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        manners_t m = manners_of(&REMOTE, NULL);

        assert_int_equal(judge(&m, came(ROWS[i].status), NULL), ROWS[i].verdict);
    }
}

static void test_who_says_when_is_left_alone_for_so_long(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(429);
    int64_t wait_us;

    (void)state;
    o.retry_after = STR("7");
    assert_int_equal(judge(&m, o, &wait_us), VERDICT_AGAIN);
    assert_in_range(wait_us, 7 * US_PER_S, 8 * US_PER_S);
    assert_int_equal(manners_from_us(&m), NOW + wait_us); /* all of it */
}

static void test_when_may_be_a_date(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(503);
    char date[40];
    int64_t wait_us;

    (void)state;
    o.retry_after = (str_t){date, time_to_rfc2822(WALL + 30 * US_PER_S, date)};
    assert_int_equal(judge(&m, o, &wait_us), VERDICT_AGAIN);
    assert_in_range(wait_us, 30 * US_PER_S, 31 * US_PER_S);
    o.retry_after = (str_t){date, time_to_rfc2822(WALL - 30 * US_PER_S, date)};
    assert_int_equal(judge(&m, o, &wait_us), VERDICT_AGAIN);
    assert_in_range(wait_us, 0, US_PER_S);
}

static void test_too_long_a_wait_is_for_another_run(void **state)
{
    static const char *const WAITS[] = {"601", "99999999999999", "9223372036854775807"};
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(429);

    (void)state;
    for (size_t i = 0; i < COUNT(WAITS); i++) {
        o.retry_after = str_from(WAITS[i]);
        assert_int_equal(judge(&m, o, NULL), VERDICT_LATER);
    }
}

static void test_one_that_is_refused_to_the_end_leaves_the_rest_to_another_run(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(429);

    (void)state;
    for (o.tries = 1; o.tries <= 7; o.tries++)
        assert_int_equal(judge(&m, o, NULL), VERDICT_AGAIN);
    assert_int_equal(judge(&m, o, NULL), VERDICT_LATER);
}

static void test_so_does_a_server_that_answers_nobody(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = {.came = false, .sent = true, .tries = 1};
    int asked = 1;

    (void)state;
    while (judge(&m, o, NULL) == VERDICT_AGAIN && asked < 1000)
        asked++;
    assert_in_range(asked, 16, 100);
    assert_int_equal(judge(&m, o, NULL), VERDICT_LATER);
    assert_int_equal(judge(&m, came(404), NULL), VERDICT_GONE); /* it answers: once more it is heard out */
    assert_int_equal(judge(&m, o, NULL), VERDICT_AGAIN);
}

static void test_each_wait_is_longer_and_they_come_to_an_end(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(500);
    int64_t before_us = 0, wait_us;

    (void)state;
    for (o.tries = 1; o.tries <= 7; o.tries++) {
        assert_int_equal(judge(&m, o, &wait_us), VERDICT_AGAIN);
        assert_true(wait_us >= before_us);
        assert_in_range(wait_us, 0, 60 * US_PER_S);
        before_us = wait_us;
    }
    assert_int_equal(judge(&m, o, NULL), VERDICT_STEP);
    assert_true(manners_from_us(&m) <= NOW); /* of one step: the others go on */
}

static void test_a_run_tries_again_only_so_often(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    int again = 0;

    (void)state;
    while (judge(&m, came(500), NULL) == VERDICT_AGAIN && again < 100000) {
        again++;
        (void)judge(&m, came(200), NULL);
    }
    assert_in_range(again, 100, 10000);
}

static void test_what_must_not_be_asked_twice_is_not(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    outcome_t o = came(500);

    (void)state;
    o.once = true;
    assert_int_equal(judge(&m, o, NULL), VERDICT_STEP);
    o.came = false; /* sent, and no answer */
    assert_int_equal(judge(&m, o, NULL), VERDICT_STEP);
    o.sent = false; /* nobody has heard of it */
    assert_int_equal(judge(&m, o, NULL), VERDICT_AGAIN);
    o = came(429); /* refused before anything was done */
    o.once = true;
    assert_int_equal(judge(&m, o, NULL), VERDICT_AGAIN);
}

static void test_what_cannot_be_read_is_asked_for_a_few_times(void **state)
{
    manners_t m = manners_of(&REMOTE, NULL);
    int64_t again_us;

    (void)state;
    assert_true(manners_again(&m, 1, NOW, &again_us));
    assert_true(again_us > NOW);
    assert_false(manners_again(&m, 3, NOW, &again_us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_more_are_asked_at_once_and_no_faster_than_allowed),
        cmocka_unit_test(test_a_status_decides),
        cmocka_unit_test(test_who_says_when_is_left_alone_for_so_long),
        cmocka_unit_test(test_when_may_be_a_date),
        cmocka_unit_test(test_too_long_a_wait_is_for_another_run),
        cmocka_unit_test(test_one_that_is_refused_to_the_end_leaves_the_rest_to_another_run),
        cmocka_unit_test(test_so_does_a_server_that_answers_nobody),
        cmocka_unit_test(test_each_wait_is_longer_and_they_come_to_an_end),
        cmocka_unit_test(test_a_run_tries_again_only_so_often),
        cmocka_unit_test(test_what_must_not_be_asked_twice_is_not),
        cmocka_unit_test(test_what_cannot_be_read_is_asked_for_a_few_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
