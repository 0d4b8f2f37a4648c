/* request.h – one request, from the moment h2o has read it to the last byte of its answer. Loop threads only. */
#ifndef HOOKLINE_HTTP_REQUEST_H
#define HOOKLINE_HTTP_REQUEST_H

#include "http/head.h"
#include "http/server.h"

#define REQUEST_ID_BYTES 64

/* Part of its connection: HTTP/1 has one request at a time, so it costs no allocation. */
struct request {
    conn_t *conn;
    h2o_req_t *h2o; /* NULL between requests */
    const route_t *route;
    ingest_wait_t *wait; /* not NULL while ingest will answer */
    void *service_wait;  /* not NULL while the service will */
    int64_t began_us;
    address_t client;
    err_code_t code; /* why it was refused */
    int status;
    size_t bytes; /* of the answer's body */
    bool closes;  /* the connection ends with this answer */
    bool lingers; /* and more than this request has come: see conn_linger */
    uint8_t id_len;
    char id[REQUEST_ID_BYTES];
};

/* What a request's header fields say, found in one pass; borrowed from h2o. */
typedef struct fields {
    header_t all[H2O_MAX_HEADERS];
    size_t count;
    str_t content_type;
    str_t request_id;
    str_t forwarded_proto, forwarded_host;
    str_t forwarded_for[8]; /* more lines than this are not looked at: nobody sends them */
    size_t n_forwarded_for;
} fields_t;

typedef struct response {
    int status;
    str_t content_type;    /* absent with an empty body */
    str_t body;            /* copied */
    const char *allow;     /* NULL: no Allow */
    int retry_after_s;     /* 0: no Retry-After */
    bool upgrade;          /* says what could be opened here */
    bool preflight;        /* says what a browser may send (CORS) */
    str_t location;        /* absent: no Location; copied */
    const char *challenge; /* NULL: no WWW-Authenticate; a literal */
} response_t;

/* request.c: its beginning and its end */
void request_begin(request_t *r, h2o_req_t *h2o, fields_t *fields);
void request_end(request_t *r); /* the answer is written, or never will be */

/* response.c */
void respond(request_t *r, const response_t *what);
void respond_error(request_t *r, err_code_t code);
/* With its detail and hint, and the answer's challenge and time to wait. */
void respond_refusal(request_t *r, const err_t *err, const char *challenge, int retry_after_s);
str_t response_error_body(const request_t *r, err_code_t code, char out[512]);
const char *response_reason(int status);
void response_add_fields(request_t *r, const response_t *what); /* those that every answer has */
void response_add_upgrade(request_t *r, str_t accept);          /* those of a 101 */

/* handler.c: nobody reads the service's answer any more */
void request_abandon(request_t *r);

/* upgrade.c: a GET of a route with ROUTE_STREAM: a WebSocket, or why not */
void upgrade_take(request_t *r, const hook_request_t *hook, const fields_t *fields, const head_t *head);

/* health.c */
void serve_livez(request_t *r);
void serve_ready(request_t *r);
void serve_metrics(request_t *r);

/* access_log.c */
void access_log(const request_t *r);

#endif
