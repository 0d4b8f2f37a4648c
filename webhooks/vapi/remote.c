/* remote.c – Vapi's API: its calls, for those that no webhook told of.
 *
 * Source: GET /call and GET /call/{id} in Vapi's OpenAPI document; the pace and what to do about errors as in Vapi's
 * own github.com/VapiAI/gitops (src/api.ts), read 2026-11-21.
 * A list is a bare array of at most `limit` calls, without a cursor, a page or an order that is promised, and several
 * calls can have one createdAt. So nothing is paged: a window of time whose answer is full is asked again as two
 * halves, down to a millisecond, which is as fine as Vapi's times are. Both bounds are sent always.
 *
 * A pass over [from, to) is two sweeps: the calls made in it; and those made before it that changed in it (an analysis
 * run again, a recording that came late). No call is in both. */
#include "base/clock.h"
#include "rest.h"
#include "vapi/vapi.h"

#include <stdlib.h>

/* The vendor's default. With transcripts a hundred calls are some megabytes; and a server that grants less than it is
 * asked for would look like one that has no more. */
#define LIMIT      100
#define LIMIT_MOST 1000 /* the greatest that is granted */

#define DAY_US     (86400 * US_PER_S)
#define FIRST_US   (INT64_C(1672531200) * US_PER_S) /* 2023-01-01: before Vapi's first call */
#define LAST_US    (INT64_C(9214646400) * US_PER_S) /* 2262: the last that clock.h reads */
#define CLOCKS_US  (3600 * US_PER_S)                /* how far its clock and ours may be apart */
#define OUTSIDE_US US_PER_S                         /* no rounding puts a call so far out of its window */
#define ASSISTANTS "/assistant?limit=1"             /* what a private key may see, and a public one may not */

typedef struct kind {
    const char *what;
    const char *field; /* of a sweep: which time of a call its window is about */
    bool (*ask)(const struct kind *k, const remote_step_t *s, arena_t *a, str_t *path);
    bool (*read)(const struct kind *k, const remote_step_t *s, const cJSON *answer, remote_page_t *out, err_t *err);
} kind_t;

#define MADE    "calls-made"
#define CHANGED "calls-changed"
#define CALL    "call"
#define PROBE   "probe"

/* ---- times ---- */

/* Vapi's own form: with milliseconds. */
static str_t to_text(arena_t *a, int64_t us)
{
    char text[32];

    (void)time_to_iso8601(us, text);
    text[23] = 'Z';
    return arena_dup(a, (str_t){text, 24});
}

static int64_t floor_ms(int64_t us)
{
    return us - us % US_PER_MS;
}

static int64_t ceiling_ms(int64_t us)
{
    return floor_ms(us + US_PER_MS - 1);
}

static bool is_window(const remote_step_t *s)
{
    return s->from_us >= 0 && s->to_us > s->from_us && s->to_us <= LAST_US;
}

static size_t limit_of(const remote_step_t *s)
{
    return s->to_us - s->from_us <= US_PER_MS ? LIMIT_MOST : LIMIT;
}

/* ---- sweeps ---- */

static bool ask_sweep(const kind_t *k, const remote_step_t *s, arena_t *a, str_t *path)
{
    int64_t made_before_us = s->cursor.base ? time_from_iso8601(s->cursor) : TIME_NONE;
    str_t only = STR("");

    if (!is_window(s) || (s->cursor.base && made_before_us == TIME_NONE))
        return false;
    if (s->cursor.base)
        only = arena_printf(a, "&createdAtLt=" STR_FMT, STR_ARG(to_text(a, made_before_us)));
    *path = arena_printf(a, "/call?%sGe=" STR_FMT "&%sLt=" STR_FMT STR_FMT "&limit=%zu", k->field,
                         STR_ARG(to_text(a, s->from_us)), k->field, STR_ARG(to_text(a, s->to_us)), STR_ARG(only),
                         limit_of(s));
    return true;
}

static void find(const cJSON *call, remote_page_t *out)
{
    str_t id = json_str(call, "id");

    if (str_is_empty(id))
        remote_skipped(out, "unreadable", STR_NONE);
    else
        remote_found(out, VAPI_ROUTE_API_CALL, json_print(out->arena, call), id, json_iso8601(call, "createdAt"));
}

/* A server that pays no heed to the window would have it split for ever. */
static bool heeds_window(const kind_t *k, const remote_step_t *s, const cJSON *list, err_t *err)
{
    for (const cJSON *call = list->child; call; call = call->next) {
        int64_t at_us = json_iso8601(call, k->field);

        if (at_us != TIME_NONE && (at_us < s->from_us - OUTSIDE_US || at_us > s->to_us + OUTSIDE_US))
            return err_set(err, ERR_UNKNOWN_SHAPE, "expected calls whose %s is in the window that was asked for",
                           k->field);
    }
    return true;
}

static void split(const remote_step_t *s, remote_page_t *out)
{
    remote_step_t first = *s, second = *s;

    first.to_us = second.from_us = s->from_us + ceiling_ms((s->to_us - s->from_us) / 2);
    remote_then(out, &first, STR_NONE);
    remote_then(out, &second, STR_NONE);
}

/* What a full answer holds is found again in its halves. A millisecond cannot be split. */
static bool read_sweep(const kind_t *k, const remote_step_t *s, const cJSON *answer, remote_page_t *out, err_t *err)
{
    size_t limit = limit_of(s);

    if (!cJSON_IsArray(answer))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an array of calls");
    for (const cJSON *call = answer->child; call; call = call->next)
        out->seen++;
    if (out->seen >= limit && !heeds_window(k, s, answer, err))
        return false;
    if (out->seen >= limit && limit == LIMIT) {
        split(s, out);
        return true;
    }
    for (const cJSON *call = answer->child; call; call = call->next)
        find(call, out);
    if (out->seen >= limit)
        remote_lacks(out,
                     arena_printf(out->arena, "%zu calls or more were made at " STR_FMT ": Vapi gives no more of them",
                                  limit, STR_ARG(to_text(out->arena, s->from_us))));
    return true;
}

/* ---- one call, and the key ---- */

static bool ask_call(const kind_t *k, const remote_step_t *s, arena_t *a, str_t *path)
{
    (void)k;
    *path = arena_printf(a, "/call/" STR_FMT, STR_ARG(rest_escape(a, s->id)));
    return rest_fits_path(s->id);
}

static bool read_call(const kind_t *k, const remote_step_t *s, const cJSON *answer, remote_page_t *out, err_t *err)
{
    (void)k;
    if (!str_eq(json_str(answer, "id"), s->id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the call that was asked for");
    out->seen = 1;
    find(answer, out);
    return true;
}

static bool ask_probe(const kind_t *k, const remote_step_t *s, arena_t *a, str_t *path)
{
    (void)k;
    (void)s;
    (void)a;
    *path = STR(ASSISTANTS);
    return true;
}

static bool read_probe(const kind_t *k, const remote_step_t *s, const cJSON *answer, remote_page_t *out, err_t *err)
{
    (void)k;
    (void)s;
    (void)out;
    return cJSON_IsArray(answer) || err_set(err, ERR_UNKNOWN_SHAPE, "expected an array of assistants");
}

/* ---- the steps ---- */

static const kind_t KINDS[] = {
    {MADE, "createdAt", ask_sweep, read_sweep},
    {CHANGED, "updatedAt", ask_sweep, read_sweep},
    {CALL, NULL, ask_call, read_call},
    {PROBE, NULL, ask_probe, read_probe},
};

static const kind_t *kind_of(const remote_step_t *s)
{
    for (size_t i = 0; i < COUNT(KINDS); i++)
        if (str_eq(str_from(s->what), str_from(KINDS[i].what)))
            return &KINDS[i];
    return NULL;
}

static bool ask(const void *access, const remote_step_t *s, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    const rest_access_t *api = access;
    const kind_t *k = kind_of(s);
    str_t path;

    (void)now_us;
    if (!k || !k->ask(k, s, a, &path))
        return err_set(err, ERR_UNKNOWN_SHAPE, "a step that cannot be asked of Vapi: %s", s->what ? s->what : "");
    rest_get(out, arena_printf(a, STR_FMT STR_FMT, STR_ARG(api->base), STR_ARG(path)));
    rest_field(out, "authorization", arena_printf(a, "Bearer " STR_FMT, STR_ARG(api->key)));
    return true;
}

static bool read_answer(const void *access, const remote_step_t *s, const remote_response_t *r, remote_page_t *out,
                        err_t *err)
{
    const kind_t *k = kind_of(s);
    const cJSON *answer;

    (void)access;
    if (!k)
        return err_set(err, ERR_UNKNOWN_SHAPE, "a step that is none of Vapi's: %s", s->what ? s->what : "");
    answer = rest_answer(r, out, err);
    return answer && k->read(k, s, answer, out, err);
}

/* An open end is where Vapi began, or now; where the window begins there, nothing was made before it. */
static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    int64_t now_us = clock_wall_us() + CLOCKS_US;
    remote_step_t made = {.what = MADE,
                          .from_us = from_us < FIRST_US ? FIRST_US : floor_ms(from_us),
                          .to_us = ceiling_ms(to_us == TIME_NONE || to_us > now_us ? now_us : to_us)};
    remote_step_t changed = made;

    (void)access;
    (void)resource;
    if (!is_window(&made))
        return;
    remote_then(out, &made, STR_NONE);
    changed.what = CHANGED;
    changed.cursor = to_text(out->arena, made.from_us);
    if (made.from_us > FIRST_US)
        remote_then(out, &changed, STR_NONE);
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

static void *access_new(const setting_source_t *from, err_t *err)
{
    static const rest_names_t NAMES = {.url = VAPI_API_URL,
                                       .url_fallback = VAPI_API_URL_DEFAULT,
                                       .key = VAPI_API_KEY,
                                       .gap = VAPI_API_GAP,
                                       .gap_fallback = VAPI_API_GAP_DEFAULT};
    rest_access_t *access = mem_zalloc(sizeof(*access));

    if (rest_access_init(access, from, &NAMES, err))
        return access;
    free(access);
    return NULL;
}

static void access_free(void *access)
{
    if (access)
        rest_access_clear(access);
    free(access);
}

/* On the pay-as-you-go plan calls are kept for 14 days (docs.vapi.ai/assistants/call-recording), on others longer: that
 * is how far back a pass goes unless it is told otherwise. One that asks for more is answered what there is. What
 * changes late is found by when it changed: the overlap is for clocks that differ, by an hour and some minutes. */
static const remote_resource_t RESOURCES[] = {
    {.name = "calls", .retention_us = 14 * DAY_US, .overlap_us = CLOCKS_US + 600 * US_PER_S},
};

const remote_t VAPI_REMOTE = {
    .access_new = access_new,
    .access_free = access_free,
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .most_at_once = 2,
    .least_gap_us = 700 * US_PER_MS,
    .gap_us = rest_gap_us,
    .begin = begin,
    .one = one,
    .probe = probe,
    .ask = ask,
    .read = read_answer,
};
