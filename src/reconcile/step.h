/* step.h – a step that is to be made, and the window that it belongs to: the run's own copies. One thread. */
#ifndef HOOKLINE_RECONCILE_STEP_H
#define HOOKLINE_RECONCILE_STEP_H

#include "remote.h"

/* A call of which no end was heard. */
typedef struct open_call {
    str_t id;
    int64_t last_us; /* when it is last known to have gone on; TIME_NONE: nothing is known of that */
} open_call_t;

/* A row of reconcile_windows. */
typedef struct window {
    int64_t id;             /* there; 0: it is not kept (a dry run) */
    const char *resource;   /* a literal of the provider's */
    int64_t from_us, to_us; /* TIME_NONE both: what lives now */
    int tries;              /* runs that have ended with an error in it */
    bool refused;           /* the provider does not reach back so far */
    size_t open;            /* steps of it that wait or are under way */
    char error[200];        /* the first of this run; "": none */
} window_t;

typedef struct step {
    struct step *next;
    remote_step_t at;      /* its texts are the step's own */
    str_t mark;            /* of at.id, once this is done; absent: none */
    int64_t id;            /* in reconcile_steps; 0: it is not kept there */
    window_t *window;      /* NULL: it is not of a window, but comes of calls that the reaper looks after */
    open_call_t *calls;    /* the step's own: of which it asks whether they are known (step_ask_about) */
    size_t n_calls;        /* 0: it asks about none */
    bool asked;            /* a request that must not be made twice was made */
    bool once;             /* such a request is under way */
    bool unsettled;        /* what it brought is not what the mark stands for: that is not kept */
    bool lacking;          /* there is more than what it brought: it stays, for a later run to ask once more */
    int tries;             /* in this run */
    int unreadable;        /* of those: answers that could not be read */
    int64_t not_before_us; /* mono clock */
    uint8_t before[16];    /* hash of what the page before it held; all 0: it is the first */
} step_t;

step_t *step_new(const remote_step_t *at, str_t mark, window_t *window);
void step_free(step_t *s); /* NULL is fine */
void step_hash(const step_t *s, uint8_t out[16]);
void step_ask_about(step_t *s, const open_call_t *calls, size_t n); /* once; copies them */
/* Whether `next`, of the page that came of s, asks the same once more: that call was not found, and may be by another
 * name, or elsewhere. The page itself is then no answer. */
bool step_goes_on(const step_t *s, const remote_page_t *page, const remote_step_t *next);

#endif
