#include "http/tls.h"

#include <h2o.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

struct tls {
    pthread_mutex_t lock;
    SSL_CTX *current;
};

static const char *last_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown";
}

/* err with what OpenSSL says. The file's name is the operator's own; its content is never quoted. */
static bool refuse(err_t *err, const char *setting, const char *path)
{
    err_set(err, ERR_CONFIG, "%s: %s cannot be used: %s", setting, path, last_reason());
    err_hint(err,
             "expected PEM files: the certificate with its chain in HOOKLINE_TLS_CERT, its key in HOOKLINE_TLS_KEY");
    ERR_clear_error();
    return false;
}

static bool load(SSL_CTX *ctx, const char *cert, const char *key, err_t *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return refuse(err, "HOOKLINE_TLS_CERT", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return refuse(err, "HOOKLINE_TLS_KEY", key);
    return true;
}

/* Without this OpenSSL would ask for an encrypted key's password on the terminal, and wait. */
static int no_password(char *out, int size, int writing, void *ctx)
{
    (void)writing;
    (void)ctx;
    if (size > 0)
        out[0] = '\0';
    return -1;
}

static SSL_CTX *make(void)
{
    static char http1[] = "http/1.1"; /* no h2: see http.h */
    static const h2o_iovec_t protocols[] = {{http1, sizeof(http1) - 1}, {NULL, 0}};
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        abort(); /* no memory */
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets are enough, and keep no memory here */
    h2o_ssl_register_alpn_protocols(ctx, protocols);
    return ctx;
}

static SSL_CTX *read_files(const config_t *config, err_t *err)
{
    str_t cert = config_text(config, "HOOKLINE_TLS_CERT"), key = config_text(config, "HOOKLINE_TLS_KEY");
    char *cert_path, *key_path;
    SSL_CTX *ctx;

    if (!cert.len || !key.len) {
        err_set(err, ERR_CONFIG, "HOOKLINE_TLS_LISTEN is set, but not both HOOKLINE_TLS_CERT and HOOKLINE_TLS_KEY");
        err_hint(err, "certs/make creates a pair for development");
        return NULL;
    }
    cert_path = mem_strdup(cert);
    key_path = mem_strdup(key);
    ctx = make();
    if (!load(ctx, cert_path, key_path, err)) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    free(cert_path);
    free(key_path);
    return ctx;
}

tls_t *tls_new(const config_t *config, err_t *err)
{
    SSL_CTX *ctx = read_files(config, err);
    tls_t *t;

    if (!ctx)
        return NULL;
    t = mem_zalloc(sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    t->current = ctx;
    return t;
}

void tls_free(tls_t *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->current);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

bool tls_reload(tls_t *t, const config_t *config, err_t *err)
{
    SSL_CTX *fresh = read_files(config, err), *old;

    if (!fresh)
        return false;
    pthread_mutex_lock(&t->lock);
    old = t->current;
    t->current = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old); /* connections hold their own references */
    return true;
}

SSL_CTX *tls_acquire(tls_t *t)
{
    SSL_CTX *ctx;

    pthread_mutex_lock(&t->lock);
    ctx = t->current;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&t->lock);
    return ctx;
}
