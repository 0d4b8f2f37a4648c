/* port.h – the inside of ingest: what its files share. Nobody outside src/ingest includes this.
 *
 * ingest.c  from a request to a delivery: verify, understand
 * port.c    from a delivery to an answer: who waits, for the store or for the journal, and until when
 * give.c    what nobody waits for: it is tried again instead of refused */
#ifndef HOOKLINE_INGEST_PORT_H
#define HOOKLINE_INGEST_PORT_H

#include "ingest/ingest.h"
#include "ingest/keyring.h"
#include "ingest/tally.h"
#include "ingest/trigger.h"

#include <stdatomic.h>

struct ingest {
    keyring_t *keys;
    store_t *store;
    journal_t *journal;
    dialplan_t *dialplan;
    atomic_bool bridges;
    int64_t ticket_life_us;
    int64_t commit_deadline_us;
    bool explains;    /* logs what was tried when a signature does not fit */
    tally_t *tallies; /* by provider index, as triggers */
    trigger_set_t *triggers;
    void (*has_news)(void *ctx, const provider_t *provider);
    void *ctx;
    histogram_t *ack_seconds;
};

ingest_answer_t port_refusal(err_code_t code);
/* What is answered once d is durable. Made before the store gets d, which may change it then. */
ingest_answer_t port_acknowledgement(ingest_t *in, size_t provider_index, const hook_route_t *route,
                                     const hook_request_t *request, delivery_t *d);

/* Takes d over on true: to the store, or else to the journal. NULL: neither takes it, and err says why.
 * acknowledgement: copied; its body lives in d, or is literal. */
ingest_wait_t *port_submit(ingest_port_t *port, size_t provider_index, delivery_t *d,
                           const ingest_answer_t *acknowledgement, ingest_answer_fn answer, void *ctx, err_t *err);
ingest_t *port_ingest(const ingest_port_t *port);
size_t port_index_of(const provider_t *provider);
void port_note_dead_letter(ingest_t *in, size_t index, const delivery_t *d, str_t request_id);

/* give.c: what ingest_give has taken and the store and the journal have not, oldest first. */
typedef struct gift gift_t;
typedef struct gifts {
    gift_t *oldest, *newest;
    size_t count, bytes;
} gifts_t;
gifts_t *port_gifts(ingest_port_t *port);
void gifts_retry(ingest_port_t *port, int64_t mono_us); /* INT64_MAX: for the last time */

#endif
