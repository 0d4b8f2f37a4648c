/* stream.h – Twilio's media streams: taken, counted, told of, and where an agent is to answer, bridged.
 *
 * One stream is one WebSocket that Twilio has opened for one call. Its begin, its end and the keys pressed in between
 * become deliveries (tell.h), and so events and facts like all others; its audio is counted, given to the call's bridge
 * if there is one, and never stored.
 *
 * A stream belongs to the loop that its WebSocket is on, and takes no lock; what is counted of all is atomic. Src/http
 * hands a WebSocket here once it is let in; whose it is was proven before. */
#ifndef HOOKLINE_MEDIA_STREAM_H
#define HOOKLINE_MEDIA_STREAM_H

#include "media/media.h"

/* Where a stream's deliveries go, and what its opener has proven. Copied; what it points to outlives the stream. */
typedef struct stream_origin {
    ingest_port_t *port;
    const provider_t *provider;
    const hook_route_t *route;
    hook_admission_t admission;
    str_t request_id; /* of the upgrade, for the log; good during the call */
} stream_origin_t;

/* On the loop's thread; takes the socket over: see websocket_serve. The stream frees itself at its end. */
websocket_t *stream_open(media_port_t *media, struct st_h2o_socket_t *sock, const stream_origin_t *origin);

#endif
