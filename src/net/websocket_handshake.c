#include "net/websocket_handshake.h"

#include "base/crypto.h"

#include <arpa/inet.h>
#include <string.h>

#define MAGIC          "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define HOST_MAX_BYTES 253                                    /* of a name: RFC 1035 section 2.3.4, as text */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, and some. */
static bool is_made_of(str_t s, const char *others)
{
    for (size_t i = 0; i < s.len; i++)
        if (!s.base[i] || (!is_alnum(s.base[i]) && !strchr(others, s.base[i])))
            return false;
    return s.len > 0;
}

/* ---- the address ---- */

/* The text as inet_pton takes it. */
static bool is_address(int family, str_t text)
{
    char copy[INET6_ADDRSTRLEN], address[sizeof(struct in6_addr)];

    if (text.len >= sizeof(copy) || (text.len && memchr(text.base, '\0', text.len)))
        return false;
    if (text.len)
        memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, address) == 1;
}

static bool is_this_machine(const websocket_url_t *u)
{
    if (u->bracketed)
        return str_eq(u->host, STR("::1"));
    return str_eq_nocase(u->host, STR("localhost")) ||
           (str_starts(u->host, STR("127.")) && is_address(AF_INET, u->host));
}

static bool read_scheme(str_t *rest, websocket_url_t *out)
{
    out->secure = str_starts_nocase(*rest, STR("wss://"));
    if (!out->secure && !str_starts_nocase(*rest, STR("ws://")))
        return false;
    *rest = str_slice(*rest, sizeof("ws://") - 1 + out->secure, rest->len);
    return true;
}

static bool read_port(str_t text, websocket_url_t *out)
{
    int64_t port;

    if (!text.len || text.base[0] < '0' || text.base[0] > '9' || !str_to_int(text, &port) || port < 1 ||
        port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* What follows the host: nothing, or a port. */
static bool read_port_part(str_t rest, websocket_url_t *out)
{
    out->port = out->secure ? 443 : 80;
    return !rest.len || (rest.base[0] == ':' && read_port(str_slice(rest, 1, rest.len), out));
}

static bool read_authority(websocket_url_t *out)
{
    str_t text = out->authority;
    size_t end;

    out->bracketed = str_starts(text, STR("["));
    end = str_find(text, out->bracketed ? ']' : ':');
    if (out->bracketed) {
        out->host = str_slice(text, 1, end);
        return end != SIZE_MAX && is_address(AF_INET6, out->host) &&
               read_port_part(str_slice(text, end + 1, text.len), out);
    }
    out->host = str_slice(text, 0, end);
    return out->host.len <= HOST_MAX_BYTES && is_made_of(out->host, ".-_") &&
           read_port_part(str_slice(text, out->host.len, text.len), out);
}

/* A fragment means nothing to a server, and must not be sent (RFC 6455 section 3). */
static bool is_target(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.base[i] <= ' ' || s.base[i] >= 0x7f || s.base[i] == '#')
            return false;
    return true;
}

bool websocket_url_read(str_t url, websocket_url_t *out, err_t *err)
{
    size_t end = 0;

    *out = (websocket_url_t){.port = 0};
    if (!read_scheme(&url, out))
        return err_set(err, ERR_CONFIG, "the address of a WebSocket begins with wss://");
    while (end < url.len && !strchr("/?#", url.base[end])) /* a NUL is found, too */
        end++;
    out->authority = str_slice(url, 0, end);
    out->target = str_slice(url, end, url.len);
    if (!read_authority(out))
        return err_set(err, ERR_CONFIG, "the address of a WebSocket names a host, and perhaps a port: wss://host:port");
    if (!is_target(out->target))
        return err_set(err, ERR_CONFIG, "a character in the path of the address of a WebSocket that cannot be there");
    if (!out->secure && !is_this_machine(out))
        return err_set(err, ERR_CONFIG, "ws:// is for this machine alone: expected wss:// for " STR_FMT,
                       STR_ARG(out->host));
    return true;
}

/* ---- the request ---- */

/* RFC 9110 section 5.6.2: what names are made of. */
static bool is_token(str_t s)
{
    return is_made_of(s, "!#$%&'*+-.^_`|~");
}

static bool has_control(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.base[i] < ' ' && s.base[i] != '\t') || s.base[i] == 0x7f)
            return true;
    return false;
}

static bool is_ours(str_t name)
{
    static const char *const OURS[] = {"host",   "connection", "upgrade", "content-length", "transfer-encoding",
                                       "expect", "te",         "trailer"};

    for (size_t i = 0; i < COUNT(OURS); i++)
        if (str_eq_nocase(name, str_from(OURS[i])))
            return true;
    return str_starts_nocase(name, STR("sec-websocket-"));
}

static bool check_fields(const websocket_field_t *fields, size_t n_fields, err_t *err)
{
    for (size_t i = 0; i < n_fields; i++) {
        if (!is_token(fields[i].name))
            return err_set(err, ERR_CONFIG, "a header field whose name is none");
        if (is_ours(fields[i].name) || has_control(fields[i].value))
            return err_set(err, ERR_CONFIG, "the header field " STR_FMT " cannot be sent with a WebSocket's handshake",
                           STR_ARG(fields[i].name));
    }
    return true;
}

bool websocket_request_make(buf_t *out, const websocket_url_t *url, str_t key, const websocket_field_t *fields,
                            size_t n_fields, err_t *err)
{
    if (!check_fields(fields, n_fields, err))
        return false;
    buf_add(out, STR("GET "));
    if (!str_starts(url->target, STR("/")))
        buf_addc(out, '/');
    buf_add(out, url->target);
    buf_add(out, STR(" HTTP/1.1\r\nHost: "));
    buf_add(out, url->authority);
    buf_add(out, STR("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: "));
    buf_add(out, key);
    for (size_t i = 0; i < n_fields; i++) {
        buf_add(out, STR("\r\n"));
        buf_add(out, fields[i].name);
        buf_add(out, STR(": "));
        buf_add(out, fields[i].value);
    }
    buf_add(out, STR("\r\n\r\n"));
    return true;
}

/* ---- the answer ---- */

size_t websocket_accept(str_t key, char out[WEBSOCKET_ACCEPT_BYTES])
{
    char text[WEBSOCKET_KEY_BYTES + sizeof(MAGIC) - 1];
    uint8_t hash[20];

    memcpy(text, key.base, WEBSOCKET_KEY_BYTES);
    memcpy(text + WEBSOCKET_KEY_BYTES, MAGIC, sizeof(MAGIC) - 1);
    sha1((str_t){text, sizeof(text)}, hash);
    return base64_encode(hash, sizeof(hash), out);
}

bool websocket_list_has(str_t list, str_t word)
{
    str_t piece;

    while (str_split(&list, ',', &piece))
        if (str_eq_nocase(str_trim(piece), word))
            return true;
    return false;
}

typedef struct answer {
    int status;
    bool upgrades, connects; /* what it says of Upgrade and Connection */
    int accepts;             /* how many Sec-WebSocket-Accept */
    str_t accept;            /* the last */
    str_t unasked;           /* the name of what was not offered */
} answer_t;

/* The next line, without its end; false where there is none, or a control character in it. */
static bool next_line(str_t *rest, str_t *line)
{
    size_t end = str_find(*rest, '\n');

    if (end == SIZE_MAX || !end || rest->base[end - 1] != '\r')
        return false;
    *line = str_slice(*rest, 0, end - 1);
    *rest = str_slice(*rest, end + 1, rest->len);
    return !has_control(*line);
}

/* HTTP/1.1 101 Switching Protocols; what follows the number means nothing. */
static bool read_status(str_t line, answer_t *a)
{
    str_t version, number;
    int64_t status;

    if (!str_split(&line, ' ', &version) || !str_starts(version, STR("HTTP/1.")) || !str_split(&line, ' ', &number) ||
        number.len != 3 || !str_to_int(number, &status) || status < 100)
        return false;
    a->status = (int)status;
    return true;
}

static bool read_field(str_t line, answer_t *a)
{
    size_t colon = str_find(line, ':');
    str_t name = str_slice(line, 0, colon), value;

    if (colon == SIZE_MAX || !is_token(name))
        return false;
    value = str_trim(str_slice(line, colon + 1, line.len));
    if (str_eq_nocase(name, STR("upgrade"))) {
        a->upgrades = a->upgrades || websocket_list_has(value, STR("websocket"));
    } else if (str_eq_nocase(name, STR("connection"))) {
        a->connects = a->connects || websocket_list_has(value, STR("upgrade"));
    } else if (str_eq_nocase(name, STR("sec-websocket-accept"))) {
        a->accepts++;
        a->accept = value;
    } else if (str_eq_nocase(name, STR("sec-websocket-extensions")) ||
               str_eq_nocase(name, STR("sec-websocket-protocol"))) {
        a->unasked = name;
    }
    return true;
}

static bool read_head(str_t head, answer_t *a)
{
    str_t line;

    *a = (answer_t){.status = 0};
    if (!next_line(&head, &line) || !read_status(line, a))
        return false;
    while (next_line(&head, &line)) {
        if (!line.len)
            return true;
        if (!read_field(line, a))
            return false;
    }
    return false;
}

/* Theirs to mend, or a matter of time: RFC 9110 section 15.6, RFC 6585 section 4. */
static bool may_pass(int status)
{
    return status >= 500 || status == 408 || status == 425 || status == 429;
}

/* RFC 6455 section 4.1, what the client checks. */
static bool check_answer(const answer_t *a, str_t host, str_t key, err_t *err)
{
    char expected[WEBSOCKET_ACCEPT_BYTES];
    str_t accept = {expected, websocket_accept(key, expected)};

    if (a->status != 101)
        return err_set(err, may_pass(a->status) ? ERR_IO : ERR_CONFIG,
                       STR_FMT " answered %d to the WebSocket handshake", STR_ARG(host), a->status);
    if (!a->upgrades || !a->connects)
        return err_set(err, ERR_CONFIG, STR_FMT " answered 101, but does not switch to a WebSocket", STR_ARG(host));
    if (a->accepts != 1 || !str_eq(a->accept, accept))
        return err_set(err, ERR_CONFIG, STR_FMT " answered 101 with a Sec-WebSocket-Accept that is not to our key",
                       STR_ARG(host));
    if (a->unasked.len)
        return err_set(err, ERR_CONFIG, STR_FMT " answered 101 with " STR_FMT ", which was not offered", STR_ARG(host),
                       STR_ARG(a->unasked));
    return true;
}

websocket_answer_t websocket_answer_read(str_t bytes, str_t host, str_t key, size_t *head_bytes, err_t *err)
{
    static const char END[] = "\r\n\r\n";
    const char *end = bytes.len ? memmem(bytes.base, bytes.len, END, sizeof(END) - 1) : NULL;
    size_t len = end ? (size_t)(end - bytes.base) + sizeof(END) - 1 : bytes.len;
    answer_t answer;

    if (len > WEBSOCKET_HEAD_MAX || (!end && len == WEBSOCKET_HEAD_MAX)) {
        (void)err_set(err, ERR_CONFIG, STR_FMT " answered the WebSocket handshake with more than %zu bytes of head",
                      STR_ARG(host), WEBSOCKET_HEAD_MAX);
        return WEBSOCKET_ANSWER_REFUSAL;
    }
    if (!end)
        return WEBSOCKET_ANSWER_PART;
    if (!read_head(str_slice(bytes, 0, len), &answer)) {
        (void)err_set(err, ERR_CONFIG, STR_FMT " answered the WebSocket handshake with what is no HTTP/1.1",
                      STR_ARG(host));
        return WEBSOCKET_ANSWER_REFUSAL;
    }
    if (!check_answer(&answer, host, key, err))
        return WEBSOCKET_ANSWER_REFUSAL;
    *head_bytes = len;
    return WEBSOCKET_ANSWER_OPEN;
}
