/* json.h – typed reading of JSON (cJSON), and the one pass that makes a stranger's JSON safe to store.
 *
 * A tree belongs to the arena it was parsed into; nobody frees it. Reading never fails: what is absent, null or of the
 * wrong type is "unknown". Any thread, one arena at a time. */
#ifndef HOOKLINE_BASE_JSON_H
#define HOOKLINE_BASE_JSON_H

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <cjson/cJSON.h>

void json_init(void); /* once, before any thread: hands cJSON our arena hooks */

/* One pass over the bytes, without building a tree:
 *  - replaces the value of every key that a redaction pattern names by "[redacted]",
 *  - replaces what PostgreSQL's jsonb refuses: \u0000, lone surrogates, invalid UTF-8 (each becomes U+FFFD),
 *  - checks the grammar (RFC 8259), the nesting (at most JSON_MAX_DEPTH) and that nothing follows the value.
 * When nothing had to change, *out is in itself. Otherwise it is in the arena. False: err says where and why. */
#define JSON_MAX_DEPTH  200
#define JSON_REDACT_MAX 64 /* patterns in one list */
typedef struct json_redact {
    const char *const *patterns; /* see json_redact_matches; NULL-terminated; NULL for none */
} json_redact_t;
bool json_clean(arena_t *a, str_t in, json_redact_t redact, str_t *out, err_t *err);

/* A pattern is a dotted path's end: the last segment names the key, those before it its parents. A segment may begin
 * and/or end with '*'; letters match in either case; array elements count as their array. "headers.*" is every key
 * right under a key "headers"; "*token" every key that ends in token. A pattern that begins with '!' protects what it
 * matches and everything below; the first pattern that matches decides. */
bool json_redact_key(const char *const *patterns, const str_t *path, size_t depth);

/* In bytes that did not parse: masks the value after key=… and "key": … for keys that a pattern's last segment names
 * (for "headers.*": the value of "headers"). Parents are not looked at, and nothing is protected: better too much. */
str_t json_mask_unparsable(arena_t *a, str_t in, json_redact_t redact);

/* Parses what json_clean let through. NULL with err on failure. */
cJSON *json_parse(arena_t *a, str_t text, err_t *err);

/* path: keys separated by dots, "call.phoneNumber.number"; digits index an array, "costs.0.type"; "" is root itself. Of
 * equal keys the last counts, as in jsonb. */
const cJSON *json_at(const cJSON *root, const char *path);
str_t json_str(const cJSON *root, const char *path);                /* a string, else absent; "" is absent too */
bool json_int(const cJSON *root, const char *path, int64_t *out);   /* a whole number, or a string of one (protojson) */
bool json_double(const cJSON *root, const char *path, double *out); /* a number, or a string of one */
bool json_bool(const cJSON *root, const char *path, bool *out);     /* true, false, or "true", "false" */
int64_t json_iso8601(const cJSON *root, const char *path);          /* a string, else TIME_NONE */
int64_t json_time_ms(const cJSON *root, const char *path);          /* epoch ms, number or string; 0 is unknown */
int64_t json_time_s(const cJSON *root, const char *path);           /* epoch s; 0 is unknown */
str_t json_print(arena_t *a, const cJSON *node);                    /* compact; NULL gives absent */

/* SHA-256 of the canonical form (keys sorted by bytes, the last of equal ones; whole numbers below 2^53 in full, others
 * by 15 digits, or 17 where those do not give it back; no blanks), leaving out every key for which skip says so (NULL:
 * none). The first 16 bytes, as 32 hex digits; absent for a node that is NULL. */
typedef bool (*json_skip_fn)(str_t key);
str_t json_hash(arena_t *a, const cJSON *node, json_skip_fn skip);

void json_escape(buf_t *out, str_t s); /* with the quotes; invalid UTF-8 and NUL become U+FFFD */

#endif
