/* remote.c – an answer of the API of the provider PROVIDER (set by the build: one program each), who may be anybody:
 * what is read of it can become deliveries, and what is to be asked next goes to the address that was set, and nowhere
 * else.
 *
 * An input is lines: which kind of step was asked, its id, its cursor; then the body. */
#include "fuzz.h"

#include "ingest/understand.h"

#define BASE   "https://api.example.com"
#define NOW_US (INT64_C(1786550000) * US_PER_S)

static const provider_t *provider;
static void *access_;

static str_t get_setting(const void *snapshot, const char *name)
{
    static const struct {
        const char *end, *value;
    } VALUES[] = {{"_URL", BASE},
                  {"_ACCOUNT_SID", "AC000000000000000000000000000000ac"},
                  {"_ORGANIZATION_ID", "1700000000001x100000000000000001"},
                  {"_API_KEY", "APIkey"},
                  {"_API_SECRET", "0123456789abcdef0123456789abcdef"}};

    (void)snapshot;
    for (size_t i = 0; i < COUNT(VALUES); i++)
        if (str_ends_nocase(str_from(name), str_from(VALUES[i].end)))
            return str_from(VALUES[i].value);
    return STR_NONE;
}

static void check_printable(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        CHECK(s.base[i] >= ' ' && s.base[i] <= '~', s);
}

static void check_request(const remote_request_t *r)
{
    str_t after = str_slice(r->url, sizeof(BASE) - 1, r->url.len);

    CHECK(str_starts(r->url, STR(BASE)) && str_starts(after, STR("/")), r->url);
    CHECK(str_find(r->url, ' ') == SIZE_MAX, r->url);
    check_printable(r->url);
    CHECK(!strcmp(r->method, "GET") || !strcmp(r->method, "POST"), str_from(r->method));
    CHECK(r->n_fields <= REMOTE_MAX_HEADERS, r->url);
    for (size_t i = 0; i < r->n_fields; i++) {
        check_printable(r->fields[i].name);
        check_printable(r->fields[i].value);
    }
}

static void check_ask(arena_t *a, const remote_step_t *step)
{
    remote_request_t r = {.method = NULL};
    err_t err = {.code = ERR_NONE};

    if (provider->remote->ask(access_, step, NOW_US, a, &r, &err))
        check_request(&r);
    else
        CHECK(err.code != ERR_NONE && err.detail[0], step->cursor);
}

static const char *route_of(const remote_find_t *f)
{
    for (size_t i = 0; i < provider->n_routes; i++)
        if (strcmp(provider->routes[i].name, f->route) == 0 && !provider->routes[i].path)
            return provider->routes[i].name;
    return NULL;
}

static void check_find(arena_t *a, const remote_find_t *f)
{
    delivery_t *d = delivery_new(4096);

    CHECK(route_of(f), str_from(f->route));
    CHECK(json_parse(a, f->payload, NULL), f->payload);
    CHECK(f->at_us == TIME_NONE || f->at_us >= 0, f->payload);
    d->provider = provider->name;
    d->route = route_of(f);
    understand(d, provider, f->payload, NULL);
    CHECK(d->unstored || !str_is_empty(d->event_key), f->payload);
    CHECK(d->error.base || str_is_empty(f->id) || str_eq(d->call_id, f->id), f->payload);
    delivery_free(d);
}

static void check_page(arena_t *a, const remote_page_t *page)
{
    for (const remote_find_t *f = page->finds; f; f = f->next)
        check_find(a, f);
    for (const remote_follow_t *f = page->follows; f; f = f->next) {
        check_ask(a, &f->step);
        CHECK(is_storable(f->step.id) && is_storable(f->step.cursor) && is_storable(f->change_mark), f->step.cursor);
    }
    for (const remote_skip_t *s = page->skips; s; s = s->next)
        CHECK(s->reason && is_storable(s->id), s->id);
}

void fuzz_begin(void)
{
    setting_source_t source = {get_setting, NULL};
    err_t err;

    provider = provider_find(STR(PROVIDER));
    CHECK(provider && provider->remote, STR(PROVIDER));
    access_ = provider->remote->access_new(&source, &err);
    CHECK(access_, STR(PROVIDER));
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t what = take_line(a, &input), id = take_line(a, &input), cursor = take_line(a, &input);
    remote_step_t step = {.what = arena_dup(a, what).base,
                          .from_us = TIME_NONE,
                          .to_us = NOW_US,
                          .id = id.len ? id : STR_NONE,
                          .cursor = cursor.len ? cursor : STR_NONE};
    remote_response_t response = {.status = 200, .body = exact_copy(a, input)};
    err_t err = {.code = ERR_NONE};
    remote_page_t page;

    check_ask(a, &step);
    if (!is_storable(what) || !is_storable(id) || !is_storable(cursor))
        return; /* steps are our own, and were kept in between */
    remote_page_init(&page, a);
    if (provider->remote->read(access_, &step, &response, &page, &err))
        check_page(a, &page);
    else
        CHECK(err.code != ERR_NONE && err.detail[0], response.body);
}
