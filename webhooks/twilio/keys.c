/* keys.c – whose deliveries are let in: the auth tokens of one Twilio account or of several.
 *
 * A subaccount signs with its own token, so the token is chosen by the AccountSid of a delivery. Only an account's
 * primary token signs; while it is being changed both may (twilio.com/docs/iam/api/authtoken, read 2026-11-21). */
#include "twilio/twilio.h"

#include <stdlib.h>

const setting_t TWILIO_SETTINGS[TWILIO_SETTING_COUNT] = {
    {.name = "TWILIO_AUTH_TOKEN",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Auth tokens that sign Twilio's webhooks: the primary, then others that may still be in use"},
    {.name = "TWILIO_ACCOUNT_SID",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "AC…, whose tokens TWILIO_AUTH_TOKEN has: when set, they prove no other account's deliveries"},
    {.name = "TWILIO_ACCOUNTS",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "More accounts or subaccounts, as AC…:token,AC…:token; an account with two tokens stands there twice"},
    {.name = "TWILIO_API_KEY",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "SK…, by which TWILIO_ACCOUNT_SID's calls are fetched; not set: by the account's auth token"},
    {.name = "TWILIO_API_SECRET", .type = SETTING_TEXT, .secret = true, .reloads = true, .help = "Its secret"},
    {.name = "TWILIO_API_URL",
     .type = SETTING_TEXT,
     .fallback = "https://api.twilio.com",
     .reloads = true,
     .help = "Where calls are fetched from; a region's is https://api.EDGE.REGION.twilio.com"},
};

static const secret_use_t SINGLE = {.setting = "TWILIO_AUTH_TOKEN", .signs = true, .digest = DIGEST_SHA1};
static const secret_use_t PAIRS = {.setting = "TWILIO_ACCOUNTS", .signs = true, .digest = DIGEST_SHA1};

static twilio_account_t *account_of(twilio_keys_t *k, str_t sid)
{
    twilio_account_t *account;

    for (size_t i = 0; i < k->count; i++)
        if (str_eq(str_from(k->accounts[i].sid), sid))
            return &k->accounts[i];
    k->accounts = mem_realloc(k->accounts, (k->count + 1) * sizeof(*k->accounts));
    account = &k->accounts[k->count++];
    *account = (twilio_account_t){.sid = mem_strdup(sid)};
    return account;
}

static bool is_account_sid(str_t sid)
{
    return str_starts(sid, STR("AC")) && sid.len > 2;
}

/* The token alone, where it is not said whose it is, is good for any account. */
static bool read_single(twilio_keys_t *k, str_t sid, str_t tokens, err_t *err)
{
    if (!str_is_empty(sid) && !is_account_sid(sid)) {
        err_set(err, ERR_CONFIG, "TWILIO_ACCOUNT_SID: expected AC and 32 digits");
        return err_hint(err,
                        "SK… is an API key, whose secret signs no webhooks; the console's first page has both, the "
                        "Account SID and the Auth Token");
    }
    return secrets_add_list(&account_of(k, sid)->tokens, STR_NONE, tokens, &SINGLE, err);
}

static bool read_pair(twilio_keys_t *k, str_t pair, size_t number, err_t *err)
{
    size_t colon = str_find(pair, ':');
    str_t sid = str_trim(str_slice(pair, 0, colon));
    str_t token = colon == SIZE_MAX ? STR_NONE : str_trim(str_slice(pair, colon + 1, pair.len));

    if (!is_account_sid(sid) || str_is_empty(token)) { /* what came may be a token in the wrong place: not repeated */
        err_set(err, ERR_CONFIG, "TWILIO_ACCOUNTS: expected AC…:token,AC…:token; entry %zu is not so", number);
        return err_hint(err,
                        "each account and subaccount has a SID (AC…) and an Auth Token of its own, in its console");
    }
    return secrets_add_list(&account_of(k, sid)->tokens, STR_NONE, token, &PAIRS, err);
}

static bool read_pairs(twilio_keys_t *k, str_t pairs, err_t *err)
{
    size_t number = 0;
    str_t pair;

    while (str_split(&pairs, ',', &pair)) {
        number++;
        if (!str_is_empty(str_trim(pair)) && !read_pair(k, str_trim(pair), number, err))
            return false;
    }
    return true;
}

/* An account that was named, but has no token. */
static void drop_empty(twilio_keys_t *k)
{
    size_t kept = 0;

    for (size_t i = 0; i < k->count; i++) {
        if (k->accounts[i].tokens.count)
            k->accounts[kept++] = k->accounts[i];
        else
            free(k->accounts[i].sid);
    }
    k->count = kept;
}

static void make_ticket_keys(twilio_account_t *account)
{
    for (size_t i = 0; i < account->tokens.count; i++)
        account->ticket_keys[i] = stream_token_key(account->tokens.items[i].text);
}

void *twilio_keys_new(const setting_source_t *from, err_t *err)
{
    twilio_keys_t *k = mem_zalloc(sizeof(*k));
    str_t sid = str_trim(setting_get(from, "TWILIO_ACCOUNT_SID"));
    bool read = read_single(k, sid, setting_get(from, "TWILIO_AUTH_TOKEN"), err) &&
                read_pairs(k, setting_get(from, "TWILIO_ACCOUNTS"), err);

    drop_empty(k);
    for (size_t i = 0; i < k->count; i++)
        make_ticket_keys(&k->accounts[i]);
    if (read && k->count)
        return k;
    twilio_keys_free(k);
    return NULL;
}

void twilio_keys_free(void *keys)
{
    twilio_keys_t *k = keys;

    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++) {
        for (size_t j = 0; j < k->accounts[i].tokens.count; j++)
            hmac_key_free(k->accounts[i].ticket_keys[j]);
        secrets_clear(&k->accounts[i].tokens);
        free(k->accounts[i].sid);
    }
    free(k->accounts);
    free(k);
}

str_t twilio_account(const void *keys)
{
    const twilio_keys_t *k = keys;
    str_t sid = str_from(k->accounts[0].sid);

    return str_is_empty(sid) ? STR_NONE : sid;
}

bool twilio_may_sign(const twilio_keys_t *k, const twilio_account_t *account, str_t sid)
{
    str_t own = str_from(account->sid);

    if (str_is_empty(own))
        return true;
    return str_is_empty(sid) ? k->count == 1 : str_eq(own, sid);
}
