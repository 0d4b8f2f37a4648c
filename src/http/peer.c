#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_ipv4(const void *four_bytes, address_t *out)
{
    memcpy(out->bytes, MAPPED, sizeof(MAPPED));
    memcpy(out->bytes + sizeof(MAPPED), four_bytes, 4);
}

static bool is_ipv4(const address_t *a)
{
    return memcmp(a->bytes, MAPPED, sizeof(MAPPED)) == 0;
}

bool address_from_sockaddr(const struct sockaddr *sa, address_t *out)
{
    /* By copies: a sockaddr is as often as not somebody else's storage, aligned as they liked. */
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        from_ipv4(&in.sin_addr, out);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        memcpy(out->bytes, &in6.sin6_addr, sizeof(out->bytes));
        return true;
    }
    return false;
}

static bool is_port(str_t s)
{
    int64_t port;

    return s.len && s.base[0] >= '0' && s.base[0] <= '9' && str_to_int(s, &port) && port <= 65535;
}

static bool from_bare_text(str_t text, address_t *out)
{
    char copy[ADDRESS_TEXT_BYTES];
    struct in_addr four;

    if (!text.len || text.len >= sizeof(copy) || memchr(text.base, '\0', text.len))
        return false;
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &four) == 1) {
        from_ipv4(&four, out);
        return true;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

bool address_from_text(str_t text, address_t *out)
{
    size_t colon = str_find(text, ':'), bracket = str_find(text, ']');
    str_t behind;

    if (text.len && text.base[0] == '[') {
        behind = str_slice(text, bracket == SIZE_MAX ? text.len : bracket + 1, text.len);
        if (bracket == SIZE_MAX ||
            (behind.len && (behind.base[0] != ':' || !is_port(str_slice(behind, 1, behind.len)))))
            return false;
        return from_bare_text(str_slice(text, 1, bracket), out);
    }
    behind = colon == SIZE_MAX ? STR_NONE : str_slice(text, colon + 1, text.len);
    if (behind.base && str_find(behind, ':') == SIZE_MAX) /* one colon: an IPv4 address with a port */
        return is_port(behind) && from_bare_text(str_slice(text, 0, colon), out);
    return from_bare_text(text, out);
}

size_t address_to_text(const address_t *a, char out[ADDRESS_TEXT_BYTES])
{
    bool four = is_ipv4(a);

    if (!inet_ntop(four ? AF_INET : AF_INET6, a->bytes + (four ? sizeof(MAPPED) : 0), out, ADDRESS_TEXT_BYTES))
        out[0] = '\0';
    return strlen(out);
}

typedef struct network {
    address_t base;
    unsigned bits; /* of the 128 */
} network_t;

struct proxies {
    size_t count;
    network_t networks[];
};

static bool network_has(const network_t *n, const address_t *a)
{
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;

    if (memcmp(n->base.bytes, a->bytes, whole) != 0)
        return false;
    return rest == 0 || ((n->base.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

static bool read_network(str_t text, network_t *out)
{
    size_t slash = str_find(text, '/');
    int64_t bits;

    if (!from_bare_text(str_slice(text, 0, slash), &out->base))
        return false;
    out->bits = 128;
    if (slash == SIZE_MAX)
        return true;
    if (!str_to_int(str_slice(text, slash + 1, text.len), &bits) || bits < 0 || bits > (is_ipv4(&out->base) ? 32 : 128))
        return false;
    out->bits = (unsigned)bits + (is_ipv4(&out->base) ? 96 : 0);
    return true;
}

proxies_t *proxies_new(str_t list, err_t *err)
{
    size_t most = 1;
    proxies_t *p;
    str_t piece;

    for (size_t i = 0; i < list.len; i++)
        most += list.base[i] == ',';
    p = mem_zalloc(sizeof(*p) + most * sizeof(p->networks[0]));
    while (str_split(&list, ',', &piece)) {
        piece = str_trim(piece);
        if (!piece.len)
            continue;
        if (!read_network(piece, &p->networks[p->count++])) {
            err_set(err, ERR_CONFIG, "HOOKLINE_TRUSTED_PROXIES: expected addresses or networks, got \"" STR_FMT "\"",
                    STR_ARG(piece));
            err_hint(err, "for example 127.0.0.1,::1,10.0.0.0/8");
            free(p);
            return NULL;
        }
    }
    return p;
}

void proxies_free(proxies_t *p)
{
    free(p);
}

bool proxies_trust(const proxies_t *p, const address_t *a)
{
    for (size_t i = 0; i < p->count; i++)
        if (network_has(&p->networks[i], a))
            return true;
    return false;
}

/* Takes the last element off list. False at the end. */
static bool split_last(str_t *list, str_t *piece)
{
    size_t at = list->len;

    if (!list->base)
        return false;
    while (at && list->base[at - 1] != ',')
        at--;
    *piece = str_trim(str_slice(*list, at, list->len));
    *list = at ? str_slice(*list, 0, at - 1) : STR_NONE;
    return true;
}

address_t peer_client(const proxies_t *p, address_t peer, const str_t *values, size_t count)
{
    address_t client = peer, next;
    str_t piece;

    while (count) {
        str_t list = values[--count];

        while (split_last(&list, &piece)) {
            if (!piece.len)
                continue;
            if (!address_from_text(piece, &next))
                return client;
            client = next;
            if (!proxies_trust(p, &client))
                return client;
        }
    }
    return client;
}

static str_t first_element(str_t list)
{
    return str_trim(str_slice(list, 0, str_find(list, ',')));
}

static bool is_scheme(str_t s)
{
    return str_eq(s, STR("https")) || str_eq(s, STR("http"));
}

/* The bytes a host (or host:port) may have; anything else would change what the origin means. */
static bool is_host(str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._:[]", c)) || !c)
            return false;
    }
    return s.len > 0;
}

/* Adds proto://host unless it is there already, or would not fit. */
static size_t add_origin(str_t proto, str_t host, char *room, str_t *out, size_t count)
{
    str_t origin = {room, proto.len + 3 + host.len};

    if (!is_scheme(proto) || !is_host(host) || origin.len > PEER_ORIGIN_BYTES)
        return count;
    memcpy(room, proto.base, proto.len);
    memcpy(room + proto.len, "://", 3);
    memcpy(room + proto.len + 3, host.base, host.len);
    for (size_t i = 0; i < count; i++)
        if (str_eq(out[i], origin))
            return count;
    out[count] = origin;
    return count + 1;
}

size_t peer_origins(str_t public_url, const peer_names_t *names, peer_room_t *room, str_t out[PEER_MAX_ORIGINS])
{
    str_t own = names->tls ? STR("https") : STR("http");
    str_t proto = first_element(names->forwarded_proto), host = first_element(names->forwarded_host);
    size_t count = 0;

    if (public_url.len)
        out[count++] = public_url;
    if (names->trusted && (proto.len || host.len))
        count = add_origin(proto.len ? proto : own, host.len ? host : names->host, room->bytes[0], out, count);
    return add_origin(own, names->host, room->bytes[1], out, count);
}
