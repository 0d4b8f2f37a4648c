#include "net/websocket_dial.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "net/client_tls.h"
#include "net/lookup.h"

#include <arpa/inet.h>
#include <h2o.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ADDRESSES 8
#define REQUEST_BYTES  512            /* of a request, beside what the caller gives */
#define FAREWELL_US    (2 * US_PER_S) /* for TLS to say that it is over */

struct websocket_dialer {
    h2o_evloop_t *loop;
    lookups_t *lookups;
    client_tls_t *tls;
    h2o_linklist_t dials;  /* under way */
    h2o_linklist_t failed; /* of which done does not know yet */
    h2o_linklist_t lines;
    size_t count; /* of all three */
};

/* A socket that is open, or closing. */
typedef struct line {
    h2o_linklist_t link;
    websocket_dialer_t *dialer;
    h2o_socket_t *sock;
    websocket_t *ws;    /* NULL: it is over, or was never reached */
    int64_t closing_us; /* since when, then */
} line_t;

typedef enum { DIAL_RESOLVING, DIAL_CONNECTING, DIAL_SECURING, DIAL_ASKING, DIAL_FAILED } dial_state_t;

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address_t;

struct websocket_dial {
    h2o_linklist_t link;
    websocket_dialer_t *dialer;
    const websocket_limits_t *limits;
    const websocket_events_t *events;
    void *ctx;
    void (*done)(void *ctx, websocket_t *ws, const err_t *err);

    dial_state_t state;
    int64_t deadline_us;
    err_t err;

    char *host;
    bool host_is_address;
    bool secure;
    uint16_t port;
    char key[WEBSOCKET_KEY_BYTES];
    buf_t request; /* holds secrets */

    lookup_t *lookup; /* in DIAL_RESOLVING */
    address_t addresses[MOST_ADDRESSES];
    size_t n_addresses, next;
    int64_t try_until_us; /* in DIAL_CONNECTING: this address */
    h2o_socket_t *sock;   /* in DIAL_CONNECTING and later; its data is the dial */
};

/* ---- sockets that are open, or closing ---- */

static void on_line_closed(void *data)
{
    line_t *line = data;

    h2o_linklist_unlink(&line->link);
    line->dialer->count--;
    free(line);
}

static line_t *line_new(websocket_dialer_t *d, h2o_socket_t *sock)
{
    line_t *line = mem_zalloc(sizeof(*line));

    line->dialer = d;
    line->sock = sock;
    sock->on_close.cb = on_line_closed;
    sock->on_close.data = line;
    h2o_linklist_insert(&d->lines, &line->link);
    d->count++;
    return line;
}

/* The WebSocket closes the socket next. */
static void on_ending(void *owner, bool unread)
{
    line_t *line = owner;

    (void)unread; /* our close frame may go unread then: it is a courtesy */
    line->ws = NULL;
    line->closing_us = clock_mono_us();
}

/* With TLS the socket may stay for a moment, to say that it is over. Within a handshake it does not. */
static void abandon(websocket_dialer_t *d, h2o_socket_t *sock)
{
    line_new(d, sock)->closing_us = clock_mono_us();
    h2o_socket_close(sock);
}

static void sweep_lines(websocket_dialer_t *d, int64_t now_us)
{
    for (h2o_linklist_t *at = d->lines.next, *next; at != &d->lines; at = next) {
        line_t *line = H2O_STRUCT_FROM_MEMBER(line_t, link, at);

        next = at->next;
        if (line->ws)
            websocket_sweep(line->ws, now_us);
        else if (now_us - line->closing_us >= FAREWELL_US)
            h2o_socket_close(line->sock); /* while it is closing: without another word */
    }
}

/* ---- the end of a dial ---- */

static void forget_request(websocket_dial_t *dial)
{
    crypto_wipe(dial->request.base, dial->request.len);
    buf_clear(&dial->request);
}

/* Whatever it was waiting for. */
static void let_go(websocket_dial_t *dial)
{
    lookup_forget(dial->lookup);
    dial->lookup = NULL;
    if (dial->sock)
        abandon(dial->dialer, dial->sock);
    dial->sock = NULL;
    forget_request(dial);
}

static void dial_free(websocket_dial_t *dial)
{
    let_go(dial);
    if (h2o_linklist_is_linked(&dial->link))
        h2o_linklist_unlink(&dial->link);
    dial->dialer->count--;
    free(dial->host);
    free(dial);
}

/* err has been set. done is called by the next sweep: by then nobody is in the middle of anything. */
static void fail(websocket_dial_t *dial)
{
    let_go(dial);
    dial->state = DIAL_FAILED;
    h2o_linklist_unlink(&dial->link);
    h2o_linklist_insert(&dial->dialer->failed, &dial->link);
}

static void fail_io(websocket_dial_t *dial, const char *what, const char *why)
{
    (void)err_set(&dial->err, ERR_IO, "%s %s%s%s", dial->host, what, why ? ": " : "", why ? why : "");
    fail(dial);
}

/* Takes the first one off a list that is not empty. */
static websocket_dial_t *pop(h2o_linklist_t *dials)
{
    h2o_linklist_t *first = dials->next;

    dials->next = first->next;
    first->next->prev = dials;
    *first = (h2o_linklist_t){.next = NULL};
    return H2O_STRUCT_FROM_MEMBER(websocket_dial_t, link, first);
}

/* done may dial again, and fail at once; or cancel another one. */
static void tell_failures(websocket_dialer_t *d)
{
    h2o_linklist_t now;

    h2o_linklist_init_anchor(&now);
    h2o_linklist_insert_list(&now, &d->failed);
    while (!h2o_linklist_is_empty(&now)) {
        websocket_dial_t *dial = pop(&now);
        void (*done)(void *ctx, websocket_t *ws, const err_t *err) = dial->done;
        void *ctx = dial->ctx;
        err_t err = dial->err;

        dial_free(dial);
        done(ctx, NULL, &err);
    }
}

/* ---- the handshake ---- */

static void open_websocket(websocket_dial_t *dial, size_t head_bytes)
{
    line_t *line = line_new(dial->dialer, dial->sock);
    void (*done)(void *ctx, websocket_t *ws, const err_t *err) = dial->done;
    void *ctx = dial->ctx;
    websocket_t *ws = websocket_begin_client(dial->sock, dial->limits, dial->events, ctx);

    h2o_buffer_consume(&dial->sock->input, head_bytes);
    websocket_watch(ws, on_ending, line);
    line->ws = ws;
    dial->sock = NULL;
    dial_free(dial);
    done(ctx, ws, NULL);
    websocket_sweep(ws, clock_mono_us()); /* what came with the head */
}

static void look_at_answer(websocket_dial_t *dial, bool is_all)
{
    h2o_buffer_t *input = dial->sock->input;
    size_t head_bytes;

    switch (websocket_answer_read((str_t){input->bytes, input->size}, str_from(dial->host),
                                  (str_t){dial->key, sizeof(dial->key)}, &head_bytes, &dial->err)) {
    case WEBSOCKET_ANSWER_OPEN:
        open_websocket(dial, head_bytes);
        break;
    case WEBSOCKET_ANSWER_REFUSAL:
        fail(dial);
        break;
    case WEBSOCKET_ANSWER_PART:
        if (is_all)
            fail_io(dial, "closed the connection without an answer to the WebSocket handshake", NULL);
        break;
    }
}

static void on_answer(h2o_socket_t *sock, const char *err)
{
    look_at_answer(sock->data, err != NULL);
}

/* Only now is the answer read: the WebSocket writes, and h2o takes one write at a time. */
static void on_asked(h2o_socket_t *sock, const char *err)
{
    websocket_dial_t *dial = sock->data;

    forget_request(dial);
    if (err) {
        fail_io(dial, "did not take the WebSocket handshake", err);
        return;
    }
    h2o_socket_read_start(sock, on_answer);
    if (sock->input->size)
        look_at_answer(dial, false);
}

static void ask(websocket_dial_t *dial)
{
    h2o_iovec_t request = h2o_iovec_init(dial->request.base, dial->request.len);

    dial->state = DIAL_ASKING;
    h2o_socket_write(dial->sock, &request, 1, on_asked);
}

/* ---- TLS ---- */

/* What h2o says of the certificate is OpenSSL's text. */
static bool is_of_connection(const char *err)
{
    return err == h2o_socket_error_io || err == h2o_socket_error_closed || strcmp(err, "ssl handshake failure") == 0;
}

static void on_secured(h2o_socket_t *sock, const char *err)
{
    websocket_dial_t *dial = sock->data;

    /* OpenSSL has compared the name already. h2o does so once more, for TLS 1.2, and knows no addresses. */
    if (!err || err == h2o_socket_error_ssl_cert_name_mismatch) {
        ask(dial);
    } else if (is_of_connection(err)) {
        fail_io(dial, "did not agree on TLS", err);
    } else {
        (void)err_set(&dial->err, ERR_CONFIG, "the certificate of %s is not accepted: %s", dial->host, err);
        fail(dial);
    }
}

static void secure(websocket_dial_t *dial)
{
    SSL_CTX *tls = client_tls_context(dial->dialer->tls, dial->host, dial->host_is_address);

    dial->state = DIAL_SECURING;
    /* An address is not sent as a server's name (RFC 6066 section 3): an empty one is left out. */
    h2o_socket_ssl_handshake(dial->sock, tls, dial->host_is_address ? "" : dial->host, on_secured);
}

/* ---- the connection ---- */

static void connect_next(websocket_dial_t *dial);

static void on_connected(h2o_socket_t *sock, const char *err)
{
    websocket_dial_t *dial = sock->data;

    if (err)
        connect_next(dial);
    else if (dial->secure)
        secure(dial);
    else
        ask(dial);
}

/* The time that is left is shared among the addresses that are. */
static void connect_next(websocket_dial_t *dial)
{
    int64_t now_us = clock_mono_us();

    if (dial->sock)
        h2o_socket_close(dial->sock);
    dial->sock = NULL;
    dial->state = DIAL_CONNECTING;
    while (!dial->sock && dial->next < dial->n_addresses) {
        address_t *address = &dial->addresses[dial->next];

        dial->try_until_us = now_us + (dial->deadline_us - now_us) / (int64_t)(dial->n_addresses - dial->next);
        dial->next++;
        dial->sock = h2o_socket_connect(dial->dialer->loop, &address->any,
                                        address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6),
                                        on_connected);
    }
    if (dial->sock)
        dial->sock->data = dial;
    else
        fail_io(dial, "cannot be reached", NULL);
}

/* ---- the address ---- */

static bool add_v4(websocket_dial_t *dial, const char *text)
{
    address_t a = {.v4 = {.sin_family = AF_INET, .sin_port = htons(dial->port)}};

    if (inet_pton(AF_INET, text, &a.v4.sin_addr) != 1)
        return false;
    dial->addresses[dial->n_addresses++] = a;
    return true;
}

static bool add_v6(websocket_dial_t *dial, const char *text)
{
    address_t a = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(dial->port)}};

    if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) != 1)
        return false;
    dial->addresses[dial->n_addresses++] = a;
    return true;
}

static void on_found(void *ctx, const struct addrinfo *found, const char *why)
{
    websocket_dial_t *dial = ctx;

    dial->lookup = NULL;
    for (; found && dial->n_addresses < MOST_ADDRESSES; found = found->ai_next)
        if (found->ai_family == AF_INET || found->ai_family == AF_INET6)
            memcpy(&dial->addresses[dial->n_addresses++], found->ai_addr, found->ai_addrlen);
    if (dial->n_addresses)
        connect_next(dial);
    else
        fail_io(dial, "could not be resolved", why);
}

/* "localhost" is this machine, whatever a name server says (RFC 6761 section 6.3). */
static void resolve(websocket_dial_t *dial)
{
    if (strcasecmp(dial->host, "localhost") == 0) {
        (void)add_v4(dial, "127.0.0.1");
        (void)add_v6(dial, "::1");
    } else {
        dial->host_is_address = add_v4(dial, dial->host) || add_v6(dial, dial->host);
    }
    if (dial->n_addresses) {
        connect_next(dial);
        return;
    }
    dial->lookup = lookup_start(dial->dialer->lookups, str_from(dial->host), dial->port, on_found, dial);
    if (!dial->lookup)
        fail_io(dial, "could not be resolved", "too many names are being looked up");
}

/* ---- beginning ---- */

static void make_key(websocket_dial_t *dial)
{
    uint8_t bytes[16];

    crypto_random(bytes, sizeof(bytes));
    (void)base64_encode(bytes, sizeof(bytes), dial->key);
}

/* At once, so that no copy with a secret in it is left behind by growing. */
static void reserve_request(websocket_dial_t *dial, const websocket_call_t *call)
{
    size_t bytes = REQUEST_BYTES + call->url.len;

    for (size_t i = 0; i < call->n_fields; i++)
        bytes += call->fields[i].name.len + call->fields[i].value.len + sizeof(": \r\n");
    buf_reserve(&dial->request, bytes);
}

static bool prepare(websocket_dial_t *dial, const websocket_call_t *call)
{
    websocket_url_t url;

    if (!websocket_url_read(call->url, &url, &dial->err))
        return false;
    dial->host = mem_strdup(url.host);
    dial->port = url.port;
    dial->secure = url.secure;
    make_key(dial);
    reserve_request(dial, call);
    return websocket_request_make(&dial->request, &url, (str_t){dial->key, sizeof(dial->key)}, call->fields,
                                  call->n_fields, &dial->err);
}

websocket_dial_t *websocket_dial(websocket_dialer_t *d, const websocket_call_t *call)
{
    websocket_dial_t *dial = mem_zalloc(sizeof(*dial));

    dial->dialer = d;
    dial->limits = call->limits;
    dial->events = call->events;
    dial->ctx = call->ctx;
    dial->done = call->done;
    dial->deadline_us = clock_mono_us() + call->timeout_us;
    h2o_linklist_insert(&d->dials, &dial->link);
    d->count++;
    if (prepare(dial, call))
        resolve(dial);
    else
        fail(dial);
    return dial;
}

void websocket_dial_cancel(websocket_dial_t *dial)
{
    if (dial)
        dial_free(dial);
}

/* ---- deadlines ---- */

static void expire(websocket_dial_t *dial)
{
    static const char *const WHAT[] = {
        [DIAL_RESOLVING] = "was not resolved in time",
        [DIAL_CONNECTING] = "could not be reached in time",
        [DIAL_SECURING] = "did not agree on TLS in time",
        [DIAL_ASKING] = "did not answer the WebSocket handshake in time",
    };

    fail_io(dial, WHAT[dial->state], NULL);
}

static void sweep_dials(websocket_dialer_t *d, int64_t now_us)
{
    for (h2o_linklist_t *at = d->dials.next, *next; at != &d->dials; at = next) {
        websocket_dial_t *dial = H2O_STRUCT_FROM_MEMBER(websocket_dial_t, link, at);

        next = at->next;
        if (now_us >= dial->deadline_us)
            expire(dial);
        else if (dial->state == DIAL_CONNECTING && now_us >= dial->try_until_us)
            connect_next(dial);
    }
}

void websocket_dialer_sweep(websocket_dialer_t *d, int64_t mono_us)
{
    sweep_dials(d, mono_us);
    sweep_lines(d, mono_us);
    tell_failures(d);
}

/* ---- the dialer ---- */

websocket_dialer_t *websocket_dialer_new(h2o_evloop_t *loop, h2o_multithread_queue_t *queue)
{
    websocket_dialer_t *d = mem_zalloc(sizeof(*d));

    d->loop = loop;
    d->lookups = lookups_new(queue);
    d->tls = client_tls_new();
    h2o_linklist_init_anchor(&d->dials);
    h2o_linklist_init_anchor(&d->failed);
    h2o_linklist_init_anchor(&d->lines);
    return d;
}

size_t websocket_dialer_count(const websocket_dialer_t *d)
{
    return d->count;
}

static void cut_lines(websocket_dialer_t *d)
{
    for (h2o_linklist_t *at = d->lines.next, *next; at != &d->lines; at = next) {
        line_t *line = H2O_STRUCT_FROM_MEMBER(line_t, link, at);

        next = at->next;
        if (line->ws)
            websocket_cut(line->ws);
    }
}

static void cancel_all(h2o_linklist_t *dials)
{
    while (!h2o_linklist_is_empty(dials))
        dial_free(pop(dials));
}

void websocket_dialer_free(websocket_dialer_t *d)
{
    if (!d)
        return;
    cut_lines(d); /* first: their closed may dial */
    cancel_all(&d->dials);
    cancel_all(&d->failed);
    sweep_lines(d, INT64_MAX); /* what is closing */
    lookups_free(d->lookups);
    client_tls_free(d->tls);
    free(d);
}
