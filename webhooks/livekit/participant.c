/* participant.c – who came, who went, and what a telephone leg tells of the call.
 *
 * Source: docs.livekit.io/home/server/webhooks, docs.livekit.io/reference/telephony/sip-participant,
 * github.com/livekit/protocol protobufs/livekit_models.proto, github.com/livekit/sip pkg/sip, read 2026-11-21.
 * A stay is named by participant.sid: an identity comes again with each reconnect, and may then join before it left. */
#include "base/phone.h"
#include "livekit/livekit.h"

#include <string.h>

static const livekit_enum_t KINDS =
    LIVEKIT_ENUM("STANDARD", "INGRESS", "EGRESS", "SIP", "AGENT", NULL, NULL, "CONNECTOR", "BRIDGE");
static const livekit_enum_t STATES = LIVEKIT_ENUM("JOINING", "JOINED", "ACTIVE", "DISCONNECTED");
static const livekit_enum_t REASONS = LIVEKIT_ENUM(
    "UNKNOWN_REASON", "CLIENT_INITIATED", "DUPLICATE_IDENTITY", "SERVER_SHUTDOWN", "PARTICIPANT_REMOVED",
    "ROOM_DELETED", "STATE_MISMATCH", "JOIN_FAILURE", "MIGRATION", "SIGNAL_CLOSE", "ROOM_CLOSED", "USER_UNAVAILABLE",
    "USER_REJECTED", "SIP_TRUNK_FAILURE", "CONNECTION_TIMEOUT", "MEDIA_FAILURE", "AGENT_ERROR");

typedef enum { NOBODY, PERSON, ADMIN, AGENT } being_t; /* NOBODY: a recorder, an ingress, a bridge */

static const struct {
    const char *kind;
    being_t being;
} BEINGS[] = {{"STANDARD", PERSON}, {"SIP", PERSON}, {"CONNECTOR", PERSON}, {"AGENT", AGENT}};

/* The attributes of a telephone leg that are looked at. Their names have dots in them, so they are no paths. LiveKit
 * sets them on SIP legs only; on a connector's they are there if whoever made it gave them to it. */
typedef struct sip {
    str_t status, their_number, our_number, rule, call_sid;
} sip_t;

static const struct {
    const char *name;
    size_t at;
} SIP_ATTRIBUTES[] = {
    {"sip.callStatus", offsetof(sip_t, status)},           {"sip.phoneNumber", offsetof(sip_t, their_number)},
    {"sip.trunkPhoneNumber", offsetof(sip_t, our_number)}, {"sip.ruleID", offsetof(sip_t, rule)},
    {"sip.twilio.callSid", offsetof(sip_t, call_sid)},
};

/* A participant, read once. */
typedef struct guest {
    str_t sid, kind, reason, agent_name;
    being_t being;
    bool is_sip, is_leg;
    sip_t sip;
    const cJSON *attributes;
    int64_t joined_us;
    rank_t joined_rank;
} guest_t;

static void read_attribute(guest_t *g, const cJSON *attribute)
{
    str_t value = cJSON_IsString(attribute) ? str_from(attribute->valuestring) : STR_NONE;

    if (g->is_leg && strncmp(attribute->string, "sip.", 4) == 0) {
        for (size_t i = 0; i < COUNT(SIP_ATTRIBUTES); i++)
            if (strcmp(attribute->string, SIP_ATTRIBUTES[i].name) == 0)
                *(str_t *)(void *)((char *)&g->sip + SIP_ATTRIBUTES[i].at) = value;
    } else if (g->being == AGENT && strcmp(attribute->string, "lk.agent.name") == 0) {
        g->agent_name = value;
    }
}

static being_t being_of(const guest_t *g, const cJSON *participant)
{
    bool hidden;

    for (size_t i = 0; i < COUNT(BEINGS); i++) {
        if (!str_eq(g->kind, str_from(BEINGS[i].kind)))
            continue;
        /* Whoever listens unseen watches over the call, and is not who it is held with. */
        if (BEINGS[i].being == PERSON && json_bool(json_at(participant, "permission"), "hidden", &hidden) && hidden)
            return ADMIN;
        return BEINGS[i].being;
    }
    return NOBODY;
}

static guest_t read_guest(const cJSON *participant)
{
    guest_t g = {.sid = json_str(participant, "sid"),
                 .kind = livekit_enum_name(participant, "kind", &KINDS),
                 .reason = livekit_enum_name(participant, "disconnectReason", &REASONS),
                 .attributes = json_at(participant, "attributes"),
                 .joined_us = json_time_ms(participant, "joinedAtMs"),
                 .joined_rank = RANK_EVENT};

    g.being = being_of(&g, participant);
    g.is_sip = str_eq(g.kind, STR("SIP"));
    g.is_leg = g.is_sip || str_eq(g.kind, STR("CONNECTOR"));
    if (g.joined_us == TIME_NONE) { /* older servers: whole seconds only */
        g.joined_us = json_time_s(participant, "joinedAt");
        g.joined_rank = RANK_INFERRED;
    }
    if (!cJSON_IsObject(g.attributes))
        g.attributes = NULL;
    for (const cJSON *a = g.attributes ? g.attributes->child : NULL; a; a = a->next)
        read_attribute(&g, a);
    return g;
}

/* ---- was there anyone to talk to? ---- */

static bool is_inbound(const guest_t *g)
{
    return g->is_sip && !str_is_empty(g->sip.rule); /* a dispatch rule is for calls that come in */
}

static bool is_still_dialing(const guest_t *g)
{
    return str_eq(g->sip.status, STR("dialing")) || str_eq(g->sip.status, STR("ringing"));
}

static bool never_picked_up(const guest_t *g)
{
    return str_eq(g->reason, STR("USER_UNAVAILABLE")) || str_eq(g->reason, STR("USER_REJECTED")) ||
           str_eq(g->reason, STR("SIP_TRUNK_FAILURE"));
}

/* Whether a person's stay was one with media, and how sure that is. A leg that we dial joins before it is answered, and
 * no event tells of the answer. What its leave carries does: the status stays at dialing or ringing, is active where
 * the room was closed on it, and hangup with a reason of its own where the call was hung up (livekit/sip,
 * participant.go and outbound.go). Its time is then that of joining: before the answer, so only inferred. */
#define NOT_CONNECTED ((rank_t)0)
static rank_t connected_rank(const guest_t *g, bool left)
{
    if (g->being != PERSON)
        return NOT_CONNECTED;
    if (!g->is_sip || (is_inbound(g) && !never_picked_up(g)))
        return g->joined_rank;
    if (is_still_dialing(g) || never_picked_up(g))
        return NOT_CONNECTED;
    return left ? RANK_INFERRED : g->joined_rank;
}

/* ---- facts ---- */

/* A room can hold several telephone legs, when somebody is called in. The call is who came first: the earlier a leg
 * joined, the higher its version. */
static version_t leg_version(const guest_t *g)
{
    static const int64_t FAR_AWAY = INT64_C(1) << 56; /* the year 4253 */

    return version_of(RANK_EVENT, g->joined_us == TIME_NONE ? 0 : FAR_AWAY - g->joined_us);
}

static void leg_facts(const livekit_event_t *e, const guest_t *g)
{
    bool inbound = is_inbound(g);
    version_t v = leg_version(g);
    delivery_t *d = e->d;

    d->call_sid = g->sip.call_sid;
    fact_text(e->call, CALL_CALL_SID, v, d->call_sid);
    fact_text(e->call, CALL_CUSTOMER_NUMBER, v, phone_e164(d->arena, g->sip.their_number));
    if (!g->is_sip)
        return; /* nothing tells which way a connector's call went */
    d->from_number = inbound ? g->sip.their_number : g->sip.our_number;
    d->to_number = inbound ? g->sip.our_number : g->sip.their_number;
    fact_text(e->call, CALL_DIRECTION, v, inbound ? STR("inbound") : STR("outbound"));
    fact_text(e->call, CALL_FROM_NUMBER, v, d->from_number);
    fact_text(e->call, CALL_TO_NUMBER, v, d->to_number);
}

static void call_facts(const livekit_event_t *e, const guest_t *g, rank_t connected)
{
    fact_phase(e->call, connected != NOT_CONNECTED ? PHASE_ACTIVE : PHASE_PENDING);
    if (connected != NOT_CONNECTED)
        fact_time(e->call, CALL_CONNECTED_AT, connected, g->joined_us);
    if (g->being == AGENT) {
        fact_bool(e->call, CALL_AI_AGENT_USED, RANK_EVENT, true);
        fact_text(e->call, CALL_AGENT_NAME, e->version, g->agent_name);
    }
    if (g->is_leg)
        leg_facts(e, g);
}

static fact_t *stay_facts(const livekit_event_t *e, const guest_t *g, bool connected, version_t v)
{
    static const char *const TYPES[] = {[PERSON] = "user", [ADMIN] = "admin", [AGENT] = "agent"};
    delivery_t *d = e->d;
    fact_t *stay;

    if (g->being == NOBODY)
        return NULL;
    stay = fact_participant(&d->facts, d->call_id, g->sid);
    fact_text(stay, PARTICIPANT_IDENTITY, v, json_str(e->participant, "identity"));
    fact_text(stay, PARTICIPANT_NAME, v, json_str(e->participant, "name"));
    fact_text(stay, PARTICIPANT_TYPE, v, str_from(TYPES[g->being]));
    fact_text(stay, PARTICIPANT_KIND, v, g->kind);
    fact_text(stay, PARTICIPANT_PHONE, v, phone_e164(d->arena, g->sip.their_number));
    fact_time(stay, PARTICIPANT_JOINED_AT, g->joined_rank, g->joined_us);
    fact_bool(stay, PARTICIPANT_CONNECTED, RANK_EVENT, connected);
    if (g->attributes && g->attributes->child)
        fact_text(stay, PARTICIPANT_ATTRIBUTES, v, json_print(d->arena, g->attributes));
    return stay;
}

/* Who fails at once comes and goes in one second, and createdAt tells no more; attributes are compared by about seconds
 * (fact.c). What the leave says is newer all the same, and what is told of who is there stands between. */
#define NEWER_BY_BEING_THERE (3 * US_PER_S)
#define NEWER_BY_LEAVING     (6 * US_PER_S)

/* There is no time of leaving but the event's own, in whole seconds: never before the joining. */
static void leave_facts(const livekit_event_t *e, const guest_t *g, bool connected)
{
    version_t v = version_of(RANK_EVENT, e->d->occurred_us + NEWER_BY_LEAVING);
    fact_t *stay = stay_facts(e, g, connected, v);
    int64_t left_us = e->d->occurred_us;

    if (!stay)
        return;
    if (left_us != TIME_NONE && g->joined_us != TIME_NONE && left_us < g->joined_us)
        left_us = g->joined_us;
    fact_time(stay, PARTICIPANT_LEFT_AT, RANK_EVENT, left_us);
    fact_text(stay, PARTICIPANT_LEFT_REASON, v, g->reason);
}

/* What a person's leave says of the end of the call: why, if it was the last (the greatest createdAt wins); and that it
 * is over, where the one person called did not pick up. Not when others are there: somebody was called in, then. */
static void end_facts(const livekit_event_t *e, const guest_t *g)
{
    int64_t others;

    if (g->being != PERSON)
        return;
    fact_text(e->call, CALL_END_REASON, version_of(RANK_INFERRED, e->d->occurred_us), g->reason);
    if (!g->is_sip || !never_picked_up(g) || (json_int(e->room, "numParticipants", &others) && others > 0))
        return;
    fact_ended(e->call, e->version, STR_NONE, g->reason);
    fact_time(e->call, CALL_ENDED_AT, RANK_INFERRED, e->d->occurred_us);
}

/* Agents and admins join with media, though they do not connect a call. */
static bool had_media(const guest_t *g, rank_t connected)
{
    return connected != NOT_CONNECTED || g->being == AGENT || g->being == ADMIN;
}

static void begin(livekit_event_t *e, guest_t *g)
{
    *g = read_guest(e->participant);
    e->d->status = g->is_sip ? g->sip.status : livekit_enum_name(e->participant, "state", &STATES);
    livekit_read_room(e);
}

void livekit_participant_joined(livekit_event_t *e)
{
    rank_t connected;
    guest_t g;

    begin(e, &g);
    connected = connected_rank(&g, false);
    call_facts(e, &g, connected);
    stay_facts(e, &g, had_media(&g, connected), e->version);
}

/* Who is there has joined; since when a leg that we dialled is answered is not told, as when it leaves. What is said of
 * it is newer than its joining said, and older than its leaving will: joinedAt is the one time that it has. */
void livekit_participant_there(livekit_event_t *e)
{
    rank_t connected;
    guest_t g;

    begin(e, &g);
    connected = connected_rank(&g, true);
    call_facts(e, &g, connected);
    stay_facts(e, &g, had_media(&g, connected),
               version_of(RANK_EVENT, g.joined_us == TIME_NONE ? 0 : g.joined_us + NEWER_BY_BEING_THERE));
}

bool livekit_is_active(const cJSON *participant)
{
    return str_eq(livekit_enum_name(participant, "state", &STATES), STR("ACTIVE"));
}

/* Only somebody who had joined leaves: this stands for a joining that was lost, too. */
void livekit_participant_left(livekit_event_t *e)
{
    rank_t connected;
    guest_t g;

    begin(e, &g);
    connected = connected_rank(&g, true);
    call_facts(e, &g, connected);
    leave_facts(e, &g, had_media(&g, connected));
    end_facts(e, &g);
}

/* Gone without ever having had media (livekit-server 1.9.1 and later say so by an event of its own). */
void livekit_participant_aborted(livekit_event_t *e)
{
    guest_t g;

    begin(e, &g);
    fact_phase(e->call, PHASE_PENDING);
    if (g.is_leg)
        leg_facts(e, &g);
    leave_facts(e, &g, false);
    end_facts(e, &g);
}
