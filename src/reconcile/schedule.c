#include "reconcile/schedule.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "reconcile/session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_US     (60 * US_PER_S) /* between looks, where there is nothing to do */
#define AGAIN_US    (15 * US_PER_S) /* where the database was not there */
#define DATABASE_US (2 * US_PER_S)  /* for its end, when all has to end */

/* A provider, and the thread that looks after it. */
typedef struct seat {
    schedule_t *schedule;
    const provider_t *provider;
    void *fresh; /* its access since the last reload, until the thread takes it; locked, as is has_fresh */
    bool has_fresh;
    void *access; /* the thread's */
    pthread_t thread;
} seat_t;

struct schedule {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    session_settings_t settings;
    fetcher_t *fetcher;
    _Atomic bool stop;
    _Atomic int64_t end_us;
    seat_t *seats;
    size_t n_seats;
};

/* ---- settings ---- */

static void free_access(const provider_t *p, void *access)
{
    if (access)
        p->remote->access_free(access);
}

static bool read_access(schedule_t *s, const config_t *config, void **access, err_t *err)
{
    setting_source_t source = config_source(config);

    for (size_t i = 0; i < s->n_seats; i++) {
        err->code = ERR_NONE;
        access[i] = s->seats[i].provider->remote->access_new(&source, err);
        if (access[i] || err->code == ERR_NONE)
            continue;
        while (i-- > 0)
            free_access(s->seats[i].provider, access[i]);
        return false;
    }
    return true;
}

bool schedule_reload(schedule_t *s, const config_t *config, err_t *err)
{
    void **access = mem_alloc((s->n_seats + 1) * sizeof(*access));
    session_settings_t settings;
    bool ok = read_access(s, config, access, err);

    if (ok) {
        session_settings_read(&settings, config);
        pthread_mutex_lock(&s->lock);
        session_settings_clear(&s->settings);
        s->settings = settings;
        for (size_t i = 0; i < s->n_seats; i++) {
            free_access(s->seats[i].provider, s->seats[i].fresh);
            s->seats[i].fresh = access[i];
            s->seats[i].has_fresh = true;
        }
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    free(access);
    return ok;
}

static void take_settings(seat_t *seat, session_settings_t *out)
{
    schedule_t *s = seat->schedule;

    pthread_mutex_lock(&s->lock);
    session_settings_copy(out, &s->settings);
    if (seat->has_fresh) {
        free_access(seat->provider, seat->access);
        seat->access = seat->fresh;
        seat->fresh = NULL;
        seat->has_fresh = false;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- a run ---- */

static void log_run(const provider_t *p, run_status_t status, const report_t *r)
{
    LOG(status == RUN_FAILED ? LOG_WARN : LOG_INFO, "reconciled", log_cstr("provider", p->name),
        log_cstr("status", run_status_name(status)), log_int("requests", r->requests), log_int("fetched", r->fetched),
        log_int("new", r->calls[BECAME_NEW]), log_int("updated", r->calls[BECAME_UPDATED]),
        log_int("unchanged", r->calls[BECAME_UNCHANGED]), log_int("errors", r->all_errors),
        log_cstr("first_error", r->n_errors ? r->errors[0] : ""));
}

/* Between 15/16 and 17/16 of it, so that several do not keep in step. */
static int64_t with_jitter(int64_t us)
{
    uint32_t noise;

    crypto_random(&noise, sizeof(noise));
    return us - us / 16 + us / 8 * (noise % 1024) / 1024;
}

/* When the next is due, from now on. */
static int64_t run_once(seat_t *seat, const session_settings_t *settings)
{
    static log_gate_t gate;
    schedule_t *s = seat->schedule;
    session_wish_t wish = {
        .provider = seat->provider,
        .access = seat->access,
        .asked_by = "schedule",
        .every_us = settings->every_us - settings->every_us / 8, /* more than the jitter takes off */
        .since_us = TIME_NONE,
        .until_us = TIME_NONE,
        .stop = &s->stop,
        .end_us = &s->end_us,
    };
    run_status_t status = RUN_FAILED;
    report_t report = {.requests = 0};
    err_t err = {.code = ERR_NONE};
    lease_t lease = session_run(settings, &wish, s->fetcher, &status, &report, &err);
    int64_t held;

    if (lease == LEASE_TAKEN)
        log_run(seat->provider, status, &report);
    else if (lease == LEASE_FAILED && log_gate_open(&gate, 60 * US_PER_S, &held))
        LOG(LOG_WARN, "not reconciled", log_cstr("provider", seat->provider->name), log_cstr("reason", err.detail));
    report_clear(&report);
    return with_jitter(lease == LEASE_FAILED && settings->every_us > AGAIN_US ? AGAIN_US : settings->every_us);
}

/* ---- the threads ---- */

/* False: all has to end. Woken by a reload: true, and early. */
static bool rest(schedule_t *s, int64_t us)
{
    int64_t until_us = clock_mono_us() + us;
    struct timespec until = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000};

    pthread_mutex_lock(&s->lock);
    if (!atomic_load(&s->stop))
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
    return !atomic_load(&s->stop);
}

static void *look_after(void *arg)
{
    seat_t *seat = arg;
    session_settings_t settings;
    int64_t due_us = 0;
    bool going = true;

    while (going) {
        int64_t now_us = clock_mono_us(), wait_us = IDLE_US;

        take_settings(seat, &settings);
        if (seat->access && settings.every_us) {
            if (now_us >= due_us)
                due_us = now_us + run_once(seat, &settings);
            now_us = clock_mono_us();
            wait_us = due_us > now_us ? due_us - now_us : 0;
        }
        session_settings_clear(&settings);
        going = rest(seat->schedule, wait_us);
    }
    return NULL;
}

/* ---- start and stop ---- */

static void add_seats(schedule_t *s)
{
    s->seats = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(*s->seats));
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote)
            s->seats[s->n_seats++] = (seat_t){.schedule = s, .provider = PROVIDERS[i]};
}

static void release(schedule_t *s)
{
    for (size_t i = 0; i < s->n_seats; i++) {
        free_access(s->seats[i].provider, s->seats[i].fresh);
        free_access(s->seats[i].provider, s->seats[i].access);
    }
    fetcher_free(s->fetcher);
    session_settings_clear(&s->settings);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->seats);
    free(s);
}

static void init_lock(schedule_t *s)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

schedule_t *schedule_start(const config_t *config, err_t *err)
{
    schedule_t *s = mem_zalloc(sizeof(*s));

    init_lock(s);
    atomic_store(&s->end_us, INT64_MAX);
    add_seats(s);
    if (!schedule_reload(s, config, err)) {
        release(s);
        return NULL;
    }
    s->fetcher = fetcher_new();
    for (size_t i = 0; i < s->n_seats; i++)
        if (pthread_create(&s->seats[i].thread, NULL, look_after, &s->seats[i]) != 0)
            abort();
    return s;
}

void schedule_begin_stop(schedule_t *s)
{
    pthread_mutex_lock(&s->lock);
    if (!atomic_exchange(&s->stop, true))
        atomic_store(&s->end_us, clock_mono_us() + DATABASE_US);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void schedule_stop(schedule_t *s)
{
    if (!s)
        return;
    schedule_begin_stop(s);
    for (size_t i = 0; i < s->n_seats; i++)
        pthread_join(s->seats[i].thread, NULL);
    release(s);
}
