/* secret.h – the secrets of one provider that are good at this moment, newest first.
 *
 * Two or more may be valid at once, so that they can be changed without losing a delivery. Nothing here compares: that
 * is each provider's business. A list is filled once and then only read, by any thread. */
#ifndef HOOKLINE_WEBHOOKS_SECRET_H
#define HOOKLINE_WEBHOOKS_SECRET_H

#include "base/crypto.h"

#define SECRETS_MAX 16

typedef struct secret {
    str_t name;      /* what chooses it (LiveKit's API key); absent where any of the list will do */
    str_t text;      /* as set; for schemes that compare it as it is */
    hmac_key_t *key; /* for schemes that sign with it; NULL for others */
} secret_t;

typedef struct secrets {
    secret_t items[SECRETS_MAX];
    size_t count;
} secrets_t;

/* How one setting's values are to be used. */
typedef struct secret_use {
    const char *setting; /* its name, for messages */
    bool signs;          /* make a key of it */
    digest_t digest;     /* with this digest */
    bool is_base64;      /* the text is the base64 of the key's bytes */
    bool in_path;        /* it stands in a path: letters, digits, '-', '_', '.' and '~', at least 16 of them */
} secret_use_t;

/* Adds the values of a list separated by commas; blanks around them, and empty ones, do not count. False with
 * ERR_CONFIG when there are too many, or one is not base64 though it should be. */
bool secrets_add_list(secrets_t *list, str_t name, str_t values, const secret_use_t *use, err_t *err);
void secrets_clear(secrets_t *list); /* wipes and releases */

#endif
