#include "command.h"

#include "base/clock.h"
#include "base/phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_US (5 * US_PER_S)

int command_complain(const err_t *err)
{
    size_t len = strlen(err->detail);

    (void)fprintf(stderr, "hookline: %s%s", err->detail, len && err->detail[len - 1] == '\n' ? "" : "\n");
    if (err->hint[0])
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return 1;
}

/* ---- arguments ---- */

static const command_option_t *find_option(const command_usage_t *usage, const char *name)
{
    for (size_t i = 0; i < usage->n_options; i++)
        if (strcmp(usage->options[i].name, name) == 0)
            return &usage->options[i];
    return NULL;
}

/* text: NULL of a flag. */
static bool take_option(const command_option_t *o, const char *text, void *request, err_t *err)
{
    void *at = (char *)request + o->at;

    switch (o->kind) {
    case OPTION_FLAG:
        return *(bool *)at = true;
    case OPTION_TEXT:
        *(const char **)at = text;
        return true;
    case OPTION_TIME:
        return command_read_time(o->name, text, at, err);
    case OPTION_TAKE:
        break;
    }
    return o->take(request, text, err);
}

bool command_read_arguments(const command_usage_t *usage, int argc, char **argv, void *request, err_t *err)
{
    size_t words = 0;

    for (int i = 1; i < argc; i++) {
        const command_option_t *o = find_option(usage, argv[i]);
        bool is_word = !o && argv[i][0] != '-' && words++ < usage->most_words;
        bool has_value = o && o->kind != OPTION_FLAG;

        if (!o && !is_word)
            return err_set(err, ERR_CONFIG, "what is \"%s\"? `hookline help %s` lists what there is", argv[i], argv[0]);
        if (has_value && i + 1 == argc)
            return err_set(err, ERR_CONFIG, "%s: its value is missing; see `hookline help %s`", o->name, argv[0]);
        if (is_word ? !usage->take_word(request, argv[i], err)
                    : !take_option(o, has_value ? argv[++i] : NULL, request, err))
            return err_hint(err, "`hookline help %s` says what may be written", argv[0]);
    }
    return true;
}

/* ---- what else they share ---- */

config_t *command_read_config(err_t *err)
{
    config_t *config = config_read(err);

    if (config && phone_set_region(config_text(config, "HOOKLINE_DEFAULT_REGION"), err))
        return config;
    config_free(config);
    return NULL;
}

void command_print_safely(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        (void)putchar((unsigned char)s.base[i] < ' ' || s.base[i] == 0x7f ? '?' : s.base[i]);
}

store_t *command_open_store(const config_t *config, bool keeps_house, dialplan_t *dialplan)
{
    char *conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    store_options_t options = {
        .conninfo = conninfo,
        .pooled = config_bool(config, "HOOKLINE_DATABASE_POOLED"),
        .keeps_house = keeps_house,
        .dialplan = dialplan,
        .reconcile_keep_us = config_us(config, "HOOKLINE_RECONCILE_KEEP"),
        .migrate = config_bool(config, "HOOKLINE_MIGRATE"),
        .connections = (size_t)config_int(config, "HOOKLINE_DATABASE_CONNECTIONS"),
        .max_batch = (size_t)config_int(config, "HOOKLINE_MAX_BATCH"),
        .max_queued_bytes = config_int(config, "HOOKLINE_QUEUE_BYTES"),
        .statement_timeout_us = config_us(config, "HOOKLINE_STATEMENT_TIMEOUT"),
        .commit_deadline_us = config_us(config, "HOOKLINE_COMMIT_DEADLINE"),
    };
    store_t *store = store_open(&options);

    free(conninfo);
    return store;
}

/* "90m", "2h": so long ago; TIME_NONE for what is no such thing. */
static int64_t read_age(str_t s)
{
    static const struct {
        char letter;
        int64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    int64_t count, now_s = clock_wall_us() / US_PER_S;

    if (s.len < 2 || s.len > 8 || s.base[0] < '0' || s.base[0] > '9' || !str_to_int(str_slice(s, 0, s.len - 1), &count))
        return TIME_NONE;
    for (size_t i = 0; i < COUNT(UNITS); i++)
        if (s.base[s.len - 1] == UNITS[i].letter && count <= now_s / UNITS[i].seconds) /* not before 1970 */
            return clock_wall_us() - count * UNITS[i].seconds * US_PER_S;
    return TIME_NONE;
}

/* A date is its first moment, in UTC. */
static int64_t read_date(str_t s)
{
    char text[32];

    if (s.len != sizeof("2026-11-21") - 1)
        return TIME_NONE;
    (void)snprintf(text, sizeof(text), STR_FMT "T00:00:00Z", STR_ARG(s));
    return time_from_iso8601(str_from(text));
}

bool command_read_time(const char *option, const char *text, int64_t *us, err_t *err)
{
    str_t s = str_from(text);

    *us = read_age(s);
    if (*us == TIME_NONE)
        *us = read_date(s);
    if (*us == TIME_NONE)
        *us = time_from_iso8601(s);
    return *us != TIME_NONE || err_set(err, ERR_CONFIG,
                                       "%s: \"%s\" is no time; write 2026-11-21, 2026-11-21T08:30:00Z (with Z, or an "
                                       "offset such as +01:00), or an age: 90m, 2h, 3d",
                                       option, text);
}

bool command_wait_for_store(store_t *store, err_t *err)
{
    int64_t deadline_us = clock_mono_us() + CONNECT_US;
    store_state_t state;

    for (;;) {
        store_state(store, &state);
        if (state.up)
            return true;
        if (clock_mono_us() >= deadline_us)
            return err_set(err, ERR_STORE_DOWN, "%s", state.reason);
        (void)usleep(20 * 1000);
    }
}
