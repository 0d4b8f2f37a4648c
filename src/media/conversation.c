#include "media/conversation.h"

#include <stdlib.h>
#include <string.h>

#define MOST_TURNS 256                 /* that are remembered */
#define MOST_TEXT  ((size_t)64 * 1024) /* bytes of one utterance */
#define BYTES_MS   8                   /* of µ-law */

/* One utterance: it may be known long before it has a place, or words. */
typedef struct turn {
    char *item, *response, *usage, *error, *session, *model;
    int part;
    bool by_caller;
    bool placed, silent;
    bool settled; /* its words are told of, or that there are none */
    bool cut;     /* its response reached a limit */
    bool interrupted;
    int64_t position, revision;
    buf_t text;
    int64_t began_us, ended_us;
    int64_t audio_start_ms, audio_end_ms; /* of the caller, in the audio that was appended; -1: not told */
    int64_t made_bytes;                   /* of the agent */
    int64_t heard_ms, sent_ms;            /* where it was interrupted */
    int64_t tokens, written_tokens;
} turn_t;

struct conversation {
    const realtime_dialect_t *dialect;
    void (*tell)(void *ctx, const utterance_t *u);
    void *ctx;
    char *session, *model, *transcriber;
    bool deaf; /* nobody writes down what the caller says */
    turn_t **turns;
    size_t count;
    int64_t last_position, tokens, told;
};

conversation_t *conversation_new(const realtime_dialect_t *dialect, void (*tell)(void *ctx, const utterance_t *u),
                                 void *ctx)
{
    conversation_t *c = mem_zalloc(sizeof(*c));

    c->dialect = dialect;
    c->tell = tell;
    c->ctx = ctx;
    c->turns = mem_alloc((MOST_TURNS + 1) * sizeof(*c->turns));
    return c;
}

static void free_turn(turn_t *t)
{
    free(t->item);
    free(t->response);
    free(t->usage);
    free(t->error);
    free(t->session);
    free(t->model);
    buf_clear(&t->text);
    free(t);
}

void conversation_free(conversation_t *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free_turn(c->turns[i]);
    free(c->turns);
    free(c->session);
    free(c->model);
    free(c->transcriber);
    free(c);
}

static void set_text(char **slot, str_t text)
{
    if (str_is_empty(text))
        return;
    free(*slot);
    *slot = mem_strdup(text);
}

/* ---- turns ---- */

static turn_t *find(const conversation_t *c, str_t item, int part)
{
    for (size_t i = c->count; i-- > 0;)
        if (c->turns[i]->part == part && str_eq(str_from(c->turns[i]->item), item))
            return c->turns[i];
    return NULL;
}

static turn_t *add(conversation_t *c, str_t item, int part, bool by_caller)
{
    turn_t *t = mem_zalloc(sizeof(*t));

    t->item = mem_strdup(item);
    t->part = part;
    t->by_caller = by_caller;
    t->silent = by_caller && c->deaf;
    t->began_us = t->ended_us = TIME_NONE;
    t->audio_start_ms = t->audio_end_ms = t->heard_ms = -1;
    set_text(&t->session, str_from(c->session));
    set_text(&t->model, str_from(by_caller ? c->transcriber : c->model));
    c->turns[c->count++] = t;
    if (c->count > MOST_TURNS) {
        free_turn(c->turns[0]);
        memmove(c->turns, c->turns + 1, --c->count * sizeof(*c->turns));
    }
    return t;
}

static turn_t *turn_of(conversation_t *c, const realtime_event_t *e, bool by_caller)
{
    turn_t *t = find(c, e->item, e->part);

    if (!t)
        t = add(c, e->item, e->part, by_caller);
    set_text(&t->response, e->response);
    return t;
}

static void place(conversation_t *c, turn_t *t)
{
    if (t->placed)
        return;
    t->placed = true;
    t->position = ++c->last_position;
}

/* Behind `previous`, which comes first even where we have not been told of its own place yet. */
static void place_behind(conversation_t *c, turn_t *t, str_t previous)
{
    turn_t *before = str_is_empty(previous) ? NULL : find(c, previous, 0);

    if (before && before != t)
        place(c, before);
    place(c, t);
}

/* ---- telling ---- */

static void add_number(buf_t *out, const char *name, int64_t n)
{
    buf_printf(out, "%s\"%s\":%lld", out->len > 1 ? "," : "", name, (long long)n);
}

static void add_text(buf_t *out, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    json_escape(out, str_from(text));
}

static void write_details(buf_t *out, const turn_t *t)
{
    buf_addc(out, '{');
    add_text(out, "session_id", t->session);
    add_text(out, "response_id", t->response);
    if (t->audio_start_ms >= 0)
        add_number(out, "audio_start_ms", t->audio_start_ms);
    if (t->audio_end_ms >= 0)
        add_number(out, "audio_end_ms", t->audio_end_ms);
    if (t->written_tokens)
        add_number(out, "transcription_tokens", t->written_tokens);
    if (t->made_bytes)
        add_number(out, "generated_ms", t->made_bytes / BYTES_MS);
    if (t->heard_ms >= 0) {
        add_number(out, "heard_ms", t->heard_ms);
        add_number(out, "forwarded_ms", t->sent_ms);
    }
    if (t->cut)
        add_text(out, "status", "incomplete");
    add_text(out, "error", t->error);
    if (t->usage)
        buf_printf(out, ",\"usage\":%s", t->usage); /* never the first: a response has an id */
    buf_addc(out, '}');
}

static void tell(conversation_t *c, turn_t *t, const char *state)
{
    buf_t details = BUF_EMPTY;
    utterance_t u = {.state = state,
                     .role = t->by_caller ? "user" : "assistant",
                     .session = str_from(t->session),
                     .model = str_from(t->model),
                     .item = str_from(t->item),
                     .part = t->part,
                     .response = str_from(t->response),
                     .revision = ++t->revision,
                     .text = t->text.len ? buf_str(&t->text) : STR_NONE,
                     .began_us = t->began_us,
                     .ended_us = t->ended_us,
                     .tokens = t->tokens,
                     .interrupted = t->interrupted};

    place(c, t);
    u.position = t->position;
    write_details(&details, t);
    u.details = buf_str(&details);
    c->told += t->revision == 1;
    c->tell(c->ctx, &u);
    buf_clear(&details);
}

static void settle(conversation_t *c, turn_t *t, const char *state)
{
    t->settled = true;
    tell(c, t, state);
}

/* ---- what is heard and said ---- */

static void append(turn_t *t, str_t text)
{
    if (!t->settled && t->text.len + text.len <= MOST_TEXT)
        buf_add(&t->text, text);
}

static bool is_blank(str_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.base[i]))
            return false;
    return true;
}

static void set_words(turn_t *t, str_t text)
{
    t->text.len = 0;
    buf_add(&t->text, str_slice(text, 0, MOST_TEXT));
}

/* A noise, or a silence that was waited for, is a turn without words: it is nobody's utterance. */
static void on_heard(conversation_t *c, turn_t *t, const realtime_event_t *e)
{
    if (t->settled)
        return;
    t->written_tokens = e->tokens;
    if (t->silent || is_blank(e->text)) {
        t->settled = true;
        return;
    }
    set_words(t, e->text);
    settle(c, t, "final");
}

static void on_not_heard(conversation_t *c, turn_t *t, const realtime_event_t *e)
{
    if (t->settled)
        return;
    set_text(&t->error, str_is_empty(e->fault.message) ? STR("not written down") : e->fault.message);
    t->text.len = 0;
    settle(c, t, "failed");
}

static void on_said(conversation_t *c, turn_t *t, str_t text)
{
    if (t->settled || is_blank(text))
        return;
    set_words(t, text);
    settle(c, t, "final");
}

static void on_audio(turn_t *t, size_t bytes, int64_t wall_us)
{
    if (t->began_us == TIME_NONE)
        t->began_us = wall_us;
    t->made_bytes += (int64_t)bytes;
}

/* ---- the end of a response ---- */

/* Words that nothing else has told. */
static void read_output(conversation_t *c, const realtime_event_t *e)
{
    const cJSON *node;
    realtime_said_t said;

    cJSON_ArrayForEach(node, e->output)
    {
        turn_t *t;

        if (!c->dialect->said(node, &said) || str_is_empty(said.item) || str_is_empty(said.text))
            continue;
        t = find(c, said.item, said.part);
        if (!t)
            t = add(c, said.item, said.part, false);
        set_text(&t->response, e->response);
        on_said(c, t, said.text);
    }
}

static bool is_of(const turn_t *t, str_t response)
{
    return !t->by_caller && t->response && str_eq(str_from(t->response), response);
}

static void tell_response(conversation_t *c, const realtime_event_t *e, str_t usage)
{
    buf_t details = BUF_EMPTY;
    utterance_t u = {.state = "counted",
                     .role = "system",
                     .session = str_from(c->session),
                     .model = str_from(c->model),
                     .response = e->response,
                     .revision = 1,
                     .position = ++c->last_position,
                     .began_us = TIME_NONE,
                     .ended_us = TIME_NONE,
                     .tokens = e->tokens};

    buf_addc(&details, '{');
    add_text(&details, "session_id", c->session);
    if (!str_is_empty(usage))
        buf_printf(&details, "%s\"usage\":" STR_FMT, details.len > 1 ? "," : "", STR_ARG(usage));
    buf_addc(&details, '}');
    u.details = buf_str(&details);
    c->tell(c->ctx, &u);
    buf_clear(&details);
}

/* Its tokens are counted once: with the first of its utterances that was told of, or by themselves. */
static void count_tokens(conversation_t *c, const realtime_event_t *e)
{
    arena_t *a = arena_new(1024);
    str_t usage = json_print(a, e->usage);
    turn_t *first = NULL;

    c->tokens += e->tokens;
    for (size_t i = 0; i < c->count && !first; i++)
        if (is_of(c->turns[i], e->response) && c->turns[i]->revision)
            first = c->turns[i];
    if (first && !first->usage) {
        first->tokens = e->tokens;
        first->cut = e->outcome == OUTCOME_CUT;
        set_text(&first->usage, str_is_empty(usage) ? STR("{}") : usage);
        tell(c, first, "counted");
    } else if (!first && e->tokens) {
        tell_response(c, e, usage);
    }
    arena_free(a);
}

/* The caller spoke when all that had been made of it was heard: there was nothing to clear, and it breaks off. */
static void note_break(conversation_t *c, str_t response)
{
    turn_t *last = NULL;

    for (size_t i = 0; i < c->count; i++) {
        if (!is_of(c->turns[i], response))
            continue;
        if (c->turns[i]->interrupted)
            return;
        last = c->turns[i];
    }
    if (!last)
        return;
    last->interrupted = true;
    if (last->revision)
        tell(c, last, "interrupted");
}

static void on_response_ended(conversation_t *c, const realtime_event_t *e)
{
    read_output(c, e);
    if (e->outcome == OUTCOME_INTERRUPTED)
        note_break(c, e->response);
    for (size_t i = 0; i < c->count; i++)
        if (is_of(c->turns[i], e->response) && !c->turns[i]->settled && c->turns[i]->text.len)
            settle(c, c->turns[i], "partial");
    if (!str_is_empty(e->response))
        count_tokens(c, e);
}

/* ---- events ---- */

static bool is_recalled(str_t item)
{
    return str_starts(item, STR(CONVERSATION_RECALLED));
}

static void on_item(conversation_t *c, const realtime_event_t *e)
{
    bool by_caller = str_eq(e->role, STR("user"));

    if (e->message && (by_caller || str_eq(e->role, STR("assistant"))))
        place_behind(c, turn_of(c, e, by_caller), e->previous);
}

static void take(conversation_t *c, const realtime_event_t *e, int64_t wall_us)
{
    turn_t *t;

    switch (e->kind) {
    case REALTIME_SPEECH_BEGAN:
        t = turn_of(c, e, true);
        t->began_us = wall_us;
        t->audio_start_ms = e->at_ms;
        break;
    case REALTIME_SPEECH_ENDED:
        t = turn_of(c, e, true);
        t->ended_us = wall_us;
        t->audio_end_ms = e->at_ms;
        break;
    case REALTIME_TURN_TAKEN:
        place_behind(c, turn_of(c, e, true), e->previous);
        break;
    case REALTIME_TURN_EMPTY:
        turn_of(c, e, true)->silent = true;
        break;
    case REALTIME_ITEM_ADDED:
        on_item(c, e);
        break;
    case REALTIME_HEARD_PART:
        append(turn_of(c, e, true), e->text);
        break;
    case REALTIME_HEARD:
        on_heard(c, turn_of(c, e, true), e);
        break;
    case REALTIME_HEARD_FAILED:
        on_not_heard(c, turn_of(c, e, true), e);
        break;
    case REALTIME_AUDIO:
        on_audio(turn_of(c, e, false), e->bytes, wall_us);
        break;
    case REALTIME_SAID_PART:
        append(turn_of(c, e, false), e->text);
        break;
    case REALTIME_SAID:
        on_said(c, turn_of(c, e, false), e->text);
        break;
    default:
        break;
    }
}

void conversation_take(conversation_t *c, const realtime_event_t *e, int64_t wall_us)
{
    if (e->kind == REALTIME_RESPONSE_ENDED)
        on_response_ended(c, e);
    else if (!str_is_empty(e->item) && !is_recalled(e->item))
        take(c, e, wall_us);
}

void conversation_interrupted(conversation_t *c, const playback_cut_t *cut, int64_t wall_us)
{
    turn_t *t = find(c, cut->item, cut->part);

    if (!t || t->interrupted)
        return;
    t->interrupted = true;
    t->heard_ms = cut->heard_ms;
    t->sent_ms = cut->sent_ms;
    t->ended_us = wall_us;
    if (t->revision)
        tell(c, t, "interrupted");
}

/* ---- sessions ---- */

void conversation_begin(conversation_t *c, str_t session, str_t model, str_t transcriber)
{
    set_text(&c->session, session);
    set_text(&c->model, model);
    set_text(&c->transcriber, transcriber);
    c->deaf = str_is_empty(transcriber);
}

/* A caller's turn that was taken was said, even if nobody will ever know its words. */
void conversation_lost(conversation_t *c, const char *why)
{
    for (size_t i = 0; i < c->count; i++) {
        turn_t *t = c->turns[i];

        if (t->settled)
            continue;
        set_text(&t->error, str_from(why));
        if (t->text.len)
            settle(c, t, "partial");
        else if (t->by_caller && t->placed && !t->silent)
            settle(c, t, "failed");
        t->settled = true;
    }
}

bool conversation_is_current(const conversation_t *c, str_t item, int part)
{
    const turn_t *t = find(c, item, part);

    return t && str_eq(str_from(t->session), str_from(c->session));
}

size_t conversation_awaited(const conversation_t *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        n += c->turns[i]->by_caller && c->turns[i]->placed && !c->turns[i]->settled && !c->turns[i]->silent;
    return n;
}

int64_t conversation_tokens(const conversation_t *c)
{
    return c->tokens;
}

int64_t conversation_count(const conversation_t *c)
{
    return c->told;
}

static int by_position(const void *a, const void *b)
{
    const turn_t *x = *(turn_t *const *)a, *y = *(turn_t *const *)b;

    return (x->position > y->position) - (x->position < y->position);
}

/* As much of it as was heard, in whole words: an estimate, by its share of the sound. */
static str_t heard_text(const turn_t *t)
{
    str_t text = buf_str(&t->text);
    int64_t made_ms = t->made_bytes / BYTES_MS;
    size_t len;

    if (t->heard_ms < 0 || t->heard_ms >= made_ms)
        return text;
    len = (size_t)((int64_t)text.len * t->heard_ms / made_ms);
    while (len && text.base[len] != ' ')
        len--;
    return str_slice(text, 0, len);
}

void conversation_recall(const conversation_t *c, size_t most, void (*each)(void *ctx, const char *role, str_t text),
                         void *ctx)
{
    turn_t *with_words[MOST_TURNS];
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        if (c->turns[i]->placed && c->turns[i]->text.len && heard_text(c->turns[i]).len)
            with_words[n++] = c->turns[i];
    qsort(with_words, n, sizeof(*with_words), by_position);
    for (size_t i = n > most ? n - most : 0; i < n; i++)
        each(ctx, with_words[i]->by_caller ? "user" : "assistant", heard_text(with_words[i]));
}
