// Agents of your own: the contract in webhooks/agent/agent.c.

const COMMON = [
    ['type', 'call_events.event_type'],
    ['timestamp', 'call_events.occurred_at', 'time'],
    ['data.call_id', 'call_events.provider_call_id'],
    ['data.call_id', 'voice_calls.provider_call_id'],
    ['data.provider', 'voice_calls.provider'],
    ['data.provider_call_id', 'call_events.provider_call_id'],
    ['data.provider_call_id', 'voice_calls.provider_call_id'],
    ['data.session_id', 'voice_calls.session_id'],
];

// ---- a call ----

const text = (...names) => names.map((name) => [`data.${name}`, `voice_calls.${name}`]);
const times = (...names) => names.map((name) => [`data.${name}`, `voice_calls.${name}`, 'time']);
const objects = (...names) => names.map((name) => [`data.${name}`, `voice_calls.${name}`, 'json']);
const total = ({total, input, output}) => total ?? (input ?? 0) + (output ?? 0);

const CALL = [
    ...COMMON,
    ...text('direction', 'from_number', 'to_number', 'customer_name', 'customer_email', 'call_sid', 'parent_call_sid'),
    ...text('agent_id', 'agent_name', 'answered_by', 'forwarded_from', 'transferred_to', 'end_reason', 'summary'),
    ...text('sentiment', 'transcript', 'recording_url', 'cost_currency'),
    ...times('started_at', 'connected_at', 'ended_at'),
    ...objects('metadata', 'recording', 'analysis', 'extracted_fields'),
    ['data.call_sid', 'call_events.call_sid'],
    ['data.from_number', 'call_events.from_number'],
    ['data.to_number', 'call_events.to_number'],
    ['data.customer_number', 'voice_calls.customer_number', (number) => number.replaceAll(/[^+\d]/g, '')],
    ['data.duration_seconds', 'voice_calls.duration_seconds', (seconds) => Math.round(seconds)],
    ['data.cost', 'voice_calls.cost', 'number'],
    ['data.total_tokens', 'voice_calls.total_tokens_used', 'number'],
    ['data.tokens', 'voice_calls.total_tokens_used', total],
    ['data.outcome', 'voice_calls.status'],
    ['data.status', 'call_events.call_status'],
    ['data.status', 'voice_calls.status', {completed: 'completed', busy: 'failed'}],
];

// ---- a message ----

const ROLES = {user: 'user', assistant: 'assistant', agent: 'assistant'};
const texts = (content) => [content].flat().filter((part) => typeof part === 'string').join('\n');

const line = (path) => [
    [`${path}.id`, 'voice_messages.message_key', (id) => `agent:${id}`],
    [`${path}.role`, 'voice_messages.role', ROLES],
    [`${path}.content`, 'voice_messages.content', texts],
    [`${path}.created_at`, 'voice_messages.spoken_at', 'time'],
    [`${path}.interrupted`, 'voice_messages.interrupted'],
    [`${path}.language`, 'voice_messages.metadata.language'],
    [`${path}.metrics`, 'voice_messages.metadata.metrics', 'json'],
    [`${path}.type`, 'payload', 'that it is a message; a history has other things, too'],
];
const tokens = (n) => (typeof n === 'number' ? n : total(n));

/** What LiveKit's items do not have. */
const fullLine = (path) => [
    ...line(path),
    [`${path}.ended_at`, 'voice_messages.ended_at', 'time'],
    [`${path}.sequence`, 'voice_messages.sequence_number', 'number'],
    [`${path}.audio_url`, 'voice_messages.audio_url'],
    [`${path}.metadata`, 'voice_messages.metadata.metadata', 'json'],
    [`${path}.model`, 'voice_messages.model'],
    [`${path}.tokens`, 'voice_messages.tokens_used', tokens],
];

/** Of a message the time is its own, where it has one. */
const SENT = ['timestamp', 'payload', 'created_at is when it was said'];
const OF_MESSAGE = COMMON.filter(([field]) => field !== 'timestamp');

export default {
    provider: 'agent',
    title: 'Agents of your own',
    messages: [
        {
            name: 'call.started',
            fixtures: ['call.started.json', 'call.started.no-timestamp.json', 'call.started.livekit.json'],
            fields: CALL,
        },
        {
            name: 'message',
            fixtures: ['message.json', 'message.livekit-session.json'],
            fields: [
                ...OF_MESSAGE,
                ['data.session_id', 'voice_calls.provider_call_id', (name) => `session:${name}`],
                ...fullLine('data'),
                ['data.created_at', 'call_events.occurred_at', 'time'],
                SENT,
            ],
        },
        {
            name: 'message, as an object',
            fixtures: ['message.assistant.json'],
            fields: [...OF_MESSAGE, ...fullLine('data.message'), SENT],
        },
        {
            name: 'transcript.item, of a LiveKit agent',
            fixtures: ['livekit-item.user.json', 'livekit-item.assistant-interrupted.json'],
            fields: [
                ['type', 'call_events.event_type'],
                ['room.sid', 'call_events.provider_call_id'],
                ['room.sid', 'voice_calls.provider_call_id'],
                ['room.name', 'voice_calls.session_id'],
                ['room.name', 'voice_calls.room_name'],
                ['job_id', 'payload', "LiveKit's events name the job, too"],
                ...line('item'),
                ['model', 'voice_messages.model'],
                ['tokens', 'voice_messages.tokens_used', tokens],
            ],
        },
        {
            name: 'call.ended',
            fixtures: ['call.ended.json', 'call.ended.busy.json', 'call.ended.livekit.json'],
            fields: [
                ...CALL,
                ['data.messages[].name', 'payload', 'a call of a tool, no message'],
                ['data.messages[].arguments', 'payload', 'a call of a tool, no message'],
                ...fullLine('data.messages[]').map(([field, target, how]) => [
                    field,
                    target,
                    field.endsWith('.id') ? (id, body, item) => (item.role ? how(id) : null) : how,
                ]),
            ],
        },
        {
            name: 'what names no call',
            fixtures: ['message.no-call.json', 'message.bad-provider.json'],
            dead: true,
            fields: [
                ['type', 'call_events.event_type'],
                ['**', 'payload', 'a dead letter: nothing says which call it is'],
            ],
        },
        {
            name: 'a known type without its data',
            fixtures: ['call.ended.no-data.json', 'message.no-content.json', 'message.unknown-role.json'],
            dead: true,
            fields: [
                ['type', 'call_events.event_type'],
                ['**', 'payload', 'a dead letter: what it should tell would be missing, and nobody would know'],
            ],
        },
        {
            name: 'any other type',
            fixtures: ['other.json'],
            fields: [
                ['type', 'call_events.event_type'],
                ['timestamp', 'call_events.occurred_at', 'time'],
                ['**', 'payload', 'it is kept, and no facts are read from it'],
            ],
        },
    ],
};
