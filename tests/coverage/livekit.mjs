// LiveKit: docs.livekit.io/home/server/webhooks and the messages of github.com/livekit/protocol (protobufs/
// livekit_webhook, livekit_models, livekit_egress, livekit_ingress and livekit_agent.proto), read 2026-11-21.

const files = (...names) => names.map((name) => `events/${name}.json`);

// ---- what every event has ----

const ENVELOPE = [
    ['event', 'call_events.event_type'],
    ['id', 'payload', 'events are told apart by what they are about; a repetition has the same id'],
    ['createdAt', 'call_events.occurred_at', 'time'],
    ['numDropped', 'payload', 'deprecated and no longer sent; what was dropped is found by reconciling'],
];

// ---- the room ----

const SETTING = 'a setting of the room, not what happened';
const COUNTED = 'stale or missing in events: who is there is counted from the stays';
const SERVER = "the server's own book-keeping";

/** Seconds, where the same in milliseconds is missing. */
const unless = (better) => (seconds, body, parent) => new Date(Number(parent[better] ?? Number(seconds) * 1000));

const named = (room) => [
    [`${room}.sid`, 'call_events.provider_call_id'],
    [`${room}.sid`, 'voice_calls.provider_call_id'],
    [`${room}.name`, 'voice_calls.session_id'],
    [`${room}.name`, 'voice_calls.room_name'],
];

const full = (room) => [
    [`${room}.creationTimeMs`, 'voice_calls.started_at', 'time'],
    [`${room}.creationTime`, 'voice_calls.started_at', unless('creationTimeMs'), 'where there is no creationTimeMs'],
    [`${room}.metadata`, 'voice_calls.metadata', (text) => JSON.parse(text), 'where it is a JSON object or list'],
    [`${room}.turnPassword`, 'redacted', "its holder may use the room's TURN server"],
    [`${room}.numParticipants`, 'payload', `${COUNTED}; a hint only that a callee who did not answer is not alone`],
    [`${room}.numPublishers`, 'payload', COUNTED],
    [`${room}.activeRecording`, 'payload', 'the events of egress say more'],
    [`${room}.emptyTimeout`, 'payload', SETTING],
    [`${room}.departureTimeout`, 'payload', SETTING],
    [`${room}.maxParticipants`, 'payload', SETTING],
    [`${room}.enabledCodecs.**`, 'payload', SETTING],
    [`${room}.version.**`, 'payload', SERVER],
];

const NAMED_ROOM = named('room');
const ROOM = [...ENVELOPE, ...NAMED_ROOM, ...full('room')];

// ---- participants ----

const MEDIA = 'how media is sent, not what was said';
const KINDS = {3: 'SIP'};
const STATES = {3: 'DISCONNECTED'};
const REASONS = {11: 'USER_UNAVAILABLE'};
/** An enum's name, where the sender wrote its number. */
const nameIn = (names) => (value) => names[value] ?? value;

const withoutSecrets = (attributes) =>
    Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [
            key,
            /(token|secret|password|authorization|api[-_]?key)$/i.test(key) ? '[redacted]' : value,
        ]),
    );

const TRACKS = [
    ['participant.tracks.**', 'payload', MEDIA],
    ['participant.dataTracks.**', 'payload', MEDIA],
];

const GUEST = [
    ['participant.sid', 'call_participants.participant_id'],
    ['participant.identity', 'call_participants.participant_identity'],
    ['participant.name', 'call_participants.participant_name'],
    ['participant.kind', 'call_participants.kind', nameIn(KINDS)],
    ['participant.joinedAtMs', 'call_participants.joined_at', 'time'],
    ['participant.joinedAt', 'call_participants.joined_at', unless('joinedAtMs'), 'where there is no joinedAtMs'],
    ['participant.attributes.*token', 'redacted', 'an application may have put one there'],
    ['participant.attributes.*authorization', 'redacted', 'a SIP header by which a telephone exchange proves itself'],
    ['participant.attributes.*api-key', 'redacted', 'a SIP header by which a telephone exchange proves itself'],
    ['participant.attributes.*api_key', 'redacted', 'an application may have put one there'],
    ['participant.attributes', 'call_participants.attributes', withoutSecrets, 'but for secrets'],
    ['participant.kindDetails[]', 'payload', 'kind tells a person from a machine'],
    ['participant.metadata', 'payload', "the application's own text"],
    ['participant.permission.hidden', 'call_participants.participant_type', {true: 'admin'}],
    ['participant.permission.**', 'payload', 'what the token allowed; only "hidden" says something of the call'],
    ['participant.isPublisher', 'payload', MEDIA],
    ['participant.region', 'payload', SERVER],
    ['participant.version', 'payload', SERVER],
    ['participant.clientProtocol', 'payload', SERVER],
    ['participant.capabilities[]', 'payload', SERVER],
    ...TRACKS,
];

const STATE = ['participant.state', 'call_events.call_status', nameIn(STATES)];
const LEFT = [
    ['createdAt', 'call_participants.left_at', 'time'],
    ['participant.disconnectReason', 'call_participants.left_reason', nameIn(REASONS)],
];
const PERSON_LEFT = [...LEFT, ['participant.disconnectReason', 'voice_calls.end_reason', nameIn(REASONS)]];
/** The joining of a person is what connects a call. */
const CONNECTS = ['participant.joinedAtMs', 'voice_calls.connected_at', 'time'];

const attribute = (name, ...rest) => [`participant.attributes.${name}`, ...rest];

const AGENT = [
    ...ROOM,
    ...GUEST,
    STATE,
    ['participant.kind', 'call_participants.participant_type', {AGENT: 'agent'}],
    ['participant.kind', 'voice_calls.ai_agent_used', () => true, 'when it is AGENT'],
    attribute('lk.agent.name', 'voice_calls.agent_name'),
];

const PHONE = [
    attribute('sip.phoneNumber', 'voice_calls.customer_number'),
    attribute('sip.phoneNumber', 'call_participants.phone_number'),
    attribute('sip.twilio.callSid', 'voice_calls.call_sid'),
    attribute('sip.twilio.callSid', 'call_events.call_sid'),
];
const SIP = [
    ...ROOM,
    ...GUEST,
    ...PHONE,
    attribute('sip.callStatus', 'call_events.call_status'),
    ['participant.state', 'payload', 'of a telephone leg, sip.callStatus says more'],
];
const INBOUND = [
    ...SIP,
    CONNECTS,
    attribute('sip.ruleID', 'voice_calls.direction', () => 'inbound', 'a dispatch rule is for calls that come in'),
    attribute('sip.phoneNumber', 'voice_calls.from_number'),
    attribute('sip.phoneNumber', 'call_events.from_number'),
    attribute('sip.trunkPhoneNumber', 'voice_calls.to_number'),
    attribute('sip.trunkPhoneNumber', 'call_events.to_number'),
];
const OUTBOUND = [
    ...SIP,
    attribute('sip.trunkID', 'voice_calls.direction', () => 'outbound', 'without a dispatch rule'),
    attribute('sip.phoneNumber', 'voice_calls.to_number'),
    attribute('sip.phoneNumber', 'call_events.to_number'),
    attribute('sip.trunkPhoneNumber', 'voice_calls.from_number'),
    attribute('sip.trunkPhoneNumber', 'call_events.from_number'),
];

// ---- egress ----

const REQUEST = 'what was asked for; what came of it is in the results';
const STORAGE = 'the keys of the storage';
const EGRESS_STATES = {3: 'EGRESS_COMPLETE'};

const isOver = ({fileResults, file, segmentResults, segments}) =>
    Boolean(fileResults ?? file ?? segmentResults ?? segments);
/** The egress's own time, where there is no result that has one. */
const withoutResult = (ns, body, parent) => (isOver(parent) ? null : new Date(Number(ns) / 1e6));
const seconds = (ns) => Math.floor(Number(ns) / 1e6) / 1000;

const result = (path, name, location) => [
    [`${path}.${name}`, 'voice_calls.recording.filename'],
    [`${path}.${location}`, 'voice_calls.recording_url'],
    [`${path}.${location}`, 'voice_calls.recording.url'],
    [`${path}.duration`, 'voice_calls.recording.seconds', seconds],
    [`${path}.size`, 'voice_calls.recording.bytes', 'number'],
];
const resultTimes = (path) => [
    [`${path}.startedAt`, 'voice_calls.recording.started_at', 'time'],
    [`${path}.endedAt`, 'voice_calls.recording.ended_at', 'time'],
];

const request = (name) => [
    [`egressInfo.${name}.**`, 'payload', REQUEST],
    [`egressInfo.${name}`, 'voice_calls.recording.source', () => name, 'which of these objects there is'],
];

const EGRESS = [
    ...ENVELOPE,
    ...NAMED_ROOM,
    ['egressInfo.roomId', 'voice_calls.provider_call_id'],
    ['egressInfo.roomName', 'voice_calls.session_id'],
    ['egressInfo.egressId', 'voice_calls.recording.id'],
    ['egressInfo.status', 'voice_calls.recording.status', nameIn(EGRESS_STATES)],
    ['egressInfo.status', 'call_events.call_status', nameIn(EGRESS_STATES)],
    ['egressInfo.startedAt', 'voice_calls.recording.started_at', withoutResult, 'where there is no result'],
    ['egressInfo.endedAt', 'voice_calls.recording.ended_at', withoutResult, 'where there is no result'],
    ['egressInfo.updatedAt', 'payload', 'order comes from what a status means'],
    ['egressInfo.sourceType', 'payload', 'the request says the same'],
    ['egressInfo.error', 'voice_calls.recording.error'],
    ['egressInfo.errorCode', 'voice_calls.recording.error_code', 'number'],
    ['egressInfo.details', 'voice_calls.recording.details'],
    ['egressInfo.manifestLocation', 'voice_calls.recording.manifest_url'],
    ['egressInfo.backupStorageUsed', 'voice_calls.recording.in_backup_storage'],
    ['egressInfo.retryCount', 'payload', SERVER],
    ...result('egressInfo.fileResults[]', 'filename', 'location'),
    ...resultTimes('egressInfo.fileResults[]'),
    ...result('egressInfo.file', 'filename', 'location'),
    ...resultTimes('egressInfo.file'),
    ...result('egressInfo.segmentResults[]', 'playlistName', 'playlistLocation'),
    ...resultTimes('egressInfo.segmentResults[]'),
    ['egressInfo.segmentResults[].segmentCount', 'voice_calls.recording.segments', 'number'],
    ['egressInfo.segmentResults[].livePlaylist*', 'payload', 'it is of use while the recording goes on only'],
    ...result('egressInfo.segments', 'playlistName', 'playlistLocation'),
    ['egressInfo.segments.segmentCount', 'voice_calls.recording.segments', 'number'],
    ['egressInfo.streamResults.**', 'payload', 'it was sent on, not recorded'],
    ['egressInfo.stream.**', 'payload', 'it was sent on, not recorded'],
    ['egressInfo.imageResults.**', 'payload', 'pictures are no recording of a call'],
    ['egressInfo.**.s3.*', 'redacted', STORAGE],
    ['egressInfo.**.gcp.*', 'redacted', STORAGE],
    ['egressInfo.**.azure.*', 'redacted', STORAGE],
    ['egressInfo.**.aliOSS.*', 'redacted', STORAGE],
    ['egressInfo.web.url', 'redacted', 'the address of a page that lets the recorder in often has a token in it'],
    ...request('roomComposite'),
    ...request('egress'),
    ...request('replay'),
    ...request('web'),
    ...request('participant'),
    ...request('trackComposite'),
    ...request('track'),
];

// ---- ingress ----

const SOURCE = 'a source of media, and none of those who are on the call';

const INGRESS = [
    ...ENVELOPE,
    ['room.name', 'payload', 'several rooms may have had that name; state.roomId says which it is'],
    ['ingressInfo.state.roomId', 'call_events.provider_call_id'],
    ['ingressInfo.state.status', 'call_events.call_status'],
    ['ingressInfo.streamKey', 'redacted', 'its holder may send into the room'],
    ['ingressInfo.url', 'redacted', 'the address of a stream that is pulled often has a token in it'],
    ['ingressInfo.**', 'payload', SOURCE],
];

// ---- agents ----

const JOB = [
    ...ENVELOPE,
    ...NAMED_ROOM,
    ...named('job.room'),
    ...full('job.room'),
    ['job.agentName', 'voice_calls.agent_name'],
    ['job.state.agentId', 'voice_calls.agent_id'],
    ['job.state.status', 'call_events.call_status'],
    [
        'job.state.status',
        'voice_calls.ai_agent_used',
        {JS_RUNNING: true, JS_SUCCESS: true, JS_FAILED: null},
        'when JS_RUNNING or JS_SUCCESS',
    ],
    [
        'job.metadata',
        'voice_calls.metadata',
        (text, body) => (body.job.room.metadata ? null : JSON.parse(text)),
        'where it is a JSON object or list, and the room has none',
    ],
    ['job.id', 'payload', "part of the event's key"],
    ['job.dispatchId', 'payload', SERVER],
    ['job.type', 'payload', SERVER],
    ['job.namespace', 'payload', 'deprecated'],
    ['job.participant.**', 'payload', "the participant's own events say more"],
    ['job.state.error', 'payload', 'that an agent failed does not end the call'],
    ['job.state.*', 'payload', "the agent's joining and leaving say when it was there"],
];

export default {
    provider: 'livekit',
    title: 'LiveKit',
    messages: [
        {
            name: 'room_started',
            fixtures: files('room_started'),
            fields: ROOM,
        },
        {
            name: 'room_finished',
            fixtures: files('room_finished', 'room_finished_never_joined', 'room_finished_full'),
            fields: [...ROOM, ['createdAt', 'voice_calls.ended_at', 'time']],
        },
        {
            name: 'participant_joined, a person by web or app',
            fixtures: files('participant_joined_web'),
            fields: [...ROOM, ...GUEST, STATE, CONNECTS],
        },
        {
            name: 'participant_joined, a person who is hidden',
            fixtures: files('participant_joined_hidden'),
            fields: [...ROOM, ...GUEST, STATE],
        },
        {
            name: 'participant_joined, an agent',
            fixtures: files('participant_joined_agent'),
            fields: AGENT,
        },
        {
            name: 'participant_joined, by telephone, inbound',
            fixtures: files(
                'participant_joined_sip_inbound',
                'participant_joined_sip_other_carrier',
                'participant_joined_sip_headers',
            ),
            fields: INBOUND,
        },
        {
            name: 'participant_joined, by telephone, outbound',
            fixtures: files('participant_joined_sip_outbound'),
            fields: OUTBOUND,
        },
        {
            name: 'participant_left, an agent',
            fixtures: files('participant_left_agent'),
            fields: [...AGENT, ...LEFT],
        },
        {
            name: 'participant_left, by telephone, inbound',
            fixtures: files('participant_left_sip'),
            fields: [...INBOUND, ...PERSON_LEFT],
        },
        {
            name: 'participant_left, by telephone, outbound and not picked up',
            fixtures: files('participant_left_sip_outbound_busy', 'participant_left_sip_unanswered'),
            fields: [...OUTBOUND, ...PERSON_LEFT, ['createdAt', 'voice_calls.ended_at', 'time']],
        },
        {
            name: 'participant_left, by a connector',
            fixtures: files('participant_left_connector'),
            fields: [...ROOM, ...GUEST, ...PHONE, STATE, CONNECTS, ...PERSON_LEFT],
        },
        {
            name: 'participant_connection_aborted',
            fixtures: files('participant_connection_aborted'),
            fields: [...ROOM, ...GUEST, STATE, ...PERSON_LEFT],
        },
        {
            name: 'participant_joined, participant_left, a recorder, ingress or bridge',
            fixtures: files('participant_left_egress_recorder', 'participant_joined_ingress'),
            fields: [...ROOM, STATE, ['participant.**', 'payload', 'not one of those who are on the call: no stay']],
        },
        {
            name: 'track_published, track_unpublished',
            fixtures: files('track_published', 'track_unpublished', 'track_published_full'),
            fields: [
                ...ROOM,
                ['participant.**', 'payload', "the participant's own events say who that is"],
                ['track.**', 'payload', MEDIA],
            ],
        },
        {
            name: 'egress_started, egress_updated, egress_ended',
            fixtures: files(
                'egress_started',
                'egress_started_replay',
                'egress_started_track',
                'egress_started_track_composite',
                'egress_updated_active',
                'egress_updated_ending',
                'egress_ended_complete',
                'egress_ended_failed',
                'egress_ended_aborted',
                'egress_ended_segments',
                'egress_ended_segments_deprecated',
                'egress_ended_web_deprecated',
                'egress_ended_without_id',
            ),
            fields: EGRESS,
        },
        {
            name: 'ingress_started, ingress_ended',
            fixtures: files('ingress_started', 'ingress_started_by_name', 'ingress_ended', 'ingress_ended_full'),
            fields: INGRESS,
        },
        {
            name: 'agent_job_started, agent_job_ended',
            fixtures: files('agent_job_started', 'agent_job_ended', 'agent_job_ended_failed'),
            fields: JOB,
        },
        {
            name: 'room_…, participant_…, without the sid',
            fixtures: files('room_started_without_sid', 'participant_joined_without_sid'),
            dead: true,
            fields: [
                ['event', 'call_events.event_type'],
                ['**', 'payload', 'a dead letter: nothing says what it is about'],
            ],
        },
        {
            name: 'any other event',
            fixtures: files('unknown_event', 'unknown_bare'),
            fields: [
                ...ENVELOPE,
                ['room.sid', 'call_events.provider_call_id'],
                ['**', 'payload', 'LiveKit adds events: they are kept, and no facts are read from them'],
            ],
        },
    ],
};
