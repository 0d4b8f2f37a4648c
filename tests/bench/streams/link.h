/* link.h – one end of a WebSocket, of the kind that costs a load generator least: text frames that are whole, a mask
 * that is always the same, one recv and one send at a time, nothing checked that a server under test would not get
 * wrong.
 *
 * What a kind of link does is its own: how the upgrade goes, and what comes of a frame. One thread, one epoll. */
#ifndef HOOKLINE_BENCH_LINK_H
#define HOOKLINE_BENCH_LINK_H

#include "base/mem.h"

#define LINK_TEXT  0x1 /* RFC 6455 section 5.2 */
#define LINK_CLOSE 0x8
#define LINK_PING  0x9
#define LINK_PONG  0xa

#define LINK_IN_BYTES 8192 /* the largest frame that is received */

typedef struct link link_t;

typedef struct link_kind {
    /* Bytes of the upgrade; returns how many of them it was, 0 for more to come. */
    size_t (*upgrade)(link_t *l, str_t bytes);
    void (*frame)(link_t *l, int opcode, str_t payload);
    void (*lost)(link_t *l, const char *why);
    void (*readable)(link_t *l); /* instead of all that: it is no WebSocket */
} link_kind_t;

struct link {
    const link_kind_t *kind;
    int fd;
    bool masks; /* it is the client's end */
    bool open;  /* upgraded */
    buf_t rest; /* what the kernel has not taken yet */
    size_t got;
    char in[LINK_IN_BYTES];
};

/* From here on link_poll serves it. */
void link_watch(link_t *l, int epoll, int fd, const link_kind_t *kind);
void link_close(link_t *l);

void link_add_frame(const link_t *l, buf_t *out, int opcode, str_t payload);
/* False, and nothing of it is sent: what was sent before has not gone yet. */
bool link_send(link_t *l, str_t bytes);
/* Serves what there is to be read, and waits for it until then. */
void link_poll(int epoll, int64_t until_us);

#endif
