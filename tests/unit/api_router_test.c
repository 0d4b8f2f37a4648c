#include "api/router.h"
#include "unit.h"

static const char *pattern_of(const char *path)
{
    size_t i = router_find(str_from(path));

    return i == SIZE_MAX ? NULL : ROUTER_PATHS[i].pattern;
}

static void test_paths_are_found_by_their_pattern(void **state)
{
    (void)state;
    assert_string_equal(pattern_of("/api/audit"), "/api/audit");
    assert_string_equal(pattern_of("/api/sync/runs"), "/api/sync/runs");
    assert_string_equal(pattern_of("/api/sync/runs/17"), "/api/sync/runs/{id}");
    assert_string_equal(pattern_of("/api/sync/runs/17/cancel"), "/api/sync/runs/{id}/cancel");
    assert_string_equal(pattern_of("/api/sync/status"), "/api/sync/status");
    assert_string_equal(pattern_of("/api/sync/teli"), "/api/sync/{provider}");
    assert_string_equal(pattern_of("/api/teli/sync-all"), "/api/{provider}/sync-all");
}

static void test_what_is_below_and_not_there_is_the_last_row(void **state)
{
    static const char *const NOTHING[] = {
        "/api",          "/api/",           "/api/sync",         "/api/sync/",         "/api//sync/runs",
        "/api/sync//",   "/api/sync/runs/", "/api/sync/runs/1/", "/api/sync/runs/1/x", "/api/sync/a/b/c",
        "/api/../livez", "/api//sync-all",  "/api/audit/1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(NOTHING); i++)
        assert_int_equal(router_find(str_from(NOTHING[i])), router_count() - 1);
    assert_string_equal(ROUTER_PATHS[router_count() - 1].pattern, "/api");
    assert_null(router_method(&ROUTER_PATHS[router_count() - 1], STR("GET")));
}

static void test_other_paths_are_none_of_the_api(void **state)
{
    (void)state;
    assert_null(pattern_of(""));
    assert_null(pattern_of("/"));
    assert_null(pattern_of("/ap"));
    assert_null(pattern_of("/apis"));
    assert_null(pattern_of("/API/sync/runs"));
    assert_null(pattern_of("/webhooks/teli"));
    assert_int_equal(router_find((str_t){"/api\0/sync", 10}), SIZE_MAX);
}

static void test_segments_are_taken_as_they_are(void **state)
{
    str_t segments[CALL_MAX_SEGMENTS];

    (void)state;
    assert_int_equal(router_segments("/api/sync/runs/{id}/cancel", STR("/api/sync/runs/a%2Fb/cancel"), segments), 1);
    assert_str(segments[0], "a%2Fb");
}

static void test_every_row_says_what_it_needs(void **state)
{
    char allow[ROUTER_ALLOW_BYTES];

    (void)state;
    for (size_t i = 0; i + 1 < router_count(); i++) {
        const router_path_t *p = &ROUTER_PATHS[i];

        assert_non_null(p->methods[0].name);
        for (size_t m = 0; m < ROUTER_MAX_METHODS && p->methods[m].name; m++) {
            assert_non_null(p->methods[m].run);
            assert_non_null(p->methods[m].params);
            assert_non_null(scope_word(p->methods[m].scope));
            assert_ptr_equal(router_method(p, str_from(p->methods[m].name)), &p->methods[m]);
        }
        assert_null(router_method(p, STR("DELETE")));
        router_allow(p, allow);
        assert_true(strlen(allow) > 0);
    }
    router_allow(&ROUTER_PATHS[router_find(STR("/api/sync/runs"))], allow);
    assert_string_equal(allow, "GET, HEAD");
    router_allow(&ROUTER_PATHS[router_find(STR("/api/sync/teli"))], allow);
    assert_string_equal(allow, "POST");
}

static void test_parameters_are_whole_words(void **state)
{
    const api_method_t m = {.params = "since dryRun"};
    const api_method_t none = {.params = ""};

    (void)state;
    assert_true(router_takes(&m, STR("since")));
    assert_true(router_takes(&m, STR("dryRun")));
    assert_false(router_takes(&m, STR("dryrun")));
    assert_false(router_takes(&m, STR("sinc")));
    assert_false(router_takes(&m, STR("since dryRun")));
    assert_false(router_takes(&m, STR("")));
    assert_false(router_takes(&none, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_found_by_their_pattern),
        cmocka_unit_test(test_what_is_below_and_not_there_is_the_last_row),
        cmocka_unit_test(test_other_paths_are_none_of_the_api),
        cmocka_unit_test(test_segments_are_taken_as_they_are),
        cmocka_unit_test(test_every_row_says_what_it_needs),
        cmocka_unit_test(test_parameters_are_whole_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
