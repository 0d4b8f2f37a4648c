/* conn.h – our side of a connection: from accept to close. Loop threads only.
 *
 * h2o's timers follow the wall clock, and it has none for writing: the deadlines are ours, by the monotonic clock, in a
 * sweep over the loop's list. To cut is to shut the socket down, so that h2o meets an end of file or a failed write and
 * closes it in its own way. */
#ifndef HOOKLINE_HTTP_CONN_H
#define HOOKLINE_HTTP_CONN_H

#include "http/request.h"

typedef enum {
    CONN_HANDSHAKE, /* TLS is being agreed */
    CONN_IDLE,      /* no byte of a request yet */
    CONN_READING,   /* some bytes of one */
    CONN_SERVING,   /* h2o has read one: until its answer is written */
    CONN_STREAM,    /* it is a WebSocket now: stream has its deadlines */
    CONN_ENDING,    /* the WebSocket is over, and the socket about to close: TLS waits for the client's farewell */
    CONN_LINGERING, /* h2o is done with it: see linger */
} conn_state_t;

struct conn {
    conn_t *prev, *next;
    loop_t *loop;
    h2o_socket_t *sock;
    conn_state_t state;
    int64_t since_us;       /* in this state */
    int64_t write_since_us; /* since when something is left to write and the client takes none of it; 0: nothing */
    uint64_t taken;         /* bytes, as of then */
    const void *handshake;  /* what sock->data is until the handshake is over */
    SSL_CTX *tls;           /* a reference of ours: h2o takes its own only at the first byte. NULL: clear text */
    int linger_fd;          /* a duplicate that outlives h2o's close; -1: none */
    websocket_t *stream;    /* in CONN_STREAM */
    bool served;            /* at least one request */
    bool cut;
    bool half_closed; /* reading is shut: see close_if_idle */
    bool watched;     /* see conn_keep_watched */
    address_t peer;
    bool trusted; /* the peer is one of HOOKLINE_TRUSTED_PROXIES */
    request_t request;
};

void conn_open(loop_t *l, const handover_t *h);
conn_t *conn_of(const h2o_req_t *req);
/* While an answer is awaited h2o reads nothing, and takes the descriptor out of epoll, to put it back a moment later:
 * two system calls for every delivery. This leaves it there, without reading, until something comes after all. */
void conn_keep_watched(conn_t *c);
void conn_end_watch(conn_t *c);
/* Keeps the descriptor open after h2o's close, and swallows for a while what the client still sends: closing with
 * unread bytes would reset the connection, and the client might never see why it was refused. */
void conn_linger(conn_t *c);
/* h2o has nothing to do with it any more. */
void conn_become_stream(conn_t *c, websocket_t *stream);
void conn_end_streams(loop_t *l); /* politely: 1001 */
void conn_sweep(loop_t *l, int64_t now_us);
void conn_cut_all(loop_t *l);

#endif
