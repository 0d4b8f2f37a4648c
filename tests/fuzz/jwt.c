/* jwt.c – tokens: a stranger's never fits a key that was drawn at random, and what we make is read as it was meant. */
#include "fuzz.h"

#include "base/jwt.h"

static hmac_key_t *key;

void fuzz_begin(void)
{
    char secret[32];

    crypto_random(secret, sizeof(secret));
    key = hmac_key_new(DIGEST_SHA256, (str_t){secret, sizeof(secret)});
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t made = exact_copy(a, jwt_make(a, input, key));
    jwt_t token;
    err_t err = {.code = ERR_NONE};

    if (jwt_read(a, input, &token, &err))
        CHECK(!jwt_verify(&token, key), input);
    else
        CHECK(err.code == ERR_SIGNATURE, input);
    CHECK(jwt_read(a, made, &token, &err), made);
    CHECK(jwt_verify(&token, key), made);
    CHECK(str_eq(token.claims, input), made);
}
