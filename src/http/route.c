#include "http/route.h"

#include "http/request.h"
#include "ingest/route.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const route_t OWN_ROWS[] = {
    /* path       methods      who may call       what answers */
    {"/livez", "GET, HEAD", ROUTE_AUTH_OPEN, serve_livez, NULL, NULL},
    {"/readyz", "GET, HEAD", ROUTE_AUTH_OPEN, serve_ready, NULL, NULL},
    {"/health", "GET, HEAD", ROUTE_AUTH_OPEN, serve_ready, NULL, NULL},
    {"/metrics", "GET, HEAD", ROUTE_AUTH_OPEN, serve_metrics, NULL, NULL},
};

/* What we answer; a status that is not here is counted as "other". */
static const int STATUSES[] = {101, 200, 202, 204, 400, 401, 403, 404, 405, 408,
                               409, 413, 415, 417, 422, 426, 429, 499, 500, 503};
#define STATUS_SLOTS (COUNT(STATUSES) + 1)

typedef struct counters {
    _Atomic(metric_t *) by_status[STATUS_SLOTS];
} counters_t;

struct routes {
    route_t *rows; /* [0] is for what is not there; then the engine's, the providers', the service's */
    counters_t *counters;
    size_t count, service_at;
    const service_t *service;
};

static const char *methods_of(const hook_route_t *hook)
{
    if (hook->traits & ROUTE_STREAM)
        return "GET";
    if (hook->traits & ROUTE_BROWSER)
        return "POST, OPTIONS";
    return hook->bodies & BODY_QUERY ? "GET, POST" : "POST";
}

routes_t *routes_new(const service_t *service)
{
    routes_t *all = mem_zalloc(sizeof(*all));
    size_t room = 1 + COUNT(OWN_ROWS) + service->n_paths;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        room += PROVIDERS[i]->n_routes;
    all->rows = mem_zalloc(room * sizeof(*all->rows));
    all->counters = mem_zalloc(room * sizeof(*all->counters));
    all->rows[all->count++].auth = ROUTE_AUTH_NOTHING;
    for (size_t i = 0; i < COUNT(OWN_ROWS); i++)
        all->rows[all->count++] = OWN_ROWS[i];
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        for (size_t j = 0; j < PROVIDERS[i]->n_routes; j++)
            if (PROVIDERS[i]->routes[j].path)
                all->rows[all->count++] = (route_t){.path = PROVIDERS[i]->routes[j].path,
                                                    .allow = methods_of(&PROVIDERS[i]->routes[j]),
                                                    .auth = ROUTE_AUTH_PROVIDER,
                                                    .hook = &PROVIDERS[i]->routes[j],
                                                    .provider = PROVIDERS[i]};
    all->service = service;
    all->service_at = all->count;
    for (size_t i = 0; i < service->n_paths; i++)
        all->rows[all->count++] =
            (route_t){.path = service->paths[i].pattern, .allow = service->paths[i].allow, .auth = ROUTE_AUTH_TOKEN};
    return all;
}

void routes_free(routes_t *all)
{
    if (!all)
        return;
    free(all->rows);
    free(all->counters);
    free(all);
}

const route_t *routes_find(const routes_t *all, str_t path)
{
    const provider_t *provider;
    const hook_route_t *hook = route_find(path, &provider);
    size_t of_service = all->service->find(path);

    if (of_service != SIZE_MAX)
        return &all->rows[all->service_at + of_service];
    for (size_t i = 1; i < all->service_at; i++)
        if (hook ? all->rows[i].hook == hook : !all->rows[i].hook && str_eq(path, str_from(all->rows[i].path)))
            return &all->rows[i];
    return &all->rows[0];
}

static metric_t *make_series(const route_t *route, size_t slot)
{
    char labels[160];

    if (slot < COUNT(STATUSES))
        (void)snprintf(labels, sizeof(labels), "route=\"%.100s\",status=\"%d\"", route->path ? route->path : "unknown",
                       STATUSES[slot]);
    else
        (void)snprintf(labels, sizeof(labels), "route=\"%.100s\",status=\"other\"",
                       route->path ? route->path : "unknown");
    return metrics_series(METRIC_REQUESTS, labels);
}

void routes_count(routes_t *all, const route_t *route, int status)
{
    _Atomic(metric_t *) *series;
    metric_t *m;
    size_t slot = 0;

    while (slot < COUNT(STATUSES) && STATUSES[slot] != status)
        slot++;
    series = &all->counters[route - all->rows].by_status[slot];
    m = atomic_load_explicit(series, memory_order_acquire);
    if (!m) {
        m = make_series(route, slot);
        atomic_store_explicit(series, m, memory_order_release);
    }
    metric_add(m, 1);
}

/* Where the segment that begins at a path's slash ends. */
static size_t end_of_segment(str_t path, size_t slash)
{
    size_t len = str_find(str_slice(path, slash + 1, path.len), '/');

    return len == SIZE_MAX ? path.len : slash + 1 + len;
}

/* Providers' paths begin so: "/webhooks". */
static bool begins_providers_path(const routes_t *all, str_t segment)
{
    for (size_t i = 1; i < all->count; i++) {
        str_t known = str_from(all->rows[i].path);

        if (all->rows[i].hook && str_eq_nocase(segment, str_slice(known, 0, end_of_segment(known, 0))))
            return true;
    }
    return false;
}

#define SHORT_SEGMENT 15 /* bytes: a secret in a path has more */

str_t routes_loggable(const routes_t *all, str_t path)
{
    size_t end = 0, left = 8; /* segments */

    while (end < path.len && left--) {
        size_t next = end_of_segment(path, end);

        if (next - end - 1 > SHORT_SEGMENT)
            break;
        if (begins_providers_path(all, str_slice(path, end, next)))
            left = 1;
        end = next;
    }
    return end ? str_slice(path, 0, end) : STR("/");
}
