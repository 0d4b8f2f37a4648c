/* api.c – objects of LiveKit's server API as the events that would have told of the same.
 *
 * Source: docs.livekit.io/reference/other/roomservice-api, github.com/livekit/protocol protobufs/livekit_room.proto and
 * livekit_egress.proto, read 2026-11-21. A room that is there has begun, who is active in it has joined, an egress that
 * is listed has started, or ended: each is named as its event, so what happened once is one event. None of these
 * objects has a time of its own: what is said of a living room is as old as the room, of a participant as its joining,
 * so that the events that come later are newer. */
#include "livekit/livekit.h"

#include <stdlib.h>
#include <string.h>

static str_t text_of(delivery_t *d, const cJSON *node)
{
    return node ? json_print(d->arena, livekit_as_event(d->arena, node)) : STR("{}");
}

static bool make_event(delivery_t *d, const char *event, str_t parts, err_t *err)
{
    d->root =
        json_parse(d->arena, arena_printf(d->arena, "{\"event\":\"%s\"," STR_FMT "}", event, STR_ARG(parts)), err);
    return d->root != NULL;
}

static bool room_object(delivery_t *d, err_t *err)
{
    if (!make_event(d, "room_started", arena_printf(d->arena, "\"room\":" STR_FMT, STR_ARG(text_of(d, d->root))), err))
        return false;
    d->occurred_us = json_time_ms(d->root, "room.creationTimeMs");
    if (d->occurred_us == TIME_NONE)
        d->occurred_us = json_time_s(d->root, "room.creationTime");
    return true;
}

/* The object does not name its room: remote.c puts that beside it. */
static bool participant_object(delivery_t *d, err_t *err)
{
    str_t room = text_of(d, json_at(d->root, "room")), participant = text_of(d, json_at(d->root, "participant"));

    if (!make_event(d, "participant_joined",
                    arena_printf(d->arena, "\"room\":" STR_FMT ",\"participant\":" STR_FMT, STR_ARG(room),
                                 STR_ARG(participant)),
                    err))
        return false;
    d->occurred_us = json_time_ms(d->root, "participant.joinedAtMs");
    if (d->occurred_us == TIME_NONE)
        d->occurred_us = json_time_s(d->root, "participant.joinedAt");
    return true;
}

static bool egress_object(delivery_t *d, err_t *err)
{
    bool is_over = livekit_egress_is_over(d->root);

    if (str_is_empty(json_str(d->root, "egress_id")) && str_is_empty(json_str(d->root, "egressId")))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at egress_id, as in every egress");
    if (!make_event(d, is_over ? "egress_ended" : "egress_started",
                    arena_printf(d->arena, "\"egressInfo\":" STR_FMT, STR_ARG(text_of(d, d->root))), err))
        return false;
    d->occurred_us = livekit_time_of_ns(d->root, is_over ? "egressInfo.endedAt" : "egressInfo.startedAt");
    if (d->occurred_us == TIME_NONE)
        d->occurred_us = livekit_time_of_ns(d->root, "egressInfo.updatedAt");
    return true;
}

static const struct {
    const char *route;
    bool (*make)(delivery_t *d, err_t *err);
} OBJECTS[] = {
    {LIVEKIT_ROUTE_API_ROOM, room_object},
    {LIVEKIT_ROUTE_API_PARTICIPANT, participant_object},
    {LIVEKIT_ROUTE_API_EGRESS, egress_object},
};

static size_t object_of(const delivery_t *d)
{
    size_t i = 0;

    while (i < COUNT(OBJECTS) && strcmp(d->route, OBJECTS[i].route) != 0)
        i++;
    return i;
}

bool livekit_is_object(const delivery_t *d)
{
    return object_of(d) < COUNT(OBJECTS);
}

bool livekit_object_event(delivery_t *d, err_t *err)
{
    if (!cJSON_IsObject(d->root))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected an object of LiveKit's API");
    return OBJECTS[object_of(d)].make(d, err);
}
