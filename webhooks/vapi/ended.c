/* ended.c – what the ways to end a call mean.
 *
 * Source: the enum of Call.endedReason in Vapi's OpenAPI document and docs.vapi.ai/calls/call-ended-reason, read
 * 2026-11-21. The enum's values, and what each comes to, are in tests/fixtures/vapi/ended-reasons.txt. */
#include "vapi/vapi.h"

/* '*' at either end stands for anything. The first row that fits decides; a reason that no row knows (there are about
 * six hundred, and new ones come) leaves it to whether the call was ever connected. */
static const struct {
    const char *reason;
    const char *outcome;
} OUTCOMES[] = {
    {"customer-ended-call*", "completed"},
    {"assistant-ended-call*", "completed"},
    {"assistant-said-end-call-phrase", "completed"},
    {"silence-timed-out", "completed"},
    {"exceeded-max-duration", "completed"},
    {"manually-canceled", "completed"},
    {"vonage-completed", "completed"},
    {"call.in-progress.twilio-completed-call", "completed"},
    {"call.in-progress.sip-completed-call", "completed"},
    /* transferred: Vapi's leg ended, the people may go on talking */
    {"assistant-forwarded-call", "completed"},
    {"*hook-executed-transfer", "completed"},
    {"assistant-request-returned-forwarding-phone-number", "completed"},
    /* nobody to talk to */
    {"customer-did-not-answer", "failed"},
    {"customer-busy", "failed"},
    {"call.forwarding.*", "failed"},
    {"voicemail", "failed"},
    {"call-deleted", "failed"},
    {"scheduled-call-deleted", "failed"},
    /* technical */
    {"call.start.error*", "failed"},
    {"call-start-error*", "failed"},
    {"call.in-progress.error*", "failed"},
    {"call.ringing.error*", "failed"},
    {"pipeline-*", "failed"},
    {"assistant-request-*", "failed"},
    {"assistant-not-*", "failed"},
    {"*-failed-to-connect-call", "failed"},
    {"*transport-never-connected", "failed"},
    {"worker-*", "failed"},
    {"phone-call-provider-*", "failed"},
    {"vonage-rejected", "failed"},
    {"vonage-disconnected", "failed"},
    {"twilio-reported-customer-misdialed", "failed"},
};

static bool reason_fits(str_t reason, str_t pattern)
{
    if (pattern.base[0] == '*')
        return str_ends_nocase(reason, str_slice(pattern, 1, pattern.len));
    if (pattern.base[pattern.len - 1] == '*')
        return str_starts(reason, str_slice(pattern, 0, pattern.len - 1));
    return str_eq(reason, pattern);
}

void vapi_ended(const vapi_message_t *m, str_t reason)
{
    str_t outcome = STR_NONE;

    for (size_t i = 0; i < COUNT(OUTCOMES) && !outcome.base; i++)
        if (reason_fits(reason, str_from(OUTCOMES[i].reason)))
            outcome = str_from(OUTCOMES[i].outcome);
    fact_ended(m->fact, m->version, outcome, reason);
}
