/* playback_test.c – what was heard of what was sent, by the marks that came back. */
#include "media/playback.h"

#include "base/clock.h"
#include "unit.h"

#include <stdio.h>

#define R1   STR("resp_1")
#define R2   STR("resp_2")
#define A    STR("item_a")
#define B    STR("item_b")
#define C    STR("item_c")
#define MS_8 ((size_t)8) /* bytes a millisecond */

static playback_t *p;
static char mark[PLAYBACK_MARK_BYTES];
static playback_cut_t cuts[8];
static char items[8][16];
static size_t n_cuts;

static int set_up(void **state)
{
    (void)state;
    p = playback_new();
    n_cuts = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    playback_free(p);
    return 0;
}

/* 200 ms of an item, at a time in ms; the mark behind it is kept in `name`. */
static void play(str_t response, str_t item, int64_t at_ms, char name[PLAYBACK_MARK_BYTES])
{
    assert_true(playback_send(p, response, item, 0, 200 * MS_8, at_ms * US_PER_MS, name ? name : mark));
    assert_true((name ? name : mark)[0] != '\0');
}

static void back(const char *name, int64_t at_ms)
{
    playback_marked(p, str_from(name), at_ms * US_PER_MS);
}

static void on_cut(void *ctx, const playback_cut_t *cut)
{
    assert_null(ctx);
    assert_true(n_cuts < COUNT(cuts));
    (void)snprintf(items[n_cuts], sizeof(items[n_cuts]), STR_FMT, STR_ARG(cut->item));
    cuts[n_cuts++] = *cut;
}

static void speak_over(str_t response, int64_t at_ms)
{
    playback_clear(p, response, at_ms * US_PER_MS, on_cut, NULL);
}

static void test_all_played_is_silent(void **state)
{
    char first[PLAYBACK_MARK_BYTES], second[PLAYBACK_MARK_BYTES];

    (void)state;
    assert_true(playback_is_silent(p));
    play(R1, A, 0, first);
    play(R1, A, 10, second);
    assert_string_not_equal(first, second);
    assert_false(playback_is_silent(p));
    back(first, 200);
    assert_false(playback_is_silent(p));
    back(second, 400);
    assert_true(playback_is_silent(p));
    speak_over(R1, 500);
    assert_int_equal(n_cuts, 0);
}

static void test_interrupted_by_marks(void **state)
{
    char names[17][PLAYBACK_MARK_BYTES];

    (void)state;
    for (int i = 0; i < 16; i++)
        play(R1, A, 6932 + 55 * i, names[i]);
    for (int i = 0; i < 4; i++)
        back(names[i], 7160 + 200 * i);
    speak_over(R1, 7840);
    assert_int_equal(n_cuts, 1);
    assert_string_equal(items[0], "item_a");
    assert_int_equal(cuts[0].heard_ms, 800); /* 80 ms more have gone by, which is less than a step */
    assert_int_equal(cuts[0].sent_ms, 3200);
    assert_true(playback_is_silent(p));
    for (int i = 4; i < 16; i++)
        back(names[i], 7880); /* a clear brings them all: they say nothing */
    assert_true(playback_is_silent(p));
    assert_false(playback_send(p, R1, A, 0, 1600, 7890 * US_PER_MS, names[16])); /* late */
    assert_string_equal(names[16], "");
}

static void test_marks_of_before_say_nothing_of_after(void **state)
{
    char old[PLAYBACK_MARK_BYTES], fresh[PLAYBACK_MARK_BYTES];

    (void)state;
    play(R1, A, 0, old);
    speak_over(R1, 50);
    play(R2, B, 1000, fresh);
    back(old, 1001);
    assert_false(playback_is_silent(p));
    back(fresh, 1200);
    assert_true(playback_is_silent(p));
}

static void test_queued_items_were_not_heard(void **state)
{
    (void)state;
    play(R1, A, 0, NULL);
    play(R1, B, 0, NULL);
    play(R2, C, 0, NULL);
    speak_over(R2, 10);
    assert_int_equal(n_cuts, 3);
    assert_string_equal(items[0], "item_a");
    assert_string_equal(items[1], "item_b");
    assert_string_equal(items[2], "item_c");
    assert_int_equal(cuts[1].heard_ms, 0);
    assert_int_equal(cuts[2].heard_ms, 0);
    assert_false(playback_send(p, R1, B, 0, 8, 0, mark));
    assert_false(playback_send(p, R2, C, 0, 8, 0, mark));
}

/* One chunk of two seconds: no mark tells how far it is, but time does, and never beyond its end. */
static void test_long_chunks_by_time(void **state)
{
    char first[PLAYBACK_MARK_BYTES];

    (void)state;
    assert_true(playback_send(p, R1, A, 0, 2000 * MS_8, 0, first));
    assert_true(playback_send(p, R1, A, 0, 2000 * MS_8, 10 * US_PER_MS, mark));
    back(first, 2050);
    speak_over(R1, 2050 + 730);
    assert_int_equal(cuts[0].heard_ms, 2600);
    assert_int_equal(cuts[0].sent_ms, 4000);

    n_cuts = 0;
    assert_true(playback_send(p, R2, B, 0, 2000 * MS_8, 5000 * US_PER_MS, mark));
    speak_over(R2, 9000);
    assert_int_equal(cuts[0].heard_ms, 2000);
}

/* An item that pauses until it was all played, and goes on. */
static void test_an_item_goes_on_after_silence(void **state)
{
    char name[PLAYBACK_MARK_BYTES];

    (void)state;
    play(R1, A, 0, name);
    back(name, 200);
    assert_true(playback_is_silent(p));
    play(R1, A, 1000, name);
    speak_over(R1, 1000);
    assert_int_equal(n_cuts, 1);
    assert_int_equal(cuts[0].heard_ms, 200);
    assert_int_equal(cuts[0].sent_ms, 400);
}

static void test_one_mark_stands_for_those_before(void **state)
{
    char last[PLAYBACK_MARK_BYTES];

    (void)state;
    play(R1, A, 0, NULL);
    play(R1, A, 0, NULL);
    play(R1, B, 0, NULL);
    play(R1, B, 0, last);
    back(last, 800);
    assert_true(playback_is_silent(p));
}

/* A response that is spoken over before any sound of it was sent. */
static void test_a_response_without_sound_is_dropped(void **state)
{
    (void)state;
    speak_over(R1, 0);
    assert_int_equal(n_cuts, 0);
    assert_false(playback_send(p, R1, A, 0, 8, 0, mark));
    assert_true(playback_send(p, R2, B, 0, 8, 0, mark));
}

static void test_strange_marks(void **state)
{
    static const char *const NAMES[] = {"",      "g",     "g0",   "g0:",       "g:1", "x0:1", "g0:99999999999999999999",
                                        "g-1:1", "g0:-5", "g0:0", "greeting-1"};

    (void)state;
    play(R1, A, 0, NULL);
    for (size_t i = 0; i < COUNT(NAMES); i++)
        back(NAMES[i], 1);
    assert_false(playback_is_silent(p));
}

static void test_what_has_no_name_is_not_played(void **state)
{
    char longest[PLAYBACK_ID_BYTES + 1];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_false(playback_send(p, R1, STR_NONE, 0, 8, 0, mark));
    assert_false(playback_send(p, R1, (str_t){longest, sizeof(longest)}, 0, 8, 0, mark));
    assert_true(playback_send(p, R1, (str_t){longest, PLAYBACK_ID_BYTES}, 0, 8, 0, mark));
}

/* It would be played as soon as it was sent, and its mark would come back for an item that is forgotten. */
static void test_nothing_is_not_played(void **state)
{
    char last[PLAYBACK_MARK_BYTES];

    (void)state;
    assert_false(playback_send(p, R1, A, 0, 0, 0, mark));
    assert_string_equal(mark, "");
    play(R1, B, 0, last);
    back("g0:1", 200);
    assert_true(playback_is_silent(p));
    play(R1, B, 300, NULL);
    speak_over(R1, 300);
    assert_int_equal(n_cuts, 1);
    assert_string_equal(items[0], "item_b");
}

static void test_what_waits_is_bounded(void **state)
{
    size_t sent = 0;

    (void)state;
    while (playback_send(p, R1, A, 0, 8, 0, mark)) {
        sent++;
        assert_true(sent < 1000000);
    }
    back(mark, 1); /* "": the last was refused */
    assert_false(playback_send(p, R1, A, 0, 8, 0, mark));
    back("g0:1000", 2);
    assert_true(playback_send(p, R1, A, 0, 8, 0, mark));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_played_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted_by_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_marks_of_before_say_nothing_of_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queued_items_were_not_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chunks_by_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_item_goes_on_after_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_mark_stands_for_those_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_response_without_sound_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strange_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_has_no_name_is_not_played, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_not_played, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_waits_is_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
