/* audit_result.h – what came of an audit: lists of calls, provider by provider, the checks of the database, the
 * verdict.
 *
 * Not how it was found out (audit.h). All of it but the reports is in the result's arena. One thread. */
#ifndef HOOKLINE_RECONCILE_AUDIT_RESULT_H
#define HOOKLINE_RECONCILE_AUDIT_RESULT_H

#include "provider.h"
#include "reconcile/report.h"

#define AUDIT_MAX_ENTRIES 100000 /* of one list, where nobody says */
#define AUDIT_MAX_VALUE   4096   /* bytes of a differing value; the others are cut off */

typedef struct audit_field {
    struct audit_field *next;
    str_t name;        /* "duration_seconds", "messages[report:3].content" … */
    str_t here, there; /* absent: no value; one that is cut off ends in "…" */
} audit_field_t;

typedef struct audit_entry {
    struct audit_entry *next;
    str_t id;      /* of the call, by its provider; of a check: of the row */
    str_t why;     /* absent where there is nothing to say */
    str_t about;   /* a number, a Call SID …; absent: nothing more is known */
    int64_t at_us; /* TIME_NONE: not known */
    audit_field_t *fields, **fields_tail;
    bool cut;                        /* more fields differ: there was no room for them (max_bytes) */
    struct audit_entry *same_bucket; /* the audit's own, while it finds entries by their calls */
} audit_entry_t;

typedef struct audit_list {
    audit_entry_t *first, **tail;
    uint64_t count, kept;
} audit_list_t;

/* A column whose value here is another, and stays. */
typedef struct audit_kept {
    struct audit_kept *next;
    const char *name;
    uint64_t count, by_hand;
} audit_kept_t;

typedef enum {
    AUDIT_ONLY_THERE,
    AUDIT_ONLY_HERE,
    AUDIT_DIFFERING,
    AUDIT_NOT_LISTABLE, /* here, and the API knows a call only while it lives: nothing can be said */
    AUDIT_LIST_COUNT
} audit_list_id_t;
extern const char *const AUDIT_LIST_NAMES[AUDIT_LIST_COUNT]; /* "only_there" … */

typedef enum {
    AUDIT_ASKED,
    AUDIT_NO_KEY, /* why says which setting is to be set */
    AUDIT_FAILED, /* refused, or not all of it could be read: why, and the report's errors */
} audit_asked_t;

typedef struct audit_provider {
    const provider_t *provider;
    audit_asked_t asked;
    char why[400];
    report_t report;
    uint64_t compared; /* calls that the API told of */
    audit_list_t lists[AUDIT_LIST_COUNT];
    audit_kept_t *kept;
} audit_provider_t;

#define AUDIT_MAX_CHECKS 4
typedef struct audit_check {
    const char *name; /* "customers_without_call" … */
    audit_list_t list;
    uint64_t explained; /* of them, those that are as they should be: no difference */
} audit_check_t;

typedef struct audit_result {
    arena_t *arena;     /* of all below but the reports */
    size_t max_entries; /* of one list; the others are counted */
    size_t max_bytes;   /* about: of all that is listed; 0: no bound */
    int64_t since_us, until_us;
    audit_provider_t *providers;
    size_t n_providers;
    audit_check_t checks[AUDIT_MAX_CHECKS];
    size_t n_checks;
} audit_result_t;

void audit_result_clear(audit_result_t *r);

bool audit_is_full(const audit_result_t *r);
audit_entry_t *audit_list_add(audit_result_t *r, audit_list_t *list, str_t id); /* NULL: it is counted only */

bool audit_differs(const audit_result_t *r);     /* anything */
bool audit_is_complete(const audit_result_t *r); /* every provider that has a key was asked for all, and one has */

void audit_print_json(const audit_result_t *r, buf_t *out); /* audit_json.c */

#endif
