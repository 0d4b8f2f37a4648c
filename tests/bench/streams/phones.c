#include "phones.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "link.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_US      (20 * US_PER_MS)
#define FRAME_BYTES   160
#define BASE64_BYTES  216 /* of a frame */
#define STAMP_BYTES   8   /* the first digits of a frame's audio say when it was sent: 48 bits of µs */
#define FRAMES_A_PING 50
#define AT_ONCE       64              /* that are being opened */
#define OPEN_US       (60 * US_PER_S) /* all of them */
#define TURN_US       250             /* the generator sleeps no shorter: at most that much too late */
#define MOST_MARKS    128
#define MARK_BYTES    24

typedef struct phone {
    link_t link;
    phones_t *phones;
    unsigned number;
    char sid[35];
    unsigned sequence, chunk;
    int64_t pinged_us; /* 0: it was answered */
    size_t first_mark, n_marks;
    char marks[MOST_MARKS][MARK_BYTES]; /* to be returned, a ring */
} phone_t;

struct phones {
    phones_options_t options;
    phones_result_t *result;
    bool counting;
    phone_t *phones;
    size_t opening, opened;
    size_t next;      /* frame, of all streams */
    int64_t first_us; /* when frame 0 was due */
    char signature[29];
    char audio[BASE64_BYTES + 1];
    buf_t text, out;
};

_Noreturn static void give_up(const phone_t *p, const char *why)
{
    (void)fprintf(stderr, "streams: stream %u of %zu: %s\n", p->number, p->phones->options.count, why);
    exit(1);
}

/* ---- when audio was sent ---- */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_stamp(char out[STAMP_BYTES], int64_t us)
{
    for (int i = STAMP_BYTES - 1; i >= 0; i--, us >>= 6)
        out[i] = DIGITS[us & 63];
}

static int64_t read_stamp(const char *in)
{
    int64_t us = 0;

    for (int i = 0; i < STAMP_BYTES; i++) {
        const char *digit = in[i] ? strchr(DIGITS, in[i]) : NULL;

        us = us << 6 | (digit ? digit - DIGITS : 0);
    }
    return us;
}

/* ---- what comes ---- */

/* The string after these characters; absent: it is not there. */
static str_t string_after(str_t text, str_t key)
{
    const char *at = memmem(text.base, text.len, key.base, key.len);
    str_t rest;

    if (!at)
        return STR_NONE;
    at += key.len;
    rest = (str_t){at, (size_t)(text.base + text.len - at)};
    return str_slice(rest, 0, str_find(rest, '"'));
}

static void on_audio(phone_t *p, str_t base64)
{
    phones_result_t *r = p->phones->result;

    if (base64.len != BASE64_BYTES)
        give_up(p, "other audio than its own came back");
    if (!p->phones->counting)
        return;
    r->echoes++;
    tally_add(&r->round, clock_mono_us() - read_stamp(base64.base));
}

static void on_mark(phone_t *p, str_t name)
{
    char *slot = p->marks[(p->first_mark + p->n_marks) % MOST_MARKS];

    if (p->n_marks == MOST_MARKS || !name.base || name.len >= MARK_BYTES)
        return;
    memcpy(slot, name.base, name.len);
    slot[name.len] = '\0';
    p->n_marks++;
    if (p->phones->counting)
        p->phones->result->marks++;
}

static void on_text(phone_t *p, str_t text)
{
    str_t audio = string_after(text, STR("\"payload\":\"")), mark;

    if (!str_is_empty(audio)) {
        on_audio(p, audio);
        return;
    }
    mark = string_after(text, STR("\"name\":\""));
    if (!str_is_empty(mark))
        on_mark(p, mark);
}

static void on_pong(phone_t *p)
{
    if (p->phones->counting && p->pinged_us)
        tally_add(&p->phones->result->pongs, clock_mono_us() - p->pinged_us);
    p->pinged_us = 0;
}

static void on_frame(link_t *l, int opcode, str_t payload)
{
    phone_t *p = (phone_t *)l;
    buf_t *out = &p->phones->out;

    if (opcode == LINK_TEXT) {
        on_text(p, payload);
    } else if (opcode == LINK_PONG) {
        on_pong(p);
    } else if (opcode == LINK_PING) {
        out->len = 0;
        link_add_frame(l, out, LINK_PONG, payload);
        (void)link_send(l, buf_str(out));
    } else {
        give_up(p, "the server closes it");
    }
}

static size_t on_answer(link_t *l, str_t bytes)
{
    const char *end = memmem(bytes.base, bytes.len, "\r\n\r\n", 4);
    phone_t *p = (phone_t *)l;

    if (!end)
        return 0;
    if (!str_starts(bytes, STR("HTTP/1.1 101")))
        give_up(p, "it was not let in");
    l->open = true;
    p->phones->opening--;
    p->phones->opened++;
    return (size_t)(end - bytes.base) + 4;
}

static void on_lost(link_t *l, const char *why)
{
    give_up((phone_t *)l, why);
}

static const link_kind_t PHONE = {.upgrade = on_answer, .frame = on_frame, .lost = on_lost};

/* ---- opening ---- */

static void open_one(phones_t *all, phone_t *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)all->options.port)};
    str_t path = str_from(strchr(all->options.public_url + strlen("wss://"), '/'));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        give_up(p, "it cannot connect");
    link_watch(&p->link, all->options.epoll, fd, &PHONE);
    all->out.len = 0;
    buf_printf(&all->out,
               "GET " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "X-Twilio-Signature: %s\r\nUser-Agent: Twilio.TmeWs/1.0\r\n\r\n",
               STR_ARG(path), (int)(path.base - all->options.public_url - (ptrdiff_t)strlen("wss://")),
               all->options.public_url + strlen("wss://"), all->signature);
    (void)link_send(&p->link, buf_str(&all->out));
    all->opening++;
}

bool phones_open(phones_t *p)
{
    int64_t until_us = clock_mono_us() + OPEN_US;

    for (size_t i = 0; p->opened < p->options.count && clock_mono_us() < until_us;) {
        while (i < p->options.count && p->opening < AT_ONCE)
            open_one(p, &p->phones[i++]);
        link_poll(p->options.epoll, clock_mono_us() + US_PER_MS);
    }
    return p->opened == p->options.count;
}

/* ---- speaking ---- */

static void add_text(phone_t *p)
{
    link_add_frame(&p->link, &p->phones->out, LINK_TEXT, buf_str(&p->phones->text));
}

static void start(phone_t *p)
{
    phones_t *all = p->phones;

    all->out.len = all->text.len = 0;
    buf_add(&all->text, STR("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"));
    add_text(p);
    all->text.len = 0;
    buf_printf(&all->text,
               "{\"event\":\"start\",\"sequenceNumber\":\"%u\",\"start\":{\"accountSid\":\"%s\",\"streamSid\":\"%s\","
               "\"callSid\":\"CA%s\",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
               "\"sampleRate\":8000,\"channels\":1},\"customParameters\":{%s}},\"streamSid\":\"%s\"}",
               ++p->sequence, all->options.account, p->sid, p->sid + 2,
               all->options.bridged ? "\"action\":\"bridge\"" : "", p->sid);
    add_text(p);
    (void)link_send(&p->link, buf_str(&all->out));
}

void phones_start(phones_t *p, int64_t for_us)
{
    int64_t first_us = clock_mono_us();

    for (size_t i = 0; i < p->options.count; i++) {
        while (clock_mono_us() < first_us + (int64_t)i * for_us / (int64_t)p->options.count)
            link_poll(p->options.epoll, clock_mono_us() + US_PER_MS);
        start(&p->phones[i]);
    }
}

static void add_number(buf_t *out, unsigned n)
{
    char digits[12];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_append(out, digits + at, sizeof(digits) - at);
}

static void add_media(phone_t *p, int64_t now_us)
{
    buf_t *text = &p->phones->text;

    write_stamp(p->phones->audio, now_us);
    text->len = 0;
    buf_add(text, STR("{\"event\":\"media\",\"sequenceNumber\":\""));
    add_number(text, ++p->sequence);
    buf_add(text, STR("\",\"media\":{\"track\":\"inbound\",\"chunk\":\""));
    add_number(text, ++p->chunk);
    buf_add(text, STR("\",\"timestamp\":\""));
    add_number(text, 57 + (p->chunk - 1) * (unsigned)(FRAME_US / US_PER_MS));
    buf_add(text, STR("\",\"payload\":\""));
    buf_append(text, p->phones->audio, BASE64_BYTES);
    buf_add(text, STR("\"},\"streamSid\":\""));
    buf_append(text, p->sid, sizeof(p->sid) - 1);
    buf_add(text, STR("\"}"));
    add_text(p);
}

static void add_mark(phone_t *p)
{
    buf_t *text = &p->phones->text;

    if (!p->n_marks)
        return;
    text->len = 0;
    buf_printf(text, "{\"event\":\"mark\",\"sequenceNumber\":\"%u\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%s\"}}",
               ++p->sequence, p->sid, p->marks[p->first_mark]);
    add_text(p);
    p->first_mark = (p->first_mark + 1) % MOST_MARKS;
    p->n_marks--;
}

static void add_ping(phone_t *p, int64_t now_us)
{
    if ((p->chunk + p->number) % FRAMES_A_PING)
        return;
    if (p->pinged_us) /* a second ago */
        on_pong(p);
    p->pinged_us = now_us;
    if (p->phones->counting)
        p->phones->result->pings++;
    link_add_frame(&p->link, &p->phones->out, LINK_PING, STR("lateness"));
}

static void speak(phone_t *p, int64_t due_us)
{
    phones_result_t *r = p->phones->result;
    int64_t now_us = clock_mono_us();

    p->phones->out.len = 0;
    add_mark(p);
    add_media(p, now_us);
    add_ping(p, now_us);
    if (p->phones->counting)
        tally_add(&r->late, now_us - due_us);
    if (!link_send(&p->link, buf_str(&p->phones->out)))
        r->stuck += p->phones->counting;
    else if (p->phones->counting)
        r->frames++;
}

static int64_t due_us(const phones_t *p, size_t frame)
{
    size_t count = p->options.count;

    return p->first_us + (int64_t)(frame / count) * FRAME_US + (int64_t)(frame % count) * FRAME_US / (int64_t)count;
}

void phones_speak(phones_t *p, int64_t until_us)
{
    int64_t now_us = clock_mono_us();

    if (!p->first_us)
        p->first_us = now_us;
    while (now_us < until_us) {
        int64_t due;

        for (int n = 0; n < 64 && (due = due_us(p, p->next)) <= now_us; n++)
            speak(&p->phones[p->next++ % p->options.count], due);
        due = due_us(p, p->next);
        link_poll(p->options.epoll, due <= now_us ? 0 : now_us + TURN_US);
        now_us = clock_mono_us();
    }
}

void phones_count(phones_t *p, bool on)
{
    for (size_t i = 0; !on && i < p->options.count; i++)
        if (p->phones[i].pinged_us)
            on_pong(&p->phones[i]);
    p->counting = on;
}

/* ---- all of them ---- */

static void sign(phones_t *p)
{
    hmac_key_t *key = hmac_key_new(DIGEST_SHA1, str_from(p->options.token));
    const str_t url = str_from(p->options.public_url);
    uint8_t digest[DIGEST_MAX_BYTES];
    size_t n = hmac_sign(key, &url, 1, digest);

    n = base64_encode(digest, n, p->signature);
    p->signature[n] = '\0';
    hmac_key_free(key);
}

phones_t *phones_new(const phones_options_t *options, phones_result_t *result)
{
    phones_t *p = mem_zalloc(sizeof(*p));
    uint8_t audio[FRAME_BYTES], run[8];
    char name[17];

    p->options = *options;
    p->result = result;
    sign(p);
    crypto_random(audio, sizeof(audio));
    (void)base64_encode(audio, sizeof(audio), p->audio);
    crypto_random(run, sizeof(run));
    name[hex_encode(run, sizeof(run), name)] = '\0';
    p->phones = mem_zalloc(options->count * sizeof(*p->phones));
    for (size_t i = 0; i < options->count; i++) {
        p->phones[i].phones = p;
        p->phones[i].link.masks = true;
        p->phones[i].number = (unsigned)i;
        (void)snprintf(p->phones[i].sid, sizeof(p->phones[i].sid), "MZ%s%016x", name, (unsigned)i);
    }
    return p;
}

void phones_free(phones_t *p)
{
    for (size_t i = 0; i < p->options.count; i++)
        link_close(&p->phones[i].link);
    buf_clear(&p->text);
    buf_clear(&p->out);
    free(p->phones);
    free(p);
}
