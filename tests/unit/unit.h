/* unit.h – what every unit test includes: cmocka with what it needs before it, and comparing of str_t. */
#ifndef HOOKLINE_TESTS_UNIT_H
#define HOOKLINE_TESTS_UNIT_H

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_str(actual, expected) assert_str_(actual, expected, __FILE__, __LINE__)
#define assert_absent(actual)        assert_null((actual).base)

static inline void assert_str_(str_t actual, const char *expected, const char *file, int line)
{
    char *copy = mem_strdup(actual);

    _assert_string_equal(copy, expected, file, line);
    _assert_int_equal(actual.len, strlen(expected), file, line);
    free(copy);
}

/* A small generator (xorshift64*), so that a seed gives the same run everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#endif
