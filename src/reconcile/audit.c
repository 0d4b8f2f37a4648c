#include "reconcile/audit.h"

#include "base/clock.h"
#include "reconcile/audit_inside.h"
#include "reconcile/find.h"
#include "reconcile/keys.h"
#include "reconcile/plan.h"
#include "reconcile/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)16 * 1024 * 1024) /* of what was found and not compared yet */

const char *const AUDIT_LIST_NAMES[AUDIT_LIST_COUNT] = {
    [AUDIT_ONLY_THERE] = "only_there",
    [AUDIT_ONLY_HERE] = "only_here",
    [AUDIT_DIFFERING] = "differing",
    [AUDIT_NOT_LISTABLE] = "not_listable",
};

/* ---- lists ---- */

audit_entry_t *audit_list_add(audit_list_t *list, arena_t *a, str_t id)
{
    audit_entry_t *e;

    list->count++;
    if (list->kept == AUDIT_MAX_ENTRIES)
        return NULL;
    e = arena_zalloc(a, sizeof(*e));
    e->id = arena_dup(a, id);
    e->at_us = TIME_NONE;
    e->fields_tail = &e->fields;
    if (!list->tail)
        list->tail = &list->first;
    *list->tail = e;
    list->tail = &e->next;
    list->kept++;
    return e;
}

static bool has_field(const audit_entry_t *e, str_t name)
{
    for (const audit_field_t *f = e->fields; f; f = f->next)
        if (str_eq(f->name, name))
            return true;
    return false;
}

/* ---- one provider's audit ---- */

#define BUCKETS 1024

typedef struct audit {
    const audit_options_t *o;
    audit_database_t *db;
    audit_result_t *result;
    audit_provider_t *out;
    const provider_t *provider;
    const void *access;
    transport_t *transport;
    walk_t walk;
    delivery_t **found; /* not compared yet */
    size_t n_found, found_bytes;
    seen_t calls;  /* that the API told of */
    seen_t listed; /* bit AUDIT_… of the lists that a call is in */
    audit_entry_t *buckets[AUDIT_LIST_COUNT][BUCKETS];
    struct candidate *asked; /* calls that are here and were not listed: those asked for */
    size_t n_asked;
    err_t *err; /* of the database */
    bool lost;  /* it is gone */
} audit_t;

static void hash_call(str_t provider, str_t id, uint8_t out[16])
{
    str_t parts[] = {provider, id};

    seen_hash(parts, COUNT(parts), out);
}

static bool is_seen(audit_t *d, str_t id)
{
    uint8_t hash[16];
    const uint8_t *byte;

    hash_call(str_from(d->provider->name), id, hash);
    byte = seen_byte(&d->calls, hash);
    return *byte != 0;
}

static void note_seen(audit_t *d, const row_t *call)
{
    uint8_t hash[16], *byte;

    hash_call(str_from(call->provider), call->fact->call_id, hash);
    byte = seen_byte(&d->calls, hash);
    d->out->compared += !*byte;
    *byte = 1;
}

/* ---- comparing ---- */

static audit_entry_t **bucket_of(audit_t *d, audit_list_id_t id, const uint8_t hash[16])
{
    uint16_t number;

    memcpy(&number, hash, sizeof(number));
    return &d->buckets[id][number % BUCKETS];
}

static audit_entry_t *add_entry(audit_t *d, audit_list_id_t id, const row_t *row, audit_entry_t **bucket)
{
    audit_entry_t *e = audit_list_add(&d->out->lists[id], d->result->arena, row->fact->call_id);

    if (e) {
        e->same_bucket = *bucket;
        *bucket = e;
    }
    return e;
}

/* The call's entry in that list: found, or made. NULL: it is counted only. */
static audit_entry_t *entry_of(audit_t *d, audit_list_id_t id, const row_t *row)
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

/* Copies what it keeps. */
static void add_field(audit_t *d, const row_t *row, str_t name, str_t here, str_t there)
{
    arena_t *a = d->result->arena;
    audit_entry_t *e = entry_of(d, AUDIT_DIFFERING, row);
    audit_field_t *f;

    if (!e || has_field(e, name))
        return;
    f = arena_zalloc(a, sizeof(*f));
    *f = (audit_field_t){.name = arena_dup(a, name), .here = shorten(here, a), .there = shorten(there, a)};
    *e->fields_tail = f;
    e->fields_tail = &f->next;
}

static void note_kept(audit_t *d, const column_t *c, bool by_hand)
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

static void compare_column(audit_t *d, const row_t *row, const audit_row_t *here, size_t i, arena_t *scratch)
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

static void note_only_there(audit_t *d, const row_t *call)
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

static void compare_row(audit_t *d, const row_t *row, const audit_row_t *here, arena_t *scratch)
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

static bool compare_page(audit_t *d, fact_kind_t kind, const row_t *rows, size_t count)
{
    arena_t *a = arena_new(65536);
    audit_row_t *here;
    bool ok = audit_read_rows(d->db, kind, rows, count, a, &here, d->err);

    for (size_t i = 0; ok && i < count; i++)
        compare_row(d, &rows[i], &here[i], a);
    arena_free(a);
    return ok;
}

static bool compare_kind(audit_t *d, fact_kind_t kind, const batch_t *b)
{
    for (size_t at = 0; at < b->n_rows[kind]; at += AUDIT_PAGE) {
        size_t left = b->n_rows[kind] - at;

        if (!compare_page(d, kind, b->rows[kind] + at, left < AUDIT_PAGE ? left : AUDIT_PAGE))
            return false;
    }
    return true;
}

/* All that was found so far. A part of a call's facts tells the truth about that part: nothing has to wait for the
 * rest of it. */
static bool compare_found(audit_t *d)
{
    static const fact_kind_t KINDS[] = {FACT_CALL, FACT_PARTICIPANT, FACT_MESSAGE};
    batch_t batch;

    batch_init(&batch, d->found, d->n_found);
    for (size_t i = 0; !d->lost && i < COUNT(KINDS); i++)
        d->lost = !compare_kind(d, KINDS[i], &batch);
    batch_clear(&batch);
    for (size_t i = 0; i < d->n_found; i++)
        delivery_free(d->found[i]);
    d->n_found = d->found_bytes = 0;
    return !d->lost;
}

/* ---- what the API tells ---- */

static void keep_found(audit_t *d, delivery_t *delivery)
{
    d->found = mem_realloc(d->found, (d->n_found + 1) * sizeof(*d->found));
    d->found[d->n_found++] = delivery;
    d->found_bytes += delivery->bytes;
}

static void take_find(audit_t *d, const remote_find_t *f)
{
    delivery_t *delivery = find_understand(d->provider, f);
    bool fresh = false;

    if (delivery->error.base) {
        report_error(&d->out->report, "%s " STR_FMT ": " STR_FMT, f->route, STR_ARG(f->id), STR_ARG(delivery->error));
        d->out->asked = AUDIT_FAILED;
    } else if (!delivery->unstored) {
        batch_hash_key(delivery);
        fresh = seen_add(&d->out->report.objects, delivery->key_hash);
    }
    d->out->report.fetched++;
    if (fresh)
        keep_found(d, delivery);
    else
        delivery_free(delivery);
}

static void answer_candidate(audit_t *d, str_t id, bool there);

static bool take_page(void *ctx, const step_t *s, const remote_page_t *page)
{
    audit_t *d = ctx;

    for (const remote_find_t *f = page ? page->finds : NULL; f; f = f->next)
        take_find(d, f);
    if (s->reaped.base)
        answer_candidate(d, s->reaped, page != NULL);
    return d->found_bytes < MOST_BYTES || compare_found(d);
}

/* ---- what is here and was not told of ---- */

typedef struct candidate {
    audit_stored_t stored;
    bool answered, there;
} candidate_t;

static void answer_candidate(audit_t *d, str_t id, bool there)
{
    for (size_t i = 0; i < d->n_asked; i++)
        if (str_eq(d->asked[i].stored.id, id)) {
            d->asked[i].answered = true;
            d->asked[i].there = there;
        }
}

static void note_stored(audit_t *d, audit_list_id_t list, const audit_stored_t *call, const char *why)
{
    audit_entry_t *e = audit_list_add(&d->out->lists[list], d->result->arena, call->id);

    if (!e)
        return;
    e->why = str_from(why);
    e->at_us = call->at_us;
}

/* How far back the provider keeps calls; 0: not known to end. */
static int64_t retention_us(const remote_t *r)
{
    int64_t most = 0;

    for (size_t i = 0; i < r->n_resources; i++)
        if (r->resources[i].retention_us > most)
            most = r->resources[i].retention_us;
    return most;
}

static bool is_past_retention(const audit_t *d, const audit_stored_t *call)
{
    int64_t kept_us = retention_us(d->provider->remote);

    return kept_us && call->at_us < d->result->until_us - kept_us;
}

/* NULL: it was asked for, and the answer says. */
static const char *ask_for(audit_t *d, const audit_stored_t *call)
{
    const remote_t *remote = d->provider->remote;
    remote_step_t at = {.from_us = TIME_NONE, .to_us = TIME_NONE};
    arena_t *a;
    step_t *s;

    if (d->n_asked == AUDIT_MAX_ASKED)
        return "not in the list; not asked for by itself: there are too many";
    a = arena_new(1024);
    if (!remote->one || !remote->one(d->access, call->id, a, &at)) {
        arena_free(a);
        return "not in the list; it cannot be asked for by itself";
    }
    s = step_new(&at, STR_NONE, NULL);
    s->reaped = (str_t){mem_strdup(call->id), call->id.len};
    d->asked[d->n_asked] = (candidate_t){.stored = *call};
    d->asked[d->n_asked++].stored.id = arena_dup(d->result->arena, call->id);
    walk_add(&d->walk, s);
    arena_free(a);
    return NULL;
}

static void look_at_stored(audit_t *d, const audit_stored_t *call)
{
    const char *why;

    if (is_seen(d, call->id))
        return;
    if (d->provider->remote->forgets_ended && !call->open) {
        note_stored(d, AUDIT_NOT_LISTABLE, call, "its API knows calls only while they live");
        return;
    }
    why = is_past_retention(d, call) ? "older than the provider keeps calls" : ask_for(d, call);
    if (why)
        note_stored(d, AUDIT_ONLY_HERE, call, why);
}

static const char *why_not_there(const candidate_t *c)
{
    if (!c->answered)
        return "not in the list; asked for by itself, there was no answer";
    return c->stored.open ? "still open here; not known there" : "deleted there";
}

static void settle_candidates(audit_t *d)
{
    for (size_t i = 0; i < d->n_asked; i++)
        if (!d->asked[i].there)
            note_stored(d, AUDIT_ONLY_HERE, &d->asked[i].stored, why_not_there(&d->asked[i]));
}

/* Pages of one walk through the index, so that one that is asked for is not met again. */
static void find_only_here(audit_t *d)
{
    str_t last = STR_NONE;
    size_t count = AUDIT_PAGE;
    audit_stored_t *calls;

    while (!d->lost && count == AUDIT_PAGE) {
        arena_t *a = arena_new(65536);

        d->lost = !audit_read_calls(d->db, d->provider->name, d->result->since_us, d->result->until_us, last, a, &calls,
                                    &count, d->err);
        for (size_t i = 0; i < count; i++)
            look_at_stored(d, &calls[i]);
        if (count)
            last = arena_dup(d->result->arena, calls[count - 1].id);
        arena_free(a);
    }
}

/* ---- all of it ---- */

/* What failed is said by the report; the walk may be over for good. */
static bool walk_on(audit_t *d)
{
    bool whole = walk_make(&d->walk);

    if (!whole)
        d->out->asked = AUDIT_FAILED;
    return (d->lost || compare_found(d)) && !d->lost && !d->walk.over;
}

static bool read_resource(audit_t *d, const remote_resource_t *resource)
{
    plan_wish_t wish = {.now_us = d->result->until_us,
                        .since_us = d->result->since_us,
                        .until_us = TIME_NONE,
                        .watermark_us = TIME_NONE};
    plan_t plan;

    plan_make(resource, &wish, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (plan.spans[i].refused)
            continue;
        walk_add_span(&d->walk, resource->name, plan.spans[i].from_us, plan.spans[i].to_us);
        if (!walk_on(d))
            return false;
    }
    return true;
}

/* Of what could not be read, nothing can be said of who was not in it. */
static void read_provider(audit_t *d)
{
    const remote_t *remote = d->provider->remote;
    bool ok = true;

    for (size_t i = 0; ok && i < remote->n_resources; i++)
        ok = read_resource(d, &remote->resources[i]);
    if (!ok || d->out->asked == AUDIT_FAILED)
        return;
    find_only_here(d);
    if (!d->lost && walk_on(d))
        settle_candidates(d);
}

static size_t most_at_once(const remote_t *r)
{
    return r->most_at_once > 0 ? (size_t)r->most_at_once : 1;
}

static void explain_failure(audit_provider_t *p)
{
    if (p->asked == AUDIT_FAILED && !p->why[0])
        (void)snprintf(p->why, sizeof(p->why), "%.390s",
                       p->report.n_errors ? p->report.errors[0] : "not all of it could be read");
}

/* False: the database is gone. */
static bool audit_provider(const audit_options_t *o, audit_database_t *db, audit_result_t *result,
                           audit_provider_t *out, const void *access, err_t *err)
{
    audit_t d = {
        .o = o, .db = db, .result = result, .out = out, .provider = out->provider, .access = access, .err = err};
    walk_options_t walk = {.provider = out->provider,
                           .access = access,
                           .stop = o->stop,
                           .report = &out->report,
                           .take = take_page,
                           .ctx = &d};

    d.transport = transport_over(o->fetcher, o->settings->timeout_us, most_at_once(out->provider->remote));
    d.asked = mem_zalloc(AUDIT_MAX_ASKED * sizeof(*d.asked));
    walk.transport = d.transport;
    walk_begin(&d.walk, &walk);
    read_provider(&d);
    explain_failure(out);
    walk_end(&d.walk);
    transport_close(d.transport);
    for (size_t i = 0; i < d.n_found; i++)
        delivery_free(d.found[i]);
    free(d.found);
    free(d.asked);
    seen_clear(&d.calls);
    seen_clear(&d.listed);
    return !d.lost;
}

static bool is_set(const setting_source_t *keys, const setting_t *s)
{
    return !str_is_empty(setting_get(keys, s->name));
}

/* Where a key is there, for the webhooks, and it is not known where the API is, or whose the key is. */
static void name_place(const provider_t *p, const setting_source_t *keys, buf_t *out)
{
    bool has_key = false;

    for (size_t i = 0; i < p->n_settings; i++)
        has_key = has_key ||
                  (p->settings[i].secret && !strstr(p->settings[i].name, "WEBHOOK") && is_set(keys, &p->settings[i]));
    for (size_t i = 0; has_key && i < p->n_settings; i++) {
        str_t name = str_from(p->settings[i].name);

        if ((str_ends_nocase(name, STR("_URL")) || str_ends_nocase(name, STR("_SID"))) &&
            !is_set(keys, &p->settings[i]))
            buf_printf(out, "%s%s", out->len ? " or " : "", p->settings[i].name);
    }
}

static void note_no_access(const audit_options_t *o, audit_provider_t *p, const err_t *err)
{
    buf_t names = BUF_EMPTY;

    p->asked = err->code == ERR_NONE ? AUDIT_NO_KEY : AUDIT_FAILED;
    name_place(p->provider, o->keys, &names);
    if (!names.len)
        keys_name(p->provider, &names);
    if (p->asked == AUDIT_NO_KEY)
        (void)snprintf(p->why, sizeof(p->why), "set " STR_FMT, STR_ARG(buf_str(&names)));
    else
        (void)snprintf(p->why, sizeof(p->why), "%.390s", err->detail);
    buf_clear(&names);
}

static bool run_provider(const audit_options_t *o, audit_database_t *db, audit_result_t *result, audit_provider_t *out,
                         err_t *err)
{
    const remote_t *remote = out->provider->remote;
    err_t why = {.code = ERR_NONE};
    void *access = remote->access_new(o->keys, &why);
    bool ok = true;

    if (access)
        ok = audit_provider(o, db, result, out, access, err);
    else
        note_no_access(o, out, &why);
    if (access)
        remote->access_free(access);
    return ok;
}

static bool is_stopped(const audit_options_t *o)
{
    return o->stop && atomic_load(o->stop);
}

bool audit_run(const audit_options_t *o, audit_result_t *out, err_t *err)
{
    audit_database_t db;
    bool ok;

    *out = (audit_result_t){.arena = arena_new(65536), .since_us = o->since_us, .until_us = clock_wall_us()};
    out->providers = arena_zalloc(out->arena, (o->n_providers + 1) * sizeof(*out->providers));
    ok = audit_database_open(&db, o->settings, err);
    for (size_t i = 0; ok && i < o->n_providers && !is_stopped(o); i++) {
        out->providers[out->n_providers].provider = o->providers[i];
        ok = run_provider(o, &db, out, &out->providers[out->n_providers++], err);
    }
    ok = ok && audit_read_checks(&db, out, err);
    audit_database_close(&db);
    return ok && (!is_stopped(o) || err_set(err, ERR_BUSY, "told to stop before the audit was done"));
}

void audit_result_clear(audit_result_t *r)
{
    for (size_t i = 0; i < r->n_providers; i++)
        report_clear(&r->providers[i].report);
    arena_free(r->arena);
    *r = (audit_result_t){.arena = NULL};
}

/* ---- the verdict ---- */

bool audit_differs(const audit_result_t *r)
{
    uint64_t count = 0;

    for (size_t i = 0; i < r->n_providers; i++)
        for (int list = AUDIT_ONLY_THERE; list <= AUDIT_DIFFERING; list++)
            count += r->providers[i].lists[list].count;
    for (size_t i = 0; i < r->n_checks; i++)
        count += r->checks[i].list.count - r->checks[i].explained;
    return count > 0;
}

bool audit_is_complete(const audit_result_t *r)
{
    size_t asked = 0;

    for (size_t i = 0; i < r->n_providers; i++) {
        if (r->providers[i].asked == AUDIT_FAILED)
            return false;
        asked += r->providers[i].asked == AUDIT_ASKED;
    }
    return asked > 0;
}
