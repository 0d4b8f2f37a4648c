#include "reconcile/keys.h"

#include <string.h>

void keys_name(const provider_t *p, buf_t *out)
{
    size_t said = 0;

    for (size_t i = 0; i < p->n_settings; i++)
        if (p->settings[i].secret && !strstr(p->settings[i].name, "WEBHOOK"))
            buf_printf(out, "%s%s", said++ ? ", " : "", p->settings[i].name);
    if (!said)
        buf_add(out, STR("its key"));
}
