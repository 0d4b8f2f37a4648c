/* call.h – one request of the API, as what answers it sees it: its parameters, the database, and the answer.
 *
 * The loop makes it; the worker, or whoever has it, answers it. A resource is a row of the table in router.c and a
 * function such as
 *
 *     bool runs_one(api_call_t *c, api_db_t *db)
 *     {
 *         const char *values[] = {c->segments[0]};
 *         return db_answer(db, c, 200, "SELECT … WHERE id = $1", values, COUNT(values));
 *     }
 *
 * in a transaction that is committed when it returns true. One thread at a time. */
#ifndef HOOKLINE_API_CALL_H
#define HOOKLINE_API_CALL_H

#include "base/clock.h"
#include "base/form.h"
#include "http/service.h"

#include <libpq-fe.h>
#include <stdatomic.h>

#define CALL_MAX_SEGMENTS 2
#define CALL_WAIT_US      (600 * US_PER_S) /* at most, for what takes long */

typedef struct api_call api_call_t;
typedef struct api_db api_db_t;
typedef struct api_method api_method_t;

/* False: c->err says why not, and nothing is stored. */
typedef bool (*api_run_fn)(api_call_t *c, api_db_t *db);

struct api_call {
    api_call_t *next; /* in the list that has it: of those to be run, watched, or given back */
    arena_t *arena;   /* of all of it */

    /* What is asked for. */
    const api_method_t *method;
    const char *segments[CALL_MAX_SEGMENTS]; /* what stands for {…} in the path; never empty */
    form_t query;
    const char *who; /* the token's name */
    struct auditor *auditor;
    int64_t deadline_us; /* mono clock: nobody waits for it after that */
    atomic_bool gone;    /* nobody waits for it */

    /* The answer. */
    int status;
    str_t body, location;
    int retry_after_s; /* 0: as its status has it */
    err_t err;
    /* Not NULL: the answer is but what it is for now. This is asked again and again, and says true once it has made the
     * answer; false, with ERR_NOT_FOUND: not yet. It writes nothing. */
    api_run_fn again;
    int64_t again_until_us; /* mono clock */
    int64_t again_id;
    bool again_alone; /* it asks no database, and is asked without one too */

    struct api_wait *wait; /* the port's */
};

/* ---- parameters ---- */

const char *call_text(const api_call_t *c, const char *name); /* NULL: not given */
/* Each gives what it is by default when it is not given; false: it is given, and wrong. */
bool call_int(api_call_t *c, const char *name, int64_t least, int64_t most, int64_t *inout);
bool call_flag(api_call_t *c, const char *name, bool *inout);
/* A moment: RFC 3339, or a date, which is its midnight (UTC). As PostgreSQL reads it. */
bool call_time(api_call_t *c, const char *name, const char **text, int64_t *us);
const char *call_number(api_call_t *c, int64_t value); /* as text */
bool call_refuse(api_call_t *c, err_code_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- the database (worker.c) ---- */

/* values: as text; NULL: NULL. NULL: c->err says why. */
PGresult *db_ask(api_db_t *db, api_call_t *c, const char *sql, const char *const *values, int count);
/* The answer is the JSON in its first row's first column. False, and ERR_NOT_FOUND, when there is no row. */
bool db_answer(api_db_t *db, api_call_t *c, int status, const char *sql, const char *const *values, int count);

#endif
