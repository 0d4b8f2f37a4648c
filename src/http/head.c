#include "http/head.h"

#include <string.h>

/* RFC 9110 section 5.6.2: what names of fields and methods are made of. */
static bool is_token(str_t s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              memchr(others, c, sizeof(others) - 1)))
            return false;
    }
    return s.len > 0;
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Control characters but for tabs, a CR among them. Eight bytes at a time: a head is read for every delivery. */
static bool has_control(str_t s)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t v, del, below;

        memcpy(&v, s.base + i, 8);
        del = v ^ (ones * 0x7f);
        below = (v - ones * 0x20) & ~v & highs;             /* a byte below 0x20 */
        del = (del - ones) & ~del & highs;                  /* a byte of 0x7f */
        for (size_t k = i; (below | del) && k < i + 8; k++) /* may also be a tab, or a carry from a lower byte */
            if (is_control(s.base[k]))
                return true;
    }
    for (; i < s.len; i++)
        if (is_control(s.base[i]))
            return true;
    return false;
}

/* Takes the next line off rest, without its CRLF. A line ends at CR LF and nowhere else. */
static bool next_line(str_t *rest, str_t *line, err_t *err)
{
    const char *lf = rest->len ? memchr(rest->base, '\n', rest->len) : NULL;

    if (!lf)
        return err_set(err, ERR_MALFORMED, "the head has no end");
    *line = str_slice(*rest, 0, (size_t)(lf - rest->base));
    *rest = str_slice(*rest, line->len + 1, rest->len);
    if (!line->len || line->base[line->len - 1] != '\r')
        return err_set(err, ERR_MALFORMED, "a line of the head ends in LF without CR");
    line->len--;
    if (has_control(*line))
        return err_set(err, ERR_MALFORMED, "a control character in the head");
    return true;
}

static bool read_request_line(str_t line, head_t *out, err_t *err)
{
    str_t method, target;

    if (!str_split(&line, ' ', &method) || !str_split(&line, ' ', &target) || !is_token(method) || !target.len ||
        memchr(target.base, '\t', target.len))
        return err_set(err, ERR_MALFORMED, "the request line is not METHOD target HTTP/1.1");
    if (!str_eq(line, STR("HTTP/1.1")) && !str_eq(line, STR("HTTP/1.0")))
        return err_set(err, ERR_MALFORMED, "the version is neither HTTP/1.0 nor HTTP/1.1");
    out->minor = line.base[line.len - 1] - '0';
    return true;
}

static bool read_length(str_t value, head_t *out, err_t *err)
{
    if (out->has_length)
        return err_set(err, ERR_SMUGGLING, "more than one Content-Length");
    if (!value.len || value.len > 18) /* 18 digits cannot overflow */
        return err_set(err, ERR_SMUGGLING, "Content-Length is not a number of bytes");
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] < '0' || value.base[i] > '9')
            return err_set(err, ERR_SMUGGLING, "Content-Length is not a number of bytes");
        out->length = out->length * 10 + (uint64_t)(value.base[i] - '0');
    }
    out->has_length = true;
    return true;
}

static bool read_coding(str_t value, head_t *out, err_t *err)
{
    if (out->chunked)
        return err_set(err, ERR_SMUGGLING, "more than one Transfer-Encoding");
    if (!str_eq_nocase(value, STR("chunked")))
        return err_set(err, ERR_SMUGGLING, "Transfer-Encoding is not just chunked");
    out->chunked = true;
    return true;
}

/* RFC 3986's host and port, loosely: what cannot be in either must not become part of an origin. */
static bool read_host(str_t value, head_t *out, err_t *err)
{
    static const char others[] = "-._~!$&'()*+,;=:[]%";

    if (out->host.base)
        return err_set(err, ERR_MALFORMED, "more than one Host");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              memchr(others, c, sizeof(others) - 1)))
            return err_set(err, ERR_MALFORMED, "a character in Host that no host has");
    }
    out->host = value;
    return true;
}

static bool read_field(str_t line, head_t *out, err_t *err)
{
    size_t colon = str_find(line, ':');
    str_t name = str_slice(line, 0, colon);
    str_t value;

    if (line.base[0] == ' ' || line.base[0] == '\t')
        return err_set(err, ERR_MALFORMED, "a folded header field");
    if (colon == SIZE_MAX || !is_token(name)) /* a blank before the colon is no token either */
        return err_set(err, ERR_MALFORMED, "a header field that is not name: value");
    value = str_trim(str_slice(line, colon + 1, line.len));
    switch (name.len) {
    case sizeof("host") - 1:
        return !str_eq_nocase(name, STR("host")) || read_host(value, out, err);
    case sizeof("content-length") - 1:
        return !str_eq_nocase(name, STR("content-length")) || read_length(value, out, err);
    case sizeof("transfer-encoding") - 1:
        return !str_eq_nocase(name, STR("transfer-encoding")) || read_coding(value, out, err);
    default:
        return true;
    }
}

static bool agrees(const head_t *h, err_t *err)
{
    if (h->chunked && h->has_length)
        return err_set(err, ERR_SMUGGLING, "Content-Length together with Transfer-Encoding");
    if (h->chunked && h->minor == 0)
        return err_set(err, ERR_SMUGGLING, "Transfer-Encoding on HTTP/1.0");
    if (h->minor == 1 && !h->host.base)
        return err_set(err, ERR_MALFORMED, "HTTP/1.1 without Host");
    return true;
}

bool head_read(str_t bytes, head_t *out, err_t *err)
{
    str_t rest = bytes, line = STR_NONE;

    *out = (head_t){.len = 0};
    if (str_starts(rest, STR("\r\n"))) /* an empty line before a request is to be skipped: RFC 9112 section 2.2 */
        rest = str_slice(rest, 2, rest.len);
    if (!next_line(&rest, &line, err) || !read_request_line(line, out, err))
        return false;
    for (;;) {
        if (!next_line(&rest, &line, err))
            return false;
        if (!line.len)
            break;
        if (!read_field(line, out, err))
            return false;
    }
    out->len = bytes.len - rest.len;
    return agrees(out, err);
}

bool head_fits_body(const head_t *head, size_t body, size_t behind, err_t *err)
{
    if (head->chunked && (!body || behind))
        return err_set(err, ERR_SMUGGLING, "a chunked body that is empty, or followed by more");
    if (!head->chunked && body != (head->has_length ? head->length : 0))
        return err_set(err, ERR_SMUGGLING, "a body of another length than Content-Length says");
    return true;
}
