#include "event/fact.h"
#include "unit.h"

static arena_t *arena;
static uint64_t random_state;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    random_state = 20260830;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static uint64_t below(uint64_t n)
{
    return next_random(&random_state) % n;
}

/* Few values and few versions, so that ties come often; fields that were never set, too. */
static void set_random(fact_t *f, int column)
{
    static const char *const texts[] = {"", "a", "ab", "b", "caf\xc3\xa9", "B", "completed"};
    static const char *const numerics[] = {"0.5", "-1.25", "10.5", "9.5", "0.04"};
    static const char *const objects[] = {"{}", "{\"a\": 1}", "[1, 2]", "{\"b\": null}"};
    rank_t rank = (rank_t)(RANK_INFERRED + below(4));
    version_t v = below(5) ? version_of(rank, (int64_t)below(3) * US_PER_S) : 0;

    switch (FACT_TABLES[f->kind].columns[column].type) {
    case COLUMN_TEXT:
        fact_text(f, column, v, str_from(texts[below(COUNT(texts))]));
        break;
    case COLUMN_NUMERIC:
        fact_text(f, column, v, str_from(numerics[below(COUNT(numerics))]));
        break;
    case COLUMN_JSON:
        fact_text(f, column, v, str_from(objects[below(COUNT(objects))]));
        break;
    case COLUMN_INT:
        if (f->kind == FACT_CALL && column == CALL_PHASE)
            fact_phase(f, (call_phase_t)below(3));
        else
            fact_number(f, column, v, (int64_t)below(3) - 1);
        break;
    case COLUMN_TIME:
        fact_time(f, column, rank, below(3) ? (int64_t)below(4) : TIME_NONE);
        break;
    case COLUMN_BOOL:
        fact_bool(f, column, rank, below(2));
        break;
    }
}

static fact_t *empty(fact_kind_t kind)
{
    facts_t list;

    facts_init(&list, arena);
    switch (kind) {
    case FACT_PARTICIPANT:
        return fact_participant(&list, STR("call"), STR("key"));
    case FACT_MESSAGE:
        return fact_message(&list, STR("call"), STR("key"));
    case FACT_ALIAS:
        return fact_alias(&list, STR("agent"), STR("key"));
    default:
        return fact_call(&list, STR("call"));
    }
}

static fact_t *random_fact(fact_kind_t kind)
{
    fact_t *f = empty(kind);

    for (int i = 0; i < (int)FACT_TABLES[kind].count; i++)
        if (below(4))
            set_random(f, i);
    return f;
}

static fact_t *merged(const fact_t *a, const fact_t *b)
{
    fact_t *f = empty(a->kind);

    fact_merge(f, a);
    fact_merge(f, b);
    return f;
}

static bool is_text(column_type_t type)
{
    return type == COLUMN_TEXT || type == COLUMN_NUMERIC || type == COLUMN_JSON;
}

static void assert_same(const fact_t *a, const fact_t *b)
{
    for (size_t i = 0; i < FACT_TABLES[a->kind].count; i++) {
        assert_int_equal(a->cells[i].version, b->cells[i].version);
        if (!a->cells[i].version)
            continue;
        if (is_text(FACT_TABLES[a->kind].columns[i].type))
            assert_true(str_eq(a->cells[i].text, b->cells[i].text));
        else
            assert_int_equal(a->cells[i].number, b->cells[i].number);
    }
}

static void test_merging_is_commutative_idempotent_and_associative(void **state)
{
    (void)state;
    for (int round = 0; round < 9000; round++) {
        fact_kind_t kind = (fact_kind_t)(round % FACT_KIND_COUNT);
        const fact_t *a = random_fact(kind), *b = random_fact(kind), *c = random_fact(kind);
        assert_same(merged(a, b), merged(b, a));
        assert_same(merged(a, a), a);
        assert_same(merged(merged(a, b), b), merged(a, b));
        assert_same(merged(merged(a, b), c), merged(a, merged(b, c)));
        assert_same(merged(a, empty(kind)), a);
        if (round % 100 == 99) { /* what is done with can go */
            arena_free(arena);
            arena = arena_new(0);
        }
    }
}

static void test_setters_merge_as_facts_do(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        fact_t *once = empty(FACT_CALL), *twice = empty(FACT_CALL);
        int column = (int)below(CALL_COLUMN_COUNT);
        uint64_t before = random_state;
        for (int i = 0; i < 3; i++)
            set_random(once, column);
        for (int n = 0; n < 2; n++) {
            random_state = before;
            for (int i = 0; i < 3; i++)
                set_random(twice, column);
        }
        assert_same(once, twice);
    }
}

static void test_when_an_event_happened_is_told_by_its_versions(void **state)
{
    int64_t us = INT64_C(1767000000) * US_PER_S + 1;

    (void)state;
    assert_int_equal(version_event_us(version_of(RANK_EVENT, us)), us);
    assert_int_equal(version_event_us(version_of(RANK_INFERRED, us)), us);
    assert_int_equal(version_event_us(version_of(RANK_HAND, us)), TIME_NONE); /* when somebody wrote it */
    assert_int_equal(version_event_us(version_of(RANK_REPORT, us)), TIME_NONE);
    assert_int_equal(version_event_us(version_of(RANK_EVENT, TIME_NONE)), TIME_NONE);
    assert_int_equal(version_event_us(0), TIME_NONE);
    assert_int_equal(version_event_us(TIME_NONE), TIME_NONE);
}

static void test_versions_order_by_rank_then_clock(void **state)
{
    int64_t late = INT64_C(4000000000) * US_PER_S;

    (void)state;
    assert_true(version_of(RANK_INFERRED, 0) > 0);
    assert_true(version_of(RANK_EVENT, 0) > version_of(RANK_INFERRED, late));
    assert_true(version_of(RANK_EVENT, 2) > version_of(RANK_EVENT, 1));
    assert_true(version_of(RANK_HAND, late) > version_of(RANK_HAND, late - 1));
    assert_int_equal(version_of(RANK_REPORT, TIME_NONE), version_of(RANK_REPORT, 0));
    assert_int_equal(version_of(RANK_REPORT, -5), version_of(RANK_REPORT, 0));
}

static void test_sets_order_by_rank_size_and_hash(void **state)
{
    str_t low = STR("00000001aaaa"), high = STR("ffffffffaaaa");

    (void)state;
    assert_true(version_of_set(RANK_REPORT, 1, low) > version_of_set(RANK_EVENT, 99, high));
    assert_true(version_of_set(RANK_REPORT, 3, low) > version_of_set(RANK_REPORT, 2, high));
    assert_true(version_of_set(RANK_REPORT, 3, high) > version_of_set(RANK_REPORT, 3, low));
    assert_int_equal(version_of_set(RANK_REPORT, 3, high), version_of_set(RANK_REPORT, 3, high));
}

static void test_a_late_phase_never_goes_back(void **state)
{
    fact_t *f = empty(FACT_CALL);

    (void)state;
    fact_ended(f, version_of(RANK_EVENT, 10), STR("completed"), STR("hangup"));
    fact_phase(f, PHASE_PENDING);
    fact_phase(f, PHASE_ACTIVE);
    assert_int_equal(f->cells[CALL_PHASE].number, PHASE_ENDED);
    assert_str(f->cells[CALL_OUTCOME].text, "completed");
}

static void test_better_evidence_for_an_end_wins(void **state)
{
    fact_t *f = empty(FACT_CALL);

    (void)state;
    fact_ended(f, version_of(RANK_REPORT, 5), STR("failed"), STR("busy"));
    fact_ended(f, version_of(RANK_EVENT, 10), STR("completed"), STR("hangup"));
    fact_ended(f, version_of(RANK_REPORT, 6), STR_NONE, STR("no-answer"));
    assert_str(f->cells[CALL_OUTCOME].text, "failed");
    assert_str(f->cells[CALL_END_REASON].text, "no-answer");
}

static void test_times_take_the_outermost_of_the_best_rank(void **state)
{
    fact_t *f = empty(FACT_CALL);

    (void)state;
    fact_time(f, CALL_STARTED_AT, RANK_INFERRED, 1);
    fact_time(f, CALL_STARTED_AT, RANK_EVENT, 7);
    fact_time(f, CALL_STARTED_AT, RANK_EVENT, 5);
    fact_time(f, CALL_STARTED_AT, RANK_EVENT, 6);
    fact_time(f, CALL_ENDED_AT, RANK_EVENT, 8);
    fact_time(f, CALL_ENDED_AT, RANK_EVENT, 9);
    fact_time(f, CALL_ENDED_AT, RANK_INFERRED, 99);
    fact_time(f, CALL_ENDED_AT, RANK_REPORT, TIME_NONE);
    assert_int_equal(f->cells[CALL_STARTED_AT].number, 5);
    assert_int_equal(f->cells[CALL_ENDED_AT].number, 9);
}

static void test_what_is_absent_never_erases(void **state)
{
    fact_t *f = empty(FACT_CALL);

    (void)state;
    fact_text(f, CALL_SUMMARY, version_of(RANK_EVENT, 1), STR("kept"));
    fact_text(f, CALL_SUMMARY, version_of(RANK_HAND, 9), STR(""));
    fact_text(f, CALL_SUMMARY, version_of(RANK_HAND, 9), STR_NONE);
    fact_text(f, CALL_SUMMARY, 0, STR("zzz"));
    fact_number(f, CALL_DURATION, version_of(RANK_EVENT, 0), 0);
    fact_number(f, CALL_DURATION, 0, 5);
    assert_str(f->cells[CALL_SUMMARY].text, "kept");
    assert_int_equal(f->cells[CALL_DURATION].number, 0);
}

static void test_numerics_compare_as_numbers(void **state)
{
    fact_t *f = empty(FACT_CALL);

    (void)state;
    fact_text(f, CALL_COST, version_of(RANK_EVENT, 1), STR("9.5"));
    fact_text(f, CALL_COST, version_of(RANK_EVENT, 1), STR("10.5"));
    fact_text(f, CALL_COST, version_of(RANK_EVENT, 1), STR("-20"));
    assert_str(f->cells[CALL_COST].text, "10.5");
}

static void test_calls_and_participants_are_found_again(void **state)
{
    facts_t list;
    fact_t *call, *stay;
    size_t count = 0;

    (void)state;
    facts_init(&list, arena);
    call = fact_call(&list, STR("c1"));
    stay = fact_participant(&list, STR("c1"), STR("p1"));
    assert_ptr_equal(fact_call(&list, STR("c1")), call);
    assert_ptr_equal(fact_participant(&list, STR("c1"), STR("p1")), stay);
    assert_ptr_not_equal(fact_call(&list, STR("c2")), call);
    assert_ptr_not_equal(fact_participant(&list, STR("c2"), STR("p1")), stay);
    (void)fact_message(&list, STR("c1"), STR("report:1"));
    for (const fact_t *f = list.first; f; f = f->next)
        count++;
    assert_int_equal(count, 5);
    assert_int_equal(list.last->kind, FACT_MESSAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_merging_is_commutative_idempotent_and_associative),
        TEST(test_setters_merge_as_facts_do),
        TEST(test_when_an_event_happened_is_told_by_its_versions),
        TEST(test_versions_order_by_rank_then_clock),
        TEST(test_sets_order_by_rank_size_and_hash),
        TEST(test_a_late_phase_never_goes_back),
        TEST(test_better_evidence_for_an_end_wins),
        TEST(test_times_take_the_outermost_of_the_best_rank),
        TEST(test_what_is_absent_never_erases),
        TEST(test_numerics_compare_as_numbers),
        TEST(test_calls_and_participants_are_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
