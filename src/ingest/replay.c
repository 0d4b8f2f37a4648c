#include "ingest/replay.h"

#include "ingest/desk.h"
#include "ingest/understand.h"
#include "store/batch.h"

#include <stdlib.h>
#include <string.h>

/* Keys that a dry run has foreseen, since nothing of it is in event_keys: 16 bytes each, in an open-addressed table. */
typedef struct keyset {
    uint8_t (*slots)[16];
    bool *taken;
    size_t count, size; /* size: 0 or a power of two, more than the count */
} keyset_t;

typedef struct replay {
    stored_t *from;
    store_t *store;
    replay_each_fn each;
    void *ctx;
    desk_t desk;
    const stored_row_t *rows; /* the page, and what was made of each row */
    delivery_t **deliveries;
    size_t count;
    keyset_t foreseen;
} replay_t;

/* ---- a set of keys ---- */

/* Where that key is, or would be. The hash is as random as it has to be. */
static size_t keyset_place(const keyset_t *k, const uint8_t hash[16])
{
    uint64_t start;
    size_t at;

    memcpy(&start, hash, sizeof(start));
    at = (size_t)start & (k->size - 1);
    while (k->taken[at] && memcmp(k->slots[at], hash, sizeof(k->slots[at])) != 0)
        at = (at + 1) & (k->size - 1);
    return at;
}

static void keyset_clear(keyset_t *k)
{
    free(k->slots);
    free(k->taken);
}

static void keyset_grow(keyset_t *k)
{
    keyset_t larger = {.size = k->size ? 2 * k->size : 1024, .count = k->count};

    larger.slots = mem_zalloc(larger.size * sizeof(*larger.slots));
    larger.taken = mem_zalloc(larger.size * sizeof(*larger.taken));
    for (size_t i = 0; i < k->size; i++) {
        if (k->taken[i]) {
            size_t at = keyset_place(&larger, k->slots[i]);

            larger.taken[at] = true;
            memcpy(larger.slots[at], k->slots[i], sizeof(larger.slots[at]));
        }
    }
    keyset_clear(k);
    *k = larger;
}

/* False: it is there already. */
static bool keyset_add(keyset_t *k, const uint8_t hash[16])
{
    size_t at;

    if (2 * k->count >= k->size)
        keyset_grow(k);
    at = keyset_place(k, hash);
    if (k->taken[at])
        return false;
    k->taken[at] = true;
    memcpy(k->slots[at], hash, sizeof(k->slots[at]));
    k->count++;
    return true;
}

/* ---- one row ---- */

static delivery_t *understand_row(const stored_row_t *row)
{
    const journal_entry_t entry = {
        .provider = row->provider,
        .route = row->route,
        .way = WAY_REPLAY,
        .received_us = row->received_us,
        .payload = row->payload,
        .raw = row->raw,
        .error = row->error,
    };
    delivery_t *d = understand_stored(&entry);

    d->row_id = row->id;
    d->row_has_payload = row->payload.base != NULL;
    if (d->unstored) /* and has no key: its row keeps the one that it was stored under */
        d->event_key = arena_dup(d->arena, row->event_key);
    return d;
}

/* A row that no version of ours has written (an application's own event) is nobody's to change. */
static bool is_ours(const stored_row_t *row)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (str_eq(row->provider, str_from(PROVIDERS[i]->name)))
            return true;
    return false;
}

static void tell(const replay_t *r, size_t i, replayed_t became, bool done)
{
    const stored_row_t *row = &r->rows[i];
    const delivery_t *d = r->deliveries[i];
    bool renamed = became == REPLAYED_UNDERSTOOD || became == REPLAYED_DUPLICATE;
    replay_fate_t fate = {
        .row = row,
        .event_key = renamed ? d->event_key : row->event_key,
        .became = became,
        .error = d->error,
        .unstored = d->unstored,
        .done = done,
    };

    r->each(r->ctx, &fate);
}

/* ---- a page, for good ---- */

/* What PostgreSQL takes in no form (ERR_INTERNAL) has left its row as it was. */
static bool tell_page(replay_t *r, err_t *err)
{
    bool ok = true;

    for (size_t i = 0; i < r->count; i++) {
        const delivery_t *d = r->deliveries[i];
        bool refused = d->failed == ERR_INTERNAL, done = d->failed == ERR_NONE || refused;

        if (!is_ours(&r->rows[i]))
            tell(r, i, REPLAYED_UNCHANGED, true);
        else if (refused)
            tell(r, i, r->rows[i].dead ? REPLAYED_STILL_DEAD : REPLAYED_UNCHANGED, true);
        else
            tell(r, i, d->replayed, done);
        ok = ok && done;
    }
    return ok || (err->code != ERR_NONE ? false : err_set(err, ERR_STORE_DOWN, "the database did not take it"));
}

static bool commit_page(replay_t *r, err_t *err)
{
    bool ok = true;

    for (size_t i = 0; i < r->count; i++) {
        delivery_t *d = r->deliveries[i];

        if (!is_ours(&r->rows[i]))
            continue;
        d->failed = ERR_STORE_DOWN; /* until the store says better */
        ok = ok && desk_put(&r->desk, r->store, d, err);
    }
    (void)desk_wait(&r->desk); /* they are all in the page */
    return tell_page(r, err) && ok;
}

/* ---- a page, dry ---- */

/* A dead letter that would become an event, if none of that key is stored. */
static bool would_be_event(const replay_t *r, size_t i)
{
    return r->rows[i].dead && !r->deliveries[i]->error.base && is_ours(&r->rows[i]);
}

/* The row's own key is no other's, though it is stored: PostgreSQL refused what it says. */
static bool is_own_key(const replay_t *r, size_t i)
{
    return str_eq(r->deliveries[i]->event_key, r->rows[i].event_key);
}

static replayed_t foresee(replay_t *r, size_t i, bool known)
{
    if (!would_be_event(r, i))
        return r->rows[i].dead ? REPLAYED_STILL_DEAD : REPLAYED_UNCHANGED;
    if (is_own_key(r, i))
        return REPLAYED_UNDERSTOOD;
    return known || !keyset_add(&r->foreseen, r->deliveries[i]->key_hash) ? REPLAYED_DUPLICATE : REPLAYED_UNDERSTOOD;
}

static bool foresee_page(replay_t *r, err_t *err)
{
    uint8_t(*hashes)[16] = mem_alloc(r->count * sizeof(*hashes));
    bool *known = mem_alloc(r->count * sizeof(*known)), ok;

    for (size_t i = 0; i < r->count; i++) {
        batch_hash_key(r->deliveries[i]);
        memcpy(hashes[i], r->deliveries[i]->key_hash, sizeof(*hashes));
    }
    ok = stored_knows(r->from, (const uint8_t(*)[16])hashes, r->count, known, err);
    for (size_t i = 0; ok && i < r->count; i++)
        tell(r, i, foresee(r, i, known[i]), true);
    free(hashes);
    free(known);
    return ok;
}

/* ---- all ---- */

static bool replay_page(replay_t *r, err_t *err)
{
    bool ok;

    r->deliveries = mem_alloc(r->count * sizeof(*r->deliveries));
    for (size_t i = 0; i < r->count; i++)
        r->deliveries[i] = understand_row(&r->rows[i]);
    ok = r->store ? commit_page(r, err) : foresee_page(r, err);
    for (size_t i = 0; i < r->count; i++)
        delivery_free(r->deliveries[i]);
    free(r->deliveries);
    return ok;
}

bool replay_run(stored_t *from, store_t *store, replay_each_fn each, void *ctx, err_t *err)
{
    replay_t r = {.from = from, .store = store, .each = each, .ctx = ctx};
    bool ok;

    desk_init(&r.desk);
    while ((ok = stored_page(from, &r.rows, &r.count, err)) && r.count && (ok = replay_page(&r, err)))
        ;
    keyset_clear(&r.foreseen);
    desk_clear(&r.desk);
    return ok;
}
