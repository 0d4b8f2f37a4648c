/* statements.h – the statements of a batch: their texts, made from the tables of facts, and their parameters. */
#ifndef HOOKLINE_STORE_STATEMENTS_H
#define HOOKLINE_STORE_STATEMENTS_H

#include "store/batch.h"
#include "store/params.h"

/* In the order in which a batch sends them. */
typedef enum {
    STATEMENT_SESSIONS,     /* locks the sessions that are named, before anything else is locked */
    STATEMENT_ROWS,         /* locks the rows of call_events that are replayed */
    STATEMENT_REPLAY,       /* what becomes of them, and the keys of those that are understood now */
    STATEMENT_EVENTS,       /* event_keys, and call_events where the key is new */
    STATEMENT_CALLS,        /* voice_calls */
    STATEMENT_LEADS,        /* lead_calls by number, and leads.call_sid */
    STATEMENT_PARTICIPANTS, /* call_participants */
    STATEMENT_MESSAGES,     /* voice_messages */
    STATEMENT_SUPERSEDE,    /* which messages are shown */
    STATEMENT_TOKENS,       /* voice_calls.total_tokens_used, where nobody reported it */
    STATEMENT_SETTLE,       /* rows that waited for their call under its session's name become that call's */
    STATEMENT_ALIASES,      /* agent_aliases */
    STATEMENT_CUSTOMERS,    /* customers, and the business of a call */
    STATEMENT_COUNT
} statement_t;

const char *statement_name(statement_t s); /* of the prepared statement */
const char *statement_text(statement_t s); /* made once; good for the life of the process */
bool statement_is_needed(statement_t s, const batch_t *b);
void statement_params(statement_t s, const batch_t *b, params_t *out); /* finished */
/* A statement's result, which came back in binary: STATEMENT_REPLAY's says what became of each row, and is noted in the
 * batch's deliveries; the others' say nothing. */
void statement_result(const batch_t *b, const PGresult *r);

#endif
