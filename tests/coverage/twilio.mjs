// Where every field of Twilio's messages goes: see README.md.
//
// Source: twilio.com/docs/voice/twiml (request parameters and verbs), twilio.com/docs/voice/api (call, recording,
// real-time transcription, stream) and twilio.com/docs/voice/answering-machine-detection, read 2026-11-21.

const STATUS = {
    queued: 'pending',
    initiated: 'pending',
    ringing: 'pending',
    'in-progress': 'active',
    completed: 'completed',
    busy: 'failed',
    'no-answer': 'failed',
    failed: 'failed',
    cancelled: 'failed',
};
/** Final statuses, and why the call ended then. */
const END_REASON = {
    ...Object.fromEntries(Object.keys(STATUS).map((status) => [status, null])),
    completed: 'completed',
    busy: 'busy',
    'no-answer': 'no-answer',
    failed: 'failed',
    cancelled: 'canceled',
};
const DIRECTION = {inbound: 'inbound', 'outbound-api': 'outbound', 'outbound-dial': 'outbound'};

/** Twilio's documentation writes both. */
function spelled(status) {
    return status === 'cancelled' ? 'canceled' : status;
}

const e164 = (number) => (/^\+\d+$/.test(number) ? number : null);
/** Which side is the customer's. */
const whenInbound = (value, {Direction}) => (Direction === 'inbound' ? value : null);
const customerIsCaller = (value, {Direction}) => (Direction === 'inbound' ? e164(value) : null);
const customerIsCalled = (value, {Direction}) => (Direction === 'inbound' ? null : e164(value));
/** The column of a callback's Timestamp is that of its status. */
const timeOf =
    (...statuses) =>
    (value, {CallStatus}) =>
        statuses.includes(CallStatus) ? new Date(value) : null;

const IDS = [
    ['CallSid', 'voice_calls.provider_call_id'],
    ['CallSid', 'voice_calls.call_sid'],
    ['CallSid', 'call_events.call_sid'],
    ['AccountSid', 'voice_calls.account_id'],
];

/** What every request for TwiML, every status callback and the action of every verb carries. */
const CALL = [
    ...IDS,
    ['CallStatus', 'call_events.call_status', spelled],
    ['CallStatus', 'voice_calls.status', STATUS],
    ['CallStatus', 'voice_calls.end_reason', END_REASON],
    ['Direction', 'voice_calls.direction', DIRECTION],
    ['From', 'call_events.from_number'],
    ['From', 'voice_calls.from_number'],
    ['From', 'voice_calls.customer_number', customerIsCaller],
    ['To', 'call_events.to_number'],
    ['To', 'voice_calls.to_number'],
    ['To', 'voice_calls.customer_number', customerIsCalled],
    ['CallerName', 'voice_calls.customer_name', whenInbound],
    ['ForwardedFrom', 'voice_calls.forwarded_from'],
    ['ParentCallSid', 'voice_calls.parent_call_sid'],
    ['AnsweredBy', 'voice_calls.answered_by'],
    ['CallToken', 'redacted', "lets its holder place calls in the caller's name"],
    ['i-twilio-idempotency-token', 'payload', 'a header; tells two equal answers to <Gather> apart, by the event key'],
    ['Caller', 'payload', 'the same as From'],
    ['Called', 'payload', 'the same as To'],
    ['ApiVersion', 'payload', "the version of Twilio's API, not of the call"],
    ['FromCity', 'payload', 'a guess from the number, often empty; nothing merges by it'],
    ['FromState', 'payload', 'a guess from the number'],
    ['FromZip', 'payload', 'a guess from the number'],
    ['FromCountry', 'payload', 'a guess from the number'],
    ['ToCity', 'payload', 'a guess from the number'],
    ['ToState', 'payload', 'a guess from the number'],
    ['ToZip', 'payload', 'a guess from the number'],
    ['ToCountry', 'payload', 'a guess from the number'],
    ['CallerCity', 'payload', 'the same as FromCity'],
    ['CallerState', 'payload', 'the same as FromState'],
    ['CallerZip', 'payload', 'the same as FromZip'],
    ['CallerCountry', 'payload', 'the same as FromCountry'],
    ['CalledCity', 'payload', 'the same as ToCity'],
    ['CalledState', 'payload', 'the same as ToState'],
    ['CalledZip', 'payload', 'the same as ToZip'],
    ['CalledCountry', 'payload', 'the same as ToCountry'],
    ['StirVerstat', 'payload', "how far the caller's number can be trusted: told of one request, merged into nothing"],
    ['StirStatus', 'payload', 'the same, of a call that we placed'],
    ['MachineDetectionDuration', 'payload', 'milliseconds that the detection took'],
];

/** What a message says of a recording that it names in passing; the recording's own callback says it better. */
const NAMED_RECORDING = [
    ['RecordingUrl', 'voice_calls.recording_url'],
    ['RecordingSid', 'voice_calls.recording.id'],
    ['RecordingDuration', 'voice_calls.recording.seconds', 'number'],
];

const TRANSCRIPTION = [
    ...IDS,
    ['TranscriptionEvent', 'call_events.event_type'],
    ['TranscriptionSid', 'call_events.event_key', 'contains'],
    ['Timestamp', 'call_events.occurred_at', 'time'],
];
const LINE = [
    ...TRANSCRIPTION,
    ['TranscriptionData', 'voice_messages.content', (data) => JSON.parse(data).transcript],
    ['TranscriptionData', 'voice_messages.metadata.confidence', (data) => JSON.parse(data).confidence],
    ['Track', 'voice_messages.role', {inbound_track: 'user', outbound_track: 'assistant'}],
    ['Track', 'voice_messages.metadata.track'],
    ['LanguageCode', 'voice_messages.metadata.language'],
    ['SequenceId', 'voice_messages.message_key', 'contains'],
    ['SequenceId', 'voice_messages.sequence_number', (id, {Timestamp}) => Date.parse(Timestamp) * 1000 + Number(id)],
    ['Timestamp', 'voice_messages.spoken_at', 'time'],
    ['TranscriptionSid', 'voice_messages.message_key', 'contains'],
    ['Final', 'payload', 'what is not final is not stored'],
];

export default {
    provider: 'twilio',
    title: 'Twilio',
    messages: [
        {
            name: 'Voice URL',
            route: 'voice',
            fixtures: [
                'voice-inbound-ringing.form',
                'voice-inbound-anonymous-utf8.form',
                'voice-inbound-sip-forwarded.form',
                'voice-outbound-answered-url-fetch.form',
            ],
            fields: [
                ...CALL,
                ['SipHeader_*Token', 'redacted', 'a header that names a token is one'],
                ['SipHeader_*Authorization', 'redacted', 'credentials'],
                ['SipHeader_*', 'payload', "the caller's own headers: only they know what they mean"],
                ['SipDomain', 'payload', 'which of our SIP domains was called: To says it too'],
                ['SipUsername', 'payload', 'who registered: From says it too'],
                ['SipCallId', 'payload', "the SIP dialogue's own id, for those who debug it"],
                ['SipSourceIp', 'payload', 'where the SIP call came from, for those who debug it'],
            ],
        },
        {
            name: 'Voice fallback URL',
            route: 'voice',
            fixtures: ['voice-fallback-after-error.form'],
            fields: [
                ...CALL,
                ['ErrorCode', 'payload', 'why the first address did not do: a fault of ours, not of the call'],
                ['ErrorUrl', 'payload', 'the address that did not do'],
            ],
        },
        {
            name: 'Status callback',
            fixtures: [
                'status-inbound-forwarded-in-progress.form',
                'status-inbound-number-completed.form',
                'status-outbound-0-initiated.form',
                'status-outbound-1-ringing.form',
                'status-outbound-2-in-progress.form',
                'status-outbound-3-completed.form',
                'status-outbound-busy-486.form',
                'status-outbound-no-answer.form',
                'status-outbound-failed-404.form',
                'status-outbound-cancelled.form',
                'status-outbound-machine-completed.form',
                'status-dial-child-leg-completed.form',
            ],
            fields: [
                ...CALL,
                ...NAMED_RECORDING,
                ['CallbackSource', 'call_events.event_type'],
                ['CallSid', 'call_events.event_key', (sid, {CallStatus}) => `call:${sid}:${spelled(CallStatus)}`],
                ['Timestamp', 'call_events.occurred_at', 'time'],
                ['Timestamp', 'voice_calls.started_at', timeOf('initiated', 'ringing')],
                ['Timestamp', 'voice_calls.connected_at', timeOf('in-progress')],
                [
                    'Timestamp',
                    'voice_calls.ended_at',
                    timeOf('completed', 'busy', 'no-answer', 'failed', 'cancelled'),
                ],
                ['CallDuration', 'voice_calls.duration_seconds'],
                ['Duration', 'payload', 'minutes begun, for billing'],
                ['SequenceNumber', 'payload', 'order comes from what a status means, not from a counter'],
                ['SipResponseCode', 'payload', 'the status says it in a word (486 busy, 487 no-answer, 404 failed)'],
            ],
        },
        {
            name: 'Answering machine detection',
            fixtures: ['amd-async-result-machine.form'],
            fields: [
                ...IDS,
                ['AnsweredBy', 'voice_calls.answered_by'],
                ['MachineDetectionDuration', 'payload', 'milliseconds that the detection took'],
            ],
        },
        {
            name: 'Recording status callback',
            fixtures: [
                'recording-status-in-progress.form',
                'recording-status-completed.form',
                'recording-status-absent.form',
                'recording-status-absent-error.form',
            ],
            fields: [
                ...IDS,
                ['RecordingSid', 'voice_calls.recording.id'],
                ['RecordingSid', 'call_events.event_key', 'contains'],
                ['RecordingStatus', 'voice_calls.recording.status'],
                [
                    'RecordingUrl',
                    'voice_calls.recording_url',
                    (url, {RecordingStatus}) => (RecordingStatus === 'completed' ? url : null),
                    'of a recording that is there',
                ],
                ['RecordingDuration', 'voice_calls.recording.seconds', (text) => (text === '-1' ? null : text)],
                ['RecordingChannels', 'voice_calls.recording.channels', 'number'],
                ['RecordingSource', 'voice_calls.recording.source'],
                ['RecordingTrack', 'voice_calls.recording.track'],
                ['RecordingStartTime', 'voice_calls.recording.started_at', 'time'],
                ['ErrorCode', 'voice_calls.recording.error', (code) => (code === '0' ? null : code)],
            ],
        },
        {
            name: 'Recording of a conference',
            fixtures: ['recording-status-conference.form'],
            fields: [
                ['RecordingSid', 'call_events.event_key', 'contains'],
                ['**', 'payload', 'a conference is no call, and names none'],
            ],
        },
        {
            name: '<Record> action',
            fixtures: ['record-action.form'],
            fields: [
                ...CALL,
                ...NAMED_RECORDING,
                ['Digits', 'payload', 'the key that ended the recording, or "hangup": an answer to nothing'],
            ],
        },
        {
            name: 'Transcription of a recording',
            fixtures: ['transcription-legacy-completed.form', 'transcription-legacy-failed.form'],
            fields: [
                ...CALL,
                ...NAMED_RECORDING,
                ['TranscriptionText', 'voice_calls.transcript'],
                ['TranscriptionSid', 'call_events.event_key', 'contains'],
                ['TranscriptionStatus', 'call_events.event_key', 'contains'],
                ['TranscriptionUrl', 'payload', 'made of the ids'],
                ['TranscriptionType', 'payload', 'how it was made; undocumented'],
                ['url', 'payload', 'our own address'],
            ],
        },
        {
            name: 'Real-time transcription: started',
            fixtures: ['rtt-1-transcription-started.form'],
            fields: [
                ...TRANSCRIPTION,
                ['Timestamp', 'voice_calls.connected_at', 'time', 'inferred: audio flows, so somebody has answered'],
                ['SequenceId', 'payload', 'it happens once'],
                ['LanguageCode', 'payload', 'each line has it'],
                ['Track', 'payload', 'each line has its own'],
                ['ProviderConfiguration', 'payload', 'configuration, not what happened'],
                ['TranscriptionEngine', 'payload', 'configuration'],
                ['Name', 'payload', 'configuration'],
                ['InboundTrackLabel', 'payload', 'configuration; each line has its track'],
                ['OutboundTrackLabel', 'payload', 'configuration; each line has its track'],
                ['PartialResults', 'payload', 'configuration'],
            ],
        },
        {
            name: 'Real-time transcription: a line',
            fixtures: [
                'rtt-3-transcription-content-final.form',
                'rtt-4-transcription-content-final-outbound.form',
                'rtt-7-transcription-content-provider-data.form',
            ],
            fields: [
                ...LINE,
                ['TranscriptionProviderData', 'payload', "the engine's own words, not even always JSON"],
            ],
        },
        {
            name: 'Real-time transcription: a partial line',
            fixtures: ['rtt-2-transcription-content-partial.form'],
            stored: false,
            why: 'the next partial, or the final line, says it again',
        },
        {
            name: 'Real-time transcription: a line that cannot be read',
            fixtures: ['rtt-8-transcription-content-broken-data.form'],
            dead: true,
            fields: [
                ['CallSid', 'call_events.call_sid'],
                ['**', 'payload', 'a dead letter: a line is missing, and somebody should know'],
            ],
        },
        {
            name: 'Real-time transcription: stopped, error',
            fixtures: ['rtt-5-transcription-error.form', 'rtt-6-transcription-stopped.form'],
            fields: [
                ...TRANSCRIPTION,
                ['SequenceId', 'payload', 'tells the errors of one session apart, and orders nothing'],
                ['TranscriptionErrorCode', 'payload', 'the transcription failed, not the call'],
                ['TranscriptionError', 'payload', 'the transcription failed, not the call'],
            ],
        },
        {
            name: '<Gather> action',
            fixtures: ['gather-speech-result.form', 'gather-dtmf-result.form', 'gather-dtmf-result-idempotency-token.form', 'gather-empty-result.form'],
            fields: [
                ...CALL,
                ['SpeechResult', 'voice_messages.content'],
                ['SpeechResult', 'voice_messages.role', () => 'user'],
                ['SpeechResult', 'voice_messages.metadata.input', () => 'speech'],
                ['Confidence', 'voice_messages.metadata.confidence', 'number'],
                ['Language', 'voice_messages.metadata.language'],
                ['Digits', 'voice_messages.content'],
                ['Digits', 'voice_messages.role', () => 'user'],
                ['Digits', 'voice_messages.metadata.input', () => 'dtmf'],
                ['FinishedOnKey', 'voice_messages.metadata.finished_on_key'],
                ['msg', 'payload', 'undocumented'],
            ],
        },
        {
            name: '<Gather> that posts to the voice URL',
            route: 'voice',
            fixtures: ['voice-gather-result.form'],
            fields: [...CALL, ['Digits', 'voice_messages.content']],
        },
        {
            name: '<Gather> partial result',
            fixtures: ['gather-partial-result.form'],
            stored: false,
            why: 'the next one, or the result, says it again',
        },
        {
            name: '<Dial> action',
            fixtures: ['dial-action-completed.form', 'dial-action-no-answer.form'],
            fields: [
                ...CALL,
                ...NAMED_RECORDING,
                ['DialCallSid', 'voice_calls.provider_call_id', undefined, 'that leg is a call of its own'],
                ['DialCallSid', 'voice_calls.call_sid'],
                ['CallSid', 'voice_calls.parent_call_sid'],
                ['DialCallStatus', 'voice_calls.status', STATUS],
                ['DialCallStatus', 'voice_calls.end_reason', END_REASON],
                ['DialCallDuration', 'voice_calls.duration_seconds'],
                ['DialBridged', 'payload', 'DialCallStatus says whether that leg was answered'],
            ],
        },
        {
            name: '<Connect><ConversationRelay> action',
            fixtures: [
                'conversationrelay-action-completed.form',
                'conversationrelay-action-ended-handoff.form',
                'conversationrelay-action-failed.form',
            ],
            fields: [
                ...CALL,
                ['SessionId', 'call_events.event_key', 'contains'],
                ['SessionId', 'voice_calls.ai_agent_used', () => 'true'],
                ['SessionStatus', 'call_events.event_key', 'contains'],
                ['SessionDuration', 'payload', "the session's, not the call's"],
                ['HandoffData', 'payload', "the application's own text: only it knows whom the call goes to"],
                ['ErrorCode', 'payload', 'the session failed, the call goes on'],
                ['ErrorMessage', 'payload', 'the session failed, the call goes on'],
            ],
        },
        {
            name: 'Action of another verb',
            fixtures: ['action-enqueue.form'],
            fields: [...CALL, ['Queue*', 'payload', "the verb's own: not known here"]],
        },
        {
            name: '<Stream> status callback: started',
            fixtures: ['stream-status-started.form'],
            fields: [
                ...IDS,
                ['StreamSid', 'call_events.event_key', 'contains'],
                ['StreamEvent', 'call_events.event_type'],
                ['Timestamp', 'call_events.occurred_at', 'time'],
                ['Timestamp', 'voice_calls.connected_at', 'time', 'inferred: audio flows, so somebody has answered'],
                ['StreamName', 'payload', 'a name of ours'],
            ],
        },
        {
            name: '<Stream> status callback: stopped, error',
            fixtures: ['stream-status-stopped.form', 'stream-status-error.form'],
            fields: [
                ...IDS,
                ['StreamSid', 'call_events.event_key', 'contains'],
                ['StreamEvent', 'call_events.event_type'],
                ['Timestamp', 'call_events.occurred_at', 'time'],
                ['StreamName', 'payload', 'a name of ours'],
                ['StreamError', 'payload', 'the stream failed, not the call'],
            ],
        },
        {
            name: 'Conversational Intelligence',
            fixtures: ['intelligence-transcript-available.json', 'intelligence-transcript-available.form'],
            fields: [
                ['customer_key', 'call_events.call_sid'],
                ['customer_key', 'call_events.provider_call_id'],
                ['transcript_sid', 'call_events.event_key', 'contains'],
                ['event_type', 'call_events.event_type'],
                ['account_sid', 'payload', 'that a transcript is there is no fact of the call'],
                ['service_sid', 'payload', 'configuration'],
                ['encryption_credential_sid', 'payload', 'configuration'],
            ],
        },
        {
            name: 'Another message about a call',
            fixtures: ['other-of-a-call.form'],
            fields: [
                ['CallSid', 'call_events.call_sid'],
                ['**', 'payload', 'not known here: nothing is concluded from it'],
            ],
        },
        {
            name: 'Another message of an account',
            fixtures: ['other-of-an-account.form', 'other-of-an-account.json'],
            fields: [
                ['AccountSid', 'call_events.event_key', 'contains'],
                ['account_sid', 'call_events.event_key', 'contains'],
                ['Timestamp', 'call_events.occurred_at', 'time'],
                ['**', 'payload', 'not known here: nothing is concluded from it'],
            ],
        },
        {
            name: 'A message that names neither',
            fixtures: ['unknown-shape.form', 'intelligence-operator-results.json'],
            dead: true,
            fields: [['**', 'payload', 'a dead letter']],
        },
    ],
};
