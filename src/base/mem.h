/* mem.h – memory that aborts rather than fails, an arena, and a growing buffer.
 *
 * An arena gives memory that is freed all at once; it belongs to one thread at a time. Under AddressSanitizer each
 * allocation is a malloc of its own, so that the sanitizer sees every overrun. */
#ifndef HOOKLINE_BASE_MEM_H
#define HOOKLINE_BASE_MEM_H

#include "base/str.h"

#include <stdarg.h>

void *mem_alloc(size_t size); /* aborts when there is none; free() releases */
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(str_t s); /* NUL-terminated copy */

typedef struct arena arena_t;
arena_t *arena_new(size_t first_block_bytes);
void arena_free(arena_t *a);                /* NULL is fine */
void *arena_alloc(arena_t *a, size_t size); /* aligned for any type, not zeroed */
void *arena_zalloc(arena_t *a, size_t size);
str_t arena_dup(arena_t *a, str_t s); /* the copy is followed by a NUL */
str_t arena_printf(arena_t *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
str_t arena_concat(arena_t *a, const str_t *parts, size_t count);
size_t arena_bytes(const arena_t *a); /* taken from the system so far */

/* An arena that plain C libraries can allocate from (cJSON's hooks): set for the calling thread, NULL for malloc. */
void arena_set_current(arena_t *a);
void *arena_current_alloc(size_t size);
void arena_current_free(void *p);

typedef struct buf {
    char *base;
    size_t len;
    size_t cap;
} buf_t;
#define BUF_EMPTY ((buf_t){NULL, 0, 0})
void buf_reserve(buf_t *b, size_t more);
void buf_append(buf_t *b, const void *bytes, size_t len);
void buf_add(buf_t *b, str_t s);
void buf_addc(buf_t *b, char c);
void buf_printf(buf_t *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(buf_t *b, const char *format, va_list args);
str_t buf_str(const buf_t *b);
void buf_clear(buf_t *b); /* releases */

#endif
