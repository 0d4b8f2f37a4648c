#include "base/metrics.h"
#include "unit.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  20000

static bool rendered(const char *part)
{
    buf_t out = BUF_EMPTY;
    bool found;

    metrics_render(&out);
    buf_addc(&out, '\0');
    found = strstr(out.base, part) != NULL;
    buf_clear(&out);
    return found;
}

static void test_series_are_made_once(void **state)
{
    metric_t *a = metrics_series(METRIC_REQUESTS, "route=\"/livez\",status=\"200\"");

    (void)state;
    assert_ptr_equal(a, metrics_series(METRIC_REQUESTS, "route=\"/livez\",status=\"200\""));
    assert_ptr_not_equal(a, metrics_series(METRIC_REQUESTS, "route=\"/livez\",status=\"503\""));
    assert_ptr_not_equal(a, metrics_series(METRIC_REQUESTS, ""));
}

static void test_counters_and_gauges_are_rendered(void **state)
{
    (void)state;
    metric_add(metrics_series(METRIC_REJECTIONS, "provider=\"x\",reason=\"bad\""), 3);
    metric_add(metrics_series(METRIC_REJECTIONS, "provider=\"x\",reason=\"bad\""), 4);
    metric_set(metrics_series(METRIC_QUEUE_BYTES, ""), 12);
    metric_add(metrics_series(METRIC_QUEUE_BYTES, ""), -20);
    assert_int_equal(metric_value(metrics_series(METRIC_QUEUE_BYTES, "")), -8);
    assert_true(rendered("# HELP hookline_rejections_total Deliveries refused, by provider and reason\n"
                         "# TYPE hookline_rejections_total counter\n"
                         "hookline_rejections_total{provider=\"x\",reason=\"bad\"} 7\n"));
    assert_true(rendered("# TYPE hookline_queue_bytes gauge\nhookline_queue_bytes -8\n"));
}

static void test_families_without_series_are_left_out(void **state)
{
    (void)state;
    assert_false(rendered("hookline_unstored_total"));
}

static void test_histogram_buckets_are_cumulative(void **state)
{
    static const double bounds[] = {1, 2.5, 1000000};
    histogram_t *h = metrics_histogram(METRIC_BATCH_SIZE, "", bounds, COUNT(bounds));

    (void)state;
    histogram_observe(h, 0.5);
    histogram_observe(h, 1);
    histogram_observe(h, 2);
    histogram_observe(h, 1e9);
    histogram_observe(h, 0.0 / 0.0 * 1.0);
    assert_ptr_equal(h, metrics_histogram(METRIC_BATCH_SIZE, "", bounds, COUNT(bounds)));
    assert_true(rendered("# TYPE hookline_batch_deliveries histogram\n"
                         "hookline_batch_deliveries_bucket{le=\"1\"} 2\n"
                         "hookline_batch_deliveries_bucket{le=\"2.5\"} 3\n"
                         "hookline_batch_deliveries_bucket{le=\"1000000\"} 3\n"
                         "hookline_batch_deliveries_bucket{le=\"+Inf\"} 4\n"
                         "hookline_batch_deliveries_sum 1000000003.5\n"
                         "hookline_batch_deliveries_count 4\n"));
}

static void test_histogram_labels_stand_before_le(void **state)
{
    histogram_t *h =
        metrics_histogram(METRIC_ACK_SECONDS, "provider=\"x\"", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS));

    (void)state;
    histogram_observe(h, 0.0003);
    assert_true(rendered("hookline_ack_seconds_bucket{provider=\"x\",le=\"0.00025\"} 0\n"
                         "hookline_ack_seconds_bucket{provider=\"x\",le=\"0.0005\"} 1\n"));
    assert_true(rendered("hookline_ack_seconds_sum{provider=\"x\"} 0.0003\n"
                         "hookline_ack_seconds_count{provider=\"x\"} 1\n"));
}

static void *hammer(void *unused)
{
    static const double bounds[] = {0.5};
    metric_t *counter = metrics_series(METRIC_ACCEPTED, "");
    histogram_t *h = metrics_histogram(METRIC_COMMIT_SECONDS, "", bounds, 1);

    for (int i = 0; i < ROUNDS; i++) {
        metric_add(counter, 1);
        histogram_observe(h, i % 2);
        if (i % 5000 == 0)
            (void)rendered("x");
    }
    return unused;
}

static void test_nothing_is_lost_between_threads(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_value(metrics_series(METRIC_ACCEPTED, "")), THREADS * ROUNDS);
    assert_true(rendered("hookline_commit_seconds_bucket{le=\"0.5\"} 40000\n"
                         "hookline_commit_seconds_bucket{le=\"+Inf\"} 80000\n"
                         "hookline_commit_seconds_sum 40000\n"
                         "hookline_commit_seconds_count 80000\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_are_made_once),
        cmocka_unit_test(test_counters_and_gauges_are_rendered),
        cmocka_unit_test(test_families_without_series_are_left_out),
        cmocka_unit_test(test_histogram_buckets_are_cumulative),
        cmocka_unit_test(test_histogram_labels_stand_before_le),
        cmocka_unit_test(test_nothing_is_lost_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
