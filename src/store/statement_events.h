/* statement_events.h – the statements that write call_events and event_keys, new rows and replayed ones. The inside of
 * statements.h: nobody else includes this. Any thread. */
#ifndef HOOKLINE_STORE_STATEMENT_EVENTS_H
#define HOOKLINE_STORE_STATEMENT_EVENTS_H

#include "store/batch.h"
#include "store/params.h"

/* Their texts, and the parameters of each. */
void events_write_rows(buf_t *out); /* locks what is replayed */
void events_row_params(const batch_t *b, params_t *out);
void events_write_replay(buf_t *out); /* what becomes of it */
void events_replay_params(const batch_t *b, params_t *out);
void events_write_events(buf_t *out); /* what is new */
void events_params(const batch_t *b, params_t *out);

/* Notes in the batch's deliveries what became of the rows that they were read from, if this is the result that says so.
 * In binary. */
void events_result(const batch_t *b, const PGresult *r);

#endif
