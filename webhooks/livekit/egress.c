/* egress.c – recordings.
 *
 * Source: docs.livekit.io/home/egress/api, github.com/livekit/protocol protobufs/livekit_egress.proto,
 * github.com/livekit/egress pkg/pipeline/sink, read 2026-11-21. Times and durations are in nanoseconds. The status
 * tells what has become of an egress, not the event's name; events of egress overtake each other and those of the room.
 * The call's own status is never touched. */
#include "livekit/livekit.h"

#include <inttypes.h>

#define NS_PER_MS INT64_C(1000000)

enum { STARTING, ACTIVE, ENDING, COMPLETE, FAILED, ABORTED, LIMIT_REACHED };
static const livekit_enum_t STATES =
    LIVEKIT_ENUM("EGRESS_STARTING", "EGRESS_ACTIVE", "EGRESS_ENDING", "EGRESS_COMPLETE", "EGRESS_FAILED",
                 "EGRESS_ABORTED", "EGRESS_LIMIT_REACHED");

/* What was asked for: the one of these objects that is there. */
static const struct {
    const char *request;
    bool is_part; /* of one participant or track, not of the room */
} SOURCES[] = {
    {"egress", false},     {"replay", false},        {"roomComposite", false}, {"web", false},
    {"participant", true}, {"trackComposite", true}, {"track", true},
};

/* Where results are: lists, and what older servers have in their place. */
static const char *const RESULTS[] = {"fileResults", "file", "segmentResults", "segments"};

typedef struct egress {
    const cJSON *info;
    const cJSON *result; /* the file or playlist; NULL when there is none */
    str_t location;      /* its address, once it is uploaded */
    str_t status;
    const char *source;
    bool is_part;
} egress_t;

/* ---- reading ---- */

static str_t location_of(const cJSON *result)
{
    str_t file = json_str(result, "location");

    return str_is_empty(file) ? json_str(result, "playlistLocation") : file;
}

/* The first that can be fetched, else the first. */
static void consider(egress_t *g, const cJSON *result)
{
    str_t location = location_of(result);

    if (!cJSON_IsObject(result) || (g->result && (!str_is_empty(g->location) || str_is_empty(location))))
        return;
    g->result = result;
    g->location = location;
}

static void find_result(egress_t *g)
{
    for (size_t i = 0; i < COUNT(RESULTS); i++) {
        const cJSON *found = json_at(g->info, RESULTS[i]);

        consider(g, found);
        for (const cJSON *r = cJSON_IsArray(found) ? found->child : NULL; r; r = r->next)
            consider(g, r);
    }
}

static egress_t read_egress(const cJSON *info)
{
    egress_t g = {.info = info, .status = livekit_enum_name(info, "status", &STATES)};

    for (size_t i = 0; i < COUNT(SOURCES) && !g.source; i++)
        if (json_at(info, SOURCES[i].request)) {
            g.source = SOURCES[i].request;
            g.is_part = SOURCES[i].is_part;
        }
    find_result(&g);
    return g;
}

static bool is_in_state(const egress_t *g, size_t state)
{
    return str_eq(g->status, str_from(STATES.names[state]));
}

/* A recording that reached its limit is cut short, but good. What a failed one left behind may be broken. */
static bool is_good(const egress_t *g)
{
    return !str_is_empty(g->location) && (is_in_state(g, COMPLETE) || is_in_state(g, LIMIT_REACHED));
}

/* ---- what is kept of it ---- */

typedef bool (*put_fn)(buf_t *out, const cJSON *node); /* false: there is nothing to put */

static bool put_text(buf_t *out, const cJSON *node)
{
    str_t text = json_str(node, "");

    if (!str_is_empty(text))
        json_escape(out, text);
    return !str_is_empty(text);
}

static bool put_number(buf_t *out, const cJSON *node)
{
    int64_t number;
    bool found = json_int(node, "", &number);

    if (found)
        buf_printf(out, "%" PRId64, number);
    return found;
}

static bool put_seconds(buf_t *out, const cJSON *node)
{
    int64_t ns;
    bool found = json_int(node, "", &ns) && ns >= 0;

    if (found)
        buf_printf(out, "%" PRId64 ".%03" PRId64, ns / NS_PER_MS / 1000, ns / NS_PER_MS % 1000);
    return found;
}

static bool put_time(buf_t *out, const cJSON *node)
{
    int64_t us = livekit_time_of_ns(node, "");
    char text[32];

    if (us != TIME_NONE)
        json_escape(out, (str_t){text, time_to_iso8601(us, text)});
    return us != TIME_NONE;
}

static bool put_flag(buf_t *out, const cJSON *node)
{
    bool value = false, found = json_bool(node, "", &value);

    if (found)
        buf_add(out, value ? STR("true") : STR("false"));
    return found;
}

static const struct {
    const char *name;
    put_fn put;
    bool of_result;        /* and of the egress where there is no result */
    const char *fields[2]; /* the first that is there */
} KEPT[] = {
    {"id", put_text, false, {"egressId"}},
    {"url", put_text, true, {"location", "playlistLocation"}},
    {"filename", put_text, true, {"filename", "playlistName"}},
    {"seconds", put_seconds, true, {"duration"}},
    {"bytes", put_number, true, {"size"}},
    {"segments", put_number, true, {"segmentCount"}},
    {"started_at", put_time, true, {"startedAt"}},
    {"ended_at", put_time, true, {"endedAt"}},
    {"error", put_text, false, {"error"}},
    {"error_code", put_number, false, {"errorCode"}},
    {"details", put_text, false, {"details"}},
    {"manifest_url", put_text, false, {"manifestLocation"}},
    {"in_backup_storage", put_flag, false, {"backupStorageUsed"}},
};

static void put_kept(buf_t *out, const egress_t *g, size_t row)
{
    const cJSON *from = KEPT[row].of_result && g->result ? g->result : g->info;
    size_t before = out->len;
    bool found = false;

    buf_printf(out, ",\"%s\":", KEPT[row].name);
    for (size_t i = 0; i < COUNT(KEPT[row].fields) && KEPT[row].fields[i] && !found; i++)
        found = KEPT[row].put(out, json_at(from, KEPT[row].fields[i]));
    if (!found)
        out->len = before;
}

static str_t recording_json(arena_t *a, const egress_t *g)
{
    buf_t out = BUF_EMPTY;
    str_t text;

    buf_add(&out, STR("{\"status\":"));
    json_escape(&out, g->status);
    if (g->source)
        buf_printf(&out, ",\"source\":\"%s\"", g->source);
    for (size_t i = 0; i < COUNT(KEPT); i++)
        put_kept(&out, g, i);
    buf_addc(&out, '}');
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ---- which of several is the call's ---- */

/* The further an egress got, the better: one that can be fetched above one that failed, and that above one that goes
 * on (a later one may yet replace it). */
static int64_t stage_of(const egress_t *g)
{
    if (is_good(g))
        return 4;
    for (int64_t state = STARTING; state <= ENDING; state++)
        if (is_in_state(g, (size_t)state))
            return state;
    return 3;
}

/* A room can have several: one stopped and begun again, one a participant. The call's is the one that got furthest; of
 * these one of the whole room; of these the longest. As they may all end with the room, the time would not tell. It is
 * the version of both columns, so that the address and what is said of it are of the same one:
 *
 *     stage, 3 bits | whole room, 1 | milliseconds, 33 | 20 bits that the column's JSON takes for itself (fact.c) */
static version_t version_of_egress(const egress_t *g)
{
    static const int64_t MOST_MS = (INT64_C(1) << 33) - 1; /* 99 days */
    int64_t ns = 0, ms;

    (void)json_int(g->result, "duration", &ns);
    ms = ns < 0 ? 0 : ns / NS_PER_MS;
    if (ms > MOST_MS)
        ms = MOST_MS;
    return version_of(RANK_EVENT, stage_of(g) << 54 | (int64_t)!g->is_part << 53 | ms << 20);
}

bool livekit_egress_is_over(const cJSON *info)
{
    egress_t g = {.info = info, .status = livekit_enum_name(info, "status", &STATES)};

    for (size_t state = COMPLETE; state <= LIMIT_REACHED; state++)
        if (is_in_state(&g, state))
            return true;
    return false;
}

/* One that goes on is told too: should its end never be heard, it is known what to ask LiveKit for. */
void livekit_egress(livekit_event_t *e)
{
    const cJSON *info = json_at(e->root, "egressInfo");
    egress_t g = read_egress(info);
    version_t v = version_of_egress(&g);

    e->d->status = g.status;
    livekit_read_room(e);
    if (!e->call || !info)
        return;
    livekit_name_room(e, json_str(info, "roomName"));
    fact_text(e->call, CALL_RECORDING, v, recording_json(e->d->arena, &g));
    if (is_good(&g))
        fact_text(e->call, CALL_RECORDING_URL, v, g.location);
}
