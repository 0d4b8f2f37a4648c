/* report.h – what a run has done: counts, what was left out and why, and what went wrong. One thread. */
#ifndef HOOKLINE_RECONCILE_REPORT_H
#define HOOKLINE_RECONCILE_REPORT_H

#include "reconcile/seen.h"

#define REPORT_MAX_REASONS 32
#define REPORT_MAX_IDS     100 /* of one reason; the others are counted */
#define REPORT_MAX_ERRORS  100

/* What became of a call's rows, the greatest of all that a run did to it. */
typedef enum { BECAME_NOTHING, BECAME_UNCHANGED, BECAME_UPDATED, BECAME_NEW } became_t;

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
    uint64_t steps_left;    /* that are known of now */
    seen_t became, objects; /* calls, and what was fetched, by hash */
} report_t;

void report_clear(report_t *r);
void report_skip(report_t *r, const char *reason, str_t id); /* id absent: counted only */
void report_error(report_t *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_call(report_t *r, str_t provider, str_t call_id, became_t became);

/* As JSON: {reason: count}, {reason: [id, …]}, [error, …]. */
void report_print_skips(const report_t *r, buf_t *out);
void report_print_ids(const report_t *r, buf_t *out);
void report_print_errors(const report_t *r, buf_t *out);

#endif
