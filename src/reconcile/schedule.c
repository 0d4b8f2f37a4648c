#include "reconcile/schedule.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "reconcile/job.h"
#include "reconcile/keys.h"
#include "reconcile/nudge.h"
#include "reconcile/queued.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_US     (60 * US_PER_S) /* between looks, where there is nothing to do */
#define AGAIN_US    (15 * US_PER_S) /* where the database was not there */
#define WATCH_US    US_PER_S        /* between looks for runs that were asked for by the API */
#define HELD_US     (5 * US_PER_S)  /* until one is tried again, for which another run is in the way */
#define DATABASE_US (2 * US_PER_S)  /* for its end, when all has to end */

/* A provider, and the thread that looks after it. */
typedef struct seat {
    schedule_t *schedule;
    const provider_t *provider;
    void *fresh; /* its access since the last reload, until the thread takes it; locked, as is has_fresh */
    bool has_fresh;
    bool has_key;      /* of the last reload; locked, as are missing and nudge */
    char missing[200]; /* the settings without which it cannot be asked */
    nudge_t nudge;
    bool wanted;    /* a run was asked for; locked, as is busy */
    bool busy;      /* with those: it looks for more by itself */
    void *access;   /* the thread's, as is due_us */
    int64_t due_us; /* mono clock: the next run by the schedule */
    pthread_t thread;
} seat_t;

struct schedule {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job_settings_t settings;
    bool watches; /* somebody may ask for a run by the API; locked */
    pthread_t watcher;
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

/* Locked. */
static bool may_be_nudged(const seat_t *seat)
{
    return seat->has_key && seat->schedule->settings.every_us && seat->schedule->settings.gap_us;
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

/* Locked. Who is not to be asked any more has no use for nudges. */
static void replace_access(seat_t *seat, void *fresh, const setting_source_t *from)
{
    buf_t missing = BUF_EMPTY;

    free_access(seat->provider, seat->fresh);
    seat->fresh = fresh;
    seat->has_fresh = true;
    seat->has_key = fresh != NULL;
    if (!fresh)
        keys_missing(seat->provider, from, &missing);
    (void)snprintf(seat->missing, sizeof(seat->missing), STR_FMT, STR_ARG(buf_str(&missing)));
    buf_clear(&missing);
    if (!may_be_nudged(seat))
        nudge_drop(&seat->nudge);
}

/* Commas alone are how a file says that there is no token: one that is empty is refused. */
static bool has_tokens(str_t setting)
{
    str_t row;

    while (str_split(&setting, ',', &row))
        if (str_trim(row).len)
            return true;
    return false;
}

bool schedule_reload(schedule_t *s, const config_t *config, err_t *err)
{
    void **access = mem_alloc((s->n_seats + 1) * sizeof(*access));
    setting_source_t source = config_source(config);
    job_settings_t settings;
    bool ok = read_access(s, config, access, err);

    if (ok) {
        job_settings_read(&settings, config);
        pthread_mutex_lock(&s->lock);
        job_settings_clear(&s->settings);
        s->settings = settings;
        s->watches = has_tokens(config_text(config, "HOOKLINE_API_TOKENS"));
        for (size_t i = 0; i < s->n_seats; i++)
            replace_access(&s->seats[i], access[i], &source);
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    free(access);
    return ok;
}

/* True: a run was asked for. */
static bool take_settings(seat_t *seat, job_settings_t *out)
{
    schedule_t *s = seat->schedule;
    bool wanted;

    pthread_mutex_lock(&s->lock);
    job_settings_copy(out, &s->settings);
    if (seat->has_fresh) {
        free_access(seat->provider, seat->access);
        seat->access = seat->fresh;
        seat->fresh = NULL;
        seat->has_fresh = false;
    }
    wanted = seat->wanted;
    seat->wanted = false;
    seat->busy = wanted;
    pthread_mutex_unlock(&s->lock);
    return wanted;
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

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static void note_run(seat_t *seat, const job_settings_t *settings, int64_t began_us)
{
    seat->due_us = began_us + with_jitter(settings->every_us);
    pthread_mutex_lock(&seat->schedule->lock);
    nudge_ran(&seat->nudge, began_us, settings->gap_us);
    pthread_mutex_unlock(&seat->schedule->lock);
}

/* Somewhat less than `us`: the lease's clock is the database's, and the jitter takes off a sixteenth. */
static int64_t nearly(int64_t us)
{
    return us - us / 8;
}

static lease_t run_as(seat_t *seat, const job_settings_t *settings, const char *asked_by, int64_t every_us)
{
    static log_gate_t gate;
    schedule_t *s = seat->schedule;
    job_wish_t wish = {
        .provider = seat->provider,
        .access = seat->access,
        .asked_by = asked_by,
        .every_us = every_us,
        .since_us = TIME_NONE,
        .until_us = TIME_NONE,
        .stop = &s->stop,
        .end_us = &s->end_us,
    };
    run_status_t status = RUN_FAILED;
    report_t report = {.requests = 0};
    err_t err = {.code = ERR_NONE};
    int64_t began_us = clock_mono_us(), held;
    lease_t lease = job_run(settings, &wish, s->fetcher, &status, &report, &err);

    if (lease == LEASE_TAKEN)
        log_run(seat->provider, status, &report);
    else if (lease == LEASE_FAILED && log_gate_open(&gate, 60 * US_PER_S, &held))
        LOG(LOG_WARN, "not reconciled", log_cstr("provider", seat->provider->name), log_cstr("reason", err.detail));
    report_clear(&report);
    if (lease == LEASE_TAKEN)
        note_run(seat, settings, began_us);
    return lease;
}

static void run_by_schedule(seat_t *seat, const job_settings_t *settings)
{
    int64_t now_us = clock_mono_us(), every_us = settings->every_us;
    lease_t lease = run_as(seat, settings, "schedule", nearly(every_us));

    if (lease != LEASE_TAKEN)
        seat->due_us = now_us + with_jitter(lease == LEASE_FAILED ? sooner(every_us, AGAIN_US) : every_us);
}

/* It is a whole run, as the schedule's are, and stands for the next of those: if it left anything out, that would not
 * be looked for where webhooks never cease. */
static void run_by_webhook(seat_t *seat, const job_settings_t *settings)
{
    int64_t now_us = clock_mono_us(), every_us;
    lease_t lease;

    pthread_mutex_lock(&seat->schedule->lock);
    every_us = nudge_every_us(&seat->nudge, now_us, settings->gap_us);
    pthread_mutex_unlock(&seat->schedule->lock);
    lease = run_as(seat, settings, "webhook", nearly(every_us));
    pthread_mutex_lock(&seat->schedule->lock);
    if (lease == LEASE_NOT_DUE)
        nudge_not_due(&seat->nudge, now_us, settings->gap_us);
    else if (lease != LEASE_TAKEN)
        nudge_put_off(&seat->nudge, now_us + AGAIN_US);
    pthread_mutex_unlock(&seat->schedule->lock);
}

static int64_t nudge_of(seat_t *seat, const job_settings_t *settings)
{
    int64_t due_us;

    pthread_mutex_lock(&seat->schedule->lock);
    due_us = nudge_due_us(&seat->nudge, settings->gap_us);
    pthread_mutex_unlock(&seat->schedule->lock);
    return due_us;
}

static void run_what_is_due(seat_t *seat, const job_settings_t *settings)
{
    if (clock_mono_us() >= seat->due_us)
        run_by_schedule(seat, settings);
    else if (clock_mono_us() >= nudge_of(seat, settings))
        run_by_webhook(seat, settings);
}

void schedule_nudge(schedule_t *s, const provider_t *provider)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_seats; i++)
        if (s->seats[i].provider == provider && may_be_nudged(&s->seats[i]) &&
            nudge_add(&s->seats[i].nudge, clock_mono_us()))
            pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- runs that were asked for ---- */

static ledger_t *open_ledger(const schedule_t *s, const job_settings_t *settings, const char *provider, err_t *err)
{
    return ledger_open(&(ledger_options_t){.conninfo = settings->conninfo,
                                           .pooled = settings->pooled,
                                           .statement_timeout_us = settings->statement_timeout_us,
                                           .provider = provider,
                                           .asked_by = "api",
                                           .end_us = &s->end_us},
                       err);
}

static lease_t run_queued(seat_t *seat, const job_settings_t *settings, const queued_t *q, err_t *err)
{
    schedule_t *s = seat->schedule;
    job_wish_t wish = {
        .provider = seat->provider,
        .access = seat->access,
        .asked_by = "api",
        .dry = q->dry,
        .queued_id = q->id,
        .resource = q->resource,
        .since_us = q->since_us,
        .until_us = q->until_us,
        .by_hand = true,
        .stop = &s->stop,
        .end_us = &s->end_us,
    };
    run_status_t status = RUN_FAILED;
    report_t report = {.requests = 0};
    lease_t lease = job_run(settings, &wish, s->fetcher, &status, &report, err);

    if (lease == LEASE_TAKEN)
        log_run(seat->provider, status, &report);
    report_clear(&report);
    return lease;
}

static bool refuse_queued(seat_t *seat, ledger_t *l, const queued_t *q, err_t *err)
{
    char why[300];

    pthread_mutex_lock(&seat->schedule->lock);
    (void)snprintf(why, sizeof(why), "%s cannot be asked: set %s", seat->provider->title, seat->missing);
    pthread_mutex_unlock(&seat->schedule->lock);
    return queued_refuse(l, q->id, why, err);
}

/* All that wait. False: one could not be made now. */
static bool run_wanted(seat_t *seat, const job_settings_t *settings)
{
    err_t err = {.code = ERR_NONE};
    ledger_t *l = open_ledger(seat->schedule, settings, seat->provider->name, &err);
    lease_t lease = LEASE_TAKEN;
    queued_t q;

    while (l && !atomic_load(&seat->schedule->stop) && lease != LEASE_HELD && lease != LEASE_FAILED &&
           queued_next(l, &q, &err) && q.id) {
        if (seat->access)
            lease = run_queued(seat, settings, &q, &err);
        else if (!refuse_queued(seat, l, &q, &err))
            lease = LEASE_FAILED;
        queued_clear(&q);
    }
    if (!l)
        lease = LEASE_FAILED;
    ledger_close(l);
    pthread_mutex_lock(&seat->schedule->lock);
    seat->busy = false;
    pthread_mutex_unlock(&seat->schedule->lock);
    return lease != LEASE_HELD && lease != LEASE_FAILED;
}

static void want(void *ctx, str_t provider)
{
    schedule_t *s = ctx;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_seats; i++)
        if (str_eq(provider, str_from(s->seats[i].provider->name)) && !s->seats[i].wanted && !s->seats[i].busy) {
            s->seats[i].wanted = true;
            pthread_cond_broadcast(&s->changed);
        }
    pthread_mutex_unlock(&s->lock);
}

static bool rest(schedule_t *s, int64_t us);

static bool may_be_asked(schedule_t *s)
{
    bool watches;

    pthread_mutex_lock(&s->lock);
    watches = s->watches;
    pthread_mutex_unlock(&s->lock);
    return watches;
}

/* Rows are looked for by one thread, over one connection, for all providers. */
static void *watch(void *arg)
{
    schedule_t *s = arg;
    job_settings_t settings;
    ledger_t *l = NULL;
    bool going = true;

    pthread_mutex_lock(&s->lock);
    job_settings_copy(&settings, &s->settings);
    pthread_mutex_unlock(&s->lock);
    while (going) {
        err_t err = {.code = ERR_NONE};
        bool asked = may_be_asked(s), looked;

        if (asked && !l)
            l = open_ledger(s, &settings, "*", &err);
        looked = asked && l && queued_each(l, want, s, &err);
        going = rest(s, asked && !looked ? AGAIN_US : WATCH_US);
    }
    ledger_close(l);
    job_settings_clear(&settings);
    return NULL;
}

/* ---- the threads ---- */

/* Locked. Until then, or until something has changed. */
static void wait_until(schedule_t *s, int64_t mono_us)
{
    struct timespec until = {.tv_sec = mono_us / US_PER_S, .tv_nsec = mono_us % US_PER_S * 1000};

    if (!atomic_load(&s->stop))
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/* False: all has to end. Woken by a reload: true, and early. */
static bool rest(schedule_t *s, int64_t us)
{
    pthread_mutex_lock(&s->lock);
    wait_until(s, clock_mono_us() + us);
    pthread_mutex_unlock(&s->lock);
    return !atomic_load(&s->stop);
}

/* The same for a seat, or until it is nudged: what has changed while it was at work is not slept over. */
static bool rest_until(seat_t *seat, int64_t mono_us)
{
    schedule_t *s = seat->schedule;

    pthread_mutex_lock(&s->lock);
    if (!seat->wanted && !seat->has_fresh)
        wait_until(s, sooner(mono_us, nudge_due_us(&seat->nudge, s->settings.gap_us)));
    pthread_mutex_unlock(&s->lock);
    return !atomic_load(&s->stop);
}

static void *look_after(void *arg)
{
    seat_t *seat = arg;
    job_settings_t settings;
    bool going = true, again = false;

    while (going) {
        bool wanted = take_settings(seat, &settings) || again;
        int64_t next_us = clock_mono_us() + IDLE_US;

        again = wanted && !run_wanted(seat, &settings);
        if (seat->access && settings.every_us) {
            run_what_is_due(seat, &settings);
            next_us = seat->due_us;
        }
        job_settings_clear(&settings);
        going = rest_until(seat, again ? sooner(next_us, clock_mono_us() + HELD_US) : next_us);
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
    job_settings_clear(&s->settings);
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
    if (pthread_create(&s->watcher, NULL, watch, s) != 0)
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
    pthread_join(s->watcher, NULL);
    release(s);
}
