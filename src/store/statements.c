#include "store/statements.h"

#include "store/statement_events.h"
#include "store/statement_facts.h"

#include <pthread.h>

static void calls_params(const batch_t *b, params_t *out)
{
    facts_params(b, FACT_CALL, out);
}

static void participants_params(const batch_t *b, params_t *out)
{
    facts_params(b, FACT_PARTICIPANT, out);
}

static void messages_params(const batch_t *b, params_t *out)
{
    facts_params(b, FACT_MESSAGE, out);
}

static void leads_params(const batch_t *b, params_t *out)
{
    facts_marked_params(b, MARK_TIE, facts_call_id, out);
}

static void supersede_params(const batch_t *b, params_t *out)
{
    facts_marked_params(b, MARK_SOURCE, facts_call_id, out);
}

static void tokens_params(const batch_t *b, params_t *out)
{
    facts_marked_params(b, MARK_TOKENS, facts_call_id, out);
}

static void sessions_params(const batch_t *b, params_t *out)
{
    facts_marked_params(b, MARK_SESSION, batch_session, out);
}

static void customers_params(const batch_t *b, params_t *out)
{
    facts_marked_params(b, MARK_CUSTOMER, facts_call_id, out);
}

static const struct {
    const char *name;
    void (*write)(buf_t *out);
    void (*params)(const batch_t *b, params_t *out);
} STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_SESSIONS] = {"hookline_sessions", facts_write_sessions, sessions_params},
    [STATEMENT_ROWS] = {"hookline_rows", events_write_rows, events_row_params},
    [STATEMENT_REPLAY] = {"hookline_replay", events_write_replay, events_replay_params},
    [STATEMENT_EVENTS] = {"hookline_events", events_write_events, events_params},
    [STATEMENT_CALLS] = {"hookline_calls", facts_write_calls, calls_params},
    [STATEMENT_LEADS] = {"hookline_leads", facts_write_leads, leads_params},
    [STATEMENT_PARTICIPANTS] = {"hookline_participants", facts_write_participants, participants_params},
    [STATEMENT_MESSAGES] = {"hookline_messages", facts_write_messages, messages_params},
    [STATEMENT_SUPERSEDE] = {"hookline_supersede", facts_write_supersede, supersede_params},
    [STATEMENT_TOKENS] = {"hookline_tokens", facts_write_tokens, tokens_params},
    [STATEMENT_SETTLE] = {"hookline_settle", facts_write_settle, sessions_params},
    [STATEMENT_ALIASES] = {"hookline_aliases", facts_write_aliases, facts_alias_params},
    [STATEMENT_CUSTOMERS] = {"hookline_customers", facts_write_customers, customers_params},
};

static char *texts[STATEMENT_COUNT];

static void make_texts(void)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        buf_t b = BUF_EMPTY;

        STATEMENTS[i].write(&b);
        texts[i] = mem_strdup(buf_str(&b));
        buf_clear(&b);
    }
}

const char *statement_name(statement_t s)
{
    return STATEMENTS[s].name;
}

const char *statement_text(statement_t s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_texts);
    return texts[s];
}

bool statement_is_needed(statement_t s, const batch_t *b)
{
    switch (s) {
    case STATEMENT_ROWS:
    case STATEMENT_REPLAY:
        return b->n_replays > 0;
    case STATEMENT_EVENTS:
        return b->n_events > 0;
    case STATEMENT_CALLS:
        return b->n_rows[FACT_CALL] > 0;
    case STATEMENT_LEADS:
        return (b->marks & MARK_TIE) != 0;
    case STATEMENT_PARTICIPANTS:
        return b->n_rows[FACT_PARTICIPANT] > 0;
    case STATEMENT_MESSAGES:
        return b->n_rows[FACT_MESSAGE] > 0;
    case STATEMENT_SUPERSEDE:
        return (b->marks & MARK_SOURCE) != 0;
    case STATEMENT_TOKENS:
        return (b->marks & MARK_TOKENS) != 0;
    case STATEMENT_SESSIONS:
    case STATEMENT_SETTLE:
        return (b->marks & MARK_SESSION) != 0;
    case STATEMENT_ALIASES:
        return b->n_rows[FACT_ALIAS] > 0;
    case STATEMENT_CUSTOMERS:
        return (b->marks & MARK_CUSTOMER) != 0;
    case STATEMENT_COUNT:
        break;
    }
    return false;
}

void statement_params(statement_t s, const batch_t *b, params_t *out)
{
    params_reset(out);
    STATEMENTS[s].params(b, out);
    params_finish(out);
}

void statement_result(const batch_t *b, const PGresult *r)
{
    events_result(b, r);
}
