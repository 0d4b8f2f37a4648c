#include "ingest/route.h"

static str_t path_of(str_t target)
{
    return str_slice(target, 0, str_find(target, '?'));
}

str_t route_query(str_t target)
{
    return str_slice(target, path_of(target).len + 1, target.len);
}

str_t route_secret(const hook_route_t *route, str_t target)
{
    str_t path = path_of(target);
    size_t len = str_from(route->path).len;

    return path.len > len ? str_slice(path, len + 1, path.len) : STR_NONE;
}

static bool is_path_of(const hook_route_t *route, str_t path)
{
    str_t known = str_from(route->path);

    if (!route->path)
        return false;
    if (str_eq(path, known))
        return true;
    return route->traits & (ROUTE_SECRET | ROUTE_STREAM) && str_starts(path, known) && path.base[known.len] == '/' &&
           str_find(route_secret(route, path), '/') == SIZE_MAX;
}

const hook_route_t *route_find(str_t path, const provider_t **provider)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        for (size_t j = 0; j < PROVIDERS[i]->n_routes; j++) {
            if (is_path_of(&PROVIDERS[i]->routes[j], path)) {
                *provider = PROVIDERS[i];
                return &PROVIDERS[i]->routes[j];
            }
        }
    }
    return NULL;
}
