/* provider_harness.h – a provider under test: fixtures, settings, requests, and a delivery's way through the engine. */
#ifndef HOOKLINE_TESTS_PROVIDER_HARNESS_H
#define HOOKLINE_TESTS_PROVIDER_HARNESS_H

#include "base/json.h"
#include "ingest/understand.h"
#include "provider.h"
#include "unit.h"

#include <stdio.h>

/* Lives from one test to its end: see harness_setup. */
static arena_t *test_arena;

static inline int harness_setup(void **state)
{
    (void)state;
    json_init();
    test_arena = arena_new(65536);
    return 0;
}

static inline int harness_teardown(void **state)
{
    (void)state;
    arena_free(test_arena);
    return 0;
}

#define provider_test(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)

/* ---- fixtures ---- */

static inline str_t fixture(const char *path)
{
    char full[512];
    buf_t b = BUF_EMPTY;
    char chunk[8192];
    size_t len;
    FILE *f;
    str_t text;

    (void)snprintf(full, sizeof(full), "%s/%s", FIXTURES, path);
    f = fopen(full, "rb");
    if (!f)
        fail_msg("no fixture %s", full);
    while ((len = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append(&b, chunk, len);
    (void)fclose(f);
    text = arena_dup(test_arena, buf_str(&b));
    buf_clear(&b);
    return text;
}

static inline const cJSON *fixture_json(const char *path)
{
    err_t err;
    cJSON *root = json_parse(test_arena, fixture(path), &err);

    assert_non_null(root);
    return root;
}

/* ---- settings ---- */

typedef struct test_setting {
    const char *name, *value;
} test_setting_t;

static inline str_t get_test_setting(const void *snapshot, const char *name)
{
    for (const test_setting_t *s = snapshot; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return str_from(s->value);
    return STR_NONE;
}

static inline void *keys_or_null(const provider_t *p, const test_setting_t *settings, err_t *err)
{
    setting_source_t source = {get_test_setting, settings};

    memset(err, 0, sizeof(*err));
    return p->keys_new(&source, err);
}

static inline void *keys_of(const provider_t *p, const test_setting_t *settings)
{
    err_t err;
    void *keys = keys_or_null(p, settings, &err);

    if (!keys)
        fail_msg("no keys: %s", err.detail);
    return keys;
}
#define SETTINGS(...) ((const test_setting_t[]){__VA_ARGS__, {NULL, NULL}})

/* ---- verifying ---- */

/* The code of the refusal; ERR_NONE when it is genuine. */
static inline err_code_t verdict_of(const provider_t *p, const void *keys, const hook_request_t *r)
{
    arena_t *scratch = arena_new(4096);
    err_t err = {.code = ERR_NONE};
    bool genuine = p->verify(keys, r, scratch, &err);

    arena_free(scratch);
    if (genuine)
        return ERR_NONE;
    assert_int_not_equal(err.code, ERR_NONE);
    assert_true(err.detail[0]);
    return err.code;
}
#define assert_genuine(p, keys, r)       assert_int_equal(verdict_of(p, keys, r), ERR_NONE)
#define assert_refused(p, keys, r, code) assert_int_equal(verdict_of(p, keys, r), code)

/* ---- a delivery through the engine's hands ---- */

static inline delivery_t *deliver(const provider_t *p, const char *route, body_kind_t kind, str_t body)
{
    delivery_t *d = delivery_new(4096);
    err_t err;
    form_t form;

    d->provider = p->name;
    d->route = route;
    if (kind == BODY_FORM)
        assert_true(form_parse(d->arena, body, &form, &err));
    understand(d, p, body, kind == BODY_FORM ? &form : NULL);
    return d;
}

static inline delivery_t *deliver_fixture(const provider_t *p, const char *route, const char *path)
{
    bool is_form = str_ends_nocase(str_from(path), STR(".form"));

    return deliver(p, route, is_form ? BODY_FORM : BODY_JSON, fixture(path));
}

static inline hook_reply_t reply_with(const provider_t *p, delivery_t *d, const hook_context_t *with)
{
    hook_reply_t r = {.status = 0};

    p->reply(d, with, &r);
    return r;
}

/* Where nothing is planned, and nobody can speak. */
static inline hook_reply_t reply_to(const provider_t *p, delivery_t *d)
{
    return reply_with(p, d, &(hook_context_t){.origin = STR("https://calls.example.com")});
}

/* ---- rows: what the facts of many deliveries come to, as the store merges them ---- */

static inline fact_t *find_row(const facts_t *rows, fact_kind_t kind, const char *key)
{
    for (fact_t *f = rows->first; f; f = f->next)
        if (f->kind == kind && (!key || str_eq(f->key, str_from(key))))
            return f;
    return NULL;
}

static inline size_t count_rows(const facts_t *rows, fact_kind_t kind)
{
    size_t n = 0;

    for (const fact_t *f = rows->first; f; f = f->next)
        n += f->kind == kind;
    return n;
}

static inline void merge_into(facts_t *rows, const facts_t *facts)
{
    for (const fact_t *f = facts->first; f; f = f->next) {
        fact_t *row = rows->first;

        while (row && !(row->kind == f->kind && str_eq(row->key, f->key) && str_eq(row->call_id, f->call_id)))
            row = row->next;
        if (!row)
            row = f->kind == FACT_CALL          ? fact_call(rows, f->call_id)
                  : f->kind == FACT_PARTICIPANT ? fact_participant(rows, f->call_id, f->key)
                  : f->kind == FACT_ALIAS       ? fact_alias(rows, f->call_id, f->key)
                                                : fact_message(rows, f->call_id, f->key);
        fact_merge(row, f);
    }
}

static inline bool same_cell(column_type_t type, const cell_t *a, const cell_t *b)
{
    if (a->version != b->version)
        return false;
    if (!a->version)
        return true;
    if (type == COLUMN_INT || type == COLUMN_TIME || type == COLUMN_BOOL)
        return a->number == b->number;
    return str_eq(a->text, b->text);
}

static inline void assert_same_rows(const facts_t *a, const facts_t *b)
{
    for (const fact_t *f = a->first; f; f = f->next) {
        const fact_t *other = b->first;

        while (other && !(other->kind == f->kind && str_eq(other->key, f->key) && str_eq(other->call_id, f->call_id)))
            other = other->next;
        assert_non_null(other);
        for (size_t c = 0; c < FACT_TABLES[f->kind].count; c++)
            if (!same_cell(FACT_TABLES[f->kind].columns[c].type, &f->cells[c], &other->cells[c]))
                fail_msg("%s.%s differs", FACT_TABLES[f->kind].table, FACT_TABLES[f->kind].columns[c].name);
    }
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++)
        assert_int_equal(count_rows(a, (fact_kind_t)kind), count_rows(b, (fact_kind_t)kind));
}

/* Any order and any repeats give the rows that the given order gives. */
static inline void assert_order_free(delivery_t *const *deliveries, size_t count, uint64_t seed)
{
    facts_t want;

    facts_init(&want, test_arena);
    for (size_t i = 0; i < count; i++)
        merge_into(&want, &deliveries[i]->facts);
    for (int round = 0; round < 300; round++) {
        arena_t *a = arena_new(16384);
        facts_t rows;
        bool seen[64] = {false};
        size_t left = count;

        assert_true(count <= COUNT(seen));
        facts_init(&rows, a);
        while (left) {
            size_t i = next_random(&seed) % count; /* one already taken is a repeat */

            merge_into(&rows, &deliveries[i]->facts);
            left -= !seen[i];
            seen[i] = true;
        }
        assert_same_rows(&rows, &want);
        arena_free(a);
    }
}

/* ---- cells ---- */

static inline void assert_cell(const fact_t *f, int column, const char *want)
{
    const column_t *c = &FACT_TABLES[f->kind].columns[column];
    const cell_t *cell = &f->cells[column];
    char text[64];

    if (!want) {
        if (cell->version)
            fail_msg("%s.%s is not absent", FACT_TABLES[f->kind].table, c->name);
        return;
    }
    if (!cell->version)
        fail_msg("%s.%s is absent, expected %s", FACT_TABLES[f->kind].table, c->name, want);
    switch (c->type) {
    case COLUMN_TIME:
        assert_int_equal(time_to_iso8601(cell->number, text), strlen(want));
        assert_string_equal(text, want);
        break;
    case COLUMN_INT:
    case COLUMN_BOOL:
        (void)snprintf(text, sizeof(text), "%lld", (long long)cell->number);
        assert_string_equal(text, want);
        break;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
    case COLUMN_JSON:
        assert_str(cell->text, want);
        break;
    }
}

static inline rank_t rank_of(const fact_t *f, int column)
{
    return (rank_t)(f->cells[column].version >> 57);
}

typedef struct want_cell {
    int column;
    const char *text; /* NULL: absent */
} want_cell_t;

static inline void assert_cells(const fact_t *f, const want_cell_t *want, size_t count)
{
    assert_non_null(f);
    for (size_t i = 0; i < count; i++)
        assert_cell(f, want[i].column, want[i].text);
}
#define ASSERT_CELLS(f, ...)                                                                                           \
    assert_cells(f, (const want_cell_t[]){__VA_ARGS__}, COUNT(((const want_cell_t[]){__VA_ARGS__})))

static inline bool holds(str_t s, const char *text)
{
    return s.base && memmem(s.base, s.len, text, strlen(text)) != NULL;
}

/* A copy with one byte changed. */
static inline str_t changed(arena_t *a, str_t s, size_t at)
{
    char *copy = arena_alloc(a, s.len + 1);

    memcpy(copy, s.base, s.len);
    copy[s.len] = '\0';
    copy[at] = copy[at] == 'x' ? 'y' : 'x';
    return (str_t){copy, s.len};
}

#endif
