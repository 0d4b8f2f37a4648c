#include "reconcile/manners.h"

#include "base/clock.h"
#include "base/crypto.h"

#define MOST_TRIES       8    /* of one step in one run */
#define MOST_RETRIES     1000 /* of one run */
#define UNREADABLE_TRIES 3    /* a body that was cut short on its way out of their server, mostly */
#define BACKOFF_LEAST_US (500 * US_PER_MS)
#define BACKOFF_MOST_US  (60 * US_PER_S)
#define PATIENCE_US      (600 * US_PER_S) /* who wants us to wait for longer is asked by a later run */
#define MOST_IN_VAIN     32               /* in a row, whatever they were about: it is not one object that is sick */

manners_t manners_of(const remote_t *r, const void *access)
{
    return (manners_t){.most_at_once = r->most_at_once > 0 ? r->most_at_once : 1,
                       .least_gap_us = r->gap_us ? r->gap_us(access) : r->least_gap_us};
}

int64_t manners_from_us(const manners_t *m)
{
    if (m->in_flight >= m->most_at_once)
        return INT64_MAX;
    return m->next_us > m->pause_us ? m->next_us : m->pause_us;
}

void manners_asked(manners_t *m, int64_t mono_us)
{
    m->in_flight++;
    m->next_us = mono_us + m->least_gap_us;
}

/* Between a half and the whole of it, so that many who failed together do not come back together. */
static int64_t with_jitter(int64_t us)
{
    uint32_t noise;

    crypto_random(&noise, sizeof(noise));
    return us / 2 + us / 2 * (noise % 1024) / 1024;
}

static int64_t backoff_us(int tries)
{
    int64_t us = BACKOFF_LEAST_US;

    while (--tries > 0 && us < BACKOFF_MOST_US)
        us *= 2;
    return with_jitter(us < BACKOFF_MOST_US ? us : BACKOFF_MOST_US);
}

/* Seconds, or a date; TIME_NONE for what is neither. */
static int64_t retry_after_us(str_t s, int64_t wall_us)
{
    int64_t seconds, at;

    if (str_to_int(s, &seconds) && seconds >= 0)
        return seconds < PATIENCE_US ? seconds * US_PER_S : INT64_MAX;
    at = time_from_rfc2822(s);
    return at == TIME_NONE ? TIME_NONE : at > wall_us ? at - wall_us : 0;
}

static bool is_passing(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* A little more than they said: their clock and ours are two. */
static verdict_t when_they_say(manners_t *m, const outcome_t *o, int64_t mono_us, int64_t wall_us, int64_t *again_us)
{
    int64_t wait_us = o->came ? retry_after_us(o->retry_after, wall_us) : TIME_NONE;

    if (wait_us > PATIENCE_US)
        return VERDICT_LATER;
    *again_us = mono_us + (wait_us == TIME_NONE ? backoff_us(o->tries) : wait_us + with_jitter(BACKOFF_LEAST_US));
    if ((o->status == 429 || wait_us != TIME_NONE) && *again_us > m->pause_us)
        m->pause_us = *again_us;
    return VERDICT_AGAIN;
}

verdict_t manners_judge(manners_t *m, const outcome_t *o, int64_t mono_us, int64_t wall_us, int64_t *again_us)
{
    bool unknown = o->came ? o->status != 429 : o->sent; /* whether it was done, there, after all */

    m->in_vain = o->came && !is_passing(o->status) ? 0 : m->in_vain + 1;
    if (o->came && o->status >= 200 && o->status < 300)
        return VERDICT_READ;
    if (o->came && o->status == 404)
        return VERDICT_GONE;
    if (o->came && (o->status == 401 || o->status == 402 || o->status == 403))
        return VERDICT_RUN;
    if ((o->came && !is_passing(o->status)) || (o->once && unknown))
        return VERDICT_STEP;
    if (m->in_vain >= MOST_IN_VAIN || (o->tries >= MOST_TRIES && o->came && o->status == 429))
        return VERDICT_LATER;
    if (o->tries >= MOST_TRIES || m->retries >= MOST_RETRIES)
        return VERDICT_STEP;
    m->retries++;
    return when_they_say(m, o, mono_us, wall_us, again_us);
}

void manners_heard(manners_t *m)
{
    m->heard = true;
    m->denied = 0;
}

bool manners_again(manners_t *m, int unreadable, int64_t mono_us, int64_t *again_us)
{
    if (unreadable >= UNREADABLE_TRIES || m->retries >= MOST_RETRIES)
        return false;
    m->retries++;
    *again_us = mono_us + backoff_us(unreadable);
    return true;
}
