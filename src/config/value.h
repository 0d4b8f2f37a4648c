/* value.h – what the text of a setting means: by its type, and by the checks that some settings have beyond it.
 *
 * Where the text comes from is config.h's. No allocation; a value's thread is its owner's. */
#ifndef HOOKLINE_CONFIG_VALUE_H
#define HOOKLINE_CONFIG_VALUE_H

#include "base/err.h"
#include "base/setting.h"

typedef struct value {
    const setting_t *row;
    char *text; /* NULL: neither set nor a default */
    size_t len; /* of what counts; text itself may go on (a final slash) */
    int64_t number;
    bool is_set;
} value_t;

/* Reads text and len, which are there, into number, and shortens len where what is behind does not count. ERR_CONFIG
 * names the setting, what was expected, and what came unless that is secret. */
bool value_read(value_t *v, err_t *err);

str_t value_text(const value_t *v); /* absent where there is none */

#endif
