#include "net/lookup.h"

#include "base/mem.h"

#include <h2o.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST    1000 /* under way at once, of one loop */
#define THREADS 8    /* of all loops: a name server that is slow to one should not be so to all */

struct lookups {
    h2o_multithread_receiver_t receiver;
    h2o_multithread_queue_t *queue;
    size_t asked;
    bool freed;
    lookups_t *next_retired;
};

struct lookup {
    lookups_t *all;
    lookup_done_fn *done; /* NULL: forgotten */
    void *ctx;
};

static void set_threads(void)
{
    h2o_hostinfo_max_threads = THREADS;
}

lookups_t *lookups_new(h2o_multithread_queue_t *queue)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    lookups_t *all = mem_zalloc(sizeof(*all));

    (void)pthread_once(&once, set_threads);
    all->queue = queue;
    h2o_multithread_register_receiver(queue, &all->receiver, h2o_hostinfo_getaddr_receiver);
    return all;
}

/* The memory is kept, and stays reachable here: the thread that has sent the last answer may still be looking at the
 * receiver, to ring the queue. There is one for each loop. */
static lookups_t *retired;

static void retire(lookups_t *all)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    h2o_multithread_unregister_receiver(all->queue, &all->receiver);
    pthread_mutex_lock(&lock);
    all->next_retired = retired;
    retired = all;
    pthread_mutex_unlock(&lock);
}

void lookups_free(lookups_t *all)
{
    if (!all)
        return;
    all->freed = true;
    if (!all->asked)
        retire(all);
}

static void on_answer(h2o_hostinfo_getaddr_req_t *req, const char *why, struct addrinfo *found, void *ctx)
{
    lookup_t *one = ctx;
    lookups_t *all = one->all;

    (void)req;
    all->asked--;
    if (one->done && !all->freed)
        one->done(one->ctx, found, why);
    free(one);
    if (all->freed && !all->asked)
        retire(all);
}

lookup_t *lookup_start(lookups_t *all, str_t name, uint16_t port, lookup_done_fn *done, void *ctx)
{
    char service[sizeof("65535")];
    lookup_t *one;

    if (all->asked >= MOST)
        return NULL;
    one = mem_alloc(sizeof(*one));
    *one = (lookup_t){.all = all, .done = done, .ctx = ctx};
    all->asked++;
    (void)h2o_hostinfo_getaddr(&all->receiver, h2o_iovec_init(name.base, name.len),
                               h2o_iovec_init(service, (size_t)snprintf(service, sizeof(service), "%u", port)),
                               AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP, AI_ADDRCONFIG | AI_NUMERICSERV, on_answer, one);
    return one;
}

void lookup_forget(lookup_t *one)
{
    if (one)
        one->done = NULL;
}
