/* bridge.h – one call and the agent who answers it: the telephone on one side, a provider of speech on the other.
 *
 * It passes the caller's audio on and the agent's back, sees to turns (the caller may speak over the agent), goes on
 * with another session when one is lost or grows old, and tells of what was said. When the agent cannot go on, it says
 * so to the telephone, which then hears what the provider's own document has in store (the TwiML behind <Connect>).
 *
 * It outlives the telephone by some seconds, for words that are still to come. It frees itself, in bridge_sweep. All of
 * it is one loop's; no call of it locks or blocks. */
#ifndef HOOKLINE_MEDIA_BRIDGE_H
#define HOOKLINE_MEDIA_BRIDGE_H

#include "event/call_plan.h"
#include "media/session.h"
#include "media/tell.h"

typedef struct bridge bridge_t;

/* What is the same for all; borrowed for as long as there is a bridge that was opened with it. */
typedef struct bridge_settings {
    session_settings_t session;
    realtime_config_t usual; /* where the agent's row says nothing */
    int64_t silence_us;      /* without any audio of the caller: the line is dead */
    int64_t patience_us;     /* of a caller, with an answer that does not come; half of it with a session */
    int64_t longest_us;      /* of one call */
    int64_t most;            /* at once, over all loops */
} bridge_settings_t;

/* The bridges of one loop. */
typedef struct bridges {
    const bridge_settings_t *settings; /* of those that are opened from now on, and of sessions that are */
    websocket_dialer_t *dialer;
    bridge_t *first;
    size_t count;
} bridges_t;

/* What the telephone is asked to do. None is called after bridge_hang_up. */
typedef struct bridge_phone {
    void (*play)(void *ctx, str_t base64, str_t mark); /* the mark comes back when all of it was played */
    void (*clear)(void *ctx);
    /* The agent is gone, why being a literal: the bridge is no use to the telephone any more, which then hangs up. Not
     * from inside bridge_open. */
    void (*failed)(void *ctx, const char *why);
} bridge_phone_t;

/* agent: NULL for the usual one; copied, as teller is. Never NULL. */
bridge_t *bridge_open(bridges_t *list, const call_agent_t *agent, const teller_t *teller, const bridge_phone_t *phone,
                      void *ctx);
/* Audio of the caller: base64 of µ-law, how many bytes that is, and where it belongs in the stream, in milliseconds;
 * negative: not known. */
void bridge_hear(bridge_t *b, str_t base64, size_t bytes, int64_t at_ms);
void bridge_marked(bridge_t *b, str_t name);
void bridge_hang_up(bridge_t *b);                     /* the telephone is gone */
void bridges_sweep(bridges_t *list, int64_t mono_us); /* several times a second */
void bridges_end(bridges_t *list);                    /* the process stops: all is told now, and all are freed */

#endif
