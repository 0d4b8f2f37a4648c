/* settings.h – the table: which settings there are. The engine's rows, then each provider's.
 *
 * What a value may be is value.h's, where it comes from config.h's. The table does not change once the providers' rows
 * are there: any thread may read it. */
#ifndef HOOKLINE_CONFIG_SETTINGS_H
#define HOOKLINE_CONFIG_SETTINGS_H

#include "base/setting.h"

typedef struct settings_section {
    const char *title; /* "Twilio" */
    const setting_t *rows;
    size_t count;
} settings_section_t;

/* The rows that belong to somebody else (the providers), in one list. Set once, before any other call. */
void settings_add(const settings_section_t *sections, size_t count); /* borrowed */

size_t settings_section_count(void);
const settings_section_t *settings_section(size_t i);

/* Walks all rows, section by section; for help, README and check. */
void settings_each(void (*row)(void *ctx, const char *section, const setting_t *s), void *ctx);

#endif
