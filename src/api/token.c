#include "api/token.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tokens {
    size_t count;
    token_t rows[];
};

static const struct {
    scope_t scope;
    const char *word;
} WORDS[] = {{SCOPE_READ, "read"}, {SCOPE_SYNC, "sync"}};

const char *scope_word(scope_t scope)
{
    size_t i = 0;

    while (i < COUNT(WORDS) - 1 && WORDS[i].scope != scope)
        i++;
    return WORDS[i].word;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_made_of(str_t s, const char *others)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.base[i]) && (!s.base[i] || !strchr(others, s.base[i])))
            return false;
    return s.len > 0;
}

static bool read_scopes(str_t text, unsigned *out)
{
    str_t piece;

    *out = 0;
    while (str_split(&text, '+', &piece)) {
        size_t i = 0;

        while (i < COUNT(WORDS) && !str_eq(piece, str_from(WORDS[i].word)))
            i++;
        if (i == COUNT(WORDS))
            return false;
        *out |= WORDS[i].scope;
    }
    return true;
}

/* In clear, or hashed already: who can read the settings then still has no token. */
static bool read_hash(str_t text, uint8_t out[32])
{
    const str_t mark = STR("sha256$");

    if (!str_starts(text, mark)) {
        sha256(text, out);
        return is_made_of(text, "-._~+/=");
    }
    text = str_slice(text, mark.len, text.len);
    return text.len == 64 && hex_decode(text, out) == 32;
}

/* No word of a row that is wrong is told but its name: the rest may be a secret. */
static bool read_row(str_t row, size_t number, token_t *out, err_t *err)
{
    str_t name = STR_NONE, token = STR_NONE;

    *out = (token_t){.scopes = ~0u};
    (void)str_split(&row, ':', &name);
    if (!row.base || !is_made_of(name, "._-") || name.len > TOKEN_NAME_BYTES)
        return err_set(
            err, ERR_CONFIG,
            "HOOKLINE_API_TOKENS: expected name:token[:scopes] of row %zu, its name of letters, digits, '.', "
            "'_' and '-', at most %d",
            number, TOKEN_NAME_BYTES);
    (void)snprintf(out->name, sizeof(out->name), STR_FMT, STR_ARG(name));
    (void)str_split(&row, ':', &token);
    if (!read_hash(token, out->hash))
        return err_set(err, ERR_CONFIG,
                       "HOOKLINE_API_TOKENS: expected of %s a token of letters, digits and -._~+/=, or sha256$ and 64 "
                       "hex digits",
                       out->name);
    if (row.base && !read_scopes(row, &out->scopes)) /* what is left of it */
        return err_set(err, ERR_CONFIG, "HOOKLINE_API_TOKENS: expected of %s the scopes read, sync, joined by '+'",
                       out->name);
    return true;
}

static size_t count_rows(str_t setting)
{
    size_t count = 0;
    str_t piece;

    while (str_split(&setting, ',', &piece))
        count += str_trim(piece).len > 0;
    return count;
}

tokens_t *tokens_new(str_t setting, err_t *err)
{
    tokens_t *t = mem_zalloc(sizeof(*t) + count_rows(setting) * sizeof(t->rows[0]));
    str_t piece;

    while (str_split(&setting, ',', &piece)) {
        piece = str_trim(piece);
        if (!piece.len)
            continue;
        if (!read_row(piece, t->count + 1, &t->rows[t->count], err)) {
            tokens_free(t);
            return NULL;
        }
        t->count++;
    }
    return t;
}

void tokens_free(tokens_t *t)
{
    free(t);
}

size_t tokens_count(const tokens_t *t)
{
    return t->count;
}

const token_t *tokens_find(const tokens_t *t, str_t token)
{
    const token_t *found = NULL;
    uint8_t hash[32];

    sha256(token, hash);
    for (size_t i = 0; i < t->count; i++)
        if (crypto_equal(hash, sizeof(hash), t->rows[i].hash, sizeof(t->rows[i].hash)))
            found = &t->rows[i];
    return found;
}

str_t token_of_field(str_t authorization)
{
    const str_t scheme = STR("Bearer ");

    if (!str_starts_nocase(authorization, scheme))
        return STR_NONE;
    return str_trim(str_slice(authorization, scheme.len, authorization.len));
}
