/* scan.h – JSON of a known shape, read by hand: literal by literal, as its writer always writes it.
 *
 * Each takes what it names off the begin of the text; false, and the text is of no use any more: it has another shape,
 * and goes through cJSON. Nothing is taken that cJSON would read in another way. Pure functions; any thread. */
#ifndef HOOKLINE_MEDIA_SCAN_H
#define HOOKLINE_MEDIA_SCAN_H

#include "base/str.h"

#define SCAN_MOST_DIGITS 15 /* what a double holds: cJSON must read the same number */

bool scan_literal(str_t *text, str_t literal);
/* What stands before the next quote, and the quote: anything. */
bool scan_string(str_t *text, str_t *out);
/* The same, at least one letter, digit, '_', '-' or ':'. */
bool scan_word(str_t *text, str_t *out);
/* A whole number: no sign, no leading zero, at most SCAN_MOST_DIGITS digits. */
bool scan_number(str_t *text, int64_t *out);
/* The same within quotes, of which the first was taken. */
bool scan_quoted_number(str_t *text, int64_t *out);

#endif
