/* credential.h – a webhook credential of Vapi as it was made there: what its headers are called, what is signed, how.
 *
 * Immutable once made. Settings decide; nothing is ever guessed from a request: a header of the same name may hold a
 * secret, a digest, or a digest with a prefix. */
#ifndef HOOKLINE_WEBHOOKS_VAPI_CREDENTIAL_H
#define HOOKLINE_WEBHOOKS_VAPI_CREDENTIAL_H

#include "secret.h"
#include "vapi/vapi.h"

/* The payload format, cut into pieces. */
typedef enum { PIECE_TEXT, PIECE_BODY, PIECE_TIMESTAMP, PIECE_MESSAGE_ID, PIECE_METHOD, PIECE_URL } piece_kind_t;
typedef struct piece {
    piece_kind_t kind;
    str_t text;
} piece_t;
#define PIECES_MAX 16

/* What vapi_keys_new makes. */
typedef struct vapi_credential {
    secrets_t plain; /* compared with a header */
    secrets_t hmac;
    char *secret_header; /* all header names are in lower case; NULL: x-vapi-secret or authorization */
    char *signature_header, *timestamp_header, *message_id_header;
    char *prefix, *format; /* the pieces point into the format */
    piece_t pieces[PIECES_MAX];
    size_t n_pieces;
    digest_t digest;
    bool is_base64;
    bool has_timestamp; /* the format has one: only then is it proven, and looked at */
    int64_t tolerance_us;
} vapi_credential_t;

bool vapi_credential_signs(const vapi_credential_t *c, piece_kind_t kind); /* is it part of what is signed? */

#endif
