#include "net/http_curl.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

void http_curl_start(void)
{
    (void)pthread_once(&started, start);
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

struct curl_slist *http_curl_lines(const http_call_t *call)
{
    /* Without it curl asks before it sends a large body, and waits a second where nobody answers that. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; i < call->n_fields; i++)
        list = add_line(list, call->fields[i].name, call->fields[i].value);
    return list;
}

str_t http_curl_host(str_t url)
{
    char *text = mem_strdup(url), *host = strstr(text, "://");
    size_t from = host ? (size_t)(host - text) + 3 : url.len, len = strcspn(text + from, "/?#"), end;
    str_t authority = str_slice(url, from, from + len);

    free(text);
    if (str_find(authority, '@') != SIZE_MAX)
        return STR_NONE;
    end = str_starts(authority, STR("[")) ? str_find(authority, ']') : SIZE_MAX;
    if (end != SIZE_MAX)
        return str_slice(authority, 1, end);
    return str_slice(authority, 0, str_find(authority, ':'));
}

bool http_curl_is_loopback(str_t url)
{
    str_t host = http_curl_host(url);
    char text[64];
    struct in_addr v4;

    if (str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("::1")))
        return true;
    if (!host.base || host.len >= sizeof(text))
        return false;
    memcpy(text, host.base, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* OpenSSL's own variables (SSL_CTX_set_default_verify_paths(3)), which the rest of us heeds and libcurl does not: what
 * is not set stays as libcurl was built, with the system's authorities. */
static void set_authorities(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");

    if (file && *file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder && *folder)
        curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

void http_curl_prepare(CURL *easy, const http_call_t *call, const char *url, struct curl_slist *lines)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    /* What is on this machine is reached directly, whatever http_proxy says. */
    if (http_curl_is_loopback(call->url))
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    set_authorities(easy);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hookline");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(call->timeout_us / US_PER_MS));
    if (call->body.base) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.base);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}
