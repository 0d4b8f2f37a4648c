/* audit_json.c – an audit's result for machines: one object, with all entries. */
#include "reconcile/audit_result.h"

#include "base/json.h"

#include <inttypes.h>

static void print_text(buf_t *out, str_t s)
{
    if (s.base)
        json_escape(out, s);
    else
        buf_add(out, STR("null"));
}

static void print_time(buf_t *out, int64_t us)
{
    char text[32];

    print_text(out, us == TIME_NONE ? STR_NONE : (str_t){text, time_to_iso8601(us, text)});
}

static void print_fields(const audit_entry_t *e, buf_t *out)
{
    buf_add(out, STR(", \"fields\": ["));
    for (const audit_field_t *f = e->fields; f; f = f->next) {
        buf_add(out, f == e->fields ? STR("{\"field\": ") : STR(", {\"field\": "));
        json_escape(out, f->name);
        buf_add(out, STR(", \"here\": "));
        print_text(out, f->here);
        buf_add(out, STR(", \"there\": "));
        print_text(out, f->there);
        buf_addc(out, '}');
    }
    buf_add(out, e->cut ? STR("], \"cut\": true") : STR("]"));
}

static void print_entry(const audit_entry_t *e, buf_t *out)
{
    buf_add(out, STR("{\"id\": "));
    json_escape(out, e->id);
    buf_add(out, STR(", \"at\": "));
    print_time(out, e->at_us);
    if (e->why.base) {
        buf_add(out, STR(", \"why\": "));
        json_escape(out, e->why);
    }
    if (e->about.base) {
        buf_add(out, STR(", \"about\": "));
        json_escape(out, e->about);
    }
    if (e->fields || e->cut)
        print_fields(e, out);
    buf_addc(out, '}');
}

static void print_list(const audit_list_t *list, buf_t *out)
{
    buf_addc(out, '[');
    for (const audit_entry_t *e = list->first; e; e = e->next) {
        buf_add(out, e == list->first ? STR("") : STR(", "));
        print_entry(e, out);
    }
    buf_addc(out, ']');
}

static void print_kept(const audit_provider_t *p, buf_t *out)
{
    buf_add(out, STR(", \"kept\": {"));
    for (const audit_kept_t *k = p->kept; k; k = k->next)
        buf_printf(out, "%s\"%s\": {\"count\": %" PRIu64 ", \"by_hand\": %" PRIu64 "}", k == p->kept ? "" : ", ",
                   k->name, k->count, k->by_hand);
    buf_addc(out, '}');
}

static void print_report(const report_t *r, buf_t *out)
{
    buf_printf(out, ", \"requests\": %" PRIu64 ", \"skipped\": ", r->requests);
    report_print_skips(r, out);
    buf_printf(out, ", \"error_count\": %" PRIu64 ", \"errors\": ", r->all_errors);
    report_print_errors(r, out);
}

static void print_provider(const audit_provider_t *p, buf_t *out)
{
    static const char *const ASKED[] = {
        [AUDIT_ASKED] = "asked", [AUDIT_NO_KEY] = "not_asked", [AUDIT_FAILED] = "failed"};

    buf_printf(out, "{\"provider\": \"%s\", \"status\": \"%s\", \"why\": ", p->provider->name, ASKED[p->asked]);
    print_text(out, p->why[0] ? str_from(p->why) : STR_NONE);
    buf_printf(out, ", \"compared\": %" PRIu64 ", \"counts\": {", p->compared);
    for (int i = 0; i < AUDIT_LIST_COUNT; i++)
        buf_printf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", AUDIT_LIST_NAMES[i], p->lists[i].count);
    buf_addc(out, '}');
    for (int i = 0; i < AUDIT_LIST_COUNT; i++) {
        buf_printf(out, ", \"%s\": ", AUDIT_LIST_NAMES[i]);
        print_list(&p->lists[i], out);
    }
    print_kept(p, out);
    print_report(&p->report, out);
    buf_addc(out, '}');
}

static void print_checks(const audit_result_t *r, buf_t *out)
{
    for (size_t i = 0; i < r->n_checks; i++) {
        const audit_check_t *c = &r->checks[i];

        buf_printf(out, "%s\"%s\": {\"count\": %" PRIu64 ", \"explained\": %" PRIu64 ", \"entries\": ", i ? ", " : "",
                   c->name, c->list.count, c->explained);
        print_list(&c->list, out);
        buf_addc(out, '}');
    }
}

void audit_print_json(const audit_result_t *r, buf_t *out)
{
    buf_printf(out, "{\"differs\": %s, \"complete\": %s, \"since\": ", audit_differs(r) ? "true" : "false",
               audit_is_complete(r) ? "true" : "false");
    print_time(out, r->since_us);
    buf_add(out, STR(", \"until\": "));
    print_time(out, r->until_us);
    buf_add(out, STR(", \"providers\": ["));
    for (size_t i = 0; i < r->n_providers; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        print_provider(&r->providers[i], out);
    }
    buf_add(out, STR("], \"database\": {"));
    print_checks(r, out);
    buf_add(out, STR("}}"));
}
