/* conversation.h – who said what, in which order: the ledger of one call that an agent answers.
 *
 * It is given all that a provider of speech tells (realtime.h), over one session or several, and tells of each
 * utterance once its words are there. The order is that in which turns took their place in the conversation, not that
 * in which their words came: what a caller said is written down beside the talk, and may be late by a turn or two. What
 * is told again of an utterance repeats and completes what was told before, with a greater revision.
 *
 * No socket, no clock of its own. One thread. */
#ifndef HOOKLINE_MEDIA_CONVERSATION_H
#define HOOKLINE_MEDIA_CONVERSATION_H

#include "media/playback.h"
#include "media/realtime.h"

/* Good during the call. What is not known is absent, TIME_NONE, or 0. */
typedef struct utterance {
    const char *state; /* final: all of its words; partial: those that came before it was cut off; failed: nobody could
                          write it down; interrupted: the caller spoke over it; counted: its response has ended */
    const char *role;  /* user or assistant; system: not an utterance but a response without one, which has tokens */
    str_t session, model;
    str_t item; /* absent for a response */
    int part;
    str_t response;
    int64_t revision; /* from 1 */
    int64_t position; /* in the call, from 1 */
    str_t text;
    int64_t began_us, ended_us; /* wall clock */
    int64_t tokens;
    bool interrupted;
    str_t details; /* a JSON object of all else */
} utterance_t;

typedef struct conversation conversation_t;
conversation_t *conversation_new(const realtime_dialect_t *dialect, void (*tell)(void *ctx, const utterance_t *u),
                                 void *ctx);
void conversation_free(conversation_t *c); /* NULL is fine */

/* From here on the events are another session's. What the former one left without words is told of as it is: why, a
 * literal, goes along. */
void conversation_begin(conversation_t *c, str_t session, str_t model, str_t transcriber);
void conversation_lost(conversation_t *c, const char *why);

void conversation_take(conversation_t *c, const realtime_event_t *e, int64_t wall_us);
/* The caller has spoken over this one: see playback_clear. */
void conversation_interrupted(conversation_t *c, const playback_cut_t *cut, int64_t wall_us);

/* Whether it is of the session that goes on now: no other knows it. */
bool conversation_is_current(const conversation_t *c, str_t item, int part);
size_t conversation_awaited(const conversation_t *c); /* turns of the caller whose words are still to come */
int64_t conversation_tokens(const conversation_t *c);
int64_t conversation_count(const conversation_t *c); /* utterances told of */

/* The words of the last turns, oldest first, to be told to a session that goes on in the place of another. Their ids
 * there begin with CONVERSATION_RECALLED, and are no utterances when they come back. */
#define CONVERSATION_RECALLED "recalled_"
void conversation_recall(const conversation_t *c, size_t most, void (*each)(void *ctx, const char *role, str_t text),
                         void *ctx);

#endif
