#include "store/access.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static const char QUESTION[] =
    "SELECT bool_and(has_table_privilege('public.' || t, p)),"
    " (SELECT coalesce(string_agg(r, ', '), '') FROM "
    "unnest('{anon,authenticated,service_role,hookline_writer}'::text[]) r"
    "  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r))"
    " FROM (VALUES ('event_keys', 'SELECT,INSERT'), ('call_events', 'INSERT'), ('voice_calls', 'SELECT,INSERT,UPDATE'),"
    "  ('voice_messages', 'SELECT,INSERT,UPDATE'), ('call_participants', 'SELECT,INSERT,UPDATE'),"
    "  ('lead_calls', 'SELECT,INSERT,UPDATE'), ('leads', 'SELECT,UPDATE'), ('agents', 'SELECT'),"
    "  ('phone_numbers', 'SELECT')) AS needed (t, privileges),"
    " regexp_split_to_table(privileges, ',') p";

static const char PLANNED[] = "SELECT count(*) FROM public.phone_numbers n"
                              " LEFT JOIN public.agents a ON a.id = n.agent_id AND a.remote_deleted_at IS NULL"
                              " WHERE n.number IS NOT NULL AND n.remote_deleted_at IS NULL"
                              " AND coalesce(n.action, a.action) IS NOT NULL";

static bool say(PGconn *conn, err_t *err)
{
    return err_set(err, ERR_STORE_DOWN, "%s", PQerrorMessage(conn));
}

static bool count_planned(PGconn *conn, int64_t *out, err_t *err)
{
    PGresult *r = PQexec(conn, PLANNED);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

    if (ok)
        *out = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return ok || say(conn, err);
}

bool access_read(const char *conninfo, access_t *out, err_t *err)
{
    static const char *const KEYS[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
    const char *values[] = {conninfo, "hookline check", "10", NULL};
    PGconn *conn = PQconnectdbParams(KEYS, values, 1);
    PGresult *r = PQexec(conn, QUESTION);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

    if (ok) {
        out->may_write = PQgetvalue(r, 0, 0)[0] == 't';
        (void)snprintf(out->missing_roles, sizeof(out->missing_roles), "%s", PQgetvalue(r, 0, 1));
        ok = !out->may_write || count_planned(conn, &out->planned_numbers, err);
    } else {
        say(conn, err);
    }
    PQclear(r);
    PQfinish(conn);
    return ok;
}
