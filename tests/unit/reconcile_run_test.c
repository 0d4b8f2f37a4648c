/* reconcile_run_test.c – a run over a provider that is made up, with a ledger in memory and a transport that answers
 * from a script and keeps the clock: nobody waits. */
#include "reconcile/run.h"

#include "base/clock.h"
#include "base/json.h"
#include "reconcile/find.h"
#include "unit.h"

#include <stdatomic.h>
#include <stdio.h>

#define DAY     (INT64_C(86400) * US_PER_S)
#define MOST    200                              /* requests */
#define LAST_US (INT64_C(1767000000) * US_PER_S) /* when a call without an end was last heard of */

/* ---- the world: what the script says, and what was seen ---- */

typedef struct world {
    /* the transport */
    int64_t now_us, answer_us;                         /* after which an answer comes */
    void (*script)(str_t url, int count, answer_t *a); /* fills in status, body … */
    buf_t body;                                        /* the script's own */
    bool silent;                                       /* nothing is answered, and after a while it is told to stop */
    int requests, received, most_in_flight;
    answer_t *answers[MOST];
    int64_t sent_us[MOST];
    char urls[MOST][80];
    _Atomic bool stop;
    /* the ledger */
    window_t *left;
    step_t *left_steps[4];
    size_t n_left_steps;
    const char *known_mark;
    err_code_t commit_fails;
    int marks;
    int commits, commits_meanwhile; /* of those, while another request was under way */
    int restarts, asked_once, failed_steps, renewals;
    size_t planned, covered, failed;
    size_t deliveries;
    char last_key[120], last_reason[60], keys[400];
    cell_t last_end;
    int64_t watermark_us, planned_watermark_us;
    const char *stale; /* ids, each with a blank after it */
    bool forgets;      /* the provider knows calls only while they live */
    int stale_asked;
    char end[16];
} world_t;

static world_t w;

/* ---- the ledger, in memory ---- */

struct ledger {
    int unused;
};

bool ledger_renew(ledger_t *l, const report_t *r, err_t *err)
{
    (void)l;
    (void)r;
    (void)err;
    w.renewals++;
    return true;
}

bool ledger_is_canceled(const ledger_t *l)
{
    (void)l;
    return false;
}

bool ledger_end(ledger_t *l, const char *status, const report_t *r, err_t *err)
{
    (void)l;
    (void)r;
    (void)err;
    (void)snprintf(w.end, sizeof(w.end), "%s", status);
    return true;
}

bool ledger_watermark(ledger_t *l, const char *resource, int64_t *us, err_t *err)
{
    (void)l;
    (void)resource;
    (void)err;
    *us = w.watermark_us;
    return true;
}

bool ledger_left(ledger_t *l, const ledger_wish_t *wish, ledger_work_t *out, err_t *err)
{
    (void)l;
    (void)err;
    *out = (ledger_work_t){.windows = NULL};
    if (!w.left)
        return true;
    out->windows = mem_alloc(sizeof(*out->windows));
    out->windows[out->n_windows++] = w.left;
    w.left->resource = wish->resource;
    out->steps = mem_alloc((w.n_left_steps + 1) * sizeof(*out->steps));
    for (size_t i = 0; i < w.n_left_steps; i++) {
        out->steps[out->n_steps++] = w.left_steps[i];
        w.left_steps[i]->window = w.left;
        w.left->open++;
    }
    w.left = NULL;
    return true;
}

bool ledger_plan(ledger_t *l, const ledger_plan_t *plan, err_t *err)
{
    (void)l;
    (void)err;
    w.planned += plan->n_windows;
    w.planned_watermark_us = plan->watermark_us;
    for (size_t i = 0; i < plan->n_steps; i++)
        plan->steps[i]->id = (int64_t)i + 1;
    return true;
}

bool ledger_restart(ledger_t *l, window_t *window, step_t **steps, size_t n_steps, err_t *err)
{
    (void)l;
    (void)window;
    (void)steps;
    (void)err;
    w.restarts++;
    return n_steps > 0;
}

bool ledger_window_end(ledger_t *l, window_t *window, err_t *err)
{
    (void)l;
    (void)err;
    if (window->error[0])
        w.failed++;
    else
        w.covered++;
    return true;
}

bool ledger_commit(ledger_t *l, ledger_page_t *page, err_t *err)
{
    (void)l;
    if (w.commit_fails != ERR_NONE)
        return err_set(err, w.commit_fails, "it was made to fail");
    w.commits++;
    w.marks += page->step->mark.base && !page->step->unsettled;
    w.commits_meanwhile += w.requests > w.received;
    w.deliveries += page->n_deliveries;
    page->touched = arena_alloc(page->arena, (page->n_deliveries + 1) * sizeof(*page->touched));
    for (size_t i = 0; i < page->n_deliveries; i++) {
        const delivery_t *d = page->deliveries[i];

        assert_int_equal(d->way, WAY_RECONCILE);
        (void)snprintf(w.last_key, sizeof(w.last_key), STR_FMT, STR_ARG(d->event_key));
        for (const fact_t *fact = d->facts.first; fact; fact = fact->next)
            w.last_end = fact->cells[CALL_ENDED_AT];
        (void)snprintf(w.keys + strlen(w.keys), sizeof(w.keys) - strlen(w.keys), "%s ", w.last_key);
        (void)snprintf(w.last_reason, sizeof(w.last_reason), STR_FMT, STR_ARG(d->error));
        if (d->call_id.base)
            page->touched[page->n_touched++] = (touched_t){
                .provider = STR("made_up"), .call_id = arena_dup(page->arena, d->call_id), .became = BECAME_NEW};
    }
    for (size_t i = 0; w.known_mark && i < page->n_follows; i++)
        page->known[i] = str_eq(page->follows[i]->mark, str_from(w.known_mark));
    return true;
}

bool ledger_step_asked(ledger_t *l, const step_t *s, err_t *err)
{
    (void)l;
    (void)s;
    (void)err;
    w.asked_once++;
    return true;
}

bool ledger_step_failed(ledger_t *l, const step_t *s, const char *why, err_t *err)
{
    (void)l;
    (void)s;
    (void)why;
    (void)err;
    w.failed_steps++;
    return true;
}

bool ledger_stale(ledger_t *l, int64_t age_us, size_t most, arena_t *a, open_call_t **calls, size_t *count, err_t *err)
{
    (void)l;
    (void)most;
    (void)err;
    assert_int_equal(age_us, 3 * 3600 * US_PER_S);
    w.stale_asked++;
    *count = 0;
    *calls = arena_alloc(a, MOST * sizeof(**calls));
    for (str_t left = str_from(w.stale), id; str_split(&left, ' ', &id);)
        if (id.len)
            (*calls)[(*count)++] = (open_call_t){id, LAST_US};
    return true;
}

/* ---- the transport ---- */

static int64_t now(void *ctx)
{
    (void)ctx;
    return w.now_us;
}

static bool send_it(void *ctx, const remote_request_t *r, void *ticket, err_t *err)
{
    arena_t *arena = arena_new(1024);
    answer_t *a = arena_zalloc(arena, sizeof(*a));

    (void)ctx;
    (void)err;
    *a = (answer_t){.ticket = ticket, .came = true, .sent = true, .response.status = 200, .arena = arena};
    a->response.body = STR("{}");
    assert_true(w.requests < MOST);
    (void)snprintf(w.urls[w.requests], sizeof(w.urls[0]), STR_FMT, STR_ARG(r->url));
    w.sent_us[w.requests] = w.now_us;
    w.answers[w.requests++] = a;
    w.script(r->url, w.requests, a);
    if (w.requests - w.received > w.most_in_flight)
        w.most_in_flight = w.requests - w.received;
    return true;
}

/* In the order of asking, each so long after the one before. */
static answer_t *receive(void *ctx, int64_t until_us)
{
    (void)ctx;
    if (w.received < w.requests && !w.silent) {
        w.now_us += w.answer_us;
        return w.answers[w.received++];
    }
    w.now_us = until_us > w.now_us ? until_us : w.now_us + 1;
    if (w.silent)
        atomic_store(&w.stop, true);
    return NULL;
}

/* ---- the provider: {"items": [{"id"}], "next": cursor, "details": [{"id", "mark"}], "gone": true,
 * "skipped": true} ---- */

static bool normalise(delivery_t *d, err_t *err)
{
    str_t id = json_str(d->root, "id");

    if (!id.base)
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an id");
    d->event_key = arena_printf(d->arena, "item:" STR_FMT, STR_ARG(id));
    d->call_id = id;
    (void)fact_call(&d->facts, id);
    return true;
}

static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    remote_step_t step = {.what = "list", .from_us = from_us, .to_us = to_us};

    (void)access;
    (void)resource;
    remote_then(out, &step, STR_NONE);
}

static bool one(const void *access, str_t call_id, arena_t *a, remote_step_t *out)
{
    (void)access;
    (void)a;
    *out = (remote_step_t){.what = "one", .from_us = TIME_NONE, .to_us = TIME_NONE, .id = call_id};
    if (w.forgets)
        *out = (remote_step_t){.what = "living", .from_us = TIME_NONE, .to_us = TIME_NONE};
    return !str_starts(call_id, STR("other"));
}

static bool ask(const void *access, const remote_step_t *step, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    (void)access;
    (void)now_us;
    (void)err;
    *out = (remote_request_t){
        .method = "GET",
        .url = arena_printf(a, "%s/" STR_FMT "/" STR_FMT, step->what, STR_ARG(step->id), STR_ARG(step->cursor)),
        .once = strcmp(step->what, "pay") == 0,
    };
    return true;
}

static bool read_it(const void *access, const remote_step_t *step, const remote_response_t *r, remote_page_t *out,
                    err_t *err)
{
    cJSON *root = json_parse(out->arena, r->body, err);
    str_t next = root ? json_str(root, "next") : STR_NONE;
    remote_step_t then = {.what = step->what, .from_us = step->from_us, .to_us = step->to_us, .cursor = next};

    (void)access;
    if (!root)
        return false;
    (void)json_bool(root, "gone", &out->gone);
    if (json_at(root, "skipped"))
        remote_skipped(out, "unreadable", STR_NONE);
    for (const cJSON *i = json_at(root, "items") ? json_at(root, "items")->child : NULL; i; i = i->next) {
        out->seen++;
        (void)remote_found(out, "api", json_print(out->arena, i), json_str(i, "id"), TIME_NONE);
    }
    if (next.base)
        remote_then(out, &then, STR_NONE);
    for (const cJSON *i = json_at(root, "details") ? json_at(root, "details")->child : NULL; i; i = i->next) {
        remote_step_t detail = {.what = json_str(i, "what").base ? json_str(i, "what").base : "detail",
                                .from_us = TIME_NONE,
                                .to_us = TIME_NONE,
                                .id = json_str(i, "id")};

        remote_then(out, &detail, json_str(i, "mark"));
    }
    return true;
}

static const remote_resource_t RESOURCES[] = {{.name = "calls", .overlap_us = 60 * US_PER_S}};
static const remote_t REMOTE = {
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .most_at_once = 2,
    .least_gap_us = 50 * US_PER_MS,
    .begin = begin,
    .one = one,
    .ask = ask,
    .read = read_it,
};
static const setting_t SETTINGS[] = {{.name = "MADE_UP_WEBHOOK_SECRET", .secret = true},
                                     {.name = "MADE_UP_API_KEY", .secret = true},
                                     {.name = "MADE_UP_URL"}};
static const hook_route_t ROUTES[] = {{.name = "api"}};
static const provider_t MADE_UP = {
    .name = "made_up",
    .title = "Made Up",
    .settings = SETTINGS,
    .n_settings = COUNT(SETTINGS),
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .normalise = normalise,
    .remote = &REMOTE,
};

/* ---- a run ---- */

static report_t report;

static void reset(void)
{
    report_clear(&report);
    memset(&w, 0, sizeof(w));
    w.now_us = 1000 * US_PER_S;
    w.answer_us = 10 * US_PER_MS;
    w.watermark_us = clock_wall_us() - 300 * US_PER_S; /* so that there is one window */
    w.commit_fails = ERR_NONE;
}

static run_status_t run_with(void (*script)(str_t url, int count, answer_t *a), const char *resource)
{
    transport_t transport = {.now_us = now, .send = send_it, .receive = receive};
    ledger_t ledger = {0};
    remote_t remote = REMOTE;
    provider_t provider = MADE_UP;
    run_options_t o = {
        .provider = &provider,
        .transport = &transport,
        .ledger = &ledger,
        .resource = resource,
        .since_us = TIME_NONE,
        .until_us = TIME_NONE,
        .reach_us = DAY,
        .overlap_us = TIME_NONE,
        .stale_us = 3 * 3600 * US_PER_S,
        .stop = &w.stop,
    };
    run_status_t status;

    remote.forgets_ended = w.forgets;
    provider.remote = &remote;
    w.script = script;
    status = run_make(&o, &report);
    for (int i = w.received; i < w.requests; i++)
        arena_free(w.answers[i]->arena);
    assert_string_equal(w.end, run_status_name(status));
    return status;
}

static void say(answer_t *a, const char *body)
{
    a->response.body = arena_dup(a->arena, str_from(body));
}

static bool is_url(str_t url, const char *text)
{
    return str_eq(url, str_from(text));
}

static bool has_error(const char *part)
{
    for (size_t i = 0; i < report.n_errors; i++)
        if (strstr(report.errors[i], part))
            return true;
    return false;
}

/* ---- pages ---- */

static void two_pages(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"items\": [{\"id\": \"a\"}, {\"id\": \"b\"}], \"next\": \"2\"}");
    else if (is_url(url, "list//2"))
        say(a, "{\"items\": [{\"id\": \"c\"}]}");
}

static void test_every_page_is_read_and_the_window_covered(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(two_pages, NULL), RUN_DONE);
    assert_int_equal(w.requests, 2);
    assert_int_equal(w.deliveries, 3);
    assert_int_equal(report.fetched, 3);
    assert_int_equal(report.calls[BECAME_NEW], 3);
    assert_int_equal(w.covered, 1);
    assert_int_equal(report.all_errors, 0);
    assert_true(w.planned_watermark_us > w.watermark_us);
}

static void twice(str_t url, int count, answer_t *a)
{
    (void)count;
    say(a,
        is_url(url, "list//") ? "{\"items\": [{\"id\": \"a\"}, {\"id\": \"a\"}, {\"id\": \"a\", \"more\": 1}]}" : "{}");
}

static void test_the_same_object_twice_is_a_duplicate_and_one_that_says_more_is_not(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(twice, NULL), RUN_DONE);
    assert_int_equal(report.fetched, 3);
    assert_int_equal(report.duplicate, 1);
    assert_int_equal(w.deliveries, 2);
    assert_int_equal(report.calls[BECAME_NEW], 1);
}

static void with_details(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"items\": [{\"id\": \"a\"}], \"next\": \"2\", \"details\": [{\"id\": \"a\", \"mark\": \"old\"},"
               " {\"id\": \"b\", \"mark\": \"new\"}, {\"id\": \"b\", \"mark\": \"new\"}]}");
}

static void test_details_come_before_the_next_page_and_only_once(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(with_details, NULL), RUN_DONE);
    assert_int_equal(w.requests, 4);
    assert_string_equal(w.urls[1], "detail/a/");
    assert_string_equal(w.urls[2], "detail/b/");
    assert_string_equal(w.urls[3], "list//2");
    assert_int_equal(report.all_errors, 0);
}

static void test_what_has_not_changed_is_not_asked_for(void **state)
{
    (void)state;
    reset();
    w.known_mark = "old";
    assert_int_equal(run_with(with_details, NULL), RUN_DONE);
    assert_int_equal(w.requests, 3);
    assert_string_equal(w.urls[1], "detail/b/");
}

static void not_an_item(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"items\": [{\"no\": \"id\"}, {\"id\": \"a\"}]}");
}

static void test_what_cannot_be_understood_is_kept_and_told(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(not_an_item, NULL), RUN_DONE);
    assert_int_equal(w.deliveries, 2);
    assert_int_equal(report.dead, 1);
    assert_true(has_error("expected an id"));
    assert_int_equal(w.covered, 1);
}

/* ---- manners ---- */

static void many(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"details\": [{\"id\": \"a\"}, {\"id\": \"b\"}, {\"id\": \"c\"}, {\"id\": \"d\"}, {\"id\": \"e\"}]}");
}

static void test_it_asks_no_more_at_once_and_no_faster_than_the_provider_allows(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(many, NULL), RUN_DONE);
    assert_int_equal(w.requests, 6);
    assert_in_range(w.most_in_flight, 1, 2);
    for (int i = 1; i < w.requests; i++)
        assert_true(w.sent_us[i] - w.sent_us[i - 1] >= REMOTE.least_gap_us);
}

static void test_the_next_request_is_under_way_while_a_page_is_committed(void **state)
{
    (void)state;
    reset();
    w.answer_us = 60 * US_PER_MS;
    assert_int_equal(run_with(many, NULL), RUN_DONE);
    assert_int_equal(w.commits, 6);
    assert_int_equal(w.commits_meanwhile, 4); /* not the list's, nor the last one's: nothing else is known of then */
}

static void busy_later(str_t url, int count, answer_t *a)
{
    static const remote_field_t WAIT[] = {{{"retry-after", 11}, {"30", 2}}};

    many(url, count, a);
    if (count != 2)
        return;
    a->response.status = 429;
    a->response.fields = WAIT;
    a->response.n_fields = COUNT(WAIT);
}

static void test_but_not_where_it_is_told_to_wait(void **state)
{
    (void)state;
    reset();
    w.answer_us = 60 * US_PER_MS;
    assert_int_equal(run_with(busy_later, NULL), RUN_DONE);
    assert_int_equal(w.requests, 7);
    assert_true(w.sent_us[2] - w.sent_us[1] >= 30 * US_PER_S);
}

static void busy_first(str_t url, int count, answer_t *a)
{
    static const remote_field_t WAIT[] = {{{"retry-after", 11}, {"30", 2}}};

    if (count > 1) {
        two_pages(url, count, a);
        return;
    }
    a->response.status = 429;
    a->response.fields = WAIT;
    a->response.n_fields = COUNT(WAIT);
}

static void test_it_waits_for_as_long_as_it_is_told_and_keeps_its_lease(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(busy_first, NULL), RUN_DONE);
    assert_true(w.sent_us[1] - w.sent_us[0] >= 30 * US_PER_S);
    assert_int_equal(w.deliveries, 3);
    assert_true(w.renewals > 20);
}

static void broken(str_t url, int count, answer_t *a)
{
    if (count <= 2)
        say(a, "{\"items\": [{\"id\"");
    else
        two_pages(url, count, a);
}

static void test_an_answer_cut_short_is_asked_for_again(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(broken, NULL), RUN_DONE);
    assert_int_equal(w.requests, 4);
    assert_int_equal(w.deliveries, 3);
}

static void always_500(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "detail/b/"))
        a->response.status = 500;
    else
        many(url, count, a);
}

static void test_a_step_that_goes_on_failing_fails_its_window_and_the_others_go_on(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(always_500, NULL), RUN_FAILED);
    assert_int_equal(w.failed_steps, 1);
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.commits, 5);
    assert_int_equal(w.requests, 1 + 4 + 8);
    assert_true(has_error("detail b: the provider answers 500, again and again"));
}

static void refused(str_t url, int count, answer_t *a)
{
    many(url, count, a);
    if (count == 2)
        a->response.status = 401;
}

static void test_a_refused_key_ends_the_run_and_names_the_setting(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(refused, NULL), RUN_FAILED);
    assert_true(w.requests <= 4);
    assert_true(has_error("Made Up answers 401: check MADE_UP_API_KEY"));
    assert_false(has_error("WEBHOOK"));
    assert_int_equal(w.covered + w.failed, 0); /* another run goes on with it */
}

static void paid(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"details\": [{\"id\": \"a\", \"what\": \"pay\"}]}");
    else if (is_url(url, "pay/a/"))
        a->came = false;
}

static void test_what_must_not_be_asked_twice_is_asked_once(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(paid, NULL), RUN_FAILED);
    assert_int_equal(w.requests, 2);
    assert_int_equal(w.asked_once, 1);
    assert_true(has_error("is not asked for again"));
}

static void test_nor_is_it_by_a_later_run(void **state)
{
    remote_step_t pay = {.what = "pay", .from_us = TIME_NONE, .to_us = TIME_NONE, .id = STR("a")};

    (void)state;
    reset();
    w.left = mem_zalloc(sizeof(*w.left));
    w.left_steps[w.n_left_steps++] = step_new(&pay, STR_NONE, NULL);
    w.left_steps[0]->id = 7;
    w.left_steps[0]->asked = true;
    assert_int_equal(run_with(paid, NULL), RUN_FAILED);
    for (int i = 0; i < w.requests; i++)
        assert_string_not_equal(w.urls[i], "pay/a/");
    assert_true(has_error("not known: not asked again"));
}

/* ---- lists that do not end ---- */

static void in_a_circle(str_t url, int count, answer_t *a)
{
    (void)url;
    say(a, count % 2 ? "{\"items\": [{\"id\": \"a\"}], \"next\": \"2\"}"
                     : "{\"items\": [{\"id\": \"b\"}], \"next\": \"3\"}");
    if (count > 2)
        say(a, "{\"items\": [{\"id\": \"c\"}], \"next\": \"2\"}");
}

static void test_a_cursor_that_leads_back_ends_the_list_and_is_told(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(in_a_circle, NULL), RUN_FAILED);
    assert_int_equal(w.requests, 3);
    assert_int_equal(w.deliveries, 3);
    assert_int_equal(w.failed, 1);
    assert_true(has_error("leads back to a page"));
}

static void the_same_for_ever(str_t url, int count, answer_t *a)
{
    (void)url;
    a->response.body =
        arena_printf(a->arena, "{\"items\": [{\"id\": \"a\"}], \"next\": \"%d\"}", count); /* never the same cursor */
}

static void test_a_page_that_repeats_ends_the_list_and_is_told(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(the_same_for_ever, NULL), RUN_FAILED);
    assert_int_equal(w.requests, 2);
    assert_true(has_error("repeats itself"));
}

/* ---- the database ---- */

static void test_a_page_that_cannot_be_committed_ends_the_run(void **state)
{
    (void)state;
    reset();
    w.commit_fails = ERR_STORE_DOWN;
    assert_int_equal(run_with(two_pages, NULL), RUN_FAILED);
    assert_int_equal(w.requests, 1);
    assert_true(has_error("a page could not be committed"));
}

static void test_a_page_that_postgresql_refuses_fails_alone(void **state)
{
    (void)state;
    reset();
    w.commit_fails = ERR_CONTENT;
    w.stale = "x ";
    assert_int_equal(run_with(two_pages, NULL), RUN_FAILED);
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.requests, 2); /* the call without an end, too */
}

static void test_what_an_earlier_run_has_left_is_gone_on_with(void **state)
{
    remote_step_t rest = {.what = "list", .from_us = 0, .to_us = 1, .cursor = STR("2")};

    (void)state;
    reset();
    w.left = mem_zalloc(sizeof(*w.left));
    w.left_steps[w.n_left_steps++] = step_new(&rest, STR_NONE, NULL);
    assert_int_equal(run_with(two_pages, NULL), RUN_DONE);
    assert_int_equal(w.restarts, 0);
    assert_int_equal(w.covered, 2);
    assert_int_equal(w.requests, 1 + 2); /* the old one's second page, and all of what is new */
}

static void test_what_has_failed_often_is_begun_anew(void **state)
{
    remote_step_t rest = {.what = "list", .from_us = 0, .to_us = 1, .cursor = STR("expired")};

    (void)state;
    reset();
    w.left = mem_zalloc(sizeof(*w.left));
    w.left->to_us = 1;
    w.left->tries = 3;
    w.left_steps[w.n_left_steps++] = step_new(&rest, STR_NONE, NULL);
    assert_int_equal(run_with(two_pages, NULL), RUN_DONE);
    assert_int_equal(w.restarts, 1);
    for (int i = 0; i < w.requests; i++)
        assert_string_not_equal(w.urls[i], "list//expired");
}

/* ---- calls without an end ---- */

static void none_known(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "one/x/"))
        a->response.status = 404;
}

static void test_a_call_that_the_provider_does_not_know_has_failed_by_inference(void **state)
{
    (void)state;
    reset();
    w.stale = "x ";
    assert_int_equal(run_with(none_known, NULL), RUN_DONE);
    assert_int_equal(w.deliveries, 1);
    assert_string_equal(w.last_key, "inferred:x:unknown_to_provider");
    assert_int_equal(w.last_end.version, 0); /* it is not known to have ended then: whether it ever was is not */
    assert_string_equal(w.last_reason, "");
}

static void still_known(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "one/x/"))
        say(a, "{\"items\": [{\"id\": \"x\"}]}");
}

static void test_a_call_that_it_knows_is_what_it_says(void **state)
{
    (void)state;
    reset();
    w.stale = "x ";
    assert_int_equal(run_with(still_known, NULL), RUN_DONE);
    assert_string_equal(w.last_key, "item:x");
}

static void nobody_home(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "one/x/"))
        a->response.status = 500;
}

static void test_of_a_call_that_nobody_answers_for_nothing_is_concluded(void **state)
{
    (void)state;
    reset();
    w.stale = "x ";
    (void)run_with(nobody_home, NULL);
    assert_int_equal(w.deliveries, 0);
}

/* What is known of a call while it lives is known of all at once. */
static void three_live(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "living//"))
        say(a, "{\"items\": [{\"id\": \"b\"}, {\"id\": \"new\"}, {\"id\": \"d\"}], \"details\": [{\"id\": \"b\"}]}");
}

static void test_of_calls_that_are_forgotten_as_they_end_one_request_tells_which_live(void **state)
{
    (void)state;
    reset();
    w.forgets = true;
    w.stale = "a b other1 c d e other2 ";
    assert_int_equal(run_with(three_live, NULL), RUN_DONE);
    assert_int_equal(w.requests, 2);
    assert_string_equal(w.urls[1], "living//");
    assert_int_equal(w.deliveries, 3);
    assert_non_null(strstr(w.keys, "inferred:a:ended_unseen "));
    assert_non_null(strstr(w.keys, "inferred:c:ended_unseen "));
    assert_non_null(strstr(w.keys, "inferred:e:ended_unseen "));
    assert_int_equal(w.last_end.version, version_of(RANK_INFERRED, 0));
    assert_int_equal(w.last_end.number, LAST_US);
    assert_int_equal(w.commits, 2);
    assert_int_equal(report.all_errors, 0);
}

static void test_none_is_asked_about_where_none_can_be(void **state)
{
    (void)state;
    reset();
    w.forgets = true;
    w.stale = "other1 other2 ";
    assert_int_equal(run_with(three_live, NULL), RUN_DONE);
    assert_int_equal(w.requests, 1);
    assert_int_equal(w.deliveries, 0);
}

static void no_such_address(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "living//"))
        a->response.status = 404;
}

static void test_a_list_of_what_lives_that_is_not_there_ends_no_call(void **state)
{
    (void)state;
    reset();
    w.forgets = true;
    w.stale = "a b ";
    (void)run_with(no_such_address, NULL);
    assert_int_equal(w.requests, 2);
    assert_int_equal(w.deliveries, 0);
    assert_true(has_error("living: the provider answers 404"));
}

static void one_row_unreadable(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "living//"))
        say(a, "{\"items\": [{\"id\": \"b\"}], \"skipped\": true}");
}

static void test_nor_does_one_of_which_a_row_cannot_be_read(void **state)
{
    (void)state;
    reset();
    w.forgets = true;
    w.stale = "a b ";
    (void)run_with(one_row_unreadable, NULL);
    assert_int_equal(w.deliveries, 0);
    assert_true(has_error("nothing is concluded"));
}

static void nothing_there(str_t url, int count, answer_t *a)
{
    (void)url;
    (void)count;
    a->response.status = 404;
}

/* As with an address that is wrong, or a proxy that answers for a server that is away. */
static void test_where_no_list_is_given_nothing_is_concluded_of_any_call(void **state)
{
    (void)state;
    reset();
    w.stale = "x y ";
    assert_int_equal(run_with(nothing_there, NULL), RUN_FAILED);
    assert_int_equal(w.requests, 1);
    assert_int_equal(w.deliveries, 0);
}

static void the_first_is_anothers(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "one/x/"))
        a->response.status = 403;
    else if (!is_url(url, "list//"))
        a->response.status = 404;
}

static void test_one_call_that_is_not_given_does_not_keep_others_from_being_asked_about(void **state)
{
    (void)state;
    reset();
    w.stale = "x y z ";
    assert_int_equal(run_with(the_first_is_anothers, NULL), RUN_DONE);
    assert_string_equal(w.keys, "inferred:y:unknown_to_provider inferred:z:unknown_to_provider ");
    assert_true(has_error("one x: the provider answers 403"));
}

static void the_first_has_no_name_there(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "one/x/"))
        a->response.status = 400;
    else if (!is_url(url, "list//"))
        a->response.status = 404;
}

static void test_an_id_that_the_provider_does_not_take_is_counted_and_no_error_of_every_run(void **state)
{
    (void)state;
    reset();
    w.stale = "x y ";
    assert_int_equal(run_with(the_first_has_no_name_there, NULL), RUN_DONE);
    assert_string_equal(w.keys, "inferred:y:unknown_to_provider ");
    assert_int_equal(report.all_errors, 0);
    assert_int_equal(report.n_skips, 1);
    assert_string_equal(report.skips[0].reason, "id_not_taken");
}

static void one_detail_is_anothers(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"items\": [{\"id\": \"a\"}], \"next\": \"2\", \"details\": [{\"id\": \"a\"}, {\"id\": \"b\"}]}");
    else if (is_url(url, "list//2"))
        say(a, "{\"items\": [{\"id\": \"c\"}]}");
    else if (is_url(url, "detail/a/"))
        a->response.status = 403;
    else if (is_url(url, "detail/b/"))
        say(a, "{\"items\": [{\"id\": \"b\"}]}");
}

/* It would be asked about first by every run from then on. */
static void test_nor_does_one_detail_that_is_not_given_keep_the_others_from_being_read(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(one_detail_is_anothers, NULL), RUN_FAILED);
    assert_int_equal(w.deliveries, 3);
    assert_int_equal(w.failed_steps, 1);
    assert_int_equal(w.failed, 1);
    assert_true(has_error("detail a: the provider answers 403"));
}

static void no_detail_is_given(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        a->response.body = arena_dup(a->arena, buf_str(&w.body));
    else
        a->response.status = 403;
}

static void test_but_a_key_that_may_read_none_is_said_to_be_so(void **state)
{
    (void)state;
    reset();
    for (int i = 0; i < 100; i++)
        buf_printf(&w.body, "%s{\"id\": \"%d\"}", i ? ", " : "{\"details\": [", i);
    buf_add(&w.body, STR("]}"));
    assert_int_equal(run_with(no_detail_is_given, NULL), RUN_FAILED);
    assert_true(w.requests < 50);
    assert_true(has_error("Made Up answers 403: check MADE_UP_API_KEY, and what that key may do"));
    buf_clear(&w.body);
}

static void a_detail_is_gone(str_t url, int count, answer_t *a)
{
    (void)count;
    if (is_url(url, "list//"))
        say(a, "{\"details\": [{\"id\": \"a\", \"mark\": \"1\"}]}");
    else
        a->response.status = 404;
}

/* A list may know it before the rest of the provider does. */
static void test_what_is_listed_and_not_there_is_asked_for_again_by_the_next_run(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_with(a_detail_is_gone, NULL), RUN_DONE);
    assert_int_equal(w.commits, 2);
    assert_int_equal(w.marks, 0);
}

static void test_who_asks_for_one_resource_gets_that_one(void **state)
{
    (void)state;
    reset();
    w.stale = "x ";
    assert_int_equal(run_with(two_pages, "calls"), RUN_DONE);
    assert_int_equal(w.stale_asked, 0);
}

static void test_it_stops_when_told_and_leaves_its_windows(void **state)
{
    (void)state;
    reset();
    w.silent = true;
    assert_int_equal(run_with(two_pages, NULL), RUN_CANCELED);
    assert_int_equal(w.covered + w.failed, 0);
}

static int clear(void **state)
{
    (void)state;
    report_clear(&report);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_is_read_and_the_window_covered),
        cmocka_unit_test(test_the_same_object_twice_is_a_duplicate_and_one_that_says_more_is_not),
        cmocka_unit_test(test_details_come_before_the_next_page_and_only_once),
        cmocka_unit_test(test_what_has_not_changed_is_not_asked_for),
        cmocka_unit_test(test_what_cannot_be_understood_is_kept_and_told),
        cmocka_unit_test(test_it_asks_no_more_at_once_and_no_faster_than_the_provider_allows),
        cmocka_unit_test(test_the_next_request_is_under_way_while_a_page_is_committed),
        cmocka_unit_test(test_but_not_where_it_is_told_to_wait),
        cmocka_unit_test(test_it_waits_for_as_long_as_it_is_told_and_keeps_its_lease),
        cmocka_unit_test(test_an_answer_cut_short_is_asked_for_again),
        cmocka_unit_test(test_a_step_that_goes_on_failing_fails_its_window_and_the_others_go_on),
        cmocka_unit_test(test_a_refused_key_ends_the_run_and_names_the_setting),
        cmocka_unit_test(test_what_must_not_be_asked_twice_is_asked_once),
        cmocka_unit_test(test_nor_is_it_by_a_later_run),
        cmocka_unit_test(test_a_cursor_that_leads_back_ends_the_list_and_is_told),
        cmocka_unit_test(test_a_page_that_repeats_ends_the_list_and_is_told),
        cmocka_unit_test(test_a_page_that_cannot_be_committed_ends_the_run),
        cmocka_unit_test(test_a_page_that_postgresql_refuses_fails_alone),
        cmocka_unit_test(test_what_an_earlier_run_has_left_is_gone_on_with),
        cmocka_unit_test(test_what_has_failed_often_is_begun_anew),
        cmocka_unit_test(test_a_call_that_the_provider_does_not_know_has_failed_by_inference),
        cmocka_unit_test(test_a_call_that_it_knows_is_what_it_says),
        cmocka_unit_test(test_of_a_call_that_nobody_answers_for_nothing_is_concluded),
        cmocka_unit_test(test_of_calls_that_are_forgotten_as_they_end_one_request_tells_which_live),
        cmocka_unit_test(test_none_is_asked_about_where_none_can_be),
        cmocka_unit_test(test_a_list_of_what_lives_that_is_not_there_ends_no_call),
        cmocka_unit_test(test_nor_does_one_of_which_a_row_cannot_be_read),
        cmocka_unit_test(test_where_no_list_is_given_nothing_is_concluded_of_any_call),
        cmocka_unit_test(test_one_call_that_is_not_given_does_not_keep_others_from_being_asked_about),
        cmocka_unit_test(test_an_id_that_the_provider_does_not_take_is_counted_and_no_error_of_every_run),
        cmocka_unit_test(test_nor_does_one_detail_that_is_not_given_keep_the_others_from_being_read),
        cmocka_unit_test(test_but_a_key_that_may_read_none_is_said_to_be_so),
        cmocka_unit_test(test_what_is_listed_and_not_there_is_asked_for_again_by_the_next_run),
        cmocka_unit_test(test_who_asks_for_one_resource_gets_that_one),
        cmocka_unit_test(test_it_stops_when_told_and_leaves_its_windows),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, clear);
}
