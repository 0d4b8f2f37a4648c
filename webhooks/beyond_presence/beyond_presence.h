/* beyond_presence.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_BEYOND_PRESENCE_H
#define HOOKLINE_WEBHOOKS_BEYOND_PRESENCE_H

#include "provider.h"
#include "transcript.h"

/* beyond_presence.c: what any event may say about its call. clock_us: the latest time that the event names. */
fact_t *beyond_presence_call(delivery_t *d, int64_t clock_us);

/* message.c: an utterance, in a message event and in the list of call_ended alike */
line_t beyond_presence_line(const cJSON *message, const void *unused);

/* What an event is understood by: sets the event key, columns and facts. False: ERR_UNKNOWN_SHAPE. */
bool beyond_presence_message(delivery_t *d, err_t *err); /* message.c */
bool beyond_presence_ended(delivery_t *d, err_t *err);   /* ended.c */

/* api.c: what the API says of a call; its words and times stand in two places, by the age of the API */
typedef struct beyond_presence_course {
    call_phase_t phase;
    str_t word;                   /* to_start, ongoing, completed */
    int64_t started_us, ended_us; /* TIME_NONE: not yet, or not said */
} beyond_presence_course_t;
beyond_presence_course_t beyond_presence_course_of(const cJSON *call);
bool beyond_presence_api_call(delivery_t *d, err_t *err);     /* api.c */
bool beyond_presence_api_messages(delivery_t *d, err_t *err); /* api.c */

/* remote.c: the names of the settings that are for its API, and what holds where they are not set */
#define BEY_API_URL            "BEY_API_URL"
#define BEY_API_URL_DEFAULT    "https://api.bey.dev"
#define BEY_API_KEY            "BEY_API_KEY"
#define BEY_API_PREFIX         "BEY_API_PREFIX"
#define BEY_API_PREFIX_DEFAULT "/v1/calls"
#define BEY_API_GAP            "BEY_API_GAP"
#define BEY_API_GAP_DEFAULT    "0.5"
#define BEY_ROUTE_CALL         "api-call"     /* a call as the API has it */
#define BEY_ROUTE_MESSAGES     "api-messages" /* {"call_id", "messages"}: the API's list, of which call it is */
extern const remote_t BEYOND_PRESENCE_REMOTE;

/* samples.c */
#define BEYOND_PRESENCE_SAMPLE_COUNT 5
extern const hook_sample_t BEYOND_PRESENCE_SAMPLES[BEYOND_PRESENCE_SAMPLE_COUNT];

#endif
