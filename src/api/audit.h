/* audit.h – GET /api/audit: what the providers' APIs have and what is stored, compared. The worker's thread; the audit
 * itself is made elsewhere (auditor.h). */
#ifndef HOOKLINE_API_AUDIT_H
#define HOOKLINE_API_AUDIT_H

#include "api/call.h"

bool audit_get(api_call_t *c, api_db_t *db);

#endif
