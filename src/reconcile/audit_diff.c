#include "reconcile/audit_diff.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)16 * 1024 * 1024) /* of what was told and not compared yet */

void audit_diff_begin(audit_diff_t *d, audit_database_t *db, audit_result_t *result, audit_provider_t *out)
{
    *d = (audit_diff_t){.db = db, .result = result, .out = out};
}

static void drop_told(audit_diff_t *d)
{
    for (size_t i = 0; i < d->n_told; i++)
        delivery_free(d->told[i]);
    d->n_told = d->told_bytes = 0;
}

void audit_diff_end(audit_diff_t *d)
{
    drop_told(d);
    free(d->told);
    seen_clear(&d->calls);
    seen_clear(&d->listed);
}

void audit_diff_add(audit_diff_t *d, delivery_t *told)
{
    d->told = mem_realloc(d->told, (d->n_told + 1) * sizeof(*d->told));
    d->told[d->n_told++] = told;
    d->told_bytes += told->bytes;
}

bool audit_diff_is_full(const audit_diff_t *d)
{
    return d->told_bytes >= MOST_BYTES;
}

/* ---- calls ---- */

static void hash_call(str_t provider, str_t id, uint8_t out[16])
{
    str_t parts[] = {provider, id};

    seen_hash(parts, COUNT(parts), out);
}

bool audit_diff_knows(audit_diff_t *d, str_t call_id)
{
    uint8_t hash[16];

    hash_call(str_from(d->out->provider->name), call_id, hash);
    return *seen_byte(&d->calls, hash) != 0;
}

static void note_seen(audit_diff_t *d, const row_t *call)
{
    uint8_t hash[16], *byte;

    hash_call(str_from(call->provider), call->fact->call_id, hash);
    byte = seen_byte(&d->calls, hash);
    d->out->compared += !*byte;
    *byte = 1;
}

/* ---- entries ---- */

static audit_entry_t **bucket_of(audit_diff_t *d, audit_list_id_t id, const uint8_t hash[16])
{
    uint16_t number;

    memcpy(&number, hash, sizeof(number));
    return &d->buckets[id][number % AUDIT_DIFF_BUCKETS];
}

static audit_entry_t *add_entry(audit_diff_t *d, audit_list_id_t id, const row_t *row, audit_entry_t **bucket)
{
    audit_entry_t *e = audit_list_add(d->result, &d->out->lists[id], row->fact->call_id);

    if (e) {
        e->same_bucket = *bucket;
        *bucket = e;
    }
    return e;
}

/* The call's entry in that list: found, or made. NULL: it is counted only. */
static audit_entry_t *entry_of(audit_diff_t *d, audit_list_id_t id, const row_t *row)
{
    uint8_t hash[16], *byte;
    audit_entry_t *e;

    hash_call(str_from(row->provider), row->fact->call_id, hash);
    byte = seen_byte(&d->listed, hash);
    if (!(*byte & 1 << id)) {
        *byte |= (uint8_t)(1 << id);
        return add_entry(d, id, row, bucket_of(d, id, hash));
    }
    for (e = *bucket_of(d, id, hash); e && !str_eq(e->id, row->fact->call_id);)
        e = e->same_bucket;
    return e;
}

/* Not within a character. */
static str_t shorten(str_t s, arena_t *a)
{
    size_t end = AUDIT_MAX_VALUE;

    if (s.len <= AUDIT_MAX_VALUE)
        return s.base ? arena_dup(a, s) : s;
    while (end && ((unsigned char)s.base[end] & 0xc0) == 0x80)
        end--;
    return arena_printf(a, STR_FMT "…", STR_ARG(str_slice(s, 0, end)));
}

static bool has_field(const audit_entry_t *e, str_t name)
{
    for (const audit_field_t *f = e->fields; f; f = f->next)
        if (str_eq(f->name, name))
            return true;
    return false;
}

/* Copies what it keeps. */
static void add_field(audit_diff_t *d, const row_t *row, str_t name, str_t here, str_t there)
{
    arena_t *a = d->result->arena;
    audit_entry_t *e = entry_of(d, AUDIT_DIFFERING, row);
    audit_field_t *f;

    if (!e || has_field(e, name))
        return;
    e->cut = audit_is_full(d->result);
    if (e->cut)
        return;
    f = arena_zalloc(a, sizeof(*f));
    *f = (audit_field_t){.name = arena_dup(a, name), .here = shorten(here, a), .there = shorten(there, a)};
    *e->fields_tail = f;
    e->fields_tail = &f->next;
}

/* ---- rows ---- */

static void note_kept(audit_diff_t *d, const column_t *c, bool by_hand)
{
    audit_kept_t **at = &d->out->kept;

    while (*at && (*at)->name != c->name)
        at = &(*at)->next;
    if (!*at) {
        *at = arena_zalloc(d->result->arena, sizeof(**at));
        (*at)->name = c->name;
    }
    (*at)->count++;
    (*at)->by_hand += by_hand;
}

static const char *word_of_phase(int64_t phase)
{
    return phase <= PHASE_PENDING ? "pending" : phase == PHASE_ACTIVE ? "active" : "ended";
}

static str_t print(const row_t *row, size_t i, const cell_t *cell, arena_t *a)
{
    if (row->fact->kind == FACT_CALL && i == CALL_PHASE)
        return str_from(word_of_phase(cell->number));
    return audit_print_value(FACT_TABLES[row->fact->kind].columns[i].type, cell, a);
}

/* "messages[report:3]", "participants[PA_…]". */
static str_t name_child(const row_t *row, arena_t *a)
{
    return arena_printf(a, "%s[" STR_FMT "]", row->fact->kind == FACT_MESSAGE ? "messages" : "participants",
                        STR_ARG(row->fact->key));
}

static str_t name_field(const row_t *row, size_t i, arena_t *a)
{
    const char *column = FACT_TABLES[row->fact->kind].columns[i].name;

    if (row->fact->kind == FACT_CALL)
        return str_from(column);
    return arena_printf(a, STR_FMT ".%s", STR_ARG(name_child(row, a)), column);
}

static void compare_column(audit_diff_t *d, const row_t *row, const audit_row_t *here, size_t i, arena_t *scratch)
{
    const column_t *c = &FACT_TABLES[row->fact->kind].columns[i];
    compared_t compared = audit_compare(c, &row->fact->cells[i], &here->columns[i], scratch);

    if (compared == COMPARED_DIFFERS)
        add_field(d, row, name_field(row, i, scratch),
                  here->columns[i].absent ? STR_NONE : print(row, i, &here->columns[i].cell, scratch),
                  print(row, i, &row->fact->cells[i], scratch));
    else if (compared != COMPARED_SAME)
        note_kept(d, c, compared == COMPARED_KEPT_BY_HAND);
}

/* What says most of a message, or of a participant. */
static str_t sum_up(const row_t *row, arena_t *a)
{
    size_t i = row->fact->kind == FACT_MESSAGE ? MESSAGE_CONTENT : PARTICIPANT_IDENTITY;

    return row->fact->cells[i].version ? print(row, i, &row->fact->cells[i], a) : STR("");
}

static void note_only_there(audit_diff_t *d, const row_t *call)
{
    audit_entry_t *e = entry_of(d, AUDIT_ONLY_THERE, call);
    const cell_t *started = &call->fact->cells[CALL_STARTED_AT];

    if (e && e->at_us == TIME_NONE && started->version)
        e->at_us = started->number;
}

/* A row that waits under its session's name is no call that the API could know. */
static bool is_session(const row_t *row)
{
    return str_starts(row->fact->call_id, STR(FACT_SESSION_PREFIX));
}

static void compare_row(audit_diff_t *d, const row_t *row, const audit_row_t *here, arena_t *scratch)
{
    bool is_call = row->fact->kind == FACT_CALL;

    if (is_session(row))
        return;
    if (is_call)
        note_seen(d, row);
    if (is_call && !here->call_there)
        note_only_there(d, row);
    else if (here->call_there && !here->there)
        add_field(d, row, name_child(row, scratch), STR_NONE, sum_up(row, scratch));
    for (size_t i = 0; here->there && i < FACT_TABLES[row->fact->kind].count; i++)
        compare_column(d, row, here, i, scratch);
}

static bool compare_page(audit_diff_t *d, fact_kind_t kind, const row_t *rows, size_t count, err_t *err)
{
    arena_t *a = arena_new(65536);
    audit_row_t *here;
    bool ok = audit_read_rows(d->db, kind, rows, count, a, &here, err);

    for (size_t i = 0; ok && i < count; i++)
        compare_row(d, &rows[i], &here[i], a);
    arena_free(a);
    return ok;
}

static bool compare_kind(audit_diff_t *d, fact_kind_t kind, const batch_t *b, err_t *err)
{
    for (size_t at = 0; at < b->n_rows[kind]; at += AUDIT_PAGE) {
        size_t left = b->n_rows[kind] - at;

        if (!compare_page(d, kind, b->rows[kind] + at, left < AUDIT_PAGE ? left : AUDIT_PAGE, err))
            return false;
    }
    return true;
}

/* A part of a call's facts tells the truth about that part: nothing has to wait for the rest of it. */
bool audit_diff_run(audit_diff_t *d, err_t *err)
{
    static const fact_kind_t KINDS[] = {FACT_CALL, FACT_PARTICIPANT, FACT_MESSAGE};
    batch_t batch;
    bool ok = true;

    batch_init(&batch, d->told, d->n_told);
    for (size_t i = 0; ok && i < COUNT(KINDS); i++)
        ok = compare_kind(d, KINDS[i], &batch, err);
    batch_clear(&batch);
    drop_told(d);
    return ok;
}
