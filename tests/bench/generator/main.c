/* main.c – generator: signed deliveries, as fast as they are taken (closed loop) or at a fixed rate (open loop).
 *
 *     generator --url http://127.0.0.1:8080 --public-url https://calls.example.com [option …]
 *
 * The providers' secrets are read from the environment, under hookline's names. Requests are made and signed before the
 * clock starts; see mix.h for what they are. Prints "begin" and "end" when counting begins and ends, then one line of
 * JSON. */
#include "base/clock.h"
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    mix_options_t mix;
    load_options_t load;
    const char *public_url;
    char host[64];
    size_t count;
} options_t;

/* ---- options ---- */

static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && !errno && *out >= least && *out <= most;
}

static bool read_url(options_t *o, const char *text)
{
    str_t rest = str_from(text);
    size_t colon;
    int64_t port;

    if (!str_starts(rest, STR("http://")))
        return false;
    rest = str_slice(rest, 7, rest.len);
    colon = str_find(rest, ':');
    if (colon == SIZE_MAX || colon >= sizeof(o->host) || !str_to_int(str_slice(rest, colon + 1, rest.len), &port))
        return false;
    memcpy(o->host, rest.base, colon);
    o->host[colon] = '\0';
    o->load.host = o->host;
    o->load.port = (int)port;
    return true;
}

static void usage(void)
{
    (void)fputs("usage: generator --url http://HOST:PORT --public-url URL [option …]\n"
                "  --connections N   keep-alive connections, one request in flight on each (64)\n"
                "  --rate R          open loop: so many a second; 0: closed loop (0)\n"
                "  --warmup S        seconds that are not counted (0)\n"
                "  --seconds S       seconds that are counted (5)\n"
                "  --count M         requests to prepare; the run ends when they run out (100000)\n"
                "  --window W        calls alive at once (1000)\n"
                "  --seed X          other ids than with any other seed (1)\n"
                "  --start US        when the calls began, about; microseconds since 1970 (now)\n"
                "  --only PROVIDER   its deliveries alone\n"
                "  --mix core|full   what the rivals understand too, or everything (core)\n",
                stderr);
}

static bool read_option(options_t *o, const char *name, const char *value)
{
    double n = 0;

    if (strcmp(name, "--url") == 0)
        return read_url(o, value);
    if (strcmp(name, "--public-url") == 0)
        o->public_url = value;
    else if (strcmp(name, "--only") == 0)
        o->mix.only = value;
    else if (strcmp(name, "--mix") == 0)
        o->mix.full = strcmp(value, "full") == 0;
    else if (!read_number(value, 0, 1e16, &n))
        return false;
    else if (strcmp(name, "--connections") == 0)
        o->load.connections = (size_t)n;
    else if (strcmp(name, "--rate") == 0)
        o->load.rate = n;
    else if (strcmp(name, "--warmup") == 0)
        o->load.warmup_us = (int64_t)(n * 1e6);
    else if (strcmp(name, "--seconds") == 0)
        o->load.run_us = (int64_t)(n * 1e6);
    else if (strcmp(name, "--count") == 0)
        o->count = (size_t)n;
    else if (strcmp(name, "--window") == 0)
        o->mix.window = (size_t)n;
    else if (strcmp(name, "--seed") == 0)
        o->mix.seed = (uint64_t)n;
    else if (strcmp(name, "--start") == 0)
        o->mix.start_us = (int64_t)n;
    else
        return false;
    return true;
}

static bool read_options(options_t *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !read_option(o, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "generator: what is %s?\n", argv[i]);
            return false;
        }
    }
    return o->load.host && o->public_url && o->count && o->load.connections && o->mix.window;
}

/* ---- the report ---- */

static void say(const char *word)
{
    (void)puts(word);
    (void)fflush(stdout);
}

static void on_begin(void)
{
    say("begin");
}

static void on_end(void)
{
    say("end");
}

static double latency_ms(const load_result_t *r, double quantile)
{
    size_t last = r->answered - 1;

    return r->answered ? r->latency_us[(size_t)(quantile * (double)last + 0.5)] / 1000.0 : 0;
}

static void report(const options_t *o, const requests_t *requests, const load_result_t *r)
{
    size_t body_bytes = 0;

    printf("{\"connections\":%zu,\"rate\":%g,\"seconds\":%.3f,\"answered\":%zu,\"per_second\":%.0f",
           o->load.connections, o->load.rate, r->seconds, r->answered,
           r->seconds > 0 ? (double)r->answered / r->seconds : 0);
    printf(",\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f", latency_ms(r, 0.5),
           latency_ms(r, 0.9), latency_ms(r, 0.99), latency_ms(r, 0.999), latency_ms(r, 1));
    printf(",\"sent\":%zu,\"acknowledged\":%zu,\"refused\":%zu,\"first_refusal\":%d,\"broken\":%zu,\"late\":%zu,\"ran_"
           "out\":%s",
           r->sent, r->acknowledged, r->refused, r->first_refusal, r->broken, r->late, r->ran_out ? "true" : "false");
    printf(",\"generator_cpu_us\":%.2f,\"mix\":{", r->cpu_us);
    for (const share_t *s = requests->shares; s->provider; s++) {
        printf("%s\"%s\":{\"deliveries\":%zu,\"mean_body\":%zu}", s == requests->shares ? "" : ",", s->provider,
               s->deliveries, s->body_bytes / s->deliveries);
        body_bytes += s->body_bytes;
    }
    printf("},\"mean_body\":%zu,\"mean_request\":%zu}\n", body_bytes / requests->count,
           requests->bytes.len / requests->count);
}

int main(int argc, char **argv)
{
    options_t o = {.mix = {.seed = 1, .window = 1000, .start_us = clock_wall_us()},
                   .load = {.connections = 64, .run_us = 5 * US_PER_S, .on_begin = on_begin, .on_end = on_end},
                   .count = 100000};
    requests_t requests;
    load_result_t result;
    mix_t *mix;

    if (!read_options(&o, argc, argv)) {
        usage();
        return 2;
    }
    mix = mix_new(&o.mix);
    if (!mix)
        return 1;
    requests_make(&requests, mix, o.count, o.public_url);
    load_run(&o.load, &requests, &result);
    report(&o, &requests, &result);
    load_clear(&result);
    requests_clear(&requests);
    mix_free(mix);
    return result.broken || result.refused ? 1 : 0;
}
