/* command.h – the subcommands: one row each; dispatch, `hookline help` and README are read from the table in main.c. */
#ifndef HOOKLINE_COMMAND_H
#define HOOKLINE_COMMAND_H

/* argv[0] is the subcommand's name. Each returns the exit code: 0 done, 1 failed, 2 used wrongly. */
int serve_command(int argc, char **argv);
int migrate_command(int argc, char **argv);
int check_command(int argc, char **argv);

#endif
