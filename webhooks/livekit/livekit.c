/* livekit.c – webhooks of LiveKit, self-hosted and Cloud.
 *
 * Source: docs.livekit.io/home/server/webhooks, github.com/livekit/protocol protobufs/livekit_webhook.proto and
 * webhook/, read 2026-11-21; bodies as in tests/fixtures/livekit/.
 * Delivery: protojson (zero values left out, 64-bit numbers as text), POST as application/webhook+json. Connection
 * errors, 429 and 5xx are repeated for about 15 s; every other answer, 4xx included, counts as delivered. What has
 * waited 30 s is dropped, and nobody is told (numDropped is no longer sent; where it is, the payload has it). Egress
 * events overtake those of their room. */
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
    {.name = "LIVEKIT_URL",
     .type = SETTING_TEXT,
     .reloads = true,
     .help = "Where rooms and egress are asked for, e.g. wss://project.livekit.cloud; not set: nothing is fetched"},
};

static const hook_route_t ROUTES[] = {
    {"events", "/webhooks/livekit", BODY_JSON, 0},
    {LIVEKIT_ROUTE_API_ROOM, NULL, 0, 0},
    {LIVEKIT_ROUTE_API_PARTICIPANT, NULL, 0, 0},
    {LIVEKIT_ROUTE_API_EGRESS, NULL, 0, 0},
};

/* Storage credentials come masked by LiveKit, but not by all its versions. The address of a page that is recorded, or
 * of a stream that is pulled, often has a token in it. A trunk may be set to hand over every SIP header as an attribute
 * (sip.h.x-api-key). */
static const char *const REDACT[] = {
    "room.turnPassword",
    "ingressInfo.streamKey",
    "ingressInfo.url",
    "web.url",
    "s3.*",
    "gcp.*",
    "azure.*",
    "aliOSS.*",
    "*token",
    "*secret",
    "*password",
    "*authorization",
    "*apikey",
    "*api-key",
    "*api_key",
    NULL,
};

/* An event is named by what it is about: LiveKit's own event id is another where it is found out in another way. */
typedef struct row {
    const char *event;
    const char *call;   /* path of the room's sid, where the event has it elsewhere than in its room */
    const char *object; /* path of the id of what it is about */
    const char *run;    /* path of what tells its runs apart, where it may have several */
    const char *grows;  /* path of what may change though event and status stay the same */
    void (*understand)(livekit_event_t *e);
    bool needs_ids; /* of call and object: without them it is a dead letter */
} row_t;

#define ROOM "room.sid"
static const row_t ROWS[] = {
    {"room_started", ROOM, ROOM, NULL, NULL, livekit_room_started, true},
    {"room_finished", ROOM, ROOM, NULL, NULL, livekit_room_finished, true},
    {"participant_joined", ROOM, "participant.sid", NULL, NULL, livekit_participant_joined, true},
    {"participant_left", ROOM, "participant.sid", NULL, NULL, livekit_participant_left, true},
    {"participant_connection_aborted", ROOM, "participant.sid", NULL, NULL, livekit_participant_aborted, true},
    {"track_published", ROOM, "track.sid", NULL, NULL, livekit_read_room, false},
    {"track_unpublished", ROOM, "track.sid", NULL, NULL, livekit_read_room, false},
    {"egress_started", "egressInfo.roomId", "egressInfo.egressId", NULL, NULL, livekit_egress, false},
    {"egress_updated", "egressInfo.roomId", "egressInfo.egressId", NULL, "egressInfo", livekit_egress, false},
    {"egress_ended", "egressInfo.roomId", "egressInfo.egressId", NULL, NULL, livekit_egress, false},
    {"ingress_started", "ingressInfo.state.roomId", "ingressInfo.ingressId", "ingressInfo.state.resourceId", NULL,
     livekit_ingress, false},
    {"ingress_ended", "ingressInfo.state.roomId", "ingressInfo.ingressId", "ingressInfo.state.resourceId", NULL,
     livekit_ingress, false},
    {"agent_job_started", "job.room.sid", "job.id", NULL, NULL, livekit_job, false},
    {"agent_job_ended", "job.room.sid", "job.id", NULL, NULL, livekit_job, false},
};

/* New events come. Nothing in them says what they are about, so LiveKit's id must do, and no facts are read. */
static const row_t OTHER = {"", ROOM, "id", NULL, NULL, NULL, false};

static const row_t *find_row(str_t event)
{
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (str_eq(event, str_from(ROWS[i].event)))
            return &ROWS[i];
    return &OTHER;
}

/* An egress that could not start, and whatever a test makes up, has no id of its own: then LiveKit's id of the event,
 * and where even that is missing, the hash of the body. */
static str_t name_object(const delivery_t *d, const row_t *row)
{
    str_t object = json_str(d->root, row->object), run = row->run ? json_str(d->root, row->run) : STR_NONE;
    str_t id = json_str(d->root, "id");

    if (!str_is_empty(object) && !str_is_empty(run))
        return arena_concat(d->arena, (str_t[]){object, STR(":"), run}, 3);
    if (!str_is_empty(object) && !row->run)
        return object;
    return str_is_empty(id) ? json_hash(d->arena, d->root, NULL) : id;
}

static bool is_volatile(str_t key)
{
    return str_eq(key, STR("updatedAt"));
}

/* event:object[:run][:status:hash] */
static void set_key(delivery_t *d, const row_t *row)
{
    str_t parts[] = {d->event_type, STR(":"), name_object(d, row), STR(":"), d->status, STR(":"), STR_NONE};

    if (row->grows)
        parts[6] = json_hash(d->arena, json_at(d->root, row->grows), is_volatile);
    d->event_key = arena_concat(d->arena, parts, row->grows ? COUNT(parts) : 3);
}

/* LiveKit leaves neither out: who sends such a thing is no LiveKit that we know. */
static bool is_whole(const cJSON *root, const row_t *row, err_t *err)
{
    const char *const paths[] = {row->call, row->object};

    for (size_t i = 0; i < COUNT(paths) && row->needs_ids; i++)
        if (str_is_empty(json_str(root, paths[i])))
            return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at %s, as in every %s", paths[i], row->event);
    return true;
}

static bool normalise(delivery_t *d, err_t *err)
{
    livekit_event_t e = {.d = d};
    bool is_object = livekit_is_object(d);
    const row_t *row;

    if (is_object && !livekit_object_event(d, err))
        return false;
    e.root = d->root;
    d->event_type = json_str(d->root, "event");
    if (str_is_empty(d->event_type))
        return err_set(err, ERR_UNKNOWN_SHAPE, "expected a text at event, as in every webhook event");
    row = find_row(d->event_type);
    if (!is_whole(d->root, row, err))
        return false;
    d->call_id = json_str(d->root, row->call);
    if (str_is_empty(d->call_id))
        d->call_id = json_str(d->root, ROOM);
    if (!is_object)
        d->occurred_us = json_time_s(d->root, "createdAt");
    e.room = json_at(d->root, "room");
    e.participant = json_at(d->root, "participant");
    if (is_object && row->understand == livekit_participant_joined)
        livekit_participant_there(&e);
    else if (row->understand)
        row->understand(&e);
    set_key(d, row);
    return true;
}

/* LiveKit looks at the status alone. */
static void reply(delivery_t *d, const hook_context_t *with, hook_reply_t *out)
{
    (void)d;
    (void)with;
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
    .remote = &LIVEKIT_REMOTE,
};
