/* How Vapi proves that a message is its own: every kind of credential, and what is not proven. */
#include "provider_harness.h"

#include <dirent.h>

extern const provider_t provider_vapi;
#define P (&provider_vapi)

#define NOW_US (INT64_C(1786550603) * US_PER_S)
static const char RINGING[] = "{\"message\":{\"type\":\"status-update\",\"timestamp\":1786550601014,\"status\":"
                              "\"ringing\",\"call\":{\"id\":\"22d23a00-05aa-40ac-a1c4-d814a84ee436\"}}}";

static const char *yes(const cJSON *config, const char *key)
{
    bool value = false;

    return json_bool(config, key, &value) && value ? "1" : "0";
}

static void *vector_keys(const cJSON *config)
{
    test_setting_t settings[] = {
        {"VAPI_WEBHOOK_HMAC_SECRET", json_str(config, "secret").base},
        {"VAPI_WEBHOOK_SIGNATURE_HEADER", json_str(config, "signatureHeader").base},
        {"VAPI_WEBHOOK_TIMESTAMP_HEADER", json_str(config, "timestampHeader").base},
        {"VAPI_WEBHOOK_MESSAGE_ID_HEADER", json_str(config, "messageIdHeader").base},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", json_str(config, "payloadFormat").base},
        {"VAPI_WEBHOOK_ENCODING", json_str(config, "signatureEncoding").base},
        {"VAPI_WEBHOOK_PREFIX", json_str(config, "signaturePrefix").base},
        {"VAPI_WEBHOOK_ALGORITHM", json_str(config, "algorithm").base},
        {"VAPI_WEBHOOK_SECRET_IS_BASE64", yes(config, "secretIsBase64")},
        {NULL, NULL},
    };

    return keys_of(P, settings);
}

static size_t headers_of(const cJSON *object, header_t *out)
{
    size_t n = 0;

    for (const cJSON *h = object->child; h; h = h->next)
        out[n++] = (header_t){str_from(h->string), str_from(h->valuestring)};
    return n;
}

static void test_every_hmac_vector_gets_its_verdict(void **state)
{
    size_t accepted = 0, refused = 0;

    (void)state;
    for (const cJSON *v = json_at(fixture_json("vapi/hmac-test-vectors.json"), "vectors")->child; v; v = v->next) {
        void *keys = vector_keys(json_at(v, "config"));
        header_t headers[8];
        int64_t now_s;
        hook_request_t r = {.headers = headers, .n_headers = headers_of(json_at(v, "headers"), headers)};
        bool accept = str_eq(json_str(v, "expect"), STR("accept"));

        r.body = json_str(v, "body");
        assert_true(json_int(v, "now_epoch_seconds", &now_s));
        r.now_us = now_s * US_PER_S;
        if ((verdict_of(P, keys, &r) == ERR_NONE) != accept)
            fail_msg("%s", json_str(v, "name").base);
        for (size_t i = 0; accept && i < r.body.len; i++) {
            hook_request_t forged = r;

            forged.body = changed(test_arena, r.body, i);
            assert_refused(P, keys, &forged, ERR_SIGNATURE);
        }
        accepted += accept;
        refused += !accept;
        P->keys_free(keys);
    }
    assert_int_equal(accepted, 13);
    assert_int_equal(refused, 7);
}

static err_code_t secret_verdict(const void *keys, const char *name, const char *value)
{
    header_t header = {str_from(name), str_from(value)};
    hook_request_t r = {.headers = &header, .n_headers = name != NULL, .body = str_from(RINGING), .now_us = NOW_US};

    return verdict_of(P, keys, &r);
}

static void test_secret_comes_in_either_header(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "new-secret, old-secret"}));

    (void)state;
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "old-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "Bearer old-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "bearer new-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "new-secret"), ERR_NONE);
    assert_int_equal(secret_verdict(keys, "authorization", "Basic new-secret"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "authorization", "Bearer "), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secre"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secrets"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", "new-secret, old-secret"), ERR_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-vapi-secret", ""), ERR_NO_SIGNATURE);
    assert_int_equal(secret_verdict(keys, "x-api-key", "new-secret"), ERR_NO_SIGNATURE);
    assert_int_equal(secret_verdict(keys, NULL, NULL), ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

/* A bearer credential may name any header, even the one that others keep for a signature. */
static void test_secret_comes_in_the_header_that_is_set(void **state)
{
    static const char *const NAMES[] = {"X-Api-Key", "x-vapi-signature", "Authorization"};

    (void)state;
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        void *keys =
            keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "a-secret"}, {"VAPI_WEBHOOK_SECRET_HEADER", NAMES[i]}));
        header_t headers[HOOK_MAX_SIGNED];
        size_t n = P->sign(keys, STR("https://a"), BODY_JSON, str_from(RINGING), NOW_US, test_arena, headers);
        const char *header = headers[0].name.base;

        assert_int_equal(n, 1);
        assert_true(str_eq_nocase(headers[0].name, str_from(NAMES[i])));
        assert_int_equal(secret_verdict(keys, header, "a-secret"), ERR_NONE);
        assert_int_equal(secret_verdict(keys, header, "Bearer a-secret"), ERR_NONE);
        assert_int_equal(secret_verdict(keys, header, "a-secret2"), ERR_SIGNATURE);
        assert_int_equal(secret_verdict(keys, "x-vapi-secret", "a-secret"), ERR_NO_SIGNATURE);
        if (strcmp(header, "authorization") != 0)
            assert_int_equal(secret_verdict(keys, "authorization", "Bearer a-secret"), ERR_NO_SIGNATURE);
        P->keys_free(keys);
    }
}

static void test_refusals_are_explained_without_any_secret(void **state)
{
    void *keys =
        keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "plain-1,plain-2"}, {"VAPI_WEBHOOK_HMAC_SECRET", "hmac-1,hmac-2"},
                            {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{url}.{body}"}));
    header_t headers[] = {{STR("x-vapi-signature"), {NULL, 0}}, {STR("x-vapi-secret"), STR("other")}};
    buf_t tried = BUF_EMPTY;
    hook_request_t r = {.headers = headers,
                        .n_headers = COUNT(headers),
                        .target = STR("/webhooks/vapi"),
                        .origins = {STR("https://calls.example.com"), STR("http://10.0.0.1")},
                        .n_origins = 2,
                        .body = str_from(RINGING),
                        .now_us = NOW_US,
                        .explain = &tried};

    (void)state;
    headers[0].value = arena_printf(test_arena, "%064d", 0);
    assert_refused(P, keys, &r, ERR_SIGNATURE);
    assert_true(holds(buf_str(&tried), "x-vapi-secret against secret 2 of 2: no"));
    assert_true(holds(buf_str(&tried), "no header authorization"));
    assert_true(holds(buf_str(&tried), "https://calls.example.com/webhooks/vapi, with secret 1 of 2: no"));
    assert_true(holds(buf_str(&tried), "http://10.0.0.1/webhooks/vapi, with secret 2 of 2: no"));
    assert_false(holds(buf_str(&tried), "plain-1"));
    assert_false(holds(buf_str(&tried), "hmac-1"));
    assert_false(holds(buf_str(&tried), "other"));
    buf_clear(&tried);
    P->keys_free(keys);
}

#define RIGHT "76ac4abc5981ece7ff9e0a9e2d3b02875d1b4f6debf840798bdac2c1b8de2e31" /* of RINGING at 1786550601 */

static err_code_t hmac_verdict(const void *keys, const char *secret, const char *signature, int64_t now_us)
{
    header_t headers[] = {{STR("x-vapi-timestamp"), STR("1786550601")},
                          {STR("x-vapi-signature"), str_from(signature)},
                          {STR("x-vapi-secret"), str_from(secret)}};
    hook_request_t r = {.headers = headers, .n_headers = 3, .body = str_from(RINGING), .now_us = now_us};

    return verdict_of(P, keys, &r);
}

static void test_either_proof_suffices_where_both_are_set(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_SECRET", "plain"},
                                     {"VAPI_WEBHOOK_HMAC_SECRET", "next,sample-hmac-secret-not-real"}));

    (void)state;
    assert_int_equal(hmac_verdict(keys, "plain", RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "wrong", RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, NULL, RIGHT, NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "plain", "00", NOW_US), ERR_NONE);
    assert_int_equal(hmac_verdict(keys, "wrong", "00", NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, "wrong", NULL, NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, NULL, NULL, NOW_US), ERR_NO_SIGNATURE);
    P->keys_free(keys);
}

static void test_tolerance_can_be_set_and_switched_off(void **state)
{
    static const struct {
        const char *tolerance;
        int64_t away_s;
        err_code_t verdict;
    } CASES[] = {{"300", 300, ERR_NONE}, {"300", 301, ERR_STALE}, {"300", -300, ERR_NONE}, {"300", -301, ERR_STALE},
                 {"10.5", 10, ERR_NONE}, {"10.5", 11, ERR_STALE}, {"0", 999999, ERR_NONE}};

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "sample-hmac-secret-not-real"},
                                         {"VAPI_WEBHOOK_TOLERANCE", CASES[i].tolerance}));
        int64_t now_us = (1786550601 + CASES[i].away_s) * US_PER_S;

        assert_int_equal(hmac_verdict(keys, NULL, RIGHT, now_us), CASES[i].verdict);
        P->keys_free(keys);
    }
}

static void test_every_character_of_a_signature_counts(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "sample-hmac-secret-not-real"}));

    (void)state;
    for (size_t i = 0; i < strlen(RIGHT); i++)
        assert_int_equal(hmac_verdict(keys, NULL, changed(test_arena, STR(RIGHT), i).base, NOW_US), ERR_SIGNATURE);
    assert_int_equal(hmac_verdict(keys, NULL, RIGHT "00", NOW_US), ERR_SIGNATURE);
    P->keys_free(keys);
}

static void test_settings_that_cannot_work_are_refused(void **state)
{
    static const test_setting_t CASES[] = {
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{timestamp}"},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{body}{unknown}"},
        {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{svix-id}{body}"},
        {"VAPI_WEBHOOK_ALGORITHM", "md5"},
        {"VAPI_WEBHOOK_ENCODING", "base32"},
        {"VAPI_WEBHOOK_TOLERANCE", "-1"},
        {"VAPI_WEBHOOK_SECRET_IS_BASE64", "yes"},
    };
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_null(keys_or_null(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "not base64!"}, CASES[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, "VAPI_WEBHOOK_"));
        assert_null(strstr(err.detail, "not base64!"));
    }
    assert_null(keys_or_null(P, SETTINGS({"VAPI_WEBHOOK_PREFIX", "v1,"}), &err));
    assert_int_equal(err.code, ERR_NONE);
}

/* One of each kind of credential that can be made at Vapi. */
static const struct {
    const char *name;
    test_setting_t settings[8];
} CREDENTIALS[] = {
    {"X-Vapi-Secret", {{"VAPI_WEBHOOK_SECRET", "a-secret"}}},
    {"bearer in a header of its own",
     {{"VAPI_WEBHOOK_SECRET", "a-secret"}, {"VAPI_WEBHOOK_SECRET_HEADER", "Authorization"}}},
    {"as Vapi's defaults are",
     {{"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"},
      {"VAPI_WEBHOOK_SIGNATURE_HEADER", "x-signature"},
      {"VAPI_WEBHOOK_TIMESTAMP_HEADER", "x-timestamp"}}},
    {"sha512, base64, prefix",
     {{"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"},
      {"VAPI_WEBHOOK_ALGORITHM", "sha512"},
      {"VAPI_WEBHOOK_ENCODING", "base64"},
      {"VAPI_WEBHOOK_PREFIX", "v1,"}}},
    {"sha1, body only",
     {{"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"},
      {"VAPI_WEBHOOK_ALGORITHM", "sha1"},
      {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{body}"},
      {"VAPI_WEBHOOK_PREFIX", "sha1="}}},
    {"as Svix does",
     {{"VAPI_WEBHOOK_HMAC_SECRET", "YS1zZWNyZXQ="},
      {"VAPI_WEBHOOK_SECRET_IS_BASE64", "1"},
      {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{svix-id}.{timestamp}.{body}"},
      {"VAPI_WEBHOOK_MESSAGE_ID_HEADER", "Svix-Id"}}},
    {"method and address",
     {{"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"},
      {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{method} {url}\n{timestamp}\n{body}"}}},
};

/* The request as its sender signed it for the second of our addresses; headers must hold HOOK_MAX_SIGNED. */
static hook_request_t signed_request(const void *keys, str_t body, header_t *headers)
{
    hook_request_t r = {.headers = headers,
                        .target = STR("/webhooks/vapi"),
                        .origins = {STR("https://calls.example.com"), STR("https://10.0.0.1:8443")},
                        .n_origins = 2,
                        .body = body,
                        .now_us = NOW_US};

    r.n_headers =
        P->sign(keys, STR("https://10.0.0.1:8443/webhooks/vapi"), BODY_JSON, body, NOW_US, test_arena, headers);
    return r;
}

/* Every body in tests/fixtures/vapi, by its path; ends with NULL. */
static const char *const *every_message(void)
{
    static const char *paths[100];
    DIR *folder = opendir(FIXTURES "/vapi");
    size_t n = 0;

    assert_non_null(folder);
    for (const struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        if (strncmp(e->d_name, "webhook.", 8) != 0)
            continue;
        assert_true(n + 1 < COUNT(paths));
        paths[n++] = arena_printf(test_arena, "vapi/%s", e->d_name).base;
    }
    paths[n] = NULL;
    (void)closedir(folder);
    return paths;
}

static void test_every_message_is_genuine_by_every_credential_and_not_once_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(CREDENTIALS); i++) {
        void *keys = keys_of(P, CREDENTIALS[i].settings);
        bool is_hmac = strstr(CREDENTIALS[i].settings[0].name, "HMAC") != NULL;

        for (const char *const *file = every_message(); *file; file++) {
            header_t headers[HOOK_MAX_SIGNED];
            str_t body = fixture(*file);
            hook_request_t r = signed_request(keys, body, headers);

            if (verdict_of(P, keys, &r) != ERR_NONE)
                fail_msg("%s: %s", CREDENTIALS[i].name, *file);
            if (is_hmac) { /* a secret proves the sender only */
                r.body = changed(test_arena, body, body.len / 2);
                assert_refused(P, keys, &r, ERR_SIGNATURE);
                r.body = body;
            }
            headers[0].value = changed(test_arena, headers[0].value, headers[0].value.len - 1);
            assert_refused(P, keys, &r, ERR_SIGNATURE);
        }
        P->keys_free(keys);
    }
}

static void test_everything_that_the_format_names_is_proven(void **state)
{
    void *keys = keys_of(P, SETTINGS({"VAPI_WEBHOOK_HMAC_SECRET", "a-secret"},
                                     {"VAPI_WEBHOOK_PAYLOAD_FORMAT", "{svix-id} {url} {timestamp} {body}"},
                                     {"VAPI_WEBHOOK_MESSAGE_ID_HEADER", "X-Vapi-Message-Id"}));
    header_t headers[HOOK_MAX_SIGNED];
    hook_request_t r = signed_request(keys, str_from(RINGING), headers);

    (void)state;
    assert_int_equal(r.n_headers, 3);
    for (size_t i = 1; i < r.n_headers; i++) {
        header_t kept = headers[i];

        headers[i].value = changed(test_arena, kept.value, kept.value.len - 1);
        assert_refused(P, keys, &r, ERR_SIGNATURE);
        headers[i] = kept;
    }
    r.target = STR("/webhooks/vapi?x");
    assert_refused(P, keys, &r, ERR_SIGNATURE);
    r.target = STR("/webhooks/vapi");
    r.n_origins = 1;
    assert_refused(P, keys, &r, ERR_SIGNATURE);
    r.n_origins = 2;
    assert_genuine(P, keys, &r);
    P->keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_hmac_vector_gets_its_verdict),
        provider_test(test_secret_comes_in_either_header),
        provider_test(test_secret_comes_in_the_header_that_is_set),
        provider_test(test_refusals_are_explained_without_any_secret),
        provider_test(test_either_proof_suffices_where_both_are_set),
        provider_test(test_tolerance_can_be_set_and_switched_off),
        provider_test(test_every_character_of_a_signature_counts),
        provider_test(test_settings_that_cannot_work_are_refused),
        provider_test(test_every_message_is_genuine_by_every_credential_and_not_once_changed),
        provider_test(test_everything_that_the_format_names_is_proven),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
