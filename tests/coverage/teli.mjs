// Teli: docs.teli.ai/partner-api (call-history, agents/update-tools), and the objects of Retell AI that Teli's are:
// docs.retellai.com/api-references/get-call and /features/webhook, read 2026-11-21. Teli documents no webhook.

const CONFIGURATION = 'how the agent and the account are set up, not what happened';
const MEASURED = "the provider's own measurements";
const PROCESSED = 'when Teli worked on the call; has no time zone and is not when it took place';

/** Of an object: nothing while it is empty. */
const filled = (object) => (Object.keys(object).length > 0 ? object : null);
const given = (text) => (/^(N\/A)?$/i.test(text) ? null : text);
const fullName = (_, body, fields) => [fields.first_name, fields.last_name].filter(given).join(' ');
const connected = (value, {call}) => call.call_status !== 'error' && !/dial_|voicemail/.test(call.disconnection_reason);

const CALL = [
    ['call.call_id', 'call_events.provider_call_id'],
    ['call.call_id', 'voice_calls.provider_call_id'],
    ['call.telephony_identifier.twilio_call_sid', 'call_events.call_sid'],
    ['call.telephony_identifier.twilio_call_sid', 'voice_calls.call_sid'],
    ['call.call_status', 'call_events.call_status'],
    ['call.direction', 'voice_calls.direction'],
    ['call.from_number', 'call_events.from_number'],
    ['call.from_number', 'voice_calls.from_number'],
    ['call.from_number', 'voice_calls.customer_number', (n, {call}) => (call.direction === 'inbound' ? n : null)],
    ['call.to_number', 'call_events.to_number'],
    ['call.to_number', 'voice_calls.to_number'],
    ['call.to_number', 'voice_calls.customer_number', (n, {call}) => (call.direction === 'outbound' ? n : null)],
    ['call.voice_agent_id', 'voice_calls.agent_id'],
    [
        'call.agent_id',
        'voice_calls.agent_id',
        (id, {call}) => (call.voice_agent_id ? null : id),
        "where there is no voice_agent_id; beside one it is Teli's own id of the agent",
    ],
    ['call.agent_id', 'agent_aliases.agent_id', (id, {call}) => (call.voice_agent_id ? id : null), 'beside a voice_agent_id'],
    ['call.voice_agent_id', 'agent_aliases.same_as', (id, {call}) => (call.agent_id ? id : null), 'beside an agent_id'],
    ['call.agent_name', 'voice_calls.agent_name'],
    ['call.start_timestamp', 'voice_calls.started_at', 'time'],
    [
        'call.start_timestamp',
        'voice_calls.connected_at',
        (ms, body) => (connected(ms, body) && body.call.call_status !== 'not_connected' ? new Date(ms) : null),
        'where the call was connected',
    ],
    ['call.metadata', 'voice_calls.metadata', filled],
    ['call.call_type', 'payload', 'a call in a browser has no numbers, which says it'],
    ['call.access_token', 'redacted', 'its holder can join the call'],
    ['call.agent_version', 'payload', CONFIGURATION],
    ['call.data_storage_setting', 'payload', CONFIGURATION],
    ['call.opt_in_signed_url', 'payload', CONFIGURATION],
    ['call.dynamic_variables.**', 'payload', 'what the prompt was filled in with'],
];

const OVER = [
    ...CALL,
    ['call.call_status', 'voice_calls.status', (status, body) => (connected(status, body) ? null : 'failed')],
    ['call.end_timestamp', 'voice_calls.ended_at', 'time'],
    ['call.duration_ms', 'voice_calls.duration_seconds', (ms) => Math.round(ms / 1000)],
    ['call.disconnection_reason', 'voice_calls.end_reason'],
    ['call.recording_url', 'voice_calls.recording_url'],
    ['call.recording_s3_key', 'payload', 'recording_url is where it can be had'],
    ['call.transcript', 'voice_calls.transcript'],
    ['call.transcript_object[].role', 'voice_messages.role', {agent: 'assistant', user: 'user'}],
    ['call.transcript_object[].content', 'voice_messages.content'],
    [
        'call.transcript_object[].words',
        'voice_messages.spoken_at',
        ([first], {call}) => new Date(call.start_timestamp + first.start * 1000),
        'the start of the first word',
    ],
    [
        'call.transcript_object[].words',
        'voice_messages.ended_at',
        (words, {call}) => new Date(call.start_timestamp + words.at(-1).end * 1000),
        'the end of the last word',
    ],
    ['call.transcript_object', 'payload', 'a list without a line says nothing'],
    ['call.extracted_fields', 'voice_calls.extracted_fields', filled],
    ['call.extracted_fields.first_name', 'voice_calls.customer_name', fullName, 'the first of the two names'],
    ['call.extracted_fields.last_name', 'voice_calls.customer_name', fullName, 'the second'],
    ['call.extracted_fields.email', 'voice_calls.customer_email', given],
    ['call.extraction_config.**', 'payload', CONFIGURATION],
    ['call.user_sentiment', 'voice_calls.sentiment', undefined, "call_analysis's, where it has one"],
    ['call.call_successful', 'payload', 'call_analysis has it once the call is analysed'],
    ['call.in_voicemail', 'voice_calls.answered_by', (is) => (is ? 'voicemail' : null)],
    ['call.call_analysis', 'voice_calls.analysis', 'json'],
    ['call.call_analysis.call_summary', 'voice_calls.summary'],
    ['call.call_analysis.user_sentiment', 'voice_calls.sentiment'],
    ['call.call_analysis.in_voicemail', 'voice_calls.answered_by', (is) => (is ? 'voicemail' : null)],
    ['call.call_cost.combined_cost', 'voice_calls.cost', 'number'],
    ['call.call_cost.combined_cost', 'voice_calls.cost_currency', () => 'unknown', 'the unit is not documented'],
    ['call.call_cost.**', 'payload', 'what the cost is made of'],
    [
        'call.llm_token_usage.values',
        'voice_calls.total_tokens_used',
        (values) => values.reduce((sum, n) => sum + n, 0),
    ],
    ['call.llm_token_usage.**', 'payload', MEASURED],
    ['call.latency.**', 'payload', MEASURED],
    ['call.*_at', 'payload', PROCESSED],
    ['call.organization_id', 'payload', 'not the id that the account is asked for by'],
    ['call.user_id', 'payload', "Teli's own user"],
    ['call.tenant_id', 'payload', 'whose Teli it is'],
];

const EVENT = [['event', 'call_events.event_type']];

/** Of an object that is a call itself. */
const DETAIL = OVER.map(([field, target, how, note]) => [
    field.replace(/^call\./, ''),
    target,
    typeof how === 'function' ? (value, body, parent) => how(value, {call: body}, parent) : how,
    note,
]);

/** A row of a list, or of an export, does not say how its call ended. */
const SILENT = DETAIL.filter(([, target]) => target !== 'voice_calls.connected_at');

const EXPORT = [
    ['start_time', 'voice_calls.started_at', 'time'],
    ['end_time', 'voice_calls.ended_at', 'time'],
    ['duration_seconds', 'voice_calls.duration_seconds', 'number'],
    ['campaign_id', 'payload', 'of the campaign that placed the call'],
    ['contact_id', 'payload', 'of the campaign that placed the call'],
    ['in_voicemail', 'voice_calls.status', (is) => (is ? 'failed' : 'completed'), 'until a detail says how the call ended'],
];

const NOTATION = [
    ...['voice_agent_id', 'agent_id', 'unique_id', 'id'].map((field) => [
        field,
        'agent_aliases.agent_id',
        (id, agent) => (agent.voice_agent_id ? id : null),
        'of a voice agent',
    ]),
    ['voice_agent_id', 'agent_aliases.same_as'],
];

export default {
    provider: 'teli',
    title: 'Teli',
    messages: [
        {
            name: 'call_started',
            fixtures: ['webhook.call_started.json', 'webhook.call_started.web-call.json'],
            fields: [
                ...EVENT,
                ...CALL,
                ['call.call_status', 'voice_calls.status', {ongoing: 'active', registered: 'pending'}],
            ],
        },
        {
            name: 'call_ended',
            fixtures: [
                'webhook.call_ended.not-analyzed-yet.json',
                'webhook.call_ended.no-answer.json',
                'webhook.call_ended.error.json',
            ],
            fields: [...EVENT, ...OVER],
        },
        {
            name: "call_ended, in the words of Teli's export",
            fixtures: ['webhook.call_ended.export-names.json'],
            fields: [
                ...EVENT,
                ['call.start_time', 'voice_calls.started_at', 'time'],
                ['call.end_time', 'voice_calls.ended_at', 'time'],
                ['call.duration_seconds', 'voice_calls.duration_seconds', 'number'],
                ['call.campaign_id', 'payload', 'of the campaign that placed the call'],
                ['call.contact_id', 'payload', 'of the campaign that placed the call'],
                ...OVER,
            ],
        },
        {
            name: 'call_analyzed',
            fixtures: [
                'webhook.call_analyzed.all-fields.json',
                'webhook.call_analyzed.outbound-voicemail.json',
                'webhook.call_analyzed.guessed-retell-shape.json',
            ],
            fields: [...EVENT, ...OVER],
        },
        {
            name: 'a custom tool, called during the call',
            fixtures: [
                'custom-tool-callback.guessed-shape.json',
                'custom-tool-callback.flat.guessed-shape.json',
                'custom-tool-callback.camel-case.guessed-shape.json',
            ],
            fields: [
                ['name', 'call_events.event_type', (name) => `tool:${name}`],
                ['call_id', 'voice_calls.provider_call_id'],
                ['callId', 'voice_calls.provider_call_id'],
                ['args.**', 'payload', "the model's words, not what happened"],
                ['status', 'payload', "the model's words, not what happened"],
                ...CALL,
            ],
        },
        {
            name: "a call, as the API's detail has it",
            route: 'api-call',
            fixtures: [
                'api-call.detail.inbound.json',
                'api-call.detail.outbound-voicemail.json',
                'api-call.detail.not-analyzed-yet.json',
                'api-call.detail.web-call.json',
            ],
            fields: DETAIL,
        },
        {
            name: "a call, as the API's list has it",
            route: 'api-call',
            fixtures: ['api-call.row.ended.json', 'api-call.row.error.json'],
            fields: SILENT,
        },
        {
            name: "a call, as the API's export has it",
            route: 'api-call',
            fixtures: ['api-call.export.inbound.json', 'api-call.export.outbound.json'],
            fields: [...EXPORT, ...SILENT],
        },
        {
            name: 'an agent, as the API has it',
            route: 'api-agent',
            fixtures: ['api-agent.voice.json', 'api-agent.sms.json'],
            fields: [...NOTATION, ['**', 'payload', CONFIGURATION]],
        },
        {
            name: 'what names no call',
            fixtures: ['webhook.no-call.json'],
            dead: true,
            fields: [...EVENT, ['**', 'payload', 'a dead letter: nothing says which call it is']],
        },
    ],
};
