#include "store/params.h"

#include "base/clock.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* PostgreSQL counts from 2000-01-01. */
#define PG_EPOCH_US (INT64_C(946684800) * US_PER_S)

/* Type numbers are fixed for built-in types: src/include/catalog/pg_type.dat. */
static const struct {
    Oid element, array;
    const char *array_name;
} TYPES[PG_TYPE_COUNT] = {
    [PG_TEXT] = {25, 1009, "text[]"},
    [PG_INT8] = {20, 1016, "int8[]"},
    [PG_TIMESTAMPTZ] = {1184, 1185, "timestamptz[]"},
    [PG_BOOL] = {16, 1000, "bool[]"},
    [PG_JSONB] = {3802, 3807, "jsonb[]"},
    [PG_UUID] = {2950, 2951, "uuid[]"},
    [PG_BYTEA] = {17, 1001, "bytea[]"},
};

Oid pg_array_oid(pg_type_t type)
{
    return TYPES[type].array;
}

const char *pg_array_name(pg_type_t type)
{
    return TYPES[type].array_name;
}

static void add32(params_t *p, uint32_t value)
{
    uint32_t wire = htobe32(value);

    buf_append(&p->bytes, &wire, sizeof(wire));
}

static void add64(params_t *p, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);

    add32(p, sizeof(wire));
    buf_append(&p->bytes, &wire, sizeof(wire));
}

void params_reset(params_t *p)
{
    p->bytes.len = 0;
    p->count = 0;
}

void params_clear(params_t *p)
{
    buf_clear(&p->bytes);
}

static void begin(params_t *p, pg_type_t type, size_t at)
{
    assert(p->count < PARAMS_MAX);
    p->types[p->count] = TYPES[type].array;
    p->formats[p->count] = 1;
    p->one[p->count] = false;
    p->at[p->count++] = at;
}

void params_begin_one(params_t *p, pg_type_t type)
{
    begin(p, type, p->bytes.len);
    p->types[p->count - 1] = TYPES[type].element;
    p->one[p->count - 1] = true;
}

void params_begin_array(params_t *p, pg_type_t type, size_t count)
{
    begin(p, type, p->bytes.len);
    add32(p, 1);
    add32(p, 1);
    add32(p, TYPES[type].element);
    add32(p, (uint32_t)count);
    add32(p, 1);
}

void params_null_array(params_t *p, pg_type_t type)
{
    begin(p, type, SIZE_MAX);
}

void params_add_null(params_t *p)
{
    add32(p, UINT32_MAX);
}

void params_add_text(params_t *p, str_t s)
{
    if (!s.base) {
        params_add_null(p);
        return;
    }
    add32(p, (uint32_t)s.len);
    buf_add(&p->bytes, s);
}

void params_add_json(params_t *p, str_t s)
{
    if (!s.base) {
        params_add_null(p);
        return;
    }
    add32(p, (uint32_t)s.len + 1);
    buf_addc(&p->bytes, 1); /* the version of jsonb's wire form */
    buf_add(&p->bytes, s);
}

void params_add_int(params_t *p, int64_t value)
{
    add64(p, value);
}

void params_add_time(params_t *p, int64_t us)
{
    if (us == TIME_NONE)
        params_add_null(p);
    else
        add64(p, us - PG_EPOCH_US);
}

void params_add_bool(params_t *p, bool value)
{
    add32(p, 1);
    buf_addc(&p->bytes, (char)value);
}

void params_add_uuid(params_t *p, const uint8_t bytes[16])
{
    add32(p, 16);
    buf_append(&p->bytes, bytes, 16);
}

static bool is_null(const params_t *p, int i)
{
    uint32_t length;

    if (p->at[i] == SIZE_MAX || !p->one[i])
        return p->at[i] == SIZE_MAX;
    memcpy(&length, p->bytes.base + p->at[i], sizeof(length));
    return length == UINT32_MAX;
}

void params_finish(params_t *p)
{
    size_t end = p->bytes.len;

    for (int i = p->count - 1; i >= 0; i--) {
        size_t begin_at = p->at[i] + (p->one[i] ? sizeof(uint32_t) : 0);
        bool null = is_null(p, i);

        p->values[i] = null ? NULL : p->bytes.base + begin_at;
        p->lengths[i] = null ? 0 : (int)(end - begin_at);
        end = p->at[i] == SIZE_MAX ? end : p->at[i];
    }
}
