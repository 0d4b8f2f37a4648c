#include "transcript.h"

#include "base/crypto.h"

static bool is_line(const line_t *line)
{
    return !str_is_empty(line->role) && !str_is_empty(line->text);
}

static version_t version_of_lines(const transcript_t *t, size_t *count)
{
    buf_t all = BUF_EMPTY;
    uint8_t hash[32];
    char hex[64];

    *count = 0;
    for (const cJSON *node = t->list->child; node; node = node->next) {
        line_t line = t->read(node, t->ctx);

        if (!is_line(&line))
            continue;
        buf_add(&all, line.role);
        buf_addc(&all, '\n');
        buf_add(&all, line.text);
        buf_addc(&all, '\n');
        ++*count;
    }
    sha256(buf_str(&all), hash);
    buf_clear(&all);
    return version_of_set(t->rank, *count, (str_t){hex, hex_encode(hash, 4, hex)});
}

static void line_facts(const transcript_t *t, delivery_t *d, str_t call_id, const line_t *line, size_t position,
                       version_t v)
{
    str_t key = arena_printf(d->arena, STR_FMT ":%zu", STR_ARG(t->source), position);
    fact_t *f = fact_message(&d->facts, call_id, key);

    fact_text(f, MESSAGE_SOURCE, v, t->source);
    fact_text(f, MESSAGE_ROLE, v, line->role);
    fact_text(f, MESSAGE_CONTENT, v, line->text);
    fact_number(f, MESSAGE_SEQUENCE, v, (int64_t)position);
    fact_text(f, MESSAGE_METADATA, v, line->metadata);
    if (line->spoken_us != TIME_NONE)
        fact_number(f, MESSAGE_SPOKEN_AT, v, line->spoken_us);
    if (line->ended_us != TIME_NONE)
        fact_number(f, MESSAGE_ENDED_AT, v, line->ended_us);
}

void transcript_facts(const transcript_t *t, delivery_t *d, fact_t *call)
{
    size_t count, position = 0;
    version_t v;

    if (!cJSON_IsArray(t->list))
        return;
    v = version_of_lines(t, &count);
    if (!count)
        return;
    fact_text(call, CALL_TRANSCRIPT_SOURCE, t->rank == RANK_REPORT ? v : version_of(RANK_EVENT, LIVE_HEARD), t->source);
    for (const cJSON *node = t->list->child; node; node = node->next) {
        line_t line = t->read(node, t->ctx);

        if (is_line(&line))
            line_facts(t, d, call->call_id, &line, position++, v);
    }
}
