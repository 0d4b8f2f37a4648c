/* segment.h – a segment file that is being written. For one thread; blocks on the disk. */
#ifndef HOOKLINE_JOURNAL_SEGMENT_H
#define HOOKLINE_JOURNAL_SEGMENT_H

#include "journal/record.h"

typedef struct segment {
    int fd;
    uint64_t number;
    uint64_t salt;
    uint64_t next_sequence;
    uint64_t bytes; /* of the file: all of them durable */
    uint64_t records;
} segment_t;

/* Makes the file and writes its header; when it returns true both the file and its name are durable. ERR_IO else, and
 * nothing is left of it. */
bool segment_create(segment_t *s, int folder_fd, uint64_t number, uint64_t first_sequence, err_t *err);

/* Seals the records (whole ones, by record_write, one behind the other; count of them), writes them and syncs. When it
 * returns true they are durable. When it returns false (ERR_IO) none of them may be taken for that, and the segment
 * must be closed: after a sync that failed the kernel may have dropped what it held, and would not say so again. */
bool segment_append(segment_t *s, uint8_t *records, size_t len, uint64_t count, err_t *err);

/* Nothing more will be written. Cuts off what was not durable, as far as the disk lets it; a segment without records is
 * removed. */
void segment_close(segment_t *s, int folder_fd);

#define SEGMENT_NAME_BYTES 32
void segment_name(uint64_t number, bool aside, char out[SEGMENT_NAME_BYTES]);

#endif
