/* trigger.h – of which providers' APIs a delivery says that they have news (remote_trigger_t). Any thread. */
#ifndef HOOKLINE_INGEST_TRIGGER_H
#define HOOKLINE_INGEST_TRIGGER_H

#include "provider.h"

typedef uint64_t trigger_set_t; /* of providers, by their index */

/* By provider: those that its webhooks may say it of. The caller frees it. */
trigger_set_t *triggers_new(void);
/* may: of the delivery's provider. While d->root is there. */
trigger_set_t triggers_of(trigger_set_t may, const delivery_t *d);

#endif
