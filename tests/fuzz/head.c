/* head.c – the second look at a request's head. */
#include "fuzz.h"

#include "http/head.h"

/* What may become part of an origin. */
static bool is_host(str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.base[i] <= ' ' || s.base[i] >= 0x7f || memchr("/?#@\\\"<>{}|^`", s.base[i], 13))
            return false;
    return true;
}

static void check_head(arena_t *a, str_t bytes, const head_t *head)
{
    head_t again;
    err_t err;

    CHECK(head->len >= 4 && head->len <= bytes.len && memcmp(bytes.base + head->len - 4, "\r\n\r\n", 4) == 0, bytes);
    CHECK(!(head->chunked && head->has_length), bytes);
    CHECK(!head->chunked || head->minor == 1, bytes);
    CHECK(head->minor == 0 || head->host.base, bytes);
    CHECK(is_host(head->host), head->host);
    /* The same without what follows; and with less than that it is no head. */
    CHECK(head_read(exact_copy(a, str_slice(bytes, 0, head->len)), &again, &err), bytes);
    CHECK(again.len == head->len && again.length == head->length && again.chunked == head->chunked, bytes);
    CHECK(!head_read(exact_copy(a, str_slice(bytes, 0, head->len - 1)), &again, &err), bytes);
}

void fuzz_begin(void)
{
}

void fuzz_one(arena_t *a, str_t input)
{
    head_t head;
    err_t err = {.code = ERR_NONE};

    if (head_read(input, &head, &err))
        check_head(a, input, &head);
    else
        CHECK(err.code == ERR_MALFORMED || err.code == ERR_SMUGGLING, input);
}
