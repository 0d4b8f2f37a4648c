/* record.h – what a segment file holds, byte by byte. Any thread.
 *
 * A segment is a header and then records, each at an offset that 8 divides. Numbers are little-endian.
 *
 *   header   0  8  magic "HOOKLINJ"
 *            8  4  version of this layout: 1
 *           12  4  CRC32C of the other 44 bytes
 *           16  8  number of the segment
 *           24  8  sequence number of its first record
 *           32  8  when it was made, wall clock, microseconds since 1970
 *           40  8  salt: random; every record's CRC begins with it
 *
 *   record   0  4  magic 0x52434b48 ("HKCR")
 *            4  4  length of the body, in bytes
 *            8  8  sequence number: one more than that of the record before, across segments
 *           16  4  CRC32C of the salt, bytes 0 to 16, bytes 20 to 24, and the body
 *           20  2  version of the body: 1
 *           22  2  CRC32C of the salt, bytes 0 to 16 and 20 to 22: its low half. So that a length is believed
 *           24     the body; then zeros up to the next multiple of 8
 *
 *   body     0  1  way (way_t)
 *            1  8  received, wall clock, microseconds since 1970
 *            9     provider, route, payload, raw, error: each a length of 4 bytes (0xffffffff: absent) and its bytes
 *
 * The salt is why bytes of a delivery can never pass for a record: who sends them does not know it. So a reader that
 * has met damage may look for the next record by its magic. */
#ifndef HOOKLINE_JOURNAL_RECORD_H
#define HOOKLINE_JOURNAL_RECORD_H

#include "base/err.h"
#include "base/mem.h"

#define SEGMENT_HEADER_BYTES ((size_t)48)
#define SEGMENT_VERSION      1
#define RECORD_HEADER_BYTES  ((size_t)24)
#define RECORD_VERSION       1
#define RECORD_ALIGNMENT     ((size_t)8)

typedef struct segment_header {
    uint64_t number;
    uint64_t first_sequence;
    int64_t created_us;
    uint64_t salt;
} segment_header_t;

/* A delivery as it came: all that understanding it anew needs. */
typedef struct journal_entry {
    str_t provider; /* its name as stored */
    str_t route;
    int way; /* way_t */
    int64_t received_us;
    str_t payload; /* JSON, redacted; absent where the body was unparsable */
    str_t raw;     /* then this is the body */
    str_t error;   /* and why it was */
} journal_entry_t;

typedef struct record {
    uint64_t sequence;
    size_t bytes;          /* with header and padding */
    int version;           /* RECORD_VERSION, or what this program cannot read: then entry is empty */
    journal_entry_t entry; /* points into the bytes that were read */
} record_t;

void segment_header_write(const segment_header_t *h, uint8_t out[SEGMENT_HEADER_BYTES]);
/* ERR_UNPARSABLE: not a header of ours, or of another version; the detail says which. */
bool segment_header_read(const uint8_t in[SEGMENT_HEADER_BYTES], segment_header_t *out, err_t *err);

size_t record_bytes(const journal_entry_t *e);                       /* what record_write will add */
void record_write(buf_t *out, const journal_entry_t *e);             /* without what only the segment knows */
void record_seal(uint8_t *record, uint64_t salt, uint64_t sequence); /* adds that, and the CRC; record: whole */

/* How long the record is that begins here, by its own word: 0 when no record does. available may be less. */
size_t record_length(const uint8_t *at, size_t available);
/* Whether that may be the beginning of a record that was cut off: it is longer than available, and the lengths of its
 * texts, as far as they are there, agree with its own. Zeros at the end count as not written. */
bool record_is_cut_off(const uint8_t *at, size_t available);
/* Whether the first RECORD_HEADER_BYTES are those of a record. Asked before its length is believed: who looks for
 * records in bytes that a stranger sent would have to check each that claims to be a long one, to its end. */
bool record_begins(const uint8_t *at, uint64_t salt);
/* Whether a whole and sound record begins here. A body that is not as its version says is unsound too. */
bool record_read(const uint8_t *at, size_t available, uint64_t salt, record_t *out);

#endif
