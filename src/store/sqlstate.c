#include "store/sqlstate.h"

#include <stddef.h>
#include <string.h>

/* The first row that the code begins with decides. */
static const struct {
    const char *prefix;
    fault_t fault;
} RULES[] = {
    {"22", FAULT_CONTENT},    {"23502", FAULT_CONTENT}, {"23503", FAULT_CONTENT}, {"23514", FAULT_CONTENT},
    {"54000", FAULT_CONTENT}, {"40", FAULT_RETRY},      {"55", FAULT_RETRY},      {"58", FAULT_RETRY},
    {"57014", FAULT_RETRY},   {"53", FAULT_RETRY},      {"42", FAULT_SCHEMA},     {"0A", FAULT_SCHEMA},
    {"3F", FAULT_SCHEMA},     {"26", FAULT_CONNECT},    {"25", FAULT_CONNECT},    {"08", FAULT_CONNECT},
    {"57", FAULT_CONNECT},
};

fault_t sqlstate_fault(const char *sqlstate, const char *constraint)
{
    if (!sqlstate || !*sqlstate)
        return FAULT_CONNECT;
    if (strcmp(sqlstate, "23514") == 0 && (!constraint || !*constraint))
        return FAULT_SCHEMA;
    for (size_t i = 0; i < sizeof(RULES) / sizeof(RULES[0]); i++)
        if (strncmp(sqlstate, RULES[i].prefix, strlen(RULES[i].prefix)) == 0)
            return RULES[i].fault;
    return FAULT_ODD;
}
