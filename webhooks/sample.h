/* sample.h – made-up deliveries: fills the {{placeholders}} of a provider's samples.
 *
 * For `hookline send`, the demo and the bench. Every id is invented, every telephone number of the range that is kept
 * for fiction (202-555-01xx). The same seed and times give the same bytes. */
#ifndef HOOKLINE_WEBHOOKS_SAMPLE_H
#define HOOKLINE_WEBHOOKS_SAMPLE_H

#include "provider.h"

/* One made-up call. Deliveries of several providers may be about the same one: {{call32}} is then what joins them. */
typedef struct sample_call {
    uint64_t seed;
    int64_t start_us;
    char from[16]; /* E.164 */
    char to[16];
    str_t account; /* {{account}}: the provider's account; set it where the keys know theirs (provider_t.account) */
} sample_call_t;

void sample_call_init(sample_call_t *call, uint64_t seed, int64_t start_us);

/* What may stand between {{ and }}:
 *
 *   call32          32 hex digits, of the call; call32:TAG others of the same call, by tag
 *   uuid, uuid:TAG  a UUID of the call
 *   id12, id12:TAG  12 letters and digits of the call
 *   fresh12         12 letters and digits, new with each delivery
 *   n               a number, new with each delivery
 *   from, to        telephone numbers; account: the provider's account id
 *   TIME            now_iso, now_rfc2822, now_ms, now_s: of the event; start_iso …: of the call's start;
 *                   with +MS, that much later: start_ms+1180
 *
 * In a form, what is filled in is percent-encoded. The text is in the arena. */
str_t hook_fill(const hook_sample_t *sample, const sample_call_t *call, int64_t event_us, arena_t *a);

#endif
