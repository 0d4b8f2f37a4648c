#include "base/json.h"
#include "unit.h"

#include <stdio.h>

#define FFFD "\xef\xbf\xbd"

static arena_t *arena;
static const json_redact_t NO_REDACTION = {NULL};

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static str_t exact(str_t s)
{
    char *copy = arena_alloc(arena, s.len);

    if (s.len)
        memcpy(copy, s.base, s.len);
    return (str_t){copy, s.len};
}

static void cleaned_is(const char *const *redact, str_t in, const char *expected)
{
    err_t err = {.detail = ""};
    str_t out;

    in = exact(in);
    if (!json_clean(arena, in, (json_redact_t){redact}, &out, &err))
        fail_msg("refused: %s", err.detail);
    assert_str(out, expected);
    assert_true(strlen(expected) != in.len || memcmp(expected, in.base, in.len) != 0 || out.base == in.base);
}

#define cleans(in, expected) cleaned_is(NULL, STR(in), expected)
#define keeps(in)            cleaned_is(NULL, STR(in), in)

static void refuses(str_t in, const char *detail)
{
    err_t err;
    str_t out;

    assert_false(json_clean(arena, exact(in), NO_REDACTION, &out, &err));
    assert_int_equal(err.code, ERR_UNPARSABLE);
    if (detail)
        assert_string_equal(err.detail, detail);
}

/* ---- json_clean: grammar ---- */

static void test_clean_keeps_good_json_in_place(void **state)
{
    (void)state;
    keeps("null");
    keeps("\"\"");
    keeps(" [ 1 , -0 , 0.5 , 1E+9 , 2e-3 , 10 , true , false , null , { } , [ ] ] \r\n\t");
    keeps("{\"a\":{\"b\":[{\"c\":\"d\"}]},\"a\":2}");
    keeps("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\x7f\"");
    keeps("\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf\"");
    keeps("123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890e999999");
}

static void test_clean_says_where_and_why(void **state)
{
    (void)state;
    refuses(STR(""), "JSON: expected a value, but it ends at byte 0");
    refuses(STR("{\"a\":1,}"), "JSON: expected a key, got '}' at byte 7");
    refuses(STR("{\"a\" 1}"), "JSON: expected ':', got '1' at byte 5");
    refuses(STR("[1 2]"), "JSON: expected ',' or ']', got '2' at byte 3");
    refuses(STR("{\"a\":1"), "JSON: expected ',' or '}', but it ends at byte 6");
    refuses(STR("{} x"), "JSON: expected nothing more, got 'x' at byte 3");
    refuses(STR("\"a\nb\""), "JSON: expected control characters to be escaped, got byte 0x0a at byte 2");
    refuses(STR("\"abc"), "JSON: expected a closing quote, but it ends at byte 4");
    refuses(STR("\"\\x\""), "JSON: expected an escape that JSON knows, got 'x' at byte 2");
    refuses(STR("\"\\u12g4\""), "JSON: expected four hexadecimal digits, got '1' at byte 3");
}

static void test_clean_refuses_what_is_no_json(void **state)
{
    static const char *const bad[] = {
        " ",        "{",          "[",     "}",        "]",      "[}",         "{]",       "[1,]",  "[,1]",
        "{,}",      "{1:2}",      "{a:1}", "'a'",      "nul",    "nulll",      "True",     "NaN",   "-",
        "+1",       ".5",         "1.",    "01",       "-01",    "1e",         "1e+",      "0x10",  "1 2",
        "\"",       "\"\\",       "\"\\u", "\"\\u123", "\"\\\"", "[\"a\"",     "//x\n1",   "1/**/", "{\"a\"}",
        "{\"a\":}", "{\"a\"::1}", "[1;2]", "\\u0031",  "\xff",   "\xc2\xa0[]", "-Infinity"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        refuses(str_from(bad[i]), NULL);
    refuses((str_t){"{}\0", 3}, NULL);
    refuses((str_t){"\"a\0b\"", 5}, NULL);
    refuses(STR_NONE, NULL);
}

static void nest(buf_t *out, char open, char close, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        buf_addc(out, open);
    for (size_t i = 0; i < depth; i++)
        buf_addc(out, close);
}

static void test_clean_bounds_the_nesting(void **state)
{
    buf_t text = BUF_EMPTY;
    str_t out;

    (void)state;
    nest(&text, '[', ']', JSON_MAX_DEPTH);
    assert_true(json_clean(arena, buf_str(&text), NO_REDACTION, &out, NULL));
    text.len = 0;
    nest(&text, '[', ']', JSON_MAX_DEPTH + 1);
    refuses(buf_str(&text), "JSON: expected at most 200 levels of nesting, got more at byte 200");
    text.len = 0;
    for (int i = 0; i < 100000; i++)
        buf_add(&text, STR("{\"a\":["));
    refuses(buf_str(&text), NULL);
    buf_clear(&text);
}

/* ---- json_clean: what jsonb refuses ---- */

static void test_clean_replaces_nul_and_lone_surrogates(void **state)
{
    (void)state;
    cleans("\"a\\u0000b\"", "\"a" FFFD "b\"");
    cleans("\"\\ud800\"", "\"" FFFD "\"");
    cleans("\"\\ud800\\ud800\\udc00\"", "\"" FFFD "\\ud800\\udc00\"");
    cleans("\"\\uDC00\\ud800x\"", "\"" FFFD FFFD "x\"");
    cleans("\"\\ud83d\\u0041\\u0000\"", "\"" FFFD "\\u0041" FFFD "\"");
    cleans("{\"k\\u0000\":[\"\\udfff\",1]}", "{\"k" FFFD "\":[\"" FFFD "\",1]}");
    keeps("\"\\\\u0000\"");
}

static void test_clean_replaces_invalid_utf8(void **state)
{
    (void)state;
    cleans("\"\xff\"", "\"" FFFD "\"");
    cleans("\"\x80\xbf\"", "\"" FFFD FFFD "\"");
    cleans("\"\xc0\xaf\"", "\"" FFFD FFFD "\"");                   /* overlong */
    cleans("\"\xe0\x80\xaf\"", "\"" FFFD FFFD FFFD "\"");          /* overlong */
    cleans("\"\xf0\x80\x80\xaf\"", "\"" FFFD FFFD FFFD FFFD "\""); /* overlong */
    cleans("\"\xed\xa0\x80\"", "\"" FFFD FFFD FFFD "\"");          /* a surrogate */
    cleans("\"\xf4\x90\x80\x80\"", "\"" FFFD FFFD FFFD FFFD "\""); /* above U+10FFFF */
    cleans("\"\xe2\x82\"", "\"" FFFD "\"");                        /* cut off: one for what there is */
    cleans("\"\xf0\x9f\x98x\xc3\"", "\"" FFFD "x" FFFD "\"");
    cleans("{\"k\xff\":\"\xc3\xa9\xfe\"}", "{\"k" FFFD "\":\"\xc3\xa9" FFFD "\"}");
    refuses(STR("\"\xe2\x82"), NULL);
}

static void test_clean_drops_a_byte_order_mark(void **state)
{
    (void)state;
    cleans("\xef\xbb\xbf{\"a\":1}", "{\"a\":1}");
    refuses(STR("\xef\xbb\xbf"), NULL);
    keeps("\"\xef\xbb\xbf\"");
}

static void test_clean_changes_every_place_of_a_large_body(void **state)
{
    buf_t in = BUF_EMPTY, expected = BUF_EMPTY;

    (void)state;
    buf_addc(&in, '[');
    buf_addc(&expected, '[');
    for (int i = 0; i < 5000; i++) {
        buf_printf(&in, "%s\"\xff%d\\u0000\"", i ? "," : "", i);
        buf_printf(&expected, "%s\"" FFFD "%d" FFFD "\"", i ? "," : "", i);
    }
    buf_addc(&in, ']');
    buf_add(&expected, (str_t){"]", 2});
    cleaned_is(NULL, buf_str(&in), expected.base);
    buf_clear(&in);
    buf_clear(&expected);
}

/* ---- redaction ---- */

static void test_clean_redacts_values_of_every_kind(void **state)
{
    static const char *const patterns[] = {"*token", "password", NULL};

    (void)state;
    cleaned_is(patterns,
               STR("{\"token\":\"x\",\"a\":1,\"AuthToken\": {\"deep\":[1,{\"token\":2}]} ,\"PASSWORD\":null}"),
               "{\"token\":\"[redacted]\",\"a\":1,\"AuthToken\": \"[redacted]\" ,\"PASSWORD\":\"[redacted]\"}");
    cleaned_is(patterns, STR("[{\"tokens\":1},{\"password\":[\"\xff\\u0000\"]},\"\xff\"]"),
               "[{\"tokens\":1},{\"password\":\"[redacted]\"},\"" FFFD "\"]");
}

static void test_clean_leaves_what_is_redacted_already(void **state)
{
    static const char *const patterns[] = {"token", NULL};

    (void)state;
    cleaned_is(patterns, STR("{\"token\":\"[redacted]\"}"), "{\"token\":\"[redacted]\"}");
}

static void test_clean_still_checks_what_it_redacts(void **state)
{
    static const char *const patterns[] = {"token", NULL};
    str_t out;

    (void)state;
    assert_false(json_clean(arena, STR("{\"token\":[1,]}"), (json_redact_t){patterns}, &out, NULL));
}

static void test_clean_sees_through_escapes_in_keys(void **state)
{
    static const char *const patterns[] = {"tok/en\"s", NULL};

    (void)state;
    cleaned_is(patterns, STR("{\"\\u0074\\u006Fk\\/en\\\"s\":1}"), "{\"\\u0074\\u006Fk\\/en\\\"s\":\"[redacted]\"}");
    cleaned_is(patterns, STR("{\"\\u0174ok\\/en\\\"s\":1}"), "{\"\\u0174ok\\/en\\\"s\":1}");
    cleaned_is(patterns, STR("{\"tok\\/en\\\"\\u0073\\n\":1}"), "{\"tok\\/en\\\"\\u0073\\n\":1}");
}

static void test_redaction_follows_paths(void **state)
{
    static const char *const patterns[] = {"headers.*", "server.se*", "*a*.x", "q", NULL};

    (void)state;
    cleaned_is(
        patterns, STR("{\"headers\":{\"h\":1,\"Auth\":{\"y\":2}},\"x\":{\"HEADERS\":[{\"z\":3}]}}"),
        "{\"headers\":{\"h\":\"[redacted]\",\"Auth\":\"[redacted]\"},\"x\":{\"HEADERS\":[{\"z\":\"[redacted]\"}]}}");
    cleaned_is(patterns, STR("{\"server\":{\"secret\":1,\"url\":2},\"secret\":3}"),
               "{\"server\":{\"secret\":\"[redacted]\",\"url\":2},\"secret\":3}");
    cleaned_is(patterns, STR("{\"bAd\":{\"x\":1},\"bed\":{\"x\":2},\"bAd\":{\"y\":{\"x\":3}}}"),
               "{\"bAd\":{\"x\":\"[redacted]\"},\"bed\":{\"x\":2},\"bAd\":{\"y\":{\"x\":3}}}");
    cleaned_is(patterns, STR("{\"q\":1,\"qq\":2,\"\":3}"), "{\"q\":\"[redacted]\",\"qq\":2,\"\":3}");
}

static void test_redaction_takes_the_first_pattern_that_matches(void **state)
{
    static const char *const patterns[] = {"secret", "!usage.tokens", "!model", "*token*", NULL};

    (void)state;
    cleaned_is(patterns, STR("{\"usage\":{\"tokens\":{\"token\":1,\"secret\":2}},\"tokens\":3}"),
               "{\"usage\":{\"tokens\":{\"token\":1,\"secret\":\"[redacted]\"}},\"tokens\":\"[redacted]\"}");
    cleaned_is(patterns, STR("{\"model\":[{\"maxTokens\":1}],\"b\":{\"maxTokens\":2}}"),
               "{\"model\":[{\"maxTokens\":1}],\"b\":{\"maxTokens\":\"[redacted]\"}}");
}

static bool names(const char *pattern, const char *path)
{
    const char *patterns[] = {pattern, "*", NULL};
    str_t rest = str_from(path), keys[8];
    size_t depth = 0;

    if (pattern[0] != '!')
        patterns[1] = NULL;
    while (str_split(&rest, '.', &keys[depth]))
        depth++;
    return json_redact_key(patterns, keys, depth);
}

static void test_redact_key_matches_ends_of_paths(void **state)
{
    (void)state;
    assert_true(names("token", "token"));
    assert_true(names("token", "a.b.Token"));
    assert_false(names("token", "token.a"));
    assert_false(names("token", "tokens"));
    assert_true(names("*", "anything"));
    assert_true(names("a.*", "x.a.b"));
    assert_false(names("a.*", "a"));
    assert_false(names("a.*", "a.b.c"));
    assert_true(names("a.b.c", "x.A.b.C"));
    assert_false(names("a.b.c", "b.c"));
    assert_true(names("pre*", "PREfix"));
    assert_false(names("pre*", "a-prefix"));
    assert_true(names("*mid*", "a-MID-b"));
    assert_false(names("*mid*", "mi"));
    assert_false(names("!a", "a"));
    assert_false(names("!a", "x.a.b.c"));
    assert_true(names("!a.b", "a.c"));
}

/* The quick look-up and the plain walk must agree. */
static void test_clean_redacts_what_redact_key_names(void **state)
{
    static const char *const words[] = {"a", "ab", "token", "atoken", "tokena", "headers", "x", "", "*", "k\xc3\xa9"};
    static const char *const pieces[] = {"a", "ab", "*token", "token*", "*ok*", "headers", "*", "*x", "x*", "*ab"};
    uint64_t random = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[4][64], body[200];
        const char *patterns[5] = {NULL};
        size_t count = 1 + next_random(&random) % 4, depth = 1 + next_random(&random) % 3;
        str_t path[3], out;
        bool expected = false;
        buf_t in = BUF_EMPTY;
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(text[i], sizeof(text[i]), "%s%s%s%s", next_random(&random) % 4 ? "" : "!",
                           pieces[next_random(&random) % COUNT(pieces)], i % 2 ? "." : "",
                           i % 2 ? pieces[next_random(&random) % COUNT(pieces)] : "");
            patterns[i] = text[i];
        }
        for (size_t i = 0; i < depth; i++) {
            path[i] = str_from(words[next_random(&random) % COUNT(words)]);
            buf_printf(&in, "{\"" STR_FMT "\":", STR_ARG(path[i]));
            expected = expected || json_redact_key(patterns, path, i + 1);
        }
        buf_printf(&in, "1%.*s", (int)depth, "}}}");
        assert_true(json_clean(arena, buf_str(&in), (json_redact_t){patterns}, &out, NULL));
        (void)snprintf(body, sizeof(body), STR_FMT, STR_ARG(out));
        assert_int_equal(strstr(body, "[redacted]") != NULL, expected);
        buf_clear(&in);
    }
}

/* ---- bytes that did not parse ---- */

static void masked_is(const char *in, const char *expected)
{
    static const char *const patterns[] = {"!x.token", "*token", "headers.*", "secret", NULL};

    assert_str(json_mask_unparsable(arena, exact(str_from(in)), (json_redact_t){patterns}), expected);
}

static void test_mask_finds_values_in_broken_json(void **state)
{
    (void)state;
    masked_is("{\"token\":\"a\\\"b\",\"n\":1,", "{\"token\":\"[redacted]\",\"n\":1,");
    masked_is("{\"Token\" : 12 , \"secret\":tru", "{\"Token\" : \"[redacted]\" , \"secret\":\"[redacted]\"");
    masked_is("{\"headers\":{\"a\":[\"}\"],\"b\":2},\"c\":3,,}", "{\"headers\":\"[redacted]\",\"c\":3,,}");
    masked_is("{\"headers\":{\"a\":[1,", "{\"headers\":\"[redacted]\"");
    masked_is("{\"token\":\"cut off in the mid", "{\"token\":\"[redacted]\"");
    masked_is("cut\", \"token\": \"x\", \"y", "cut\", \"token\": \"[redacted]\", \"y");
    masked_is("{\"\\u0074oken\":\"x\"", "{\"\\u0074oken\":\"[redacted]\"");
    masked_is("{'token': 'x', 'b': 'y'}", "{'token': \"[redacted]\", 'b': 'y'}");
    masked_is("{\"token", "{\"token");
    masked_is("{\"token\":", "{\"token\":\"[redacted]\"");
    masked_is("", "");
}

static void test_mask_finds_values_in_forms_and_urls(void **state)
{
    (void)state;
    masked_is("a=1&AuthToken=abc%20d&b=2", "a=1&AuthToken=[redacted]&b=2");
    masked_is("secret=", "secret=[redacted]");
    masked_is("{\"url\":\"https:\\/\\/h\\/p?secret=a\\/b,c&x=1\" ,",
              "{\"url\":\"https:\\/\\/h\\/p?secret=[redacted]&x=1\" ,");
    masked_is("secrets=1 mysecret=2", "secrets=1 mysecret=2");
}

static void test_mask_keeps_other_bytes_in_place(void **state)
{
    str_t in = STR("\xff\0 {\"a\":\"b\"");

    (void)state;
    assert_ptr_equal(json_mask_unparsable(arena, in, (json_redact_t){(const char *const[]){"x", NULL}}).base, in.base);
    assert_ptr_equal(json_mask_unparsable(arena, in, NO_REDACTION).base, in.base);
}

/* Every quote looks for its partner: that must not be the whole rest each time. */
static void test_mask_is_linear_in_hostile_bodies(void **state)
{
    static const char *const units[] = {"\\\"", "\"", "\"'", "token=\\\"", "\"token\":{", "'\\'\"", "a=", "\"a\":\""};
    int64_t before = clock_mono_us();

    (void)state;
    for (size_t i = 0; i < COUNT(units); i++) {
        static const char *const patterns[] = {"token", NULL};
        buf_t in = BUF_EMPTY;
        buf_addc(&in, '"');
        while (in.len < 1 << 20)
            buf_add(&in, str_from(units[i]));
        (void)json_mask_unparsable(arena, buf_str(&in), (json_redact_t){patterns});
        buf_clear(&in);
    }
    assert_true(clock_mono_us() - before < 20 * US_PER_S);
}

/* ---- reading ---- */

static const cJSON *parsed(const char *text)
{
    const cJSON *root = json_parse(arena, exact(str_from(text)), NULL);

    assert_non_null(root);
    return root;
}

static void test_parse_lives_in_the_arena_and_checks_the_end(void **state)
{
    err_t err;

    (void)state;
    assert_str(json_str(parsed(" {\"a\":\"b\"} \n"), "a"), "b");
    assert_null(json_parse(arena, STR("{} x"), &err));
    assert_int_equal(err.code, ERR_UNPARSABLE);
    assert_string_equal(err.detail, "JSON: cannot be read at byte 3 of 4");
    assert_null(json_parse(arena, exact(STR("{\"1\":1,")), &err));
    assert_null(json_parse(arena, exact(STR("{\"1\":")), &err));
    assert_null(json_parse(arena, exact(STR("{\"1")), &err));
    assert_null(json_parse(arena, STR(""), &err));
    assert_null(json_parse(arena, STR_NONE, &err));
}

static void test_at_follows_keys_and_indexes(void **state)
{
    const cJSON *root = parsed("{\"a\":{\"b\":[{\"c\":1},{\"c\":2}],\"0\":3},\"A\":4,\"dup\":5,\"dup\":6}");
    int64_t n;

    (void)state;
    assert_true(json_int(root, "a.b.1.c", &n) && n == 2);
    assert_true(json_int(root, "a.0", &n) && n == 3);
    assert_true(json_int(root, "A", &n) && n == 4);
    assert_true(json_int(root, "dup", &n) && n == 6);
    assert_null(json_at(root, "a.b.2"));
    assert_null(json_at(root, "a.b.-1"));
    assert_null(json_at(root, "a.b.x"));
    assert_null(json_at(root, "a.b.1.c.d"));
    assert_null(json_at(root, "B"));
    assert_null(json_at(root, "du"));
    assert_null(json_at(NULL, "a"));
    assert_ptr_equal(json_at(root, ""), root);
}

static void test_str_takes_only_strings_that_say_something(void **state)
{
    const cJSON *root = parsed("{\"s\":\"x\",\"e\":\"\",\"n\":1,\"z\":null,\"o\":{}}");

    (void)state;
    assert_str(json_str(root, "s"), "x");
    assert_absent(json_str(root, "e"));
    assert_absent(json_str(root, "n"));
    assert_absent(json_str(root, "z"));
    assert_absent(json_str(root, "o"));
    assert_absent(json_str(root, "none"));
}

static void test_int_takes_whole_numbers_and_their_texts(void **state)
{
    const cJSON *root = parsed("[1, -7, \"42\", \"-9223372036854775808\", 1e3, 1.5, \"1.0\", \"\", null, true, 1e300, "
                               "9223372036854775808, \"9223372036854775808\", -9223372036854775808]");
    static const char *const bad[] = {"5", "6", "7", "8", "9", "10", "11", "12"};
    int64_t n = 0;

    (void)state;
    assert_true(json_int(root, "0", &n) && n == 1);
    assert_true(json_int(root, "1", &n) && n == -7);
    assert_true(json_int(root, "2", &n) && n == 42);
    assert_true(json_int(root, "3", &n) && n == INT64_MIN);
    assert_true(json_int(root, "4", &n) && n == 1000);
    assert_true(json_int(root, "13", &n) && n == INT64_MIN);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(json_int(root, bad[i], &n));
}

static void test_double_takes_numbers_and_their_texts(void **state)
{
    const cJSON *root = parsed("[0.5, \"-2.5e1\", \"\", \"nan\", \"0x1p3\", \" 1\", \"1 \", \"1e999\", 1e999, null]");
    double d = 0;

    (void)state;
    assert_true(json_double(root, "0", &d) && d == 0.5);
    assert_true(json_double(root, "1", &d) && d == -25);
    for (int i = 2; i < 10; i++)
        assert_false(json_double(root, (const char[]){(char)('0' + i), '\0'}, &d));
}

static void test_bool_takes_truth_and_its_texts(void **state)
{
    const cJSON *root = parsed("[true, false, \"true\", \"false\", 1, \"TRUE\", null]");
    bool b = false;

    (void)state;
    assert_true(json_bool(root, "0", &b) && b);
    assert_true(json_bool(root, "1", &b) && !b);
    assert_true(json_bool(root, "2", &b) && b);
    assert_true(json_bool(root, "3", &b) && !b);
    assert_false(json_bool(root, "4", &b));
    assert_false(json_bool(root, "5", &b));
    assert_false(json_bool(root, "6", &b));
    assert_false(json_bool(root, "7", &b));
}

static void test_times_come_from_texts_and_numbers(void **state)
{
    const cJSON *root = parsed("{\"i\":\"2026-08-30T08:27:54.5Z\",\"ms\":1788078474500.25,\"mst\":\"1788078474500\","
                               "\"s\":1788078474,\"st\":\"1788078474\",\"sf\":1788078474.5,\"zero\":0,\"zt\":\"0\","
                               "\"n\":null,\"x\":\"x\"}");
    const int64_t us = INT64_C(1788078474500000);

    (void)state;
    assert_int_equal(json_iso8601(root, "i"), us);
    assert_int_equal(json_time_ms(root, "ms"), us + 250);
    assert_int_equal(json_time_ms(root, "mst"), us);
    assert_int_equal(json_time_s(root, "s"), us - 500000);
    assert_int_equal(json_time_s(root, "st"), us - 500000);
    assert_int_equal(json_time_s(root, "sf"), us);
    assert_true(json_time_s(root, "zero") == TIME_NONE);
    assert_true(json_time_ms(root, "zt") == TIME_NONE);
    assert_true(json_time_s(root, "n") == TIME_NONE);
    assert_true(json_time_ms(root, "x") == TIME_NONE);
    assert_true(json_iso8601(root, "ms") == TIME_NONE);
}

/* ---- writing ---- */

static void prints(const char *in, const char *expected)
{
    assert_str(json_print(arena, parsed(in)), expected);
}

static void test_print_is_compact_and_keeps_numbers(void **state)
{
    (void)state;
    prints("{ \"b\" : [ 1 , -2.5 , 0.1 , 1e3 ] , \"a\" : { } , \"c\" : [ ] , \"d\":[true,false,null] }",
           "{\"b\":[1,-2.5,0.1,1000],\"a\":{},\"c\":[],\"d\":[true,false,null]}");
    prints("[1756542474123456,1e15,9007199254740991,-0,0.30000000000000004,1e21,1e999]",
           "[1756542474123456,1000000000000000,9007199254740991,0,0.30000000000000004,1e+21,null]");
    prints("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83d\\ude00\x7f\"",
           "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\xc3\xa9\xf0\x9f\x98\x80\x7f\"");
    assert_absent(json_print(arena, NULL));
}

static void test_escape_replaces_what_is_not_utf8(void **state)
{
    buf_t out = BUF_EMPTY;

    (void)state;
    json_escape(&out, (str_t){"a\0\xff\xe2\x82\xac\xc3", 7});
    assert_str(buf_str(&out), "\"a" FFFD FFFD "\xe2\x82\xac" FFFD "\"");
    out.len = 0;
    json_escape(&out, STR_NONE);
    assert_str(buf_str(&out), "\"\"");
    buf_clear(&out);
}

static bool skip_updated(str_t key)
{
    return str_eq(key, STR("updated"));
}

static void same_hash(const char *a, const char *b, bool same)
{
    str_t x = json_hash(arena, parsed(a), skip_updated), y = json_hash(arena, parsed(b), skip_updated);

    assert_int_equal(x.len, 32);
    assert_int_equal(str_eq(x, y), same);
}

static void test_hash_is_of_the_canonical_form(void **state)
{
    (void)state;
    /* printf '{"a":[1,0.5,"x"],"b":null}' | sha256sum */
    assert_str(json_hash(arena, parsed(" {\"b\":null, \"a\":[1.0, 5e-1, \"\\u0078\"]}"), NULL),
               "5e18ff3d53bdff48fa32bb6108a2cf1d");
    same_hash("{\"a\":1,\"b\":{\"d\":2,\"c\":3}}", "{\"b\":{\"c\":3,\"d\":2},\"a\":1}", true);
    same_hash("{\"a\":1,\"updated\":2,\"l\":[{\"updated\":3}]}", "{\"l\":[{}],\"a\":1}", true);
    same_hash("{\"a\":1,\"a\":2}", "{\"a\":2}", true);
    same_hash("[1,2]", "[2,1]", false);
    same_hash("{\"a\":\"1\"}", "{\"a\":1}", false);
    same_hash("{\"aa\":1,\"b\":2}", "{\"a\":1,\"ab\":2}", false);
    assert_absent(json_hash(arena, NULL, NULL));
}

static void test_hash_copes_with_depth_and_breadth(void **state)
{
    buf_t text = BUF_EMPTY;
    int64_t before;

    (void)state;
    nest(&text, '[', ']', 900);
    assert_non_null(json_hash(arena, json_parse(arena, buf_str(&text), NULL), NULL).base);
    text.len = 0;
    buf_addc(&text, '[');
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "%s{\"k%d\":%d}", i ? "," : "", i, i);
    buf_addc(&text, ']');
    before = clock_mono_us();
    assert_non_null(json_hash(arena, json_parse(arena, buf_str(&text), NULL), NULL).base);
    assert_true(clock_mono_us() - before < 20 * US_PER_S);
    buf_clear(&text);
}

/* Whatever comes in: no crash; what is let through parses, is valid UTF-8, and stays as it is the second time. */
static void test_clean_makes_any_bytes_safe(void **state)
{
    static const char *const seeds[] = {
        "{\"token\":\"x\",\"a\":[1,2.5e3,true,null,{\"b\":\"caf\xc3\xa9 \\u00e9 \\ud83d\\ude00\"}]}",
        "[[[[\"\\u0000\"]],{\"\\u0074oken\":{\"c\":[]}}],\"\xf0\x9f\x98\x80\",-0.0e-0]",
    };
    static const char *const patterns[] = {"token", "c.*", "!a", NULL};
    uint64_t random = 99;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        str_t seed = str_from(seeds[round % 2]), out, again;
        char body[200];
        err_t err;
        memcpy(body, seed.base, seed.len);
        for (uint64_t n = next_random(&random) % 4; n > 0; n--) {
            static const char some[] = "\"\\{}[],:0123456789eE+-.tfnu \n\xff\xc3\xa9\xed\xa0\x80";
            body[next_random(&random) % seed.len] = some[next_random(&random) % (sizeof(some) - 1)];
        }
        seed.len -= next_random(&random) % 8 ? 0 : next_random(&random) % seed.len;
        seed = exact((str_t){body, seed.len});
        (void)json_mask_unparsable(arena, seed, (json_redact_t){patterns});
        (void)json_parse(arena, seed, &err);
        if (!json_clean(arena, seed, (json_redact_t){patterns}, &out, &err))
            continue;
        assert_true(json_clean(arena, out, (json_redact_t){patterns}, &again, &err));
        assert_ptr_equal(again.base, out.base);
        assert_non_null(json_parse(arena, out, &err));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clean_keeps_good_json_in_place),
        TEST(test_clean_says_where_and_why),
        TEST(test_clean_refuses_what_is_no_json),
        TEST(test_clean_bounds_the_nesting),
        TEST(test_clean_replaces_nul_and_lone_surrogates),
        TEST(test_clean_replaces_invalid_utf8),
        TEST(test_clean_drops_a_byte_order_mark),
        TEST(test_clean_changes_every_place_of_a_large_body),
        TEST(test_clean_redacts_values_of_every_kind),
        TEST(test_clean_leaves_what_is_redacted_already),
        TEST(test_clean_still_checks_what_it_redacts),
        TEST(test_clean_sees_through_escapes_in_keys),
        TEST(test_redaction_follows_paths),
        TEST(test_redaction_takes_the_first_pattern_that_matches),
        TEST(test_redact_key_matches_ends_of_paths),
        TEST(test_clean_redacts_what_redact_key_names),
        TEST(test_mask_finds_values_in_broken_json),
        TEST(test_mask_finds_values_in_forms_and_urls),
        TEST(test_mask_keeps_other_bytes_in_place),
        TEST(test_mask_is_linear_in_hostile_bodies),
        TEST(test_parse_lives_in_the_arena_and_checks_the_end),
        TEST(test_at_follows_keys_and_indexes),
        TEST(test_str_takes_only_strings_that_say_something),
        TEST(test_int_takes_whole_numbers_and_their_texts),
        TEST(test_double_takes_numbers_and_their_texts),
        TEST(test_bool_takes_truth_and_its_texts),
        TEST(test_times_come_from_texts_and_numbers),
        TEST(test_print_is_compact_and_keeps_numbers),
        TEST(test_escape_replaces_what_is_not_utf8),
        TEST(test_hash_is_of_the_canonical_form),
        TEST(test_hash_copes_with_depth_and_breadth),
        TEST(test_clean_makes_any_bytes_safe),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
