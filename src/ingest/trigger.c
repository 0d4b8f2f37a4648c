#include "ingest/trigger.h"

#include "base/mem.h"

#include <assert.h>

#define BIT(index) ((trigger_set_t)1 << (index))

static size_t index_of(str_t name)
{
    size_t i = 0;

    while (i < PROVIDER_COUNT && !str_eq(name, str_from(PROVIDERS[i]->name)))
        i++;
    return i;
}

trigger_set_t *triggers_new(void)
{
    trigger_set_t *may = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(*may)); /* the last: of none */

    assert(PROVIDER_COUNT <= 64);
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        const remote_t *remote = PROVIDERS[i]->remote;

        for (size_t t = 0; remote && t < remote->n_triggers; t++)
            may[index_of(str_from(remote->triggers[t].provider))] |= BIT(i);
    }
    return may;
}

static bool is_pulled(const remote_trigger_t *t, const delivery_t *d)
{
    return str_eq(d->event_type, str_from(t->event_type)) && str_eq(str_from(d->provider), str_from(t->provider)) &&
           (!t->path || str_eq(json_str(d->root, t->path), str_from(t->text)));
}

static bool is_news(const remote_t *remote, const delivery_t *d)
{
    for (size_t t = 0; t < remote->n_triggers; t++)
        if (is_pulled(&remote->triggers[t], d))
            return true;
    return false;
}

trigger_set_t triggers_of(trigger_set_t may, const delivery_t *d)
{
    trigger_set_t set = 0;

    if (!may || d->way != WAY_WEBHOOK || d->error.base)
        return 0;
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (may & BIT(i) && is_news(PROVIDERS[i]->remote, d))
            set |= BIT(i);
    return set;
}
