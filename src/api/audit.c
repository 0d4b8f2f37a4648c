#include "api/audit.h"

#include "api/auditor.h"
#include "api/router.h"

#include <inttypes.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MOST    1000
#define AGAIN_S       10 /* until it is worth asking again */

/* ---- what is asked for ---- */

static bool add_provider(api_call_t *c, str_t name, uint64_t *bits)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote && PROVIDERS[i] == provider_find(name)) {
            *bits |= UINT64_C(1) << i;
            return true;
        }
    return call_refuse(c, ERR_INVALID, "provider: there is none of the name \"%.40s\" with an API to compare with",
                       arena_dup(c->arena, name).base);
}

static uint64_t all_providers(void)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (PROVIDERS[i]->remote)
            bits |= UINT64_C(1) << i;
    return bits;
}

static bool read_providers(api_call_t *c, uint64_t *bits)
{
    const char *text = call_text(c, "provider");
    str_t rest = str_from(text), name;

    *bits = text ? 0 : all_providers();
    while (text && str_split(&rest, ',', &name))
        if (!add_provider(c, str_trim(name), bits))
            return false;
    return true;
}

static bool read_wish(api_call_t *c, auditor_wish_t *w)
{
    const char *since;
    int64_t limit = LIMIT_DEFAULT;

    *w = (auditor_wish_t){.id = 0};
    if (!read_providers(c, &w->providers) || !call_time(c, "since", &since, &w->since_us) ||
        !call_int(c, "limit", 1, LIMIT_MOST, &limit) || !call_int(c, "id", 1, INT64_MAX, &w->id))
        return false;
    w->limit = (size_t)limit;
    return w->since_us <= clock_wall_us() || call_refuse(c, ERR_INVALID, "since: expected a time before now");
}

/* ---- the answer ---- */

static void add_names(buf_t *out, uint64_t bits, const char *before, const char *between, const char *after)
{
    size_t said = 0;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (bits >> i & 1)
            buf_printf(out, "%s%s%s", said++ ? between : before, PROVIDERS[i]->name, after);
}

/* It asks for the same again, of whichever instance: one that does not know the id makes it anew. */
static void write_location(api_call_t *c, const auditor_task_t *t)
{
    buf_t out = BUF_EMPTY;
    char since[32];

    (void)time_to_iso8601(t->wish.since_us, since);
    buf_printf(&out, "/api/audit?id=%" PRId64 "&since=%s&limit=%zu", t->wish.id, since, t->wish.limit);
    add_names(&out, t->wish.providers, "&provider=", ",", "");
    c->location = arena_dup(c->arena, buf_str(&out));
    buf_clear(&out);
}

static void write_body(api_call_t *c, const auditor_task_t *t)
{
    buf_t out = BUF_EMPTY;
    char since[32], began[32];

    (void)time_to_iso8601(t->wish.since_us, since);
    (void)time_to_iso8601(t->began_us, began);
    buf_printf(&out,
               "{\"status\": \"running\", \"id\": %" PRId64 ", \"started_at\": \"%s\", \"since\": \"%s\","
               " \"providers\": [",
               t->wish.id, began, since);
    add_names(&out, t->wish.providers, "\"", ", \"", "\"");
    buf_add(&out, STR("]}"));
    c->body = arena_dup(c->arena, buf_str(&out));
    buf_clear(&out);
}

static void say_it_is_made(api_call_t *c, const auditor_task_t *t)
{
    c->status = 202;
    c->retry_after_s = AGAIN_S;
    write_location(c, t);
    write_body(c, t);
}

static bool has_ended(api_call_t *c, api_db_t *db)
{
    (void)db;
    switch (auditor_look(c->auditor, c->again_id, c->arena, &c->body, &c->err)) {
    case AUDITOR_RUNS:
        c->err.code = ERR_NOT_FOUND;
        return false;
    case AUDITOR_FOUND:
        c->status = 200;
        c->location = STR_NONE;
        c->retry_after_s = 0;
        break;
    case AUDITOR_FAILED:
    case AUDITOR_GONE: /* its Location asks for it anew */
        break;
    }
    return true;
}

bool audit_get(api_call_t *c, api_db_t *db)
{
    auditor_wish_t wish;
    auditor_task_t task;
    bool waits = c->method->waits;

    if (!read_wish(c, &wish) || !call_flag(c, "wait", &waits))
        return false;
    if (!auditor_ask(c->auditor, &wish, &task, &c->err)) {
        c->retry_after_s = AGAIN_S;
        return false;
    }
    say_it_is_made(c, &task);
    c->again_id = task.wish.id;
    if (has_ended(c, db))
        return c->err.code == ERR_NONE;
    c->err.code = ERR_NONE;
    c->again = waits ? has_ended : NULL;
    c->again_alone = true;
    c->again_until_us = clock_mono_us() + CALL_WAIT_US;
    return true;
}
