/* speech.h – the provider of speech: what a session of OpenAI's Realtime API says to who does all right, and for every
 * piece of audio that is appended the same piece as the agent's. No turns, no words; tests/simulators has those.
 *
 * On the generator's thread, in its epoll. */
#ifndef HOOKLINE_BENCH_SPEECH_H
#define HOOKLINE_BENCH_SPEECH_H

#include <stddef.h>

typedef struct speech speech_t;

speech_t *speech_listen(int epoll, int port); /* NULL: it cannot */
void speech_free(speech_t *s);                /* NULL is fine */
size_t speech_ready(const speech_t *s);       /* sessions that are configured and were asked to speak */
size_t speech_stuck(const speech_t *s);       /* pieces that were not said, as the other side did not read */

#endif
