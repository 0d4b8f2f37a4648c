#include "media/media.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>

#define MOST_QUEUED       ((size_t)256 * 1024) /* bytes to be sent on a stream: some seconds of everything that we say */
#define PING_US           (20 * US_PER_S)
#define CLOSE_US          (2 * US_PER_S)
#define MOST_TRANSCRIBERS 8

/* As set at one time. Those of before are kept: calls go on with them. */
typedef struct voice {
    struct voice *older;
    arena_t *arena;
    bridge_settings_t bridge;
    str_t transcribers[MOST_TRANSCRIBERS];
} voice_t;

struct media {
    dialplan_t *plan;
    websocket_limits_t limits;
    _Atomic(voice_t *) voice;
};

struct media_port {
    media_t *media;
    websocket_dialer_t *dialer;
    bridges_t bridges;
};

/* ---- settings ---- */

static void read_limits(media_t *m, const config_t *config)
{
    int64_t idle_us = config_us(config, "HOOKLINE_STREAM_IDLE");

    m->limits = (websocket_limits_t){.max_message = (size_t)config_int(config, "HOOKLINE_STREAM_MAX_MESSAGE"),
                                     .max_queued = MOST_QUEUED,
                                     .idle_us = idle_us,
                                     .ping_us = idle_us * 2 / 3 < PING_US ? idle_us * 2 / 3 : PING_US,
                                     .close_us = CLOSE_US};
}

static size_t read_transcribers(voice_t *v, str_t list)
{
    size_t n = 0;
    str_t piece;

    while (n < MOST_TRANSCRIBERS && str_split(&list, ',', &piece))
        if (!str_is_empty(str_trim(piece)))
            v->transcribers[n++] = str_trim(piece);
    return n;
}

static str_t keep(voice_t *v, const config_t *config, const char *name)
{
    return arena_dup(v->arena, str_trim(config_text(config, name)));
}

static voice_t *read_voice(const config_t *config)
{
    voice_t *v = mem_zalloc(sizeof(*v));
    bridge_settings_t *b = &v->bridge;

    v->arena = arena_new(4096);
    b->session.dialect = &REALTIME_OPENAI;
    b->session.key = keep(v, config, "OPENAI_API_KEY");
    b->session.address = keep(v, config, "OPENAI_REALTIME_URL");
    b->session.transcribers = v->transcribers;
    b->session.n_transcribers = read_transcribers(v, keep(v, config, "HOOKLINE_REALTIME_TRANSCRIPTION"));
    b->usual.model = keep(v, config, "HOOKLINE_REALTIME_MODEL");
    b->usual.voice = keep(v, config, "HOOKLINE_REALTIME_VOICE");
    b->usual.language = keep(v, config, "HOOKLINE_REALTIME_LANGUAGE");
    b->usual.instructions = keep(v, config, "HOOKLINE_REALTIME_PROMPT");
    b->silence_us = config_us(config, "HOOKLINE_STREAM_IDLE");
    b->patience_us = config_us(config, "HOOKLINE_BRIDGE_PATIENCE");
    b->longest_us = config_us(config, "HOOKLINE_BRIDGE_MAX_DURATION");
    b->most = config_int(config, "HOOKLINE_BRIDGE_MAX_CALLS");
    return v;
}

static bool has_key(const voice_t *v)
{
    return !str_is_empty(v->bridge.session.key);
}

static void free_voice(voice_t *v)
{
    arena_free(v->arena);
    free(v);
}

media_t *media_new(const config_t *config, dialplan_t *plan)
{
    media_t *m = mem_zalloc(sizeof(*m));

    m->plan = plan;
    read_limits(m, config);
    atomic_init(&m->voice, read_voice(config));
    return m;
}

void media_reload(media_t *m, const config_t *config)
{
    voice_t *now = atomic_load(&m->voice);
    voice_t *fresh = read_voice(config);

    if (str_eq(fresh->bridge.session.key, now->bridge.session.key)) {
        free_voice(fresh);
        return;
    }
    fresh->older = now;
    atomic_store(&m->voice, fresh);
}

bool media_bridges(const media_t *m)
{
    return has_key(atomic_load(&m->voice));
}

void media_free(media_t *m)
{
    if (!m)
        return;
    for (voice_t *v = atomic_load(&m->voice), *older; v; v = older) {
        older = v->older;
        free_voice(v);
    }
    free(m);
}

/* ---- of a loop ---- */

media_port_t *media_port_new(media_t *m, struct st_h2o_evloop_t *loop, struct st_h2o_multithread_queue_t *queue)
{
    media_port_t *port = mem_zalloc(sizeof(*port));

    port->media = m;
    port->dialer = websocket_dialer_new(loop, queue);
    port->bridges = (bridges_t){.dialer = port->dialer};
    return port;
}

/* A call that has begun goes on where there is no key any more, with the last one. */
static void follow_settings(media_port_t *port)
{
    const voice_t *voice = atomic_load(&port->media->voice);

    if (has_key(voice))
        port->bridges.settings = &voice->bridge;
}

void media_port_sweep(media_port_t *port, int64_t mono_us)
{
    follow_settings(port);
    bridges_sweep(&port->bridges, mono_us);
    websocket_dialer_sweep(port->dialer, mono_us);
}

size_t media_port_pending(const media_port_t *port)
{
    return port->bridges.count + websocket_dialer_count(port->dialer);
}

void media_port_end(media_port_t *port)
{
    bridges_end(&port->bridges);
}

void media_port_free(media_port_t *port)
{
    if (!port)
        return;
    bridges_end(&port->bridges);
    websocket_dialer_free(port->dialer);
    free(port);
}

const websocket_limits_t *media_limits(const media_port_t *port)
{
    return &port->media->limits;
}

/* The parameters are ours, written behind the voice URL, or those of a document of the operator's own. */
bool media_wants_bridge(const cJSON *parameters)
{
    return str_eq(json_str(parameters, "action"), STR("bridge"));
}

bridge_t *media_bridge(media_port_t *port, const cJSON *parameters, const teller_t *teller, const bridge_phone_t *phone,
                       void *ctx)
{
    const voice_t *voice = atomic_load(&port->media->voice);
    const dialplan_page_t *page;
    bridge_t *b;

    if (!has_key(voice) || !media_wants_bridge(parameters))
        return NULL;
    port->bridges.settings = &voice->bridge;
    page = dialplan_hold(port->media->plan);
    b = bridge_open(&port->bridges, dialplan_agent(page, json_str(parameters, "agent")), teller, phone, ctx);
    dialplan_release(page);
    return b;
}
