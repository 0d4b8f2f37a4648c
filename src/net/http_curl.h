/* http_curl.h – what the two clients on libcurl (http_client.h, fetcher.h) share. The inside of both: nobody else
 * includes this. Any thread. */
#ifndef HOOKLINE_NET_HTTP_CURL_H
#define HOOKLINE_NET_HTTP_CURL_H

#include "net/http_client.h"

#include <curl/curl.h>

void http_curl_start(void); /* libcurl's own set-up, once a process */

/* "Name: value" for each; to be freed with curl_slist_free_all. */
struct curl_slist *http_curl_lines(const http_call_t *call);

/* Of scheme://host[:port][/…], an IPv6 address without its brackets; absent where somebody is named before it, as
 * nobody of ours does. */
str_t http_curl_host(str_t url);

/* Whether it names this machine: 127.0.0.0/8, ::1 or localhost, and nothing that only begins so. */
bool http_curl_is_loopback(str_t url);

/* Everything but where the answer goes. url: the call's, as C text. What it is given must stay until the transfer has
 * ended. */
void http_curl_prepare(CURL *easy, const http_call_t *call, const char *url, struct curl_slist *lines);

#endif
