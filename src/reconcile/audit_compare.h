/* audit_compare.h – whether a value that a provider's API gives and the one that is stored are the same. Pure; any
 * thread.
 *
 * By the rules that facts are merged by (event/fact.h): what differs is exactly what a reconcile run would change. A
 * value that the API does not give says nothing; one that is stored by better evidence (somebody's hand, a report that
 * is newer), or that wins the tie, stays whatever the API says, and is told apart. */
#ifndef HOOKLINE_RECONCILE_AUDIT_COMPARE_H
#define HOOKLINE_RECONCILE_AUDIT_COMPARE_H

#include "event/fact.h"

/* A column of a row, as it is stored. */
typedef struct held {
    cell_t cell; /* its version stands even where there is no value */
    bool absent;
} held_t;

typedef enum {
    COMPARED_SAME,
    COMPARED_DIFFERS,
    COMPARED_KEPT,         /* another value, and it stays */
    COMPARED_KEPT_BY_HAND, /* the same, since somebody wrote it */
} compared_t;

/* Texts of NUMERIC columns end with a NUL, as in fact.h. a: scratch. */
compared_t audit_compare(const column_t *column, const cell_t *there, const held_t *here, arena_t *a);

/* A value for people and JSON: times in ISO 8601. version 0 does not matter. */
str_t audit_print_value(column_type_t type, const cell_t *cell, arena_t *a);

/* Of a row's versions, as PostgreSQL writes an array: "{1,2}"; 0 for what is missing at its end. */
void audit_read_versions(const char *text, version_t *out, size_t count);
/* Of a column's text, as audit_database.c asks for it: times in microseconds. text NULL: no value. Borrowed. */
held_t audit_read_value(column_type_t type, version_t version, const char *text, size_t len);

#endif
