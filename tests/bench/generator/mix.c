#include "mix.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEGS_MAX    2
#define STEPS_MAX   64
#define BEGAN_MAX_S 600 /* a call's start lies up to so many seconds back */

/* What becomes of a call, and how often. */
static const struct {
    unsigned share;
    bool full;                  /* of the full mix only */
    const char *legs[LEGS_MAX]; /* providers that tell of it */
} STORIES[] = {
    {1, false, {"twilio", "vapi"}},
    {1, false, {"twilio", "livekit"}},
    {1, true, {"beyond_presence", "agent"}},
};

/* The messages that carry a call, which the rivals understand as well; the full mix has all of the demo's. */
static const struct {
    const char *provider;
    const char *events[8];
} CORE[] = {
    {"twilio", {"voice", "initiated", "ringing", "in-progress", "completed"}},
    {"vapi", {"queued", "in-progress", "transcript", "transcript-2", "transcript-3", "ended", "end-of-call-report"}},
    {"livekit",
     {"room_started", "participant_joined", "participant_joined-agent", "participant_left", "participant_left-agent",
      "room_finished"}},
};

typedef struct step {
    const provider_t *provider;
    const void *keys;
    const hook_sample_t *sample;
    const hook_route_t *route;
} step_t;

typedef struct story {
    unsigned share;
    size_t count;
    step_t steps[STEPS_MAX];
} story_t;

typedef struct live {
    const story_t *story;
    size_t next;
    sample_call_t call;
} live_t;

struct mix {
    mix_options_t options;
    void **keys; /* by provider index */
    story_t stories[COUNT(STORIES)];
    unsigned shares;
    uint64_t random;
    uint64_t calls; /* begun so far */
    live_t *live;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(mix_t *m)
{
    uint64_t x = m->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static size_t random_below(mix_t *m, size_t limit)
{
    return (size_t)(next_random(m) % limit);
}

/* ---- stories ---- */

static str_t from_environment(const void *snapshot, const char *name)
{
    (void)snapshot;
    return str_from(getenv(name));
}

static const void *keys_of(mix_t *m, const provider_t *p)
{
    static const setting_source_t SOURCE = {.get = from_environment};
    err_t err = {.code = ERR_NONE};
    size_t i = 0;

    while (PROVIDERS[i] != p)
        i++;
    if (!m->keys[i]) {
        m->keys[i] = p->keys_new(&SOURCE, &err);
        if (!m->keys[i])
            (void)fprintf(stderr, "%s: %s\n", p->title, err.detail[0] ? err.detail : "its secret is not set");
    }
    return m->keys[i];
}

static const hook_route_t *route_of(const provider_t *p, const hook_sample_t *sample)
{
    for (size_t i = 0; i < p->n_routes; i++)
        if (strcmp(p->routes[i].name, sample->route) == 0)
            return &p->routes[i];
    return NULL;
}

static bool is_core(const char *provider, const char *event)
{
    for (size_t i = 0; i < COUNT(CORE); i++)
        for (size_t j = 0; j < COUNT(CORE[i].events) && CORE[i].events[j]; j++)
            if (strcmp(CORE[i].provider, provider) == 0 && strcmp(CORE[i].events[j], event) == 0)
                return true;
    return false;
}

static bool add_leg(mix_t *m, story_t *story, const char *name)
{
    const provider_t *p = provider_find(str_from(name));
    const void *keys = p ? keys_of(m, p) : NULL;

    if (!keys) {
        (void)fprintf(stderr, "the mix has deliveries of %s, which cannot be made\n", name);
        return false;
    }
    for (size_t i = 0; i < p->n_samples; i++) {
        const hook_sample_t *s = &p->samples[i];

        if (s->after_ms >= 0 && story->count < STEPS_MAX && (m->options.full || is_core(p->name, s->event)))
            story->steps[story->count++] = (step_t){p, keys, s, route_of(p, s)};
    }
    return true;
}

static int by_time(const void *a, const void *b)
{
    const step_t *x = a, *y = b;

    if (x->sample->after_ms != y->sample->after_ms)
        return x->sample->after_ms < y->sample->after_ms ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static bool make_story(mix_t *m, size_t i)
{
    story_t *story = &m->stories[i];

    if (STORIES[i].full && !m->options.full)
        return true;
    story->share = STORIES[i].share;
    for (size_t leg = 0; leg < LEGS_MAX && STORIES[i].legs[leg]; leg++)
        if ((!m->options.only || strcmp(m->options.only, STORIES[i].legs[leg]) == 0) &&
            !add_leg(m, story, STORIES[i].legs[leg]))
            return false;
    qsort(story->steps, story->count, sizeof(*story->steps), by_time);
    if (story->count)
        m->shares += story->share;
    else
        story->share = 0;
    return true;
}

/* ---- calls ---- */

static const story_t *pick_story(mix_t *m)
{
    size_t at = random_below(m, m->shares), i = 0;

    while (at >= m->stories[i].share)
        at -= m->stories[i++].share;
    return &m->stories[i];
}

static void begin_call(mix_t *m, live_t *live)
{
    /* Whole milliseconds, as providers tell them. */
    int64_t start_us = (m->options.start_us / US_PER_MS - (int64_t)random_below(m, BEGAN_MAX_S * 1000)) * US_PER_MS;
    uint64_t x;

    *live = (live_t){.story = pick_story(m)};
    sample_call_init(&live->call, m->options.seed << 32 | m->calls++, start_us);
    /* The samples' own range has a hundred numbers: with thousands of calls to each, a lead's list of calls would be
     * what is measured. Every area code has such a range. */
    x = next_random(m);
    (void)snprintf(live->call.from, sizeof(live->call.from), "+1%03u55501%02u", (unsigned)(200 + x % 799),
                   (unsigned)(x >> 32) % 100);
}

mix_t *mix_new(const mix_options_t *options)
{
    mix_t *m = mem_zalloc(sizeof(*m));

    m->options = *options;
    m->random = options->seed;
    m->keys = mem_zalloc(PROVIDER_COUNT * sizeof(*m->keys));
    m->live = mem_zalloc(options->window * sizeof(*m->live));
    for (size_t i = 0; i < COUNT(STORIES); i++) {
        if (!make_story(m, i)) {
            mix_free(m);
            return NULL;
        }
    }
    if (!m->shares) {
        (void)fprintf(stderr, "no story of the mix has deliveries of %s\n", options->only ? options->only : "anybody");
        mix_free(m);
        return NULL;
    }
    for (size_t i = 0; i < options->window; i++) {
        begin_call(m, &m->live[i]);
        m->live[i].next = random_below(m, m->live[i].story->count);
    }
    return m;
}

void mix_free(mix_t *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        if (m->keys[i])
            PROVIDERS[i]->keys_free(m->keys[i]);
    free(m->keys);
    free(m->live);
    free(m);
}

mix_item_t mix_next(mix_t *m)
{
    live_t *live = &m->live[random_below(m, m->options.window)];
    const step_t *step;
    mix_item_t item;
    str_t account = STR_NONE;

    if (live->next == live->story->count)
        begin_call(m, live);
    step = &live->story->steps[live->next++];
    item = (mix_item_t){.provider = step->provider,
                        .keys = step->keys,
                        .sample = step->sample,
                        .route = step->route,
                        .call = live->call,
                        .event_us = live->call.start_us + (int64_t)step->sample->after_ms * US_PER_MS};
    if (step->provider->account)
        account = step->provider->account(step->keys);
    if (!str_is_empty(account))
        item.call.account = account;
    return item;
}
