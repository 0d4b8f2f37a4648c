/* main.c – streams: media streams by the thousand, to whoever takes them at 127.0.0.1.
 *
 *     streams --port 8080 --public-url wss://calls.example.com/media-stream --streams 1000 [option …]
 *
 * Twilio's account and token are read from the environment, under hookline's names. With --speech the streams ask for
 * an agent, and the provider of speech is here too, in the same thread. Prints "idle" when all are open and nothing is
 * said, "begin" and "end" when counting begins and ends, then one line of JSON. */
#include "base/clock.h"
#include "phones.h"
#include "speech.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "link.h"

#define SETTLE_US (1500 * US_PER_MS) /* before memory is looked at, and before the first frame */
#define READY_US  (30 * US_PER_S)

typedef struct options {
    phones_options_t phones;
    int speech_port; /* 0: no agent */
    int64_t warmup_us, run_us, start_us;
} options_t;

static bool read_number(const char *text, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && !errno && *out >= 0 && *out <= 1e9;
}

static bool read_option(options_t *o, const char *name, const char *value)
{
    double n = 0;

    if (strcmp(name, "--public-url") == 0)
        o->phones.public_url = value;
    else if (!read_number(value, &n))
        return false;
    else if (strcmp(name, "--port") == 0)
        o->phones.port = (int)n;
    else if (strcmp(name, "--streams") == 0)
        o->phones.count = (size_t)n;
    else if (strcmp(name, "--speech") == 0)
        o->speech_port = (int)n;
    else if (strcmp(name, "--warmup") == 0)
        o->warmup_us = (int64_t)(n * 1e6);
    else if (strcmp(name, "--seconds") == 0)
        o->run_us = (int64_t)(n * 1e6);
    else
        return false;
    return true;
}

static bool read_options(options_t *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2)
        if (i + 1 == argc || !read_option(o, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "streams: what is %s?\n", argv[i]);
            return false;
        }
    o->phones.token = getenv("TWILIO_AUTH_TOKEN");
    o->phones.account = getenv("TWILIO_ACCOUNT_SID");
    o->phones.bridged = o->speech_port != 0;
    return o->phones.port && o->phones.count && o->phones.public_url &&
           strncmp(o->phones.public_url, "wss://", 6) == 0 && strchr(o->phones.public_url + 6, '/') &&
           o->phones.token && o->phones.account;
}

/* ---- one run ---- */

static void say(const char *word)
{
    (void)puts(word);
    (void)fflush(stdout);
}

static double cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void settle(int epoll)
{
    int64_t until_us = clock_mono_us() + SETTLE_US;

    while (clock_mono_us() < until_us)
        link_poll(epoll, until_us);
}

static bool all_ready(int epoll, const speech_t *speech, size_t count)
{
    int64_t until_us = clock_mono_us() + READY_US;

    while (speech && speech_ready(speech) < count && clock_mono_us() < until_us)
        link_poll(epoll, clock_mono_us() + US_PER_MS);
    return !speech || speech_ready(speech) >= count;
}

static void report(const options_t *o, const phones_result_t *r, const speech_t *speech, double cpu, double seconds)
{
    printf("{\"streams\":%zu,\"seconds\":%.3f,\"frames\":%zu,\"pings\":%zu,\"echoes\":%zu,\"marks\":%zu,\"stuck\":%zu",
           o->phones.count, seconds, r->frames, r->pings, r->echoes, r->marks,
           r->stuck + (speech ? speech_stuck(speech) : 0));
    printf(",\"pong_p50_ms\":%.2f,\"pong_p99_ms\":%.2f,\"pong_max_ms\":%.2f", tally_ms(&r->pongs, 0.5),
           tally_ms(&r->pongs, 0.99), (double)r->pongs.max_us / 1000.0);
    printf(",\"round_p50_ms\":%.2f,\"round_p99_ms\":%.2f,\"round_max_ms\":%.2f", tally_ms(&r->round, 0.5),
           tally_ms(&r->round, 0.99), (double)r->round.max_us / 1000.0);
    printf(",\"own_late_p99_ms\":%.2f,\"own_late_max_ms\":%.2f,\"own_cpu_us\":%.0f}\n", tally_ms(&r->late, 0.99),
           (double)r->late.max_us / 1000.0, cpu);
}

static bool run(options_t *o, phones_t *phones, const speech_t *speech, phones_result_t *result)
{
    int64_t begin_us;
    double cpu;

    if (!phones_open(phones)) {
        (void)fputs("streams: not all could be opened in time\n", stderr);
        return false;
    }
    settle(o->phones.epoll);
    say("idle");
    settle(o->phones.epoll);
    phones_start(phones, o->start_us);
    if (!all_ready(o->phones.epoll, speech, o->phones.count)) {
        (void)fprintf(stderr, "streams: only %zu agents answered in time\n", speech_ready(speech));
        return false;
    }
    settle(o->phones.epoll);
    phones_speak(phones, clock_mono_us() + o->warmup_us);
    begin_us = clock_mono_us();
    say("begin");
    cpu = cpu_us();
    phones_count(phones, true);
    phones_speak(phones, begin_us + o->run_us);
    phones_count(phones, false);
    say("end");
    report(o, result, speech, cpu_us() - cpu, (double)(clock_mono_us() - begin_us) / 1e6);
    return true;
}

int main(int argc, char **argv)
{
    options_t o = {.warmup_us = US_PER_S, .run_us = 5 * US_PER_S};
    phones_result_t *result;
    speech_t *speech = NULL;
    phones_t *phones;
    bool done;

    if (!read_options(&o, argc, argv)) {
        (void)fputs("usage: streams --port N --public-url wss://… --streams N [--speech PORT] [--warmup S] "
                    "[--seconds S]\n",
                    stderr);
        return 2;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* sleep no longer than asked */
    o.phones.epoll = epoll_create1(EPOLL_CLOEXEC);
    o.start_us = US_PER_S + (int64_t)o.phones.count * US_PER_MS;
    if (o.speech_port && !(speech = speech_listen(o.phones.epoll, o.speech_port))) {
        (void)fprintf(stderr, "streams: cannot listen on port %d: %s\n", o.speech_port, strerror(errno));
        return 1;
    }
    result = mem_zalloc(sizeof(*result));
    phones = phones_new(&o.phones, result);
    done = run(&o, phones, speech, result);
    phones_free(phones);
    speech_free(speech);
    free(result);
    close(o.phones.epoll);
    return done ? 0 : 1;
}
