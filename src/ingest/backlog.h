/* backlog.h – brings what journals hold to PostgreSQL, in order, through the same store as everything else.
 *
 * A thread of its own looks at this process's journal and at every slot that nobody holds (an instance that crashed, or
 * was replaced): it adopts such a slot, drains it, and lets go of it. A segment is removed when all that was in it is
 * committed, not before; who is killed on the way begins that segment again, which changes nothing, since every
 * delivery is one event by its key. A segment of which something could not be read, or which PostgreSQL takes in no
 * form, is set aside under another name after the rest of it has been stored, and the log says what it was. */
#ifndef HOOKLINE_INGEST_BACKLOG_H
#define HOOKLINE_INGEST_BACKLOG_H

#include "journal/journal.h"
#include "store/store.h"

typedef struct backlog backlog_t;

/* data_folder: HOOKLINE_DATA_DIR. journal: this process's own. */
backlog_t *backlog_start(const char *data_folder, journal_t *journal, store_t *store);
/* Puts nothing more; what is under way may come back as late as store_close. */
void backlog_stop(backlog_t *b);
void backlog_free(backlog_t *b); /* after store_close; joins the thread. NULL is fine */

#endif
