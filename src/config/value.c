#include "config/value.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

str_t value_text(const value_t *v)
{
    return v->text ? (str_t){v->text, v->len} : STR_NONE;
}

static bool in_range(const setting_t *row, double value)
{
    if (!row->least && !row->most)
        return row->type == SETTING_INT || value >= 0;
    return value >= (double)row->least && value <= (double)row->most;
}

static bool read_int(value_t *v)
{
    return str_to_int(str_trim(value_text(v)), &v->number) && in_range(v->row, (double)v->number);
}

static bool read_bytes(value_t *v)
{
    str_t s = str_trim(value_text(v));
    int64_t unit = 1;

    if (s.len) {
        switch (s.base[s.len - 1] | 0x20) {
        case 'k':
            unit = INT64_C(1) << 10;
            break;
        case 'm':
            unit = INT64_C(1) << 20;
            break;
        case 'g':
            unit = INT64_C(1) << 30;
            break;
        }
    }
    if (unit > 1)
        s.len--;
    return str_to_int(s, &v->number) && !__builtin_mul_overflow(v->number, unit, &v->number) &&
           in_range(v->row, (double)v->number);
}

static bool read_seconds(value_t *v)
{
    str_t s = str_trim(value_text(v));
    char text[32], *end;
    double seconds;

    if (!s.len || s.len >= sizeof(text))
        return false;
    memcpy(text, s.base, s.len);
    text[s.len] = '\0';
    seconds = strtod(text, &end);
    if (strspn(text, "0123456789.") != s.len || *end || seconds > 1e9 || !in_range(v->row, seconds))
        return false;
    v->number = (int64_t)(seconds * 1e6 + 0.5);
    return true;
}

static bool read_bool(value_t *v)
{
    static const char *const WORDS[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    str_t s = str_trim(value_text(v));

    for (size_t i = 0; i < COUNT(WORDS); i++) {
        if (str_eq_nocase(s, str_from(WORDS[i]))) {
            v->number = i % 2;
            return true;
        }
    }
    return false;
}

static bool is_ip(str_t s, int family)
{
    char text[INET6_ADDRSTRLEN], bytes[16];

    if (s.len >= sizeof(text))
        return false;
    (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(s));
    return strlen(text) == s.len && inet_pton(family, text, bytes) == 1;
}

static bool is_host_name(str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.base[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_'))
            return false;
    }
    return s.len > 0;
}

/* host, or [v6], with :port behind it. */
static bool is_authority(str_t s, bool port_needed)
{
    size_t bracket = str_starts(s, STR("[")) ? str_find(s, ']') : 0, colon;
    int64_t port;

    if (bracket == SIZE_MAX || (bracket && !is_ip(str_slice(s, 1, bracket), AF_INET6)))
        return false;
    if (bracket)
        s = str_slice(s, bracket, s.len); /* the bracket stands for the host */
    colon = str_find(s, ':');
    if (bracket ? colon != 1 && (colon != SIZE_MAX || s.len > 1) : !is_host_name(str_slice(s, 0, colon)))
        return false;
    if (colon == SIZE_MAX)
        return !port_needed;
    s = str_slice(s, colon + 1, s.len);
    return s.len && s.base[0] >= '0' && s.base[0] <= '9' && str_to_int(s, &port) && port <= 65535;
}

static bool read_address(value_t *v)
{
    return is_authority(value_text(v), true);
}

static bool read_text(value_t *v)
{
    return v->len > 0;
}

static const struct {
    bool (*read)(value_t *v);
    const char *expected;
} TYPES[] = {
    [SETTING_TEXT] = {read_text, "a text"},
    [SETTING_INT] = {read_int, "a whole number"},
    [SETTING_BYTES] = {read_bytes, "a whole number of bytes, or one with K, M or G"},
    [SETTING_SECONDS] = {read_seconds, "a number of seconds"},
    [SETTING_BOOL] = {read_bool, "on or off"},
    [SETTING_ADDRESS] = {read_address, "host:port or [v6]:port"},
    [SETTING_LIST] = {read_text, "a list separated by commas"},
};

/* ---- what a type alone does not say ---- */

/* A final slash is not part of it: paths are added behind. */
static bool check_public_url(value_t *v)
{
    str_t s = value_text(v);
    size_t scheme = str_starts(s, STR("https://")) ? 8 : str_starts(s, STR("http://")) ? 7 : 0, slash;

    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.base[i] <= ' ' || (unsigned char)s.base[i] > '~' || strchr("?#\"<>\\^`{|}", s.base[i]))
            return false;
    while (v->len > scheme && v->text[v->len - 1] == '/')
        v->len--;
    s = str_slice(value_text(v), scheme, v->len);
    slash = str_find(s, '/');
    return scheme && is_authority(str_slice(s, 0, slash), false);
}

static bool check_websocket_url(value_t *v)
{
    str_t s = value_text(v);
    size_t scheme = str_starts(s, STR("wss://")) ? 6 : str_starts(s, STR("ws://")) ? 5 : 0;
    size_t path = scheme;

    while (path < s.len && !strchr("/?", s.base[path]))
        path++;
    return scheme && is_authority(str_slice(s, scheme, path), false);
}

static bool is_network(str_t s)
{
    size_t slash = str_find(s, '/');
    str_t address = str_slice(s, 0, slash);
    bool v6 = is_ip(address, AF_INET6);
    str_t bits = slash == SIZE_MAX ? STR("0") : str_slice(s, slash + 1, s.len);
    int64_t n;

    if (!v6 && !is_ip(address, AF_INET))
        return false;
    return bits.len && bits.base[0] >= '0' && bits.base[0] <= '9' && str_to_int(bits, &n) && n <= (v6 ? 128 : 32);
}

static bool check_networks(value_t *v)
{
    str_t rest = value_text(v), piece;

    while (str_split(&rest, ',', &piece))
        if (!is_network(str_trim(piece)))
            return false;
    return true;
}

static bool check_level(value_t *v)
{
    log_level_t level;

    return log_level_from(value_text(v), &level);
}

static bool check_format(value_t *v)
{
    log_format_t format;

    return log_format_from(value_text(v), &format);
}

static bool check_positive(value_t *v)
{
    return v->number > 0;
}

static const struct {
    const char *name;
    bool (*check)(value_t *v);
    const char *expected;
} CHECKS[] = {
    {"HOOKLINE_PUBLIC_URL", check_public_url, "http:// or https://, a host, maybe a port and a path, nothing more"},
    {"HOOKLINE_TRUSTED_PROXIES", check_networks, "addresses or networks such as 10.0.0.0/8, separated by commas"},
    {"HOOKLINE_COMMIT_DEADLINE", check_positive, "more than 0 seconds"},
    {"HOOKLINE_STATEMENT_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_REQUEST_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_IDLE_TIMEOUT", check_positive, "more than 0 seconds"},
    {"HOOKLINE_WRITE_TIMEOUT", check_positive, "more than 0 seconds"},
    {"OPENAI_REALTIME_URL", check_websocket_url, "wss://host/path; ws:// is for this machine"},
    {"HOOKLINE_DIALPLAN_REFRESH", check_positive, "more than 0 seconds"},
    {"HOOKLINE_STREAM_IDLE", check_positive, "more than 0 seconds"},
    {"HOOKLINE_LOG_LEVEL", check_level, "debug, info, warn or error"},
    {"HOOKLINE_LOG_FORMAT", check_format, "auto, json or text"},
};

static bool fault(const value_t *v, const char *expected, err_t *err)
{
    const setting_t *row = v->row;
    char range[80] = "";

    if (row->least || row->most)
        (void)snprintf(range, sizeof(range), ", from %lld to %lld", (long long)row->least, (long long)row->most);
    if (row->secret)
        return err_set(err, ERR_CONFIG, "%s: expected %s%s, got something else", row->name, expected, range);
    return err_set(err, ERR_CONFIG, "%s: expected %s%s, got \"%.100s\"", row->name, expected, range, v->text);
}

bool value_read(value_t *v, err_t *err)
{
    if (!TYPES[v->row->type].read(v))
        return fault(v, TYPES[v->row->type].expected, err);
    for (size_t i = 0; i < COUNT(CHECKS); i++)
        if (strcmp(CHECKS[i].name, v->row->name) == 0 && !CHECKS[i].check(v))
            return fault(v, CHECKS[i].expected, err);
    return true;
}
