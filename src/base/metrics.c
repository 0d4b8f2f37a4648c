#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { COUNTER, GAUGE, HISTOGRAM } kind_t;

static const struct {
    const char *name;
    kind_t kind;
    const char *help;
} FAMILIES[] = {
#define FAMILY_ROW(id, name, kind, help) [id] = {name, kind, help},
    METRIC_FAMILIES(FAMILY_ROW)
#undef FAMILY_ROW
};

const double METRIC_SECONDS_BOUNDS[14] = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                          0.05,    0.1,    0.25,  0.5,    1,     2.5,  10};

struct metric {
    metric_t *next;
    char *labels;
    _Atomic int64_t value;
};

struct histogram {
    histogram_t *next;
    char *labels;
    size_t n_bounds;
    const double *bounds;
    _Atomic uint64_t sum;       /* a double's bits: C11 has no atomic addition of doubles */
    _Atomic uint64_t buckets[]; /* n_bounds, and one above; each counts its own range */
};

/* The mutex is for the lists; values are read and written without it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static metric_t *series[METRIC_FAMILY_COUNT];
static histogram_t *histograms[METRIC_FAMILY_COUNT];

/* A family asked for as what it is not: a mistake of ours, found by any test. */
static void check_kind(metric_family_t family, bool histogram)
{
    if ((FAMILIES[family].kind == HISTOGRAM) == histogram)
        return;
    (void)fprintf(stderr, "hookline: %s is %s histogram\n", FAMILIES[family].name, histogram ? "no" : "a");
    abort();
}

metric_t *metrics_series(metric_family_t family, const char *labels)
{
    metric_t **at = &series[family], *m;

    check_kind(family, false);
    (void)pthread_mutex_lock(&mutex);
    while (*at && strcmp((*at)->labels, labels) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = mem_zalloc(sizeof(**at));
        (*at)->labels = mem_strdup(str_from(labels));
    }
    m = *at;
    (void)pthread_mutex_unlock(&mutex);
    return m;
}

void metric_add(metric_t *m, int64_t n)
{
    (void)atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(metric_t *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

int64_t metric_value(const metric_t *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

static histogram_t *new_histogram(const char *labels, const double *bounds, size_t count)
{
    histogram_t *h = mem_zalloc(sizeof(*h) + (count + 1) * sizeof(h->buckets[0]));
    double *copy = mem_alloc(count * sizeof(*bounds));

    memcpy(copy, bounds, count * sizeof(*bounds));
    h->labels = mem_strdup(str_from(labels));
    h->n_bounds = count;
    h->bounds = copy;
    return h;
}

histogram_t *metrics_histogram(metric_family_t family, const char *labels, const double *bounds, size_t count)
{
    histogram_t **at = &histograms[family], *h;

    check_kind(family, true);
    (void)pthread_mutex_lock(&mutex);
    while (*at && strcmp((*at)->labels, labels) != 0)
        at = &(*at)->next;
    if (!*at)
        *at = new_histogram(labels, bounds, count);
    h = *at;
    (void)pthread_mutex_unlock(&mutex);
    return h;
}

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t to_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

void histogram_observe(histogram_t *h, double value)
{
    uint64_t sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    size_t i = 0;

    if (isnan(value)) /* it would make the sum useless for ever */
        return;
    while (i < h->n_bounds && value > h->bounds[i])
        i++;
    (void)atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&h->sum, &sum, to_bits(from_bits(sum) + value), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* ---- the text form ---- */

static void add_double(buf_t *out, double value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value)
        (void)snprintf(text, sizeof(text), "%.17g", value);
    buf_add(out, str_from(text));
}

/* name_suffix{labels,le="…"}, with a blank after it. le NULL: none. */
static void add_name(buf_t *out, const char *name, const char *suffix, const char *labels, const double *le)
{
    bool braces = labels[0] || le;

    buf_printf(out, "%s%s%s%s%s", name, suffix, braces ? "{" : "", labels, labels[0] && le ? "," : "");
    if (le) {
        buf_add(out, STR("le=\""));
        if (isinf(*le))
            buf_add(out, STR("+Inf"));
        else
            add_double(out, *le);
        buf_addc(out, '"');
    }
    buf_add(out, braces ? STR("} ") : STR(" "));
}

/* The count is the sum of the buckets as read here, so that it agrees with them while others observe. */
static void render_histogram(buf_t *out, const char *name, const histogram_t *h)
{
    const double infinity = INFINITY;
    uint64_t count = 0;

    for (size_t i = 0; i <= h->n_bounds; i++) {
        count += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        add_name(out, name, "_bucket", h->labels, i < h->n_bounds ? &h->bounds[i] : &infinity);
        buf_printf(out, "%llu\n", (unsigned long long)count);
    }
    add_name(out, name, "_sum", h->labels, NULL);
    add_double(out, from_bits(atomic_load_explicit(&h->sum, memory_order_relaxed)));
    buf_addc(out, '\n');
    add_name(out, name, "_count", h->labels, NULL);
    buf_printf(out, "%llu\n", (unsigned long long)count);
}

static void render_family(buf_t *out, size_t family)
{
    static const char *const KINDS[] = {[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    const char *name = FAMILIES[family].name;

    if (!series[family] && !histograms[family])
        return;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, FAMILIES[family].help, name, KINDS[FAMILIES[family].kind]);
    for (const metric_t *m = series[family]; m; m = m->next) {
        add_name(out, name, "", m->labels, NULL);
        buf_printf(out, "%lld\n", (long long)metric_value(m));
    }
    for (const histogram_t *h = histograms[family]; h; h = h->next)
        render_histogram(out, name, h);
}

void metrics_render(buf_t *out)
{
    (void)pthread_mutex_lock(&mutex);
    for (size_t family = 0; family < METRIC_FAMILY_COUNT; family++)
        render_family(out, family);
    (void)pthread_mutex_unlock(&mutex);
}
