/* remote.c – what LiveKit's server API is asked (Twirp over HTTP), and what its answers hold.
 *
 * Source: docs.livekit.io/reference/other/roomservice-api, …/home/egress/api, …/home/get-started/authentication
 * (grants), github.com/livekit/protocol auth/grants.go, github.com/livekit/livekit pkg/service, read 2026-11-21. What
 * an object says is in api.c.
 *
 * A room is gone from the API the moment it ends, and so is who has left it: whoever runs the steps concludes from
 * that. A server of one's own keeps an egress that has ended for 24 hours (pkg/service/redisstore.go); Cloud does not
 * say. Names of rooms may be used again, so a room that lives is known by its sid, but its participants can be asked
 * for by its name alone. */
#include "base/jwt.h"
#include "livekit/livekit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VALID_S 600 /* as LiveKit's own libraries make tokens for the API */

/* ---- access ---- */

typedef struct access {
    char *base; /* http(s)://host[:port][/prefix] */
    livekit_keys_t *keys;
} access_t;

static bool is_printable(str_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.base[i] <= ' ' || text.base[i] > '~' || strchr("\\#?@", text.base[i]))
            return false;
    return true;
}

/* The address that clients connect to is a WebSocket's. */
static bool read_url(access_t *a, str_t url, err_t *err)
{
    static const struct {
        str_t given;
        const char *asked;
    } SCHEMES[] = {{{"wss://", 6}, "https://"},
                   {{"ws://", 5}, "http://"},
                   {{"https://", 8}, "https://"},
                   {{"http://", 7}, "http://"}};

    while (url.len && url.base[url.len - 1] == '/')
        url.len--;
    for (size_t i = 0; i < COUNT(SCHEMES) && is_printable(url); i++) {
        str_t rest = str_slice(url, SCHEMES[i].given.len, url.len);
        const str_t parts[] = {str_from(SCHEMES[i].asked), rest};
        buf_t base = BUF_EMPTY;

        if (!str_starts_nocase(url, SCHEMES[i].given) || !rest.len || rest.base[0] == '/')
            continue;
        for (size_t j = 0; j < COUNT(parts); j++)
            buf_add(&base, parts[j]);
        a->base = mem_strdup(buf_str(&base));
        buf_clear(&base);
        return true;
    }
    return err_set(err, ERR_CONFIG, "LIVEKIT_URL: expected wss://host or https://host, without a name or a query");
}

static void access_free(void *access)
{
    access_t *a = access;

    if (!a)
        return;
    livekit_keys_free(a->keys);
    free(a->base);
    free(a);
}

static void *access_new(const setting_source_t *from, err_t *err)
{
    str_t url = str_trim(setting_get(from, "LIVEKIT_URL"));
    access_t *a;

    if (str_is_empty(url))
        return NULL;
    a = mem_zalloc(sizeof(*a));
    a->keys = livekit_keys_new(from, err);
    if (a->keys && read_url(a, url, err))
        return a;
    access_free(a);
    return NULL;
}

/* ---- requests ---- */

/* "room":"NAME"; nothing where there is none. */
static str_t named(arena_t *a, const char *field, str_t name)
{
    buf_t out = BUF_EMPTY;
    str_t text;

    if (str_is_empty(name))
        return STR("");
    buf_printf(&out, ",\"%s\":", field);
    json_escape(&out, name);
    text = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* The newest secret of the first key. */
static str_t bearer(const access_t *access, const char *grant, str_t room, int64_t now_us, arena_t *a)
{
    const secret_t *newest = &access->keys->list.items[0];
    int64_t now_s = now_us / US_PER_S;
    str_t claims = arena_printf(
        a, "{\"video\":{\"%s\":true" STR_FMT "}" STR_FMT ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 "}", grant,
        STR_ARG(named(a, "room", room)), STR_ARG(named(a, "iss", newest->name)), now_s, now_s + VALID_S);
    const str_t parts[] = {STR("Bearer "), jwt_make(a, claims, newest->key)};

    return arena_concat(a, parts, COUNT(parts));
}

static str_t no_body(const remote_step_t *step, arena_t *a)
{
    (void)step;
    (void)a;
    return STR("{}");
}

static str_t room_body(const remote_step_t *step, arena_t *a)
{
    return arena_printf(a, "{" STR_FMT "}", STR_ARG(str_slice(named(a, "room", step->cursor), 1, SIZE_MAX)));
}

static str_t page_body(const remote_step_t *step, arena_t *a)
{
    if (str_is_empty(step->cursor))
        return STR("{}");
    return arena_printf(a, "{\"page_token\":{" STR_FMT "}}",
                        STR_ARG(str_slice(named(a, "token", step->cursor), 1, SIZE_MAX)));
}

/* ---- answers ---- */

typedef struct reading {
    const remote_step_t *step;
    remote_page_t *out;
} reading_t;

/* By the name of a webhook or of the API. */
static str_t text_at(const cJSON *message, const char *snake, const char *camel)
{
    str_t text = json_str(message, snake);

    return str_is_empty(text) ? json_str(message, camel) : text;
}

static int64_t ns_at(const cJSON *message, const char *snake, const char *camel)
{
    int64_t us = livekit_time_of_ns(message, snake);

    return us == TIME_NONE ? livekit_time_of_ns(message, camel) : us;
}

static int64_t room_began(const cJSON *room)
{
    int64_t us = json_time_ms(room, "creation_time_ms");

    us = us == TIME_NONE ? json_time_ms(room, "creationTimeMs") : us;
    us = us == TIME_NONE ? json_time_s(room, "creation_time") : us;
    return us == TIME_NONE ? json_time_s(room, "creationTime") : us;
}

static bool read_room(const reading_t *r, const cJSON *room)
{
    str_t sid = json_str(room, "sid"), name = json_str(room, "name");
    remote_step_t step = {.what = "participants", .from_us = TIME_NONE, .to_us = TIME_NONE, .id = sid, .cursor = name};

    if (str_is_empty(sid) || str_is_empty(name))
        return false;
    (void)remote_found(r->out, LIVEKIT_ROUTE_API_ROOM, json_print(r->out->arena, room), sid, room_began(room));
    remote_then(r->out, &step, STR_NONE);
    return true;
}

/* Who is still connecting has not joined, and may yet fail to. */
static bool read_participant(const reading_t *r, const cJSON *participant)
{
    arena_t *a = r->out->arena;
    str_t room = str_slice(named(a, "sid", r->step->id), 1, SIZE_MAX);

    if (str_is_empty(json_str(participant, "sid")))
        return false;
    if (livekit_is_active(participant))
        (void)remote_found(r->out, LIVEKIT_ROUTE_API_PARTICIPANT,
                           arena_printf(a, "{\"room\":{" STR_FMT STR_FMT "},\"participant\":" STR_FMT "}",
                                        STR_ARG(room), STR_ARG(named(a, "name", r->step->cursor)),
                                        STR_ARG(json_print(a, participant))),
                           r->step->id, TIME_NONE);
    return true;
}

/* Of the window is what went on in it. */
static bool is_in_window(const remote_step_t *step, const cJSON *info)
{
    int64_t updated_us = ns_at(info, "updated_at", "updatedAt"), began_us = ns_at(info, "started_at", "startedAt");
    int64_t ended_us = ns_at(info, "ended_at", "endedAt");

    began_us = began_us == TIME_NONE ? updated_us : began_us;
    return (step->from_us == TIME_NONE || ended_us == TIME_NONE || ended_us >= step->from_us) &&
           (step->to_us == TIME_NONE || began_us == TIME_NONE || began_us < step->to_us);
}

static bool read_egress(const reading_t *r, const cJSON *info)
{
    str_t room = text_at(info, "room_id", "roomId");

    if (str_is_empty(text_at(info, "egress_id", "egressId")))
        return false;
    if (is_in_window(r->step, info))
        (void)remote_found(r->out, LIVEKIT_ROUTE_API_EGRESS, json_print(r->out->arena, info), room, TIME_NONE);
    return true;
}

static bool next_page(const reading_t *r, const cJSON *root, err_t *err)
{
    str_t token = text_at(root, "next_page_token.token", "nextPageToken.token");
    remote_step_t step = *r->step;

    if (str_is_empty(token))
        return true;
    if (str_eq(token, step.cursor))
        return err_set(err, ERR_UNKNOWN_SHAPE, "next_page_token leads to the page that it stands in");
    step.cursor = token;
    remote_then(r->out, &step, STR_NONE);
    return true;
}

/* ---- the table ---- */

typedef struct method {
    const char *what; /* the step's */
    const char *path;
    const char *grant;
    bool of_room; /* the grant is for the room in the cursor */
    str_t (*body)(const remote_step_t *step, arena_t *a);
    const char *list;                                       /* where the rows are */
    bool (*read_row)(const reading_t *r, const cJSON *row); /* false: it cannot be read; NULL: nobody looks */
    bool has_pages;
} method_t;

#define LIST_ROOMS "/twirp/livekit.RoomService/ListRooms"
static const method_t METHODS[] = {
    {"rooms", LIST_ROOMS, "roomList", false, no_body, "rooms", read_room, false},
    {"living", LIST_ROOMS, "roomList", false, no_body, "rooms", read_room, false},
    {"participants", "/twirp/livekit.RoomService/ListParticipants", "roomAdmin", true, room_body, "participants",
     read_participant, false},
    {"egress", "/twirp/livekit.Egress/ListEgress", "roomRecord", false, page_body, "items", read_egress, true},
    {"probe", LIST_ROOMS, "roomList", false, no_body, "rooms", NULL, false},
};

static const method_t *method_of(const remote_step_t *step, err_t *err)
{
    for (size_t i = 0; i < COUNT(METHODS); i++)
        if (strcmp(step->what, METHODS[i].what) == 0)
            return &METHODS[i];
    (void)err_set(err, ERR_UNKNOWN_SHAPE, "a step \"%.40s\" is not known", step->what);
    return NULL;
}

static bool ask(const void *access, const remote_step_t *step, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    const access_t *to = access;
    const method_t *m = method_of(step, err);

    if (!m)
        return false;
    if (m->of_room && str_is_empty(step->cursor))
        return err_set(err, ERR_UNKNOWN_SHAPE, "a step \"%s\" names no room", m->what);
    *out = (remote_request_t){.method = "POST", .n_fields = 3, .body = m->body(step, a)};
    out->url = arena_printf(a, "%s%s", to->base, m->path);
    out->fields[0] =
        (remote_field_t){STR("authorization"), bearer(to, m->grant, m->of_room ? step->cursor : STR_NONE, now_us, a)};
    out->fields[1] = (remote_field_t){STR("content-type"), STR("application/json")};
    out->fields[2] = (remote_field_t){STR("accept"), STR("application/json")};
    return true;
}

/* Every field is written, empty lists too. Where nothing at all is, the writer leaves empty ones out; anything else is
 * no answer of LiveKit's, and rooms must not be taken for ended by it. */
static bool find_rows(const cJSON *root, const method_t *m, const cJSON **rows, err_t *err)
{
    const cJSON *list = json_at(root, m->list);

    *rows = cJSON_IsArray(list) ? list->child : NULL;
    return cJSON_IsArray(list) || (cJSON_IsObject(root) && !root->child) ||
           err_set(err, ERR_UNKNOWN_SHAPE, "expected a list at %s, as in every answer of %s", m->list, m->path);
}

static void read_rows(const reading_t *r, const method_t *m, const cJSON *rows)
{
    if (m->has_pages && rows)
        remote_rows(r->out, text_at(rows, "egress_id", "egressId"), text_at(rows->prev, "egress_id", "egressId"));
    for (const cJSON *row = rows; row; row = row->next) {
        r->out->seen++;
        if (m->read_row && (!cJSON_IsObject(row) || !m->read_row(r, row)))
            remote_skipped(r->out, "unreadable", text_at(row, "sid", "egress_id"));
    }
}

static bool read_answer(const void *access, const remote_step_t *step, const remote_response_t *response,
                        remote_page_t *out, err_t *err)
{
    const reading_t r = {step, out};
    const method_t *m = method_of(step, err);
    const cJSON *root, *rows;
    str_t safe;

    (void)access;
    if (!m || !json_clean(out->arena, response->body, (json_redact_t){NULL}, &safe, err))
        return false;
    root = json_parse(out->arena, safe, err);
    if (!root || !find_rows(root, m, &rows, err))
        return false;
    read_rows(&r, m, rows);
    return !m->has_pages || next_page(&r, root, err);
}

static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    bool is_egress = strcmp(resource, "egress") == 0;
    remote_step_t step = {.what = is_egress ? "egress" : "rooms",
                          .from_us = is_egress ? from_us : TIME_NONE,
                          .to_us = is_egress ? to_us : TIME_NONE};

    (void)access;
    remote_then(out, &step, STR_NONE);
}

/* By its sid a room cannot be asked for: among all that live it is, or it has ended. There are no pages, and ListRooms'
 * `names` would not tell more of a name that lives again. */
static bool one(const void *access, str_t call_id, arena_t *a, remote_step_t *out)
{
    (void)access;
    (void)a;
    *out = (remote_step_t){.what = "living", .from_us = TIME_NONE, .to_us = TIME_NONE};
    return str_starts(call_id, STR("RM_"));
}

static void probe(const void *access, arena_t *a, remote_step_t *out)
{
    (void)access;
    (void)a;
    *out = (remote_step_t){.what = "probe", .from_us = TIME_NONE, .to_us = TIME_NONE};
}

/* An egress has its result when it has ended, which may be long after it began. */
static const remote_resource_t RESOURCES[] = {
    {.name = "rooms", .live = true},
    {.name = "egress", .from_newest = true, .overlap_us = INT64_C(86400) * US_PER_S},
};

const remote_t LIVEKIT_REMOTE = {
    .access_new = access_new,
    .access_free = access_free,
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .forgets_ended = true,
    .most_at_once = 4,
    .begin = begin,
    .one = one,
    .probe = probe,
    .ask = ask,
    .read = read_answer,
};
