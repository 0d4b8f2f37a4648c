#include "net/websocket.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <h2o.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define KEEP_BYTES    8192  /* of a buffer that grew, what is kept for the next message */
#define MOST_AT_ONCE  65536 /* in one write */
#define PONGS_BYTES   65536 /* beside max_queued: answers to pings, which nobody else bounds */
#define CONTROL_BYTES 125
#define QUEUED_BYTES  64   /* what a queued message takes beside its own bytes, at least */
#define MASKS_BYTES   4096 /* are drawn at once */

#define PROTOCOL_ERROR "protocol error"

struct websocket {
    h2o_socket_t *sock;
    wslay_event_context_ptr wslay;
    const websocket_limits_t *limits;
    const websocket_events_t *events;
    void *ctx;
    void (*ending)(void *owner, bool unread);
    void *owner;

    bool client;       /* its frames are masked, and the other side's are not */
    buf_t message;     /* what has come of the one that is being received */
    bool in_text;      /* the frame that is being received is part of a message, not a ping or the like */
    bool in_part;      /* the last one that was part of a message was not its end */
    size_t frame;      /* bytes of the frame that is being received, its head included */
    size_t unfinished; /* bytes that wslay has taken of what is no whole frame yet */
    buf_t out;         /* what is being written, or will be next */
    uint64_t left;     /* of the frame that is being put there, bytes of its payload */
    bool writing;
    bool reading; /* and calling back: what is queued meanwhile is written afterwards */
    bool held;    /* see websocket_hold */
    bool stirred; /* something has happened besides whole messages that came: settle has to look */

    bool closing; /* our close frame is queued, or theirs has come */
    bool by_us;
    int code;
    const char *why;
    bool fault;  /* it broke the rules of framing: see on_send */
    bool broken; /* the connection is gone */

    int64_t heard_us; /* the last frame's, or its part's */
    int64_t pinged_us;
    int64_t closing_us; /* since when it is being closed; 0: it is not */
    int64_t later_us;   /* websocket_close_after's; 0: none */
    int later_code;
    const char *later_why;
};

/* ---- closing ---- */

static void begin_close(websocket_t *ws, int code, const char *why, bool by_us)
{
    if (ws->closing)
        return;
    ws->closing = true;
    ws->by_us = by_us;
    ws->code = code;
    ws->why = why;
    ws->closing_us = clock_mono_us();
}

/* What we find fault with: nothing more is read. Also called while wslay is reading. */
static void fail(websocket_t *ws, int code, const char *why)
{
    if (ws->closing)
        return;
    begin_close(ws, code, why, true);
    (void)wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)why, strlen(why));
    wslay_event_shutdown_read(ws->wslay);
}

/* wslay has queued a close of its own, for a fault that it has found, or as the answer to theirs. */
static void notice_close(websocket_t *ws)
{
    if (ws->closing)
        return;
    if (wslay_event_get_close_received(ws->wslay)) {
        begin_close(ws, wslay_event_get_status_code_received(ws->wslay), "", false);
        if (!ws->code)
            ws->code = WEBSOCKET_NO_CODE;
    } else if (!wslay_event_get_read_enabled(ws->wslay)) {
        begin_close(ws, 0, "", true); /* which it was shows when it is sent: see name_fault */
    }
}

static void name_fault(websocket_t *ws)
{
    if (!ws->closing || ws->code || !wslay_event_get_close_sent(ws->wslay))
        return;
    ws->code = wslay_event_get_status_code_sent(ws->wslay);
    ws->why = ws->code == WEBSOCKET_INVALID   ? "not UTF-8"
              : ws->code == WEBSOCKET_TOO_BIG ? "message too big"
                                              : PROTOCOL_ERROR;
}

/* Both close frames have passed, or there is no hope of it. */
static bool is_over(const websocket_t *ws)
{
    return ws->broken || (!ws->writing && !wslay_event_want_read(ws->wslay) && !wslay_event_want_write(ws->wslay));
}

static void end(websocket_t *ws)
{
    bool polite = wslay_event_get_close_received(ws->wslay) && wslay_event_get_close_sent(ws->wslay);
    websocket_end_t said = {.code = ws->closing && ws->code ? ws->code : WEBSOCKET_DROPPED,
                            .by_us = ws->closing && ws->by_us,
                            .why = ws->closing ? ws->why : ""};

    ws->events->closed(ws->ctx, &said);
    if (ws->ending)
        ws->ending(ws->owner, !ws->broken && !polite);
    h2o_socket_close(ws->sock);
    wslay_event_context_free(ws->wslay);
    buf_clear(&ws->message);
    buf_clear(&ws->out);
    free(ws);
}

/* ---- writing ---- */

/* RFC 6455 section 5.2 */
#define TEXT_BYTE   0x81 /* FIN, and the opcode of text */
#define CLOSE_BYTE  0x88 /* and that of a close frame */
#define LENGTH_BITS 0x7f /* of the second byte */
#define MASK_BIT    0x80 /* of the same: a client's frame, whose head ends with a mask */
#define MASK_BYTES  4

#define MOST_HEAD_BYTES 14

/* Of a frame, by its head. */
static uint64_t payload_bytes(const uint8_t *head)
{
    uint64_t bytes = head[1] & LENGTH_BITS;
    size_t n = bytes == 126 ? 2 : bytes == 127 ? 8 : 0;

    if (n)
        bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes = bytes << 8 | head[2 + i];
    return bytes;
}

/* Of some faults wslay says nothing in its close frame, whose code may be left out: this one says it. head: wslay's. */
static void write_fault(websocket_t *ws, const uint8_t *head)
{
    uint8_t text[CONTROL_BYTES] = {(uint8_t)(ws->code >> 8), (uint8_t)ws->code};
    size_t len = 2 + strlen(ws->why);
    const uint8_t *mask = head + 2;

    memcpy(text + 2, ws->why, len - 2);
    buf_addc(&ws->out, (char)head[0]);
    buf_addc(&ws->out, (char)(head[1] | len));
    if (head[1] & MASK_BIT) {
        buf_append(&ws->out, mask, MASK_BYTES);
        for (size_t i = 0; i < len; i++)
            text[i] ^= mask[i % MASK_BYTES];
    }
    buf_append(&ws->out, text, len);
}

/* wslay sends a frame's head in one piece, then its payload in some. */
static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *data, size_t len, int flags, void *ctx)
{
    websocket_t *ws = ctx;
    bool is_head = !ws->left;

    (void)flags;
    if (ws->out.len >= MOST_AT_ONCE) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    ws->left = is_head ? payload_bytes(data) : ws->left - len;
    if (is_head && !ws->left && data[0] == CLOSE_BYTE && ws->fault)
        write_fault(ws, data);
    else
        buf_append(&ws->out, data, len);
    return (ssize_t)len;
}

/* A client's frames are masked with what nobody can foresee (RFC 6455 section 10.3): drawn for many of them at once. */
static int on_mask(wslay_event_context_ptr wslay, uint8_t *out, size_t len, void *ctx)
{
    static _Thread_local uint8_t drawn[MASKS_BYTES];
    static _Thread_local size_t left;

    (void)wslay;
    (void)ctx;
    if (left < len) {
        crypto_random(drawn, sizeof(drawn));
        left = sizeof(drawn);
    }
    left -= len;
    memcpy(out, drawn + left, len);
    return 0;
}

/* Puts a mask on, or takes it off. */
static void mask(char *bytes, size_t len, const char key[MASK_BYTES])
{
    uint64_t twice, word;
    size_t i = 0;

    memcpy(&twice, key, MASK_BYTES);
    memcpy((char *)&twice + MASK_BYTES, key, MASK_BYTES);
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        word ^= twice;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        bytes[i] = (char)(bytes[i] ^ key[i % MASK_BYTES]);
}

/* As wslay would, less a copy of its own and a queue. */
static void write_text(websocket_t *ws, str_t text)
{
    char bit = (char)(ws->client ? MASK_BIT : 0), key[MASK_BYTES] = {0};

    buf_reserve(&ws->out, MOST_HEAD_BYTES + text.len);
    buf_addc(&ws->out, (char)TEXT_BYTE);
    if (text.len < 126) {
        buf_addc(&ws->out, (char)(bit | (char)text.len));
    } else {
        size_t n = text.len <= UINT16_MAX ? 2 : 8;

        buf_addc(&ws->out, (char)(bit | (n == 2 ? 126 : 127)));
        while (n--)
            buf_addc(&ws->out, (char)(text.len >> 8 * n));
    }
    if (ws->client) {
        (void)on_mask(ws->wslay, (uint8_t *)key, sizeof(key), ws);
        buf_append(&ws->out, key, sizeof(key));
    }
    buf_add(&ws->out, text);
    if (ws->client)
        mask(ws->out.base + ws->out.len - text.len, text.len, key);
}

static void on_written(h2o_socket_t *sock, const char *err);

/* One write for all that is queued; while it is under way, more gathers. */
static void flush(websocket_t *ws)
{
    h2o_iovec_t all;

    if (ws->writing || ws->reading || ws->held || ws->broken)
        return;
    if (wslay_event_want_write(ws->wslay) && wslay_event_send(ws->wslay) != 0)
        ws->broken = true;
    name_fault(ws);
    if (!ws->out.len)
        return;
    all = h2o_iovec_init(ws->out.base, ws->out.len);
    ws->writing = true;
    h2o_socket_write(ws->sock, &all, 1, on_written);
}

/* The last act of every event of the loop: ws may be gone after it. */
static void settle(websocket_t *ws)
{
    ws->stirred = false;
    notice_close(ws);
    flush(ws);
    if (is_over(ws))
        end(ws);
}

static void settle_if_stirred(websocket_t *ws)
{
    if (ws->stirred || ws->closing || ws->broken)
        settle(ws);
}

static void on_written(h2o_socket_t *sock, const char *err)
{
    websocket_t *ws = sock->data;

    ws->writing = false;
    if (ws->out.cap > KEEP_BYTES)
        buf_clear(&ws->out);
    ws->out.len = 0;
    if (err)
        ws->broken = true;
    settle(ws);
}

size_t websocket_queued(const websocket_t *ws)
{
    return wslay_event_get_queued_msg_length(ws->wslay) + QUEUED_BYTES * wslay_event_get_queued_msg_count(ws->wslay) +
           ws->out.len;
}

/* ---- reading ---- */

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *out, size_t len, int flags, void *ctx)
{
    websocket_t *ws = ctx;
    h2o_buffer_t *input = ws->sock->input;
    size_t n = input->size < len ? input->size : len;

    (void)flags;
    if (!n) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(out, input->bytes, n);
    h2o_buffer_consume(&ws->sock->input, n);
    ws->unfinished += n;
    return (ssize_t)n;
}

static size_t head_bytes(const websocket_t *ws, uint64_t payload)
{
    size_t length = payload < 126 ? 0 : payload <= UINT16_MAX ? 2 : 8;

    return 2 + length + (ws->client ? 0 : MASK_BYTES);
}

static void on_frame_start(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *arg,
                           void *ctx)
{
    websocket_t *ws = ctx;

    (void)wslay;
    ws->in_text = !wslay_is_ctrl_frame(arg->opcode);
    if (ws->in_text)
        ws->in_part = !arg->fin;
    ws->frame = head_bytes(ws, arg->payload_length) + (size_t)arg->payload_length;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1)
        fail(ws, WEBSOCKET_PROTOCOL, PROTOCOL_ERROR); /* half a code: wslay takes it for none */
    else if (arg->opcode == WSLAY_BINARY_FRAME)
        fail(ws, WEBSOCKET_UNSUPPORTED, "text only");
    else if (ws->in_text && arg->payload_length > ws->limits->max_message - ws->message.len)
        fail(ws, WEBSOCKET_TOO_BIG, "message too big"); /* wslay looks at each frame by itself, in this mode */
}

static void on_frame_chunk(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_chunk_arg *arg,
                           void *ctx)
{
    websocket_t *ws = ctx;

    (void)wslay;
    if (ws->in_text && !ws->closing)
        buf_append(&ws->message, arg->data, arg->data_length);
}

static void on_frame_end(wslay_event_context_ptr wslay, void *ctx)
{
    websocket_t *ws = ctx;

    (void)wslay;
    ws->unfinished -= ws->frame;
}

/* The other side's answer to our close, and its pings, are wslay's business. */
static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg, void *ctx)
{
    websocket_t *ws = ctx;

    (void)wslay;
    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    if (!ws->closing)
        ws->events->message(ws->ctx, ws->message.len ? buf_str(&ws->message) : STR(""));
    if (ws->message.cap > KEEP_BYTES)
        buf_clear(&ws->message);
    ws->message.len = 0;
}

/* ---- reading, by hand ---- */

/* Nearly all that comes is a message in one frame, all there, and in ASCII. wslay looks at such a frame byte by byte,
 * twice, which costs more than all else that is done with it here. Whatever differs is wslay's. */

typedef struct frame {
    size_t head;
    size_t payload;
} frame_t;

static bool read_frame(const websocket_t *ws, frame_t *out)
{
    const h2o_buffer_t *input = ws->sock->input;
    const uint8_t *b = (const uint8_t *)input->bytes;

    if (input->size < 4 || b[0] != TEXT_BYTE || !(b[1] & MASK_BIT) != ws->client || (b[1] & LENGTH_BITS) == 127)
        return false;
    out->payload = (size_t)payload_bytes(b);
    out->head = head_bytes(ws, out->payload);
    return out->payload && ((b[1] & LENGTH_BITS) == 126) == (out->payload >= 126) &&
           out->payload <= ws->limits->max_message && input->size >= out->head + out->payload;
}

static bool is_ascii(const char *bytes, size_t len)
{
    uint64_t all = 0, word;
    size_t i = 0;

    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        all |= word;
    }
    for (; i < len; i++)
        all |= (uint8_t)bytes[i];
    return !(all & UINT64_C(0x8080808080808080));
}

/* False: the next frame, if there is one, is not of that kind. */
static bool take_frame(websocket_t *ws)
{
    char *payload, key[MASK_BYTES] = "";
    frame_t f;

    if (ws->closing || ws->unfinished || ws->in_part || !read_frame(ws, &f))
        return false;
    payload = ws->sock->input->bytes + f.head;
    if (!ws->client) {
        memcpy(key, payload - MASK_BYTES, MASK_BYTES);
        mask(payload, f.payload, key);
    }
    if (!is_ascii(payload, f.payload)) {
        if (!ws->client)
            mask(payload, f.payload, key);
        return false;
    }
    ws->events->message(ws->ctx, (str_t){payload, f.payload});
    h2o_buffer_consume(&ws->sock->input, f.head + f.payload);
    return true;
}

static void give_wslay(websocket_t *ws)
{
    ws->stirred = true;
    if (wslay_event_want_read(ws->wslay) && wslay_event_recv(ws->wslay) != 0) {
        begin_close(ws, WEBSOCKET_PROTOCOL, PROTOCOL_ERROR, true); /* our callbacks do not fail, so it is what came */
        ws->fault = true;
    }
    if (!wslay_event_want_read(ws->wslay))
        h2o_buffer_consume(&ws->sock->input, ws->sock->input->size); /* nobody will look at it */
}

static void take_in(websocket_t *ws)
{
    ws->heard_us = clock_mono_us();
    ws->reading = true;
    while (take_frame(ws))
        ;
    if (ws->sock->input->size)
        give_wslay(ws);
    ws->reading = false;
    if (ws->stirred && websocket_queued(ws) > ws->limits->max_queued + PONGS_BYTES) {
        fail(ws, WEBSOCKET_POLICY, "too slow"); /* it pings, and does not read our answers */
        ws->broken = true;
    }
}

static void on_readable(h2o_socket_t *sock, const char *err)
{
    websocket_t *ws = sock->data;

    if (sock->input->size)
        take_in(ws);
    if (err)
        ws->broken = true;
    settle_if_stirred(ws);
}

/* ---- deadlines ---- */

static void ping(websocket_t *ws, int64_t now_us)
{
    const struct wslay_event_msg message = {.opcode = WSLAY_PING};

    ws->pinged_us = now_us;
    ws->stirred = true;
    (void)wslay_event_queue_msg(ws->wslay, &message);
}

void websocket_sweep(websocket_t *ws, int64_t now_us)
{
    if (ws->sock->input->size) /* it came with the handshake, too early: nothing else tells of it */
        take_in(ws);
    if (ws->closing) {
        if (now_us - ws->closing_us >= ws->limits->close_us)
            ws->broken = true;
    } else if (ws->later_us && now_us >= ws->later_us) {
        websocket_close(ws, ws->later_code, ws->later_why);
    } else if (now_us - ws->heard_us >= ws->limits->idle_us) {
        websocket_close(ws, WEBSOCKET_GOING_AWAY, "silent for too long");
    } else if (now_us - ws->pinged_us >= ws->limits->ping_us) {
        ping(ws, now_us);
    }
    settle_if_stirred(ws);
}

/* ---- for its owner ---- */

bool websocket_send(websocket_t *ws, str_t text)
{
    const struct wslay_event_msg message = {
        .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text.base, .msg_length = text.len};

    if (ws->closing || ws->broken || websocket_queued(ws) + text.len > ws->limits->max_queued)
        return false;
    ws->stirred = true;
    if (!ws->writing && ws->out.len < MOST_AT_ONCE && !wslay_event_want_write(ws->wslay))
        write_text(ws, text);
    else if (wslay_event_queue_msg(ws->wslay, &message) != 0)
        return false;
    flush(ws);
    return true;
}

void websocket_hold(websocket_t *ws)
{
    ws->held = true;
}

void websocket_release(websocket_t *ws)
{
    ws->held = false;
    flush(ws);
}

/* The other side's answer is still read, and so is what it had sent before. */
void websocket_close(websocket_t *ws, int code, const char *why)
{
    if (ws->closing)
        return;
    begin_close(ws, code, why, true);
    (void)wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)why, strlen(why));
    flush(ws);
}

void websocket_cut(websocket_t *ws)
{
    ws->broken = true;
    end(ws);
}

void websocket_close_after(websocket_t *ws, int code, const char *why, int64_t delay_us)
{
    ws->later_us = clock_mono_us() + delay_us;
    ws->later_code = code;
    ws->later_why = why;
}

void websocket_stay(websocket_t *ws)
{
    ws->later_us = 0;
}

void websocket_watch(websocket_t *ws, void (*ending)(void *owner, bool unread), void *owner)
{
    ws->ending = ending;
    ws->owner = owner;
}

/* ---- beginning ---- */

static const struct wslay_event_callbacks CALLBACKS = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .genmask_callback = on_mask,
    .on_frame_recv_start_callback = on_frame_start,
    .on_frame_recv_chunk_callback = on_frame_chunk,
    .on_frame_recv_end_callback = on_frame_end,
    .on_msg_recv_callback = on_message,
};

static websocket_t *begin(bool client, h2o_socket_t *sock, const websocket_limits_t *limits,
                          const websocket_events_t *events, void *ctx)
{
    websocket_t *ws = mem_zalloc(sizeof(*ws));
    int begun = client ? wslay_event_context_client_init(&ws->wslay, &CALLBACKS, ws)
                       : wslay_event_context_server_init(&ws->wslay, &CALLBACKS, ws);

    if (begun != 0)
        abort(); /* no memory */
    ws->client = client;
    ws->sock = sock;
    ws->limits = limits;
    ws->events = events;
    ws->ctx = ctx;
    ws->why = "";
    ws->heard_us = ws->pinged_us = clock_mono_us();
    wslay_event_config_set_no_buffering(ws->wslay, 1); /* it would take memory for every frame: we keep one buffer */
    wslay_event_config_set_max_recv_msg_length(ws->wslay, limits->max_message + CONTROL_BYTES);
    sock->data = ws;
    h2o_socket_read_start(sock, on_readable);
    return ws;
}

websocket_t *websocket_serve(h2o_socket_t *sock, const websocket_limits_t *limits, const websocket_events_t *events,
                             void *ctx)
{
    return begin(false, sock, limits, events, ctx);
}

websocket_t *websocket_begin_client(h2o_socket_t *sock, const websocket_limits_t *limits,
                                    const websocket_events_t *events, void *ctx)
{
    return begin(true, sock, limits, events, ctx);
}
