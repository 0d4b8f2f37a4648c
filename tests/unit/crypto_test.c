#include "base/json.h"
#include "base/jwt.h"
#include "unit.h"

#include <stdio.h>

static void hex_is(const uint8_t *bytes, size_t len, const char *expected)
{
    char hex[2 * DIGEST_MAX_BYTES];

    assert_str(((str_t){hex, hex_encode(bytes, len, hex)}), expected);
}

static void signs(digest_t digest, const char *secret, const char *data, const char *expected)
{
    hmac_key_t *key = hmac_key_new(digest, str_from(secret));
    str_t whole = str_from(data), parts[3] = {str_slice(whole, 0, 1), STR_NONE, str_slice(whole, 1, whole.len)};
    uint8_t mac[DIGEST_MAX_BYTES];

    assert_int_equal(hmac_sign(key, &whole, 1, mac), digest_bytes(digest));
    hex_is(mac, digest_bytes(digest), expected);
    assert_int_equal(hmac_sign(key, parts, 3, mac), digest_bytes(digest));
    hex_is(mac, digest_bytes(digest), expected);
    hmac_key_free(key);
}

/* RFC 2202 and RFC 4231, test case 2; the empty key and text from Wikipedia's article on HMAC. */
static void test_hmac_gives_published_values(void **state)
{
    (void)state;
    signs(DIGEST_SHA1, "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    signs(DIGEST_SHA256, "Jefe", "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    signs(DIGEST_SHA512, "Jefe", "what do ya want for nothing?",
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    signs(DIGEST_SHA256, "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    hmac_key_free(NULL);
}

static void test_hmac_takes_keys_longer_than_a_block(void **state)
{
    char secret[132];

    (void)state;
    memset(secret, 0xaa, sizeof(secret) - 1);
    secret[sizeof(secret) - 1] = '\0';
    signs(DIGEST_SHA256, secret, "Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_digests_are_named(void **state)
{
    digest_t d;

    (void)state;
    assert_true(digest_from(STR("sha512"), &d));
    assert_int_equal(d, DIGEST_SHA512);
    assert_false(digest_from(STR("md5"), &d));
    assert_false(digest_from(STR_NONE, &d));
}

static void test_sha256_gives_published_values(void **state)
{
    uint8_t hash[32];

    (void)state;
    sha256(STR("abc"), hash);
    hex_is(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(STR_NONE, hash);
    hex_is(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_equal_compares_bytes_and_length(void **state)
{
    (void)state;
    assert_true(crypto_equal("abc", 3, "abc", 3));
    assert_false(crypto_equal("abc", 3, "abd", 3));
    assert_false(crypto_equal("abc", 3, "abcd", 4));
    assert_true(crypto_equal(NULL, 0, "", 0));
}

/* RFC 4648 section 10 */
static void test_base64_gives_published_values(void **state)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = base64_encode(rows[i][0], strlen(rows[i][0]), text);
        assert_str(((str_t){text, len}), rows[i][1]);
        len = base64_decode(str_from(rows[i][1]), bytes);
        assert_str(((str_t){(char *)bytes, len}), rows[i][0]);
    }
}

static void test_base64_decoding_is_strict(void **state)
{
    static const char *const bad[] = {
        "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 8", "Zm8=\n", "Zg==Zg==", "Z-_v", "=Zg=", "Zm9vZ"};
    static const char *const bad_url[] = {"Z", "Zh", "Zm9", "Zg==", "Zm+v", "Zm8\n"};
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(base64_decode(str_from(bad[i]), out), SIZE_MAX);
    for (size_t i = 0; i < COUNT(bad_url); i++)
        assert_int_equal(base64url_decode(str_from(bad_url[i]), out), SIZE_MAX);
}

static void test_text_forms_give_back_random_bytes(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        uint8_t in[100], out[104];
        char text[200];
        crypto_random(in, len);
        assert_int_equal(base64_decode((str_t){text, base64_encode(in, len, text)}, out), len);
        assert_memory_equal(in, out, len);
        assert_int_equal(base64url_decode((str_t){text, base64url_encode(in, len, text)}, out), len);
        assert_memory_equal(in, out, len);
        assert_int_equal(hex_decode((str_t){text, hex_encode(in, len, text)}, out), len);
        assert_memory_equal(in, out, len);
    }
}

static void test_hex_takes_either_case_and_nothing_else(void **state)
{
    uint8_t out[4];

    (void)state;
    assert_int_equal(hex_decode(STR("DeadBEEF"), out), 4);
    assert_memory_equal(out, "\xde\xad\xbe\xef", 4);
    assert_int_equal(hex_decode(STR("abc"), out), SIZE_MAX);
    assert_int_equal(hex_decode(STR("0x"), out), SIZE_MAX);
    assert_int_equal(hex_decode(STR("a "), out), SIZE_MAX);
}

/* ---- tokens ---- */

static hmac_key_t *rfc7515_key(void)
{
    uint8_t secret[67];
    size_t len = base64url_decode(
        STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"), secret);

    return hmac_key_new(DIGEST_SHA256, (str_t){(char *)secret, len});
}

#define RFC7515_HEADER    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
#define RFC7515_CLAIMS    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define RFC7515_SIGNATURE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

/* RFC 7515 appendix A.1 */
static void test_jwt_verifies_the_published_token(void **state)
{
    arena_t *a = arena_new(0);
    hmac_key_t *key = rfc7515_key();
    jwt_t token;

    (void)state;
    assert_true(jwt_read(a, STR(RFC7515_HEADER "." RFC7515_CLAIMS "." RFC7515_SIGNATURE), &token, NULL));
    assert_str(token.claims, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
    assert_true(jwt_verify(&token, key));
    token.signature[31] ^= 1;
    assert_false(jwt_verify(&token, key));
    hmac_key_free(key);
    arena_free(a);
}

static void test_jwt_reads_what_it_made(void **state)
{
    arena_t *a = arena_new(0);
    hmac_key_t *key = hmac_key_new(DIGEST_SHA256, STR("secret")), *other = hmac_key_new(DIGEST_SHA256, STR("Secret"));
    str_t text = jwt_make(a, STR("{\"iss\":\"key\"}"), key);
    jwt_t token;

    (void)state;
    assert_true(jwt_read(a, text, &token, NULL));
    assert_str(token.claims, "{\"iss\":\"key\"}");
    assert_true(jwt_verify(&token, key));
    assert_false(jwt_verify(&token, other));
    hmac_key_free(key);
    hmac_key_free(other);
    arena_free(a);
}

static bool reads_header(arena_t *a, const char *header)
{
    char text[200];
    str_t encoded = {text, base64url_encode(header, strlen(header), text)};
    str_t token = arena_printf(a, STR_FMT ".e30." RFC7515_SIGNATURE, STR_ARG(encoded));
    err_t err = {.code = ERR_NONE};
    jwt_t out;
    bool ok = jwt_read(a, token, &out, &err);

    assert_int_equal(err.code, ok ? ERR_NONE : ERR_SIGNATURE);
    return ok;
}

static void test_jwt_refuses_every_algorithm_but_hs256(void **state)
{
    arena_t *a = arena_new(0);

    (void)state;
    assert_true(reads_header(a, "{\"alg\":\"HS256\"}"));
    assert_false(reads_header(a, "{\"alg\":\"none\"}"));
    assert_false(reads_header(a, "{\"alg\":\"hs256\"}"));
    assert_false(reads_header(a, "{\"alg\":\"RS256\"}"));
    assert_false(reads_header(a, "{\"ALG\":\"HS256\"}"));
    assert_false(reads_header(a, "{}"));
    assert_false(reads_header(a, "[]"));
    assert_false(reads_header(a, "{\"alg\":\"HS256\""));
    assert_false(reads_header(a, "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"));
    arena_free(a);
}

static void test_jwt_refuses_what_is_no_token(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "a.b",
        RFC7515_HEADER "." RFC7515_CLAIMS,
        RFC7515_HEADER "." RFC7515_CLAIMS ".",
        RFC7515_HEADER "." RFC7515_CLAIMS "." RFC7515_SIGNATURE ".",
        RFC7515_HEADER "." RFC7515_CLAIMS "." RFC7515_SIGNATURE "=",
        RFC7515_HEADER "." RFC7515_CLAIMS "=." RFC7515_SIGNATURE,
        " " RFC7515_HEADER "." RFC7515_CLAIMS "." RFC7515_SIGNATURE,
    };
    arena_t *a = arena_new(0);
    jwt_t token;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(jwt_read(a, str_from(bad[i]), &token, NULL));
    assert_false(jwt_read(a, STR_NONE, &token, NULL));
    arena_free(a);
}

/* ---- UUIDs ---- */

static void test_uuid_carries_time_version_and_variant(void **state)
{
    char text[UUID_TEXT_BYTES + 1];

    (void)state;
    assert_int_equal(uuid_to_text(uuid_v7(INT64_C(1645557742000500)), text), UUID_TEXT_BYTES);
    assert_memory_equal(text, "017f22e2-79b0-7800-",
                        19); /* the time of RFC 9562 appendix A.6, and half a millisecond */
    assert_non_null(strchr("89ab", text[19]));
}

static void test_uuid_text_goes_both_ways(void **state)
{
    uuid_t_ u = uuid_v7(clock_wall_us()), back;
    char text[UUID_TEXT_BYTES + 1];

    (void)state;
    (void)uuid_to_text(u, text);
    assert_true(uuid_from_text(str_from(text), &back));
    assert_memory_equal(&u, &back, sizeof(u));
    assert_true(uuid_from_text(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &back));
    assert_false(uuid_from_text(STR("017f22e2079b0-7cc3-98c4-dc0c0c07398f"), &back));
    assert_false(uuid_from_text(STR("017f22e2-79b0-7cc3-98c4-dc0c0c07398g"), &back));
    assert_false(uuid_from_text(STR("017f22e279b07cc398c4dc0c0c07398f"), &back));
    assert_false(uuid_from_text(STR_NONE, &back));
}

static void test_uuids_ascend_with_time(void **state)
{
    int64_t now = clock_wall_us();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uuid_t_ before = uuid_v7(now + i), after = uuid_v7(now + i + 1);
        assert_true(memcmp(before.bytes, after.bytes, 8) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_gives_published_values),
        cmocka_unit_test(test_hmac_takes_keys_longer_than_a_block),
        cmocka_unit_test(test_digests_are_named),
        cmocka_unit_test(test_sha256_gives_published_values),
        cmocka_unit_test(test_equal_compares_bytes_and_length),
        cmocka_unit_test(test_base64_gives_published_values),
        cmocka_unit_test(test_base64_decoding_is_strict),
        cmocka_unit_test(test_text_forms_give_back_random_bytes),
        cmocka_unit_test(test_hex_takes_either_case_and_nothing_else),
        cmocka_unit_test(test_jwt_verifies_the_published_token),
        cmocka_unit_test(test_jwt_reads_what_it_made),
        cmocka_unit_test(test_jwt_refuses_every_algorithm_but_hs256),
        cmocka_unit_test(test_jwt_refuses_what_is_no_token),
        cmocka_unit_test(test_uuid_carries_time_version_and_variant),
        cmocka_unit_test(test_uuid_text_goes_both_ways),
        cmocka_unit_test(test_uuids_ascend_with_time),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
