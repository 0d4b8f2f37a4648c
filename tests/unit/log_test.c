#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* Standard error becomes a pipe that the test reads. */
static int own_stderr, read_end;

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    own_stderr = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    read_end = ends[0];
    assert_true(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    (void)close(ends[1]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)dup2(own_stderr, STDERR_FILENO);
    (void)close(own_stderr);
    (void)close(read_end);
    return 0;
}

/* What has been written so far. */
static void read_some(buf_t *out)
{
    struct pollfd readable = {.fd = read_end, .events = POLLIN};

    while (poll(&readable, 1, 0) > 0 && readable.revents & POLLIN) {
        ssize_t n;
        buf_reserve(out, 65536);
        n = read(read_end, out->base + out->len, 65536);
        if (n <= 0)
            return;
        out->len += (size_t)n;
    }
}

static str_t next_line(str_t *rest)
{
    str_t line = STR_NONE;

    if (rest->len)
        (void)str_split(rest, '\n', &line);
    return line;
}

static void test_log_writes_directly_before_it_starts(void **state)
{
    arena_t *a = arena_new(0);
    buf_t out = BUF_EMPTY;
    const cJSON *root;
    err_t err;
    int64_t n;

    (void)state;
    LOG(LOG_WARN, "say \"hi\"\n", log_str("provider", STR("tw\xffilio")), log_int("n", -5),
        log_phone("from", STR("+12025550143")), log_str("absent", STR_NONE), ((log_field_t){.key = NULL}));
    LOG_PLAIN(LOG_DEBUG, "not this");
    read_some(&out);
    assert_int_equal(out.base[out.len - 1], '\n');
    root = json_parse(a, buf_str(&out), &err);
    assert_non_null(root);
    assert_true(json_iso8601(root, "time") > clock_wall_us() - 60 * US_PER_S);
    assert_str(json_str(root, "level"), "warn");
    assert_str(json_str(root, "msg"), "say \"hi\"\n");
    assert_str(json_str(root, "provider"), "tw\xef\xbf\xbdilio");
    assert_true(json_int(root, "n", &n) && n == -5);
    assert_str(json_str(root, "from"), "+*********43");
    assert_null(json_at(root, "absent"));
    buf_clear(&out);
    arena_free(a);
}

static void phone_is(const char *phone, const char *expected)
{
    arena_t *a = arena_new(0);
    buf_t out = BUF_EMPTY;

    LOG(LOG_INFO, "", log_phone("p", str_from(phone)));
    read_some(&out);
    assert_str(json_str(json_parse(a, buf_str(&out), NULL), "p"), expected);
    buf_clear(&out);
    arena_free(a);
}

static void test_log_masks_phone_numbers(void **state)
{
    (void)state;
    phone_is("+1 (202) 555-0143", "+**************43");
    phone_is("sip:2025550143@example.com", "************43************");
    phone_is("1234", "****");
    phone_is("anonymous", "*********");
    phone_is("1234567890123456789012345678901234567890", "******************************12");
}

static void test_log_cuts_long_strings_and_stays_json(void **state)
{
    arena_t *a = arena_new(0);
    buf_t out = BUF_EMPTY, text = BUF_EMPTY;
    const cJSON *root;

    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_add(&text, i % 3 ? STR("\xe2\x82\xac") : STR("\x01"));
    LOG(LOG_INFO, "m", log_str("a", buf_str(&text)), log_str("b", buf_str(&text)), log_str("c", buf_str(&text)),
        log_str("d", buf_str(&text)), log_str("e", buf_str(&text)), log_int("f", 1), log_str("g", STR("z")));
    read_some(&out);
    assert_true(out.len <= 8192);
    root = json_parse(a, buf_str(&out), NULL);
    assert_non_null(root);
    assert_non_null(json_at(root, "c"));
    assert_true(str_ends_nocase(json_str(root, "a"), STR("…")));
    buf_clear(&out);
    buf_clear(&text);
    arena_free(a);
}

static void test_log_text_is_key_value_without_control_characters(void **state)
{
    buf_t out = BUF_EMPTY;

    (void)state;
    log_start(LOG_DEBUG, LOG_TEXT);
    LOG(LOG_DEBUG, "it\033[31m is", log_cstr("a", "word"), log_cstr("b", "two words"), log_cstr("c", ""),
        log_cstr("d", "x\xc2\x9b"), log_int("n", 7));
    log_stop();
    read_some(&out);
    assert_true(out.len > 25);
    assert_int_equal(out.base[23], 'Z');
    assert_str(str_slice(buf_str(&out), 24, out.len),
               " debug it\\u001b[31m is a=word b=\"two words\" d=x\xef\xbf\xbd n=7\n");
    buf_clear(&out);
}

static void test_log_uses_colours_on_a_terminal_only(void **state)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), other, before = dup(STDERR_FILENO);
    char text[512];
    ssize_t n;

    (void)state;
    (void)unsetenv("NO_COLOR");
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(other >= 0 && dup2(other, STDERR_FILENO) == STDERR_FILENO);
    log_start(LOG_INFO, LOG_AUTO);
    LOG(LOG_ERROR, "bad", log_int("n", 1));
    log_stop();
    n = read(terminal, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "\033[31merror\033[0m bad \033[90mn=\033[0m1\r\n"));
    (void)dup2(before, STDERR_FILENO);
    (void)close(before);
    (void)close(other);
    (void)close(terminal);
}

static void test_log_stop_writes_what_is_left(void **state)
{
    buf_t out = BUF_EMPTY;
    str_t rest;
    int lines = 0;

    (void)state;
    log_start(LOG_INFO, LOG_AUTO);
    for (int i = 0; i < 300; i++)
        LOG(LOG_INFO, "line", log_int("i", i));
    log_stop();
    LOG_PLAIN(LOG_INFO, "after");
    read_some(&out);
    for (rest = buf_str(&out); next_line(&rest).len;)
        lines++;
    assert_int_equal(lines, 301);
    buf_clear(&out);
}

/* ---- a reader that is too slow ---- */

static int64_t dropped(void)
{
    return metric_value(metrics_series(METRIC_LOG_DROPPED, ""));
}

static void *log_many(void *unused)
{
    for (int i = 0; i < 5000; i++)
        LOG(LOG_INFO, "a line of some length, so that the buffer fills", log_int("i", i));
    return unused;
}

static void fill_from_threads(void)
{
    pthread_t threads[4];

    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *stop(void *unused)
{
    log_stop();
    return unused;
}

static void count_lines(const buf_t *out, int64_t *lines, int64_t *said)
{
    arena_t *a = arena_new(1 << 20);
    str_t rest = buf_str(out), line;
    int64_t n;

    for (*lines = *said = 0; (line = next_line(&rest)).len; ++*lines) {
        const cJSON *root = json_parse(a, line, NULL);
        assert_non_null(root);
        if (json_int(root, "count", &n))
            *said += n;
    }
    arena_free(a);
}

static void test_log_drops_rather_than_blocks_and_says_so(void **state)
{
    int64_t before = dropped(), lines, said, own;
    buf_t out = BUF_EMPTY;
    pthread_t stopper;

    (void)state;
    log_start(LOG_INFO, LOG_JSON);
    fill_from_threads(); /* nobody reads */
    assert_true(dropped() > before);
    assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
    for (int i = 0; i < 100; i++) {
        read_some(&out);
        (void)usleep(2000);
    }
    assert_int_equal(pthread_join(stopper, NULL), 0);
    read_some(&out);
    count_lines(&out, &lines, &said);
    own = lines - (20000 - (dropped() - before));
    assert_int_equal(said, dropped() - before);
    assert_true(own >= 1);
    buf_clear(&out);
}

static void test_log_gate_opens_once_in_an_interval(void **state)
{
    log_gate_t gate = {0};
    int64_t skipped = -1;

    (void)state;
    assert_true(log_gate_open(&gate, 50 * US_PER_MS, &skipped));
    assert_int_equal(skipped, 0);
    assert_false(log_gate_open(&gate, 50 * US_PER_MS, &skipped));
    assert_false(log_gate_open(&gate, 50 * US_PER_MS, &skipped));
    (void)usleep(60000);
    assert_true(log_gate_open(&gate, 50 * US_PER_MS, &skipped));
    assert_int_equal(skipped, 2);
}

static void test_log_names_are_read(void **state)
{
    log_format_t format;
    log_level_t level;

    (void)state;
    assert_true(log_level_from(STR("WARN"), &level) && level == LOG_WARN);
    assert_false(log_level_from(STR("loud"), &level));
    assert_true(log_format_from(STR("text"), &format) && format == LOG_TEXT);
    assert_false(log_format_from(STR(""), &format));
}

/* The last: the log has no thread afterwards, as in a process that ends. */
static void test_log_stop_gives_up_on_a_stuck_reader(void **state)
{
    int64_t before;

    (void)state;
    log_start(LOG_INFO, LOG_JSON);
    fill_from_threads();
    before = clock_mono_us();
    log_stop();
    assert_true(clock_mono_us() - before < 10 * US_PER_S);
    LOG_PLAIN(LOG_INFO, "does not block");
    /* Lets the thread lose what it still holds, or it would write that to the real standard error. */
    (void)close(read_end);
    read_end = -1;
    (void)usleep(500000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_writes_directly_before_it_starts),
        TEST(test_log_masks_phone_numbers),
        TEST(test_log_cuts_long_strings_and_stays_json),
        TEST(test_log_text_is_key_value_without_control_characters),
        TEST(test_log_uses_colours_on_a_terminal_only),
        TEST(test_log_stop_writes_what_is_left),
        TEST(test_log_drops_rather_than_blocks_and_says_so),
        cmocka_unit_test(test_log_gate_opens_once_in_an_interval),
        cmocka_unit_test(test_log_names_are_read),
        TEST(test_log_stop_gives_up_on_a_stuck_reader),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
