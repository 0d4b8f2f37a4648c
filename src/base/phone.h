/* phone.h – telephone numbers in E.164 (ITU-T E.164: '+', then 7 to 15 digits, the first not 0). */
#ifndef HOOKLINE_BASE_PHONE_H
#define HOOKLINE_BASE_PHONE_H

#include "base/mem.h"

/* Accepts "+1 (202) 555-0143", "tel:+1-202-555-0143", "001202…" (00 as +), and E.164 itself. Everything else – national
 * forms without a country, client:, sip:, anonymous – gives absent. */
str_t phone_e164(arena_t *a, str_t raw);

#endif
