/* What an audit calls a difference: what a merge would change, and nothing else. */
#include "reconcile/audit_compare.h"

#include "base/json.h"
#include "unit.h"

static arena_t *arena;

static int set_up(void **state)
{
    (void)state;
    json_init();
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

#define audit_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static cell_t text(version_t v, const char *value)
{
    return (cell_t){.version = v, .text = str_from(value)};
}

static held_t held(column_type_t type, version_t v, const char *value)
{
    return audit_read_value(type, v, value, value ? strlen(value) : 0);
}

static compared_t compare(column_type_t type, merge_t rule, cell_t there, held_t here)
{
    column_t column = {"x", type, rule};

    return audit_compare(&column, &there, &here, arena);
}

static compared_t compare_texts(cell_t there, held_t here)
{
    return compare(COLUMN_TEXT, MERGE_GREATEST, there, here);
}

#define REPORT(clock) version_of(RANK_REPORT, clock)

static void test_equal_values_are_the_same_whatever_their_versions(void **state)
{
    (void)state;
    assert_int_equal(compare_texts(text(REPORT(5), "a"), held(COLUMN_TEXT, REPORT(1), "a")), COMPARED_SAME);
    assert_int_equal(compare_texts(text(REPORT(1), "a"), held(COLUMN_TEXT, 0, "a")), COMPARED_SAME);
}

static void test_what_the_api_does_not_give_is_no_difference(void **state)
{
    (void)state;
    assert_int_equal(compare_texts((cell_t){.version = 0}, held(COLUMN_TEXT, REPORT(1), "a")), COMPARED_SAME);
    assert_int_equal(compare_texts((cell_t){.version = 0}, held(COLUMN_TEXT, 0, NULL)), COMPARED_SAME);
}

static void test_better_evidence_there_differs(void **state)
{
    (void)state;
    assert_int_equal(compare_texts(text(REPORT(2), "a"), held(COLUMN_TEXT, REPORT(1), "b")), COMPARED_DIFFERS);
    assert_int_equal(compare_texts(text(REPORT(0), "a"), held(COLUMN_TEXT, version_of(RANK_EVENT, 9), "b")),
                     COMPARED_DIFFERS);
    assert_int_equal(compare_texts(text(REPORT(0), "a"), held(COLUMN_TEXT, 0, NULL)), COMPARED_DIFFERS);
}

static void test_better_evidence_here_is_kept(void **state)
{
    (void)state;
    assert_int_equal(compare_texts(text(REPORT(1), "a"), held(COLUMN_TEXT, REPORT(2), "b")), COMPARED_KEPT);
    assert_int_equal(compare_texts(text(REPORT(9), "a"), held(COLUMN_TEXT, version_of(RANK_HAND, 1), "b")),
                     COMPARED_KEPT_BY_HAND);
    assert_int_equal(compare_texts(text(REPORT(9), "a"), held(COLUMN_TEXT, version_of(RANK_HAND, 1), NULL)),
                     COMPARED_KEPT_BY_HAND);
}

static void test_a_tie_is_decided_as_a_merge_would(void **state)
{
    (void)state;
    assert_int_equal(compare_texts(text(REPORT(1), "b"), held(COLUMN_TEXT, REPORT(1), "a")), COMPARED_DIFFERS);
    assert_int_equal(compare_texts(text(REPORT(1), "a"), held(COLUMN_TEXT, REPORT(1), "b")), COMPARED_KEPT);
    assert_int_equal(compare(COLUMN_TIME, MERGE_LEAST, (cell_t){.version = REPORT(0), .number = 7},
                             held(COLUMN_TIME, REPORT(0), "8")),
                     COMPARED_DIFFERS);
    assert_int_equal(compare(COLUMN_TIME, MERGE_LEAST, (cell_t){.version = REPORT(0), .number = 8},
                             held(COLUMN_TIME, REPORT(0), "7")),
                     COMPARED_KEPT);
}

/* Whatever is stored: it differs exactly when the merge of the two is another value. */
static void test_it_differs_exactly_when_a_merge_changes_the_value(void **state)
{
    static const char *const VALUES[] = {"0", "1", "2", "3"};
    uint64_t seed = 20261121;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        version_t theirs = version_of((rank_t)(1 + next_random(&seed) % 4), (int64_t)(next_random(&seed) % 3));
        version_t ours = version_of((rank_t)(1 + next_random(&seed) % 4), (int64_t)(next_random(&seed) % 3));
        merge_t rule = next_random(&seed) % 2 ? MERGE_GREATEST : MERGE_LEAST;
        cell_t there = {.version = theirs, .number = (int64_t)(next_random(&seed) % 4)};
        const char *value = VALUES[next_random(&seed) % COUNT(VALUES)];
        held_t here = held(COLUMN_INT, ours, value);
        bool changes = cell_wins(COLUMN_INT, rule, &there, &here.cell) && there.number != here.cell.number;

        assert_int_equal(compare(COLUMN_INT, rule, there, here) == COMPARED_DIFFERS, changes);
    }
}

static void test_values_are_compared_by_what_they_mean(void **state)
{
    (void)state;
    assert_int_equal(
        compare(COLUMN_NUMERIC, MERGE_GREATEST, text(REPORT(2), "0.10"), held(COLUMN_NUMERIC, REPORT(1), "0.1")),
        COMPARED_SAME);
    assert_int_equal(
        compare(COLUMN_NUMERIC, MERGE_GREATEST, text(REPORT(2), "0.11"), held(COLUMN_NUMERIC, REPORT(1), "0.1")),
        COMPARED_DIFFERS);
    assert_int_equal(compare(COLUMN_JSON, MERGE_GREATEST, text(REPORT(2), "{\"b\":1,\"a\":[true]}"),
                             held(COLUMN_JSON, REPORT(1), "{\"a\": [true], \"b\": 1}")),
                     COMPARED_SAME);
    assert_int_equal(
        compare(COLUMN_JSON, MERGE_GREATEST, text(REPORT(2), "{\"b\":2}"), held(COLUMN_JSON, REPORT(1), "{\"b\": 1}")),
        COMPARED_DIFFERS);
    assert_int_equal(compare(COLUMN_BOOL, MERGE_GREATEST, (cell_t){.version = REPORT(0), .number = 1},
                             held(COLUMN_BOOL, REPORT(0), "t")),
                     COMPARED_SAME);
    assert_int_equal(compare(COLUMN_BOOL, MERGE_GREATEST, (cell_t){.version = REPORT(0), .number = 1},
                             held(COLUMN_BOOL, REPORT(0), "f")),
                     COMPARED_DIFFERS);
}

static void test_versions_are_read_and_what_is_missing_is_none(void **state)
{
    version_t v[4];

    (void)state;
    audit_read_versions("{432345564227567616,0,7}", v, COUNT(v));
    assert_true(v[0] == version_of(RANK_REPORT, 0));
    assert_int_equal(v[1], 0);
    assert_int_equal(v[2], 7);
    assert_int_equal(v[3], 0);
    audit_read_versions("{}", v, COUNT(v));
    for (size_t i = 0; i < COUNT(v); i++)
        assert_int_equal(v[i], 0);
}

static void test_values_are_printed_for_people(void **state)
{
    cell_t number = {.number = -3}, yes = {.number = 1}, time = {.number = 0};

    (void)state;
    assert_str(audit_print_value(COLUMN_INT, &number, arena), "-3");
    assert_str(audit_print_value(COLUMN_BOOL, &yes, arena), "true");
    assert_str(audit_print_value(COLUMN_TIME, &time, arena), "1970-01-01T00:00:00.000000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        audit_test(test_equal_values_are_the_same_whatever_their_versions),
        audit_test(test_what_the_api_does_not_give_is_no_difference),
        audit_test(test_better_evidence_there_differs),
        audit_test(test_better_evidence_here_is_kept),
        audit_test(test_a_tie_is_decided_as_a_merge_would),
        audit_test(test_it_differs_exactly_when_a_merge_changes_the_value),
        audit_test(test_values_are_compared_by_what_they_mean),
        audit_test(test_versions_are_read_and_what_is_missing_is_none),
        audit_test(test_values_are_printed_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
