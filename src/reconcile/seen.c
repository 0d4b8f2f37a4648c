#include "reconcile/seen.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_SIZE 256

typedef struct seen_slot {
    uint8_t hash[16];
    bool taken;
    uint8_t byte;
} seen_slot_t;

/* Where that hash is, or would be. It is as random as it has to be. */
static seen_slot_t *place(const seen_t *s, const uint8_t hash[16])
{
    uint64_t start;
    size_t at;

    memcpy(&start, hash, sizeof(start));
    at = (size_t)start & (s->size - 1);
    while (s->slots[at].taken && memcmp(s->slots[at].hash, hash, sizeof(s->slots[at].hash)) != 0)
        at = (at + 1) & (s->size - 1);
    return &s->slots[at];
}

static void grow(seen_t *s)
{
    seen_t larger = {.size = s->size ? 2 * s->size : LEAST_SIZE, .count = s->count};

    larger.slots = mem_zalloc(larger.size * sizeof(*larger.slots));
    for (size_t i = 0; i < s->size; i++)
        if (s->slots[i].taken)
            *place(&larger, s->slots[i].hash) = s->slots[i];
    free(s->slots);
    *s = larger;
}

void seen_clear(seen_t *s)
{
    free(s->slots);
    *s = (seen_t){.slots = NULL};
}

static seen_slot_t *find(seen_t *s, const uint8_t hash[16], bool *fresh)
{
    seen_slot_t *slot;

    if (2 * s->count >= s->size)
        grow(s);
    slot = place(s, hash);
    *fresh = !slot->taken;
    if (*fresh) {
        memcpy(slot->hash, hash, sizeof(slot->hash));
        slot->taken = true;
        s->count++;
    }
    return slot;
}

uint8_t *seen_byte(seen_t *s, const uint8_t hash[16])
{
    bool fresh;

    return &find(s, hash, &fresh)->byte;
}

bool seen_add(seen_t *s, const uint8_t hash[16])
{
    bool fresh;

    (void)find(s, hash, &fresh);
    return fresh;
}

void seen_hash(const str_t *parts, size_t count, uint8_t out[16])
{
    buf_t all = BUF_EMPTY;
    uint8_t hash[32];

    for (size_t i = 0; i < count; i++) {
        buf_printf(&all, "%zu%s:", parts[i].len, parts[i].base ? "" : "-");
        buf_add(&all, parts[i]);
    }
    sha256(buf_str(&all), hash);
    memcpy(out, hash, 16);
    buf_clear(&all);
}
