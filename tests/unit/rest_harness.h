/* rest_harness.h – a provider's API under test: steps, what they ask, what answers mean, and whole passes. */
#ifndef HOOKLINE_TESTS_REST_HARNESS_H
#define HOOKLINE_TESTS_REST_HARNESS_H

#include "provider_harness.h"

/* ---- the access ---- */

static inline void *access_or_null(const remote_t *remote, const test_setting_t *settings, err_t *err)
{
    setting_source_t source = {get_test_setting, settings};

    memset(err, 0, sizeof(*err));
    return remote->access_new(&source, err);
}

static inline void *access_of(const remote_t *remote, const test_setting_t *settings)
{
    err_t err;
    void *access = access_or_null(remote, settings, &err);

    if (!access)
        fail_msg("no access: %s", err.detail);
    return access;
}

/* That it is refused, because of this setting, and that its value is not told. */
static inline void assert_bad_setting(const remote_t *remote, const test_setting_t *settings, const char *name,
                                      const char *value)
{
    err_t err;

    assert_null(access_or_null(remote, settings, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.detail, name));
    if (strlen(value) > sizeof("https://"))
        assert_null(strstr(err.detail, value));
}

/* ---- one step ---- */

static inline int64_t at(const char *iso8601)
{
    int64_t us = time_from_iso8601(str_from(iso8601));

    assert_int_not_equal(us, TIME_NONE);
    return us;
}

static inline remote_request_t asked(const remote_t *remote, const void *access, const remote_step_t *s)
{
    remote_request_t r;
    err_t err;

    memset(&r, 0xa5, sizeof(r));
    if (!remote->ask(access, s, at("2026-11-21T12:00:00Z"), test_arena, &r, &err))
        fail_msg("%s: %s", s->what, err.detail);
    return r;
}

/* A GET of this address, with these fields and nothing else: name, value … */
static inline void assert_asks(const remote_t *remote, const void *access, const remote_step_t *s, const char *url,
                               const char *field, const char *value)
{
    remote_request_t r = asked(remote, access, s);

    assert_string_equal(r.method, "GET");
    assert_str(r.url, url);
    assert_absent(r.body);
    assert_false(r.once);
    assert_int_equal(r.n_fields, 2);
    assert_str(r.fields[0].name, "accept");
    assert_str(r.fields[0].value, "application/json");
    assert_str(r.fields[1].name, field);
    assert_str(r.fields[1].value, value);
}

static inline void assert_not_asked(const remote_t *remote, const void *access, const remote_step_t *s)
{
    remote_request_t r;
    err_t err = {.code = ERR_NONE};

    assert_false(remote->ask(access, s, 0, test_arena, &r, &err));
    assert_int_equal(err.code, ERR_UNKNOWN_SHAPE);
}

static inline remote_page_t read_with(const remote_t *remote, const void *access, const remote_step_t *s, str_t body,
                                      const char *date)
{
    const remote_field_t fields[] = {{STR("content-type"), STR("application/json")}, {STR("date"), str_from(date)}};
    const remote_response_t r = {.status = 200, .fields = fields, .n_fields = date ? 2 : 1, .body = body};
    remote_page_t page;
    err_t err;

    remote_page_init(&page, test_arena);
    if (!remote->read(access, s, &r, &page, &err))
        fail_msg("%s: %s", s->what, err.detail);
    return page;
}

static inline remote_page_t read_answer_of(const remote_t *remote, const void *access, const remote_step_t *s,
                                           str_t body)
{
    return read_with(remote, access, s, body, NULL);
}

static inline void assert_unreadable(const remote_t *remote, const void *access, const remote_step_t *s, str_t body,
                                     err_code_t code)
{
    const remote_response_t r = {.status = 200, .body = body};
    remote_page_t page;
    err_t err = {.code = ERR_NONE};

    remote_page_init(&page, test_arena);
    assert_false(remote->read(access, s, &r, &page, &err));
    assert_int_equal(err.code, code);
    assert_true(err.detail[0]);
}

/* ---- what came of it ---- */

static inline size_t count_finds(const remote_page_t *p)
{
    size_t n = 0;

    for (const remote_find_t *f = p->finds; f; f = f->next)
        n++;
    return n;
}

static inline size_t count_follows(const remote_page_t *p)
{
    size_t n = 0;

    for (const remote_follow_t *f = p->follows; f; f = f->next)
        n++;
    return n;
}

static inline size_t count_skips(const remote_page_t *p)
{
    size_t n = 0;

    for (const remote_skip_t *s = p->skips; s; s = s->next)
        n++;
    return n;
}

static inline void assert_counts(const remote_page_t *p, size_t seen, size_t finds, size_t follows, size_t skips)
{
    assert_int_equal(p->seen, seen);
    assert_int_equal(count_finds(p), finds);
    assert_int_equal(count_follows(p), follows);
    assert_int_equal(count_skips(p), skips);
    assert_false(p->gone);
}

static inline const remote_find_t *find_at(const remote_page_t *p, size_t place)
{
    const remote_find_t *f = p->finds;

    while (f && place--)
        f = f->next;
    assert_non_null(f);
    return f;
}

static inline const remote_follow_t *follow_at(const remote_page_t *p, size_t place)
{
    const remote_follow_t *f = p->follows;

    while (f && place--)
        f = f->next;
    assert_non_null(f);
    return f;
}

/* That each is a delivery that its provider understands, about that call. */
static inline void assert_understood(const provider_t *p, const remote_page_t *page)
{
    for (const remote_find_t *f = page->finds; f; f = f->next) {
        delivery_t *d = deliver(p, f->route, BODY_JSON, f->payload);

        if (d->error.base)
            fail_msg("%s: " STR_FMT, f->route, STR_ARG(d->error));
        assert_true(str_eq(d->call_id, f->id));
        assert_true(d->event_key.len > 0);
        delivery_free(d);
    }
}

/* ---- a whole pass, one step after the other ---- */

typedef struct walk {
    const remote_t *remote;
    const void *access;
    str_t (*serve)(void *api, const remote_request_t *r, arena_t *a);
    void (*note)(void *api, const remote_find_t *f);
    void *api;
    size_t requests;
} walk_t;

static inline void walk_steps(walk_t *w, const remote_follow_t *steps)
{
    for (; steps; steps = steps->next) {
        arena_t *a = arena_new(65536);
        remote_request_t request;
        remote_response_t response = {.status = 200};
        remote_page_t page;
        err_t err;

        remote_page_init(&page, a);
        assert_true(++w->requests < 100000);
        assert_true(w->remote->ask(w->access, &steps->step, 0, a, &request, &err));
        response.body = w->serve(w->api, &request, a);
        if (!w->remote->read(w->access, &steps->step, &response, &page, &err))
            fail_msg("%s: %s", steps->step.what, err.detail);
        for (const remote_find_t *f = page.finds; f; f = f->next)
            w->note(w->api, f);
        walk_steps(w, page.follows);
        arena_free(a);
    }
}

static inline void walk_pass(walk_t *w, int64_t from_us, int64_t to_us)
{
    remote_page_t first;

    remote_page_init(&first, test_arena);
    w->remote->begin(w->access, "calls", from_us, to_us, &first);
    walk_steps(w, first.follows);
}

/* The value of a parameter in a query; absent where it is not there. */
static inline str_t query_of(str_t url, const char *name)
{
    str_t rest = str_slice(url, str_find(url, '?') + 1, url.len), pair;
    size_t len = strlen(name);

    while (str_split(&rest, '&', &pair))
        if (pair.len > len && memcmp(pair.base, name, len) == 0 && pair.base[len] == '=')
            return str_slice(pair, len + 1, pair.len);
    return STR_NONE;
}

#endif
