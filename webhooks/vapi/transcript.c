/* transcript.c – transcript: what was just said, as Vapi heard it live.
 *
 * Source: schema ServerMessageTranscript of Vapi's OpenAPI document, read 2026-11-21. A line has no id of its own: who
 * said it, when and what make one. At the end the report's messages take the place of these. */
#include "base/crypto.h"
#include "vapi/vapi.h"

#include <inttypes.h>
#include <stdio.h>

/* What names a line, beside its call. */
typedef struct heard {
    str_t role, text, ms, hash;
} heard_t;

static str_t event_key(const vapi_message_t *m, const heard_t *l)
{
    const str_t parts[] = {STR("transcript:"), m->d->call_id, STR(":"), l->role, STR(":"), l->ms, STR(":"), l->hash};

    return arena_concat(m->d->arena, parts, COUNT(parts));
}

static str_t message_key(const vapi_message_t *m, const heard_t *l)
{
    const str_t parts[] = {STR("live:"), l->role, STR(":"), l->ms, STR(":"), str_slice(l->hash, 0, 8)};

    return arena_concat(m->d->arena, parts, COUNT(parts));
}

static void line_facts(const vapi_message_t *m, const heard_t *l, int64_t ms)
{
    version_t live = version_of(RANK_EVENT, 0);
    delivery_t *d = m->d;
    fact_t *f = fact_message(&d->facts, d->call_id, message_key(m, l));

    fact_text(f, MESSAGE_SOURCE, live, STR("live"));
    fact_text(f, MESSAGE_ROLE, live, l->role);
    fact_text(f, MESSAGE_CONTENT, live, l->text);
    fact_number(f, MESSAGE_SEQUENCE, live, ms);
    fact_time(f, MESSAGE_SPOKEN_AT, RANK_EVENT, d->occurred_us);
    fact_text(f, MESSAGE_METADATA, live, vapi_line_metadata(m->root, d->arena));
    fact_text(m->fact, CALL_TRANSCRIPT_SOURCE, version_of(RANK_EVENT, LIVE_LINES), STR("live"));
    fact_phase(m->fact, PHASE_ACTIVE);
    fact_bool(m->fact, CALL_AI_AGENT_USED, RANK_EVENT, true);
}

void vapi_transcript(vapi_message_t *m)
{
    heard_t l = {.role = vapi_role(json_str(m->root, "role")), .text = json_str(m->root, "transcript")};
    int64_t ms = m->d->occurred_us == TIME_NONE ? 0 : m->d->occurred_us / US_PER_MS;
    char digits[24], hex[32];
    uint8_t hash[32];

    if (str_eq(json_str(m->root, "transcriptType"), STR("partial"))) {
        m->d->unstored = true; /* the next partial, or the final line, says it again */
        return;
    }
    vapi_read_call(m, RANK_EVENT);
    if (!m->fact || str_is_empty(l.role) || str_is_empty(l.text))
        return;
    sha256(l.text, hash);
    l.hash = (str_t){hex, hex_encode(hash, 16, hex)};
    l.ms = (str_t){digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, ms)};
    m->d->event_key = event_key(m, &l);
    line_facts(m, &l, ms);
}
