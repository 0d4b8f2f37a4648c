#include "store/statements.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

/* ---- the texts ----
 *
 * A table of facts becomes one INSERT … ON CONFLICT: unnest() turns one array a column into rows; versions comes as one
 * flat array, cut into each row's piece. On conflict every column is merged by the rule of fact.h, written once more
 * here in SQL: the greater (version, value) wins, text by bytes as str_cmp does. */

/* What the columns of a table need beside their type. */
static const struct {
    const char *column, *cast;
} CASTS[] = {
    {"role", "public.message_role"},
    {"participant_type", "public.participant_type"},
};

static pg_type_t wire_type(column_type_t type)
{
    switch (type) {
    case COLUMN_INT:
        return PG_INT8;
    case COLUMN_TIME:
        return PG_TIMESTAMPTZ;
    case COLUMN_BOOL:
        return PG_BOOL;
    case COLUMN_JSON:
        return PG_JSONB;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
        break;
    }
    return PG_TEXT;
}

static void write_cast(buf_t *out, const column_t *c)
{
    if (c->type == COLUMN_NUMERIC)
        buf_printf(out, "::numeric");
    for (size_t i = 0; i < COUNT(CASTS); i++)
        if (strcmp(CASTS[i].column, c->name) == 0)
            buf_printf(out, "::%s", CASTS[i].cast);
}

/* The value that a column ends with: from the new row alone, or merged with the one that is there. */
typedef void (*value_fn)(buf_t *out, const fact_table_t *t, size_t i);

static void new_value(buf_t *out, const fact_table_t *t, size_t i)
{
    buf_printf(out, "x.%s", t->columns[i].name);
    write_cast(out, &t->columns[i]);
}

static void merged_value(buf_t *out, const fact_table_t *t, size_t i)
{
    const column_t *c = &t->columns[i];
    const char *collate = c->type == COLUMN_TEXT && wire_type(c->type) == PG_TEXT ? " COLLATE \"C\"" : "";
    const char *as_text = "";

    for (size_t j = 0; j < COUNT(CASTS); j++) /* an enum's own order is not that of its letters */
        if (strcmp(CASTS[j].column, c->name) == 0)
            as_text = "::text";
    buf_printf(out,
               "CASE WHEN EXCLUDED.versions[%zu] > coalesce(c.versions[%zu], 0)"
               " OR EXCLUDED.versions[%zu] = coalesce(c.versions[%zu], 0) AND EXCLUDED.%s%s %s c.%s%s%s"
               " THEN EXCLUDED.%s ELSE c.%s END",
               i + 1, i + 1, i + 1, i + 1, c->name, as_text, c->rule == MERGE_LEAST ? "<" : ">", c->name, as_text,
               collate, c->name, c->name);
}

/* Columns that follow from others. */
static void write_status(buf_t *out, value_fn value)
{
    const fact_table_t *t = &FACT_TABLES[FACT_CALL];

    buf_printf(out, "CASE coalesce(");
    value(out, t, CALL_PHASE);
    buf_printf(out, ", 0) WHEN 0 THEN 'pending' WHEN 1 THEN 'active' ELSE CASE coalesce(");
    value(out, t, CALL_OUTCOME);
    buf_printf(out, ", CASE WHEN ");
    value(out, t, CALL_CONNECTED_AT);
    buf_printf(out, " IS NULL THEN 'failed' ELSE 'completed' END) WHEN 'completed' THEN 'completed' ELSE 'failed' END"
                    " END::public.call_status");
}

/* An absurd number of seconds must not cost a delivery its other facts. */
#define MOST_SECONDS "2147483647"

/* Neither greatest(0, …) nor least(…): they would make a number of a time that is not known. */
static void write_seconds(buf_t *out, const fact_table_t *t, size_t from, size_t to, value_fn value)
{
    buf_printf(out, "CASE WHEN ");
    value(out, t, to);
    buf_printf(out, " <= ");
    value(out, t, from);
    buf_printf(out, " THEN 0 WHEN ");
    value(out, t, to);
    buf_printf(out, " - ");
    value(out, t, from);
    buf_printf(out, " > interval '68 years' THEN " MOST_SECONDS " ELSE floor(date_part('epoch', ");
    value(out, t, to);
    buf_printf(out, " - ");
    value(out, t, from);
    buf_printf(out, "))::integer END");
}

/* The reported duration stands; without one it is what the times say. */
static void write_call_duration(buf_t *out, value_fn value)
{
    const fact_table_t *t = &FACT_TABLES[FACT_CALL];
    size_t at = CALL_DURATION + 1;

    if (value == new_value)
        buf_printf(out, "CASE WHEN x.versions[%zu] > 0 THEN least(x.duration_seconds, " MOST_SECONDS ")::integer ELSE ",
                   at);
    else {
        buf_printf(out, "CASE WHEN greatest(c.versions[%zu], EXCLUDED.versions[%zu]) > 0 THEN ", at, at);
        value(out, t, CALL_DURATION);
        buf_printf(out, " ELSE ");
    }
    write_seconds(out, t, CALL_CONNECTED_AT, CALL_ENDED_AT, value);
    buf_printf(out, " END");
}

static void write_columns(buf_t *out, const fact_table_t *t)
{
    for (size_t i = 0; i < t->count; i++)
        buf_printf(out, "%s, ", t->columns[i].name);
}

/* WITH x AS (the rows that came): keys are the names of the key columns, n of them. */
static void write_input(buf_t *out, const fact_table_t *t, const char *const *keys, int n)
{
    buf_printf(out, "WITH x AS (SELECT u.*, ($%d::int8[])[(u.n - 1) * %zu + 1 : u.n * %zu] AS versions FROM unnest(",
               n + (int)t->count + 1, t->count, t->count);
    for (int i = 0; i < n; i++)
        buf_printf(out, "$%d::text[], ", i + 1);
    for (size_t i = 0; i < t->count; i++)
        buf_printf(out, "$%d::%s%s", n + (int)i + 1, pg_array_name(wire_type(t->columns[i].type)),
                   i + 1 < t->count ? ", " : ") WITH ORDINALITY AS u (");
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s, ", keys[i]);
    write_columns(out, t);
    buf_printf(out, "n))");
}

static void write_new_values(buf_t *out, fact_kind_t kind)
{
    const fact_table_t *t = &FACT_TABLES[kind];

    for (size_t i = 0; i < t->count; i++) {
        if (kind == FACT_CALL && i == CALL_DURATION)
            write_call_duration(out, new_value);
        else
            new_value(out, t, i);
        buf_printf(out, ", ");
    }
}

static void write_merge(buf_t *out, fact_kind_t kind)
{
    const fact_table_t *t = &FACT_TABLES[kind];

    for (size_t i = 0; i < t->count; i++) {
        buf_printf(out, "%s = ", t->columns[i].name);
        if (kind == FACT_CALL && i == CALL_DURATION)
            write_call_duration(out, merged_value);
        else
            merged_value(out, t, i);
        buf_printf(out, ", ");
    }
    buf_printf(out, "versions = ARRAY[");
    for (size_t i = 0; i < t->count; i++)
        buf_printf(out, "coalesce(greatest(c.versions[%zu], EXCLUDED.versions[%zu]), 0)%s", i + 1, i + 1,
                   i + 1 < t->count ? ", " : "]");
}

static void write_calls(buf_t *out)
{
    const fact_table_t *t = &FACT_TABLES[FACT_CALL];

    write_input(out, t, (const char *const[]){"provider", "provider_call_id"}, 2);
    buf_printf(out, " INSERT INTO public.voice_calls AS c (provider, provider_call_id, ");
    write_columns(out, t);
    buf_printf(out, "status, versions) SELECT x.provider, x.provider_call_id, ");
    write_new_values(out, FACT_CALL);
    write_status(out, new_value);
    buf_printf(out, ", x.versions FROM x ON CONFLICT (provider, provider_call_id) DO UPDATE SET ");
    write_merge(out, FACT_CALL);
    buf_printf(out, ", status = ");
    write_status(out, merged_value);
    buf_printf(out, ", updated_at = now()");
}

static void write_leads(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_link_calls($1::text[], $2::text[])");
}

static void write_sessions(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_lock_sessions($1::text[], $2::text[])");
}

static void write_settle(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_settle_sessions($1::text[], $2::text[])");
}

static void write_child(buf_t *out, fact_kind_t kind, const char *key, const char *order, const char *extra,
                        const char *extra_value)
{
    const fact_table_t *t = &FACT_TABLES[kind];

    write_input(out, t, (const char *const[]){"provider", "provider_call_id", key}, 3);
    buf_printf(out, " INSERT INTO public.%s AS c (call_id, %s, ", t->table, key);
    write_columns(out, t);
    buf_printf(out, "%s, versions) SELECT k.id, x.%s, ", extra, key);
    write_new_values(out, kind);
    buf_printf(out,
               "%s, x.versions FROM x JOIN public.voice_calls k USING (provider, provider_call_id)"
               " ORDER BY k.id, %s ON CONFLICT (call_id, %s) DO UPDATE SET ",
               extra_value, order, key);
    write_merge(out, kind);
}

static void write_participants(buf_t *out)
{
    const fact_table_t *t = &FACT_TABLES[FACT_PARTICIPANT];
    buf_t extra = BUF_EMPTY;

    /* An identity that is the id of one of our users is that user's. */
    buf_printf(&extra,
               "(SELECT u.id FROM public.users u WHERE u.id = CASE WHEN x.participant_identity ~"
               " '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN x.participant_identity::uuid END), ");
    write_seconds(&extra, t, PARTICIPANT_JOINED_AT, PARTICIPANT_LEFT_AT, new_value);
    buf_addc(&extra, '\0');
    write_child(out, FACT_PARTICIPANT, "participant_id", "x.joined_at", "user_id, duration_seconds", extra.base);
    buf_printf(out, ", user_id = coalesce(c.user_id, EXCLUDED.user_id), duration_seconds = ");
    write_seconds(out, t, PARTICIPANT_JOINED_AT, PARTICIPANT_LEFT_AT, merged_value);
    buf_clear(&extra);
}

static void write_messages(buf_t *out)
{
    write_child(out, FACT_MESSAGE, "message_key", "x.sequence_number", "model_used, superseded",
                "x.model, k.transcript_source IS NOT NULL AND x.source IS DISTINCT FROM k.transcript_source");
    buf_printf(out, ", model_used = "); /* the same under applications' name for it */
    merged_value(out, &FACT_TABLES[FACT_MESSAGE], MESSAGE_MODEL);
}

static void write_supersede(buf_t *out)
{
    buf_printf(out, "UPDATE public.voice_messages m SET superseded = NOT m.superseded"
                    " FROM unnest($1::text[], $2::text[]) AS u (provider, provider_call_id)"
                    " JOIN public.voice_calls k USING (provider, provider_call_id)"
                    " WHERE m.call_id = k.id AND m.superseded <>"
                    " (k.transcript_source IS NOT NULL AND m.source IS DISTINCT FROM k.transcript_source)");
}

static void write_tokens(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_sum_tokens_of(array_agg(k.id))"
                    " FROM unnest($1::text[], $2::text[]) AS u (provider, provider_call_id)"
                    " JOIN public.voice_calls k USING (provider, provider_call_id)");
}

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
    DECIDES, /* see write_replay */
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
/* What users of older systems look for in an event, which Twilio's callbacks have. */
#define DURATION_OF(payload)                                                                                           \
    "CASE WHEN " payload " ->> 'CallDuration' ~ '^[0-9]{1,9}$' THEN (" payload " ->> 'CallDuration')::integer END"

static void write_events(buf_t *out)
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
static void write_rows(buf_t *out)
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
static void write_replay(buf_t *out)
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

/* ---- the table of statements ---- */

static const struct {
    const char *name;
    void (*write)(buf_t *out);
} STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_SESSIONS] = {"hookline_sessions", write_sessions},
    [STATEMENT_ROWS] = {"hookline_rows", write_rows},
    [STATEMENT_REPLAY] = {"hookline_replay", write_replay},
    [STATEMENT_EVENTS] = {"hookline_events", write_events},
    [STATEMENT_CALLS] = {"hookline_calls", write_calls},
    [STATEMENT_LEADS] = {"hookline_leads", write_leads},
    [STATEMENT_PARTICIPANTS] = {"hookline_participants", write_participants},
    [STATEMENT_MESSAGES] = {"hookline_messages", write_messages},
    [STATEMENT_SUPERSEDE] = {"hookline_supersede", write_supersede},
    [STATEMENT_TOKENS] = {"hookline_tokens", write_tokens},
    [STATEMENT_SETTLE] = {"hookline_settle", write_settle},
};

static char *texts[STATEMENT_COUNT];

static void make_texts(void)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        buf_t b = BUF_EMPTY;

        STATEMENTS[i].write(&b);
        texts[i] = mem_strdup(buf_str(&b));
        buf_clear(&b);
    }
}

const char *statement_name(statement_t s)
{
    return STATEMENTS[s].name;
}

const char *statement_text(statement_t s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_texts);
    return texts[s];
}

bool statement_is_needed(statement_t s, const batch_t *b)
{
    switch (s) {
    case STATEMENT_ROWS:
    case STATEMENT_REPLAY:
        return b->n_replays > 0;
    case STATEMENT_EVENTS:
        return b->n_events > 0;
    case STATEMENT_CALLS:
        return b->n_rows[FACT_CALL] > 0;
    case STATEMENT_LEADS:
        return (b->marks & MARK_TIE) != 0;
    case STATEMENT_PARTICIPANTS:
        return b->n_rows[FACT_PARTICIPANT] > 0;
    case STATEMENT_MESSAGES:
        return b->n_rows[FACT_MESSAGE] > 0;
    case STATEMENT_SUPERSEDE:
        return (b->marks & MARK_SOURCE) != 0;
    case STATEMENT_TOKENS:
        return (b->marks & MARK_TOKENS) != 0;
    case STATEMENT_SESSIONS:
    case STATEMENT_SETTLE:
        return (b->marks & MARK_SESSION) != 0;
    case STATEMENT_COUNT:
        break;
    }
    return false;
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
static void row_params(const batch_t *b, params_t *out)
{
    params_begin_array(out, PG_INT8, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_int(out, b->replays[i]->row_id);
    params_begin_array(out, PG_TIMESTAMPTZ, b->n_replays);
    for (size_t i = 0; i < b->n_replays; i++)
        params_add_time(out, b->replays[i]->received_us);
}

static void replay_params(const batch_t *b, params_t *out)
{
    row_params(b, out);
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

static void event_params(const batch_t *b, params_t *out)
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

static bool column_is_used(const row_t *rows, size_t n, size_t column)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].fact->cells[column].version)
            return true;
    return false;
}

static void add_cell(params_t *out, column_type_t type, const cell_t *cell)
{
    if (!cell->version) {
        params_add_null(out);
        return;
    }
    switch (type) {
    case COLUMN_INT:
        params_add_int(out, cell->number);
        break;
    case COLUMN_TIME:
        params_add_time(out, cell->number);
        break;
    case COLUMN_BOOL:
        params_add_bool(out, cell->number != 0);
        break;
    case COLUMN_JSON:
        params_add_json(out, cell->text);
        break;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
        params_add_text(out, cell->text);
        break;
    }
}

static void key_params(const row_t *rows, size_t n, bool with_key, params_t *out)
{
    params_begin_array(out, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(out, str_from(rows[i].provider));
    params_begin_array(out, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(out, rows[i].fact->call_id);
    if (!with_key)
        return;
    params_begin_array(out, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        params_add_text(out, rows[i].fact->key);
}

static void fact_params(const batch_t *b, fact_kind_t kind, params_t *out)
{
    const fact_table_t *t = &FACT_TABLES[kind];
    const row_t *rows = b->rows[kind];
    size_t n = b->n_rows[kind];

    key_params(rows, n, kind != FACT_CALL, out);
    for (size_t c = 0; c < t->count; c++) {
        pg_type_t type = wire_type(t->columns[c].type);

        if (!column_is_used(rows, n, c)) { /* unnest() fills what is missing with NULLs */
            params_null_array(out, type);
            continue;
        }
        params_begin_array(out, type, n);
        for (size_t i = 0; i < n; i++)
            add_cell(out, t->columns[c].type, &rows[i].fact->cells[c]);
    }
    params_begin_array(out, PG_INT8, n * t->count);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < t->count; c++)
            params_add_int(out, rows[i].fact->cells[c].version);
}

static str_t call_id_of(const row_t *call)
{
    return call->fact->call_id;
}

/* The calls with a mark: their providers, and what `second` says of them. */
static void marked_params(const batch_t *b, call_mark_t mark, str_t (*second)(const row_t *call), params_t *out)
{
    const row_t *rows = b->rows[FACT_CALL];
    size_t n = 0;

    for (size_t i = 0; i < b->n_rows[FACT_CALL]; i++)
        n += (rows[i].marks & mark) != 0;
    params_begin_array(out, PG_TEXT, n);
    for (size_t i = 0; i < b->n_rows[FACT_CALL]; i++)
        if (rows[i].marks & mark)
            params_add_text(out, str_from(rows[i].provider));
    params_begin_array(out, PG_TEXT, n);
    for (size_t i = 0; i < b->n_rows[FACT_CALL]; i++)
        if (rows[i].marks & mark)
            params_add_text(out, second(&rows[i]));
}

void statement_params(statement_t s, const batch_t *b, params_t *out)
{
    params_reset(out);
    switch (s) {
    case STATEMENT_ROWS:
        row_params(b, out);
        break;
    case STATEMENT_REPLAY:
        replay_params(b, out);
        break;
    case STATEMENT_EVENTS:
        event_params(b, out);
        break;
    case STATEMENT_CALLS:
        fact_params(b, FACT_CALL, out);
        break;
    case STATEMENT_PARTICIPANTS:
        fact_params(b, FACT_PARTICIPANT, out);
        break;
    case STATEMENT_MESSAGES:
        fact_params(b, FACT_MESSAGE, out);
        break;
    case STATEMENT_LEADS:
        marked_params(b, MARK_TIE, call_id_of, out);
        break;
    case STATEMENT_SUPERSEDE:
        marked_params(b, MARK_SOURCE, call_id_of, out);
        break;
    case STATEMENT_TOKENS:
        marked_params(b, MARK_TOKENS, call_id_of, out);
        break;
    case STATEMENT_SESSIONS:
    case STATEMENT_SETTLE:
        marked_params(b, MARK_SESSION, batch_session, out);
        break;
    case STATEMENT_COUNT:
        break;
    }
    params_finish(out);
}

/* ---- the results ---- */

static int64_t int_at(const PGresult *r, int row, int column)
{
    uint64_t wire;

    memcpy(&wire, PQgetvalue(r, row, column), sizeof(wire));
    return (int64_t)be64toh(wire);
}

void statement_result(const batch_t *b, const PGresult *r)
{
    if (!b->n_replays || PQnfields(r) != 2 || strcmp(PQfname(r, 0), "replayed") != 0)
        return;
    for (int i = 0; i < PQntuples(r); i++)
        b->replays[int_at(r, i, 0) - 1]->replayed = (replayed_t)int_at(r, i, 1);
}
