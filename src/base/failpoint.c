#include "base/failpoint.h"

#ifdef HOOKLINE_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void failpoint(const char *name)
{
    static atomic_long passed;
    const char *wanted = getenv("HOOKLINE_FAILPOINT");
    size_t len = strlen(name);

    if (!wanted || strncmp(wanted, name, len) != 0 || wanted[len] != ':')
        return;
    if (atomic_fetch_add(&passed, 1) + 1 == strtol(wanted + len + 1, NULL, 10))
        (void)raise(SIGKILL);
}

#endif
