/* transcript.h – a transcript that comes whole: its lines are one set, taken as such or not at all. */
#ifndef HOOKLINE_WEBHOOKS_TRANSCRIPT_H
#define HOOKLINE_WEBHOOKS_TRANSCRIPT_H

#include "event/delivery.h"

typedef struct line {
    str_t role; /* user or assistant; absent: not a line of the conversation */
    str_t text;
    int64_t spoken_us, ended_us; /* TIME_NONE: not known */
    str_t metadata;              /* JSON; absent for none */
} line_t;

/* ctx: whatever the lines' reader needs beside the line. */
typedef line_t (*line_read_fn)(const cJSON *node, const void *ctx);

/* Of two lists of one call the longer is the better one. A list that is a report (RANK_REPORT), whoever brings it and
 * whether or not it is signed, is better than what was heard live; one of a call that goes on (RANK_EVENT) is better
 * than lines that came one by one, since it holds what a lost one would have told. */
typedef struct transcript {
    rank_t rank;
    const cJSON *list; /* an array; anything else is an empty set, which says nothing */
    line_read_fn read;
    const void *ctx;
    str_t source; /* e.g. "report": messages are keyed source:position */
} transcript_t;

/* Adds the messages of the call to d's facts, and to `call` that this is what to show. Positions count lines only: so a
 * set that wins, being longer, leaves no line of another standing behind its end. */
void transcript_facts(const transcript_t *t, delivery_t *d, fact_t *call);

#endif
