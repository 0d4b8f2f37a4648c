/* seen.h – a set of 16-byte hashes with a byte for each: what a run has met already. One thread. */
#ifndef HOOKLINE_RECONCILE_SEEN_H
#define HOOKLINE_RECONCILE_SEEN_H

#include "base/mem.h"

typedef struct seen {
    struct seen_slot *slots;
    size_t count, size; /* size: 0 or a power of two, at least twice the count */
} seen_t;

void seen_clear(seen_t *s);
/* That hash's byte: 0 when it is met for the first time. Good until the next call. */
uint8_t *seen_byte(seen_t *s, const uint8_t hash[16]);
bool seen_add(seen_t *s, const uint8_t hash[16]);                  /* false: it is there already */
void seen_hash(const str_t *parts, size_t count, uint8_t out[16]); /* absent and empty are two things */

#endif
