#include "store/store.h"

#include "store/writer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct store {
    char *conninfo;
    roster_t *roster;
    size_t connections;
    writer_t *writers[ROSTER_SEATS];
    _Atomic int64_t end_us; /* when stopping: the end of all waiting, mono clock */
};

store_t *store_open(const store_options_t *options)
{
    store_t *s = mem_zalloc(sizeof(*s));
    roster_options_t roster = {.seats = options->connections,
                               .max_batch = options->max_batch,
                               .max_queued_bytes = options->max_queued_bytes,
                               .late_us = options->commit_deadline_us};
    writer_options_t writer = {.pooled = options->pooled,
                               .migrate = options->migrate,
                               .keeps_house = options->keeps_house,
                               .dialplan = options->dialplan,
                               .reconcile_keep_us = options->reconcile_keep_us,
                               .max_batch = options->max_batch,
                               .statement_timeout_us = options->statement_timeout_us,
                               .commit_deadline_us = options->commit_deadline_us,
                               .end_us = &s->end_us};

    s->conninfo = mem_strdup(str_from(options->conninfo));
    s->connections = options->connections;
    atomic_store(&s->end_us, INT64_MAX);
    writer.conninfo = s->conninfo;
    writer.roster = s->roster = roster_new(&roster);
    for (writer.seat = 0; writer.seat < s->connections; writer.seat++)
        s->writers[writer.seat] = writer_start(&writer);
    return s;
}

bool store_put(store_t *s, lane_t lane, delivery_t *d, err_t *err)
{
    return roster_put(s->roster, lane, d, err);
}

void store_state(store_t *s, store_state_t *out)
{
    err_t err = {.code = ERR_NONE};

    out->up = roster_is_up(s->roster, &err);
    (void)snprintf(out->reason, sizeof(out->reason), "%s", err.detail);
}

void store_close(store_t *s, int64_t deadline_mono_us)
{
    if (!s)
        return;
    atomic_store(&s->end_us, deadline_mono_us);
    roster_stop(s->roster);
    for (size_t i = 0; i < s->connections; i++)
        writer_join(s->writers[i]);
    roster_clear(s->roster, false);
}

void store_free(store_t *s)
{
    if (!s)
        return;
    roster_free(s->roster);
    free(s->conninfo);
    free(s);
}
