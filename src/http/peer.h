/* peer.h – who is on the other side, and under which name it may have called us.
 *
 * A proxy's word (X-Forwarded-*) counts only when the connection comes from one of HOOKLINE_TRUSTED_PROXIES. Pure
 * functions: no h2o. Any thread. */
#ifndef HOOKLINE_HTTP_PEER_H
#define HOOKLINE_HTTP_PEER_H

#include "base/err.h"
#include "base/mem.h"

#include <sys/socket.h>

/* An IPv6 address, or an IPv4 one in its mapped form (::ffff:a.b.c.d), so that both compare alike. */
typedef struct address {
    uint8_t bytes[16];
} address_t;

#define ADDRESS_TEXT_BYTES 46
bool address_from_sockaddr(const struct sockaddr *sa, address_t *out);
/* "192.0.2.7", "192.0.2.7:443", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443". */
bool address_from_text(str_t text, address_t *out);
size_t address_to_text(const address_t *a, char out[ADDRESS_TEXT_BYTES]); /* the length without the NUL */

typedef struct proxies proxies_t;
/* list: addresses and networks (10.0.0.0/8, fd00::/8) with commas between; absent or empty: nobody is trusted.
 * NULL with ERR_CONFIG. */
proxies_t *proxies_new(str_t list, err_t *err);
void proxies_free(proxies_t *p);
bool proxies_trust(const proxies_t *p, const address_t *a);

/* The client behind a trusted peer: in X-Forwarded-For, read from the right, the first address that is not a trusted
 * proxy's; if all are trusted the leftmost. values: the field's lines in their order. What cannot be read ends the
 * search: whoever is known by then is the client. */
address_t peer_client(const proxies_t *p, address_t peer, const str_t *values, size_t count);

/* What a request says about where it was sent. */
typedef struct peer_names {
    bool tls;
    str_t host; /* Host; absent or empty when there was none */
    bool trusted;
    str_t forwarded_proto, forwarded_host; /* as they came; absent when not; only looked at when trusted */
} peer_names_t;

#define PEER_MAX_ORIGINS  3
#define PEER_ORIGIN_BYTES 320 /* https:// and the longest host name with a port fit; what is longer is left out */

typedef struct peer_room {
    char bytes[PEER_MAX_ORIGINS - 1][PEER_ORIGIN_BYTES];
} peer_room_t;

/* Origins, best first, without a final slash: the public URL (absent: not known), a trusted proxy's word, our own
 * scheme and Host; each once. out points into room and public_url. Returns how many. */
size_t peer_origins(str_t public_url, const peer_names_t *names, peer_room_t *room, str_t out[PEER_MAX_ORIGINS]);

#endif
