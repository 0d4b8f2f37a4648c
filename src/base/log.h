/* log.h – one line an event: a JSON object, or readable text on a terminal.
 *
 * Lines go to standard error through a bounded buffer and a thread of its own, so that a stuck reader never blocks a
 * caller; what does not fit is counted and said later. Never give it a secret, a token or a body; phone numbers go
 * through log_phone, which masks all but the last two digits. Any thread. */
#ifndef HOOKLINE_BASE_LOG_H
#define HOOKLINE_BASE_LOG_H

#include "base/str.h"

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } log_level_t;
typedef enum { LOG_AUTO, LOG_JSON, LOG_TEXT } log_format_t; /* AUTO: text on a terminal, JSON elsewhere */

typedef struct log_field {
    const char *key; /* NULL: no field */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_PHONE } kind;
    str_t s;
    int64_t i;
} log_field_t;

#define log_str(k, v)   ((log_field_t){.key = (k), .kind = LOG_FIELD_STR, .s = (v)})
#define log_cstr(k, v)  ((log_field_t){.key = (k), .kind = LOG_FIELD_STR, .s = str_from(v)})
#define log_int(k, v)   ((log_field_t){.key = (k), .kind = LOG_FIELD_INT, .i = (int64_t)(v)})
#define log_phone(k, v) ((log_field_t){.key = (k), .kind = LOG_FIELD_PHONE, .s = (v)})

void log_start(log_level_t least, log_format_t format); /* starts the thread; before it, lines are written directly */
void log_stop(void);                                    /* writes what is left and joins the thread */
bool log_level_from(str_t name, log_level_t *out);
bool log_format_from(str_t name, log_format_t *out);

/* A line: time, level, msg, then the fields. Strings are escaped, and invalid UTF-8 is replaced; a long one is cut. A
 * field whose string is absent or empty is left out. */
void log_emit(log_level_t level, const char *msg, const log_field_t *fields, size_t count);
#define LOG_FIELDS_(...) ((const log_field_t[]){__VA_ARGS__})
#define LOG(level, msg, ...)                                                                                           \
    log_emit((level), (msg), LOG_FIELDS_(__VA_ARGS__), sizeof(LOG_FIELDS_(__VA_ARGS__)) / sizeof(log_field_t))
#define LOG_PLAIN(level, msg) log_emit((level), (msg), NULL, 0)

/* For what repeats: true at most once in every interval_us for this gate; *skipped is how many were held back. */
typedef struct log_gate {
    _Atomic int64_t next_us;
    _Atomic int64_t held;
} log_gate_t;
bool log_gate_open(log_gate_t *gate, int64_t interval_us, int64_t *skipped);

#endif
