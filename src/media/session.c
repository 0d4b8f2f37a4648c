#include "media/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIAL_US      (5 * US_PER_S)
#define CREATED_US   (5 * US_PER_S)
#define CONFIGURE_US (3 * US_PER_S)

#define MOST_MESSAGE ((size_t)4 * 1024 * 1024) /* of theirs */
#define MOST_QUEUED  ((size_t)256 * 1024)
#define MOST_AUDIO   ((size_t)64 * 1024) /* of what is queued, before audio is dropped: some seconds */
#define HELD_BYTES   ((size_t)22 * 1024) /* two seconds, as base64 */

#define BYTES_MS 8    /* of µ-law */
#define TRIPLES  4000 /* of silence in one message: 1.5 s, which can be held */

#define CONFIGURE_ID "configure"

/* They ping every 20 s. */
static const websocket_limits_t LIMITS = {.max_message = MOST_MESSAGE,
                                          .max_queued = MOST_QUEUED,
                                          .idle_us = 30 * US_PER_S,
                                          .ping_us = 20 * US_PER_S,
                                          .close_us = 2 * US_PER_S};

struct session {
    const session_settings_t *settings;
    const session_events_t *events; /* NULL: nobody asks any more */
    void *ctx;
    arena_t *arena;
    realtime_config_t config;
    websocket_dial_t *dial;
    websocket_t *ws;
    enum { SESSION_DIALLING, SESSION_OPENING, SESSION_CONFIGURING, SESSION_READY, SESSION_CLOSING } state;
    int64_t since_us;   /* in that state */
    size_t transcriber; /* which of them is tried */
    str_t id, model;    /* as they say */
    int64_t expires_us;
    buf_t held;        /* audio that came too early: payloads, each with a line feed behind it */
    buf_t message;     /* what is being sent */
    session_end_t end; /* why we have closed it, if we have */
    char detail[200];
    metric_t *dropped;
};

static void enter(session_t *s, int state)
{
    s->state = state;
    s->since_us = clock_mono_us();
}

bool session_is_ready(const session_t *s)
{
    return s->state == SESSION_READY;
}

int64_t session_expires_us(const session_t *s)
{
    return s->expires_us;
}

str_t session_id(const session_t *s)
{
    return s->id;
}

str_t session_model(const session_t *s)
{
    return s->model;
}

/* ---- the end ---- */

static void end(session_t *s)
{
    if (s->events)
        s->events->ended(s->ctx, s, &s->end);
    buf_clear(&s->held);
    buf_clear(&s->message);
    arena_free(s->arena);
    free(s);
}

/* Why it ends; the first reason stays. */
static void blame(session_t *s, realtime_fault_kind_t fault, const char *reason, str_t detail)
{
    if (s->end.reason)
        return;
    (void)snprintf(s->detail, sizeof(s->detail), STR_FMT, STR_ARG(detail));
    s->end = (session_end_t){fault, reason, s->detail};
}

static void give_up(session_t *s, realtime_fault_kind_t fault, const char *reason, str_t detail)
{
    blame(s, fault, reason, detail);
    enter(s, SESSION_CLOSING);
    if (s->ws)
        websocket_close(s->ws, WEBSOCKET_NORMAL, "");
}

void session_close(session_t *s)
{
    give_up(s, FAULT_HARMLESS, "closed", STR(""));
}

void session_forget(session_t *s)
{
    s->events = NULL;
    session_close(s);
    if (!s->ws) {
        websocket_dial_cancel(s->dial);
        end(s);
    }
}

static void on_closed(void *ctx, const websocket_end_t *how)
{
    session_t *s = ctx;
    char text[64];

    (void)snprintf(text, sizeof(text), "closed with %d", how->code);
    if (how->by_us)
        blame(s, FAULT_SERVER, "lost", STR("silent for too long, or what it sent cannot be read"));
    else
        blame(s, s->settings->dialect->closed(how->code), how->code == WEBSOCKET_DROPPED ? "lost" : "closed_by_them",
              str_from(text));
    s->ws = NULL;
    end(s);
}

/* ---- audio ---- */

static void send_audio(session_t *s, str_t base64)
{
    if (websocket_queued(s->ws) > MOST_AUDIO) {
        metric_add(s->dropped, 1);
        return;
    }
    s->message.len = 0;
    s->settings->dialect->hear(&s->message, base64);
    (void)websocket_send(s->ws, buf_str(&s->message));
}

static void hold(session_t *s, str_t base64)
{
    if (base64.len >= HELD_BYTES)
        return;
    while (s->held.len + base64.len + 1 > HELD_BYTES) {
        size_t oldest = str_find(buf_str(&s->held), '\n') + 1;

        memmove(s->held.base, s->held.base + oldest, s->held.len - oldest);
        s->held.len -= oldest;
        metric_add(s->dropped, 1);
    }
    buf_add(&s->held, base64);
    buf_addc(&s->held, '\n');
}

static void send_held(session_t *s)
{
    str_t rest = buf_str(&s->held), payload;

    while (str_split(&rest, '\n', &payload))
        if (payload.len)
            send_audio(s, payload);
    buf_clear(&s->held);
}

void session_hear(session_t *s, str_t base64)
{
    if (s->state == SESSION_READY)
        send_audio(s, base64);
    else if (s->state != SESSION_CLOSING)
        hold(s, base64);
}

/* In µ-law 0xFF: three bytes are "////". */
void session_hear_silence(session_t *s, int64_t ms)
{
    static _Thread_local char slashes[4 * TRIPLES];
    int64_t triples = ms * BYTES_MS / 3;

    memset(slashes, '/', sizeof(slashes)); /* seldom */
    while (triples > 0) {
        int64_t n = triples < TRIPLES ? triples : TRIPLES;

        session_hear(s, (str_t){slashes, (size_t)(4 * n)});
        triples -= n;
    }
}

bool session_send(session_t *s, const buf_t *message)
{
    return s->state == SESSION_READY && websocket_send(s->ws, buf_str(message));
}

/* ---- getting ready ---- */

str_t session_transcriber(const session_t *s)
{
    const session_settings_t *settings = s->settings;

    return s->transcriber < settings->n_transcribers ? settings->transcribers[s->transcriber] : STR_NONE;
}

static void configure(session_t *s)
{
    s->config.transcriber = session_transcriber(s);
    s->message.len = 0;
    s->settings->dialect->configure(&s->message, &s->config, STR(CONFIGURE_ID));
    enter(s, SESSION_CONFIGURING);
    if (!websocket_send(s->ws, buf_str(&s->message)))
        give_up(s, FAULT_MISCONFIGURED, "not_sent", STR("what the agent is told is longer than can be sent"));
}

static void on_created(session_t *s, const realtime_event_t *e)
{
    s->id = arena_dup(s->arena, e->session);
    s->model = arena_dup(s->arena, str_is_empty(e->model) ? s->config.model : e->model);
    s->expires_us = e->expires_s ? time_from_seconds(e->expires_s) : TIME_NONE;
    configure(s);
}

static void on_configured(session_t *s, const realtime_event_t *e)
{
    if (!e->telephone) {
        give_up(s, FAULT_MISCONFIGURED, "not_telephone", STR("it does not take or give the telephone's audio"));
        return;
    }
    enter(s, SESSION_READY);
    s->events->ready(s->ctx, s);
    if (s->state == SESSION_READY)
        send_held(s); /* after what the bridge has to say first */
}

/* A model that writes down what is said may be gone by now: then another, and at last none. Speaking goes on. */
static void next_transcriber(session_t *s, const realtime_event_t *e)
{
    LOG(LOG_WARN, "transcription model refused", log_str("model", session_transcriber(s)),
        log_str("code", e->fault.code), log_str("reason", e->fault.message),
        log_cstr("hint", "set HOOKLINE_REALTIME_TRANSCRIPTION to one that the provider has"));
    s->transcriber++;
    configure(s);
}

static void on_early_error(session_t *s, const realtime_event_t *e)
{
    const realtime_fault_t *fault = &e->fault;

    if (s->state == SESSION_CONFIGURING && fault->kind == FAULT_TRANSCRIBER &&
        s->transcriber < s->settings->n_transcribers) {
        next_transcriber(s, e);
    } else if (fault->kind == FAULT_SETTINGS || fault->kind == FAULT_TRANSCRIBER ||
               (fault->kind == FAULT_HARMLESS && str_eq(e->of_event, STR(CONFIGURE_ID)))) {
        give_up(s, FAULT_MISCONFIGURED, "settings_refused", fault->message);
    } else if (fault->kind != FAULT_HARMLESS) {
        give_up(s, fault->kind, "refused", fault->message);
    }
}

static void on_event(session_t *s, const realtime_event_t *e)
{
    switch (s->state) {
    case SESSION_OPENING:
        if (e->kind == REALTIME_CREATED)
            on_created(s, e);
        else if (e->kind == REALTIME_ERROR)
            on_early_error(s, e);
        break;
    case SESSION_CONFIGURING:
        if (e->kind == REALTIME_CONFIGURED)
            on_configured(s, e);
        else if (e->kind == REALTIME_ERROR)
            on_early_error(s, e);
        break;
    case SESSION_READY:
        s->events->event(s->ctx, s, e);
        if (e->kind == REALTIME_ERROR && e->fault.kind == FAULT_EXPIRED)
            give_up(s, FAULT_EXPIRED, "expired", e->fault.message); /* they may forget to close it */
        break;
    case SESSION_DIALLING:
    case SESSION_CLOSING:
        break;
    }
}

static void on_message(void *ctx, str_t text)
{
    session_t *s = ctx;
    arena_t *a = arena_new(1024 + 2 * text.len);
    realtime_event_t e;
    err_t err = {.code = ERR_NONE};

    if (!s->settings->dialect->read(a, text, &e, &err))
        LOG(LOG_WARN, "message of the speech provider not read", log_cstr("reason", err.detail));
    else if (s->events)
        on_event(s, &e);
    arena_free(a);
}

static const websocket_events_t EVENTS = {.message = on_message, .closed = on_closed};

static void on_dialled(void *ctx, websocket_t *ws, const err_t *err)
{
    session_t *s = ctx;

    s->dial = NULL;
    s->ws = ws;
    if (!ws) {
        blame(s, err->code == ERR_CONFIG ? FAULT_MISCONFIGURED : FAULT_SERVER, "not_connected", str_from(err->detail));
        end(s);
    } else if (s->state == SESSION_CLOSING) {
        websocket_close(ws, WEBSOCKET_NORMAL, "");
    } else {
        enter(s, SESSION_OPENING);
    }
}

void session_sweep(session_t *s, int64_t mono_us)
{
    int64_t age_us = mono_us - s->since_us;

    if (s->state == SESSION_OPENING && age_us >= CREATED_US)
        give_up(s, FAULT_SERVER, "timeout", STR("connected, and no session was created"));
    else if (s->state == SESSION_CONFIGURING && age_us >= CONFIGURE_US)
        give_up(s, FAULT_SERVER, "timeout", STR("the session was not configured in time"));
}

static void copy_config(session_t *s, const realtime_config_t *config)
{
    s->config = (realtime_config_t){.model = arena_dup(s->arena, config->model),
                                    .voice = arena_dup(s->arena, config->voice),
                                    .instructions = arena_dup(s->arena, config->instructions),
                                    .language = arena_dup(s->arena, config->language)};
}

session_t *session_open(const session_settings_t *settings, websocket_dialer_t *dialer, const realtime_config_t *config,
                        const session_events_t *events, void *ctx)
{
    session_t *s = mem_zalloc(sizeof(*s));
    websocket_field_t field = {.name = str_from(settings->dialect->key_field)};
    websocket_call_t call = {.fields = &field,
                             .n_fields = 1,
                             .timeout_us = DIAL_US,
                             .limits = &LIMITS,
                             .events = &EVENTS,
                             .ctx = s,
                             .done = on_dialled};

    s->settings = settings;
    s->events = events;
    s->ctx = ctx;
    s->arena = arena_new(2048);
    s->expires_us = TIME_NONE;
    s->dropped = metrics_series(METRIC_BRIDGE_DROPPED, "");
    copy_config(s, config);
    enter(s, SESSION_DIALLING);
    call.url = settings->dialect->address(s->arena, settings->address, s->config.model);
    field.value = arena_printf(s->arena, "%s" STR_FMT, settings->dialect->key_prefix, STR_ARG(settings->key));
    s->dial = websocket_dial(dialer, &call);
    return s;
}
