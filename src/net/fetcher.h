/* fetcher.h – HTTPS requests, many at once, on libcurl and a thread of its own.
 *
 * Whoever asks has a mailbox, into which answers come and from which it takes them when it likes. Connections are kept
 * and shared by requests to one host (HTTP/2 where the server speaks it). Certificates are verified, by the system's
 * authorities or those of SSL_CERT_FILE and SSL_CERT_DIR; plain http goes to this machine only. No redirect is
 * followed: an API does not move, and a redirect could carry a key elsewhere. Any thread may ask; a mailbox belongs to
 * one thread. */
#ifndef HOOKLINE_NET_FETCHER_H
#define HOOKLINE_NET_FETCHER_H

#include "net/http_client.h"

typedef struct fetcher fetcher_t;
typedef struct fetch_mailbox fetch_mailbox_t;

typedef struct fetch_limits {
    int64_t connect_us;   /* until there is a connection; http_call_t.timeout_us is for all of it */
    size_t max_body;      /* an answer above it is an error, once unpacked */
    size_t max_in_flight; /* of one mailbox; above it fetcher_ask says ERR_BUSY */
} fetch_limits_t;

/* What became of a request: given to whoever takes it from its mailbox. */
typedef struct fetched {
    struct fetched *next;
    arena_t *arena; /* of everything in it, itself included */
    void *ticket;   /* as it was asked with */
    bool came;      /* there is an answer, whatever its status; else err says why not: ERR_IO, ERR_TOO_LARGE, or
                       ERR_CONFIG, which does not pass: who answers there is not who was asked */
    bool sent;      /* it may have reached the server */
    int status;
    http_field_t *fields; /* names in lower case */
    size_t n_fields;
    str_t body;
    err_t err;
} fetched_t;
void fetched_free(fetched_t *f);

fetcher_t *fetcher_new(void);
void fetcher_free(fetcher_t *f); /* after the last mailbox is closed; NULL is fine */

fetch_mailbox_t *fetch_mailbox_open(fetcher_t *f, const fetch_limits_t *limits);
void fetch_mailbox_close(fetch_mailbox_t *m); /* what is under way is given up; NULL is fine */

/* Copies the call. Its answer comes into the mailbox, once. False: it never will (ERR_BUSY; ERR_CONFIG: plain http to
 * another machine). */
bool fetcher_ask(fetch_mailbox_t *m, const http_call_t *call, void *ticket, err_t *err);
/* The next that has come; NULL when none has by then (mono clock). */
fetched_t *fetch_mailbox_take(fetch_mailbox_t *m, int64_t until_us);

#endif
