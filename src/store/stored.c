#include "store/stored.h"

#include "base/clock.h"
#include "store/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS  256
#define PAGE_BYTES (4 << 20)
/* A page of all rows looks at all that the filter leaves out, too. */
#define PAGE_TIMEOUT_US (600 * US_PER_S)

struct stored {
    pg_t *pg;
    stored_filter_t filter;
    int64_t last_id; /* of those there are: where the reading ends */
    int64_t at_id, at_us;
    bool begun; /* at_id and at_us are the last row's that was read */
    arena_t *arena;
    params_t params;
};

/* ---- the question ----
 *
 * Dead letters have an index by time; all of them the primary key, which begins with the id. */

/* Adds a parameter, and gives its number. All are arrays, since that is what params.h makes. */
static int add_int(params_t *p, int64_t value)
{
    params_begin_array(p, PG_INT8, 1);
    params_add_int(p, value);
    return p->count;
}

static int add_time(params_t *p, int64_t us)
{
    params_begin_array(p, PG_TIMESTAMPTZ, 1);
    params_add_time(p, us);
    return p->count;
}

static int add_providers(params_t *p, const stored_filter_t *f)
{
    params_begin_array(p, PG_TEXT, f->n_providers);
    for (size_t i = 0; i < f->n_providers; i++)
        params_add_text(p, f->providers[i]);
    return p->count;
}

/* Rows that were taken over from an older system were never a delivery of ours: their payload is what that system made
 * of one. */
static void write_conditions(buf_t *out, const stored_t *s, params_t *p)
{
    const stored_filter_t *f = &s->filter;

    buf_printf(out, "e.id + 0 <= ($%d::int8[])[1]", add_int(p, s->last_id)); /* an end, and nothing to look up */
    if (f->id)
        buf_printf(out, " AND e.id = ($%d::int8[])[1]", add_int(p, f->id));
    else
        buf_printf(out, f->all ? " AND e.way <> 'older'" : " AND e.error IS NOT NULL");
    if (f->n_providers)
        buf_printf(out, " AND e.provider = ANY ($%d::text[])", add_providers(p, f));
    if (f->since_us != TIME_NONE)
        buf_printf(out, " AND e.received_at >= ($%d::timestamptz[])[1]", add_time(p, f->since_us));
}

static bool is_by_id(const stored_t *s)
{
    return s->filter.all || s->filter.id;
}

static const char *order(const stored_t *s)
{
    return is_by_id(s) ? "id, received_at" : "received_at, id";
}

/* Behind the last row that was read. */
static void write_place(buf_t *out, const stored_t *s, params_t *p)
{
    int id = add_int(p, s->at_id), time = add_time(p, s->at_us);

    if (is_by_id(s))
        buf_printf(out, " AND (e.id, e.received_at) > (($%d::int8[])[1], ($%d::timestamptz[])[1])", id, time);
    else
        buf_printf(out, " AND (e.received_at, e.id) > (($%d::timestamptz[])[1], ($%d::int8[])[1])", time, id);
}

/* The innermost finds the rows; around it their bytes are summed up, so that a page of large ones ends early. */
static void write_page(buf_t *out, const stored_t *s, params_t *p)
{
    buf_printf(out,
               "SELECT id, (extract(epoch FROM received_at) * 1000000)::int8, error IS NOT NULL, provider, event_key,"
               " route, error, payload, raw FROM (SELECT r.*, sum(coalesce(octet_length(payload), 0)"
               " + coalesce(octet_length(raw), 0)) OVER (ORDER BY %s ROWS BETWEEN UNBOUNDED PRECEDING AND"
               " 1 PRECEDING) AS bytes FROM (SELECT e.id, e.received_at, e.provider, e.event_key, e.route, e.error,"
               " e.payload::text AS payload, e.raw FROM public.call_events e WHERE ",
               order(s));
    write_conditions(out, s, p);
    if (s->begun)
        write_place(out, s, p);
    buf_printf(out, " ORDER BY %s LIMIT %d) r) s WHERE bytes IS NULL OR bytes < %d ORDER BY %s", order(s), PAGE_ROWS,
               PAGE_BYTES, order(s));
    buf_addc(out, '\0');
}

/* ---- the answer ---- */

static str_t text_at(arena_t *a, const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return STR_NONE;
    return arena_dup(a, (str_t){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)});
}

static str_t bytes_at(arena_t *a, const PGresult *r, int row, int column)
{
    unsigned char *bytes;
    str_t copy;
    size_t len;

    if (PQgetisnull(r, row, column))
        return STR_NONE;
    bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(r, row, column), &len);
    if (!bytes)
        abort();
    copy = arena_dup(a, (str_t){(const char *)bytes, len});
    PQfreemem(bytes);
    return copy;
}

static int64_t int_at(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static void read_row(stored_row_t *out, arena_t *a, const PGresult *r, int row)
{
    *out = (stored_row_t){
        .id = int_at(r, row, 0),
        .received_us = int_at(r, row, 1),
        .dead = PQgetvalue(r, row, 2)[0] == 't',
        .provider = text_at(a, r, row, 3),
        .event_key = text_at(a, r, row, 4),
        .route = text_at(a, r, row, 5),
        .error = text_at(a, r, row, 6),
        .payload = text_at(a, r, row, 7),
        .raw = bytes_at(a, r, row, 8),
    };
}

static PGresult *ask_page(stored_t *s, err_t *err)
{
    buf_t sql = BUF_EMPTY;
    PGresult *r;

    params_reset(&s->params);
    write_page(&sql, s, &s->params);
    params_finish(&s->params);
    r = pg_query(s->pg, sql.base, &s->params, err);
    buf_clear(&sql);
    return r;
}

bool stored_page(stored_t *s, const stored_row_t **rows, size_t *count, err_t *err)
{
    PGresult *r = ask_page(s, err);
    stored_row_t *page;

    if (!r)
        return false;
    arena_free(s->arena);
    s->arena = arena_new(65536);
    *count = (size_t)PQntuples(r);
    page = arena_alloc(s->arena, *count * sizeof(*page));
    for (int i = 0; i < PQntuples(r); i++)
        read_row(&page[i], s->arena, r, i);
    PQclear(r);
    *rows = page;
    if (*count) {
        s->at_id = page[*count - 1].id;
        s->at_us = page[*count - 1].received_us;
        s->begun = true;
    }
    return true;
}

bool stored_knows(stored_t *s, const uint8_t (*key_hashes)[16], size_t count, bool *known, err_t *err)
{
    PGresult *r;

    params_reset(&s->params);
    params_begin_array(&s->params, PG_UUID, count);
    for (size_t i = 0; i < count; i++)
        params_add_uuid(&s->params, key_hashes[i]);
    params_finish(&s->params);
    r = pg_query(s->pg,
                 "SELECT EXISTS (SELECT FROM public.event_keys k WHERE k.key_hash = u.key_hash)"
                 " FROM unnest($1::uuid[]) WITH ORDINALITY AS u (key_hash, n) ORDER BY n",
                 &s->params, err);
    for (size_t i = 0; r && i < count; i++)
        known[i] = PQgetvalue(r, (int)i, 0)[0] == 't';
    PQclear(r);
    return r != NULL;
}

/* ---- open and close ---- */

static bool find_end(stored_t *s, err_t *err)
{
    PGresult *r = pg_query(s->pg, "SELECT coalesce(max(id), 0) FROM public.call_events", NULL, err);

    if (r)
        s->last_id = int_at(r, 0, 0);
    PQclear(r);
    return r != NULL;
}

/* A page is the next rows of an index. PostgreSQL might think it cheaper to find all that is left and sort it – for
 * every page. Not behind a pooler, where a session is nobody's. */
static bool prefer_order(stored_t *s, err_t *err)
{
    PGresult *r =
        pg_query(s->pg, "SELECT set_config('enable_sort', 'off', false), set_config('enable_bitmapscan', 'off', false)",
                 NULL, err);

    PQclear(r);
    return r != NULL;
}

stored_t *stored_open(const char *conninfo, bool pooled, const stored_filter_t *filter, err_t *err)
{
    pg_options_t options = {.conninfo = conninfo, .pooled = pooled, .statement_timeout_us = PAGE_TIMEOUT_US};
    stored_t *s = mem_zalloc(sizeof(*s));

    s->filter = *filter;
    s->pg = pg_open(&options, err);
    if (s->pg && (pooled || prefer_order(s, err)) && find_end(s, err))
        return s;
    stored_close(s);
    return NULL;
}

void stored_close(stored_t *s)
{
    if (!s)
        return;
    pg_close(s->pg);
    arena_free(s->arena);
    params_clear(&s->params);
    free(s);
}
