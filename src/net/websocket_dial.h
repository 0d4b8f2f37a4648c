/* websocket_dial.h – opens WebSockets to others (RFC 6455 section 4.1): name, connection, TLS, handshake.
 *
 * Nothing of it blocks: names are resolved by threads of h2o's, everything else is the loop's. There is one deadline
 * for all of it until the 101, within which the host's addresses are tried in turn. For TLS see client_tls.h; ws:// is
 * for this machine alone. No extension and no subprotocol is offered, no redirect followed.
 *
 * A dialer belongs to one loop, and all calls come from its thread. It sweeps what it has opened, and watches it
 * (websocket_watch is taken). */
#ifndef HOOKLINE_NET_WEBSOCKET_DIAL_H
#define HOOKLINE_NET_WEBSOCKET_DIAL_H

#include "net/websocket.h"
#include "net/websocket_handshake.h"

struct st_h2o_evloop_t;
struct st_h2o_multithread_queue_t;
typedef struct websocket_dialer websocket_dialer_t;
typedef struct websocket_dial websocket_dial_t; /* one that is being opened: until done, or websocket_dial_cancel */

typedef struct websocket_call {
    str_t url;                       /* wss://, with host, perhaps a port, path and query */
    const websocket_field_t *fields; /* to be sent along; a value is never logged */
    size_t n_fields;
    int64_t timeout_us;               /* until the 101 */
    const websocket_limits_t *limits; /* both borrowed for as long as the WebSocket lives */
    const websocket_events_t *events;
    void *ctx; /* of done and of the events */
    /* Once, never from inside websocket_dial, not after websocket_dial_cancel or websocket_dialer_free. ws: it is open,
     * and its first message may follow at once; NULL: err says why, in a sweep. ERR_CONFIG is for what trying again is
     * of little use: an address that is none, a certificate that is not theirs, an answer that is a refusal. Else
     * ERR_IO. */
    void (*done)(void *ctx, websocket_t *ws, const err_t *err);
} websocket_call_t;

/* Reads the authorities' certificates from disk. The queue outlives the loop's last turn: a name that is being looked
 * up cannot be stopped. */
websocket_dialer_t *websocket_dialer_new(struct st_h2o_evloop_t *loop, struct st_h2o_multithread_queue_t *queue);
/* What call points to is copied, but for limits and events. */
websocket_dial_t *websocket_dial(websocket_dialer_t *d, const websocket_call_t *call);
void websocket_dial_cancel(websocket_dial_t *dial);                  /* NULL is fine */
void websocket_dialer_sweep(websocket_dialer_t *d, int64_t mono_us); /* several times a second */
size_t websocket_dialer_count(const websocket_dialer_t *d);          /* being opened, open, or closing */
/* Cancels and cuts what is left: events' closed is called from inside. Never from inside a callback; NULL is fine. */
void websocket_dialer_free(websocket_dialer_t *d);

#endif
