/* rest.h – what APIs that are asked by GET, with a key in a header, and that answer in JSON have in common: where they
 * are, the key, how fast they may be asked, and reading what comes back. Not what is asked, nor what it means. Any
 * thread. */
#ifndef HOOKLINE_WEBHOOKS_REST_H
#define HOOKLINE_WEBHOOKS_REST_H

#include "remote.h"

/* The settings' names, and what holds where they are not set. */
typedef struct rest_names {
    const char *url, *url_fallback;
    const char *key;
    const char *gap, *gap_fallback; /* seconds between two requests */
} rest_names_t;
#define REST_MOST_GAP_S 60

/* Whoever's access is more than this has it first in its own. */
typedef struct rest_access {
    str_t base; /* scheme://host[:port][/prefix], no final slash */
    str_t key;
    int64_t gap_us;
} rest_access_t;

/* False with ERR_NONE: no key is set. False with ERR_CONFIG: what is wrong. The address is https, or http to this
 * machine. */
bool rest_access_init(rest_access_t *out, const setting_source_t *from, const rest_names_t *names, err_t *err);
void rest_access_clear(rest_access_t *access); /* wipes the key */
int64_t rest_gap_us(const void *access);       /* remote_t.gap_us */

/* Whether an id can be a segment of a path, once escaped: not nothing, and not dots that lead elsewhere. */
bool rest_fits_path(str_t id);
str_t rest_escape(arena_t *a, str_t text); /* percent-encoded, for a segment of a path and for a query */

/* remote_t.one, where a call is asked for by its id in the path. */
bool rest_one(const char *what, str_t call_id, arena_t *a, remote_step_t *out);

void rest_get(remote_request_t *out, str_t url);
void rest_field(remote_request_t *out, const char *name, str_t value);

/* The answer's body in the page's arena. NULL with ERR_UNPARSABLE: it is not JSON. */
const cJSON *rest_answer(const remote_response_t *r, const remote_page_t *out, err_t *err);

#endif
