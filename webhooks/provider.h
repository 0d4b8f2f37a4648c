/* provider.h – what a provider is.
 *
 * To add one: make a folder here, say "webhooks/example/", with a file that defines `const provider_t
 * provider_example` as below. Nothing else is touched: the build finds the folder. A provider sees src/base and
 * src/event only; it knows neither the server nor the database.
 *
 * One delivery passes through a provider like this, on a loop thread, never blocking:
 *
 *   verify     is it genuine? over the raw bytes, in constant time
 *   (engine)   redacts and cleans the body by `redact`, makes it JSON (a form becomes an object), parses it
 *   normalise  what happened (event key, columns of call_events), and the facts
 *   (engine)   commits
 *   reply      what this provider wants to hear
 *
 * normalise must depend on the delivery alone (its payload, route, and occurred times), never on the clock, the
 * secrets or earlier deliveries: the same bytes give the same facts when a journal is drained or a dead letter
 * replayed.
 */
#ifndef HOOKLINE_WEBHOOKS_PROVIDER_H
#define HOOKLINE_WEBHOOKS_PROVIDER_H

#include "base/form.h"
#include "base/setting.h"
#include "event/call_plan.h"
#include "event/delivery.h"
#include "remote.h"

typedef struct header {
    str_t name; /* lower case */
    str_t value;
} header_t;

#define HOOK_MAX_ORIGINS 4

/* A request as it came, before anything is believed. Borrowed for the duration of the call. */
typedef struct hook_request {
    str_t target; /* the raw request target, path and query, exact bytes */
    const header_t *headers;
    size_t n_headers;
    bool is_get;        /* parameters are in the query, and there is no body */
    str_t path_secret;  /* on a route with ROUTE_SECRET or ROUTE_STREAM: the segment after its path, raw; absent where
                           there is none */
    str_t body;         /* raw bytes */
    const form_t *form; /* the parameters of a form, or of a GET's query; else NULL */
    /* Where the sender may have thought it was sending, best first: scheme://host[:port][/prefix], no final slash. The
     * configured public URL, then a trusted proxy's word, then our own scheme and Host. */
    str_t origins[HOOK_MAX_ORIGINS];
    size_t n_origins;
    int64_t now_us; /* wall clock */
    buf_t *explain; /* HOOKLINE_EXPLAIN_SIGNATURES: where verify writes what it tries (see hook_explain); NULL: off */
} hook_request_t;
str_t hook_header(const hook_request_t *r, const char *lower_case_name); /* the first; absent if there is none */
/* One thing that verify tried: "URL https://… with token 1 of 2: no". It is logged when the request is refused. Never a
 * secret, nor a signature that we made: who reads the log could use it. Nothing happens while explaining is off. */
void hook_explain(const hook_request_t *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* BODY_QUERY: a GET, whose parameters are in its query (Twilio, where an operator chose that method). */
typedef enum { BODY_FORM = 1, BODY_JSON = 2, BODY_QUERY = 4 } body_kind_t;

typedef enum {
    ROUTE_SECRET = 1,  /* the path goes on: "/" and one segment, a secret that is the sender's only proof. It is masked
                          in logs. Without it, or with a wrong one, the request is the route's all the same, and verify
                          refuses it */
    ROUTE_BROWSER = 2, /* a browser may send: OPTIONS is answered (CORS), every answer may be read by any page */
    ROUTE_STREAM = 4,  /* a GET opens a WebSocket here, once `admit` lets it in; the path may go on with one segment, a
                          ticket, which is masked in logs. What is then heard are deliveries of this route */
    ROUTE_ANSWER = 8, /* what is answered here decides what becomes of a call: `our_number` says to which number of ours
                         it is, and `reply` is told what is planned for that */
} route_trait_t;

typedef struct hook_route {
    const char *name; /* "events", "voice" … : label in metrics, delivery_t.route */
    const char *path; /* exact, e.g. "/webhooks/twilio/voice"; NULL: nothing comes here by HTTP, it is the shape of what
                         its API was asked for (remote.h) */
    int bodies;       /* body_kind_t, or-ed: what is accepted; 415 for others; 0 where there is no path */
    int traits;       /* route_trait_t, or-ed */
} hook_route_t;

/* Who may stream what, on a route with ROUTE_STREAM. */
#define HOOK_ID_BYTES 64
typedef struct hook_admission {
    char call_id[HOOK_ID_BYTES + 1]; /* the one call that the proof is good for; "": any */
    char account[HOOK_ID_BYTES + 1]; /* the account whose proof it was; "": any */
} hook_admission_t;

typedef struct hook_reply {
    int status;
    str_t content_type; /* absent with an empty body */
    str_t body;         /* literal, or in the delivery's arena */
} hook_reply_t;

/* What a reply may depend on, beside the delivery. Borrowed for the duration of the call. */
typedef struct hook_context {
    const void *keys; /* NULL: the provider has none any more */
    str_t origin;     /* where the sender thinks that we are, as hook_request_t.origins[0]; absent: nobody asks */
    const call_plan_t *plan; /* on a route with ROUTE_ANSWER; NULL: the number is not known */
    bool bridges;            /* there is somebody who can speak with a caller */
    int64_t now_us;          /* wall clock */
    int64_t ticket_life_us;  /* how long a ticket for a media stream is to be good */
} hook_context_t;

/* provider_t.reply for who only wants to hear that it has arrived: 200 {"status":"ok"}. */
void hook_reply_ok(delivery_t *d, const hook_context_t *with, hook_reply_t *out);

/* A made-up delivery for `hookline send`: the body with {{names}} to be filled in. */
typedef struct hook_sample {
    const char *event; /* `hookline send PROVIDER EVENT` */
    const char *route; /* hook_route_t.name */
    body_kind_t kind;
    const char *body; /* {{call32}} an id fresh for each call, {{from}} … : see hook_fill in sample.h */
    int after_ms;     /* in the whole-call demo: how long after the call's start this happens; -1: not part of it */
} hook_sample_t;

typedef struct provider {
    const char *name;  /* as stored, e.g. "twilio" */
    const char *title; /* for people, e.g. "Twilio" */

    /* Its own settings (secrets are comma-separated, newest first), and whether they are enough to turn it on. */
    const setting_t *settings;
    size_t n_settings;

    /* Makes an immutable snapshot of the secrets. NULL with err->code ERR_NONE: not set, so off. NULL with ERR_CONFIG:
     * set, but not usable; the detail says what was expected. Freed when no request uses it any more. */
    void *(*keys_new)(const setting_source_t *from, err_t *err);
    void (*keys_free)(void *keys);

    const hook_route_t *routes;
    size_t n_routes;

    /* ERR_NO_SIGNATURE, ERR_SIGNATURE or ERR_STALE; the detail says what was tried, for our log only. scratch: an arena
     * for the duration of the call. */
    bool (*verify)(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);

    /* For routes with ROUTE_STREAM: whether this WebSocket may be opened. As verify; out is all zero before. NULL: the
     * provider has no such route. */
    bool (*admit)(const void *keys, const hook_request_t *r, arena_t *scratch, hook_admission_t *out, err_t *err);

    const char *const *redact; /* patterns of json_redact_key, NULL-terminated */
    /* Headers that say something of a form's delivery which its parameters do not (lower case, NULL-terminated): they
     * are added to the parameters, under these names, once the form is verified. NULL for none. */
    const char *const *keep_headers;

    /* Fills the "as understood" part of d from d->root. False: ERR_UNKNOWN_SHAPE and why; it becomes a dead letter. */
    bool (*normalise)(delivery_t *d, err_t *err);

    /* For routes with ROUTE_ANSWER, which then must have it: which of the call's numbers is ours, in E.164; absent
     * where that is none. Of a dead letter too. NULL: the provider has no such route. */
    str_t (*our_number)(const delivery_t *d);

    /* What is sent once the delivery is durable (or unstored); asked for before, while d->root is there. Dead letters
     * are answered so too. */
    void (*reply)(delivery_t *d, const hook_context_t *with, hook_reply_t *out);

    /* The other side, for `hookline send`, the demo and the bench: signs as the provider does, with the newest secret.
     * Adds headers to `headers` (up to HOOK_MAX_SIGNED, values in the arena). */
    size_t (*sign)(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                   header_t *headers);
    /* Where the body is signed by the URL too: what to add to its query for this body ("bodySHA256=…"), before signing
     * and sending. Absent, or NULL: nothing. */
    str_t (*query)(body_kind_t kind, str_t body, arena_t *a);
    /* For routes with ROUTE_SECRET, which then must have it: the newest secret, to be put behind their path. NULL: the
     * provider has no such route. */
    str_t (*path_secret)(const void *keys);
    /* The provider's account that these keys belong to, for samples that name one. Absent, or NULL: not known. */
    str_t (*account)(const void *keys);
    const hook_sample_t *samples;
    size_t n_samples;

    const remote_t *remote; /* its API; NULL: it has none */
} provider_t;
#define HOOK_MAX_SIGNED 4

/* Every folder here, in alphabetical order; made by the build. */
extern const provider_t *const PROVIDERS[];
extern const size_t PROVIDER_COUNT;
const provider_t *provider_find(str_t name); /* "twilio"; also "beyond-presence" for beyond_presence; NULL if unknown */

#endif
