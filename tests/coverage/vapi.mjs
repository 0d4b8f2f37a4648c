// Vapi: docs.vapi.ai/server-url/events and the schemas ServerMessage* and Call of its OpenAPI document
// (github.com/VapiAI/docs, fern/apis/api/openapi.json), read 2026-11-21.

const files = (...names) => names.map((name) => `webhook.${name}.json`);
const within = (path, rows) => rows.map(([field, ...rest]) => [`${path}.${field}`, ...rest]);

// ---- why something is in the payload only ----

const CONFIGURATION = 'how the provider is set up, not what happened';
const IDS = "an id of the provider's own; nothing is looked up by it";
const SAID_ABOVE = 'the message itself says the same, and is believed first';
const FOR_TUNING = 'for who tunes the assistant; says nothing of the call';
const OF_REPORT = 'the report brings it again, and there it goes to voice_calls.metadata';
const NO_CALL = 'a text chat is no call: only the event is kept';
const TOOLS = "the assistant's work, not its words";
const NOT_A_STAGE = 'deletion-failed is no stage of a call, and moves none; what was before was told before';
const STATIC = "what the tool's server is given whatever the model says, often a key";
const SIGNED_LINK = 'whoever has the link can hear the call';

// ---- the call that every message carries ----

const isInbound = (body) => body.message.call?.type === 'inboundPhoneCall';
const isOutbound = (body) => body.message.call?.type === 'outboundPhoneCall';
/** The human's side is "from" of a call that comes in, ours of one that goes out. */
const theirs = {
    from: (number, body) => (isInbound(body) ? number : null),
    to: (number, body) => (isOutbound(body) ? number : null),
};
const ours = {
    from: (number, body) => (isOutbound(body) ? number : null),
    to: (number, body) => (isInbound(body) ? number : null),
};
const parties = (field, side) => [
    [field, 'voice_calls.from_number', side.from, side === theirs ? 'inbound' : 'outbound'],
    [field, 'voice_calls.to_number', side.to, side === theirs ? 'outbound' : 'inbound'],
    [field, 'call_events.from_number', side.from, side === theirs ? 'inbound' : 'outbound'],
    [field, 'call_events.to_number', side.to, side === theirs ? 'outbound' : 'inbound'],
];

const ENDED = {
    'customer-ended-call': 'completed',
    'assistant-ended-call': 'completed',
    'assistant-forwarded-call': 'completed',
    'silence-timed-out': 'completed',
    'vonage-completed': 'completed',
    'customer-did-not-answer': 'failed',
    'assistant-request-failed': 'failed',
};
const STATUS = {
    scheduled: 'pending',
    queued: 'pending',
    ringing: 'pending',
    'in-progress': 'active',
    forwarding: 'active',
    ended: null, // by the reason: ENDED
    'deletion-failed': null,
};

const isTwilio = (sid, body) => (body.message.call.phoneCallProvider === 'twilio' ? sid : null);
const E164 = (number) => `+${number.replace(/\D/g, '')}`;

const CUSTOMER = [
    ['number', 'voice_calls.customer_number', E164, 'as E.164'],
    ...parties('number', theirs),
    ...parties('sipUri', theirs),
    ['name', 'voice_calls.customer_name'],
    ['email', 'voice_calls.customer_email'],
    ['extension', 'payload', 'what to dial once connected'],
    ['numberE164CheckEnabled', 'payload', CONFIGURATION],
    ['assistantOverrides.**', 'payload', CONFIGURATION],
];
const NUMBER = [
    ...parties('number', ours),
    ...parties('sipUri', ours),
    ['twilioAuthToken', 'redacted', "the customer's own key to Twilio"],
    ['twilioApiKey', 'redacted', "the customer's own key to Twilio"],
    ['twilioApiSecret', 'redacted', "the customer's own key to Twilio"],
    ['authentication.password', 'redacted', 'a password of the SIP line'],
    ['**', 'payload', CONFIGURATION],
];
const EXTERNAL_ID = ['message.customer.externalId', 'payload', OF_REPORT];

const TRANSPORT = [
    ['callSid', 'voice_calls.call_sid', isTwilio, "where Twilio carries the call; others' ids are no Call SID"],
    ['forwardedFrom', 'voice_calls.forwarded_from'],
    ['callToken', 'redacted', "lets its holder place calls in the caller's name"],
    ['callUrl', 'redacted', 'opens the call'],
    ['**', 'payload', IDS],
];

const COURSE = within('message.call', [
    ['startedAt', 'voice_calls.started_at', 'time'],
    ['startedAt', 'voice_calls.connected_at', 'time'],
    ['startedAt', 'voice_calls.ai_agent_used', () => true],
    ['endedAt', 'voice_calls.ended_at', 'time'],
    ['endedReason', 'voice_calls.end_reason'],
    ['endedReason', 'voice_calls.status', ENDED],
]);
const CALL = [
    ...within('message.call', [
        ['id', 'voice_calls.provider_call_id'],
        ['id', 'call_events.provider_call_id'],
        ['orgId', 'voice_calls.account_id'],
        ['type', 'voice_calls.direction', {inboundPhoneCall: 'inbound', outboundPhoneCall: 'outbound', webCall: null}],
        ['status', 'voice_calls.status', STATUS],
        ['phoneCallProviderId', 'voice_calls.call_sid', isTwilio, 'where Twilio carries the call'],
        ['phoneCallProviderId', 'call_events.call_sid', isTwilio, 'where Twilio carries the call'],
        ...within('transport', TRANSPORT),
        ['phoneCallProvider', 'payload', 'says whose id phoneCallProviderId is'],
        ['phoneCallTransport', 'payload', 'SIP or PSTN changes nothing for us'],
        ['phoneNumber.twilioPhoneNumber', 'voice_calls.from_number', ours.from, 'outbound; inbound: to_number'],
        ...within('phoneNumber', NUMBER),
        ...within('customer', CUSTOMER),
        ['assistantId', 'voice_calls.agent_id'],
        ['assistant.name', 'voice_calls.agent_name'],
        ['squad.**', 'payload', CONFIGURATION],
        ['monitor.listenUrl', 'redacted', 'opens the call to who has it'],
        ['monitor.controlUrl', 'redacted', 'opens the call to who has it'],
        ['createdAt', 'payload', 'a call begins when it is connected'],
        ['updatedAt', 'payload', 'it orders what is said of the call'],
        ['customerId', 'payload', IDS],
        ['schedulePlan.**', 'payload', 'when it was to be made; its statuses say when it was'],
    ]),
    ...within('message.customer', CUSTOMER),
    ...within('message.phoneNumber', NUMBER),
];
const ASSISTANT = [
    ['message.assistant.name', 'voice_calls.agent_name'],
    ['message.*ssistant.server.headers.*', 'redacted', 'headers of a server prove who calls it'],
    ['message.*ssistant.credentials', 'redacted', "the customer's own keys"],
    ['message.*ssistant.model.tools[].parameters[].value', 'redacted', STATIC],
    ['message.*ssistant.model.tools:append[].parameters[].value', 'redacted', STATIC],
    ['message.*ssistant.metadata.*api_key', 'redacted', "the customer's own keys"],
    ['message.*ssistant.metadata.*api-key', 'redacted', "the customer's own keys"],
    ['message.*ssistant.**', 'payload', CONFIGURATION],
];
/** What a call is called elsewhere: taken from the report. */
const NAMES = [
    EXTERNAL_ID,
    ...within('message.call', [
        ['phoneNumberId', 'payload', OF_REPORT],
        ['name', 'payload', OF_REPORT],
        ['campaignId', 'payload', OF_REPORT],
        ['assistantVersion', 'payload', OF_REPORT],
        ['customer.externalId', 'payload', OF_REPORT],
    ]),
];
const EVENT = [
    ['message.type', 'call_events.event_type', (type) => type.split('[')[0], 'without the part in brackets'],
    ['message.timestamp', 'call_events.occurred_at', 'time'],
];
const OF_CALL = [...EVENT, ...CALL, ...COURSE, ...NAMES];
const FULL = [...OF_CALL, ...ASSISTANT];

// ---- what is said ----

const ROLES = {user: 'user', bot: 'assistant', assistant: 'assistant'};
const isLine = ({role}) => role in ROLES;
const ofLine = (value, body, parent) => (isLine(parent) ? value : null);
const PROMPT = 'the system prompt and tools are in the payload only';

const LINES = [
    ['role', 'voice_messages.role', (role) => ROLES[role] ?? null, PROMPT],
    ['message', 'voice_messages.content', ofLine, PROMPT],
    ['time', 'voice_messages.spoken_at', (ms, body, parent) => (isLine(parent) ? new Date(ms) : null)],
    ['endTime', 'voice_messages.ended_at', 'time'],
    ['assistantId', 'voice_messages.metadata.assistantId'],
    ['assistantName', 'voice_messages.metadata.assistantName'],
    ['speakerLabel', 'voice_messages.metadata.speakerLabel'],
    ['isFiltered', 'voice_messages.metadata.isFiltered'],
    ['detectedThreats', 'voice_messages.metadata.detectedThreats', 'json'],
    ['originalMessage', 'redacted', 'what the filter took out'],
    ['secondsFromStart', 'payload', 'time says it'],
    ['duration', 'payload', 'said to be seconds, sent as milliseconds; the two times are sure'],
    ['toolCalls[].**', 'payload', TOOLS],
    ['**', 'payload', 'words with their confidence, and what tools gave: not said to anybody'],
];
const OPENAI = ['message.messagesOpenAIFormatted[].**', 'payload', 'messages say the same, with times'];
const ARTIFACT_SO_FAR = ['message.artifact.**', 'payload', 'the report brings it whole'];
const MESSAGES = within('message.messages[]', LINES);
const HISTORY = [...FULL, ...MESSAGES, OPENAI];

// ---- where a call goes ----

const DESTINATION = within('message.destination', [
    ['number', 'voice_calls.transferred_to'],
    ['assistantName', 'voice_calls.transferred_to'],
    ['**', 'payload', 'how the transfer is done and announced'],
]);

// ---- the report ----

const sum = (rows) =>
    rows.reduce((tokens, {promptTokens = 0, completionTokens = 0}) => tokens + promptTokens + completionTokens, 0);
const conversationTokens = (costs) => {
    const models = costs.filter(({type}) => type === 'model');
    return models.length > 0 ? sum(models) : null;
};
const totalCost = (total, {message}) => (message.cost === undefined ? total : null);

const RECORDING = [
    ['recording.mono.combinedUrl', 'voice_calls.recording_url'],
    ['recording.mono.combinedUrl', 'voice_calls.recording.mono'],
    ['recording.mono.assistantUrl', 'voice_calls.recording.assistant'],
    ['recording.mono.customerUrl', 'voice_calls.recording.customer'],
    ['recording.stereoUrl', 'voice_calls.recording.stereo'],
    ['recording.videoUrl', 'voice_calls.recording.video'],
    ['recording.videoRecordingStartDelaySeconds', 'voice_calls.recording.videoStartDelay'],
    ['recordingUrl', 'voice_calls.recording_url'],
    ['stereoRecordingUrl', 'voice_calls.recording.stereo'],
    ['videoRecordingUrl', 'voice_calls.recording.video'],
    ['videoRecordingStartDelaySeconds', 'voice_calls.recording.videoStartDelay'],
    ['logUrl', 'voice_calls.recording.log'],
    ['pcapUrl', 'voice_calls.recording.pcap'],
    ['presignedUrlsExpiresAt', 'payload', 'of links that are not kept'],
    ['presigned*Url', 'redacted', SIGNED_LINK],
];
const ARTIFACT = [
    ...within('messages[]', LINES),
    ['messages', 'payload', 'empty in a message without a conversation'],
    ['messagesOpenAIFormatted', 'payload', 'empty in a message without a conversation'],
    ['messagesOpenAIFormatted[].**', 'payload', 'messages say the same, with times'],
    ['transcript', 'voice_calls.transcript'],
    ...RECORDING,
    ['structuredOutputs', 'voice_calls.extracted_fields.structuredOutputs', 'json'],
    ['structuredOutputsLastUpdatedAt', 'payload', FOR_TUNING],
    ['skippedStructuredOutputs.**', 'payload', 'nothing was drawn from the call by these'],
    ['scorecards.**', 'payload', 'computed from the structured outputs'],
    [
        'transfers[].destination.number',
        'voice_calls.transferred_to',
        undefined,
        'of the last that succeeded, where the report names no destination',
    ],
    [
        'transfers[].destination.sipUri',
        'voice_calls.transferred_to',
        (uri, {message}) => (message.artifact.transfers.at(-1).destination.sipUri === uri ? uri : null),
        'of the last that succeeded, where the report names no destination',
    ],
    ['transfers[].**', 'payload', 'an attempt; of one that failed, the conversation with who did not take the call'],
    [
        'assistantActivations[].assistantId',
        'voice_calls.agent_id',
        undefined,
        'the first, who took the call; the others are in the payload',
    ],
    [
        'assistantActivations[].assistantName',
        'voice_calls.agent_name',
        (name, {message}) => (message.artifact.assistantActivations[0].assistantName === name ? name : null),
        'the first, who took the call; the others are in the payload',
    ],
    ['assistantActivations[].assistantVersion', 'payload', CONFIGURATION],
    ['nodes[].**', 'payload', CONFIGURATION],
    ['variable*.**', 'payload', "the assistant's working memory"],
    ['performanceMetrics.**', 'payload', FOR_TUNING],
];

const OLDER = 'of older reports, where there is no newer field';
const REPORT = [
    ...EVENT,
    ...CALL,
    ...COURSE,
    ['message.type', 'call_events.call_status', () => 'ended'],
    ...within('message', [
        ['startedAt', 'voice_calls.connected_at', 'time'],
        ['endedAt', 'voice_calls.ended_at', 'time'],
        ['endedReason', 'voice_calls.end_reason'],
        ['endedReason', 'voice_calls.status', ENDED],
        ['durationMs', 'voice_calls.duration_seconds', (ms) => Math.round(ms / 1000)],
        ['durationSeconds', 'voice_calls.duration_seconds', Math.round],
        ['durationMinutes', 'voice_calls.duration_seconds', (m) => Math.round(m * 60), OLDER],
        ['cost', 'voice_calls.cost', 'number'],
        ['cost', 'voice_calls.cost_currency', () => 'USD'],
        [
            'costs',
            'voice_calls.total_tokens_used',
            conversationTokens,
            "of the conversation's models; the rest is in the payload",
        ],
        ['costBreakdown.**', 'payload', 'costs has it row by row'],
        ['summary', 'voice_calls.summary'],
        ['transcript', 'voice_calls.transcript'],
        ['recordingUrl', 'voice_calls.recording_url'],
        ['stereoRecordingUrl', 'voice_calls.recording.stereo'],
        ['analysis.summary', 'voice_calls.summary'],
        ['analysis.structuredData', 'voice_calls.extracted_fields.structuredData', 'json'],
        ['analysis.structuredDataMulti', 'voice_calls.extracted_fields.structuredDataMulti', 'json'],
        ['analysis.successEvaluation', 'voice_calls.analysis.successEvaluation'],
        ['analysis', 'voice_calls.analysis', (analysis) => (Object.keys(analysis).length > 0 ? analysis : null)],
        ...within('artifact', ARTIFACT),
        ['artifact', 'payload', 'empty in a message without a conversation'],
        ['compliance', 'voice_calls.metadata.compliance', 'json'],
        ['assistant.metadata', 'voice_calls.metadata.assistantMetadata', 'json'],
        ['assistantVersion', 'voice_calls.metadata.assistantVersion'],
        ['customer.externalId', 'voice_calls.metadata.customerExternalId'],
    ]),
    ...MESSAGES,
    ...DESTINATION,
    ...within('message.call', [
        ['phoneNumberId', 'voice_calls.metadata.phoneNumberId'],
        ['name', 'voice_calls.metadata.name'],
        ['campaignId', 'voice_calls.metadata.campaignId'],
        ['squadId', 'voice_calls.metadata.squadId'],
        ['workflowId', 'voice_calls.metadata.workflowId'],
        ['assistantVersion', 'voice_calls.metadata.assistantVersion'],
        ['customer.externalId', 'voice_calls.metadata.customerExternalId'],
        ['endedMessage', 'voice_calls.metadata.endedMessage'],
        ['summary', 'voice_calls.summary'],
        ['transcript', 'voice_calls.transcript'],
        ['recordingUrl', 'voice_calls.recording_url'],
        ['stereoRecordingUrl', 'voice_calls.recording.stereo'],
        ['cost', 'voice_calls.cost', 'number'],
        ['costBreakdown.total', 'voice_calls.cost', totalCost, OLDER],
        ['cost*.**', 'payload', SAID_ABOVE],
        ['destination.**', 'payload', SAID_ABOVE],
        ['artifact', 'payload', SAID_ABOVE],
        ['analysis', 'payload', SAID_ABOVE],
    ]),
    ...ASSISTANT,
];

// ---- messages ----

const request = (name, fixtures, ...fields) => ({name, fixtures: files(...fixtures), fields: [...FULL, ...fields]});
const kept = (name, fixtures, fields, why) =>
    request(name, fixtures, ...fields.map((field) => [`message.${field}`, 'payload', why]));

const TOOL_CALLS = [
    ['message.toolCall*[].**', 'payload', TOOLS],
    ['message.toolWithToolCallList[].server.headers.*', 'redacted', 'headers of a server prove who calls it'],
    ['message.toolWithToolCallList[].parameters[].value', 'redacted', STATIC],
    ['message.toolWithToolCallList[].**', 'payload', CONFIGURATION],
];
const STATUS_UPDATE = [
    ...FULL,
    ['message.status', 'call_events.call_status'],
    ['message.status', 'voice_calls.status', STATUS],
    ['message.endedReason', 'voice_calls.end_reason'],
    ['message.endedReason', 'voice_calls.status', ENDED],
    ['message.inboundPhoneCallDebuggingArtifacts.**', 'payload', 'for who looks why a call was not taken'],
    ARTIFACT_SO_FAR,
];
const chat = (name, fixtures) => ({
    name,
    fixtures: files(...fixtures),
    fields: [...EVENT, ['message.*.**', 'payload', NO_CALL]],
});

export default {
    provider: 'vapi',
    title: 'Vapi',
    messages: [
        {
            name: 'status-update',
            fixtures: files(
                'status-update.scheduled.telnyx',
                'status-update.queued.outbound',
                'status-update.ringing',
                'status-update.ringing.forwarded-from',
                'status-update.ringing.sip-inbound',
                'status-update.queued.sip-outbound',
                'status-update.in-progress',
                'status-update.ended.customer-ended-call',
                'status-update.ended.no-answer',
                'status-update.ended.assistant-request-failed',
            ),
            fields: STATUS_UPDATE,
        },
        {
            name: 'status-update (forwarding)',
            fixtures: files('status-update.forwarding'),
            fields: [
                ...STATUS_UPDATE,
                ...DESTINATION,
                ...MESSAGES,
                OPENAI,
                ['message.transcript', 'voice_calls.transcript'],
                ['message.summary', 'voice_calls.summary'],
                ['message.call.destination.**', 'payload', SAID_ABOVE],
            ],
        },
        {
            name: 'status-update without a call',
            fixtures: files('status-update.without-call'),
            fields: [...EVENT, ['message.status', 'call_events.call_status']],
        },
        {
            name: 'transcript (final)',
            fixtures: files(
                'transcript.final-user',
                'transcript.final-assistant.bracketed-type',
                'transcript.final-user.non-ascii-filtered',
            ),
            fields: [
                ...OF_CALL,
                ['message.role', 'voice_messages.role'],
                ['message.transcript', 'voice_messages.content'],
                ['message.timestamp', 'voice_messages.spoken_at', 'time'],
                ['message.assistantId', 'voice_messages.metadata.assistantId'],
                ['message.assistantName', 'voice_messages.metadata.assistantName'],
                ['message.isFiltered', 'voice_messages.metadata.isFiltered'],
                ['message.detectedThreats', 'voice_messages.metadata.detectedThreats', 'json'],
                ['message.originalTranscript', 'redacted', 'what the filter took out'],
                ['message.transcriptType', 'payload', 'only final ones are stored'],
            ],
        },
        {
            name: 'transcript (partial)',
            fixtures: files('transcript.partial-user'),
            stored: false,
            why: 'the next one, or the final one, says it again',
        },
        {
            name: 'end-of-call-report',
            fixtures: files(
                'end-of-call-report.full',
                'end-of-call-report.full.redelivered',
                'end-of-call-report.forwarded',
                'end-of-call-report.no-answer.minimal',
                'end-of-call-report.squad-sip',
                'end-of-call-report.web-call',
                'end-of-call-report.legacy',
            ),
            fields: REPORT,
        },
        {
            name: 'conversation-update',
            fixtures: files('conversation-update'),
            fields: HISTORY,
        },
        {
            name: 'knowledge-base-request, call.endpointing.request',
            fixtures: files('knowledge-base-request', 'call.endpointing.request'),
            fields: HISTORY,
        },
        {
            name: 'transfer-update',
            fixtures: files('transfer-update.to-number', 'transfer-update.to-assistant'),
            fields: [
                ...OF_CALL,
                ...DESTINATION,
                ['message.toAssistant.name', 'voice_calls.transferred_to'],
                ...ASSISTANT.slice(1),
                ['message.*StepRecord.**', 'payload', CONFIGURATION],
            ],
        },
        request('assistant-request', ['assistant-request']),
        request('assistant.started', ['assistant.started']),
        kept(
            'assistant.speechStarted',
            ['assistant.speechStarted.word-alignment', 'assistant.speechStarted.word-progress'],
            ['text', 'turn', 'source', 'timing.**'],
            'it grows while it is said; whole lines come in transcript, conversation-update and the report',
        ),
        kept(
            'speech-update',
            ['speech-update.started-user', 'speech-update.stopped-assistant'],
            ['status', 'role', 'turn'],
            'who speaks, not what',
        ),
        kept('user-interrupted', ['user-interrupted'], ['turnId'], 'lines have no such id, so it marks none'),
        kept('model-output', ['model-output'], ['output', 'turnId'], 'pieces of a line that comes whole'),
        kept('voice-input', ['voice-input'], ['input'], 'what was to be said; what was said comes in the lines'),
        {
            ...kept(
                'voice-request',
                ['voice-request'],
                ['text', 'sampleRate'],
                'it asks for speech, which nothing here makes',
            ),
            answer: 422,
        },
        kept('language-change-detected', ['language-change-detected'], ['language'], FOR_TUNING),
        request('hang', ['hang']),
        request(
            'tool-calls',
            [
                'tool-calls.arguments-as-object',
                'tool-calls.arguments-as-string',
                'tool-calls.flat-shape-two-calls',
                'tool-calls.static-parameters',
            ],
            ...TOOL_CALLS,
        ),
        kept('function-call', ['function-call.legacy'], ['functionCall.**'], TOOLS),
        request('transfer-destination-request', ['transfer-destination-request']),
        kept('handoff-destination-request', ['handoff-destination-request'], ['parameters.**'], TOOLS),
        kept(
            'phone-call-control',
            ['phone-call-control.forward', 'phone-call-control.hang-up'],
            ['request', 'destination.**'],
            'it asks us to do it, and nobody does: it says nothing of what became of the call',
        ),
        kept(
            'call.artifact.upload',
            ['call.artifact.upload'],
            ['artifacts[].**'],
            "what reached the operator's own storage; where is not said",
        ),
        request('call.deleted', ['call.deleted']),
        {
            name: 'call.delete.failed',
            fixtures: files('call.delete.failed'),
            fields: [
                ...EVENT,
                ...CALL,
                ...NAMES,
                ['message.call.startedAt', 'payload', NOT_A_STAGE],
                ['message.call.ended*', 'payload', NOT_A_STAGE],
            ],
        },
        chat('chat.created, chat.deleted', ['chat.created', 'chat.deleted']),
        chat('session.created, session.updated, session.deleted', [
            'session.created',
            'session.updated',
            'session.deleted',
        ]),
        {
            name: 'campaign.predial',
            fixtures: files('campaign.predial'),
            fields: [
                ...EVENT,
                ['message.contact.number', 'call_events.to_number'],
                ['message.campaignId', 'payload', 'there is no call yet'],
                ['message.contact.**', 'payload', 'there is no call yet'],
            ],
        },
        kept('any other type', ['unknown-type'], ['mood'], 'new types come'),
    ],
};
