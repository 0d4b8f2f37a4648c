// bridge.mjs – for tests of bridged calls: hookline between Twilio and OpenAI, both as simulators (tests/simulators), and what
// is stored of a call in PostgreSQL. Whoever imports it gets all of that before the first test, and is rid of it after the last.

import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, beforeEach, describe, it} from 'node:test';
import {silence, speechLike, tone} from '../../simulators/mulaw.mjs';
import {startRealtime} from '../../simulators/realtime.mjs';
import {placeCall} from '../../simulators/twilio_call.mjs';
import {createDatabase} from './database.mjs';
import {PUBLIC_URL, ROOT, SANITIZED, SECRETS, startHookline} from './hookline.mjs';
import {inTurn, until} from './wait.mjs';

export const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
export const KEY = 'sk-test-0123456789abcdefghijklmnopqrstuv';
export const CALLER = '+12025550143';
export const NUMBERS = {bridge: '+12025550100', stream: '+12025550101', answer: '+12025550102'};
export const AGENT = {
    name: 'Pam',
    prompt: 'You answer the phone for Acme Plumbing. Be brief.',
    greeting: 'Thanks for calling Acme Plumbing.',
};

const SAMPLE = join(ROOT, 'tests/fixtures/openai-realtime/two-turn-barge-in');
export const TIMELINE = readFileSync(`${SAMPLE}.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
export const EXPECTED = JSON.parse(readFileSync(`${SAMPLE}.expect.json`, 'utf8'));

export let database;
export let realtime;
export let hookline;
export let agentId;

before(async () => {
    database = await createDatabase();
    realtime = await startRealtime();
    agentId = await database.value(
        "INSERT INTO agents (name, prompt, greeting, action) VALUES ($1, $2, $3, 'bridge') RETURNING id",
        [AGENT.name, AGENT.prompt, AGENT.greeting],
    );
    for (const [action, number] of Object.entries(NUMBERS))
        await database.rows(
            'INSERT INTO phone_numbers (number, provider, agent_id, action, greeting) VALUES ($1, $2, $3, $4, $5)',
            [
                number,
                'twilio',
                action === 'bridge' ? agentId : null,
                action,
                action === 'answer' ? 'We are closed.' : null,
            ],
        );
    hookline = await startHookline({
        DATABASE_URL: database.url,
        HOOKLINE_THREADS: 2,
        HOOKLINE_DEFAULT_REGION: 'US',
        OPENAI_API_KEY: KEY,
        OPENAI_REALTIME_URL: realtime.url,
        HOOKLINE_BRIDGE_PATIENCE: 8,
    });
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => realtime?.close(),
        () => database?.drop(),
    ),
);

beforeEach(() => (realtime.options = {apiKey: KEY}));

// ---- a call, and what is stored of it ----

/** Calls; script: what OpenAI's side does (realtime.mjs). Sessions of this call alone: next() gives one after the other. */
export async function dial(t, script = {}, options = {}) {
    let used = realtime.sessions.length;
    realtime.options = {apiKey: KEY, vad: {silenceMs: 200}, ...script};
    const call = await placeCall({
        voiceUrl: `${PUBLIC_URL}/webhooks/twilio/voice`,
        statusCallback: `${PUBLIC_URL}/webhooks/twilio`,
        via: hookline.url,
        authToken: SECRETS.TWILIO_AUTH_TOKEN,
        accountSid: SECRETS.TWILIO_ACCOUNT_SID,
        from: CALLER,
        to: NUMBERS.bridge,
        ...options,
    });
    t.after(() => call.hangUp());
    return {call, next: () => realtime.session(used++, PATIENCE_MS)};
}

/** Where a session must be without reproach, and so must the call. */
export function assertFaultless(call, ...sessions) {
    assert.deepEqual(call.allFaults, []);
    for (const session of sessions) assert.deepEqual([session.faults, session.errors], [[], []]);
}

export const callRow = (call) => database.row('SELECT * FROM voice_calls WHERE call_sid = $1', [call.callSid]);

/** The call's row once it is over. */
export async function endedCall(call) {
    await until(
        'the end of the call in voice_calls',
        async () => (await callRow(call))?.status === 'completed',
        PATIENCE_MS,
    );
    return callRow(call);
}

export const messagesOf = (call) =>
    database.rows(
        `SELECT m.message_key, m.role, m.content, m.source, m.tokens_used, m.interrupted, m.metadata, m.model, m.sequence_number::int,
                m.spoken_at IS NOT NULL AS timed
         FROM voice_messages m JOIN voice_calls c ON c.id = m.call_id
         WHERE c.call_sid = $1 AND NOT m.superseded ORDER BY m.sequence_number`,
        [call.callSid],
    );

/** Its lines, as soon as check finds in them what it looks for. */
export async function linesOf(call, check) {
    await until('the lines of the call', async () => check(await messagesOf(call)), PATIENCE_MS);
    return messagesOf(call);
}

export const said = (list) => list.filter(({role}) => role !== 'system').map(({role, content}) => [role, content]);
export const texts =
    (...wanted) =>
    (list) =>
        wanted.every((text) => list.some(({content}) => content === text));

/** The bridge's end in call_events. */
export async function bridgeEnd(call) {
    const ask = () =>
        database.row("SELECT payload, way FROM call_events WHERE call_sid = $1 AND event_type = 'bridge-ended'", [
            call.callSid,
        ]);
    await until('bridge-ended', ask, PATIENCE_MS);
    return ask();
}

export const TAP = {heard: 'I have a leaking tap.', says: 'Sure. We charge ninety dollars.', audioMs: 800, tokens: 250};
export const GREETING = {says: AGENT.greeting, audioMs: 600, tokens: 173};
