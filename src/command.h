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

/* What they share. */
int command_complain(const err_t *err); /* on standard error, with the hint; 1, to be returned */
store_t *command_open_store(const config_t *config, bool keeps_house, dialplan_t *dialplan); /* NULL: none */
/* A date (its first moment in UTC), a time, or an age such as 90m; ERR_CONFIG says what may be written. */
bool command_read_time(const char *option, const char *text, int64_t *us, err_t *err);
bool command_wait_for_store(store_t *store, err_t *err); /* until it is up, for some seconds */

#endif
