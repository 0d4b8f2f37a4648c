/* path.c – which of the API's paths a request's is, and what stands for {…} in it. */
#include "fuzz.h"

#include "api/router.h"

void fuzz_begin(void)
{
}

/* The pattern with these segments is that path again. */
static str_t filled(arena_t *a, const char *pattern, const str_t *segments, size_t count)
{
    str_t rest = str_from(pattern), piece = STR_NONE, path;
    buf_t out = BUF_EMPTY;
    size_t used = 0;

    for (bool first = true; str_split(&rest, '/', &piece); first = false) {
        if (!first)
            buf_addc(&out, '/');
        buf_add(&out, str_starts(piece, STR("{")) && used < count ? segments[used++] : piece);
    }
    path = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return path;
}

void fuzz_one(arena_t *a, str_t input)
{
    size_t i = router_find(input), count;
    str_t segments[CALL_MAX_SEGMENTS];

    CHECK((i == SIZE_MAX) == !(str_eq(input, STR("/api")) || str_starts(input, STR("/api/"))), input);
    if (i == SIZE_MAX || i == router_count() - 1)
        return;
    count = router_segments(ROUTER_PATHS[i].pattern, input, segments);
    CHECK(str_eq(filled(a, ROUTER_PATHS[i].pattern, segments, count), input), input);
    for (size_t s = 0; s < count; s++)
        CHECK(segments[s].len && str_find(segments[s], '/') == SIZE_MAX, input);
}
