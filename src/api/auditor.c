#include "api/auditor.h"

#include "base/crypto.h"
#include "base/log.h"
#include "reconcile/audit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MOST_KEPT 4
#define ID_BITS   53 /* any reader of JSON can hold it */

typedef struct task {
    struct task *next; /* the one before */
    auditor_t *auditor;
    auditor_task_t told;
    bool since_given;
    config_t *config; /* while it is made */
    bool ended;
    int64_t ended_us;  /* mono clock */
    buf_t found;       /* JSON */
    err_code_t failed; /* ERR_NONE: it was found. Why is for the log: it may name what is not for who asks */
} task_t;

struct auditor {
    pthread_mutex_t lock; /* guards what follows, and the tasks but for what their thread alone uses */
    config_t *config;
    task_t *tasks; /* the newest first: the only one that may not have ended */
    pthread_t thread;
    bool has_thread;
    _Atomic bool stop;
    _Atomic int64_t end_us;
};

/* ---- one audit ---- */

static size_t choose(uint64_t bits, const provider_t **out)
{
    size_t count = 0;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (bits >> i & 1)
            out[count++] = PROVIDERS[i];
    return count;
}

static void log_end(const task_t *t, const audit_result_t *r, const err_t *err)
{
    int64_t ms = (clock_wall_us() - t->told.began_us) / US_PER_MS;

    if (err->code != ERR_NONE)
        LOG(LOG_WARN, "not audited", log_cstr("reason", err->detail), log_int("ms", ms));
    else
        LOG(LOG_INFO, "audited", log_int("differs", audit_differs(r)), log_int("complete", audit_is_complete(r)),
            log_int("ms", ms));
}

static void audit(const task_t *t, buf_t *found, err_t *err)
{
    const provider_t *providers[sizeof(t->told.wish.providers) * 8];
    setting_source_t keys = config_source(t->config);
    job_settings_t settings;
    audit_options_t options = {.settings = &settings,
                               .keys = &keys,
                               .fetcher = fetcher_new(),
                               .providers = providers,
                               .n_providers = choose(t->told.wish.providers, providers),
                               .since_us = t->told.wish.since_us,
                               .max_entries = t->told.wish.limit,
                               .max_bytes = AUDITOR_MAX_BYTES,
                               .stop = &t->auditor->stop,
                               .end_us = &t->auditor->end_us};
    audit_result_t result;

    job_settings_read(&settings, t->config);
    if (audit_run(&options, &result, err))
        audit_print_json(&result, found);
    log_end(t, &result, err);
    audit_result_clear(&result);
    job_settings_clear(&settings);
    fetcher_free(options.fetcher);
}

static void *make(void *arg)
{
    task_t *t = arg;
    auditor_t *a = t->auditor;
    buf_t found = BUF_EMPTY;
    err_t err = {.code = ERR_NONE};

    audit(t, &found, &err);
    config_free(t->config);
    pthread_mutex_lock(&a->lock);
    t->config = NULL;
    t->found = found;
    t->failed = err.code;
    t->ended_us = clock_mono_us();
    t->ended = true;
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- those that are kept; under the lock ---- */

static void drop(task_t **at)
{
    task_t *t = *at;

    *at = t->next;
    buf_clear(&t->found);
    free(t);
}

static void drop_old(auditor_t *a)
{
    int64_t before_us = clock_mono_us() - AUDITOR_KEPT_US;
    size_t kept = 0;

    for (task_t **at = &a->tasks; *at;) {
        if ((*at)->ended && ((*at)->ended_us < before_us || ++kept > MOST_KEPT))
            drop(at);
        else
            at = &(*at)->next;
    }
}

static task_t **find(auditor_t *a, int64_t id)
{
    task_t **at = &a->tasks;

    while (*at && (*at)->told.wish.id != id)
        at = &(*at)->next;
    return at;
}

/* Of two that do not say since when, one is as good for the other. */
static bool suits(const task_t *t, const auditor_wish_t *w)
{
    bool given = w->since_us != TIME_NONE;

    return t->told.wish.providers == w->providers && t->told.wish.limit == w->limit && t->since_given == given &&
           (!given || t->told.wish.since_us == w->since_us);
}

/* ---- asking ---- */

static int64_t new_id(void)
{
    uint64_t id;

    do {
        crypto_random(&id, sizeof(id));
        id &= (UINT64_C(1) << ID_BITS) - 1;
    } while (!id);
    return (int64_t)id;
}

static task_t *new_task(auditor_t *a, const auditor_wish_t *wish)
{
    task_t *t = mem_zalloc(sizeof(*t));

    t->auditor = a;
    t->told = (auditor_task_t){.wish = *wish, .began_us = clock_wall_us()};
    t->told.wish.id = new_id();
    t->since_given = wish->since_us != TIME_NONE;
    if (!t->since_given)
        t->told.wish.since_us = t->told.began_us - AUDIT_SINCE_US;
    t->config = config_share(a->config);
    t->next = a->tasks;
    return t;
}

/* The one before has ended: its thread is about to, if it has not. */
static void begin(auditor_t *a, const auditor_wish_t *wish)
{
    if (a->has_thread)
        pthread_join(a->thread, NULL);
    a->tasks = new_task(a, wish);
    if (pthread_create(&a->thread, NULL, make, a->tasks) != 0)
        abort();
    a->has_thread = true;
}

static const task_t *refuse(err_t *err, const char *why)
{
    (void)err_set(err, ERR_BUSY, "%s", why);
    return NULL;
}

/* Under the lock. NULL: err says why not. */
static const task_t *take(auditor_t *a, const auditor_wish_t *wish, err_t *err)
{
    task_t **known = find(a, wish->id), *newest = a->tasks;

    if (*known && (*known)->failed == ERR_NONE)
        return *known;
    if (*known) {
        err->code = (*known)->failed;
        drop(known);
        return NULL;
    }
    if (newest && !newest->ended && suits(newest, wish))
        return newest;
    if (atomic_load(&a->stop))
        return refuse(err, "hookline is stopping");
    if (newest && !newest->ended)
        return refuse(err, "another audit is being made: one at a time");
    begin(a, wish);
    return a->tasks;
}

bool auditor_ask(auditor_t *a, const auditor_wish_t *wish, auditor_task_t *out, err_t *err)
{
    const task_t *t;

    pthread_mutex_lock(&a->lock);
    drop_old(a);
    t = take(a, wish, err);
    if (t)
        *out = t->told;
    pthread_mutex_unlock(&a->lock);
    return t != NULL;
}

/* What the end of all has cut short has not failed: another instance, or the next, makes it. */
static auditor_state_t state_of(const auditor_t *a, const task_t *t)
{
    if (!t)
        return AUDITOR_GONE;
    if (!t->ended || (t->failed != ERR_NONE && atomic_load(&a->stop)))
        return AUDITOR_RUNS;
    return t->failed == ERR_NONE ? AUDITOR_FOUND : AUDITOR_FAILED;
}

auditor_state_t auditor_look(auditor_t *a, int64_t id, arena_t *arena, str_t *json, err_t *err)
{
    const task_t *t;
    auditor_state_t state;

    pthread_mutex_lock(&a->lock);
    t = *find(a, id);
    state = state_of(a, t);
    if (state == AUDITOR_FOUND)
        *json = arena_dup(arena, buf_str(&t->found));
    else if (state == AUDITOR_FAILED)
        err->code = t->failed;
    pthread_mutex_unlock(&a->lock);
    return state;
}

/* ---- as a whole ---- */

auditor_t *auditor_new(config_t *config)
{
    auditor_t *a = mem_zalloc(sizeof(*a));

    assert(PROVIDER_COUNT <= sizeof(uint64_t) * 8);
    pthread_mutex_init(&a->lock, NULL);
    a->config = config_share(config);
    atomic_init(&a->end_us, INT64_MAX);
    return a;
}

void auditor_reload(auditor_t *a, config_t *config)
{
    pthread_mutex_lock(&a->lock);
    config_free(a->config);
    a->config = config_share(config);
    pthread_mutex_unlock(&a->lock);
}

void auditor_end(auditor_t *a)
{
    atomic_store(&a->stop, true);
    atomic_store(&a->end_us, clock_mono_us());
}

void auditor_free(auditor_t *a)
{
    if (!a)
        return;
    auditor_end(a);
    if (a->has_thread)
        pthread_join(a->thread, NULL);
    while (a->tasks)
        drop(&a->tasks);
    config_free(a->config);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
