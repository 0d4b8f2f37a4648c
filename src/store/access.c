#include "store/access.h"

#include <libpq-fe.h>
#include <stdio.h>

static const char QUESTION[] =
    "SELECT bool_and(has_table_privilege('public.' || t, p)),"
    " (SELECT coalesce(string_agg(r, ', '), '') FROM "
    "unnest('{anon,authenticated,service_role,hookline_writer}'::text[]) r"
    "  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r))"
    " FROM (VALUES ('event_keys', 'SELECT,INSERT'), ('call_events', 'INSERT'), ('voice_calls', 'SELECT,INSERT,UPDATE'),"
    "  ('voice_messages', 'SELECT,INSERT,UPDATE'), ('call_participants', 'SELECT,INSERT,UPDATE'),"
    "  ('lead_calls', 'SELECT,INSERT,UPDATE'), ('leads', 'SELECT,UPDATE')) AS needed (t, privileges),"
    " regexp_split_to_table(privileges, ',') p";

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
    } else {
        err_set(err, ERR_STORE_DOWN, "%s", PQerrorMessage(conn));
    }
    PQclear(r);
    PQfinish(conn);
    return ok;
}
