#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int command_complain(const err_t *err)
{
    size_t len = strlen(err->detail);

    (void)fprintf(stderr, "hookline: %s%s", err->detail, len && err->detail[len - 1] == '\n' ? "" : "\n");
    if (err->hint[0])
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return 1;
}

store_t *command_open_store(const config_t *config)
{
    char *conninfo = mem_strdup(config_text(config, "DATABASE_URL"));
    store_options_t options = {
        .conninfo = conninfo,
        .pooled = config_bool(config, "HOOKLINE_DATABASE_POOLED"),
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
