/* config.h – one table of settings, read from the environment; everything else that needs one asks here.
 *
 * The table is settings.h's. NAME may be given as NAME_FILE, a file whose content is the value (without the final
 * newline). A snapshot is immutable: SIGHUP makes a new one. Any thread. */
#ifndef HOOKLINE_CONFIG_CONFIG_H
#define HOOKLINE_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/mem.h"
#include "config/settings.h"

typedef struct config config_t;

/* Reads and checks every setting. NULL with ERR_CONFIG: the first fault, with its name and what was expected. */
config_t *config_read(err_t *err);
config_t *config_share(config_t *c); /* for one more holder, who frees it too */
void config_free(config_t *c);       /* when nobody holds it any more. NULL is fine */

/* The value of NAME; for a type that does not fit, the process aborts (a mistake of ours, found by any test). */
str_t config_text(const config_t *c, const char *name);  /* absent when not set and without a default */
int64_t config_int(const config_t *c, const char *name); /* INT and BYTES */
int64_t config_us(const config_t *c, const char *name);  /* SECONDS, in microseconds */
bool config_bool(const config_t *c, const char *name);
bool config_is_set(const config_t *c, const char *name); /* in the environment, not by default */
setting_source_t config_source(const config_t *c);       /* for a provider */

void config_print(buf_t *out, bool markdown); /* `hookline help configuration` and README's table */

/* The environment's HOOKLINE_… names that no row knows: a slip of the pen, mostly. name: good during the call. */
void config_unknown(void (*each)(void *ctx, const char *name), void *ctx);

#endif
