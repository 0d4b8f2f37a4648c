#include "ingest/route.h"
#include "provider_harness.h"

/* A provider whose event key is what the body says it is. */
static bool take_key(delivery_t *d, err_t *err)
{
    (void)err;
    d->event_key = json_str(d->root, "key");
    d->event_type = STR("made-up");
    return true;
}

static const provider_t MADE_UP = {.name = "made_up", .normalise = take_key};

static str_t key_of(const char *key)
{
    str_t body = arena_printf(test_arena, "{\"key\":\"%s\"}", key);
    delivery_t *d = deliver(&MADE_UP, "events", BODY_JSON, body);
    str_t made = arena_dup(test_arena, d->event_key);

    delivery_free(d);
    return made;
}

/* `count` times `part`. */
static const char *repeated(const char *part, size_t count)
{
    str_t all = STR("");

    while (count--)
        all = arena_printf(test_arena, STR_FMT "%s", STR_ARG(all), part);
    return all.base;
}

static void test_a_key_of_up_to_400_bytes_stays_as_it_is(void **state)
{
    const char *key = repeated("k", 400);

    (void)state;
    assert_str(key_of(key), key);
}

static void test_a_longer_key_becomes_its_beginning_and_its_hash(void **state)
{
    str_t one = key_of(repeated("k", 401)), other = key_of(repeated("k", 402));

    (void)state;
    assert_int_equal(one.len, 64 + 1 + 32);
    assert_true(str_starts(one, str_from(repeated("k", 64))));
    assert_false(str_eq(one, other));
}

static void test_a_longer_key_is_cut_between_characters(void **state)
{
    (void)state;
    for (int before = 0; before < 4; before++) {
        const char *key = arena_printf(test_arena, "%.*s%s", before, "abc", repeated("\xf0\x9f\x93\x9e", 120)).base;
        size_t whole = (64 - (size_t)before) / 4 * 4 + (size_t)before; /* characters of four bytes after the first */
        str_t cut = key_of(key);

        assert_int_equal(cut.len, whole + 1 + 32);
        assert_true(str_starts(cut, str_slice(str_from(key), 0, whole)));
    }
}

/* ---- what call_events has ---- */

#define HANG "{\"message\": {\"type\": \"hang\", \"call\": {\"id\": \"v-1\"}}}"

static delivery_t *stored(const char *provider, const char *route, const char *payload, const char *raw)
{
    const journal_entry_t entry = {.provider = str_from(provider),
                                   .route = str_from(route),
                                   .way = WAY_REPLAY,
                                   .received_us = 7,
                                   .payload = str_from(payload),
                                   .raw = str_from(raw),
                                   .error = STR("an older version could not read it")};

    return understand_stored(&entry);
}

static void test_a_stored_payload_is_understood(void **state)
{
    delivery_t *d = stored("vapi", "events", HANG, NULL);

    (void)state;
    assert_null(d->error.base);
    assert_str(d->call_id, "v-1");
    assert_string_equal(d->provider, "vapi");
    assert_int_equal(d->way, WAY_REPLAY);
    assert_int_equal(d->received_us, 7);
    assert_true(d->bytes >= sizeof(HANG));
    delivery_free(d);
}

static void test_stored_bytes_are_read_anew(void **state)
{
    delivery_t *d = stored("vapi", "events", NULL, HANG);

    (void)state;
    assert_null(d->error.base);
    assert_str(d->call_id, "v-1");
    assert_str(d->payload, HANG);
    assert_null(d->raw.base);
    delivery_free(d);
}

static void test_stored_bytes_that_are_still_unreadable_are_kept_and_it_says_why(void **state)
{
    delivery_t *d = stored("vapi", "events", NULL, "{\"message\": not JSON");

    (void)state;
    assert_non_null(d->error.base);
    assert_false(str_starts(d->error, STR("an older version")));
    assert_null(d->payload.base);
    assert_str(d->raw, "{\"message\": not JSON");
    delivery_free(d);
}

static void test_a_stored_payload_of_unknown_shape_stays_a_dead_letter(void **state)
{
    delivery_t *d = stored("vapi", "events", "{\"message\": 5}", NULL);

    (void)state;
    assert_non_null(d->error.base);
    assert_null(d->facts.first);
    delivery_free(d);
}

static void test_a_route_that_is_not_known_is_the_first_that_takes_such_a_body(void **state)
{
    delivery_t *form = stored("twilio", NULL, "{\"CallSid\": \"CA1\", \"CallStatus\": \"completed\"}", NULL);
    delivery_t *json = stored("vapi", NULL, NULL, HANG);

    (void)state;
    assert_string_equal(form->route, "events");
    assert_string_equal(json->route, "events");
    assert_null(json->error.base);
    delivery_free(form);
    delivery_free(json);
}

static void test_a_route_matters(void **state)
{
    static const char RINGING[] = "{\"CallSid\": \"CA1\", \"AccountSid\": \"AC1\", \"CallStatus\": \"ringing\"}";
    delivery_t *voice = stored("twilio", "voice", RINGING, NULL), *event = stored("twilio", "events", RINGING, NULL);

    (void)state;
    assert_false(str_eq(voice->event_key, event->event_key));
    delivery_free(voice);
    delivery_free(event);
}

static void test_what_this_version_does_not_know_stays_a_dead_letter(void **state)
{
    static const struct {
        const char *provider, *route, *payload;
    } CASES[] = {{"nobody", "events", HANG}, {"nobody", NULL, HANG}, {"vapi", "telex", HANG}, {"vapi", "events", NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        delivery_t *d = stored(CASES[i].provider, CASES[i].route, CASES[i].payload, NULL);

        assert_non_null(d->error.base);
        assert_string_equal(d->provider, CASES[i].provider);
        delivery_free(d);
    }
}

static void test_a_route_without_a_path_is_no_address(void **state)
{
    static const char *const PATHS[] = {"", "/", "api-call", "/api-call", "/webhooks", "/webhooks/vapi/api-call"};
    const provider_t *found = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(PATHS); i++)
        assert_null(route_find(str_from(PATHS[i]), &found));
    assert_null(route_find(STR_NONE, &found));
    assert_non_null(route_find(STR("/webhooks/vapi"), &found));
    assert_string_equal(found->name, "vapi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_a_key_of_up_to_400_bytes_stays_as_it_is),
        provider_test(test_a_longer_key_becomes_its_beginning_and_its_hash),
        provider_test(test_a_longer_key_is_cut_between_characters),
        provider_test(test_a_stored_payload_is_understood),
        provider_test(test_stored_bytes_are_read_anew),
        provider_test(test_stored_bytes_that_are_still_unreadable_are_kept_and_it_says_why),
        provider_test(test_a_stored_payload_of_unknown_shape_stays_a_dead_letter),
        provider_test(test_a_route_that_is_not_known_is_the_first_that_takes_such_a_body),
        provider_test(test_a_route_matters),
        provider_test(test_a_route_without_a_path_is_no_address),
        provider_test(test_what_this_version_does_not_know_stays_a_dead_letter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
