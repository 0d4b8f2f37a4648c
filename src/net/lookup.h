/* lookup.h – names to addresses, without blocking: threads of h2o's call getaddrinfo.
 *
 * What is answered comes to the loop's queue. A lookup cannot be stopped, but nobody has to wait for it. All calls come
 * from the loop's thread. */
#ifndef HOOKLINE_NET_LOOKUP_H
#define HOOKLINE_NET_LOOKUP_H

#include "base/str.h"

struct addrinfo;
struct st_h2o_multithread_queue_t;
typedef struct lookups lookups_t;
typedef struct lookup lookup_t;

lookups_t *lookups_new(struct st_h2o_multithread_queue_t *queue);
/* What is still asked for is forgotten; its answer comes to the queue all the same, which must live until then. */
void lookups_free(lookups_t *all);

/* found: TCP's addresses, with the port, good during the call; or NULL, and why is a literal that says why. Not called
 * from inside lookup_start. NULL: too many are under way. */
typedef void lookup_done_fn(void *ctx, const struct addrinfo *found, const char *why);
lookup_t *lookup_start(lookups_t *all, str_t name, uint16_t port, lookup_done_fn *done, void *ctx);
void lookup_forget(lookup_t *one); /* done is not called; NULL is fine */

#endif
