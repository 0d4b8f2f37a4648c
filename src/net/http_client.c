#include "net/http_client.h"

#include "base/clock.h"
#include "net/http_curl.h"

#include <stdlib.h>

struct http_client {
    CURL *easy;
    buf_t body;
    char why[CURL_ERROR_SIZE];
};

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

    http_curl_start();
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

static void prepare(http_client_t *c, const http_call_t *call, const char *url, struct curl_slist *lines)
{
    curl_easy_reset(c->easy); /* options only: the connection stays */
    http_curl_prepare(c->easy, call, url, lines);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
}

bool http_client_send(http_client_t *c, const http_call_t *call, arena_t *a, http_result_t *out, err_t *err)
{
    struct curl_slist *lines = http_curl_lines(call);
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
