#include "media/bridge.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/conversation.h"
#include "media/gaps.h"
#include "media/playback.h"
#include "media/tell_bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_US     (5 * US_PER_S)  /* after the call, for what is still being written down */
#define STEADY_US    (30 * US_PER_S) /* a session that lived so long was a good one */
#define RENEW_OF     8               /* a session is replaced in the last eighth of its life: 52 of 60 minutes */
#define AGAIN_US     (30 * US_PER_S) /* between tries to replace a session that grows old */
#define MOST_TRIES   2               /* in a row, after a session was lost; and of a response that failed */
#define RECALL_TURNS 20

/* Why a bridge has ended: the label of METRIC_BRIDGE_ENDS. */
#define REASON_HUNG_UP  "hung_up"
#define REASON_STOPPING "stopping"
#define REASON_TOO_MANY "too_many"
#define REASON_TOO_LONG "too_long"
#define REASON_NO_AUDIO "no_audio"
#define REASON_MUTE     "no_answer"

#define END_TURN_ID "end_turn"

struct bridge {
    bridge_t *prev, *next;
    bridges_t *list;
    const bridge_settings_t *settings;
    const realtime_dialect_t *dialect;
    teller_t teller;
    const bridge_phone_t *phone; /* NULL: it has hung up, or was told to */
    void *phone_ctx;
    arena_t *arena;
    realtime_config_t config;
    str_t agent_id, agent_name, greeting;

    playback_t *playback;
    conversation_t *conversation;
    session_t *session; /* NULL: none, and another is opened at retry_us */
    session_t *heir;    /* takes over from one that grows old */
    int64_t sessions;   /* that got ready */
    int tries, failures;
    int64_t began_us, retry_us, ready_us, renew_us, mute_since_us; /* mono clock; 0: not */

    enum { CALLER_SILENT, CALLER_SPEAKS, CALLER_SPOKE } caller; /* spoke: and the turn is not taken yet */
    bool begun;                                                 /* somebody was heard: there is no greeting any more */
    bool owed;                            /* the caller has said something, and nothing of an answer has come */
    int64_t due_us;                       /* when it must have come at last; 0: none is awaited */
    char response[PLAYBACK_ID_BYTES + 1]; /* the one that is being made; "": none */
    int64_t asked_us;                     /* when the caller ended; 0: nobody waits */
    int64_t speak_us;                     /* when to ask again for an answer that failed; 0: not */

    gaps_t gaps;

    bool leaving;
    int64_t leave_us;
    const char *reason; /* why it ends; NULL: it does not */
    char error[200];
    buf_t message;
};

/* ---- what is told, and counted ---- */

static void on_utterance(void *ctx, const utterance_t *u)
{
    bridge_t *b = ctx;

    tell_utterance(&b->teller, b->dialect->name, u);
}

static void count(metric_family_t family, const char *name, const char *value)
{
    char labels[64];

    (void)snprintf(labels, sizeof(labels), "%s=\"%s\"", name, value);
    metric_add(metrics_series(family, labels), 1);
}

static void observe(metric_family_t family, int64_t us)
{
    histogram_observe(metrics_histogram(family, "", METRIC_SECONDS_BOUNDS, COUNT(METRIC_SECONDS_BOUNDS)),
                      (double)us / (double)US_PER_S);
}

/* ---- sessions ---- */

static bool send(bridge_t *b, session_t *s)
{
    bool sent = session_send(s, &b->message);

    b->message.len = 0;
    return sent;
}

static bool is_quiet(const bridge_t *b)
{
    return b->caller == CALLER_SILENT && !b->response[0] && !b->owed && playback_is_silent(b->playback) &&
           !conversation_awaited(b->conversation);
}

static void ask_to_speak(bridge_t *b, str_t instructions)
{
    b->dialect->speak(&b->message, instructions, STR("speak"));
    (void)send(b, b->session);
    b->due_us = clock_mono_us() + b->settings->patience_us;
}

static void greet(bridge_t *b)
{
    arena_t *a = arena_new(512);

    if (str_is_empty(b->greeting))
        ask_to_speak(b, STR("Greet the caller and ask how you can help."));
    else
        ask_to_speak(b, arena_printf(a, "Greet the caller with exactly these words, and then wait: " STR_FMT,
                                     STR_ARG(b->greeting)));
    arena_free(a);
}

/* What the caller waits for: an answer, or before anybody was heard the greeting. */
static void speak(bridge_t *b)
{
    if (b->begun)
        ask_to_speak(b, STR_NONE);
    else
        greet(b);
}

typedef struct recalling {
    bridge_t *b;
    session_t *to;
    int n;
} recalling_t;

static void recall_one(void *ctx, const char *role, str_t text)
{
    recalling_t *r = ctx;
    char id[32];

    (void)snprintf(id, sizeof(id), CONVERSATION_RECALLED "%lld_%d", (long long)r->b->sessions, ++r->n);
    r->b->dialect->recall(&r->b->message, str_from(id), str_from(role), text);
    (void)send(r->b, r->to);
}

/* s is ready, and is the one from here on. */
static void take_over(bridge_t *b, session_t *s)
{
    recalling_t recalling = {b, s, 0};
    bool first = b->sessions++ == 0;
    int64_t expires_us = session_expires_us(s), left_us = expires_us == TIME_NONE ? 0 : expires_us - clock_wall_us();

    b->session = s;
    b->ready_us = clock_mono_us();
    b->mute_since_us = 0;
    b->renew_us = left_us > 0 ? b->ready_us + left_us / RENEW_OF * (RENEW_OF - 1) : 0;
    if (!first)
        conversation_recall(b->conversation, RECALL_TURNS, recall_one, &recalling);
    conversation_begin(b->conversation, session_id(s), session_model(s), session_transcriber(s));
    if (first) {
        observe(METRIC_BRIDGE_READY_SECONDS, b->ready_us - b->began_us);
        tell_bridge_started(&b->teller, b->dialect->name, session_id(s), session_model(s), b->agent_id, b->agent_name);
    }
    if (b->owed || !b->begun)
        speak(b);
}

static void on_ready(void *ctx, session_t *s)
{
    bridge_t *b = ctx;

    if (s == b->session) /* an heir waits for a quiet moment */
        take_over(b, s);
}

static void on_event(void *ctx, session_t *s, const realtime_event_t *e);
static void on_ended(void *ctx, session_t *s, const session_end_t *end);
static const session_events_t EVENTS = {.ready = on_ready, .event = on_event, .ended = on_ended};

/* With the key that is set now: that of the call's begin may be good no more. */
static session_t *open_session(bridge_t *b)
{
    return session_open(&b->list->settings->session, b->list->dialer, &b->config, &EVENTS, b);
}

/* The bridge has come to its end, but for what is still to be told. */
static void leave(bridge_t *b, const char *reason)
{
    if (b->leaving)
        return;
    b->leaving = true;
    b->leave_us = clock_mono_us();
    b->reason = reason;
}

static void fail(bridge_t *b, const char *reason, const char *detail)
{
    if (b->leaving)
        return;
    (void)snprintf(b->error, sizeof(b->error), "%s", detail);
    leave(b, reason);
    LOG(LOG_ERROR, "the agent cannot go on", log_cstr("call_sid", b->teller.call_sid), log_cstr("reason", reason),
        log_cstr("detail", detail), log_cstr("request_id", b->teller.request_id));
}

/* What was going on is over with the session that it went on in. An answer that was begun is owed again. */
static void lose_thread(bridge_t *b)
{
    b->owed = b->owed || b->response[0];
    b->caller = CALLER_SILENT;
    b->response[0] = '\0';
    b->speak_us = b->due_us = 0;
    conversation_lost(b->conversation, "the session ended first");
}

/* There is no other: it takes over at once, or as soon as it is ready. */
static void inherit(bridge_t *b)
{
    b->session = b->heir;
    b->heir = NULL;
    if (session_is_ready(b->session))
        take_over(b, b->session);
}

static void on_lost(bridge_t *b, const session_end_t *end)
{
    static const int64_t WAITS_US[MOST_TRIES] = {250 * US_PER_MS, US_PER_S};
    int64_t now_us = clock_mono_us();

    if (b->ready_us && now_us - b->ready_us >= STEADY_US)
        b->tries = 0;
    b->session = NULL;
    b->ready_us = 0;
    lose_thread(b);
    if (b->leaving)
        return;
    count(METRIC_BRIDGE_LOST, "reason", end->reason);
    LOG(LOG_WARN, "speech session lost", log_cstr("call_sid", b->teller.call_sid), log_cstr("reason", end->reason),
        log_cstr("detail", end->detail), log_int("tries", b->tries));
    if (!b->mute_since_us)
        b->mute_since_us = now_us;
    if (b->heir)
        inherit(b);
    else if (end->fault == FAULT_MISCONFIGURED || end->fault == FAULT_QUOTA || b->tries == MOST_TRIES)
        fail(b, end->reason, end->detail);
    else
        b->retry_us = now_us + WAITS_US[b->tries++];
}

static void on_ended(void *ctx, session_t *s, const session_end_t *end)
{
    bridge_t *b = ctx;

    if (s == b->session) {
        on_lost(b, end);
        return;
    }
    LOG(LOG_WARN, "no session to go on in yet", log_cstr("call_sid", b->teller.call_sid),
        log_cstr("reason", end->reason), log_cstr("detail", end->detail));
    b->heir = NULL;
    b->renew_us = clock_mono_us() + AGAIN_US;
}

/* A session has an end that nobody can put off: another is opened in time, and takes over when nobody speaks. */
static void renew(bridge_t *b, int64_t now_us)
{
    if (!b->session || !session_is_ready(b->session) || !b->renew_us || now_us < b->renew_us)
        return;
    if (!b->heir) {
        b->heir = open_session(b);
    } else if (session_is_ready(b->heir) && is_quiet(b)) {
        session_forget(b->session);
        inherit(b);
    }
}

/* ---- the agent speaks ---- */

static void on_audio(bridge_t *b, const realtime_event_t *e)
{
    char mark[PLAYBACK_MARK_BYTES];
    int64_t now_us = clock_mono_us();

    b->begun = true;
    b->owed = false;
    b->due_us = 0;
    b->failures = 0;
    if (b->asked_us) {
        observe(METRIC_BRIDGE_ANSWER_SECONDS, now_us - b->asked_us);
        b->asked_us = 0;
    }
    if (b->phone && playback_send(b->playback, e->response, e->item, e->part, e->bytes, now_us, mark))
        b->phone->play(b->phone_ctx, e->text, str_from(mark));
}

void bridge_marked(bridge_t *b, str_t name)
{
    playback_marked(b->playback, name, clock_mono_us());
}

typedef struct cutting {
    bridge_t *b;
    size_t n;
} cutting_t;

/* The session is told what the caller has heard: of the first as much as was played, of those behind it nothing. */
static void cut_one(void *ctx, const playback_cut_t *cut)
{
    cutting_t *c = ctx;
    bridge_t *b = c->b;

    conversation_interrupted(b->conversation, cut, clock_wall_us());
    if (!b->session || !b->phone || !conversation_is_current(b->conversation, cut->item, cut->part))
        return;
    if (c->n++)
        b->dialect->forget(&b->message, cut->item);
    else
        b->dialect->truncate(&b->message, cut->item, cut->part, cut->heard_ms ? cut->heard_ms : 1, STR("truncate"));
    (void)send(b, b->session);
}

/* The caller speaks over the agent. The session ends its own response; what was made of it is not to be heard. */
static void barge_in(bridge_t *b)
{
    cutting_t cutting = {b, 0};
    bool sounding = !playback_is_silent(b->playback);

    if (sounding && b->phone)
        b->phone->clear(b->phone_ctx);
    playback_clear(b->playback, str_from(b->response), clock_mono_us(), cut_one, &cutting);
    if (sounding)
        metric_add(metrics_series(METRIC_BRIDGE_BARGE_INS, ""), 1);
}

/* ---- what the session says ---- */

static void on_response_ended(bridge_t *b, const realtime_event_t *e)
{
    b->response[0] = '\0';
    if (e->outcome == OUTCOME_INTERRUPTED)
        return; /* by what the caller is saying, which is answered */
    b->owed = false;
    b->due_us = 0;
    if (e->outcome != OUTCOME_FAILED || b->leaving)
        return;
    count(METRIC_BRIDGE_FAULTS, "kind", "response");
    LOG(LOG_WARN, "the agent's answer failed", log_cstr("call_sid", b->teller.call_sid), log_str("code", e->fault.code),
        log_str("reason", e->fault.message));
    if (e->fault.kind == FAULT_QUOTA || b->failures == MOST_TRIES) {
        char detail[200];

        (void)snprintf(detail, sizeof(detail), STR_FMT " " STR_FMT, STR_ARG(e->fault.code), STR_ARG(e->fault.message));
        fail(b, e->fault.kind == FAULT_QUOTA ? "quota" : REASON_MUTE, detail);
        return;
    }
    b->owed = true;
    b->speak_us = clock_mono_us() + ++b->failures * US_PER_S;
}

static void on_error(bridge_t *b, const realtime_event_t *e)
{
    static log_gate_t gate;
    int64_t held;

    count(METRIC_BRIDGE_FAULTS, "kind", REALTIME_FAULT_NAMES[e->fault.kind]);
    if (log_gate_open(&gate, US_PER_S, &held))
        LOG(e->fault.kind == FAULT_HARMLESS ? LOG_INFO : LOG_WARN, "the speech provider reports an error",
            log_cstr("call_sid", b->teller.call_sid), log_str("code", e->fault.code),
            log_str("reason", e->fault.message), log_str("param", e->fault.param), log_int("not_logged", held));
    if (b->leaving && str_eq(e->of_event, STR(END_TURN_ID)))
        b->caller = CALLER_SILENT; /* there was too little to be written down */
    else if (!b->leaving && (e->fault.kind == FAULT_MISCONFIGURED || e->fault.kind == FAULT_QUOTA))
        fail(b, "refused", "see the log: the speech provider reports an error");
}

static void on_not_written(const bridge_t *b, const realtime_event_t *e)
{
    static log_gate_t gate;
    int64_t held;

    count(METRIC_BRIDGE_FAULTS, "kind", "transcription");
    if (log_gate_open(&gate, US_PER_S, &held))
        LOG(LOG_WARN, "what a caller said was not written down", log_cstr("call_sid", b->teller.call_sid),
            log_str("code", e->fault.code), log_str("reason", e->fault.message), log_int("not_logged", held));
}

static void end_turn(bridge_t *b)
{
    b->dialect->end_turn(&b->message, STR(END_TURN_ID));
    (void)send(b, b->session);
}

static void on_event(void *ctx, session_t *s, const realtime_event_t *e)
{
    bridge_t *b = ctx;

    if (s != b->session)
        return;
    conversation_take(b->conversation, e, clock_wall_us());
    switch (e->kind) {
    case REALTIME_SPEECH_BEGAN:
        b->caller = CALLER_SPEAKS;
        b->gaps.hushed = false;
        b->asked_us = b->speak_us = b->due_us = 0;
        barge_in(b);
        if (b->leaving && !b->phone)
            end_turn(b); /* it was said right before the call ended */
        break;
    case REALTIME_SPEECH_ENDED:
        b->caller = CALLER_SPOKE;
        b->asked_us = clock_mono_us();
        break;
    case REALTIME_TURN_TAKEN:
        b->caller = CALLER_SILENT;
        b->begun = true;
        b->owed = !b->leaving;
        b->due_us = b->leaving ? 0 : clock_mono_us() + b->settings->patience_us;
        break;
    case REALTIME_RESPONSE_BEGAN:
        b->speak_us = 0;
        if (e->response.len <= PLAYBACK_ID_BYTES)
            (void)snprintf(b->response, sizeof(b->response), STR_FMT, STR_ARG(e->response));
        break;
    case REALTIME_AUDIO:
        on_audio(b, e);
        break;
    case REALTIME_RESPONSE_ENDED:
        on_response_ended(b, e);
        break;
    case REALTIME_HEARD_FAILED:
        on_not_written(b, e);
        break;
    case REALTIME_ERROR:
        on_error(b, e);
        break;
    default:
        break;
    }
}

/* ---- the caller speaks ---- */

static void hear_silence(bridge_t *b, int64_t ms)
{
    if (b->session && ms)
        session_hear_silence(b->session, ms);
}

void bridge_hear(bridge_t *b, str_t base64, size_t bytes, int64_t at_ms)
{
    if (b->leaving)
        return;
    hear_silence(b, gaps_take(&b->gaps, bytes, at_ms, clock_mono_us()));
    if (b->session)
        session_hear(b->session, base64);
}

/* ---- the end ---- */

/* What the caller was saying is all there will be, and is not answered; what was being answered is heard by nobody. */
static void take_leave(bridge_t *b)
{
    cutting_t cutting = {b, 0};

    b->phone = NULL;
    playback_clear(b->playback, str_from(b->response), clock_mono_us(), cut_one, &cutting);
    if (!b->session || !session_is_ready(b->session))
        return;
    b->dialect->stop_answering(&b->message);
    (void)send(b, b->session);
    if (b->response[0]) {
        b->dialect->cancel(&b->message, str_from(b->response));
        (void)send(b, b->session);
    }
    if (b->caller == CALLER_SPEAKS)
        end_turn(b);
}

void bridge_hang_up(bridge_t *b)
{
    leave(b, REASON_HUNG_UP);
    take_leave(b);
}

/* The telephone forgets the bridge. */
static void dismiss_phone(bridge_t *b)
{
    const bridge_phone_t *phone = b->phone;

    take_leave(b);
    phone->failed(b->phone_ctx, b->reason);
}

/* What is still to come are the words of turns that were taken, and the tokens of the last answer. */
static bool has_left(const bridge_t *b, int64_t now_us)
{
    if (!b->leaving || b->phone)
        return false;
    return !b->session || !session_is_ready(b->session) || now_us - b->leave_us >= WORDS_US ||
           (b->caller == CALLER_SILENT && !b->response[0] && !conversation_awaited(b->conversation));
}

static void unlink_bridge(bridge_t *b)
{
    *(b->prev ? &b->prev->next : &b->list->first) = b->next;
    if (b->next)
        b->next->prev = b->prev;
    b->list->count--;
}

static void end(bridge_t *b)
{
    if (b->session)
        session_forget(b->session);
    if (b->heir)
        session_forget(b->heir);
    conversation_lost(b->conversation, "the call ended first");
    tell_bridge_ended(&b->teller, b->dialect->name, b->reason, b->error, b->sessions, b->conversation);
    count(METRIC_BRIDGE_ENDS, "reason", b->reason);
    metric_add(metrics_series(METRIC_BRIDGES, ""), -1);
    unlink_bridge(b);
    playback_free(b->playback);
    conversation_free(b->conversation);
    buf_clear(&b->message);
    arena_free(b->arena);
    free(b);
}

/* ---- time ---- */

static void check_limits(bridge_t *b, int64_t now_us)
{
    const bridge_settings_t *settings = b->settings;

    if (b->mute_since_us && now_us - b->mute_since_us >= settings->patience_us / 2)
        fail(b, "no_session", "no session could be had in time");
    else if (b->due_us && now_us >= b->due_us)
        fail(b, REASON_MUTE, "the speech provider did not answer in time");
    else if (now_us - b->began_us >= settings->longest_us)
        fail(b, REASON_TOO_LONG, "the call is as long as HOOKLINE_BRIDGE_MAX_DURATION allows");
    else if (now_us - b->gaps.heard_us >= settings->silence_us)
        fail(b, REASON_NO_AUDIO, "no audio came for HOOKLINE_STREAM_IDLE");
}

/* What is due while the call goes on. */
static void go_on(bridge_t *b, int64_t now_us)
{
    if (!b->session && b->retry_us && now_us >= b->retry_us) {
        b->retry_us = 0;
        b->session = open_session(b);
    }
    if (b->speak_us && now_us >= b->speak_us && b->session && !b->response[0]) {
        b->speak_us = 0;
        speak(b);
    }
    renew(b, now_us);
    if (b->caller == CALLER_SPEAKS)
        hear_silence(b, gaps_hush(&b->gaps, now_us));
}

/* b may be gone after it. */
static void sweep(bridge_t *b, int64_t now_us)
{
    if (b->session)
        session_sweep(b->session, now_us);
    if (b->heir)
        session_sweep(b->heir, now_us);
    if (!b->leaving)
        check_limits(b, now_us);
    if (!b->leaving)
        go_on(b, now_us);
    if (b->leaving && b->phone)
        dismiss_phone(b);
    if (has_left(b, now_us))
        end(b);
}

void bridges_sweep(bridges_t *list, int64_t mono_us)
{
    for (bridge_t *b = list->first, *next; b; b = next) {
        next = b->next;
        sweep(b, mono_us);
    }
}

void bridges_end(bridges_t *list)
{
    for (bridge_t *b = list->first, *next; b; b = next) {
        next = b->next;
        leave(b, REASON_STOPPING);
        if (b->phone)
            dismiss_phone(b);
        end(b);
    }
}

/* ---- the beginning ---- */

static str_t either(arena_t *a, str_t own, str_t usual)
{
    return arena_dup(a, str_is_empty(own) ? usual : own);
}

/* agents.config is the form of whoever the agent is synced with; what concerns us stands in it under "realtime". */
static void configure(bridge_t *b, const call_agent_t *agent)
{
    const realtime_config_t *usual = &b->settings->usual;
    err_t err = {.code = ERR_NONE};
    const cJSON *own = NULL;

    if (agent && !str_is_empty(agent->config))
        own = json_at(json_parse(b->arena, agent->config, &err), "realtime");
    b->config = (realtime_config_t){
        .model = either(b->arena, json_str(own, "model"), usual->model),
        .voice = either(b->arena, json_str(own, "voice"), usual->voice),
        .language = either(b->arena, json_str(own, "language"), usual->language),
        .instructions = either(b->arena, agent ? agent->prompt : STR_NONE, usual->instructions),
    };
    if (!agent)
        return;
    b->agent_id = arena_dup(b->arena, agent->id);
    b->agent_name = arena_dup(b->arena, agent->name);
    b->greeting = arena_dup(b->arena, agent->greeting);
}

bridge_t *bridge_open(bridges_t *list, const call_agent_t *agent, const teller_t *teller, const bridge_phone_t *phone,
                      void *ctx)
{
    metric_t *open = metrics_series(METRIC_BRIDGES, "");
    bridge_t *b = mem_zalloc(sizeof(*b));

    b->list = list;
    b->settings = list->settings;
    b->dialect = b->settings->session.dialect;
    b->teller = *teller;
    b->phone = phone;
    b->phone_ctx = ctx;
    b->arena = arena_new(2048);
    b->playback = playback_new();
    b->conversation = conversation_new(b->dialect, on_utterance, b);
    b->began_us = b->mute_since_us = clock_mono_us();
    gaps_init(&b->gaps, b->began_us);
    configure(b, agent);
    b->next = list->first;
    if (b->next)
        b->next->prev = b;
    list->first = b;
    list->count++;
    metric_add(metrics_series(METRIC_BRIDGES_TOTAL, ""), 1);
    metric_add(open, 1);
    if (metric_value(open) > b->settings->most)
        fail(b, REASON_TOO_MANY, "as many calls as HOOKLINE_BRIDGE_MAX_CALLS allows have an agent already");
    else
        b->session = open_session(b);
    return b;
}
