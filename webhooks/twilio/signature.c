/* signature.c – X-Twilio-Signature, both ways.
 *
 *   data = URL, as Twilio was given it
 *   form body: for every parameter, sorted by key (bytes): data += key + value, decoded, empty values included
 *   JSON body: nothing more, but the URL carries bodySHA256=<hex of SHA-256 of the body>
 *   signature = base64(HMAC-SHA1(auth token, data))
 *
 * Source: twilio.com/docs/usage/security and twilio.com/docs/usage/webhooks/webhooks-security, read 2026-11-21. What
 * the pages leave open follows Twilio's own libraries (twilio-node src/webhooks/webhooks.ts, twilio-python
 * request_validator.py): the port may or may not be in the URL, and a repeated key counts once for each distinct value,
 * values sorted. */
#include "twilio/twilio.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE_TEXT_BYTES 28
#define SHA1_BYTES           20

/* ---- what is signed ---- */

/* Most keys differ in their first eight bytes: compared as one number they sort without a call. */
typedef struct sortable {
    uint64_t head;
    const form_pair_t *pair;
} sortable_t;

static uint64_t head_of(str_t s)
{
    uint64_t head = 0;

    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | (i < s.len ? (unsigned char)s.base[i] : 0);
    return head;
}

static int by_key_then_value(const void *a, const void *b)
{
    const sortable_t *x = a, *y = b;
    int order;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    order = str_cmp(x->pair->key, y->pair->key);
    return order ? order : str_cmp(x->pair->value, y->pair->value);
}

static bool same_pair(const form_pair_t *a, const form_pair_t *b)
{
    return str_eq(a->key, b->key) && str_eq(a->value, b->value);
}

/* Keys sorted by bytes, values of one key sorted, exact repeats dropped; key and value without anything between. */
static str_t signed_parameters(const form_t *form, arena_t *a)
{
    sortable_t *sorted = arena_alloc(a, form->count * sizeof(*sorted));
    str_t *parts = arena_alloc(a, 2 * form->count * sizeof(*parts));
    size_t n = 0;

    for (size_t i = 0; i < form->count; i++)
        sorted[i] = (sortable_t){head_of(form->pairs[i].key), &form->pairs[i]};
    if (form->count)
        qsort(sorted, form->count, sizeof(*sorted), by_key_then_value);
    for (size_t i = 0; i < form->count; i++) {
        if (i && same_pair(sorted[i - 1].pair, sorted[i].pair))
            continue;
        parts[n++] = sorted[i].pair->key;
        parts[n++] = sorted[i].pair->value;
    }
    return arena_concat(a, parts, n);
}

/* ---- what fits ---- */

/* One request, and what is tried on it. */
typedef struct trial {
    const twilio_keys_t *keys;
    const hook_request_t *request;
    str_t scheme;                    /* of an upgrade: in place of the address's own; absent: that one */
    str_t account_sid;               /* of a form; absent: it names none */
    str_t parameters;                /* signed after the address */
    const twilio_account_t *account; /* whose token fits */
    uint8_t given[SHA1_BYTES];
    size_t addresses, tokens; /* tried; tokens at each address */
} trial_t;

/* What may be logged of a target: not the query, which may hold telephone numbers, and not a ticket. */
static str_t plain_path(const hook_request_t *r, str_t target)
{
    str_t path = str_slice(target, 0, str_find(target, '?'));

    if (str_is_empty(r->path_secret))
        return path;
    return str_slice(path, 0, (size_t)(r->path_secret.base - r->target.base));
}

static void explain(const trial_t *t, const twilio_address_t *at, str_t target, const twilio_account_t *account,
                    size_t token, bool fits)
{
    str_t path = plain_path(t->request, target);

    hook_explain(t->request, "URL " STR_FMT "%s" STR_FMT STR_FMT STR_FMT STR_FMT "%s%s with token %zu of %zu of %s: %s",
                 STR_ARG(at->scheme), str_is_empty(at->user) ? "" : "[name:password]@", STR_ARG(at->host),
                 STR_ARG(at->port), STR_ARG(at->prefix), STR_ARG(path),
                 path.len == target.len                  ? ""
                 : str_is_empty(t->request->path_secret) ? "?…"
                                                         : "…",
                 target.base == t->request->target.base ? "" : " (' @ : unescaped)", token + 1, account->tokens.count,
                 account->sid[0] ? account->sid : "any account", fits ? "yes" : "no");
}

static bool account_fits(trial_t *t, const twilio_address_t *at, str_t target, const twilio_account_t *account)
{
    const str_t parts[] = {at->scheme, at->user, at->host, at->port, at->prefix, target, t->parameters};
    uint8_t made[DIGEST_MAX_BYTES];

    for (size_t i = 0; i < account->tokens.count; i++) {
        size_t len = hmac_sign(account->tokens.items[i].key, parts, COUNT(parts), made);
        bool fits = crypto_equal(made, len, t->given, SHA1_BYTES);

        explain(t, at, target, account, i, fits);
        if (fits) {
            t->account = account;
            return true;
        }
    }
    return false;
}

/* A JSON body is not parsed before it is proven: it may be any account's. */
static bool may_sign(const trial_t *t, const twilio_account_t *account)
{
    return !t->request->form || twilio_may_sign(t->keys, account, t->account_sid);
}

static bool address_fits(trial_t *t, const twilio_address_t *at, str_t target)
{
    t->addresses++;
    for (size_t i = 0; i < t->keys->count; i++)
        if (may_sign(t, &t->keys->accounts[i]) && account_fits(t, at, target, &t->keys->accounts[i]))
            return true;
    return false;
}

static bool target_fits(trial_t *t, str_t target)
{
    twilio_address_t addresses[TWILIO_ADDRESS_MAX];

    for (size_t i = 0; i < t->request->n_origins; i++) {
        size_t n = twilio_addresses(t->request->origins[i], addresses);

        for (size_t j = 0; j < n; j++) {
            if (t->scheme.len)
                addresses[j].scheme = t->scheme;
            if (address_fits(t, &addresses[j], target))
                return true;
        }
    }
    return false;
}

/* Of a GET users report that ' @ and : are signed as they are and sent escaped (twilio-node issues 621 and 1059). */
static bool anything_fits(trial_t *t, arena_t *scratch)
{
    str_t plain;

    if (target_fits(t, t->request->target))
        return true;
    plain = t->request->is_get ? twilio_plain_query(t->request->target, scratch) : STR_NONE;
    return !str_is_empty(plain) && target_fits(t, plain);
}

/* ---- a JSON body is covered by a parameter of the URL only ---- */

static str_t query_value(str_t target, str_t name)
{
    str_t rest = str_slice(target, str_find(target, '?'), target.len);
    str_t pair;

    if (str_is_empty(rest))
        return STR_NONE;
    rest = str_slice(rest, 1, rest.len);
    while (str_split(&rest, '&', &pair))
        if (str_starts(pair, name) && pair.len > name.len && pair.base[name.len] == '=')
            return str_slice(pair, name.len + 1, pair.len);
    return STR_NONE;
}

static bool body_is_the_signed_one(const hook_request_t *r)
{
    str_t given = query_value(r->target, STR("bodySHA256"));
    uint8_t want[32], made[32];

    if (given.len != 2 * sizeof(want) || hex_decode(given, want) != sizeof(want))
        return false;
    sha256(r->body, made);
    return crypto_equal(want, sizeof(want), made, sizeof(made));
}

/* ---- whose it is ---- */

static const char *const ACCOUNT_NAMES[] = {"AccountSid", "account_sid", "accountSid"};

static str_t account_of_form(const form_t *form)
{
    str_t sid = STR_NONE;

    for (size_t i = 0; i < COUNT(ACCOUNT_NAMES) && str_is_empty(sid); i++)
        sid = form_get(form, str_from(ACCOUNT_NAMES[i]));
    return sid;
}

static size_t count_tokens(const trial_t *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->keys->count; i++)
        if (may_sign(t, &t->keys->accounts[i]))
            n += t->keys->accounts[i].tokens.count;
    return n;
}

#define SID_CHARACTERS 34 /* what came may be longer: so much of it is logged */

static bool refuse_account(const trial_t *t, err_t *err)
{
    if (str_is_empty(t->account_sid)) {
        err_set(err, ERR_SIGNATURE, "expected an AccountSid, as tokens of %zu accounts are set; there is none",
                t->keys->count);
        return err_hint(err, "only where one account has tokens here is a form let in that names none");
    }
    err_set(err, ERR_SIGNATURE, "AccountSid " STR_FMT " is none of the accounts that a token is set for",
            STR_ARG(str_slice(t->account_sid, 0, SID_CHARACTERS)));
    return err_hint(err,
                    "a subaccount signs with a token of its own: if it is yours, add AC…:token to TWILIO_ACCOUNTS");
}

/* Cleaned before it is parsed, so that what is read here is what will be read of the payload. NULL: no JSON, which
 * names nobody, and becomes a dead letter. */
static const cJSON *read_json(str_t body, arena_t *scratch)
{
    str_t safe;
    err_t why;

    return json_clean(scratch, body, (json_redact_t){NULL}, &safe, &why) ? json_parse(scratch, safe, &why) : NULL;
}

/* An account's token proves nothing of another account. */
static bool json_is_theirs(const trial_t *t, arena_t *scratch, err_t *err)
{
    const cJSON *root = read_json(t->request->body, scratch);

    for (size_t i = 0; i < COUNT(ACCOUNT_NAMES); i++) {
        str_t sid = json_str(root, ACCOUNT_NAMES[i]);

        if (str_is_empty(sid) || twilio_may_sign(t->keys, t->account, sid))
            continue;
        err_set(err, ERR_SIGNATURE, "%s is " STR_FMT ", but the signature is %s's", ACCOUNT_NAMES[i],
                STR_ARG(str_slice(sid, 0, SID_CHARACTERS)), t->account->sid);
        return err_hint(err,
                        "each account signs with a token of its own: check TWILIO_ACCOUNT_SID and TWILIO_ACCOUNTS");
    }
    return true;
}

/* ---- the two ends ---- */

static bool refuse_signature(const trial_t *t, err_t *err)
{
    const hook_request_t *r = t->request;
    str_t path = plain_path(r, r->target);
    twilio_address_t first[TWILIO_ADDRESS_MAX];

    twilio_addresses(r->origins[0], first);
    err_set(err, ERR_SIGNATURE,
            "x-twilio-signature fits none of the %zu addresses tried with %zu tokens; the first was " STR_FMT STR_FMT
                STR_FMT STR_FMT STR_FMT,
            t->addresses, t->tokens, STR_ARG(first->scheme), STR_ARG(first->host), STR_ARG(first->port),
            STR_ARG(first->prefix), STR_ARG(path));
    return err_hint(err, "set HOOKLINE_PUBLIC_URL to the address that Twilio was given, and TWILIO_AUTH_TOKEN to the "
                         "account's primary token; HOOKLINE_EXPLAIN_SIGNATURES=1 says what is tried");
}

static bool read_signature(const hook_request_t *r, uint8_t given[SHA1_BYTES], err_t *err)
{
    str_t header = hook_header(r, "x-twilio-signature");
    uint8_t decoded[SIGNATURE_TEXT_BYTES];

    if (str_is_empty(header))
        return err_set(err, ERR_NO_SIGNATURE, "expected a header x-twilio-signature, there is none");
    if (header.len != SIGNATURE_TEXT_BYTES || base64_decode(header, decoded) != SHA1_BYTES)
        return err_set(err, ERR_SIGNATURE, "x-twilio-signature: expected the base64 of 20 bytes, %zu characters came",
                       header.len);
    memcpy(given, decoded, SHA1_BYTES);
    return true;
}

bool twilio_verify(const void *keys, const hook_request_t *r, arena_t *scratch, err_t *err)
{
    trial_t t = {.keys = keys, .request = r};

    if (!read_signature(r, t.given, err))
        return false;
    if (!r->form && !body_is_the_signed_one(r))
        return err_set(err, ERR_SIGNATURE,
                       "a JSON body is signed by bodySHA256 in the URL: it is missing, or of another body");
    t.account_sid = r->form ? account_of_form(r->form) : STR_NONE;
    t.tokens = count_tokens(&t);
    if (!t.tokens)
        return refuse_account(&t, err);
    if (r->form && !r->is_get) /* a GET's parameters stand in its address already */
        t.parameters = signed_parameters(r->form, scratch);
    if (!anything_fits(&t, scratch))
        return refuse_signature(&t, err);
    return r->form || json_is_theirs(&t, scratch, err);
}

/* ---- the upgrade to a WebSocket ---- */

/* With a slash at the path's end, or without it where there is one. */
static str_t other_slash(str_t target, arena_t *a)
{
    size_t path = str_find(target, '?');
    str_t query, parts[3];

    if (path == SIZE_MAX)
        path = target.len;
    query = str_slice(target, path, target.len);
    if (path > 1 && target.base[path - 1] == '/')
        return arena_printf(a, STR_FMT STR_FMT, STR_ARG(str_slice(target, 0, path - 1)), STR_ARG(query));
    parts[0] = str_slice(target, 0, path);
    parts[1] = STR("/");
    parts[2] = query;
    return arena_concat(a, parts, COUNT(parts));
}

/* The URL of <Stream> is all that is signed. What Twilio's pages say is that a slash may have to be added
 * (twilio.com/docs/usage/security, read 2026-11-21); that the scheme is wss, reports and its own libraries do
 * (twilio-agent-connect-python src/tac/server/signature_validation.py, twilio-aspnet issue 162). */
bool twilio_verify_upgrade(const void *keys, const hook_request_t *r, arena_t *scratch,
                           const twilio_account_t **account, err_t *err)
{
    const str_t schemes[] = {STR("wss://"), STR_NONE}, targets[] = {r->target, other_slash(r->target, scratch)};
    trial_t t = {.keys = keys, .request = r};

    if (!read_signature(r, t.given, err))
        return false;
    t.tokens = count_tokens(&t);
    for (size_t i = 0; i < COUNT(schemes); i++) {
        t.scheme = schemes[i];
        for (size_t j = 0; j < COUNT(targets); j++) {
            if (target_fits(&t, targets[j])) {
                *account = t.account;
                return true;
            }
        }
    }
    return refuse_signature(&t, err);
}

str_t twilio_query(body_kind_t kind, str_t body, arena_t *a)
{
    uint8_t hash[32];
    char hex[64];

    if (kind != BODY_JSON)
        return STR_NONE;
    sha256(body, hash);
    return arena_printf(a, "bodySHA256=%.*s", (int)hex_encode(hash, sizeof(hash), hex), hex);
}

size_t twilio_sign(const void *keys, str_t url, body_kind_t kind, str_t body, int64_t now_us, arena_t *a,
                   header_t *headers)
{
    const twilio_keys_t *k = keys;
    uint8_t made[DIGEST_MAX_BYTES];
    char *text = arena_alloc(a, SIGNATURE_TEXT_BYTES);
    str_t parts[2] = {url, STR_NONE};
    form_t form;

    (void)now_us; /* the signature knows no time */
    if (kind == BODY_FORM && form_parse(a, body, &form, NULL))
        parts[1] = signed_parameters(&form, a);
    hmac_sign(k->accounts[0].tokens.items[0].key, parts, COUNT(parts), made);
    headers[0] = (header_t){STR("x-twilio-signature"), {text, base64_encode(made, SHA1_BYTES, text)}};
    return 1;
}
