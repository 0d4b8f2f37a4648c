#include "link.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define MASK_BYTES    4

/* Not zero: a receiver might leave its work undone. */
static const uint8_t MASK[2 * MASK_BYTES] = {0x37, 0xfa, 0x21, 0x3d, 0x37, 0xfa, 0x21, 0x3d};

void link_watch(link_t *l, int epoll, int fd, const link_kind_t *kind)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
    int on = 1;

    l->kind = kind;
    l->fd = fd;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void link_close(link_t *l)
{
    if (l->fd > 0)
        close(l->fd);
    l->fd = 0;
    l->open = false;
    buf_clear(&l->rest);
}

/* ---- frames ---- */

static void mask(char *bytes, size_t len)
{
    uint64_t key, word;
    size_t i = 0;

    memcpy(&key, MASK, sizeof(key));
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        word ^= key;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        bytes[i] = (char)(bytes[i] ^ MASK[i % MASK_BYTES]);
}

void link_add_frame(const link_t *l, buf_t *out, int opcode, str_t payload)
{
    uint8_t bit = l->masks ? 0x80 : 0;

    buf_reserve(out, 8 + payload.len);
    buf_addc(out, (char)(0x80 | opcode));
    if (payload.len < 126) {
        buf_addc(out, (char)(bit | payload.len));
    } else {
        buf_addc(out, (char)(bit | 126));
        buf_addc(out, (char)(payload.len >> 8));
        buf_addc(out, (char)payload.len);
    }
    if (l->masks)
        buf_append(out, MASK, MASK_BYTES);
    buf_add(out, payload);
    if (l->masks)
        mask(out->base + out->len - payload.len, payload.len);
}

typedef struct head {
    int opcode;
    bool masked;
    size_t bytes; /* of the head */
    size_t payload;
} head_t;

static bool read_head(const char *in, size_t got, head_t *out)
{
    const uint8_t *b = (const uint8_t *)in;

    if (got < 4) /* the shortest is 2 bytes, of a frame that is never sent by itself */
        return false;
    *out = (head_t){.opcode = b[0] & 0xf, .masked = b[1] & 0x80, .bytes = 2, .payload = b[1] & 0x7f};
    if (out->payload == 126) {
        out->payload = (size_t)b[2] << 8 | b[3];
        out->bytes = 4;
    } else if (out->payload == 127) {
        out->payload = SIZE_MAX / 2;
    }
    out->bytes += out->masked ? MASK_BYTES : 0;
    return true;
}

static void unmask(char *payload, size_t len)
{
    uint8_t key[MASK_BYTES];

    memcpy(key, payload - MASK_BYTES, MASK_BYTES);
    for (size_t i = 0; i < len; i++)
        payload[i] = (char)(payload[i] ^ key[i % MASK_BYTES]);
}

/* How many bytes it was; 0: not all of it is there. */
static size_t take_frame(link_t *l, char *in, size_t got)
{
    head_t head;

    if (!read_head(in, got, &head))
        return 0;
    if (head.bytes + head.payload > sizeof(l->in)) {
        l->kind->lost(l, "a frame is longer than expected");
        return 0;
    }
    if (head.bytes + head.payload > got)
        return 0;
    if (head.masked)
        unmask(in + head.bytes, head.payload);
    l->kind->frame(l, head.opcode, (str_t){in + head.bytes, head.payload});
    return head.bytes + head.payload;
}

/* ---- sockets ---- */

static bool push(link_t *l, str_t bytes, size_t *sent)
{
    ssize_t n = send(l->fd, bytes.base, bytes.len, MSG_NOSIGNAL);

    *sent = n < 0 ? 0 : (size_t)n;
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static bool push_rest(link_t *l)
{
    size_t sent;

    if (!push(l, buf_str(&l->rest), &sent)) {
        l->kind->lost(l, strerror(errno));
        return false;
    }
    memmove(l->rest.base, l->rest.base + sent, l->rest.len - sent);
    l->rest.len -= sent;
    return !l->rest.len;
}

bool link_send(link_t *l, str_t bytes)
{
    size_t sent;

    if (l->rest.len && !push_rest(l))
        return false;
    if (!push(l, bytes, &sent)) {
        l->kind->lost(l, strerror(errno));
        return false;
    }
    if (!sent)
        return false;
    buf_append(&l->rest, bytes.base + sent, bytes.len - sent);
    return true;
}

static void take_all(link_t *l)
{
    size_t at = 0, n = 1;

    while (at < l->got && n && l->fd) {
        n = l->open ? take_frame(l, l->in + at, l->got - at) : l->kind->upgrade(l, (str_t){l->in + at, l->got - at});
        at += n;
    }
    if (at < l->got)
        memmove(l->in, l->in + at, l->got - at);
    l->got -= at;
}

static void serve(link_t *l)
{
    ssize_t n;

    if (l->kind->readable) {
        l->kind->readable(l);
        return;
    }
    n = recv(l->fd, l->in + l->got, sizeof(l->in) - l->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        l->kind->lost(l, n ? strerror(errno) : "closed");
        return;
    }
    l->got += (size_t)n;
    take_all(l);
}

void link_poll(int epoll, int64_t until_us)
{
    struct epoll_event events[EVENTS_A_TURN];
    int64_t wait_us = until_us - clock_mono_us();
    struct timespec wait = {.tv_sec = wait_us > 0 ? wait_us / US_PER_S : 0,
                            .tv_nsec = wait_us > 0 ? wait_us % US_PER_S * 1000 : 0};
    int n = epoll_pwait2(epoll, events, EVENTS_A_TURN, &wait, NULL);

    for (int i = 0; i < n; i++)
        serve(events[i].data.ptr);
}
