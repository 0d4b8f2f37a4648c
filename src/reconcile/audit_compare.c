#include "reconcile/audit_compare.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- what is stored ---- */

void audit_read_versions(const char *text, version_t *out, size_t count)
{
    const char *at = *text == '{' ? text + 1 : text;

    for (size_t i = 0; i < count; i++) {
        char *end;

        out[i] = strtoll(at, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
}

held_t audit_read_value(column_type_t type, version_t version, const char *text, size_t len)
{
    held_t held = {.cell = {.version = version}, .absent = !text};

    if (!text)
        return held;
    switch (type) {
    case COLUMN_INT:
    case COLUMN_TIME:
        held.cell.number = strtoll(text, NULL, 10);
        break;
    case COLUMN_BOOL:
        held.cell.number = *text == 't';
        break;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
    case COLUMN_JSON:
        held.cell.text = (str_t){text, len};
        break;
    }
    return held;
}

/* ---- the same, or not ---- */

/* jsonb keeps neither blanks nor the order of keys. */
static bool is_same_json(str_t x, str_t y, arena_t *a)
{
    err_t unheard;
    const cJSON *left = json_parse(a, x, &unheard), *right = json_parse(a, y, &unheard);

    return left && right && str_eq(json_hash(a, left, NULL), json_hash(a, right, NULL));
}

static bool is_same(column_type_t type, const cell_t *x, const cell_t *y, arena_t *a)
{
    switch (type) {
    case COLUMN_INT:
    case COLUMN_TIME:
    case COLUMN_BOOL:
        return x->number == y->number;
    case COLUMN_NUMERIC: {
        double left = strtod(x->text.base, NULL), right = strtod(y->text.base, NULL);

        return left >= right && left <= right;
    }
    case COLUMN_JSON:
        return str_eq(x->text, y->text) || is_same_json(x->text, y->text, a);
    case COLUMN_TEXT:
        break;
    }
    return str_eq(x->text, y->text);
}

static bool would_change(const column_t *c, const cell_t *there, const held_t *here)
{
    if (here->absent)
        return there->version >= here->cell.version;
    return cell_wins(c->type, c->rule, there, &here->cell);
}

compared_t audit_compare(const column_t *column, const cell_t *there, const held_t *here, arena_t *a)
{
    if (!there->version || (!here->absent && is_same(column->type, there, &here->cell, a)))
        return COMPARED_SAME;
    if (would_change(column, there, here))
        return COMPARED_DIFFERS;
    return here->cell.version >= version_of(RANK_HAND, 0) ? COMPARED_KEPT_BY_HAND : COMPARED_KEPT;
}

/* ---- for people ---- */

str_t audit_print_value(column_type_t type, const cell_t *cell, arena_t *a)
{
    char text[32];

    switch (type) {
    case COLUMN_INT:
        return arena_printf(a, "%" PRId64, cell->number);
    case COLUMN_BOOL:
        return cell->number ? STR("true") : STR("false");
    case COLUMN_TIME:
        return arena_dup(a, (str_t){text, time_to_iso8601(cell->number, text)});
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
    case COLUMN_JSON:
        break;
    }
    return arena_dup(a, cell->text);
}
