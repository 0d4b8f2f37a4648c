/* websocket_test.c – a WebSocket over a pair of sockets, whose other end is written by hand: what is sent, in how many
 * writes, and what happens when time passes. The clock of its deadlines is the one that the sweep is given. */
#include "net/websocket.h"

#include "base/clock.h"
#include "unit.h"

#include <fcntl.h>
#include <h2o.h>
#include <sys/socket.h>
#include <unistd.h>

static const websocket_limits_t LIMITS = {.max_message = 1000,
                                          .max_queued = 4000,
                                          .idle_us = 30 * US_PER_S,
                                          .ping_us = 20 * US_PER_S,
                                          .close_us = 2 * US_PER_S};

static h2o_evloop_t *loop;
static int peer; /* the other end; its packets are our writes */
static websocket_t *ws;
static struct {
    int messages, ends;
    char last[1001];
    websocket_end_t end;
    int watched; /* -1: not called; else unread */
    int answers; /* how many messages to send from inside the callback */
    bool closes; /* from inside the callback */
} seen;

static void on_message(void *ctx, str_t text)
{
    assert_ptr_equal(ctx, &seen);
    assert_int_equal(seen.ends, 0);
    seen.messages++;
    memcpy(seen.last, text.base, text.len);
    seen.last[text.len] = '\0';
    for (int i = 0; i < seen.answers; i++)
        assert_true(websocket_send(ws, STR("answer")));
    if (seen.closes)
        websocket_close(ws, WEBSOCKET_POLICY, "enough");
}

static void on_closed(void *ctx, const websocket_end_t *end)
{
    assert_ptr_equal(ctx, &seen);
    assert_int_equal(seen.watched, -1);
    seen.ends++;
    seen.end = *end;
}

static void on_ending(void *owner, bool unread)
{
    assert_ptr_equal(owner, &LIMITS);
    assert_int_equal(seen.ends, 1);
    seen.watched = unread;
}

static const websocket_events_t EVENTS = {on_message, on_closed};

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        (void)h2o_evloop_run(loop, 1);
}

typedef websocket_t *begin_fn(struct st_h2o_socket_t *sock, const websocket_limits_t *limits,
                              const websocket_events_t *events, void *ctx);

static int begin(begin_fn *begin_websocket)
{
    int pair[2];

    memset(&seen, 0, sizeof(seen));
    seen.watched = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    peer = pair[1];
    ws = begin_websocket(h2o_evloop_socket_create(loop, pair[0], 0), &LIMITS, &EVENTS, &seen);
    websocket_watch(ws, on_ending, (void *)(uintptr_t)&LIMITS);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return begin(websocket_serve);
}

static int set_up_client(void **state)
{
    (void)state;
    return begin(websocket_begin_client);
}

static int tear_down(void **state)
{
    (void)state;
    close(peer);
    turn();
    assert_int_equal(seen.ends, 1);
    assert_int_not_equal(seen.watched, -1);
    return 0;
}

/* A masked frame; the mask is zero, so that what it says can be read here. */
static void say(uint8_t first, const char *payload, size_t len)
{
    uint8_t frame[1200] = {first, (uint8_t)(0x80 | (len < 126 ? len : 126))};
    size_t at = 2;

    if (len >= 126) {
        frame[at++] = (uint8_t)(len >> 8);
        frame[at++] = (uint8_t)len;
    }
    at += 4;
    memcpy(frame + at, payload, len);
    assert_int_equal(write(peer, frame, at + len), at + len);
}

static void say_text(const char *text)
{
    say(0x81, text, strlen(text));
}

/* The next packet; -1 when there is none, 0 at the end. */
static ssize_t hear(uint8_t *out, size_t room)
{
    return read(peer, out, room);
}

static void assert_nothing_more(void)
{
    uint8_t packet[4096];

    assert_int_equal(hear(packet, sizeof(packet)), -1);
}

static void assert_close(int code, const char *why)
{
    uint8_t packet[200];

    assert_int_equal(hear(packet, sizeof(packet)), 4 + strlen(why));
    assert_int_equal(packet[0], 0x88);
    assert_int_equal(packet[1], 2 + strlen(why));
    assert_int_equal(packet[2] << 8 | packet[3], code);
    assert_memory_equal(packet + 4, why, strlen(why));
}

static void assert_end(int code, bool by_us, const char *why)
{
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.end.code, code);
    assert_int_equal(seen.end.by_us, by_us);
    assert_string_equal(seen.end.why, why);
}

static void test_messages_are_whole(void **state)
{
    (void)state;
    say_text("one");
    turn();
    assert_int_equal(seen.messages, 1);
    assert_string_equal(seen.last, "one");
    say(0x01, "tw", 2);
    say(0x80, "o", 1);
    turn();
    assert_int_equal(seen.messages, 2);
    assert_string_equal(seen.last, "two");
    say_text("");
    turn();
    assert_int_equal(seen.messages, 3);
    assert_string_equal(seen.last, "");
    assert_nothing_more();
}

/* A text frame under a mask; its bytes. */
static size_t make_masked(uint8_t *frame, const char *payload, size_t len)
{
    static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 2;

    frame[0] = 0x81;
    frame[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        frame[at++] = (uint8_t)(len >> 8);
        frame[at++] = (uint8_t)len;
    }
    memcpy(frame + at, MASK, sizeof(MASK));
    at += sizeof(MASK);
    for (size_t i = 0; i < len; i++)
        frame[at++] = (uint8_t)((uint8_t)payload[i] ^ MASK[i % sizeof(MASK)]);
    return at;
}

static void assert_heard(int messages, const char *text, size_t len)
{
    assert_int_equal(seen.messages, messages);
    assert_int_equal(strlen(seen.last), len);
    assert_memory_equal(seen.last, text, len);
}

/* Whole it is read by hand, in two pieces by wslay; and so is what is not ASCII. Another message is behind each. */
static void test_a_message_is_the_same_in_pieces(void **state)
{
    static const size_t LENGTHS[] = {1, 7, 8, 125, 126, 127, 300, 1000};
    char text[1001] = "";
    uint8_t frames[2100];
    int messages = 0;

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(LENGTHS); i++) {
        size_t len = LENGTHS[i / 2], bytes;

        for (size_t j = 0; j < len; j++)
            text[j] = (char)('a' + j % 26);
        if (i % 2 && len > 1)
            memcpy(text + len - 2, "\xc3\xbc", 2);
        bytes = make_masked(frames, text, len);
        bytes += make_masked(frames + bytes, text, len);
        for (size_t cut = 1; cut <= bytes; cut += cut < 20 || cut > bytes - 20 ? 1 : 17) {
            assert_int_equal(write(peer, frames, cut), cut);
            turn();
            if (cut < bytes)
                assert_int_equal(write(peer, frames + cut, bytes - cut), bytes - cut);
            turn();
            messages += 2;
            assert_heard(messages, text, len);
        }
    }
    assert_nothing_more();
}

static void test_a_message_within_another_is_a_fault(void **state)
{
    (void)state;
    say(0x01, "tw", 2);
    say_text("one");
    turn();
    assert_int_equal(seen.messages, 0);
    assert_int_equal(seen.end.code, WEBSOCKET_PROTOCOL);
}

static void test_a_length_that_is_too_long_is_a_fault(void **state)
{
    static const uint8_t FRAME[] = {0x81, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'};

    (void)state;
    assert_int_equal(write(peer, FRAME, sizeof(FRAME)), sizeof(FRAME));
    turn();
    assert_int_equal(seen.messages, 0);
    assert_int_equal(seen.end.code, WEBSOCKET_PROTOCOL);
}

static void test_nothing_is_heard_behind_our_close(void **state)
{
    uint8_t frames[100];
    size_t bytes = make_masked(frames, "one", 3);

    (void)state;
    bytes += make_masked(frames + bytes, "two", 3);
    seen.closes = true;
    assert_int_equal(write(peer, frames, bytes), bytes);
    turn();
    assert_heard(1, "one", 3);
    assert_close(WEBSOCKET_POLICY, "enough");
}

static void test_what_is_queued_in_a_turn_is_one_write(void **state)
{
    uint8_t packet[200];

    (void)state;
    seen.answers = 3;
    say_text("x");
    turn();
    assert_int_equal(hear(packet, sizeof(packet)), 3 * 8);
    assert_int_equal(packet[0], 0x81);
    assert_int_equal(packet[1], 6); /* not masked */
    assert_memory_equal(packet + 2, "answer", 6);
    assert_nothing_more();
}

static void test_outside_a_callback_it_is_written_at_once(void **state)
{
    uint8_t packet[200];

    (void)state;
    assert_true(websocket_send(ws, STR("now")));
    assert_int_equal(hear(packet, sizeof(packet)), 5);
    assert_true(websocket_send(ws, STR("with"))); /* the first one's write has not come back yet */
    assert_true(websocket_send(ws, STR("this")));
    assert_nothing_more();
    turn();
    assert_int_equal(hear(packet, sizeof(packet)), 12);
}

static void test_what_is_held_is_one_write(void **state)
{
    uint8_t packet[200];

    (void)state;
    websocket_hold(ws);
    assert_true(websocket_send(ws, STR("one")));
    turn();
    assert_nothing_more();
    assert_true(websocket_send(ws, STR("two")));
    websocket_release(ws);
    assert_int_equal(hear(packet, sizeof(packet)), 10);
    assert_memory_equal(packet, "\x81\x03one\x81\x03two", 10);
}

static void test_each_length_has_its_head(void **state)
{
    static const struct {
        size_t len, head;
    } LENGTHS[] = {{1, 2}, {125, 2}, {126, 4}, {3000, 4}};
    static char text[3000];
    uint8_t packet[3100];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < COUNT(LENGTHS); i++) {
        size_t len = LENGTHS[i].len, head = LENGTHS[i].head;

        assert_true(websocket_send(ws, (str_t){text, len}));
        assert_int_equal(hear(packet, sizeof(packet)), (ssize_t)(head + len));
        assert_int_equal(head == 2 ? packet[1] : packet[2] << 8 | packet[3], len);
        assert_memory_equal(packet + head, text, len);
        turn();
    }
}

static void test_a_full_queue_is_said(void **state)
{
    static char big[500];
    int sent = 0;

    (void)state;
    memset(big, 'x', sizeof(big));
    while (sent < 1000 && websocket_send(ws, (str_t){big, sizeof(big)}))
        sent++;
    assert_true(sent >= 4 && sent <= 8); /* the first is on its way, and counts too */
    assert_int_equal(seen.ends, 0);
    turn();
    assert_true(websocket_send(ws, (str_t){big, sizeof(big)})); /* there is room again */
    assert_false(websocket_send(ws, (str_t){big, 5000}));
    websocket_close(ws, WEBSOCKET_POLICY, "too slow");
    assert_false(websocket_send(ws, STR("late")));
    close(peer);
    turn();
    assert_end(WEBSOCKET_POLICY, true, "too slow");
}

static void test_a_close_is_answered_and_then_it_is_over(void **state)
{
    (void)state;
    say(0x88, "\x03\xe8", 2);
    turn();
    assert_end(WEBSOCKET_NORMAL, false, "");
    assert_int_equal(seen.watched, false);
    assert_close(WEBSOCKET_NORMAL, "");
}

static void test_our_close_waits_for_the_answer(void **state)
{
    (void)state;
    websocket_close(ws, WEBSOCKET_GOING_AWAY, "stopping");
    websocket_close(ws, WEBSOCKET_POLICY, "no matter");
    say_text("still on its way");
    turn();
    assert_close(WEBSOCKET_GOING_AWAY, "stopping");
    assert_int_equal(seen.ends, 0);
    assert_int_equal(seen.messages, 0);
    say(0x88, "\x03\xe9", 2);
    turn();
    assert_end(WEBSOCKET_GOING_AWAY, true, "stopping");
    assert_int_equal(seen.watched, false);
}

static void test_our_close_does_not_wait_for_ever(void **state)
{
    int64_t now_us;

    (void)state;
    websocket_close(ws, WEBSOCKET_GOING_AWAY, "stopping");
    turn();
    now_us = clock_mono_us();
    websocket_sweep(ws, now_us + US_PER_S);
    assert_int_equal(seen.ends, 0);
    websocket_sweep(ws, now_us + 2 * US_PER_S);
    assert_end(WEBSOCKET_GOING_AWAY, true, "stopping");
}

static void test_a_close_from_inside_the_callback(void **state)
{
    (void)state;
    seen.closes = true;
    say_text("one");
    say_text("two");
    turn();
    assert_int_equal(seen.messages, 1);
    assert_close(WEBSOCKET_POLICY, "enough");
    say(0x88, "\x03\xf0", 2);
    turn();
    assert_end(WEBSOCKET_POLICY, true, "enough");
}

static void test_a_fault_is_told_and_then_it_is_over(void **state)
{
    static const struct {
        uint8_t first;
        const char *payload;
        size_t len;
        int code;
        const char *why;
    } FAULTS[] = {
        {0x82, "x", 1, WEBSOCKET_UNSUPPORTED, "text only"},   {0x83, "x", 1, WEBSOCKET_PROTOCOL, NULL},
        {0x09, "x", 1, WEBSOCKET_PROTOCOL, "protocol error"}, {0x88, "x", 1, WEBSOCKET_PROTOCOL, "protocol error"},
        {0x81, "\xff", 1, WEBSOCKET_INVALID, NULL},
    };

    for (size_t i = 0; i < COUNT(FAULTS); i++) {
        uint8_t packet[200];

        if (i > 0) {
            close(peer);
            assert_int_equal(set_up(state), 0);
        }
        say(FAULTS[i].first, FAULTS[i].payload, FAULTS[i].len);
        turn();
        assert_true(hear(packet, sizeof(packet)) >= 4);
        assert_int_equal(packet[0], 0x88);
        assert_int_equal(packet[2] << 8 | packet[3], FAULTS[i].code);
        if (FAULTS[i].why)
            assert_memory_equal(packet + 4, FAULTS[i].why, strlen(FAULTS[i].why));
        assert_int_equal(seen.ends, 1);
        assert_int_equal(seen.end.code, FAULTS[i].code);
        assert_true(seen.end.by_us);
        assert_int_equal(seen.watched, FAULTS[i].first != 0x88); /* after a close frame nothing comes */
    }
}

static void test_a_message_too_big(void **state)
{
    static char big[1001];

    (void)state;
    memset(big, 'x', sizeof(big));
    say(0x81, big, 1000);
    turn();
    assert_int_equal(seen.messages, 1);
    say(0x01, big, 600);
    say(0x80, big, 401);
    turn();
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.end.code, WEBSOCKET_TOO_BIG);
}

static void test_it_pings_and_whoever_lives_is_kept(void **state)
{
    int64_t now_us = clock_mono_us();
    uint8_t packet[200];

    (void)state;
    websocket_sweep(ws, now_us + 19 * US_PER_S);
    turn();
    assert_nothing_more();
    websocket_sweep(ws, now_us + 20 * US_PER_S + US_PER_S / 2);
    turn();
    assert_int_equal(hear(packet, sizeof(packet)), 2);
    assert_int_equal(packet[0], 0x89);
    websocket_sweep(ws, now_us + 29 * US_PER_S);
    turn();
    assert_nothing_more();
    say(0x8a, "", 0);
    turn(); /* heard now, by the real clock */
    websocket_sweep(ws, clock_mono_us() + 29 * US_PER_S);
    turn();
    assert_int_equal(seen.ends, 0);
}

static void test_silence_is_closed(void **state)
{
    int64_t now_us = clock_mono_us();

    (void)state;
    websocket_sweep(ws, now_us + 31 * US_PER_S);
    assert_close(WEBSOCKET_GOING_AWAY, "silent for too long");
    assert_int_equal(seen.ends, 0);
    websocket_sweep(ws, now_us + 34 * US_PER_S);
    assert_end(WEBSOCKET_GOING_AWAY, true, "silent for too long");
}

static void test_a_close_may_be_put_off(void **state)
{
    int64_t now_us = clock_mono_us();

    (void)state;
    websocket_close_after(ws, WEBSOCKET_NORMAL, "stopped", 2 * US_PER_S);
    websocket_sweep(ws, now_us + US_PER_S);
    assert_nothing_more();
    websocket_sweep(ws, now_us + 3 * US_PER_S);
    assert_close(WEBSOCKET_NORMAL, "stopped");
    say(0x88, "\x03\xe8", 2);
    turn();
    assert_end(WEBSOCKET_NORMAL, true, "stopped");
}

static void test_a_connection_that_drops(void **state)
{
    (void)state;
    say_text("last");
    close(peer);
    turn();
    assert_string_equal(seen.last, "last");
    assert_end(WEBSOCKET_DROPPED, false, "");
    assert_int_equal(seen.watched, false);
    peer = open("/dev/null", O_RDONLY | O_CLOEXEC); /* for tear_down to close */
}

static void test_what_waits_is_told(void **state)
{
    size_t before;

    (void)state;
    assert_int_equal(websocket_queued(ws), 0);
    assert_true(websocket_send(ws, STR("one")));
    before = websocket_queued(ws);
    assert_true(before >= 3);
    assert_true(websocket_send(ws, STR("another")));
    assert_true(websocket_queued(ws) >= before + 7);
    turn();
    assert_int_equal(websocket_queued(ws), 0);
}

static void test_what_is_cut_is_gone_at_once(void **state)
{
    uint8_t packet[10];

    (void)state;
    websocket_cut(ws);
    assert_end(WEBSOCKET_DROPPED, false, "");
    assert_int_equal(hear(packet, sizeof(packet)), 0);
}

/* ---- as a client ---- */

/* A frame of a server: without a mask. */
static void say_bare(uint8_t first, const char *payload, size_t len)
{
    uint8_t frame[200] = {first, (uint8_t)len};

    memcpy(frame + 2, payload, len);
    assert_int_equal(write(peer, frame, 2 + len), 2 + len);
}

/* The frame at the begin of what came, which must be masked and short: its payload in place. The whole frame's bytes.
 */
static size_t unmask(uint8_t *frame, uint8_t first, const char *payload, size_t len)
{
    assert_int_equal(frame[0], first);
    assert_int_equal(frame[1], 0x80 | len);
    for (size_t i = 0; i < len; i++)
        frame[6 + i] ^= frame[2 + i % 4];
    assert_memory_equal(frame + 6, payload, len);
    return 6 + len;
}

static void assert_masked(uint8_t first, const char *payload, size_t len)
{
    uint8_t packet[200];

    assert_int_equal(hear(packet, sizeof(packet)), 6 + len);
    (void)unmask(packet, first, payload, len);
}

static void test_a_client_masks_each_frame_anew(void **state)
{
    uint8_t packet[200], first_mask[4];
    size_t n;

    (void)state;
    seen.answers = 2;
    say_bare(0x81, "x", 1);
    turn();
    assert_int_equal(seen.messages, 1);
    assert_int_equal(hear(packet, sizeof(packet)), (ssize_t)2 * 12);
    memcpy(first_mask, packet + 2, 4);
    n = unmask(packet, 0x81, "answer", 6);
    assert_memory_not_equal(packet + n + 2, first_mask, 4);
    (void)unmask(packet + n, 0x81, "answer", 6);
}

static void test_a_client_does_not_run_out_of_masks(void **state)
{
    (void)state;
    for (int i = 0; i < 2100; i++) { /* two draws */
        assert_true(websocket_send(ws, STR("again")));
        assert_masked(0x81, "again", 5);
        (void)h2o_evloop_run(loop, 0);
    }
}

static void test_a_client_takes_whole_messages_between_pings(void **state)
{
    (void)state;
    say_bare(0x01, "tw", 2);
    say_bare(0x89, "lives?", 6);
    say_bare(0x80, "o", 1);
    turn();
    assert_int_equal(seen.messages, 1);
    assert_string_equal(seen.last, "two");
    assert_masked(0x8a, "lives?", 6);
}

static void test_a_client_closes_in_masks(void **state)
{
    (void)state;
    websocket_close(ws, WEBSOCKET_NORMAL, "over");
    assert_masked(0x88, "\x03\xe8over", 6);
    say_bare(0x88, "\x03\xe8", 2);
    turn();
    assert_end(WEBSOCKET_NORMAL, true, "over");
}

static void test_a_client_answers_a_close_in_masks(void **state)
{
    (void)state;
    say_bare(0x88, "\x03\xe9", 2);
    turn();
    assert_masked(0x88, "\x03\xe9", 2);
    assert_end(WEBSOCKET_GOING_AWAY, false, "");
}

static void test_a_client_tells_a_fault_in_masks(void **state)
{
    (void)state;
    assert_true(websocket_send(ws, STR("before")));
    assert_masked(0x81, "before", 6);
    say_bare(0x09, "x", 1); /* a ping in fragments */
    turn();
    assert_masked(0x88, "\x03\xeaprotocol error", 16);
    assert_end(WEBSOCKET_PROTOCOL, true, "protocol error");
}

static void test_a_client_takes_no_mask(void **state)
{
    (void)state;
    say_text("one");
    turn();
    assert_int_equal(seen.messages, 0);
    assert_masked(0x88, "\x03\xea", 2);
    assert_end(WEBSOCKET_PROTOCOL, true, "protocol error");
}

#define socket_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define client_test(f) cmocka_unit_test_setup_teardown(f, set_up_client, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(test_a_client_masks_each_frame_anew),
        client_test(test_a_client_does_not_run_out_of_masks),
        client_test(test_a_client_takes_whole_messages_between_pings),
        client_test(test_a_client_closes_in_masks),
        client_test(test_a_client_answers_a_close_in_masks),
        client_test(test_a_client_tells_a_fault_in_masks),
        client_test(test_a_client_takes_no_mask),
        socket_test(test_what_waits_is_told),
        socket_test(test_what_is_cut_is_gone_at_once),
        socket_test(test_messages_are_whole),
        socket_test(test_a_message_is_the_same_in_pieces),
        socket_test(test_a_message_within_another_is_a_fault),
        socket_test(test_a_length_that_is_too_long_is_a_fault),
        socket_test(test_nothing_is_heard_behind_our_close),
        socket_test(test_what_is_queued_in_a_turn_is_one_write),
        socket_test(test_outside_a_callback_it_is_written_at_once),
        socket_test(test_what_is_held_is_one_write),
        socket_test(test_each_length_has_its_head),
        socket_test(test_a_full_queue_is_said),
        socket_test(test_a_close_is_answered_and_then_it_is_over),
        socket_test(test_our_close_waits_for_the_answer),
        socket_test(test_our_close_does_not_wait_for_ever),
        socket_test(test_a_close_from_inside_the_callback),
        socket_test(test_a_fault_is_told_and_then_it_is_over),
        socket_test(test_a_message_too_big),
        socket_test(test_it_pings_and_whoever_lives_is_kept),
        socket_test(test_silence_is_closed),
        socket_test(test_a_close_may_be_put_off),
        socket_test(test_a_connection_that_drops),
    };

    loop = h2o_evloop_create();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
