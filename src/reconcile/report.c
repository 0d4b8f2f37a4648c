#include "reconcile/report.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_clear(report_t *r)
{
    for (size_t i = 0; i < r->n_skips; i++)
        for (size_t j = 0; j < r->skips[i].n_ids; j++)
            free(r->skips[i].ids[j]);
    for (size_t i = 0; i < r->n_errors; i++)
        free(r->errors[i]);
    for (size_t i = 0; i < r->n_businesses; i++) {
        free(r->businesses[i].id);
        free(r->businesses[i].name);
    }
    free(r->skips);
    free(r->businesses);
    seen_clear(&r->became);
    seen_clear(&r->objects);
    seen_clear(&r->places);
    seen_clear(&r->made_for);
    *r = (report_t){.requests = 0};
}

/* Reasons are a provider's fixed words: there are few, and the last takes in what is too many. */
static report_skips_t *skips_of(report_t *r, const char *reason)
{
    report_skips_t *s;

    for (size_t i = 0; i < r->n_skips; i++)
        if (strcmp(r->skips[i].reason, reason) == 0)
            return &r->skips[i];
    if (r->n_skips == REPORT_MAX_REASONS)
        return &r->skips[r->n_skips - 1];
    r->skips = mem_realloc(r->skips, (r->n_skips + 1) * sizeof(*r->skips));
    s = &r->skips[r->n_skips++];
    *s = (report_skips_t){.count = 0};
    (void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
    return s;
}

void report_skip(report_t *r, const char *reason, str_t id)
{
    report_skips_t *s = skips_of(r, reason);

    s->count++;
    if (id.base && s->n_ids < REPORT_MAX_IDS)
        s->ids[s->n_ids++] = mem_strdup(id);
}

void report_unskip(report_t *r, const char *reason, str_t id)
{
    report_skips_t *s = skips_of(r, reason);

    s->count--;
    for (size_t i = 0; i < s->n_ids; i++) {
        if (!str_eq(str_from(s->ids[i]), id))
            continue;
        free(s->ids[i]);
        memmove(&s->ids[i], &s->ids[i + 1], (--s->n_ids - i) * sizeof(s->ids[0]));
        return;
    }
}

void report_error(report_t *r, const char *format, ...)
{
    buf_t text = BUF_EMPTY;
    va_list args;

    r->all_errors++;
    if (r->n_errors == REPORT_MAX_ERRORS)
        return;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    r->errors[r->n_errors++] = mem_strdup(buf_str(&text));
    buf_clear(&text);
}

void report_print_skips(const report_t *r, buf_t *out)
{
    const char *between = "";

    buf_addc(out, '{');
    for (size_t i = 0; i < r->n_skips; i++) {
        if (!r->skips[i].count)
            continue;
        buf_add(out, str_from(between));
        json_escape(out, str_from(r->skips[i].reason));
        buf_printf(out, ": %llu", (unsigned long long)r->skips[i].count);
        between = ", ";
    }
    buf_addc(out, '}');
}

static void print_texts(buf_t *out, char *const *texts, size_t count)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        json_escape(out, str_from(texts[i]));
    }
    buf_addc(out, ']');
}

void report_print_ids(const report_t *r, buf_t *out)
{
    const char *between = "";

    buf_addc(out, '{');
    for (size_t i = 0; i < r->n_skips; i++) {
        if (!r->skips[i].count)
            continue;
        buf_add(out, str_from(between));
        json_escape(out, str_from(r->skips[i].reason));
        buf_add(out, STR(": "));
        print_texts(out, r->skips[i].ids, r->skips[i].n_ids);
        between = ", ";
    }
    buf_addc(out, '}');
}

void report_print_errors(const report_t *r, buf_t *out)
{
    print_texts(out, r->errors, r->n_errors);
}
