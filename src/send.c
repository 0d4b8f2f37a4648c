#include "send.h"

#include "base/crypto.h"
#include "base/json.h"
#include "command.h"
#include "config/config.h"
#include "net/http_client.h"
#include "provider.h"
#include "sample.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_US     (INT64_C(15) * US_PER_S)
#define DEMO_US        (INT64_C(2500) * US_PER_MS) /* what a whole call is pressed into */
#define LINES_PRINTED  20                          /* of a long run, only what went wrong is printed beyond these */
#define MAX_FILE_BYTES ((size_t)64 * 1024 * 1024)

typedef struct options {
    const char *what, *event; /* the words that are no options */
    const char *to;
    int64_t count;
    bool tamper;
} options_t;

/* One run of the command. */
typedef struct sender {
    const options_t *options;
    config_t *config;
    http_client_t *http;
    str_t base;       /* scheme://host:port[/path] that is sent to */
    str_t public_url; /* what providers were given; absent: the same */
    void **keys;      /* by provider index; NULL: off */
    arena_t *arena;   /* for the run; each delivery has one of its own */
    int64_t sent, as_wanted;
    int unwanted; /* the last status that was not wanted */
} sender_t;

/* ---- options ---- */

static bool take_word(void *options, const char *text, err_t *err)
{
    options_t *o = options;

    (void)err;
    *(o->what ? &o->event : &o->what) = text;
    return true;
}

static bool take_count(void *options, const char *text, err_t *err)
{
    options_t *o = options;

    return (str_to_int(str_from(text), &o->count) && o->count > 0) ||
           err_set(err, ERR_CONFIG, "--count: \"%s\" is no whole number above 0", text);
}

static const command_option_t OPTIONS[] = {
    {"--to", OPTION_TEXT, offsetof(options_t, to), NULL},
    {"--count", OPTION_TAKE, 0, take_count},
    {"--tamper", OPTION_FLAG, offsetof(options_t, tamper), NULL},
};
static const command_usage_t USAGE = {OPTIONS, COUNT(OPTIONS), 2, take_word};

/* `list` and `demo` stand alone; of a provider, something is sent. */
static bool check_words(const options_t *o, err_t *err)
{
    bool alone = o->what && (strcmp(o->what, "list") == 0 || strcmp(o->what, "demo") == 0);

    if (!o->what)
        err_set(err, ERR_CONFIG, "send what? A PROVIDER and its EVENT or a FILE, demo, or list");
    else if (alone && o->event)
        err_set(err, ERR_CONFIG, "what is \"%s\" behind %s?", o->event, o->what);
    else if (!alone && !provider_find(str_from(o->what)))
        err_set(err, ERR_CONFIG, "there is no provider \"%s\"; `hookline send list` says which there are", o->what);
    else if (!alone && !o->event)
        err_set(err, ERR_CONFIG, "send what of %s? An EVENT, or a FILE", o->what);
    else
        return true;
    return err_hint(err, "see `hookline help send`");
}

/* ---- where to ---- */

/* Somewhere to connect to: an address to listen on may stand for all of them. */
static str_t reachable(str_t listen)
{
    if (str_starts(listen, STR("0.0.0.0:")))
        return str_slice(listen, STR("0.0.0.0").len, listen.len);
    if (str_starts(listen, STR("[::]:")))
        return str_slice(listen, STR("[::]").len, listen.len);
    return listen;
}

static bool find_base(sender_t *s, err_t *err)
{
    str_t listen = config_text(s->config, "HOOKLINE_LISTEN"), rest = reachable(listen);

    s->public_url = config_text(s->config, "HOOKLINE_PUBLIC_URL");
    if (s->options->to) {
        s->base = str_from(s->options->to);
        while (s->base.len && s->base.base[s->base.len - 1] == '/')
            s->base.len--;
        return str_starts(s->base, STR("http://")) || str_starts(s->base, STR("https://")) ||
               err_set(err, ERR_CONFIG, "--to: expected http:// or https://, not %s", s->options->to);
    }
    if (str_ends_nocase(listen, STR(":0"))) {
        err_set(err, ERR_CONFIG, "HOOKLINE_LISTEN has port 0: which port was picked is not known here");
        return err_hint(err, "give --to with the address that hookline printed when it started");
    }
    s->base = arena_printf(s->arena, "http://%s" STR_FMT, rest.len < listen.len ? "127.0.0.1" : "", STR_ARG(rest));
    return true;
}

/* The path in --to, or absent. */
static str_t path_of(str_t url)
{
    str_t rest = str_slice(url, str_find(url, ':') + 3, url.len);
    size_t slash = str_find(rest, '/');

    return slash == SIZE_MAX ? STR_NONE : str_slice(rest, slash, rest.len);
}

static const hook_route_t *find_route(const provider_t *p, const char *name)
{
    for (size_t i = 0; i < p->n_routes; i++)
        if (strcmp(p->routes[i].name, name) == 0)
            return &p->routes[i];
    return &p->routes[0];
}

/* ---- starting and ending ---- */

static size_t index_of(const provider_t *p)
{
    size_t i = 0;

    while (PROVIDERS[i] != p)
        i++;
    return i;
}

static bool read_keys(sender_t *s, err_t *err)
{
    setting_source_t source = config_source(s->config);

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        err->code = ERR_NONE;
        s->keys[i] = PROVIDERS[i]->keys_new(&source, err);
        if (!s->keys[i] && err->code != ERR_NONE)
            return false;
    }
    return true;
}

static void sender_clear(sender_t *s)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (s->keys[i])
            PROVIDERS[i]->keys_free(s->keys[i]);
    http_client_free(s->http);
    config_free(s->config);
    arena_free(s->arena);
    free(s->keys);
}

static bool sender_init(sender_t *s, const options_t *o, err_t *err)
{
    *s = (sender_t){.options = o, .arena = arena_new(4096), .http = http_client_new()};
    s->keys = mem_zalloc((PROVIDER_COUNT + 1) * sizeof(*s->keys));
    s->config = config_read(err);
    return s->config && read_keys(s, err) && find_base(s, err);
}

/* ---- one delivery ---- */

typedef struct shipment {
    const provider_t *provider;
    const hook_route_t *route;
    const char *event;
    body_kind_t kind;
    str_t body;
} shipment_t;

/* With one character changed. */
static str_t spoilt(str_t proof, arena_t *a)
{
    char *copy;

    if (!proof.base)
        return proof;
    copy = arena_alloc(a, proof.len);
    memcpy(copy, proof.base, proof.len);
    copy[proof.len / 2] = copy[proof.len / 2] == 'A' ? 'B' : 'A';
    return (str_t){copy, proof.len};
}

/* Every proof: each by itself would do where several are set. */
static void spoil(header_t *headers, size_t count, arena_t *a)
{
    for (size_t i = 0; i < count; i++)
        if (!str_eq(headers[i].name, STR("content-type")))
            headers[i].value = spoilt(headers[i].value, a);
}

static str_t with_query(arena_t *a, str_t url, str_t query)
{
    return str_is_empty(query) ? url : arena_printf(a, STR_FMT "?" STR_FMT, STR_ARG(url), STR_ARG(query));
}

/* The route's path, with the secret that proves the sender where there is no other proof. */
static str_t path_to(const sender_t *s, const shipment_t *m, arena_t *a)
{
    str_t path = str_from(m->route->path), secret = STR_NONE;

    if (m->route->traits & ROUTE_SECRET)
        secret = m->provider->path_secret(s->keys[index_of(m->provider)]);
    if (str_is_empty(secret))
        return path;
    if (s->options->tamper)
        secret = spoilt(secret, a);
    return arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(path), STR_ARG(secret));
}

/* The address sent to, and the one that the sender would think it is. */
static void addresses(const sender_t *s, const shipment_t *m, arena_t *a, str_t *to, str_t *signed_as)
{
    str_t path = path_of(s->base);
    str_t query = m->provider->query ? m->provider->query(m->kind, m->body, a) : STR_NONE;
    str_t origin = str_slice(s->base, 0, s->base.len - path.len);

    if (str_is_empty(path))
        path = path_to(s, m, a);
    *to = with_query(a, arena_printf(a, STR_FMT STR_FMT, STR_ARG(origin), STR_ARG(path)), query);
    *signed_as = *to;
    if (!str_is_empty(s->public_url))
        *signed_as = with_query(a, arena_printf(a, STR_FMT STR_FMT, STR_ARG(s->public_url), STR_ARG(path)), query);
}

static size_t make_fields(const sender_t *s, const shipment_t *m, str_t signed_as, arena_t *a, http_field_t *fields)
{
    header_t headers[HOOK_MAX_SIGNED];
    size_t n =
        m->provider->sign(s->keys[index_of(m->provider)], signed_as, m->kind, m->body, clock_wall_us(), a, headers);
    bool has_type = false;

    if (s->options->tamper)
        spoil(headers, n, a);
    for (size_t i = 0; i < n; i++) {
        fields[i] = (http_field_t){headers[i].name, headers[i].value};
        has_type |= str_eq(headers[i].name, STR("content-type"));
    }
    if (!has_type)
        fields[n++] =
            (http_field_t){STR("content-type"), m->kind == BODY_FORM ? STR("application/x-www-form-urlencoded; "
                                                                           "charset=UTF-8")
                                                                     : STR("application/json")};
    return n;
}

static void print_line(const shipment_t *m, const http_result_t *r, bool as_wanted)
{
    printf("%-15s %-30s %d  %7.1f ms%s\n", m->provider->name, m->event, r->status, (double)r->took_us / 1000,
           as_wanted ? "" : "  <- not what was wanted");
    (void)fflush(stdout);
}

static bool ship(sender_t *s, const shipment_t *m, err_t *err)
{
    arena_t *a = arena_new(16384);
    http_field_t fields[HOOK_MAX_SIGNED + 1];
    http_call_t call = {.method = "POST", .body = m->body, .fields = fields, .timeout_us = TIMEOUT_US};
    http_result_t r;
    str_t signed_as;
    bool answered, as_wanted;

    addresses(s, m, a, &call.url, &signed_as);
    call.n_fields = make_fields(s, m, signed_as, a, fields);
    answered = http_client_send(s->http, &call, a, &r, err);
    if (answered) {
        as_wanted = s->options->tamper ? r.status == 401 : r.status >= 200 && r.status < 300;
        s->sent++;
        s->as_wanted += as_wanted;
        s->unwanted = as_wanted ? s->unwanted : r.status;
        if (s->sent <= LINES_PRINTED || !as_wanted)
            print_line(m, &r, as_wanted);
    } else {
        err_hint(err, "is hookline serving there? `hookline serve` starts it; --to says where it is");
    }
    arena_free(a);
    return answered;
}

static void explain(int status)
{
    static const struct {
        int status;
        const char *hint;
    } HINTS[] = {
        {401, "the server has other secrets, or another HOOKLINE_PUBLIC_URL, than are set here; its log says which"},
        {404, "that provider is off there: the server was started without its secret"},
        {503, "the server cannot make deliveries durable now; GET /readyz says why"},
    };

    for (size_t i = 0; i < COUNT(HINTS); i++)
        if (HINTS[i].status == status)
            (void)fprintf(stderr, "hint: %s\n", HINTS[i].hint);
}

static int verdict(const sender_t *s)
{
    if (!s->options->tamper)
        explain(s->unwanted);
    if (s->sent > 1)
        printf("%" PRId64 " sent, %" PRId64 " %s\n", s->sent, s->as_wanted,
               s->options->tamper ? "refused as they should be" : "accepted");
    return s->sent == s->as_wanted ? 0 : 1;
}

/* ---- samples ---- */

/* Whose deliveries the settings let in; the same for all providers, since a call of one runs over another. */
static str_t known_account(const sender_t *s)
{
    str_t account = STR_NONE;

    for (size_t i = 0; i < PROVIDER_COUNT && str_is_empty(account); i++)
        if (s->keys[i] && PROVIDERS[i]->account)
            account = PROVIDERS[i]->account(s->keys[i]);
    return account;
}

static sample_call_t new_call(const sender_t *s, int64_t start_us)
{
    str_t account = known_account(s);
    sample_call_t call;
    uint64_t seed;

    crypto_random(&seed, sizeof(seed));
    sample_call_init(&call, seed, start_us);
    if (!str_is_empty(account))
        call.account = account;
    return call;
}

static bool ship_sample(sender_t *s, const provider_t *p, const hook_sample_t *sample, const sample_call_t *call,
                        err_t *err)
{
    int64_t event_us = call->start_us + (sample->after_ms < 0 ? 0 : sample->after_ms) * US_PER_MS;
    arena_t *a = arena_new(16384);
    shipment_t m = {p, find_route(p, sample->route), sample->event, sample->kind, hook_fill(sample, call, event_us, a)};
    bool answered = ship(s, &m, err);

    arena_free(a);
    return answered;
}

static const hook_sample_t *find_sample(const provider_t *p, const char *event)
{
    for (size_t i = 0; i < p->n_samples; i++)
        if (strcmp(p->samples[i].event, event) == 0)
            return &p->samples[i];
    return NULL;
}

static bool send_samples(sender_t *s, const provider_t *p, const hook_sample_t *sample, err_t *err)
{
    int64_t after_us = (sample->after_ms < 0 ? 0 : sample->after_ms) * US_PER_MS;

    for (int64_t i = 0; i < s->options->count; i++) {
        sample_call_t call = new_call(s, clock_wall_us() - after_us);

        if (!ship_sample(s, p, sample, &call, err))
            return false;
    }
    return true;
}

/* ---- a file ---- */

static bool read_file(const char *path, buf_t *out, err_t *err)
{
    FILE *file = fopen(path, "rbe");
    char chunk[16384];
    size_t len;
    bool ok;

    if (!file)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0 && out->len < MAX_FILE_BYTES)
        buf_append(out, chunk, len);
    ok = !ferror(file) && out->len < MAX_FILE_BYTES;
    (void)fclose(file);
    return ok || err_set(err, ERR_IO, "%s: cannot be read as one body", path);
}

static bool send_file(sender_t *s, const provider_t *p, err_t *err)
{
    const char *path = s->options->event;
    const char *slash = strrchr(path, '/');
    body_kind_t kind = str_ends_nocase(str_from(path), STR(".form")) ? BODY_FORM : BODY_JSON;
    buf_t body = BUF_EMPTY;
    bool ok = read_file(path, &body, err);
    shipment_t m = {p, &p->routes[0], slash ? slash + 1 : path, kind, buf_str(&body)};

    for (int64_t i = 0; ok && i < s->options->count; i++)
        ok = ship(s, &m, err);
    buf_clear(&body);
    return ok;
}

/* ---- list ---- */

static void list_events(FILE *out, const provider_t *p)
{
    for (size_t i = 0; i < p->n_samples; i++)
        (void)fprintf(out, "%s%s", i ? ", " : "", p->samples[i].event);
    (void)fprintf(out, "\n");
}

static int list(void)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        printf("%-10s ", PROVIDERS[i]->name);
        list_events(stdout, PROVIDERS[i]);
    }
    return 0;
}

/* ---- the demo ---- */

/* Who calls: deploy/up makes a lead with this number, so that the call is linked to it. */
#define DEMO_CALLER "+12025550143"

typedef struct scene {
    const provider_t *provider;
    const hook_sample_t *sample;
    size_t order; /* of equal times, that of the tables */
} scene_t;

static int by_time(const void *a, const void *b)
{
    const scene_t *x = a, *y = b;

    if (x->sample->after_ms != y->sample->after_ms)
        return x->sample->after_ms < y->sample->after_ms ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static size_t gather(const sender_t *s, scene_t *scenes)
{
    size_t n = 0;

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        for (size_t j = 0; s->keys[i] && j < PROVIDERS[i]->n_samples; j++) {
            if (PROVIDERS[i]->samples[j].after_ms < 0)
                continue;
            scenes[n] = (scene_t){PROVIDERS[i], &PROVIDERS[i]->samples[j], n};
            n++;
        }
    }
    if (n)
        qsort(scenes, n, sizeof(*scenes), by_time);
    return n;
}

static void pause_us(int64_t us)
{
    struct timespec t = {us / US_PER_S, us % US_PER_S * 1000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* The same call as each provider sees it: what joins their rows is its Call SID. It ended just now. */
static bool play(sender_t *s, const scene_t *scenes, size_t n, err_t *err)
{
    int64_t last_ms = scenes[n - 1].sample->after_ms, at_ms = 0;
    sample_call_t call = new_call(s, clock_wall_us() - last_ms * US_PER_MS);

    (void)snprintf(call.from, sizeof(call.from), DEMO_CALLER);
    printf("one call, from %s to %s, as every provider that is on reports it:\n", call.from, call.to);
    for (size_t i = 0; i < n; i++) {
        int64_t after_ms = scenes[i].sample->after_ms;

        if (last_ms)
            pause_us(DEMO_US * (after_ms - at_ms) / last_ms);
        at_ms = after_ms;
        if (!ship_sample(s, scenes[i].provider, scenes[i].sample, &call, err))
            return false;
    }
    return true;
}

static bool send_demo(sender_t *s, err_t *err)
{
    size_t most = 0, n;
    scene_t *scenes;
    bool ok;

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        most += PROVIDERS[i]->n_samples;
    scenes = mem_alloc(most * sizeof(*scenes));
    n = gather(s, scenes);
    if (n) {
        ok = play(s, scenes, n, err);
    } else {
        ok = err_set(err, ERR_CONFIG, "no provider is on: there is no secret to sign with");
        err_hint(err, "set the same secrets as for `hookline serve`; `hookline check` says which");
    }
    free(scenes);
    return ok;
}

/* ---- the command ---- */

static const char *first_secret(const provider_t *p)
{
    for (size_t i = 0; i < p->n_settings; i++)
        if (p->settings[i].secret)
            return p->settings[i].name;
    return "its secret";
}

static bool send_to_provider(sender_t *s, const provider_t *p, err_t *err)
{
    const hook_sample_t *sample = find_sample(p, s->options->event);

    if (!s->keys[index_of(p)]) {
        err_set(err, ERR_CONFIG, "%s is off: there is no secret to sign with", p->title);
        return err_hint(err, "set %s as it is set for `hookline serve`", first_secret(p));
    }
    if (sample)
        return send_samples(s, p, sample, err);
    if (strchr(s->options->event, '/') || strchr(s->options->event, '.'))
        return send_file(s, p, err);
    (void)fprintf(stderr, "%s has no sample \"%s\"; it has: ", p->title, s->options->event);
    list_events(stderr, p);
    err_set(err, ERR_CONFIG, "%s is neither an event nor a file", s->options->event);
    return err_hint(err, "a file in this folder is written ./%s", s->options->event);
}

static int run(const options_t *o, const provider_t *p)
{
    err_t err = {.code = ERR_NONE};
    sender_t s;
    bool ok = sender_init(&s, o, &err);
    int code;

    if (ok)
        ok = p ? send_to_provider(&s, p, &err) : send_demo(&s, &err);
    code = ok ? verdict(&s) : command_complain(&err);
    sender_clear(&s);
    return code;
}

int send_command(int argc, char **argv)
{
    options_t o = {.count = 1};
    err_t err = {.code = ERR_NONE};

    if (!command_read_arguments(&USAGE, argc, argv, &o, &err) || !check_words(&o, &err)) {
        (void)command_complain(&err);
        return 2;
    }
    return strcmp(o.what, "list") == 0 ? list() : run(&o, provider_find(str_from(o.what)));
}
