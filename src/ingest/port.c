#include "ingest/port.h"

#include "base/clock.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

/* A request that waits. It lives in its delivery's arena, and so does not outlive it. */
struct ingest_wait {
    ingest_wait_t *prev, *next; /* the list that it is in, oldest first; unlinked when answered or forgotten */
    ingest_port_t *port;
    delivery_t *delivery;
    size_t provider_index;
    ingest_answer_fn answer; /* NULL once answered or forgotten */
    void *ctx;
    int64_t began_us;

    /* The store may still change the delivery when the journal has acknowledged it: what is needed then is taken before
     * the store gets it. */
    journal_entry_t entry;
    ingest_answer_t acknowledgement;
    trigger_set_t news; /* whose APIs it says have some */
    journal_ticket_t ticket;

    enum { WAIT_STORE, WAIT_JOURNAL } list;
    int64_t since_us;          /* when it was put there */
    bool in_store, in_journal; /* who holds it now; the delivery is freed when nobody does */
    bool kept;                 /* durable */
};

struct ingest_port {
    delivery_home_t home; /* first: what the store gives back comes to it */
    ingest_t *in;
    void (*wake)(void *ctx);
    void *wake_ctx;
    size_t pending;
    gifts_t gifts;
    struct {
        ingest_wait_t *oldest, *newest;
    } lists[2]; /* who waits for the store, and who for the journal */

    pthread_mutex_t lock; /* for what comes back from other threads */
    delivery_t *back, **back_tail;
    journal_ticket_t *tickets, **tickets_tail;
};

static ingest_wait_t *wait_of(journal_ticket_t *t)
{
    return (ingest_wait_t *)(void *)((char *)t - offsetof(ingest_wait_t, ticket));
}

size_t ingest_port_pending(const ingest_port_t *port)
{
    return port->pending + port->gifts.count;
}

ingest_t *port_ingest(const ingest_port_t *port)
{
    return port->in;
}

gifts_t *port_gifts(ingest_port_t *port)
{
    return &port->gifts;
}

/* ---- coming back: from the store's and the journal's threads to the loop's ---- */

/* Under the lock. Else a wake is under way already. */
static bool nothing_is_back(const ingest_port_t *port)
{
    return !port->back && !port->tickets;
}

static void take_back(delivery_home_t *home, delivery_t *list)
{
    ingest_port_t *port = (ingest_port_t *)home;
    bool was_empty;

    pthread_mutex_lock(&port->lock);
    was_empty = nothing_is_back(port);
    *port->back_tail = list;
    while (*port->back_tail)
        port->back_tail = &(*port->back_tail)->next;
    pthread_mutex_unlock(&port->lock);
    if (was_empty)
        port->wake(port->wake_ctx);
}

void ingest_journaled(void *ctx, journal_ticket_t *list)
{
    (void)ctx;
    for (journal_ticket_t *t = list, *next; t; t = next) {
        ingest_port_t *port = wait_of(t)->port;
        bool was_empty;

        next = t->next;
        t->next = NULL;
        pthread_mutex_lock(&port->lock);
        was_empty = nothing_is_back(port);
        *port->tickets_tail = t;
        port->tickets_tail = &t->next;
        pthread_mutex_unlock(&port->lock);
        if (was_empty)
            port->wake(port->wake_ctx);
    }
}

/* ---- answers ---- */

ingest_answer_t port_refusal(err_code_t code)
{
    return (ingest_answer_t){.status = err_http_status(code), .code = code};
}

ingest_answer_t port_acknowledgement(ingest_t *in, size_t provider_index, const hook_route_t *route,
                                     const hook_request_t *request, delivery_t *d)
{
    const provider_t *provider = PROVIDERS[provider_index];
    const dialplan_page_t *page = route->traits & ROUTE_ANSWER ? dialplan_hold(in->dialplan) : NULL;
    const hook_context_t with = {.keys = keyring_hold(in->keys, provider_index),
                                 .origin = request->n_origins ? request->origins[0] : STR_NONE,
                                 .plan = page ? dialplan_find(page, provider->our_number(d)) : NULL,
                                 .bridges = atomic_load(&in->bridges),
                                 .now_us = request->now_us,
                                 .ticket_life_us = in->ticket_life_us};
    hook_reply_t reply = {.status = 200};

    provider->reply(d, &with, &reply);
    keyring_release(in->keys);
    if (page)
        dialplan_release(page);
    return (ingest_answer_t){.status = reply.status, .content_type = reply.content_type, .body = reply.body};
}

/* ---- who waits ---- */

static void unlink_wait(ingest_wait_t *w)
{
    ingest_port_t *port = w->port;

    *(w->prev ? &w->prev->next : &port->lists[w->list].oldest) = w->next;
    *(w->next ? &w->next->prev : &port->lists[w->list].newest) = w->prev;
    w->prev = w->next = NULL;
}

static void link_wait(ingest_wait_t *w, int64_t now_us)
{
    ingest_port_t *port = w->port;

    w->since_us = now_us;
    w->prev = port->lists[w->list].newest;
    *(w->prev ? &w->prev->next : &port->lists[w->list].oldest) = w;
    port->lists[w->list].newest = w;
}

static void give_answer(ingest_wait_t *w, const ingest_answer_t *answer)
{
    ingest_answer_fn fn = w->answer;

    if (!fn)
        return;
    unlink_wait(w);
    w->answer = NULL;
    fn(w->ctx, answer);
}

void ingest_forget(ingest_wait_t *w)
{
    if (!w->answer)
        return;
    unlink_wait(w);
    w->answer = NULL;
}

static void refuse(ingest_wait_t *w, err_code_t code)
{
    ingest_answer_t answer = port_refusal(code);

    if (!w->answer)
        return;
    tally_refusal(&w->port->in->tallies[w->provider_index], code);
    give_answer(w, &answer);
}

static void tell_news(const ingest_t *in, trigger_set_t news)
{
    for (size_t i = 0; news; i++, news >>= 1)
        if (news & 1 && in->has_news)
            in->has_news(in->ctx, PROVIDERS[i]);
}

static void acknowledge(ingest_wait_t *w, metric_t *outcome)
{
    metric_add(outcome, 1);
    histogram_observe(w->port->in->ack_seconds, (double)(clock_mono_us() - w->began_us) / (double)US_PER_S);
    w->kept = true;
    give_answer(w, &w->acknowledgement);
    tell_news(w->port->in, w->news);
}

static void free_if_done(ingest_wait_t *w)
{
    if (w->in_store || w->in_journal)
        return;
    ingest_forget(w);
    w->port->pending--;
    delivery_free(w->delivery);
}

/* ---- to the store, and to the journal ---- */

/* why: what the store said, or NULL when it is but slow. */
static bool to_journal(ingest_wait_t *w, const char *why, err_t *err)
{
    static log_gate_t gate;
    int64_t held;

    w->ticket.held = w->delivery->bytes;
    w->in_journal = journal_put(w->port->in->journal, &w->entry, &w->ticket, err);
    if (w->in_journal && w->answer) {
        unlink_wait(w);
        w->list = WAIT_JOURNAL;
        link_wait(w, clock_mono_us());
    }
    if (w->in_journal && log_gate_open(&gate, 5 * US_PER_S, &held))
        LOG(LOG_WARN, "deliveries go to the journal",
            log_cstr("reason", why ? why : "no commit within HOOKLINE_COMMIT_DEADLINE"), log_int("not_logged", held));
    return w->in_journal;
}

ingest_wait_t *port_submit(ingest_port_t *port, size_t provider_index, delivery_t *d,
                           const ingest_answer_t *acknowledgement, ingest_answer_fn answer, void *ctx, err_t *err)
{
    ingest_wait_t *w = arena_zalloc(d->arena, sizeof(*w));
    err_t refused = {.code = ERR_NONE};

    *w = (ingest_wait_t){.port = port,
                         .delivery = d,
                         .provider_index = provider_index,
                         .answer = answer,
                         .ctx = ctx,
                         .began_us = clock_mono_us(),
                         .entry = {.provider = str_from(d->provider),
                                   .route = str_from(d->route),
                                   .way = (int)d->way,
                                   .received_us = d->received_us,
                                   .payload = d->payload,
                                   .raw = d->raw,
                                   .error = d->raw.base ? d->error : STR_NONE},
                         .acknowledgement = *acknowledgement,
                         .news = triggers_of(port->in->triggers[provider_index], d)};
    d->home = &port->home;
    d->owner = w;
    d->bytes = arena_bytes(d->arena);
    link_wait(w, w->began_us);
    port->pending++;
    w->in_store = true; /* before it is, since it may be back at once */
    if (store_put(port->in->store, LANE_LIVE, d, &refused))
        return w;
    w->in_store = false;
    if (to_journal(w, refused.detail, err))
        return w;
    unlink_wait(w);
    port->pending--;
    return NULL;
}

/* What the store has given back. */
static void settle(delivery_t *d)
{
    ingest_wait_t *w = d->owner;
    const tally_t *tally = &w->port->in->tallies[w->provider_index];

    w->in_store = false;
    if (w->kept) {
        /* the journal was first: this was its second storing, under the same key */
    } else if (d->failed == ERR_NONE) {
        acknowledge(w, d->error.base ? tally->dead : tally->stored);
    } else if (!w->in_journal && (d->failed == ERR_INTERNAL || !to_journal(w, err_told(d->failed), NULL))) {
        refuse(w, d->failed);
    }
    free_if_done(w);
}

/* What the journal has given back. */
static void settle_ticket(journal_ticket_t *t)
{
    ingest_wait_t *w = wait_of(t);

    w->in_journal = false;
    if (w->kept) {
        /* the store was first: when it is drained it will be known */
    } else if (t->failed == ERR_NONE) {
        acknowledge(w, w->port->in->tallies[w->provider_index].journaled);
    } else {
        refuse(w, t->failed);
    }
    free_if_done(w);
}

void ingest_port_drain(ingest_port_t *port)
{
    delivery_t *list;
    journal_ticket_t *tickets;

    pthread_mutex_lock(&port->lock);
    list = port->back;
    tickets = port->tickets;
    port->back = NULL;
    port->back_tail = &port->back;
    port->tickets = NULL;
    port->tickets_tail = &port->tickets;
    pthread_mutex_unlock(&port->lock);
    for (journal_ticket_t *t = tickets, *next; t; t = next) {
        next = t->next;
        settle_ticket(t);
    }
    for (delivery_t *d = list, *next; d; d = next) {
        next = d->next;
        settle(d);
    }
}

void ingest_port_expire(ingest_port_t *port, int64_t mono_us)
{
    int64_t deadline_us = port->in->commit_deadline_us;
    ingest_wait_t *w;

    while ((w = port->lists[WAIT_JOURNAL].oldest) && mono_us - w->since_us >= deadline_us)
        refuse(w, ERR_JOURNAL);
    while ((w = port->lists[WAIT_STORE].oldest) && mono_us - w->since_us >= deadline_us)
        if (!to_journal(w, NULL, NULL))
            refuse(w, ERR_COMMIT_TIMEOUT); /* the store may commit it all the same */
    gifts_retry(port, mono_us);
}

ingest_port_t *ingest_port_new(ingest_t *in, void (*wake)(void *ctx), void *ctx)
{
    ingest_port_t *port = mem_zalloc(sizeof(*port));

    port->home.take_back = take_back;
    port->in = in;
    port->wake = wake;
    port->wake_ctx = ctx;
    port->back_tail = &port->back;
    port->tickets_tail = &port->tickets;
    pthread_mutex_init(&port->lock, NULL);
    return port;
}

void ingest_port_free(ingest_port_t *port)
{
    if (!port)
        return;
    pthread_mutex_destroy(&port->lock);
    free(port);
}
