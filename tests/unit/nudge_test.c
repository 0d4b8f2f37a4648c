/* nudge_test.c – when a run is due that webhooks ask for. */
#include "reconcile/nudge.h"

#include "unit.h"

#define S        US_PER_S
#define GAP      (30 * S)
#define NEVER    INT64_MAX
#define BEGAN    (1000 * S)
#define SETTLES  NUDGE_SETTLES_US
#define due(n)   nudge_due_us(n, GAP)
#define STORM    10000
#define STORM_US (60 * S)

static void test_nothing_is_due_by_itself(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    assert_true(due(&n) == NEVER);
    nudge_ran(&n, BEGAN, GAP);
    assert_true(due(&n) == NEVER);
}

static void test_one_is_due_once_the_provider_had_a_moment(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    assert_true(nudge_add(&n, BEGAN));
    assert_int_equal(due(&n), BEGAN + SETTLES);
    assert_false(nudge_add(&n, BEGAN + S));
    assert_int_equal(due(&n), BEGAN + S + SETTLES);
    nudge_ran(&n, BEGAN + S + SETTLES, GAP);
    assert_true(due(&n) == NEVER);
}

static void test_what_does_not_end_is_not_waited_for(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    for (int64_t us = 0; us < 2 * GAP; us += S)
        nudge_add(&n, BEGAN + us);
    assert_int_equal(due(&n), BEGAN + GAP);
}

static void test_a_gap_shorter_than_the_moment_does_not_shorten_it(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_add(&n, BEGAN);
    assert_int_equal(nudge_due_us(&n, S), BEGAN + SETTLES);
}

static void test_what_comes_while_a_run_is_under_way_makes_one_after_it(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_add(&n, BEGAN - SETTLES);
    nudge_add(&n, BEGAN + 2 * S);
    nudge_ran(&n, BEGAN, GAP);
    assert_int_equal(due(&n), BEGAN + GAP);
    nudge_ran(&n, BEGAN + GAP, GAP);
    assert_true(due(&n) == NEVER);
}

/* The run was the schedule's: it may have been too early. */
static void test_what_came_just_before_a_run_makes_one_after_it(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_add(&n, BEGAN - S);
    nudge_ran(&n, BEGAN, GAP);
    assert_int_equal(due(&n), BEGAN + GAP);
}

static void test_runs_are_a_gap_apart(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_ran(&n, BEGAN, GAP);
    assert_true(nudge_add(&n, BEGAN + S));
    assert_int_equal(due(&n), BEGAN + GAP);
}

static void test_another_instances_run_that_may_have_seen_it_is_looked_for_once_more(void **state)
{
    nudge_t n = {.waits = false};
    int64_t again_us = BEGAN + NUDGE_SEEN_US + GAP;

    (void)state;
    nudge_add(&n, BEGAN);
    assert_int_equal(nudge_every_us(&n, BEGAN + SETTLES, GAP), GAP);
    nudge_not_due(&n, BEGAN + SETTLES, GAP);
    assert_int_equal(due(&n), again_us);
    assert_int_equal(nudge_every_us(&n, again_us, GAP), GAP);
    nudge_not_due(&n, again_us, GAP);
    assert_true(due(&n) == NEVER);
}

/* What was in the way, for as long as may be, began before it. */
static void test_a_run_that_began_since_is_enough(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_add(&n, BEGAN);
    nudge_put_off(&n, BEGAN + 100 * S);
    assert_int_equal(nudge_every_us(&n, BEGAN + 100 * S, GAP), 100 * S - NUDGE_SEEN_US);
    nudge_not_due(&n, BEGAN + 100 * S, GAP);
    assert_true(due(&n) == NEVER);
}

static void test_one_that_cannot_be_made_is_not_forgotten(void **state)
{
    nudge_t n = {.waits = false};

    (void)state;
    nudge_add(&n, BEGAN);
    nudge_put_off(&n, BEGAN + 100 * S);
    assert_int_equal(due(&n), BEGAN + 100 * S);
    nudge_drop(&n);
    assert_true(due(&n) == NEVER);
}

/* At any pace: what has come is seen by a run that began a moment later, and no more runs are made than fit. */
static void test_storms_make_few_runs_and_nothing_is_forgotten(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        nudge_t n = {.waits = false};
        uint64_t random = seed;
        int64_t now_us = BEGAN, last_run_us = 0, runs = 0;

        for (int i = 0; i < STORM || n.waits; i++) {
            int64_t next_us = now_us + (int64_t)(next_random(&random) % (2 * STORM_US / STORM)), due_us;

            while ((due_us = due(&n)) <= next_us || (i >= STORM && n.waits)) {
                assert_true(due_us >= last_run_us + GAP);
                last_run_us = due_us;
                runs++;
                nudge_ran(&n, due_us, GAP);
            }
            if (i < STORM)
                nudge_add(&n, now_us = next_us);
        }
        assert_true(runs >= 1 && runs <= (now_us - BEGAN) / GAP + 2);
        assert_true(last_run_us >= now_us + NUDGE_SEEN_US);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_due_by_itself),
        cmocka_unit_test(test_one_is_due_once_the_provider_had_a_moment),
        cmocka_unit_test(test_what_does_not_end_is_not_waited_for),
        cmocka_unit_test(test_a_gap_shorter_than_the_moment_does_not_shorten_it),
        cmocka_unit_test(test_what_comes_while_a_run_is_under_way_makes_one_after_it),
        cmocka_unit_test(test_what_came_just_before_a_run_makes_one_after_it),
        cmocka_unit_test(test_runs_are_a_gap_apart),
        cmocka_unit_test(test_another_instances_run_that_may_have_seen_it_is_looked_for_once_more),
        cmocka_unit_test(test_a_run_that_began_since_is_enough),
        cmocka_unit_test(test_one_that_cannot_be_made_is_not_forgotten),
        cmocka_unit_test(test_storms_make_few_runs_and_nothing_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
