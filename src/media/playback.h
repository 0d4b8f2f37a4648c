/* playback.h – what the telephone has been given to play, and how much of it was heard.
 *
 * Twilio keeps what it is sent and plays it in real time; the model speaks several times faster. So a chunk that was
 * sent was not heard yet. Behind every chunk goes a mark, which comes back once that chunk was played, or at once when
 * the buffer is cleared (twilio.com/docs/voice/media-streams/websocket-messages, read 2026-11-21): a mark is named by a
 * generation, which a clear ends, so that the flood of marks that it brings says nothing.
 *
 * No socket, no clock of its own. One thread. */
#ifndef HOOKLINE_MEDIA_PLAYBACK_H
#define HOOKLINE_MEDIA_PLAYBACK_H

#include "base/str.h"

#define PLAYBACK_ID_BYTES   128 /* of an item's or a response's id, at most: a longer one is not played */
#define PLAYBACK_MARK_BYTES 48

typedef struct playback playback_t;
playback_t *playback_new(void);
void playback_free(playback_t *p); /* NULL is fine */

/* Audio of an item is about to be sent: bytes of µ-law, 8 a millisecond. mark: the name of the mark to send behind it.
 * False: it must not be sent, as it is nothing, the caller has spoken over that item or its response, or too much waits
 * already. */
bool playback_send(playback_t *p, str_t response, str_t item, int part, size_t bytes, int64_t now_us,
                   char mark[PLAYBACK_MARK_BYTES]);
void playback_marked(playback_t *p, str_t mark, int64_t now_us);
bool playback_is_silent(const playback_t *p); /* everything that was sent has been played */

/* The caller speaks while something is not played yet: it is to be cleared. Each item of which something was not heard
 * is told of, in their order; the generation ends, and nothing of these items or of `response` (absent: none is being
 * made) is sent any more. */
typedef struct playback_cut {
    str_t item;
    int part;
    int64_t heard_ms; /* rounded down to fifths of a second: half a word is none */
    int64_t sent_ms;
} playback_cut_t;
void playback_clear(playback_t *p, str_t response, int64_t now_us, void (*each)(void *ctx, const playback_cut_t *cut),
                    void *ctx);

#endif
