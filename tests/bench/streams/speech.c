#include "speech.h"

#include "base/clock.h"
#include "link.h"
#include "net/websocket_handshake.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

typedef struct session {
    link_t link;
    speech_t *speech;
    struct session *next;
    unsigned number;
    unsigned events;
} session_t;

struct speech {
    link_t listener;
    int epoll;
    session_t *first;
    unsigned count;
    size_t ready, stuck;
    buf_t text, frame; /* what is being said */
};

static void say(session_t *s)
{
    speech_t *speech = s->speech;

    speech->frame.len = 0;
    link_add_frame(&s->link, &speech->frame, LINK_TEXT, buf_str(&speech->text));
    if (!link_send(&s->link, buf_str(&speech->frame)))
        speech->stuck++;
}

static void begin_event(session_t *s, const char *type)
{
    buf_t *out = &s->speech->text;

    out->len = 0;
    buf_printf(out, "{\"type\":\"%s\",\"event_id\":\"event_%09u%012u\"", type, s->number, ++s->events);
}

/* As a session of 2026 is, but for its tools. */
static void say_session(session_t *s, const char *type, const char *format)
{
    int64_t expires_s = clock_wall_us() / US_PER_S + 3600;

    begin_event(s, type);
    buf_printf(&s->speech->text,
               ",\"session\":{\"type\":\"realtime\",\"object\":\"realtime.session\",\"id\":\"sess_%021u\","
               "\"model\":\"gpt-realtime-2.1\",\"output_modalities\":[\"audio\"],\"expires_at\":%lld,"
               "\"audio\":{\"input\":{\"format\":{\"type\":\"%s\"}},\"output\":{\"format\":{\"type\":\"%s\"}}}}}",
               s->number, (long long)expires_s, format, format);
    say(s);
}

static void say_response(session_t *s)
{
    begin_event(s, "response.created");
    buf_printf(&s->speech->text,
               ",\"response\":{\"object\":\"realtime.response\",\"id\":\"resp_%021u\",\"status\":\"in_progress\","
               "\"status_details\":null,\"output\":[],\"usage\":null,\"metadata\":null}}",
               s->number);
    say(s);
}

static void say_audio(session_t *s, str_t base64)
{
    buf_t *out = &s->speech->text;

    begin_event(s, "response.output_audio.delta");
    buf_printf(out,
               ",\"response_id\":\"resp_%021u\",\"item_id\":\"item_%021u\",\"output_index\":0,\"content_index\":0,"
               "\"delta\":\"",
               s->number, s->number);
    buf_add(out, base64);
    buf_add(out, STR("\"}"));
    say(s);
}

/* ---- what it is told ---- */

#define APPEND STR("{\"type\":\"input_audio_buffer.append\",\"audio\":\"")

static bool holds(str_t text, str_t word)
{
    return memmem(text.base, text.len, word.base, word.len) != NULL;
}

static void on_text(session_t *s, str_t text)
{
    if (str_starts(text, APPEND)) {
        str_t rest = str_slice(text, APPEND.len, text.len);

        say_audio(s, str_slice(rest, 0, str_find(rest, '"')));
    } else if (holds(text, STR("\"type\":\"session.update\""))) {
        say_session(s, "session.updated", "audio/pcmu");
    } else if (holds(text, STR("\"type\":\"response.create\""))) {
        say_response(s);
        s->speech->ready++;
    }
}

static void on_frame(link_t *l, int opcode, str_t payload)
{
    speech_t *speech = ((session_t *)l)->speech;

    if (opcode == LINK_TEXT) {
        on_text((session_t *)l, payload);
        return;
    }
    if (opcode == LINK_PONG)
        return;
    speech->frame.len = 0;
    link_add_frame(l, &speech->frame, opcode == LINK_PING ? LINK_PONG : LINK_CLOSE, payload);
    (void)link_send(l, buf_str(&speech->frame));
}

/* The key of the request; absent: there is none. */
static str_t key_of(str_t head)
{
    static const str_t NAME = {"sec-websocket-key:", 18};
    str_t line;

    while (str_split(&head, '\n', &line))
        if (str_starts_nocase(line, NAME)) {
            str_t value = str_slice(line, NAME.len, line.len);

            if (value.len && value.base[value.len - 1] == '\r')
                value.len--;
            return str_trim(value);
        }
    return STR_NONE;
}

static size_t on_request(link_t *l, str_t bytes)
{
    const char *end = memmem(bytes.base, bytes.len, "\r\n\r\n", 4);
    speech_t *speech = ((session_t *)l)->speech;
    char accept[WEBSOCKET_ACCEPT_BYTES];
    size_t n;

    if (!end)
        return 0;
    n = websocket_accept(key_of(bytes), accept);
    speech->frame.len = 0;
    buf_printf(&speech->frame,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %.*s\r\n\r\n",
               (int)n, accept);
    (void)link_send(l, buf_str(&speech->frame));
    l->open = true;
    say_session((session_t *)l, "session.created", "audio/pcm");
    return (size_t)(end - bytes.base) + 4;
}

static void on_lost(link_t *l, const char *why)
{
    (void)why; /* the telephone's end tells of it */
    link_close(l);
}

static const link_kind_t SESSION = {.upgrade = on_request, .frame = on_frame, .lost = on_lost};

/* ---- who comes ---- */

static void on_connection(link_t *l)
{
    speech_t *speech = (speech_t *)l;
    int fd;

    while ((fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        session_t *s = mem_zalloc(sizeof(*s));

        s->speech = speech;
        s->number = ++speech->count;
        s->next = speech->first;
        speech->first = s;
        link_watch(&s->link, speech->epoll, fd, &SESSION);
    }
}

static const link_kind_t LISTENER = {.readable = on_connection};

speech_t *speech_listen(int epoll, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    speech_t *s;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0) {
        close(fd);
        return NULL;
    }
    s = mem_zalloc(sizeof(*s));
    s->epoll = epoll;
    link_watch(&s->listener, epoll, fd, &LISTENER);
    return s;
}

void speech_free(speech_t *s)
{
    if (!s)
        return;
    for (session_t *at = s->first, *next; at; at = next) {
        next = at->next;
        link_close(&at->link);
        free(at);
    }
    link_close(&s->listener);
    buf_clear(&s->text);
    buf_clear(&s->frame);
    free(s);
}

size_t speech_ready(const speech_t *s)
{
    return s->ready;
}

size_t speech_stuck(const speech_t *s)
{
    return s->stuck;
}
