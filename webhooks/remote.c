#include "remote.h"

str_t remote_field(const remote_response_t *r, const char *lower_case_name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (str_eq(r->fields[i].name, str_from(lower_case_name)))
            return r->fields[i].value;
    return STR_NONE;
}

remote_step_t remote_step(const char *what, str_t id)
{
    return (remote_step_t){.what = what, .from_us = TIME_NONE, .to_us = TIME_NONE, .id = id};
}

void remote_page_init(remote_page_t *p, arena_t *a)
{
    *p = (remote_page_t){.arena = a};
    p->finds_tail = &p->finds;
    p->follows_tail = &p->follows;
    p->skips_tail = &p->skips;
}

remote_find_t *remote_found(remote_page_t *p, const char *route, str_t payload, str_t id, int64_t at_us)
{
    remote_find_t *f = arena_zalloc(p->arena, sizeof(*f));

    *f = (remote_find_t){.route = route, .payload = payload, .id = id, .at_us = at_us};
    *p->finds_tail = f;
    p->finds_tail = &f->next;
    return f;
}

static str_t keep(remote_page_t *p, str_t text)
{
    return text.base ? arena_dup(p->arena, text) : STR_NONE;
}

void remote_then(remote_page_t *p, const remote_step_t *step, str_t change_mark)
{
    remote_follow_t *f = arena_zalloc(p->arena, sizeof(*f));

    f->step = *step;
    f->step.id = keep(p, step->id);
    f->step.cursor = keep(p, step->cursor);
    f->change_mark = keep(p, change_mark);
    *p->follows_tail = f;
    p->follows_tail = &f->next;
}

void remote_skipped(remote_page_t *p, const char *reason, str_t id)
{
    remote_skip_t *s = arena_zalloc(p->arena, sizeof(*s));

    *s = (remote_skip_t){.reason = reason, .id = keep(p, id)};
    *p->skips_tail = s;
    p->skips_tail = &s->next;
}

void remote_rows(remote_page_t *p, str_t first_id, str_t last_id)
{
    const str_t parts[] = {first_id, STR("\n"), last_id};

    if (!str_is_empty(first_id) && !str_is_empty(last_id))
        p->rows = arena_concat(p->arena, parts, COUNT(parts));
}

bool remote_finds(const remote_page_t *p, str_t id)
{
    for (const remote_find_t *f = p->finds; f; f = f->next)
        if (str_eq(f->id, id))
            return true;
    return false;
}

void remote_lacks(remote_page_t *p, str_t why)
{
    p->lacks = arena_dup(p->arena, why);
}
