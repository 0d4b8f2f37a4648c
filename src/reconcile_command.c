/* reconcile_command.c – `hookline reconcile`: which providers, how far it has come, and what came of it, for people. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "command.h"
#include "provider.h"
#include "reconcile/job.h"
#include "reconcile/keys.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_US     (5 * US_PER_S)    /* between lines, where there is no terminal */
#define BAR_US      (100 * US_PER_MS) /* between pictures of the bar */
#define BAR_CELLS   24
#define SHOWN_IDS   5 /* of one reason */
#define DATABASE_US (2 * US_PER_S)

/* ---- the arguments ---- */

typedef struct request {
    const provider_t *provider; /* NULL: all */
    int64_t since_us, until_us;
    const char *resource;
    bool dry, json;
} request_t;

static bool take_provider(void *request, const char *text, err_t *err)
{
    request_t *q = request;
    buf_t names = BUF_EMPTY;

    if (strcmp(text, "all") == 0)
        return true;
    q->provider = provider_find(str_from(text));
    if (q->provider && q->provider->remote)
        return true;
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote)
            buf_printf(&names, ", %s", PROVIDERS[i]->name);
    err_set(err, ERR_CONFIG,
            q->provider ? "%s has no API to fetch from; there are all" STR_FMT
                        : "there is no provider \"%s\"; there are all" STR_FMT,
            text, STR_ARG(buf_str(&names)));
    buf_clear(&names);
    return false;
}

static const command_option_t OPTIONS[] = {
    {"--since", OPTION_TIME, offsetof(request_t, since_us), NULL},
    {"--until", OPTION_TIME, offsetof(request_t, until_us), NULL},
    {"--resource", OPTION_TEXT, offsetof(request_t, resource), NULL},
    {"--dry-run", OPTION_FLAG, offsetof(request_t, dry), NULL},
    {"--json", OPTION_FLAG, offsetof(request_t, json), NULL},
};
static const command_usage_t USAGE = {OPTIONS, COUNT(OPTIONS), 1, take_provider};

static bool has_resource(const provider_t *p, const char *name)
{
    for (size_t i = 0; i < p->remote->n_resources; i++)
        if (!name || strcmp(p->remote->resources[i].name, name) == 0)
            return true;
    return false;
}

static bool is_meant(const request_t *q, const provider_t *p)
{
    return p->remote && (!q->provider || q->provider == p) && has_resource(p, q->resource);
}

static bool check_resource(const request_t *q, err_t *err)
{
    buf_t names = BUF_EMPTY;

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        const provider_t *p = PROVIDERS[i];

        if (is_meant(q, p))
            return true;
        for (size_t j = 0; p->remote && (!q->provider || q->provider == p) && j < p->remote->n_resources; j++)
            buf_printf(&names, "%s%s %s", names.len ? ", " : "", p->name, p->remote->resources[j].name);
    }
    err_set(err, ERR_CONFIG, "--resource: there is no \"%s\"; there are: " STR_FMT, q->resource,
            STR_ARG(buf_str(&names)));
    buf_clear(&names);
    return false;
}

static bool read_arguments(request_t *q, int argc, char **argv, err_t *err)
{
    if (!command_read_arguments(&USAGE, argc, argv, q, err))
        return false;
    if (q->since_us != TIME_NONE && q->until_us != TIME_NONE && q->since_us >= q->until_us)
        return err_set(err, ERR_CONFIG, "--until is not after --since");
    if (q->since_us > clock_wall_us()) /* which TIME_NONE is not */
        return err_set(err, ERR_CONFIG, "--since: that time has not come yet");
    return check_resource(q, err);
}

/* ---- how far it has come ---- */

typedef struct picture {
    bool terminal, quiet;
    int64_t next_us;
    bool drawn;
} picture_t;

static uint64_t calls_of(const report_t *r)
{
    return r->calls[BECAME_NEW] + r->calls[BECAME_UPDATED] + r->calls[BECAME_UNCHANGED];
}

/* Windows alone would stand still in a long one; what waits in it is not known beforehand. */
static double done_of(const run_progress_t *p)
{
    double all = (double)(p->report->requests + p->steps_left), steps = all > 0 ? (double)p->report->requests / all : 0;

    return p->windows ? ((double)p->windows_done + (p->windows_done < p->windows ? steps : 0)) / (double)p->windows
                      : steps;
}

static void draw_bar(const run_progress_t *p, double done, double took_s)
{
    int full = (int)(done * BAR_CELLS);

    (void)fprintf(stderr, "\r%-16s [", p->provider);
    for (int i = 0; i < BAR_CELLS; i++)
        (void)fputc(i < full ? '#' : '.', stderr);
    (void)fprintf(stderr, "] %3.0f %%  %" PRIu64 " requests, %" PRIu64 " calls (%.0f/s)", done * 100,
                  p->report->requests, calls_of(p->report),
                  (double)calls_of(p->report) / (took_s > 0.1 ? took_s : 0.1));
    if (p->windows > 1 && done > 0.05 && took_s > 2)
        (void)fprintf(stderr, ", %.0f s left", took_s * (1 - done) / done);
    (void)fprintf(stderr, "\033[K");
}

static void on_progress(void *ctx, const run_progress_t *p)
{
    picture_t *picture = ctx;
    int64_t now_us = clock_mono_us();
    double took_s = (double)(now_us - p->began_us) / (double)US_PER_S;

    if (picture->quiet || now_us < picture->next_us)
        return;
    picture->next_us = now_us + (picture->terminal ? BAR_US : LINE_US);
    picture->drawn = true;
    if (picture->terminal)
        draw_bar(p, done_of(p), took_s);
    else
        (void)fprintf(stderr, "%s: %zu of %zu windows, %" PRIu64 " requests, %" PRIu64 " calls, %zu requests left\n",
                      p->provider, p->windows_done, p->windows, p->report->requests, calls_of(p->report),
                      p->steps_left);
}

static void wipe(const picture_t *picture)
{
    if (picture->terminal && picture->drawn)
        (void)fprintf(stderr, "\r\033[K");
}

/* ---- what came of it ---- */

static void print_skips(const report_t *r)
{
    for (size_t i = 0; i < r->n_skips; i++) {
        const report_skips_t *s = &r->skips[i];

        if (!s->count)
            continue;
        printf("  skipped   %8" PRIu64 "  ", s->count);
        command_print_safely(str_from(s->reason));
        for (size_t j = 0; j < s->n_ids && j < SHOWN_IDS; j++) {
            printf(j ? ", " : ": ");
            command_print_safely(str_from(s->ids[j]));
        }
        printf(s->count > SHOWN_IDS && s->n_ids ? " …\n" : "\n");
    }
}

static void print_business(const report_business_t *b)
{
    printf("  business  ");
    command_print_safely(str_from(b->id ? b->name : "(others)"));
    printf(": calls %" PRIu64 " new, %" PRIu64 " updated, %" PRIu64 " unchanged; customers %" PRIu64
           " created, %" PRIu64 " updated, %" PRIu64 " duplicate, %" PRIu64 " no_number\n",
           b->calls[BECAME_NEW], b->calls[BECAME_UPDATED], b->calls[BECAME_UNCHANGED], b->customers[CUSTOMER_CREATED],
           b->customers[CUSTOMER_UPDATED], b->customers[CUSTOMER_DUPLICATE], b->customers[CUSTOMER_NO_NUMBER]);
}

static void print_errors(const report_t *r)
{
    printf("  errors    %8" PRIu64 "\n", r->all_errors);
    for (size_t i = 0; i < r->n_errors; i++) {
        printf("    - ");
        command_print_safely(str_from(r->errors[i]));
        printf("\n");
    }
}

static void print_text(const provider_t *p, const request_t *q, run_status_t status, const report_t *r, int64_t took_us)
{
    const struct {
        const char *name;
        uint64_t count;
    } COUNTS[] = {
        {"fetched", r->fetched},
        {"new", r->calls[BECAME_NEW]},
        {"updated", r->calls[BECAME_UPDATED]},
        {"unchanged", r->calls[BECAME_UNCHANGED]},
        {"duplicate", r->duplicate},
    };

    printf("%s: %s%s, %" PRIu64 " requests in %.1f s\n", p->name, run_status_name(status),
           q->dry ? " (dry run: nothing is written)" : "", r->requests, (double)took_us / (double)US_PER_S);
    for (size_t i = 0; i < COUNT(COUNTS); i++)
        printf("  %-9s %8" PRIu64 "\n", COUNTS[i].name, COUNTS[i].count);
    print_skips(r);
    for (size_t i = 0; i < r->n_businesses; i++)
        print_business(&r->businesses[i]);
    print_errors(r);
}

static void print_json(const provider_t *p, const request_t *q, run_status_t status, const report_t *r, int64_t took_us)
{
    buf_t out = BUF_EMPTY;

    buf_printf(&out,
               "{\"provider\": \"%s\", \"status\": \"%s\", \"dry_run\": %s, \"seconds\": %.3f, \"requests\": %" PRIu64
               ", \"seen\": %" PRIu64 ", \"fetched\": %" PRIu64 ", \"new\": %" PRIu64 ", \"updated\": %" PRIu64
               ", \"unchanged\": %" PRIu64 ", \"duplicate\": %" PRIu64 ", \"dead_letters\": %" PRIu64 ", \"skipped\": ",
               p->name, run_status_name(status), q->dry ? "true" : "false", (double)took_us / (double)US_PER_S,
               r->requests, r->seen, r->fetched, r->calls[BECAME_NEW], r->calls[BECAME_UPDATED],
               r->calls[BECAME_UNCHANGED], r->duplicate, r->dead);
    report_print_skips(r, &out);
    buf_add(&out, STR(", \"skipped_ids\": "));
    report_print_ids(r, &out);
    buf_add(&out, STR(", \"per_business\": "));
    report_print_businesses(r, &out);
    buf_printf(&out, ", \"error_count\": %" PRIu64 ", \"errors\": ", r->all_errors);
    report_print_errors(r, &out);
    buf_add(&out, STR("}\n"));
    (void)fwrite(out.base, 1, out.len, stdout);
    buf_clear(&out);
}

/* ---- the runs ---- */

static _Atomic bool stop;
static _Atomic int64_t end_us = INT64_MAX;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&end_us, clock_mono_us() + DATABASE_US);
    atomic_store(&stop, true);
}

typedef struct work {
    const request_t *request;
    job_settings_t settings;
    fetcher_t *fetcher;
    bool failed;
    size_t asked; /* providers that have a key */
} work_t;

static void run_over(work_t *w, const provider_t *p, const void *access)
{
    const request_t *q = w->request;
    picture_t picture = {.terminal = isatty(STDERR_FILENO) != 0, .quiet = q->json && !isatty(STDERR_FILENO)};
    job_wish_t wish = {
        .provider = p,
        .access = access,
        .asked_by = "command",
        .dry = q->dry,
        .resource = q->resource,
        .since_us = q->since_us,
        .until_us = q->until_us,
        .by_hand = true,
        .stop = &stop,
        .end_us = &end_us,
        .progress = on_progress,
        .ctx = &picture,
    };
    run_status_t status = RUN_FAILED;
    report_t report = {.requests = 0};
    err_t err = {.code = ERR_NONE};
    int64_t began_us = clock_mono_us();
    lease_t lease;

    picture.next_us = began_us + (picture.terminal ? 0 : LINE_US);
    lease = job_run(&w->settings, &wish, w->fetcher, &status, &report, &err);

    wipe(&picture);
    if (lease == LEASE_TAKEN)
        (q->json ? print_json : print_text)(p, q, status, &report, clock_mono_us() - began_us);
    else
        (void)command_complain(&err);
    (void)fflush(stdout);
    w->failed = w->failed || lease != LEASE_TAKEN || status != RUN_DONE;
    report_clear(&report);
}

static void run_provider(work_t *w, const provider_t *p, const config_t *config)
{
    setting_source_t source = config_source(config);
    err_t err = {.code = ERR_NONE};
    void *access = p->remote->access_new(&source, &err);

    if (access) {
        w->asked++;
        run_over(w, p, access);
        p->remote->access_free(access);
    } else if (err.code != ERR_NONE) {
        w->failed = true;
        (void)command_complain(&err);
    }
}

static int complain_of_none(const request_t *q, const config_t *config)
{
    setting_source_t source = config_source(config);
    buf_t missing = BUF_EMPTY;
    err_t err;

    if (q->provider) {
        keys_missing(q->provider, &source, &missing);
        err_set(&err, ERR_CONFIG, "%s cannot be asked: set " STR_FMT, q->provider->title, STR_ARG(buf_str(&missing)));
    } else {
        err_set(&err, ERR_CONFIG, "nothing to fetch from: no API key is set");
    }
    err_hint(&err, "`hookline help configuration` lists them; `hookline check` says which are good");
    buf_clear(&missing);
    return command_complain(&err);
}

static int run_all(const request_t *q, const config_t *config)
{
    work_t w = {.request = q, .fetcher = fetcher_new()};

    job_settings_read(&w.settings, config);
    for (size_t i = 0; i < PROVIDER_COUNT && !atomic_load(&stop); i++)
        if (is_meant(q, PROVIDERS[i]))
            run_provider(&w, PROVIDERS[i], config);
    fetcher_free(w.fetcher);
    job_settings_clear(&w.settings);
    if (!w.asked && !w.failed && !atomic_load(&stop))
        return complain_of_none(q, config);
    return w.failed || atomic_load(&stop) ? 1 : 0;
}

int reconcile_command(int argc, char **argv)
{
    request_t q = {.since_us = TIME_NONE, .until_us = TIME_NONE};
    struct sigaction action = {.sa_handler = on_signal};
    err_t err = {.code = ERR_NONE};
    config_t *config;
    int code;

    if (!read_arguments(&q, argc, argv, &err)) {
        (void)command_complain(&err);
        return 2;
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    log_start(LOG_ERROR, LOG_AUTO);
    config = command_read_config(&err);
    code = config ? run_all(&q, config) : command_complain(&err);
    log_stop();
    config_free(config);
    return code;
}
