/* form.h – application/x-www-form-urlencoded (https://url.spec.whatwg.org/#urlencoded-parsing).
 *
 * Order, repeats, empty values and blanks at the ends are kept; '+' is a blank; %XX is decoded once; a bad %-sequence
 * stays as it is. Decoded bytes may be anything. Everything lives in the arena (or in the body, where nothing had to
 * be decoded). */
#ifndef HOOKLINE_BASE_FORM_H
#define HOOKLINE_BASE_FORM_H

#include "base/err.h"
#include "base/json.h"

#define FORM_MAX_PAIRS 1000

typedef struct form_pair {
    str_t key;
    str_t value;
} form_pair_t;

typedef struct form {
    form_pair_t *pairs; /* as received */
    size_t count;
} form_t;

bool form_parse(arena_t *a, str_t body, form_t *out, err_t *err); /* ERR_UNPARSABLE above FORM_MAX_PAIRS */
str_t form_get(const form_t *f, str_t key);                       /* the first; absent if there is none */

/* As a JSON object of strings; a repeated key becomes an array of strings in received order. Keys in order of first
 * appearance. Values of redacted keys become "[redacted]"; NUL and invalid UTF-8 become U+FFFD. */
str_t form_to_json(arena_t *a, const form_t *f, json_redact_t redact);

size_t form_encode(buf_t *out, str_t key, str_t value); /* appends key=value, percent-encoded, with & when not first */

#endif
