/* audit_command.c – `hookline audit`: of which providers, since when, and what came of it, for people. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "command.h"
#include "provider.h"
#include "reconcile/audit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SHOWN   20 /* of one list */
#define MOST_FIELDS  8  /* of one call */
#define MOST_OF_TEXT 60 /* bytes of one value */

enum { EXIT_EQUAL, EXIT_DIFFERS, EXIT_USAGE, EXIT_UNKNOWN };

/* ---- the arguments ---- */

typedef struct request {
    const provider_t **providers; /* room for all */
    size_t n_providers;
    int64_t since_us;
    bool all, json;
} request_t;

static bool is_named(const request_t *q, const provider_t *p)
{
    for (size_t i = 0; i < q->n_providers; i++)
        if (q->providers[i] == p)
            return true;
    return false;
}

static bool complain_of_provider(str_t name, bool has_none, err_t *err)
{
    buf_t names = BUF_EMPTY;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote)
            buf_printf(&names, "%s%s", names.len ? ", " : "", PROVIDERS[i]->name);
    err_set(err, ERR_CONFIG,
            has_none ? "--provider: " STR_FMT " has no API to compare with; there are " STR_FMT
                     : "--provider: there is no \"" STR_FMT "\"; there are " STR_FMT,
            STR_ARG(name), STR_ARG(buf_str(&names)));
    buf_clear(&names);
    return false;
}

static bool take_providers(void *request, const char *text, err_t *err)
{
    request_t *q = request;
    str_t rest = str_from(text), name;

    while (str_split(&rest, ',', &name)) {
        const provider_t *p = provider_find(str_trim(name));

        if (!p || !p->remote)
            return complain_of_provider(name, p != NULL, err);
        if (!is_named(q, p))
            q->providers[q->n_providers++] = p;
    }
    return true;
}

static bool take_since(void *request, const char *text, err_t *err)
{
    request_t *q = request;

    return command_read_time("--since", text, &q->since_us, err) &&
           (q->since_us <= clock_wall_us() || err_set(err, ERR_CONFIG, "--since: %s has not come yet", text));
}

static const command_option_t OPTIONS[] = {
    {"--provider", OPTION_TAKE, 0, take_providers},
    {"--since", OPTION_TAKE, 0, take_since},
    {"--all", OPTION_FLAG, offsetof(request_t, all), NULL},
    {"--json", OPTION_FLAG, offsetof(request_t, json), NULL},
};
static const command_usage_t USAGE = {.options = OPTIONS, .n_options = COUNT(OPTIONS)};

/* ---- for people ---- */

static void print_value(str_t s)
{
    size_t end = s.len;

    if (!s.base) {
        printf("nothing");
        return;
    }
    if (s.len > MOST_OF_TEXT)
        for (end = MOST_OF_TEXT; end && ((unsigned char)s.base[end] & 0xc0) == 0x80;)
            end--; /* not within a character */
    command_print_safely(str_slice(s, 0, end));
    if (end < s.len)
        printf("…");
}

static void print_fields(const audit_entry_t *e, bool all)
{
    size_t shown = 0, more = 0;

    for (const audit_field_t *f = e->fields; f; f = f->next) {
        if (!all && shown == MOST_FIELDS) {
            more++;
            continue;
        }
        shown++;
        printf("      ");
        command_print_safely(f->name);
        printf(": here ");
        print_value(f->here);
        printf(", there ");
        print_value(f->there);
        printf("\n");
    }
    if (more)
        printf("      … and %zu more fields\n", more);
}

static void print_entry(const audit_entry_t *e, bool all)
{
    char text[32];

    printf("    ");
    command_print_safely(e->id);
    if (e->about.base) {
        printf("  ");
        command_print_safely(e->about);
    }
    if (e->at_us != TIME_NONE) {
        (void)time_to_iso8601(e->at_us, text);
        printf("  %.19sZ", text);
    }
    if (e->why.base)
        printf("  " STR_FMT, STR_ARG(e->why));
    printf("\n");
    print_fields(e, all);
}

static void print_list(const char *title, const audit_list_t *list, bool all)
{
    uint64_t shown = 0;

    if (!list->count)
        return;
    printf("  %s\n", title);
    for (const audit_entry_t *e = list->first; e && (all || shown < MOST_SHOWN); e = e->next, shown++)
        print_entry(e, all);
    if (list->count > shown)
        printf("    … and %" PRIu64 " more%s\n", list->count - shown, all ? "" : " (--all shows them)");
}

static const char *const TITLES[AUDIT_LIST_COUNT] = {
    [AUDIT_ONLY_THERE] = "only there",
    [AUDIT_ONLY_HERE] = "only here",
    [AUDIT_DIFFERING] = "differing",
    [AUDIT_NOT_LISTABLE] = "not listable",
};

static void print_kept(const audit_provider_t *p)
{
    uint64_t count = 0;

    for (const audit_kept_t *k = p->kept; k; k = k->next)
        count += k->count;
    if (!count)
        return;
    printf("  %-14s %8" PRIu64 "  values are others here, and better:", "kept here", count);
    for (const audit_kept_t *k = p->kept; k; k = k->next)
        printf("%s %s %" PRIu64 "%s", k == p->kept ? "" : ",", k->name, k->count, k->by_hand ? " (by hand)" : "");
    printf("\n");
}

static void print_errors(const report_t *r)
{
    for (size_t i = 0; i < r->n_errors; i++) {
        printf("    - ");
        command_print_safely(str_from(r->errors[i]));
        printf("\n");
    }
}

static void print_counts(const audit_provider_t *p)
{
    printf("%s: ", p->provider->name);
    if (p->asked == AUDIT_NO_KEY) {
        printf("not asked: %s\n", p->why);
        return;
    }
    if (p->asked == AUDIT_FAILED) {
        printf("could not be compared as a whole: ");
        command_print_safely(str_from(p->why));
        printf("\n");
    } else {
        printf("%" PRIu64 " calls compared, %" PRIu64 " requests\n", p->compared, p->report.requests);
    }
    for (int i = 0; i < AUDIT_LIST_COUNT; i++)
        if (i != AUDIT_NOT_LISTABLE || p->lists[i].count)
            printf("  %-14s %8" PRIu64 "\n", TITLES[i], p->lists[i].count);
    print_kept(p);
    if (p->report.n_errors > 1)
        print_errors(&p->report);
}

static void print_check_counts(const audit_result_t *r)
{
    printf("database:\n");
    for (size_t i = 0; i < r->n_checks; i++) {
        const audit_check_t *c = &r->checks[i];

        printf("  %8" PRIu64 "  ", c->list.count);
        for (const char *at = c->name; *at; at++)
            (void)putchar(*at == '_' ? ' ' : *at);
        if (c->explained)
            printf(" (%" PRIu64 " explained)", c->explained);
        printf("\n");
    }
}

static void print_lists(const audit_result_t *r, bool all)
{
    for (size_t i = 0; i < r->n_providers; i++) {
        const audit_provider_t *p = &r->providers[i];
        uint64_t count = 0;

        for (int list = 0; list < AUDIT_LIST_COUNT; list++)
            count += p->lists[list].count;
        if (count)
            printf("\n%s\n", p->provider->name);
        for (int list = 0; list < AUDIT_LIST_COUNT; list++)
            print_list(TITLES[list], &p->lists[list], all);
    }
    for (size_t i = 0; i < r->n_checks; i++) {
        char title[64];

        (void)snprintf(title, sizeof(title), "%s", r->checks[i].name);
        for (char *at = title; *at; at++)
            *at = *at == '_' ? ' ' : *at;
        if (r->checks[i].list.count)
            printf("\ndatabase\n");
        print_list(title, &r->checks[i].list, all);
    }
}

static void print_verdict(const audit_result_t *r)
{
    if (!audit_is_complete(r))
        printf("\nnot everything could be compared%s\n", audit_differs(r) ? ", and something differs" : "");
    else
        printf("\n%s\n", audit_differs(r) ? "something differs" : "nothing differs");
}

static void print_text(const audit_result_t *r, bool all)
{
    char since[32];

    (void)time_to_iso8601(r->since_us, since);
    printf("since %.19sZ\n", since);
    for (size_t i = 0; i < r->n_providers; i++)
        print_counts(&r->providers[i]);
    print_check_counts(r);
    print_lists(r, all);
    print_verdict(r);
}

static void print_json(const audit_result_t *r)
{
    buf_t out = BUF_EMPTY;

    audit_print_json(r, &out);
    buf_addc(&out, '\n');
    (void)fwrite(out.base, 1, out.len, stdout);
    buf_clear(&out);
}

/* ---- the audit ---- */

static _Atomic bool stop;
static _Atomic int64_t end_us = INT64_MAX;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
    atomic_store(&end_us, 0);
}

/* A provider that was named and has no key could not be asked either. */
static int exit_code(const request_t *q, const audit_result_t *r)
{
    for (size_t i = 0; q->n_providers && i < r->n_providers; i++)
        if (r->providers[i].asked != AUDIT_ASKED)
            return EXIT_UNKNOWN;
    if (!audit_is_complete(r))
        return EXIT_UNKNOWN;
    return audit_differs(r) ? EXIT_DIFFERS : EXIT_EQUAL;
}

static size_t choose_providers(const request_t *q, const provider_t **out)
{
    size_t count = 0;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote && (!q->n_providers || is_named(q, PROVIDERS[i])))
            out[count++] = PROVIDERS[i];
    return count;
}

static int run(const request_t *q, const config_t *config)
{
    const provider_t **providers = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(*providers));
    setting_source_t keys = config_source(config);
    job_settings_t settings;
    audit_options_t options = {.settings = &settings,
                               .keys = &keys,
                               .fetcher = fetcher_new(),
                               .providers = providers,
                               .n_providers = choose_providers(q, providers),
                               .since_us = q->since_us,
                               .stop = &stop,
                               .end_us = &end_us};
    audit_result_t result;
    err_t err = {.code = ERR_NONE};
    int code = EXIT_UNKNOWN;

    job_settings_read(&settings, config);
    if (audit_run(&options, &result, &err)) {
        if (q->json)
            print_json(&result);
        else
            print_text(&result, q->all);
        code = exit_code(q, &result);
    } else {
        (void)command_complain(&err);
    }
    audit_result_clear(&result);
    job_settings_clear(&settings);
    fetcher_free(options.fetcher);
    free(providers);
    return code;
}

static int read_and_run(int argc, char **argv, request_t *q)
{
    config_t *config;
    err_t err = {.code = ERR_NONE};
    int code = EXIT_UNKNOWN;

    if (!command_read_arguments(&USAGE, argc, argv, q, &err)) {
        (void)command_complain(&err);
        return EXIT_USAGE;
    }
    log_start(LOG_ERROR, LOG_AUTO);
    config = command_read_config(&err);
    if (config)
        code = run(q, config);
    else
        (void)command_complain(&err);
    log_stop();
    config_free(config);
    return code;
}

int audit_command(int argc, char **argv)
{
    request_t q = {.since_us = clock_wall_us() - AUDIT_SINCE_US,
                   .providers = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(const provider_t *))};
    struct sigaction action = {.sa_handler = on_signal};
    int code;

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    code = read_and_run(argc, argv, &q);
    free(q.providers);
    return code;
}
