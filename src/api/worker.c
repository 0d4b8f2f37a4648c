#include "api/worker.h"

#include "api/router.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/pg.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_US      (200 * US_PER_MS) /* between two looks at what is waited for */
#define RECONNECT_US US_PER_S
#define MOST_WATCHED 64 /* what is above is answered at once */

struct api_db {
    pg_t *pg; /* NULL: not connected */
    bool broken;
    const char *timeout_ms; /* text */
};

struct worker {
    worker_options_t options;
    char *conninfo;
    char timeout_ms[24];
    pthread_t thread;
    _Atomic int64_t end_us; /* of all waiting for PostgreSQL; mono clock */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    api_call_t *queue, **queue_tail;
    bool hurries, stops;

    /* the thread's own */
    api_db_t db;
    int64_t reconnect_us; /* not before; mono clock */
    api_call_t *watched;
    size_t n_watched;
    int64_t look_us; /* when next */
};

/* ---- the database ---- */

static bool lost(api_db_t *db, api_call_t *c)
{
    db->broken = true;
    c->err = (err_t){.code = ERR_STORE_DOWN};
    return false;
}

/* 08, 25006, 53 and 57 (but for a statement that was ended) are about the database's state: another connection, or
 * another server, may do better. */
static bool is_state(const char *sqlstate)
{
    return !*sqlstate || strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57P", 3) == 0 || strcmp(sqlstate, "25006") == 0;
}

static void note_error(api_db_t *db, api_call_t *c, const pg_error_t *e)
{
    static log_gate_t gate;
    int64_t held;

    if (is_state(e->sqlstate)) {
        (void)lost(db, c);
    } else if (strcmp(e->sqlstate, "57014") == 0) {
        c->err = (err_t){.code = ERR_COMMIT_TIMEOUT};
    } else {
        c->err = (err_t){.code = ERR_INTERNAL};
        if (log_gate_open(&gate, US_PER_S, &held))
            LOG(LOG_ERROR, "a statement of the API failed", log_cstr("sqlstate", e->sqlstate),
                log_int("not_logged", held));
    }
}

PGresult *db_ask(api_db_t *db, api_call_t *c, const char *sql, const char *const *values, int count)
{
    pg_error_t error;
    PGresult *r = pg_ask(db->pg, sql, values, count, &error);

    if (!r)
        note_error(db, c, &error);
    return r;
}

bool db_answer(api_db_t *db, api_call_t *c, int status, const char *sql, const char *const *values, int count)
{
    PGresult *r = db_ask(db, c, sql, values, count);
    bool any = r && PQntuples(r) > 0;

    if (any) {
        c->status = status;
        c->body = arena_dup(c->arena, (str_t){PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0)});
    } else if (r) {
        c->err = (err_t){.code = ERR_NOT_FOUND};
    }
    PQclear(r);
    return any;
}

static bool say(api_db_t *db, api_call_t *c, const char *sql, const char *const *values, int count)
{
    PGresult *r = db_ask(db, c, sql, values, count);

    PQclear(r);
    return r != NULL;
}

/* Settings last as long as the transaction: behind a pooler the next one may have another connection. */
static bool begin(api_db_t *db, api_call_t *c)
{
    bool done = say(db, c, "BEGIN", NULL, 0) &&
                say(db, c, "SELECT set_config('statement_timeout', $1, true), set_config('TimeZone', 'UTC', true)",
                    &db->timeout_ms, 1);

    if (!done)
        db->broken = true;
    return done;
}

static bool end(api_db_t *db, api_call_t *c, bool ok)
{
    err_t why = c->err;
    bool done = !db->broken && say(db, c, ok ? "COMMIT" : "ROLLBACK", NULL, 0);

    if (!done)
        db->broken = true;
    if (!ok)
        c->err = why;
    return ok && done;
}

static void disconnect(worker_t *w)
{
    pg_close(w->db.pg);
    w->db.pg = NULL;
    w->db.broken = false;
}

static bool ensure_connected(worker_t *w)
{
    static log_gate_t gate;
    /* As behind a pooler: nothing is prepared, and no setting of the writer's is made. */
    const pg_options_t options = {.conninfo = w->conninfo,
                                  .pooled = true,
                                  .statement_timeout_us = w->options.statement_timeout_us,
                                  .end_us = &w->end_us};
    err_t err = {.code = ERR_NONE};
    int64_t held;

    if (w->db.pg && (w->db.broken || !pg_is_alive(w->db.pg)))
        disconnect(w);
    if (w->db.pg)
        return true;
    if (clock_mono_us() < w->reconnect_us || clock_mono_us() >= atomic_load(&w->end_us))
        return false;
    w->db.pg = pg_open(&options, &err);
    w->reconnect_us = clock_mono_us() + RECONNECT_US;
    if (!w->db.pg && log_gate_open(&gate, 5 * US_PER_S, &held))
        LOG(LOG_WARN, "the API has no database", log_cstr("reason", err.detail), log_cstr("hint", err.hint),
            log_int("not_logged", held));
    return w->db.pg != NULL;
}

/* ---- calls ---- */

static void watch(worker_t *w, api_call_t *c)
{
    c->next = w->watched;
    w->watched = c;
    w->n_watched++;
}

static void run_in_transaction(worker_t *w, api_call_t *c)
{
    if (!ensure_connected(w))
        c->err = (err_t){.code = ERR_STORE_DOWN};
    else if (begin(&w->db, c))
        (void)end(&w->db, c, c->method->run(c, &w->db));
}

static void run_call(worker_t *w, api_call_t *c, bool hurries)
{
    if (atomic_load(&c->gone) || clock_mono_us() >= c->deadline_us)
        c->err = (err_t){.code = ERR_COMMIT_TIMEOUT};
    else
        run_in_transaction(w, c);
    if (c->err.code == ERR_NONE && c->again && !hurries && w->n_watched < MOST_WATCHED)
        watch(w, c);
    else
        w->options.done(c);
}

/* open: there is a transaction to look in; not any more after an error, and then it has to wait for the next round. */
static bool is_over(worker_t *w, api_call_t *c, bool *open)
{
    if (atomic_load(&c->gone) || clock_mono_us() >= c->again_until_us ||
        ((*open || c->again_alone) && c->again(c, &w->db)))
        return true;
    if (c->err.code != ERR_NONE && c->err.code != ERR_NOT_FOUND)
        *open = false;
    c->err.code = ERR_NONE;
    return false;
}

static void look_at_all(worker_t *w, bool hurries)
{
    api_call_t scratch = {.next = NULL}, *list = w->watched;
    bool begun = !hurries && ensure_connected(w) && begin(&w->db, &scratch), open = begun;

    w->watched = NULL;
    w->n_watched = 0;
    for (api_call_t *c = list, *next; c; c = next) {
        next = c->next;
        if (hurries || is_over(w, c, &open))
            w->options.done(c);
        else
            watch(w, c);
    }
    if (begun)
        (void)end(&w->db, &scratch, open);
    w->look_us = clock_mono_us() + LOOK_US;
}

/* ---- the thread ---- */

/* Under the lock. Until there is a call, it is time for a look, or everything changes. */
static void wait_for_work(worker_t *w)
{
    const struct timespec until = {.tv_sec = w->look_us / US_PER_S, .tv_nsec = w->look_us % US_PER_S * 1000};

    while (!w->queue && !w->stops && !(w->watched && (w->hurries || clock_mono_us() >= w->look_us))) {
        if (w->watched)
            (void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
        else
            (void)pthread_cond_wait(&w->changed, &w->lock);
    }
}

static api_call_t *take_call(worker_t *w)
{
    api_call_t *c = w->queue;

    if (c && !(w->queue = c->next))
        w->queue_tail = &w->queue;
    return c;
}

static void *work(void *arg)
{
    worker_t *w = arg;
    bool stops = false;

    while (!stops) {
        api_call_t *c;
        bool hurries;

        pthread_mutex_lock(&w->lock);
        wait_for_work(w);
        c = take_call(w);
        hurries = w->hurries;
        stops = w->stops && !c;
        pthread_mutex_unlock(&w->lock);
        if (c)
            run_call(w, c, hurries);
        if (w->watched && (hurries || clock_mono_us() >= w->look_us))
            look_at_all(w, hurries);
    }
    disconnect(w);
    return NULL;
}

worker_t *worker_start(const worker_options_t *options)
{
    worker_t *w = mem_zalloc(sizeof(*w));
    pthread_condattr_t attr;
    sigset_t all, before;

    w->options = *options;
    w->conninfo = mem_strdup(str_from(options->conninfo));
    w->queue_tail = &w->queue;
    (void)snprintf(w->timeout_ms, sizeof(w->timeout_ms), "%lld",
                   (long long)(options->statement_timeout_us / US_PER_MS));
    w->db.timeout_ms = w->timeout_ms;
    atomic_init(&w->end_us, INT64_MAX);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    sigfillset(&all); /* signals are the main thread's; a new thread inherits the mask */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&w->thread, NULL, work, w) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w;
}

void worker_put(worker_t *w, api_call_t *c)
{
    c->next = NULL;
    pthread_mutex_lock(&w->lock);
    *w->queue_tail = c;
    w->queue_tail = &c->next;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void worker_hurry(worker_t *w)
{
    pthread_mutex_lock(&w->lock);
    w->hurries = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void worker_stop(worker_t *w)
{
    atomic_store(&w->end_us, clock_mono_us());
    pthread_mutex_lock(&w->lock);
    w->hurries = w->stops = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w->conninfo);
    free(w);
}
