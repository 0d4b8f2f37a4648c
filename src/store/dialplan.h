/* dialplan.h – what tables `phone_numbers` and `agents` say, kept in memory: a call is answered at once, and also while
 * the database is away.
 *
 * A page is all of it as it was at one moment, and never changes. Readers hold the newest and let it go; the store's
 * writer that keeps house makes the next when something has changed, and swaps it in. Reading is for any thread, and
 * waits for nobody. It does not write to those tables. */
#ifndef HOOKLINE_STORE_DIALPLAN_H
#define HOOKLINE_STORE_DIALPLAN_H

#include "base/err.h"
#include "event/call_plan.h"

typedef struct dialplan dialplan_t;
typedef struct dialplan_page dialplan_page_t;
struct pg;

dialplan_t *dialplan_new(int64_t every_us); /* how often the tables are looked at. Its page is empty */
void dialplan_free(dialplan_t *d);          /* NULL is fine; pages that are held stay until they are released */

/* ---- for readers ---- */

const dialplan_page_t *dialplan_hold(dialplan_t *d); /* never NULL; release it soon: it may be large */
void dialplan_release(const dialplan_page_t *page);
/* Good while the page is held. NULL: unknown. */
const call_plan_t *dialplan_find(const dialplan_page_t *page, str_t e164);
const call_agent_t *dialplan_agent(const dialplan_page_t *page, str_t id); /* uuid, as PostgreSQL writes it */

/* Until somebody has tried to read the tables, with success or without, and no longer than timeout_us: so that the
 * first calls after a start are answered by what the tables say. */
void dialplan_wait(dialplan_t *d, int64_t timeout_us);

/* ---- for the thread that owns the connection ---- */

/* Reads the tables if they have changed. False: the page stays, and err says why. */
int64_t dialplan_every_us(const dialplan_t *d);
bool dialplan_refresh(dialplan_t *d, struct pg *pg, err_t *err);
void dialplan_note_tried(dialplan_t *d); /* ends dialplan_wait */

#endif
