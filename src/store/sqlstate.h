/* sqlstate.h – whether an error of PostgreSQL is about what was written, or about the state of things.
 *
 * Content (22xxx, 23502, 23503, 23514, 54000) would fail again for ever: the row is a dead letter once it has failed
 * alone. Everything else may pass: the batch is tried again. Codes: PostgreSQL's documentation, appendix A. */
#ifndef HOOKLINE_STORE_SQLSTATE_H
#define HOOKLINE_STORE_SQLSTATE_H

#include <stdbool.h>

typedef enum {
    FAULT_NONE,
    FAULT_CONTENT,
    FAULT_RETRY,   /* this connection is fine: a deadlock, a timeout, a lock */
    FAULT_ODD,     /* nothing that ought to happen. It may pass, as a unique key that two writers race for; if it stays,
                      it is worth finding out whose it is, so that the others go on. Nobody's content is blamed for it */
    FAULT_SCHEMA,  /* the tables are not what we know: somebody has to act */
    FAULT_CONNECT, /* try a new connection */
} fault_t;

/* sqlstate NULL: the connection broke. constraint: the name that the error gave, or NULL – a missing partition is
 * reported as a check violation (23514) without one. */
fault_t sqlstate_fault(const char *sqlstate, const char *constraint);

#endif
