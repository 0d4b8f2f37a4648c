// calls.mjs – one whole call as each provider reports it: fresh, invented ids, telephone numbers that are kept for
// fiction, and fixed times, so that the rows that must come out can be written down.
//
// A call is {ids, events, …}: ids is an object, name → text that is in this call's deliveries only; events is a list of
// {name, sign()} in the order in which they happened; sign() gives a freshly signed delivery for send().

import {createHash} from 'node:crypto';
import {signLivekit, signTwilio, signVapi} from './sign.mjs';
import {SECRETS} from './hookline.mjs';

export const START_MS = Date.UTC(2026, 7, 12, 16, 3, 20);

/** `digits` hex digits that belong to this seed and name, and to no other. */
function hex(seed, name, digits) {
    return createHash('sha256').update(`${seed}/${name}`).digest('hex').slice(0, digits);
}

function uuid(seed, name) {
    const h = hex(seed, name, 32);
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`;
}

/** A customer's number, by count: 555-0100 to 555-0199 of one area code after the other, but for ours (202). */
export function phoneNumber(n) {
    const area = 203 + (Math.floor(n / 100) % 780);
    return `+1${area}55501${String(n % 100).padStart(2, '0')}`;
}

const OUR_NUMBER = '+12025550100';

const iso = (offsetMs) => new Date(START_MS + offsetMs).toISOString();
const rfc2822 = (offsetMs) => new Date(START_MS + offsetMs).toUTCString().replace('GMT', '+0000');

// ---- Twilio ----

/** An inbound call: the voice URL is fetched, then four callbacks. `account` must be hookline's TWILIO_ACCOUNT_SID. */
export function twilioCall(seed, {customer = phoneNumber(1), account = SECRETS.TWILIO_ACCOUNT_SID} = {}) {
    const ids = {callSid: `CA${hex(seed, 'call', 32)}`, customer};
    const common = {
        AccountSid: account,
        ApiVersion: '2010-04-01',
        CallSid: ids.callSid,
        Direction: 'inbound',
        From: customer,
        Caller: customer,
        To: OUR_NUMBER,
        Called: OUR_NUMBER,
        FromCity: '',
        FromCountry: 'US',
        CallerName: "José O'Neill & Söhne ",
    };
    const callback = (sequence, status, offsetMs, more = {}) => ({
        name: status,
        params: {
            ...common,
            CallStatus: status,
            CallbackSource: 'call-progress-events',
            SequenceNumber: String(sequence),
            Timestamp: rfc2822(offsetMs),
            ...more,
        },
    });
    const messages = [
        {name: 'voice', path: '/webhooks/twilio/voice', params: {...common, CallStatus: 'ringing'}},
        callback(0, 'initiated', 0),
        callback(1, 'ringing', 1000),
        callback(2, 'in-progress', 4000),
        callback(3, 'completed', 34_000, {CallDuration: '30', Duration: '1', SipResponseCode: '200'}),
    ];
    return {
        provider: 'twilio',
        ids,
        providerCallId: ids.callSid,
        callSid: ids.callSid,
        customer,
        events: messages.map(({name, params, path}) => ({
            name,
            params,
            sign: (options = {}) => signTwilio(params, {path, ...options}),
        })),
    };
}

// ---- Vapi ----

/** What a body holds that must never be stored. */
export const NEVER_STORED = 'REDACT-ME';

export function vapiCall(seed, {customer = phoneNumber(2), callSid = `CA${hex(seed, 'sid', 32)}`} = {}) {
    const ids = {callId: uuid(seed, 'call'), callSid, customer};
    const call = (status, offsetMs, more = {}) => ({
        id: ids.callId,
        orgId: '5c6ce9c3-2f6d-4c2b-9a1e-3c9a5e0f7b11',
        createdAt: iso(0),
        updatedAt: iso(offsetMs),
        type: 'inboundPhoneCall',
        status,
        phoneCallProvider: 'twilio',
        phoneCallProviderId: callSid,
        phoneCallTransport: 'pstn',
        transport: {
            provider: 'twilio',
            callSid,
            accountSid: SECRETS.TWILIO_ACCOUNT_SID,
            callToken: `${NEVER_STORED}-1`,
        },
        assistantId: '2de8bbed-041e-41b2-81c1-a340ce642e18',
        customer: {number: customer, name: 'Zoë'},
        monitor: {controlUrl: `https://calls.example.com/control?k=${NEVER_STORED}-2`},
        ...more,
    });
    const phoneNumberObject = {
        provider: 'twilio',
        number: OUR_NUMBER,
        twilioAccountSid: SECRETS.TWILIO_ACCOUNT_SID,
        twilioAuthToken: `${NEVER_STORED}-3`,
    };
    const message = (name, type, offsetMs, more) => ({
        name,
        body: {
            message: {
                type,
                timestamp: START_MS + offsetMs,
                phoneNumber: phoneNumberObject,
                customer: {number: customer, name: 'Zoë'},
                ...more,
            },
        },
    });
    const transcript = (name, role, offsetMs, text) =>
        message(name, 'transcript', offsetMs, {
            role,
            transcriptType: 'final',
            transcript: text,
            call: call('in-progress', 4000),
        });
    const said = (role, text, atMs, untilMs) => ({
        role,
        message: text,
        time: START_MS + atMs,
        endTime: START_MS + untilMs,
        secondsFromStart: (atMs - 4000) / 1000,
        duration: untilMs - atMs,
    });
    const lines = [
        said('bot', 'Thanks for calling, how can I help?', 4100, 6000),
        said('user', 'Hi, I would like to move my cleaning – on Thursday.', 7000, 9500),
        said('bot', 'Sure, which day suits you?', 10_000, 11_500),
        said('user', 'Friday.', 12_000, 12_700),
    ];
    const artifact = {
        messages: [
            {role: 'system', message: 'You are a friendly receptionist.', time: START_MS, secondsFromStart: 0},
            ...lines,
        ],
        transcript: lines.map((l) => `${l.role === 'bot' ? 'AI' : 'User'}: ${l.message}`).join('\n'),
        recordingUrl: `https://recordings.example.com/${ids.callId}.wav`,
        presignedMonoUrl: `https://recordings.example.com/${ids.callId}.wav?sig=${NEVER_STORED}-4`,
    };
    const messages = [
        message('ringing', 'status-update', 100, {status: 'ringing', call: call('ringing', 100)}),
        message('in-progress', 'status-update', 4000, {
            status: 'in-progress',
            call: call('in-progress', 4000, {startedAt: iso(4000)}),
        }),
        transcript('transcript-user', 'user', 9500, lines[1].message),
        transcript('transcript-assistant', 'assistant', 11_500, lines[2].message),
        message('ended', 'status-update', 34_000, {
            status: 'ended',
            endedReason: 'customer-ended-call',
            call: call('ended', 34_000, {startedAt: iso(4000), endedAt: iso(34_000)}),
        }),
        message('end-of-call-report', 'end-of-call-report', 40_000, {
            endedReason: 'customer-ended-call',
            startedAt: iso(4000),
            endedAt: iso(34_000),
            cost: 0.1234,
            costs: [
                {
                    type: 'model',
                    model: {provider: 'openai', model: 'gpt-4.1-mini'},
                    promptTokens: 900,
                    completionTokens: 80,
                    cost: 0.01,
                },
                {type: 'vapi', subType: 'normal', minutes: 0.5, cost: 0.025},
            ],
            analysis: {summary: 'The customer moved an appointment to Friday.', successEvaluation: 'true'},
            artifact,
            call: call('ended', 40_000, {startedAt: iso(4000), endedAt: iso(34_000)}),
        }),
    ];
    return {
        provider: 'vapi',
        ids,
        providerCallId: ids.callId,
        callSid,
        customer,
        lines,
        events: messages.map(({name, body}) => ({name, body, sign: (options = {}) => signVapi(body, options)})),
    };
}

// ---- LiveKit ----

export function livekitCall(seed, {customer = phoneNumber(3), callSid = `CA${hex(seed, 'sid', 32)}`} = {}) {
    const ids = {
        roomSid: `RM_${hex(seed, 'room', 12)}`,
        roomName: `call-${hex(seed, 'name', 16)}`,
        callerSid: `PA_${hex(seed, 'caller', 12)}`,
        agentSid: `PA_${hex(seed, 'agent', 12)}`,
        agentIdentity: `agent-AJ_${hex(seed, 'job', 12)}`,
        sipCallId: `SCL_${hex(seed, 'sip', 12)}`,
        callSid,
        customer,
    };
    const seconds = (offsetMs) => String(Math.floor((START_MS + offsetMs) / 1000));
    const ms = (offsetMs) => String(START_MS + offsetMs);
    const room = {
        sid: ids.roomSid,
        name: ids.roomName,
        emptyTimeout: 300,
        departureTimeout: 20,
        creationTime: seconds(0),
        creationTimeMs: ms(137),
        turnPassword: `${NEVER_STORED}-5`,
        enabledCodecs: [{mime: 'audio/opus'}],
        metadata: '{"business":"acme"}',
    };
    const caller = {
        sid: ids.callerSid,
        identity: `sip_${customer}`,
        name: `Phone ${customer}`,
        state: 'ACTIVE',
        joinedAt: seconds(1402),
        joinedAtMs: ms(1402),
        version: 3,
        kind: 'SIP',
        attributes: {
            'sip.callID': ids.sipCallId,
            'sip.callStatus': 'active',
            'sip.phoneNumber': customer,
            'sip.trunkPhoneNumber': OUR_NUMBER,
            'sip.ruleID': 'SDR_k3Wd8sYqTnPz',
            'sip.twilio.accountSid': SECRETS.TWILIO_ACCOUNT_SID,
            'sip.twilio.callSid': callSid,
        },
    };
    const agent = {
        sid: ids.agentSid,
        identity: ids.agentIdentity,
        name: 'Front desk',
        state: 'ACTIVE',
        joinedAt: seconds(2200),
        joinedAtMs: ms(2200),
        kind: 'AGENT',
        attributes: {'lk.agent.name': 'front-desk'},
    };
    const gone = (participant, reason) => ({
        ...participant,
        state: 'DISCONNECTED',
        version: 9,
        disconnectReason: reason,
    });
    const event = (name, event, offsetMs, more = {}) => {
        const id = `EV_${hex(seed, name, 12)}`;
        ids[`event: ${name}`] = id;
        return {name, body: {event, room, ...more, id, createdAt: seconds(offsetMs)}};
    };
    const messages = [
        event('room_started', 'room_started', 150),
        event('caller joined', 'participant_joined', 1500, {participant: caller}),
        event('agent joined', 'participant_joined', 2300, {participant: agent}),
        event('caller left', 'participant_left', 64_000, {participant: gone(caller, 'CLIENT_INITIATED')}),
        event('agent left', 'participant_left', 65_000, {participant: gone(agent, 'ROOM_CLOSED')}),
        event('room_finished', 'room_finished', 86_000),
    ];
    return {
        provider: 'livekit',
        ids,
        providerCallId: ids.roomSid,
        callSid,
        customer,
        events: messages.map(({name, body}) => ({name, body, sign: (options = {}) => signLivekit(body, options)})),
    };
}

export const CALLS = {twilio: twilioCall, vapi: vapiCall, livekit: livekitCall};
