#include "media/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/message.h"
#include "media/tell.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AFTER_STOP_US (2 * US_PER_S)  /* Twilio closes after "stop"; behind some proxies that is never heard */
#define START_US      (10 * US_PER_S) /* Twilio sends it at once */
#define MOST_DIGITS   1000            /* of one stream that are stored: a call has fewer */

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

/* Of all streams. */
static struct {
    metric_t *open, *total, *frames, *audio, *missing, *out_of_order;
    metric_t *dropped[DROP_REASON_COUNT];
} metrics;
static pthread_once_t metrics_made = PTHREAD_ONCE_INIT;

static void make_metrics(void)
{
    metrics.open = metrics_series(METRIC_STREAMS, "");
    metrics.total = metrics_series(METRIC_STREAMS_TOTAL, "");
    metrics.frames = metrics_series(METRIC_FRAMES, "");
    metrics.audio = metrics_series(METRIC_AUDIO, "");
    metrics.missing = metrics_series(METRIC_MISSING, "");
    metrics.out_of_order = metrics_series(METRIC_OUT_OF_ORDER, "");
    for (size_t i = 0; i < DROP_REASON_COUNT; i++)
        metrics.dropped[i] = metrics_series(METRIC_DROPPED, DROP_LABELS[i]);
}

typedef struct counts {
    int64_t frames, bytes;
    int64_t first_ms, last_ms;     /* the least and the greatest timestamp of media; MESSAGE_NO_NUMBER: none came */
    int64_t missing, out_of_order; /* by sequence numbers: skipped when they were; came after all, or twice */
    int64_t early, digits, dropped;
} counts_t;

typedef struct stream {
    media_port_t *media;
    websocket_t *ws;
    hook_admission_t admission;
    teller_t teller;                                               /* whose it is, once it has started */
    bridge_t *bridge;                                              /* NULL: nobody answers */
    enum { STREAM_WAITING, STREAM_RUNNING, STREAM_STOPPED } state; /* for start; until stop */
    int64_t next; /* the sequence number that is due; MESSAGE_NO_NUMBER: any */
    int64_t began_us;
    counts_t counts;
} stream_t;

/* ---- what is told of it ---- */

static void tell_start(const stream_t *s, arena_t *a, const cJSON *start)
{
    buf_t payload = BUF_EMPTY;

    tell_begin(&s->teller, &payload, "stream-started");
    tell_json(&payload, "Tracks", json_print(a, json_at(start, "tracks")));
    tell_json(&payload, "MediaFormat", json_print(a, json_at(start, "mediaFormat")));
    tell_json(&payload, "CustomParameters", json_print(a, json_at(start, "customParameters")));
    tell_end(&s->teller, &payload);
}

static void tell_digit(const stream_t *s, const message_t *m)
{
    char number[24];
    buf_t payload = BUF_EMPTY;

    tell_begin(&s->teller, &payload, "dtmf");
    (void)snprintf(number, sizeof(number), "%lld", (long long)m->sequence);
    if (m->sequence != MESSAGE_NO_NUMBER)
        tell_text(&payload, "SequenceNumber", str_from(number));
    tell_text(&payload, "Digit", m->digit);
    if (!str_is_empty(m->track))
        tell_text(&payload, "Track", m->track);
    tell_end(&s->teller, &payload);
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

static void tell_stop(const stream_t *s, const websocket_end_t *end)
{
    const counts_t *c = &s->counts;
    buf_t payload = BUF_EMPTY;

    tell_begin(&s->teller, &payload, "stream-ended");
    tell_text(&payload, "Reason", str_from(reason_of(s, end)));
    tell_number(&payload, "CloseCode", end->code);
    if (end->why[0])
        tell_text(&payload, "CloseReason", str_from(end->why));
    tell_number(&payload, "Milliseconds", (clock_mono_us() - s->began_us) / US_PER_MS);
    tell_number(&payload, "Frames", c->frames);
    tell_number(&payload, "Bytes", c->bytes);
    if (c->first_ms != MESSAGE_NO_NUMBER) {
        tell_number(&payload, "FirstTimestamp", c->first_ms);
        tell_number(&payload, "LastTimestamp", c->last_ms);
    }
    tell_number(&payload, "Missing", c->missing);
    tell_number(&payload, "OutOfOrder", c->out_of_order);
    tell_number(&payload, "BeforeStart", c->early);
    tell_number(&payload, "Digits", c->digits);
    tell_number(&payload, "Dropped", c->dropped);
    tell_end(&s->teller, &payload);
}

/* ---- what the bridge asks of the telephone ---- */

/* Twilio does not read what it is sent: the call is of no use any more. */
static void say(stream_t *s, buf_t *message)
{
    if (!websocket_send(s->ws, buf_str(message)))
        websocket_close(s->ws, WEBSOCKET_POLICY, "too slow");
    message->len = 0;
}

/* Both in one write. */
static void on_play(void *ctx, str_t base64, str_t mark)
{
    stream_t *s = ctx;
    buf_t out = BUF_EMPTY;

    websocket_hold(s->ws);
    message_write_media(&out, str_from(s->teller.sid), base64);
    say(s, &out);
    message_write_mark(&out, str_from(s->teller.sid), mark);
    say(s, &out);
    websocket_release(s->ws);
    buf_clear(&out);
}

static void on_clear(void *ctx)
{
    stream_t *s = ctx;
    buf_t out = BUF_EMPTY;

    message_write_clear(&out, str_from(s->teller.sid));
    say(s, &out);
    buf_clear(&out);
}

/* Twilio goes on in its document, behind <Connect>. */
static void on_agent_gone(void *ctx, const char *why)
{
    stream_t *s = ctx;

    s->bridge = NULL;
    websocket_close(s->ws, WEBSOCKET_INTERNAL, why);
}

static const bridge_phone_t PHONE = {.play = on_play, .clear = on_clear, .failed = on_agent_gone};

static bool is_telephone(const cJSON *format)
{
    int64_t rate, channels;

    return str_eq(json_str(format, "encoding"), STR("audio/x-mulaw")) && json_int(format, "sampleRate", &rate) &&
           rate == 8000 && (!json_int(format, "channels", &channels) || channels == 1);
}

static void hang_up(stream_t *s)
{
    if (s->bridge)
        bridge_hang_up(s->bridge);
    s->bridge = NULL;
}

/* ---- messages ---- */

static void drop(stream_t *s, drop_reason_t reason)
{
    s->counts.dropped++;
    metric_add(metrics.dropped[reason], 1);
}

/* Each message of a stream but "connected" has the next number, whatever its kind or track. */
static void count_sequence(stream_t *s, int64_t number)
{
    if (number == MESSAGE_NO_NUMBER)
        return;
    if (s->next != MESSAGE_NO_NUMBER && number < s->next) {
        s->counts.out_of_order++;
        metric_add(metrics.out_of_order, 1);
        return;
    }
    if (s->next != MESSAGE_NO_NUMBER && number > s->next) {
        s->counts.missing += number - s->next;
        metric_add(metrics.missing, number - s->next);
    }
    s->next = number + 1;
}

/* An agent hears the caller, and not itself. */
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
    metric_add(metrics.frames, 1);
    metric_add(metrics.audio, (int64_t)m->bytes);
    if (s->bridge && !str_eq(m->track, STR("outbound")))
        bridge_hear(s->bridge, m->payload, m->bytes, m->timestamp);
}

static bool is_of_stream(const stream_t *s, str_t sid)
{
    return str_is_empty(sid) || str_eq(sid, str_from(s->teller.sid));
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
static bool keep_id(char out[TELL_ID_BYTES + 1], str_t id)
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
    const hook_admission_t *admission = &s->admission;
    teller_t *t = &s->teller;
    str_t account = json_str(m->start, "accountSid");

    if (s->state != STREAM_WAITING)
        return "a second start";
    if (!keep_id(t->sid, m->stream_sid) || !keep_id(t->call_sid, json_str(m->start, "callSid")))
        return "start without streamSid or callSid";
    if (!str_is_empty(account) && !keep_id(t->account_sid, account))
        return "start of an unreadable accountSid";
    if (admission->call_id[0] && strcmp(admission->call_id, t->call_sid) != 0)
        return "a ticket for another call";
    if (admission->account[0] && strcmp(admission->account, t->account_sid) != 0)
        return "signed by another account";
    return NULL;
}

static void log_stream(const stream_t *s, log_level_t level, const char *msg, const char *reason, int64_t code)
{
    const teller_t *t = &s->teller;

    LOG(level, msg, log_cstr("provider", t->provider->name), log_cstr("stream_sid", t->sid),
        log_cstr("call_sid", t->call_sid), log_cstr("reason", reason), log_int("close_code", code),
        log_int("frames", s->counts.frames), log_int("audio_bytes", s->counts.bytes),
        log_int("missing", s->counts.missing), log_int("dropped", s->counts.dropped),
        log_cstr("request_id", t->request_id));
}

/* A format that is not the telephone's is counted, and nobody could answer in it. The key may be gone since the voice
 * URL was answered: better the words behind <Connect> than silence. */
static void answer(stream_t *s, const cJSON *start)
{
    const cJSON *parameters = json_at(start, "customParameters");

    s->bridge = media_bridge(s->media, parameters, &s->teller, &PHONE, s);
    if (!s->bridge && media_wants_bridge(parameters))
        websocket_close(s->ws, WEBSOCKET_INTERNAL, "nobody can speak");
    if (!s->bridge || is_telephone(json_at(start, "mediaFormat")))
        return;
    log_stream(s, LOG_ERROR, "media stream of an unknown format", "no agent speaks it", 0);
    hang_up(s);
    websocket_close(s->ws, WEBSOCKET_UNSUPPORTED, "expected audio/x-mulaw, 8000 Hz, 1 channel");
}

static void on_start(stream_t *s, arena_t *a, const message_t *m)
{
    const char *fault = fault_of_start(s, m);

    if (fault) {
        websocket_close(s->ws, WEBSOCKET_POLICY, fault);
        return;
    }
    s->state = STREAM_RUNNING;
    websocket_stay(s->ws);
    s->began_us = clock_mono_us();
    tell_start(s, a, m->start);
    answer(s, m->start);
}

static void on_stop(stream_t *s)
{
    if (s->state == STREAM_WAITING) {
        drop(s, DROP_EARLY);
        return;
    }
    s->state = STREAM_STOPPED;
    hang_up(s);
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
    case MESSAGE_MARK:
        if (s->bridge && is_of_stream(s, m->stream_sid))
            bridge_marked(s->bridge, m->mark);
        break;
    case MESSAGE_CONNECTED:
        break;
    }
}

static void on_message(void *ctx, str_t text)
{
    stream_t *s = ctx;
    message_t m;
    arena_t *a;

    if (message_scan(text, &m)) {
        act(s, NULL, &m); /* media, or a mark: nothing of it needs an arena */
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

    hang_up(s);
    if (s->state != STREAM_WAITING)
        tell_stop(s, end);
    log_stream(s, LOG_INFO, "media stream ended", end->why[0] ? end->why : reason_of(s, end), end->code);
    count_close(end);
    metric_add(metrics.open, -1);
    free(s);
}

static const websocket_events_t EVENTS = {.message = on_message, .closed = on_closed};

websocket_t *stream_open(media_port_t *media, struct st_h2o_socket_t *sock, const stream_origin_t *origin)
{
    stream_t *s = mem_zalloc(sizeof(*s));
    teller_t *t = &s->teller;

    (void)pthread_once(&metrics_made, make_metrics);
    s->media = media;
    s->admission = origin->admission;
    t->port = origin->port;
    t->provider = origin->provider;
    t->route = origin->route;
    (void)snprintf(t->request_id, sizeof(t->request_id), STR_FMT, STR_ARG(origin->request_id));
    s->next = s->counts.first_ms = s->counts.last_ms = MESSAGE_NO_NUMBER;
    s->ws = websocket_serve(sock, media_limits(media), &EVENTS, s);
    websocket_close_after(s->ws, WEBSOCKET_POLICY, "no start", START_US);
    metric_add(metrics.open, 1);
    metric_add(metrics.total, 1);
    return s->ws;
}
