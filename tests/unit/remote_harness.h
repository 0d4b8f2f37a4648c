/* remote_harness.h – a provider's API under test: the access, what steps ask, what answers mean, and whole passes. */
#ifndef HOOKLINE_TESTS_REMOTE_HARNESS_H
#define HOOKLINE_TESTS_REMOTE_HARNESS_H

#include "provider_harness.h"

/* ---- the access ---- */

static inline void *access_or_null(const provider_t *p, const test_setting_t *settings, err_t *err)
{
    setting_source_t source = {get_test_setting, settings};

    memset(err, 0, sizeof(*err));
    return p->remote->access_new(&source, err);
}

static inline void *access_of(const provider_t *p, const test_setting_t *settings)
{
    err_t err;
    void *access = access_or_null(p, settings, &err);

    if (!access)
        fail_msg("no access: %s", err.detail);
    return access;
}

/* detail: what the error says; NULL: there is none, since no key is set. */
static inline void assert_no_access(const provider_t *p, const test_setting_t *settings, const char *detail)
{
    err_t err;

    assert_null(access_or_null(p, settings, &err));
    assert_int_equal(err.code, detail ? ERR_CONFIG : ERR_NONE);
    if (detail && !strstr(err.detail, detail))
        fail_msg("expected \"%s\" in: %s", detail, err.detail);
}

/* That it is refused, because of this setting, and that its value is not told. */
static inline void assert_bad_setting(const provider_t *p, const test_setting_t *settings, const char *name,
                                      const char *value)
{
    err_t err;

    assert_no_access(p, settings, name);
    (void)access_or_null(p, settings, &err);
    if (strlen(value) > sizeof("https://"))
        assert_null(strstr(err.detail, value));
}

/* ---- what is asked ---- */

static inline int64_t at(const char *iso8601)
{
    int64_t us = time_from_iso8601(str_from(iso8601));

    assert_int_not_equal(us, TIME_NONE);
    return us;
}

static inline remote_page_t begin_pass(const provider_t *p, const void *access, const char *resource, int64_t from_us,
                                       int64_t to_us)
{
    remote_page_t page;

    remote_page_init(&page, test_arena);
    p->remote->begin(access, resource, from_us, to_us, &page);
    return page;
}

static inline remote_request_t request_of(const provider_t *p, const void *access, const remote_step_t *step,
                                          int64_t now_us)
{
    remote_request_t r;
    err_t err;

    memset(&r, 0xa5, sizeof(r));
    if (!p->remote->ask(access, step, now_us, test_arena, &r, &err))
        fail_msg("step %s: %s", step->what, err.detail);
    assert_false(r.once);
    return r;
}

static inline str_t field_of(const remote_request_t *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (str_eq(r->fields[i].name, str_from(name)))
            return r->fields[i].value;
    return STR_NONE;
}

/* The address of a GET that has this field, one for what is accepted, and nothing else. */
static inline str_t url_of(const provider_t *p, const void *access, const remote_step_t *step, const char *field,
                           const char *value)
{
    remote_request_t r = request_of(p, access, step, 0);

    assert_string_equal(r.method, "GET");
    assert_absent(r.body);
    assert_int_equal(r.n_fields, 2);
    assert_str(r.fields[0].name, "accept");
    assert_str(r.fields[0].value, "application/json");
    assert_str(r.fields[1].name, field);
    assert_str(r.fields[1].value, value);
    return r.url;
}

static inline void assert_not_asked(const provider_t *p, const void *access, const remote_step_t *step)
{
    remote_request_t r;
    err_t err = {.code = ERR_NONE};

    assert_false(p->remote->ask(access, step, 0, test_arena, &r, &err));
    assert_int_equal(err.code, ERR_UNKNOWN_SHAPE);
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

/* ---- what answers mean ---- */

/* The fixture of that name among the API's answers. */
static inline str_t api_answer(const provider_t *p, const char *name)
{
    return fixture(arena_printf(test_arena, "%s/api-answer.%s.json", p->name, name).base);
}

/* field: of the answer, beside its type; NULL: none. */
static inline bool try_read_with(const provider_t *p, const void *access, const remote_step_t *step, str_t body,
                                 const char *field, const char *value, remote_page_t *page, err_t *err)
{
    const remote_field_t fields[] = {{STR("content-type"), STR("application/json")},
                                     {str_from(field), str_from(value)}};
    const remote_response_t response = {.status = 200, .fields = fields, .n_fields = field ? 2 : 1, .body = body};

    remote_page_init(page, test_arena);
    memset(err, 0, sizeof(*err));
    return p->remote->read(access, step, &response, page, err);
}

static inline bool try_read(const provider_t *p, const void *access, const remote_step_t *step, str_t body,
                            remote_page_t *page, err_t *err)
{
    return try_read_with(p, access, step, body, NULL, NULL, page, err);
}

static inline remote_page_t read_page_with(const provider_t *p, const void *access, const remote_step_t *step,
                                           str_t body, const char *field, const char *value)
{
    remote_page_t page;
    err_t err;

    if (!try_read_with(p, access, step, body, field, value, &page, &err))
        fail_msg("step %s: %s", step->what, err.detail);
    return page;
}

static inline remote_page_t read_page(const provider_t *p, const void *access, const remote_step_t *step, str_t body)
{
    return read_page_with(p, access, step, body, NULL, NULL);
}

static inline void assert_unreadable(const provider_t *p, const void *access, const remote_step_t *step, str_t body,
                                     err_code_t code)
{
    remote_page_t page;
    err_t err;

    if (try_read(p, access, step, body, &page, &err))
        fail_msg("was read: " STR_FMT, STR_ARG(body));
    assert_int_equal(err.code, code);
    assert_true(err.detail[0]);
}

/* ---- what is on a page ---- */

static inline const remote_find_t *find_at(const remote_page_t *page, size_t i)
{
    const remote_find_t *f = page->finds;

    while (f && i--)
        f = f->next;
    assert_non_null(f);
    return f;
}

static inline const remote_follow_t *follow_at(const remote_page_t *page, size_t i)
{
    const remote_follow_t *f = page->follows;

    while (f && i--)
        f = f->next;
    assert_non_null(f);
    return f;
}

static inline const remote_skip_t *skip_at(const remote_page_t *page, size_t i)
{
    const remote_skip_t *s = page->skips;

    while (s && i--)
        s = s->next;
    assert_non_null(s);
    return s;
}

static inline size_t count_finds(const remote_page_t *page)
{
    size_t n = 0;

    for (const remote_find_t *f = page->finds; f; f = f->next)
        n++;
    return n;
}

static inline size_t count_follows(const remote_page_t *page)
{
    size_t n = 0;

    for (const remote_follow_t *f = page->follows; f; f = f->next)
        n++;
    return n;
}

static inline size_t count_skips(const remote_page_t *page)
{
    size_t n = 0;

    for (const remote_skip_t *s = page->skips; s; s = s->next)
        n++;
    return n;
}

/* How many of each are on the page. */
static inline void assert_page(const remote_page_t *page, size_t finds, size_t follows, size_t skips, size_t seen)
{
    assert_int_equal(count_finds(page), finds);
    assert_int_equal(count_follows(page), follows);
    assert_int_equal(count_skips(page), skips);
    assert_int_equal(page->seen, seen);
}

/* What was found becomes a delivery that its provider understands, about that call. */
static inline delivery_t *deliver_found(const provider_t *p, const remote_find_t *f)
{
    delivery_t *d = deliver(p, f->route, BODY_JSON, f->payload);

    if (d->error.base)
        fail_msg("%s: " STR_FMT, f->route, STR_ARG(d->error));
    assert_str(d->call_id, arena_dup(test_arena, f->id).base);
    assert_true(d->event_key.len > 0);
    return d;
}

static inline void assert_understood(const provider_t *p, const remote_page_t *page)
{
    for (const remote_find_t *f = page->finds; f; f = f->next)
        delivery_free(deliver_found(p, f));
}

/* ---- a whole pass, one step after the other ---- */

typedef struct walk {
    const provider_t *provider;
    const void *access;
    str_t (*serve)(void *api, const remote_request_t *r, arena_t *a);
    void (*note)(void *api, const remote_find_t *f);
    void *api;
    size_t requests;
} walk_t;

static inline void walk_steps(walk_t *w, const remote_follow_t *steps)
{
    const remote_t *remote = w->provider->remote;

    for (; steps; steps = steps->next) {
        arena_t *a = arena_new(65536);
        remote_request_t request;
        remote_response_t response = {.status = 200};
        remote_page_t page;
        err_t err;

        remote_page_init(&page, a);
        assert_true(++w->requests < 100000);
        assert_true(remote->ask(w->access, &steps->step, 0, a, &request, &err));
        response.body = w->serve(w->api, &request, a);
        if (!remote->read(w->access, &steps->step, &response, &page, &err))
            fail_msg("%s: %s", steps->step.what, err.detail);
        for (const remote_find_t *f = page.finds; f; f = f->next)
            w->note(w->api, f);
        walk_steps(w, page.follows);
        arena_free(a);
    }
}

static inline void walk_pass(walk_t *w, int64_t from_us, int64_t to_us)
{
    remote_page_t first = begin_pass(w->provider, w->access, "calls", from_us, to_us);

    walk_steps(w, first.follows);
}

#endif
