/* dialplan_test.c – the dial plan in memory: what rows come to, and that a page stays while it is held. */
#include "store/dialplan.c"

#include "base/clock.h"
#include "unit.h"

#include <assert.h>

/* ---- rows, as PostgreSQL gives them ---- */

typedef struct table_row {
    const char *columns[CONFIG + 1]; /* NULL stays NULL */
} table_row_t;

static PGresult *result_of(const table_row_t *rows, size_t count)
{
    static char names[CONFIG + 1][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    PGresAttDesc columns[CONFIG + 1];
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    memset(columns, 0, sizeof(columns));
    for (int c = 0; c <= CONFIG; c++)
        columns[c].name = names[c];
    assert_true(PQsetResultAttrs(r, CONFIG + 1, columns));
    for (int i = 0; i < (int)count; i++) {
        for (int c = 0; c <= CONFIG; c++) {
            char *text = rows[i].columns[c] ? mem_strdup(str_from(rows[i].columns[c])) : NULL;

            assert_true(PQsetvalue(r, i, c, text, text ? (int)strlen(text) : -1));
            free(text);
        }
    }
    return r;
}

static reading_t read_all(const table_row_t *rows, size_t count)
{
    PGresult *r = result_of(rows, count);
    reading_t in = {.rows = r};

    read_rows(&in);
    PQclear(r);
    return in;
}
#define READ(...) read_all((const table_row_t[]){__VA_ARGS__}, COUNT(((const table_row_t[]){__VA_ARGS__})))

static const call_plan_t *find(const reading_t *in, const char *number)
{
    return dialplan_find(in->page, str_from(number));
}

/* ---- tests ---- */

static void test_a_number_does_what_it_says_else_what_its_agent_says(void **state)
{
    reading_t in = READ({{"agent", "id-1", NULL, "bridge", "Hello.", "Rose", "Be kind.", "{\"a\": 1}"}},
                        {{"agent", "id-2", NULL, NULL, "", "Lily", NULL, NULL}},
                        {{"number", "+12025550101", "id-1", NULL, NULL, NULL, NULL, NULL}},
                        {{"number", "+12025550102", "id-1", "answer", "Closed.", NULL, NULL, NULL}},
                        {{"number", "+12025550103", "id-2", NULL, NULL, NULL, NULL, NULL}},
                        {{"number", "+12025550104", "id-9", NULL, NULL, NULL, NULL, NULL}},
                        {{"number", "+12025550105", NULL, "stream", NULL, NULL, NULL, NULL}});
    const call_plan_t *plan = find(&in, "+12025550101");
    const call_agent_t *rose = dialplan_agent(in.page, STR("id-1"));

    (void)state;
    assert_int_equal(plan->action, CALL_BRIDGE);
    assert_ptr_equal(plan->agent, rose);
    assert_str(plan->number, "+12025550101");
    assert_absent(plan->greeting);
    assert_str(rose->name, "Rose");
    assert_str(rose->greeting, "Hello.");
    assert_str(rose->prompt, "Be kind.");
    assert_str(rose->config, "{\"a\": 1}");
    assert_int_equal(find(&in, "+12025550102")->action, CALL_ANSWER);
    assert_str(find(&in, "+12025550102")->greeting, "Closed.");
    assert_int_equal(find(&in, "+12025550103")->action, CALL_UNPLANNED);
    assert_absent(dialplan_agent(in.page, STR("id-2"))->greeting);
    assert_int_equal(find(&in, "+12025550104")->action, CALL_UNPLANNED);
    assert_null(find(&in, "+12025550104")->agent);
    assert_int_equal(find(&in, "+12025550105")->action, CALL_STREAM);
    assert_null(find(&in, "+12025550106"));
    assert_null(find(&in, NULL));
    assert_null(dialplan_agent(in.page, STR("id-9")));
    assert_null(dialplan_agent(in.page, STR_NONE));
    assert_int_equal(in.page->n_planned, 3);
    assert_int_equal(in.left_out, 0);
    dialplan_release(in.page);
}

static void test_of_one_number_in_two_forms_the_one_in_e164_counts(void **state)
{
    reading_t in = READ({{"number", "(202) 555-0101", NULL, "stream", NULL, NULL, NULL, NULL}},
                        {{"number", "+12025550101", NULL, "answer", NULL, NULL, NULL, NULL}},
                        {{"number", "202-555-0101", NULL, "bridge", NULL, NULL, NULL, NULL}},
                        {{"number", "(202) 555-0102", NULL, "stream", NULL, NULL, NULL, NULL}},
                        {{"number", "202-555-0102", NULL, "bridge", NULL, NULL, NULL, NULL}});

    (void)state;
    assert_int_equal(find(&in, "+12025550101")->action, CALL_ANSWER);
    assert_int_equal(find(&in, "+12025550102")->action, CALL_STREAM);
    assert_int_equal(in.page->n_numbers, 2);
    dialplan_release(in.page);
}

static void test_what_is_no_number_and_what_does_not_fit_is_counted(void **state)
{
    reading_t in = READ({{"number", "sip:desk@example.com", NULL, "stream", NULL, NULL, NULL, NULL}},
                        {{"number", "desk", NULL, "stream", NULL, NULL, NULL, NULL}},
                        {{"too much", "+12025550101", NULL, NULL, NULL, NULL, NULL, NULL}});

    (void)state;
    assert_int_equal(in.unreadable, 2);
    assert_int_equal(in.left_out, 1);
    assert_int_equal(in.page->n_numbers, 0);
    dialplan_release(in.page);
}

static void test_rows_beyond_the_most_are_left_out(void **state)
{
    size_t count = MOST_ROWS + 1;
    table_row_t *rows = mem_zalloc(2 * count * sizeof(*rows));
    char(*texts)[16] = mem_alloc(2 * count * sizeof(*texts));
    reading_t in;

    (void)state;
    for (size_t i = 0; i < 2 * count; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "+1%010zu", 2025000000 + i);
        rows[i] = (table_row_t){{i < count ? "agent" : "number", texts[i], NULL, "stream"}};
    }
    in = read_all(rows, 2 * count);
    assert_int_equal(in.page->n_numbers, MOST_ROWS);
    assert_int_equal(in.page->n_agents, MOST_ROWS);
    assert_int_equal(in.left_out, 2);
    assert_non_null(find(&in, texts[2 * count - 2]));
    assert_null(find(&in, texts[2 * count - 1]));
    dialplan_release(in.page);
    free(rows);
    free(texts);
}

static void test_a_page_stays_while_it_is_held(void **state)
{
    dialplan_t *d = dialplan_new(US_PER_S);
    const dialplan_page_t *empty = dialplan_hold(d), *held;

    (void)state;
    assert_null(dialplan_find(empty, STR("+12025550101")));
    swap_in(d, READ({{"number", "+12025550101", NULL, "stream", NULL, NULL, NULL, NULL}}).page);
    assert_null(dialplan_find(empty, STR("+12025550101")));
    dialplan_release(empty);
    held = dialplan_hold(d);
    swap_in(d, page_new());
    dialplan_free(d);
    assert_int_equal(dialplan_find(held, STR("+12025550101"))->action, CALL_STREAM);
    dialplan_release(held);
}

static void *hold_again_and_again(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        const dialplan_page_t *page = dialplan_hold(arg);

        assert(dialplan_find(page, STR("+12025550101"))->action == CALL_STREAM);
        dialplan_release(page);
    }
    return NULL;
}

static void test_pages_are_swapped_while_others_read(void **state)
{
    dialplan_t *d = dialplan_new(US_PER_S);
    pthread_t readers[2];

    (void)state;
    swap_in(d, READ({{"number", "+12025550101", NULL, "stream", NULL, NULL, NULL, NULL}}).page);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, hold_again_and_again, d), 0);
    for (int i = 0; i < 1000; i++)
        swap_in(d, READ({{"number", "+12025550101", NULL, "stream", NULL, NULL, NULL, NULL}}).page);
    for (size_t i = 0; i < COUNT(readers); i++)
        pthread_join(readers[i], NULL);
    dialplan_free(d);
}

/* Else this would not come to an end. */
static void test_waiting_ends_when_somebody_has_tried(void **state)
{
    dialplan_t *d = dialplan_new(US_PER_S);

    (void)state;
    dialplan_wait(d, US_PER_MS); /* or when the time is over */
    dialplan_note_tried(d);
    dialplan_wait(d, 3600 * US_PER_S);
    dialplan_free(d);
}

static int set_up(void **state)
{
    err_t err;

    (void)state;
    return phone_set_region(STR("US"), &err) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_does_what_it_says_else_what_its_agent_says),
        cmocka_unit_test(test_of_one_number_in_two_forms_the_one_in_e164_counts),
        cmocka_unit_test(test_what_is_no_number_and_what_does_not_fit_is_counted),
        cmocka_unit_test(test_rows_beyond_the_most_are_left_out),
        cmocka_unit_test(test_a_page_stays_while_it_is_held),
        cmocka_unit_test(test_pages_are_swapped_while_others_read),
        cmocka_unit_test(test_waiting_ends_when_somebody_has_tried),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
