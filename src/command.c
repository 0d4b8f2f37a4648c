#include "command.h"

#include "base/clock.h"

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

store_t *command_open_store(const config_t *config, bool keeps_house, dialplan_t *dialplan)
{
    char *conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    store_options_t options = {
        .conninfo = conninfo,
        .pooled = config_bool(config, "HOOKLINE_DATABASE_POOLED"),
        .keeps_house = keeps_house,
        .dialplan = dialplan,
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
    int64_t count;

    if (s.len < 2 || s.len > 8 || s.base[0] < '0' || s.base[0] > '9' || !str_to_int(str_slice(s, 0, s.len - 1), &count))
        return TIME_NONE;
    for (size_t i = 0; i < COUNT(UNITS); i++)
        if (s.base[s.len - 1] == UNITS[i].letter)
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
