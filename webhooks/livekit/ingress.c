/* ingress.c – a stream that is fed into a room.
 *
 * Source: docs.livekit.io/home/ingress/overview, github.com/livekit/protocol protobufs/livekit_ingress.proto, read
 * 2026-11-21. The event names its room by name; state.roomId is the sid, though it may be that of the room before. An
 * ingress is a source of media, not somebody on the call: it is an event of the call where the sid is told, and no
 * fact comes of it. (Its participant, of the kind INGRESS, makes no stay either.) By the name alone no call is looked
 * for: which of that name is meant would depend on what came before. */
#include "livekit/livekit.h"

static const livekit_enum_t STATES = LIVEKIT_ENUM("ENDPOINT_INACTIVE", "ENDPOINT_BUFFERING", "ENDPOINT_PUBLISHING",
                                                  "ENDPOINT_ERROR", "ENDPOINT_COMPLETE");

void livekit_ingress(livekit_event_t *e)
{
    e->d->status = livekit_enum_name(json_at(e->root, "ingressInfo.state"), "status", &STATES);
}
