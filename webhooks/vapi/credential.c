/* credential.c – the settings that say what a credential of Vapi is like.
 *
 * Source: the schemas BearerAuthenticationPlan and HMACAuthenticationPlan of Vapi's OpenAPI document, read 2026-11-21.
 * Each option of theirs is a setting here. OAuth2 credentials are not read: their tokens are the issuer's to check. */
#include "vapi/credential.h"
#include "rest.h"

#include <ctype.h>
#include <stdlib.h>

#define DEFAULT_SIGNATURE_HEADER "x-vapi-signature"
#define DEFAULT_TIMESTAMP_HEADER "x-vapi-timestamp"
#define DEFAULT_PAYLOAD_FORMAT   "{timestamp}.{body}"
#define DEFAULT_ENCODING         "hex"
#define DEFAULT_ALGORITHM        "sha256"
#define DEFAULT_TOLERANCE        "300"

const setting_t VAPI_SETTINGS[VAPI_SETTING_COUNT] = {
    {.name = "VAPI_WEBHOOK_SECRET",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets that Vapi sends in a header, with or without \"Bearer \""},
    {.name = "VAPI_WEBHOOK_SECRET_HEADER",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "The header of VAPI_WEBHOOK_SECRET; not set: X-Vapi-Secret or Authorization"},
    {.name = "VAPI_WEBHOOK_HMAC_SECRET",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Secrets of the HMAC credential; beside VAPI_WEBHOOK_SECRET either proof will do"},
    {.name = "VAPI_WEBHOOK_SIGNATURE_HEADER",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_SIGNATURE_HEADER,
     .reloads = true,
     .help = "The HMAC credential's signature header"},
    {.name = "VAPI_WEBHOOK_TIMESTAMP_HEADER",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_TIMESTAMP_HEADER,
     .reloads = true,
     .help = "The HMAC credential's timestamp header"},
    {.name = "VAPI_WEBHOOK_MESSAGE_ID_HEADER",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "The HMAC credential's message id header, where the payload format has {svix-id}"},
    {.name = "VAPI_WEBHOOK_PAYLOAD_FORMAT",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_PAYLOAD_FORMAT,
     .reloads = true,
     .help = "What the HMAC credential signs: {body}, {timestamp}, {svix-id}, {method}, {url} and text"},
    {.name = "VAPI_WEBHOOK_ENCODING",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_ENCODING,
     .reloads = true,
     .help = "The HMAC credential's encoding: hex or base64"},
    {.name = "VAPI_WEBHOOK_PREFIX",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "What stands before the signature in its header, e.g. sha256="},
    {.name = "VAPI_WEBHOOK_ALGORITHM",
     .type = SETTING_TEXT,
     .fallback = DEFAULT_ALGORITHM,
     .reloads = true,
     .help = "The HMAC credential's digest: sha256, sha512 or sha1"},
    {.name = "VAPI_WEBHOOK_TOLERANCE",
     .type = SETTING_SECONDS,
     .fallback = DEFAULT_TOLERANCE,
     .reloads = true,
     .help = "How far the signed timestamp may be from now; 0: any",
     .least = 0,
     .most = 86400},
    {.name = "VAPI_WEBHOOK_SECRET_IS_BASE64",
     .type = SETTING_BOOL,
     .fallback = "0",
     .reloads = true,
     .help = "Whether the HMAC secret is the base64 of the key"},
    {.name = VAPI_API_KEY,
     .type = SETTING_TEXT,
     .secret = true,
     .reloads = true,
     .help = "Vapi's private key, to fetch calls that no webhook told of"},
    {.name = VAPI_API_URL,
     .type = SETTING_TEXT,
     .fallback = VAPI_API_URL_DEFAULT,
     .reloads = true,
     .help = "Where Vapi's API is; in the EU https://api.eu.vapi.ai"},
    {.name = VAPI_API_GAP,
     .type = SETTING_SECONDS,
     .fallback = VAPI_API_GAP_DEFAULT,
     .reloads = true,
     .help = "The least time between two requests to Vapi's API",
     .least = 0,
     .most = REST_MOST_GAP_S},
};

/* ---- the format, cut into pieces ---- */

static const struct {
    const char *name;
    piece_kind_t kind;
} PLACEHOLDERS[] = {
    {"{body}", PIECE_BODY},
    {"{timestamp}", PIECE_TIMESTAMP},
    {"{svix-id}", PIECE_MESSAGE_ID},
    {"{method}", PIECE_METHOD},
    {"{url}", PIECE_URL},
};

bool vapi_credential_signs(const vapi_credential_t *c, piece_kind_t kind)
{
    for (size_t i = 0; i < c->n_pieces; i++)
        if (c->pieces[i].kind == kind)
            return true;
    return false;
}

static piece_t next_piece(str_t rest)
{
    size_t brace;

    for (size_t i = 0; i < COUNT(PLACEHOLDERS); i++)
        if (str_starts(rest, str_from(PLACEHOLDERS[i].name)))
            return (piece_t){PLACEHOLDERS[i].kind, str_from(PLACEHOLDERS[i].name)};
    brace = str_find(str_slice(rest, 1, rest.len), '{');
    return (piece_t){PIECE_TEXT, str_slice(rest, 0, brace == SIZE_MAX ? rest.len : brace + 1)};
}

static bool read_format(vapi_credential_t *c, err_t *err)
{
    str_t rest = str_from(c->format);

    while (!str_is_empty(rest)) {
        piece_t p = next_piece(rest);

        if (c->n_pieces == PIECES_MAX || (p.kind == PIECE_TEXT && p.text.base[0] == '{'))
            return err_set(err, ERR_CONFIG,
                           "VAPI_WEBHOOK_PAYLOAD_FORMAT: expected {body}, {timestamp}, {svix-id}, {method}, {url} and "
                           "text between them, at \"" STR_FMT "\"",
                           STR_ARG(rest));
        c->pieces[c->n_pieces++] = p;
        rest = str_slice(rest, p.text.len, rest.len);
    }
    if (!vapi_credential_signs(c, PIECE_BODY))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_PAYLOAD_FORMAT: without {body} nothing is proven");
    if (vapi_credential_signs(c, PIECE_MESSAGE_ID) && !c->message_id_header)
        return err_set(err, ERR_CONFIG,
                       "VAPI_WEBHOOK_PAYLOAD_FORMAT has {svix-id}, but VAPI_WEBHOOK_MESSAGE_ID_HEADER "
                       "does not say which header that is");
    c->has_timestamp = vapi_credential_signs(c, PIECE_TIMESTAMP);
    return true;
}

/* ---- settings ---- */

static str_t setting_or(const setting_source_t *from, const char *name, const char *fallback)
{
    str_t value = str_trim(setting_get(from, name));

    return str_is_empty(value) ? str_from(fallback) : value;
}

static char *header_name(const setting_source_t *from, const char *name, const char *fallback)
{
    str_t value = setting_or(from, name, fallback);
    char *copy = value.base ? mem_strdup(value) : NULL;

    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static bool read_words(vapi_credential_t *c, const setting_source_t *from, err_t *err)
{
    str_t algorithm = setting_or(from, "VAPI_WEBHOOK_ALGORITHM", DEFAULT_ALGORITHM);
    str_t encoding = setting_or(from, "VAPI_WEBHOOK_ENCODING", DEFAULT_ENCODING);

    if (!digest_from(algorithm, &c->digest))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_ALGORITHM: expected sha256, sha512 or sha1, not " STR_FMT,
                       STR_ARG(algorithm));
    c->is_base64 = str_eq_nocase(encoding, STR("base64"));
    if (!c->is_base64 && !str_eq_nocase(encoding, STR("hex")))
        return err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_ENCODING: expected hex or base64, not " STR_FMT,
                       STR_ARG(encoding));
    return true;
}

static bool read_tolerance(vapi_credential_t *c, const setting_source_t *from, err_t *err)
{
    char *text = mem_strdup(setting_or(from, "VAPI_WEBHOOK_TOLERANCE", DEFAULT_TOLERANCE));
    char *end;
    double s = strtod(text, &end);
    bool ok = end != text && !*end && s >= 0 && s <= 86400;

    if (ok)
        c->tolerance_us = (int64_t)(s * (double)US_PER_S);
    else
        err_set(err, ERR_CONFIG, "VAPI_WEBHOOK_TOLERANCE: expected seconds from 0 to 86400, not %s", text);
    free(text);
    return ok;
}

static bool is_yes(str_t s)
{
    return str_eq(s, STR("1")) || str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("yes")) ||
           str_eq_nocase(s, STR("on"));
}

static bool read_secrets(vapi_credential_t *c, const setting_source_t *from, err_t *err)
{
    const secret_use_t plain = {.setting = "VAPI_WEBHOOK_SECRET"};
    const secret_use_t hmac = {.setting = "VAPI_WEBHOOK_HMAC_SECRET",
                               .signs = true,
                               .digest = c->digest,
                               .is_base64 = is_yes(setting_or(from, "VAPI_WEBHOOK_SECRET_IS_BASE64", "0"))};

    return secrets_add_list(&c->plain, STR_NONE, setting_get(from, plain.setting), &plain, err) &&
           secrets_add_list(&c->hmac, STR_NONE, setting_get(from, hmac.setting), &hmac, err);
}

void *vapi_keys_new(const setting_source_t *from, err_t *err)
{
    vapi_credential_t *c = mem_zalloc(sizeof(*c));

    c->secret_header = header_name(from, "VAPI_WEBHOOK_SECRET_HEADER", NULL);
    c->signature_header = header_name(from, "VAPI_WEBHOOK_SIGNATURE_HEADER", DEFAULT_SIGNATURE_HEADER);
    c->timestamp_header = header_name(from, "VAPI_WEBHOOK_TIMESTAMP_HEADER", DEFAULT_TIMESTAMP_HEADER);
    c->message_id_header = header_name(from, "VAPI_WEBHOOK_MESSAGE_ID_HEADER", NULL);
    c->prefix = mem_strdup(setting_or(from, "VAPI_WEBHOOK_PREFIX", ""));
    c->format = mem_strdup(setting_or(from, "VAPI_WEBHOOK_PAYLOAD_FORMAT", DEFAULT_PAYLOAD_FORMAT));
    if (read_words(c, from, err) && read_tolerance(c, from, err) && read_secrets(c, from, err) &&
        (!c->hmac.count || read_format(c, err)) && c->plain.count + c->hmac.count)
        return c;
    vapi_keys_free(c);
    return NULL;
}

void vapi_keys_free(void *keys)
{
    vapi_credential_t *c = keys;

    if (!c)
        return;
    secrets_clear(&c->plain);
    secrets_clear(&c->hmac);
    free(c->secret_header);
    free(c->signature_header);
    free(c->timestamp_header);
    free(c->message_id_header);
    free(c->prefix);
    free(c->format);
    free(c);
}
