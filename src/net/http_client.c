#include "net/http_client.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_client {
    CURL *easy;
    buf_t body;
    char why[CURL_ERROR_SIZE];
};

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static size_t on_body(char *bytes, size_t one, size_t len, void *ctx)
{
    http_client_t *c = ctx;
    size_t room = HTTP_RESULT_MAX - c->body.len;

    (void)one; /* always 1 */
    buf_append(&c->body, bytes, len < room ? len : room);
    return len;
}

http_client_t *http_client_new(void)
{
    http_client_t *c = mem_zalloc(sizeof(*c));

    (void)pthread_once(&started, start);
    c->easy = curl_easy_init();
    if (!c->easy)
        abort();
    return c;
}

void http_client_free(http_client_t *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
    buf_clear(&c->body);
    free(c);
}

static struct curl_slist *add_line(struct curl_slist *list, str_t name, str_t value)
{
    buf_t line = BUF_EMPTY;
    struct curl_slist *longer;

    buf_printf(&line, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(value));
    buf_addc(&line, '\0');
    longer = curl_slist_append(list, line.base);
    buf_clear(&line);
    if (!longer)
        abort();
    return longer;
}

static struct curl_slist *header_lines(const http_call_t *call)
{
    /* Without it curl asks before it sends a large body, and waits a second where nobody answers that. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; i < call->n_fields; i++)
        list = add_line(list, call->fields[i].name, call->fields[i].value);
    return list;
}

/* What is on this machine is reached directly, whatever http_proxy says. */
static bool is_loopback(const char *url)
{
    static const char *const HOSTS[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(url, "://");

    for (size_t i = 0; host && i < COUNT(HOSTS); i++)
        if (strncasecmp(host + 3, HOSTS[i], strlen(HOSTS[i])) == 0)
            return true;
    return false;
}

static void prepare(http_client_t *c, const http_call_t *call, const char *url, struct curl_slist *lines)
{
    curl_easy_reset(c->easy); /* options only: the connection stays */
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    if (is_loopback(url))
        curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "hookline");
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(call->timeout_us / US_PER_MS));
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    if (call->body.base) {
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, call->body.base);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
    curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, call->method);
}

bool http_client_send(http_client_t *c, const http_call_t *call, arena_t *a, http_result_t *out, err_t *err)
{
    struct curl_slist *lines = header_lines(call);
    char *url = mem_strdup(call->url);
    int64_t began_us = clock_mono_us();
    long status = 0;
    CURLcode code;

    c->body.len = 0;
    c->why[0] = '\0';
    prepare(c, call, url, lines);
    code = curl_easy_perform(c->easy);
    if (code == CURLE_OK) {
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        *out = (http_result_t){(int)status, arena_dup(a, buf_str(&c->body)), clock_mono_us() - began_us};
    } else {
        err_set(err, ERR_IO, "no answer from %.200s: %s", url, c->why[0] ? c->why : curl_easy_strerror(code));
    }
    curl_slist_free_all(lines);
    free(url);
    return code == CURLE_OK;
}
