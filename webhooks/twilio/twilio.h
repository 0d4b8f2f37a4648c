/* twilio.h – what the files of this folder share. */
#ifndef HOOKLINE_WEBHOOKS_TWILIO_H
#define HOOKLINE_WEBHOOKS_TWILIO_H

#include "provider.h"

/* signature.c */
void *twilio_keys_new(const setting_source_t *from, err_t *err);
void twilio_keys_free(void *keys);
bool twilio_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err);
size_t twilio_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                   header_t *headers);
str_t twilio_query(body_kind_t kind, str_t body, arena_t *a);
str_t twilio_account(const void *keys);

/* The parameters that are looked at, of some thirty-five: read in one walk. */
#define TWILIO_PARAMETERS(X)                                                                                           \
    X(ACCOUNT_SID, "AccountSid")                                                                                       \
    X(ANSWERED_BY, "AnsweredBy")                                                                                       \
    X(CALL_DURATION, "CallDuration")                                                                                   \
    X(CALL_SID, "CallSid")                                                                                             \
    X(CALL_STATUS, "CallStatus")                                                                                       \
    X(CALLBACK_SOURCE, "CallbackSource")                                                                               \
    X(CUSTOMER_KEY, "customer_key")                                                                                    \
    X(DIAL_CALL_SID, "DialCallSid")                                                                                    \
    X(DIAL_CALL_STATUS, "DialCallStatus")                                                                              \
    X(DIGITS, "Digits")                                                                                                \
    X(DIRECTION, "Direction")                                                                                          \
    X(EVENT_TYPE, "event_type")                                                                                        \
    X(FINAL, "Final")                                                                                                  \
    X(FROM, "From")                                                                                                    \
    X(PARENT_CALL_SID, "ParentCallSid")                                                                                \
    X(RECORDING_SID, "RecordingSid")                                                                                   \
    X(RECORDING_STATUS, "RecordingStatus")                                                                             \
    X(RECORDING_URL, "RecordingUrl")                                                                                   \
    X(SEQUENCE_ID, "SequenceId")                                                                                       \
    X(SESSION_ID, "SessionId")                                                                                         \
    X(SESSION_STATUS, "SessionStatus")                                                                                 \
    X(SPEECH_RESULT, "SpeechResult")                                                                                   \
    X(STREAM_EVENT, "StreamEvent")                                                                                     \
    X(STREAM_SID, "StreamSid")                                                                                         \
    X(TIMESTAMP, "Timestamp")                                                                                          \
    X(TO, "To")                                                                                                        \
    X(TRANSCRIPT_SID, "transcript_sid")                                                                                \
    X(TRANSCRIPTION_EVENT, "TranscriptionEvent")                                                                       \
    X(TRANSCRIPTION_SID, "TranscriptionSid")                                                                           \
    X(TRANSCRIPTION_STATUS, "TranscriptionStatus")

#define TWILIO_ENUM(id, name) TWILIO_##id,
typedef enum twilio_parameter { TWILIO_PARAMETERS(TWILIO_ENUM) TWILIO_PARAMETER_COUNT } twilio_parameter_t;
#undef TWILIO_ENUM

/* A request, its parameters fetched once: absent where there is none, of length 0 where it is there and empty. */
typedef struct twilio_request {
    delivery_t *d;
    str_t values[TWILIO_PARAMETER_COUNT];
} twilio_request_t;

/* call.c */
void twilio_call_facts(const twilio_request_t *r);
str_t twilio_status_word(str_t status); /* Twilio's documentation spells one of them in two ways */

/* samples.c */
#define TWILIO_SAMPLE_COUNT 8
extern const hook_sample_t TWILIO_SAMPLES[TWILIO_SAMPLE_COUNT];

#endif
