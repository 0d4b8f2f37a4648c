#include "livekit_keys.h"

#define NOW_US (INT64_C(1767000030) * US_PER_S)

static void test_every_vector_gets_its_verdict(void **state)
{
    void *keys = both_keys();
    size_t accepted = 0, refused = 0;

    (void)state;
    for (const cJSON *v = json_at(fixture_json("livekit/webhook-vectors.json"), "vectors")->child; v; v = v->next) {
        const cJSON *request = json_at(v, "request");
        str_t expect = json_str(v, "expect");
        header_t header;
        int64_t at_s;
        hook_request_t r = {.headers = &header, .n_headers = authorization_of(request, &header)};
        bool genuine;

        r.body = json_str(request, "body");
        assert_true(json_int(v, "verify_at", &at_s));
        r.now_us = at_s * US_PER_S;
        genuine = verdict_of(P, keys, &r) == ERR_NONE;
        accepted += genuine;
        refused += !genuine;
        if (!str_eq(expect, STR("either")) && genuine != str_starts(expect, STR("accept")))
            fail_msg("%s", json_str(v, "name").base);
        if (genuine) {
            delivery_t *d = deliver(P, "events", BODY_JSON, r.body);

            assert_int_equal(d->error.base != NULL, str_eq(expect, STR("accept_dead_letter")));
            delivery_free(d);
        }
    }
    assert_int_equal(accepted + refused, 59);
    assert_int_equal(refused, 24 + 1); /* 24 bad ones, and of the two that may go either way the padded one */
    P->keys_free(keys);
}

typedef struct signed_event {
    hook_request_t request;
    header_t header;
} signed_event_t;

static void first_vector(signed_event_t *s)
{
    const cJSON *request = json_at(fixture_json("livekit/webhook-vectors.json"), "vectors.0.request");

    *s = (signed_event_t){.request = {.now_us = NOW_US, .n_headers = 1}};
    authorization_of(request, &s->header);
    s->request.headers = &s->header;
    s->request.body = json_str(request, "body");
}

static void test_any_byte_changed_is_refused(void **state)
{
    void *keys = both_keys();
    signed_event_t s;
    str_t body, token;

    (void)state;
    first_vector(&s);
    body = s.request.body;
    token = s.header.value;
    assert_genuine(P, keys, &s.request);
    for (size_t i = 0; i < body.len; i++) {
        s.request.body = changed(test_arena, body, i);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    }
    s.request.body = body;
    for (size_t i = 0; i < token.len; i++) {
        s.header.value = changed(test_arena, token, i);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    }
    P->keys_free(keys);
}

static void test_late_and_early_tokens_are_stale(void **state)
{
    void *keys = both_keys();
    signed_event_t s;

    (void)state;
    first_vector(&s);
    s.request.now_us = (INT64_C(1767000000) - 60) * US_PER_S;
    assert_genuine(P, keys, &s.request);
    s.request.now_us -= 1;
    assert_refused(P, keys, &s.request, ERR_STALE);
    s.request.now_us = (INT64_C(4102444800) + 60) * US_PER_S;
    assert_refused(P, keys, &s.request, ERR_STALE);
    s.request.now_us -= 1;
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

/* ---- why it was refused ---- */

static const char *explained(void *keys, hook_request_t *r)
{
    buf_t text = BUF_EMPTY;
    const char *copy;

    r->explain = &text;
    (void)verdict_of(P, keys, r);
    r->explain = NULL;
    copy = arena_dup(test_arena, buf_str(&text)).base;
    buf_clear(&text);
    return copy;
}

static void assert_explained(void *keys, hook_request_t *r, const char *part)
{
    const char *text = explained(keys, r);

    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
    assert_null(strstr(text, SECRET));
}

static void test_refusals_are_explained(void **state)
{
    void *keys = keys_of(P, SETTINGS({"LIVEKIT_KEYS", "devkey:wrong,devkey:" SECRET ",other:x"}));
    void *others = keys_of(P, SETTINGS({"LIVEKIT_KEYS", "one:x,one:y,two:z"}));
    signed_event_t s;
    err_t err;

    (void)state;
    first_vector(&s);
    assert_explained(keys, &s.request, "iss \"devkey\" with secret 1 of 3: no");
    assert_explained(keys, &s.request, "iss \"devkey\" with secret 2 of 3: yes");
    assert_explained(keys, &s.request, "nbf 1767000000, exp 4102444800, now 1767000030, leeway 60 s");
    s.request.body = STR("{}"); /* base64 of sha256("{}"), by openssl dgst */
    assert_explained(keys, &s.request, "of the 2 bytes that came: RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
    assert_explained(others, &s.request, "\"devkey\", which is not set; set are: one, two");
    assert_false(P->verify(others, &s.request, test_arena, &err));
    assert_non_null(strstr(err.detail, "set are: one, two"));
    P->keys_free(keys);
    P->keys_free(others);
}

static void test_two_secrets_of_one_key_are_valid_at_once(void **state)
{
    static const struct {
        const char *secrets;
        err_code_t verdict;
    } CASES[] = {
        {"new-secret, " SECRET, ERR_NONE}, {SECRET ",old-secret", ERR_NONE}, {"new-secret,old-secret", ERR_SIGNATURE}};
    signed_event_t s;

    (void)state;
    first_vector(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}, {"LIVEKIT_API_SECRET", CASES[i].secrets}));

        assert_int_equal(verdict_of(P, keys, &s.request), CASES[i].verdict);
        P->keys_free(keys);
    }
}

static void test_keys_that_cannot_work_are_refused(void **state)
{
    err_t err;

    (void)state;
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.detail, "LIVEKIT_API_SECRET is not"));
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_API_SECRET", SECRET}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", "devkey"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", "a:b,:c"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(keys_or_null(P, SETTINGS({"LIVEKIT_KEYS", ""}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

static void test_what_we_sign_we_accept(void **state)
{
    void *keys = keys_of(P, SETTINGS({"LIVEKIT_KEYS", "first:secret-one,second:secret-two"}));
    header_t headers[HOOK_MAX_SIGNED];
    hook_request_t r = {.headers = headers, .body = STR("{\"event\":\"room_started\"}"), .now_us = NOW_US};

    (void)state;
    r.n_headers = P->sign(keys, STR("https://x"), BODY_JSON, r.body, NOW_US, test_arena, headers);
    assert_genuine(P, keys, &r);
    r.now_us += 361 * US_PER_S;
    assert_refused(P, keys, &r, ERR_STALE);
    P->keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_vector_gets_its_verdict),
        provider_test(test_any_byte_changed_is_refused),
        provider_test(test_late_and_early_tokens_are_stale),
        provider_test(test_refusals_are_explained),
        provider_test(test_two_secrets_of_one_key_are_valid_at_once),
        provider_test(test_keys_that_cannot_work_are_refused),
        provider_test(test_what_we_sign_we_accept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
