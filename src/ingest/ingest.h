/* ingest.h – the pipeline: a delivery in, an acknowledgement out.
 *
 * verify → redact → understand → hand to the store → (later) acknowledge. What the store does not take, or does not
 * commit within HOOKLINE_COMMIT_DEADLINE, goes to the journal; the store may commit it all the same, and it is one
 * event by its key. Only what neither can keep is refused. It owns the providers' keys, the list of who waits for what,
 * and the rule of when to stop waiting. It knows neither HTTP's bytes (src/http) nor SQL (src/store).
 *
 * Threads: an ingest is shared; a port belongs to one event loop, and all calls that take a port come from its thread.
 * Nothing here blocks. */
#ifndef HOOKLINE_INGEST_INGEST_H
#define HOOKLINE_INGEST_INGEST_H

#include "config/config.h"
#include "journal/journal.h"
#include "provider.h"
#include "store/store.h"

typedef struct ingest ingest_t;
typedef struct ingest_port ingest_port_t;
typedef struct ingest_wait ingest_wait_t; /* a request that waits for its delivery */

/* All must outlive the ports' deliveries. */
typedef struct ingest_options {
    store_t *store;
    journal_t *journal;
    dialplan_t *dialplan; /* what becomes of calls */
    bool bridges;         /* there is somebody who can speak with a caller */
    /* A webhook has become durable that says that this provider's API has news (remote_trigger_t). Called on a loop:
     * must not block. NULL: nobody asks. */
    void (*has_news)(void *ctx, const provider_t *provider);
    void *ctx;
} ingest_options_t;
/* NULL with ERR_CONFIG when a provider's settings are set but not usable. */
ingest_t *ingest_new(const config_t *config, const ingest_options_t *options, err_t *err);
void ingest_free(ingest_t *in); /* after all ports are free */
/* New secrets. Refused, and the old ones kept, when it would leave a provider that is on without one. */
bool ingest_reload(ingest_t *in, const config_t *config, err_t *err);
void ingest_set_bridges(ingest_t *in, bool bridges); /* see ingest_options_t; any thread */
bool ingest_provider_is_on(const ingest_t *in, const provider_t *p);
/* For journal_options_t.done: tickets of any ports. Any thread. */
void ingest_journaled(void *ctx, journal_ticket_t *list);

/* wake is called from any thread when the port has something to drain; the loop then calls ingest_port_drain. */
ingest_port_t *ingest_port_new(ingest_t *in, void (*wake)(void *ctx), void *ctx);
void ingest_port_free(ingest_port_t *port);                    /* when ingest_port_pending is 0 */
void ingest_port_drain(ingest_port_t *port);                   /* answers what is durable */
void ingest_port_expire(ingest_port_t *port, int64_t mono_us); /* to the journal, or answers 503, where it is time */
size_t ingest_port_pending(const ingest_port_t *port);         /* deliveries that are not back, or to be tried again */

typedef struct ingest_answer {
    int status;
    str_t content_type; /* absent with an empty body */
    str_t body;         /* good during the call */
    err_code_t code;    /* ERR_NONE for an acknowledgement; 503 carries Retry-After: 1 */
} ingest_answer_t;
typedef void (*ingest_answer_fn)(void *ctx, const ingest_answer_t *answer);

/* Takes a request in. Exactly one of these happens:
 *  - `answer` is called before it returns (a refusal, or nothing to store), and NULL is returned;
 *  - a wait is returned, and `answer` is called later, once, from ingest_port_drain or _expire, unless it is forgotten.
 * content_type: the header's value. The request is copied where needed. */
ingest_wait_t *ingest_take(ingest_port_t *port, const provider_t *provider, const hook_route_t *route,
                           const hook_request_t *request, str_t content_type, str_t request_id, ingest_answer_fn answer,
                           void *ctx);
void ingest_forget(ingest_wait_t *wait); /* the client is gone: still stored, never answered */

/* Whether a WebSocket may be opened on a route with ROUTE_STREAM. ERR_NONE, and who is let in; else why not, which is
 * counted and logged like a delivery refused. */
err_code_t ingest_admit(ingest_port_t *port, const provider_t *provider, const hook_route_t *route,
                        const hook_request_t *request, str_t request_id, hook_admission_t *out);

/* Takes in what no request waits for (what is heard on a stream): JSON that we made, copied, and kept until it is
 * durable. The store and the journal take it by the same rules; what neither takes is tried again every second, as
 * nobody sends it once more. Only what does not fit the bound of those, or is still left when the process ends, is
 * lost: that is counted and logged. */
void ingest_give(ingest_port_t *port, const provider_t *provider, const hook_route_t *route, way_t way, str_t payload);

#endif
