/* phones.h – Twilio's end of many media streams: 20 ms of audio fifty times a second on each, in time with the clock
 * and spread evenly, in Twilio's words (twilio.com/docs/voice/media-streams/websocket-messages, read 2026-11-21).
 *
 * How late the server is shows in two ways. Once a second each stream sends a ping behind a frame; its answer comes
 * when the server has read all that came before. And audio that comes back bears the time when it went out. A mark is
 * returned with the next frame, one for each: it was 20 ms of audio. One thread, one epoll. */
#ifndef HOOKLINE_BENCH_PHONES_H
#define HOOKLINE_BENCH_PHONES_H

#include "base/str.h"
#include "tally.h"

typedef struct phones phones_t;

typedef struct phones_options {
    int epoll;
    int port;               /* of the server, on this machine */
    const char *public_url; /* wss://…, what is signed */
    const char *token;      /* Twilio's Auth Token */
    const char *account;
    size_t count;
    bool bridged; /* an agent is asked for, in the parameters of the start */
} phones_options_t;

typedef struct phones_result {
    size_t frames, pings, echoes, marks;
    size_t stuck;  /* frames that were not sent: the kernel would not take them, as the server does not read */
    tally_t late;  /* frames: from when they were due to when they were sent: the generator's own fault */
    tally_t pongs; /* from ping to pong */
    tally_t round; /* from a frame to its audio's return */
} phones_result_t;

phones_t *phones_new(const phones_options_t *options, phones_result_t *result);
void phones_free(phones_t *p);

bool phones_open(phones_t *p);                    /* opens all of them, some at a time; false: not in time */
void phones_start(phones_t *p, int64_t for_us);   /* they say connected and start, spread over that time */
void phones_speak(phones_t *p, int64_t until_us); /* goes on where the last call ended */
void phones_count(phones_t *p, bool on);          /* at its end, pings without an answer are late by as much */

#endif
