#include "media/playback.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_MS 8
#define STEP_MS      200  /* see playback_cut_t */
#define MOST_MARKS   4096 /* that are not back yet: more than ten minutes of the usual chunks */
#define MOST_DROPPED 8    /* responses that are remembered as spoken over: late audio of older ones there is none */

/* Of one item, or of the rest of it after a clear. */
typedef struct piece {
    char response[PLAYBACK_ID_BYTES + 1];
    char item[PLAYBACK_ID_BYTES + 1];
    int part;
    int64_t sent, played; /* bytes */
} piece_t;

typedef struct pending {
    uint64_t serial;
    size_t piece;  /* its number since the beginning */
    int64_t bytes; /* of that piece that are played when the mark is back */
} pending_t;

struct playback {
    uint64_t generation, serial;
    piece_t *pieces; /* not wholly played, but for the newest; oldest first; piece i has the number first + i */
    size_t count, room, first;
    pending_t *marks; /* likewise */
    size_t n_marks, marks_room;
    int64_t since_us; /* when the chunk began that is being played */
    char dropped[MOST_DROPPED][PLAYBACK_ID_BYTES + 1];
    size_t next_dropped;
};

playback_t *playback_new(void)
{
    return mem_zalloc(sizeof(playback_t));
}

void playback_free(playback_t *p)
{
    if (!p)
        return;
    free(p->pieces);
    free(p->marks);
    free(p);
}

static bool is_played(const piece_t *piece)
{
    return piece->played == piece->sent;
}

bool playback_is_silent(const playback_t *p)
{
    return !p->count || (p->count == 1 && is_played(&p->pieces[0]));
}

/* ---- what the caller has spoken over ---- */

static bool is_dropped(const playback_t *p, str_t response)
{
    for (size_t i = 0; i < MOST_DROPPED; i++)
        if (!str_is_empty(response) && str_eq(response, str_from(p->dropped[i])))
            return true;
    return false;
}

static void drop(playback_t *p, str_t response)
{
    char *slot = p->dropped[p->next_dropped];

    if (str_is_empty(response) || response.len > PLAYBACK_ID_BYTES || is_dropped(p, response))
        return;
    memcpy(slot, response.base, response.len);
    slot[response.len] = '\0';
    p->next_dropped = (p->next_dropped + 1) % MOST_DROPPED;
}

/* ---- sending ---- */

static piece_t *newest(const playback_t *p)
{
    return p->count ? &p->pieces[p->count - 1] : NULL;
}

static bool is_of(const piece_t *piece, str_t item, int part)
{
    return piece && piece->part == part && str_eq(str_from(piece->item), item);
}

static void forget_pieces(playback_t *p, size_t n)
{
    if (!n)
        return;
    memmove(p->pieces, p->pieces + n, (p->count - n) * sizeof(*p->pieces));
    p->count -= n;
    p->first += n;
}

static piece_t *add_piece(playback_t *p, str_t response, str_t item, int part)
{
    piece_t *piece;

    if (p->count && playback_is_silent(p))
        forget_pieces(p, 1);
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 4;
        p->pieces = mem_realloc(p->pieces, p->room * sizeof(*p->pieces));
    }
    piece = &p->pieces[p->count++];
    *piece = (piece_t){.part = part};
    (void)snprintf(piece->response, sizeof(piece->response), STR_FMT, STR_ARG(response));
    (void)snprintf(piece->item, sizeof(piece->item), STR_FMT, STR_ARG(item));
    return piece;
}

static void add_mark(playback_t *p, int64_t bytes)
{
    if (p->n_marks == p->marks_room) {
        p->marks_room = p->marks_room ? 2 * p->marks_room : 16;
        p->marks = mem_realloc(p->marks, p->marks_room * sizeof(*p->marks));
    }
    p->marks[p->n_marks++] = (pending_t){++p->serial, p->first + p->count - 1, bytes};
}

bool playback_send(playback_t *p, str_t response, str_t item, int part, size_t bytes, int64_t now_us,
                   char mark[PLAYBACK_MARK_BYTES])
{
    piece_t *piece = newest(p);

    mark[0] = '\0';
    if (!bytes || is_dropped(p, response) || str_is_empty(item) || item.len > PLAYBACK_ID_BYTES ||
        response.len > PLAYBACK_ID_BYTES || p->n_marks == MOST_MARKS)
        return false;
    if (playback_is_silent(p))
        p->since_us = now_us;
    if (!is_of(piece, item, part))
        piece = add_piece(p, response, item, part);
    piece->sent += (int64_t)bytes;
    add_mark(p, piece->sent);
    (void)snprintf(mark, PLAYBACK_MARK_BYTES, "g%llu:%llu", (unsigned long long)p->generation,
                   (unsigned long long)p->serial);
    return true;
}

/* ---- played ---- */

static bool read_mark(str_t mark, int64_t *generation, int64_t *serial)
{
    size_t colon = str_find(mark, ':');

    return str_starts(mark, STR("g")) && colon != SIZE_MAX && str_to_int(str_slice(mark, 1, colon), generation) &&
           str_to_int(str_slice(mark, colon + 1, mark.len), serial) && *serial > 0;
}

/* Up to and with this chunk everything was played. */
static void played(playback_t *p, const pending_t *m)
{
    forget_pieces(p, m->piece - p->first);
    p->pieces[0].played = m->bytes;
    if (p->count > 1 && is_played(&p->pieces[0]))
        forget_pieces(p, 1);
}

void playback_marked(playback_t *p, str_t mark, int64_t now_us)
{
    int64_t generation, serial;
    size_t n = 0;

    if (!read_mark(mark, &generation, &serial) || generation != (int64_t)p->generation)
        return;
    while (n < p->n_marks && p->marks[n].serial <= (uint64_t)serial)
        n++;
    if (!n)
        return;
    played(p, &p->marks[n - 1]);
    memmove(p->marks, p->marks + n, (p->n_marks - n) * sizeof(*p->marks));
    p->n_marks -= n;
    p->since_us = now_us;
}

/* ---- cleared ---- */

/* Of the first piece; of those behind it nothing was heard. The chunk that is being played is at most as far as time
 * allows, and not at its end, or its mark would be back. */
static int64_t heard_ms(const playback_t *p, int64_t now_us)
{
    const piece_t *piece = &p->pieces[0];
    int64_t end = p->n_marks && p->marks[0].piece == p->first ? p->marks[0].bytes : piece->sent;
    int64_t sure_ms = piece->played / BYTES_PER_MS;
    int64_t guess_ms = sure_ms + (now_us - p->since_us) / US_PER_MS / STEP_MS * STEP_MS;

    return guess_ms < end / BYTES_PER_MS ? guess_ms : end / BYTES_PER_MS;
}

void playback_clear(playback_t *p, str_t response, int64_t now_us, void (*each)(void *ctx, const playback_cut_t *cut),
                    void *ctx)
{
    drop(p, response);
    for (size_t i = 0; i < p->count; i++) {
        const piece_t *piece = &p->pieces[i];
        const playback_cut_t cut = {.item = str_from(piece->item),
                                    .part = piece->part,
                                    .heard_ms = i ? 0 : heard_ms(p, now_us),
                                    .sent_ms = piece->sent / BYTES_PER_MS};

        if (is_played(piece))
            continue;
        drop(p, str_from(piece->response));
        each(ctx, &cut);
    }
    forget_pieces(p, p->count);
    p->n_marks = 0;
    p->generation++;
}
