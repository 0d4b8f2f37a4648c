#include "base/metrics.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/slot.h"
#include "journal_harness.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define PLENTY        ((int64_t)256 * 1024 * 1024)
#define SMALL         ((int64_t)1024 * 1024) /* segments of 64 KB then */
#define LEAST_SEGMENT ((uint64_t)64 * 1024)
#define THREADS       4
#define PUTS          400 /* of each thread */
#define LIMIT_S       30  /* for what is waited for */

static char *base, *data, *folder; /* of the test, HOOKLINE_DATA_DIR, slot 0's */

/* What came back; held: the journal's thread waits within done until it is let go. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t durable, failed, calls;
    bool held;
} back = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_done(void *ctx, journal_ticket_t *list)
{
    (void)ctx;
    pthread_mutex_lock(&back.lock);
    back.calls++;
    for (const journal_ticket_t *t = list; t; t = t->next) {
        back.durable += t->failed == ERR_NONE;
        back.failed += t->failed != ERR_NONE;
    }
    pthread_cond_broadcast(&back.changed);
    while (back.held)
        pthread_cond_wait(&back.changed, &back.lock);
    pthread_mutex_unlock(&back.lock);
}

static void hold(bool held)
{
    pthread_mutex_lock(&back.lock);
    back.held = held;
    pthread_cond_broadcast(&back.changed);
    pthread_mutex_unlock(&back.lock);
}

/* Until so many have come back as durable since the test began. */
static void await_durable(size_t count)
{
    struct timespec until;
    size_t durable;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    pthread_mutex_lock(&back.lock);
    while (back.durable < count && pthread_cond_timedwait(&back.changed, &back.lock, &until) == 0)
        ;
    durable = back.durable;
    pthread_mutex_unlock(&back.lock);
    assert_int_equal(durable, count);
}

static int set_up(void **state)
{
    (void)state;
    base = folder_new();
    data = path_join(base, "data");
    folder = slot_folder(data, 0);
    back.durable = back.failed = back.calls = 0;
    back.held = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(folder);
    free(data);
    folder_free(base);
    return 0;
}

static journal_t *open_journal(int64_t max_bytes, int64_t max_pending_bytes)
{
    const journal_options_t options = {
        .data_folder = data, .max_bytes = max_bytes, .max_pending_bytes = max_pending_bytes, .done = on_done};

    return journal_open(&options);
}

static void close_journal(journal_t *j)
{
    journal_close(j);
    journal_free(j);
}

/* An entry of about so many bytes in the file, whose owner holds so many more meanwhile. */
static bool put_held(journal_t *j, uint64_t number, size_t bytes, size_t held, journal_ticket_t *ticket, err_t *err)
{
    known_t k = known_new(number, bytes);
    bool taken;

    *ticket = (journal_ticket_t){.held = held};
    taken = journal_put(j, &k.entry, ticket, err);
    known_free(&k);
    return taken;
}

static bool put(journal_t *j, uint64_t number, size_t bytes, journal_ticket_t *ticket, err_t *err)
{
    return put_held(j, number, bytes, 0, ticket, err);
}

static void put_and_wait(journal_t *j, uint64_t number, size_t bytes)
{
    static journal_ticket_t tickets[256];
    size_t before = back.durable;

    assert_true(put(j, number, bytes, &tickets[number % COUNT(tickets)], NULL));
    await_durable(before + 1);
}

static size_t count_segments(void)
{
    segment_file_t *files;
    size_t count;

    assert_true(slot_segments(folder, &files, &count, NULL));
    free(files);
    return count;
}

/* Gives every record of the slot to `each`, in order; no damage. How many there are. */
static size_t read_all(void (*each)(const segment_header_t *h, const record_t *r))
{
    segment_file_t *files;
    size_t count, records = 0;

    assert_true(slot_segments(folder, &files, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        char *path = slot_segment_path(folder, &files[i]);
        reader_t *r = reader_open(path, NULL);
        record_t record;
        damage_t damage;

        assert_non_null(r);
        assert_int_equal(reader_header(r)->number, files[i].number);
        for (read_t what; (what = reader_next(r, &record, &damage)) != READ_END; records++) {
            assert_int_equal(what, READ_RECORD);
            each(reader_header(r), &record);
        }
        reader_close(r);
        free(path);
    }
    free(files);
    return records;
}

/* ---- group commit ---- */

static journal_t *shared;
static journal_ticket_t tickets[THREADS][PUTS];

static void *put_many(void *arg)
{
    uint64_t thread = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < PUTS; i++)
        while (!put(shared, thread * PUTS + i, 50 + i % 7 * 100, &tickets[thread][i], NULL))
            (void)usleep(100); /* too much is waiting */
    return NULL;
}

static uint64_t next_of[THREADS], next_sequence;

static void expect_order_of_threads(const segment_header_t *h, const record_t *r)
{
    uint64_t number = (uint64_t)r->entry.received_us, thread = number / PUTS;
    known_t k = known_new(number, 50 + number % PUTS % 7 * 100);

    (void)h;
    assert_in_range(thread, 0, THREADS - 1);
    assert_int_equal(number % PUTS, next_of[thread]++);
    assert_int_equal(r->sequence, next_sequence++);
    assert_true(is_same_entry(&r->entry, &k.entry));
    known_free(&k);
}

static void test_many_threads_put_and_each_entry_comes_back_once_and_in_its_threads_order(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    shared = open_journal(PLENTY, 20000);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    await_durable((size_t)THREADS * PUTS);
    close_journal(shared);
    assert_int_equal(back.durable, THREADS * PUTS);
    assert_int_equal(back.failed, 0);
    assert_true(back.calls < THREADS * PUTS); /* else no group was ever more than one */
    memset(next_of, 0, sizeof(next_of));
    next_sequence = 1;
    assert_int_equal(read_all(expect_order_of_threads), THREADS * PUTS);
}

static void test_what_gathers_during_a_write_is_written_together(void **state)
{
    journal_ticket_t own[11];
    journal_t *j = open_journal(PLENTY, PLENTY);

    (void)state;
    hold(true);
    assert_true(put(j, 0, 100, &own[0], NULL));
    await_durable(1);
    for (uint64_t i = 1; i < COUNT(own); i++)
        assert_true(put(j, i, 100, &own[i], NULL));
    hold(false);
    await_durable(COUNT(own));
    close_journal(j);
    assert_int_equal(back.calls, 2);
    for (size_t i = 0; i < COUNT(own); i++) {
        assert_int_equal(own[i].failed, ERR_NONE);
        assert_ptr_equal(own[i].next, i == 0 || i + 1 == COUNT(own) ? NULL : &own[i + 1]);
    }
}

/* ---- bounds ---- */

static void test_what_is_too_much_at_once_is_refused_as_busy(void **state)
{
    journal_ticket_t own[8];
    journal_t *j = open_journal(PLENTY, 3000);
    err_t err = {.code = ERR_NONE};

    (void)state;
    assert_true(put(j, 0, 100000, &own[0], NULL)); /* by itself anything is taken */
    await_durable(1);
    hold(true);
    assert_true(put(j, 1, 100, &own[1], NULL));
    await_durable(2);
    assert_true(put(j, 2, 1000, &own[2], NULL));
    assert_true(put(j, 3, 1000, &own[3], NULL));
    assert_false(put(j, 4, 1000, &own[4], &err));
    assert_int_equal(err.code, ERR_BUSY);
    hold(false);
    await_durable(4);
    assert_true(put(j, 5, 1000, &own[5], NULL));
    await_durable(5);
    close_journal(j);
}

static void test_what_owners_hold_counts_until_it_comes_back(void **state)
{
    journal_ticket_t own[4];
    journal_t *j = open_journal(PLENTY, 3000);
    err_t err = {.code = ERR_NONE};

    (void)state;
    hold(true);
    assert_true(put_held(j, 0, 100, 100000, &own[0], NULL));
    await_durable(1);
    assert_true(put_held(j, 1, 100, 2000, &own[1], NULL));
    assert_false(put_held(j, 2, 100, 1000, &own[2], &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(put_held(j, 3, 100, 0, &own[3], NULL));
    hold(false);
    await_durable(3);
    assert_true(put_held(j, 2, 100, 1000, &own[2], NULL));
    await_durable(4);
    close_journal(j);
}

static void test_a_journal_that_is_full_refuses_until_something_is_drained(void **state)
{
    journal_ticket_t ticket;
    journal_t *j = open_journal(SMALL, PLENTY);
    journal_state_t js;
    err_t err = {.code = ERR_NONE};
    uint64_t i = 0;

    (void)state;
    while (put(j, i, 30000, &ticket, &err))
        await_durable((size_t)++i);
    assert_int_equal(err.code, ERR_BUSY);
    assert_in_range(i, 30, 35);
    assert_true(put(j, i, 10, &ticket, NULL)); /* what is smaller may have room */
    await_durable((size_t)i + 1);
    journal_forget(j, 60000);
    assert_true(put(j, i, 30000, &ticket, NULL));
    await_durable((size_t)i + 2);
    journal_state(j, &js);
    assert_true(js.up);
    journal_forget(j, (uint64_t)-SMALL); /* as if that were there, too */
    journal_state(j, &js);
    assert_false(js.up);
    assert_non_null(strstr(js.reason, "HOOKLINE_JOURNAL_MAX_BYTES"));
    close_journal(j);
}

/* ---- segments ---- */

static uint64_t last_number, last_sequence;

static void expect_sequence(const segment_header_t *h, const record_t *r)
{
    assert_true(h->number >= last_number);
    assert_true(h->first_sequence <= r->sequence);
    last_number = h->number;
    assert_int_equal(r->sequence, ++last_sequence);
}

static void test_segments_are_of_the_size_that_the_bound_says(void **state)
{
    journal_t *j = open_journal(SMALL, PLENTY);
    segment_file_t *files;
    size_t count;

    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        put_and_wait(j, i, 20000);
    put_and_wait(j, 20, 150000); /* larger than a segment: one of its own */
    put_and_wait(j, 21, 20000);
    close_journal(j);
    assert_true(slot_segments(folder, &files, &count, NULL));
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(files[i].number, i + 1);
        assert_true(files[i].bytes <= LEAST_SEGMENT || i == 7);
        assert_true(files[i].bytes > LEAST_SEGMENT / 2 || i >= 6);
    }
    free(files);
    last_number = last_sequence = 0;
    assert_int_equal(read_all(expect_sequence), 22);
}

static void test_sealing_closes_what_holds_something(void **state)
{
    journal_t *j = open_journal(PLENTY, PLENTY);
    uint64_t below = journal_seal(j);

    (void)state;
    assert_int_equal(below, 1);
    put_and_wait(j, 0, 100);
    assert_int_equal(journal_seal(j), 2);
    assert_int_equal(journal_seal(j), 2);
    put_and_wait(j, 1, 100);
    assert_int_equal(count_segments(), 2);
    assert_int_equal(journal_seal(j), 3);
    journal_close(j);
    assert_true(journal_seal(j) >= 3); /* nobody is left to wait for */
    journal_free(j);
    last_number = last_sequence = 0;
    assert_int_equal(read_all(expect_sequence), 2);
}

static void test_a_segment_without_records_is_removed(void **state)
{
    (void)state;
    close_journal(open_journal(PLENTY, PLENTY));
    assert_int_equal(count_segments(), 0);
}

/* ---- ends and beginnings ---- */

static void test_closing_writes_what_is_pending_and_takes_no_more(void **state)
{
    journal_ticket_t own[50];
    journal_t *j = open_journal(PLENTY, PLENTY);
    journal_state_t js;
    err_t err = {.code = ERR_NONE};

    (void)state;
    for (uint64_t i = 0; i < COUNT(own); i++)
        assert_true(put(j, i, 3000, &own[i], NULL));
    journal_close(j);
    assert_int_equal(back.durable, COUNT(own));
    assert_false(put(j, 99, 100, &own[0], &err));
    assert_int_equal(err.code, ERR_JOURNAL);
    journal_state(j, &js);
    assert_false(js.up);
    assert_non_null(strstr(js.reason, "stopping"));
    journal_free(j);
    last_number = last_sequence = 0;
    assert_int_equal(read_all(expect_sequence), COUNT(own));
    journal_close(NULL);
    journal_free(NULL);
}

static void test_the_next_process_goes_on_in_number_and_sequence(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        journal_t *j = open_journal(PLENTY, PLENTY);

        assert_int_equal(journal_slot(j), 0);
        assert_string_equal(journal_folder(j), folder);
        assert_int_equal(journal_seal(j), i + 1); /* all that was there may be drained */
        put_and_wait(j, 2 * i, 100);
        put_and_wait(j, 2 * i + 1, 100);
        close_journal(j);
    }
    last_number = last_sequence = 0;
    assert_int_equal(read_all(expect_sequence), 6);
    assert_int_equal(last_number, 3);
}

static void test_a_number_that_was_set_aside_is_not_used_again(void **state)
{
    char *was = path_join(folder, "0000000000000001.journal"), *aside = path_join(folder, "0000000000000001.aside");
    journal_t *j = open_journal(PLENTY, PLENTY);

    (void)state;
    put_and_wait(j, 0, 100);
    close_journal(j);
    assert_int_equal(rename(was, aside), 0);
    j = open_journal(PLENTY, PLENTY);
    assert_int_equal(journal_seal(j), 2);
    close_journal(j);
    free(was);
    free(aside);
}

static void test_what_an_earlier_process_left_counts(void **state)
{
    journal_ticket_t ticket;
    journal_t *j = open_journal(SMALL, PLENTY);
    err_t err = {.code = ERR_NONE};

    (void)state;
    put_and_wait(j, 0, 900000);
    close_journal(j);
    j = open_journal(SMALL, PLENTY);
    assert_false(put(j, 1, 200000, &ticket, &err));
    assert_int_equal(err.code, ERR_BUSY);
    journal_forget(j, 900000);
    put_and_wait(j, 1, 200000);
    close_journal(j);
}

static void test_two_journals_have_slots_of_their_own(void **state)
{
    journal_t *a = open_journal(PLENTY, PLENTY), *b = open_journal(PLENTY, PLENTY);

    (void)state;
    assert_int_equal(journal_slot(a), 0);
    assert_int_equal(journal_slot(b), 1);
    put_and_wait(a, 0, 100);
    put_and_wait(b, 0, 100);
    close_journal(a);
    close_journal(b);
    last_number = last_sequence = 0;
    assert_int_equal(read_all(expect_sequence), 1);
}

/* A file stands in the place of HOOKLINE_DATA_DIR; then it does not. */
static void test_a_journal_without_a_folder_refuses_and_goes_on_trying(void **state)
{
    journal_ticket_t ticket;
    journal_state_t js;
    journal_t *j;
    err_t err = {.code = ERR_NONE};

    (void)state;
    file_write(data, "x", 1);
    j = open_journal(PLENTY, PLENTY);
    assert_int_equal(journal_slot(j), -1);
    assert_int_equal(journal_seal(j), 0);
    assert_false(put(j, 0, 100, &ticket, &err));
    assert_int_equal(err.code, ERR_JOURNAL);
    journal_state(j, &js);
    assert_false(js.up);
    assert_non_null(strstr(js.reason, strerror(ENOTDIR)));
    assert_int_equal(metric_value(metrics_series(METRIC_JOURNAL_UP, "")), 0);
    assert_int_equal(remove(data), 0);
    for (int i = 0; i < 100 * LIMIT_S && !put(j, 0, 100, &ticket, NULL); i++)
        (void)usleep(10000);
    await_durable(1);
    assert_int_equal(journal_slot(j), 0);
    assert_int_equal(metric_value(metrics_series(METRIC_JOURNAL_UP, "")), 1);
    close_journal(j);
}

static void test_gauges_say_what_the_journal_holds(void **state)
{
    metric_t *items = metrics_series(METRIC_JOURNAL_ITEMS, ""), *bytes = metrics_series(METRIC_JOURNAL_BYTES, "");
    int64_t items_before, bytes_before;
    journal_t *j;
    segment_file_t *files;
    size_t count;

    (void)state;
    items_before = metric_value(items);
    bytes_before = metric_value(bytes);
    j = open_journal(PLENTY, PLENTY);
    for (uint64_t i = 0; i < 3; i++)
        put_and_wait(j, i, 1000 * (size_t)i);
    close_journal(j);
    assert_true(slot_segments(folder, &files, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(metric_value(items) - items_before, 3);
    assert_int_equal(metric_value(bytes) - bytes_before, files[0].bytes - SEGMENT_HEADER_BYTES);
    assert_int_equal(metric_value(metrics_series(METRIC_JOURNAL_PENDING, "")), 0);
    free(files);
}

#define journal_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        journal_test(test_many_threads_put_and_each_entry_comes_back_once_and_in_its_threads_order),
        journal_test(test_what_gathers_during_a_write_is_written_together),
        journal_test(test_what_is_too_much_at_once_is_refused_as_busy),
        journal_test(test_what_owners_hold_counts_until_it_comes_back),
        journal_test(test_a_journal_that_is_full_refuses_until_something_is_drained),
        journal_test(test_segments_are_of_the_size_that_the_bound_says),
        journal_test(test_sealing_closes_what_holds_something),
        journal_test(test_a_segment_without_records_is_removed),
        journal_test(test_closing_writes_what_is_pending_and_takes_no_more),
        journal_test(test_the_next_process_goes_on_in_number_and_sequence),
        journal_test(test_a_number_that_was_set_aside_is_not_used_again),
        journal_test(test_what_an_earlier_process_left_counts),
        journal_test(test_two_journals_have_slots_of_their_own),
        journal_test(test_a_journal_without_a_folder_refuses_and_goes_on_trying),
        journal_test(test_gauges_say_what_the_journal_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
