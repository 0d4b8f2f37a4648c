// Beyond Presence: docs.bey.dev/webhooks, docs.bey.dev/integrations/managed-agents/webhook-events and the payload types
// of github.com/bey-dev/n8n-nodes-beyondpresence, read 2026-11-21.

const files = (...names) => names.map((name) => `webhook.${name}.json`);

const SENDERS = {user: 'user', agent: 'assistant', ai: 'assistant', assistant: 'assistant', bot: 'assistant', moderator: null};

// ---- what any event may have ----

const ABOUT_THE_CALL = [
    ['event_type', 'call_events.event_type'],
    ['call_id', 'call_events.provider_call_id'],
    ['call_id', 'voice_calls.provider_call_id'],
    ['conversation_id', 'voice_calls.provider_call_id'],
    ['user_name', 'voice_calls.customer_name'],
    ['agentId', 'voice_calls.agent_id'],
    ['call_data.userName', 'voice_calls.customer_name'],
    ['call_data.agentId', 'voice_calls.agent_id'],
    ['call_data.startedAt', 'voice_calls.started_at', 'time'],
    ['call_data.startedAt', 'voice_calls.connected_at', 'time'],
    ['call_data.endedAt', 'voice_calls.ended_at', 'time'],
    ['call_data.leftAt', 'payload', 'when the visitor left, which is not yet the end of the call'],
];

// ---- an utterance ----

const line = (path) => [
    [`${path}.sender`, 'voice_messages.role', SENDERS],
    [`${path}.message`, 'voice_messages.content'],
    [`${path}.sent_at`, 'voice_messages.spoken_at', 'time'],
];

const earliest = (times) => new Date(Math.min(...times.map((time) => Date.parse(time))));
const latest = (times) => new Date(Math.max(...times.map((time) => Date.parse(time))));
const unless = (field, body, value) => (body.call_data?.[field] ? new Date(body.call_data[field]) : value);
const sentAt = (body) => body.messages.map((message) => message.sent_at);

export default {
    provider: 'beyond_presence',
    title: 'Beyond Presence',
    messages: [
        {
            name: 'message',
            fixtures: files(
                'message.user',
                'message.agent',
                'message.ai.no-user-name.no-milliseconds',
                'message.with-call-data-times',
                'message.after-call-ended',
                'message.call-over',
                'message.bot',
            ),
            fields: [
                ...ABOUT_THE_CALL,
                ...line('message'),
                ['message.sent_at', 'call_events.occurred_at', 'time'],
                [
                    'message.sent_at',
                    'voice_calls.started_at',
                    (time, body) => unless('startedAt', body, new Date(time)),
                    'an estimate, where the event does not say',
                ],
            ],
        },
        {
            name: 'message, of another sender or without a text',
            fixtures: files('message.unknown-sender', 'message.without-text', 'message.text-only'),
            dead: true,
            fields: [
                ['event_type', 'call_events.event_type'],
                ['**', 'payload', 'a dead letter: the line would be missing, and nobody would know'],
            ],
        },
        {
            name: 'message, of no call',
            fixtures: files('message.no-call-id'),
            dead: true,
            fields: [
                ['event_type', 'call_events.event_type'],
                ['**', 'payload', 'a dead letter: nothing says which call it is'],
            ],
        },
        {
            name: 'call_ended, conversation_ended',
            fixtures: files(
                'call_ended.full',
                'call_ended.numbers-as-strings.no-user-name',
                'call_ended.empty',
                'call_ended.agent-id-at-top',
                'conversation_ended.alias',
            ),
            fields: [
                ...ABOUT_THE_CALL,
                ...line('messages[]'),
                [
                    'messages[].sent_at',
                    'voice_calls.started_at',
                    (time, body) => unless('startedAt', body, earliest(sentAt(body))),
                    "the first line's is an estimate, where the event does not say",
                ],
                [
                    'messages[].sent_at',
                    'voice_calls.ended_at',
                    (time, body) => unless('endedAt', body, latest(sentAt(body))),
                    "the last line's is an estimate, where the event does not say",
                ],
                ['messages', 'payload', 'a list without a line leaves what was heard live'],
                ['evaluation', 'voice_calls.analysis', (evaluation) => (evaluation.topic ? evaluation : null)],
                ['evaluation.user_sentiment', 'voice_calls.sentiment'],
                ['evaluation.duration_minutes', 'voice_calls.duration_seconds', (m) => Math.round(Number(m) * 60)],
                ['evaluation.topic', 'voice_calls.analysis.topic', undefined, 'a word or two, so no summary'],
                ['evaluation.messages_count', 'voice_calls.analysis.messages_count'],
                ['sentiment_disclaimer', 'payload', 'words for people, the same every time'],
            ],
        },
        {
            name: 'test',
            fixtures: files('test', 'test.with-message-string'),
            stored: false,
            why: 'sent when the address is saved, to see whether somebody answers',
        },
        {
            name: 'any other event',
            fixtures: files('unknown-event'),
            fields: [
                ['event_type', 'call_events.event_type'],
                ['call_id', 'call_events.provider_call_id'],
                ['**', 'payload', 'it is kept, and no facts are read from it'],
            ],
        },
    ],
};
