/* setting.h – what a setting is: one row that the configuration, the help, the README and `hookline check` are read
 * from. */
#ifndef HOOKLINE_BASE_SETTING_H
#define HOOKLINE_BASE_SETTING_H

#include "base/str.h"

typedef enum {
    SETTING_TEXT,
    SETTING_INT,     /* a whole number */
    SETTING_BYTES,   /* a whole number, optionally with K, M or G (powers of 1024) */
    SETTING_SECONDS, /* a number, fractions allowed; kept in microseconds */
    SETTING_BOOL,    /* 1, 0, true, false, yes, no, on, off */
    SETTING_ADDRESS, /* host:port or [v6]:port; port 0 picks one */
    SETTING_LIST,    /* separated by commas */
} setting_type_t;

typedef struct setting {
    const char *name; /* the environment variable; NAME_FILE names a file that holds the value */
    setting_type_t type;
    const char *fallback; /* default as text; NULL: not set */
    bool secret;          /* never printed */
    bool reloads;         /* read again on SIGHUP */
    const char *help;     /* one line */
    int64_t least, most;  /* for INT, BYTES and SECONDS (in the setting's own unit); both 0: no range */
} setting_t;

/* How a provider reads its own settings: text of NAME, absent when not set. Good while the snapshot lives. */
typedef struct setting_source {
    str_t (*get)(const void *snapshot, const char *name);
    const void *snapshot;
} setting_source_t;

static inline str_t setting_get(const setting_source_t *from, const char *name)
{
    return from->get(from->snapshot, name);
}

#endif
