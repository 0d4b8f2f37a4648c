#include "store/migrate.h"

#include "base/crypto.h"
#include "store/embedded.h"

#include <stdio.h>
#include <string.h>

#define LOCK "SELECT pg_advisory_xact_lock(hashtext('hookline_migrations'))"
#define LEDGER                                                                                                         \
    "CREATE TABLE IF NOT EXISTS public.hookline_migrations ("                                                          \
    "file text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
/* Every batch of a running hookline begins by locking these two, in this order: with them none is under way, and the
 * next ones wait for the few moments without holding anything that a migration could want. */
#define GATE                                                                                                           \
    "DO $$BEGIN IF to_regclass('public.event_keys') IS NOT NULL THEN"                                                  \
    " LOCK TABLE public.call_events, public.event_keys IN ACCESS EXCLUSIVE MODE; END IF; END$$"

static bool is_repeatable(const embedded_file_t *f)
{
    return strncmp(f->name, "repeatable_", 11) == 0;
}

static void checksum_of(const embedded_file_t *f, char out[33])
{
    uint8_t hash[32];

    sha256(str_from(f->text), hash);
    out[hex_encode(hash, 16, out)] = '\0';
}

static bool fail(PGconn *conn, const char *what, err_t *err)
{
    return err_set(err, ERR_STORE_DOWN, "%s: %s", what, PQerrorMessage(conn));
}

static bool exec(PGconn *conn, const char *sql, const char *what, err_t *err)
{
    PGresult *r = PQexec(conn, sql);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;

    PQclear(r);
    return ok || fail(conn, what, err);
}

/* Inside the transaction, under the lock: somebody else may have been here first. */
static bool state_of(PGconn *conn, const embedded_file_t *f, migration_state_t *state, err_t *err)
{
    const char *values[] = {f->name};
    PGresult *r = PQexecParams(conn, "SELECT checksum FROM public.hookline_migrations WHERE file = $1", 1, NULL, values,
                               NULL, NULL, 0);
    char checksum[33];
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

    checksum_of(f, checksum);
    if (!ok)
        fail(conn, "the list of migrations cannot be read", err);
    else if (PQntuples(r) == 0)
        *state = MIGRATION_PENDING;
    else
        *state = strcmp(PQgetvalue(r, 0, 0), checksum) == 0 ? MIGRATION_DONE : MIGRATION_CHANGED;
    PQclear(r);
    return ok;
}

static bool record(PGconn *conn, const embedded_file_t *f, err_t *err)
{
    char checksum[33];
    const char *values[] = {f->name, checksum};
    PGresult *r;
    bool ok;

    checksum_of(f, checksum);
    r = PQexecParams(conn,
                     "INSERT INTO public.hookline_migrations (file, checksum) VALUES ($1, $2)"
                     " ON CONFLICT (file) DO UPDATE SET checksum = EXCLUDED.checksum, applied_at = now()",
                     2, NULL, values, NULL, NULL, 0);
    ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    return ok || fail(conn, "the migration cannot be recorded", err);
}

static bool apply(PGconn *conn, const embedded_file_t *f, migration_state_t *state, bool *ran, err_t *err)
{
    *ran = false;
    if (!state_of(conn, f, state, err))
        return false;
    if (*state == MIGRATION_DONE)
        return true;
    if (*state == MIGRATION_CHANGED && !is_repeatable(f))
        return err_set(err, ERR_STORE_DOWN, "%s has changed since it ran here; a released migration never changes",
                       f->name);
    if (!exec(conn, GATE, "the lock of events", err) || !exec(conn, f->text, f->name, err) || !record(conn, f, err))
        return false;
    *ran = true;
    return true;
}

static bool in_transaction(PGconn *conn, const embedded_file_t *f, migration_state_t *state, bool *ran, err_t *err)
{
    bool ok = exec(conn, "BEGIN", "begin", err) && exec(conn, "SET LOCAL client_min_messages = warning", "set", err) &&
              exec(conn, LOCK, "the lock of migrations", err) && exec(conn, LEDGER, "the list of migrations", err) &&
              apply(conn, f, state, ran, err);

    if (!ok) {
        PQclear(PQexec(conn, "ROLLBACK"));
        return false;
    }
    return exec(conn, "COMMIT", "commit", err);
}

static bool dry_state(PGconn *conn, const embedded_file_t *f, migration_state_t *state, err_t *err)
{
    PGresult *r = PQexec(conn, "SELECT to_regclass('public.hookline_migrations') IS NOT NULL");
    bool there = PQresultStatus(r) == PGRES_TUPLES_OK && PQgetvalue(r, 0, 0)[0] == 't';

    PQclear(r);
    *state = MIGRATION_PENDING;
    return !there || state_of(conn, f, state, err);
}

static void report_unknown(PGconn *conn, migrate_report_fn report, void *ctx)
{
    PGresult *r = PQexec(conn, migrate_check_sql());

    for (int i = 0; i < PQntuples(r); i++) {
        bool ours = false;

        for (size_t f = 0; f < schema_files_count; f++)
            ours = ours || strcmp(schema_files[f].name, PQgetvalue(r, i, 0)) == 0;
        if (!ours)
            report(ctx, PQgetvalue(r, i, 0), MIGRATION_UNKNOWN, false);
    }
    PQclear(r);
}

bool migrate_run(const char *conninfo, bool dry, migrate_report_fn report, void *ctx, err_t *err)
{
    static const char *const KEYS[] = {"dbname", "fallback_application_name", "client_encoding", "connect_timeout",
                                       NULL};
    const char *values[] = {conninfo, "hookline migrate", "UTF8", "10", NULL};
    PGconn *conn = PQconnectdbParams(KEYS, values, 1);
    bool ok = PQstatus(conn) == CONNECTION_OK || fail(conn, "the database cannot be reached", err);

    for (size_t i = 0; ok && i < schema_files_count; i++) {
        migration_state_t state = MIGRATION_PENDING;
        bool ran = false;

        ok = dry ? dry_state(conn, &schema_files[i], &state, err)
                 : in_transaction(conn, &schema_files[i], &state, &ran, err);
        if (ok)
            report(ctx, schema_files[i].name, state, ran);
    }
    if (ok)
        report_unknown(conn, report, ctx);
    if (ok && !dry)
        ok = exec(conn, "SELECT public.hookline_make_partitions()", "the partitions of the coming months", err);
    PQfinish(conn);
    return ok;
}

const char *migrate_check_sql(void)
{
    return "SELECT file FROM public.hookline_migrations";
}

bool migrate_check(const PGresult *result, err_t *err)
{
    for (size_t f = 0; f < schema_files_count; f++) {
        bool there = false;

        for (int i = 0; i < PQntuples(result); i++)
            there = there || strcmp(schema_files[f].name, PQgetvalue(result, i, 0)) == 0;
        if (!there) {
            err_set(err, ERR_STORE_DOWN, "the schema is behind this program: %s has not run", schema_files[f].name);
            return err_hint(err, "run: hookline migrate");
        }
    }
    return true;
}
