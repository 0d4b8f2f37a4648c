#include "config/settings.h"

#define K INT64_C(1024)
#define M (1024 * K)
#define G (1024 * M)

static const setting_t SERVER[] = {
    {.name = "HOOKLINE_LISTEN",
     .type = SETTING_ADDRESS,
     .fallback = "127.0.0.1:8080",
     .help = "Where to listen for plain HTTP, behind a proxy that ends TLS; port 0 picks one and prints it"},
    {.name = "HOOKLINE_TLS_LISTEN",
     .type = SETTING_ADDRESS,
     .help = "Where to listen for HTTPS; needs the certificate and its key"},
    {.name = "HOOKLINE_TLS_CERT", .type = SETTING_TEXT, .reloads = true, .help = "Path of the certificate chain (PEM)"},
    {.name = "HOOKLINE_TLS_KEY", .type = SETTING_TEXT, .reloads = true, .help = "Path of the private key (PEM)"},
    {.name = "HOOKLINE_PUBLIC_URL",
     .type = SETTING_TEXT,
     .help = "What providers were given as our address, e.g. https://calls.example.com; Twilio signs it"},
    {.name = "HOOKLINE_TRUSTED_PROXIES",
     .type = SETTING_LIST,
     .fallback = "127.0.0.1/8,::1",
     .help = "Addresses or networks whose X-Forwarded-* headers are believed"},
    {.name = "HOOKLINE_EXPLAIN_SIGNATURES",
     .type = SETTING_BOOL,
     .fallback = "off",
     .help = "Log what was tried (addresses, keys, headers; no secret) when a signature does not fit"},
    {.name = "HOOKLINE_DEFAULT_REGION",
     .type = SETTING_TEXT,
     .help = "Country of telephone numbers written without one, e.g. US or DE (ISO 3166-1 alpha-2); not set: they link "
             "to nothing"},
    {.name = "HOOKLINE_THREADS",
     .type = SETTING_INT,
     .fallback = "0",
     .most = 64,
     .help = "Event loops; 0 lets the program choose"},
    {.name = "HOOKLINE_DRAIN_DELAY",
     .type = SETTING_SECONDS,
     .fallback = "0",
     .most = 3600,
     .help = "After SIGTERM: how long to serve on while not ready, so that a balancer notices"},
    {.name = "HOOKLINE_DRAIN_DEADLINE",
     .type = SETTING_SECONDS,
     .fallback = "30",
     .most = 3600,
     .help = "After that: how long requests in flight and queued deliveries may take"},
};

static const setting_t DATABASE[] = {
    {.name = "DATABASE_URL",
     .type = SETTING_TEXT,
     .secret = true,
     .help = "PostgreSQL, as postgresql://user:password@host/database; not set: libpq's PGHOST, PGUSER and so on"},
    {.name = "HOOKLINE_DATABASE_POOLED",
     .type = SETTING_BOOL,
     .fallback = "off",
     .help = "On behind a transaction-mode pooler such as PgBouncer"},
    {.name = "HOOKLINE_COMMIT_DEADLINE",
     .type = SETTING_SECONDS,
     .fallback = "2",
     .most = 60,
     .help = "How long a delivery may wait for its commit before it goes to the journal"},
    {.name = "HOOKLINE_STATEMENT_TIMEOUT",
     .type = SETTING_SECONDS,
     .fallback = "10",
     .most = 600,
     .help = "How long PostgreSQL may work on one statement"},
    {.name = "HOOKLINE_DATABASE_CONNECTIONS",
     .type = SETTING_INT,
     .fallback = "2",
     .least = 1,
     .most = 16,
     .help =
         "Connections that commit at once, each from a thread of its own; one is used until there is enough for two"},
    {.name = "HOOKLINE_MAX_BATCH",
     .type = SETTING_INT,
     .fallback = "128",
     .least = 1,
     .most = 4096,
     .help = "Deliveries in one transaction, at most"},
    {.name = "HOOKLINE_MIGRATE",
     .type = SETTING_BOOL,
     .fallback = "off",
     .help = "Migrate the schema when the database is first reached"},
};

static const setting_t JOURNAL[] = {
    {.name = "HOOKLINE_DATA_DIR",
     .type = SETTING_TEXT,
     .fallback = "/var/lib/hookline",
     .help = "Where deliveries are kept while PostgreSQL cannot take them; on a disk that outlives the process"},
    {.name = "HOOKLINE_JOURNAL_MAX_BYTES",
     .type = SETTING_BYTES,
     .fallback = "1G",
     .least = 64 * K,
     .most = 1024 * G,
     .help = "What one process may keep there; above it providers are told to try again"},
};

static const setting_t LIMITS[] = {
    {.name = "HOOKLINE_MAX_BODY",
     .type = SETTING_BYTES,
     .fallback = "10M",
     .least = 1,
     .most = 1 * G,
     .help = "The largest body that is accepted"},
    {.name = "HOOKLINE_MAX_HEADER",
     .type = SETTING_BYTES,
     .fallback = "32K",
     .least = 1 * K,
     .most = 1 * M,
     .help = "The largest request line and headers that are accepted, together"},
    {.name = "HOOKLINE_MAX_CONNECTIONS",
     .type = SETTING_INT,
     .fallback = "4096",
     .least = 1,
     .most = 1000000,
     .help = "Connections that may be open at once"},
    {.name = "HOOKLINE_REQUEST_TIMEOUT",
     .type = SETTING_SECONDS,
     .fallback = "15",
     .most = 3600,
     .help = "From a request's first byte to its last"},
    {.name = "HOOKLINE_IDLE_TIMEOUT",
     .type = SETTING_SECONDS,
     .fallback = "75",
     .most = 3600,
     .help = "How long a kept-alive connection may be silent; longer than the proxy's own"},
    {.name = "HOOKLINE_WRITE_TIMEOUT",
     .type = SETTING_SECONDS,
     .fallback = "10",
     .most = 3600,
     .help = "How long a client may take no byte of its answer"},
    {.name = "HOOKLINE_STREAM_MAX_MESSAGE",
     .type = SETTING_BYTES,
     .fallback = "64K",
     .least = 1 * K,
     .most = 16 * M,
     .help = "The largest message of a media stream that is accepted"},
    {.name = "HOOKLINE_STREAM_IDLE",
     .type = SETTING_SECONDS,
     .fallback = "30",
     .most = 3600,
     .help = "How long a media stream may send nothing, not even the answer to a ping, before it is closed"},
    {.name = "HOOKLINE_STREAM_TICKET",
     .type = SETTING_SECONDS,
     .fallback = "300",
     .least = 1,
     .most = 3600,
     .help = "How long after the TwiML that names it a media stream may be opened"},
    {.name = "HOOKLINE_QUEUE_BYTES",
     .type = SETTING_BYTES,
     .fallback = "64M",
     .least = 1,
     .most = 64 * G,
     .help =
         "Deliveries in memory that are not committed yet, at most; what is above goes to the journal, and may be as "
         "much again while it waits for the disk"},
};

#define PROMPT                                                                                                         \
    "You answer the telephone. Be friendly and brief: one or two sentences at a time, as people speak. Ask what you "  \
    "need to know, one thing at a time. If you do not know something, say so."

static const setting_t VOICE[] = {
    {.name = "OPENAI_API_KEY",
     .type = SETTING_TEXT,
     .secret = true,
     .reloads = true,
     .help = "OpenAI's key: calls are bridged to the Realtime API with it; without it media streams are taken and "
             "counted only"},
    {.name = "HOOKLINE_DIALPLAN_REFRESH",
     .type = SETTING_SECONDS,
     .fallback = "5",
     .least = 0,
     .most = 3600,
     .help = "How often `phone_numbers` and `agents` are looked at for changes"},
    {.name = "OPENAI_REALTIME_URL",
     .type = SETTING_TEXT,
     .fallback = "wss://api.openai.com/v1/realtime",
     .help = "Where sessions are opened; ws:// to this machine only"},
    {.name = "HOOKLINE_REALTIME_MODEL",
     .type = SETTING_TEXT,
     .fallback = "gpt-realtime-2.1",
     .help = "The model that answers, where the agent's config names none"},
    {.name = "HOOKLINE_REALTIME_VOICE",
     .type = SETTING_TEXT,
     .fallback = "marin",
     .help = "Its voice, where the agent's config names none"},
    {.name = "HOOKLINE_REALTIME_LANGUAGE",
     .type = SETTING_TEXT,
     .help = "What callers speak (ISO 639-1, as en), where the agent's config says nothing; not set: any language"},
    {.name = "HOOKLINE_REALTIME_TRANSCRIPTION",
     .type = SETTING_LIST,
     .fallback = "gpt-4o-mini-transcribe,gpt-transcribe,gpt-realtime-whisper",
     .help = "Models that write down what callers say: one that is refused gives way to the next"},
    {.name = "HOOKLINE_REALTIME_PROMPT",
     .type = SETTING_TEXT,
     .fallback = PROMPT,
     .help = "What the agent is told, where its row in `agents` has no prompt"},
    {.name = "HOOKLINE_BRIDGE_PATIENCE",
     .type = SETTING_SECONDS,
     .fallback = "20",
     .least = 1,
     .most = 120,
     .help = "How long a caller may wait for the first sound of an answer, and half as long for a session, before "
             "the call is given up"},
    {.name = "HOOKLINE_BRIDGE_MAX_CALLS",
     .type = SETTING_INT,
     .fallback = "200",
     .least = 0,
     .most = 1000000,
     .help = "Calls that may have an agent at once; the next hears that nobody can take it"},
    {.name = "HOOKLINE_BRIDGE_MAX_DURATION",
     .type = SETTING_SECONDS,
     .fallback = "7200",
     .least = 1,
     .most = 86400,
     .help = "How long an agent may stay on one call"},
};

static const setting_t RECONCILE[] = {
    {.name = "HOOKLINE_RECONCILE_EVERY",
     .type = SETTING_SECONDS,
     .fallback = "300",
     .most = 86400,
     .reloads = true,
     .help = "How often each provider whose API can be asked is asked for what its webhooks left out; 0: only by hand"},
    {.name = "HOOKLINE_RECONCILE_TRIGGER_GAP",
     .type = SETTING_SECONDS,
     .fallback = "30",
     .most = 86400,
     .reloads = true,
     .help = "The least time between two runs over a provider that webhooks ask for; 0: none does"},
    {.name = "HOOKLINE_RECONCILE_SINCE",
     .type = SETTING_SECONDS,
     .fallback = "604800",
     .least = 60,
     .most = 400 * 86400,
     .reloads = true,
     .help = "How far back the first run goes; later ones go on where the last one ended"},
    {.name = "HOOKLINE_RECONCILE_OVERLAP",
     .type = SETTING_SECONDS,
     .fallback = "0",
     .most = 30 * 86400,
     .reloads = true,
     .help = "How far a run reaches back before the end of the last one, for what changes late; 0: as far as is known "
             "to be needed of each provider, ten minutes to a day"},
    {.name = "HOOKLINE_RECONCILE_TIMEOUT",
     .type = SETTING_SECONDS,
     .fallback = "60",
     .least = 1,
     .most = 3600,
     .reloads = true,
     .help = "How long a provider's API may take for one answer"},
    {.name = "HOOKLINE_STALE_AFTER",
     .type = SETTING_SECONDS,
     .fallback = "10800",
     .most = 30 * 86400,
     .reloads = true,
     .help = "A call of which no end was heard for so long is looked up by itself; 0: none is"},
    {.name = "HOOKLINE_RECONCILE_KEEP",
     .type = SETTING_SECONDS,
     .fallback = "7776000",
     .most = INT64_C(3650) * 86400,
     .help = "How long runs that have ended are kept, with what they changed (90 days); 0: for ever. The last one of "
             "each provider stays"},
};

static const setting_t API[] = {
    {.name = "HOOKLINE_API_TOKENS",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help =
         "Who may use the API, as name:token[:scopes],…; the token, or sha256$ and its SHA-256 in hex; scopes: read, "
         "sync, joined by +; without any: all"},
};

static const setting_t LOGGING[] = {
    {.name = "HOOKLINE_LOG_LEVEL", .type = SETTING_TEXT, .fallback = "info", .help = "debug, info, warn or error"},
    {.name = "HOOKLINE_LOG_FORMAT",
     .type = SETTING_TEXT,
     .fallback = "auto",
     .help = "json, text, or auto: text on a terminal and JSON elsewhere"},
    {.name = "HOOKLINE_ACCESS_LOG", .type = SETTING_BOOL, .fallback = "on", .help = "One line for each request"},
};

static const settings_section_t ENGINE[] = {
    {"Server", SERVER, COUNT(SERVER)},
    {"Database", DATABASE, COUNT(DATABASE)},
    {"Journal", JOURNAL, COUNT(JOURNAL)},
    {"Limits", LIMITS, COUNT(LIMITS)},
    {"Voice", VOICE, COUNT(VOICE)},
    {"Reconcile", RECONCILE, COUNT(RECONCILE)},
    {"API", API, COUNT(API)},
    {"Log", LOGGING, COUNT(LOGGING)},
};

static const settings_section_t *added;
static size_t n_added;

void settings_add(const settings_section_t *sections, size_t count)
{
    added = sections;
    n_added = count;
}

size_t settings_section_count(void)
{
    return COUNT(ENGINE) + n_added;
}

const settings_section_t *settings_section(size_t i)
{
    return i < COUNT(ENGINE) ? &ENGINE[i] : &added[i - COUNT(ENGINE)];
}

void settings_each(void (*row)(void *ctx, const char *section, const setting_t *s), void *ctx)
{
    for (size_t i = 0; i < settings_section_count(); i++)
        for (size_t r = 0; r < settings_section(i)->count; r++)
            row(ctx, settings_section(i)->title, &settings_section(i)->rows[r]);
}
