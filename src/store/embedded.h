/* embedded.h – files of schema/ built into the program, in the order of their names. */
#ifndef HOOKLINE_STORE_EMBEDDED_H
#define HOOKLINE_STORE_EMBEDDED_H

#include <stddef.h>

typedef struct embedded_file {
    const char *name; /* "0001_spine.sql" */
    const char *text;
} embedded_file_t;

extern const embedded_file_t schema_files[];
extern const size_t schema_files_count;

#endif
