/* report.h – what a run has done: counts, what was left out and why, and what went wrong. One thread.
 *
 * It counts what this run did itself, call by call. Where one that was cut off is gone on with, each row says what its
 * own run came to: the first one's, what that had counted when it last wrote of itself, and the next one's, what was
 * left to do. A call that both met is new in the first and unchanged in the second, or updated where its detail came
 * then; its customer is created in the one that learned who it was, and a duplicate in the other. */
#ifndef HOOKLINE_RECONCILE_REPORT_H
#define HOOKLINE_RECONCILE_REPORT_H

#include "reconcile/seen.h"

#define REPORT_MAX_REASONS    32
#define REPORT_MAX_IDS        100 /* of one reason; the others are counted */
#define REPORT_MAX_ERRORS     100
#define REPORT_MAX_BUSINESSES 200 /* by themselves; the others are summed up */

/* What became of a call's rows, the greatest of all that a run did to it. */
typedef enum { BECAME_NOTHING, BECAME_UNCHANGED, BECAME_UPDATED, BECAME_NEW } became_t;

/* What a call came to for the customers of the business whose agent took it (schema/repeatable_customers.sql), the
 * greatest of all that a run did to it. */
typedef enum {
    CUSTOMER_NOBODYS, /* none of its provider's agents is a business's */
    CUSTOMER_UNKNOWN_AGENT,
    CUSTOMER_NO_NUMBER,
    CUSTOMER_DUPLICATE,
    CUSTOMER_UPDATED,
    CUSTOMER_CREATED,
    CUSTOMER_OUTCOMES
} customer_outcome_t;

typedef struct report_customer {
    customer_outcome_t outcome;
    str_t business_id, business_name, number; /* empty where nothing is known */
} report_customer_t;

typedef struct report_business {
    char *id, *name; /* NULL both: all that are too many */
    uint64_t calls[BECAME_NEW + 1], customers[CUSTOMER_OUTCOMES];
} report_business_t;

typedef struct report_skips {
    char reason[40];
    uint64_t count;
    char *ids[REPORT_MAX_IDS];
    size_t n_ids;
} report_skips_t;

typedef struct report {
    uint64_t requests;
    uint64_t seen;      /* rows in the provider's answers */
    uint64_t fetched;   /* objects that became deliveries */
    uint64_t duplicate; /* of those, that came once more in this run */
    uint64_t dead;      /* of those, that could not be understood: kept as dead letters */
    uint64_t calls[BECAME_NEW + 1];
    report_skips_t *skips;
    size_t n_skips;
    char *errors[REPORT_MAX_ERRORS];
    size_t n_errors; /* of those that are kept */
    uint64_t all_errors;
    uint64_t steps_left; /* that are known of now */
    report_business_t *businesses;
    size_t n_businesses;
    seen_t became, objects;  /* calls, and what was fetched, by hash */
    seen_t places, made_for; /* the same calls' businesses; customers that are new */
} report_t;

void report_clear(report_t *r);
void report_skip(report_t *r, const char *reason, str_t id);   /* id absent: counted only */
void report_unskip(report_t *r, const char *reason, str_t id); /* it was not left out after all */
void report_error(report_t *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_call(report_t *r, str_t provider, str_t call_id, became_t became, const report_customer_t *customer);
customer_outcome_t report_outcome(str_t name); /* as hookline_customer_outcome() says it; absent: CUSTOMER_NOBODYS */

/* As JSON: {reason: count}, {reason: [id, …]}, [error, …], and by business {id: {"name", "calls": {became: count},
 * "customers": {outcome: count}}}; what are too many are "others". */
void report_print_skips(const report_t *r, buf_t *out);
void report_print_ids(const report_t *r, buf_t *out);
void report_print_errors(const report_t *r, buf_t *out);
void report_print_businesses(const report_t *r, buf_t *out);

#endif
