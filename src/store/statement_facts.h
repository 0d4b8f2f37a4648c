/* statement_facts.h – the statements that write calls, participants, messages, and what follows from them. The inside
 * of statements.h: nobody else includes this. Any thread. */
#ifndef HOOKLINE_STORE_STATEMENT_FACTS_H
#define HOOKLINE_STORE_STATEMENT_FACTS_H

#include "store/batch.h"
#include "store/params.h"

/* Their texts. Parameters of the first three: facts_params; of the aliases: facts_alias_params; of the others,
 * facts_marked_params. */
void facts_write_calls(buf_t *out);
void facts_write_participants(buf_t *out);
void facts_write_messages(buf_t *out);
void facts_write_leads(buf_t *out);
void facts_write_supersede(buf_t *out);
void facts_write_tokens(buf_t *out);
void facts_write_sessions(buf_t *out);
void facts_write_settle(buf_t *out);
void facts_write_aliases(buf_t *out);
void facts_write_customers(buf_t *out);

void facts_params(const batch_t *b, fact_kind_t kind, params_t *out);
void facts_alias_params(const batch_t *b, params_t *out);
/* The calls with a mark: their providers, and what `second` says of them. */
void facts_marked_params(const batch_t *b, call_mark_t mark, str_t (*second)(const row_t *call), params_t *out);
str_t facts_call_id(const row_t *call);

#endif
