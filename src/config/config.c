#include "config/config.h"

#include "base/crypto.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

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

static const config_section_t ENGINE[] = {
    {"Server", SERVER, COUNT(SERVER)},
    {"Database", DATABASE, COUNT(DATABASE)},
    {"Journal", JOURNAL, COUNT(JOURNAL)},
    {"Limits", LIMITS, COUNT(LIMITS)},
    {"Voice", VOICE, COUNT(VOICE)},
    {"Reconcile", RECONCILE, COUNT(RECONCILE)},
    {"API", API, COUNT(API)},
    {"Log", LOGGING, COUNT(LOGGING)},
};

static const config_section_t *added;
static size_t n_added;

void config_add_sections(const config_section_t *sections, size_t count)
{
    added = sections;
    n_added = count;
}

static size_t section_count(void)
{
    return COUNT(ENGINE) + n_added;
}

static const config_section_t *section_at(size_t i)
{
    return i < COUNT(ENGINE) ? &ENGINE[i] : &added[i - COUNT(ENGINE)];
}

void config_each(void (*row)(void *ctx, const char *section, const setting_t *s), void *ctx)
{
    for (size_t i = 0; i < section_count(); i++)
        for (size_t r = 0; r < section_at(i)->count; r++)
            row(ctx, section_at(i)->title, &section_at(i)->rows[r]);
}

/* ---- what a text means ---- */

typedef struct value {
    const setting_t *row;
    char *text; /* NULL: neither set nor a default */
    size_t len; /* of what counts; text itself may go on (a final slash) */
    int64_t number;
    bool is_set;
} value_t;

struct config {
    size_t count;
    value_t values[];
};

static str_t text_of(const value_t *v)
{
    return v->text ? (str_t){v->text, v->len} : STR_NONE;
}

static bool in_range(const setting_t *row, double value)
{
    if (!row->least && !row->most)
        return row->type == SETTING_INT || value >= 0;
    return value >= (double)row->least && value <= (double)row->most;
}

static bool read_int(value_t *v)
{
    return str_to_int(str_trim(text_of(v)), &v->number) && in_range(v->row, (double)v->number);
}

static bool read_bytes(value_t *v)
{
    str_t s = str_trim(text_of(v));
    int64_t unit = 1;

    if (s.len) {
        switch (s.base[s.len - 1] | 0x20) {
        case 'k':
            unit = K;
            break;
        case 'm':
            unit = M;
            break;
        case 'g':
            unit = G;
            break;
        }
    }
    if (unit > 1)
        s.len--;
    return str_to_int(s, &v->number) && !__builtin_mul_overflow(v->number, unit, &v->number) &&
           in_range(v->row, (double)v->number);
}

static bool read_seconds(value_t *v)
{
    str_t s = str_trim(text_of(v));
    char text[32], *end;
    double seconds;

    if (!s.len || s.len >= sizeof(text))
        return false;
    memcpy(text, s.base, s.len);
    text[s.len] = '\0';
    seconds = strtod(text, &end);
    if (strspn(text, "0123456789.") != s.len || *end || seconds > 1e9 || !in_range(v->row, seconds))
        return false;
    v->number = (int64_t)(seconds * 1e6 + 0.5);
    return true;
}

static bool read_bool(value_t *v)
{
    static const char *const WORDS[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    str_t s = str_trim(text_of(v));

    for (size_t i = 0; i < COUNT(WORDS); i++) {
        if (str_eq_nocase(s, str_from(WORDS[i]))) {
            v->number = i % 2;
            return true;
        }
    }
    return false;
}

static bool is_ip(str_t s, int family)
{
    char text[INET6_ADDRSTRLEN], bytes[16];

    if (s.len >= sizeof(text))
        return false;
    (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(s));
    return strlen(text) == s.len && inet_pton(family, text, bytes) == 1;
}

static bool is_host_name(str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.base[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_'))
            return false;
    }
    return s.len > 0;
}

/* host, or [v6], with :port behind it. */
static bool is_authority(str_t s, bool port_needed)
{
    size_t bracket = str_starts(s, STR("[")) ? str_find(s, ']') : 0, colon;
    int64_t port;

    if (bracket == SIZE_MAX || (bracket && !is_ip(str_slice(s, 1, bracket), AF_INET6)))
        return false;
    if (bracket)
        s = str_slice(s, bracket, s.len); /* the bracket stands for the host */
    colon = str_find(s, ':');
    if (bracket ? colon != 1 && (colon != SIZE_MAX || s.len > 1) : !is_host_name(str_slice(s, 0, colon)))
        return false;
    if (colon == SIZE_MAX)
        return !port_needed;
    s = str_slice(s, colon + 1, s.len);
    return s.len && s.base[0] >= '0' && s.base[0] <= '9' && str_to_int(s, &port) && port <= 65535;
}

static bool read_address(value_t *v)
{
    return is_authority(text_of(v), true);
}

static bool read_text(value_t *v)
{
    return v->len > 0;
}

static const struct {
    bool (*read)(value_t *v);
    const char *expected;
} TYPES[] = {
    [SETTING_TEXT] = {read_text, "a text"},
    [SETTING_INT] = {read_int, "a whole number"},
    [SETTING_BYTES] = {read_bytes, "a whole number of bytes, or one with K, M or G"},
    [SETTING_SECONDS] = {read_seconds, "a number of seconds"},
    [SETTING_BOOL] = {read_bool, "on or off"},
    [SETTING_ADDRESS] = {read_address, "host:port or [v6]:port"},
    [SETTING_LIST] = {read_text, "a list separated by commas"},
};

/* ---- what a type alone does not say ---- */

/* A final slash is not part of it: paths are added behind. */
static bool check_public_url(value_t *v)
{
    str_t s = text_of(v);
    size_t scheme = str_starts(s, STR("https://")) ? 8 : str_starts(s, STR("http://")) ? 7 : 0, slash;

    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.base[i] <= ' ' || (unsigned char)s.base[i] > '~' || strchr("?#\"<>\\^`{|}", s.base[i]))
            return false;
    while (v->len > scheme && v->text[v->len - 1] == '/')
        v->len--;
    s = str_slice(text_of(v), scheme, v->len);
    slash = str_find(s, '/');
    return scheme && is_authority(str_slice(s, 0, slash), false);
}

static bool check_websocket_url(value_t *v)
{
    str_t s = text_of(v);
    size_t scheme = str_starts(s, STR("wss://")) ? 6 : str_starts(s, STR("ws://")) ? 5 : 0;
    size_t path = scheme;

    while (path < s.len && !strchr("/?", s.base[path]))
        path++;
    return scheme && is_authority(str_slice(s, scheme, path), false);
}

static bool is_network(str_t s)
{
    size_t slash = str_find(s, '/');
    str_t address = str_slice(s, 0, slash);
    bool v6 = is_ip(address, AF_INET6);
    str_t bits = slash == SIZE_MAX ? STR("0") : str_slice(s, slash + 1, s.len);
    int64_t n;

    if (!v6 && !is_ip(address, AF_INET))
        return false;
    return bits.len && bits.base[0] >= '0' && bits.base[0] <= '9' && str_to_int(bits, &n) && n <= (v6 ? 128 : 32);
}

static bool check_networks(value_t *v)
{
    str_t rest = text_of(v), piece;

    while (str_split(&rest, ',', &piece))
        if (!is_network(str_trim(piece)))
            return false;
    return true;
}

static bool check_level(value_t *v)
{
    log_level_t level;

    return log_level_from(text_of(v), &level);
}

static bool check_format(value_t *v)
{
    log_format_t format;

    return log_format_from(text_of(v), &format);
}

static bool check_positive(value_t *v)
{
    return v->number > 0;
}

static const struct {
    const char *name;
    bool (*check)(value_t *v);
    const char *expected;
} CHECKS[] = {
    {"HOOKLINE_PUBLIC_URL", check_public_url, "http:// or https://, a host, maybe a port and a path, nothing more"},
    {"HOOKLINE_TRUSTED_PROXIES", check_networks, "addresses or networks such as 10.0.0.0/8, separated by commas"},
    {"HOOKLINE_COMMIT_DEADLINE", check_positive, "more than 0 seconds"},
    {"HOOKLINE_STATEMENT_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_REQUEST_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_IDLE_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_WRITE_TIMEOUT", check_positive, "more than 0 seconds"},
    {"OPENAI_REALTIME_URL", check_websocket_url, "wss://host/path; ws:// is for this machine"},
    {"HOOKLINE_DIALPLAN_REFRESH", check_positive, "more than 0 seconds"},
    {"HOOKLINE_STREAM_IDLE", check_positive, "more than 0 seconds"},
    {"HOOKLINE_LOG_LEVEL", check_level, "debug, info, warn or error"},
    {"HOOKLINE_LOG_FORMAT", check_format, "auto, json or text"},
};

static bool fault(const value_t *v, const char *expected, err_t *err)
{
    const setting_t *row = v->row;
    char range[80] = "";

    if (row->least || row->most)
        (void)snprintf(range, sizeof(range), ", from %lld to %lld", (long long)row->least, (long long)row->most);
    if (row->secret)
        return err_set(err, ERR_CONFIG, "%s: expected %s%s, got something else", row->name, expected, range);
    return err_set(err, ERR_CONFIG, "%s: expected %s%s, got \"%.100s\"", row->name, expected, range, v->text);
}

static bool check_value(value_t *v, err_t *err)
{
    if (!TYPES[v->row->type].read(v))
        return fault(v, TYPES[v->row->type].expected, err);
    for (size_t i = 0; i < COUNT(CHECKS); i++)
        if (strcmp(CHECKS[i].name, v->row->name) == 0 && !CHECKS[i].check(v))
            return fault(v, CHECKS[i].expected, err);
    return true;
}

/* ---- where a text comes from ---- */

#define MAX_FILE_BYTES 65536

static const char *from_environment(const char *name, const char *suffix)
{
    char full[256];
    const char *text;
    int len = snprintf(full, sizeof(full), "%s%s", name, suffix);

    (void)len;

    assert(len > 0 && (size_t)len < sizeof(full));
    text = getenv(full);
    return text && *text ? text : NULL;
}

static void wipe_free(char *text, size_t len)
{
    crypto_wipe(text, len);
    free(text);
}

/* The file's content without its final newline. NULL, and why, when there is none to be had. */
static char *read_file(const char *path, const char **why)
{
    char *text = mem_alloc(MAX_FILE_BYTES + 1);
    FILE *file = fopen(path, "re");
    size_t len = 0;
    bool failed = !file;

    if (file) {
        len = fread(text, 1, MAX_FILE_BYTES + 1, file);
        failed = ferror(file) != 0;
        (void)fclose(file);
    }
    *why = failed ? strerror(errno) : len > MAX_FILE_BYTES ? "it is larger than 64 KiB" : NULL;
    if (!*why) {
        len -= len && text[len - 1] == '\n';
        len -= len && text[len - 1] == '\r';
        text[len] = '\0';
        *why = !len ? "it is empty" : strlen(text) != len ? "it holds a NUL byte" : NULL;
    }
    if (!*why)
        return text;
    wipe_free(text, MAX_FILE_BYTES + 1);
    return NULL;
}

static bool load_text(value_t *v, err_t *err)
{
    const char *name = v->row->name, *text = from_environment(name, ""), *path = from_environment(name, "_FILE"), *why;

    v->is_set = text || path;
    if (text && path)
        return err_set(err, ERR_CONFIG, "%s and %s_FILE: expected one of them, got both", name, name);
    if (path && !(v->text = read_file(path, &why))) {
        (void)err_set(err, ERR_CONFIG, "%s_FILE: expected a file that holds the value, got \"%.200s\": %s", name, path,
                      why);
        return err_hint(err, "see that the file is there and that this user may read it");
    }
    if (!path && (text || v->row->fallback))
        v->text = mem_strdup(str_from(text ? text : v->row->fallback));
    v->len = v->text ? strlen(v->text) : 0;
    return true;
}

static bool read_value(value_t *v, err_t *err)
{
    return load_text(v, err) && (!v->text || check_value(v, err));
}

static bool check_together(const config_t *c, err_t *err)
{
    if (!config_is_set(c, "HOOKLINE_TLS_LISTEN") ||
        (config_is_set(c, "HOOKLINE_TLS_CERT") && config_is_set(c, "HOOKLINE_TLS_KEY")))
        return true;
    return err_set(err, ERR_CONFIG,
                   "HOOKLINE_TLS_LISTEN: expected HOOKLINE_TLS_CERT and HOOKLINE_TLS_KEY beside it, got no %s",
                   config_is_set(c, "HOOKLINE_TLS_CERT") ? "key" : "certificate");
}

static config_t *new_config(void)
{
    size_t count = 0, at = 0;
    config_t *c;

    for (size_t i = 0; i < section_count(); i++)
        count += section_at(i)->count;
    c = mem_zalloc(sizeof(*c) + count * sizeof(c->values[0]));
    c->count = count;
    for (size_t i = 0; i < section_count(); i++)
        for (size_t r = 0; r < section_at(i)->count; r++)
            c->values[at++].row = &section_at(i)->rows[r];
    return c;
}

config_t *config_read(err_t *err)
{
    config_t *c = new_config();
    bool ok = true;

    for (size_t i = 0; ok && i < c->count; i++)
        ok = read_value(&c->values[i], err);
    if (ok && check_together(c, err))
        return c;
    config_free(c);
    return NULL;
}

void config_free(config_t *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        if (c->values[i].text)
            wipe_free(c->values[i].text, c->values[i].len);
    free(c);
}

/* ---- asking ---- */

/* types: the bits of those that fit. */
static const value_t *find(const config_t *c, const char *name, unsigned types)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->values[i].row->name, name) == 0 && types & 1u << c->values[i].row->type)
            return &c->values[i];
    (void)fprintf(stderr, "hookline: no setting %s of that type\n", name);
    abort();
}

#define ANY_TYPE ~0u

str_t config_text(const config_t *c, const char *name)
{
    return text_of(find(c, name, 1u << SETTING_TEXT | 1u << SETTING_ADDRESS | 1u << SETTING_LIST));
}

int64_t config_int(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_INT | 1u << SETTING_BYTES)->number;
}

int64_t config_us(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_SECONDS)->number;
}

bool config_bool(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_BOOL)->number != 0;
}

bool config_is_set(const config_t *c, const char *name)
{
    return find(c, name, ANY_TYPE)->is_set;
}

static str_t get(const void *snapshot, const char *name)
{
    return text_of(find(snapshot, name, ANY_TYPE));
}

setting_source_t config_source(const config_t *c)
{
    return (setting_source_t){get, c};
}

/* ---- what nobody knows ---- */

static bool is_known(str_t name)
{
    str_t bare = name;

    if (str_ends_nocase(name, STR("_FILE")))
        bare.len -= 5;
    for (size_t i = 0; i < section_count(); i++) {
        for (size_t r = 0; r < section_at(i)->count; r++) {
            str_t row = str_from(section_at(i)->rows[r].name);
            if (str_eq(row, name) || str_eq(row, bare))
                return true;
        }
    }
    return false;
}

void config_unknown(void (*each)(void *ctx, const char *name), void *ctx)
{
    for (char **e = environ; e && *e; e++) {
        str_t name = str_slice(str_from(*e), 0, str_find(str_from(*e), '='));
        char *copy;
        if (!str_starts(name, STR("HOOKLINE_")) || is_known(name))
            continue;
        copy = mem_strdup(name);
        each(ctx, copy);
        free(copy);
    }
}

/* ---- printing ---- */

static const char *marks(const setting_t *s)
{
    if (s->secret)
        return s->reloads ? " (secret; reloads)" : " (secret)";
    return s->reloads ? " (reloads)" : "";
}

/* A '|' would end the cell. */
static void add_cell(buf_t *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
}

static const char *unit(const setting_t *s)
{
    return s->fallback && s->type == SETTING_SECONDS ? " s" : "";
}

static void print_row(buf_t *out, const setting_t *s, bool markdown)
{
    char fallback[200];

    (void)snprintf(fallback, sizeof(fallback), "%s%s", s->fallback ? s->fallback : "", unit(s));
    if (!markdown) {
        buf_printf(out, "  %-34s %-18s %s%s\n", s->name, fallback, s->help, marks(s));
        return;
    }
    buf_printf(out, "| `%s` | %s%s%s | ", s->name, s->fallback ? "`" : "", fallback, s->fallback ? "`" : "");
    add_cell(out, s->help);
    buf_printf(out, "%s |\n", marks(s));
}

void config_print(buf_t *out, bool markdown)
{
    for (size_t i = 0; i < section_count(); i++) {
        const config_section_t *section = section_at(i);
        if (i)
            buf_addc(out, '\n');
        if (markdown)
            buf_printf(out, "### %s\n\n| setting | default | what it is |\n| --- | --- | --- |\n", section->title);
        else
            buf_printf(out, "%s\n", section->title);
        for (size_t r = 0; r < section->count; r++)
            print_row(out, &section->rows[r], markdown);
    }
}
