/* sync.h – runs of reconcile, by the API: rows of reconcile_runs, which any instance takes up. The worker's thread.
 *
 * It starts nothing itself: a row in state "queued" asks for a run, cancel_asked_at asks it to end, and how far it has
 * come stands in its columns. */
#ifndef HOOKLINE_API_SYNC_H
#define HOOKLINE_API_SYNC_H

#include "api/call.h"

bool sync_start(api_call_t *c, api_db_t *db);
bool sync_runs(api_call_t *c, api_db_t *db);
bool sync_run(api_call_t *c, api_db_t *db);
bool sync_cancel(api_call_t *c, api_db_t *db);
bool sync_status(api_call_t *c, api_db_t *db);

#endif
