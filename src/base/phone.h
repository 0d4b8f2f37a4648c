/* phone.h – telephone numbers in E.164 (ITU-T E.164: '+', then 7 to 15 digits, the first not 0).
 *
 * What is written internationally is taken as it is, without a look at any country's plan: "+1 (202) 555-0143",
 * "tel:+1-202-555-0143", "001202…" (00 as +). The function hookline_e164 in schema/ does the same, so that a lead whose
 * number is written so is linked at once. All other forms – national ones such as "(202) 555-0143", "+44 (0)20 …" – are
 * left to libphonenumber, which knows every country's plan; a number without a country is read as one of the default
 * region, or gives absent where none is set. */
#ifndef HOOKLINE_BASE_PHONE_H
#define HOOKLINE_BASE_PHONE_H

#include "base/err.h"
#include "base/mem.h"

/* Once, before any thread: ISO 3166-1 alpha-2, "US"; absent for none. ERR_CONFIG for one that does not exist. */
bool phone_set_region(str_t region, err_t *err);

/* Absent for what is no telephone number: client:, sip:, anonymous, too short, too long. Any thread. */
str_t phone_e164(arena_t *a, str_t raw);

#endif
