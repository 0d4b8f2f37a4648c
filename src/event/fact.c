#include "event/fact.h"

#include <stdlib.h>

#define FACT_ROW(id, name, type, rule) [id] = {name, COLUMN_##type, MERGE_##rule},
static const column_t CALL[] = {CALL_COLUMNS(FACT_ROW)};
static const column_t PARTICIPANT[] = {PARTICIPANT_COLUMNS(FACT_ROW)};
static const column_t MESSAGE[] = {MESSAGE_COLUMNS(FACT_ROW)};
#undef FACT_ROW

const fact_table_t FACT_TABLES[FACT_KIND_COUNT] = {
    [FACT_CALL] = {"voice_calls", CALL, COUNT(CALL)},
    [FACT_PARTICIPANT] = {"call_participants", PARTICIPANT, COUNT(PARTICIPANT)},
    [FACT_MESSAGE] = {"voice_messages", MESSAGE, COUNT(MESSAGE)},
    [FACT_ALIAS] = {"agent_aliases", NULL, 0}, /* it is there: nothing else is to be said of it */
};

/* A version: the rank above, 57 bits of clock (microseconds until the year 6536) below. */
#define CLOCK_BITS 57

version_t version_of(rank_t rank, int64_t clock_us)
{
    int64_t clock = clock_us < 0 ? 0 : clock_us & ((INT64_C(1) << CLOCK_BITS) - 1);

    return ((int64_t)rank << CLOCK_BITS) | clock;
}

int64_t version_event_us(version_t v)
{
    int64_t clock = v & ((INT64_C(1) << CLOCK_BITS) - 1);

    return v <= 0 || v >> CLOCK_BITS > RANK_EVENT || !clock ? TIME_NONE : clock;
}

version_t version_of_set(rank_t rank, size_t messages, str_t hash_hex)
{
    int64_t low = 0;

    for (size_t i = 0; i < hash_hex.len && i < 8; i++) {
        char c = hash_hex.base[i];
        low = low << 4 | (c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return version_of(rank, (int64_t)(messages & 0xffffff) << 32 | (low & INT64_C(0xffffffff)));
}

void facts_init(facts_t *list, arena_t *arena)
{
    *list = (facts_t){.arena = arena};
}

void facts_about(facts_t *list, str_t provider)
{
    list->provider = provider;
}

str_t fact_session_call(arena_t *a, str_t session)
{
    const str_t parts[] = {STR(FACT_SESSION_PREFIX), session};

    return arena_concat(a, parts, COUNT(parts));
}

static fact_t *add(facts_t *list, fact_kind_t kind, str_t call_id, str_t key)
{
    fact_t *f = arena_zalloc(list->arena, sizeof(*f) + FACT_TABLES[kind].count * sizeof(cell_t));

    f->kind = kind;
    f->provider = list->provider;
    f->call_id = call_id;
    f->key = key;
    if (list->last)
        list->last->next = f;
    else
        list->first = f;
    list->last = f;
    return f;
}

static fact_t *find_or_add(facts_t *list, fact_kind_t kind, str_t call_id, str_t key)
{
    for (fact_t *f = list->first; f; f = f->next)
        if (f->kind == kind && str_eq(f->key, key) && str_eq(f->call_id, call_id) &&
            str_eq(f->provider, list->provider))
            return f;
    return add(list, kind, call_id, key);
}

fact_t *fact_call(facts_t *list, str_t call_id)
{
    return find_or_add(list, FACT_CALL, call_id, STR_NONE);
}

fact_t *fact_participant(facts_t *list, str_t call_id, str_t participant_id)
{
    return find_or_add(list, FACT_PARTICIPANT, call_id, participant_id);
}

fact_t *fact_alias(facts_t *list, str_t agent_id, str_t same_as)
{
    return find_or_add(list, FACT_ALIAS, agent_id, same_as);
}

static int compare(column_type_t type, const cell_t *a, const cell_t *b)
{
    switch (type) {
    case COLUMN_INT:
    case COLUMN_TIME:
    case COLUMN_BOOL:
        return (a->number > b->number) - (a->number < b->number);
    case COLUMN_NUMERIC: {
        double x = strtod(a->text.base, NULL), y = strtod(b->text.base, NULL);
        return (x > y) - (x < y);
    }
    case COLUMN_TEXT:
    case COLUMN_JSON:
        break;
    }
    return str_cmp(a->text, b->text);
}

/* PostgreSQL orders jsonb by a rule of its own. So that its choice is ours, two JSON values never tie: the clock's last
 * second is replaced by a hash of the text. */
static version_t json_version(version_t v, str_t text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.base[i]) * UINT64_C(0x100000001b3);
    return (v & ~INT64_C(0xfffff)) | (int64_t)((h ^ h >> 32) & 0xfffff);
}

bool cell_wins(column_type_t type, merge_t rule, const cell_t *challenger, const cell_t *holder)
{
    int order;

    if (challenger->version != holder->version)
        return challenger->version > holder->version;
    if (!challenger->version)
        return false;
    order = compare(type, challenger, holder);
    return rule == MERGE_LEAST ? order < 0 : order > 0;
}

static void put(fact_t *f, int column, cell_t cell)
{
    const column_t *c = &FACT_TABLES[f->kind].columns[column];

    if (cell_wins(c->type, c->rule, &cell, &f->cells[column]))
        f->cells[column] = cell;
}

void fact_text(fact_t *f, int column, version_t v, str_t value)
{
    if (str_is_empty(value))
        return;
    if (FACT_TABLES[f->kind].columns[column].type == COLUMN_JSON)
        v = json_version(v, value);
    put(f, column, (cell_t){.version = v, .text = value});
}

void fact_number(fact_t *f, int column, version_t v, int64_t value)
{
    put(f, column, (cell_t){.version = v, .number = value});
}

void fact_time(fact_t *f, int column, rank_t rank, int64_t us)
{
    if (us != TIME_NONE)
        fact_number(f, column, version_of(rank, 0), us);
}

void fact_bool(fact_t *f, int column, rank_t rank, bool value)
{
    fact_number(f, column, version_of(rank, 0), value);
}

void fact_phase(fact_t *f, call_phase_t phase)
{
    fact_number(f, CALL_PHASE, version_of(RANK_EVENT, 0), (int64_t)phase);
}

void fact_ended(fact_t *f, version_t v, str_t outcome, str_t reason)
{
    fact_phase(f, PHASE_ENDED);
    fact_text(f, CALL_OUTCOME, v, outcome);
    fact_text(f, CALL_END_REASON, v, reason);
}

fact_t *fact_message(facts_t *list, str_t call_id, str_t message_key)
{
    return add(list, FACT_MESSAGE, call_id, message_key);
}

void fact_merge(fact_t *into, const fact_t *from)
{
    for (size_t i = 0; i < FACT_TABLES[into->kind].count; i++)
        put(into, (int)i, from->cells[i]);
}
