#include "reconcile/audit_result.h"

const char *const AUDIT_LIST_NAMES[AUDIT_LIST_COUNT] = {
    [AUDIT_ONLY_THERE] = "only_there",
    [AUDIT_ONLY_HERE] = "only_here",
    [AUDIT_DIFFERING] = "differing",
    [AUDIT_NOT_LISTABLE] = "not_listable",
};

bool audit_is_full(const audit_result_t *r)
{
    return r->max_bytes && arena_bytes(r->arena) >= r->max_bytes;
}

audit_entry_t *audit_list_add(audit_result_t *r, audit_list_t *list, str_t id)
{
    audit_entry_t *e;

    list->count++;
    if (list->kept >= r->max_entries || audit_is_full(r))
        return NULL;
    e = arena_zalloc(r->arena, sizeof(*e));
    e->id = arena_dup(r->arena, id);
    e->at_us = TIME_NONE;
    e->fields_tail = &e->fields;
    if (!list->tail)
        list->tail = &list->first;
    *list->tail = e;
    list->tail = &e->next;
    list->kept++;
    return e;
}

void audit_result_clear(audit_result_t *r)
{
    for (size_t i = 0; i < r->n_providers; i++)
        report_clear(&r->providers[i].report);
    arena_free(r->arena);
    *r = (audit_result_t){.arena = NULL};
}

/* ---- the verdict ---- */

bool audit_differs(const audit_result_t *r)
{
    uint64_t count = 0;

    for (size_t i = 0; i < r->n_providers; i++)
        for (int list = AUDIT_ONLY_THERE; list <= AUDIT_DIFFERING; list++)
            count += r->providers[i].lists[list].count;
    for (size_t i = 0; i < r->n_checks; i++)
        count += r->checks[i].list.count - r->checks[i].explained;
    return count > 0;
}

bool audit_is_complete(const audit_result_t *r)
{
    size_t asked = 0;

    for (size_t i = 0; i < r->n_providers; i++) {
        if (r->providers[i].asked == AUDIT_FAILED)
            return false;
        asked += r->providers[i].asked == AUDIT_ASKED;
    }
    return asked > 0;
}
