/* delivery.h – one thing a provider told us: the type that everything passes on.
 *
 * A delivery is made on the thread that took it in, given to the writer, and given back once it is durable; whoever
 * holds it is its only user. All it points to lives in its own arena (or is a literal), so that it outlives the
 * request. */
#ifndef HOOKLINE_EVENT_DELIVERY_H
#define HOOKLINE_EVENT_DELIVERY_H

#include "base/json.h"
#include "event/fact.h"

typedef enum { WAY_WEBHOOK, WAY_MEDIA, WAY_RECONCILE, WAY_REPLAY } way_t;
const char *way_name(way_t way);

typedef struct delivery delivery_t;

/* What became of the row of call_events that a delivery was read from. */
typedef enum {
    REPLAYED_GONE,       /* it is not there any more */
    REPLAYED_UNCHANGED,  /* it was no dead letter, and this version finds nothing to add */
    REPLAYED_FILLED,     /* it was none, and has columns now that it had not, or other ones */
    REPLAYED_UNDERSTOOD, /* a dead letter no longer */
    REPLAYED_DUPLICATE,  /* a dead letter whose event is another row's: removed */
    REPLAYED_STILL_DEAD,
    REPLAYED_COUNT
} replayed_t;

/* Whoever gives deliveries away and wants them back. */
typedef struct delivery_home {
    /* Any thread: a list by next, each durable (failed == ERR_NONE) or not. */
    void (*take_back)(struct delivery_home *home, delivery_t *list);
} delivery_home_t;

struct delivery {
    struct delivery *next; /* the list that its holder keeps */
    arena_t *arena;

    /* As it came */
    const char *provider; /* its name as stored; a literal */
    const char *route;    /* the route it came by, e.g. "voice"; a literal */
    way_t way;
    int64_t received_us; /* wall clock, first receipt */
    str_t payload;       /* JSON text: redacted and safe for jsonb; a form as an object. Absent when unparsable */
    str_t raw;           /* the body where it was unparsable, redacted where it can be read; else absent */
    const cJSON *root;   /* the payload's tree; NULL when unparsable, and once normalised */

    /* Read from a row of call_events (a replay) */
    int64_t row_id;       /* that row's, with received_us; 0: it is new */
    bool row_has_payload; /* which stays as it is */

    /* As understood: filled by the provider's normalise */
    str_t event_key;  /* what happened, the same by whichever way it is heard; without the provider's name */
    str_t event_type; /* the provider's word, e.g. "end-of-call-report" */
    str_t call_id;    /* the provider's id of the call; absent when it is about none */
    str_t call_sid;
    str_t from_number, to_number;
    str_t status;        /* the provider's word */
    int64_t occurred_us; /* the provider's clock, TIME_NONE if it gave none */
    facts_t facts;
    bool unstored; /* counted, but neither row nor facts (a partial transcript): acknowledged at once */

    /* What became of it */
    str_t error;         /* why it is a dead letter: no facts are written then; absent for one that was understood */
    err_code_t failed;   /* ERR_NONE once durable; else why it could not be made so */
    replayed_t replayed; /* once durable, of one that was read from a row */

    /* The holder's bookkeeping */
    size_t bytes;          /* what it counts for in queues */
    delivery_home_t *home; /* where it goes back to */
    void *owner;           /* the home's: who waits for it */
    uint8_t key_hash[16];  /* the store's: see call_events */
    bool backlog;          /* the store's: which of its lanes it was put in */
};

delivery_t *delivery_new(size_t arena_bytes);
void delivery_free(delivery_t *d);         /* NULL is fine */
void delivery_send_home(delivery_t *list); /* by next; each to its own home, in their order */

/* Makes it a dead letter: drops the facts and ids too long for any index, keeps payload or raw, and gives it a key by
 * content when it has none. */
void delivery_bury(delivery_t *d, const char *why);

#endif
