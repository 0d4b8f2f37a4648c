#include "reconcile/transport.h"

#include "base/clock.h"

#include <stdlib.h>

#define CONNECT_US (10 * US_PER_S)
#define MAX_ANSWER ((size_t)64 * 1024 * 1024)

typedef struct over {
    transport_t transport; /* first */
    fetch_mailbox_t *mailbox;
    int64_t timeout_us;
} over_t;

static int64_t now_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static bool send_over(void *ctx, const remote_request_t *r, void *ticket, err_t *err)
{
    over_t *o = ctx;
    http_field_t fields[REMOTE_MAX_HEADERS];
    http_call_t call = {
        .method = r->method,
        .url = r->url,
        .fields = fields,
        .n_fields = r->n_fields,
        .body = r->body,
        .timeout_us = o->timeout_us,
    };

    for (size_t i = 0; i < r->n_fields; i++)
        fields[i] = (http_field_t){r->fields[i].name, r->fields[i].value};
    return fetcher_ask(o->mailbox, &call, ticket, err);
}

static answer_t *receive(void *ctx, int64_t until_us)
{
    over_t *o = ctx;
    fetched_t *f = fetch_mailbox_take(o->mailbox, until_us);
    remote_field_t *fields;
    answer_t *a;

    if (!f)
        return NULL;
    a = arena_zalloc(f->arena, sizeof(*a));
    fields = arena_alloc(f->arena, (f->n_fields + 1) * sizeof(*fields));
    for (size_t i = 0; i < f->n_fields; i++)
        fields[i] = (remote_field_t){f->fields[i].name, f->fields[i].value};
    *a = (answer_t){
        .ticket = f->ticket,
        .came = f->came,
        .sent = f->sent,
        .response = {.status = f->status, .fields = fields, .n_fields = f->n_fields, .body = f->body},
        .err = f->err,
        .arena = f->arena,
    };
    return a;
}

transport_t *transport_over(fetcher_t *f, int64_t timeout_us, size_t most_at_once)
{
    fetch_limits_t limits = {.connect_us = CONNECT_US, .max_body = MAX_ANSWER, .max_in_flight = most_at_once};
    over_t *o = mem_zalloc(sizeof(*o));

    o->transport = (transport_t){.ctx = o, .now_us = now_us, .send = send_over, .receive = receive};
    o->timeout_us = timeout_us;
    o->mailbox = fetch_mailbox_open(f, &limits);
    return &o->transport;
}

void transport_close(transport_t *t)
{
    over_t *o = (over_t *)t;

    if (!o)
        return;
    fetch_mailbox_close(o->mailbox);
    free(o);
}
