/* gaps_test.c – where audio is missing, silence is due: so much, and no more. */
#include "media/gaps.h"

#include "base/clock.h"
#include "unit.h"

#define FRAME 160

static int64_t take(gaps_t *g, int64_t at_ms)
{
    return gaps_take(g, FRAME, at_ms, at_ms * US_PER_MS);
}

static void test_frames_in_a_row(void **state)
{
    gaps_t g;

    (void)state;
    gaps_init(&g, 0);
    for (int64_t ms = 57; ms < 2000; ms += 20)
        assert_int_equal(take(&g, ms), 0);
    assert_int_equal(take(&g, 2037), 0); /* one frame late: jitter */
}

static void test_a_hole_is_filled(void **state)
{
    gaps_t g;

    (void)state;
    gaps_init(&g, 0);
    assert_int_equal(take(&g, 100), 0);
    assert_int_equal(take(&g, 620), 500);
    assert_int_equal(take(&g, 640), 0);
    assert_int_equal(take(&g, 660 + 3600000), 10000);
}

static void test_what_comes_late_or_without_a_time(void **state)
{
    gaps_t g;

    (void)state;
    gaps_init(&g, 0);
    assert_int_equal(take(&g, 1000), 0);
    assert_int_equal(take(&g, 500), 0);
    assert_int_equal(gaps_take(&g, FRAME, -1, 0), 0);
    assert_int_equal(take(&g, 520), 0);
}

static void test_hush_once_until_more_comes(void **state)
{
    gaps_t g;

    (void)state;
    gaps_init(&g, 0);
    assert_int_equal(take(&g, 1000), 0);
    assert_int_equal(gaps_hush(&g, 1700 * US_PER_MS), 0);
    assert_int_equal(gaps_hush(&g, 1750 * US_PER_MS), 1000);
    assert_int_equal(gaps_hush(&g, 9000 * US_PER_MS), 0);
    assert_int_equal(take(&g, 2020), 0);    /* what stood in has been heard already */
    assert_int_equal(take(&g, 3040), 1000); /* and this has not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_in_a_row),
        cmocka_unit_test(test_a_hole_is_filled),
        cmocka_unit_test(test_what_comes_late_or_without_a_time),
        cmocka_unit_test(test_hush_once_until_more_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
