/* route.h – the table of what can be asked for: the engine's own rows, then every provider's routes, then
 * the service's. Any thread. */
#ifndef HOOKLINE_HTTP_ROUTE_H
#define HOOKLINE_HTTP_ROUTE_H

#include "base/metrics.h"
#include "http/service.h"
#include "ingest/ingest.h"

typedef struct request request_t;

/* Who may call. There is no default. */
typedef enum {
    ROUTE_AUTH_OPEN = 1, /* anybody who reaches us */
    ROUTE_AUTH_PROVIDER, /* who proves to be the provider: ingest verifies */
    ROUTE_AUTH_TOKEN,    /* who has a token: the service asks for it */
    ROUTE_AUTH_NOTHING,  /* nothing is there to be had */
} route_auth_t;

typedef struct route {
    const char *path;  /* exact, or the service's pattern; without the query; also the label in metrics and logs */
    const char *allow; /* the methods, as the Allow field says them */
    route_auth_t auth;
    void (*serve)(request_t *r);
    const hook_route_t *hook; /* of a provider's route */
    const provider_t *provider;
} route_t;

typedef struct routes routes_t;
routes_t *routes_new(const service_t *service); /* borrowed */
void routes_free(routes_t *all);                /* NULL is fine */
/* path: raw, without the query. Never NULL: what is not there has a row too. */
const route_t *routes_find(const routes_t *all, str_t path);
/* One more answer of this status. */
void routes_count(routes_t *all, const route_t *route, int status);
/* How much of an unknown path may be logged: what comes before its first segment that is long enough to be a secret,
 * and where it looks like a provider's, that provider's name. */
str_t routes_loggable(const routes_t *all, str_t path);

#endif
