/* err.h – the one place that turns a failure into an answer.
 *
 * A function that can fail returns bool and fills an err_t. The code says what the HTTP status is and
 * the name in metrics; the detail says what was expected, what came, and where; the hint, where
 * there is one, says what an operator can do. Details never hold a secret, a token or a body. Any thread. */
#ifndef HOOKLINE_BASE_ERR_H
#define HOOKLINE_BASE_ERR_H

#include "base/str.h"

#define ERR_CODES(X)                                                                                                   \
    /*  code               status  metric                 what the sender is told */                                   \
    X(ERR_NONE, 200, "none", "")                                                                                       \
    X(ERR_MALFORMED, 400, "malformed", "the request is malformed")                                                     \
    X(ERR_SMUGGLING, 400, "ambiguous_length", "the length of the request is ambiguous")                                \
    X(ERR_NO_SIGNATURE, 401, "missing_signature", "the signature is missing or wrong")                                 \
    X(ERR_SIGNATURE, 401, "bad_signature", "the signature is missing or wrong")                                        \
    X(ERR_STALE, 401, "stale_signature", "the signature is missing or wrong")                                          \
    X(ERR_TOKEN, 401, "bad_token", "a good token is needed: Authorization: Bearer …")                                  \
    X(ERR_SCOPE, 403, "missing_scope", "this token is not for that")                                                   \
    X(ERR_NOT_FOUND, 404, "not_found", "there is nothing here")                                                        \
    X(ERR_PROVIDER_OFF, 404, "provider_off", "there is nothing here")                                                  \
    X(ERR_API_OFF, 404, "api_off", "there is nothing here")                                                            \
    X(ERR_METHOD, 405, "method", "this method is not allowed here")                                                    \
    X(ERR_TOO_SLOW, 408, "request_timeout", "the request did not arrive in time")                                      \
    X(ERR_CONFLICT, 409, "conflict", "this cannot be done any more")                                                   \
    X(ERR_TOO_LARGE, 413, "too_large", "the body is too large")                                                        \
    X(ERR_MEDIA_TYPE, 415, "media_type", "this content type is not accepted here")                                     \
    X(ERR_INVALID, 422, "invalid", "a parameter is not as it should be")                                               \
    X(ERR_UPGRADE, 426, "upgrade_required", "a WebSocket of version 13 is opened here, and nothing else")              \
    X(ERR_CLIENT_GONE, 499, "client_gone", "")                                                                         \
    X(ERR_INTERNAL, 500, "internal", "something went wrong here; try again")                                           \
    X(ERR_BUSY, 503, "queue_full", "too much at once; try again")                                                      \
    X(ERR_STORE_DOWN, 503, "database_down", "the database cannot be reached; try again")                               \
    X(ERR_COMMIT_TIMEOUT, 503, "commit_timeout", "the database did not answer in time; try again")                     \
    X(ERR_JOURNAL, 503, "journal_failed", "this cannot be kept just now; try again")                                   \
    X(ERR_CONFIG, 500, "config", "")                                                                                   \
    X(ERR_IO, 500, "io", "")                                                                                           \
    X(ERR_UNPARSABLE, 200, "unparsable", "")                                                                           \
    X(ERR_UNKNOWN_SHAPE, 200, "unknown_shape", "")                                                                     \
    X(ERR_CONTENT, 200, "refused_content", "")

#define ERR_ENUM(code, status, metric, told) code,
typedef enum err_code { ERR_CODES(ERR_ENUM) ERR_CODE_COUNT } err_code_t;
#undef ERR_ENUM

typedef struct err {
    err_code_t code;
    char detail[400];
    char hint[240];
} err_t;

int err_http_status(err_code_t code);
const char *err_metric(err_code_t code);
const char *err_told(err_code_t code); /* a sentence that gives nothing away */

/* Fills err (NULL is fine) and returns false, so that "return err_set(…)" reads well. A detail too long is cut. */
bool err_set(err_t *err, err_code_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool err_hint(err_t *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
