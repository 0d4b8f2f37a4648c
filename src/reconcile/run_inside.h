/* run_inside.h – what the files of a run share. Nobody else includes this. */
#ifndef HOOKLINE_RECONCILE_RUN_INSIDE_H
#define HOOKLINE_RECONCILE_RUN_INSIDE_H

#include "reconcile/agenda.h"
#include "reconcile/manners.h"
#include "reconcile/run.h"

typedef struct run {
    const run_options_t *o;
    const remote_t *remote;
    report_t *report;
    manners_t manners;
    agenda_t agenda;
    step_t *asked; /* whose answers are awaited */
    seen_t steps;  /* that were made, or wait */
    window_t **windows;
    size_t n_windows, windows_done;
    bool failed; /* a window is not covered */
    bool over;   /* nothing more can be done */
    int64_t began_us;
} run_t;

/* Everything ends here that ends the run early. */
void run_end_early(run_t *r, const char *what, const err_t *err);
void run_add_window(run_t *r, window_t *w);

/* planning.c: fills the agenda. */
void run_plan(run_t *r);
/* answer.c: what an answer means for its step; takes both. */
void run_take_answer(run_t *r, step_t *s, answer_t *a);
void run_fail_step(run_t *r, step_t *s, const char *why); /* takes it */
/* reaper.c */
void run_add_stale(run_t *r);

#endif
