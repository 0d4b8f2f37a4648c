/* router.h – what can be asked for: the table of the API's paths and methods. Pure; any thread. */
#ifndef HOOKLINE_API_ROUTER_H
#define HOOKLINE_API_ROUTER_H

#include "api/call.h"
#include "api/token.h"

#define ROUTER_MAX_METHODS 3
#define ROUTER_ALLOW_BYTES 64

struct api_method {
    const char *name; /* GET: HEAD, too */
    scope_t scope;    /* what a token must be for */
    api_run_fn run;
    const char *params; /* those that the query may have, separated by blanks: a slip of the pen is refused, not
                           ignored. Among them "wait": see call.h, again */
    bool waits;         /* if nobody says wait=0; else if somebody says wait=1 */
};

typedef struct router_path {
    const char *pattern;                      /* {…} stands for one segment; of two that fit the first counts */
    api_method_t methods[ROUTER_MAX_METHODS]; /* up to the first without a name */
} router_path_t;

extern const router_path_t ROUTER_PATHS[]; /* the last is "/api", for what is not there: it has no method */
size_t router_count(void);

/* Which of them; SIZE_MAX: it is none of ours. */
size_t router_find(str_t path);
/* path is one that it fits. What stands for {…}. */
size_t router_segments(const char *pattern, str_t path, str_t out[CALL_MAX_SEGMENTS]);
const api_method_t *router_method(const router_path_t *p, str_t name); /* NULL: not there */
void router_allow(const router_path_t *p, char out[ROUTER_ALLOW_BYTES]);
bool router_takes(const api_method_t *m, str_t param);

#endif
