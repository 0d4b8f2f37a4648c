#include "store/housekeeping.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/phone.h"
#include "store/params.h"

#include <inttypes.h>
#include <stdlib.h>

#define SELDOM_US     (6 * 3600 * US_PER_S)
#define LEADS_US      (5 * US_PER_S)
#define FORGET_US     (3600 * US_PER_S) /* between looks for what is old */
#define LOT_US        US_PER_S          /* between lots of it: deliveries go first */
#define LEADS_AT_ONCE 500
#define TEXT(number)  #number
#define LIMIT(number) " ORDER BY id LIMIT " TEXT(number)

static int64_t next_us(const housekeeping_t *h)
{
    int64_t next = h->seldom_us < h->leads_us ? h->seldom_us : h->leads_us;

    if (h->reconcile_keep_us && h->forget_us < next)
        next = h->forget_us;
    return h->dialplan && h->dialplan_us < next ? h->dialplan_us : next;
}

bool housekeeping_is_due(const housekeeping_t *h, int64_t mono_us)
{
    return mono_us >= next_us(h);
}

int64_t housekeeping_wait_us(const housekeeping_t *h, int64_t mono_us)
{
    return next_us(h) > mono_us ? next_us(h) - mono_us : 0;
}

static void seldom(pg_t *pg)
{
    static const char *const STEPS[] = {
        "SELECT public.hookline_make_partitions()",
        "SELECT public.hookline_sample_storage()",
    };
    err_t err;

    for (size_t i = 0; i < COUNT(STEPS); i++) {
        PGresult *r = pg_query(pg, STEPS[i], NULL, &err);

        if (!r)
            LOG(LOG_WARN, "housekeeping failed", log_cstr("statement", STEPS[i]), log_cstr("reason", err.detail));
        PQclear(r);
    }
}

/* ---- the numbers of leads ---- */

static str_t text_at(const PGresult *r, int row, int column)
{
    return (str_t){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

static int64_t id_at(const PGresult *r, int row)
{
    return strtoll(PQgetvalue(r, row, 0), NULL, 10);
}

/* Gives back what our normaliser makes of the numbers in `found` (id, phone). */
static bool set_numbers(pg_t *pg, const PGresult *found, err_t *err)
{
    int count = PQntuples(found);
    arena_t *a = arena_new(8192);
    params_t p = {.count = 0};
    PGresult *r;

    params_reset(&p);
    params_begin_array(&p, PG_INT8, (size_t)count);
    for (int i = 0; i < count; i++)
        params_add_int(&p, id_at(found, i));
    params_begin_array(&p, PG_TEXT, (size_t)count);
    for (int i = 0; i < count; i++)
        params_add_text(&p, text_at(found, i, 1));
    params_begin_array(&p, PG_TEXT, (size_t)count);
    for (int i = 0; i < count; i++)
        params_add_text(&p, phone_e164(a, text_at(found, i, 1)));
    params_finish(&p);
    r = pg_query(pg, "SELECT public.hookline_set_lead_numbers($1, $2, $3)", &p, err);
    params_clear(&p);
    arena_free(a);
    PQclear(r);
    return r != NULL;
}

/* id and phone of the next leads by id; NULL on failure. */
static PGresult *next_page(pg_t *pg, const char *sql, int64_t last_id, err_t *err)
{
    params_t p = {.count = 0};
    PGresult *found;

    params_reset(&p);
    params_begin_array(&p, PG_INT8, 1);
    params_add_int(&p, last_id);
    params_finish(&p);
    found = pg_query(pg, sql, &p, err);
    params_clear(&p);
    return found;
}

static bool look_at_leads(pg_t *pg, const char *sql, err_t *err)
{
    int64_t last_id = INT64_MIN;
    int count;

    do {
        PGresult *found = next_page(pg, sql, last_id, err);
        bool ok = found != NULL;

        count = ok ? PQntuples(found) : 0;
        if (count) {
            last_id = id_at(found, count - 1);
            ok = set_numbers(pg, found, err);
        }
        PQclear(found);
        if (!ok)
            return false;
    } while (count == LEADS_AT_ONCE);
    return true;
}

static void leads(housekeeping_t *h, pg_t *pg)
{
    static const char CHANGED[] = "SELECT id, phone FROM public.leads WHERE number_pending_since IS NOT NULL"
                                  " AND phone IS NOT NULL AND id > ($1::int8[])[1]" LIMIT(LEADS_AT_ONCE);
    static const char UNREAD[] = "SELECT id, phone FROM public.leads WHERE phone_e164 IS NULL"
                                 " AND phone IS NOT NULL AND id > ($1::int8[])[1]" LIMIT(LEADS_AT_ONCE);
    err_t err;

    if (!look_at_leads(pg, CHANGED, &err) || (!h->all_leads_seen && !look_at_leads(pg, UNREAD, &err)))
        LOG(LOG_WARN, "numbers of leads not read", log_cstr("reason", err.detail));
    else
        h->all_leads_seen = true;
}

/* ---- customers ---- */

static void customers(pg_t *pg)
{
    err_t err;
    PGresult *r = pg_query(pg, "SELECT public.hookline_sweep_customers()", NULL, &err);

    if (!r)
        LOG(LOG_WARN, "customers not swept", log_cstr("reason", err.detail));
    PQclear(r);
}

/* ---- reconcile ---- */

static int64_t forget_lot(pg_t *pg, int64_t keep_us, err_t *err)
{
    params_t p = {.count = 0};
    int64_t gone = -1;
    PGresult *r;

    params_reset(&p);
    params_begin_one(&p, PG_INT8);
    params_add_int(&p, keep_us);
    params_finish(&p);
    r = pg_query(pg, "SELECT public.hookline_forget_reconcile($1 * interval '1 microsecond')", &p, err);
    params_clear(&p);
    if (r)
        gone = id_at(r, 0);
    PQclear(r);
    return gone;
}

/* One lot at a time, so that no delivery waits for long. */
static void forget(housekeeping_t *h, pg_t *pg)
{
    err_t err;
    int64_t gone = forget_lot(pg, h->reconcile_keep_us, &err);

    if (gone < 0)
        LOG(LOG_WARN, "old reconcile runs not removed", log_cstr("reason", err.detail));
    h->forget_us = clock_mono_us() + (gone > 0 ? LOT_US : FORGET_US);
}

/* ---- the dial plan ---- */

void housekeeping_read_dialplan(housekeeping_t *h, pg_t *pg)
{
    static log_gate_t gate;
    err_t err = {.code = ERR_NONE};
    int64_t held;

    if (!h->dialplan)
        return;
    if (!dialplan_refresh(h->dialplan, pg, &err) && log_gate_open(&gate, 60 * US_PER_S, &held))
        LOG(LOG_WARN, "dial plan not read: the last one stays", log_cstr("reason", err.detail),
            log_int("not_logged", held));
    h->dialplan_us = clock_mono_us() + dialplan_every_us(h->dialplan);
}

void housekeeping_run(housekeeping_t *h, pg_t *pg)
{
    int64_t now_us = clock_mono_us();

    if (now_us >= h->seldom_us) {
        h->seldom_us = now_us + SELDOM_US;
        seldom(pg);
    }
    if (now_us >= h->leads_us) {
        h->leads_us = now_us + LEADS_US;
        leads(h, pg);
        customers(pg);
    }
    if (h->reconcile_keep_us && now_us >= h->forget_us)
        forget(h, pg);
    if (now_us >= h->dialplan_us)
        housekeeping_read_dialplan(h, pg);
}
