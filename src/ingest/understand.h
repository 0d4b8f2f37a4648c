/* understand.h – a genuine body becomes a delivery that says what happened.
 *
 * Redacts, makes it JSON that PostgreSQL takes, parses it, and asks the provider what it means. Never fails: what
 * cannot be understood becomes a dead letter. Any thread. */
#ifndef HOOKLINE_INGEST_UNDERSTAND_H
#define HOOKLINE_INGEST_UNDERSTAND_H

#include "journal/record.h"
#include "provider.h"

/* d has provider, route, way and received_us. form: its parameters, or NULL for a JSON body. body may be borrowed. */
void understand(delivery_t *d, const provider_t *provider, str_t body, const form_t *form);

/* A delivery that was understood before, as it was kept: its payload – or raw, with why that was unparsable – gives the
 * same facts. All is copied. provider and route are looked up by name; one that this program does not know makes a dead
 * letter. */
delivery_t *understand_again(const journal_entry_t *kept);

/* A delivery as call_events has it, for a replay. Like understand_again, but raw is read anew: this version may be able
 * to, and where PostgreSQL had refused the payload, raw is JSON. A route that is absent (rows of before
 * 0006_replay.sql) is taken to be the provider's first that takes such a body: "events", wherever there are others. */
delivery_t *understand_stored(const journal_entry_t *kept);

#endif
