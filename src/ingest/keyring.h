/* keyring.h – every provider's keys, replaced as a whole on reload.
 *
 * Reading is for any thread, between keyring_hold and keyring_release; what is held stays valid meanwhile. */
#ifndef HOOKLINE_INGEST_KEYRING_H
#define HOOKLINE_INGEST_KEYRING_H

#include "config/config.h"
#include "provider.h"

typedef struct keyring keyring_t;

keyring_t *keyring_new(const config_t *config, err_t *err);
void keyring_free(keyring_t *k);
/* Refused when it would leave a provider that is on without keys: its deliveries would be lost for good. */
bool keyring_reload(keyring_t *k, const config_t *config, err_t *err);

const void *keyring_hold(keyring_t *k, size_t provider_index); /* NULL: the provider is off. Release either way */
void keyring_release(keyring_t *k);

#endif
