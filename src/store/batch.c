#include "store/batch.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

void batch_hash_key(delivery_t *d)
{
    const str_t parts[] = {str_from(d->provider), STR(":"), d->event_key};
    uint8_t hash[32];
    arena_t *scratch = d->arena;

    sha256(arena_concat(scratch, parts, COUNT(parts)), hash);
    memcpy(d->key_hash, hash, sizeof(d->key_hash));
}

static int by_key_hash(const void *a, const void *b)
{
    const delivery_t *const *x = a, *const *y = b;

    return memcmp((*x)->key_hash, (*y)->key_hash, sizeof((*x)->key_hash));
}

static int by_row_id(const void *a, const void *b)
{
    const delivery_t *const *x = a, *const *y = b;

    return ((*x)->row_id > (*y)->row_id) - ((*x)->row_id < (*y)->row_id);
}

/* Those that have a row already, and those that want one: the number of the latter. */
static size_t part(batch_t *b, delivery_t *const *deliveries, size_t count)
{
    size_t fresh = 0;

    b->events = arena_alloc(b->arena, count * sizeof(*b->events));
    b->replays = arena_alloc(b->arena, count * sizeof(*b->replays));
    for (size_t i = 0; i < count; i++) {
        batch_hash_key(deliveries[i]);
        if (deliveries[i]->row_id)
            b->replays[b->n_replays++] = deliveries[i];
        else
            b->events[fresh++] = deliveries[i];
    }
    if (b->n_replays > 1)
        qsort(b->replays, b->n_replays, sizeof(*b->replays), by_row_id);
    return fresh;
}

/* Of two deliveries of one event the one that could be understood is kept, else the first. */
static void take_events(batch_t *b, delivery_t *const *deliveries, size_t count)
{
    size_t fresh = part(b, deliveries, count), kept = 0;

    qsort(b->events, fresh, sizeof(*b->events), by_key_hash);
    for (size_t i = 0; i < fresh; i++) {
        if (kept && by_key_hash(&b->events[kept - 1], &b->events[i]) == 0) {
            if (b->events[kept - 1]->error.base)
                b->events[kept - 1] = b->events[i];
        } else {
            b->events[kept++] = b->events[i];
        }
    }
    b->n_events = kept;
}

/* ---- rows by key: an open-addressed table, twice as large as it can get ---- */

typedef struct table {
    row_t *slots;
    size_t mask;
} table_t;

static uint64_t mix(uint64_t h, str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.base[i]) * UINT64_C(0x100000001b3);
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

static row_t *slot_of(table_t *t, const char *provider, fact_kind_t kind, str_t call_id, str_t key)
{
    uint64_t h = mix(mix(mix(UINT64_C(0xcbf29ce484222325) + kind, str_from(provider)), call_id), key);
    size_t i = (size_t)(h ^ h >> 32) & t->mask;

    for (;; i = (i + 1) & t->mask) {
        const row_t *r = &t->slots[i];

        if (!r->fact || (r->fact->kind == kind && str_eq(r->fact->call_id, call_id) && str_eq(r->fact->key, key) &&
                         strcmp(r->provider, provider) == 0))
            return &t->slots[i];
    }
}

static fact_t *copy_fact(arena_t *a, const fact_t *f)
{
    size_t size = sizeof(*f) + FACT_TABLES[f->kind].count * sizeof(cell_t);

    return memcpy(arena_alloc(a, size), f, size);
}

static row_t *put_fact(batch_t *b, table_t *t, const char *provider, fact_t *f)
{
    row_t *r = slot_of(t, provider, f->kind, f->call_id, f->key);

    if (!r->fact) {
        *r = (row_t){.provider = provider, .fact = f};
        b->n_rows[f->kind]++;
        return r;
    }
    if (!r->merged) { /* the deliveries' own facts stay as they are */
        r->fact = copy_fact(b->arena, r->fact);
        r->merged = true;
    }
    fact_merge(r->fact, f);
    return r;
}

/* A message or a participant is of a call: there is a row for that call, if only with its key. */
static row_t *call_of(batch_t *b, table_t *t, const char *provider, str_t call_id)
{
    row_t *r = slot_of(t, provider, FACT_CALL, call_id, STR_NONE);
    fact_t *f;

    if (r->fact)
        return r;
    f = arena_zalloc(b->arena, sizeof(*f) + FACT_TABLES[FACT_CALL].count * sizeof(cell_t));
    f->kind = FACT_CALL;
    f->call_id = call_id;
    return put_fact(b, t, provider, f);
}

/* A call that is known by its session alone (fact_session_call) says so by its id; others tell it as a fact. */
str_t batch_session(const row_t *call)
{
    const cell_t *told = &call->fact->cells[CALL_SESSION_ID];
    str_t id = call->fact->call_id;

    if (str_starts(id, STR(FACT_SESSION_PREFIX)))
        return str_slice(id, sizeof(FACT_SESSION_PREFIX) - 1, id.len);
    return told->version ? told->text : STR_NONE;
}

/* What a call tells of its customer, and whose that is. */
static const enum call_column OF_CUSTOMER[] = {CALL_AGENT_ID,       CALL_CUSTOMER_NUMBER, CALL_CUSTOMER_NAME,
                                               CALL_CUSTOMER_EMAIL, CALL_EXTRACTED,       CALL_STARTED_AT,
                                               CALL_CONNECTED_AT,   CALL_ENDED_AT};

static unsigned marks_of(const fact_t *f)
{
    unsigned marks = 0;

    if (f->kind == FACT_MESSAGE && f->cells[MESSAGE_TOKENS].version)
        marks |= MARK_TOKENS;
    if (f->kind != FACT_CALL)
        return marks;
    if (f->cells[CALL_CUSTOMER_NUMBER].version || f->cells[CALL_STARTED_AT].version || f->cells[CALL_CALL_SID].version)
        marks |= MARK_TIE;
    for (size_t i = 0; i < COUNT(OF_CUSTOMER); i++)
        if (f->cells[OF_CUSTOMER[i]].version)
            marks |= MARK_CUSTOMER;
    if (f->cells[CALL_TRANSCRIPT_SOURCE].version >= version_of(RANK_EVENT, LIVE_HEARD))
        marks |= f->cells[CALL_TOKENS].version ? MARK_SOURCE : MARK_SOURCE | MARK_TOKENS;
    return marks;
}

static void take_fact(batch_t *b, table_t *t, const char *provider, fact_t *f)
{
    row_t *call;

    if (!str_is_empty(f->provider))
        provider = arena_dup(b->arena, f->provider).base;
    put_fact(b, t, provider, f);
    if (f->kind == FACT_ALIAS)
        return;
    call = call_of(b, t, provider, f->call_id);
    call->marks |= marks_of(f);
    if (batch_session(call).base)
        call->marks |= MARK_SESSION;
    b->marks |= call->marks;
}

static int by_row_key(const void *a, const void *b)
{
    const row_t *x = a, *y = b;
    int order = strcmp(x->provider, y->provider);

    if (!order)
        order = str_cmp(x->fact->call_id, y->fact->call_id);
    return order ? order : str_cmp(x->fact->key, y->fact->key);
}

static void sort_rows(batch_t *b, const table_t *t)
{
    size_t filled[FACT_KIND_COUNT] = {0};

    for (size_t kind = 0; kind < FACT_KIND_COUNT; kind++)
        b->rows[kind] = arena_alloc(b->arena, b->n_rows[kind] * sizeof(row_t));
    for (size_t i = 0; i <= t->mask; i++) {
        const row_t *r = &t->slots[i];

        if (!r->fact)
            continue;
        b->rows[r->fact->kind][filled[r->fact->kind]++] = *r;
    }
    for (size_t kind = 0; kind < FACT_KIND_COUNT; kind++)
        if (b->n_rows[kind] > 1)
            qsort(b->rows[kind], b->n_rows[kind], sizeof(row_t), by_row_key);
}

static void take_facts(batch_t *b, delivery_t *const *deliveries, size_t count)
{
    size_t facts = 0, size = 16;
    table_t t;

    for (size_t i = 0; i < count; i++)
        for (const fact_t *f = deliveries[i]->facts.first; f; f = f->next)
            facts += 2; /* itself, and maybe its call */
    while (size < 2 * facts)
        size *= 2;
    t = (table_t){.slots = arena_zalloc(b->arena, size * sizeof(row_t)), .mask = size - 1};
    for (size_t i = 0; i < count; i++)
        for (fact_t *f = deliveries[i]->facts.first; f; f = f->next)
            take_fact(b, &t, deliveries[i]->provider, f);
    sort_rows(b, &t);
}

void batch_init(batch_t *b, delivery_t *const *deliveries, size_t count)
{
    *b = (batch_t){.arena = arena_new(16384)};
    take_events(b, deliveries, count);
    take_facts(b, deliveries, count);
}

void batch_clear(batch_t *b)
{
    arena_free(b->arena);
}
