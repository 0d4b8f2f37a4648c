#include "base/mem.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_PLAIN_MALLOC 1
#endif
#endif
#ifndef ARENA_PLAIN_MALLOC
#define ARENA_PLAIN_MALLOC 0
#endif

static void *or_abort(void *p)
{
    if (!p) {
        static const char text[] = "hookline: out of memory\n";
        (void)!fwrite(text, 1, sizeof(text) - 1, stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return or_abort(calloc(1, size ? size : 1));
}

void *mem_realloc(void *old, size_t size)
{
    return or_abort(realloc(old, size ? size : 1));
}

char *mem_strdup(str_t s)
{
    char *copy = mem_alloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.base, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* The first block holds the arena itself; later blocks hang on a list. */
typedef struct block {
    struct block *next;
    alignas(max_align_t) char bytes[];
} block_t;

struct arena {
    block_t *blocks;
    char *at;
    char *end;
    size_t total;
    alignas(max_align_t) char first[];
};

arena_t *arena_new(size_t first_block_bytes)
{
    size_t room = ARENA_PLAIN_MALLOC ? 0 : first_block_bytes;
    arena_t *a = mem_alloc(sizeof(*a) + room);

    a->blocks = NULL;
    a->at = a->first;
    a->end = a->first + room;
    a->total = sizeof(*a) + room;
    return a;
}

void arena_free(arena_t *a)
{
    if (!a)
        return;
    for (block_t *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

static void *alloc_block(arena_t *a, size_t size)
{
    size_t room = ARENA_PLAIN_MALLOC || size > 4096 ? size : 8192;
    block_t *b = mem_alloc(sizeof(*b) + room);

    b->next = a->blocks;
    a->blocks = b;
    a->total += sizeof(*b) + room;
    if (room > size) {
        a->at = b->bytes + size;
        a->end = b->bytes + room;
    }
    return b->bytes;
}

void *arena_alloc(arena_t *a, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    char *p = a->at;

    if (ARENA_PLAIN_MALLOC)
        return alloc_block(a, size ? size : 1);
    if (rounded > (size_t)(a->end - p))
        return alloc_block(a, rounded);
    a->at += rounded;
    return p;
}

void *arena_zalloc(arena_t *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

str_t arena_dup(arena_t *a, str_t s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.base, s.len);
    copy[s.len] = '\0';
    return (str_t){copy, s.len};
}

str_t arena_printf(arena_t *a, const char *format, ...)
{
    va_list args, again;
    int len;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = arena_alloc(a, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (str_t){text, (size_t)len};
}

str_t arena_concat(arena_t *a, const str_t *parts, size_t count)
{
    size_t len = 0;
    char *text, *at;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    text = at = arena_alloc(a, len + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(at, parts[i].base, parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    return (str_t){text, len};
}

size_t arena_bytes(const arena_t *a)
{
    return a->total;
}

static _Thread_local arena_t *current;

void arena_set_current(arena_t *a)
{
    current = a;
}

void *arena_current_alloc(size_t size)
{
    return current ? arena_alloc(current, size) : mem_alloc(size);
}

void arena_current_free(void *p)
{
    if (!current)
        free(p);
}

void buf_reserve(buf_t *b, size_t more)
{
    size_t need = b->len + more;

    if (need <= b->cap)
        return;
    b->cap = b->cap * 2 > need ? b->cap * 2 : need < 64 ? 64 : need;
    b->base = mem_realloc(b->base, b->cap);
}

void buf_append(buf_t *b, const void *bytes, size_t len)
{
    if (!len)
        return;
    buf_reserve(b, len);
    memcpy(b->base + b->len, bytes, len);
    b->len += len;
}

void buf_add(buf_t *b, str_t s)
{
    buf_append(b, s.base, s.len);
}

void buf_addc(buf_t *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_vprintf(buf_t *b, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    buf_reserve(b, (size_t)len + 1);
    (void)vsnprintf(b->base + b->len, (size_t)len + 1, format, args);
    b->len += (size_t)len;
}

void buf_printf(buf_t *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

str_t buf_str(const buf_t *b)
{
    return (str_t){b->base ? b->base : "", b->len};
}

void buf_clear(buf_t *b)
{
    free(b->base);
    *b = BUF_EMPTY;
}
