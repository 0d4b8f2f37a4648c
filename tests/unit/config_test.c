#include "config/config.h"
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

static const setting_t EXTRA[] = {
    {.name = "EXTRA_TOKEN", .type = SETTING_TEXT, .secret = true, .reloads = true, .help = "A | secret"},
    {.name = "HOOKLINE_EXTRA", .type = SETTING_INT, .least = -5, .most = 5, .help = "A number"},
    {.name = "HOOKLINE_SECRET_NUMBER", .type = SETTING_INT, .secret = true, .help = "A secret number"},
    {.name = "HOOKLINE_FREE_SECONDS", .type = SETTING_SECONDS, .help = "Any time"},
};
static const settings_section_t SECTIONS[] = {{"Extra", EXTRA, COUNT(EXTRA)}};
static char path[64];

static int set_up(void **state)
{
    (void)state;
    (void)clearenv();
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static config_t *read_good(void)
{
    err_t err = {.detail = ""};
    config_t *c = config_read(&err);

    if (!c)
        fail_msg("%s", err.detail);
    return c;
}

/* What config_read says of NAME=value. */
static void refuses(const char *name, const char *value, const char *detail)
{
    err_t err = {.detail = ""};

    set(name, value);
    assert_null(config_read(&err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.detail, detail);
    (void)unsetenv(name);
}

static bool takes(const char *name, const char *value)
{
    config_t *c;

    set(name, value);
    c = config_read(NULL);
    config_free(c);
    (void)unsetenv(name);
    return c != NULL;
}

static void test_config_has_defaults(void **state)
{
    config_t *c = read_good();

    (void)state;
    assert_str(config_text(c, "HOOKLINE_LISTEN"), "127.0.0.1:8080");
    assert_absent(config_text(c, "HOOKLINE_TLS_LISTEN"));
    assert_absent(config_text(c, "DATABASE_URL"));
    assert_str(config_text(c, "HOOKLINE_TRUSTED_PROXIES"), "127.0.0.1/8,::1");
    assert_int_equal(config_int(c, "HOOKLINE_THREADS"), 0);
    assert_int_equal(config_int(c, "HOOKLINE_MAX_BODY"), 10 << 20);
    assert_int_equal(config_int(c, "HOOKLINE_MAX_HEADER"), 32 << 10);
    assert_int_equal(config_int(c, "HOOKLINE_QUEUE_BYTES"), 64 << 20);
    assert_int_equal(config_us(c, "HOOKLINE_COMMIT_DEADLINE"), 2000000);
    assert_true(config_bool(c, "HOOKLINE_ACCESS_LOG"));
    assert_false(config_bool(c, "HOOKLINE_MIGRATE"));
    assert_false(config_is_set(c, "HOOKLINE_LISTEN"));
    config_free(c);
    config_free(NULL);
}

static void test_config_reads_the_environment(void **state)
{
    config_t *c;

    (void)state;
    set("HOOKLINE_LISTEN", "[::]:0");
    set("HOOKLINE_MAX_BODY", " 3k ");
    set("HOOKLINE_COMMIT_DEADLINE", "0.25");
    set("HOOKLINE_MIGRATE", "YES");
    set("HOOKLINE_EXTRA", "-5");
    set("EXTRA_TOKEN", "abc");
    set("HOOKLINE_THREADS", "");
    set("HOOKLINE_PUBLIC_URL", "https://calls.example.com/hooks//");
    c = read_good();
    assert_str(config_text(c, "HOOKLINE_LISTEN"), "[::]:0");
    assert_int_equal(config_int(c, "HOOKLINE_MAX_BODY"), 3072);
    assert_int_equal(config_us(c, "HOOKLINE_COMMIT_DEADLINE"), 250000);
    assert_true(config_bool(c, "HOOKLINE_MIGRATE"));
    assert_int_equal(config_int(c, "HOOKLINE_EXTRA"), -5);
    assert_true(config_is_set(c, "EXTRA_TOKEN"));
    assert_false(config_is_set(c, "HOOKLINE_THREADS"));
    assert_str(config_text(c, "HOOKLINE_PUBLIC_URL"), "https://calls.example.com/hooks");
    config_free(c);
}

static void test_config_gives_a_provider_its_texts(void **state)
{
    setting_source_t from;
    config_t *c;

    (void)state;
    set("EXTRA_TOKEN", "abc,def");
    c = read_good();
    from = config_source(c);
    assert_str(setting_get(&from, "EXTRA_TOKEN"), "abc,def");
    assert_absent(setting_get(&from, "HOOKLINE_EXTRA"));
    config_free(c);
}

static void test_config_says_what_was_expected_and_what_came(void **state)
{
    (void)state;
    refuses("HOOKLINE_THREADS", "many", "HOOKLINE_THREADS: expected a whole number, from 0 to 64, got \"many\"");
    refuses("HOOKLINE_THREADS", "65", "HOOKLINE_THREADS: expected a whole number, from 0 to 64, got \"65\"");
    refuses("HOOKLINE_MIGRATE", "maybe", "HOOKLINE_MIGRATE: expected on or off, got \"maybe\"");
    refuses("HOOKLINE_LISTEN", "8080", "HOOKLINE_LISTEN: expected host:port or [v6]:port, got \"8080\"");
    refuses("HOOKLINE_LOG_LEVEL", "loud", "HOOKLINE_LOG_LEVEL: expected debug, info, warn or error, got \"loud\"");
    refuses("HOOKLINE_TRUSTED_PROXIES", "10.0.0.0/33",
            "HOOKLINE_TRUSTED_PROXIES: expected addresses or networks such as 10.0.0.0/8, separated by commas, "
            "got \"10.0.0.0/33\"");
    refuses("HOOKLINE_TLS_LISTEN", "0.0.0.0:443",
            "HOOKLINE_TLS_LISTEN: expected HOOKLINE_TLS_CERT and HOOKLINE_TLS_KEY beside it, got no certificate");
}

static void test_config_never_says_a_secret(void **state)
{
    (void)state;
    refuses("HOOKLINE_SECRET_NUMBER", "hunter2", "HOOKLINE_SECRET_NUMBER: expected a whole number, got something else");
}

static void test_config_checks_every_type(void **state)
{
    static const struct {
        const char *name;
        const char *good[8];
        const char *bad[12];
    } rows[] = {
        {"HOOKLINE_LISTEN",
         {"localhost:1", "0.0.0.0:65535", "[::1]:80", "a-b.c_d:0"},
         {":80", "h:", "h:65536", "h:-1", "h:+1", "::1:80", "[::1]", "[::1]x:80", "[h]:80", "h h:1", "h:80x",
          "[::1:80"}},
        {"HOOKLINE_MAX_BODY",
         {"1", "1K", "2m", "1G"},
         {"0", "-1", "K", "1.5M", "2G", "1KB", "1 K", "99999999999999999999"}},
        {"HOOKLINE_DRAIN_DELAY",
         {"0", "0.5", "3600", " 1 "},
         {"-1", "3601", "1s", "nan", "inf", "1e3", ".", "1.2.3", "0x1"}},
        {"HOOKLINE_FREE_SECONDS", {"0", "999999999"}, {"-1", "9999999999", "99999999999999999999999999999999999999"}},
        {"HOOKLINE_COMMIT_DEADLINE", {"0.05"}, {"0", "0.0"}},
        {"HOOKLINE_MIGRATE", {"1", "0", "True", "off", "NO"}, {"2", "y", "enabled"}},
        {"HOOKLINE_TRUSTED_PROXIES",
         {"10.0.0.0/8", "::1", "fd00::/8 , 127.0.0.1"},
         {"none", "10.0.0.0/", "10.0.0/8", "::1/129", "10.0.0.0/-1", "10.0.0.0/+1", "a,b", "127.0.0.1,"}},
        {"HOOKLINE_PUBLIC_URL",
         {"http://h", "https://h:8443/a/b", "https://[::1]:1/", "https://h/"},
         {"h", "ftp://h", "https://", "https:///x", "https://u:p@h", "https://h?x", "https://h/#f", "https://h:x",
          "https://h /", "https://h:99999", "https://[h]"}},
        {"HOOKLINE_LOG_FORMAT", {"auto", "JSON", "text"}, {"xml"}},
        {"HOOKLINE_MAX_BATCH", {"1", "4096"}, {"0", "4097", "1.0", "1K"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = 0; j < COUNT(rows[i].good) && rows[i].good[j]; j++)
            if (!takes(rows[i].name, rows[i].good[j]))
                fail_msg("%s=%s is refused", rows[i].name, rows[i].good[j]);
        for (size_t j = 0; j < COUNT(rows[i].bad) && rows[i].bad[j]; j++)
            if (takes(rows[i].name, rows[i].bad[j]))
                fail_msg("%s=%s is taken", rows[i].name, rows[i].bad[j]);
    }
}

/* ---- NAME_FILE ---- */

static void write_file(const char *bytes, size_t len)
{
    int fd;

    (void)snprintf(path, sizeof(path), "/tmp/config_test.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    (void)close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

static void file_gives(const char *bytes, size_t len, const char *expected)
{
    config_t *c;

    write_file(bytes, len);
    set("EXTRA_TOKEN_FILE", path);
    c = config_read(NULL);
    assert_int_equal(c != NULL, expected != NULL);
    if (c && expected) {
        assert_str(config_text(c, "EXTRA_TOKEN"), expected);
        assert_true(config_is_set(c, "EXTRA_TOKEN"));
    }
    config_free(c);
    (void)unlink(path);
}

static void test_config_reads_values_from_files(void **state)
{
    static char large[65537];

    (void)state;
    file_gives("secret\n", 7, "secret");
    file_gives("secret\r\n", 8, "secret");
    file_gives("two\nlines\n\n", 11, "two\nlines\n");
    file_gives("bare", 4, "bare");
    file_gives("", 0, NULL);
    file_gives("\n", 1, NULL);
    file_gives("a\0b", 3, NULL);
    memset(large, 'x', sizeof(large));
    file_gives(large, sizeof(large), NULL);
}

static void test_config_refuses_a_name_beside_its_file(void **state)
{
    (void)state;
    write_file("x", 1);
    set("EXTRA_TOKEN_FILE", path);
    refuses("EXTRA_TOKEN", "y", "EXTRA_TOKEN and EXTRA_TOKEN_FILE: expected one of them, got both");
    assert_true(takes("EXTRA_TOKEN", ""));
}

static void test_config_says_which_file_is_missing(void **state)
{
    (void)state;
    refuses("EXTRA_TOKEN_FILE", "/nonexistent",
            "EXTRA_TOKEN_FILE: expected a file that holds the value, got \"/nonexistent\": No such file or directory");
}

/* ---- names and printing ---- */

static void collect(void *ctx, const char *name)
{
    buf_t *out = ctx;

    buf_printf(out, "%s ", name);
}

static void test_config_lists_names_that_nobody_knows(void **state)
{
    buf_t out = BUF_EMPTY;

    (void)state;
    set("HOOKLINE_LISTEN", "h:1");
    set("HOOKLINE_LISTEN_FILE", "");
    set("HOOKLINE_MAX_BODDY", "1");
    set("OTHER", "1");
    set("HOOKLINE_EXTRA_FILE", "x");
    set("HOOKLINE_FILE", "x");
    config_unknown(collect, &out);
    assert_str(buf_str(&out), "HOOKLINE_MAX_BODDY HOOKLINE_FILE ");
    buf_clear(&out);
}

static void count_row(void *ctx, const char *section, const setting_t *s)
{
    size_t *count = ctx;

    assert_non_null(section);
    assert_non_null(s->help);
    ++*count;
}

static void test_config_prints_every_row(void **state)
{
    buf_t out = BUF_EMPTY;
    size_t rows = 0, lines = 0;
    str_t rest, line;

    (void)state;
    settings_each(count_row, &rows);
    config_print(&out, true);
    for (rest = buf_str(&out); str_split(&rest, '\n', &line);)
        lines += str_starts(line, STR("| `"));
    assert_int_equal(lines, rows);
    buf_addc(&out, '\0');
    assert_non_null(strstr(out.base, "### Extra\n\n| setting | default | what it is |\n| --- | --- | --- |\n"
                                     "| `EXTRA_TOKEN` |  | A \\| secret (secret; reloads) |\n"));
    assert_non_null(strstr(out.base, "| `HOOKLINE_IDLE_TIMEOUT` | `75 s` | "));
    out.len = 0;
    config_print(&out, false);
    buf_addc(&out, '\0');
    assert_non_null(strstr(out.base, "Extra\n  EXTRA_TOKEN "));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_config_has_defaults, set_up),
        cmocka_unit_test_setup(test_config_reads_the_environment, set_up),
        cmocka_unit_test_setup(test_config_gives_a_provider_its_texts, set_up),
        cmocka_unit_test_setup(test_config_says_what_was_expected_and_what_came, set_up),
        cmocka_unit_test_setup(test_config_never_says_a_secret, set_up),
        cmocka_unit_test_setup(test_config_checks_every_type, set_up),
        cmocka_unit_test_setup(test_config_reads_values_from_files, set_up),
        cmocka_unit_test_setup_teardown(test_config_refuses_a_name_beside_its_file, set_up, remove_file),
        cmocka_unit_test_setup(test_config_says_which_file_is_missing, set_up),
        cmocka_unit_test_setup(test_config_lists_names_that_nobody_knows, set_up),
        cmocka_unit_test_setup(test_config_prints_every_row, set_up),
    };

    settings_add(SECTIONS, COUNT(SECTIONS));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
