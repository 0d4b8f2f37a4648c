/* route.h – which provider's route an address is. Any thread. */
#ifndef HOOKLINE_INGEST_ROUTE_H
#define HOOKLINE_INGEST_ROUTE_H

#include "provider.h"

/* path: without the query; exact, or with one segment more where the route has ROUTE_SECRET or ROUTE_STREAM. NULL: no
 * provider has it. */
const hook_route_t *route_find(str_t path, const provider_t **provider);

/* Of a raw request target: the segment after the route's path, and what follows the "?"; absent where there is none. */
str_t route_secret(const hook_route_t *route, str_t target);
str_t route_query(str_t target);

#endif
