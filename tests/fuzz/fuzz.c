/* fuzz.c – libFuzzer's side of every target. */
#include "fuzz.h"

int LLVMFuzzerInitialize(const int *argc, char *const *const *argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(const int *argc, char *const *const *argv)
{
    (void)argc;
    (void)argv;
    json_init();
    fuzz_begin();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena_t *a = arena_new(4096);

    fuzz_one(a, (str_t){size ? (const char *)data : "", size});
    arena_free(a);
    return 0;
}
