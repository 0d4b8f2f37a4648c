#include "reconcile/audit_database.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_TIME(column) "(extract(epoch FROM " column ") * 1000000)::int8"
#define TEXT_OF_(x)         #x
#define TEXT_OF(x)          TEXT_OF_(x)

/* A page of what differs may be far to walk to in a large table: this is not a delivery's statement. */
#define STATEMENT_US (300 * US_PER_S)

/* ---- the connection ---- */

static bool connect_again(audit_database_t *db, err_t *err)
{
    if (db->pg && !pg_is_alive(db->pg)) {
        pg_close(db->pg);
        db->pg = NULL;
    }
    if (!db->pg)
        db->pg = pg_open(&db->options, err);
    return db->pg != NULL;
}

bool audit_database_open(audit_database_t *db, const job_settings_t *s, const _Atomic int64_t *end_us, err_t *err)
{
    *db = (audit_database_t){.options = {.conninfo = s->conninfo,
                                         .pooled = s->pooled,
                                         .statement_timeout_us = s->statement_timeout_us > STATEMENT_US
                                                                     ? s->statement_timeout_us
                                                                     : STATEMENT_US,
                                         .end_us = end_us}};
    return connect_again(db, err);
}

void audit_database_close(audit_database_t *db)
{
    pg_close(db->pg);
    params_clear(&db->params);
    db->pg = NULL;
}

/* ---- a query ---- */

static void begin_query(audit_database_t *db)
{
    params_reset(&db->params);
}

static void add_text(audit_database_t *db, str_t s)
{
    params_begin_array(&db->params, PG_TEXT, 1);
    params_add_text(&db->params, s);
}

static void add_time(audit_database_t *db, int64_t us)
{
    params_begin_array(&db->params, PG_TIMESTAMPTZ, 1);
    params_add_time(&db->params, us);
}

static bool plain(audit_database_t *db, const char *sql, err_t *err)
{
    PGresult *r = pg_query(db->pg, sql, NULL, err);

    PQclear(r);
    return r != NULL;
}

/* With the parameters that were added. Each by itself, so that no snapshot lasts while a provider is asked. */
static PGresult *end_query(audit_database_t *db, const char *sql, err_t *err)
{
    PGresult *r;
    err_t unheard;

    params_finish(&db->params);
    if (!connect_again(db, err) || !plain(db, "BEGIN READ ONLY", err))
        return NULL;
    r = pg_query(db->pg, sql, &db->params, err);
    (void)plain(db, "ROLLBACK", &unheard);
    return r;
}

static str_t text_at(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return STR_NONE;
    return (str_t){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

static int64_t int_at(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? TIME_NONE : strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static bool bool_at(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column)[0] == 't';
}

/* ---- the rows that facts are about ---- */

static const char *key_column(fact_kind_t kind)
{
    return kind == FACT_MESSAGE ? "message_key" : "participant_id";
}

/* columns: call_there, there, versions, and the kind's own. */
enum { ROW_CALL, ROW_THERE, ROW_VERSIONS, ROW_COLUMNS };

static void write_columns(buf_t *out, const fact_table_t *t, char alias)
{
    for (size_t i = 0; i < t->count; i++) {
        const char *name = t->columns[i].name;

        if (t->columns[i].type == COLUMN_TIME)
            buf_printf(out, ", (extract(epoch FROM %c.%s) * 1000000)::int8", alias, name);
        else
            buf_printf(out, ", %c.%s", alias, name);
    }
}

static void write_rows_query(buf_t *out, fact_kind_t kind)
{
    const fact_table_t *t = &FACT_TABLES[kind];
    char alias = kind == FACT_CALL ? 'c' : 'x';

    buf_printf(out, "SELECT c.id IS NOT NULL, %c.id IS NOT NULL, %c.versions", alias, alias);
    write_columns(out, t, alias);
    buf_printf(out,
               " FROM unnest($1::text[], $2::text[]%s) WITH ORDINALITY AS u (provider, id%s, n)"
               " LEFT JOIN public.voice_calls c ON c.provider = u.provider AND c.provider_call_id = u.id",
               kind == FACT_CALL ? "" : ", $3::text[]", kind == FACT_CALL ? "" : ", key");
    if (kind != FACT_CALL)
        buf_printf(out, " LEFT JOIN public.%s x ON x.call_id = c.id AND x.%s = u.key", t->table, key_column(kind));
    buf_printf(out, " ORDER BY u.n");
    buf_addc(out, '\0');
}

static void add_keys(audit_database_t *db, fact_kind_t kind, const row_t *rows, size_t count)
{
    params_t *p = &db->params;

    params_begin_array(p, PG_TEXT, count);
    for (size_t i = 0; i < count; i++)
        params_add_text(p, str_from(rows[i].provider));
    params_begin_array(p, PG_TEXT, count);
    for (size_t i = 0; i < count; i++)
        params_add_text(p, rows[i].fact->call_id);
    if (kind == FACT_CALL)
        return;
    params_begin_array(p, PG_TEXT, count);
    for (size_t i = 0; i < count; i++)
        params_add_text(p, rows[i].fact->key);
}

static void read_row(const PGresult *r, int row, const fact_table_t *t, arena_t *a, audit_row_t *out)
{
    version_t *versions = arena_alloc(a, t->count * sizeof(*versions));

    *out = (audit_row_t){.call_there = bool_at(r, row, ROW_CALL), .there = bool_at(r, row, ROW_THERE)};
    if (!out->there)
        return;
    audit_read_versions(PQgetvalue(r, row, ROW_VERSIONS), versions, t->count);
    out->columns = arena_alloc(a, t->count * sizeof(*out->columns));
    for (size_t i = 0; i < t->count; i++) {
        str_t text = text_at(r, row, ROW_COLUMNS + (int)i);

        if (text.base)
            text = arena_dup(a, text);
        out->columns[i] = audit_read_value(t->columns[i].type, versions[i], text.base, text.len);
    }
}

bool audit_read_rows(audit_database_t *db, fact_kind_t kind, const row_t *rows, size_t count, arena_t *a,
                     audit_row_t **out, err_t *err)
{
    buf_t sql = BUF_EMPTY;
    PGresult *r;

    begin_query(db);
    add_keys(db, kind, rows, count);
    write_rows_query(&sql, kind);
    r = end_query(db, sql.base, err);
    buf_clear(&sql);
    *out = arena_alloc(a, (count + 1) * sizeof(**out));
    for (size_t i = 0; r && i < count; i++)
        read_row(r, (int)i, &FACT_TABLES[kind], a, &(*out)[i]);
    PQclear(r);
    return r != NULL;
}

/* ---- all calls of a provider ---- */

bool audit_read_calls(audit_database_t *db, const char *provider, int64_t since_us, int64_t until_us, str_t after,
                      arena_t *a, audit_stored_t **out, size_t *count, err_t *err)
{
    PGresult *r;

    begin_query(db);
    add_text(db, str_from(provider));
    add_time(db, since_us);
    add_time(db, until_us);
    add_text(db, after.base ? after : STR(""));
    r = end_query(db,
                  "SELECT provider_call_id, " NUMBER_TIME(
                      "at") ", open FROM (SELECT c.provider_call_id, coalesce(c.started_at, c.connected_at,"
                            " c.created_at) AS at, c.status IN ('pending', 'active') AS open FROM public.voice_calls c"
                            " WHERE c.provider = ($1::text[])[1] AND c.provider_call_id > ($4::text[])[1]"
                            " AND c.provider_call_id NOT LIKE '" FACT_SESSION_PREFIX "%') calls"
                            " WHERE at >= ($2::timestamptz[])[1] AND at < ($3::timestamptz[])[1]"
                            " ORDER BY provider_call_id LIMIT " TEXT_OF(AUDIT_PAGE),
                  err);
    *count = r ? (size_t)PQntuples(r) : 0;
    *out = arena_alloc(a, (*count + 1) * sizeof(**out));
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (audit_stored_t){
            .id = arena_dup(a, text_at(r, (int)i, 0)), .at_us = int_at(r, (int)i, 1), .open = bool_at(r, (int)i, 2)};
    PQclear(r);
    return r != NULL;
}

/* ---- whether it fits together ----
 *
 * Of each row: id, why, about (what people know it by), at, and differs: it is not as it should be. $1: since when. */

#define WHEN    "coalesce(c.started_at, c.connected_at, c.created_at)"
#define NO_UUID "'00000000-0000-0000-0000-000000000000'"
#define NAMED   "c.provider || ' ' || c.provider_call_id"

static const struct {
    const char *name;
    const char *id_type, *before_all; /* less than every id */
    const char *sql;
} CHECKS[] = {
    /* Who was not made from a call (an import) may wait for one. */
    {"customers_without_call", "uuid", NO_UUID,
     "SELECT k.id, CASE WHEN f.call THEN 'its call is gone' ELSE 'not made from a call' END AS why,"
     " k.phone_number AS about, k.last_call_at AS at, f.call AS differs FROM public.customers k"
     " CROSS JOIN LATERAL (SELECT k.first_call_at IS NOT NULL OR k.last_call_at IS NOT NULL"
     " AS call) f"
     " WHERE NOT EXISTS (SELECT FROM public.voice_calls c WHERE c.business_id = k.business_id"
     " AND c.customer_number = k.phone_number)"},
    /* Of the providers whose agents are businesses'. */
    {"calls_without_customer", "uuid", NO_UUID,
     "SELECT c.id, CASE WHEN c.business_id IS NULL THEN 'unknown agent' WHEN c.customer_number IS NULL THEN 'no number'"
     " ELSE 'missing' END AS why, " NAMED " AS about, " WHEN " AS at,"
     " c.business_id IS NOT NULL AND c.customer_number IS NOT NULL AS differs FROM public.voice_calls c"
     " WHERE " WHEN " >= ($1::timestamptz[])[1] AND (c.business_id IS NOT NULL"
     " OR c.provider IN (SELECT b.provider FROM public.business_agents b))"
     " AND NOT EXISTS (SELECT FROM public.customers k WHERE k.business_id = c.business_id"
     " AND k.phone_number = c.customer_number)"},
    /* A message's call has a row always; that of a call which nobody else has told of holds nothing. */
    {"transcripts_without_call", "uuid", NO_UUID,
     "SELECT c.id, 'nothing but its transcript is known' AS why, " NAMED " AS about, " WHEN " AS at, true AS differs"
     " FROM public.voice_calls c WHERE " WHEN " >= ($1::timestamptz[])[1] AND c.phase IS NULL"
     " AND EXISTS (SELECT FROM public.voice_messages m WHERE m.call_id = c.id)"},
    {"leads_without_call", "bigint", "-1",
     "SELECT l.id, 'its call_sid is no call' AS why, l.call_sid AS about, l.updated_at AS at, true AS differs"
     " FROM public.leads l WHERE l.call_sid IS NOT NULL"
     " AND NOT EXISTS (SELECT FROM public.voice_calls c WHERE c.call_sid = l.call_sid)"},
};

static void take_found(const PGresult *r, int row, audit_check_t *check, audit_result_t *out)
{
    audit_entry_t *e = audit_list_add(out, &check->list, text_at(r, row, 0));
    arena_t *a = out->arena;

    check->explained += !bool_at(r, row, 4);
    if (!e)
        return;
    e->why = arena_dup(a, text_at(r, row, 1));
    e->about = PQgetisnull(r, row, 2) ? STR_NONE : arena_dup(a, text_at(r, row, 2));
    e->at_us = int_at(r, row, 3);
}

/* last: of the page before; replaced. */
static bool read_check_page(audit_database_t *db, size_t i, audit_result_t *out, str_t *last, size_t *count, err_t *err)
{
    buf_t sql = BUF_EMPTY;
    PGresult *r;

    begin_query(db);
    add_time(db, out->since_us);
    add_text(db, *last);
    buf_printf(&sql,
               "SELECT id, why, about, " NUMBER_TIME(
                   "at") ", differs FROM (%s) found"
                         " WHERE id > coalesce(($2::text[])[1]::%s, %s) ORDER BY id LIMIT " TEXT_OF(AUDIT_PAGE),
               CHECKS[i].sql, CHECKS[i].id_type, CHECKS[i].before_all);
    buf_addc(&sql, '\0');
    r = end_query(db, sql.base, err);
    buf_clear(&sql);
    *count = r ? (size_t)PQntuples(r) : 0;
    for (size_t row = 0; row < *count; row++)
        take_found(r, (int)row, &out->checks[i], out);
    if (*count)
        *last = arena_dup(out->arena, text_at(r, (int)*count - 1, 0));
    PQclear(r);
    return r != NULL;
}

bool audit_read_checks(audit_database_t *db, audit_result_t *r, err_t *err)
{
    r->n_checks = COUNT(CHECKS);
    for (size_t i = 0; i < COUNT(CHECKS); i++) {
        str_t last = STR_NONE;
        size_t count = AUDIT_PAGE;

        r->checks[i].name = CHECKS[i].name;
        while (count == AUDIT_PAGE)
            if (!read_check_page(db, i, r, &last, &count, err))
                return false;
    }
    return true;
}
