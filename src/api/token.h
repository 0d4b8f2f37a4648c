/* token.h – who may use the API: HOOKLINE_API_TOKENS, "name:token[:scopes],…".
 *
 * Only hashes are kept. Two rows may have one name, so that a token can be changed without a gap. Immutable once made;
 * any thread. */
#ifndef HOOKLINE_API_TOKEN_H
#define HOOKLINE_API_TOKEN_H

#include "base/err.h"

#define TOKEN_NAME_BYTES 64

typedef enum scope { SCOPE_READ = 1, SCOPE_SYNC = 2 } scope_t;
const char *scope_word(scope_t scope);

typedef struct token {
    char name[TOKEN_NAME_BYTES + 1];
    unsigned scopes; /* scope_t, or-ed */
    uint8_t hash[32];
} token_t;

typedef struct tokens tokens_t;
/* setting: absent when not set: there are no tokens. NULL with ERR_CONFIG, which says which row is wrong. */
tokens_t *tokens_new(str_t setting, err_t *err);
void tokens_free(tokens_t *t); /* NULL is fine */
size_t tokens_count(const tokens_t *t);
const token_t *tokens_find(const tokens_t *t, str_t token); /* NULL: none of them. In constant time */

/* What an Authorization field carries by the scheme Bearer (RFC 6750 section 2.1); absent: nothing. */
str_t token_of_field(str_t authorization);

#endif
