/* tls.h – the certificate of HOOKLINE_TLS_LISTEN, which can be changed while connections live. Any thread. */
#ifndef HOOKLINE_HTTP_TLS_H
#define HOOKLINE_HTTP_TLS_H

#include "config/config.h"

#include <openssl/ssl.h>

typedef struct tls tls_t;

/* Reads HOOKLINE_TLS_CERT and HOOKLINE_TLS_KEY. NULL with ERR_CONFIG when they are not set or cannot be used. */
tls_t *tls_new(const config_t *config, err_t *err);
void tls_free(tls_t *t); /* NULL is fine */
/* The same files or others, read again. On failure the old certificate stays. */
bool tls_reload(tls_t *t, const config_t *config, err_t *err);
/* What a new connection uses, with a reference of its own: SSL_CTX_free when the connection is gone. */
SSL_CTX *tls_acquire(tls_t *t);

#endif
