/* fetcher_test.c – requests to a server that is written by hand, a thread for each connection. */
#include "net/fetcher.h"

#include "base/clock.h"
#include "unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US (30 * US_PER_S) /* until a test gives up: nothing takes that long */
#define MAX_BODY    ((size_t)100000)

/* ---- the server ---- */

typedef struct server {
    int fd;
    int port;
    pthread_t thread;
    atomic_int connections, requests;
} server_t;

static server_t server;

/* A request up to the end of its head, and its body by its length. False: the client is gone. */
static bool read_request(int fd, char *out, size_t size)
{
    size_t len = 0, need = 0;

    for (;;) {
        char *end, *length;
        ssize_t n = read(fd, out + len, size - 1 - len);

        if (n <= 0)
            return false;
        len += (size_t)n;
        out[len] = '\0';
        end = strstr(out, "\r\n\r\n");
        length = strcasestr(out, "content-length: ");
        need = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - out) + need)
            return true;
    }
}

static void say(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

/* "hello", by gzip (RFC 1952). */
static const char PACKED[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00"
    "\x00\x00";

static void say_large(int fd, size_t len)
{
    char chunk[1000];

    memset(chunk, 'x', sizeof(chunk));
    for (; len >= sizeof(chunk); len -= sizeof(chunk))
        say(fd, chunk, sizeof(chunk));
}

/* By its path. False: the connection is to be closed. */
static bool answer(int fd, const char *request)
{
    char head[200], *body = strstr(request, "\r\n\r\n");

    if (strstr(request, " /never "))
        return pause(), false;
    if (strstr(request, " /cut "))
        return say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly so far"), false;
    if (strstr(request, " /large "))
        return say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 101000\r\n\r\n"), say_large(fd, 101000), true;
    if (strstr(request, " /gzip "))
        return say_text(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"),
               say(fd, PACKED, sizeof(PACKED) - 1), true;
    if (strstr(request, " /moved "))
        return say_text(fd, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"), true;
    if (strstr(request, " /early "))
        return say_text(fd,
                        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 429 Slow Down\r\nRETRY-AFTER:  7 \r\n"
                        "Content-Length: 4\r\n\r\nslow"),
               true;
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nX-Method: %.4s\r\nX-Key: %s\r\nContent-Length: %zu\r\n\r\n",
                   request, strcasestr(request, "x-key: secret") ? "came" : "missing", strlen(body + 4));
    return say_text(fd, head), say_text(fd, body + 4), true;
}

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *request = mem_alloc(65536);

    while (read_request(fd, request, 65536)) {
        atomic_fetch_add(&server.requests, 1);
        if (!answer(fd, request))
            break;
    }
    free(request);
    (void)close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        pthread_t thread;

        atomic_fetch_add(&server.connections, 1);
        assert_int_equal(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
        (void)pthread_detach(thread);
    }
    return NULL;
}

static int start(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    (void)state;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
    server.port = ntohs(at.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop(void **state)
{
    (void)state;
    (void)shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    return close(server.fd);
}

/* ---- asking ---- */

typedef struct asker {
    arena_t *arena;
    fetcher_t *fetcher;
    fetch_mailbox_t *mailbox;
} asker_t;

static asker_t asker_new(size_t most_in_flight)
{
    const fetch_limits_t limits = {.connect_us = 10 * US_PER_S, .max_body = MAX_BODY, .max_in_flight = most_in_flight};
    asker_t a = {.arena = arena_new(1024), .fetcher = fetcher_new()};

    a.mailbox = fetch_mailbox_open(a.fetcher, &limits);
    return a;
}

static void asker_free(asker_t *a)
{
    fetch_mailbox_close(a->mailbox);
    fetcher_free(a->fetcher);
    arena_free(a->arena);
}

static bool ask_with(asker_t *a, http_call_t call, const char *path, void *ticket, err_t *err)
{
    call.url = arena_printf(a->arena, "http://127.0.0.1:%d%s", server.port, path);
    call.timeout_us = call.timeout_us ? call.timeout_us : PATIENCE_US;
    return fetcher_ask(a->mailbox, &call, ticket, err);
}

static fetched_t *take(const asker_t *a)
{
    fetched_t *f = fetch_mailbox_take(a->mailbox, clock_mono_us() + PATIENCE_US);

    assert_non_null(f);
    return f;
}

static fetched_t *get(asker_t *a, const char *path)
{
    err_t err;

    assert_true(ask_with(a, (http_call_t){.method = "GET"}, path, NULL, &err));
    return take(a);
}

static str_t field(const fetched_t *f, const char *name)
{
    for (size_t i = 0; i < f->n_fields; i++)
        if (str_eq(f->fields[i].name, str_from(name)))
            return f->fields[i].value;
    return STR_NONE;
}

static void test_an_answer_comes_with_its_status_fields_and_body(void **state)
{
    static const http_field_t FIELDS[] = {{{"X-Key", 5}, {"secret", 6}}};
    asker_t a = asker_new(4);
    err_t err;
    int mine;
    fetched_t *f;

    (void)state;
    assert_true(ask_with(&a, (http_call_t){.method = "POST", .fields = FIELDS, .n_fields = 1, .body = STR("payload")},
                         "/", &mine, &err));
    f = take(&a);
    assert_true(f->came && f->sent);
    assert_int_equal(f->status, 200);
    assert_ptr_equal(f->ticket, &mine);
    assert_str(f->body, "payload");
    assert_str(field(f, "x-method"), "POST");
    assert_str(field(f, "x-key"), "came");
    fetched_free(f);
    asker_free(&a);
}

static void test_connections_are_kept(void **state)
{
    asker_t a = asker_new(4);
    int before = atomic_load(&server.connections);

    (void)state;
    for (int i = 0; i < 5; i++)
        fetched_free(get(&a, "/"));
    assert_int_equal(atomic_load(&server.connections) - before, 1);
    asker_free(&a);
}

static void test_many_at_once_each_get_their_own_answer(void **state)
{
    asker_t a = asker_new(8);
    bool came[8] = {false};
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(came); i++) {
        str_t body = arena_printf(a.arena, "%zu", i);

        assert_true(ask_with(&a, (http_call_t){.method = "POST", .body = body}, "/", &came[i], &err));
    }
    for (size_t i = 0; i < COUNT(came); i++) {
        fetched_t *f = take(&a);
        bool *ticket = f->ticket;
        int64_t number;

        assert_true(str_to_int(f->body, &number));
        assert_ptr_equal(ticket, &came[number]);
        *ticket = true;
        fetched_free(f);
    }
    for (size_t i = 0; i < COUNT(came); i++)
        assert_true(came[i]);
    asker_free(&a);
}

static void test_more_than_that_is_refused_at_once(void **state)
{
    asker_t a = asker_new(1);
    err_t err = {.code = ERR_NONE};

    (void)state;
    assert_true(ask_with(&a, (http_call_t){.method = "GET"}, "/never", NULL, &err));
    assert_false(ask_with(&a, (http_call_t){.method = "GET"}, "/", NULL, &err));
    assert_int_equal(err.code, ERR_BUSY);
    asker_free(&a);
}

static void test_what_is_packed_is_unpacked(void **state)
{
    asker_t a = asker_new(1);
    fetched_t *f = get(&a, "/gzip");

    (void)state;
    assert_true(f->came);
    assert_str(f->body, "hello");
    fetched_free(f);
    asker_free(&a);
}

static void test_the_fields_are_those_of_the_answer_itself(void **state)
{
    asker_t a = asker_new(1);
    fetched_t *f = get(&a, "/early");

    (void)state;
    assert_int_equal(f->status, 429);
    assert_str(field(f, "retry-after"), "7");
    assert_absent(field(f, "link"));
    fetched_free(f);
    asker_free(&a);
}

static void test_no_redirect_is_followed(void **state)
{
    asker_t a = asker_new(1);
    int before = atomic_load(&server.requests);
    fetched_t *f = get(&a, "/moved");

    (void)state;
    assert_int_equal(f->status, 302);
    assert_int_equal(atomic_load(&server.requests) - before, 1);
    fetched_free(f);
    asker_free(&a);
}

static void test_an_answer_that_is_too_large_is_an_error(void **state)
{
    asker_t a = asker_new(1);
    fetched_t *f = get(&a, "/large");

    (void)state;
    assert_false(f->came);
    assert_int_equal(f->err.code, ERR_TOO_LARGE);
    fetched_free(f);
    asker_free(&a);
}

static void test_an_answer_that_is_cut_is_none(void **state)
{
    asker_t a = asker_new(1);
    fetched_t *f = get(&a, "/cut");

    (void)state;
    assert_false(f->came);
    assert_true(f->sent);
    assert_int_equal(f->err.code, ERR_IO);
    fetched_free(f);
    asker_free(&a);
}

static void test_who_does_not_answer_is_given_up(void **state)
{
    asker_t a = asker_new(1);
    err_t err;
    fetched_t *f;

    (void)state;
    assert_true(ask_with(&a, (http_call_t){.method = "GET", .timeout_us = 200 * US_PER_MS}, "/never", NULL, &err));
    f = take(&a);
    assert_false(f->came);
    assert_true(f->sent);
    assert_int_equal(f->err.code, ERR_IO);
    fetched_free(f);
    asker_free(&a);
}

static void test_where_nobody_listens_nothing_was_sent(void **state)
{
    asker_t a = asker_new(1);
    http_call_t call = {.method = "GET", .url = STR("http://127.0.0.1:1/"), .timeout_us = PATIENCE_US};
    err_t err;
    fetched_t *f;

    (void)state;
    assert_true(fetcher_ask(a.mailbox, &call, NULL, &err));
    f = take(&a);
    assert_false(f->came);
    assert_false(f->sent);
    fetched_free(f);
    asker_free(&a);
}

static void test_plain_http_goes_to_this_machine_only(void **state)
{
    static const char *const ELSEWHERE[] = {
        "http://api.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "http://10.0.0.1/",
        "ftp://api.example.com/",
        "http://127.0.0.1:80@10.0.0.1/x",
        "127.example.com",
    };
    asker_t a = asker_new(1);

    (void)state;
    for (size_t i = 0; i < COUNT(ELSEWHERE); i++) {
        http_call_t call = {.method = "GET", .url = str_from(ELSEWHERE[i]), .timeout_us = PATIENCE_US};
        err_t err = {.code = ERR_NONE};

        assert_false(fetcher_ask(a.mailbox, &call, NULL, &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
    asker_free(&a);
}

static void test_none_has_come_by_then(void **state)
{
    asker_t a = asker_new(1);
    err_t err;

    (void)state;
    assert_true(ask_with(&a, (http_call_t){.method = "GET"}, "/never", NULL, &err));
    assert_null(fetch_mailbox_take(a.mailbox, clock_mono_us()));
    asker_free(&a);
}

static void test_a_mailbox_that_is_closed_takes_nobody_else_along(void **state)
{
    asker_t a = asker_new(4);
    fetch_mailbox_t *other = a.mailbox;
    const fetch_limits_t limits = {.connect_us = US_PER_S, .max_body = MAX_BODY, .max_in_flight = 4};
    err_t err;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(ask_with(&a, (http_call_t){.method = "GET"}, i ? "/never" : "/", NULL, &err));
    a.mailbox = fetch_mailbox_open(a.fetcher, &limits);
    fetch_mailbox_close(other);
    for (int i = 0; i < 3; i++)
        fetched_free(get(&a, "/"));
    asker_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_comes_with_its_status_fields_and_body),
        cmocka_unit_test(test_connections_are_kept),
        cmocka_unit_test(test_many_at_once_each_get_their_own_answer),
        cmocka_unit_test(test_more_than_that_is_refused_at_once),
        cmocka_unit_test(test_what_is_packed_is_unpacked),
        cmocka_unit_test(test_the_fields_are_those_of_the_answer_itself),
        cmocka_unit_test(test_no_redirect_is_followed),
        cmocka_unit_test(test_an_answer_that_is_too_large_is_an_error),
        cmocka_unit_test(test_an_answer_that_is_cut_is_none),
        cmocka_unit_test(test_who_does_not_answer_is_given_up),
        cmocka_unit_test(test_where_nobody_listens_nothing_was_sent),
        cmocka_unit_test(test_plain_http_goes_to_this_machine_only),
        cmocka_unit_test(test_none_has_come_by_then),
        cmocka_unit_test(test_a_mailbox_that_is_closed_takes_nobody_else_along),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
