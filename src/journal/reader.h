/* reader.h – reads a segment, past whatever damage it has. It changes nothing. For one thread; blocks on the disk. */
#ifndef HOOKLINE_JOURNAL_READER_H
#define HOOKLINE_JOURNAL_READER_H

#include "journal/record.h"

typedef struct reader reader_t;

typedef enum { READ_RECORD, READ_DAMAGE, READ_END } read_t;

/* Bytes that are no sound record, from one offset to before another. */
typedef struct damage {
    uint64_t from, to;
    bool torn;        /* what a write leaves that was cut off: it stands at the end, and was never acknowledged */
    uint64_t missing; /* records whose sequence numbers are missing here; 0 at the end: not known */
    const char *why;  /* a literal */
} damage_t;

/* Reads what the file holds at this moment. NULL: it cannot be read (ERR_IO), or is no segment that this program knows
 * (ERR_UNPARSABLE). A file that is too short for a header, or nothing but zeros, is one without records, and torn. */
reader_t *reader_open(const char *path, err_t *err);
void reader_close(reader_t *r); /* NULL is fine */

const segment_header_t *reader_header(const reader_t *r);
uint64_t reader_sequence(const reader_t *r); /* that the next record should have */
uint64_t reader_offset(const reader_t *r);   /* of what reader_next will look at */
void reader_seek(reader_t *r, uint64_t offset,
                 uint64_t sequence); /* to a record's begin; sequence: what it should be */

/* The next record (good until the next call), or the next damage. A record of a version that this program does not know
 * is damage; so is a gap in the sequence. */
read_t reader_next(reader_t *r, record_t *record, damage_t *damage);

/* A whole pass: how much is there. False: as reader_open. */
typedef struct segment_count {
    uint64_t records;
    uint64_t record_bytes;
    uint64_t first_sequence, next_sequence;
    uint64_t damages; /* but for a torn end */
    bool torn;
} segment_count_t;
bool reader_count(const char *path, segment_count_t *out, err_t *err);

#endif
