/* send.h – `hookline send`: correctly signed deliveries, so that anyone can try the server without an account. */
#ifndef HOOKLINE_SEND_H
#define HOOKLINE_SEND_H

/* argv[0] is "send". Exit code 0: all were answered 2xx (with --tamper: all were refused with 401); 1: not so;
 * 2: used wrongly. settings_add and json_init have been called. */
int send_command(int argc, char **argv);

#endif
