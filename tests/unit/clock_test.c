#include "base/clock.h"
#include "unit.h"

#include <time.h>

#define AUGUST INT64_C(1788078474) /* 2026-08-30T08:27:54Z */

static void test_iso8601_reads_every_fraction_and_offset(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"2026-08-30T08:27:54Z", AUGUST * US_PER_S},
        {"2026-08-30t08:27:54z", AUGUST * US_PER_S},
        {"2026-08-30 08:27:54Z", AUGUST * US_PER_S},
        {"2026-08-30T08:27:54.1Z", AUGUST * US_PER_S + 100000},
        {"2026-08-30T08:27:54.123456Z", AUGUST * US_PER_S + 123456},
        {"2026-08-30T08:27:54.123456789Z", AUGUST * US_PER_S + 123456},
        {"2026-08-30T10:27:54+02:00", AUGUST * US_PER_S},
        {"2026-08-30T02:57:54.5-0530", AUGUST * US_PER_S + 500000},
        {"2026-08-31T00:27:54+16:00", AUGUST * US_PER_S},
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:30:00-00:30", 0},
        {"2261-12-31T23:59:59.999999Z", INT64_C(9214646399999999)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * US_PER_S},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * US_PER_S},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(time_from_iso8601(str_from(rows[i].text)), rows[i].us);
}

static void test_iso8601_refuses_what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-08-30",
        "2026-08-30T08:27:54",
        "2026-08-30T08:27Z",
        "2026-08-30T08:27:54.Z",
        "2026-08-30T08:27:54.1234567890Z",
        "2026-08-30T08:27:54Zx",
        "2026-08-30T08:27:54 Z",
        "2026-8-30T08:27:54Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-08-32T00:00:00Z",
        "2026-08-30T24:00:00Z",
        "2026-08-30T08:60:54Z",
        "2026-08-30T08:27:61Z",
        "2026-08-30T08:27:54+2:00",
        "2026-08-30T08:27:54+24:00",
        "1969-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1756542474",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_true(time_from_iso8601(str_from(bad[i])) == TIME_NONE);
    assert_true(time_from_iso8601(STR_NONE) == TIME_NONE);
    assert_true(time_from_iso8601((str_t){"2026-08-30T08:27:54\0", 20}) == TIME_NONE);
}

static void test_rfc2822_reads_offsets_and_names(void **state)
{
    static const char *const good[] = {
        "Sun, 30 Aug 2026 08:27:54 +0000", "30 Aug 2026 08:27:54 +0000",      "Sun, 30 Aug 2026 08:27:54 GMT",
        "sun, 30 aug 2026 01:27:54 -0700", " Sun, 30 Aug 2026 08:27:54 UTC ",
    };
    static const char *const bad[] = {
        "",
        "Sun, 30 Aug 2026 08:27:54",
        "Sun 30 Aug 2026 08:27:54 +0000",
        "Sun, 30 August 2026 08:27:54 +0000",
        "Sun, 31 Feb 2026 08:27:54 +0000",
        "Sun, 30 Aug 26 08:27:54 +0000",
        "Sun, 30 Aug 2026 08:27 +0000",
        "Sun, 30 Aug 2026 08:27:54 EST5",
        "Sun, 30 Aug 2026 08:27:54 +0000 x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(time_from_rfc2822(str_from(good[i])), AUGUST * US_PER_S);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_true(time_from_rfc2822(str_from(bad[i])) == TIME_NONE);
    assert_int_equal(time_from_rfc2822(STR("1 Jan 1970 00:00:01 GMT")), US_PER_S);
}

static void test_numbers_of_seconds_and_ms_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(time_from_seconds(AUGUST), AUGUST * US_PER_S);
    assert_true(time_from_seconds(-1) == TIME_NONE);
    assert_true(time_from_seconds(INT64_C(9214646400)) == TIME_NONE);
    assert_true(time_from_seconds(INT64_MAX) == TIME_NONE);
    assert_int_equal(time_from_ms(1788078474123.25), AUGUST * US_PER_S + 123250);
    assert_true(time_from_ms(-1) == TIME_NONE);
    assert_true(time_from_ms(1e300) == TIME_NONE);
    assert_true(time_from_ms(0.0 / 0.0 * 1.0) == TIME_NONE);
}

static void test_writing_agrees_with_the_c_library(void **state)
{
    uint64_t random = 42;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)(next_random(&random) % UINT64_C(9214646400000000));
        time_t seconds = us / US_PER_S;
        char expected[64], text[40];
        struct tm tm;
        size_t len;
        assert_non_null(gmtime_r(&seconds, &tm));
        len = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.", &tm);
        assert_int_equal(time_to_iso8601(us, text), 27);
        assert_memory_equal(text, expected, len);
        assert_int_equal(time_from_iso8601(str_from(text)), us);
        (void)strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S +0000", &tm);
        assert_int_equal(time_to_rfc2822(us, text), strlen(expected));
        assert_string_equal(text, expected);
        assert_int_equal(time_from_rfc2822(str_from(text)), seconds * US_PER_S);
    }
}

static void test_writing_an_unknown_time_gives_nothing(void **state)
{
    char text[40];

    (void)state;
    assert_int_equal(time_to_iso8601(TIME_NONE, text), 0);
    assert_string_equal(text, "");
    assert_int_equal(time_to_rfc2822(INT64_MAX, text), 0);
    assert_int_equal(time_to_iso8601(-1, text), 27);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static void test_clocks_go_forward(void **state)
{
    int64_t before = clock_mono_us();

    (void)state;
    assert_true(clock_mono_us() >= before);
    assert_true(clock_wall_us() > AUGUST / 2 * US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iso8601_reads_every_fraction_and_offset),
        cmocka_unit_test(test_iso8601_refuses_what_is_none),
        cmocka_unit_test(test_rfc2822_reads_offsets_and_names),
        cmocka_unit_test(test_numbers_of_seconds_and_ms_are_bounded),
        cmocka_unit_test(test_writing_agrees_with_the_c_library),
        cmocka_unit_test(test_writing_an_unknown_time_gives_nothing),
        cmocka_unit_test(test_clocks_go_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
