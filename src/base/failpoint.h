/* failpoint.h – named steps at which a test kills the process, to see what is left.
 *
 * Nothing at all in an ordinary build. In one configured with HOOKLINE_FAILPOINTS, HOOKLINE_FAILPOINT="name:n" makes
 * the process send itself SIGKILL when it comes by that step for the n-th time. Any thread. */
#ifndef HOOKLINE_BASE_FAILPOINT_H
#define HOOKLINE_BASE_FAILPOINT_H

#ifdef HOOKLINE_FAILPOINTS
void failpoint(const char *name);
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
