/* tell.h – what the media say of a call: deliveries of way media.
 *
 * They are JSON in the words of <Stream>'s status callback; what becomes of them is in webhooks/twilio/stream.c and
 * spoken.c. A teller is copied by whoever tells of the call, and may outlive its stream. One loop's. */
#ifndef HOOKLINE_MEDIA_TELL_H
#define HOOKLINE_MEDIA_TELL_H

#include "base/json.h"
#include "base/stream_token.h"
#include "ingest/ingest.h"

#define TELL_ID_BYTES STREAM_TOKEN_CALL_BYTES

typedef struct teller {
    ingest_port_t *port; /* of the loop; these three outlive every call */
    const provider_t *provider;
    const hook_route_t *route;
    char sid[TELL_ID_BYTES + 1], call_sid[TELL_ID_BYTES + 1], account_sid[TELL_ID_BYTES + 1]; /* letters and digits */
    char request_id[TELL_ID_BYTES + 1]; /* of the upgrade, for the log */
} teller_t;

/* {"StreamEvent":event, and whose: to be followed by what it is about, and by tell_end, which gives it to ingest and
 * clears the buffer. */
void tell_begin(const teller_t *t, buf_t *out, const char *event);
void tell_text(buf_t *out, const char *name, str_t text); /* absent text is left out */
void tell_number(buf_t *out, const char *name, int64_t n);
void tell_time(buf_t *out, const char *name, int64_t wall_us); /* TIME_NONE is left out */
void tell_json(buf_t *out, const char *name, str_t json);      /* absent is left out */
void tell_end(const teller_t *t, buf_t *out);

#endif
