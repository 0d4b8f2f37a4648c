/* websocket_handshake.h – how a WebSocket is asked for (RFC 6455 section 4): its address, the request, and the answer.
 *
 * Pure functions over bytes; the key is the caller's, 16 random bytes in base64. No extension and no subprotocol is
 * asked for, so an answer that names one is refused. Any thread. */
#ifndef HOOKLINE_NET_WEBSOCKET_HANDSHAKE_H
#define HOOKLINE_NET_WEBSOCKET_HANDSHAKE_H

#include "base/err.h"
#include "base/mem.h"

#define WEBSOCKET_KEY_BYTES    24 /* 16, in base64 */
#define WEBSOCKET_ACCEPT_BYTES 28
#define WEBSOCKET_HEAD_MAX     ((size_t)16 * 1024) /* of an answer */

typedef struct websocket_url {
    bool secure;     /* wss */
    bool bracketed;  /* the host is an IPv6 address, here without its brackets */
    str_t host;      /* a name or an address, of harmless characters */
    uint16_t port;   /* as it says, or 443 and 80 */
    str_t authority; /* host and port as they stand there */
    str_t target;    /* path and query; may be empty, or begin with the query */
} websocket_url_t;

/* Slices of url. ERR_CONFIG for what is no address of a WebSocket, and for a ws:// that would leave this machine. */
bool websocket_url_read(str_t url, websocket_url_t *out, err_t *err);

typedef struct websocket_field {
    str_t name, value;
} websocket_field_t;

/* Appends the request's head. ERR_CONFIG for a field that cannot be sent, or that is the handshake's own. */
bool websocket_request_make(buf_t *out, const websocket_url_t *url, str_t key, const websocket_field_t *fields,
                            size_t n_fields, err_t *err);

typedef enum {
    WEBSOCKET_ANSWER_PART,    /* more is to come */
    WEBSOCKET_ANSWER_OPEN,    /* what follows head_bytes is frames */
    WEBSOCKET_ANSWER_REFUSAL, /* err says why: ERR_IO where trying again may help, else ERR_CONFIG */
} websocket_answer_t;

/* host: who err is to name. */
websocket_answer_t websocket_answer_read(str_t bytes, str_t host, str_t key, size_t *head_bytes, err_t *err);

/* What proves that a key has been read (section 4.2.2); its length. */
size_t websocket_accept(str_t key, char out[WEBSOCKET_ACCEPT_BYTES]);
/* Whether a field's value, a list with commas, has this word, in either case. */
bool websocket_list_has(str_t list, str_t word);

#endif
