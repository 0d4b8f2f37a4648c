/* livekit.c – webhooks of LiveKit, self-hosted and Cloud.
 *
 * Source: docs.livekit.io/home/server/webhooks, github.com/livekit/protocol protobufs/livekit_webhook.proto and
 * webhook/, read 2026-11-21; bodies as in tests/fixtures/livekit/.
 * Delivery: protojson (zero values left out, 64-bit numbers as text), POST as application/webhook+json. Connection
 * errors, 429 and 5xx are repeated for about 15 s; every other answer, 4xx included, counts as delivered. What has
 * waited 30 s is dropped, and nobody is told. Egress events overtake those of their room. */
#include "livekit/livekit.h"

static const setting_t SETTINGS[] = {
    {.name = "LIVEKIT_API_KEY", .type = SETTING_TEXT, .reloads = true, .help = "API key that signs LiveKit's webhooks"},
    {.name = "LIVEKIT_API_SECRET",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "Its secret; while it is changed, the new one and the old"},
    {.name = "LIVEKIT_KEYS",
     .type = SETTING_LIST,
     .secret = true,
     .reloads = true,
     .help = "More keys, as key:secret,key:secret"},
};

static const hook_route_t ROUTES[] = {{"events", "/webhooks/livekit", BODY_JSON, 0}};

static const char *const REDACT[] = {
    "room.turnPassword", "ingressInfo.streamKey", "s3.*", "gcp.*", "azure.*", "aliOSS.*", NULL,
};

/* An event is named by what it is about: LiveKit's own event id is another where it is found out in another way. */
typedef struct row {
    const char *event;
    const char *object;   /* path of the id of what it is about */
    const char *state[2]; /* paths of what, with these, names it */
    const char *call;     /* path of the room's sid */
    void (*understand)(livekit_event_t *e);
} row_t;

#define ROOM "room.sid"
static const row_t ROWS[] = {
    {"room_started", ROOM, {0}, ROOM, livekit_room_started},
    {"room_finished", ROOM, {0}, ROOM, livekit_room_finished},
    {"participant_joined", "participant.sid", {0}, ROOM, livekit_participant_joined},
    {"participant_left", "participant.sid", {0}, ROOM, livekit_participant_left},
    {"participant_connection_aborted", "participant.sid", {0}, ROOM, livekit_participant_aborted},
    {"track_published", "track.sid", {0}, ROOM, NULL},
    {"track_unpublished", "track.sid", {0}, ROOM, NULL},
    {"egress_started", "egressInfo.egressId", {0}, "egressInfo.roomId", NULL},
    {"egress_updated", "egressInfo.egressId", {"egressInfo.status", "egressInfo.updatedAt"}, "egressInfo.roomId", NULL},
    {"egress_ended", "egressInfo.egressId", {0}, "egressInfo.roomId", NULL},
    {"ingress_started", "ingressInfo.ingressId", {"ingressInfo.state.resourceId"}, "ingressInfo.state.roomId", NULL},
    {"ingress_ended", "ingressInfo.ingressId", {"ingressInfo.state.resourceId"}, "ingressInfo.state.roomId", NULL},
    {"agent_job_started", "job.id", {0}, ROOM, NULL},
    {"agent_job_ended", "job.id", {0}, ROOM, NULL},
};

/* New events come. Nothing in them says what they are about, so LiveKit's id must do. */
static const row_t OTHER = {"", "id", {0}, ROOM, NULL};

static const row_t *find_row(str_t event)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (str_eq(event, str_from(ROWS[i].event)))
            return &ROWS[i];
    return &OTHER;
}

/* event:object[:state…]. An egress that could not start has no id of its own: then LiveKit's id of the event, and
 * where even that is missing, the hash of the body. */
static void set_key(delivery_t *d, const row_t *row)
{
    str_t parts[3 + 2 * COUNT(row->state)] = {d->event_type, STR(":"), json_str(d->root, row->object)};
    size_t n = 3;

    if (str_is_empty(parts[2]))
        parts[2] = json_str(d->root, "id");
    if (str_is_empty(parts[2]))
        parts[2] = json_hash(d->arena, d->root, NULL);
    for (size_t i = 0; i < COUNT(row->state) && row->state[i]; i++) {
        parts[n++] = STR(":");
        parts[n++] = json_str(d->root, row->state[i]);
    }
    d->event_key = arena_concat(d->arena, parts, n);
}

static bool normalise(delivery_t *d, err_t *err)
{
    livekit_event_t e = {.d = d, .root = d->root};
    const row_t *row;

    d->event_type = json_str(d->root, "event");
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at event, as in every webhook event");
    row = find_row(d->event_type);
    d->call_id = json_str(d->root, row->call);
    if (str_is_empty(d->call_id))
        d->call_id = json_str(d->root, ROOM);
    d->occurred_us = json_time_s(d->root, "createdAt");
    set_key(d, row);
    e.room = json_at(d->root, "room");
    e.participant = json_at(d->root, "participant");
    if (row->understand)
        row->understand(&e);
    return true;
}

/* LiveKit looks at the status alone. */
static void reply(delivery_t *d, hook_reply_t *out)
{
    (void)d;
    *out = (hook_reply_t){.status = 200};
}

const provider_t provider_livekit = {
    .name = "livekit",
    .title = "LiveKit",
    .settings = SETTINGS,
    .n_settings = COUNT(SETTINGS),
    .keys_new = livekit_keys_new,
    .keys_free = livekit_keys_free,
    .routes = ROUTES,
    .n_routes = COUNT(ROUTES),
    .verify = livekit_verify,
    .redact = REDACT,
    .normalise = normalise,
    .reply = reply,
    .sign = livekit_sign,
    .samples = LIVEKIT_SAMPLES,
    .n_samples = LIVEKIT_SAMPLE_COUNT,
};
