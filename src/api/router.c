#include "api/router.h"

#include "api/audit.h"
#include "api/sync.h"

#include <stdio.h>
#include <string.h>

#define START "since until resource dryRun wait"

const router_path_t ROUTER_PATHS[] = {
    {"/api/audit", {{"GET", SCOPE_READ, audit_get, "provider since limit id wait", true}}},
    {"/api/sync/status", {{"GET", SCOPE_READ, sync_status, "", false}}},
    {"/api/sync/runs", {{"GET", SCOPE_READ, sync_runs, "provider status limit before", false}}},
    {"/api/sync/runs/{id}", {{"GET", SCOPE_READ, sync_run, "", false}}},
    {"/api/sync/runs/{id}/cancel", {{"POST", SCOPE_SYNC, sync_cancel, "", false}}},
    {"/api/sync/{provider}", {{"POST", SCOPE_SYNC, sync_start, START, false}}},
    {"/api/{provider}/sync-all", {{"POST", SCOPE_SYNC, sync_start, START, false}}}, /* as older pages call it */
    {"/api", {{NULL, SCOPE_READ, NULL, NULL, false}}},
};

size_t router_count(void)
{
    return COUNT(ROUTER_PATHS);
}

/* Segment by segment. */
static bool fits(const char *pattern, str_t path, str_t *segments, size_t *count)
{
    str_t left = str_from(pattern), want = STR_NONE, have = STR_NONE;

    *count = 0;
    for (;;) {
        bool more = str_split(&left, '/', &want);

        if (str_split(&path, '/', &have) != more)
            return false;
        if (!more)
            return true;
        if (!str_starts(want, STR("{"))) {
            if (!str_eq(want, have))
                return false;
        } else if (!have.len || *count == CALL_MAX_SEGMENTS) {
            return false;
        } else {
            segments[(*count)++] = have;
        }
    }
}

size_t router_find(str_t path)
{
    str_t segments[CALL_MAX_SEGMENTS];
    size_t count;

    if (!str_starts(path, STR("/api")) || (path.len > 4 && path.base[4] != '/'))
        return SIZE_MAX;
    for (size_t i = 0; i < COUNT(ROUTER_PATHS) - 1; i++)
        if (fits(ROUTER_PATHS[i].pattern, path, segments, &count))
            return i;
    return COUNT(ROUTER_PATHS) - 1;
}

size_t router_segments(const char *pattern, str_t path, str_t out[CALL_MAX_SEGMENTS])
{
    size_t count;

    (void)fits(pattern, path, out, &count);
    return count;
}

const api_method_t *router_method(const router_path_t *p, str_t name)
{
    for (size_t i = 0; i < ROUTER_MAX_METHODS && p->methods[i].name; i++)
        if (str_eq(name, str_from(p->methods[i].name)))
            return &p->methods[i];
    return NULL;
}

void router_allow(const router_path_t *p, char out[ROUTER_ALLOW_BYTES])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < ROUTER_MAX_METHODS && p->methods[i].name; i++)
        len += (size_t)snprintf(out + len, ROUTER_ALLOW_BYTES - len, "%s%s%s", i ? ", " : "", p->methods[i].name,
                                strcmp(p->methods[i].name, "GET") == 0 ? ", HEAD" : "");
}

bool router_takes(const api_method_t *m, str_t param)
{
    str_t rest = str_from(m->params), name;

    while (str_split(&rest, ' ', &name))
        if (name.len && str_eq(name, param))
            return true;
    return false;
}
