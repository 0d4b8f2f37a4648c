#include "reconcile/find.h"

#include "base/clock.h"
#include "ingest/understand.h"

#include <string.h>

static delivery_t *begin(const provider_t *provider, const char *route, size_t bytes)
{
    delivery_t *d = delivery_new(4096 + 2 * (bytes < 65536 ? bytes : 65536));

    d->provider = provider->name;
    d->route = route;
    d->way = WAY_RECONCILE;
    d->received_us = clock_wall_us();
    return d;
}

/* The routes' own literal: the delivery outlives the page. */
static const char *route_of(const provider_t *provider, const char *name)
{
    for (size_t i = 0; i < provider->n_routes; i++)
        if (strcmp(provider->routes[i].name, name) == 0)
            return provider->routes[i].name;
    return name;
}

delivery_t *find_understand(const provider_t *provider, const remote_find_t *found)
{
    delivery_t *d = begin(provider, route_of(provider, found->route), found->payload.len);

    understand(d, provider, found->payload, NULL);
    d->root = NULL;
    d->bytes = arena_bytes(d->arena);
    return d;
}

delivery_t *find_infer_gone(const provider_t *provider, const open_call_t *call)
{
    delivery_t *d = begin(provider, "inferred", call->id.len);
    bool forgets = provider->remote->forgets_ended; /* it may have ended well: whether anybody was connected decides */
    const char *reason = forgets ? FIND_UNSEEN : FIND_UNKNOWN;
    buf_t payload = BUF_EMPTY;
    fact_t *fact;

    buf_printf(&payload, "{\"reason\": \"%s\", \"call_id\": ", reason);
    json_escape(&payload, call->id);
    buf_addc(&payload, '}');
    d->payload = arena_dup(d->arena, buf_str(&payload));
    buf_clear(&payload);
    d->call_id = arena_dup(d->arena, call->id);
    d->event_key = arena_printf(d->arena, "inferred:" STR_FMT ":%s", STR_ARG(call->id), reason);
    d->event_type = STR("inferred");
    d->status = forgets ? STR("ended") : STR("failed");
    fact = fact_call(&d->facts, d->call_id);
    fact_ended(fact, version_of(RANK_INFERRED, 0), forgets ? STR_NONE : STR("failed"), str_from(reason));
    if (forgets)
        fact_time(fact, CALL_ENDED_AT, RANK_INFERRED, call->last_us);
    d->bytes = arena_bytes(d->arena);
    return d;
}
