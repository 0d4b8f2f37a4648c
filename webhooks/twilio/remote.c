/* remote.c – what Twilio's REST API is asked, and what its answers hold. What an object says is in api.c.
 *
 * Source: twilio.com/docs/usage/twilios-response (pages), twilio.com/docs/voice/api/call-resource, …/recording,
 * …/recording-transcription, …/call-event-resource, twilio.com/docs/iam/api/account (authentication), read 2026-11-21.
 *
 * The cursor of every step is what is asked for, path and query: the account is in it, and so it is known whose
 * credentials are to be sent; the host is always that of TWILIO_API_URL. */
#include "twilio/twilio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US      (INT64_C(86400) * US_PER_S)
#define ROOT        "/2010-04-01/Accounts/"
#define IN_A_PAGE   "PageSize=1000" /* the most */
#define MOST_OF_SID 64

/* ---- access ---- */

typedef struct login {
    char *sid;           /* AC… */
    char *authorization; /* "Basic …" */
} login_t;

typedef struct access {
    char *origin; /* scheme://host[:port] */
    char *prefix; /* what follows in TWILIO_API_URL, without a final slash */
    login_t *logins;
    size_t count;
    bool has_nameless; /* a token lets in calls of an account that is not named, and so cannot be asked */
} access_t;

static char *basic(str_t user, str_t password)
{
    static const char SCHEME[] = "Basic ";
    size_t len = user.len + 1 + password.len;
    char *plain = mem_alloc(len), *text = mem_alloc(sizeof(SCHEME) + 4 * ((len + 2) / 3));

    memcpy(plain, user.base, user.len);
    plain[user.len] = ':';
    memcpy(plain + user.len + 1, password.base, password.len);
    memcpy(text, SCHEME, sizeof(SCHEME) - 1);
    text[sizeof(SCHEME) - 1 + base64_encode(plain, len, text + sizeof(SCHEME) - 1)] = '\0';
    crypto_wipe(plain, len);
    free(plain);
    return text;
}

static void add_login(access_t *a, str_t sid, str_t user, str_t password)
{
    a->logins = mem_realloc(a->logins, (a->count + 1) * sizeof(*a->logins));
    a->logins[a->count++] = (login_t){.sid = mem_strdup(sid), .authorization = basic(user, password)};
}

/* What may stand in an address that is asked for. */
static bool is_printable(str_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.base[i] <= ' ' || text.base[i] > '~' || text.base[i] == '\\' || text.base[i] == '#')
            return false;
    return true;
}

static bool read_url(access_t *a, str_t url, err_t *err)
{
    bool tls = str_starts_nocase(url, STR("https://"));
    size_t host = tls ? 8 : 7, end;

    while (url.len && url.base[url.len - 1] == '/')
        url.len--;
    end = host + str_slice(url, host, url.len).len;
    for (size_t i = host; i < end; i++)
        if (url.base[i] == '/')
            end = i;
    if ((!tls && !str_starts_nocase(url, STR("http://"))) || end <= host || !is_printable(url) ||
        str_find(url, '?') != SIZE_MAX || str_find(url, '@') != SIZE_MAX) {
        err_set(err, ERR_CONFIG, "TWILIO_API_URL: expected https://host, without a name, a password or a query");
        return err_hint(err, "credentials go into TWILIO_API_KEY and TWILIO_API_SECRET");
    }
    a->origin = mem_strdup(str_slice(url, 0, end));
    a->prefix = mem_strdup(str_slice(url, end, url.len));
    return true;
}

/* An API key is its account's: a subaccount is fetched by its own token. */
static bool read_key(access_t *a, const setting_source_t *from, err_t *err)
{
    str_t sid = str_trim(setting_get(from, "TWILIO_ACCOUNT_SID"));
    str_t key = str_trim(setting_get(from, "TWILIO_API_KEY"));
    str_t secret = str_trim(setting_get(from, "TWILIO_API_SECRET"));

    if (str_is_empty(key) && str_is_empty(secret))
        return true;
    if (str_is_empty(key) || str_is_empty(secret))
        return err_set(err, ERR_CONFIG, "%s is set, but %s is not", secret.len ? "TWILIO_API_SECRET" : "TWILIO_API_KEY",
                       secret.len ? "TWILIO_API_KEY" : "TWILIO_API_SECRET");
    if (str_is_empty(sid)) {
        err_set(err, ERR_CONFIG, "TWILIO_API_KEY is set, but TWILIO_ACCOUNT_SID is not");
        return err_hint(err, "a key does not say whose calls it opens: set TWILIO_ACCOUNT_SID to AC…");
    }
    add_login(a, sid, key, secret);
    return true;
}

static const login_t *login_of(const access_t *a, str_t sid)
{
    for (size_t i = 0; i < a->count; i++)
        if (str_eq(str_from(a->logins[i].sid), sid))
            return &a->logins[i];
    return NULL;
}

/* The newest token of each account. */
static bool read_tokens(access_t *a, const setting_source_t *from, err_t *err)
{
    err_t why = {.code = ERR_NONE};
    twilio_keys_t *k = twilio_keys_new(from, &why);

    for (size_t i = 0; k && i < k->count; i++) {
        str_t sid = str_from(k->accounts[i].sid);

        if (str_is_empty(sid))
            a->has_nameless = true;
        else if (!login_of(a, sid))
            add_login(a, sid, sid, k->accounts[i].tokens.items[0].text);
    }
    twilio_keys_free(k);
    if (why.code != ERR_NONE)
        *err = why;
    return why.code == ERR_NONE;
}

static void access_free(void *access)
{
    access_t *a = access;

    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++) {
        crypto_wipe(a->logins[i].authorization, strlen(a->logins[i].authorization));
        free(a->logins[i].authorization);
        free(a->logins[i].sid);
    }
    free(a->logins);
    free(a->origin);
    free(a->prefix);
    free(a);
}

static void *access_new(const setting_source_t *from, err_t *err)
{
    access_t *a = mem_zalloc(sizeof(*a));
    str_t url = str_trim(setting_get(from, "TWILIO_API_URL"));

    if (read_url(a, str_is_empty(url) ? STR("https://api.twilio.com") : url, err) && read_key(a, from, err) &&
        read_tokens(a, from, err) && a->count)
        return a;
    access_free(a);
    return NULL;
}

/* ---- steps ---- */

/* …/Accounts/AC…/Calls.json: up to and with AC…; absent where there is none. */
static str_t account_path(str_t cursor)
{
    const char *at = cursor.len ? memmem(cursor.base, cursor.len, ROOT, sizeof(ROOT) - 1) : NULL;
    size_t begin = at ? (size_t)(at - cursor.base) + sizeof(ROOT) - 1 : 0, len;

    if (!at)
        return STR_NONE;
    len = str_find(str_slice(cursor, begin, cursor.len), '/');
    return len == SIZE_MAX ? STR_NONE : str_slice(cursor, 0, begin + len);
}

static str_t account_of(str_t cursor)
{
    str_t path = account_path(cursor);
    size_t at = path.len;

    while (at && path.base[at - 1] != '/')
        at--;
    return str_slice(path, at, path.len);
}

/* An id becomes part of an address: it may be nothing but what Twilio makes it of. */
static bool is_sid(str_t text, str_t prefix)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return str_starts(text, prefix) && text.len > prefix.len && text.len <= MOST_OF_SID;
}

typedef struct list {
    const char *what;      /* the step's, and the array's name in an answer */
    const char *file;      /* of the account */
    const char *filter;    /* the parameter that a window is asked by; NULL: there is none */
    const char *fields[2]; /* what of a row must be in the window: the first that is there */
} list_t;

static const list_t LISTS[] = {
    {"calls", "Calls.json", "StartTime", {"start_time", "date_created"}},
    {"recordings", "Recordings.json", "DateCreated", {"date_created", "start_time"}},
    {"transcriptions", "Transcriptions.json", NULL, {"date_created", NULL}},
};

static const list_t *list_named(str_t what)
{
    for (size_t i = 0; i < COUNT(LISTS); i++)
        if (str_eq(what, str_from(LISTS[i].what)))
            return &LISTS[i];
    return NULL;
}

static void add_bound(buf_t *query, const char *filter, char sign, int64_t us)
{
    char name[32], text[32], iso[32];

    (void)time_to_iso8601(us, iso);
    (void)snprintf(name, sizeof(name), "%s%c", filter, sign);
    (void)snprintf(text, sizeof(text), "%.19sZ", iso); /* whole seconds, as Twilio's own libraries write them */
    (void)form_encode(query, str_from(name), str_from(text));
}

/* The sign belongs to the name, and the bound to the window: "StartTime>=…", the name's sign encoded. Days are
 * documented, and libraries send seconds; were only the day looked at, the end of the window would be cut off: so a day
 * more is asked for, and what is outside is left out here. */
#define FAR_US (INT64_C(9000000000) * US_PER_S) /* the year 2255 */
static str_t list_path(const access_t *a, const login_t *login, const list_t *list, int64_t from_us, int64_t to_us,
                       arena_t *arena)
{
    buf_t query = BUF_EMPTY;
    str_t path;

    if (list->filter && from_us != TIME_NONE && from_us > US_PER_S)
        add_bound(&query, list->filter, '>', from_us - US_PER_S);
    if (list->filter && to_us != TIME_NONE && to_us < FAR_US)
        add_bound(&query, list->filter, '<', to_us + DAY_US);
    buf_add(&query, query.len ? STR("&" IN_A_PAGE) : STR(IN_A_PAGE));
    path = arena_printf(arena, "%s" ROOT "%s/%s?" STR_FMT, a->prefix, login->sid, list->file, STR_ARG(buf_str(&query)));
    buf_clear(&query);
    return path;
}

static void begin(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out)
{
    const access_t *a = access;
    const list_t *list = list_named(str_from(resource));

    for (size_t i = 0; list && i < a->count; i++) {
        remote_step_t step = {.what = list->what,
                              .from_us = from_us,
                              .to_us = to_us,
                              .cursor = list_path(a, &a->logins[i], list, from_us, to_us, out->arena)};

        remote_then(out, &step, STR_NONE);
    }
}

static remote_step_t step_of(const char *what, str_t id, str_t cursor)
{
    return (remote_step_t){.what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .id = id, .cursor = cursor};
}

static remote_step_t call_step(const access_t *from, size_t login, str_t call_id, arena_t *a)
{
    return step_of("call", call_id,
                   arena_printf(a, "%s" ROOT "%s/Calls/" STR_FMT ".json", from->prefix, from->logins[login].sid,
                                STR_ARG(call_id)));
}

/* Whose of several accounts the call is shows by who knows it: they are asked in turn (see refused). */
static bool one(const void *access, str_t call_id, arena_t *a, remote_step_t *out)
{
    if (!is_sid(call_id, STR("CA")))
        return false;
    *out = call_step(access, 0, call_id, a);
    return true;
}

static void probe(const void *access, arena_t *a, remote_step_t *out)
{
    const access_t *from = access;

    *out = step_of("probe", STR_NONE,
                   arena_printf(a, "%s" ROOT "%s/Calls.json?PageSize=1", from->prefix, from->logins[0].sid));
}

static bool ask(const void *access, const remote_step_t *step, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err)
{
    const access_t *from = access;
    str_t sid = account_of(step->cursor);
    const login_t *login = login_of(from, sid);

    (void)now_us;
    if (!str_starts(step->cursor, STR("/")) || !is_printable(step->cursor))
        return err_set(err, ERR_UNKNOWN_SHAPE, "the step's cursor is no path of Twilio's API");
    if (!login) {
        err_set(err, ERR_CONFIG, "the account " STR_FMT " is not set any more",
                STR_ARG(str_slice(sid, 0, MOST_OF_SID)));
        return err_hint(err, "set it in TWILIO_ACCOUNTS, or begin a new pass");
    }
    *out = (remote_request_t){.method = "GET", .n_fields = 2};
    out->url = arena_printf(a, "%s" STR_FMT, from->origin, STR_ARG(step->cursor));
    out->fields[0] = (remote_field_t){STR("authorization"), arena_dup(a, str_from(login->authorization))};
    out->fields[1] = (remote_field_t){STR("accept"), STR("application/json")};
    return true;
}

/* ---- answers ---- */

typedef struct reading {
    const access_t *access;
    const remote_step_t *step;
    remote_page_t *out;
} reading_t;

static int64_t row_time(const cJSON *row, const char *const fields[2])
{
    int64_t us = time_from_rfc2822(json_str(row, fields[0]));

    return us == TIME_NONE && fields[1] ? time_from_rfc2822(json_str(row, fields[1])) : us;
}

/* What has no time yet is of any window. */
static bool is_in_window(const remote_step_t *step, int64_t us)
{
    return us == TIME_NONE ||
           ((step->from_us == TIME_NONE || us >= step->from_us) && (step->to_us == TIME_NONE || us < step->to_us));
}

static str_t below_account(const reading_t *r, const char *folder, str_t sid, const char *end)
{
    return arena_printf(r->out->arena, STR_FMT "/%s/" STR_FMT "%s", STR_ARG(account_path(r->step->cursor)), folder,
                        STR_ARG(sid), end);
}

static void found(const reading_t *r, const char *route, const cJSON *row, str_t id, int64_t at_us)
{
    (void)remote_found(r->out, route, json_print(r->out->arena, row), id, at_us);
}

/* Once the call is over all that Twilio has sent about it is known: one request more for each call that has changed. By
 * date_updated, in a form that orders. */
static void then_events(const reading_t *r, const cJSON *call, str_t sid)
{
    int64_t updated_us = time_from_rfc2822(json_str(call, "date_updated"));
    remote_step_t step = step_of("events", sid, below_account(r, "Calls", sid, "/Events.json?" IN_A_PAGE));
    char iso[32];

    if (twilio_is_final(twilio_status_word(json_str(call, "status"))))
        remote_then(r->out, &step, updated_us == TIME_NONE ? STR_NONE : (str_t){iso, time_to_iso8601(updated_us, iso)});
}

static bool read_call(const reading_t *r, const cJSON *row)
{
    static const char *const TIMES[] = {"start_time", "date_created"};
    str_t sid = json_str(row, "sid");

    if (!is_sid(sid, STR("CA")) || str_is_empty(json_str(row, "status")))
        return false;
    found(r, TWILIO_ROUTE_API_CALL, row, sid, row_time(row, TIMES));
    then_events(r, row, sid);
    return true;
}

/* Named as its callback once there is one: not while it is being processed, nor once it is deleted. */
static bool read_recording(const reading_t *r, const cJSON *row)
{
    static const char *const NAMED[] = {"in-progress", "completed", "absent"};
    str_t sid = json_str(row, "sid"), call_sid = json_str(row, "call_sid"), status = json_str(row, "status");

    if (!is_sid(sid, STR("RE")) || str_is_empty(status))
        return false;
    for (size_t i = 0; i < COUNT(NAMED); i++)
        if (str_eq(status, str_from(NAMED[i]))) {
            found(r, TWILIO_ROUTE_API_RECORDING, row, call_sid, TIME_NONE);
            return true;
        }
    remote_skipped(r->out, str_eq(status, STR("deleted")) ? "deleted" : "not_ready", sid);
    return true;
}

/* The call is known by the recording alone, so that is asked first. */
static bool read_transcription_row(const reading_t *r, const cJSON *row)
{
    str_t sid = json_str(row, "sid"), recording = json_str(row, "recording_sid"), status = json_str(row, "status");
    remote_step_t step;

    if (!is_sid(sid, STR("TR")) || str_is_empty(status))
        return false;
    if (!is_sid(recording, STR("RE")) || str_eq(status, STR("in-progress"))) {
        remote_skipped(r->out, recording.len ? "not_ready" : "no_recording", sid);
        return true;
    }
    step = step_of("transcribed", sid, below_account(r, "Recordings", recording, ".json"));
    remote_then(r->out, &step, STR_NONE);
    return true;
}

/* What was asked of us in the course of the call, as it was asked. Where only the hash of all parameters would name it
 * (the answer to a <Gather>) it cannot be told from the request that came: whether all are listed is not documented. */
static bool read_event(const reading_t *r, const cJSON *row)
{
    arena_t *a = r->out->arena;
    delivery_t like = {.arena = a, .route = TWILIO_ROUTE_API_EVENT};
    str_t call_sid;

    like.root = json_parse(a, twilio_event_parameters(a, row), NULL);
    call_sid = json_str(like.root, "CallSid");
    if (!like.root || !twilio_has_name(&like) || str_is_empty(call_sid))
        return true;
    found(r, TWILIO_ROUTE_API_EVENT, row, call_sid, TIME_NONE);
    return true;
}

/* ---- pages ---- */

/* Twilio's own host, and the same account; else whoever can write an answer would be sent a password. */
static bool next_page(const reading_t *r, const cJSON *root, str_t *next, err_t *err)
{
    const cJSON *node = json_at(root, "next_page_uri");
    str_t origin = str_from(r->access->origin);

    *next = json_str(node, "");
    if (!node || cJSON_IsNull(node) || (cJSON_IsString(node) && !next->len))
        return true;
    if (str_starts(*next, origin))
        *next = str_slice(*next, origin.len, next->len);
    if (!str_starts(*next, STR("/")) || str_starts(*next, STR("//")) || !is_printable(*next))
        return err_set(err, ERR_UNKNOWN_SHAPE, "next_page_uri: expected a path on the host that was asked");
    if (!str_eq(account_of(*next), account_of(r->step->cursor)))
        return err_set(err, ERR_UNKNOWN_SHAPE, "next_page_uri: expected a path of the account that was asked for");
    return !str_eq(*next, r->step->cursor) ||
           err_set(err, ERR_UNKNOWN_SHAPE, "next_page_uri leads to the page that it stands in");
}

typedef bool (*read_row_fn)(const reading_t *r, const cJSON *row); /* false: it cannot be read */

static void read_rows(const reading_t *r, const cJSON *rows, const list_t *list, read_row_fn read_row)
{
    if (rows->child)
        remote_rows(r->out, json_str(rows->child, "sid"), json_str(rows->child->prev, "sid"));
    for (const cJSON *row = rows->child; row; row = row->next) {
        r->out->seen++;
        if (list && !is_in_window(r->step, row_time(row, list->fields)))
            continue;
        if (!cJSON_IsObject(row) || !read_row(r, row))
            remote_skipped(r->out, "unreadable", json_str(row, "sid"));
    }
}

static bool read_list(const reading_t *r, const cJSON *root, read_row_fn read_row, err_t *err)
{
    const cJSON *rows = json_at(root, r->step->what);
    remote_step_t step = *r->step;

    if (!cJSON_IsArray(rows))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a list at %s, as in every page of them", r->step->what);
    if (!next_page(r, root, &step.cursor, err))
        return false;
    read_rows(r, rows, list_named(str_from(r->step->what)), read_row);
    if (!str_is_empty(step.cursor))
        remote_then(r->out, &step, STR_NONE);
    return true;
}

static bool read_calls(const reading_t *r, const cJSON *root, err_t *err)
{
    return read_list(r, root, read_call, err);
}

static bool read_recordings(const reading_t *r, const cJSON *root, err_t *err)
{
    return read_list(r, root, read_recording, err);
}

static bool read_transcriptions(const reading_t *r, const cJSON *root, err_t *err)
{
    return read_list(r, root, read_transcription_row, err);
}

static bool read_events(const reading_t *r, const cJSON *root, err_t *err)
{
    return read_list(r, root, read_event, err);
}

/* ---- single objects ---- */

static bool read_one_call(const reading_t *r, const cJSON *root, err_t *err)
{
    r->out->seen = 1;
    return (str_eq(json_str(root, "sid"), r->step->id) && read_call(r, root)) ||
           err_set(err, ERR_UNKNOWN_SHAPE, "expected the call that was asked for: its sid, and a status");
}

/* That recording: whose call it is of. (A conference's is of none.) */
static bool read_transcribed(const reading_t *r, const cJSON *root, err_t *err)
{
    str_t call_sid = json_str(root, "call_sid");
    remote_step_t step;

    if (!is_sid(json_str(root, "sid"), STR("RE")))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a recording: RE… at sid");
    if (!is_sid(call_sid, STR("CA"))) {
        remote_skipped(r->out, "no_call", r->step->id);
        return true;
    }
    step = step_of("transcription", call_sid, below_account(r, "Transcriptions", r->step->id, ".json"));
    remote_then(r->out, &step, STR_NONE);
    return true;
}

static bool read_transcription(const reading_t *r, const cJSON *root, err_t *err)
{
    arena_t *a = r->out->arena;

    if (!is_sid(json_str(root, "sid"), STR("TR")) || str_is_empty(json_str(root, "status")))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a transcription: TR… at sid, and a status");
    r->out->seen = 1;
    (void)remote_found(r->out, TWILIO_ROUTE_API_TRANSCRIPTION,
                       arena_printf(a, "{\"call_sid\":\"" STR_FMT "\",\"transcription\":" STR_FMT "}",
                                    STR_ARG(r->step->id), STR_ARG(json_print(a, root))),
                       r->step->id, TIME_NONE);
    return true;
}

static bool read_probe(const reading_t *r, const cJSON *root, err_t *err)
{
    (void)r;
    return cJSON_IsArray(json_at(root, "calls")) ||
           err_set(err, ERR_UNKNOWN_SHAPE, "expected a list at calls: is TWILIO_API_URL Twilio's?");
}

static const struct {
    const char *what;
    bool (*read)(const reading_t *r, const cJSON *root, err_t *err);
} STEPS[] = {
    {"calls", read_calls},
    {"call", read_one_call},
    {"events", read_events},
    {"recordings", read_recordings},
    {"transcribed", read_transcribed},
    {"transcriptions", read_transcriptions},
    {"transcription", read_transcription},
    {"probe", read_probe},
};

static bool read_answer(const void *access, const remote_step_t *step, const remote_response_t *response,
                        remote_page_t *out, err_t *err)
{
    const reading_t r = {access, step, out};
    const cJSON *root;
    str_t safe;

    if (!json_clean(out->arena, response->body, (json_redact_t){NULL}, &safe, err))
        return false;
    root = json_parse(out->arena, safe, err);
    for (size_t i = 0; root && i < COUNT(STEPS); i++)
        if (strcmp(step->what, STEPS[i].what) == 0)
            return STEPS[i].read(&r, root, err);
    return root && err_set(err, ERR_UNKNOWN_SHAPE, "a step \"%.40s\" is not known", step->what);
}

/* ---- what is not there ---- */

/* An account knows its own calls only, and of another's says 404: a call is gone when all have. Where calls come in of
 * an account that nobody has named, it may be one of those. */
static bool refused(const void *access, const remote_step_t *step, const remote_response_t *r, remote_page_t *out)
{
    const access_t *from = access;
    const login_t *asked = login_of(from, account_of(step->cursor));
    size_t next = asked ? (size_t)(asked - from->logins) + 1 : 0;
    remote_step_t then;

    if (r->status != 404 || strcmp(step->what, "call") != 0 || !asked)
        return false;
    if (next < from->count) {
        then = call_step(from, next, step->id, out->arena);
        remote_then(out, &then, STR_NONE);
        return true;
    }
    if (from->has_nameless)
        remote_skipped(out, "account_not_named", step->id);
    return from->has_nameless;
}

/* ---- the table ---- */

/* Calls are kept for about 13 months (developers of integrations say so; twilio.com/docs/usage/bulkexport has what is
 * older). A recording may be older, but its call is not known any more then. A call that began a day ago may go on
 * still, and its price comes later than its end. The limit of requests at once is each account's own and not
 * published: what is above it is refused with 429 (twilio.com/docs/api/errors/20429). */
#define KEPT_US (395 * DAY_US)
static const remote_resource_t RESOURCES[] = {
    {.name = "calls", .retention_us = KEPT_US, .overlap_us = DAY_US},
    {.name = "recordings", .retention_us = KEPT_US, .overlap_us = DAY_US},
    {.name = "transcriptions", .from_newest = true, .retention_us = KEPT_US, .overlap_us = DAY_US},
};

const remote_t TWILIO_REMOTE = {
    .access_new = access_new,
    .access_free = access_free,
    .resources = RESOURCES,
    .n_resources = COUNT(RESOURCES),
    .most_at_once = 4,
    .begin = begin,
    .one = one,
    .probe = probe,
    .ask = ask,
    .read = read_answer,
    .refused = refused,
};
