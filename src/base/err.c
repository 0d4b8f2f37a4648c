#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *metric;
    const char *told;
} CODES[] = {
#define ERR_ROW(code, status, metric, told) [code] = {status, metric, told},
    ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

int err_http_status(err_code_t code)
{
    return CODES[code].status;
}

const char *err_metric(err_code_t code)
{
    return CODES[code].metric;
}

const char *err_told(err_code_t code)
{
    return CODES[code].told;
}

bool err_set(err_t *err, err_code_t code, const char *format, ...)
{
    va_list args;

    if (!err)
        return false;
    err->code = code;
    err->hint[0] = '\0';
    va_start(args, format);
    (void)vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    return false;
}

bool err_hint(err_t *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return false;
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof(err->hint), format, args);
    va_end(args);
    return false;
}
