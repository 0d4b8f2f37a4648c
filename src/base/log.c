#include "base/log.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES     (1u << 20)
#define CHUNK_BYTES    (64u << 10) /* written at once, so that room comes back before all is written */
#define LINE_BYTES     8192
#define STRING_BYTES   2048 /* of one string: a long one must not push the other fields out */
#define SPARE_BYTES    64   /* of a line: what closes it always fits */
#define STOP_TIMEOUT_S 2    /* a reader that is stuck must not keep the process from ending */
#define OWN_LINE_BYTES 256  /* room for the line that says what was dropped */
#define NAP_MS         2

typedef enum { STYLE_JSON, STYLE_TEXT, STYLE_COLOUR } style_t;

static const struct {
    const char *name;
    const char *padded;
    const char *colour;
} LEVELS[] = {
    [LOG_DEBUG] = {"debug", "debug", "\033[90m"},
    [LOG_INFO] = {"info", "info ", "\033[32m"},
    [LOG_WARN] = {"warn", "warn ", "\033[33m"},
    [LOG_ERROR] = {"error", "error", "\033[31m"},
};
static const char *const FORMATS[] = {[LOG_AUTO] = "auto", [LOG_JSON] = "json", [LOG_TEXT] = "text"};

bool log_level_from(str_t name, log_level_t *out)
{
    for (size_t i = 0; i < COUNT(LEVELS); i++) {
        if (str_eq_nocase(name, str_from(LEVELS[i].name))) {
            *out = (log_level_t)i;
            return true;
        }
    }
    return false;
}

bool log_format_from(str_t name, log_format_t *out)
{
    for (size_t i = 0; i < COUNT(FORMATS); i++) {
        if (str_eq_nocase(name, str_from(FORMATS[i]))) {
            *out = (log_format_t)i;
            return true;
        }
    }
    return false;
}

/* ---- a line ---- */

typedef struct line {
    style_t style;
    size_t len;
    char text[LINE_BYTES];
} line_t;

static void put(line_t *l, const char *bytes, size_t len)
{
    if (len > sizeof(l->text) - l->len)
        len = sizeof(l->text) - l->len;
    memcpy(l->text + l->len, bytes, len);
    l->len += len;
}

static void put_text(line_t *l, const char *text)
{
    put(l, text, strlen(text));
}

static size_t room(const line_t *l)
{
    return l->len < LINE_BYTES - SPARE_BYTES ? LINE_BYTES - SPARE_BYTES - l->len : 0;
}

/* What cannot stand in a string as it is. A terminal could take control characters for orders. */
static void put_escaped(line_t *l, const char *at, size_t len, bool valid)
{
    char code[8];

    if (!valid || *at == '\0') {
        put(l, UTF8_REPLACEMENT.base, UTF8_REPLACEMENT.len);
    } else if (*at == '"' || *at == '\\') {
        put(l, (const char[]){'\\', *at}, 2);
    } else if (len == 1) {
        (void)snprintf(code, sizeof(code), "\\u00%02x", (unsigned)*at & 0x1fu);
        put_text(l, code);
    } else {
        put(l, at, len);
    }
}

/* U+0080 to U+009F: terminals heed those, too. */
static bool is_c1_control(const char *at, size_t len)
{
    return len == 2 && (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0;
}

static void put_string(line_t *l, str_t s)
{
    size_t most = room(l) < STRING_BYTES ? room(l) : STRING_BYTES;
    const char *at = s.base, *end = s.len ? s.base + s.len : s.base;

    for (size_t from = l->len; at < end;) {
        const char *plain = at;
        size_t used = l->len - from, len;
        bool valid;
        at = utf8_skip_plain(at, (size_t)(end - at) > most - used ? at + (most - used) : end);
        put(l, plain, (size_t)(at - plain));
        if (at == end)
            break;
        if (l->len - from + 6 > most) {
            put_text(l, "…");
            break;
        }
        valid = utf8_step(at, end, &len);
        put_escaped(l, at, len, valid && !is_c1_control(at, len));
        at += len;
    }
}

/* "+12025550143" as "+*********43". Short ones are hidden whole. */
static str_t mask_phone(str_t phone, char out[32])
{
    size_t digits = 0, len = phone.len < 32 ? phone.len : 32, seen = 0;

    for (size_t i = 0; i < len; i++)
        digits += phone.base[i] >= '0' && phone.base[i] <= '9';
    for (size_t i = 0; i < len; i++) {
        bool digit = phone.base[i] >= '0' && phone.base[i] <= '9';
        seen += digit;
        out[i] = (i == 0 && phone.base[0] == '+') || (digit && digits > 4 && seen > digits - 2) ? phone.base[i] : '*';
    }
    return (str_t){out, len};
}

/* What reads as one word in key=value. */
static bool is_word(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.base[i] <= ' ' || s.base[i] == '"' || s.base[i] == '=' || s.base[i] == 0x7f)
            return false;
    return s.len > 0;
}

static void put_quoted(line_t *l, str_t s)
{
    bool quotes = l->style == STYLE_JSON || !is_word(s);

    if (quotes)
        put(l, "\"", 1);
    put_string(l, s);
    if (quotes)
        put(l, "\"", 1);
}

static void put_field(line_t *l, const log_field_t *f)
{
    size_t key_len = strlen(f->key);
    char text[32];

    if (key_len + sizeof(text) > room(l) || (f->kind != LOG_FIELD_INT && str_is_empty(f->s)))
        return;
    put_text(l, l->style == STYLE_JSON ? ",\"" : l->style == STYLE_COLOUR ? " \033[90m" : " ");
    put(l, f->key, key_len);
    put_text(l, l->style == STYLE_JSON ? "\":" : l->style == STYLE_COLOUR ? "=\033[0m" : "=");
    if (f->kind == LOG_FIELD_INT) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)f->i);
        put_text(l, text);
    } else {
        put_quoted(l, f->kind == LOG_FIELD_PHONE ? mask_phone(f->s, text) : f->s);
    }
}

static void put_head(line_t *l, log_level_t level, const char *msg)
{
    char time[32];
    size_t len = time_to_iso8601(clock_wall_us(), time);

    if (l->style == STYLE_JSON) {
        put_text(l, "{\"time\":\"");
        put(l, time, len);
        put_text(l, "\",\"level\":\"");
        put_text(l, LEVELS[level].name);
        put_text(l, "\",\"msg\":");
        put_quoted(l, str_from(msg));
        return;
    }
    put(l, time, len - 4); /* milliseconds are enough for people */
    put_text(l, "Z ");
    if (l->style == STYLE_COLOUR)
        put_text(l, LEVELS[level].colour);
    put_text(l, LEVELS[level].padded);
    put_text(l, l->style == STYLE_COLOUR ? "\033[0m " : " ");
    put_string(l, str_from(msg));
}

static void format(line_t *l, style_t style, log_level_t level, const char *msg, const log_field_t *fields,
                   size_t count)
{
    l->style = style;
    l->len = 0;
    put_head(l, level, msg);
    for (size_t i = 0; i < count; i++)
        if (fields[i].key)
            put_field(l, &fields[i]);
    put_text(l, style == STYLE_JSON ? "}\n" : "\n");
}

/* ---- where lines go ---- */

/* head and tail count bytes since the start; the thread alone moves tail, and writes what lies between without the
 * mutex, since nobody else touches it. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled, finished_changed;
    pthread_t thread;
    char *ring;
    size_t head, tail;
    int64_t dropped; /* since this was last said */
    metric_t *dropped_total;
    bool running, waiting, stopping, finished;
    bool given_up; /* the reader was stuck at log_stop, and the thread still is */
} sink = {.mutex = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER,
          .finished_changed = PTHREAD_COND_INITIALIZER};

static _Atomic int least_level = LOG_INFO;
static _Atomic int chosen_format = LOG_AUTO;
static _Atomic int known_style = -1;

static style_t choose_style(void)
{
    int format_now = atomic_load_explicit(&chosen_format, memory_order_relaxed);
    bool terminal = isatty(STDERR_FILENO);

    if (format_now == LOG_JSON || (format_now == LOG_AUTO && !terminal))
        return STYLE_JSON;
    return terminal && !getenv("NO_COLOR") ? STYLE_COLOUR : STYLE_TEXT;
}

static style_t current_style(void)
{
    int style = atomic_load_explicit(&known_style, memory_order_relaxed);

    return style < 0 ? choose_style() : (style_t)style;
}

/* patient: waits for a reader that has no room. Where nobody reads any more, the bytes are lost. */
static void write_all(const char *bytes, size_t len, bool patient)
{
    while (len) {
        struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
        ssize_t n = write(STDERR_FILENO, bytes, len);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN && patient) {
            (void)poll(&writable, 1, -1);
        } else if (n >= 0 || errno != EINTR) {
            return;
        }
    }
}

static bool ring_add(const char *bytes, size_t len)
{
    size_t at = sink.head % RING_BYTES, first = len < RING_BYTES - at ? len : RING_BYTES - at;

    if (len > RING_BYTES - (sink.head - sink.tail))
        return false;
    memcpy(sink.ring + at, bytes, first);
    memcpy(sink.ring, bytes + first, len - first);
    sink.head += len;
    return true;
}

/* Under the mutex, right after room was made: so that the line stands where the others are missing. */
static void say_dropped(void)
{
    static line_t line; /* guarded by the mutex */
    const log_field_t count = log_int("count", sink.dropped);

    if (!sink.dropped || RING_BYTES - (sink.head - sink.tail) < OWN_LINE_BYTES)
        return;
    format(&line, current_style(), LOG_WARN, "log lines dropped: nobody read them in time", &count, 1);
    if (ring_add(line.text, line.len))
        sink.dropped = 0;
}

static void write_chunk(void)
{
    size_t at = sink.tail % RING_BYTES, len = sink.head - sink.tail;

    if (len > RING_BYTES - at)
        len = RING_BYTES - at;
    if (len > CHUNK_BYTES)
        len = CHUNK_BYTES;
    (void)pthread_mutex_unlock(&sink.mutex);
    write_all(sink.ring + at, len, true);
    (void)pthread_mutex_lock(&sink.mutex);
    sink.tail += len;
    say_dropped();
}

/* Waking this thread costs a caller more than its whole line, so under load it looks by itself. A line that comes after
 * silence is still written at once. */
static void nap(void)
{
    const struct timespec a_while = {.tv_nsec = NAP_MS * 1000000L};

    (void)pthread_mutex_unlock(&sink.mutex);
    (void)nanosleep(&a_while, NULL);
    (void)pthread_mutex_lock(&sink.mutex);
}

static void *run(void *unused)
{
    (void)pthread_mutex_lock(&sink.mutex);
    for (;;) {
        if (sink.head != sink.tail) {
            write_chunk();
            if (sink.head - sink.tail < RING_BYTES / 2 && !sink.stopping)
                nap();
        } else if (sink.stopping) {
            break;
        } else {
            sink.waiting = true;
            (void)pthread_cond_wait(&sink.filled, &sink.mutex);
            sink.waiting = false;
        }
    }
    sink.finished = true;
    (void)pthread_cond_signal(&sink.finished_changed);
    (void)pthread_mutex_unlock(&sink.mutex);
    return unused;
}

/* All signals are other threads' business; SIGPIPE among them becomes a failed write. */
static bool start_thread(void)
{
    sigset_t all, before;
    int failed;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&sink.thread, NULL, run, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failed;
}

void log_start(log_level_t least, log_format_t format_wanted)
{
    atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
    atomic_store_explicit(&chosen_format, (int)format_wanted, memory_order_relaxed);
    atomic_store_explicit(&known_style, (int)choose_style(), memory_order_relaxed);
    (void)pthread_mutex_lock(&sink.mutex);
    if (!sink.running && !sink.given_up) {
        if (!sink.ring)
            sink.ring = mem_alloc(RING_BYTES);
        sink.dropped_total = metrics_series(METRIC_LOG_DROPPED, "");
        sink.stopping = sink.finished = false;
        sink.running = start_thread(); /* if not, lines are written directly as before */
    }
    (void)pthread_mutex_unlock(&sink.mutex);
}

static void wait_until_finished(void)
{
    struct timespec deadline;

    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += STOP_TIMEOUT_S;
    while (!sink.finished)
        if (pthread_cond_clockwait(&sink.finished_changed, &sink.mutex, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT)
            break;
}

void log_stop(void)
{
    (void)pthread_mutex_lock(&sink.mutex);
    if (sink.running) {
        sink.stopping = true;
        (void)pthread_cond_signal(&sink.filled);
        wait_until_finished();
        sink.running = false;
        sink.given_up = !sink.finished;
        if (sink.given_up)
            (void)pthread_detach(sink.thread);
        else
            (void)pthread_join(sink.thread, NULL);
    }
    (void)pthread_mutex_unlock(&sink.mutex);
}

static void enqueue(const line_t *l)
{
    if (!ring_add(l->text, l->len)) {
        sink.dropped++;
        metric_add(sink.dropped_total, 1);
    } else if (sink.waiting) {
        (void)pthread_cond_signal(&sink.filled);
    }
}

void log_emit(log_level_t level, const char *msg, const log_field_t *fields, size_t count)
{
    line_t line;

    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    format(&line, current_style(), level, msg, fields, count);
    (void)pthread_mutex_lock(&sink.mutex);
    if (sink.running && !sink.finished)
        enqueue(&line);
    else if (!sink.given_up)
        write_all(line.text, line.len, false);
    (void)pthread_mutex_unlock(&sink.mutex);
}

bool log_gate_open(log_gate_t *gate, int64_t interval_us, int64_t *skipped)
{
    int64_t now = clock_mono_us(), next = atomic_load_explicit(&gate->next_us, memory_order_relaxed);

    if (now < next || !atomic_compare_exchange_strong_explicit(&gate->next_us, &next, now + interval_us,
                                                               memory_order_relaxed, memory_order_relaxed)) {
        (void)atomic_fetch_add_explicit(&gate->held, 1, memory_order_relaxed);
        return false;
    }
    *skipped = atomic_exchange_explicit(&gate->held, 0, memory_order_relaxed);
    return true;
}
