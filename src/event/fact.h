/* fact.h – what a delivery says once understood, in a form that merges in any order.
 *
 * A fact is a partial row: a call, a participant's stay, a message, or that two ids are one agent's. Each column that
 * it fills carries a version, and two values of a column are merged by comparing (version, value): the rule of the
 * column says which value wins when the versions are equal. So a row ends the same whatever order, and however often,
 * its facts come in – in memory, in a batch, and in PostgreSQL (src/store builds its SQL from the tables below).
 *
 * A version is made of a rank (how good the evidence is) and a clock (one inside the content, that a retry cannot
 * change; 0 where there is none). 0 is "absent": it never wins, and never erases. Columns whose rule is MERGE_EARLIEST
 * or MERGE_LATEST over time take the best rank first, so their clock must be 0 (version_of(rank, 0)); the phase of a
 * call only rises, so it has always the same version (fact_phase sees to it).
 *
 * Values are borrowed: they live in the delivery's arena, or are literals. One thread at a time. */
#ifndef HOOKLINE_EVENT_FACT_H
#define HOOKLINE_EVENT_FACT_H

#include "base/clock.h"
#include "base/mem.h"

typedef int64_t version_t;
typedef enum { RANK_INFERRED = 1, RANK_EVENT = 2, RANK_REPORT = 3, RANK_HAND = 4 } rank_t;
version_t version_of(rank_t rank, int64_t clock_us); /* TIME_NONE and what is before 1970 count as 0 */
int64_t version_event_us(version_t v); /* the clock, where no more than an event is the evidence; else TIME_NONE */

/* The clock of CALL_TRANSCRIPT_SOURCE where lines are heard live, with RANK_EVENT: which source is the better one. The
 * least are single lines, of which some may never have come; then what a provider hears all of; then our own ears. */
typedef enum { LIVE_LINES = 1, LIVE_HEARD = 2, LIVE_BRIDGED = 3 } hearing_t;

typedef enum { COLUMN_TEXT, COLUMN_INT, COLUMN_TIME, COLUMN_BOOL, COLUMN_NUMERIC, COLUMN_JSON } column_type_t;
typedef enum {
    MERGE_GREATEST, /* greatest version; then the greatest value (text by bytes, true over false) */
    MERGE_LEAST,    /* greatest version; then the least value (earliest time) */
} merge_t;

typedef struct column {
    const char *name; /* in PostgreSQL */
    column_type_t type;
    merge_t rule;
} column_t;

/* voice_calls. The order is stored (the versions array): add at the end, never reorder. */
#define CALL_COLUMNS(X)                                                                                                \
    X(CALL_PHASE, "phase", INT, GREATEST)            /* see call_phase_t */                                            \
    X(CALL_OUTCOME, "outcome", TEXT, GREATEST)       /* completed, failed */                                           \
    X(CALL_END_REASON, "end_reason", TEXT, GREATEST) /* the provider's word */                                         \
    X(CALL_SESSION_ID, "session_id", TEXT, GREATEST)                                                                   \
    X(CALL_ROOM_NAME, "room_name", TEXT, GREATEST)                                                                     \
    X(CALL_CALL_SID, "call_sid", TEXT, GREATEST) /* Twilio's Call SID */                                               \
    X(CALL_PARENT_CALL_SID, "parent_call_sid", TEXT, GREATEST)                                                         \
    X(CALL_ACCOUNT_ID, "account_id", TEXT, GREATEST)   /* the provider's account, org or project */                    \
    X(CALL_DIRECTION, "direction", TEXT, GREATEST)     /* inbound, outbound */                                         \
    X(CALL_FROM_NUMBER, "from_number", TEXT, GREATEST) /* as the provider writes it */                                 \
    X(CALL_TO_NUMBER, "to_number", TEXT, GREATEST)                                                                     \
    X(CALL_CUSTOMER_NUMBER, "customer_number", TEXT, GREATEST) /* E.164: the human's side */                           \
    X(CALL_STARTED_AT, "started_at", TIME, LEAST)                                                                      \
    X(CALL_CONNECTED_AT, "connected_at", TIME, LEAST)                                                                  \
    X(CALL_ENDED_AT, "ended_at", TIME, GREATEST)                                                                       \
    X(CALL_DURATION, "duration_seconds", INT, GREATEST) /* as reported; else ended - connected */                      \
    X(CALL_RECORDING_URL, "recording_url", TEXT, GREATEST)                                                             \
    X(CALL_TRANSCRIPT, "transcript", TEXT, GREATEST)                                                                   \
    X(CALL_TRANSCRIPT_SOURCE, "transcript_source", TEXT, GREATEST) /* whose messages are shown */                      \
    X(CALL_SUMMARY, "summary", TEXT, GREATEST)                                                                         \
    X(CALL_TOKENS, "total_tokens_used", INT, GREATEST) /* as reported; else the messages' sum */                       \
    X(CALL_COST, "cost", NUMERIC, GREATEST)                                                                            \
    X(CALL_COST_CURRENCY, "cost_currency", TEXT, GREATEST)                                                             \
    X(CALL_AGENT_ID, "agent_id", TEXT, GREATEST) /* the provider's id of the assistant */                              \
    X(CALL_AGENT_NAME, "agent_name", TEXT, GREATEST)                                                                   \
    X(CALL_AI_AGENT_USED, "ai_agent_used", BOOL, GREATEST)                                                             \
    X(CALL_ANSWERED_BY, "answered_by", TEXT, GREATEST)                                                                 \
    X(CALL_METADATA, "metadata", JSON, GREATEST)                                                                       \
    X(CALL_RECORDING, "recording", JSON, GREATEST) /* id, seconds, bytes, channels … of recording_url */             \
    X(CALL_CUSTOMER_NAME, "customer_name", TEXT, GREATEST)                                                             \
    X(CALL_CUSTOMER_EMAIL, "customer_email", TEXT, GREATEST)                                                           \
    X(CALL_FORWARDED_FROM, "forwarded_from", TEXT, GREATEST)                                                           \
    X(CALL_TRANSFERRED_TO, "transferred_to", TEXT, GREATEST) /* number, SIP address or assistant */                    \
    X(CALL_SENTIMENT, "sentiment", TEXT, GREATEST)           /* the provider's word */                                 \
    X(CALL_ANALYSIS, "analysis", JSON, GREATEST)             /* the provider's evaluation of the call, as it came */   \
    X(CALL_EXTRACTED, "extracted_fields", JSON, GREATEST)    /* what the provider drew from it, untouched */           \
    X(CALL_CONFIRMED, "confirmed", BOOL, GREATEST)           /* false: only unsigned requests told of it so far */

/* call_participants */
#define PARTICIPANT_COLUMNS(X)                                                                                         \
    X(PARTICIPANT_IDENTITY, "participant_identity", TEXT, GREATEST)                                                    \
    X(PARTICIPANT_NAME, "participant_name", TEXT, GREATEST)                                                            \
    X(PARTICIPANT_TYPE, "participant_type", TEXT, GREATEST) /* user, agent, admin */                                   \
    X(PARTICIPANT_KIND, "kind", TEXT, GREATEST)             /* the provider's word: SIP, STANDARD … */               \
    X(PARTICIPANT_JOINED_AT, "joined_at", TIME, LEAST)                                                                 \
    X(PARTICIPANT_LEFT_AT, "left_at", TIME, GREATEST)                                                                  \
    X(PARTICIPANT_CONNECTED, "connected", BOOL, GREATEST) /* media was up at some time */                              \
    X(PARTICIPANT_LEFT_REASON, "left_reason", TEXT, GREATEST)                                                          \
    X(PARTICIPANT_PHONE, "phone_number", TEXT, GREATEST)                                                               \
    X(PARTICIPANT_ATTRIBUTES, "attributes", JSON, GREATEST)

/* voice_messages. A live message has the version of its source's rank; a message of a set (an end report, an API
 * answer) has one that all messages of that set share and that orders sets of one source: see fact_message. */
#define MESSAGE_COLUMNS(X)                                                                                             \
    X(MESSAGE_SOURCE, "source", TEXT, GREATEST) /* e.g. "live", "report" */                                            \
    X(MESSAGE_ROLE, "role", TEXT, GREATEST)     /* user, assistant, system */                                          \
    X(MESSAGE_CONTENT, "content", TEXT, GREATEST)                                                                      \
    X(MESSAGE_SEQUENCE, "sequence_number", INT, GREATEST) /* orders the messages of one source */                      \
    X(MESSAGE_SPOKEN_AT, "spoken_at", TIME, GREATEST)                                                                  \
    X(MESSAGE_ENDED_AT, "ended_at", TIME, GREATEST)                                                                    \
    X(MESSAGE_TOKENS, "tokens_used", INT, GREATEST)                                                                    \
    X(MESSAGE_MODEL, "model", TEXT, GREATEST)                                                                          \
    X(MESSAGE_AUDIO_URL, "audio_url", TEXT, GREATEST)                                                                  \
    X(MESSAGE_INTERRUPTED, "interrupted", BOOL, GREATEST)                                                              \
    X(MESSAGE_METADATA, "metadata", JSON, GREATEST)

#define FACT_ENUM(id, name, type, rule) id,
enum call_column { CALL_COLUMNS(FACT_ENUM) CALL_COLUMN_COUNT };
enum participant_column { PARTICIPANT_COLUMNS(FACT_ENUM) PARTICIPANT_COLUMN_COUNT };
enum message_column { MESSAGE_COLUMNS(FACT_ENUM) MESSAGE_COLUMN_COUNT };
#undef FACT_ENUM

typedef enum { FACT_CALL, FACT_PARTICIPANT, FACT_MESSAGE, FACT_ALIAS, FACT_KIND_COUNT } fact_kind_t;

typedef struct fact_table {
    const char *table;
    const column_t *columns;
    size_t count;
} fact_table_t;
extern const fact_table_t FACT_TABLES[FACT_KIND_COUNT];

typedef enum { PHASE_PENDING = 0, PHASE_ACTIVE = 1, PHASE_ENDED = 2 } call_phase_t;

typedef struct cell {
    version_t version; /* 0: absent */
    union {
        str_t text;     /* TEXT, NUMERIC, JSON */
        int64_t number; /* INT, TIME (µs since 1970), BOOL */
    };
} cell_t;

typedef struct fact {
    struct fact *next;
    fact_kind_t kind;
    str_t provider; /* whose call it is; absent: the delivery's own provider */
    str_t call_id;  /* the provider's id of the call; alias: of an agent */
    str_t key; /* participant: the provider's id of this stay; message: its key within the call; alias: what the agent's
                  id is the same as; call: absent */
    cell_t cells[]; /* FACT_TABLES[kind].count of them */
} fact_t;

/* A list of facts, in one arena. */
typedef struct facts {
    arena_t *arena;
    fact_t *first;
    fact_t *last;
    str_t provider; /* see facts_about */
} facts_t;
void facts_init(facts_t *list, arena_t *arena);

/* From here on facts are added about another provider's calls (an agent reports on a LiveKit room); absent: about the
 * delivery's own. provider: its name as stored, in lower case. */
void facts_about(facts_t *list, str_t provider);

/* The call_id of a call of which only the session's name is known: its row waits until the provider's own id for that
 * session is heard of, and then becomes that call's. */
#define FACT_SESSION_PREFIX "session:"
str_t fact_session_call(arena_t *a, str_t session);

/* The two find the fact with that key in the list, or add an empty one. */
fact_t *fact_call(facts_t *list, str_t call_id);
fact_t *fact_participant(facts_t *list, str_t call_id, str_t participant_id);
/* Adds a message (not looked for: a report may have many). key names it within its call, for ever: "live:…" or
 * "source:position". A key that comes twice in one list is merged like any other. */
fact_t *fact_message(facts_t *list, str_t call_id, str_t message_key);

/* One agent by another notation of its id. All ids with one `same_as` in common, itself among them, are one agent's. */
fact_t *fact_alias(facts_t *list, str_t agent_id, str_t same_as);

/* Each merges a value into a column; absent text, TIME_NONE and version 0 do nothing. The text of a NUMERIC column ends
 * with a NUL (as all that json.h and arena_printf give); that of a JSON column is valid for jsonb. */
void fact_text(fact_t *f, int column, version_t v, str_t value);
void fact_number(fact_t *f, int column, version_t v, int64_t value); /* INT */
void fact_time(fact_t *f, int column, rank_t rank, int64_t us);      /* TIME */
void fact_bool(fact_t *f, int column, rank_t rank, bool value);      /* true wins over false at the same rank */
void fact_phase(fact_t *f, call_phase_t phase);
/* How a call ended: outcome "completed" or "failed" (absent: decided by whether it was ever connected), the provider's
 * word, and the best evidence for both. Raises the phase to PHASE_ENDED. */
void fact_ended(fact_t *f, version_t v, str_t outcome, str_t reason);
/* A set of messages of one source, whole: orders sets by (rank, how many messages, hash of them). */
version_t version_of_set(rank_t rank, size_t messages, str_t hash_hex);

bool cell_wins(column_type_t type, merge_t rule, const cell_t *challenger, const cell_t *holder);
void fact_merge(fact_t *into, const fact_t *from); /* same kind and key */

#endif
