#include "ingest/tally.h"

#include <string.h>

static metric_t *series(metric_family_t family, const char *provider, const char *label, const char *value)
{
    char labels[128];
    buf_t b = BUF_EMPTY;
    metric_t *m;

    buf_printf(&b, "provider=\"%s\"", provider);
    if (label)
        buf_printf(&b, ",%s=\"%s\"", label, value);
    memcpy(labels, b.base, b.len);
    labels[b.len] = '\0';
    m = metrics_series(family, labels);
    buf_clear(&b);
    return m;
}

void tally_init(tally_t *t, const char *provider)
{
    t->provider = provider;
    t->stored = series(METRIC_DELIVERIES, provider, "outcome", "stored");
    t->journaled = series(METRIC_DELIVERIES, provider, "outcome", "journaled");
    t->dead = series(METRIC_DELIVERIES, provider, "outcome", "dead_letter");
    t->unstored = series(METRIC_UNSTORED, provider, NULL, NULL);
}

void tally_refusal(tally_t *t, err_code_t code)
{
    metric_t *m = atomic_load_explicit(&t->refused[code], memory_order_acquire);

    if (!m) {
        m = series(METRIC_REJECTIONS, t->provider, "reason", err_metric(code));
        atomic_store_explicit(&t->refused[code], m, memory_order_release);
    }
    metric_add(m, 1);
}
