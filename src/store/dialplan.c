#include "store/dialplan.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/phone.h"
#include "store/pg.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_ROWS         100000 /* of each table */
#define MOST_BYTES        67108864
#define TEXT_OF(number)   #number
#define AS_TEXT(number)   TEXT_OF(number)
#define FINGERPRINT_BYTES 128

/* In an arena of its own, which goes with the last who holds it. */
struct dialplan_page {
    arena_t *arena;
    _Atomic size_t *holders;
    call_plan_t *numbers; /* by number */
    size_t n_numbers, n_planned;
    call_agent_t *agents; /* by id */
    size_t n_agents;
};

struct dialplan {
    pthread_mutex_t lock; /* guards `newest` and `tried`; held for a look */
    pthread_cond_t changed;
    dialplan_page_t *newest;
    bool tried;
    int64_t every_us;
    char fingerprint[FINGERPRINT_BYTES]; /* of what `newest` was read from; the refreshing thread's own */
    metric_t *numbers_gauge;
};

/* ---- pages ---- */

static dialplan_page_t *page_new(void)
{
    arena_t *a = arena_new(4096);
    dialplan_page_t *page = arena_zalloc(a, sizeof(*page));

    page->arena = a;
    page->holders = arena_alloc(a, sizeof(*page->holders));
    atomic_init(page->holders, 1);
    return page;
}

const dialplan_page_t *dialplan_hold(dialplan_t *d)
{
    const dialplan_page_t *page;

    pthread_mutex_lock(&d->lock);
    page = d->newest;
    atomic_fetch_add(page->holders, 1);
    pthread_mutex_unlock(&d->lock);
    return page;
}

void dialplan_release(const dialplan_page_t *page)
{
    if (atomic_fetch_sub(page->holders, 1) == 1)
        arena_free(page->arena);
}

static void swap_in(dialplan_t *d, dialplan_page_t *page)
{
    dialplan_page_t *old;

    pthread_mutex_lock(&d->lock);
    old = d->newest;
    d->newest = page;
    pthread_mutex_unlock(&d->lock);
    dialplan_release(old);
}

/* ---- looking up ---- */

static int by_number(const void *a, const void *b)
{
    return str_cmp(((const call_plan_t *)a)->number, ((const call_plan_t *)b)->number);
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const call_agent_t *)a)->id, ((const call_agent_t *)b)->id);
}

const call_plan_t *dialplan_find(const dialplan_page_t *page, str_t e164)
{
    const call_plan_t wanted = {.number = e164};

    return e164.base && page->n_numbers ? bsearch(&wanted, page->numbers, page->n_numbers, sizeof(wanted), by_number)
                                        : NULL;
}

const call_agent_t *dialplan_agent(const dialplan_page_t *page, str_t id)
{
    const call_agent_t wanted = {.id = id};

    return id.base && page->n_agents ? bsearch(&wanted, page->agents, page->n_agents, sizeof(wanted), by_id) : NULL;
}

/* ---- reading ---- */

/* Of both tables, what is looked at: one more than the most, so that it shows. */
#define MOST_AND_ONE " LIMIT " AS_TEXT(MOST_ROWS) " + 1"
#define NUMBERS_THERE                                                                                                  \
    "(SELECT *, xmin, ctid FROM public.phone_numbers WHERE number IS NOT NULL AND remote_deleted_at IS NULL"           \
    " ORDER BY number" MOST_AND_ONE ") AS n"
#define AGENTS_THERE                                                                                                   \
    "(SELECT *, xmin, ctid FROM public.agents WHERE remote_deleted_at IS NULL ORDER BY id" MOST_AND_ONE ") AS a"

/* A version of a row is one place written by one transaction: where and by whom its rows were written tells of any
 * change, of a row that was deleted too. updated_at would not: it is when a transaction began, and may be set by hand.
 * Transactions are counted anew where a server is another. */
#define MARK_OF(rows) "(SELECT concat(count(*), ' ', sum(hashtextextended(concat(ctid, xmin), 0))) FROM " rows ")"
static const char FINGERPRINT[] =
    "SELECT concat(pg_postmaster_start_time(), ' ', " MARK_OF(NUMBERS_THERE) ", ' ', " MARK_OF(AGENTS_THERE) ")";

/* One statement sees one moment. Of rows that do not fit, the largest, only the keys come, to be counted. */
#define NUMBERS                                                                                                        \
    "SELECT 'number' AS kind, number AS key, agent_id::text AS agent, action, greeting, NULL AS name,"                 \
    " NULL AS prompt, NULL AS config FROM " NUMBERS_THERE
#define AGENTS "SELECT 'agent', id::text, NULL, action, greeting, name, prompt, config::text FROM " AGENTS_THERE
#define SIZE   "octet_length(concat(key, agent, greeting, name, prompt, config))"
#define ADDED  "sum(size) OVER (ORDER BY kind DESC, size, key COLLATE \"C\" ROWS UNBOUNDED PRECEDING)"
#define FITS   ADDED " <= " AS_TEXT(MOST_BYTES) " AS fits"
static const char ROWS[] =
    "WITH r AS (" NUMBERS " UNION ALL " AGENTS "), measured AS (SELECT *, " SIZE " AS size FROM r),"
    " added AS (SELECT *, " FITS " FROM measured)"
    " SELECT * FROM (SELECT kind, key, agent, action, greeting, name, prompt, config FROM added WHERE fits"
    " UNION ALL SELECT 'too much', key, NULL, NULL, NULL, NULL, NULL, NULL FROM added WHERE NOT fits) AS told"
    " ORDER BY kind, key COLLATE \"C\"";
enum { KIND, KEY, AGENT, ACTION, GREETING, NAME, PROMPT, CONFIG };

typedef struct entry {
    call_plan_t plan;
    bool exact; /* it is written in E.164 */
    int row;
} entry_t;

typedef struct reading {
    const PGresult *rows;
    dialplan_page_t *page;
    call_action_t *actions; /* of the page's agents, in their order */
    entry_t *entries;
    size_t n_entries;
    size_t left_out, unreadable; /* rows that did not fit; numbers that are none */
} reading_t;

/* Absent for NULL and for no text. Borrowed from the result. */
static str_t text_at(const PGresult *r, int row, int column)
{
    int len = PQgetlength(r, row, column);

    return len ? (str_t){PQgetvalue(r, row, column), (size_t)len} : STR_NONE;
}

static call_action_t action_at(const PGresult *r, int row)
{
    static const char *const WORDS[] = {[CALL_ANSWER] = "answer", [CALL_STREAM] = "stream", [CALL_BRIDGE] = "bridge"};

    for (int i = CALL_ANSWER; i <= CALL_BRIDGE; i++)
        if (str_eq(text_at(r, row, ACTION), str_from(WORDS[i])))
            return (call_action_t)i;
    return CALL_UNPLANNED;
}

static str_t kept_at(const reading_t *in, int row, int column)
{
    str_t text = text_at(in->rows, row, column);

    return text.base ? arena_dup(in->page->arena, text) : STR_NONE;
}

static bool is_kind(const reading_t *in, int row, str_t kind)
{
    return str_eq(text_at(in->rows, row, KIND), kind);
}

static void read_agent(reading_t *in, int row)
{
    dialplan_page_t *page = in->page;

    if (page->n_agents == MOST_ROWS) {
        in->left_out++;
        return;
    }
    in->actions[page->n_agents] = action_at(in->rows, row);
    page->agents[page->n_agents++] = (call_agent_t){.id = kept_at(in, row, KEY),
                                                    .name = kept_at(in, row, NAME),
                                                    .greeting = kept_at(in, row, GREETING),
                                                    .prompt = kept_at(in, row, PROMPT),
                                                    .config = kept_at(in, row, CONFIG)};
}

/* A row without an action does as its agent says. */
static call_action_t action_of(const reading_t *in, int row, const call_agent_t *agent)
{
    call_action_t own = action_at(in->rows, row);

    return own != CALL_UNPLANNED || !agent ? own : in->actions[agent - in->page->agents];
}

static void read_number(reading_t *in, int row)
{
    str_t written = text_at(in->rows, row, KEY), number = phone_e164(in->page->arena, written);
    const call_agent_t *agent = dialplan_agent(in->page, text_at(in->rows, row, AGENT));

    if (!number.base)
        in->unreadable++;
    else if (in->n_entries == MOST_ROWS)
        in->left_out++;
    else
        in->entries[in->n_entries++] = (entry_t){.plan = {.number = number,
                                                          .action = action_of(in, row, agent),
                                                          .greeting = kept_at(in, row, GREETING),
                                                          .agent = agent},
                                                 .exact = str_eq(number, written),
                                                 .row = row};
}

static int by_number_and_row(const void *a, const void *b)
{
    const entry_t *x = a, *y = b;
    int order = str_cmp(x->plan.number, y->plan.number);

    order = order ? order : y->exact - x->exact;
    return order ? order : x->row - y->row;
}

/* Two rows may write one number in two ways: the one in E.164 counts, else the first. */
static void keep_numbers(reading_t *in)
{
    dialplan_page_t *page = in->page;

    qsort(in->entries, in->n_entries, sizeof(*in->entries), by_number_and_row);
    page->numbers = arena_alloc(page->arena, (in->n_entries + 1) * sizeof(*page->numbers));
    for (size_t i = 0; i < in->n_entries; i++) {
        const call_plan_t *plan = &in->entries[i].plan;

        if (i && str_eq(in->entries[i - 1].plan.number, plan->number))
            continue;
        page->n_planned += plan->action != CALL_UNPLANNED;
        page->numbers[page->n_numbers++] = *plan;
    }
}

/* Agents come first: the numbers' own point to them. */
static void read_rows(reading_t *in)
{
    size_t count = (size_t)PQntuples(in->rows), room = count < MOST_ROWS ? count : MOST_ROWS;

    in->page = page_new();
    in->page->agents = arena_alloc(in->page->arena, (room + 1) * sizeof(*in->page->agents));
    in->actions = mem_alloc((room + 1) * sizeof(*in->actions));
    in->entries = mem_alloc((room + 1) * sizeof(*in->entries));
    for (int row = 0; row < (int)count; row++) {
        if (is_kind(in, row, STR("agent")))
            read_agent(in, row);
        else if (is_kind(in, row, STR("number")))
            read_number(in, row);
        else
            in->left_out++;
    }
    keep_numbers(in);
    free(in->actions);
    free(in->entries);
}

static void tell(const dialplan_t *d, const reading_t *in)
{
    const dialplan_page_t *page = in->page;

    if (in->left_out)
        LOG(LOG_ERROR, "the dial plan is too large: some of it is not used", log_int("left_out_at_least", in->left_out),
            log_cstr("hint", "phone_numbers and agents may have " AS_TEXT(
                                 MOST_ROWS) " rows each, and texts of " AS_TEXT(MOST_BYTES) " bytes"));
    if ((int64_t)page->n_planned != metric_value(d->numbers_gauge) || in->unreadable)
        LOG(LOG_INFO, "dial plan", log_int("numbers", page->n_planned), log_int("agents", page->n_agents),
            in->unreadable ? log_int("unreadable_numbers", in->unreadable) : (log_field_t){.key = NULL});
    metric_set(d->numbers_gauge, (int64_t)page->n_planned);
}

static bool read_tables(dialplan_t *d, pg_t *pg, err_t *err)
{
    PGresult *rows = pg_query(pg, ROWS, NULL, err);
    reading_t in = {.rows = rows};

    if (!rows)
        return false;
    read_rows(&in);
    PQclear(rows);
    tell(d, &in);
    swap_in(d, in.page);
    return true;
}

bool dialplan_refresh(dialplan_t *d, pg_t *pg, err_t *err)
{
    PGresult *mark = pg_query(pg, FINGERPRINT, NULL, err);
    bool same, done;

    if (!mark)
        return false;
    same = strcmp(PQgetvalue(mark, 0, 0), d->fingerprint) == 0;
    done = same || read_tables(d, pg, err);
    if (done && !same)
        (void)snprintf(d->fingerprint, sizeof(d->fingerprint), "%s", PQgetvalue(mark, 0, 0));
    PQclear(mark);
    return done;
}

/* ---- the first page ---- */

void dialplan_note_tried(dialplan_t *d)
{
    pthread_mutex_lock(&d->lock);
    d->tried = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

void dialplan_wait(dialplan_t *d, int64_t timeout_us)
{
    int64_t end_us = clock_mono_us() + timeout_us;
    const struct timespec end = {.tv_sec = end_us / US_PER_S, .tv_nsec = end_us % US_PER_S * 1000};

    pthread_mutex_lock(&d->lock);
    while (!d->tried && pthread_cond_timedwait(&d->changed, &d->lock, &end) == 0)
        ;
    pthread_mutex_unlock(&d->lock);
}

/* ---- new and free ---- */

int64_t dialplan_every_us(const dialplan_t *d)
{
    return d->every_us;
}

dialplan_t *dialplan_new(int64_t every_us)
{
    dialplan_t *d = mem_zalloc(sizeof(*d));
    pthread_condattr_t attributes;

    d->every_us = every_us;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    d->newest = page_new();
    d->numbers_gauge = metrics_series(METRIC_DIALPLAN, "");
    return d;
}

void dialplan_free(dialplan_t *d)
{
    if (!d)
        return;
    dialplan_release(d->newest);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
