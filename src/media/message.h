/* message.h – one message of Twilio's media stream: read, or written.
 *
 * Source: twilio.com/docs/voice/media-streams/websocket-messages, read 2026-11-21. Numbers are written as strings
 * there, and are taken either way. Fifty messages a second and stream are media, all of one shape, and with an agent
 * as many marks: those are read by hand, without a tree and without memory; whatever differs from that shape in a byte
 * goes through cJSON and means the same. Pure functions; any thread. */
#ifndef HOOKLINE_MEDIA_MESSAGE_H
#define HOOKLINE_MEDIA_MESSAGE_H

#include "base/json.h"

typedef enum {
    MESSAGE_OTHER, /* an event that we do not know, or none */
    MESSAGE_CONNECTED,
    MESSAGE_START,
    MESSAGE_MEDIA,
    MESSAGE_DTMF,
    MESSAGE_MARK,
    MESSAGE_STOP,
} message_kind_t;

#define MESSAGE_NO_NUMBER (-1)

/* Borrowed from the text, or from the arena. What a kind does not have, or has in no form that can be read, is absent.
 */
typedef struct message {
    message_kind_t kind;
    int64_t sequence;  /* or MESSAGE_NO_NUMBER */
    str_t stream_sid;  /* of start: that inside start, where there is one */
    str_t track;       /* of media and dtmf, as it came: "inbound", "inbound_track" … */
    int64_t timestamp; /* of media: ms since the stream's begin; or MESSAGE_NO_NUMBER */
    str_t payload;     /* of media: base64 */
    size_t bytes;      /* of media: what it decodes to; SIZE_MAX when it is no base64 */
    str_t digit;       /* of dtmf */
    str_t mark;        /* of mark: its name */
    const cJSON *start;
} message_t;

/* A media or mark message in the very shape that Twilio writes. False: it may be anything, out is not to be used. */
bool message_scan(str_t text, message_t *out);
/* Any message. False: ERR_UNPARSABLE, it is no JSON, or no object. */
bool message_parse(arena_t *a, str_t text, message_t *out, err_t *err);

/* How many bytes this base64 decodes to; SIZE_MAX when it is none (RFC 4648 section 4, padding included). */
size_t message_decoded(str_t base64);

/* Append one message each, to be played, to come back when all before it was played, and to play nothing of it. sid and
 * base64 have no character that JSON escapes. */
void message_write_media(buf_t *out, str_t sid, str_t base64);
void message_write_mark(buf_t *out, str_t sid, str_t name);
void message_write_clear(buf_t *out, str_t sid);

#endif
