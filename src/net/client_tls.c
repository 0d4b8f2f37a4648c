#include "net/client_tls.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONTEXTS 32 /* hosts come from settings: there are a few */

typedef struct context {
    char *host; /* NULL: not used yet */
    SSL_CTX *ctx;
} context_t;

struct client_tls {
    X509_STORE *authorities;
    context_t all[CONTEXTS];
    size_t next; /* where the next new host goes */
};

static void must(bool done)
{
    if (!done)
        abort(); /* no memory */
}

client_tls_t *client_tls_new(void)
{
    client_tls_t *tls = mem_zalloc(sizeof(*tls));

    tls->authorities = X509_STORE_new();
    must(tls->authorities);
    (void)X509_STORE_set_default_paths(
        tls->authorities); /* without any, no certificate is accepted, and that is said */
    ERR_clear_error();
    return tls;
}

static void clear(context_t *c)
{
    free(c->host);
    SSL_CTX_free(c->ctx);
    *c = (context_t){.host = NULL};
}

void client_tls_free(client_tls_t *tls)
{
    if (!tls)
        return;
    for (size_t i = 0; i < CONTEXTS; i++)
        clear(&tls->all[i]);
    X509_STORE_free(tls->authorities);
    free(tls);
}

static SSL_CTX *make(const client_tls_t *tls, const char *host, bool is_address)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509_VERIFY_PARAM *param;

    must(ctx);
    param = SSL_CTX_get0_param(ctx);
    SSL_CTX_set1_cert_store(ctx, tls->authorities);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    must((is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, host) : X509_VERIFY_PARAM_set1_host(param, host, 0)) == 1);
    return ctx;
}

SSL_CTX *client_tls_context(client_tls_t *tls, const char *host, bool is_address)
{
    context_t *c;

    for (size_t i = 0; i < CONTEXTS; i++)
        if (tls->all[i].host && strcasecmp(tls->all[i].host, host) == 0)
            return tls->all[i].ctx;
    c = &tls->all[tls->next++ % CONTEXTS];
    clear(c);
    *c = (context_t){.host = mem_strdup(str_from(host)), .ctx = make(tls, host, is_address)};
    return c->ctx;
}
