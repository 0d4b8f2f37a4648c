#include "ingest/desk.h"

static void take_back(delivery_home_t *home, delivery_t *list)
{
    desk_t *desk = (desk_t *)home;

    pthread_mutex_lock(&desk->lock);
    for (delivery_t *d = list, *next; d; d = next) {
        next = d->next;
        d->next = desk->back;
        desk->back = d;
        desk->out--;
    }
    if (!desk->out)
        pthread_cond_signal(&desk->all_back);
    pthread_mutex_unlock(&desk->lock);
}

void desk_init(desk_t *desk)
{
    *desk = (desk_t){.home.take_back = take_back};
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->all_back, NULL);
}

void desk_clear(desk_t *desk)
{
    pthread_cond_destroy(&desk->all_back);
    pthread_mutex_destroy(&desk->lock);
}

static void count_out(desk_t *desk, int by)
{
    pthread_mutex_lock(&desk->lock);
    desk->out += (size_t)by;
    pthread_mutex_unlock(&desk->lock);
}

/* It counts as out beforehand: it may be back before store_put returns. */
bool desk_put(desk_t *desk, store_t *store, delivery_t *d, err_t *err)
{
    d->home = &desk->home;
    count_out(desk, 1);
    if (store_put(store, LANE_BACKLOG, d, err))
        return true;
    count_out(desk, -1);
    return false;
}

delivery_t *desk_wait(desk_t *desk)
{
    delivery_t *back;

    pthread_mutex_lock(&desk->lock);
    while (desk->out)
        pthread_cond_wait(&desk->all_back, &desk->lock);
    back = desk->back;
    desk->back = NULL;
    pthread_mutex_unlock(&desk->lock);
    return back;
}
