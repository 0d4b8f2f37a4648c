/* remote.h – a provider's API: what can be fetched from it when a webhook did not come.
 *
 * A pass over a resource is a set of steps. A step is one request; its answer holds things that were found, and further
 * steps: the next page, the two halves of a window that was too full, the detail of one call, the participants of a
 * room. Steps depend on nothing but themselves, so that whoever runs them (src/reconcile) may keep those that are left
 * in a table and go on after a restart, run several at once, and try one again. The provider's file has no socket and
 * no state: it says what to ask (ask), and what an answer means (read).
 *
 * What was found becomes a delivery of way reconcile: its payload is the provider's own object, as it came, and its
 * route says to normalise which shape that is. Event keys name what happened, the same as by webhook; an object that
 * can grow adds the hash of itself without volatile fields (see the provider's normalise). */
#ifndef HOOKLINE_WEBHOOKS_REMOTE_H
#define HOOKLINE_WEBHOOKS_REMOTE_H

#include "base/json.h"
#include "base/setting.h"

#define REMOTE_MAX_HEADERS 6

typedef struct remote_field {
    str_t name, value;
} remote_field_t;

/* All of it lives in the arena that ask was given. */
typedef struct remote_request {
    const char *method; /* "GET"; "POST" only where that changes nothing there (Twirp) or where `once` is set */
    str_t url;          /* absolute, https unless the operator's setting says otherwise */
    remote_field_t fields[REMOTE_MAX_HEADERS]; /* may hold secrets: never logged */
    size_t n_fields;
    str_t body; /* absent: none */
    bool once;  /* must not be sent again when it is not known what became of it */
} remote_request_t;

typedef struct remote_response {
    int status;
    const remote_field_t *fields; /* lower-case names */
    size_t n_fields;
    str_t body;
} remote_response_t;
str_t remote_field(const remote_response_t *r, const char *lower_case_name); /* absent if there is none */

typedef struct remote_step {
    const char
        *what; /* which kind of step: a name of the provider's, as it stands in the table of steps that are left */
    int64_t from_us, to_us; /* the window [from, to) that it is about; TIME_NONE: about none, or open */
    str_t id;               /* of a call, a room …; absent: none */
    str_t cursor;           /* where to go on: the provider's own text, or a whole address; absent: at the beginning */
} remote_step_t;

remote_step_t remote_step(const char *what, str_t id); /* about no window, at its beginning; borrows */

typedef struct remote_find {
    struct remote_find *next;
    const char *route; /* of the delivery */
    str_t payload;     /* JSON */
    str_t id;          /* the provider's id of the call that it is about; absent: none */
    int64_t at_us;     /* when that call was made, by the provider; TIME_NONE: not known */
} remote_find_t;

/* A step that only may follow: the run asks whether it is needed. */
typedef struct remote_follow {
    struct remote_follow *next;
    remote_step_t step;
    /* needed only if the store does not already have, for call `step.id`, what it would bring: `if_newer_than` is a
     * change mark of the provider's (updated_at …); absent: always needed. */
    str_t change_mark;
} remote_follow_t;

typedef struct remote_skip {
    struct remote_skip *next;
    const char *reason; /* "unknown_agent", "no_number" … : a label of counts */
    str_t id;
} remote_skip_t;

typedef struct remote_page {
    arena_t *arena; /* of everything in it */
    remote_find_t *finds, **finds_tail;
    remote_follow_t *follows, **follows_tail;
    remote_skip_t *skips, **skips_tail;
    size_t seen; /* rows in the answer, those outside of the window included */
    str_t rows;  /* of a page of a list: ids of its first and last row, so that one that comes again is known even where
                    nothing in it is of the window; absent: not a page, or an empty one */
    bool gone;   /* of a step about one object: the provider knows no such thing (any more) */
    /* Of a step with a change mark: what came is older than that, or goes on still. It is asked for again. */
    bool unsettled;
    str_t lacks; /* there is more, and why it cannot be had: what is here is taken, and the step failed; absent: no */
} remote_page_t;
void remote_page_init(remote_page_t *p, arena_t *a);
remote_find_t *remote_found(remote_page_t *p, const char *route, str_t payload, str_t id, int64_t at_us);
void remote_then(remote_page_t *p, const remote_step_t *step, str_t change_mark); /* copies the step's texts */
void remote_skipped(remote_page_t *p, const char *reason, str_t id);
void remote_rows(remote_page_t *p, str_t first_id, str_t last_id);
bool remote_finds(const remote_page_t *p, str_t id); /* whether that call is among what was found */
void remote_lacks(remote_page_t *p, str_t why);      /* copies it */

/* What the engine does with an answer that is no 2xx, when the provider does not say otherwise (`refused`): 401, 403,
 * 402: the run ends, an operator must act; 404: gone; 408, 425, 429, 5xx: again, later (Retry-After is honoured);
 * others: an error of this step. */

typedef struct remote_resource {
    const char *name; /* "calls": --resource, reconcile_state.resource */
    bool live;        /* what lives at this moment, without a window (rooms); each pass is whole */
    bool from_newest; /* its list takes no window: it is walked from its newest on, so that two windows are two walks */
    int64_t retention_us; /* how far back the provider keeps it; 0: not known to end */
    int64_t overlap_us;   /* by default: how far a pass reaches back before the last one's end, for what changes late */
} remote_resource_t;

/* An event, the provider's own or another's, that says that its API has news: a run is made soon. Only what a webhook
 * tells counts; what is fetched or replayed does not. */
typedef struct remote_trigger {
    const char *provider;    /* whose webhook it is: its name; one that is not built in never comes */
    const char *event_type;  /* as in delivery_t */
    const char *path, *text; /* only where that stands at this path of the payload; NULL: whatever it says */
} remote_trigger_t;

typedef struct remote {
    /* Its own settings are among the provider's. A snapshot of what is needed to ask: address, key. NULL with ERR_NONE:
     * no key is set, so nothing is fetched. */
    void *(*access_new)(const setting_source_t *from, err_t *err);
    void (*access_free)(void *access);

    const remote_resource_t *resources;
    size_t n_resources;
    bool forgets_ended; /* it knows a call only while it lives: of one that is not listed nothing can be concluded but
                           that it has ended */
    const remote_trigger_t *triggers;
    size_t n_triggers;
    int most_at_once;     /* requests in flight */
    int64_t least_gap_us; /* between the beginnings of two requests; 0: none */
    /* The same where a setting says it. NULL: least_gap_us. */
    int64_t (*gap_us)(const void *access);

    /* The steps that a pass over [from, to) of a resource begins with, added as follows of an empty page. */
    void (*begin)(const void *access, const char *resource, int64_t from_us, int64_t to_us, remote_page_t *out);
    /* The step that fetches one call, for the reaper and the audit. False: its API has none. With forgets_ended it is
     * the same step for all of them, and finds what lives: it is made once, and a call that it does not find is over.
     */
    bool (*one)(const void *access, str_t call_id, arena_t *a, remote_step_t *out);
    /* The request that tells whether the key is good, for `hookline check`. */
    void (*probe)(const void *access, arena_t *a, remote_step_t *out);

    /* now_us: wall clock, for tokens that expire. */
    bool (*ask)(const void *access, const remote_step_t *step, int64_t now_us, arena_t *a, remote_request_t *out,
                err_t *err);
    /* Of a 2xx. False: ERR_UNKNOWN_SHAPE or ERR_UNPARSABLE; the step failed. A page of a list that cannot be read row
     * by row skips the row ("unreadable") and goes on. */
    bool (*read)(const void *access, const remote_step_t *step, const remote_response_t *r, remote_page_t *out,
                 err_t *err);
    /* Of an answer that is no 2xx, before the engine deals with it as said above. True: it means something here, and
     * `out` says what: the step is done. False, or NULL: it does not. */
    bool (*refused)(const void *access, const remote_step_t *step, const remote_response_t *r, remote_page_t *out);
} remote_t;

#endif
