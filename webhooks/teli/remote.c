/* remote.c – Teli's API: the calls of whole organisations, and their agents.
 *
 * Source: docs.teli.ai/partner-api (call-history list, get and export; agents/list; errors), read 2026-11-21.
 * A list has at most 100 calls, newest first by start_timestamp, and neither page nor cursor; its count is that of the
 * page. So a full one is walked backwards: the window's end becomes the least start that was seen, and a millisecond.
 * Where that leads nowhere (a hundred calls in one millisecond) or the server pays no heed to the window, the export of
 * the same window is asked for, which the server pages through itself, up to 50,000 rows; one that is cut off is asked
 * for again in halves. Rows have no numbers and no transcript: the detail has, and is fetched once it has changed.
 *
 * Whether the bounds are inclusive is not said. Both steps beyond them, a millisecond, are asked for; what is thereby
 * found twice is one call. No limit of requests is published: a second between two. */
#include "base/crypto.h"
#include "rest.h"
#include "teli/teli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LAST_US   (INT64_C(253402300800) * US_PER_S) /* the year 10000 */
#define MOST_WHY  200
#define FULL_PAGE 100
#define MOST_ORGS 16
#define HOUR_US   (3600 * US_PER_S)
#define BOUND_US  US_PER_MS /* how far beyond its window a row may be by the bounds alone */
#define COLUMNS                                                                                                        \
    "call_id,start_time,end_time,duration_seconds,from_number,to_number,direction,agent_name,user_sentiment,"          \
    "call_successful,in_voicemail,call_status,recording_url,campaign_id,contact_id,transcript"

typedef struct access {
    rest_access_t rest;    /* first */
    str_t orgs[MOST_ORGS]; /* as they stand in queries: percent-encoded */
    size_t n_orgs;
    arena_t *arena; /* of the orgs */
} access_t;

/* ---- access ---- */

static bool read_orgs(access_t *access, str_t list, err_t *err)
{
    str_t org;

    while (str_split(&list, ',', &org)) {
        org = str_trim(org);
        if (str_is_empty(org))
            continue;
        if (access->n_orgs == MOST_ORGS)
            return err_set(err, ERR_CONFIG, "TELI_ORGANIZATION_ID: expected at most %d ids", MOST_ORGS);
        access->orgs[access->n_orgs++] = rest_escape(access->arena, org);
    }
    if (access->n_orgs)
        return true;
    err_set(err, ERR_CONFIG, "TELI_API_KEY is set, and TELI_ORGANIZATION_ID is not: Teli lists nothing without one");
    return err_hint(err, "TELI_ORGANIZATION_ID is the id by which Teli's dashboard names the organisation");
}

static void access_free(void *access)
{
    access_t *x = access;

    if (!x)
        return;
    rest_access_clear(&x->rest);
    arena_free(x->arena);
    free(x);
}

static void *access_new(const setting_source_t *from, err_t *err)
{
    static const rest_names_t NAMES = {.url = "TELI_API_URL",
                                       .url_fallback = TELI_API_URL,
                                       .key = "TELI_API_KEY",
                                       .gap = "TELI_API_GAP",
                                       .gap_fallback = TELI_API_GAP};
    access_t *access = mem_zalloc(sizeof(*access));

    access->arena = arena_new(256);
    if (rest_access_init(&access->rest, from, &NAMES, err) &&
        read_orgs(access, setting_get(from, "TELI_ORGANIZATION_ID"), err))
        return access;
    access_free(access);
    return NULL;
}

/* ---- kinds of steps ---- */

#define AGENTS "agents"
#define CALL   "call"

/* By default Teli shows calls that ended, and no others: each status is asked for by itself. The cursor of a step is
 * its organisation. */
static const struct sweep {
    const char *list, *export, *status;
} SWEEPS[] = {
    {"calls-ended", "export-ended", "ended"},
    {"calls-error", "export-error", "error"},
    {"calls-ongoing", "export-ongoing", "ongoing"},
};

static const struct sweep *sweep_of(const char *what, bool *is_export)
{
    for (size_t i = 0; i < COUNT(SWEEPS); i++) {
        *is_export = strcmp(what, SWEEPS[i].export) == 0;
        if (*is_export || strcmp(what, SWEEPS[i].list) == 0)
            return &SWEEPS[i];
    }
    return NULL;
}

static remote_step_t step_of(const char *what, str_t org)
{
    return (remote_step_t){.what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .cursor = org};
}

/* Bounds may be open; a window that is there has something in it. */
static bool is_window(int64_t from_us, int64_t to_us)
{
    bool is_open = from_us == TIME_NONE || to_us == TIME_NONE;

    return (from_us == TIME_NONE || (from_us >= 0 && from_us < LAST_US)) &&
           (to_us == TIME_NONE || (to_us > 0 && to_us < LAST_US)) && (is_open || from_us < to_us);
}

static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    const access_t *x = access;
    bool is_agents = strcmp(resource, AGENTS) == 0;

    for (size_t i = 0; i < x->n_orgs && (is_agents || is_window(from_us, to_us)); i++) {
        remote_step_t step = step_of(AGENTS, x->orgs[i]);

        if (is_agents)
            remote_then(out, &step, STR_NONE);
        for (size_t j = 0; j < COUNT(SWEEPS) && !is_agents; j++) {
            step.what = SWEEPS[j].list;
            step.from_us = from_us;
            step.to_us = to_us;
            remote_then(out, &step, STR_NONE);
        }
    }
}

static bool one(const void *access, str_t call_id, arena_t *a, remote_step_t *out)
{
    (void)access;
    return rest_one(CALL, call_id, a, out);
}

static void probe(const void *access, arena_t *a, remote_step_t *out)
{
    const access_t *x = access;

    *out = step_of(AGENTS, arena_dup(a, x->orgs[0]));
}

/* ---- asking ---- */

static int64_t floor_ms(int64_t us)
{
    return us - (us % US_PER_MS + US_PER_MS) % US_PER_MS;
}

/* "&start_date=2026-08-12T14:00:00.000Z"; nothing for a bound that is open. */
static str_t bound(arena_t *a, const char *name, int64_t us)
{
    char text[32];

    if (us == TIME_NONE || !time_to_iso8601(us, text))
        return STR("");
    text[23] = 'Z'; /* milliseconds */
    return arena_printf(a, "&%s=%.24s", name, text);
}

static str_t ask_sweep(const struct sweep *sweep, bool is_export, const remote_step_t *s, arena_t *a)
{
    int64_t from_us = s->from_us == TIME_NONE ? TIME_NONE : floor_ms(s->from_us) - BOUND_US;
    int64_t to_us = s->to_us == TIME_NONE ? TIME_NONE : floor_ms(s->to_us + US_PER_MS - 1);

    return arena_printf(a, "/v1/voice/calls?organization_id=" STR_FMT "&is_admin=true&call_status=%s%s" STR_FMT STR_FMT,
                        STR_ARG(s->cursor), sweep->status, is_export ? "&format=json&columns=" COLUMNS : "&limit=100",
                        STR_ARG(bound(a, "start_date", from_us)), STR_ARG(bound(a, "end_date", to_us)));
}

/* As read_orgs makes it: it stands in an address as it is. */
static bool is_org(str_t cursor)
{
    for (size_t i = 0; i < cursor.len; i++)
        if (!isalnum((unsigned char)cursor.base[i]) && (!cursor.base[i] || !strchr("-._~%", cursor.base[i])))
            return false;
    return !str_is_empty(cursor);
}

static bool path_of(const remote_step_t *s, arena_t *a, str_t *out)
{
    bool is_export;
    const struct sweep *sweep = sweep_of(s->what, &is_export);

    if (sweep && !is_window(s->from_us, s->to_us))
        return false;

    if (strcmp(s->what, CALL) == 0) {
        *out = arena_printf(a, "/v1/voice/calls/" STR_FMT, STR_ARG(rest_escape(a, s->id)));
        return rest_fits_path(s->id);
    }
    if (sweep)
        *out = ask_sweep(sweep, is_export, s, a);
    else
        *out = arena_printf(a, "/v1/agents?organization_id=" STR_FMT "&is_admin=true", STR_ARG(s->cursor));
    return is_org(s->cursor) && (sweep || strcmp(s->what, AGENTS) == 0);
}

static bool ask(const void *access, const remote_step_t *step, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    const access_t *x = access;
    str_t path;

    (void)now_us;
    if (!path_of(step, a, &path))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a step of Teli's, with a call or an organisation");
    rest_get(out, arena_printf(a, STR_FMT STR_FMT, STR_ARG(x->rest.base), STR_ARG(path)));
    rest_field(out, "x-api-key", x->rest.key);
    return true;
}

/* ---- reading ---- */

static bool holds(str_t text, str_t secret)
{
    for (size_t i = 0; i + secret.len <= text.len; i++)
        if (crypto_equal(text.base + i, secret.len, secret.base, secret.len))
            return true;
    return false;
}

/* Whatever the status: the word of the envelope counts. */
static const cJSON *answer_of(const remote_response_t *r, str_t key, const remote_page_t *out, err_t *err)
{
    const cJSON *root = rest_answer(r, out, err);
    str_t why = root ? json_str(root, "error") : STR_NONE;
    bool is_good = true;

    if (!root)
        return NULL;
    (void)json_bool(root, "success", &is_good);
    if (is_good && !why.base)
        return root;
    if (why.len > MOST_WHY || holds(why, key)) /* no body, and no secret, in a log */
        why = STR("something long");
    err_set(err, ERR_UNKNOWN_SHAPE, "expected success, not: " STR_FMT, STR_ARG(why));
    return NULL;
}

static int64_t start_of(const cJSON *call)
{
    int64_t us = json_time_ms(call, "start_timestamp");

    return us != TIME_NONE ? us : json_iso8601(call, "start_time");
}

/* A row and, where it may have changed, its detail. An export does not say when a row changed: what it says does. */
static void find(const cJSON *row, remote_page_t *out)
{
    str_t id = json_str(row, "call_id"), mark = json_str(row, "updated_at");
    remote_step_t detail = step_of(CALL, STR_NONE);

    if (!rest_fits_path(id)) {
        remote_skipped(out, "unreadable", id);
        return;
    }
    remote_found(out, TELI_API_CALL, json_print(out->arena, row), id, start_of(row));
    detail.id = id;
    remote_then(out, &detail, mark.base ? mark : json_hash(out->arena, row, teli_is_volatile));
}

/* What a page of calls says of the window that was asked for. */
typedef struct seen {
    size_t rows;
    int64_t least_us; /* start; TIME_NONE: no row has one */
    bool is_outside;  /* a row is: the server pays no heed to the window */
} seen_t;

static bool is_outside(const cJSON *row, const remote_step_t *s)
{
    int64_t at_us = start_of(row);

    return at_us != TIME_NONE && ((s->from_us != TIME_NONE && at_us < s->from_us - 2 * BOUND_US) ||
                                  (s->to_us != TIME_NONE && at_us > s->to_us + 2 * BOUND_US));
}

static seen_t look(const cJSON *list, const remote_step_t *s)
{
    seen_t seen = {.least_us = TIME_NONE};

    for (const cJSON *row = list->child; row; row = row->next) {
        int64_t at_us = start_of(row);

        seen.rows++;
        seen.is_outside |= is_outside(row, s);
        if (at_us != TIME_NONE && (seen.least_us == TIME_NONE || at_us < seen.least_us))
            seen.least_us = at_us;
    }
    return seen;
}

static void read_list(const struct sweep *sweep, const remote_step_t *s, const cJSON *list, remote_page_t *out)
{
    seen_t seen = look(list, s);
    remote_step_t next = *s;

    next.what = sweep->list;
    for (const cJSON *row = list->child; row; row = row->next)
        find(row, out);
    if (seen.rows < FULL_PAGE)
        return;
    next.to_us = seen.least_us == TIME_NONE ? TIME_NONE : seen.least_us + US_PER_MS;
    if (!seen.is_outside && next.to_us != TIME_NONE && s->from_us != TIME_NONE && next.to_us <= s->from_us)
        return; /* it reaches beyond the beginning */
    if (seen.is_outside || next.to_us == TIME_NONE || (s->to_us != TIME_NONE && next.to_us >= s->to_us)) {
        next.what = sweep->export;
        next.to_us = s->to_us;
    }
    remote_then(out, &next, STR_NONE);
}

/* The window in two, cut at a whole millisecond. False: there is nothing to cut, or to be had by it. */
static bool halve(const struct sweep *sweep, const remote_step_t *s, const seen_t *seen, remote_page_t *out)
{
    remote_step_t older = *s, newer;

    if (seen->is_outside || s->from_us == TIME_NONE || s->to_us == TIME_NONE)
        return false;
    older.what = sweep->export;
    older.to_us = floor_ms(s->from_us + (s->to_us - s->from_us) / 2);
    if (older.to_us <= s->from_us)
        return false;
    newer = older;
    newer.from_us = older.to_us;
    newer.to_us = s->to_us;
    remote_then(out, &older, STR_NONE);
    remote_then(out, &newer, STR_NONE);
    return true;
}

static void read_export(const struct sweep *sweep, const remote_step_t *s, const cJSON *list, bool is_cut_off,
                        remote_page_t *out)
{
    seen_t seen = look(list, s);

    if (is_cut_off && halve(sweep, s, &seen, out))
        return; /* they bring what is here, too */
    for (const cJSON *row = list->child; row; row = row->next)
        if (!is_outside(row, s)) /* else all there ever was would be fetched anew */
            find(row, out);
    if (is_cut_off)
        remote_lacks(out, STR("an export was cut off, and cannot be asked for in halves"));
}

static bool read_call(const remote_step_t *s, const cJSON *root, remote_page_t *out, err_t *err)
{
    const cJSON *call = json_at(root, "call");

    if (!str_eq(json_str(call, "call_id"), s->id) || str_is_empty(s->id))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected the call that was asked for at call.call_id");
    out->seen = 1;
    out->unsettled = str_eq(json_str(call, "call_status"), STR("ongoing"));
    remote_found(out, TELI_API_CALL, json_print(out->arena, call), s->id, start_of(call));
    return true;
}

static void read_agents(const cJSON *list, remote_page_t *out)
{
    for (const cJSON *agent = list->child; agent; agent = agent->next) {
        if (str_is_empty(teli_agent_id(agent)))
            remote_skipped(out, "unreadable", STR_NONE);
        else
            remote_found(out, TELI_API_AGENT, json_print(out->arena, agent), STR_NONE, TIME_NONE);
    }
}

static size_t rows_of(const cJSON *list)
{
    size_t n = 0;

    for (const cJSON *row = list->child; row; row = row->next)
        n++;
    return n;
}

static bool read(const void *access, const remote_step_t *step, const remote_response_t *r, remote_page_t *out,
                 err_t *err)
{
    bool is_export;
    const struct sweep *sweep = sweep_of(step->what, &is_export);
    const cJSON *root = answer_of(r, ((const access_t *)access)->rest.key, out, err), *list;

    if (!root)
        return false;
    if (sweep && !is_window(step->from_us, step->to_us))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a window of time");
    if (strcmp(step->what, CALL) == 0)
        return read_call(step, root, out, err);
    list = json_at(root, sweep ? "calls" : AGENTS);
    if (!cJSON_IsArray(list))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an array at %s", sweep ? "calls" : AGENTS);
    out->seen = rows_of(list);
    if (!sweep)
        read_agents(list, out);
    else if (is_export)
        read_export(sweep, step, list, str_eq_nocase(remote_field(r, "x-export-truncated"), STR("true")), out);
    else
        read_list(sweep, step, list, out);
    return true;
}

/* Agents first: by them a call's business is known. An analysis, what was extracted and the recording come after the
 * call, and move its updated_at. */
static const remote_resource_t RESOURCES[] = {
    {.name = AGENTS, .live = true},
    {.name = "calls", .overlap_us = 2 * HOUR_US},
};

const remote_t TELI_REMOTE = {
    .access_new = access_new,
    .access_free = access_free,
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .most_at_once = 1,
    .least_gap_us = US_PER_S,
    .gap_us = rest_gap_us,
    .begin = begin,
    .one = one,
    .probe = probe,
    .ask = ask,
    .read = read,
};
