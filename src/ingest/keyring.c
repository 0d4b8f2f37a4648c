#include "ingest/keyring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct keyring {
    pthread_rwlock_t lock; /* held for writing only while pointers are swapped */
    void **keys;           /* by provider index; NULL: off */
};

static void free_keys(void **keys)
{
    for (size_t i = 0; keys && i < PROVIDER_COUNT; i++)
        if (keys[i])
            PROVIDERS[i]->keys_free(keys[i]);
    free(keys);
}

static void **read_keys(const config_t *config, err_t *err)
{
    setting_source_t source = config_source(config);
    void **keys = mem_zalloc(PROVIDER_COUNT * sizeof(*keys));

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        memset(err, 0, sizeof(*err));
        keys[i] = PROVIDERS[i]->keys_new(&source, err);
        if (!keys[i] && err->code != ERR_NONE) {
            free_keys(keys);
            return NULL;
        }
    }
    return keys;
}

keyring_t *keyring_new(const config_t *config, err_t *err)
{
    void **keys = read_keys(config, err);
    keyring_t *k;

    if (!keys)
        return NULL;
    k = mem_alloc(sizeof(*k));
    pthread_rwlock_init(&k->lock, NULL);
    k->keys = keys;
    return k;
}

void keyring_free(keyring_t *k)
{
    if (!k)
        return;
    pthread_rwlock_destroy(&k->lock);
    free_keys(k->keys);
    free(k);
}

bool keyring_reload(keyring_t *k, const config_t *config, err_t *err)
{
    void **fresh = read_keys(config, err);
    void **old;

    if (!fresh)
        return false;
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        if (k->keys[i] && !fresh[i]) {
            free_keys(fresh);
            err_set(err, ERR_CONFIG, "the new settings have no secret for %s, which is on", PROVIDERS[i]->title);
            return err_hint(err, "restart hookline to turn a provider off");
        }
    }
    pthread_rwlock_wrlock(&k->lock);
    old = k->keys;
    k->keys = fresh;
    pthread_rwlock_unlock(&k->lock);
    free_keys(old);
    return true;
}

const void *keyring_hold(keyring_t *k, size_t provider_index)
{
    pthread_rwlock_rdlock(&k->lock);
    return k->keys[provider_index];
}

void keyring_release(keyring_t *k)
{
    pthread_rwlock_unlock(&k->lock);
}
