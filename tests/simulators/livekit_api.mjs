// livekit_api.mjs – LiveKit's server API (Twirp) over a world's calls, and its webhooks. Written from
// docs.livekit.io/reference/other/roomservice-api, …/home/egress/api, …/home/server/webhooks and github.com/livekit/protocol
// (livekit_room.proto, livekit_models.proto, livekit_egress.proto, auth/grants.go) alone.
//
// A room is gone the moment it ends, and so is who has left; an egress that has ended stays for a day. Answers are in
// snake_case and write every field; whole numbers of 64 bits are text. A bad token is answered in plain text.

import {createHmac, timingSafeEqual} from 'node:crypto';
import {newestFirst, serveApi} from './api_server.mjs';

export const LIVEKIT_KEY = 'APItestkey000001';
export const LIVEKIT_SECRET = 'livekit-test-secret-0123456789abcdef0123456789';
const EGRESS_KEPT_MS = 86_400_000;
const EGRESS_PAGE = 100;

const snakeCase = (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
/** Names of fields, and not the keys of maps: those are text of somebody's. */
function inSnakeCase(node) {
    if (Array.isArray(node)) return node.map(inSnakeCase);
    if (node === null || typeof node !== 'object') return node;
    return Object.fromEntries(
        Object.entries(node).map(([key, value]) => [snakeCase(key), key === 'attributes' ? value : inSnakeCase(value)]),
    );
}

export function tellLivekit(story, {hex}) {
    const {startMs, endMs, n} = story;
    const answeredMs = story.answeredMs ?? startMs + 4000;
    const id = (name, prefix) => `${prefix}${hex(`livekit ${name} ${n}`, 12)}`;
    const seconds = (ms) => String(Math.floor(ms / 1000));
    const ns = (ms) => `${ms}000000`;
    const room = {
        sid: id('room', 'RM_'),
        name: `call-${hex(`livekit name ${n}`, 16)}`,
        emptyTimeout: 300,
        departureTimeout: 20,
        creationTime: seconds(startMs),
        creationTimeMs: String(startMs + 137),
        turnPassword: '',
        enabledCodecs: [{mime: 'audio/opus', fmtpLine: ''}],
        metadata: '{"business":"acme"}',
        numParticipants: 0,
        numPublishers: 0,
        activeRecording: false,
    };
    const participant = (kind, identity, name, atMs, attributes) => ({
        sid: id(kind, 'PA_'),
        identity,
        state: 'ACTIVE',
        metadata: '',
        joinedAt: seconds(atMs),
        joinedAtMs: String(atMs),
        name,
        version: 3,
        region: 'us-east-1',
        isPublisher: true,
        kind,
        attributes,
    });
    const caller = participant('SIP', `sip_${story.customer}`, `Phone ${story.customer}`, startMs + 1402, {
        'sip.callID': id('sip', 'SCL_'),
        'sip.callStatus': 'active',
        'sip.phoneNumber': story.customer,
        'sip.trunkPhoneNumber': story.ours,
        'sip.ruleID': 'SDR_k3Wd8sYqTnPz',
        'sip.twilio.accountSid': 'AC000000000000000000000000000000ac',
        'sip.twilio.callSid': story.callSid,
    });
    const agent = participant('AGENT', `agent-${id('job', 'AJ_')}`, 'Front desk', answeredMs, {'lk.agent.name': 'front-desk'});
    const file = {
        filename: `recordings/${room.name}.ogg`,
        startedAt: ns(answeredMs),
        endedAt: ns(endMs),
        duration: `${endMs - answeredMs}000000`,
        size: '514237',
        location: `https://recordings.example.com/${room.name}.ogg`,
    };
    const egress = (status, atMs, more) => ({
        egressId: id('egress', 'EG_'),
        roomId: room.sid,
        roomName: room.name,
        roomComposite: {roomName: room.name, layout: 'speaker', audioOnly: true},
        status,
        startedAt: ns(answeredMs),
        updatedAt: ns(atMs),
        ...more,
    });
    const active = egress('EGRESS_ACTIVE', answeredMs, {});
    const complete = egress('EGRESS_COMPLETE', endMs + 1000, {endedAt: ns(endMs + 1000), details: 'End reason: Source closed', fileResults: [file], file});
    const event = (name, event, atMs, more = {room}) => ({
        name,
        atMs,
        body: {event, ...more, id: `EV_${hex(`livekit ${name} of ${n}`, 12)}`, createdAt: seconds(atMs)},
    });
    const gone = (who, disconnectReason) => ({...who, state: 'DISCONNECTED', version: 9, disconnectReason});
    const isRecorded = story.recorded;
    return {
        providerCallId: room.sid,
        knownFromMs: startMs,
        endMs,
        room,
        participants: [
            {joinedMs: startMs + 1402, object: caller},
            {joinedMs: answeredMs, object: agent},
        ],
        egress: isRecorded ? {fromMs: answeredMs, endMs: endMs + 1000, active, complete} : null,
        webhooks: [
            event('room_started', 'room_started', startMs + 150),
            event('caller joined', 'participant_joined', startMs + 1500, {room, participant: caller}),
            event('agent joined', 'participant_joined', answeredMs + 100, {room, participant: agent}),
            ...(isRecorded ? [event('egress started', 'egress_started', answeredMs + 200, {egressInfo: active})] : []),
            event('caller left', 'participant_left', endMs, {room, participant: gone(caller, 'CLIENT_INITIATED')}),
            event('agent left', 'participant_left', endMs + 500, {room, participant: gone(agent, 'ROOM_CLOSED')}),
            ...(isRecorded ? [event('egress ended', 'egress_ended', endMs + 1000, {egressInfo: complete})] : []),
            event('room_finished', 'room_finished', endMs + 20_000),
        ],
    };
}

// ---- the API ----

const twirpError = (status, code, msg) => ({status, body: {code, msg}});

/** What a token grants; null when it is none of ours, or not valid now. */
function grantsOf(authorization, {key, secret}, nowS) {
    const [, head, claims, signature] = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization ?? '') ?? [];
    if (!head) return null;
    const wanted = createHmac('sha256', secret).update(`${head}.${claims}`).digest();
    const given = Buffer.from(signature, 'base64url');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
    const {iss, exp, nbf = 0, video = {}} = JSON.parse(Buffer.from(claims, 'base64url').toString());
    return iss === key && nowS < exp && nowS >= nbf - 60 ? video : null;
}

export async function serveLivekit(world, {key = LIVEKIT_KEY, secret = LIVEKIT_SECRET, ...server} = {}) {
    const live = () => world.known('livekit').filter(({endMs}) => endMs > world.now());
    const present = ({participants}) => participants.filter(({joinedMs}) => joinedMs <= world.now()).map(({object}) => object);
    const egresses = () =>
        world.known('livekit').flatMap(({egress}) => {
            if (!egress || egress.fromMs > world.now() || egress.endMs + EGRESS_KEPT_MS < world.now()) return [];
            return [egress.endMs <= world.now() ? egress.complete : egress.active];
        });
    const roomObject = (told) => ({...inSnakeCase(told.room), num_participants: present(told).length, version: null});
    const egressObject = (info) => {
        const {file: _file, ...rest} = info; // webhooks have it a second time, in the field's older name
        return {ended_at: '0', file_results: [], stream_results: [], error: '', details: '', ...inSnakeCase(rest)};
    };

    const METHODS = {
        'RoomService/ListRooms': {
            allowed: (video) => video.roomList === true,
            answer: ({names = []}) => ({rooms: live().filter(({room}) => names.length === 0 || names.includes(room.name)).map(roomObject)}),
        },
        'RoomService/ListParticipants': {
            allowed: (video, {room}) => video.roomAdmin === true && video.room === room,
            answer: ({room}) => {
                const told = live().find((t) => t.room.name === room);
                return {participants: told ? present(told).map((p) => ({tracks: [], disconnect_reason: 'UNKNOWN_REASON', ...inSnakeCase(p)})) : []};
            },
        },
        'Egress/ListEgress': {
            allowed: (video) => video.roomRecord === true,
            answer: ({pageToken, page_token}) => {
                const at = Number((page_token ?? pageToken)?.token ?? 0);
                const all = newestFirst(egresses(), (info) => Number(info.startedAt));
                const next = at + EGRESS_PAGE;
                return {
                    items: all.slice(at, next).map(egressObject),
                    next_page_token: next < all.length ? {token: String(next)} : null,
                };
            },
        },
    };
    const answer = ({method, path, headers, body}) => {
        const video = grantsOf(headers.authorization, {key, secret}, Date.now() / 1000);
        if (!video) return {status: 401, body: 'invalid authorization token'};
        const [, name] = /^\/twirp\/livekit\.(.+)$/.exec(path) ?? [];
        if (method !== 'POST' || !METHODS[name]) return twirpError(404, 'bad_route', `no handler for path "${path}"`);
        const asked = JSON.parse(body || '{}');
        if (!METHODS[name].allowed(video, asked)) return twirpError(401, 'unauthenticated', 'permissions denied');
        return {body: METHODS[name].answer(asked)};
    };
    return serveApi(answer, server);
}
