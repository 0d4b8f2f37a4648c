#include "store/statement_facts.h"

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

void facts_write_calls(buf_t *out)
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

void facts_write_leads(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_link_calls($1::text[], $2::text[])");
}

void facts_write_sessions(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_lock_sessions($1::text[], $2::text[])");
}

void facts_write_settle(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_settle_sessions($1::text[], $2::text[])");
}

/* Popular agents are in every batch: a row that is there is not touched, and so locks nobody out. */
void facts_write_aliases(buf_t *out)
{
    buf_printf(out, "INSERT INTO public.agent_aliases (provider, agent_id, same_as) SELECT u.*"
                    " FROM unnest($1::text[], $2::text[], $3::text[]) AS u (provider, agent_id, same_as)"
                    " WHERE NOT EXISTS (SELECT FROM public.agent_aliases o WHERE o.provider = u.provider"
                    " AND o.agent_id = u.agent_id AND o.same_as = u.same_as) ON CONFLICT DO NOTHING");
}

void facts_write_customers(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_take_customers($1::text[], $2::text[])");
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

void facts_write_participants(buf_t *out)
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

void facts_write_messages(buf_t *out)
{
    write_child(out, FACT_MESSAGE, "message_key", "x.sequence_number", "model_used, superseded",
                "x.model, k.transcript_source IS NOT NULL AND x.source IS DISTINCT FROM k.transcript_source");
    buf_printf(out, ", model_used = "); /* the same under applications' name for it */
    merged_value(out, &FACT_TABLES[FACT_MESSAGE], MESSAGE_MODEL);
}

void facts_write_supersede(buf_t *out)
{
    buf_printf(out, "UPDATE public.voice_messages m SET superseded = NOT m.superseded"
                    " FROM unnest($1::text[], $2::text[]) AS u (provider, provider_call_id)"
                    " JOIN public.voice_calls k USING (provider, provider_call_id)"
                    " WHERE m.call_id = k.id AND m.superseded <>"
                    " (k.transcript_source IS NOT NULL AND m.source IS DISTINCT FROM k.transcript_source)");
}

void facts_write_tokens(buf_t *out)
{
    buf_printf(out, "SELECT public.hookline_sum_tokens_of(array_agg(k.id))"
                    " FROM unnest($1::text[], $2::text[]) AS u (provider, provider_call_id)"
                    " JOIN public.voice_calls k USING (provider, provider_call_id)");
}

/* ---- the parameters ---- */

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

void facts_params(const batch_t *b, fact_kind_t kind, params_t *out)
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

void facts_alias_params(const batch_t *b, params_t *out)
{
    key_params(b->rows[FACT_ALIAS], b->n_rows[FACT_ALIAS], true, out);
}

str_t facts_call_id(const row_t *call)
{
    return call->fact->call_id;
}

/* The calls with a mark: their providers, and what `second` says of them. */
void facts_marked_params(const batch_t *b, call_mark_t mark, str_t (*second)(const row_t *call), params_t *out)
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
