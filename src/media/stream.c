#include "media/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stream_token.h"
#include "media/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_QUEUED   ((size_t)256 * 1024) /* bytes to be sent: more than a second of everything that we might say */
#define PING_US       (20 * US_PER_S)
#define CLOSE_US      (2 * US_PER_S)
#define AFTER_STOP_US (2 * US_PER_S) /* Twilio closes after "stop"; behind some proxies that is never heard */
#define MOST_DIGITS   1000           /* of one stream that are stored: a call has fewer */
#define ID_BYTES      STREAM_TOKEN_CALL_BYTES

/* Why a message was not used: the label of METRIC_DROPPED. */
#define DROP_REASONS(X)                                                                                                \
    X(DROP_EARLY, "before_start")                                                                                      \
    X(DROP_LATE, "after_stop")                                                                                         \
    X(DROP_OTHER_STREAM, "other_stream")                                                                               \
    X(DROP_PAYLOAD, "payload")                                                                                         \
    X(DROP_UNKNOWN, "unknown_event")                                                                                   \
    X(DROP_DIGITS, "too_many_digits")
#define DROP_ENUM(id, label) id,
typedef enum drop_reason { DROP_REASONS(DROP_ENUM) DROP_REASON_COUNT } drop_reason_t;
#undef DROP_ENUM

static const char *const DROP_LABELS[] = {
#define DROP_LABEL(id, label) [id] = "reason=\"" label "\"",
    DROP_REASONS(DROP_LABEL)
#undef DROP_LABEL
};

struct media {
    websocket_limits_t limits;
    metric_t *open, *total, *frames, *audio, *missing, *out_of_order;
    metric_t *dropped[DROP_REASON_COUNT];
};

typedef struct counts {
    int64_t frames, bytes;
    int64_t first_ms, last_ms;     /* the least and the greatest timestamp of media; MESSAGE_NO_NUMBER: none came */
    int64_t missing, out_of_order; /* by sequence numbers: skipped when they were; came after all, or twice */
    int64_t early, digits, dropped;
} counts_t;

typedef struct stream {
    media_t *media;
    websocket_t *ws;
    stream_origin_t origin;
    char request_id[ID_BYTES + 1];
    enum { STREAM_WAITING, STREAM_RUNNING, STREAM_STOPPED } state; /* for start; until stop */
    char sid[ID_BYTES + 1], call_sid[ID_BYTES + 1], account_sid[ID_BYTES + 1];
    int64_t next; /* the sequence number that is due; MESSAGE_NO_NUMBER: any */
    int64_t began_us;
    counts_t counts;
} stream_t;

/* ---- what is told of it ---- */

/* In the words of <Stream>'s status callback, which tells of the same stream: see webhooks/twilio/stream.c. */
static void begin_payload(const stream_t *s, buf_t *out, const char *event)
{
    char time[32];
    size_t len = time_to_iso8601(clock_wall_us(), time);

    buf_printf(out, "{\"StreamEvent\":\"%s\",\"StreamSid\":\"%s\",\"CallSid\":\"%s\"", event, s->sid, s->call_sid);
    if (s->account_sid[0])
        buf_printf(out, ",\"AccountSid\":\"%s\"", s->account_sid);
    buf_printf(out, ",\"Timestamp\":\"%.*s\"", (int)len, time);
}

static void give(const stream_t *s, buf_t *payload)
{
    buf_addc(payload, '}');
    ingest_give(s->origin.port, s->origin.provider, s->origin.route, WAY_MEDIA, buf_str(payload));
    buf_clear(payload);
}

static void add_json(buf_t *out, arena_t *a, const char *name, const cJSON *value)
{
    str_t text = json_print(a, value);

    if (!str_is_empty(text))
        buf_printf(out, ",\"%s\":" STR_FMT, name, STR_ARG(text));
}

static void tell_start(const stream_t *s, arena_t *a, const cJSON *start)
{
    buf_t payload = BUF_EMPTY;

    begin_payload(s, &payload, "stream-started");
    add_json(&payload, a, "Tracks", json_at(start, "tracks"));
    add_json(&payload, a, "MediaFormat", json_at(start, "mediaFormat"));
    add_json(&payload, a, "CustomParameters", json_at(start, "customParameters"));
    give(s, &payload);
}

static void tell_digit(const stream_t *s, const message_t *m)
{
    buf_t payload = BUF_EMPTY;

    begin_payload(s, &payload, "dtmf");
    if (m->sequence != MESSAGE_NO_NUMBER)
        buf_printf(&payload, ",\"SequenceNumber\":\"%lld\"", (long long)m->sequence);
    buf_add(&payload, STR(",\"Digit\":"));
    json_escape(&payload, m->digit);
    if (!str_is_empty(m->track)) {
        buf_add(&payload, STR(",\"Track\":"));
        json_escape(&payload, m->track);
    }
    give(s, &payload);
}

/* Why it ended, in a word. */
static const char *reason_of(const stream_t *s, const websocket_end_t *end)
{
    if (s->state == STREAM_STOPPED)
        return "stop";
    if (!end->by_us)
        return end->code == WEBSOCKET_DROPPED ? "dropped" : "closed";
    return end->code == WEBSOCKET_GOING_AWAY ? "going_away" : "refused";
}

static void add_number(buf_t *out, const char *name, int64_t n)
{
    buf_printf(out, ",\"%s\":%lld", name, (long long)n);
}

static void tell_end(const stream_t *s, const websocket_end_t *end)
{
    const counts_t *c = &s->counts;
    buf_t payload = BUF_EMPTY;

    begin_payload(s, &payload, "stream-ended");
    buf_printf(&payload, ",\"Reason\":\"%s\"", reason_of(s, end));
    add_number(&payload, "CloseCode", end->code);
    if (end->why[0])
        buf_printf(&payload, ",\"CloseReason\":\"%s\"", end->why);
    add_number(&payload, "Milliseconds", (clock_mono_us() - s->began_us) / US_PER_MS);
    add_number(&payload, "Frames", c->frames);
    add_number(&payload, "Bytes", c->bytes);
    if (c->first_ms != MESSAGE_NO_NUMBER) {
        add_number(&payload, "FirstTimestamp", c->first_ms);
        add_number(&payload, "LastTimestamp", c->last_ms);
    }
    add_number(&payload, "Missing", c->missing);
    add_number(&payload, "OutOfOrder", c->out_of_order);
    add_number(&payload, "BeforeStart", c->early);
    add_number(&payload, "Digits", c->digits);
    add_number(&payload, "Dropped", c->dropped);
    give(s, &payload);
}

/* ---- messages ---- */

static void drop(stream_t *s, drop_reason_t reason)
{
    s->counts.dropped++;
    metric_add(s->media->dropped[reason], 1);
}

/* Each message of a stream but "connected" has the next number, whatever its kind or track. */
static void count_sequence(stream_t *s, int64_t number)
{
    if (number == MESSAGE_NO_NUMBER)
        return;
    if (s->next != MESSAGE_NO_NUMBER && number < s->next) {
        s->counts.out_of_order++;
        metric_add(s->media->out_of_order, 1);
        return;
    }
    if (s->next != MESSAGE_NO_NUMBER && number > s->next) {
        s->counts.missing += number - s->next;
        metric_add(s->media->missing, number - s->next);
    }
    s->next = number + 1;
}

/* Here the audio is ours: whoever listens to a call is given m->track, m->timestamp and m->payload from here. */
static void hear(stream_t *s, const message_t *m)
{
    counts_t *c = &s->counts;

    c->frames++;
    c->bytes += (int64_t)m->bytes;
    if (m->timestamp != MESSAGE_NO_NUMBER) {
        if (c->first_ms == MESSAGE_NO_NUMBER || m->timestamp < c->first_ms)
            c->first_ms = m->timestamp;
        if (m->timestamp > c->last_ms)
            c->last_ms = m->timestamp;
    }
    metric_add(s->media->frames, 1);
    metric_add(s->media->audio, (int64_t)m->bytes);
}

static bool is_of_stream(const stream_t *s, str_t sid)
{
    return str_is_empty(sid) || str_eq(sid, str_from(s->sid));
}

static void on_media(stream_t *s, const message_t *m)
{
    if (s->state == STREAM_WAITING) {
        s->counts.early++;
        drop(s, DROP_EARLY);
    } else if (!is_of_stream(s, m->stream_sid)) {
        drop(s, DROP_OTHER_STREAM);
    } else if (m->bytes == SIZE_MAX) {
        drop(s, DROP_PAYLOAD);
    } else {
        hear(s, m);
    }
}

static void on_digit(stream_t *s, const message_t *m)
{
    if (s->state == STREAM_WAITING) {
        drop(s, DROP_EARLY);
    } else if (!is_of_stream(s, m->stream_sid)) {
        drop(s, DROP_OTHER_STREAM);
    } else if (str_is_empty(m->digit)) {
        drop(s, DROP_PAYLOAD);
    } else if (s->counts.digits >= MOST_DIGITS) {
        drop(s, DROP_DIGITS);
    } else {
        s->counts.digits++;
        tell_digit(s, m);
    }
}

/* Twilio's ids are letters and digits: anything else is none, and what is kept needs no escaping. */
static bool keep_id(char out[ID_BYTES + 1], str_t id)
{
    if (!stream_token_is_call(id))
        return false;
    memcpy(out, id.base, id.len);
    out[id.len] = '\0';
    return true;
}

/* A proof is good for the call or the account that it is of; which they are shows only now. NULL: all is well. */
static const char *fault_of_start(stream_t *s, const message_t *m)
{
    const hook_admission_t *admission = &s->origin.admission;
    str_t account = json_str(m->start, "accountSid");

    if (s->state != STREAM_WAITING)
        return "a second start";
    if (!keep_id(s->sid, m->stream_sid) || !keep_id(s->call_sid, json_str(m->start, "callSid")))
        return "start without streamSid or callSid";
    if (!str_is_empty(account) && !keep_id(s->account_sid, account))
        return "start of an unreadable accountSid";
    if (admission->call_id[0] && strcmp(admission->call_id, s->call_sid) != 0)
        return "a ticket for another call";
    if (admission->account[0] && strcmp(admission->account, s->account_sid) != 0)
        return "signed by another account";
    return NULL;
}

static void log_stream(const stream_t *s, log_level_t level, const char *msg, const char *reason, int64_t code)
{
    LOG(level, msg, log_cstr("provider", s->origin.provider->name), log_cstr("stream_sid", s->sid),
        log_cstr("call_sid", s->call_sid), log_cstr("reason", reason), log_int("close_code", code),
        log_int("frames", s->counts.frames), log_int("audio_bytes", s->counts.bytes),
        log_int("missing", s->counts.missing), log_int("dropped", s->counts.dropped),
        log_cstr("request_id", s->request_id));
}

static void on_start(stream_t *s, arena_t *a, const message_t *m)
{
    const char *fault = fault_of_start(s, m);

    if (fault) {
        websocket_close(s->ws, WEBSOCKET_POLICY, fault);
        return;
    }
    s->state = STREAM_RUNNING;
    s->began_us = clock_mono_us();
    tell_start(s, a, m->start);
}

static void on_stop(stream_t *s)
{
    if (s->state == STREAM_WAITING) {
        drop(s, DROP_EARLY);
        return;
    }
    s->state = STREAM_STOPPED;
    websocket_close_after(s->ws, WEBSOCKET_NORMAL, "stopped", AFTER_STOP_US);
}

static void act(stream_t *s, arena_t *a, const message_t *m)
{
    if (s->state == STREAM_STOPPED && m->kind != MESSAGE_START) {
        drop(s, DROP_LATE);
        return;
    }
    count_sequence(s, m->sequence);
    switch (m->kind) {
    case MESSAGE_MEDIA:
        on_media(s, m);
        break;
    case MESSAGE_START:
        on_start(s, a, m);
        break;
    case MESSAGE_DTMF:
        on_digit(s, m);
        break;
    case MESSAGE_STOP:
        on_stop(s);
        break;
    case MESSAGE_OTHER:
        drop(s, DROP_UNKNOWN);
        break;
    case MESSAGE_CONNECTED:
    case MESSAGE_MARK:
        break;
    }
}

static void on_message(void *ctx, str_t text)
{
    stream_t *s = ctx;
    message_t m;
    arena_t *a;

    if (message_scan(text, &m)) {
        act(s, NULL, &m); /* media: nothing of it needs an arena */
        return;
    }
    a = arena_new(1024 + 2 * text.len);
    if (message_parse(a, text, &m, NULL))
        act(s, a, &m);
    else
        websocket_close(s->ws, WEBSOCKET_INVALID, "not a JSON object");
    arena_free(a);
}

/* ---- from its begin to its end ---- */

static void count_close(const websocket_end_t *end)
{
    static const int CODES[] = {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011};
    char labels[64], code[16] = "other";

    for (size_t i = 0; i < COUNT(CODES); i++)
        if (CODES[i] == end->code)
            (void)snprintf(code, sizeof(code), "%d", end->code);
    (void)snprintf(labels, sizeof(labels), "code=\"%s\",by=\"%s\"", code, end->by_us ? "us" : "peer");
    metric_add(metrics_series(METRIC_CLOSES, labels), 1);
}

static void on_closed(void *ctx, const websocket_end_t *end)
{
    stream_t *s = ctx;

    if (s->state != STREAM_WAITING)
        tell_end(s, end);
    log_stream(s, LOG_INFO, "media stream ended", end->why[0] ? end->why : reason_of(s, end), end->code);
    count_close(end);
    metric_add(s->media->open, -1);
    free(s);
}

static const websocket_events_t EVENTS = {.message = on_message, .closed = on_closed};

websocket_t *stream_open(media_t *m, struct st_h2o_socket_t *sock, const stream_origin_t *origin)
{
    stream_t *s = mem_zalloc(sizeof(*s));

    s->media = m;
    s->origin = *origin;
    (void)snprintf(s->request_id, sizeof(s->request_id), STR_FMT, STR_ARG(origin->request_id));
    s->origin.request_id = str_from(s->request_id);
    s->next = s->counts.first_ms = s->counts.last_ms = MESSAGE_NO_NUMBER;
    s->ws = websocket_serve(sock, &m->limits, &EVENTS, s);
    metric_add(m->open, 1);
    metric_add(m->total, 1);
    return s->ws;
}

media_t *media_new(const config_t *config)
{
    media_t *m = mem_zalloc(sizeof(*m));
    int64_t idle_us = config_us(config, "HOOKLINE_STREAM_IDLE");

    m->limits = (websocket_limits_t){.max_message = (size_t)config_int(config, "HOOKLINE_STREAM_MAX_MESSAGE"),
                                     .max_queued = MOST_QUEUED,
                                     .idle_us = idle_us,
                                     .ping_us = idle_us * 2 / 3 < PING_US ? idle_us * 2 / 3 : PING_US,
                                     .close_us = CLOSE_US};
    m->open = metrics_series(METRIC_STREAMS, "");
    m->total = metrics_series(METRIC_STREAMS_TOTAL, "");
    m->frames = metrics_series(METRIC_FRAMES, "");
    m->audio = metrics_series(METRIC_AUDIO, "");
    m->missing = metrics_series(METRIC_MISSING, "");
    m->out_of_order = metrics_series(METRIC_OUT_OF_ORDER, "");
    for (size_t i = 0; i < DROP_REASON_COUNT; i++)
        m->dropped[i] = metrics_series(METRIC_DROPPED, DROP_LABELS[i]);
    return m;
}

void media_free(media_t *m)
{
    free(m);
}
