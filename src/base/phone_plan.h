/* phone_plan.h – libphonenumber, which is C++, as phone.c uses it. Any thread. */
#ifndef HOOKLINE_BASE_PHONE_PLAN_H
#define HOOKLINE_BASE_PHONE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

bool phone_plan_knows_region(const char *region);

#define PHONE_PLAN_BYTES 17 /* "+", 15 digits and a NUL: some plans (Japan's) allow more, E.164 does not */
/* Writes the number as E.164, NUL-terminated. region: "ZZ" where none is known. False: it is none that could be. */
bool phone_plan_e164(const char *text, size_t len, const char *region, char out[PHONE_PLAN_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
