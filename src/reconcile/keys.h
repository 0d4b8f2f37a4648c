/* keys.h – which settings hold a provider's key for its API, for people. Any thread. */
#ifndef HOOKLINE_RECONCILE_KEYS_H
#define HOOKLINE_RECONCILE_KEYS_H

#include "provider.h"

/* "VAPI_API_KEY", or several: the provider's secrets but for those of its webhooks. */
void keys_name(const provider_t *p, buf_t *out);

#endif
