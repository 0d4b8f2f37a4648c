/* golden_test.c – what the engine makes of every fixture, word for word.
 *
 * Every body in tests/fixtures/PROVIDER/ goes through understand(), and what comes of it (verdict, columns of
 * call_events, facts with the rank of each value, reply) is compared with tests/unit/golden/PROVIDER.txt. A difference
 * is a change of what hookline does. Where it is meant:
 *
 *     GOLDEN=write build/tests/golden_test                         rewrites the files of all providers
 *     GOLDEN=write GOLDEN_PROVIDER=vapi build/tests/golden_test    of one
 *
 * and then every line that git shows as changed is read against the provider's documentation: nothing else tells
 * whether it is right. */
#include "golden_text.h"

#include <fts.h>

static const golden_limits_t CUT = {.value = 120, .reply = 200};
static const golden_limits_t WHOLE = {.value = SIZE_MAX, .reply = SIZE_MAX};

/* What providers' secrets are called in fixtures: see tests/fixtures/README.md. */
#define NEVER_STORED "REDACT-ME"

/* Files that are no body of a webhook, nor an object of an API, have one of these in their name. */
static const char *const NO_BODY[] = {"index", "vectors", "scenario", "preflight", "response", "api-answer"};

/* Fixtures that come by another route than "events", by the beginning of their name. */
static const struct {
    const char *provider, *prefix, *route;
} ROUTES[] = {
    {"twilio", "voice-", "voice"},
    {"vapi", "api-call", "api-call"},
    {"beyond_presence", "api-call", "api-call"},
    {"beyond_presence", "api-messages", "api-messages"},
};

/* "api-call.completed.json": an object of the API comes by the route of that name. */
static const char *api_route_of(const provider_t *p, const char *file)
{
    str_t name = str_slice(str_from(file), 0, str_find(str_from(file), '.'));

    for (size_t i = 0; i < p->n_routes; i++)
        if (!p->routes[i].path && str_eq(name, str_from(p->routes[i].name)))
            return p->routes[i].name;
    return NULL;
}

static const char *route_of(const provider_t *p, const char *file)
{
    const char *api = api_route_of(p, file);

    if (api)
        return api;
    for (size_t i = 0; i < COUNT(ROUTES); i++)
        if (strcmp(p->name, ROUTES[i].provider) == 0 && strncmp(file, ROUTES[i].prefix, strlen(ROUTES[i].prefix)) == 0)
            return ROUTES[i].route;
    return "events";
}

/* ---- fixtures ---- */

static bool is_body(const char *file)
{
    str_t name = str_from(file);

    for (size_t i = 0; i < COUNT(NO_BODY); i++)
        if (strstr(file, NO_BODY[i]))
            return false;
    return str_ends_nocase(name, STR(".form")) || str_ends_nocase(name, STR(".json"));
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

typedef void (*fixture_fn)(buf_t *out, const provider_t *p, const char *path, const char *file);

/* path: below tests/fixtures, with the provider's folder; file: the last part of it. */
static void each_fixture(const provider_t *p, fixture_fn visit, buf_t *out)
{
    char folder[512];
    char *const folders[] = {folder, NULL};
    FTS *walk;

    (void)snprintf(folder, sizeof(folder), "%s/%s", FIXTURES, p->name);
    walk = fts_open(folders, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    assert_non_null(walk);
    for (FTSENT *entry = fts_read(walk); entry; entry = fts_read(walk))
        if (entry->fts_info == FTS_F && is_body(entry->fts_name))
            visit(out, p, entry->fts_path + strlen(FIXTURES) + 1, entry->fts_name);
    (void)fts_close(walk);
}

/* ---- what comes of them ---- */

static str_t text_of(const provider_t *p, delivery_t *d, golden_limits_t limits)
{
    buf_t out = BUF_EMPTY;
    str_t text;

    put_delivery(&out, p, d, limits);
    text = arena_dup(test_arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void assert_repeatable(const provider_t *p, const char *route, const char *path, str_t whole)
{
    delivery_t *again = deliver_fixture(p, route, path);

    if (!str_eq(text_of(p, again, WHOLE), whole))
        fail_msg("%s is not understood the same the second time", path);
    delivery_free(again);
}

/* Through the journal and back: what is understood again from what was kept is the same. */
static void assert_kept(const provider_t *p, const delivery_t *d, const char *path, str_t whole)
{
    journal_entry_t entry = {.provider = str_from(d->provider),
                             .route = str_from(d->route),
                             .way = (int)d->way,
                             .received_us = d->received_us,
                             .payload = d->payload,
                             .raw = d->raw,
                             .error = d->raw.base ? d->error : STR_NONE};
    buf_t bytes = BUF_EMPTY;
    record_t record;
    delivery_t *again;

    record_write(&bytes, &entry);
    record_seal((uint8_t *)bytes.base, 7, 1);
    assert_true(record_read((uint8_t *)bytes.base, bytes.len, 7, &record));
    again = understand_again(&record.entry);
    buf_clear(&bytes);
    if (!str_eq(text_of(p, again, WHOLE), whole))
        fail_msg("%s is not understood the same once it was kept", path);
    delivery_free(again);
}

static void assert_redacted(const delivery_t *d, const char *path, str_t whole)
{
    if (holds(whole, NEVER_STORED) || holds(d->payload, NEVER_STORED) || holds(d->raw, NEVER_STORED))
        fail_msg("%s: what must not be stored is: " NEVER_STORED, path);
}

static void put_section(buf_t *out, const provider_t *p, const char *path, const char *file)
{
    const char *route = route_of(p, file);
    delivery_t *d = deliver_fixture(p, route, path);
    str_t whole = text_of(p, d, WHOLE);

    assert_repeatable(p, route, path, whole);
    assert_kept(p, d, path, whole);
    assert_redacted(d, path, whole);
    buf_printf(out, "\n== %s (%s)\n", path + strlen(p->name) + 1, route);
    buf_add(out, text_of(p, d, CUT));
    delivery_free(d);
}

/* ---- comparing ---- */

/* Takes the next section off rest: its title line and all up to the next title. What comes before the first is none. */
static bool next_section(str_t *rest, str_t *title, str_t *lines)
{
    const char *begin = rest->len ? memmem(rest->base, rest->len, "\n== ", 4) : NULL;
    const char *end = rest->base + rest->len, *next;

    if (!begin)
        return false;
    begin++;
    next = memmem(begin, (size_t)(end - begin), "\n== ", 4);
    *rest = next ? (str_t){next, (size_t)(end - next)} : STR_NONE;
    *lines = (str_t){begin, (size_t)((next ? next : end) - begin)};
    return str_split(lines, '\n', title);
}

static bool find_section(str_t text, str_t wanted, str_t *lines)
{
    str_t title;

    while (next_section(&text, &title, lines))
        if (str_eq(title, wanted))
            return true;
    return false;
}

static bool same_lines(str_t title, str_t golden, str_t found)
{
    str_t want = STR_NONE, have = STR_NONE;
    bool more_golden, more_found;

    do {
        more_golden = str_split(&golden, '\n', &want);
        more_found = str_split(&found, '\n', &have);
        if (more_golden != more_found || !str_eq(want, have)) {
            print_error(STR_FMT "\n  golden: " STR_FMT "\n  found:  " STR_FMT "\n", STR_ARG(title),
                        STR_ARG(more_golden ? want : STR("(no more lines)")),
                        STR_ARG(more_found ? have : STR("(no more lines)")));
            return false;
        }
    } while (more_golden);
    return true;
}

static size_t count_differences(str_t golden, str_t found)
{
    str_t title, lines, golden_lines;
    size_t differences = 0;

    for (str_t rest = found; next_section(&rest, &title, &lines);) {
        if (!find_section(golden, title, &golden_lines)) {
            print_error(STR_FMT "\n  is not in the golden file\n", STR_ARG(title));
            differences++;
        } else {
            differences += !same_lines(title, golden_lines, lines);
        }
    }
    for (str_t rest = golden; next_section(&rest, &title, &lines);)
        if (!find_section(found, title, &lines)) {
            print_error(STR_FMT "\n  has no fixture\n", STR_ARG(title));
            differences++;
        }
    return differences;
}

/* ---- golden files ---- */

static void golden_path(const provider_t *p, char path[512])
{
    (void)snprintf(path, 512, "%s/%s.txt", GOLDEN_FOLDER, p->name);
}

static str_t read_golden(const provider_t *p)
{
    char path[512];
    buf_t text = BUF_EMPTY;
    str_t copy;
    FILE *f;

    golden_path(p, path);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("no %s: write it by GOLDEN=write GOLDEN_PROVIDER=%s, and read what it says", path, p->name);
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        buf_addc(&text, (char)c);
    (void)fclose(f);
    copy = arena_dup(test_arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void write_golden(const provider_t *p, str_t text)
{
    char path[512];
    FILE *f;

    golden_path(p, path);
    f = fopen(path, "wb");
    if (!f)
        fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(text.base, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    print_message("wrote %s: now read it\n", path);
}

static bool is_to_be_written(const provider_t *p)
{
    const char *golden = getenv("GOLDEN"), *only = getenv("GOLDEN_PROVIDER");

    return golden && strcmp(golden, "write") == 0 && (!only || strcmp(only, p->name) == 0);
}

static void test_fixtures_are_understood_as_written(void **state)
{
    const provider_t *p = *state;
    buf_t found = BUF_EMPTY;
    size_t heading, differences;

    buf_printf(&found, "What hookline makes of the fixtures of %s. Written and compared by golden_test.c.\n", p->name);
    heading = found.len;
    each_fixture(p, put_section, &found);
    if (found.len == heading)
        fail_msg("no fixture in %s/%s", FIXTURES, p->name);
    if (is_to_be_written(p)) {
        write_golden(p, buf_str(&found));
    } else {
        differences = count_differences(read_golden(p), buf_str(&found));
        if (differences)
            fail_msg("%zu fixtures of %s are understood otherwise; if that is meant: GOLDEN=write GOLDEN_PROVIDER=%s",
                     differences, p->name, p->name);
    }
    buf_clear(&found);
}

/* One test a provider. */
int main(void)
{
    struct CMUnitTest *tests = mem_zalloc(PROVIDER_COUNT * sizeof(*tests));
    int failed;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        tests[i] = (struct CMUnitTest){
            .name = PROVIDERS[i]->name,
            .test_func = test_fixtures_are_understood_as_written,
            .setup_func = harness_setup,
            .teardown_func = harness_teardown,
            .initial_state = (void *)(uintptr_t)PROVIDERS[i],
        };
    failed = _cmocka_run_group_tests("golden", tests, PROVIDER_COUNT, NULL, NULL);
    free(tests);
    return failed;
}
