/* golden_text.h – a delivery that was understood, and the reply to it, as text for people to read and compare. */
#ifndef HOOKLINE_TESTS_GOLDEN_TEXT_H
#define HOOKLINE_TESTS_GOLDEN_TEXT_H

#include "base/crypto.h"
#include "provider_harness.h"

/* A text longer than this is cut; its length and hash still tell of a change further on. SIZE_MAX: never. */
typedef struct golden_limits {
    size_t value, reply;
} golden_limits_t;

/* One line stays one line. */
static inline void put_printable(buf_t *out, str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.base[i];

        if (c == '\n')
            buf_add(out, STR("\\n"));
        else if (c < 0x20)
            buf_printf(out, "\\x%02x", c);
        else
            buf_addc(out, s.base[i]);
    }
}

static inline void put_text(buf_t *out, str_t s, size_t limit)
{
    uint8_t hash[32];
    char hex[8];
    size_t cut = limit;

    if (s.len <= limit) {
        put_printable(out, s);
        return;
    }
    while (cut > 0 && ((unsigned char)s.base[cut] & 0xc0) == 0x80)
        cut--; /* no half character of UTF-8 */
    put_printable(out, str_slice(s, 0, cut));
    sha256(s, hash);
    buf_printf(out, "… (%zu bytes, %.*s)", s.len, (int)hex_encode(hash, 4, hex), hex);
}

/* Without zeros at the end of its fraction. */
static inline void put_time(buf_t *out, int64_t us)
{
    char text[32];
    size_t len = time_to_iso8601(us, text) - 1;

    while (text[len - 1] == '0' && us % US_PER_S)
        len--;
    buf_append(out, text, us % US_PER_S ? len : sizeof("2026-08-30T08:27:54") - 1);
    buf_addc(out, 'Z');
}

/* ---- the columns of call_events ---- */

static inline void put_field(buf_t *out, const char *name, str_t value)
{
    if (!value.base)
        return;
    buf_printf(out, "%-6s ", name);
    put_printable(out, value);
    buf_addc(out, '\n');
}

static inline void put_event(buf_t *out, const delivery_t *d)
{
    if (d->error.base)
        buf_printf(out, "dead letter: " STR_FMT "\n", STR_ARG(d->error));
    else
        buf_add(out, d->unstored ? STR("unstored\n") : STR("understood\n"));
    put_field(out, "type", d->event_type);
    put_field(out, "key", d->event_key);
    put_field(out, "call", d->call_id);
    put_field(out, "sid", d->call_sid);
    put_field(out, "from", d->from_number);
    put_field(out, "to", d->to_number);
    put_field(out, "status", d->status);
    if (d->occurred_us != TIME_NONE) {
        buf_add(out, STR("at     "));
        put_time(out, d->occurred_us);
        buf_addc(out, '\n');
    }
}

static inline void put_reply(buf_t *out, const hook_reply_t *r, size_t limit)
{
    buf_printf(out, "reply  %d", r->status);
    if (r->content_type.base)
        buf_printf(out, " " STR_FMT " ", STR_ARG(r->content_type));
    put_text(out, r->body, limit);
    buf_addc(out, '\n');
}

/* ---- facts ---- */

/* A clock between the two is a time; from 2^32 up to the first, how many messages a set has (see version_of_set); what
 * is left is a number that a provider orders by. */
#define YEAR_2000_US (INT64_C(946684800) * US_PER_S)
#define YEAR_2200_US (INT64_C(7258118400) * US_PER_S)

static inline void put_version(buf_t *out, column_type_t type, version_t v)
{
    static const char *const RANKS[] = {"absent", "inferred", "event", "report", "hand"};
    int64_t clock = v & ((INT64_C(1) << 57) - 1);

    buf_printf(out, "  (%s", RANKS[v >> 57]);
    if (type == COLUMN_JSON || clock == 0) {
        /* the clock of a JSON value is partly a hash of it */
    } else if (clock >= YEAR_2000_US && clock < YEAR_2200_US) {
        buf_add(out, STR(" @"));
        put_time(out, clock);
    } else if (clock >> 32 && clock < YEAR_2000_US) {
        buf_printf(out, ", set of %lld", (long long)(clock >> 32));
    } else {
        buf_printf(out, " #%lld", (long long)clock);
    }
    buf_add(out, STR(")\n"));
}

static inline void put_value(buf_t *out, column_type_t type, const cell_t *cell, size_t limit)
{
    switch (type) {
    case COLUMN_TIME:
        put_time(out, cell->number);
        break;
    case COLUMN_BOOL:
        buf_add(out, cell->number ? STR("true") : STR("false"));
        break;
    case COLUMN_INT:
        buf_printf(out, "%lld", (long long)cell->number);
        break;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
    case COLUMN_JSON:
        put_text(out, cell->text, limit);
        break;
    }
}

static inline void put_fact(buf_t *out, const fact_t *f, size_t limit)
{
    const fact_table_t *table = &FACT_TABLES[f->kind];

    buf_printf(out, "%s [" STR_FMT "]", table->table, STR_ARG(f->call_id));
    if (f->key.base)
        buf_printf(out, " " STR_FMT, STR_ARG(f->key));
    if (f->provider.base)
        buf_printf(out, " of " STR_FMT, STR_ARG(f->provider));
    buf_addc(out, '\n');
    for (size_t i = 0; i < table->count; i++) {
        const column_t *column = &table->columns[i];

        if (!f->cells[i].version)
            continue;
        buf_printf(out, "    %s = ", column->name);
        put_value(out, column->type, &f->cells[i], limit);
        put_version(out, column->type, f->cells[i].version);
    }
}

static inline int compare_facts(const fact_t *a, const fact_t *b)
{
    int order = (a->kind > b->kind) - (a->kind < b->kind);

    order = order ? order : str_cmp(a->provider, b->provider);
    order = order ? order : str_cmp(a->call_id, b->call_id);
    return order ? order : str_cmp(a->key, b->key);
}

/* A sorted copy; facts that are equal in all of the above stay in their order. */
static inline fact_t **sorted_facts(const facts_t *facts, size_t *count)
{
    fact_t **sorted = NULL;
    size_t n = 0;

    for (fact_t *f = facts->first; f; f = f->next) {
        size_t at = n++;

        sorted = mem_realloc(sorted, n * sizeof(*sorted));
        for (; at > 0 && compare_facts(f, sorted[at - 1]) < 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = f;
    }
    *count = n;
    return sorted;
}

/* ---- all of it ---- */

static inline void put_delivery(buf_t *out, const provider_t *p, delivery_t *d, golden_limits_t limits)
{
    hook_reply_t reply = reply_to(p, d);
    size_t count;
    fact_t **facts = sorted_facts(&d->facts, &count);

    put_event(out, d);
    put_reply(out, &reply, limits.reply);
    for (size_t i = 0; i < count; i++)
        put_fact(out, facts[i], limits.value);
    free(facts);
}

#endif
