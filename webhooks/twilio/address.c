/* address.c – which address Twilio may have signed.
 *
 * It signs the address that it was given, and nobody tells us that one: there is the configured public URL, or what a
 * proxy says, and the target as it came, kept byte for byte. The documentation says that the port of https is left out
 * and that of http is not, and that a name and password always are (twilio.com/docs/usage/security, read 2026-11-21);
 * every one of Twilio's libraries accepts an address with the port and without it, and so do we. To try several weakens
 * nothing: each needs the token. */
#include "twilio/twilio.h"

/* Where the port begins, or the path: after the closing bracket where the host is an IPv6 literal. */
static size_t end_of_host(str_t origin, size_t host)
{
    size_t i = host;

    if (i < origin.len && origin.base[i] == '[')
        while (i < origin.len && origin.base[i] != ']')
            i++;
    while (i < origin.len && origin.base[i] != ':' && origin.base[i] != '/')
        i++;
    return i;
}

static twilio_address_t split_origin(str_t origin)
{
    size_t colon = str_find(origin, ':');
    size_t user = colon == SIZE_MAX ? 0 : colon + 3; /* "://" */
    size_t slash = str_find(str_slice(origin, user, origin.len), '/');
    size_t path = slash == SIZE_MAX ? origin.len : user + slash;
    size_t at = str_find(str_slice(origin, user, path), '@');
    size_t host = at == SIZE_MAX ? user : user + at + 1;
    size_t port = end_of_host(origin, host);

    return (twilio_address_t){str_slice(origin, 0, user), str_slice(origin, user, host), str_slice(origin, host, port),
                              str_slice(origin, port, path), str_slice(origin, path, origin.len)};
}

static str_t usual_port(str_t scheme)
{
    return str_eq(scheme, STR("https://")) || str_eq(scheme, STR("wss://")) ? STR(":443") : STR(":80");
}

static bool same_address(const twilio_address_t *a, const twilio_address_t *b)
{
    return str_eq(a->user, b->user) && str_eq(a->port, b->port); /* of one origin: the rest is equal */
}

static size_t add_new(twilio_address_t *list, size_t count, twilio_address_t a)
{
    for (size_t i = 0; i < count; i++)
        if (same_address(&list[i], &a))
            return count;
    list[count] = a;
    return count + 1;
}

size_t twilio_addresses(str_t origin, twilio_address_t out[TWILIO_ADDRESS_MAX])
{
    twilio_address_t a = split_origin(origin);
    const str_t ports[] = {a.port, STR(""), usual_port(a.scheme)};
    size_t n = 0;

    n = add_new(out, n, a);
    a.user = STR("");
    for (size_t i = 0; i < COUNT(ports); i++) {
        a.port = ports[i];
        n = add_new(out, n, a);
    }
    return n;
}

static const struct {
    const char *escaped;
    char plain;
} PLAIN[] = {{"%27", '\''}, {"%40", '@'}, {"%3A", ':'}};

static char plain_at(str_t s, size_t i)
{
    for (size_t j = 0; j < COUNT(PLAIN); j++)
        if (str_eq_nocase(str_slice(s, i, i + 3), str_from(PLAIN[j].escaped)))
            return PLAIN[j].plain;
    return '\0';
}

str_t twilio_plain_query(str_t target, arena_t *a)
{
    size_t i = str_find(target, '?'), len = 0;
    char *out;

    if (i == SIZE_MAX)
        return STR_NONE;
    out = arena_alloc(a, target.len);
    for (size_t j = 0; j < i; j++)
        out[len++] = target.base[j];
    while (i < target.len) {
        char plain = plain_at(target, i);

        out[len++] = plain ? plain : target.base[i];
        i += plain ? 3 : 1;
    }
    return len < target.len ? (str_t){out, len} : STR_NONE;
}
