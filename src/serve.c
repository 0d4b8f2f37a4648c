/* serve.c – wires the rooms together, and turns signals into what they mean. */
#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/phone.h"
#include "command.h"
#include "http/http.h"
#include "ingest/backlog.h"
#include "media/stream.h"
#include "reconcile/schedule.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HARD_GRACE_US (5 * US_PER_S)
#define DIALPLAN_US   (2 * US_PER_S) /* a caller waits that long for an answer, too */

typedef struct app {
    config_t *config;
    dialplan_t *dialplan;
    store_t *store;
    journal_t *journal;
    backlog_t *backlog;
    ingest_t *ingest;
    media_t *media;
    api_t *api;
    http_server_t *http;
    schedule_t *schedule;
} app_t;

/* ---- the wires ---- */

static void readiness(void *ctx, http_readiness_t *out)
{
    store_state_t store;
    journal_state_t journal;

    store_state(((app_t *)ctx)->store, &store);
    journal_state(((app_t *)ctx)->journal, &journal);
    out->ready = store.up || journal.up;
    (void)snprintf(out->database, sizeof(out->database), "%s", store.up ? "" : store.reason);
    (void)snprintf(out->journal, sizeof(out->journal), "%s", journal.up ? "" : journal.reason);
}

static void has_news(void *ctx, const provider_t *provider)
{
    const app_t *app = ctx;

    if (app->schedule)
        schedule_nudge(app->schedule, provider);
}

/* ---- streams: from src/http to src/media ---- */

static void *streams_enter(void *ctx, struct st_h2o_evloop_t *loop, struct st_h2o_multithread_queue_t *queue)
{
    return media_port_new(((app_t *)ctx)->media, loop, queue);
}

static websocket_t *streams_open(void *here, const http_stream_t *stream)
{
    const stream_origin_t origin = {.port = stream->port,
                                    .provider = stream->provider,
                                    .route = stream->route,
                                    .admission = *stream->admission,
                                    .request_id = stream->request_id};

    return stream_open(here, stream->sock, &origin);
}

static void streams_sweep(void *here, int64_t mono_us)
{
    media_port_sweep(here, mono_us);
}

static size_t streams_pending(void *here)
{
    return media_port_pending(here);
}

static void streams_end(void *here)
{
    media_port_end(here);
}

static void streams_leave(void *here)
{
    media_port_free(here);
}

/* ---- start ---- */

static void start_log(const config_t *config)
{
    log_level_t level = LOG_INFO;
    log_format_t format = LOG_AUTO;

    (void)log_level_from(config_text(config, "HOOKLINE_LOG_LEVEL"), &level);
    (void)log_format_from(config_text(config, "HOOKLINE_LOG_FORMAT"), &format);
    log_start(level, format);
}

static void warn_unknown(void *ctx, const char *name)
{
    (void)ctx;
    LOG(LOG_WARN, "unknown setting", log_cstr("name", name),
        log_cstr("hint", "`hookline help configuration` lists every setting"));
}

static void say_providers(const app_t *app)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        bool on = ingest_provider_is_on(app->ingest, PROVIDERS[i]);

        LOG(LOG_INFO, on ? "provider on" : "provider off", log_cstr("provider", PROVIDERS[i]->name),
            log_cstr("detail", on ? "" : "no secret is set: its routes answer 404"));
    }
}

static void say_api(const app_t *app)
{
    size_t tokens = api_tokens(app->api);

    LOG(LOG_INFO, tokens ? "API on" : "API off", log_int("tokens", tokens),
        log_cstr("detail", tokens ? "" : "HOOKLINE_API_TOKENS is not set: /api answers 404"));
}

static void open_journal(app_t *app)
{
    char *folder = mem_strdup(config_text(app->config, "HOOKLINE_DATA_DIR"));
    journal_options_t options = {
        .data_folder = folder,
        .max_bytes = config_int(app->config, "HOOKLINE_JOURNAL_MAX_BYTES"),
        .max_pending_bytes = config_int(app->config, "HOOKLINE_QUEUE_BYTES"),
        .done = ingest_journaled,
    };

    app->journal = journal_open(&options);
    app->backlog = backlog_start(folder, app->journal, app->store);
    free(folder);
}

static bool start(app_t *app, err_t *err)
{
    http_options_t http = {.config = app->config,
                           .readiness = readiness,
                           .readiness_ctx = app,
                           .streams = {.ctx = app,
                                       .enter = streams_enter,
                                       .open = streams_open,
                                       .sweep = streams_sweep,
                                       .pending = streams_pending,
                                       .end = streams_end,
                                       .leave = streams_leave}};

    metric_set(metrics_series(METRIC_BUILD_INFO, "version=\"" HOOKLINE_VERSION "\""), 1);
    metric_set(metrics_series(METRIC_START_TIME, ""), clock_wall_us() / US_PER_S);
    config_unknown(warn_unknown, NULL);
    if (!phone_set_region(config_text(app->config, "HOOKLINE_DEFAULT_REGION"), err))
        return false;
    app->dialplan = dialplan_new(config_us(app->config, "HOOKLINE_DIALPLAN_REFRESH"));
    app->store = command_open_store(app->config, true, app->dialplan);
    open_journal(app);
    app->media = media_new(app->config, app->dialplan);
    app->ingest = ingest_new(app->config,
                             &(ingest_options_t){.store = app->store,
                                                 .journal = app->journal,
                                                 .dialplan = app->dialplan,
                                                 .bridges = media_bridges(app->media),
                                                 .has_news = has_news,
                                                 .ctx = app},
                             err);
    if (!app->ingest)
        return false;
    say_providers(app);
    app->api = api_new(app->config, err);
    if (!app->api)
        return false;
    say_api(app);
    http.service = api_service(app->api);
    http.ingest = app->ingest;
    dialplan_wait(app->dialplan, DIALPLAN_US);
    app->schedule = schedule_start(app->config, err);
    if (app->schedule)
        app->http = http_start(&http, err);
    return app->http != NULL;
}

/* ---- run and stop ---- */

static void reload(app_t *app)
{
    err_t err = {.code = ERR_NONE};
    config_t *fresh = config_read(&err);

    if (fresh) {
        media_reload(app->media, fresh);
        ingest_set_bridges(app->ingest, media_bridges(app->media));
    }
    /* All or none would need two-phase reloading; each keeps what it has when it cannot use the new. */
    if (fresh && ingest_reload(app->ingest, fresh, &err) && api_reload(app->api, fresh, &err) &&
        http_reload_tls(app->http, fresh, &err) && schedule_reload(app->schedule, fresh, &err))
        LOG_PLAIN(LOG_INFO, "reloaded");
    else
        LOG(LOG_ERROR, "not reloaded: the old settings stay", log_cstr("reason", err.detail),
            log_cstr("hint", err.hint));
    config_free(fresh);
}

/* Waits for a signal; 0 when timeout_us passed. Negative: for ever. */
static int next_signal(const sigset_t *set, int64_t timeout_us)
{
    struct timespec wait = {.tv_sec = timeout_us / US_PER_S, .tv_nsec = timeout_us % US_PER_S * 1000};
    int got;

    do
        got = timeout_us < 0 ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &wait);
    while (got < 0 && errno == EINTR);
    return got < 0 ? 0 : got;
}

/* What has been started, in the order in which it lets go: the store and the journal give back to the backlog and to
 * ingest's ports, and what the store could not commit the journal may still take. */
static void release(app_t *app, int64_t deadline_us)
{
    schedule_stop(app->schedule);
    app->schedule = NULL; /* the loops have ended; what they are still given back has no news any more */
    api_stop(app->api);
    backlog_stop(app->backlog);
    store_close(app->store, deadline_us);
    backlog_free(app->backlog);
    journal_close(app->journal);
    http_free(app->http);
    api_free(app->api);
    media_free(app->media);
    ingest_free(app->ingest);
    journal_free(app->journal);
    store_free(app->store);
    dialplan_free(app->dialplan);
}

/* While stopping: a second signal ends it at once, and so does what hangs long after the deadline (a name server that
 * does not answer, a disk). Whatever was acknowledged is durable by then. */
typedef struct limit {
    sigset_t *signals;
    int64_t end_us; /* mono clock */
} limit_t;

static void *end_it(void *arg)
{
    const limit_t *limit = arg;

    if (next_signal(limit->signals, limit->end_us - clock_mono_us()) != 0)
        _exit(130);
    (void)fprintf(stderr, "hookline: something still hangs after HOOKLINE_DRAIN_DEADLINE; ending without it\n");
    _exit(1);
}

static int stop(app_t *app, sigset_t *set)
{
    static limit_t limit; /* outlives this call, as its thread may */
    int64_t delay_us = config_us(app->config, "HOOKLINE_DRAIN_DELAY");
    int64_t deadline_us = clock_mono_us() + delay_us + config_us(app->config, "HOOKLINE_DRAIN_DEADLINE");
    pthread_t limiter;
    bool clean;

    LOG(LOG_INFO, "stopping", log_int("drain_delay_ms", delay_us / US_PER_MS));
    http_begin_drain(app->http);
    schedule_begin_stop(app->schedule);
    (void)sigdelset(set, SIGHUP);
    if (delay_us > 0 && next_signal(set, delay_us) != 0)
        _exit(130);
    limit = (limit_t){.signals = set, .end_us = deadline_us + HARD_GRACE_US};
    if (pthread_create(&limiter, NULL, end_it, &limit) == 0)
        (void)pthread_detach(limiter);
    clean = http_stop(app->http, deadline_us);
    release(app, deadline_us);
    LOG(LOG_INFO, "stopped", log_cstr("requests", clean ? "all answered" : "some were cut at the deadline"));
    return 0;
}

int serve_command(int argc, char **argv)
{
    static sigset_t signals; /* outlives this call: the thread that waits for the second signal reads it */
    app_t app = {.config = NULL};
    err_t err = {.code = ERR_NONE};
    int code = 0;

    (void)argv;
    if (argc > 1) {
        (void)fprintf(stderr, "hookline serve takes no arguments; settings come from the environment\n");
        return 2;
    }
    /* A batch's memory comes back within milliseconds: giving it to the kernel in between costs microseconds a
     * delivery. */
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    app.config = config_read(&err);
    if (!app.config)
        return command_complain(&err);
    start_log(app.config);
    if (start(&app, &err)) {
        while (next_signal(&signals, -1) == SIGHUP)
            reload(&app);
        code = stop(&app, &signals);
        log_stop();
    } else {
        release(&app, 0);
        log_stop();
        code = command_complain(&err);
    }
    config_free(app.config);
    return code;
}
