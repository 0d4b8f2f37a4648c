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
