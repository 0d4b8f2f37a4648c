// calls.mjs – whole calls of all six providers. Those of Twilio, Vapi and LiveKit are the integration tests'; here are
// those of Beyond Presence, Teli and an agent of the operator's own, shaped after webhooks/*/samples.c, and made the same
// way: ids that belong to the seed, fixed times, events in the order in which they happened, each with sign().

import {createHash} from 'node:crypto';
import {signAgent} from '../../integration/lib/agent.mjs';
import {CALLS, phoneNumber} from '../../integration/lib/calls.mjs';
import {MORE_SECRETS} from '../../integration/lib/fixtures.mjs';
import {shuffled} from '../../integration/lib/random.mjs';

const START_MS = Date.UTC(2026, 7, 12, 17, 41, 7);
const OUR_NUMBER = '+12025550100';
const JSON_TYPE = {'Content-Type': 'application/json'};

const iso = (offsetMs) => new Date(START_MS + offsetMs).toISOString();

function hex(seed, name, digits) {
    return createHash('sha256').update(`${seed}/${name}`).digest('hex').slice(0, digits);
}

function uuid(seed, name) {
    const h = hex(seed, name, 32);
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`;
}

/** Events of those who sign nothing, and are let in by their path. */
function byPath(path, messages) {
    return messages.map(({name, body}) => ({
        name,
        body,
        sign: () => ({path, headers: JSON_TYPE, body: JSON.stringify(body)}),
    }));
}

// ---- Beyond Presence ----

export function beyondPresenceCall(seed) {
    const ids = {callId: uuid(seed, 'beyond'), agentId: uuid(seed, 'agent')};
    const lines = [
        {sender: 'agent', message: 'Hello, I am Mira. What brings you here today?', sent_at: iso(2100)},
        {sender: 'user', message: 'Hi Mira – könnten wir über das Testabo sprechen?', sent_at: iso(8400)},
        {sender: 'agent', message: 'The trial lasts fourteen days and includes two agents.', sent_at: iso(12_950)},
    ];
    const messages = lines.map((line, i) => ({
        name: `message ${i + 1}`,
        body: {
            event_type: 'message',
            call_id: ids.callId,
            message: line,
            call_data: {userName: 'Robin Sample', agentId: ids.agentId},
        },
    }));
    messages.push({
        name: 'call_ended',
        body: {
            event_type: 'call_ended',
            call_id: ids.callId,
            user_name: 'Robin Sample',
            evaluation: {
                topic: 'Trial plan',
                user_sentiment: 'positive',
                duration_minutes: 0.35,
                messages_count: lines.length,
            },
            messages: lines,
            call_data: {agentId: ids.agentId},
        },
    });
    return {
        provider: 'beyond_presence',
        ids,
        providerCallId: ids.callId,
        customer: null,
        events: byPath(`/webhooks/beyond-presence/${MORE_SECRETS.BEY_WEBHOOK_SECRET}`, messages),
    };
}

// ---- Teli ----

export function teliCall(seed, {customer}) {
    const ids = {callId: `call_${hex(seed, 'teli', 27)}`, callSid: `CA${hex(seed, 'sid', 32)}`, customer};
    const call = (status, more = {}) => ({
        call_id: ids.callId,
        agent_id: `agent_${hex(seed, 'agent', 26)}`,
        call_type: 'phone_call',
        call_status: status,
        direction: 'inbound',
        from_number: customer,
        to_number: OUR_NUMBER,
        start_timestamp: START_MS,
        telephony_identifier: {twilio_call_sid: ids.callSid},
        ...more,
    });
    const line = (role, content, start, end) => ({role, content, words: [{word: content, start, end}]});
    const over = {
        end_timestamp: START_MS + 23_000,
        duration_ms: 23_000,
        disconnection_reason: 'user_hangup',
        transcript: 'Agent: Cedar Plumbing, how can I help?\nUser: My sink is leaking.\n',
        transcript_object: [
            line('agent', 'Cedar Plumbing, how can I help?', 0.8, 2.4),
            line('user', 'My sink is leaking.', 4.1, 5.6),
        ],
    };
    const analysis = {
        call_summary: 'The caller has a leaking sink.',
        in_voicemail: false,
        user_sentiment: 'Neutral',
        call_successful: true,
        custom_analysis_data: {},
    };
    return {
        provider: 'teli',
        ids,
        providerCallId: ids.callId,
        customer,
        events: byPath(`/webhooks/teli/${MORE_SECRETS.TELI_WEBHOOK_SECRET}`, [
            {name: 'call_started', body: {event: 'call_started', call: call('ongoing')}},
            {name: 'tool', body: {name: 'push_call_status', args: {status: 'booked'}, call: call('ongoing')}},
            {name: 'call_ended', body: {event: 'call_ended', call: call('ended', over)}},
            {
                name: 'call_analyzed',
                body: {event: 'call_analyzed', call: call('ended', {...over, call_analysis: analysis})},
            },
        ]),
    };
}

// ---- an agent of the operator's own ----

export function agentCall(seed, {customer}) {
    const ids = {callId: `c-${uuid(seed, 'agent')}`, callSid: `CA${hex(seed, 'sid', 32)}`, customer};
    const said = (n, role, content, offsetMs, more = {}) => ({
        id: `item_${hex(seed, `item ${n}`, 12)}`,
        role,
        content: [content],
        created_at: iso(offsetMs),
        ...more,
    });
    const lines = [
        said(1, 'assistant', 'Thank you for calling. How can I help?', 2600, {interrupted: false}),
        said(2, 'user', 'I have a leaking tap.', 6100, {language: 'en'}),
        said(3, 'assistant', 'I can send someone on Friday.', 9800, {model: 'gpt-realtime', tokens: 283}),
    ];
    const message = (name, type, offsetMs, data) => ({
        name,
        body: {type, timestamp: iso(offsetMs), data: {call_id: ids.callId, ...data}},
    });
    const messages = [
        message('call.started', 'call.started', 1600, {
            direction: 'inbound',
            from_number: customer,
            to_number: OUR_NUMBER,
            call_sid: ids.callSid,
            agent_name: 'front-desk',
            started_at: iso(1400),
            connected_at: iso(1400),
        }),
        ...lines.map((line, i) => message(`message ${i + 1}`, 'message', 4100 + i * 3300, line)),
        message('call.ended', 'call.ended', 25_000, {
            ended_at: iso(24_800),
            outcome: 'completed',
            end_reason: 'customer_hung_up',
            summary: 'A leaking tap; a plumber comes on Friday.',
            total_tokens: 1940,
            messages: lines,
        }),
    ];
    return {
        provider: 'agent',
        ids,
        providerCallId: ids.callId,
        customer,
        events: messages.map(({name, body}, i) => ({
            name,
            body,
            // Who sends a delivery again gives it the same id, and a new time.
            sign: () =>
                signAgent(body, {
                    secrets: MORE_SECRETS.AGENT_WEBHOOK_SECRET,
                    id: `msg_${hex(seed, `message ${i}`, 24)}`,
                }),
        })),
    };
}

export const ALL_CALLS = {...CALLS, beyond_presence: beyondPresenceCall, teli: teliCall, agent: agentCall};

// ---- many of them ----

/** Hands out telephone numbers: to every call one that no other has. */
export class Numbers {
    #next = 1;

    take() {
        return phoneNumber(this.#next++);
    }
}

/** One call as this provider reports it: {provider, ids, providerCallId, customer, events}. */
export function makeCall(provider, seed, numbers) {
    return ALL_CALLS[provider](`${seed}-${provider}`, {customer: numbers.take()});
}

/** `sets` calls of each provider, every second one's customer being a lead already. */
export function mixedCalls(seed, sets, numbers) {
    const providers = Object.keys(ALL_CALLS);
    return Array.from({length: sets}, (_, i) =>
        providers.map((provider) => ({...makeCall(provider, `${seed}-${i}`, numbers), hasLead: i % 2 === 0})),
    ).flat();
}

/** Each delivery a chain of its own: whichever sender is free takes the next. A few are sent twice. */
export function scattered(random, deliveries, twice = 0.1) {
    const copies = deliveries.filter(() => random() < twice);
    return shuffled(random, [...deliveries, ...copies]).map((delivery) => [delivery]);
}
