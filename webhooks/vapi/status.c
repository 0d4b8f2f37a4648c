/* status.c – status-update: where a call has got to.
 *
 * Source: schema ServerMessageStatusUpdate of Vapi's OpenAPI document, read 2026-11-21. */
#include "vapi/vapi.h"

/* A call can be forwarded more than once, to different places. */
static void set_key(const vapi_message_t *m)
{
    delivery_t *d = m->d;
    const cJSON *destination = str_eq(d->status, STR("forwarding")) ? vapi_node(m, "destination") : NULL;
    const str_t parts[] = {STR("status:"), d->call_id, STR(":"),
                           d->status,      STR(":"),   destination ? json_hash(d->arena, destination, NULL) : STR_NONE};

    d->event_key = arena_concat(d->arena, parts, destination ? COUNT(parts) : COUNT(parts) - 2);
}

/* A call that is handed on brings what was said until then, as its report will. */
static void forwarding(const vapi_message_t *m)
{
    vapi_transferred(m);
    vapi_lines(m, STR("update"));
    fact_text(m->fact, CALL_TRANSCRIPT, m->version, json_str(m->root, "transcript"));
    fact_text(m->fact, CALL_SUMMARY, m->version, json_str(m->root, "summary"));
}

void vapi_status_update(vapi_message_t *m)
{
    delivery_t *d = m->d;

    d->status = json_str(m->root, "status");
    vapi_read_call(m, RANK_EVENT);
    if (!m->fact || str_is_empty(d->status))
        return;
    set_key(m);
    vapi_progress(m, d->status, d->occurred_us);
    if (str_eq(d->status, STR("forwarding")))
        forwarding(m);
}
