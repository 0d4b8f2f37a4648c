/* access.h – who may do what in the database, for `hookline check`. Blocks; any thread. */
#ifndef HOOKLINE_STORE_ACCESS_H
#define HOOKLINE_STORE_ACCESS_H

#include "base/err.h"

#include <stdint.h>

typedef struct access {
    bool may_write;          /* this connection's role may write what deliveries bring */
    int64_t planned_numbers; /* for whose calls phone_numbers or its agents say what to do; where may_write */
    char missing_roles[200]; /* those that schema/repeatable_policies.sql grants to and that do not exist: "anon, …" */
} access_t;
bool access_read(const char *conninfo, access_t *out, err_t *err); /* after hookline migrate */

#endif
