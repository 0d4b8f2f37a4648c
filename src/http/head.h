/* head.h – a second, stricter look at the head of a request (request line and header fields), over its raw bytes.
 *
 * h2o's parser takes what RFC 9112 calls ambiguous: of two Content-Lengths the first, with Transfer-Encoding the other,
 * a bare LF for a line end. A proxy in front that decides otherwise would let a second request hide in a first one's
 * body. What is let through here has exactly one reading. Pure functions: no h2o, no memory. Any thread. */
#ifndef HOOKLINE_HTTP_HEAD_H
#define HOOKLINE_HTTP_HEAD_H

#include "base/err.h"

typedef struct head {
    size_t len;   /* bytes, with a leading empty line and the empty line at the end */
    int minor;    /* of HTTP/1.x: 0 or 1 */
    bool chunked; /* Transfer-Encoding: chunked */
    bool has_length;
    uint64_t length; /* Content-Length, where has_length */
    str_t host;      /* the Host field's value; absent on HTTP/1.0 without one */
} head_t;

/* bytes: from the first byte of the request; what follows the head is not looked at. Names may be in either case.
 * False: ERR_SMUGGLING where the body's end is ambiguous, ERR_MALFORMED for all else, and the detail says what it was,
 * without quoting it. */
bool head_read(str_t bytes, head_t *out, err_t *err);

/* Whether a body is what the head promised. h2o has decoded a chunked one in place, and its decoder reads a chunk size
 * as "0x10" as 0: that body came out empty, or what was meant as its rest stands behind it. body: as decoded.
 * behind: bytes in the buffer after it. */
bool head_fits_body(const head_t *head, size_t body, size_t behind, err_t *err);

#endif
