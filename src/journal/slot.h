/* slot.h – one process's folder within HOOKLINE_DATA_DIR/journal: who holds it, and which segments are in it.
 *
 * A slot is a folder named by a number, with a file `lock`. Who holds that file's lock (flock) owns the slot; the
 * kernel lets go of it when the process ends, however it ends. So what a process left behind is taken over by whoever
 * locks its slot next. Lock files are never removed: somebody may be about to lock them. For one thread a slot. */
#ifndef HOOKLINE_JOURNAL_SLOT_H
#define HOOKLINE_JOURNAL_SLOT_H

#include "base/err.h"
#include "base/mem.h"

typedef struct slot {
    unsigned number;
    char *folder;
    int folder_fd;
    int lock_fd;
} slot_t;

/* The first slot that nobody holds; the folders are made where they are missing, and are durable then. ERR_IO. */
bool slot_claim(slot_t *s, const char *data_folder, err_t *err);
/* Just this one. False: somebody holds it (ERR_BUSY), there is none (ERR_NOT_FOUND), or ERR_IO. */
bool slot_adopt(slot_t *s, const char *data_folder, unsigned number, err_t *err);
void slot_release(slot_t *s);

/* The numbers of the slots that are there, ascending. out is malloc'ed. False with ERR_IO: not readable; none is fine.
 */
bool slot_list(const char *data_folder, unsigned **out, size_t *count, err_t *err);
char *slot_folder(const char *data_folder, unsigned number); /* malloc'ed */

typedef struct segment_file {
    uint64_t number;
    uint64_t bytes;
    bool aside; /* set aside: something in it could not be read or stored */
} segment_file_t;

/* The segments of a slot's folder, ascending. out is malloc'ed. */
bool slot_segments(const char *folder, segment_file_t **out, size_t *count, err_t *err);
char *slot_segment_path(const char *folder, const segment_file_t *f); /* malloc'ed */

#endif
