#include "http/head.h"
#include "unit.h"

#include <stdio.h>

#define HOST "Host: example.com\r\n"

static head_t read_sound(const char *text)
{
    head_t head;
    err_t err = {.code = ERR_NONE};

    if (!head_read(str_from(text), &head, &err))
        fail_msg("refused (%s): %s", err.detail, text);
    return head;
}

static err_code_t refusal_of(str_t bytes)
{
    head_t head;
    err_t err = {.code = ERR_NONE};

    return head_read(bytes, &head, &err) ? ERR_NONE : err.code;
}

/* A request with these lines behind a request line and a Host. */
static err_code_t refusal_of_fields(const char *fields)
{
    char text[1024];
    int n = snprintf(text, sizeof(text), "POST /x HTTP/1.1\r\n" HOST "%s\r\n", fields);

    return refusal_of((str_t){text, (size_t)n});
}

static void test_head_tells_length_host_and_version(void **state)
{
    const char *text =
        "POST /webhooks/x?a=b HTTP/1.1\r\nhost: calls.example.com:8080\r\nContent-Length:\t12 \r\n\r\nbody";
    head_t head = read_sound(text);

    (void)state;
    assert_int_equal(head.len, strlen(text) - 4);
    assert_int_equal(head.minor, 1);
    assert_true(head.has_length);
    assert_int_equal(head.length, 12);
    assert_false(head.chunked);
    assert_true(str_eq(head.host, STR("calls.example.com:8080")));
}

static void test_head_tells_chunked(void **state)
{
    head_t head = read_sound("POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n");

    (void)state;
    assert_true(head.chunked);
    assert_false(head.has_length);
}

static void test_head_may_follow_an_empty_line(void **state)
{
    const char *text = "\r\nGET / HTTP/1.1\r\n" HOST "\r\n";

    (void)state;
    assert_int_equal(read_sound(text).len, strlen(text));
}

static void test_head_of_http_1_0_needs_no_host(void **state)
{
    head_t head = read_sound("GET / HTTP/1.0\r\n\r\n");

    (void)state;
    assert_int_equal(head.minor, 0);
    assert_null(head.host.base);
}

static void test_head_takes_what_clients_send(void **state)
{
    (void)state;
    read_sound("GET /a%20b?q=\xc3\xa9 HTTP/1.1\r\n" HOST
               "X-Name: \xc3\xa9\tb\r\nX-Empty:\r\nX_odd!#$%&'*+.^`|~: 1\r\n\r\n");
    read_sound("OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
    read_sound("GET / HTTP/1.1\r\nHost:\r\n\r\n");
}

static void test_head_refuses_every_ambiguous_length(void **state)
{
    static const char *const cases[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5a\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551621\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (refusal_of_fields(cases[i]) != ERR_SMUGGLING)
            fail_msg("not refused as ambiguous: %s", cases[i]);
    assert_int_equal(refusal_of(STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")), ERR_SMUGGLING);
}

static void test_head_refuses_every_malformed_field(void **state)
{
    static const char *const cases[] = {
        "X: a\r\n b\r\n", /* folded */
        "X: a\r\n\tb\r\n",
        " Content-Length: 5\r\n", /* folded into Host */
        "Content-Length : 5\r\n", /* a blank before the colon */
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-\vEncoding: chunked\r\n",
        "X\r\n",   /* no colon */
        ": x\r\n", /* no name */
        "X Y: z\r\n",
        "X(Y): z\r\n",
        "\xc3\xa9: z\r\n",
        "X: a\rContent-Length: 5\r\n", /* bare CR */
        "X: a\nContent-Length: 5\r\n", /* bare LF */
        "X: a\r\r\n",
        "X: a\n",
        "X: a\x01\r\n",
        "X: a\x7f\r\n",
        "X: 1234567890123456789012345\x1f\r\n",
        "Host: other.example.com\r\n", /* a second one */
        "Host:\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (refusal_of_fields(cases[i]) != ERR_MALFORMED)
            fail_msg("not refused as malformed: %s", cases[i]);
}

static void test_head_refuses_nul(void **state)
{
    (void)state;
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n")), ERR_MALFORMED);
    assert_int_equal(refusal_of(STR("GET /\0 HTTP/1.1\r\n" HOST "\r\n")), ERR_MALFORMED);
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\nHo\0st: example.com\r\n\r\n")), ERR_MALFORMED);
}

static void test_head_refuses_control_characters_at_every_place(void **state)
{
    (void)state;
    /* Eight bytes are looked at together: each place in a word, and the rest behind the last whole one. */
    for (size_t at = 0; at < 30; at++) {
        for (int c = 0; c < 256; c++) {
            char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: \x80\x80\x80\x80\xff\xff\xff\xff\xa0\xa0\xa0\xa0 "
                          "!!!!!!~~~~~~~~~~~\r\n\r\n";
            size_t value = (size_t)(strstr(text, "X: ") - text) + 3;
            bool control = (c < 0x20 && c != '\t') || c == 0x7f;

            text[value + at] = (char)c;
            assert_int_equal(refusal_of((str_t){text, sizeof(text) - 1}), control ? ERR_MALFORMED : ERR_NONE);
        }
    }
}

static void test_head_refuses_a_missing_or_strange_host(void **state)
{
    (void)state;
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\n\r\n")), ERR_MALFORMED);
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")), ERR_MALFORMED);
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")), ERR_MALFORMED);
    assert_int_equal(refusal_of(STR("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")), ERR_MALFORMED);
}

static void test_head_refuses_a_bad_request_line(void **state)
{
    static const char *const cases[] = {
        "GET /\r\n",
        "GET\r\n",
        "\r\n\r\n",
        " / HTTP/1.1\r\n",
        "GET  HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / x HTTP/1.1\r\n",
        "GET\t/\tHTTP/1.1\r\n",
        "GET /a\tb HTTP/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / http/1.1\r\n",
        "G(T / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "\nGET / HTTP/1.1\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int n = snprintf(text, sizeof(text), "%s" HOST "\r\n", cases[i]);

        if (refusal_of((str_t){text, (size_t)n}) != ERR_MALFORMED)
            fail_msg("not refused: %s", cases[i]);
    }
}

static void test_head_needs_its_end(void **state)
{
    const char *text = "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n";

    (void)state;
    /* Each in memory of its own size, so that a sanitizer sees every byte read too far. */
    for (size_t len = 0; len < strlen(text); len++) {
        char *part = malloc(len ? len : 1);

        memcpy(part, text, len);
        assert_int_equal(refusal_of((str_t){part, len}), ERR_MALFORMED);
        free(part);
    }
    assert_int_equal(refusal_of(STR_NONE), ERR_MALFORMED);
}

static err_code_t misfit(head_t head, size_t body, size_t behind)
{
    err_t err = {.code = ERR_NONE};

    return head_fits_body(&head, body, behind, &err) ? ERR_NONE : err.code;
}

static void test_head_refuses_a_chunked_body_that_came_out_wrong(void **state)
{
    const head_t chunked = {.chunked = true};

    (void)state;
    assert_int_equal(misfit(chunked, 5, 0), ERR_NONE);
    assert_int_equal(misfit(chunked, 0, 0), ERR_SMUGGLING); /* what "0x10" is read as */
    assert_int_equal(misfit(chunked, 5, 1), ERR_SMUGGLING);
}

static void test_head_refuses_a_body_of_another_length(void **state)
{
    const head_t five = {.has_length = true, .length = 5}, none = {.has_length = false};

    (void)state;
    assert_int_equal(misfit(five, 5, 0), ERR_NONE);
    assert_int_equal(misfit(five, 5, 100), ERR_NONE); /* the next request */
    assert_int_equal(misfit(five, 4, 0), ERR_SMUGGLING);
    assert_int_equal(misfit(none, 0, 100), ERR_NONE);
    assert_int_equal(misfit(none, 1, 0), ERR_SMUGGLING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_tells_length_host_and_version),
        cmocka_unit_test(test_head_tells_chunked),
        cmocka_unit_test(test_head_may_follow_an_empty_line),
        cmocka_unit_test(test_head_of_http_1_0_needs_no_host),
        cmocka_unit_test(test_head_takes_what_clients_send),
        cmocka_unit_test(test_head_refuses_every_ambiguous_length),
        cmocka_unit_test(test_head_refuses_every_malformed_field),
        cmocka_unit_test(test_head_refuses_nul),
        cmocka_unit_test(test_head_refuses_control_characters_at_every_place),
        cmocka_unit_test(test_head_refuses_a_missing_or_strange_host),
        cmocka_unit_test(test_head_refuses_a_bad_request_line),
        cmocka_unit_test(test_head_needs_its_end),
        cmocka_unit_test(test_head_refuses_a_chunked_body_that_came_out_wrong),
        cmocka_unit_test(test_head_refuses_a_body_of_another_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
