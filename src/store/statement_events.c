#include "store/statement_events.h"

#include <endian.h>
#include <string.h>

/* ---- call_events ---- */

/* What follows the hash: name, type on the wire, and how a delivery gives it. */
static str_t get_provider(const delivery_t *d)
{
    return str_from(d->provider);
}

static str_t get_way(const delivery_t *d)
{
    return str_from(way_name(d->way));
}

#define GETTER(field)                                                                                                  \
    static str_t get_##field(const delivery_t *d)                                                                      \
    {                                                                                                                  \
        return d->field;                                                                                               \
    }
static str_t get_route(const delivery_t *d)
{
    return str_from(d->route);
}

/* Of a replayed one, what its row lacks: the rest need not travel. */
static str_t get_payload(const delivery_t *d)
{
    return d->row_has_payload ? STR_NONE : d->payload;
}

GETTER(event_key)
GETTER(event_type)
GETTER(call_id)
GETTER(call_sid)
GETTER(from_number)
GETTER(to_number)
GETTER(status)
GETTER(raw)
GETTER(error)
#undef GETTER

/* What a replay does to a column of the row. */
typedef enum {
    KEPT,    /* nothing: it says how the delivery came */
    TOLD,    /* by the normaliser: replaced in a dead letter that is understood, else filled */
    DECIDES, /* see events_write_replay */
} on_replay_t;

static const struct {
    const char *name;
    pg_type_t type;
    str_t (*get)(const delivery_t *d);
    on_replay_t replay;
} EVENT_COLUMNS[] = {
    {"provider", PG_TEXT, get_provider, KEPT},     {"event_key", PG_TEXT, get_event_key, DECIDES},
    {"event_type", PG_TEXT, get_event_type, TOLD}, {"way", PG_TEXT, get_way, KEPT},
    {"route", PG_TEXT, get_route, KEPT},           {"provider_call_id", PG_TEXT, get_call_id, TOLD},
    {"call_sid", PG_TEXT, get_call_sid, TOLD},     {"from_number", PG_TEXT, get_from_number, TOLD},
    {"to_number", PG_TEXT, get_to_number, TOLD},   {"call_status", PG_TEXT, get_status, TOLD},
    {"payload", PG_JSONB, get_payload, DECIDES},   {"raw", PG_BYTEA, get_raw, KEPT},
    {"error", PG_TEXT, get_error, DECIDES},
};

#define VERSION "'" HOOKLINE_VERSION "'"
/* What users of older systems look for in an event, which Twilio's callbacks have; and the same where the event was
 * first heard of by the API: in a request that it lists, or in the call itself. */
#define DURATION_TEXT(payload)                                                                                         \
    "coalesce(" payload " ->> 'CallDuration', " payload " #>> '{request,parameters,call_duration}',"                   \
    " CASE WHEN " payload " ->> 'sid' LIKE 'CA%%' THEN " payload " ->> 'duration' END)"
#define DURATION_OF(payload)                                                                                           \
    "CASE WHEN " DURATION_TEXT(payload) " ~ '^[0-9]{1,9}$' THEN " DURATION_TEXT(payload) "::integer END"

void events_write_events(buf_t *out)
{
    buf_printf(out, "WITH d AS (SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        buf_printf(out, ", $%zu::%s", i + 4, pg_array_name(EVENT_COLUMNS[i].type));
    buf_printf(out, ") AS d (key_hash, received_at, occurred_at");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        buf_printf(out, ", %s", EVENT_COLUMNS[i].name);
    buf_printf(out,
               ")), fresh AS (INSERT INTO public.event_keys (key_hash, seen_at) SELECT key_hash, received_at FROM d"
               " ON CONFLICT (key_hash) DO NOTHING RETURNING key_hash)"
               " INSERT INTO public.call_events (received_at, occurred_at, duration, hookline_version");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        buf_printf(out, ", %s", EVENT_COLUMNS[i].name);
    buf_printf(out, ") SELECT received_at, occurred_at, " DURATION_OF("payload") ", " VERSION);
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        buf_printf(out, ", %s", EVENT_COLUMNS[i].name);
    buf_printf(out, " FROM d WHERE key_hash = ANY (ARRAY(SELECT key_hash FROM fresh))");
}

/* ---- rows of call_events, replayed ---- */

/* By itself, so that the next statement sees them as they are: who replays the same rows has done with them then. */
void events_write_rows(buf_t *out)
{
    buf_printf(out, "SELECT FROM unnest($1::int8[], $2::timestamptz[]) AS d (id, received_at)"
                    " JOIN public.call_events e USING (id, received_at) ORDER BY e.id FOR UPDATE OF e");
}

/* WITH d AS (the deliveries that came): n counts them. */
static void write_replayed(buf_t *out)
{
    int count = 4;

    buf_printf(out, "WITH d AS (SELECT * FROM unnest($1::int8[], $2::timestamptz[], $3::uuid[], $4::timestamptz[]");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        if (EVENT_COLUMNS[i].replay != KEPT)
            buf_printf(out, ", $%d::%s", ++count, pg_array_name(EVENT_COLUMNS[i].type));
    buf_printf(out, ") WITH ORDINALITY AS d (id, received_at, key_hash, occurred_at");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++)
        if (EVENT_COLUMNS[i].replay != KEPT)
            buf_printf(out, ", %s", EVENT_COLUMNS[i].name);
    buf_printf(out, ", n))");
}

/* What the normaliser tells, column by column: `one` writes what is to be said of it. */
static void write_told(buf_t *out, const char *separator, void (*one)(buf_t *out, const char *column))
{
    one(out, "occurred_at");
    for (size_t i = 0; i < COUNT(EVENT_COLUMNS); i++) {
        if (EVENT_COLUMNS[i].replay == TOLD) {
            buf_printf(out, "%s", separator);
            one(out, EVENT_COLUMNS[i].name);
        }
    }
}

static void replaced(buf_t *out, const char *column)
{
    buf_printf(out, "%s = d.%s", column, column);
}

static void filled(buf_t *out, const char *column)
{
    buf_printf(out, "%s = coalesce(d.%s, e.%s)", column, column, column);
}

static void adds_something(buf_t *out, const char *column)
{
    buf_printf(out, "d.%s IS NOT NULL AND d.%s IS DISTINCT FROM e.%s", column, column, column);
}

/* A dead letter that is understood now takes its key, if that is new or its own (one that PostgreSQL refused was known
 * by it); of several with one key, the first. The others are told already: their rows go. Its payload is read once and
 * stays as it is.
 *
 * "Stored" is what event_keys says, here as for every delivery: it outlives the rows. */
void events_write_replay(buf_t *out)
{
    static const char SAME_ROW[] = "e.id = d.id AND e.received_at = d.received_at";

    write_replayed(out);
    buf_printf(out,
               ", old AS (SELECT d.n, e.error IS NOT NULL AS dead, e.event_key = d.event_key AS own"
               " FROM d JOIN public.call_events e ON %s)"
               ", readable AS (SELECT d.*, old.own FROM d JOIN old USING (n) WHERE old.dead AND d.error IS NULL)"
               ", fresh AS (INSERT INTO public.event_keys (key_hash, seen_at)"
               " SELECT DISTINCT ON (key_hash) key_hash, received_at FROM readable ORDER BY key_hash, received_at"
               " ON CONFLICT (key_hash) DO NOTHING RETURNING key_hash)"
               ", keeper AS (SELECT DISTINCT ON (key_hash) n FROM readable"
               " WHERE own OR key_hash = ANY (ARRAY(SELECT key_hash FROM fresh)) ORDER BY key_hash, own DESC, id)",
               SAME_ROW);
    buf_printf(out, ", understood AS (UPDATE public.call_events e SET event_key = d.event_key, ");
    write_told(out, ", ", replaced);
    buf_printf(out, ", duration = " DURATION_OF("coalesce(e.payload, d.payload)"));
    buf_printf(out,
               ", payload = coalesce(e.payload, d.payload), raw = NULL, error = NULL, hookline_version = " VERSION
               " FROM readable d WHERE %s AND d.n = ANY (ARRAY(SELECT n FROM keeper)) RETURNING d.n)"
               ", duplicates AS (DELETE FROM public.call_events e USING readable d"
               " WHERE %s AND d.n <> ALL (ARRAY(SELECT n FROM keeper)) RETURNING d.n)",
               SAME_ROW, SAME_ROW);
    buf_printf(out,
               ", unread AS (UPDATE public.call_events e SET error = d.error, hookline_version = " VERSION
               " FROM d JOIN old USING (n) WHERE %s AND old.dead AND d.error IS NOT NULL"
               " AND (e.error, e.hookline_version) IS DISTINCT FROM (d.error, " VERSION "))",
               SAME_ROW);
    buf_printf(out, ", filled AS (UPDATE public.call_events e SET ");
    write_told(out, ", ", filled);
    buf_printf(out,
               ", hookline_version = " VERSION
               " FROM d JOIN old USING (n) WHERE %s AND NOT old.dead AND d.error IS NULL AND (",
               SAME_ROW);
    write_told(out, " OR ", adds_something);
    buf_printf(out,
               ") RETURNING d.n)"
               " SELECT d.n AS replayed, CASE WHEN old.n IS NULL THEN %d::int8"
               " WHEN d.n = ANY (ARRAY(SELECT n FROM understood)) THEN %d"
               " WHEN d.n = ANY (ARRAY(SELECT n FROM duplicates)) THEN %d"
               " WHEN d.n = ANY (ARRAY(SELECT n FROM filled)) THEN %d WHEN old.dead THEN %d ELSE %d END"
               " FROM d LEFT JOIN old ON old.n = d.n",
               REPLAYED_GONE, REPLAYED_UNDERSTOOD, REPLAYED_DUPLICATE, REPLAYED_FILLED, REPLAYED_STILL_DEAD,
               REPLAYED_UNCHANGED);
}

/* ---- the parameters ---- */

static void event_column_params(delivery_t *const *list, size_t n, size_t column, params_t *out)
{
    pg_type_t type = EVENT_COLUMNS[column].type;

    params_begin_array(out, type, n);
    for (size_t i = 0; i < n; i++) {
        str_t s = EVENT_COLUMNS[column].get(list[i]);

        if (type == PG_JSONB)
            params_add_json(out, s);
        else
            params_add_text(out, s);
    }
}

/* Which rows are replayed. */
void events_row_params(const batch_t *b, params_t *out)
{
    params_begin_array(out, PG_INT8, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_int(out, b->replays[i]->row_id);
    params_begin_array(out, PG_TIMESTAMPTZ, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_time(out, b->replays[i]->received_us);
}

void events_replay_params(const batch_t *b, params_t *out)
{
    events_row_params(b, out);
    params_begin_array(out, PG_UUID, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_uuid(out, b->replays[i]->key_hash);
    params_begin_array(out, PG_TIMESTAMPTZ, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_time(out, b->replays[i]->occurred_us);
    for (size_t c = 0; c < COUNT(EVENT_COLUMNS); c++)
        if (EVENT_COLUMNS[c].replay != KEPT)
            event_column_params(b->replays, b->n_replays, c, out);
}

void events_params(const batch_t *b, params_t *out)
{
    params_begin_array(out, PG_UUID, b->n_events);
    for (size_t i = 0; i < b->n_events; i++)
        params_add_uuid(out, b->events[i]->key_hash);
    params_begin_array(out, PG_TIMESTAMPTZ, b->n_events);
    for (size_t i = 0; i < b->n_events; i++)
        params_add_time(out, b->events[i]->received_us);
    params_begin_array(out, PG_TIMESTAMPTZ, b->n_events);
    for (size_t i = 0; i < b->n_events; i++)
        params_add_time(out, b->events[i]->occurred_us);
    for (size_t c = 0; c < COUNT(EVENT_COLUMNS); c++)
        event_column_params(b->events, b->n_events, c, out);
}

/* ---- the results ---- */

static int64_t int_at(const PGresult *r, int row, int column)
{
    uint64_t wire;

    memcpy(&wire, PQgetvalue(r, row, column), sizeof(wire));
    return (int64_t)be64toh(wire);
}

void events_result(const batch_t *b, const PGresult *r)
{
    if (!b->n_replays || PQnfields(r) != 2 || strcmp(PQfname(r, 0), "replayed") != 0)
        return;
    for (int i = 0; i < PQntuples(r); i++)
        b->replays[int_at(r, i, 0) - 1]->replayed = (replayed_t)int_at(r, i, 1);
}
