/* websocket_dial_test.c – WebSockets opened to servers that are written by hand, each a thread with a blocking socket.
 * Names are resolved here (getaddrinfo is ours), certificates are made here, and deadlines pass by the time that the
 * sweep is told. */
#include "net/websocket_dial.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <h2o.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 30 /* until a test gives up: nothing takes that long */
#define TIMEOUT_US (60 * US_PER_S)
#define BIG_BYTES  ((size_t)4 * 1024 * 1024)
#define LONG_BYTES ((size_t)70000)

static const websocket_limits_t LIMITS = {.max_message = BIG_BYTES,
                                          .max_queued = 1000000,
                                          .idle_us = 300 * US_PER_S,
                                          .ping_us = 200 * US_PER_S,
                                          .close_us = 2 * US_PER_S};

/* ---- names ---- */

static sem_t slow_may_go_on;
static atomic_int slow_asked;

static struct addrinfo *new_address(const char *text, const char *service, struct addrinfo *next)
{
    struct addrinfo *a = mem_zalloc(sizeof(*a) + sizeof(struct sockaddr_in));
    struct sockaddr_in *in = (struct sockaddr_in *)(a + 1);

    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)strtol(service, NULL, 10));
    (void)inet_pton(AF_INET, text, &in->sin_addr);
    a->ai_family = AF_INET;
    a->ai_socktype = SOCK_STREAM;
    a->ai_addr = (struct sockaddr *)in;
    a->ai_addrlen = sizeof(*in);
    a->ai_next = next;
    return a;
}

/* In a thread of h2o's. */
int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict req,
                struct addrinfo **restrict pai)
{
    (void)req;
    if (strcmp(name, "nowhere.test") == 0)
        return EAI_NONAME;
    if (strcmp(name, "slow.test") == 0) {
        atomic_fetch_add(&slow_asked, 1);
        while (sem_wait(&slow_may_go_on) != 0)
            ;
    }
    *pai = new_address("127.0.0.1", service, NULL);
    if (strcmp(name, "two.test") == 0) /* at the first one nobody answers */
        *pai = new_address("127.0.0.2", service, *pai);
    return 0;
}

void freeaddrinfo(struct addrinfo *ai)
{
    for (struct addrinfo *next; ai; ai = next) {
        next = ai->ai_next;
        free(ai);
    }
}

/* ---- certificates ---- */

typedef struct identity {
    EVP_PKEY *key;
    X509 *cert;
} identity_t;

static identity_t authority, good, of_another, self_signed;
static char authority_path[] = "/tmp/hookline-test-ca.XXXXXX";

static void extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer: NULL for one that vouches for itself. */
static identity_t make_identity(const char *name, const char *alternatives, const identity_t *issuer)
{
    identity_t id = {EVP_EC_gen("P-256"), X509_new()};

    X509_set_version(id.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), 3600);
    X509_set_pubkey(id.cert, id.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
    X509_set_issuer_name(id.cert, X509_get_subject_name(issuer ? issuer->cert : id.cert));
    if (alternatives)
        extend(id.cert, NID_subject_alt_name, alternatives);
    else
        extend(id.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256()) > 0);
    return id;
}

static void clear_identity(identity_t *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
}

static void make_identities(void)
{
    int fd = mkstemp(authority_path);
    FILE *file = fdopen(fd, "w");

    authority = make_identity("an authority", NULL, NULL);
    good = make_identity("good", "DNS:api.test, DNS:two.test, DNS:localhost, IP:127.0.0.1", &authority);
    of_another = make_identity("another", "DNS:another.test, IP:127.0.0.3", &authority);
    self_signed = make_identity("self", "DNS:api.test, IP:127.0.0.1", NULL);
    assert_int_equal(PEM_write_X509(file, authority.cert), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("SSL_CERT_FILE", authority_path, 1), 0);
    assert_int_equal(setenv("SSL_CERT_DIR", "/nonexistent", 1), 0);
}

/* ---- a server: one connection ---- */

typedef struct server server_t;
typedef void script_fn(server_t *s);

struct server {
    script_fn *script;
    const identity_t *identity; /* NULL: no TLS */
    int version;                /* of TLS: no newer one */
    uint16_t port;
    int listener, fd;
    SSL *ssl;
    pthread_t thread;
    atomic_bool asked; /* the request, or whatever else is waited for, has come */
    size_t head_len;
    char head[4096];
    char asked_for[100]; /* the name that the client has told TLS; empty: none */
    const char *failed;  /* what did not hold, first of all */
};

static server_t server;

/* Asserting is the test's own thread's. */
#define EXPECT(s, condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition) && !(s)->failed)                                                                              \
            (s)->failed = #condition;                                                                                  \
    } while (0)

static size_t hear(server_t *s, void *out, size_t room)
{
    ssize_t n = s->ssl ? SSL_read(s->ssl, out, (int)room) : recv(s->fd, out, room, 0);

    return n > 0 ? (size_t)n : 0;
}

static bool hear_all(server_t *s, void *out, size_t len)
{
    size_t at = 0, n = 1;

    for (; at < len && n; at += n)
        n = hear(s, (char *)out + at, len - at);
    return at == len;
}

static void say(server_t *s, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len && !s->failed;) {
        ssize_t n = s->ssl ? SSL_write(s->ssl, (const char *)bytes + at, (int)(len - at))
                           : send(s->fd, (const char *)bytes + at, len - at, 0);

        EXPECT(s, n > 0);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void say_text(server_t *s, const char *text)
{
    say(s, text, strlen(text));
}

static void say_frame(server_t *s, uint8_t first, const void *payload, size_t len)
{
    uint8_t head[10] = {first, (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127)};
    size_t n = len < 126 ? 0 : len < 65536 ? 2 : 8;

    for (size_t i = 0; i < n; i++)
        head[2 + i] = (uint8_t)(len >> 8 * (n - 1 - i));
    say(s, head, 2 + n);
    say(s, payload, len);
}

/* The next frame must be this one, masked. */
static void expect_frame(server_t *s, uint8_t first, const void *payload, size_t len)
{
    uint8_t head[2] = {0}, mask[4] = {0}, more[8] = {0};
    size_t n, told;
    char *text = mem_zalloc(len);

    EXPECT(s, hear_all(s, head, 2) && head[0] == first && (head[1] & 0x80));
    n = (head[1] & 0x7f) == 126 ? 2 : (head[1] & 0x7f) == 127 ? 8 : 0;
    told = n ? 0 : head[1] & 0x7f;
    EXPECT(s, hear_all(s, more, n));
    for (size_t i = 0; i < n; i++)
        told = told << 8 | more[i];
    EXPECT(s, told == len && hear_all(s, mask, 4) && (mask[0] | mask[1] | mask[2] | mask[3]));
    EXPECT(s, s->failed || hear_all(s, text, len));
    for (size_t i = 0; i < len; i++)
        text[i] ^= (char)mask[i % 4];
    EXPECT(s, memcmp(text, payload, len) == 0);
    free(text);
}

static void expect_end(server_t *s)
{
    char byte;

    EXPECT(s, hear(s, &byte, 1) == 0 && errno != EAGAIN);
}

static void hear_head(server_t *s)
{
    while (s->head_len < sizeof(s->head) - 1 && !strstr(s->head, "\r\n\r\n") && hear_all(s, s->head + s->head_len, 1))
        s->head_len++;
    EXPECT(s, strstr(s->head, "\r\n\r\n"));
    atomic_store(&s->asked, true);
}

/* The answer to the key that has come, and what follows it, in one piece. */
static void say_switch(server_t *s, const void *behind, size_t len)
{
    const char *key = strstr(s->head, "Sec-WebSocket-Key: ");
    char accept[WEBSOCKET_ACCEPT_BYTES];
    buf_t out = BUF_EMPTY;

    EXPECT(s, key);
    if (!key)
        return;
    (void)websocket_accept((str_t){key + 19, WEBSOCKET_KEY_BYTES}, accept);
    buf_printf(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %.28s\r\n\r\n",
               accept);
    buf_append(&out, behind, len);
    say(s, out.base, out.len);
    buf_clear(&out);
}

static void begin_tls(server_t *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const char *name;

    SSL_CTX_set_max_proto_version(ctx, s->version);
    SSL_CTX_use_certificate(ctx, s->identity->cert);
    SSL_CTX_use_PrivateKey(ctx, s->identity->key);
    s->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(s->ssl, s->fd);
    if (SSL_accept(s->ssl) != 1)
        s->script = NULL; /* the client has left: what it says of it is what is tested */
    name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
    (void)snprintf(s->asked_for, sizeof(s->asked_for), "%s", name ? name : "");
}

static void *serve(void *arg)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    server_t *s = arg;

    s->fd = accept(s->listener, NULL, NULL);
    (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (s->identity)
        begin_tls(s);
    if (s->script)
        s->script(s);
    SSL_free(s->ssl);
    ERR_clear_error();
    close(s->fd);
    return NULL;
}

static int listen_at(const char *text, uint16_t *port, int backlog)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)inet_pton(AF_INET, text, &in.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void begin_server(script_fn *script, const identity_t *identity, int version)
{
    memset(&server, 0, sizeof(server));
    server.script = script;
    server.identity = identity;
    server.version = version;
    server.fd = -1;
    server.listener = listen_at("127.0.0.1", &server.port, 5);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

/* ---- the side that asks ---- */

static h2o_evloop_t *loop;
static h2o_multithread_queue_t *queue;
static websocket_dialer_t *dialer;
static int64_t later_us; /* how far the sweep's time is ahead */
static struct {
    int done, messages, ends;
    websocket_t *ws;
    websocket_dial_t *dial;
    err_t err;
    websocket_end_t end;
    size_t len; /* of the last message */
    char last[100];
    bool in_dial;
} seen;

static void on_message(void *ctx, str_t text)
{
    assert_ptr_equal(ctx, &seen);
    assert_int_equal(seen.done, 1);
    seen.messages++;
    seen.len = text.len;
    memcpy(seen.last, text.base, text.len < sizeof(seen.last) - 1 ? text.len : sizeof(seen.last) - 1);
    seen.last[text.len < sizeof(seen.last) - 1 ? text.len : sizeof(seen.last) - 1] = '\0';
}

static void on_closed(void *ctx, const websocket_end_t *end)
{
    assert_ptr_equal(ctx, &seen);
    seen.ends++;
    seen.end = *end;
}

static const websocket_events_t EVENTS = {on_message, on_closed};

static void on_done(void *ctx, websocket_t *ws, const err_t *err)
{
    assert_ptr_equal(ctx, &seen);
    assert_false(seen.in_dial);
    assert_int_equal(seen.messages, 0);
    seen.done++;
    seen.ws = ws;
    seen.dial = NULL;
    if (err)
        seen.err = *err;
    assert_true(!ws == !!err);
}

static void dial_with(const char *url, const websocket_field_t *fields, size_t n_fields)
{
    char *address = mem_strdup(str_from(url)); /* gone afterwards */
    const websocket_call_t call = {.url = str_from(address),
                                   .fields = fields,
                                   .n_fields = n_fields,
                                   .timeout_us = TIMEOUT_US,
                                   .limits = &LIMITS,
                                   .events = &EVENTS,
                                   .ctx = &seen,
                                   .done = on_done};

    memset(&seen, 0, sizeof(seen));
    seen.in_dial = true;
    seen.dial = websocket_dial(dialer, &call);
    seen.in_dial = false;
    free(address);
    assert_int_equal(websocket_dialer_count(dialer), 1);
}

/* scheme://host:port/path of the server */
static void dial(const char *before_port)
{
    const websocket_field_t field = {STR("Authorization"), STR("Bearer x")};
    char url[200];

    (void)snprintf(url, sizeof(url), "%s:%u/v1?a=b", before_port, server.port);
    dial_with(url, &field, 1);
}

static void turn(void)
{
    (void)h2o_evloop_run(loop, 2);
    if (dialer)
        websocket_dialer_sweep(dialer, clock_mono_us() + later_us);
}

static void turn_since(int64_t since_us, const char *waiting_for)
{
    turn();
    if (clock_mono_us() - since_us > PATIENCE_S * US_PER_S)
        fail_msg("never: %s (%s)", waiting_for, seen.err.detail);
}

#define TURN_UNTIL(condition)                                                                                          \
    for (int64_t since_us_ = clock_mono_us(); !(condition);)                                                           \
    turn_since(since_us_, #condition)

/* The server's thread has been left by the client, or has said all. */
static void end_server(void)
{
    assert_int_equal(pthread_join(server.thread, NULL), 0);
    close(server.listener);
    if (server.failed)
        fail_msg("the server: %s", server.failed);
}

static int set_up(void **state)
{
    (void)state;
    later_us = 0;
    dialer = websocket_dialer_new(loop, queue);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (dialer)
        assert_int_equal(websocket_dialer_count(dialer), 0);
    websocket_dialer_free(dialer);
    dialer = NULL;
    turn();
    return 0;
}

/* ---- what goes well ---- */

static char long_text[LONG_BYTES];

static void talk(server_t *s)
{
    char *big = mem_alloc(BIG_BYTES);

    memset(big, 'b', BIG_BYTES);
    hear_head(s);
    say_switch(s,
               "\x81\x05"
               "first",
               7);
    expect_frame(s, 0x81, "hello", 5);
    expect_frame(s, 0x81, long_text, LONG_BYTES);
    say_frame(s, 0x89, "lives?", 6);
    expect_frame(s, 0x8a, "lives?", 6);
    say_frame(s, 0x01, "two ", 4);
    say_frame(s, 0x89, "", 0);
    say_frame(s, 0x80, "halves", 6);
    expect_frame(s, 0x8a, "", 0);
    say_frame(s, 0x81, big, BIG_BYTES);
    say_frame(s, 0x88, "\x03\xe8over", 6);
    expect_frame(s, 0x88, "\x03\xe8over", 6);
    expect_end(s);
    free(big);
}

static void check_talk(const char *before_port, const identity_t *identity, int version)
{
    const char *host = strstr(before_port, "//") + 2;
    char expected[200];

    begin_server(talk, identity, version);
    dial(before_port);
    TURN_UNTIL(seen.messages == 1);
    assert_string_equal(seen.last, "first");
    assert_true(websocket_send(seen.ws, STR("hello")));
    assert_true(websocket_send(seen.ws, (str_t){long_text, LONG_BYTES}));
    TURN_UNTIL(seen.messages == 2);
    assert_string_equal(seen.last, "two halves");
    TURN_UNTIL(seen.messages == 3);
    assert_int_equal(seen.len, BIG_BYTES);
    TURN_UNTIL(seen.ends == 1);
    assert_int_equal(seen.end.code, WEBSOCKET_NORMAL);
    assert_false(seen.end.by_us);
    TURN_UNTIL(websocket_dialer_count(dialer) == 0);
    end_server();
    (void)snprintf(expected, sizeof(expected), "GET /v1?a=b HTTP/1.1\r\nHost: %s:%u\r\n", host, server.port);
    assert_memory_equal(server.head, expected, strlen(expected));
    assert_non_null(strstr(server.head, "\r\nAuthorization: Bearer x\r\n"));
    assert_string_equal(server.asked_for, identity && *host != '1' ? host : ""); /* no address: RFC 6066 section 3 */
}

static void test_it_opens_and_talks(void **state)
{
    (void)state;
    check_talk("ws://127.0.0.1", NULL, 0);
    check_talk("ws://localhost", NULL, 0);
}

static void test_it_opens_and_talks_over_tls(void **state)
{
    (void)state;
    check_talk("wss://api.test", &good, TLS1_3_VERSION);
    check_talk("wss://API.test", &good, TLS1_3_VERSION); /* by the same context */
    check_talk("wss://api.test", &good, TLS1_2_VERSION);
    check_talk("wss://localhost", &good, TLS1_2_VERSION);
}

static void test_an_address_has_a_certificate_too(void **state)
{
    (void)state;
    check_talk("wss://127.0.0.1", &good, TLS1_3_VERSION);
    check_talk("wss://127.0.0.1", &good, TLS1_2_VERSION);
}

static void test_every_address_of_a_name_is_tried(void **state)
{
    (void)state;
    check_talk("wss://two.test", &good, TLS1_3_VERSION);
}

static void be_closed(server_t *s)
{
    hear_head(s);
    say_switch(s, NULL, 0);
    expect_frame(s, 0x88, "\x03\xe9stopping", 10);
    say_frame(s, 0x88, "\x03\xe9", 2);
    expect_end(s);
}

static void test_we_may_close(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        begin_server(be_closed, tls ? &good : NULL, TLS1_3_VERSION);
        dial(tls ? "wss://api.test" : "ws://localhost");
        TURN_UNTIL(seen.done);
        websocket_close(seen.ws, WEBSOCKET_GOING_AWAY, "stopping");
        TURN_UNTIL(websocket_dialer_count(dialer) == 0);
        assert_int_equal(seen.ends, 1);
        assert_true(seen.end.by_us);
        end_server();
    }
}

/* ---- what does not ---- */

static void refuse(server_t *s)
{
    hear_head(s);
    say_text(s, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    expect_end(s);
}

static void answer_another_key(server_t *s)
{
    hear_head(s);
    memcpy(strstr(s->head, "Key: ") + 5, "dGhlIHNhbXBsZSBub25jZQ==", WEBSOCKET_KEY_BYTES);
    say_switch(s, NULL, 0);
    expect_end(s);
}

static void leave(server_t *s)
{
    hear_head(s);
    say_text(s, "HTTP/1.1 101 Swi");
}

/* TLS is expected, and gets none. */
static void speak_no_tls(server_t *s)
{
    char hello[5];

    EXPECT(s, hear_all(s, hello, 5));
    say_text(s, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void check_failure(err_code_t code, const char *says)
{
    TURN_UNTIL(seen.done);
    assert_null(seen.ws);
    assert_int_equal(seen.err.code, code);
    if (!strstr(seen.err.detail, says))
        fail_msg("not \"%s\": %s", says, seen.err.detail);
    assert_null(strstr(seen.err.detail, "Bearer"));
    TURN_UNTIL(websocket_dialer_count(dialer) == 0);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.ends, 0);
}

static void test_why_it_does_not_open_is_said(void **state)
{
    static const struct {
        const char *before_port;
        script_fn *script;
        const identity_t *identity;
        int version;
        err_code_t code;
        const char *says;
    } CASES[] = {
        {"ws://localhost", refuse, NULL, 0, ERR_CONFIG, "localhost answered 403 to the WebSocket handshake"},
        {"wss://api.test", refuse, &good, TLS1_3_VERSION, ERR_CONFIG, "api.test answered 403"},
        {"ws://localhost", answer_another_key, NULL, 0, ERR_CONFIG, "Sec-WebSocket-Accept"},
        {"ws://localhost", leave, NULL, 0, ERR_IO, "localhost closed the connection without an answer"},
        {"wss://api.test", leave, &good, TLS1_2_VERSION, ERR_IO, "api.test closed the connection without an answer"},
        {"wss://api.test", speak_no_tls, NULL, 0, ERR_IO, "api.test did not agree on TLS"},
        {"wss://api.test", refuse, &good, TLS1_1_VERSION, ERR_IO, "api.test did not agree on TLS"},
        {"wss://api.test", refuse, &of_another, TLS1_2_VERSION, ERR_CONFIG,
         "the certificate of api.test is not accepted: hostname mismatch"},
        {"wss://api.test", refuse, &of_another, TLS1_3_VERSION, ERR_CONFIG, "is not accepted: hostname mismatch"},
        {"wss://127.0.0.1", refuse, &of_another, TLS1_2_VERSION, ERR_CONFIG, "is not accepted: IP address mismatch"},
        {"wss://127.0.0.1", refuse, &of_another, TLS1_3_VERSION, ERR_CONFIG, "is not accepted: IP address mismatch"},
        {"wss://api.test", refuse, &self_signed, TLS1_2_VERSION, ERR_CONFIG, "is not accepted: self-signed"},
        {"wss://api.test", refuse, &self_signed, TLS1_3_VERSION, ERR_CONFIG, "is not accepted: self-signed"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        begin_server(CASES[i].script, CASES[i].identity, CASES[i].version);
        dial(CASES[i].before_port);
        check_failure(CASES[i].code, CASES[i].says);
        end_server();
    }
}

static void test_where_nobody_is_that_is_said(void **state)
{
    uint16_t port = 0;
    char url[100];

    (void)state;
    dial_with("wss://nowhere.test/", NULL, 0);
    check_failure(ERR_IO, "nowhere.test could not be resolved: Name or service not known");
    close(listen_at("127.0.0.1", &port, 1)); /* nobody is there any more */
    (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%u", port);
    dial_with(url, NULL, 0);
    check_failure(ERR_IO, "127.0.0.1 cannot be reached");
}

static void test_what_is_no_address_is_said_later(void **state)
{
    const websocket_field_t field = {STR("Host"), STR("x")};

    (void)state;
    dial_with("https://api.test/", NULL, 0);
    check_failure(ERR_CONFIG, "begins with wss://");
    dial_with("ws://api.test/", NULL, 0);
    check_failure(ERR_CONFIG, "expected wss:// for api.test");
    dial_with("wss://api.test/", &field, 1);
    check_failure(ERR_CONFIG, "Host cannot be sent");
}

/* ---- in the middle of it ---- */

static void hear_and_wait(server_t *s)
{
    hear_head(s);
    expect_end(s);
}

/* As many bytes as any client says first. */
static void never_speak(server_t *s)
{
    char bytes[4096];

    EXPECT(s, hear_all(s, bytes, 5));
    atomic_store(&s->asked, true);
    while (hear(s, bytes, sizeof(bytes)))
        ;
}

/* A queue of connections that is full: the next one's SYN is not answered. */
typedef struct full {
    int listener, fillers[4];
} full_t;

static full_t make_full(const char *text, uint16_t *port)
{
    full_t full = {.listener = listen_at(text, port, 0)};

    for (size_t i = 0; i < COUNT(full.fillers); i++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port)};

        (void)inet_pton(AF_INET, text, &in.sin_addr);
        full.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(full.fillers[i], (struct sockaddr *)&in, sizeof(in));
    }
    return full;
}

static void empty(const full_t *full)
{
    for (size_t i = 0; i < COUNT(full->fillers); i++)
        close(full->fillers[i]);
    close(full->listener);
}

typedef enum { AT_LOOKUP, AT_CONNECT, AT_TLS, AT_ANSWER, AT_ANSWER_OVER_TLS, STAGES } stage_t;

static full_t no_room;

static void go_to(stage_t stage)
{
    int asked = atomic_load(&slow_asked);

    switch (stage) {
    case AT_LOOKUP:
        dial_with("wss://slow.test/", NULL, 0);
        TURN_UNTIL(atomic_load(&slow_asked) > asked);
        break;
    case AT_CONNECT:
        server.port = 0;
        no_room = make_full("127.0.0.1", &server.port);
        dial("wss://127.0.0.1");
        turn();
        break;
    case AT_TLS:
        begin_server(never_speak, NULL, 0);
        dial("wss://api.test");
        TURN_UNTIL(atomic_load(&server.asked));
        break;
    case AT_ANSWER:
    case AT_ANSWER_OVER_TLS:
        begin_server(hear_and_wait, stage == AT_ANSWER ? NULL : &good, TLS1_3_VERSION);
        dial(stage == AT_ANSWER ? "ws://localhost" : "wss://api.test");
        TURN_UNTIL(atomic_load(&server.asked));
        break;
    case STAGES:
        break;
    }
    assert_int_equal(seen.done, 0);
    assert_int_equal(websocket_dialer_count(dialer), 1);
}

static void come_back_from(stage_t stage)
{
    if (stage == AT_LOOKUP) {
        assert_int_equal(sem_post(&slow_may_go_on), 0);
        for (int i = 0; i < 20; i++) /* its answer comes, and nobody waits for it */
            turn();
    } else if (stage == AT_CONNECT) {
        empty(&no_room);
    } else {
        end_server();
    }
}

static void test_the_deadline_is_for_all_of_it(void **state)
{
    static const char *const SAYS[STAGES] = {
        "slow.test was not resolved in time",
        "127.0.0.1 could not be reached in time",
        "api.test did not agree on TLS in time",
        "localhost did not answer the WebSocket handshake in time",
        "api.test did not answer the WebSocket handshake in time",
    };

    (void)state;
    for (stage_t stage = 0; stage < STAGES; stage++) {
        go_to(stage);
        later_us = TIMEOUT_US - 30 * US_PER_S;
        turn();
        assert_int_equal(seen.done, 0);
        later_us = TIMEOUT_US;
        check_failure(ERR_IO, SAYS[stage]);
        later_us = 0;
        come_back_from(stage);
    }
}

static void test_it_can_be_cancelled_at_every_stage(void **state)
{
    (void)state;
    for (stage_t stage = 0; stage < STAGES; stage++) {
        go_to(stage);
        websocket_dial_cancel(seen.dial);
        TURN_UNTIL(websocket_dialer_count(dialer) == 0);
        come_back_from(stage);
        assert_int_equal(seen.done, 0);
    }
}

static void test_the_dialer_can_go_at_every_stage(void **state)
{
    (void)state;
    for (stage_t stage = 0; stage < STAGES; stage++) {
        go_to(stage);
        websocket_dialer_free(dialer);
        dialer = NULL;
        turn();
        come_back_from(stage);
        assert_int_equal(seen.done, 0);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_an_address_that_does_not_answer_gets_its_share_of_the_time(void **state)
{
    full_t full;

    (void)state;
    begin_server(be_closed, &good, TLS1_3_VERSION);
    full = make_full("127.0.0.2", &server.port);
    dial("wss://two.test");
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(seen.done, 0);
    later_us = TIMEOUT_US / 2;
    TURN_UNTIL(seen.done);
    assert_non_null(seen.ws);
    later_us = 0;
    websocket_close(seen.ws, WEBSOCKET_GOING_AWAY, "stopping");
    TURN_UNTIL(websocket_dialer_count(dialer) == 0);
    end_server();
    empty(&full);
}

static void wait_for_the_end(server_t *s)
{
    hear_head(s);
    say_switch(s, NULL, 0);
    expect_end(s);
}

static void test_the_dialer_cuts_what_is_open(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        begin_server(wait_for_the_end, tls ? &good : NULL, TLS1_3_VERSION);
        dial(tls ? "wss://api.test" : "ws://localhost");
        TURN_UNTIL(seen.done);
        websocket_dialer_free(dialer);
        dialer = NULL;
        assert_int_equal(seen.ends, 1);
        assert_int_equal(seen.end.code, WEBSOCKET_DROPPED);
        turn();
        end_server();
        assert_int_equal(set_up(state), 0);
    }
}

/* ---- from inside done ---- */

static struct {
    int done;
    websocket_dial_t *other;
} meddler;

static void cancel_another(void *ctx, websocket_t *ws, const err_t *err)
{
    (void)ctx;
    assert_null(ws);
    assert_int_equal(err->code, ERR_CONFIG);
    meddler.done++;
    websocket_dial_cancel(meddler.other);
    meddler.other = NULL;
}

static void dial_again(void *ctx, websocket_t *ws, const err_t *err)
{
    const websocket_call_t call = {.url = STR("none"), .done = dial_again, .timeout_us = TIMEOUT_US};

    (void)ctx;
    (void)ws;
    (void)err;
    meddler.done++;
    meddler.other = websocket_dial(dialer, &call);
}

static void test_done_may_cancel_another_and_dial_again(void **state)
{
    websocket_call_t call = {.url = STR("none"), .done = cancel_another, .timeout_us = TIMEOUT_US};

    (void)state;
    memset(&meddler, 0, sizeof(meddler));
    (void)websocket_dial(dialer, &call);
    meddler.other = websocket_dial(dialer, &call);
    turn();
    assert_int_equal(meddler.done, 1);
    assert_int_equal(websocket_dialer_count(dialer), 0);
    call.done = dial_again;
    (void)websocket_dial(dialer, &call);
    turn();
    assert_int_equal(meddler.done, 2); /* once a sweep */
    turn();
    assert_int_equal(meddler.done, 3);
    websocket_dial_cancel(meddler.other);
}

static void test_a_dial_that_has_failed_can_be_cancelled(void **state)
{
    (void)state;
    dial_with("none", NULL, 0);
    websocket_dial_cancel(seen.dial);
    turn();
    assert_int_equal(seen.done, 0);
}

#define dial_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        dial_test(test_it_opens_and_talks),
        dial_test(test_it_opens_and_talks_over_tls),
        dial_test(test_an_address_has_a_certificate_too),
        dial_test(test_every_address_of_a_name_is_tried),
        dial_test(test_we_may_close),
        dial_test(test_why_it_does_not_open_is_said),
        dial_test(test_where_nobody_is_that_is_said),
        dial_test(test_what_is_no_address_is_said_later),
        dial_test(test_the_deadline_is_for_all_of_it),
        dial_test(test_it_can_be_cancelled_at_every_stage),
        dial_test(test_the_dialer_can_go_at_every_stage),
        dial_test(test_an_address_that_does_not_answer_gets_its_share_of_the_time),
        dial_test(test_the_dialer_cuts_what_is_open),
        dial_test(test_done_may_cancel_another_and_dial_again),
        dial_test(test_a_dial_that_has_failed_can_be_cancelled),
    };
    int failed;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sem_init(&slow_may_go_on, 0, 0);
    memset(long_text, 'x', sizeof(long_text));
    loop = h2o_evloop_create();
    queue = h2o_multithread_create_queue(loop);
    make_identities();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(authority_path);
    clear_identity(&authority);
    clear_identity(&good);
    clear_identity(&of_another);
    clear_identity(&self_signed);
    return failed;
}
