/* redact.h – redaction patterns made quick to ask. For the files of src/base; see json_redact_key in json.h for what a
 * pattern means. One thread at a time. */
#ifndef HOOKLINE_BASE_REDACT_H
#define HOOKLINE_BASE_REDACT_H

#include "base/json.h"

#define REDACT_TEXT "[redacted]"
#define REDACT_NONE SIZE_MAX

typedef struct redact_pattern {
    const char *text; /* without the '!' */
    str_t last;       /* its last segment */
    bool protects;    /* began with '!' */
} redact_pattern_t;

/* Nearly every key of a body is none of those that patterns name. So a key is first looked up by its last two letters,
 * which leaves a pattern or none to compare. */
#define REDACT_SLOTS 128
typedef struct redactor {
    redact_pattern_t patterns[JSON_REDACT_MAX];
    size_t count;
    uint64_t by_key[REDACT_SLOTS];    /* a bit for each pattern that could match */
    uint64_t by_parent[REDACT_SLOTS]; /* the same for "parent.*", where the key itself tells nothing */
    uint64_t any;                     /* those that cannot be looked up so */
} redactor_t;

void redactor_init(redactor_t *r, json_redact_t redact);

/* The first of the patterns before `limit` that matches path (the key last), or REDACT_NONE. What it says about keys
 * further up is the caller's to keep: below a key that pattern i protects, the limit is i. */
size_t redactor_find(const redactor_t *r, const str_t *path, size_t depth, size_t limit);

#endif
