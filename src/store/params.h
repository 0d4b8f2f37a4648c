/* params.h – the parameters of one statement, as libpq wants them: arrays in PostgreSQL's binary format.
 *
 * Layout of an array (all big-endian; src/backend/utils/adt/arrayfuncs.c, array_recv): int32 dimensions = 1, int32
 * has-nulls, uint32 element type, int32 count, int32 lower bound = 1; then for each element int32 length (-1: NULL) and
 * its bytes. */
#ifndef HOOKLINE_STORE_PARAMS_H
#define HOOKLINE_STORE_PARAMS_H

#include "base/mem.h"

#include <libpq-fe.h>

#define PARAMS_MAX 48

typedef enum { PG_TEXT, PG_INT8, PG_TIMESTAMPTZ, PG_BOOL, PG_JSONB, PG_UUID, PG_BYTEA, PG_TYPE_COUNT } pg_type_t;
Oid pg_array_oid(pg_type_t type);
const char *pg_array_name(pg_type_t type); /* "text[]" */

typedef struct params {
    buf_t bytes;
    int count;
    size_t at[PARAMS_MAX]; /* where each begins; SIZE_MAX: NULL */
    bool one[PARAMS_MAX];  /* it is no array: a value, behind its length */
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX];
    int formats[PARAMS_MAX];
    Oid types[PARAMS_MAX];
} params_t;

void params_reset(params_t *p); /* keeps the memory */
void params_clear(params_t *p);
void params_begin_array(params_t *p, pg_type_t type, size_t count);
void params_begin_one(params_t *p, pg_type_t type); /* what is added next is the parameter itself */
void params_add_text(params_t *p, str_t s);         /* TEXT, BYTEA; absent is NULL */
void params_add_json(params_t *p, str_t s);
void params_add_int(params_t *p, int64_t value);
void params_add_time(params_t *p, int64_t us); /* since 1970; TIME_NONE is NULL */
void params_add_bool(params_t *p, bool value);
void params_add_uuid(params_t *p, const uint8_t bytes[16]);
void params_add_null(params_t *p);
void params_null_array(params_t *p, pg_type_t type); /* no value in any row */
void params_finish(params_t *p);                     /* fills values and lengths */

#endif
