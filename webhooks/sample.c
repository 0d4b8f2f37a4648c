#include "sample.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A made-up account, as long as a real one (AC and 32 digits), that stands out. */
#define NO_ACCOUNT "AC000000000000000000000000000000ac"

typedef struct filler {
    const hook_sample_t *sample;
    const sample_call_t *call;
    int64_t event_us;
    str_t name; /* without its tag or offset */
    str_t tag;
    int64_t offset_us;
} filler_t;

/* SplitMix64 (Steele, Lea, Flood 2014): enough to make ids that differ. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t mix_text(uint64_t x, str_t s)
{
    for (size_t i = 0; i < s.len; i++)
        x = mix(x ^ (unsigned char)s.base[i]);
    return x;
}

void sample_call_init(sample_call_t *call, uint64_t seed, int64_t start_us)
{
    *call = (sample_call_t){.seed = mix(seed), .start_us = start_us, .account = STR(NO_ACCOUNT)};
    (void)snprintf(call->from, sizeof(call->from), "+120255501%02u", (unsigned)(10 + call->seed % 90));
    (void)snprintf(call->to, sizeof(call->to), "+12025550100");
}

/* ---- values ---- */

/* Of the call, by name and tag: so that no two ids of a call look alike. */
static uint64_t of_call(const filler_t *f)
{
    return mix_text(mix_text(f->call->seed, f->name), f->tag);
}

static uint64_t of_delivery(const filler_t *f)
{
    return mix_text(f->call->seed ^ mix((uint64_t)f->event_us), str_from(f->sample->event));
}

static void put_hex(buf_t *out, uint64_t x, size_t digits)
{
    for (size_t i = 0; i < digits; i++) {
        if (i % 16 == 0)
            x = mix(x);
        buf_addc(out, "0123456789abcdef"[x >> (4 * (i % 16)) & 15]);
    }
}

static void put_letters(buf_t *out, uint64_t x, size_t count)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < count; i++) {
        x = mix(x);
        buf_addc(out, ALPHABET[x % (sizeof(ALPHABET) - 1)]);
    }
}

static void call32(const filler_t *f, buf_t *out)
{
    put_hex(out, of_call(f), 32);
}

static void uuid(const filler_t *f, buf_t *out)
{
    uint64_t x = of_call(f);

    put_hex(out, x, 8);
    buf_addc(out, '-');
    put_hex(out, x + 1, 4);
    buf_add(out, STR("-4"));
    put_hex(out, x + 2, 3);
    buf_add(out, STR("-a"));
    put_hex(out, x + 3, 3);
    buf_addc(out, '-');
    put_hex(out, x + 4, 12);
}

static void id12(const filler_t *f, buf_t *out)
{
    put_letters(out, of_call(f), 12);
}

static void fresh12(const filler_t *f, buf_t *out)
{
    put_letters(out, of_delivery(f), 12);
}

static void number(const filler_t *f, buf_t *out)
{
    buf_printf(out, "%" PRIu64, of_delivery(f) >> 11);
}

static void from(const filler_t *f, buf_t *out)
{
    buf_add(out, str_from(f->call->from));
}

static void to(const filler_t *f, buf_t *out)
{
    buf_add(out, str_from(f->call->to));
}

static void account(const filler_t *f, buf_t *out)
{
    buf_add(out, f->call->account);
}

static const struct {
    const char *name;
    void (*put)(const filler_t *f, buf_t *out);
} VALUES[] = {
    {"call32", call32}, {"uuid", uuid}, {"id12", id12}, {"fresh12", fresh12},
    {"n", number},      {"from", from}, {"to", to},     {"account", account},
};

/* ---- times ---- */

static void iso(int64_t us, buf_t *out)
{
    char text[32];

    buf_append(out, text, time_to_iso8601(us, text));
}

static void rfc2822(int64_t us, buf_t *out)
{
    char text[40];

    buf_append(out, text, time_to_rfc2822(us, text));
}

static void ms(int64_t us, buf_t *out)
{
    buf_printf(out, "%" PRId64, us / US_PER_MS);
}

static void seconds(int64_t us, buf_t *out)
{
    buf_printf(out, "%" PRId64, us / US_PER_S);
}

static const struct {
    const char *suffix;
    void (*put)(int64_t us, buf_t *out);
} TIMES[] = {{"_iso", iso}, {"_rfc2822", rfc2822}, {"_ms", ms}, {"_s", seconds}};

static bool put_time(const filler_t *f, buf_t *out)
{
    bool start = str_starts(f->name, STR("start_"));
    str_t suffix = str_slice(f->name, start ? 5 : 3, f->name.len);

    if (!start && !str_starts(f->name, STR("now_")))
        return false;
    for (size_t i = 0; i < COUNT(TIMES); i++) {
        if (str_eq(suffix, str_from(TIMES[i].suffix))) {
            TIMES[i].put((start ? f->call->start_us : f->event_us) + f->offset_us, out);
            return true;
        }
    }
    return false;
}

/* ---- filling ---- */

static bool put_value(const filler_t *f, buf_t *out)
{
    for (size_t i = 0; i < COUNT(VALUES); i++) {
        if (str_eq(f->name, str_from(VALUES[i].name))) {
            VALUES[i].put(f, out);
            return true;
        }
    }
    return put_time(f, out);
}

/* name, name:TAG or name+MS */
static void read_placeholder(filler_t *f, str_t text)
{
    size_t colon = str_find(text, ':');
    size_t plus = str_find(text, '+');
    int64_t offset_ms = 0;
    bool ok = plus == SIZE_MAX || str_to_int(str_slice(text, plus + 1, text.len), &offset_ms);

    assert(ok && "a sample's offset is not a number");
    (void)ok;
    f->tag = colon == SIZE_MAX ? STR("") : str_slice(text, colon + 1, text.len);
    f->offset_us = offset_ms * US_PER_MS;
    f->name = str_slice(text, 0, colon < plus ? colon : plus);
}

static void put_encoded(buf_t *out, str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.base[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c))
            buf_addc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static void put_placeholder(filler_t *f, str_t text, buf_t *out)
{
    buf_t value = BUF_EMPTY;
    bool known;

    read_placeholder(f, text);
    known = put_value(f, &value);
    assert(known && "a sample's placeholder is not one of those in sample.h");
    (void)known;
    if (f->sample->kind == BODY_FORM)
        put_encoded(out, buf_str(&value));
    else
        buf_add(out, buf_str(&value));
    buf_clear(&value);
}

str_t hook_fill(const hook_sample_t *sample, const sample_call_t *call, int64_t event_us, arena_t *a)
{
    filler_t f = {.sample = sample, .call = call, .event_us = event_us};
    const char *at = sample->body, *open, *close;
    buf_t out = BUF_EMPTY;
    str_t filled;

    while ((open = strstr(at, "{{")) && (close = strstr(open, "}}"))) {
        buf_append(&out, at, (size_t)(open - at));
        put_placeholder(&f, (str_t){open + 2, (size_t)(close - open) - 2}, &out);
        at = close + 2;
    }
    buf_add(&out, str_from(at));
    filled = arena_dup(a, buf_str(&out));
    buf_clear(&out);
    return filled;
}
