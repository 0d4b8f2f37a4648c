/* str.h – a run of bytes that somebody else owns.
 *
 * Not NUL-terminated, may hold NUL. An absent string has base NULL; an empty one has len 0. Any thread. */
#ifndef HOOKLINE_BASE_STR_H
#define HOOKLINE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct str {
    const char *base;
    size_t len;
} str_t;

#define STR(literal) ((str_t){(literal), sizeof(literal) - 1})
#define STR_NONE     ((str_t){NULL, 0})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).len, ((s).base ? (s).base : "")
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

str_t str_from(const char *text); /* NULL gives an absent string */
bool str_is_empty(str_t s);       /* absent or of length 0 */
bool str_eq(str_t a, str_t b);
bool str_eq_nocase(str_t a, str_t b); /* ASCII letters only */
bool str_starts(str_t s, str_t prefix);
bool str_starts_nocase(str_t s, str_t prefix);
bool str_ends_nocase(str_t s, str_t suffix);
int str_cmp(str_t a, str_t b);                             /* by bytes, shorter first; as PostgreSQL's COLLATE "C" */
size_t str_find(str_t s, char c);                          /* SIZE_MAX when absent */
str_t str_slice(str_t s, size_t from, size_t to);          /* clamped to s */
str_t str_trim(str_t s);                                   /* blanks and tabs at both ends */
bool str_split(str_t *rest, char separator, str_t *piece); /* takes the next piece off rest; false at the end */
bool str_to_int(str_t s, int64_t *out);                    /* whole string, decimal, optional sign */

#endif
