/* session.h – one session with a provider of speech: its WebSocket, from dialling until both sides have closed.
 *
 * It is configured before any audio goes out: what a telephone sends is noise to a session that expects something else.
 * Audio that comes before is held, two seconds of it, the oldest dropped. Each step has a deadline, by session_sweep.
 * It knows nothing of turns, of playing, or of going on after a failure: that is the bridge's (bridge.c). Of one loop.
 */
#ifndef HOOKLINE_MEDIA_SESSION_H
#define HOOKLINE_MEDIA_SESSION_H

#include "media/realtime.h"
#include "net/websocket_dial.h"

typedef struct session session_t;

/* What is the same for all of them; borrowed for as long as any session lives. */
typedef struct session_settings {
    const realtime_dialect_t *dialect;
    str_t address;             /* wss://…, without the model */
    str_t key;                 /* secret */
    const str_t *transcribers; /* in the order in which they are tried; what is refused gives way to the next */
    size_t n_transcribers;
} session_settings_t;

typedef struct session_end {
    realtime_fault_kind_t fault; /* FAULT_HARMLESS: we have closed it */
    const char *reason;          /* a word for the metric: "refused", "timeout", "lost" … ; a literal */
    const char *detail;          /* for the log; good during the call */
} session_end_t;

/* None is called from inside session_open. */
typedef struct session_events {
    void (*ready)(void *ctx, session_t *s);                            /* it is configured, and hears */
    void (*event)(void *ctx, session_t *s, const realtime_event_t *e); /* after ready; e is good during the call */
    void (*ended)(void *ctx, session_t *s, const session_end_t *end);  /* once, the last call; s is gone then */
} session_events_t;

/* config: copied; its transcriber is not looked at. */
session_t *session_open(const session_settings_t *settings, websocket_dialer_t *dialer, const realtime_config_t *config,
                        const session_events_t *events, void *ctx);
void session_hear(session_t *s, str_t base64); /* µ-law; dropped, and counted, where the other side does not keep up */
void session_hear_silence(session_t *s, int64_t ms);
/* A message of the dialect, only once it is ready. False: the connection is closing or does not keep up. */
bool session_send(session_t *s, const buf_t *message);
bool session_is_ready(const session_t *s);
/* Once it is ready, as long as it is there. */
str_t session_id(const session_t *s);
str_t session_model(const session_t *s);
str_t session_transcriber(const session_t *s);  /* absent: none */
int64_t session_expires_us(const session_t *s); /* wall clock; TIME_NONE: not told */
/* Politely; ended is still called, unless session_forget. */
void session_close(session_t *s);
/* The same, and nothing more is called. */
void session_forget(session_t *s);
void session_sweep(session_t *s, int64_t mono_us);

#endif
