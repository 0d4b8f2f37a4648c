/* auditor.h – makes the audits (reconcile/audit.h) that the API is asked for: one at a time in this process, each on a
 * thread of its own, since it waits for the providers' APIs for minutes.
 *
 * Who asks for what is being made already joins. What was found is kept for AUDITOR_KEPT_US, the last few audits', for
 * who left before its end and asks for it by its id; other instances know nothing of it. One thread asks and looks; any
 * may reload and end. */
#ifndef HOOKLINE_API_AUDITOR_H
#define HOOKLINE_API_AUDITOR_H

#include "base/clock.h"
#include "config/config.h"

#define AUDITOR_KEPT_US   (300 * US_PER_S)
#define AUDITOR_MAX_BYTES ((size_t)1024 * 1024) /* about: of what is listed; as JSON it may be some times that */

typedef struct auditor auditor_t;

auditor_t *auditor_new(config_t *config);
void auditor_reload(auditor_t *a, config_t *config); /* from the next audit on */
/* What is under way ends soon, without a result, and nothing begins any more. Does not wait for it. */
void auditor_end(auditor_t *a);
void auditor_free(auditor_t *a); /* ends, waits for it, and frees. NULL is fine */

typedef struct auditor_wish {
    int64_t id; /* of one that was asked for before; 0: none. Where it is not known (any more), the rest counts */
    uint64_t providers; /* the bits of those, by their places in PROVIDERS; each has remote */
    int64_t since_us;   /* TIME_NONE: AUDIT_SINCE_US before it begins */
    size_t limit;       /* entries of each list */
} auditor_wish_t;

/* What became of a wish: the audit that it led to, with its id and since when. */
typedef struct auditor_task {
    auditor_wish_t wish;
    int64_t began_us; /* wall clock */
} auditor_task_t;

/* One that is there already, or a new one. False: ERR_BUSY, while another is made; or the code by which the one of
 * that id failed, told once. */
bool auditor_ask(auditor_t *a, const auditor_wish_t *wish, auditor_task_t *out, err_t *err);

typedef enum {
    AUDITOR_RUNS,
    AUDITOR_FOUND,  /* *json, in the arena */
    AUDITOR_FAILED, /* err has the code */
    AUDITOR_GONE,   /* not known, or not any more */
} auditor_state_t;
auditor_state_t auditor_look(auditor_t *a, int64_t id, arena_t *arena, str_t *json, err_t *err);

#endif
