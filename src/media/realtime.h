/* realtime.h – what the bridge needs of a provider of speech: one that hears a caller and answers in voice.
 *
 * It is spoken to over a WebSocket, in messages of text, with G.711 µ-law at 8000 Hz both ways, as a telephone has it.
 * A dialect writes those messages and reads them; it has no socket, no state and no clock, and remembers nothing of
 * what it wrote. Who sends what when is the business of the bridge. OpenAI's dialect is the one there is (openai.c);
 * another provider is another realtime_dialect_t. Pure functions; any thread, one arena or buffer at a time. */
#ifndef HOOKLINE_MEDIA_REALTIME_H
#define HOOKLINE_MEDIA_REALTIME_H

#include "base/json.h"

/* What a session is to be like. Absent text: the provider's default. */
typedef struct realtime_config {
    str_t model;
    str_t voice;
    str_t instructions; /* who the agent is, and how it is to behave */
    str_t transcriber;  /* the model that writes down what the caller says; absent: nothing of it is written down */
    str_t language;     /* what the caller speaks, ISO 639-1; absent: any */
} realtime_config_t;

typedef enum {
    REALTIME_OTHER,          /* nothing of ours; most of what comes */
    REALTIME_CREATED,        /* the session is there: session, model, expires_s. Not yet as we want it */
    REALTIME_CONFIGURED,     /* it is configured: the same, and telephone */
    REALTIME_SPEECH_BEGAN,   /* the caller speaks: item, at_ms */
    REALTIME_SPEECH_ENDED,   /* item, at_ms */
    REALTIME_TURN_TAKEN,     /* what the caller said has its place in the conversation: item, previous */
    REALTIME_TURN_EMPTY,     /* the item that will be taken is silence: the provider waited long enough. item */
    REALTIME_ITEM_ADDED,     /* something has its place: item, previous, role; message */
    REALTIME_HEARD_PART,     /* what the caller said, as far as it is written down: item, part, text (to be appended) */
    REALTIME_HEARD,          /* all of it: item, part, text (absent: noise), tokens (0: billed by time), usage */
    REALTIME_HEARD_FAILED,   /* nobody will write it down: item, part, fault */
    REALTIME_RESPONSE_BEGAN, /* response */
    REALTIME_AUDIO,          /* to be played: response, item, part, text (base64 of µ-law), bytes */
    REALTIME_SAID_PART,      /* the words of it: response, item, part, text (to be appended) */
    REALTIME_SAID,           /* all of them: response, item, part, text */
    REALTIME_RESPONSE_ENDED, /* response, outcome, tokens, usage, output, fault */
    REALTIME_ERROR,          /* fault, of_event */
} realtime_kind_t;

/* What a fault means for the session; its name is for metrics. */
#define REALTIME_FAULTS(X)                                                                                             \
    X(FAULT_HARMLESS, "harmless")           /* goes on; to be counted */                                               \
    X(FAULT_SETTINGS, "settings")           /* our configuration was refused as a whole, and the former one stays */   \
    X(FAULT_TRANSCRIBER, "transcriber")     /* because of realtime_config_t.transcriber: another may be taken. Of      \
                                               REALTIME_HEARD_FAILED: it will write down nothing */                    \
    X(FAULT_MISCONFIGURED, "misconfigured") /* key, model, dialect: to try again is of no use, an operator must act */ \
    X(FAULT_QUOTA, "quota")                 /* no money, or a limit that does not pass soon: the same */               \
    X(FAULT_BUSY, "busy")                   /* a limit that passes: the same may be asked again in a while */          \
    X(FAULT_EXPIRED, "expired")             /* the session has lived for as long as any may: another one goes on */    \
    X(FAULT_SERVER, "server")               /* theirs: goes on unless they close */
#define REALTIME_ENUM(id, name) id,
typedef enum realtime_fault_kind { REALTIME_FAULTS(REALTIME_ENUM) REALTIME_FAULT_COUNT } realtime_fault_kind_t;
#undef REALTIME_ENUM
extern const char *const REALTIME_FAULT_NAMES[];

/* For the log, too: no text of it has any part of a key. Absent where the provider has none. */
typedef struct realtime_fault {
    realtime_fault_kind_t kind;
    str_t code;    /* the provider's word; of a response that was cut or interrupted, why */
    str_t message; /* a sentence */
    str_t param;   /* the member of our message that it is about */
} realtime_fault_t;

typedef enum {
    OUTCOME_COMPLETED,
    OUTCOME_INTERRUPTED, /* by the caller, or cancelled by us */
    OUTCOME_CUT,         /* it reached a limit, or a filter stopped it; its text stays */
    OUTCOME_FAILED,      /* fault says why; no REALTIME_ERROR need have come */
} realtime_outcome_t;

/* Borrowed from the arena or the text. What a kind does not have, and what was said in no form that can be read, is
 * absent, 0, or NULL; no number is negative. Audio that is no base64 is REALTIME_OTHER. */
typedef struct realtime_event {
    realtime_kind_t kind;
    str_t type; /* the provider's word, for counting what is not known */
    str_t session, model;
    int64_t expires_s; /* since 1970 */
    bool telephone;    /* both directions are µ-law */
    str_t item, previous, response, role;
    bool message; /* the item is something that is said, and no call of a tool */
    int part;     /* an item may have several */
    str_t text;
    size_t bytes;  /* that the audio decodes to */
    int64_t at_ms; /* in the audio that was appended, from its begin */
    realtime_outcome_t outcome;
    int64_t tokens;      /* at most INT32_MAX */
    const cJSON *usage;  /* an object */
    const cJSON *output; /* an array of items: see said */
    realtime_fault_t fault;
    str_t of_event; /* the event_id of ours that it is about */
} realtime_event_t;

/* A message among a response's output, as a last source of its text. */
typedef struct realtime_said {
    str_t item;
    int part;
    str_t text; /* absent: none is told */
} realtime_said_t;

/* Each writer appends one whole message to out. An event_id that is absent is left out. */
typedef struct realtime_dialect {
    const char *name;                   /* "openai": the beginning of event keys */
    const char *title;                  /* for people */
    const char *key_field, *key_prefix; /* the header that proves who we are, and what stands in it before the key */

    /* Where a session is opened: the base address of the settings, and what this model needs behind it. */
    str_t (*address)(arena_t *a, str_t base, str_t model);

    void (*configure)(buf_t *out, const realtime_config_t *c, str_t event_id);
    void (*hear)(buf_t *out, str_t base64);                        /* µ-law of the caller, checked to be base64 */
    void (*speak)(buf_t *out, str_t instructions, str_t event_id); /* now, without waiting for the caller */
    void (*cancel)(buf_t *out, str_t response);                    /* what is being made of it is of no use any more */
    void (*truncate)(buf_t *out, str_t item, int part, int64_t heard_ms, str_t event_id); /* that much was heard */
    void (*forget)(buf_t *out, str_t item);                                               /* none of it was */
    /* What was said in a former session. id: ours, which comes back as the item's; role: user or assistant. */
    void (*recall)(buf_t *out, str_t id, str_t role, str_t text);
    /* The caller is gone: first nothing more is to be answered, then what was being said is all. */
    void (*stop_answering)(buf_t *out);
    void (*end_turn)(buf_t *out, str_t event_id);

    /* One message. False: ERR_UNPARSABLE, it is no JSON object with a type. */
    bool (*read)(arena_t *a, str_t text, realtime_event_t *out, err_t *err);
    bool (*said)(const cJSON *output_item, realtime_said_t *out); /* false: it is no message */
    /* What a close code that they sent means, as far as a code can say; the bridge may know better. */
    realtime_fault_kind_t (*closed)(int code);
} realtime_dialect_t;

extern const realtime_dialect_t REALTIME_OPENAI;

#endif
