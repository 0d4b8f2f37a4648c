/* plan_test.c – which spans of time a pass covers. */
#include "reconcile/plan.h"

#include "base/clock.h"
#include "unit.h"

#define DAY (INT64_C(86400) * US_PER_S)
#define NOW (INT64_C(20000) * DAY)

static const remote_resource_t CALLS = {.name = "calls", .overlap_us = DAY / 24, .retention_us = 100 * DAY};

static plan_t plan_of(const remote_resource_t *r, int64_t since_us, int64_t until_us, int64_t watermark_us)
{
    plan_wish_t wish = {.now_us = NOW,
                        .since_us = since_us,
                        .until_us = until_us,
                        .watermark_us = watermark_us,
                        .reach_us = 7 * DAY,
                        .overlap_us = TIME_NONE};
    plan_t plan;

    plan_make(r, &wish, &plan);
    return plan;
}

/* One after the other, without a gap. */
static void check_spans(const plan_t *p, int64_t from_us, int64_t to_us)
{
    assert_true(p->count > 0);
    assert_int_equal(p->spans[0].from_us, from_us);
    assert_int_equal(p->spans[p->count - 1].to_us, to_us);
    for (size_t i = 0; i < p->count; i++) {
        assert_true(p->spans[i].from_us < p->spans[i].to_us);
        if (i)
            assert_int_equal(p->spans[i].from_us, p->spans[i - 1].to_us);
    }
}

static void test_the_first_pass_reaches_back_as_far_as_is_set(void **state)
{
    plan_t p = plan_of(&CALLS, TIME_NONE, TIME_NONE, TIME_NONE);

    (void)state;
    check_spans(&p, NOW - 7 * DAY, NOW);
    assert_int_equal(p.count, 7);
    assert_int_equal(p.watermark_us, NOW);
}

static void test_a_later_pass_overlaps_the_last_one(void **state)
{
    plan_t p = plan_of(&CALLS, TIME_NONE, TIME_NONE, NOW - 300 * US_PER_S);

    (void)state;
    check_spans(&p, NOW - 300 * US_PER_S - CALLS.overlap_us, NOW);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.watermark_us, NOW);
}

static void test_how_far_it_overlaps_can_be_set(void **state)
{
    plan_wish_t wish = {.now_us = NOW,
                        .since_us = TIME_NONE,
                        .until_us = TIME_NONE,
                        .watermark_us = NOW - 300 * US_PER_S,
                        .reach_us = 7 * DAY,
                        .overlap_us = DAY / 2};
    plan_t p;

    (void)state;
    plan_make(&CALLS, &wish, &p);
    check_spans(&p, NOW - 300 * US_PER_S - DAY / 2, NOW);
    assert_int_equal(plan_overlap_us(&CALLS, TIME_NONE), CALLS.overlap_us);
}

static void test_what_is_not_kept_any_more_is_refused(void **state)
{
    plan_t p = plan_of(&CALLS, NOW - 150 * DAY, TIME_NONE, TIME_NONE);

    (void)state;
    check_spans(&p, NOW - 150 * DAY, NOW);
    assert_true(p.spans[0].refused);
    assert_int_equal(p.spans[0].to_us, NOW - 100 * DAY);
    for (size_t i = 1; i < p.count; i++)
        assert_false(p.spans[i].refused);
    p = plan_of(&CALLS, NOW - 150 * DAY, NOW - 140 * DAY, TIME_NONE);
    assert_int_equal(p.count, 1);
    assert_true(p.spans[0].refused);
}

static void test_however_long_there_are_not_too_many(void **state)
{
    remote_resource_t all = CALLS;
    plan_t p;

    (void)state;
    all.retention_us = 0;
    p = plan_of(&all, 0, TIME_NONE, TIME_NONE);
    check_spans(&p, 0, NOW);
    assert_true(p.count <= PLAN_MAX_SPANS);
}

static void test_a_list_without_windows_is_walked_once(void **state)
{
    remote_resource_t all = CALLS;
    plan_t p;

    (void)state;
    all.from_newest = true;
    p = plan_of(&all, NOW - 90 * DAY, TIME_NONE, TIME_NONE);
    check_spans(&p, NOW - 90 * DAY, NOW);
    assert_int_equal(p.count, 1);
}

static void test_a_pass_into_the_past_does_not_move_the_watermark(void **state)
{
    (void)state;
    assert_int_equal(plan_of(&CALLS, NOW - 9 * DAY, NOW - 8 * DAY, NOW - DAY).watermark_us, TIME_NONE);
    assert_int_equal(plan_of(&CALLS, NOW - DAY / 2, TIME_NONE, NOW - DAY).watermark_us,
                     TIME_NONE); /* it leaves a gap */
    assert_int_equal(plan_of(&CALLS, NOW - 2 * DAY, TIME_NONE, NOW - DAY).watermark_us, NOW);
    assert_int_equal(plan_of(&CALLS, NOW - 9 * DAY, NOW - 8 * DAY, TIME_NONE).watermark_us, TIME_NONE);
}

/* Who tries it over an hour first, and then lets it be made by the schedule, wants all of it. */
static void test_a_first_pass_over_less_does_not_stand_for_the_whole(void **state)
{
    (void)state;
    assert_int_equal(plan_of(&CALLS, NOW - DAY, TIME_NONE, TIME_NONE).watermark_us, TIME_NONE);
    assert_int_equal(plan_of(&CALLS, NOW - 7 * DAY, TIME_NONE, TIME_NONE).watermark_us, NOW);
    assert_int_equal(plan_of(&CALLS, NOW - 8 * DAY, TIME_NONE, TIME_NONE).watermark_us, NOW);
}

/* Whose clock was far ahead when it was set: until then nothing would be asked for. */
static void test_a_watermark_of_the_future_is_taken_back(void **state)
{
    plan_t p = plan_of(&CALLS, TIME_NONE, TIME_NONE, NOW + 300 * DAY);

    (void)state;
    check_spans(&p, NOW - CALLS.overlap_us, NOW);
    assert_int_equal(p.watermark_us, NOW);
    assert_int_equal(plan_of(&CALLS, NOW - 9 * DAY, NOW - 8 * DAY, NOW + DAY).watermark_us, TIME_NONE);
}

static void test_nothing_to_do_is_no_span(void **state)
{
    (void)state;
    assert_int_equal(plan_of(&CALLS, NOW, TIME_NONE, TIME_NONE).count, 0);
    assert_int_equal(plan_of(&CALLS, NOW - DAY, NOW - 2 * DAY, TIME_NONE).count, 0);
}

static void test_the_future_is_not_asked_for(void **state)
{
    plan_t p = plan_of(&CALLS, NOW - DAY, NOW + 5 * DAY, TIME_NONE);

    (void)state;
    check_spans(&p, NOW - DAY, NOW);
}

static void test_what_lives_now_has_no_window(void **state)
{
    remote_resource_t rooms = {.name = "rooms", .live = true};
    plan_t p = plan_of(&rooms, NOW - DAY, TIME_NONE, TIME_NONE);

    (void)state;
    assert_int_equal(p.count, 1);
    assert_int_equal(p.spans[0].from_us, TIME_NONE);
    assert_int_equal(p.watermark_us, TIME_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_pass_reaches_back_as_far_as_is_set),
        cmocka_unit_test(test_a_later_pass_overlaps_the_last_one),
        cmocka_unit_test(test_how_far_it_overlaps_can_be_set),
        cmocka_unit_test(test_what_is_not_kept_any_more_is_refused),
        cmocka_unit_test(test_however_long_there_are_not_too_many),
        cmocka_unit_test(test_a_list_without_windows_is_walked_once),
        cmocka_unit_test(test_a_pass_into_the_past_does_not_move_the_watermark),
        cmocka_unit_test(test_a_first_pass_over_less_does_not_stand_for_the_whole),
        cmocka_unit_test(test_a_watermark_of_the_future_is_taken_back),
        cmocka_unit_test(test_nothing_to_do_is_no_span),
        cmocka_unit_test(test_the_future_is_not_asked_for),
        cmocka_unit_test(test_what_lives_now_has_no_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
