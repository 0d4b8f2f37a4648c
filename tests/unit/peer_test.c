#include "http/peer.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static address_t address(const char *text)
{
    address_t a;

    if (!address_from_text(str_from(text), &a))
        fail_msg("not an address: %s", text);
    return a;
}

static void assert_text(const address_t *a, const char *expected)
{
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(address_to_text(a, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_address_reads_both_families_with_and_without_port(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.7:443", "192.0.2.7"},
        {"2001:db8::7", "2001:db8::7"},
        {"[2001:db8::7]", "2001:db8::7"},
        {"[2001:db8::7]:443", "2001:db8::7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"::1", "::1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        address_t a = address(cases[i].text);

        assert_text(&a, cases[i].expected);
    }
}

static void test_address_refuses_what_is_none(void **state)
{
    static const char *const cases[] = {
        "",
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.7:",
        "192.0.2.7:x",
        "192.0.2.7:+1",
        "192.0.2.7:65536",
        "192.0.2.700",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[]",
        "[",
        ":",
        "::1]",
        "1:2",
        "192.0.2.7 ",
        "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0007",
    };
    address_t a;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (address_from_text(str_from(cases[i]), &a))
            fail_msg("taken for an address: %s", cases[i]);
    assert_false(address_from_text((str_t){"192.0.2.7\0x", 11}, &a));
    assert_false(address_from_text(STR_NONE, &a));
}

static void test_address_of_a_mapped_peer_is_that_of_ipv4(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    address_t a, b;

    (void)state;
    inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
    assert_true(address_from_sockaddr((struct sockaddr *)&in, &a));
    assert_true(address_from_sockaddr((struct sockaddr *)&in6, &b));
    assert_memory_equal(a.bytes, b.bytes, sizeof(a.bytes));
}

static bool trusts(const char *list, const char *who)
{
    err_t err = {.code = ERR_NONE};
    proxies_t *p = proxies_new(str_from(list), &err);
    address_t a = address(who);
    bool trusted;

    assert_non_null(p);
    trusted = proxies_trust(p, &a);
    proxies_free(p);
    return trusted;
}

static void test_proxies_trust_addresses_and_networks(void **state)
{
    (void)state;
    assert_true(trusts("127.0.0.1,::1", "127.0.0.1"));
    assert_true(trusts("127.0.0.1, ::1 ,", "::1"));
    assert_false(trusts("127.0.0.1", "127.0.0.2"));
    assert_true(trusts("10.0.0.0/8", "10.255.0.1"));
    assert_false(trusts("10.0.0.0/8", "11.0.0.1"));
    assert_true(trusts("127.0.0.1/8", "127.9.9.9")); /* the bits behind the prefix do not count */
    assert_true(trusts("192.0.2.128/25", "192.0.2.200"));
    assert_false(trusts("192.0.2.128/25", "192.0.2.100"));
    assert_true(trusts("fd00::/8", "fd12::1"));
    assert_false(trusts("fd00::/8", "fe80::1"));
    assert_true(trusts("0.0.0.0/0", "203.0.113.9"));
    assert_false(trusts("0.0.0.0/0", "2001:db8::1"));
    assert_true(trusts("::/0", "203.0.113.9"));
    assert_false(trusts("", "127.0.0.1"));
    assert_false(trusts(NULL, "127.0.0.1"));
}

static void test_proxies_refuse_what_is_no_network(void **state)
{
    static const char *const cases[] = {"localhost",   "10.0.0.0/33", "::/129",         "10.0.0.0/",
                                        "10.0.0.0/-1", "10.0.0.0/x",  "127.0.0.1,oops", "127.0.0.1:80"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        err_t err = {.code = ERR_NONE};

        assert_null(proxies_new(str_from(cases[i]), &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

static void assert_client(const str_t *values, size_t count, const char *expected)
{
    proxies_t *p = proxies_new(STR("127.0.0.1,10.0.0.0/8"), NULL);
    address_t client = peer_client(p, address("127.0.0.1"), values, count);

    assert_text(&client, expected);
    proxies_free(p);
}

static void test_client_is_the_rightmost_that_is_not_trusted(void **state)
{
    static const struct {
        const char *forwarded_for, *expected;
    } cases[] = {
        {"203.0.113.9", "203.0.113.9"},
        {"203.0.113.9, 10.0.0.1", "203.0.113.9"},
        {"6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"}, /* what the client wrote itself is not looked at */
        {"2001:db8::7,10.0.0.1", "2001:db8::7"},
        {"203.0.113.9:5555", "203.0.113.9"},
        {"10.0.0.2, 10.0.0.1", "10.0.0.2"}, /* all trusted: the leftmost */
        {"junk, 10.0.0.1", "10.0.0.1"},
        {"203.0.113.9, junk", "127.0.0.1"},
        {"", "127.0.0.1"},
        {" , ,", "127.0.0.1"},
        {"203.0.113.9,", "203.0.113.9"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        str_t value = str_from(cases[i].forwarded_for);

        assert_client(&value, 1, cases[i].expected);
    }
    assert_client(NULL, 0, "127.0.0.1");
}

static void test_client_is_found_over_several_lines(void **state)
{
    const str_t lines[] = {STR("6.6.6.6"), STR("203.0.113.9"), STR("10.0.0.1, 10.0.0.2")};

    (void)state;
    assert_client(lines, COUNT(lines), "203.0.113.9");
}

typedef struct origins_case {
    const char *public_url;
    peer_names_t names;
    const char *expected[PEER_MAX_ORIGINS];
} origins_case_t;

static void assert_origins(const origins_case_t *c)
{
    peer_room_t room;
    str_t out[PEER_MAX_ORIGINS];
    size_t n = peer_origins(str_from(c->public_url), &c->names, &room, out), expected = 0;

    while (expected < PEER_MAX_ORIGINS && c->expected[expected])
        expected++;
    assert_int_equal(n, expected);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i].len, strlen(c->expected[i]));
        assert_memory_equal(out[i].base, c->expected[i], out[i].len);
    }
}

static void test_origins_best_first_and_each_once(void **state)
{
    const str_t here = STR("127.0.0.1:8080"), there = STR("calls.example.com"), https = STR("https");
    const origins_case_t cases[] = {
        {NULL, {.host = here}, {"http://127.0.0.1:8080"}},
        {NULL, {.host = here, .tls = true}, {"https://127.0.0.1:8080"}},
        {"https://calls.example.com", {.host = here}, {"https://calls.example.com", "http://127.0.0.1:8080"}},
        {"https://calls.example.com", {.host = there, .tls = true}, {"https://calls.example.com"}},
        {NULL,
         {.host = here, .trusted = true, .forwarded_proto = https, .forwarded_host = there},
         {"https://calls.example.com", "http://127.0.0.1:8080"}},
        {"https://calls.example.com/hooks",
         {.host = here, .trusted = true, .forwarded_proto = https, .forwarded_host = there},
         {"https://calls.example.com/hooks", "https://calls.example.com", "http://127.0.0.1:8080"}},
        {NULL,
         {.host = there, .trusted = true, .forwarded_proto = https},
         {"https://calls.example.com", "http://calls.example.com"}},
        {NULL,
         {.host = here, .trusted = true, .forwarded_host = there},
         {"http://calls.example.com", "http://127.0.0.1:8080"}},
        {NULL,
         {.host = here,
          .trusted = true,
          .forwarded_proto = STR("https, http"),
          .forwarded_host = STR(" calls.example.com , inner")},
         {"https://calls.example.com", "http://127.0.0.1:8080"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_origins(&cases[i]);
}

static void test_origins_ignore_a_strangers_word(void **state)
{
    const origins_case_t c = {
        NULL,
        {.host = STR("here"), .trusted = false, .forwarded_proto = STR("https"), .forwarded_host = STR("evil.example")},
        {"http://here"}};

    (void)state;
    assert_origins(&c);
}

static void test_origins_leave_out_what_is_no_origin(void **state)
{
    char longer[PEER_ORIGIN_BYTES];
    const origins_case_t cases[] = {
        {NULL, {.host = STR_NONE}, {NULL}},
        {NULL, {.host = STR("")}, {NULL}},
        {NULL, {.host = STR("a"), .trusted = true, .forwarded_proto = STR("ftp")}, {"http://a"}},
        {NULL, {.host = STR("a"), .trusted = true, .forwarded_host = STR("b/c")}, {"http://a"}},
        {NULL, {.host = STR("a"), .trusted = true, .forwarded_host = STR("u@b")}, {"http://a"}},
        {NULL, {.host = STR("a"), .trusted = true, .forwarded_host = STR("b\0c")}, {"http://a"}},
        {NULL, {.host = {longer, sizeof(longer)}}, {NULL}},
    };

    (void)state;
    memset(longer, 'a', sizeof(longer));
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_origins(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_reads_both_families_with_and_without_port),
        cmocka_unit_test(test_address_refuses_what_is_none),
        cmocka_unit_test(test_address_of_a_mapped_peer_is_that_of_ipv4),
        cmocka_unit_test(test_proxies_trust_addresses_and_networks),
        cmocka_unit_test(test_proxies_refuse_what_is_no_network),
        cmocka_unit_test(test_client_is_the_rightmost_that_is_not_trusted),
        cmocka_unit_test(test_client_is_found_over_several_lines),
        cmocka_unit_test(test_origins_best_first_and_each_once),
        cmocka_unit_test(test_origins_ignore_a_strangers_word),
        cmocka_unit_test(test_origins_leave_out_what_is_no_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
