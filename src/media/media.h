/* media.h – media streams and bridges: what they share, and what each event loop has of them.
 *
 * media_t is made before the loops and freed after them; a media_port_t is one loop's, and is made, used and freed on
 * its thread. Which calls an agent answers is in the dial plan; without a key of a provider of speech, none. */
#ifndef HOOKLINE_MEDIA_MEDIA_H
#define HOOKLINE_MEDIA_MEDIA_H

#include "config/config.h"
#include "media/bridge.h"
#include "store/dialplan.h"

struct st_h2o_evloop_t;
struct st_h2o_multithread_queue_t;
typedef struct media media_t;
typedef struct media_port media_port_t;

/* config is not kept; plan must outlive it. */
media_t *media_new(const config_t *config, dialplan_t *plan);
/* The key of the provider of speech, for calls that begin from now on. Any thread, one at a time. */
void media_reload(media_t *m, const config_t *config);
bool media_bridges(const media_t *m); /* there is a key: somebody can speak with a caller. Any thread */
void media_free(media_t *m);          /* when no port is there any more; NULL is fine */

media_port_t *media_port_new(media_t *m, struct st_h2o_evloop_t *loop, struct st_h2o_multithread_queue_t *queue);
void media_port_sweep(media_port_t *port, int64_t mono_us); /* several times a second */
size_t media_port_pending(const media_port_t *port);        /* what is not over when all streams are closed */
void media_port_end(media_port_t *port);                    /* the process stops: bridges end now */
void media_port_free(media_port_t *port);                   /* NULL is fine */

/* For stream.c. */
const websocket_limits_t *media_limits(const media_port_t *port);
bool media_wants_bridge(const cJSON *parameters); /* of a <Stream>: they ask for an agent */
/* An agent for a call, as its <Stream>'s parameters ask for one; NULL: none is wanted, or there is no key. */
bridge_t *media_bridge(media_port_t *port, const cJSON *parameters, const teller_t *teller, const bridge_phone_t *phone,
                       void *ctx);

#endif
