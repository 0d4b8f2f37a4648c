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

static void test_each_lane_keeps_its_order_and_shares_no_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++)
        put(i, i % 2 ? LANE_BACKLOG : LANE_LIVE, 1);
    assert_int_equal(queue_take(&queue, LANE_LIVE, 64, 1000, out), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(index_of(out[i]), 2 * i);
    assert_false(queue_is_empty(&queue));
    assert_int_equal(queue_take(&queue, LANE_BACKLOG, 2, 1000, out), 2);
    assert_int_equal(index_of(out[1]), 3);
    assert_int_equal(queue_take(&queue, LANE_BACKLOG, 2, 1000, out), 1);
    assert_int_equal(index_of(out[0]), 5);
    assert_true(queue_is_empty(&queue));
    assert_int_equal(queue_take(&queue, LANE_BACKLOG, 64, 1000, out), 0);
}

static void test_bytes_are_bounded_but_one_is_always_taken(void **state)
{
    (void)state;
    put(0, LANE_LIVE, 600);
    put(1, LANE_LIVE, 300);
    put(2, LANE_LIVE, 5000);
    put(3, LANE_LIVE, 1);
    put(4, LANE_BACKLOG, 50);
    assert_int_equal(queue_take(&queue, LANE_LIVE, 16, 1000, out), 2);
    assert_int_equal(queue_take(&queue, LANE_LIVE, 16, 1000, out), 1);
    assert_int_equal(index_of(out[0]), 2);
    assert_int_equal(queue_take(&queue, LANE_LIVE, 16, 1000, out), 1);
    assert_int_equal(queue.lanes[LANE_LIVE].count, 0);
    assert_int_equal(queue.lanes[LANE_BACKLOG].count, 1);
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
    assert_true(queue_is_empty(&queue));
    put(11, LANE_LIVE, 1);
    assert_int_equal(queue_take(&queue, LANE_LIVE, 16, 1000, out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_lane_keeps_its_order_and_shares_no_batch, set_up),
        cmocka_unit_test_setup(test_bytes_are_bounded_but_one_is_always_taken, set_up),
        cmocka_unit_test_setup(test_all_can_be_taken_as_a_list, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
