/* remote.c – Beyond Presence's API: its calls and what was said on them, for those that no webhook told of.
 *
 * Source: docs.bey.dev/api-reference/agent-conversations, docs.bey.dev/concepts/api/errors and the OpenAPI document at
 * docs.bey.dev/openapi.json, read 2026-11-21; the older shapes as in github.com/bey-dev/bey-examples and in the SDKs.
 * No rate is published: two requests a second at most.
 *
 * A list gives the newest first (said of conversations only), by cursor; it can be asked for no window. So it is walked
 * until a page says that all that follows is older; one that says less is no reason to stop. Who was called long ago
 * and comes only now is further down: such a call was found when it was made, and is asked for by its id since.
 *
 * The API calls a call a call, or (newer) a conversation, in the same shapes. Where the one is not there, the other is
 * asked: each kind of step has a second one for that. */
#include "beyond_presence/beyond_presence.h"
#include "rest.h"

#include <inttypes.h>
#include <stdlib.h>

#define LIMIT       50 /* the greatest that is granted */
#define CURSOR_MOST 2000
#define OTHER_NAME  "/v1/conversations"

/* How long after a call ended its transcript may still grow: how soon it is whole is not published. */
#define SETTLES_US (600 * US_PER_S)

typedef struct access {
    rest_access_t rest; /* first */
    str_t prefix;
} access_t;

typedef struct kind {
    const char *what;
    const struct kind *other; /* the same under the other name; NULL: this is it, or there is none */
    bool (*ask)(const remote_step_t *s, str_t prefix, arena_t *a, str_t *path);
    bool (*read)(const remote_step_t *s, const remote_response_t *r, remote_page_t *out, err_t *err);
} kind_t;

#define LIST           "list"
#define LIST_OTHER     "list-other"
#define CALL           "call"
#define CALL_OTHER     "call-other"
#define MESSAGES       "messages"
#define MESSAGES_OTHER "messages-other"
#define PROBE          "probe"

static bool is_other(const remote_step_t *s)
{
    return str_ends_nocase(str_from(s->what), STR("-other"));
}

/* ---- a call, in a list or by itself ---- */

/* Which state of the call it is whose messages are had. Absent: they may not be all of them yet. The clock is the
 * server's, which it gives with every answer (RFC 9110, section 6.6.1). */
static str_t mark_of(const remote_response_t *r, const beyond_presence_course_t *c, arena_t *a)
{
    int64_t now_us = time_from_rfc2822(remote_field(r, "date"));

    if (now_us != TIME_NONE && c->ended_us != TIME_NONE && now_us - c->ended_us < SETTLES_US)
        return STR_NONE;
    return arena_printf(a, STR_FMT ":%" PRId64, STR_ARG(c->word), c->ended_us == TIME_NONE ? 0 : c->ended_us);
}

/* The messages of a call that goes on come by webhook; the list is fetched when it is whole. */
static void found(const remote_step_t *s, const remote_response_t *r, const cJSON *call,
                  const beyond_presence_course_t *c, remote_page_t *out)
{
    str_t id = json_str(call, "id");
    remote_step_t messages = remote_step(is_other(s) ? MESSAGES_OTHER : MESSAGES, id);

    remote_found(out, BEY_ROUTE_CALL, json_print(out->arena, call), id, c->started_us);
    if (c->phase == PHASE_ENDED && rest_fits_path(id))
        remote_then(out, &messages, mark_of(r, c, out->arena));
}

static bool ask_call(const remote_step_t *s, str_t prefix, arena_t *a, str_t *path)
{
    *path = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(prefix), STR_ARG(rest_escape(a, s->id)));
    return rest_fits_path(s->id);
}

static bool read_call(const remote_step_t *s, const remote_response_t *r, remote_page_t *out, err_t *err)
{
    const cJSON *call = rest_answer(r, out, err);
    beyond_presence_course_t c;

    if (!call)
        return false;
    if (!str_eq(json_str(call, "id"), s->id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the call that was asked for");
    out->seen = 1;
    c = beyond_presence_course_of(call);
    found(s, r, call, &c, out);
    return true;
}

/* ---- the list ---- */

static bool ask_list(const remote_step_t *s, str_t prefix, arena_t *a, str_t *path)
{
    str_t cursor = rest_escape(a, s->cursor);

    *path = arena_printf(a, STR_FMT "?limit=%d%s" STR_FMT, STR_ARG(prefix), LIMIT, cursor.len ? "&cursor=" : "",
                         STR_ARG(cursor));
    return true;
}

/* What is not over belongs to every window: how it goes on is not known yet. */
static bool is_in_window(const remote_step_t *s, const beyond_presence_course_t *c)
{
    bool is_over = c->phase == PHASE_ENDED;
    int64_t last_us = c->ended_us == TIME_NONE ? c->started_us : c->ended_us;

    if (is_over && last_us != TIME_NONE && s->from_us != TIME_NONE && last_us < s->from_us)
        return false;
    return c->started_us == TIME_NONE || s->to_us == TIME_NONE || c->started_us < s->to_us;
}

typedef struct tally {
    size_t older; /* began before the window */
    size_t later; /* began in it, or after it */
} tally_t;

static void read_row(const remote_step_t *s, const remote_response_t *r, const cJSON *call, tally_t *t,
                     remote_page_t *out)
{
    beyond_presence_course_t c = beyond_presence_course_of(call);

    out->seen++;
    if (str_is_empty(json_str(call, "id"))) {
        remote_skipped(out, "unreadable", STR_NONE);
        return;
    }
    if (c.started_us != TIME_NONE && s->from_us != TIME_NONE && c.started_us < s->from_us)
        t->older++;
    else if (c.started_us != TIME_NONE)
        t->later++;
    if (is_in_window(s, &c))
        found(s, r, call, &c, out);
}

/* Links that were never opened have no time, and say nothing. */
static bool is_all_older(const remote_page_t *out, const tally_t *t)
{
    return out->seen >= LIMIT && !t->later && t->older >= LIMIT / 2;
}

/* A cursor that leads back to its own page would be followed for ever. */
static void next_page(const remote_step_t *s, const cJSON *answer, remote_page_t *out)
{
    str_t cursor = json_str(answer, "next_cursor");
    remote_step_t next = *s;
    bool more;

    if (!json_bool(answer, "has_more", &more) || !more)
        return;
    next.cursor = cursor;
    if (str_is_empty(cursor) || cursor.len > CURSOR_MOST || str_eq(cursor, s->cursor))
        remote_lacks(out, STR("there is more, and the cursor of the next page is none"));
    else
        remote_then(out, &next, STR_NONE);
}

static bool read_list(const remote_step_t *s, const remote_response_t *r, remote_page_t *out, err_t *err)
{
    const cJSON *answer = rest_answer(r, out, err);
    const cJSON *list = cJSON_IsArray(answer) ? answer : json_at(answer, "data");
    tally_t t = {0};

    if (!answer)
        return false;
    if (!cJSON_IsArray(list))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an array of calls, or one at data");
    if (list->child)
        remote_rows(out, json_str(list->child, "id"), json_str(list->child->prev, "id"));
    for (const cJSON *call = list->child; call; call = call->next)
        read_row(s, r, call, &t, out);
    if (!is_all_older(out, &t))
        next_page(s, answer, out);
    return true;
}

/* ---- what was said ---- */

static bool ask_messages(const remote_step_t *s, str_t prefix, arena_t *a, str_t *path)
{
    *path = arena_printf(a, STR_FMT "/" STR_FMT "/messages", STR_ARG(prefix), STR_ARG(rest_escape(a, s->id)));
    return rest_fits_path(s->id);
}

/* The list does not say whose it is. Where nothing was said, there is nothing to tell. */
static bool read_messages(const remote_step_t *s, const remote_response_t *r, remote_page_t *out, err_t *err)
{
    const cJSON *list = rest_answer(r, out, err);
    buf_t payload = BUF_EMPTY;

    if (!list)
        return false;
    if (!cJSON_IsArray(list))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an array of messages");
    for (const cJSON *line = list->child; line; line = line->next)
        out->seen++;
    if (!out->seen)
        return true;
    buf_add(&payload, STR("{\"call_id\":"));
    json_escape(&payload, s->id);
    buf_add(&payload, STR(",\"messages\":"));
    buf_add(&payload, json_print(out->arena, list));
    buf_addc(&payload, '}');
    remote_found(out, BEY_ROUTE_MESSAGES, arena_dup(out->arena, buf_str(&payload)), arena_dup(out->arena, s->id),
                 TIME_NONE);
    buf_clear(&payload);
    return true;
}

/* ---- the key ---- */

static bool ask_probe(const remote_step_t *s, str_t prefix, arena_t *a, str_t *path)
{
    (void)s;
    (void)prefix;
    (void)a;
    *path = STR("/v1/auth/verify");
    return true;
}

/* 204, without a body. */
static bool read_probe(const remote_step_t *s, const remote_response_t *r, remote_page_t *out, err_t *err)
{
    (void)s;
    (void)r;
    (void)out;
    (void)err;
    return true;
}

/* ---- the steps ---- */

static const kind_t KINDS[] = {
    {LIST, &KINDS[1], ask_list, read_list},        {LIST_OTHER, NULL, ask_list, read_list},
    {CALL, &KINDS[3], ask_call, read_call},        {CALL_OTHER, NULL, ask_call, read_call},
    {MESSAGES, NULL, ask_messages, read_messages}, {MESSAGES_OTHER, NULL, ask_messages, read_messages},
    {PROBE, NULL, ask_probe, read_probe},
};

static const kind_t *kind_of(const remote_step_t *s)
{
    for (size_t i = 0; i < COUNT(KINDS); i++)
        if (str_eq(str_from(s->what), str_from(KINDS[i].what)))
            return &KINDS[i];
    return NULL;
}

static str_t prefix_of(const access_t *api, const remote_step_t *s)
{
    if (!is_other(s))
        return api->prefix;
    return str_eq(api->prefix, STR(OTHER_NAME)) ? STR(BEY_API_PREFIX_DEFAULT) : STR(OTHER_NAME);
}

static bool ask(const void *access, const remote_step_t *s, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    const access_t *api = access;
    const kind_t *k = kind_of(s);
    str_t path;

    (void)now_us;
    if (!k || !k->ask(s, prefix_of(api, s), a, &path))
        return err_set(err, ERR_UNKNOWN_SHAPE, "a step that cannot be asked of Beyond Presence: %s",
                       s->what ? s->what : "");
    rest_get(out, arena_printf(a, STR_FMT STR_FMT, STR_ARG(api->rest.base), STR_ARG(path)));
    rest_field(out, "x-api-key", arena_dup(a, api->rest.key));
    return true;
}

static bool read_answer(const void *access, const remote_step_t *s, const remote_response_t *r, remote_page_t *out,
                        err_t *err)
{
    const kind_t *k = kind_of(s);

    (void)access;
    if (!k)
        return err_set(err, ERR_UNKNOWN_SHAPE, "a step that is none of Beyond Presence's: %s", s->what ? s->what : "");
    return k->read(s, r, out, err);
}

/* That there is no such call and that there is no such name is the same answer. A page within a list is there. */
static bool refused(const void *access, const remote_step_t *s, const remote_response_t *r, remote_page_t *out)
{
    const kind_t *k = kind_of(s);
    remote_step_t again = *s;

    (void)access;
    if (r->status != 404 || !k || !k->other || s->cursor.len)
        return false;
    again.what = k->other->what;
    remote_then(out, &again, STR_NONE);
    return true;
}

static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    const remote_step_t list = {.what = LIST, .from_us = from_us, .to_us = to_us};

    (void)access;
    (void)resource;
    remote_then(out, &list, STR_NONE);
}

static bool one(const void *access, str_t call_id, arena_t *a, remote_step_t *out)
{
    (void)access;
    return rest_one(CALL, call_id, a, out);
}

static void probe(const void *access, arena_t *a, remote_step_t *out)
{
    (void)access;
    (void)a;
    *out = remote_step(PROBE, STR_NONE);
}

/* ---- the access ---- */

static bool is_prefix(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.base[i] <= ' ' || s.base[i] >= 0x7f || s.base[i] == '?' || s.base[i] == '#')
            return false;
    return s.len > 1 && s.base[0] == '/' && s.base[s.len - 1] != '/';
}

static bool read_prefix(access_t *out, const setting_source_t *from, err_t *err)
{
    str_t prefix = str_trim(setting_get(from, BEY_API_PREFIX));

    if (str_is_empty(prefix))
        prefix = STR(BEY_API_PREFIX_DEFAULT);
    if (!is_prefix(prefix))
        return err_set(err, ERR_CONFIG, BEY_API_PREFIX ": expected a path, as " BEY_API_PREFIX_DEFAULT);
    out->prefix = (str_t){mem_strdup(prefix), prefix.len};
    return true;
}

static void access_free(void *access)
{
    access_t *a = access;

    if (!a)
        return;
    rest_access_clear(&a->rest);
    free((char *)(uintptr_t)a->prefix.base);
    free(a);
}

static void *access_new(const setting_source_t *from, err_t *err)
{
    static const rest_names_t NAMES = {.url = BEY_API_URL,
                                       .url_fallback = BEY_API_URL_DEFAULT,
                                       .key = BEY_API_KEY,
                                       .gap = BEY_API_GAP,
                                       .gap_fallback = BEY_API_GAP_DEFAULT};
    access_t *a = mem_zalloc(sizeof(*a));

    if (rest_access_init(&a->rest, from, &NAMES, err) && read_prefix(a, from, err))
        return a;
    access_free(a);
    return NULL;
}

/* How long calls are kept is not published. A call that began before the last pass may have ended since: an hour for
 * that, a guess at the longest, and one for its transcript and for clocks that differ. */
static const remote_resource_t RESOURCES[] = {
    {.name = "calls", .from_newest = true, .overlap_us = 2 * 3600 * US_PER_S},
};

/* Where a session begins and ends. No webhook says that a call has begun. An avatar that an agent of ours brings into a
 * room of our LiveKit is told of by LiveKit alone; it is called so unless whoever wrote the agent chose another name
 * (github.com/livekit/agents livekit-plugins-bey, read 2026-11-22), so the end of any room counts. */
#define AVATAR "bey-avatar-agent"
static const remote_trigger_t TRIGGERS[] = {
    {"beyond_presence", "call_ended", NULL, NULL},
    {"beyond_presence", "conversation_ended", NULL, NULL},
    {"livekit", "participant_joined", "participant.identity", AVATAR},
    {"livekit", "participant_left", "participant.identity", AVATAR},
    {"livekit", "room_finished", NULL, NULL},
};

const remote_t BEYOND_PRESENCE_REMOTE = {
    .access_new = access_new,
    .access_free = access_free,
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .triggers = TRIGGERS,
    .n_triggers = COUNT(TRIGGERS),
    .most_at_once = 1,
    .least_gap_us = 500 * US_PER_MS,
    .gap_us = rest_gap_us,
    .begin = begin,
    .one = one,
    .probe = probe,
    .ask = ask,
    .read = read_answer,
    .refused = refused,
};
