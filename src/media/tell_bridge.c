#include "media/tell_bridge.h"

void tell_utterance(const teller_t *t, const char *speech, const utterance_t *u)
{
    bool is_response = str_is_empty(u->item);
    buf_t out = BUF_EMPTY;

    tell_begin(t, &out, is_response ? "response" : "utterance");
    tell_text(&out, "Speech", str_from(speech));
    tell_text(&out, "SessionId", u->session);
    tell_text(&out, "ItemId", u->item);
    if (!is_response) {
        tell_number(&out, "ContentIndex", u->part);
        tell_text(&out, "State", str_from(u->state));
        tell_text(&out, "Role", str_from(u->role));
    }
    tell_text(&out, "ResponseId", u->response);
    tell_number(&out, "Revision", u->revision);
    tell_number(&out, "Position", u->position);
    tell_text(&out, "Text", u->text);
    tell_time(&out, "StartedAt", u->began_us);
    tell_time(&out, "EndedAt", u->ended_us);
    tell_text(&out, "Model", u->model);
    if (u->tokens)
        tell_number(&out, "Tokens", u->tokens);
    if (u->interrupted)
        tell_json(&out, "Interrupted", STR("true"));
    tell_json(&out, "Details", u->details);
    tell_end(t, &out);
}

void tell_bridge_started(const teller_t *t, const char *speech, str_t session, str_t model, str_t agent_id,
                         str_t agent_name)
{
    buf_t out = BUF_EMPTY;

    tell_begin(t, &out, "bridge-started");
    tell_text(&out, "Speech", str_from(speech));
    tell_text(&out, "SessionId", session);
    tell_text(&out, "Model", model);
    tell_text(&out, "AgentId", agent_id);
    tell_text(&out, "AgentName", agent_name);
    tell_end(t, &out);
}

void tell_bridge_ended(const teller_t *t, const char *speech, const char *reason, const char *error, int64_t sessions,
                       const conversation_t *c)
{
    buf_t out = BUF_EMPTY;

    tell_begin(t, &out, "bridge-ended");
    tell_text(&out, "Speech", str_from(speech));
    tell_text(&out, "Reason", str_from(reason));
    if (error[0])
        tell_text(&out, "Error", str_from(error));
    tell_number(&out, "Sessions", sessions);
    tell_number(&out, "Tokens", conversation_tokens(c));
    tell_number(&out, "Utterances", conversation_count(c));
    tell_end(t, &out);
}
