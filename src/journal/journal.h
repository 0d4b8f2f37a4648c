/* journal.h – where deliveries go when PostgreSQL cannot take them: one process's segment files, and the thread that
 * writes them.
 *
 * What is put is written together with all that gathered meanwhile, synced once (fdatasync), and only then given back:
 * group commit. Reading it again is the backlog's (src/ingest/backlog.h). Files: record.h says what is in them, slot.h
 * where they are.
 *
 * A disk that fails is a state, not an end: what could not be made durable is given back as failed, that segment is
 * closed for good, and a new one is tried every second. Any thread may call; nothing here waits for the disk but
 * journal_open and journal_close. */
#ifndef HOOKLINE_JOURNAL_JOURNAL_H
#define HOOKLINE_JOURNAL_JOURNAL_H

#include "journal/record.h"

typedef struct journal journal_t;

/* Stands for one entry on its way to the disk. The caller's memory; it must stay until it is given back. */
typedef struct journal_ticket {
    struct journal_ticket *next;
    size_t held;       /* what its owner keeps in memory until then: set before journal_put, counted with the entry */
    err_code_t failed; /* ERR_NONE: durable */
} journal_ticket_t;

typedef struct journal_options {
    const char *data_folder;   /* HOOKLINE_DATA_DIR */
    int64_t max_bytes;         /* of this process's segments */
    int64_t max_pending_bytes; /* in memory, not durable yet; what their owners hold meanwhile included */
    /* From the journal's thread: a list by next. */
    void (*done)(void *ctx, journal_ticket_t *list);
    void *done_ctx;
} journal_options_t;

/* Claims a slot and makes a segment where it can; where it cannot, goes on trying. What an earlier process left in the
 * slot stays, for the backlog. */
journal_t *journal_open(const journal_options_t *options);

/* Copies the entry. On true, done is called later, once. ERR_JOURNAL: it cannot write; ERR_BUSY: no room. */
bool journal_put(journal_t *j, const journal_entry_t *entry, journal_ticket_t *ticket, err_t *err);

typedef struct journal_state {
    bool up; /* would take an entry now */
    char reason[400];
} journal_state_t;
void journal_state(journal_t *j, journal_state_t *out);

/* Writes what is pending, then ends the thread. Later puts are refused. */
void journal_close(journal_t *j);
void journal_free(journal_t *j); /* after it; NULL is fine */

/* ---- for the backlog ---- */

/* This process's slot; -1 while it has none. */
int journal_slot(journal_t *j);
const char *journal_folder(journal_t *j); /* of that slot */
/* Closes the segment that is being written, if it holds anything, and gives the number below which all are closed. */
uint64_t journal_seal(journal_t *j);
/* A closed segment of ours is gone from the journal: drained, or set aside. */
void journal_forget(journal_t *j, uint64_t bytes);

#endif
