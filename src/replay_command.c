/* replay_command.c – `hookline replay`: which deliveries, and what became of each, for people. */
#include "base/clock.h"
#include "base/log.h"
#include "command.h"
#include "ingest/replay.h"
#include "provider.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_US (10 * US_PER_S)

/* ---- the arguments ---- */

typedef struct request {
    stored_filter_t filter;
    str_t provider; /* its name as stored; absent: all of ours */
    bool dry;
} request_t;

static bool take_provider(void *request, const char *text, err_t *err)
{
    request_t *q = request;
    const provider_t *p = provider_find(str_from(text));
    buf_t names = BUF_EMPTY;

    if (p) {
        q->provider = str_from(p->name);
        return true;
    }
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", PROVIDERS[i]->name);
    err_set(err, ERR_CONFIG, "--provider: there is no \"%s\"; there are " STR_FMT, text, STR_ARG(buf_str(&names)));
    buf_clear(&names);
    return false;
}

static bool take_id(void *request, const char *text, err_t *err)
{
    request_t *q = request;

    if (str_to_int(str_from(text), &q->filter.id) && q->filter.id > 0)
        return true;
    return err_set(err, ERR_CONFIG, "--id: \"%s\" is no id; write one of call_events.id, a whole number above 0", text);
}

static const command_option_t OPTIONS[] = {
    {"--provider", OPTION_TAKE, 0, take_provider},
    {"--since", OPTION_TIME, offsetof(request_t, filter.since_us), NULL},
    {"--id", OPTION_TAKE, 0, take_id},
    {"--all", OPTION_FLAG, offsetof(request_t, filter.all), NULL},
    {"--dry-run", OPTION_FLAG, offsetof(request_t, dry), NULL},
};
static const command_usage_t USAGE = {.options = OPTIONS, .n_options = COUNT(OPTIONS)};

static bool read_arguments(request_t *q, int argc, char **argv, err_t *err)
{
    if (!command_read_arguments(&USAGE, argc, argv, q, err))
        return false;
    if (q->filter.id && (q->filter.all || q->provider.base || q->filter.since_us != TIME_NONE))
        return err_set(err, ERR_CONFIG, "--id names one delivery: leave out --provider, --since and --all");
    return true;
}

/* ---- what became of them ---- */

static const struct {
    const char *line, *dry_line;
    const char *count;
} WORDS[REPLAYED_COUNT] = {
    [REPLAYED_GONE] = {"gone: somebody removed the row meanwhile", "", "gone"},
    [REPLAYED_UNCHANGED] = {"unchanged", "its facts would be merged again", "unchanged"},
    [REPLAYED_FILLED] = {"filled in", "", "filled in"},
    [REPLAYED_UNDERSTOOD] = {"understood", "would be understood", "understood"},
    [REPLAYED_DUPLICATE] = {"duplicate: its event is stored already, and this row removed",
                            "would be a duplicate: its event is stored already", "duplicates"},
    [REPLAYED_STILL_DEAD] = {"still a dead letter", "would stay a dead letter", "still dead letters"},
};

typedef struct tally {
    bool dry;
    uint64_t counts[REPLAYED_COUNT];
    uint64_t all, not_done;
} tally_t;

static void print_outcome(const tally_t *t, const replay_fate_t *f)
{
    if (!f->done) {
        printf("not done: the database did not take it");
        return;
    }
    if (f->became == REPLAYED_UNCHANGED && f->error.base)
        printf(t->dry ? "would be left as it is" : "unchanged");
    else
        printf("%s", t->dry ? WORDS[f->became].dry_line : WORDS[f->became].line);
    if (f->error.base) {
        printf(": ");
        command_print_safely(f->error);
    } else if (f->unstored) {
        printf(" (nothing of it is a fact)");
    }
}

static void report(void *ctx, const replay_fate_t *f)
{
    tally_t *t = ctx;

    t->all++;
    if (f->done)
        t->counts[f->became]++;
    else
        t->not_done++;
    printf("%" PRId64 "\t", f->row->id);
    command_print_safely(f->row->provider);
    printf("\t");
    command_print_safely(f->event_key);
    printf("\t");
    print_outcome(t, f);
    printf("\n");
}

static void print_summary(const tally_t *t)
{
    printf("%s%" PRIu64 " deliveries", t->dry ? "dry run, nothing is written: " : "", t->all);
    for (size_t i = 0, said = 0; i < REPLAYED_COUNT; i++)
        if (t->counts[i])
            printf("%s%" PRIu64 " %s", said++ ? ", " : ": ", t->counts[i], WORDS[i].count);
    if (t->not_done)
        printf("; %" PRIu64 " not done", t->not_done);
    printf("\n");
}

/* ---- the run ---- */

static bool run_to_end(stored_t *from, const config_t *config, tally_t *tally, err_t *err)
{
    store_t *store = tally->dry ? NULL : command_open_store(config, false, NULL);
    bool ok = (!store || command_wait_for_store(store, err)) && replay_run(from, store, report, tally, err);

    if (store)
        store_close(store, clock_mono_us() + CLOSE_US);
    store_free(store);
    return ok;
}

static int replay(const request_t *q, const config_t *config)
{
    char *conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    tally_t tally = {.dry = q->dry};
    err_t err = {.code = ERR_NONE};
    stored_t *from = stored_open(conninfo, config_bool(config, "HOOKLINE_DATABASE_POOLED"), &q->filter, &err);
    bool ok = from && run_to_end(from, config, &tally, &err);

    if (from)
        print_summary(&tally);
    (void)fflush(stdout);
    stored_close(from);
    free(conninfo);
    return ok ? 0 : command_complain(&err);
}

/* Rows of providers that nobody here knows are left alone. With --id the row is shown all the same. */
static void choose_providers(request_t *q, str_t *names)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        names[i] = str_from(PROVIDERS[i]->name);
    q->filter.providers = q->provider.base ? &q->provider : names;
    q->filter.n_providers = q->filter.id ? 0 : q->provider.base ? 1 : PROVIDER_COUNT;
}

int replay_command(int argc, char **argv)
{
    request_t q = {.filter.since_us = TIME_NONE};
    str_t *names = mem_alloc(PROVIDER_COUNT * sizeof(*names));
    err_t err = {.code = ERR_NONE};
    config_t *config = NULL;
    int code;

    if (!read_arguments(&q, argc, argv, &err)) {
        (void)command_complain(&err);
        code = 2;
    } else {
        choose_providers(&q, names);
        log_start(LOG_WARN, LOG_AUTO);
        config = command_read_config(&err);
        code = config ? replay(&q, config) : command_complain(&err);
        log_stop();
    }
    config_free(config);
    free(names);
    return code;
}
