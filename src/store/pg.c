#include "store/pg.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "store/migrate.h"
#include "store/statements.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET_UP_US         (5 * US_PER_S)
#define CONNECT_TIMEOUT_S "5"               /* of one host; where there are several, libpq goes on to the next */
#define LOOK_UP_US        (250 * US_PER_MS) /* from waiting, to see whether it has to end */
/* PostgreSQL ends a statement by itself; this is for one that no longer answers. */
#define SILENCE_GRACE_US (2 * US_PER_S)
#define MOST_OFTEN       64 /* texts that are prepared when they are first asked; others are planned each time */

struct pg {
    PGconn *conn;
    pg_options_t options;
    params_t params;
    buf_t settings_sql; /* NUL-terminated */
    const char *often[MOST_OFTEN];
    size_t n_often;
    bool lost; /* an exchange was broken off: what comes next over it would answer an earlier question */
};

/* Waits for the socket (POLLIN, POLLOUT). False at the deadline, or when all has to end. */
static bool wait_for(const pg_t *pg, short events, int64_t deadline_us)
{
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = events};
    const _Atomic int64_t *end_us = pg->options.end_us;

    for (;;) {
        int64_t end = end_us && atomic_load(end_us) < deadline_us ? atomic_load(end_us) : deadline_us;
        int64_t left = end - clock_mono_us();
        int n;

        if (left <= 0)
            return false;
        n = poll(&fd, 1, (int)((left < LOOK_UP_US ? left : LOOK_UP_US) / US_PER_MS) + 1);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static const char *first_line(const char *message, char out[200])
{
    size_t len = strcspn(message, "\n");

    (void)snprintf(out, 200, "%.*s", (int)len, message);
    return out;
}

static bool say_down(PGconn *conn, err_t *err, const char *what)
{
    char line[200];

    err_set(err, ERR_STORE_DOWN, "%s: %s", what, first_line(conn ? PQerrorMessage(conn) : "", line));
    return err_hint(err, "check DATABASE_URL (or PG*), and that PostgreSQL runs and lets this user in");
}

/* Sends what is queued; reads meanwhile, since a server that cannot write to us stops reading. */
static bool flush(pg_t *pg, int64_t deadline_us)
{
    int left;

    while ((left = PQflush(pg->conn)) == 1) {
        if (!wait_for(pg, POLLIN | POLLOUT, deadline_us) || !PQconsumeInput(pg->conn))
            return false;
    }
    return left == 0;
}

/* The next result; NULL at the end of a statement's results. *ok is false when the connection broke or stayed silent.
 */
static PGresult *next_result(pg_t *pg, int64_t deadline_us, bool *ok)
{
    *ok = true;
    while (PQisBusy(pg->conn)) {
        if (!wait_for(pg, POLLIN, deadline_us) || !PQconsumeInput(pg->conn)) {
            *ok = false;
            return NULL;
        }
    }
    return PQgetResult(pg->conn);
}

/* One statement outside of a batch, for the connection's set-up. NULL on failure. */
static PGresult *run(pg_t *pg, int sent, int64_t deadline_us)
{
    PGresult *last = NULL, *r;
    bool ok = sent && !pg->lost && flush(pg, deadline_us);

    while (ok && (r = next_result(pg, deadline_us, &ok))) {
        PQclear(last);
        last = r;
    }
    pg->lost = pg->lost || !ok;
    if (ok && last && (PQresultStatus(last) == PGRES_COMMAND_OK || PQresultStatus(last) == PGRES_TUPLES_OK))
        return last;
    PQclear(last);
    return NULL;
}

static bool run_plain(pg_t *pg, const char *sql, int64_t deadline_us)
{
    PGresult *r = run(pg, PQsendQuery(pg->conn, sql), deadline_us);

    PQclear(r);
    return r != NULL;
}

/* What a batch's statement is prepared with: the types of its parameters. */
static void statement_types(pg_t *pg, statement_t s)
{
    batch_t empty;

    batch_init(&empty, NULL, 0);
    statement_params(s, &empty, &pg->params);
    batch_clear(&empty);
}

/* Every statement of ours looks rows up by an index, so a plan that reads a table whole is never right – but PostgreSQL
 * would choose one while the tables are small, and keep it while they grow. Planning costs more than running: plan
 * once. */
static const struct {
    const char *name, *value;
} SETTINGS[] = {
    {"plan_cache_mode", "force_generic_plan"},
    {"enable_seqscan", "off"},
    {"enable_hashjoin", "off"},
    {"enable_mergejoin", "off"},
    {"jit", "off"},
    {"hookline.writes", "on"}, /* triggers for the writes of others stay quiet */
};

/* As one SELECT: for the session, or behind a pooler for the transaction. */
static void write_settings(pg_t *pg)
{
    const char *local = pg->options.pooled ? "true" : "false";
    buf_t *out = &pg->settings_sql;

    buf_printf(out, "SELECT set_config('statement_timeout', '%lld', %s)",
               (long long)(pg->options.statement_timeout_us / US_PER_MS), local);
    /* A commit that PostgreSQL has not written out is not durable, whatever the role's or the database's default. */
    buf_printf(out,
               ", set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
               " ELSE current_setting('synchronous_commit') END, %s)",
               local);
    for (size_t i = 0; i < COUNT(SETTINGS); i++)
        buf_printf(out, ", set_config('%s', '%s', %s)", SETTINGS[i].name, SETTINGS[i].value, local);
    buf_addc(out, '\0');
}

static bool prepare(pg_t *pg, int64_t deadline_us)
{
    if (!run_plain(pg, pg->settings_sql.base, deadline_us))
        return false;
    for (int s = 0; s < STATEMENT_COUNT; s++) {
        const char *name = statement_name((statement_t)s), *text = statement_text((statement_t)s);
        PGresult *r;

        statement_types(pg, (statement_t)s);
        r = run(pg, PQsendPrepare(pg->conn, name, text, pg->params.count, pg->params.types), deadline_us);
        PQclear(r);
        if (!r)
            return false;
    }
    return true;
}

/* A standby takes connections, and reads, but no row. */
static bool may_write(pg_t *pg, int64_t deadline_us, err_t *err)
{
    PGresult *r = run(pg, PQsendQuery(pg->conn, "SHOW transaction_read_only"), deadline_us);
    bool read_only = r && strcmp(PQgetvalue(r, 0, 0), "on") == 0;

    PQclear(r);
    if (!r)
        return say_down(pg->conn, err, "the database does not answer");
    if (!read_only)
        return true;
    err_set(err, ERR_STORE_DOWN, "the database is read-only");
    return err_hint(err, "is it a standby? Name all servers in DATABASE_URL, with target_session_attrs=read-write");
}

static bool set_up(pg_t *pg, int64_t deadline_us, err_t *err)
{
    PGresult *known = run(pg, PQsendQuery(pg->conn, migrate_check_sql()), deadline_us);
    bool right = known && migrate_check(known, err);

    if (!known) {
        say_down(pg->conn, err, "the schema cannot be read");
        err_hint(err, "run: hookline migrate");
    }
    PQclear(known);
    if (!right)
        return false;
    if (!pg->options.pooled && !prepare(pg, deadline_us))
        return say_down(pg->conn, err, "the statements cannot be prepared");
    return true;
}

pg_t *pg_open(const pg_options_t *options, err_t *err)
{
    /* What stands before "dbname" is only for what the connection string does not say. */
    static const char *const KEYS[] = {"connect_timeout", "dbname", "fallback_application_name", "client_encoding",
                                       NULL};
    const char *values[] = {CONNECT_TIMEOUT_S, options->conninfo, "hookline", "UTF8", NULL};
    pg_t *pg = mem_zalloc(sizeof(*pg));
    int64_t deadline_us;

    pg->options = *options;
    write_settings(pg);
    pg->conn = PQconnectdbParams(KEYS, values, 1);
    deadline_us = clock_mono_us() + SET_UP_US;
    if (PQstatus(pg->conn) != CONNECTION_OK)
        say_down(pg->conn, err, "the database cannot be reached");
    else if (PQsetnonblocking(pg->conn, 1) == 0 && may_write(pg, deadline_us, err) && set_up(pg, deadline_us, err))
        return pg;
    pg_close(pg);
    return NULL;
}

void pg_close(pg_t *pg)
{
    if (!pg)
        return;
    PQfinish(pg->conn);
    params_clear(&pg->params);
    buf_clear(&pg->settings_sql);
    free(pg);
}

int pg_socket(const pg_t *pg)
{
    return PQsocket(pg->conn);
}

bool pg_is_alive(pg_t *pg)
{
    return !pg->lost && PQconsumeInput(pg->conn) && PQstatus(pg->conn) == CONNECTION_OK;
}

static bool send_statement(pg_t *pg, statement_t s, const batch_t *batch)
{
    params_t *p = &pg->params;

    statement_params(s, batch, p);
    if (pg->options.pooled)
        return PQsendQueryParams(pg->conn, statement_text(s), p->count, p->types, p->values, p->lengths, p->formats, 1);
    return PQsendQueryPrepared(pg->conn, statement_name(s), p->count, p->values, p->lengths, p->formats, 1);
}

/* Everything up to the sync is one transaction (protocol documentation, "Pipelining"). */
static bool send_batch(pg_t *pg, const batch_t *batch)
{
    if (!PQenterPipelineMode(pg->conn) ||
        (pg->options.pooled && !PQsendQueryParams(pg->conn, pg->settings_sql.base, 0, NULL, NULL, NULL, NULL, 0)))
        return false;
    for (int s = 0; s < STATEMENT_COUNT; s++)
        if (statement_is_needed((statement_t)s, batch) && !send_statement(pg, (statement_t)s, batch))
            return false;
    return PQpipelineSync(pg->conn);
}

static fault_t read_error(const PGresult *r, pg_error_t *error)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

    (void)snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", state ? state : "");
    (void)snprintf(error->message, sizeof(error->message), "%s", message ? message : "");
    return sqlstate_fault(state, PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME));
}

static fault_t commit(pg_t *pg, const batch_t *batch, pg_error_t *error)
{
    int64_t deadline_us = clock_mono_us() + pg->options.statement_timeout_us + SILENCE_GRACE_US;
    fault_t fault = FAULT_NONE;
    bool ok, synced = false;

    *error = (pg_error_t){.sqlstate = "", .message = "the connection to the database was lost"};
    if (!send_batch(pg, batch) || !flush(pg, deadline_us))
        return FAULT_CONNECT;
    FAILPOINT("store.batch.sent");
    while (!synced) {
        PGresult *r = next_result(pg, deadline_us, &ok);

        if (!ok)
            return FAULT_CONNECT;
        if (!r) {
            if (PQstatus(pg->conn) != CONNECTION_OK)
                return FAULT_CONNECT;
            continue; /* the end of one statement's results */
        }
        if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
            synced = true;
        else if (PQresultStatus(r) == PGRES_FATAL_ERROR && fault == FAULT_NONE)
            fault = read_error(r, error);
        else if (PQresultStatus(r) == PGRES_TUPLES_OK)
            statement_result(batch, r);
        PQclear(r);
    }
    return PQexitPipelineMode(pg->conn) ? fault : FAULT_CONNECT;
}

fault_t pg_commit(pg_t *pg, const batch_t *batch, pg_error_t *error)
{
    fault_t fault = commit(pg, batch, error);

    pg->lost = pg->lost || PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF;
    return fault;
}

static int64_t query_deadline_us(const pg_t *pg)
{
    return clock_mono_us() + pg->options.statement_timeout_us + SILENCE_GRACE_US;
}

static PGresult *or_say_why(const pg_t *pg, PGresult *r, err_t *err)
{
    char line[200];

    first_line(PQerrorMessage(pg->conn), line);
    if (!r)
        err_set(err, ERR_STORE_DOWN, "%s", line[0] ? line : "the database does not answer");
    return r;
}

PGresult *pg_query(pg_t *pg, const char *sql, const params_t *p, err_t *err)
{
    static const params_t NONE = {.count = 0};
    int sent;

    if (!p)
        p = &NONE;
    sent = PQsendQueryParams(pg->conn, sql, p->count, p->types, p->values, p->lengths, p->formats, 0);
    return or_say_why(pg, run(pg, sent, query_deadline_us(pg)), err);
}

static void name_often(size_t i, char out[16])
{
    (void)snprintf(out, 16, "often_%zu", i);
}

/* Its place; MOST_OFTEN: there is none left, or it could not be prepared. */
static size_t find_often(pg_t *pg, const char *sql, const params_t *p)
{
    PGresult *r;
    char name[16];
    size_t i = 0;

    while (i < pg->n_often && pg->often[i] != sql)
        i++;
    if (i < pg->n_often || i == MOST_OFTEN)
        return i;
    name_often(i, name);
    r = run(pg, PQsendPrepare(pg->conn, name, sql, p->count, p->types), query_deadline_us(pg));
    PQclear(r);
    if (!r)
        return MOST_OFTEN;
    pg->often[pg->n_often++] = sql;
    return i;
}

PGresult *pg_query_often(pg_t *pg, const char *sql, const params_t *p, err_t *err)
{
    size_t i = pg->options.pooled ? MOST_OFTEN : find_often(pg, sql, p);
    char name[16];
    int sent;

    if (i == MOST_OFTEN)
        return pg_query(pg, sql, p, err);
    name_often(i, name);
    sent = PQsendQueryPrepared(pg->conn, name, p->count, p->values, p->lengths, p->formats, 0);
    return or_say_why(pg, run(pg, sent, query_deadline_us(pg)), err);
}

static bool do_query(pg_t *pg, const char *sql, err_t *err)
{
    PGresult *r = pg_query(pg, sql, NULL, err);

    PQclear(r);
    return r != NULL;
}

bool pg_begin(pg_t *pg, err_t *err)
{
    return do_query(pg, "BEGIN", err) && (!pg->options.pooled || do_query(pg, pg->settings_sql.base, err));
}

PGresult *pg_ask(pg_t *pg, const char *sql, const char *const *values, int count, pg_error_t *error)
{
    int64_t deadline_us = clock_mono_us() + pg->options.statement_timeout_us + SILENCE_GRACE_US;
    PGresult *last = NULL, *r;
    bool ok =
        !pg->lost && PQsendQueryParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0) && flush(pg, deadline_us);

    *error = (pg_error_t){.sqlstate = "", .message = "the connection to the database was lost"};
    while (ok && (r = next_result(pg, deadline_us, &ok))) {
        PQclear(last);
        last = r;
    }
    pg->lost = pg->lost || !ok;
    if (ok && last && (PQresultStatus(last) == PGRES_COMMAND_OK || PQresultStatus(last) == PGRES_TUPLES_OK))
        return last;
    if (ok && last)
        (void)read_error(last, error);
    PQclear(last);
    return NULL;
}
