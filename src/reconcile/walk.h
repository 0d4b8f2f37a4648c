/* walk.h – all steps of a provider's API from some first ones on, one time, for whoever only wants to read.
 *
 * The same steps, transport and manners as a run's (run.h), but nothing is kept: what was cut off begins anew. Blocks;
 * one thread. */
#ifndef HOOKLINE_RECONCILE_WALK_H
#define HOOKLINE_RECONCILE_WALK_H

#include "provider.h"
#include "reconcile/agenda.h"
#include "reconcile/manners.h"
#include "reconcile/report.h"
#include "reconcile/transport.h"

#include <stdatomic.h>

typedef struct walk_options {
    const provider_t *provider; /* with remote */
    const void *access;
    const transport_t *transport;
    const _Atomic bool *stop; /* NULL: nobody does */
    report_t *report;         /* requests, rows, skips, and what went wrong */
    /* What a step found; page NULL: the provider knows no such thing. False: enough. Borrowed for the call. */
    bool (*take)(void *ctx, const step_t *s, const remote_page_t *page);
    void *ctx;
} walk_options_t;

typedef struct walk {
    walk_options_t o;
    manners_t manners;
    agenda_t agenda;
    step_t *asked; /* whose answers are awaited */
    seen_t steps;
    size_t failed; /* steps */
    bool over;     /* refused, or the taker has enough: nothing more is asked */
    bool refused;
} walk_t;

void walk_begin(walk_t *w, const walk_options_t *o);
void walk_add(walk_t *w, step_t *s); /* takes it */
/* The first steps of that span of a resource. */
void walk_add_span(walk_t *w, const char *resource, int64_t from_us, int64_t to_us);
/* Until nothing is left. False: not all was read (failed, over, or told to stop). */
bool walk_make(walk_t *w);
void walk_end(walk_t *w);

#endif
