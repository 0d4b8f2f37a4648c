/* verify.c – a request to the provider PROVIDER (set by the build: one program each) from somebody who does not have
 * the secret, which is drawn at random: never genuine. And whatever the body, what the provider signs is.
 *
 * An input is lines: the target, the host, what stands in the headers that the provider signs with (in the order of its
 * sign; an empty line: as somebody with another secret would sign), one header more as "name: value"; then the body. */
#include "fuzz.h"

#include "base/crypto.h"
#include "provider.h"

#define MOST_LOCKS   16
#define SECRET_CHARS 64
#define MOST_TEXT    160
#define PUBLIC_URL   "https://calls.example.com"
#define NOW_US       (INT64_C(1786550000) * US_PER_S)
#define SEEN_BODY    "{\"seen\":true}"

/* One way to set the provider up: this setting alone holds a secret. */
typedef struct lock {
    void *keys;                    /* the server's */
    void *others;                  /* somebody else's, of the same form */
    char secret[SECRET_CHARS + 1]; /* the server's */
    bool is_pair;                  /* with the account that it belongs to: see try_genuine */
    bool covers_body;              /* a signature of one body does not fit another */
} lock_t;

static const provider_t *provider;
static lock_t locks[MOST_LOCKS];
static size_t n_locks;

/* ---- setting it up ---- */

/* A secret by itself, as Standard Webhooks writes it, and with an account or a key. It is hex, which is base64 too. */
static const struct {
    const char *before;
    bool is_pair;
} FORMS[] = {{"", false}, {"whsec_", false}, {"AC00000000000000000000000000000001:", true}};

typedef struct setup {
    const char *setting;
    char text[MOST_TEXT];
} setup_t;

static str_t get_setting(const void *snapshot, const char *name)
{
    const setup_t *s = snapshot;

    if (strcmp(name, s->setting) == 0)
        return str_from(s->text);
    return str_ends_nocase(str_from(name), STR("_API_KEY")) ? STR("APIkey") : STR_NONE; /* which secret it is */
}

static void *make_keys(const setting_t *setting, const char *before, const char *secret)
{
    setup_t setup = {.setting = setting->name};
    setting_source_t source = {get_setting, &setup};
    err_t err;

    (void)snprintf(setup.text, sizeof(setup.text), "%s%s", before, secret);
    return provider->keys_new(&source, &err);
}

static void draw_secret(char out[SECRET_CHARS + 1])
{
    uint8_t bytes[SECRET_CHARS / 2];

    crypto_random(bytes, sizeof(bytes));
    out[hex_encode(bytes, sizeof(bytes), out)] = '\0';
}

static void add_lock(const setting_t *setting, size_t form)
{
    lock_t *lock = &locks[n_locks];
    char other[SECRET_CHARS + 1];

    draw_secret(lock->secret);
    draw_secret(other);
    lock->is_pair = FORMS[form].is_pair;
    lock->keys = make_keys(setting, FORMS[form].before, lock->secret);
    lock->others = make_keys(setting, FORMS[form].before, other);
    if (lock->keys && lock->others)
        n_locks++;
}

/* ---- requests ---- */

#define SIGNED_LINES HOOK_MAX_SIGNED

typedef struct attack {
    str_t target, host, values[SIGNED_LINES], more, body;
} attack_t;

static attack_t read_attack(arena_t *a, str_t input)
{
    attack_t t = {.target = take_line(a, &input)};

    t.host = take_line(a, &input);
    for (size_t i = 0; i < SIGNED_LINES; i++)
        t.values[i] = take_line(a, &input);
    t.more = take_line(a, &input);
    t.body = exact_copy(a, input);
    return t;
}

typedef struct request {
    hook_request_t hook;
    header_t headers[SIGNED_LINES + 1];
    form_t form;
    buf_t explained;
} request_t;

/* Signed with these keys, as the provider does it. A GET has its parameters, here the body, in the query. */
static void sign_request(arena_t *a, request_t *r, const void *keys, const hook_route_t *route, body_kind_t kind,
                         str_t body)
{
    bool is_get = kind == BODY_QUERY;
    str_t query = is_get ? body : provider->query ? provider->query(kind, body, a) : STR_NONE;
    str_t secret = provider->path_secret ? provider->path_secret(keys) : STR_NONE;
    const str_t parts[] = {STR(PUBLIC_URL), str_from(route->path),          str_from(secret.len ? "/" : ""),
                           secret,          str_from(query.len ? "?" : ""), query};
    str_t url = arena_concat(a, parts, COUNT(parts));

    *r = (request_t){.hook = {.is_get = is_get, .path_secret = secret, .now_us = NOW_US}};
    r->hook.target = str_slice(url, sizeof(PUBLIC_URL) - 1, url.len);
    r->hook.body = is_get ? STR_NONE : body;
    r->hook.headers = r->headers;
    r->hook.origins[r->hook.n_origins++] = STR(PUBLIC_URL);
    r->hook.n_headers = provider->sign(keys, url, kind, r->hook.body, NOW_US, a, r->headers);
}

static str_t parameters_of(const hook_request_t *r)
{
    size_t mark = str_find(r->target, '?');

    if (!r->is_get)
        return r->body;
    return mark == SIZE_MAX ? STR("") : str_slice(r->target, mark + 1, r->target.len);
}

/* False: a form that ingest refuses before anybody looks. */
static bool read_form(arena_t *a, request_t *r, body_kind_t kind)
{
    if (kind == BODY_JSON)
        return true;
    r->hook.form = &r->form;
    return form_parse(a, parameters_of(&r->hook), &r->form, NULL);
}

/* Not by memmem: libFuzzer watches that, and would learn the secret from us. */
static bool tells_secret(str_t text, const lock_t *lock)
{
    for (size_t i = 0; i + SECRET_CHARS <= text.len; i++)
        if (crypto_equal(text.base + i, SECRET_CHARS, lock->secret, SECRET_CHARS))
            return true;
    return false;
}

static bool is_genuine(arena_t *a, const lock_t *lock, request_t *r)
{
    err_t err = {.code = ERR_NONE};
    bool genuine;

    r->hook.explain = &r->explained;
    genuine = provider->verify(lock->keys, &r->hook, a, &err);
    CHECK(genuine || err.code == ERR_NO_SIGNATURE || err.code == ERR_SIGNATURE || err.code == ERR_STALE,
          r->hook.target);
    CHECK(genuine || err.detail[0], r->hook.target);
    CHECK(genuine || !tells_secret(str_from(err.detail), lock), str_from(err.detail));
    CHECK(!tells_secret(buf_str(&r->explained), lock), buf_str(&r->explained));
    buf_clear(&r->explained);
    return genuine;
}

/* ---- what must hold ---- */

static void try_genuine(arena_t *a, const lock_t *lock, const hook_route_t *route, body_kind_t kind, str_t body)
{
    request_t r;

    sign_request(a, &r, lock->keys, route, kind, body);
    if (lock->is_pair || !read_form(a, &r, kind)) /* a pair refuses a body that names another account */
        return;
    CHECK(is_genuine(a, lock, &r), body);
}

/* Puts what the attacker says in place of what is there. */
static void overwrite(arena_t *a, request_t *r, const attack_t *t)
{
    size_t colon = str_find(t->more, ':');

    for (size_t i = 0; i < r->hook.n_headers; i++)
        if (t->values[i].len)
            r->headers[i].value = t->values[i];
    if (colon != SIZE_MAX) {
        memmove(r->headers + 1, r->headers, r->hook.n_headers * sizeof(r->headers[0]));
        r->headers[0] = (header_t){str_slice(t->more, 0, colon), str_trim(str_slice(t->more, colon + 1, t->more.len))};
        r->hook.n_headers++;
    }
    if (t->target.len) {
        r->hook.target = t->target;
        r->hook.path_secret = t->target;
    }
    if (t->host.len) {
        r->hook.origins[r->hook.n_origins++] = arena_printf(a, "https://" STR_FMT, STR_ARG(t->host));
        r->hook.origins[r->hook.n_origins++] = arena_printf(a, "http://" STR_FMT, STR_ARG(t->host));
    }
}

static void try_forged(arena_t *a, const lock_t *lock, const hook_route_t *route, body_kind_t kind, const attack_t *t)
{
    request_t r;

    sign_request(a, &r, lock->others, route, kind, t->body);
    overwrite(a, &r, t);
    if (read_form(a, &r, kind))
        CHECK(!is_genuine(a, lock, &r), t->body);
}

/* A genuine request was seen; its proof is sent with another body. */
static void try_replayed(arena_t *a, const lock_t *lock, const hook_route_t *route, const attack_t *t)
{
    request_t r;

    if (!lock->covers_body || str_eq(t->body, STR(SEEN_BODY)))
        return;
    sign_request(a, &r, lock->keys, route, BODY_JSON, STR(SEEN_BODY));
    overwrite(a, &r, t);
    r.hook.body = t->body;
    CHECK(!is_genuine(a, lock, &r), t->body);
}

static void try_kind(const lock_t *lock, const hook_route_t *route, body_kind_t kind, const attack_t *t)
{
    arena_t *a = arena_new(4096);

    try_genuine(a, lock, route, kind, t->body);
    try_forged(a, lock, route, kind, t);
    if (kind == BODY_JSON)
        try_replayed(a, lock, route, t);
    arena_free(a);
}

/* ---- the target ---- */

/* By how it is signed, not by how it is verified: that is what is being tested. */
static bool covers_body(arena_t *a, const lock_t *lock)
{
    request_t one, other;

    sign_request(a, &one, lock->keys, &provider->routes[0], BODY_JSON, STR(SEEN_BODY));
    sign_request(a, &other, lock->keys, &provider->routes[0], BODY_JSON, STR("{}"));
    for (size_t i = 0; i < one.hook.n_headers; i++)
        if (!str_eq(one.headers[i].value, other.headers[i].value))
            return true;
    return !str_eq(one.hook.target, other.hook.target);
}

void fuzz_begin(void)
{
    arena_t *a;

    provider = provider_find(str_from(PROVIDER));
    CHECK(provider, STR(PROVIDER));
    for (size_t i = 0; i < provider->n_settings; i++)
        for (size_t form = 0; provider->settings[i].secret && form < COUNT(FORMS) && n_locks < MOST_LOCKS; form++)
            add_lock(&provider->settings[i], form);
    CHECK(n_locks > 0, STR(PROVIDER));
    a = arena_new(4096);
    for (size_t i = 0; i < n_locks; i++)
        locks[i].covers_body = covers_body(a, &locks[i]);
    arena_free(a);
}

void fuzz_one(arena_t *a, str_t input)
{
    attack_t t = read_attack(a, input);

    for (size_t i = 0; i < n_locks; i++) {
        for (size_t j = 0; j < provider->n_routes; j++) {
            for (int kind = BODY_FORM; kind <= BODY_QUERY; kind *= 2)
                if (provider->routes[j].bodies & kind)
                    try_kind(&locks[i], &provider->routes[j], (body_kind_t)kind, &t);
        }
    }
}
