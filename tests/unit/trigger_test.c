/* trigger_test.c – which webhooks say that an API has news. */
#include "ingest/trigger.h"

#include "provider_harness.h"

static size_t index_of(const char *name)
{
    const provider_t *p = provider_find(str_from(name));
    size_t i = 0;

    assert_non_null(p);
    while (PROVIDERS[i] != p)
        i++;
    return i;
}

/* Which providers' APIs have news by this event. */
static trigger_set_t news_of(const char *provider, way_t way, const char *body)
{
    size_t index = index_of(provider);
    trigger_set_t *may = triggers_new(), news;
    delivery_t *d = deliver(PROVIDERS[index], "events", BODY_JSON, str_from(body));

    d->way = way;
    news = triggers_of(may[index], d);
    delivery_free(d);
    free(may);
    return news;
}

static trigger_set_t beyond_presence(void)
{
    return (trigger_set_t)1 << index_of("beyond_presence");
}

#define ENDED "{\"event_type\":\"call_ended\",\"call_id\":\"c1\"}"
#define ROOM  "\"room\":{\"sid\":\"RM_1\",\"name\":\"r\"}"
#define GUEST(event, identity)                                                                                         \
    "{\"event\":\"" event "\"," ROOM ",\"participant\":{\"sid\":\"PA_1\",\"identity\":\"" identity "\"}}"

static void test_a_call_that_ended_is_news_of_its_own_api(void **state)
{
    (void)state;
    assert_true(news_of("beyond_presence", WAY_WEBHOOK, ENDED) == beyond_presence());
    assert_true(news_of("beyond_presence", WAY_WEBHOOK,
                        "{\"event_type\":\"conversation_ended\",\"conversation_id\":\"c1\"}") == beyond_presence());
}

static void test_what_is_said_on_a_call_is_none(void **state)
{
    (void)state;
    assert_true(news_of("beyond_presence", WAY_WEBHOOK,
                        "{\"event_type\":\"message\",\"call_id\":\"c1\",\"message\":{\"sender\":\"user\",\"message\":"
                        "\"Hi\",\"sent_at\":\"2026-11-21T10:00:00Z\"}}") == 0);
}

static void test_a_room_that_ended_and_an_avatar_that_comes_or_goes_are_news(void **state)
{
    (void)state;
    assert_true(news_of("livekit", WAY_WEBHOOK, "{\"event\":\"room_finished\"," ROOM "}") == beyond_presence());
    assert_true(news_of("livekit", WAY_WEBHOOK, GUEST("participant_joined", "bey-avatar-agent")) == beyond_presence());
    assert_true(news_of("livekit", WAY_WEBHOOK, GUEST("participant_left", "bey-avatar-agent")) == beyond_presence());
}

static void test_a_room_that_began_and_other_participants_are_none(void **state)
{
    (void)state;
    assert_true(news_of("livekit", WAY_WEBHOOK, "{\"event\":\"room_started\"," ROOM "}") == 0);
    assert_true(news_of("livekit", WAY_WEBHOOK, GUEST("participant_joined", "a-visitor")) == 0);
    assert_true(news_of("livekit", WAY_WEBHOOK, GUEST("participant_left", "a-visitor")) == 0);
}

/* Else a run would ask for the next. */
static void test_what_was_fetched_or_replayed_is_none(void **state)
{
    (void)state;
    assert_true(news_of("beyond_presence", WAY_RECONCILE, ENDED) == 0);
    assert_true(news_of("beyond_presence", WAY_REPLAY, ENDED) == 0);
    assert_true(news_of("livekit", WAY_RECONCILE, "{\"event\":\"room_finished\"," ROOM "}") == 0);
}

static void test_a_dead_letter_is_none(void **state)
{
    (void)state;
    assert_true(news_of("livekit", WAY_WEBHOOK, "{\"event\":\"room_finished\"}") == 0);
}

static void test_all_that_is_named_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        for (size_t t = 0; PROVIDERS[i]->remote && t < PROVIDERS[i]->remote->n_triggers; t++) {
            const remote_trigger_t *trigger = &PROVIDERS[i]->remote->triggers[t];

            assert_non_null(provider_find(str_from(trigger->provider)));
            assert_true(!trigger->path == !trigger->text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_a_call_that_ended_is_news_of_its_own_api),
        provider_test(test_what_is_said_on_a_call_is_none),
        provider_test(test_a_room_that_ended_and_an_avatar_that_comes_or_goes_are_news),
        provider_test(test_a_room_that_began_and_other_participants_are_none),
        provider_test(test_what_was_fetched_or_replayed_is_none),
        provider_test(test_a_dead_letter_is_none),
        provider_test(test_all_that_is_named_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
