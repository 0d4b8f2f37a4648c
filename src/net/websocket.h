/* websocket.h – one WebSocket (RFC 6455) over a socket of an event loop: frames, pings, the close, and their deadlines.
 *
 * Text messages only, whole ones, checked; no extension. It knows nothing of what they say, of HTTP's handshake, or of
 * who the other side is. Framing is wslay's, but for messages of the usual kind, read and written by hand; its two
 * writes for a message are gathered into one for all that is queued.
 *
 * Threads: all of a WebSocket is its loop's. Deadlines are by the monotonic clock, in websocket_sweep, which the loop
 * calls several times a second: h2o's own timers follow the wall clock. No call frees it but the loop's own turn (and
 * websocket_cut): whoever sends or closes may do so from inside a callback. */
#ifndef HOOKLINE_NET_WEBSOCKET_H
#define HOOKLINE_NET_WEBSOCKET_H

#include "base/str.h"

struct st_h2o_socket_t;
typedef struct websocket websocket_t;

/* RFC 6455 section 7.4.1, those that we send or meet. */
enum {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_CODE = 1005, /* never sent: a close frame without a code came */
    WEBSOCKET_DROPPED = 1006, /* never sent: the connection ended without a close frame */
    WEBSOCKET_INVALID = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL = 1011,
};

typedef struct websocket_limits {
    size_t max_message; /* bytes of one that is received; 1009 above */
    size_t max_queued;  /* bytes that wait to be sent, see websocket_send */
    int64_t idle_us;    /* without any frame, a pong included: closed with 1001 */
    int64_t ping_us;    /* how often we ping; what shows that the other side lives is any frame, within idle_us */
    int64_t close_us;   /* from our close frame to the end, if the other side does not answer it */
} websocket_limits_t;

typedef struct websocket_end {
    int code;        /* the first close frame's: ours or theirs; WEBSOCKET_DROPPED without one */
    bool by_us;      /* the first close frame was ours */
    const char *why; /* of ours: the text that went with it; "" for others. A literal */
} websocket_end_t;

typedef struct websocket_events {
    void (*message)(void *ctx, str_t text); /* good during the call; not called any more once it is being closed */
    void (*closed)(void *ctx, const websocket_end_t *end); /* the last call, exactly once; the WebSocket is gone then */
} websocket_events_t;

/* Takes over a socket on which the 101 has been written, and what it may have read already. limits and events are
 * borrowed for as long as it lives. */
websocket_t *websocket_serve(struct st_h2o_socket_t *sock, const websocket_limits_t *limits,
                             const websocket_events_t *events, void *ctx);
/* The same for the one that has asked: the 101 has been read. Its frames are masked, and the other side's must not be.
 * What the socket has read already is taken in by the next websocket_sweep. */
websocket_t *websocket_begin_client(struct st_h2o_socket_t *sock, const websocket_limits_t *limits,
                                    const websocket_events_t *events, void *ctx);
/* Who else holds the socket hears of its end right before it is closed; the WebSocket is still there then. unread: the
 * other side may still be sending, so that to close might reset the connection before our close frame is read. */
void websocket_watch(websocket_t *ws, void (*ending)(void *owner, bool unread), void *owner);

/* False, and nothing is queued: it is being closed, or more than max_queued would wait. The caller decides then: leave
 * the message out, or close with WEBSOCKET_POLICY. text: UTF-8, copied. */
bool websocket_send(websocket_t *ws, str_t text);
/* What is sent between the two goes in one write. No turn of the loop ends in between. */
void websocket_hold(websocket_t *ws);
void websocket_release(websocket_t *ws);
/* Bytes that wait to be sent, or are on their way to the kernel, as max_queued counts them: with a little for every
 * message. An owner that can wait sends more when this has fallen. */
size_t websocket_queued(const websocket_t *ws);
/* Begins the close, if it has not begun. why: a literal of at most 123 bytes, which the other side gets to read. */
void websocket_close(websocket_t *ws, int code, const char *why);
/* The same, unless the other side does it within delay_us. */
void websocket_close_after(websocket_t *ws, int code, const char *why, int64_t delay_us);
void websocket_stay(websocket_t *ws); /* takes that back */
void websocket_sweep(websocket_t *ws, int64_t now_us);
/* Ends it at once, without a close frame if none has been sent: closed is called from inside, and ws is gone. Only for
 * whoever takes down the loop; never from inside a callback. */
void websocket_cut(websocket_t *ws);

#endif
