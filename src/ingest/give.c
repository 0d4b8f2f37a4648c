#include "base/clock.h"
#include "ingest/port.h"
#include "ingest/understand.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_US   US_PER_S
#define MOST_BYTES ((size_t)4 * 1024 * 1024) /* of those that wait to be tried again, per port */

struct gift {
    gift_t *next;
    ingest_port_t *port;
    const provider_t *provider;
    const hook_route_t *route;
    way_t way;
    int64_t received_us;
    int64_t retry_us; /* mono clock */
    bool last;        /* the process ends: there is no other time */
    size_t len;
    char payload[];
};

static size_t bytes_of(const gift_t *g)
{
    return sizeof(*g) + g->len;
}

static void lose(gift_t *g)
{
    static log_gate_t gate;
    int64_t held;

    metric_add(metrics_series(METRIC_LOST, ""), 1);
    if (log_gate_open(&gate, US_PER_S, &held))
        LOG(LOG_ERROR, "delivery lost", log_cstr("provider", g->provider->name), log_cstr("route", g->route->name),
            log_cstr("reason", "neither the database nor the journal takes it"), log_int("not_logged", held));
    free(g);
}

static void keep(gift_t *g)
{
    gifts_t *all = port_gifts(g->port);

    if (g->last || all->bytes + bytes_of(g) > MOST_BYTES) {
        lose(g);
        return;
    }
    g->retry_us = clock_mono_us() + RETRY_US;
    g->next = NULL;
    *(all->newest ? &all->newest->next : &all->oldest) = g;
    all->newest = g;
    all->count++;
    metric_add(metrics_series(METRIC_RETRY, ""), 1);
    all->bytes += bytes_of(g);
}

static gift_t *take_oldest(gifts_t *all)
{
    gift_t *g = all->oldest;

    all->oldest = g->next;
    if (!g->next)
        all->newest = NULL;
    all->count--;
    metric_add(metrics_series(METRIC_RETRY, ""), -1);
    all->bytes -= bytes_of(g);
    return g;
}

static void on_answer(void *ctx, const ingest_answer_t *answer)
{
    if (answer->code == ERR_NONE)
        free(ctx);
    else
        keep(ctx);
}

static void submit(gift_t *g)
{
    static const ingest_answer_t NOBODY_ASKS = {.status = 204};
    size_t index = port_index_of(g->provider);
    delivery_t *d = delivery_new(4096 + 3 * g->len);
    err_t err = {.code = ERR_NONE};

    d->provider = g->provider->name;
    d->route = g->route->name;
    d->way = g->way;
    d->received_us = g->received_us;
    understand(d, g->provider, (str_t){g->payload, g->len}, NULL);
    if (d->error.base)
        port_note_dead_letter(port_ingest(g->port), index, d, STR_NONE);
    if (port_submit(g->port, index, d, &NOBODY_ASKS, on_answer, g, &err))
        return;
    delivery_free(d);
    tally_refusal(&port_ingest(g->port)->tallies[index], err.code);
    keep(g);
}

void gifts_retry(ingest_port_t *port, int64_t mono_us)
{
    gifts_t *all = port_gifts(port);

    for (size_t n = all->count; n > 0 && all->oldest->retry_us <= mono_us;
         n--) { /* what comes back has its turn later */
        gift_t *g = take_oldest(all);

        g->last = mono_us == INT64_MAX;
        submit(g);
    }
}

void ingest_give(ingest_port_t *port, const provider_t *provider, const hook_route_t *route, way_t way, str_t payload)
{
    gift_t *g = mem_alloc(sizeof(*g) + payload.len);

    *g = (gift_t){.port = port,
                  .provider = provider,
                  .route = route,
                  .way = way,
                  .received_us = clock_wall_us(),
                  .len = payload.len};
    memcpy(g->payload, payload.base, payload.len);
    submit(g);
}
