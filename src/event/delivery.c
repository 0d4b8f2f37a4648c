#include "event/delivery.h"

#include "base/crypto.h"

const char *way_name(way_t way)
{
    static const char *const NAMES[] = {
        [WAY_WEBHOOK] = "webhook",
        [WAY_MEDIA] = "media",
        [WAY_RECONCILE] = "reconcile",
        [WAY_REPLAY] = "replay",
    };

    return NAMES[way];
}

delivery_t *delivery_new(size_t arena_bytes)
{
    arena_t *arena = arena_new(arena_bytes + sizeof(delivery_t));
    delivery_t *d = arena_zalloc(arena, sizeof(*d));

    d->arena = arena;
    d->occurred_us = TIME_NONE;
    facts_init(&d->facts, arena);
    return d;
}

void delivery_free(delivery_t *d)
{
    if (d)
        arena_free(d->arena);
}

void delivery_send_home(delivery_t *list)
{
    while (list) {
        delivery_home_t *home = list->home;
        delivery_t *theirs = NULL, **their_tail = &theirs, *others = NULL, **other_tail = &others;

        for (delivery_t *d = list, *next; d; d = next) {
            delivery_t ***tail = d->home == home ? &their_tail : &other_tail;

            next = d->next;
            d->next = NULL;
            **tail = d;
            *tail = &d->next;
        }
        home->take_back(home, theirs);
        list = others;
    }
}

/* What an index over it could refuse; the payload still has it. */
static void drop_if_long(str_t *s)
{
    if (s->len > 255)
        *s = STR_NONE;
}

void delivery_bury(delivery_t *d, const char *why)
{
    uint8_t hash[32];
    char hex[32];

    facts_init(&d->facts, d->arena);
    drop_if_long(&d->call_id);
    drop_if_long(&d->call_sid);
    d->error = arena_dup(d->arena, str_from(why));
    if (!str_is_empty(d->event_key))
        return;
    sha256(d->payload.base ? d->payload : d->raw, hash);
    d->event_key = arena_printf(d->arena, "unknown:%.*s", (int)hex_encode(hash, 16, hex), hex);
    if (str_is_empty(d->event_type))
        d->event_type = STR("unknown");
}
