#include "reconcile/job.h"

#include "base/clock.h"

#include <stdlib.h>

/* ---- settings ---- */

void job_settings_read(job_settings_t *s, const config_t *config)
{
    *s = (job_settings_t){
        .conninfo = mem_strdup(config_text(config, "DATABASE_URL")),
        .pooled = config_bool(config, "HOOKLINE_DATABASE_POOLED"),
        .statement_timeout_us = config_us(config, "HOOKLINE_STATEMENT_TIMEOUT"),
        .every_us = config_us(config, "HOOKLINE_RECONCILE_EVERY"),
        .gap_us = config_us(config, "HOOKLINE_RECONCILE_TRIGGER_GAP"),
        .reach_us = config_us(config, "HOOKLINE_RECONCILE_SINCE"),
        .timeout_us = config_us(config, "HOOKLINE_RECONCILE_TIMEOUT"),
        .stale_us = config_us(config, "HOOKLINE_STALE_AFTER"),
        .overlap_us = config_us(config, "HOOKLINE_RECONCILE_OVERLAP"),
    };
    if (!s->overlap_us)
        s->overlap_us = TIME_NONE;
}

void job_settings_copy(job_settings_t *to, const job_settings_t *from)
{
    *to = *from;
    to->conninfo = mem_strdup(str_from(from->conninfo));
}

void job_settings_clear(job_settings_t *s)
{
    free(s->conninfo);
    s->conninfo = NULL;
}

/* ---- a run ---- */

static size_t most_at_once(const provider_t *p)
{
    return p->remote->most_at_once > 0 ? (size_t)p->remote->most_at_once : 1;
}

static run_status_t run(const job_settings_t *s, const job_wish_t *w, fetcher_t *f, ledger_t *ledger, report_t *report)
{
    transport_t *transport = transport_over(f, s->timeout_us, most_at_once(w->provider));
    run_options_t options = {
        .provider = w->provider,
        .access = w->access,
        .transport = transport,
        .ledger = ledger,
        .resource = w->resource,
        .since_us = w->since_us,
        .until_us = w->until_us,
        .by_hand = w->by_hand,
        .reach_us = s->reach_us,
        .overlap_us = s->overlap_us,
        .stale_us = s->stale_us,
        .stop = w->stop,
        .progress = w->progress,
        .ctx = w->ctx,
    };
    run_status_t status = run_make(&options, report);

    transport_close(transport);
    return status;
}

lease_t job_run(const job_settings_t *s, const job_wish_t *w, fetcher_t *f, run_status_t *status, report_t *report,
                err_t *err)
{
    ledger_options_t options = {
        .conninfo = s->conninfo,
        .pooled = s->pooled,
        .statement_timeout_us = s->statement_timeout_us,
        .provider = w->provider->name,
        .asked_by = w->asked_by,
        .dry = w->dry,
        .queued_id = w->queued_id,
        .end_us = w->end_us,
    };
    ledger_t *ledger = ledger_open(&options, err);
    lease_t lease = LEASE_FAILED;

    if (ledger)
        lease = ledger_begin(ledger, w->every_us, w->resource, w->since_us, w->until_us, err);
    if (lease == LEASE_TAKEN)
        *status = run(s, w, f, ledger, report);
    ledger_close(ledger);
    return lease;
}

/* ---- a probe ---- */

static bool ask_probe(const provider_t *p, const void *access, const remote_step_t *step, const transport_t *t,
                      arena_t *a, err_t *err)
{
    remote_request_t request = {.method = "GET"};

    return p->remote->ask(access, step, clock_wall_us(), a, &request, err) && t->send(t->ctx, &request, NULL, err);
}

static bool read_probe(const provider_t *p, const void *access, const remote_step_t *step, const answer_t *answer,
                       err_t *err)
{
    remote_page_t page;

    if (!answer->came) {
        *err = answer->err;
        return false;
    }
    if (answer->response.status < 200 || answer->response.status >= 300)
        return err_set(err, ERR_CONFIG, "it answers %d", answer->response.status);
    remote_page_init(&page, answer->arena);
    return p->remote->read(access, step, &answer->response, &page, err);
}

bool job_probe(const job_settings_t *s, const provider_t *p, const void *access, fetcher_t *f, int *http_status,
               err_t *err)
{
    transport_t *t = transport_over(f, s->timeout_us, 1);
    arena_t *a = arena_new(4096);
    remote_step_t step = {.from_us = TIME_NONE, .to_us = TIME_NONE};
    answer_t *answer = NULL;
    bool ok;

    *http_status = 0;
    p->remote->probe(access, a, &step);
    ok = ask_probe(p, access, &step, t, a, err);
    while (ok && !answer) /* it comes by its own deadline */
        answer = t->receive(t->ctx, clock_mono_us() + s->timeout_us);
    if (answer) {
        *http_status = answer->response.status;
        ok = read_probe(p, access, &step, answer, err);
        arena_free(answer->arena);
    }
    transport_close(t);
    arena_free(a);
    return ok;
}
