/* operate.c – what an operator runs by hand: migrate and check. */
#include "api/token.h"
#include "base/clock.h"
#include "base/phone.h"
#include "command.h"
#include "config/config.h"
#include "ingest/keyring.h"
#include "reconcile/job.h"
#include "reconcile/keys.h"
#include "store/access.h"
#include "store/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_US (10 * US_PER_S)

/* ---- migrate ---- */

typedef struct tally {
    bool dry;
    bool quiet;
    int waiting;
} tally_t;

static void report(void *ctx, const char *file, migration_state_t state, bool ran)
{
    static const char *const STATES[] = {
        [MIGRATION_DONE] = "done",
        [MIGRATION_PENDING] = "pending",
        [MIGRATION_CHANGED] = "changed, would run again",
        [MIGRATION_UNKNOWN] = "not known to this version of hookline; left alone",
    };
    tally_t *t = ctx;

    if (!ran && (state == MIGRATION_PENDING || state == MIGRATION_CHANGED))
        t->waiting++;
    if (!t->quiet)
        printf("%-32s %s\n", file, ran ? "ran now" : STATES[state]);
}

int migrate_command(int argc, char **argv)
{
    tally_t tally = {.dry = argc == 2 && strcmp(argv[1], "--status") == 0};
    err_t err = {.code = ERR_NONE};
    config_t *config;
    char *conninfo;
    bool ok;

    if (argc > 2 || (argc == 2 && !tally.dry)) {
        (void)fprintf(stderr, "usage: hookline migrate [--status]\n");
        return 2;
    }
    config = config_read(&err);
    if (!config)
        return command_complain(&err);
    conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    ok = migrate_run(conninfo, tally.dry, report, &tally, &err);
    free(conninfo);
    config_free(config);
    if (!ok)
        return command_complain(&err);
    return tally.dry && tally.waiting ? 1 : 0;
}

/* ---- check ---- */

typedef struct checks {
    int faults;
} checks_t;

static void say(checks_t *c, bool ok, const char *what, const char *detail, const char *hint)
{
    c->faults += !ok;
    printf("%s %-15s %s\n", ok ? "ok  " : "FAIL", what, detail);
    if (hint && *hint)
        printf("     %-15s -> %s\n", "", hint);
}

static void check_unknown(void *ctx, const char *name)
{
    char detail[200];

    (void)snprintf(detail, sizeof(detail), "%s is set, but hookline has no such setting", name);
    say(ctx, false, "configuration", detail, "`hookline help configuration` lists every setting");
}

/* The first secret that turns a provider on. */
static const char *secret_of(const provider_t *p)
{
    for (size_t i = 0; i < p->n_settings; i++)
        if (p->settings[i].secret)
            return p->settings[i].name;
    return "its secret";
}

static void check_providers(checks_t *c, const config_t *config)
{
    err_t err = {.code = ERR_NONE};
    keyring_t *keys = keyring_new(config, &err);
    size_t on = 0;

    if (!keys) {
        say(c, false, "providers", err.detail, err.hint);
        return;
    }
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        bool is_on = keyring_hold(keys, i) != NULL;
        char hint[120];

        keyring_release(keys);
        on += is_on;
        (void)snprintf(hint, sizeof(hint), "set %s to turn it on", secret_of(PROVIDERS[i]));
        say(c, true, PROVIDERS[i]->name, is_on ? "on" : "off: its routes answer 404", is_on ? NULL : hint);
    }
    if (!on)
        say(c, false, "providers", "none is on: nothing would be accepted", "set the secret of at least one provider");
    keyring_free(keys);
}

/* An API that cannot be reached now stops nobody from serving; one that refuses the key will go on to. */
static void check_api(checks_t *c, const provider_t *p, const void *access, const job_settings_t *settings,
                      fetcher_t *fetcher)
{
    err_t err = {.code = ERR_NONE};
    int status = 0;
    bool good = job_probe(settings, p, access, fetcher, &status, &err);
    bool refused = status == 401 || status == 402 || status == 403;
    char detail[300];
    buf_t hint = BUF_EMPTY;

    if (good || refused)
        (void)snprintf(detail, sizeof(detail), refused ? "its API answers %d" : "its API takes the key", status);
    else
        (void)snprintf(detail, sizeof(detail), "its API was not reached: %.200s", err.detail);
    if (status == 402)
        buf_add(&hint, STR("the account has to be paid for"));
    if (refused && status != 402) {
        buf_add(&hint, STR("check "));
        keys_name(p, &hint);
    }
    if (!refused && !good)
        buf_add(&hint, STR("what its webhooks leave out is not fetched until it answers"));
    buf_addc(&hint, '\0');
    say(c, !refused, p->name, detail, hint.base);
    buf_clear(&hint);
}

static bool is_in_use(const provider_t *p, const config_t *config)
{
    bool any = false;

    for (size_t i = 0; i < p->n_settings; i++)
        any = any || config_is_set(config, p->settings[i].name);
    return any;
}

/* Nothing is wrong with that; but what is lost stays lost, and whoever gave a key may think that it is used. */
static void say_it_is_not_asked(checks_t *c, const provider_t *p, const setting_source_t *from)
{
    buf_t hint = BUF_EMPTY;

    buf_add(&hint, STR("to have fetched what its webhooks leave out, set "));
    keys_missing(p, from, &hint);
    buf_addc(&hint, '\0');
    say(c, true, p->name, "its API is not asked", hint.base);
    buf_clear(&hint);
}

static void check_apis(checks_t *c, const config_t *config)
{
    setting_source_t source = config_source(config);
    fetcher_t *fetcher = fetcher_new();
    job_settings_t settings;

    job_settings_read(&settings, config);
    if (settings.timeout_us > PROBE_US)
        settings.timeout_us = PROBE_US;
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        const remote_t *remote = PROVIDERS[i]->remote;
        err_t err = {.code = ERR_NONE};
        void *access = remote ? remote->access_new(&source, &err) : NULL;

        if (access) {
            check_api(c, PROVIDERS[i], access, &settings, fetcher);
            remote->access_free(access);
        } else if (err.code != ERR_NONE) {
            say(c, false, PROVIDERS[i]->name, err.detail, err.hint);
        } else if (remote && is_in_use(PROVIDERS[i], config)) {
            say_it_is_not_asked(c, PROVIDERS[i], &source);
        }
    }
    job_settings_clear(&settings);
    fetcher_free(fetcher);
}

static void check_tokens(checks_t *c, const config_t *config)
{
    err_t err = {.code = ERR_NONE};
    tokens_t *tokens = tokens_new(config_text(config, "HOOKLINE_API_TOKENS"), &err);
    char detail[80];

    if (!tokens) {
        say(c, false, "API", err.detail, err.hint);
        return;
    }
    (void)snprintf(detail, sizeof(detail), "on, tokens: %zu", tokens_count(tokens));
    if (tokens_count(tokens))
        say(c, true, "API", detail, NULL);
    else
        say(c, true, "API", "off: /api answers 404", "set HOOKLINE_API_TOKENS to turn it on");
    tokens_free(tokens);
}

static void check_public_url(checks_t *c, const config_t *config)
{
    if (config_is_set(config, "HOOKLINE_PUBLIC_URL"))
        say(c, true, "public URL", "set", NULL);
    else
        say(c, true, "public URL", "not set: the Host header, or a trusted proxy's word, is used instead",
            "set HOOKLINE_PUBLIC_URL to what the providers were given: Twilio signs it");
}

static void check_readable(checks_t *c, const config_t *config, const char *name)
{
    str_t path = config_text(config, name);
    char *file = mem_strdup(path);
    char detail[300];

    (void)snprintf(detail, sizeof(detail), "%s: %s", name, path.len ? file : "not set");
    say(c, path.len && access(file, R_OK) == 0, "TLS", detail,
        path.len && access(file, R_OK) == 0 ? NULL : "certs/make creates development certificates");
    free(file);
}

static void check_calls(checks_t *c, const access_t *access)
{
    char detail[120];

    (void)snprintf(detail, sizeof(detail), "%lld of the numbers in phone_numbers have a plan",
                   (long long)access->planned_numbers);
    say(c, true, "calls", detail,
        access->planned_numbers ? NULL : "README, \"Answer a call\": until then callers hear that nobody is there");
}

static void check_access(checks_t *c, const char *conninfo)
{
    err_t err = {.code = ERR_NONE};
    access_t access;
    char detail[260];

    if (!access_read(conninfo, &access, &err)) {
        say(c, false, "database", err.detail, err.hint);
        return;
    }
    say(c, access.may_write, "database",
        access.may_write ? "reached, schema up to date" : "reached, but this role may not write hookline's tables",
        access.may_write ? NULL : "connect as the role that ran `hookline migrate`, or as one IN ROLE hookline_writer");
    if (access.may_write)
        check_calls(c, &access);
    (void)snprintf(detail, sizeof(detail), "not there: %s", access.missing_roles);
    if (access.missing_roles[0])
        say(c, true, "roles", detail,
            "who would use them sees nothing; CREATE ROLE … NOLOGIN, then SELECT hookline_secure()");
}

static void check_region(checks_t *c, const config_t *config)
{
    err_t err = {.code = ERR_NONE};

    if (!phone_set_region(config_text(config, "HOOKLINE_DEFAULT_REGION"), &err))
        say(c, false, "region", err.detail, err.hint);
    else if (!config_is_set(config, "HOOKLINE_DEFAULT_REGION"))
        say(c, true, "region", "not set: telephone numbers without a country link to no lead",
            "set HOOKLINE_DEFAULT_REGION to a country of two letters if your leads have such numbers");
}

static void check_voice(checks_t *c, const config_t *config)
{
    if (config_is_set(config, "OPENAI_API_KEY"))
        say(c, true, "voice", "OPENAI_API_KEY is set: calls can be bridged", NULL);
    else
        say(c, true, "voice", "OPENAI_API_KEY is not set: no call is bridged",
            "set it if agents of yours are to speak with callers");
}

static void check_database(checks_t *c, const config_t *config)
{
    tally_t tally = {.dry = true, .quiet = true};
    err_t err = {.code = ERR_NONE};
    char *conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    bool reached = migrate_run(conninfo, true, report, &tally, &err);

    if (!reached)
        say(c, false, "database", err.detail,
            "check DATABASE_URL (or PG*), and that PostgreSQL runs and lets this user in");
    else if (tally.waiting)
        say(c, false, "database", "reached, but its schema is behind this program", "run: hookline migrate");
    else
        check_access(c, conninfo);
    free(conninfo);
}

/* Changes nothing: who runs this may not be hookline's user, and folders of the wrong owner would be worse than none.
 */
static void check_journal(checks_t *c, const config_t *config)
{
    char *folder = mem_strdup(config_text(config, "HOOKLINE_DATA_DIR")), *slash = strrchr(folder, '/');
    bool there = access(folder, W_OK | X_OK) == 0, ok = there;
    char detail[300];

    (void)snprintf(detail, sizeof(detail), "%s: %s", folder, there ? "can be written" : strerror(errno));
    if (!there && errno == ENOENT && slash && slash != folder) {
        *slash = '\0';
        ok = access(folder, W_OK | X_OK) == 0;
        *slash = '/';
        (void)snprintf(detail, sizeof(detail), "%s is not there yet, and can%s be made", folder, ok ? "" : "not");
    }
    say(c, ok, "journal", detail,
        ok ? NULL : "make it, owned by hookline's user; without it every moment without the database is a 503");
    free(folder);
}

int check_command(int argc, char **argv)
{
    checks_t checks = {0};
    err_t err = {.code = ERR_NONE};
    config_t *config;

    (void)argv;
    if (argc > 1) {
        (void)fprintf(stderr, "usage: hookline check\n");
        return 2;
    }
    config = config_read(&err);
    if (!config) {
        say(&checks, false, "configuration", err.detail, err.hint);
        return 1;
    }
    say(&checks, true, "configuration", "every setting is well-formed", NULL);
    config_unknown(check_unknown, &checks);
    check_public_url(&checks, config);
    check_region(&checks, config);
    check_providers(&checks, config);
    check_apis(&checks, config);
    check_voice(&checks, config);
    check_tokens(&checks, config);
    if (config_is_set(config, "HOOKLINE_TLS_LISTEN")) {
        check_readable(&checks, config, "HOOKLINE_TLS_CERT");
        check_readable(&checks, config, "HOOKLINE_TLS_KEY");
    }
    check_journal(&checks, config);
    check_database(&checks, config);
    config_free(config);
    return checks.faults ? 1 : 0;
}
