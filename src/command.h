/* command.h – the subcommands: one row each; dispatch, `hookline help` and README are read from the table in main.c. */
#ifndef HOOKLINE_COMMAND_H
#define HOOKLINE_COMMAND_H

#include "config/config.h"
#include "store/store.h"

/* argv[0] is the subcommand's name. Each returns the exit code: 0 done, 1 failed, 2 used wrongly. */
int serve_command(int argc, char **argv);
int migrate_command(int argc, char **argv);
int check_command(int argc, char **argv);
int journal_command(int argc, char **argv);
int replay_command(int argc, char **argv);
int reconcile_command(int argc, char **argv);
int audit_command(int argc, char **argv);

/* ---- arguments: a table of options a command ---- */

typedef enum {
    OPTION_FLAG, /* sets a bool */
    OPTION_TEXT, /* a const char *, borrowed from argv */
    OPTION_TIME, /* an int64_t in microseconds; see command_read_time */
    OPTION_TAKE, /* take does it; ERR_CONFIG names the option */
} option_kind_t;

/* request: what the command was asked for, a structure of its own. */
typedef bool (*command_take_fn)(void *request, const char *text, err_t *err);

typedef struct command_option {
    const char *name; /* "--since" */
    option_kind_t kind;
    size_t at; /* where in the request it goes; not for OPTION_TAKE */
    command_take_fn take;
} command_option_t;

typedef struct command_usage {
    const command_option_t *options;
    size_t n_options;
    size_t most_words; /* arguments that are no options, wherever they stand */
    command_take_fn take_word;
} command_usage_t;

/* False: ERR_CONFIG says which argument is wrong, and names `hookline help COMMAND`. */
bool command_read_arguments(const command_usage_t *usage, int argc, char **argv, void *request, err_t *err);

/* ---- what else they share ---- */

config_t *command_read_config(err_t *err); /* and the region of telephone numbers is set by it; NULL: ERR_CONFIG */
void command_print_safely(str_t s);        /* what may hold a stranger's bytes: none of them moves the cursor */
int command_complain(const err_t *err);    /* on standard error, with the hint; 1, to be returned */
store_t *command_open_store(const config_t *config, bool keeps_house, dialplan_t *dialplan); /* NULL: none */
/* A date (its first moment in UTC), a time, or an age such as 90m; ERR_CONFIG says what may be written. */
bool command_read_time(const char *option, const char *text, int64_t *us, err_t *err);
bool command_wait_for_store(store_t *store, err_t *err); /* until it is up, for some seconds */

#endif
