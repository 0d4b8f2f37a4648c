/* twilio.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_TWILIO_H
#define HOOKLINE_WEBHOOKS_TWILIO_H

#include "provider.h"
#include "secret.h"

#include "base/stream_token.h"

/* keys.c: the auth tokens of the accounts that are let in */
typedef struct twilio_account {
    char *sid; /* "": any account */
    secrets_t tokens;
    hmac_key_t *ticket_keys[SECRETS_MAX]; /* one made of each token: see stream_token.h */
} twilio_account_t;

typedef struct twilio_keys {
    twilio_account_t *accounts; /* that of TWILIO_AUTH_TOKEN first; each has a token */
    size_t count;
} twilio_keys_t;
#define TWILIO_SETTING_COUNT 6
extern const setting_t TWILIO_SETTINGS[TWILIO_SETTING_COUNT];
void *twilio_keys_new(const setting_source_t *from, err_t *err);
void twilio_keys_free(void *keys);
str_t twilio_account(const void *keys);
/* sid: the account that a delivery names; absent: it names none, which only does where there is one account. */
bool twilio_may_sign(const twilio_keys_t *k, const twilio_account_t *account, str_t sid);

/* address.c: what Twilio may have taken for our address, in pieces */
typedef struct twilio_address {
    str_t scheme; /* https:// */
    str_t user;   /* name:password@, or absent */
    str_t host;
    str_t port;   /* :443, or absent */
    str_t prefix; /* what follows in the origin: the part of a path that a proxy takes off */
} twilio_address_t;
#define TWILIO_ADDRESS_MAX 4
size_t twilio_addresses(str_t origin, twilio_address_t out[TWILIO_ADDRESS_MAX]); /* the likeliest first */
str_t twilio_plain_query(str_t target, arena_t *a); /* ' @ : of the query unescaped; absent where none is escaped */

/* signature.c */
bool twilio_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t twilio_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                   header_t *headers);
str_t twilio_query(body_kind_t kind, str_t body, arena_t *a);
/* The upgrade to a WebSocket; account: whose token fits. */
bool twilio_verify_upgrade(const void *keys, const hook_request_t *r, arena_t *scratch,
                           const twilio_account_t **account, err_t *err);

/* The parameters that are looked at, of some seventy: read in one walk. */
#define TWILIO_PARAMETERS(X)                                                                                           \
    X(ACCOUNT_SID, "AccountSid")                                                                                       \
    X(ANSWERED_BY, "AnsweredBy")                                                                                       \
    X(CALL_DURATION, "CallDuration")                                                                                   \
    X(CALL_SID, "CallSid")                                                                                             \
    X(CALL_STATUS, "CallStatus")                                                                                       \
    X(CALLBACK_SOURCE, "CallbackSource")                                                                               \
    X(CALLER_NAME, "CallerName")                                                                                       \
    X(CONFIDENCE, "Confidence")                                                                                        \
    X(CUSTOMER_KEY, "customer_key")                                                                                    \
    X(DIAL_CALL_DURATION, "DialCallDuration")                                                                          \
    X(DIAL_CALL_SID, "DialCallSid")                                                                                    \
    X(DIAL_CALL_STATUS, "DialCallStatus")                                                                              \
    X(DIGITS, "Digits")                                                                                                \
    X(DIRECTION, "Direction")                                                                                          \
    X(ERROR_CODE, "ErrorCode")                                                                                         \
    X(ERROR_URL, "ErrorUrl")                                                                                           \
    X(EVENT_TYPE, "event_type")                                                                                        \
    X(FINAL, "Final")                                                                                                  \
    X(FINISHED_ON_KEY, "FinishedOnKey")                                                                                \
    X(FORWARDED_FROM, "ForwardedFrom")                                                                                 \
    X(FROM, "From")                                                                                                    \
    X(JSON_ACCOUNT_SID, "account_sid")                                                                                 \
    X(LANGUAGE, "Language")                                                                                            \
    X(LANGUAGE_CODE, "LanguageCode")                                                                                   \
    X(PARENT_CALL_SID, "ParentCallSid")                                                                                \
    X(RECORDING_CHANNELS, "RecordingChannels")                                                                         \
    X(RECORDING_DURATION, "RecordingDuration")                                                                         \
    X(RECORDING_SID, "RecordingSid")                                                                                   \
    X(RECORDING_SOURCE, "RecordingSource")                                                                             \
    X(RECORDING_START_TIME, "RecordingStartTime")                                                                      \
    X(RECORDING_STATUS, "RecordingStatus")                                                                             \
    X(RECORDING_TRACK, "RecordingTrack")                                                                               \
    X(RECORDING_URL, "RecordingUrl")                                                                                   \
    X(SEQUENCE_ID, "SequenceId")                                                                                       \
    X(SEQUENCE_NUMBER, "SequenceNumber")                                                                               \
    X(SESSION_ID, "SessionId")                                                                                         \
    X(SESSION_STATUS, "SessionStatus")                                                                                 \
    X(SPEECH_RESULT, "SpeechResult")                                                                                   \
    X(STABLE_SPEECH_RESULT, "StableSpeechResult")                                                                      \
    X(STREAM_EVENT, "StreamEvent")                                                                                     \
    X(STREAM_SID, "StreamSid")                                                                                         \
    X(TIMESTAMP, "Timestamp")                                                                                          \
    X(TO, "To")                                                                                                        \
    X(TRACK, "Track")                                                                                                  \
    X(TRANSCRIPT_SID, "transcript_sid")                                                                                \
    X(TRANSCRIPTION_DATA, "TranscriptionData")                                                                         \
    X(TRANSCRIPTION_EVENT, "TranscriptionEvent")                                                                       \
    X(TRANSCRIPTION_SID, "TranscriptionSid")                                                                           \
    X(TRANSCRIPTION_STATUS, "TranscriptionStatus")                                                                     \
    X(TRANSCRIPTION_TEXT, "TranscriptionText")                                                                         \
    X(UNSTABLE_SPEECH_RESULT, "UnstableSpeechResult")

#define TWILIO_ENUM(id, name) TWILIO_##id,
typedef enum twilio_parameter { TWILIO_PARAMETERS(TWILIO_ENUM) TWILIO_PARAMETER_COUNT } twilio_parameter_t;
#undef TWILIO_ENUM

/* A request, its parameters fetched once: absent where there is none, of length 0 where it is there and empty. */
typedef struct twilio_request {
    delivery_t *d;
    str_t values[TWILIO_PARAMETER_COUNT];
    fact_t *call;       /* NULL until twilio_call, and where no call is named */
    version_t version;  /* of what this request says about the call */
    version_t numbers;  /* of the numbers in it */
    bool is_listed;     /* it is an object of the API's, and not a request */
    const char *unread; /* why it cannot be understood: it becomes a dead letter */
} twilio_request_t;

/* message.c: which message a request is, and so what is made of it and how it is answered */
bool twilio_understand(twilio_request_t *r, err_t *err); /* r->d->root has the parameters */
bool twilio_has_name(delivery_t *d); /* a request like d is named by its parameters, and not by the hash of them */
bool twilio_wants_twiml(const delivery_t *d);
#define TWILIO_IDEMPOTENCY_TOKEN "i-twilio-idempotency-token" /* a header, kept among the parameters */
#define TWILIO_VOICE             "voice"                      /* what is to be done with a call is asked for */
#define TWILIO_VOICE_FALLBACK    "voice-fallback"             /* once more, where that failed */
str_t twilio_hash(const twilio_request_t *r);                 /* of all parameters but that one */

/* What a message is understood by: its facts, and where the row of the table cannot say it, the event key. */
void twilio_call(twilio_request_t *r);           /* call.c: what any message says of its call; sets r->call */
void twilio_answered(twilio_request_t *r);       /* call.c: answering machine detection */
void twilio_stream(twilio_request_t *r);         /* call.c: a media stream */
void twilio_heard(twilio_request_t *r);          /* stream.c: the same, by our own ears */
void twilio_relay(twilio_request_t *r);          /* call.c: a session of ConversationRelay */
void twilio_dial(twilio_request_t *r);           /* dial.c: the leg that a <Dial> made */
void twilio_recording_text(twilio_request_t *r); /* call.c: the transcription of a recording */
void twilio_transcription(twilio_request_t *r);  /* transcription.c: transcription in real time */
void twilio_gather(twilio_request_t *r);         /* gather.c: what a caller said or keyed in */
void twilio_gather_partial(twilio_request_t *r); /* gather.c: what it may become */

/* spoken.c: what is said on a stream that we answer */
void twilio_utterance(twilio_request_t *r);
void twilio_response(twilio_request_t *r);
void twilio_bridge_started(twilio_request_t *r);

/* stream.c: what is heard on a media stream */
bool twilio_admit(const void *keys, const hook_request_t *r, arena_t *scratch, hook_admission_t *out, err_t *err);

/* call.c: a status by its word, of r's call or of another leg. at_us: when it was reached; seconds: of the whole call,
 * as text; both may be unknown. */
void twilio_status(fact_t *call, version_t v, str_t word, int64_t at_us, str_t seconds);
str_t twilio_status_word(str_t status);           /* Twilio's documentation spells one of them in two ways */
bool twilio_is_final(str_t word);                 /* call.c: the call is over */
void twilio_connected(const twilio_request_t *r); /* call.c: audio flows, so somebody has answered by now */
void twilio_recording(const twilio_request_t *r); /* recording.c: whatever message names a recording */

/* voice.c: what becomes of a call */
str_t twilio_our_number(const delivery_t *d);
str_t twilio_voice_answer(delivery_t *d, const hook_context_t *with); /* TwiML, in d's arena or literal */

/* api.c: objects of the REST API, by the route that they come by */
bool twilio_is_object(const delivery_t *d);
bool twilio_understand_object(delivery_t *d, err_t *err);
str_t twilio_event_parameters(arena_t *a, const cJSON *event); /* of a call's event, as JSON, named as in a callback */

/* remote.c: what the REST API is asked */
extern const remote_t TWILIO_REMOTE;

/* object.c: a JSON object of what is known; absent where nothing is */
typedef struct twilio_entry {
    const char *name;
    str_t value; /* absent or empty: left out */
    bool number; /* written without quotes, where it is one */
} twilio_entry_t;
str_t twilio_object(arena_t *a, const twilio_entry_t *entries, size_t count);
bool twilio_is_number(str_t s); /* as JSON writes one, without an exponent */

/* routes.c */
#define TWILIO_ROUTE_COUNT 8
extern const hook_route_t TWILIO_ROUTES[TWILIO_ROUTE_COUNT];
#define TWILIO_ROUTE_EVENTS            "events"       /* where everything is reported */
#define TWILIO_ROUTE_STREAM            "media-stream" /* where media streams come in; from all the others TwiML is fetched */
#define TWILIO_ROUTE_API_CALL          "api-call" /* objects of the REST API: see api.c */
#define TWILIO_ROUTE_API_EVENT         "api-event"
#define TWILIO_ROUTE_API_RECORDING     "api-recording"
#define TWILIO_ROUTE_API_TRANSCRIPTION "api-transcription"
#define TWILIO_PATH_EVENTS             "/webhooks/twilio"
#define TWILIO_PATH_STREAM             "/media-stream"

/* samples.c */
#define TWILIO_SAMPLE_COUNT 17
extern const hook_sample_t TWILIO_SAMPLES[TWILIO_SAMPLE_COUNT];

#endif
