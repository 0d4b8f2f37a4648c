/* livekit_keys.h – the keys that LiveKit's test vectors are signed with. */
#ifndef HOOKLINE_TESTS_LIVEKIT_KEYS_H
#define HOOKLINE_TESTS_LIVEKIT_KEYS_H

#include "provider_harness.h"

extern const provider_t provider_livekit;
#define P (&provider_livekit)

#define SECRET  "devsecret-0123456789abcdef0123456789abcdef"
#define SECRET2 "rotated-secret-fedcba9876543210fedcba9876543210"

static inline void *both_keys(void)
{
    return keys_of(P, SETTINGS({"LIVEKIT_API_KEY", "devkey"}, {"LIVEKIT_API_SECRET", SECRET},
                               {"LIVEKIT_KEYS", "devkey2: " SECRET2}));
}

/* The header Authorization of a vector, under its lower-case name. */
static inline size_t authorization_of(const cJSON *request, header_t *out)
{
    const cJSON *header = json_at(request, "headers.Authorization");

    if (!header)
        return 0;
    *out = (header_t){STR("authorization"), str_from(header->valuestring)};
    return 1;
}

#endif
