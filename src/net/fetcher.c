#include "net/fetcher.h"

#include "base/clock.h"
#include "net/http_curl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FIELDS  64 /* of an answer: what is above is left out */
#define IDLE_MS     1000
#define ARENA_BYTES 4096

typedef struct request {
    struct request *next, **here; /* the list that it is in */
    fetch_mailbox_t *mailbox;
    arena_t *arena; /* the answer's: all of the request is in it, too */
    http_call_t call;
    const char *url;
    CURL *easy;
    struct curl_slist *lines;
    buf_t body;
    bool too_large;
    char why[CURL_ERROR_SIZE];
    fetched_t *answer;
} request_t;

struct fetch_mailbox {
    fetcher_t *fetcher;
    fetch_limits_t limits;
    pthread_cond_t came; /* with the fetcher's lock, as all that follows */
    fetched_t *first, **tail;
    size_t in_flight;
    bool closed; /* freed with its last request */
};

struct fetcher {
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;
    request_t *fresh, **fresh_tail; /* asked for, and not yet begun */
    bool closing, ending;           /* closing: a mailbox was */
    request_t *running;             /* the thread's own */
};

/* ---- an answer ---- */

void fetched_free(fetched_t *f)
{
    if (f)
        arena_free(f->arena);
}

static size_t on_body(char *bytes, size_t one, size_t len, void *ctx)
{
    request_t *r = ctx;

    (void)one; /* always 1 */
    if (len > r->mailbox->limits.max_body - r->body.len) {
        r->too_large = true;
        return 0; /* ends the transfer */
    }
    buf_append(&r->body, bytes, len);
    return len;
}

static str_t lower(arena_t *a, str_t s)
{
    char *copy = arena_alloc(a, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = s.base[i] >= 'A' && s.base[i] <= 'Z' ? (char)(s.base[i] | 0x20) : s.base[i];
    copy[s.len] = '\0';
    return (str_t){copy, s.len};
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's own type */
static size_t on_header(char *bytes, size_t one, size_t len, void *ctx)
{
    request_t *r = ctx;
    fetched_t *f = r->answer;
    str_t line = {bytes, len};
    size_t colon = str_find(line, ':');

    (void)one;
    while (line.len && (line.base[line.len - 1] == '\r' || line.base[line.len - 1] == '\n'))
        line.len--;
    if (str_starts(line, STR("HTTP/")))
        f->n_fields = 0; /* what came before it was of a 1xx */
    else if (colon != SIZE_MAX && f->n_fields < MAX_FIELDS)
        f->fields[f->n_fields++] = (http_field_t){
            .name = lower(r->arena, str_trim(str_slice(line, 0, colon))),
            .value = arena_dup(r->arena, str_trim(str_slice(line, colon + 1, line.len))),
        };
    return len;
}

/* ---- a request ---- */

static request_t *request_new(fetch_mailbox_t *m, const http_call_t *call, void *ticket)
{
    arena_t *a = arena_new(ARENA_BYTES + call->body.len);
    request_t *r = arena_zalloc(a, sizeof(*r));
    http_field_t *fields = arena_alloc(a, (call->n_fields + 1) * sizeof(*fields));

    r->mailbox = m;
    r->arena = a;
    r->call = *call;
    r->call.method = arena_dup(a, str_from(call->method)).base;
    r->call.url = arena_dup(a, call->url);
    r->url = r->call.url.base;
    r->call.body = call->body.base ? arena_dup(a, call->body) : STR_NONE;
    for (size_t i = 0; i < call->n_fields; i++)
        fields[i] = (http_field_t){arena_dup(a, call->fields[i].name), arena_dup(a, call->fields[i].value)};
    r->call.fields = fields;
    r->answer = arena_zalloc(a, sizeof(*r->answer));
    *r->answer = (fetched_t){.arena = a, .ticket = ticket, .err.code = ERR_NONE};
    r->answer->fields = arena_alloc(a, MAX_FIELDS * sizeof(*r->answer->fields));
    return r;
}

static void request_link(request_t **list, request_t *r)
{
    r->next = *list;
    r->here = list;
    if (r->next)
        r->next->here = &r->next;
    *list = r;
}

static void request_unlink(request_t *r)
{
    *r->here = r->next;
    if (r->next)
        r->next->here = r->here;
}

static void request_begin(fetcher_t *f, request_t *r)
{
    r->lines = http_curl_lines(&r->call);
    r->easy = curl_easy_init();
    if (!r->easy)
        abort();
    http_curl_prepare(r->easy, &r->call, r->url, r->lines);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, http_curl_is_loopback(r->call.url) ? "http,https" : "https");
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->why);
    /* No CURLOPT_PIPEWAIT, and no bound of connections (a mailbox has one of requests): with libcurl 7.88 a request
     * that waited for the connection of one that was given up was seen never to begin. */
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->mailbox->limits.connect_us / US_PER_MS));
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    request_link(&f->running, r);
    if (curl_multi_add_handle(f->multi, r->easy) != CURLM_OK)
        abort();
}

/* What the request needed and its answer does not. */
static void request_end(fetcher_t *f, request_t *r)
{
    if (r->easy) {
        request_unlink(r);
        curl_multi_remove_handle(f->multi, r->easy);
        curl_easy_cleanup(r->easy);
    }
    curl_slist_free_all(r->lines);
    buf_clear(&r->body);
}

/* Of a certificate that is not good, or a file of authorities that cannot be read. */
static bool is_distrust(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;
}

static void explain(const request_t *r, CURLcode code, err_t *err)
{
    str_t host = http_curl_host(r->call.url);
    const char *why = r->why[0] ? r->why : curl_easy_strerror(code);

    if (r->too_large) {
        err_set(err, ERR_TOO_LARGE, "the answer is larger than %zu bytes", r->mailbox->limits.max_body);
    } else if (is_distrust(code)) {
        err_set(err, ERR_CONFIG, STR_FMT " cannot be trusted, and was sent nothing: %.200s", STR_ARG(host), why);
        err_hint(err, "check the address; an authority of one's own is named by SSL_CERT_FILE");
    } else {
        err_set(err, ERR_IO, "no answer from " STR_FMT ": %.200s", STR_ARG(host), why);
    }
}

static void judge(request_t *r, CURLcode code)
{
    fetched_t *out = r->answer;
    long status = 0, bytes_sent = 0;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &bytes_sent);
    out->sent = bytes_sent > 0;
    out->came = code == CURLE_OK;
    out->status = (int)status;
    if (out->came)
        out->body = arena_dup(r->arena, buf_str(&r->body));
    else
        explain(r, code, &out->err);
}

/* ---- mailboxes ---- */

static void mailbox_free(fetch_mailbox_t *m)
{
    for (fetched_t *f = m->first, *next; f; f = next) {
        next = f->next;
        fetched_free(f);
    }
    pthread_cond_destroy(&m->came);
    free(m);
}

/* Locked. The request is over: its answer goes where it belongs, or nowhere. */
static void deliver(request_t *r)
{
    fetch_mailbox_t *m = r->mailbox;
    fetched_t *f = r->answer;

    m->in_flight--;
    if (!m->closed) {
        *m->tail = f;
        m->tail = &f->next;
        pthread_cond_signal(&m->came);
        return;
    }
    fetched_free(f);
    if (!m->in_flight)
        mailbox_free(m);
}

fetch_mailbox_t *fetch_mailbox_open(fetcher_t *f, const fetch_limits_t *limits)
{
    fetch_mailbox_t *m = mem_zalloc(sizeof(*m));
    pthread_condattr_t attributes;

    m->fetcher = f;
    m->limits = *limits;
    m->tail = &m->first;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->came, &attributes);
    pthread_condattr_destroy(&attributes);
    return m;
}

void fetch_mailbox_close(fetch_mailbox_t *m)
{
    fetcher_t *f;
    bool empty;

    if (!m)
        return;
    f = m->fetcher;
    pthread_mutex_lock(&f->lock);
    m->closed = f->closing = true;
    empty = !m->in_flight;
    pthread_mutex_unlock(&f->lock);
    if (empty)
        mailbox_free(m);
    curl_multi_wakeup(f->multi);
}

bool fetcher_ask(fetch_mailbox_t *m, const http_call_t *call, void *ticket, err_t *err)
{
    fetcher_t *f = m->fetcher;
    request_t *r;

    if (!str_starts_nocase(call->url, STR("https://")) && !http_curl_is_loopback(call->url))
        return err_set(err, ERR_CONFIG, "an address must begin with https://; plain http is for this machine only");
    r = request_new(m, call, ticket);
    pthread_mutex_lock(&f->lock);
    if (m->in_flight >= m->limits.max_in_flight) {
        pthread_mutex_unlock(&f->lock);
        arena_free(r->arena);
        return err_set(err, ERR_BUSY, "too many requests at once");
    }
    m->in_flight++;
    *f->fresh_tail = r;
    f->fresh_tail = &r->next;
    pthread_mutex_unlock(&f->lock);
    curl_multi_wakeup(f->multi);
    return true;
}

fetched_t *fetch_mailbox_take(fetch_mailbox_t *m, int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000};
    fetcher_t *f = m->fetcher;
    fetched_t *found;
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    while (!m->first && rc == 0)
        rc = pthread_cond_timedwait(&m->came, &f->lock, &until);
    found = m->first;
    if (found) {
        m->first = found->next;
        if (!m->first)
            m->tail = &m->first;
        found->next = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    return found;
}

/* ---- the thread ---- */

static void begin_fresh(fetcher_t *f)
{
    request_t *list;

    pthread_mutex_lock(&f->lock);
    list = f->fresh;
    f->fresh = NULL;
    f->fresh_tail = &f->fresh;
    pthread_mutex_unlock(&f->lock);
    for (request_t *r = list, *next; r; r = next) {
        next = r->next;
        request_begin(f, r);
    }
}

static void finish(fetcher_t *f, request_t *r)
{
    request_end(f, r);
    pthread_mutex_lock(&f->lock);
    deliver(r);
    pthread_mutex_unlock(&f->lock);
}

static void finish_done(fetcher_t *f)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(f->multi, &left))) {
        char *request = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        judge((request_t *)(void *)request, code);
        finish(f, (request_t *)(void *)request);
    }
}

/* Nobody waits for these any more. */
static void drop_closed(fetcher_t *f)
{
    request_t *orphans = NULL;

    pthread_mutex_lock(&f->lock);
    if (f->closing) {
        for (request_t *r = f->running, *next; r; r = next) {
            next = r->next;
            if (r->mailbox->closed || f->ending) {
                request_unlink(r);
                request_link(&orphans, r);
            }
        }
        f->closing = false;
    }
    pthread_mutex_unlock(&f->lock);
    while (orphans)
        finish(f, orphans);
}

static bool is_ending(fetcher_t *f)
{
    bool ending;

    pthread_mutex_lock(&f->lock);
    ending = f->ending;
    pthread_mutex_unlock(&f->lock);
    return ending;
}

static void *fetch_on(void *arg)
{
    fetcher_t *f = arg;
    int running;

    while (!is_ending(f)) {
        begin_fresh(f);
        drop_closed(f);
        (void)curl_multi_perform(f->multi, &running);
        finish_done(f);
        (void)curl_multi_poll(f->multi, NULL, 0, IDLE_MS, NULL);
    }
    begin_fresh(f); /* of mailboxes that were closed since */
    drop_closed(f);
    return NULL;
}

fetcher_t *fetcher_new(void)
{
    fetcher_t *f = mem_zalloc(sizeof(*f));

    http_curl_start();
    f->multi = curl_multi_init();
    if (!f->multi)
        abort();
    f->fresh_tail = &f->fresh;
    pthread_mutex_init(&f->lock, NULL);
    if (pthread_create(&f->thread, NULL, fetch_on, f) != 0)
        abort();
    return f;
}

void fetcher_free(fetcher_t *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->ending = f->closing = true;
    pthread_mutex_unlock(&f->lock);
    curl_multi_wakeup(f->multi);
    pthread_join(f->thread, NULL);
    curl_multi_cleanup(f->multi);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
