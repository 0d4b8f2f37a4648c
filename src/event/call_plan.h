/* call_plan.h – what is to be done with a call to a number of ours: what tables `phone_numbers` and `agents` say.
 *
 * Borrowed from whoever read them. Any thread. */
#ifndef HOOKLINE_EVENT_CALL_PLAN_H
#define HOOKLINE_EVENT_CALL_PLAN_H

#include "base/str.h"

typedef enum {
    CALL_UNPLANNED, /* the number is not there, or says nothing */
    CALL_ANSWER,    /* a few words, and goodbye */
    CALL_STREAM,    /* its audio is streamed to us; nobody answers */
    CALL_BRIDGE,    /* and an agent speaks with the caller */
} call_action_t;

/* Texts are absent where the column is NULL or empty. */
typedef struct call_agent {
    str_t id; /* uuid, as text */
    str_t name;
    str_t greeting; /* the first words of the agent itself */
    str_t prompt;
    str_t config; /* JSON */
} call_agent_t;

typedef struct call_plan {
    str_t number; /* E.164 */
    call_action_t action;
    str_t greeting;            /* said before anything else, by the provider's own voice */
    const call_agent_t *agent; /* NULL: none */
} call_plan_t;

#endif
