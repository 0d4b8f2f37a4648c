// bridge.test.mjs – a caller speaks with an agent: hookline between Twilio and OpenAI, both as simulators (tests/simulators),
// and what is stored of it in PostgreSQL. Real time: a telephone cannot be hurried.

import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, beforeEach, describe, it} from 'node:test';
import {silence, speechLike, tone} from '../simulators/mulaw.mjs';
import {startRealtime} from '../simulators/realtime.mjs';
import {placeCall} from '../simulators/twilio_call.mjs';
import {createDatabase} from './lib/database.mjs';
import {PUBLIC_URL, ROOT, SANITIZED, SECRETS, startHookline} from './lib/hookline.mjs';
import {inTurn, until} from './lib/wait.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
const KEY = 'sk-test-0123456789abcdefghijklmnopqrstuv';
const CALLER = '+12025550143';
const NUMBERS = {bridge: '+12025550100', stream: '+12025550101', answer: '+12025550102'};
const AGENT = {
    name: 'Pam',
    prompt: 'You answer the phone for Acme Plumbing. Be brief.',
    greeting: 'Thanks for calling Acme Plumbing.',
};

const SAMPLE = join(ROOT, 'tests/fixtures/openai-realtime/two-turn-barge-in');
const TIMELINE = readFileSync(`${SAMPLE}.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const EXPECTED = JSON.parse(readFileSync(`${SAMPLE}.expect.json`, 'utf8'));

let database;
let realtime;
let hookline;
let agentId;

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
async function dial(t, script = {}, options = {}) {
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
function assertFaultless(call, ...sessions) {
    assert.deepEqual(call.allFaults, []);
    for (const session of sessions) assert.deepEqual([session.faults, session.errors], [[], []]);
}

const callRow = (call) => database.row('SELECT * FROM voice_calls WHERE call_sid = $1', [call.callSid]);

/** The call's row once it is over. */
async function endedCall(call) {
    await until(
        'the end of the call in voice_calls',
        async () => (await callRow(call))?.status === 'completed',
        PATIENCE_MS,
    );
    return callRow(call);
}

const messagesOf = (call) =>
    database.rows(
        `SELECT m.message_key, m.role, m.content, m.source, m.tokens_used, m.interrupted, m.metadata, m.model, m.sequence_number::int,
                m.spoken_at IS NOT NULL AS timed
         FROM voice_messages m JOIN voice_calls c ON c.id = m.call_id
         WHERE c.call_sid = $1 AND NOT m.superseded ORDER BY m.sequence_number`,
        [call.callSid],
    );

/** Its lines, as soon as check finds in them what it looks for. */
async function linesOf(call, check) {
    await until('the lines of the call', async () => check(await messagesOf(call)), PATIENCE_MS);
    return messagesOf(call);
}

const said = (list) => list.filter(({role}) => role !== 'system').map(({role, content}) => [role, content]);
const texts =
    (...wanted) =>
    (list) =>
        wanted.every((text) => list.some(({content}) => content === text));

/** The bridge's end in call_events. */
async function bridgeEnd(call) {
    const ask = () =>
        database.row("SELECT payload, way FROM call_events WHERE call_sid = $1 AND event_type = 'bridge-ended'", [
            call.callSid,
        ]);
    await until('bridge-ended', ask, PATIENCE_MS);
    return ask();
}

const TAP = {heard: 'I have a leaking tap.', says: 'Sure. We charge ninety dollars.', audioMs: 800, tokens: 250};
const GREETING = {says: AGENT.greeting, audioMs: 600, tokens: 173};

describe('a bridged call', () => {
    it('is stored as the sample says, in the order in which it was spoken', async (t) => {
        const lead = await database.value('INSERT INTO leads (name, phone) VALUES ($1, $2) RETURNING id', [
            'Ada',
            '+12025550177',
        ]);
        const {call, next} = await dial(t, {timeline: TIMELINE}, {from: '+12025550177'});
        (await call.streamOpen()).follow(TIMELINE);
        const session = await next();
        await call.ended;
        await session.until('its end', () => session.closed, PATIENCE_MS);
        assertFaultless(call, session);
        assert.equal(session.closed.code, 1000);
        assert.equal(session.cancels.length, 0);

        const wanted = EXPECTED.voice_messages_in_conversation_order;
        const lines = await linesOf(call, texts(...wanted.map(({content}) => content)));
        assert.deepEqual(
            lines.map(({message_key, role, content, source, tokens_used}) => ({
                message_key,
                role,
                content,
                source,
                tokens_used,
            })),
            wanted.map(({message_key, role, content, tokens_used = null}) => ({
                message_key,
                role,
                content,
                source: 'bridge',
                tokens_used,
            })),
        );
        assert.ok(lines.every(({timed}) => timed));
        lines.slice(1).forEach(({sequence_number}, i) => assert.ok(sequence_number > lines[i].sequence_number));
        lines.forEach(({interrupted, metadata, role}, i) => {
            assert.equal(Boolean(interrupted), Boolean(wanted[i].interrupted), wanted[i].content);
            if (role === 'assistant') assert.equal(metadata.response_id, wanted[i].response_id);
            else assert.equal(metadata.audio_start_ms, wanted[i].audio_start_ms);
        });

        const [cut] = session.truncates;
        assert.equal(session.truncates.length, 1);
        assert.equal(cut.event.item_id, EXPECTED.to_openai.truncate.item_id);
        assert.equal(lines[2].metadata.heard_ms, cut.event.audio_end_ms);
        assert.ok([3200, 3400].includes(lines[2].metadata.generated_ms), `${lines[2].metadata.generated_ms}`);

        assert.equal(call.stream.clears.length, EXPECTED.to_twilio.clears);
        for (const [item, deltas] of Object.entries(EXPECTED.to_twilio.media_deltas_by_item))
            assert.ok(call.stream.audioReceived().includes(session.audioOf(item).subarray(0, deltas * 1600)), item);
        const forwarded = Object.values(EXPECTED.to_twilio.media_deltas_by_item).reduce((sum, n) => sum + n, 0);
        assert.equal(call.stream.receivedBytes, forwarded * 1600);

        const row = await endedCall(call);
        assert.equal(Number(row.total_tokens_used), EXPECTED.total_tokens_used);
        assert.equal(row.ai_agent_used, true);
        assert.equal(row.agent_name, AGENT.name);
        assert.equal(row.transcript_source, 'bridge');
        assert.equal(row.customer_number, '+12025550177');
        const view = await database.rows(
            'SELECT role, content, source FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number',
            [call.callSid],
        );
        assert.deepEqual(
            view,
            wanted.map(({role, content}) => ({role, content, source: 'bridge'})),
        );
        const link = await database.row('SELECT call_id, learned_by FROM lead_calls WHERE lead_id = $1', [lead]);
        assert.deepEqual(link, {call_id: row.id, learned_by: 'number'});

        const {payload, way} = await bridgeEnd(call);
        assert.equal(way, 'media');
        assert.deepEqual([payload.Sessions, payload.Tokens], [1, EXPECTED.total_tokens_used]);
    });

    it('is opened as the agent and the settings say, and only then hears the caller', async (t) => {
        const {call, next} = await dial(t, {greeting: GREETING, turns: [TAP], latencyMs: 300});
        const stream = await call.streamOpen();
        const speech = tone(500, {hz: 300});
        await stream.speak(Buffer.concat([speech, silence(20)])); // before the session is ready: it is held, not lost
        const session = await next();
        await session.got('response.create', 1, PATIENCE_MS);
        const [{event, refused}] = session.updates;
        assert.equal(refused, null);
        assert.equal(session.model, 'gpt-realtime-2.1');
        assert.match(event.session.instructions, /You answer the phone for Acme Plumbing\. Be brief\./);
        assert.deepEqual(event.session.audio.input.format, {type: 'audio/pcmu'});
        assert.deepEqual(event.session.audio.output.format, {type: 'audio/pcmu'});
        assert.ok(event.session.audio.input.transcription.model);
        assert.ok(event.session.audio.input.turn_detection.silence_duration_ms > 0);
        assert.ok(JSON.stringify(session.responseCreates[0]).includes(AGENT.greeting));
        await session.until('what was said first', () => session.appended().includes(speech), PATIENCE_MS);
        await call.hangUp();
        assert.equal(session.noiseBytes, 0);
        assertFaultless(call, session);
    });

    it('carries both voices untouched', async (t) => {
        const {call, next} = await dial(t, {greeting: GREETING, turns: [TAP]});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        const question = speechLike('I have a leaking tap.');
        await stream.speak(question);
        await session.until('the answer', () => session.sentOf('response.done').length === 2, PATIENCE_MS);
        await call.until('all of it heard', () => stream.playedMs >= 1400, PATIENCE_MS);
        await call.hangUp();
        assert.ok(session.appended().includes(question));
        const items = session.order.filter((id) => session.items.get(id).role === 'assistant');
        assert.deepEqual(stream.audioPlayed(), Buffer.concat(items.map((id) => session.audioOf(id))));
        assert.deepEqual(stream.clears, []);
        assert.ok(stream.marks.every(({cleared}) => !cleared));
        assertFaultless(call, session);
    });

    it('falls silent when the caller speaks, and tells OpenAI what was heard', async (t) => {
        const long = {
            heard: 'Tell me all.',
            says: 'It is a long story, and it begins with a tap.',
            audioMs: 6000,
            tokens: 400,
        };
        const {call, next} = await dial(t, {greeting: GREETING, turns: [long, TAP], lateDeltas: 3});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        await stream.speak(speechLike('Tell me all.'));
        await call.played(600 + 1500, PATIENCE_MS);
        await stream.speak(speechLike('Stop.'));
        const cleared = await call.cleared(1, PATIENCE_MS);
        await session.until('a truncation', () => session.truncates.length > 0, PATIENCE_MS);
        const [{event}] = session.truncates;
        assert.equal(event.item_id, session.interruptions[0].itemId);
        const heard = cleared.playedMs - 600;
        assert.ok(Math.abs(event.audio_end_ms - heard) <= 400, `${event.audio_end_ms} of ${heard} ms`);
        await session.until('the next answer', () => session.sentOf('response.done').length === 3, PATIENCE_MS);
        await call.until('the next answer heard', () => stream.playedMs >= cleared.playedMs + 800, PATIENCE_MS);
        await call.hangUp();
        assert.equal(stream.playedMs, cleared.playedMs + 800, 'nothing of what was cut off is heard after it');
        assertFaultless(call, session);
        const lines = await linesOf(call, texts('I have a leaking tap.', TAP.says));
        const told = lines.find(({message_key}) => message_key === `${event.item_id}:0`);
        assert.equal(told.interrupted, true);
        assert.equal(told.metadata.heard_ms, event.audio_end_ms);
        assert.equal(told.tokens_used, 400);
    });

    it('is interrupted after the answer was made, and before it was heard', async (t) => {
        const {call, next} = await dial(t, {greeting: {...GREETING, audioMs: 4000}, turns: [TAP], speed: 100});
        const stream = await call.streamOpen();
        const session = await next();
        await session.until('the whole greeting', () => session.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.played(300, PATIENCE_MS);
        await stream.speak(speechLike('Hello?'));
        await call.cleared(1, PATIENCE_MS);
        await session.until('the answer', () => session.sentOf('response.done').length === 2, PATIENCE_MS);
        await call.hangUp();
        assert.equal(session.truncates.length, 1);
        assertFaultless(call, session);
        const [greeting] = await linesOf(call, texts(TAP.says));
        assert.deepEqual(
            [greeting.interrupted, greeting.content, greeting.metadata.generated_ms],
            [true, AGENT.greeting, 4000],
        );
    });

    it('has its lines in their order however late they are written down, and one of each', async (t) => {
        const turns = [
            {heard: 'One.', says: 'Yes, one.', written: {when: 'with the next turn'}},
            {heard: 'Two.', says: 'Yes, two.', written: {outcome: 'twice', when: 'after the answer'}},
            {heard: 'Three.', says: 'Yes, three.', written: {outcome: 'failed'}},
            {heard: 'Four.', says: 'Yes, four.', written: {outcome: 'empty'}},
        ].map((turn) => ({...turn, audioMs: 200, tokens: 10}));
        const {call, next} = await dial(t, {greeting: {...GREETING, audioMs: 200}, turns});
        const stream = await call.streamOpen();
        const session = await next();
        for (let i = 0; i <= turns.length; i++) {
            await session.until(`answer ${i}`, () => session.sentOf('response.done').length === i + 1, PATIENCE_MS);
            await call.until('quiet', () => stream.playedMs >= 200 * (i + 1), PATIENCE_MS);
            if (i < turns.length) await stream.speak(tone(300));
        }
        await call.hangUp();
        assertFaultless(call, session);
        const lines = await linesOf(call, texts('One.', 'Two.', 'Yes, four.'));
        const spoken = said(lines).filter(([role, content]) => !(role === 'user' && !content));
        assert.deepEqual(spoken, [
            ['assistant', AGENT.greeting],
            ['user', 'One.'],
            ['assistant', 'Yes, one.'],
            ['user', 'Two.'],
            ['assistant', 'Yes, two.'],
            ['assistant', 'Yes, three.'],
            ['assistant', 'Yes, four.'],
        ]);
        const failed = lines[lines.findIndex(({content}) => content === 'Yes, three.') - 1];
        assert.deepEqual([failed.role, failed.content], ['user', null]);
        assert.ok(failed.metadata.error);
        const faults = (await hookline.metrics()).sum('hookline_bridge_faults_total', {kind: 'transcription'});
        assert.ok(faults >= 1);
        const row = await endedCall(call);
        assert.equal(Number(row.total_tokens_used), session.tokens);
    });

    it('keeps what was said last when the caller hangs up in mid-sentence', async (t) => {
        const {call, next} = await dial(t, {
            greeting: {...GREETING, audioMs: 200},
            turns: [{...TAP, written: {when: 400}}],
        });
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(200, PATIENCE_MS);
        stream.speak(tone(5000));
        await session.until(
            'speech',
            () => session.sentOf('input_audio_buffer.speech_started').length === 1,
            PATIENCE_MS,
        );
        await call.hangUp();
        await session.until('its end', () => session.closed, PATIENCE_MS);
        assert.equal(session.commits.length, 1);
        assert.equal(session.vad, null, 'nobody is there to be answered');
        assert.equal(session.sentOf('response.created').length, 1);
        assert.equal(session.closed.code, 1000);
        assertFaultless(call, session);
        assert.deepEqual(said(await linesOf(call, texts('I have a leaking tap.'))), [
            ['assistant', AGENT.greeting],
            ['user', 'I have a leaking tap.'],
        ]);
    });

    it('keeps them, whatever else goes wrong while they are awaited', async (t) => {
        const {call, next} = await dial(t, {greeting: {...GREETING, audioMs: 200}, turns: [TAP]});
        const stream = await call.streamOpen();
        const session = await next();
        const {conductor} = session;
        const commit = conductor.commit.bind(conductor);
        conductor.commit = () => {
            session.send({type: 'error', error: {type: 'invalid_request_error', code: null, message: 'Of another.'}});
            session.after(500, commit);
        };
        await call.played(200, PATIENCE_MS);
        stream.speak(tone(5000));
        await session.until(
            'speech',
            () => session.sentOf('input_audio_buffer.speech_started').length === 1,
            PATIENCE_MS,
        );
        await call.hangUp();
        assert.deepEqual(said(await linesOf(call, texts(TAP.heard))).at(-1), ['user', TAP.heard]);
        assertFaultless(call, session);
    });

    it('keeps what OpenAI notices only when the caller has hung up', async (t) => {
        const {call, next} = await dial(t, {greeting: {...GREETING, audioMs: 200}, turns: [TAP]});
        await call.streamOpen();
        const session = await next();
        const {conductor} = session;
        const update = conductor.update.bind(conductor);
        conductor.update = (event) => {
            if (event.session.audio?.input?.turn_detection === null)
                session.send({type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'item_late'});
            update(event);
        };
        await call.played(200, PATIENCE_MS);
        await call.until('sound', () => session.appendedMs > 300, PATIENCE_MS);
        await call.hangUp();
        assert.deepEqual(said(await linesOf(call, texts(TAP.heard))).at(-1), ['user', TAP.heard]);
        assert.equal(session.commits.length, 1);
        assertFaultless(call, session);
    });

    it('SIGTERM: goes on until right before the deadline, and all that was said is stored', async (t) => {
        const other = await startHookline({
            DATABASE_URL: database.url,
            HOOKLINE_DEFAULT_REGION: 'US',
            HOOKLINE_DRAIN_DEADLINE: 5,
            OPENAI_API_KEY: KEY,
            OPENAI_REALTIME_URL: realtime.url,
        });
        t.after(() => other.kill());
        const {call, next} = await dial(t, {greeting: GREETING, turns: [TAP]}, {via: other.url});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        const stopped = other.stop();
        await stream.speak(speechLike('I have a leaking tap.'));
        await session.until('an answer', () => session.sentOf('response.done').length === 2, PATIENCE_MS);
        assert.equal(session.closed, null);
        assert.equal((await stopped).code, 0);
        assert.deepEqual([session.closed.code, stream.closed.code], [1000, 1001]);
        assert.equal((await bridgeEnd(call)).payload.Reason, 'stopping');
        assert.deepEqual(said(await messagesOf(call)), [
            ['assistant', AGENT.greeting],
            ['user', TAP.heard],
            ['assistant', TAP.says],
        ]);
    });

    it('ends its session when Twilio is gone without a word', async (t) => {
        const {call, next} = await dial(t, {greeting: GREETING});
        const session = await next();
        await call.played(200, PATIENCE_MS);
        await call.drop();
        await session.until('its end', () => session.closed, PATIENCE_MS);
        assert.deepEqual(session.faults, []);
        assert.equal((await bridgeEnd(call)).payload.Sessions, 1);
    });
});

describe('when OpenAI’s side fails', () => {
    it('a session that breaks is followed by another, which knows what was said', async (t) => {
        const first = {
            greeting: GREETING,
            turns: [TAP, {heard: 'And then?', says: 'Then I was cut', dropAfterDeltas: 1, audioMs: 2000}],
        };
        const second = {
            greeting: {says: 'As I was saying.', audioMs: 400, tokens: 200},
            turns: [{heard: 'Are you there?', says: 'Here I am again.', audioMs: 400, tokens: 300}],
        };
        const begin = realtime.sessions.length;
        const {call, next} = await dial(t, {perSession: (i) => (i === begin ? first : second)});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        await stream.speak(speechLike('I have a leaking tap.'));
        await call.until('the answer', () => stream.playedMs >= 1400, PATIENCE_MS);
        await stream.speak(speechLike('And then?'));
        await session.until('the break', () => session.closed, PATIENCE_MS);
        const again = await next();
        await again.until('it to be ready', () => again.ready && again.creates.length >= 3, PATIENCE_MS);
        assert.equal(stream.closed, null);
        // The caller has asked, and the answer was cut off: it is owed, and asked for, without another greeting.
        await again.until('what is owed', () => again.responseCreates.length > 0, PATIENCE_MS);
        assert.deepEqual(
            again.responseCreates.map(({response}) => response?.instructions),
            [undefined],
        );
        await again.until('that answer', () => again.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.quiet(PATIENCE_MS);
        const history = again.creates.map(({event}) => [
            event.item.role,
            event.item.content[0].type,
            event.item.content[0].text,
        ]);
        const tail = history.slice(history.findIndex(([, , text]) => text === 'I have a leaking tap.'));
        assert.deepEqual(tail.slice(0, 2), [
            ['user', 'input_text', 'I have a leaking tap.'],
            ['assistant', 'output_text', TAP.says],
        ]);
        await stream.speak(speechLike('Are you there?'));
        await again.until('its answer', () => again.sentOf('response.done').length === 2, PATIENCE_MS);
        await call.quiet(PATIENCE_MS);
        await call.hangUp();
        assertFaultless(call, session, again);
        const lines = await linesOf(call, texts('Are you there?', 'Here I am again.'));
        const contents = lines.map(({content}) => content);
        assert.equal(new Set(lines.map(({message_key}) => message_key)).size, lines.length);
        assert.equal(contents.filter((content) => content === TAP.says).length, 1, 'history is not stored again');
        assert.deepEqual(contents.slice(-3), ['As I was saying.', 'Are you there?', 'Here I am again.']);
        assert.equal((await bridgeEnd(call)).payload.Sessions, 2);
    });

    it('so is one that has lived for as long as any may', async (t) => {
        const begin = realtime.sessions.length;
        const perSession = (i) =>
            i === begin ? {greeting: GREETING, closeAfter: {ms: 1500, error: true}} : {turns: [TAP]};
        const {call, next} = await dial(t, {perSession});
        const stream = await call.streamOpen();
        const session = await next();
        await session.until('its end', () => session.closed, PATIENCE_MS);
        const again = await next();
        await again.until('it to be ready', () => again.ready, PATIENCE_MS);
        await stream.speak(speechLike('I have a leaking tap.'));
        await again.until('an answer', () => again.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.hangUp();
        assert.deepEqual([...call.allFaults, ...session.faults, ...again.faults], []);
    });

    it('one that was lost before it said a word is followed by one that greets', async (t) => {
        const begin = realtime.sessions.length;
        const mute = {greeting: {...GREETING, respondAfterMs: 600_000}, dropAfterMs: 500};
        const {call, next} = await dial(t, {perSession: (i) => (i === begin ? mute : {greeting: GREETING})});
        await call.streamOpen();
        const session = await next();
        await session.until('the break', () => session.closed, PATIENCE_MS);
        const again = await next();
        await call.played(600, PATIENCE_MS);
        assert.ok(again.responseCreates[0].response.instructions.includes(AGENT.greeting));
        await call.hangUp();
        assertFaultless(call, session, again);
    });

    it('one that is lost is followed by one with the key that is set by then', async (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'hookline-key-'));
        t.after(() => rmSync(folder, {recursive: true}));
        const file = join(folder, 'key');
        writeFileSync(file, KEY, {mode: 0o600});
        const other = await startHookline({
            DATABASE_URL: database.url,
            HOOKLINE_DEFAULT_REGION: 'US',
            OPENAI_API_KEY_FILE: file,
            OPENAI_REALTIME_URL: realtime.url,
        });
        t.after(() => other.end());
        const {call, next} = await dial(t, {greeting: GREETING}, {via: other.url});
        await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        writeFileSync(file, `${KEY}-new`);
        other.child.kill('SIGHUP');
        assert.ok(await other.waitForLog(({msg}) => msg === 'reloaded', PATIENCE_MS));
        realtime.options = {apiKey: `${KEY}-new`, greeting: GREETING};
        session.drop();
        const again = await next();
        await again.until('it to be ready', () => again.creates.length > 0, PATIENCE_MS);
        await call.hangUp();
        assertFaultless(call, session, again);
    });

    it('one that grows old gives way to another while nobody speaks', async (t) => {
        const begin = realtime.sessions.length;
        const perSession = (i) => (i === begin ? {greeting: GREETING, lifeSeconds: 8} : {turns: [TAP]});
        const {call, next} = await dial(t, {perSession});
        const stream = await call.streamOpen();
        const session = await next();
        const again = await next();
        await session.until('its end', () => session.closed, PATIENCE_MS);
        assert.deepEqual([session.closed.code, session.closed.by], [1000, 'them']);
        await stream.speak(speechLike('I have a leaking tap.'));
        await again.until('an answer', () => again.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.hangUp();
        assert.equal(realtime.sessions.length, begin + 2);
        assertFaultless(call, session, again);
    });

    it('one that is lost while another is being opened gives way to that one', async (t) => {
        const begin = realtime.sessions.length;
        const perSession = (i) =>
            i === begin
                ? {greeting: GREETING, lifeSeconds: 8, dropAfterMs: 7500}
                : {turns: [TAP], latencyMs: 2000};
        const {call, next} = await dial(t, {perSession});
        const stream = await call.streamOpen();
        const session = await next();
        const again = await next();
        await session.until('its end', () => session.closed, PATIENCE_MS);
        await again.until('it to be ready', () => again.creates.length > 0, PATIENCE_MS);
        await stream.speak(speechLike('I have a leaking tap.'));
        await again.until('an answer', () => again.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.hangUp();
        assert.equal(realtime.sessions.length, begin + 2);
        assertFaultless(call, session, again);
    });

    it('one that says that its time is over, and does not close, is left', async (t) => {
        const begin = realtime.sessions.length;
        const {call, next} = await dial(t, {perSession: (i) => (i === begin ? {greeting: GREETING} : {turns: [TAP]})});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        const message = 'Your session hit the maximum duration of 60 minutes.';
        session.send({type: 'error', error: {type: 'invalid_request_error', code: 'session_expired', message}});
        const again = await next();
        await again.until('it to be ready', () => again.creates.length > 0, PATIENCE_MS);
        await stream.speak(speechLike('I have a leaking tap.'));
        await again.until('an answer', () => again.sentOf('response.done').length === 1, PATIENCE_MS);
        await call.hangUp();
        assert.deepEqual([call.allFaults, session.faults, again.faults], [[], [], []]);
    });

    it('an answer that never comes is waited for, but not for ever', async (t) => {
        const {call, next} = await dial(t, {greeting: GREETING, turns: [{heard: 'Hello?', answer: false}]});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        await stream.speak(speechLike('Hello?'));
        await call.streamClosed(PATIENCE_MS * 2);
        await call.ended;
        assert.ok(call.said.length > 0);
        assert.equal((await bridgeEnd(call)).payload.Reason, 'no_answer');
        assertFaultless(call, session);
    });

    for (const [refuse, why] of [
        ['invalid_api_key', 'a wrong key'],
        ['invalid_model', 'a model that is not there'],
        ['insufficient_quota', 'no money'],
    ])
        it(`${why} is not tried again, and the caller hears of it`, async (t) => {
            const {call, next} = await dial(t, {refuse});
            const session = await next();
            await call.streamOpen();
            await call.streamClosed(PATIENCE_MS);
            await call.ended;
            assert.equal(realtime.sessions.at(-1), session, 'one session');
            assert.ok(call.said.length > 0, 'words of regret');
            assert.deepEqual([call.allFaults, session.faults], [[], []]);
            assert.ok(!hookline.logText().includes(KEY));
            await endedCall(call);
            assert.ok((await bridgeEnd(call)).payload.Error);
        });

    for (const [name, script] of [
        ['never says that a session is there', {created: false}],
        ['never confirms its settings', {updated: false}],
        ['keeps a format that no telephone has', {updatedAs: 'pcm'}],
    ])
        it(`one that ${name} is given up in time, and hears no noise`, async (t) => {
            const {call, next} = await dial(t, script);
            const session = await next();
            await call.streamOpen();
            await call.streamClosed(PATIENCE_MS * 3);
            await call.ended;
            assert.ok(call.said.length > 0);
            assert.equal(session.noiseBytes + session.appendedBytes, 0);
            assert.deepEqual([call.allFaults, session.faults], [[], []]);
        });

    it('a model that may not write down is replaced by another, at last by none', async (t) => {
        for (const [refuseTranscription, written] of [
            [['gpt-4o-mini-transcribe'], true],
            [true, false],
        ]) {
            const {call, next} = await dial(t, {refuseTranscription, greeting: GREETING, turns: [TAP]});
            const stream = await call.streamOpen();
            const session = await next();
            await call.played(600, PATIENCE_MS);
            assert.equal(session.config.audio.input.transcription !== null, written);
            await stream.speak(speechLike('I have a leaking tap.'));
            await session.until('an answer', () => session.sentOf('response.done').length === 2, PATIENCE_MS);
            await call.hangUp();
            assert.deepEqual([call.allFaults, session.faults], [[], []]);
            const lines = await linesOf(call, texts(TAP.says, ...(written ? [TAP.heard] : [])));
            assert.equal(
                lines.some(({role, content}) => role === 'user' && content),
                written,
            );
        }
    });

    it('a response that fails in silence is not silent for the caller', async (t) => {
        const {call, next} = await dial(t, {
            greeting: GREETING,
            turns: [{heard: 'Hello?', fails: 'insufficient_quota'}],
        });
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        await stream.speak(speechLike('Hello?'));
        await call.ended;
        assert.ok(call.said.length > 0);
        assertFaultless(call, session);
    });

    it('odd frames do no harm: in pieces, large, unknown, and pings', async (t) => {
        const odd = {fragments: 5, bigEventBytes: 900_000, unknownEvents: true, doneWithoutCreated: true, pingMs: 100};
        const {call, next} = await dial(t, {...odd, greeting: GREETING, turns: [TAP]});
        const stream = await call.streamOpen();
        const session = await next();
        await call.played(600, PATIENCE_MS);
        await stream.speak(speechLike('I have a leaking tap.'));
        await call.until('the answer', () => stream.playedMs >= 1400, PATIENCE_MS);
        assert.ok(session.pongs > 0);
        await call.hangUp();
        assertFaultless(call, session);
        assert.deepEqual(said(await linesOf(call, texts(TAP.heard, TAP.says))), [
            ['assistant', AGENT.greeting],
            ['user', TAP.heard],
            ['assistant', TAP.says],
        ]);
    });

    it('one that does not read costs sound, not the call', async (t) => {
        const {call, next} = await dial(t, {greeting: GREETING, turns: [TAP], slowReadMs: 3000});
        const stream = await call.streamOpen();
        const session = await next();
        await session.until(
            'sound after the pause',
            () => session.appendedMs > 0 && stream.sentFrames > 200,
            PATIENCE_MS,
        );
        await stream.speak(speechLike('I have a leaking tap.'));
        await session.until('an answer', () => session.sentOf('response.done').length === 2, PATIENCE_MS);
        assert.equal(stream.closed, null);
        await call.hangUp();
        assertFaultless(call, session);
    });
});

describe('other numbers', () => {
    it('one that streams opens no session, one that answers says its words', async (t) => {
        const before_ = realtime.sessions.length;
        const streamed = await dial(t, {}, {to: NUMBERS.stream});
        const stream = await streamed.call.streamOpen();
        await streamed.call.until('a second of it', () => stream.sentFrames > 50);
        await streamed.call.hangUp();
        assertFaultless(streamed.call);
        const row = await endedCall(streamed.call);
        assert.notEqual(row.ai_agent_used, true);

        const answered = await dial(t, {}, {to: NUMBERS.answer});
        await answered.call.ended;
        assert.ok(answered.call.said.includes('We are closed.'));
        assertFaultless(answered.call);
        assert.equal(realtime.sessions.length, before_);
    });

    it('many calls at once stay apart', async (t) => {
        const count = SANITIZED ? 4 : 12;
        const first = realtime.sessions.length;
        const perSession = (i) => ({
            greeting: {says: `Greeting ${i}.`, audioMs: 200},
            turns: [{heard: `Question ${i}.`, says: `Answer ${i}.`, audioMs: 200}],
        });
        const calls = await Promise.all(Array.from({length: count}, () => dial(t, {perSession})));
        await Promise.all(
            calls.map(async ({call}) => {
                const stream = await call.streamOpen();
                await call.played(200, PATIENCE_MS);
                await stream.speak(tone(400));
                await call.until('the answer', () => stream.playedMs >= 400, PATIENCE_MS);
                await call.hangUp();
                assertFaultless(call);
                const lines = await linesOf(call, (list) => list.length >= 3 && list.every(({content}) => content));
                const [n] = /\d+/.exec(lines[0].content);
                assert.deepEqual(
                    lines.map(({content}) => content),
                    [`Greeting ${n}.`, `Question ${n}.`, `Answer ${n}.`],
                );
            }),
        );
        assert.equal(realtime.sessions.length, first + count);
    });
});
