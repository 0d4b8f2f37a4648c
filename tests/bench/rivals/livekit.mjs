// livekit.mjs – LiveKit's webhook events: what of webhooks/livekit/ the mix has.

import {
    ACTIVE,
    CALL,
    ENDED,
    EVENT,
    FLAT,
    INFERRED,
    PENDING,
    Row,
    STAY,
    e164,
    ended,
    redact,
    versionOf,
} from './facts.mjs';

const SECRETS = /^(turnPassword|streamKey)$/;
const FAR_AWAY = 1n << 56n;
/** What the leave says of a stay is newer than its joining, in whichever second. */
const LATER_MS = 2000;
const NEVER_PICKED_UP = new Set(['USER_UNAVAILABLE', 'USER_REJECTED', 'SIP_TRUNK_FAILURE']);

/** text: the body as it came; event: parsed. */
export function normalise(text, event) {
    const changed = redact(event, SECRETS);
    const {room, participant} = event;
    const about = participant && event.event.startsWith('participant_') ? participant.sid : room?.sid;
    const d = {
        provider: 'livekit',
        eventKey: `${event.event}:${about ?? event.id}`,
        eventType: event.event,
        callId: room?.sid,
        callSid: null,
        from: null,
        to: null,
        status: null,
        occurredMs: event.createdAt ? Number(event.createdAt) * 1000 : null,
        payload: changed ? JSON.stringify(event) : text,
        call: null,
        stays: [],
        lines: [],
    };
    const version = versionOf(EVENT, d.occurredMs === null ? null : d.occurredMs * 1000);
    readRoom(d, room, version);
    if (event.event === 'room_started') d.call.put(CALL.phase, FLAT[EVENT], PENDING);
    else if (event.event === 'room_finished') roomFinished(d);
    else if (event.event === 'participant_joined') joined(d, participant, version);
    else if (event.event === 'participant_left') left(d, participant, version);
    return d;
}

function readRoom(d, room, version) {
    const row = new Row('voice_calls', room.sid);
    row.put(CALL.session_id, version, room.name);
    row.put(CALL.room_name, version, room.name);
    if (/^[{[]/.test(room.metadata ?? '')) row.putJson(CALL.metadata, version, room.metadata);
    if (room.creationTimeMs) row.put(CALL.started_at, FLAT[EVENT], Number(room.creationTimeMs));
    else if (room.creationTime) row.put(CALL.started_at, FLAT[INFERRED], Number(room.creationTime) * 1000);
    d.call = row;
}

function roomFinished(d) {
    ended(d.call, FLAT[INFERRED], null, 'no_participant');
    d.call.put(CALL.ended_at, FLAT[EVENT], d.occurredMs);
}

function readGuest(participant) {
    const kind = participant.kind ?? 'STANDARD';
    const attributes = participant.attributes ?? {};
    const isSip = kind === 'SIP';
    return {
        participant,
        kind,
        attributes,
        isSip,
        isAgent: kind === 'AGENT',
        isPerson: isSip || kind === 'STANDARD' || kind === 'CONNECTOR',
        inbound: isSip && Boolean(attributes['sip.ruleID']),
        theirs: isSip ? attributes['sip.phoneNumber'] : null,
        reason: participant.disconnectReason ?? 'UNKNOWN_REASON',
        joinedMs: participant.joinedAtMs
            ? Number(participant.joinedAtMs)
            : participant.joinedAt
              ? Number(participant.joinedAt) * 1000
              : null,
        joinedRank: participant.joinedAtMs ? EVENT : INFERRED,
    };
}

/** 0: not connected. */
function connectedRank(guest, hasLeft) {
    const neverPickedUp = NEVER_PICKED_UP.has(guest.reason);
    if (!guest.isPerson) return 0;
    if (!guest.isSip || (guest.inbound && !neverPickedUp)) return guest.joinedRank;
    const status = guest.attributes['sip.callStatus'];
    if (status === 'dialing' || status === 'ringing' || neverPickedUp) return 0;
    return hasLeft ? INFERRED : guest.joinedRank;
}

function callFacts(d, guest, connected, version) {
    d.call.put(CALL.phase, FLAT[EVENT], connected ? ACTIVE : PENDING);
    if (connected) d.call.put(CALL.connected_at, FLAT[connected], guest.joinedMs);
    if (guest.isAgent) {
        d.call.put(CALL.ai_agent_used, FLAT[EVENT], true);
        d.call.put(CALL.agent_name, version, guest.attributes['lk.agent.name']);
    }
    if (!guest.isSip) return;
    const leg = versionOf(EVENT, guest.joinedMs === null ? null : FAR_AWAY - BigInt(guest.joinedMs * 1000));
    const ours = guest.attributes['sip.trunkPhoneNumber'];
    d.callSid = guest.attributes['sip.twilio.callSid'];
    d.from = guest.inbound ? guest.theirs : ours;
    d.to = guest.inbound ? ours : guest.theirs;
    d.call.put(CALL.call_sid, leg, d.callSid);
    d.call.put(CALL.direction, leg, guest.inbound ? 'inbound' : 'outbound');
    d.call.put(CALL.from_number, leg, d.from);
    d.call.put(CALL.to_number, leg, d.to);
    d.call.put(CALL.customer_number, leg, e164(guest.theirs));
}

function stayFacts(d, guest, connected, version) {
    if (!guest.isPerson && !guest.isAgent) return null;
    const row = new Row('call_participants', d.callId, guest.participant.sid);
    row.put(STAY.participant_identity, version, guest.participant.identity);
    row.put(STAY.participant_name, version, guest.participant.name);
    row.put(
        STAY.participant_type,
        version,
        guest.isAgent ? 'agent' : guest.participant.permission?.hidden ? 'admin' : 'user',
    );
    row.put(STAY.kind, version, guest.kind);
    row.put(STAY.phone_number, version, e164(guest.theirs));
    row.put(STAY.joined_at, FLAT[guest.joinedRank], guest.joinedMs);
    row.put(STAY.connected, FLAT[EVENT], Boolean(connected) || guest.isAgent);
    if (Object.keys(guest.attributes).length) row.putJson(STAY.attributes, version, JSON.stringify(guest.attributes));
    d.stays.push(row);
    return row;
}

function begin(d, participant) {
    const guest = readGuest(participant);
    d.status = guest.isSip ? guest.attributes['sip.callStatus'] : (participant.state ?? 'JOINING');
    return guest;
}

function joined(d, participant, version) {
    const guest = begin(d, participant);
    const connected = connectedRank(guest, false);
    callFacts(d, guest, connected, version);
    stayFacts(d, guest, connected, version);
}

function left(d, participant, version) {
    const guest = begin(d, participant);
    const leaving = versionOf(EVENT, d.occurredMs === null ? null : (d.occurredMs + LATER_MS) * 1000);
    const connected = connectedRank(guest, true);
    callFacts(d, guest, connected, version);
    const stay = stayFacts(d, guest, connected, leaving);
    if (stay) {
        stay.put(
            STAY.left_at,
            FLAT[EVENT],
            guest.joinedMs === null ? d.occurredMs : Math.max(d.occurredMs, guest.joinedMs),
        );
        stay.put(STAY.left_reason, leaving, guest.reason);
    }
    if (!guest.isPerson) return;
    d.call.put(CALL.end_reason, versionOf(INFERRED, d.occurredMs * 1000), guest.reason);
    if (!guest.isSip || !NEVER_PICKED_UP.has(guest.reason)) return;
    ended(d.call, version, null, guest.reason);
    d.call.put(CALL.ended_at, FLAT[INFERRED], d.occurredMs);
}
