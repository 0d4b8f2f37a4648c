/* report_business.c – of a report: what became of each call, and of the customers of the business whose agent took it.
 */
#include "base/json.h"
#include "reconcile/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const OUTCOMES[] = {
    [CUSTOMER_UNKNOWN_AGENT] = "unknown_agent",
    [CUSTOMER_NO_NUMBER] = "no_number",
    [CUSTOMER_DUPLICATE] = "duplicate",
    [CUSTOMER_UPDATED] = "updated",
    [CUSTOMER_CREATED] = "created",
};

customer_outcome_t report_outcome(str_t name)
{
    for (int o = CUSTOMER_UNKNOWN_AGENT; name.base && o < CUSTOMER_OUTCOMES; o++)
        if (str_eq(name, str_from(OUTCOMES[o])))
            return (customer_outcome_t)o;
    return CUSTOMER_NOBODYS;
}

/* ---- what is known of a call ---- */

/* In the report's sets: what became of it and of its customer in one byte, its business in another, which only calls of
 * a business have. */
typedef struct note {
    became_t became;
    customer_outcome_t outcome;
    size_t place; /* of its business, from 1; 0: none */
} note_t;

#define BECAME_BITS 2

static note_t read_note(report_t *r, const uint8_t hash[16])
{
    uint8_t byte = *seen_byte(&r->became, hash);
    note_t n = {.became = byte & ((1 << BECAME_BITS) - 1), .outcome = byte >> BECAME_BITS};

    if (n.outcome > CUSTOMER_UNKNOWN_AGENT)
        n.place = *seen_byte(&r->places, hash);
    return n;
}

static void write_note(report_t *r, const uint8_t hash[16], const note_t *n)
{
    *seen_byte(&r->became, hash) = (uint8_t)(n->became | n->outcome << BECAME_BITS);
    if (n->place)
        *seen_byte(&r->places, hash) = (uint8_t)n->place;
}

/* ---- its business ---- */

static bool is_that(const report_business_t *b, str_t id)
{
    return !b->id || str_eq(str_from(b->id), id);
}

/* What are too many share the last place. */
static size_t place_of(report_t *r, const report_customer_t *c)
{
    report_business_t *b;

    if (str_is_empty(c->business_id))
        return 0;
    for (size_t i = 0; i < r->n_businesses; i++)
        if (is_that(&r->businesses[i], c->business_id))
            return i + 1;
    r->businesses = mem_realloc(r->businesses, (r->n_businesses + 1) * sizeof(*r->businesses));
    b = &r->businesses[r->n_businesses++];
    *b = (report_business_t){.id = NULL};
    if (r->n_businesses <= REPORT_MAX_BUSINESSES) {
        b->id = mem_strdup(c->business_id);
        b->name = mem_strdup(c->business_name);
    }
    return r->n_businesses;
}

/* A customer is made for one call only. A dry run makes them again with every page, since it takes every page back. */
static customer_outcome_t outcome_of(report_t *r, const note_t *was, const report_customer_t *c)
{
    str_t parts[] = {c->business_id, c->number};
    uint8_t hash[16];

    if (c->outcome != CUSTOMER_CREATED || was->outcome == CUSTOMER_CREATED)
        return c->outcome;
    seen_hash(parts, COUNT(parts), hash);
    return seen_add(&r->made_for, hash) ? CUSTOMER_CREATED : CUSTOMER_UPDATED;
}

/* ---- counting ---- */

static void count(uint64_t *n, bool is_so)
{
    *n = is_so ? *n + 1 : *n - 1;
}

static void count_note(report_t *r, const note_t *n, bool is_so, str_t call_id)
{
    if (n->became != BECAME_NOTHING)
        count(&r->calls[n->became], is_so);
    if (n->outcome == CUSTOMER_UNKNOWN_AGENT || n->outcome == CUSTOMER_NO_NUMBER)
        (is_so ? report_skip : report_unskip)(r, OUTCOMES[n->outcome], call_id);
    if (n->place) {
        count(&r->businesses[n->place - 1].calls[n->became], is_so);
        count(&r->businesses[n->place - 1].customers[n->outcome], is_so);
    }
}

void report_call(report_t *r, str_t provider, str_t call_id, became_t became, const report_customer_t *customer)
{
    str_t parts[] = {provider, call_id};
    uint8_t hash[16];
    note_t was, is;
    customer_outcome_t outcome;

    seen_hash(parts, COUNT(parts), hash);
    is = was = read_note(r, hash);
    outcome = outcome_of(r, &was, customer);
    if (became > is.became)
        is.became = became;
    if (outcome > is.outcome) {
        is.outcome = outcome;
        is.place = place_of(r, customer);
    }
    if (is.became == was.became && is.outcome == was.outcome)
        return;
    count_note(r, &was, false, call_id);
    count_note(r, &is, true, call_id);
    write_note(r, hash, &is);
}

/* ---- as JSON ---- */

static void print_business(const report_business_t *b, buf_t *out)
{
    json_escape(out, b->id ? str_from(b->id) : STR("others"));
    buf_add(out, STR(": {\"name\": "));
    if (b->id)
        json_escape(out, str_from(b->name));
    else
        buf_add(out, STR("null"));
    buf_printf(out,
               ", \"calls\": {\"new\": %" PRIu64 ", \"updated\": %" PRIu64 ", \"unchanged\": %" PRIu64
               "}, \"customers\": {",
               b->calls[BECAME_NEW], b->calls[BECAME_UPDATED], b->calls[BECAME_UNCHANGED]);
    for (int o = CUSTOMER_CREATED; o >= CUSTOMER_NO_NUMBER; o--)
        buf_printf(out, "%s\"%s\": %" PRIu64, o == CUSTOMER_CREATED ? "" : ", ", OUTCOMES[o], b->customers[o]);
    buf_add(out, STR("}}"));
}

void report_print_businesses(const report_t *r, buf_t *out)
{
    buf_addc(out, '{');
    for (size_t i = 0; i < r->n_businesses; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        print_business(&r->businesses[i], out);
    }
    buf_addc(out, '}');
}
