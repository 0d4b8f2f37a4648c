/* path_secret.h – the proof of providers that sign nothing: a secret at the end of the address they are given.
 *
 * What such a provider's keys are, and the functions of provider_t that need nothing else of it. */
#ifndef HOOKLINE_WEBHOOKS_PATH_SECRET_H
#define HOOKLINE_WEBHOOKS_PATH_SECRET_H

#include "provider.h"

/* The values of `setting`, newest first. NULL with err->code ERR_NONE when there are none. */
void *path_keys_new(const setting_source_t *from, const char *setting, err_t *err);
void path_keys_free(void *keys);

bool path_secret_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
str_t path_secret_newest(const void *keys);
/* provider_t.sign where the address is all the proof: no header. */
size_t path_secret_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                        header_t *headers);

#endif
