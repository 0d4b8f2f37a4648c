#include "provider_harness.h"
#include "sample.h"

#define START_US (INT64_C(1767000000) * US_PER_S)

static const test_setting_t EVERY_SECRET[] = {
    {"TWILIO_AUTH_TOKEN", "a-token"},
    {"VAPI_WEBHOOK_SECRET", "a-secret"},
    {"VAPI_WEBHOOK_HMAC_SECRET", "another"},
    {"LIVEKIT_API_KEY", "a-key"},
    {"LIVEKIT_API_SECRET", "its-secret"},
    {"BEY_WEBHOOK_SECRET", "a-secret-that-is-long-enough"},
    {"TELI_WEBHOOK_SECRET", "another-that-is-long-enough"},
    {"AGENT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {NULL, NULL},
};

static void each_sample(void (*check)(const provider_t *p, const hook_sample_t *sample))
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        assert_int_not_equal(PROVIDERS[i]->n_samples, 0);
        for (size_t j = 0; j < PROVIDERS[i]->n_samples; j++)
            check(PROVIDERS[i], &PROVIDERS[i]->samples[j]);
    }
}

static str_t fill(const hook_sample_t *sample, uint64_t seed, int64_t start_us)
{
    sample_call_t call;
    int after_ms = sample->after_ms < 0 ? 0 : sample->after_ms;

    sample_call_init(&call, seed, start_us);
    return hook_fill(sample, &call, start_us + after_ms * US_PER_MS, test_arena);
}

static const hook_route_t *route_of(const provider_t *p, const hook_sample_t *sample)
{
    for (size_t i = 0; i < p->n_routes; i++)
        if (strcmp(p->routes[i].name, sample->route) == 0)
            return &p->routes[i];
    return NULL;
}

static void check_filled(const provider_t *p, const hook_sample_t *sample)
{
    str_t body = fill(sample, 1, START_US);
    const hook_route_t *route = route_of(p, sample);

    assert_null(strstr(body.base, "{{"));
    assert_non_null(route);
    assert_true(route->bodies & (int)sample->kind);
}

static void test_every_placeholder_is_known(void **state)
{
    (void)state;
    each_sample(check_filled);
}

static void check_repeatable(const provider_t *p, const hook_sample_t *sample)
{
    str_t a = fill(sample, 7, START_US), b = fill(sample, 7, START_US);

    (void)p;
    assert_true(str_eq(a, b));
    assert_false(str_eq(a, fill(sample, 8, START_US)));
}

static void test_same_seed_and_times_give_the_same_bytes(void **state)
{
    (void)state;
    each_sample(check_repeatable);
}

/* The server's part, over what `hookline send` would send. */
static delivery_t *pass(const provider_t *p, const hook_sample_t *sample, str_t body)
{
    const hook_route_t *route = route_of(p, sample);
    void *keys = keys_of(p, EVERY_SECRET);
    header_t headers[HOOK_MAX_SIGNED];
    hook_request_t r = {.target = str_from(route->path),
                        .headers = headers,
                        .origins = {STR("https://calls.example.com")},
                        .n_origins = 1,
                        .body = body,
                        .now_us = START_US + 40 * US_PER_S};
    str_t url = arena_printf(test_arena, "https://calls.example.com%s", route->path);
    form_t form;
    err_t err;

    if (route->traits & ROUTE_SECRET)
        r.path_secret = p->path_secret(keys);
    if (sample->kind == BODY_FORM) {
        assert_true(form_parse(test_arena, body, &form, &err));
        r.form = &form;
    }
    r.n_headers = p->sign(keys, url, sample->kind, body, r.now_us, test_arena, headers);
    assert_true(r.n_headers <= HOOK_MAX_SIGNED);
    assert_genuine(p, keys, &r);
    p->keys_free(keys);
    return deliver(p, route->name, sample->kind, body);
}

static void check_understood(const provider_t *p, const hook_sample_t *sample)
{
    delivery_t *d = pass(p, sample, fill(sample, 3, START_US));

    assert_absent(d->error);
    assert_true(d->event_key.len || d->unstored);
    assert_non_null(d->call_id.base);
    delivery_free(d);
}

static void test_every_sample_is_signed_and_understood(void **state)
{
    (void)state;
    each_sample(check_understood);
}

static void test_each_provider_plays_one_whole_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        const provider_t *p = PROVIDERS[i];
        delivery_t *d[32];
        size_t n = 0;
        facts_t rows;
        fact_t *call;

        facts_init(&rows, test_arena);
        for (size_t j = 0; j < p->n_samples; j++) {
            if (p->samples[j].after_ms < 0)
                continue;
            d[n] = pass(p, &p->samples[j], fill(&p->samples[j], 5, START_US));
            for (size_t k = 0; k < n; k++)
                assert_false(str_eq(d[n]->event_key, d[k]->event_key));
            merge_into(&rows, &d[n++]->facts);
        }
        assert_int_equal(count_rows(&rows, FACT_CALL), 1);
        call = find_row(&rows, FACT_CALL, NULL);
        ASSERT_CELLS(call, {CALL_PHASE, "2"});
        if (call->cells[CALL_DIRECTION].version) { /* Beyond Presence's are no telephone calls */
            ASSERT_CELLS(call, {CALL_DIRECTION, "inbound"}, {CALL_TO_NUMBER, "+12025550100"});
            assert_true(str_starts(call->cells[CALL_CUSTOMER_NUMBER].text, STR("+120255501")));
            assert_true(str_starts(call->cells[CALL_CALL_SID].text, STR("CA")));
            assert_int_equal(call->cells[CALL_CALL_SID].text.len, 34);
        }
        assert_true(call->cells[CALL_STARTED_AT].number <= call->cells[CALL_CONNECTED_AT].number);
        assert_true(call->cells[CALL_CONNECTED_AT].number < call->cells[CALL_ENDED_AT].number);
        assert_order_free(d, n, 17);
        for (size_t k = 0; k < n; k++)
            delivery_free(d[k]);
    }
}

static void test_one_call_has_one_sid_with_every_provider(void **state)
{
    str_t sid = STR_NONE;

    (void)state;
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        for (size_t j = 0; j < PROVIDERS[i]->n_samples; j++) {
            delivery_t *d = pass(PROVIDERS[i], &PROVIDERS[i]->samples[j], fill(&PROVIDERS[i]->samples[j], 9, START_US));

            if (d->call_sid.base && !sid.base)
                sid = arena_dup(test_arena, d->call_sid);
            if (d->call_sid.base)
                assert_true(str_eq(sid, d->call_sid));
            delivery_free(d);
        }
    }
}

static void test_values_in_a_form_are_encoded(void **state)
{
    static const hook_sample_t SAMPLE = {"x", "events", BODY_FORM, "a={{from}}&b={{now_rfc2822}}&c={{start_ms+1180}}",
                                         0};
    sample_call_t call;

    (void)state;
    sample_call_init(&call, 1, START_US);
    (void)snprintf(call.from, sizeof(call.from), "+12025550143");
    assert_str(hook_fill(&SAMPLE, &call, START_US, test_arena),
               "a=%2B12025550143&b=Mon%2C%2029%20Dec%202025%2009%3A20%3A00%20%2B0000&c=1767000001180");
}

static void test_providers_are_found_as_people_type_them(void **state)
{
    (void)state;
    assert_string_equal(provider_find(STR("twilio"))->name, "twilio");
    assert_string_equal(provider_find(STR("livekit"))->name, "livekit");
    assert_null(provider_find(STR("twili")));
    assert_null(provider_find(STR("twilio ")));
    assert_null(provider_find(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_placeholder_is_known),
        provider_test(test_same_seed_and_times_give_the_same_bytes),
        provider_test(test_every_sample_is_signed_and_understood),
        provider_test(test_each_provider_plays_one_whole_call),
        provider_test(test_one_call_has_one_sid_with_every_provider),
        provider_test(test_values_in_a_form_are_encoded),
        provider_test(test_providers_are_found_as_people_type_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
