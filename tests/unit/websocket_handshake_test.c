#include "net/websocket_handshake.h"
#include "unit.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3, as is what follows */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define SOUND  SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n"

static websocket_url_t url_of(const char *text)
{
    websocket_url_t url;
    err_t err = {.code = ERR_NONE};

    if (!websocket_url_read(str_from(text), &url, &err))
        fail_msg("refused (%s): %s", err.detail, text);
    return url;
}

static void test_url_tells_host_port_and_target(void **state)
{
    websocket_url_t url = url_of("wss://api.example.com/v1/realtime?model=x&y");

    (void)state;
    assert_true(url.secure);
    assert_str(url.host, "api.example.com");
    assert_int_equal(url.port, 443);
    assert_str(url.target, "/v1/realtime?model=x&y");
    url = url_of("WSS://Api.example.com:8443");
    assert_str(url.authority, "Api.example.com:8443");
    assert_str(url.host, "Api.example.com");
    assert_int_equal(url.port, 8443);
    assert_str(url.target, "");
    url = url_of("wss://[2001:db8::1]:1?a");
    assert_true(url.bracketed);
    assert_str(url.host, "2001:db8::1");
    assert_int_equal(url.port, 1);
    assert_str(url.target, "?a");
}

static void test_url_without_tls_stays_on_this_machine(void **state)
{
    static const char *const TAKEN[] = {"ws://127.0.0.1:80/", "ws://127.9.8.7", "ws://[::1]:1", "ws://LocalHost:65535"};
    static const char *const REFUSED[] = {"ws://api.example.com/",   "ws://192.0.2.1",       "ws://[::2]",
                                          "ws://127.0.0.1.evil.net", "ws://127.1",           "ws://[2001:db8::1]",
                                          "ws://localhost.evil.net", "ws://0127.0.0.1.2.3/", "ws://127."};
    websocket_url_t url;

    (void)state;
    for (size_t i = 0; i < COUNT(TAKEN); i++)
        assert_false(url_of(TAKEN[i]).secure);
    assert_int_equal(url_of("ws://localhost").port, 80);
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        err_t err = {.code = ERR_NONE};

        if (websocket_url_read(str_from(REFUSED[i]), &url, &err))
            fail_msg("taken: %s", REFUSED[i]);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, "expected wss://"));
    }
}

static void test_url_refuses_what_is_none(void **state)
{
    static const char *const REFUSED[] = {
        "",
        "wss://",
        "wss:///path",
        "https://example.com/",
        "wss:example.com",
        "wss://user:secret@example.com/",
        "wss://exa mple.com/",
        "wss://example.com:0/",
        "wss://example.com:65536/",
        "wss://example.com:+1/",
        "wss://example.com:/",
        "wss://example.com:80x/",
        "wss://example.com/a#b",
        "wss://example.com#b",
        "wss://example.com/a b",
        "wss://example.com/a\r\nX: y",
        "wss://example.com/\xc3\xa4",
        "wss://ex\xc3\xa4mple.com/",
        "wss://[::1/",
        "wss://[::1]x/",
        "wss://[1.2.3.4]/",
        "wss://[]/",
        "wss://::1/",
    };
    websocket_url_t url;

    (void)state;
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        err_t err = {.code = ERR_NONE};

        if (websocket_url_read(str_from(REFUSED[i]), &url, &err))
            fail_msg("taken: %s", REFUSED[i]);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.detail, "secret"));
    }
    assert_false(websocket_url_read(STR("wss://a.example\0/"), &url, NULL));
    assert_false(websocket_url_read(STR_NONE, &url, NULL));
}

static void test_request_says_what_the_handshake_needs(void **state)
{
    const websocket_field_t fields[] = {{STR("Authorization"), STR("Bearer x")}, {STR("X-Empty"), STR("")}};
    const websocket_url_t url = url_of("wss://api.example.com:8443?a=b"), plain = url_of("ws://localhost/x");
    buf_t out = BUF_EMPTY;

    (void)state;
    assert_true(websocket_request_make(&out, &url, STR(KEY), fields, COUNT(fields), NULL));
    assert_str(buf_str(&out), "GET /?a=b HTTP/1.1\r\nHost: api.example.com:8443\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
                              "Authorization: Bearer x\r\nX-Empty: \r\n\r\n");
    out.len = 0;
    assert_true(websocket_request_make(&out, &plain, STR(KEY), NULL, 0, NULL));
    assert_true(str_starts(buf_str(&out), STR("GET /x HTTP/1.1\r\nHost: localhost\r\n")));
    buf_clear(&out);
}

static void test_request_refuses_a_field_that_would_be_more_than_one(void **state)
{
    static const char *const FIELDS[][2] = {
        {"authorization", "Bearer secret\r\nX: y"},
        {"authorization", "secret\n"},
        {"x\r\ny", "secret"},
        {"", "secret"},
        {"x y", "secret"},
        {"x:", "secret"},
        {"Host", "secret"},
        {"upgrade", "secret"},
        {"Content-Length", "5"},
        {"Sec-WebSocket-Protocol", "secret"},
        {"transfer-encoding", "chunked"},
    };
    const websocket_url_t url = url_of("wss://api.example.com");
    buf_t out = BUF_EMPTY;

    (void)state;
    for (size_t i = 0; i < COUNT(FIELDS); i++) {
        const websocket_field_t field = {str_from(FIELDS[i][0]), str_from(FIELDS[i][1])};
        err_t err = {.code = ERR_NONE};

        assert_false(websocket_request_make(&out, &url, STR(KEY), &field, 1, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.detail, "secret"));
    }
    assert_int_equal(out.len, 0);
}

static websocket_answer_t read_answer(str_t bytes, size_t *head_bytes, err_t *err)
{
    *err = (err_t){.code = ERR_NONE};
    return websocket_answer_read(bytes, STR("api.example.com"), STR(KEY), head_bytes, err);
}

static void test_answer_opens_and_what_follows_is_left(void **state)
{
    static const char *const SOUNDS[] = {
        SOUND,
        SOUND "\x81\x02{}",
        "HTTP/1.1 101\r\nsec-websocket-accept:" ACCEPT "\r\nUPGRADE:WebSocket\r\nconnection: keep-alive, upgrade\r\n"
        "Date: x\r\n\r\n",
    };
    size_t len = 0;
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(SOUNDS); i++) {
        assert_int_equal(read_answer(str_from(SOUNDS[i]), &len, &err), WEBSOCKET_ANSWER_OPEN);
        assert_ptr_equal(SOUNDS[i] + len, strstr(SOUNDS[i], "\r\n\r\n") + 4);
    }
}

static void test_answer_needs_its_end(void **state)
{
    size_t head_bytes;
    err_t err;

    (void)state;
    /* Each in memory of its own size, so that a sanitizer sees every byte read too far. */
    for (size_t len = 0; len < sizeof(SOUND) - 1; len++) {
        char *part = malloc(len ? len : 1);

        memcpy(part, SOUND, len);
        assert_int_equal(read_answer((str_t){part, len}, &head_bytes, &err), WEBSOCKET_ANSWER_PART);
        free(part);
    }
}

static void test_answer_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *answer;
        err_code_t code;
        const char *says;
    } CASES[] = {
        {"HTTP/1.1 403 Forbidden\r\nX-Secret: s\r\n\r\nbody", ERR_CONFIG,
         "api.example.com answered 403 to the WebSocket handshake"},
        {"HTTP/1.1 401 \r\n\r\n", ERR_CONFIG, "answered 401"},
        {"HTTP/1.1 200 OK\r\n\r\n", ERR_CONFIG, "answered 200"},
        {"HTTP/1.1 302 Found\r\nLocation: wss://x\r\n\r\n", ERR_CONFIG, "answered 302"},
        {"HTTP/1.1 429 Too Many Requests\r\n\r\n", ERR_IO, "answered 429"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", ERR_IO, "answered 503"},
        {"HTTP/2 101\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {"HTTP/1.1 1010\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {"SSH-2.0-x\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {"\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {SWITCH "\r\n", ERR_CONFIG, "Sec-WebSocket-Accept"},
        {SWITCH "Sec-WebSocket-Accept: x3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", ERR_CONFIG, "Sec-WebSocket-Accept"},
        {SWITCH "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n", ERR_CONFIG, "Sec-WebSocket-Accept"},
        {SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", ERR_CONFIG,
         "Sec-WebSocket-Accept"},
        {SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ERR_CONFIG,
         "Sec-WebSocket-Extensions, which was not offered"},
        {SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\nsec-websocket-protocol: x\r\n\r\n", ERR_CONFIG, "not offered"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", ERR_CONFIG,
         "does not switch"},
        {"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         ERR_CONFIG, "does not switch"},
        {SWITCH " folded: x\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {SWITCH "Bare: x\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
        {SWITCH "No colon\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", ERR_CONFIG, "no HTTP/1.1"},
    };
    size_t len;
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_int_equal(read_answer(str_from(CASES[i].answer), &len, &err), WEBSOCKET_ANSWER_REFUSAL);
        assert_int_equal(err.code, CASES[i].code);
        if (!strstr(err.detail, CASES[i].says))
            fail_msg("not \"%s\": %s", CASES[i].says, err.detail);
    }
}

static void test_answer_is_bounded(void **state)
{
    static char long_one[WEBSOCKET_HEAD_MAX + sizeof(SOUND)];
    size_t len;
    err_t err;

    (void)state;
    memset(long_one, 'x', sizeof(long_one));
    memcpy(long_one, "HTTP/1.1 101 ", 13);
    assert_int_equal(read_answer((str_t){long_one, WEBSOCKET_HEAD_MAX - 1}, &len, &err), WEBSOCKET_ANSWER_PART);
    assert_int_equal(read_answer((str_t){long_one, WEBSOCKET_HEAD_MAX}, &len, &err), WEBSOCKET_ANSWER_REFUSAL);
    assert_int_equal(err.code, ERR_CONFIG);
    memcpy(long_one + WEBSOCKET_HEAD_MAX, "\r\n\r\n", 4);
    assert_int_equal(read_answer((str_t){long_one, sizeof(long_one)}, &len, &err), WEBSOCKET_ANSWER_REFUSAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_tells_host_port_and_target),
        cmocka_unit_test(test_url_without_tls_stays_on_this_machine),
        cmocka_unit_test(test_url_refuses_what_is_none),
        cmocka_unit_test(test_request_says_what_the_handshake_needs),
        cmocka_unit_test(test_request_refuses_a_field_that_would_be_more_than_one),
        cmocka_unit_test(test_answer_opens_and_what_follows_is_left),
        cmocka_unit_test(test_answer_needs_its_end),
        cmocka_unit_test(test_answer_that_is_none_is_refused),
        cmocka_unit_test(test_answer_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
