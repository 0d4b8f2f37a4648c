/* limit.c – what PostgreSQL takes of hookline's statements, without a server in front of it.
 *
 *     limit commit --batch 64 --count 100000   batches of prepared deliveries over one connection, one after the other,
 *                                              by the store room's own batch_init() and pg_commit()
 *     limit stage  --batch 64 --count 100000   the same batches' parameters, put into tables, and bench.commit_batch(n)
 *                                              that runs the statements on those of batch n: for pgbench
 *     limit texts                              the statements and the tables that they are made from, as JSON
 *
 * The deliveries are those of generator/mix.h. The database is DATABASE_URL's. */
#include "../generator/mix.h"
#include "base/clock.h"
#include "ingest/understand.h"
#include "store/pg.h"
#include "store/statements.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CHUNK_BATCHES 100 /* deliveries of so many batches are in memory at once */

typedef struct options {
    mix_options_t mix;
    size_t batch;
    size_t count;
} options_t;

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "limit: %s: %s\n", what, why);
    exit(1);
}

/* ---- deliveries ---- */

static delivery_t *make_delivery(mix_t *mix)
{
    mix_item_t item = mix_next(mix);
    delivery_t *d = delivery_new(8192);
    str_t body = hook_fill(item.sample, &item.call, item.event_us, d->arena);
    bool is_form = item.sample->kind == BODY_FORM;
    err_t err = {.code = ERR_NONE};
    form_t form;

    d->provider = item.provider->name;
    d->route = item.route->name;
    d->way = WAY_WEBHOOK;
    d->received_us = clock_wall_us();
    if (is_form && !form_parse(d->arena, body, &form, &err))
        die("a sample is no form", err.detail);
    understand(d, item.provider, body, is_form ? &form : NULL);
    if (d->error.base)
        die("a sample is not understood", err.detail);
    return d;
}

/* Calls `each` for batch after batch. */
static void for_batches(const options_t *o, void (*each)(void *ctx, delivery_t **deliveries, size_t count), void *ctx)
{
    mix_t *mix = mix_new(&o->mix);
    size_t chunk = o->batch * CHUNK_BATCHES, left = o->count;
    delivery_t **deliveries = mem_alloc(chunk * sizeof(*deliveries));

    if (!mix)
        exit(1);
    while (left >= o->batch) {
        size_t n = (left < chunk ? left : chunk) / o->batch * o->batch;

        for (size_t i = 0; i < n; i++)
            deliveries[i] = make_delivery(mix);
        for (size_t i = 0; i < n; i += o->batch)
            each(ctx, deliveries + i, o->batch);
        for (size_t i = 0; i < n; i++)
            delivery_free(deliveries[i]);
        left -= n;
    }
    free(deliveries);
    mix_free(mix);
}

/* ---- commit ---- */

typedef struct committing {
    pg_t *pg;
    size_t deliveries;
    int64_t wall_us;
    int64_t cpu_us;
} committing_t;

static int64_t cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void commit_batch(void *ctx, delivery_t **deliveries, size_t count)
{
    committing_t *c = ctx;
    int64_t wall_us = clock_mono_us(), spent_us = cpu_us();
    pg_error_t error;
    batch_t batch;

    batch_init(&batch, deliveries, count);
    if (pg_commit(c->pg, &batch, &error) != FAULT_NONE)
        die("a batch is refused", error.message);
    batch_clear(&batch);
    c->wall_us += clock_mono_us() - wall_us;
    c->cpu_us += cpu_us() - spent_us;
    c->deliveries += count;
}

static void commit(const options_t *o, const char *conninfo)
{
    pg_options_t options = {.conninfo = conninfo, .statement_timeout_us = 10 * US_PER_S};
    err_t err = {.code = ERR_NONE};
    committing_t c = {.pg = pg_open(&options, &err)};

    if (!c.pg)
        die("no connection", err.detail);
    for_batches(o, commit_batch, &c);
    pg_close(c.pg);
    printf("{\"batch\":%zu,\"deliveries\":%zu,\"seconds\":%.3f,\"per_second\":%.0f,\"own_cpu_us\":%.2f}\n", o->batch,
           c.deliveries, (double)c.wall_us / 1e6, (double)c.deliveries * 1e6 / (double)c.wall_us,
           (double)c.cpu_us / (double)c.deliveries);
}

/* ---- stage ---- */

typedef struct staging {
    PGconn *conn;
    params_t params;
    long long n;
} staging_t;

static void run(PGconn *conn, const buf_t *sql)
{
    char *text = mem_strdup(buf_str(sql));
    PGresult *r = PQexec(conn, text);

    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        die(text, PQerrorMessage(conn));
    PQclear(r);
    free(text);
}

static const char *type_name(Oid array)
{
    pg_type_t type = 0;

    while (pg_array_oid(type) != array)
        type++;
    return pg_array_name(type);
}

static void add_table(buf_t *sql, params_t *params, statement_t s)
{
    batch_t empty;

    batch_init(&empty, NULL, 0);
    statement_params(s, &empty, params);
    batch_clear(&empty);
    /* Unlogged and uncompressed: what is measured is the statements, not the reading of their parameters. */
    buf_printf(sql, "CREATE UNLOGGED TABLE bench.%s (n bigint PRIMARY KEY", statement_name(s));
    for (int i = 0; i < params->count; i++)
        buf_printf(sql, ", p%d %s", i + 1, type_name(params->types[i]));
    buf_printf(sql, ");\n");
    for (int i = 0; i < params->count; i++)
        buf_printf(sql, "ALTER TABLE bench.%s ALTER COLUMN p%d SET STORAGE EXTERNAL;\n", statement_name(s), i + 1);
}

/* The statement, its $1 … being fields of the row variable. A slice of all of an array is the array in memory: as a
 * field it would stay where it is stored, and be fetched anew by every row that looks into it. */
static void add_statement(buf_t *sql, int count, statement_t s)
{
    const char *text = statement_text(s);

    buf_printf(sql, "SELECT t.n");
    for (int i = 0; i < count; i++)
        buf_printf(sql, ", t.p%d[:]", i + 1);
    buf_printf(sql, " INTO v%d FROM bench.%s t WHERE t.n = batch;\nIF FOUND THEN ", (int)s, statement_name(s));
    if (strncmp(text, "SELECT ", 7) == 0) { /* plpgsql wants to know that the result is not */
        buf_printf(sql, "PERFORM ");
        text += 7;
    }
    for (const char *at = text; *at; at++) {
        if (*at == '$')
            buf_printf(sql, "v%d.p", (int)s);
        else
            buf_addc(sql, *at);
    }
    buf_printf(sql, ";\nEND IF;\n");
}

static void make_tables(staging_t *st)
{
    buf_t sql = BUF_EMPTY, body = BUF_EMPTY;

    buf_printf(&sql, "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; CREATE SEQUENCE bench.next;\n");
    buf_printf(&body,
               "CREATE FUNCTION bench.commit_batch(batch bigint) RETURNS void LANGUAGE plpgsql AS $bench$\nDECLARE\n");
    for (int s = 0; s < STATEMENT_COUNT; s++)
        buf_printf(&body, "v%d bench.%s;\n", s, statement_name((statement_t)s));
    buf_printf(&body, "BEGIN\n");
    for (int s = 0; s < STATEMENT_COUNT; s++) {
        add_table(&sql, &st->params, (statement_t)s);
        add_statement(&body, st->params.count, (statement_t)s);
    }
    buf_printf(&body, "END\n$bench$");
    run(st->conn, &sql);
    run(st->conn, &body);
    buf_clear(&sql);
    buf_clear(&body);
}

static void stage_statement(staging_t *st, statement_t s, const batch_t *batch)
{
    params_t *p = &st->params;
    buf_t sql = BUF_EMPTY;
    PGresult *r;

    statement_params(s, batch, p);
    buf_printf(&sql, "INSERT INTO bench.%s VALUES (%lld", statement_name(s), st->n);
    for (int i = 0; i < p->count; i++)
        buf_printf(&sql, ", $%d", i + 1);
    buf_addc(&sql, ')');
    buf_addc(&sql, '\0');
    r = PQexecParams(st->conn, sql.base, p->count, p->types, p->values, p->lengths, p->formats, 0);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die(sql.base, PQerrorMessage(st->conn));
    PQclear(r);
    buf_clear(&sql);
}

static void stage_batch(void *ctx, delivery_t **deliveries, size_t count)
{
    staging_t *st = ctx;
    batch_t batch;

    st->n++;
    batch_init(&batch, deliveries, count);
    for (int s = 0; s < STATEMENT_COUNT; s++)
        if (statement_is_needed((statement_t)s, &batch))
            stage_statement(st, (statement_t)s, &batch);
    batch_clear(&batch);
}

static void stage(const options_t *o, const char *conninfo)
{
    staging_t st = {.conn = PQconnectdb(conninfo)};

    if (PQstatus(st.conn) != CONNECTION_OK)
        die("no connection", PQerrorMessage(st.conn));
    make_tables(&st);
    for_batches(o, stage_batch, &st);
    PQfinish(st.conn);
    params_clear(&st.params);
    printf("{\"batch\":%zu,\"batches\":%lld}\n", o->batch, st.n);
}

/* ---- texts ---- */

static void texts(void)
{
    static const char *const TYPES[] = {
        [COLUMN_TEXT] = "text", [COLUMN_INT] = "int",         [COLUMN_TIME] = "time",
        [COLUMN_BOOL] = "bool", [COLUMN_NUMERIC] = "numeric", [COLUMN_JSON] = "json",
    };
    buf_t out = BUF_EMPTY;

    buf_printf(&out, "{\"version\":\"%s\",\"statements\":{", HOOKLINE_VERSION);
    for (int s = 0; s < STATEMENT_COUNT; s++) {
        buf_printf(&out, "%s\n\"%s\":", s ? "," : "", statement_name((statement_t)s));
        json_escape(&out, str_from(statement_text((statement_t)s)));
    }
    buf_printf(&out, "},\n\"tables\":{");
    for (size_t t = 0; t < FACT_KIND_COUNT; t++) {
        buf_printf(&out, "%s\n\"%s\":[", t ? "," : "", FACT_TABLES[t].table);
        for (size_t i = 0; i < FACT_TABLES[t].count; i++)
            buf_printf(&out, "%s\n{\"name\":\"%s\",\"type\":\"%s\",\"least\":%s}", i ? "," : "",
                       FACT_TABLES[t].columns[i].name, TYPES[FACT_TABLES[t].columns[i].type],
                       FACT_TABLES[t].columns[i].rule == MERGE_LEAST ? "true" : "false");
        buf_addc(&out, ']');
    }
    buf_printf(&out, "}}\n");
    (void)fwrite(out.base, 1, out.len, stdout);
    buf_clear(&out);
}

/* ---- options ---- */

static bool read_options(options_t *o, int argc, char **argv)
{
    for (int i = 2; i < argc; i += 2) {
        char *end;
        unsigned long long n;

        if (i + 1 == argc)
            return false;
        errno = 0;
        n = strtoull(argv[i + 1], &end, 10);
        if (*end || errno || !n)
            return false;
        if (strcmp(argv[i], "--batch") == 0)
            o->batch = (size_t)n;
        else if (strcmp(argv[i], "--count") == 0)
            o->count = (size_t)n;
        else if (strcmp(argv[i], "--window") == 0)
            o->mix.window = (size_t)n;
        else if (strcmp(argv[i], "--seed") == 0)
            o->mix.seed = n;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    options_t o = {.mix = {.seed = 1, .window = 1000, .start_us = clock_wall_us()}, .batch = 64, .count = 100000};
    const char *conninfo = getenv("DATABASE_URL");
    const char *what = argc > 1 ? argv[1] : "";

    json_init();
    if (!read_options(&o, argc, argv))
        what = "";
    if (strcmp(what, "commit") == 0)
        commit(&o, conninfo ? conninfo : "");
    else if (strcmp(what, "stage") == 0)
        stage(&o, conninfo ? conninfo : "");
    else if (strcmp(what, "texts") == 0)
        texts();
    else
        die("usage", "limit commit|stage [--batch N] [--count N] [--window W] [--seed X], or limit texts");
    return 0;
}
