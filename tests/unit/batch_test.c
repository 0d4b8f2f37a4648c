#include "store/batch.h"
#include "store/statements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static delivery_t *delivery(const char *provider, const char *event_key, const char *call_id)
{
    delivery_t *d = delivery_new(1024);

    d->provider = provider;
    d->event_key = str_from(event_key);
    d->call_id = str_from(call_id);
    return d;
}

static void free_all(delivery_t **deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        delivery_free(deliveries[i]);
}

static void test_batch_has_one_event_a_key(void **state)
{
    delivery_t *d[] = {delivery("twilio", "call:CA1:ringing", "CA1"), delivery("twilio", "call:CA1:ringing", "CA1"),
                       delivery("vapi", "call:CA1:ringing", "CA1")};
    batch_t b;

    (void)state;
    batch_init(&b, d, COUNT(d));
    assert_int_equal(b.n_events, 2); /* the provider is part of the key */
    assert_true(memcmp(b.events[0]->key_hash, b.events[1]->key_hash, 16) < 0);
    batch_clear(&b);
    free_all(d, COUNT(d));
}

static void test_batch_prefers_the_delivery_that_was_understood(void **state)
{
    delivery_t *d[] = {delivery("twilio", "k", "CA1"), delivery("twilio", "k", "CA1")};
    batch_t b;

    (void)state;
    delivery_bury(d[0], "unreadable");
    batch_init(&b, d, COUNT(d));
    assert_int_equal(b.n_events, 1);
    assert_null(b.events[0]->error.base);
    batch_clear(&b);
    free_all(d, COUNT(d));
}

static void test_batch_merges_a_call_and_leaves_the_deliveries_alone(void **state)
{
    delivery_t *d[] = {delivery("twilio", "a", "CA1"), delivery("twilio", "b", "CA1"), delivery("twilio", "c", "CA1")};
    batch_t b;

    (void)state;
    for (int i = 0; i < 3; i++) {
        fact_t *f = fact_call(&d[i]->facts, d[i]->call_id);

        fact_phase(f, (call_phase_t)(2 - i)); /* the late ringing comes last */
        fact_time(f, CALL_STARTED_AT, RANK_EVENT, 1000 + i);
    }
    batch_init(&b, d, COUNT(d));
    assert_int_equal(b.n_rows[FACT_CALL], 1);
    assert_int_equal(b.rows[FACT_CALL][0].fact->cells[CALL_PHASE].number, PHASE_ENDED);
    assert_int_equal(b.rows[FACT_CALL][0].fact->cells[CALL_STARTED_AT].number, 1000);
    assert_int_equal(d[1]->facts.first->cells[CALL_PHASE].number, PHASE_ACTIVE);
    assert_int_equal(d[2]->facts.first->cells[CALL_PHASE].number, PHASE_PENDING);
    batch_clear(&b);
    free_all(d, COUNT(d));
}

static void test_batch_makes_the_call_that_a_message_needs(void **state)
{
    delivery_t *d[] = {delivery("vapi", "a", "V1")};
    batch_t b;

    (void)state;
    fact_text(fact_message(&d[0]->facts, d[0]->call_id, STR("live:1")), MESSAGE_CONTENT, version_of(RANK_EVENT, 0),
              STR("hello"));
    batch_init(&b, d, COUNT(d));
    assert_int_equal(b.n_rows[FACT_MESSAGE], 1);
    assert_int_equal(b.n_rows[FACT_CALL], 1);
    assert_true(str_eq(b.rows[FACT_CALL][0].fact->call_id, STR("V1")));
    assert_false(statement_is_needed(STATEMENT_PARTICIPANTS, &b));
    assert_true(statement_is_needed(STATEMENT_MESSAGES, &b));
    assert_false(statement_is_needed(STATEMENT_SUPERSEDE, &b));
    batch_clear(&b);
    free_all(d, COUNT(d));
}

static void test_batch_sorts_rows_by_key(void **state)
{
    delivery_t *d[] = {delivery("vapi", "1", "b"), delivery("twilio", "2", "z"), delivery("vapi", "3", "a"),
                       delivery("twilio", "4", "y")};
    static const char *const WANTED[] = {"y", "z", "a", "b"};
    batch_t b;

    (void)state;
    for (size_t i = 0; i < COUNT(d); i++)
        fact_phase(fact_call(&d[i]->facts, d[i]->call_id), PHASE_ACTIVE);
    batch_init(&b, d, COUNT(d));
    assert_int_equal(b.n_rows[FACT_CALL], COUNT(d));
    for (size_t i = 0; i < COUNT(d); i++)
        assert_true(str_eq(b.rows[FACT_CALL][i].fact->call_id, str_from(WANTED[i])));
    batch_clear(&b);
    free_all(d, COUNT(d));
}

static void test_batch_keeps_what_is_replayed_apart_by_row(void **state)
{
    delivery_t *d[] = {delivery("vapi", "one", "V1"), delivery("vapi", "one", "V1"), delivery("vapi", "two", "V2"),
                       delivery("vapi", "three", "V3")};
    batch_t b;

    (void)state;
    d[0]->row_id = 9;
    d[1]->row_id = 7; /* the same event: what becomes of each row is for the database to say */
    for (size_t i = 0; i < COUNT(d); i++)
        fact_phase(fact_call(&d[i]->facts, d[i]->call_id), PHASE_ACTIVE);
    batch_init(&b, d, 3);
    assert_int_equal(b.n_events, 1);
    assert_int_equal(b.n_replays, 2);
    assert_ptr_equal(b.replays[0], d[1]);
    assert_ptr_equal(b.replays[1], d[0]);
    assert_int_equal(b.n_rows[FACT_CALL], 2);
    assert_true(statement_is_needed(STATEMENT_ROWS, &b));
    assert_true(statement_is_needed(STATEMENT_REPLAY, &b));
    batch_clear(&b);

    batch_init(&b, d + 2, 2);
    assert_false(statement_is_needed(STATEMENT_ROWS, &b));
    assert_false(statement_is_needed(STATEMENT_REPLAY, &b));
    assert_true(statement_is_needed(STATEMENT_EVENTS, &b));
    batch_clear(&b);

    batch_init(&b, d, 2);
    assert_false(statement_is_needed(STATEMENT_EVENTS, &b));
    batch_clear(&b);
    free_all(d, COUNT(d));
}

/* schema/repeatable_functions.sql names the place of total_tokens_used in voice_calls.versions. */
static void test_place_of_tokens_is_the_one_in_the_schema(void **state)
{
    (void)state;
    assert_int_equal(CALL_TOKENS + 1, 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_has_one_event_a_key),
        cmocka_unit_test(test_batch_prefers_the_delivery_that_was_understood),
        cmocka_unit_test(test_batch_merges_a_call_and_leaves_the_deliveries_alone),
        cmocka_unit_test(test_batch_makes_the_call_that_a_message_needs),
        cmocka_unit_test(test_batch_sorts_rows_by_key),
        cmocka_unit_test(test_batch_keeps_what_is_replayed_apart_by_row),
        cmocka_unit_test(test_place_of_tokens_is_the_one_in_the_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
