#include "base/log.h"
#include "http/conn.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Besides one for every connection, and one more while it lingers: listeners, loops, store, log, certificates … */
#define OTHER_DESCRIPTORS 128
#define LEAST_INPUT       ((size_t)64 * 1024 * 1024)
#define INPUT_BODIES      16 /* or room for that many of the largest bodies at once */

static const char *const CUT_LABELS[] = {
#define CUT_LABEL(id, label) [id] = "reason=\"" label "\"",
    CUT_REASONS(CUT_LABEL)
#undef CUT_LABEL
};

static void read_limits(const config_t *config, limits_t *l)
{
    l->request_us = config_us(config, "HOOKLINE_REQUEST_TIMEOUT");
    l->idle_us = config_us(config, "HOOKLINE_IDLE_TIMEOUT");
    l->write_us = config_us(config, "HOOKLINE_WRITE_TIMEOUT");
    l->max_header = (size_t)config_int(config, "HOOKLINE_MAX_HEADER");
    l->max_body = (size_t)config_int(config, "HOOKLINE_MAX_BODY");
    l->max_connections = (int)config_int(config, "HOOKLINE_MAX_CONNECTIONS");
    l->max_input = INPUT_BODIES * l->max_body > LEAST_INPUT ? INPUT_BODIES * l->max_body : LEAST_INPUT;
}

static size_t count_loops(const config_t *config)
{
    int64_t wanted = config_int(config, "HOOKLINE_THREADS");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (wanted > 0)
        return (size_t)wanted;
    return cores >= 4 ? (size_t)cores / 2 : 1;
}

static bool read_settings(http_server_t *s, const config_t *config, err_t *err)
{
    str_t url = config_text(config, "HOOKLINE_PUBLIC_URL");

    read_limits(config, &s->limits);
    s->n_loops = count_loops(config);
    s->access_log = config_bool(config, "HOOKLINE_ACCESS_LOG");
    while (url.len && url.base[url.len - 1] == '/')
        url.len--;
    if (url.len)
        s->public_url = mem_strdup(url);
    s->proxies = proxies_new(config_text(config, "HOOKLINE_TRUSTED_PROXIES"), err);
    return s->proxies != NULL;
}

static bool open_listeners(http_server_t *s, const config_t *config, err_t *err)
{
    str_t tls_address = config_text(config, "HOOKLINE_TLS_LISTEN");

    if (!listen_open(s, config_text(config, "HOOKLINE_LISTEN"), false, err))
        return false;
    if (!tls_address.len)
        return true;
    s->tls = tls_new(config, err);
    return s->tls && listen_open(s, tls_address, true, err);
}

static void raise_descriptor_limit(const http_server_t *s)
{
    rlim_t need = (rlim_t)s->limits.max_connections * 2 + OTHER_DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < need)
        LOG(LOG_WARN, "few file descriptors", log_int("have", limit.rlim_cur), log_int("wanted", need),
            log_cstr("hint", "raise the hard limit (ulimit -Hn, LimitNOFILE=) or lower HOOKLINE_MAX_CONNECTIONS"));
}

static void configure_h2o(http_server_t *s)
{
    const limits_t *l = &s->limits;

    h2o_config_init(&s->h2o);
    s->h2o.server_name = h2o_iovec_init(H2O_STRLIT("")); /* no Server field */
    s->h2o.http1.upgrade_to_http2 = 0;                   /* neither Upgrade: h2c nor the clear-text preface */
    /* h2o refuses a chunked body at this size already, one with a Content-Length only above it. One more, and the
     * handler draws the line for both. */
    s->h2o.max_request_entity_size = l->max_body + 1;
    /* These follow the wall clock: a step of it must not close healthy connections, so they only back the sweep. */
    s->h2o.http1.req_timeout = (uint64_t)((l->request_us + l->idle_us) / US_PER_MS) + 3600 * 1000;
    s->h2o.handshake_timeout = (uint64_t)(l->request_us / US_PER_MS) + 3600 * 1000;
    /* Large bodies would go to files in /tmp, written by the loop. limits.max_input bounds them instead. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    handler_register(s);
}

static void make_metrics(http_server_t *s)
{
    s->open_gauge = metrics_series(METRIC_CONNECTIONS, "");
    s->accepted = metrics_series(METRIC_ACCEPTED, "");
    s->input_gauge = metrics_series(METRIC_INPUT, "");
    for (size_t i = 0; i < CUT_REASON_COUNT; i++)
        s->cuts[i] = metrics_series(METRIC_CUT, CUT_LABELS[i]);
}

static void start_loops(http_server_t *s)
{
    s->loops = mem_zalloc(s->n_loops * sizeof(*s->loops));
    for (size_t i = 0; i < s->n_loops; i++)
        s->loops[i] = loop_new(s, i == 0);
    atomic_store(&s->started, true);
    loop_ring(s->loops[0]);
}

static void free_parts(http_server_t *s)
{
    listen_abandon(s);
    tls_free(s->tls);
    routes_free(s->routes);
    proxies_free(s->proxies);
    free(s->public_url);
    free(s->loops);
    free(s);
}

http_server_t *http_start(const http_options_t *options, err_t *err)
{
    http_server_t *s = mem_zalloc(sizeof(*s));

    s->ingest = options->ingest;
    s->readiness = options->readiness;
    s->readiness_ctx = options->readiness_ctx;
    s->streams = options->streams;
    s->service = options->service;
    atomic_store(&s->accepting_paused, true);
    if (!read_settings(s, options->config, err) || !open_listeners(s, options->config, err)) {
        free_parts(s);
        return NULL;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of write, not the end of us */
    raise_descriptor_limit(s);
    s->routes = routes_new(&s->service);
    make_metrics(s);
    configure_h2o(s);
    start_loops(s);
    listen_announce(s);
    return s;
}

bool http_reload_tls(http_server_t *s, const config_t *config, err_t *err)
{
    return !s->tls || tls_reload(s->tls, config, err);
}

void http_begin_drain(http_server_t *s)
{
    atomic_store(&s->draining, true);
}

bool http_stop(http_server_t *s, int64_t deadline_mono_us)
{
    bool clean = true;

    atomic_store(&s->draining, true);
    atomic_store(&s->stop_deadline_us, deadline_mono_us);
    atomic_store(&s->stopping, true);
    for (size_t i = 0; i < s->n_loops; i++)
        loop_ring(s->loops[i]);
    for (size_t i = 0; i < s->n_loops; i++)
        clean &= loop_join(s->loops[i]);
    s->n_listeners = 0; /* loop 0 has closed them */
    return clean;
}

void http_free(http_server_t *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_loops; i++)
        loop_free(s->loops[i]);
    h2o_config_dispose(&s->h2o);
    free_parts(s);
}
