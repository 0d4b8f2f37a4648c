/* http_client.h – one HTTP request at a time, blocking, on libcurl. For commands that a person runs; never on a loop.
 *
 * The connection is kept for the next request. A client belongs to one thread. It follows no redirect: a webhook's
 * sender does not either. */
#ifndef HOOKLINE_NET_HTTP_CLIENT_H
#define HOOKLINE_NET_HTTP_CLIENT_H

#include "base/err.h"
#include "base/mem.h"

typedef struct http_client http_client_t;

typedef struct http_field {
    str_t name;
    str_t value;
} http_field_t;

typedef struct http_call {
    const char *method; /* "POST" */
    str_t url;
    const http_field_t *fields;
    size_t n_fields;
    str_t body; /* absent: none */
    int64_t timeout_us;
} http_call_t;

typedef struct http_result {
    int status;
    str_t body;      /* in the arena; at most HTTP_RESULT_MAX bytes, the rest is dropped */
    int64_t took_us; /* from sending to the last byte */
} http_result_t;
#define HTTP_RESULT_MAX ((size_t)1024 * 1024)

http_client_t *http_client_new(void);
void http_client_free(http_client_t *c);

/* True for any status at all. ERR_IO: no answer, and why. */
bool http_client_send(http_client_t *c, const http_call_t *call, arena_t *a, http_result_t *out, err_t *err);

#endif
