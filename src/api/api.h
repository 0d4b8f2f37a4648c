/* api.h – the HTTP API: who may ask (token.h), for what (router.h), and how many at once. A service for src/http.
 *
 * Answers are made by a worker thread (worker.h), audits by one of their own (auditor.h); the loops only look at tokens
 * and copy. Without a token the API is off, and answers 404. Threads: as said; the functions here are the main
 * thread's. */
#ifndef HOOKLINE_API_API_H
#define HOOKLINE_API_API_H

#include "config/config.h"
#include "http/service.h"

typedef struct api api_t;

api_t *api_new(config_t *config, err_t *err);            /* NULL with ERR_CONFIG when the tokens cannot be used */
bool api_reload(api_t *a, config_t *config, err_t *err); /* new tokens, or none; the old ones stay on failure */
size_t api_tokens(api_t *a);                             /* 0: it is off */
service_t api_service(api_t *a);
void api_stop(api_t *a); /* when no loop asks any more: ends the threads. NULL is fine */
void api_free(api_t *a); /* when every loop has left. NULL is fine */

#endif
