/* remote_harness.h – what a provider's API is asked, and what is read of its answers. */
#ifndef HOOKLINE_TESTS_REMOTE_HARNESS_H
#define HOOKLINE_TESTS_REMOTE_HARNESS_H

#include "provider_harness.h"

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

static inline void assert_no_access(const provider_t *p, const test_setting_t *settings, const char *detail)
{
    err_t err;

    assert_null(access_or_null(p, settings, &err));
    assert_int_equal(err.code, detail ? ERR_CONFIG : ERR_NONE);
    if (detail && !strstr(err.detail, detail))
        fail_msg("expected \"%s\" in: %s", detail, err.detail);
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

static inline bool try_read(const provider_t *p, const void *access, const remote_step_t *step, str_t body,
                            remote_page_t *page, err_t *err)
{
    remote_response_t response = {.status = 200, .body = body};

    remote_page_init(page, test_arena);
    memset(err, 0, sizeof(*err));
    return p->remote->read(access, step, &response, page, err);
}

static inline remote_page_t read_page(const provider_t *p, const void *access, const remote_step_t *step, str_t body)
{
    remote_page_t page;
    err_t err;

    if (!try_read(p, access, step, body, &page, &err))
        fail_msg("step %s: %s", step->what, err.detail);
    return page;
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

/* How many of each are on the page. */
static inline void assert_page(const remote_page_t *page, size_t finds, size_t follows, size_t skips, size_t seen)
{
    size_t n = 0;

    for (const remote_find_t *f = page->finds; f; f = f->next)
        n++;
    assert_int_equal(n, finds);
    n = 0;
    for (const remote_follow_t *f = page->follows; f; f = f->next)
        n++;
    assert_int_equal(n, follows);
    n = 0;
    for (const remote_skip_t *s = page->skips; s; s = s->next)
        n++;
    assert_int_equal(n, skips);
    assert_int_equal(page->seen, seen);
}

/* What was found becomes a delivery. */
static inline delivery_t *deliver_found(const provider_t *p, const remote_find_t *f)
{
    delivery_t *d = deliver(p, f->route, BODY_JSON, f->payload);

    assert_absent(d->error);
    assert_str(d->call_id, arena_dup(test_arena, f->id).base);
    return d;
}

#endif
