/* queue_test.c – the two lanes of what waits for a writer. */
#include "store/queue.h"
#include "unit.h"

static queue_t queue;
static delivery_t deliveries[64];
static delivery_t *out[64];

static void put(size_t i, lane_t lane, size_t bytes)
{
    deliveries[i] = (delivery_t){.bytes = bytes};
    queue_put(&queue, lane, &deliveries[i]);
}

static size_t index_of(const delivery_t *d)
{
    return (size_t)(d - deliveries);
}

static int set_up(void **state)
{
    (void)state;
    queue_init(&queue);
    return 0;
}

static void test_each_lane_keeps_its_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++)
        put(i, i % 2 ? LANE_BACKLOG : LANE_LIVE, 1);
    assert_int_equal(queue.count, 6);
    assert_int_equal(queue_take(&queue, 64, 1000, out), 6);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(index_of(out[i]), 2 * i);
        assert_int_equal(index_of(out[i + 3]), 2 * i + 1);
    }
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue_take(&queue, 64, 1000, out), 0);
}

static void test_the_backlog_has_a_quarter_while_live_has_enough(void **state)
{
    size_t live = 0;

    (void)state;
    for (size_t i = 0; i < 60; i++)
        put(i, i < 40 ? LANE_LIVE : LANE_BACKLOG, 1);
    assert_int_equal(queue_take(&queue, 16, 1000, out), 16);
    for (size_t i = 0; i < 16; i++)
        live += index_of(out[i]) < 40;
    assert_int_equal(live, 12);
}

static void test_whatever_lane_is_alone_has_all_the_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20; i++)
        put(i, LANE_BACKLOG, 1);
    assert_int_equal(queue_take(&queue, 16, 1000, out), 16);
    for (size_t i = 20; i < 40; i++)
        put(i, LANE_LIVE, 1);
    assert_int_equal(queue_take(&queue, 64, 1000, out), 24);
    for (size_t i = 0; i < 20; i++)
        put(i, LANE_LIVE, 1);
    assert_int_equal(queue_take(&queue, 16, 1000, out), 16);
}

static void test_bytes_are_bounded_but_one_is_always_taken(void **state)
{
    (void)state;
    put(0, LANE_LIVE, 600);
    put(1, LANE_LIVE, 300);
    put(2, LANE_LIVE, 300);
    put(3, LANE_BACKLOG, 50);
    assert_int_equal(queue_take(&queue, 16, 1000, out), 3); /* the backlog's, which is small, goes along */
    assert_int_equal(queue_take(&queue, 16, 100, out), 1);
    assert_int_equal(index_of(out[0]), 2);
    put(4, LANE_BACKLOG, 5000);
    assert_int_equal(queue_take(&queue, 16, 100, out), 1);
    assert_int_equal(index_of(out[0]), 4);
}

static void test_all_can_be_taken_as_a_list(void **state)
{
    size_t count = 0;

    (void)state;
    assert_null(queue_take_all(&queue));
    put(0, LANE_BACKLOG, 1);
    assert_ptr_equal(queue_take_all(&queue), &deliveries[0]);
    for (size_t i = 0; i < 10; i++)
        put(i, i % 3 ? LANE_BACKLOG : LANE_LIVE, 1);
    for (const delivery_t *d = queue_take_all(&queue); d; d = d->next)
        count++;
    assert_int_equal(count, 10);
    assert_int_equal(queue.count, 0);
    put(11, LANE_LIVE, 1);
    assert_int_equal(queue_take(&queue, 16, 1000, out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_lane_keeps_its_order, set_up),
        cmocka_unit_test_setup(test_the_backlog_has_a_quarter_while_live_has_enough, set_up),
        cmocka_unit_test_setup(test_whatever_lane_is_alone_has_all_the_room, set_up),
        cmocka_unit_test_setup(test_bytes_are_bounded_but_one_is_always_taken, set_up),
        cmocka_unit_test_setup(test_all_can_be_taken_as_a_list, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
