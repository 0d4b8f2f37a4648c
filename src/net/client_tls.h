/* client_tls.h – with whom we speak TLS as a client, and how we know that it is them.
 *
 * TLS 1.2 or newer; the certificate must come from one of the system's authorities (or SSL_CERT_FILE's, SSL_CERT_DIR's)
 * and be for the host's name. h2o compares the name itself, but for TLS 1.2 only: here OpenSSL does, within the
 * handshake. The authorities are read once, at the begin. One thread at a time. */
#ifndef HOOKLINE_NET_CLIENT_TLS_H
#define HOOKLINE_NET_CLIENT_TLS_H

#include "base/str.h"

struct ssl_ctx_st;
typedef struct client_tls client_tls_t;

client_tls_t *client_tls_new(void); /* reads files */
void client_tls_free(client_tls_t *tls);

/* For this host, a name or an address. Borrowed; OpenSSL counts who uses it. */
struct ssl_ctx_st *client_tls_context(client_tls_t *tls, const char *host, bool is_address);

#endif
