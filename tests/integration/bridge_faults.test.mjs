// bridge_faults.test.mjs – a caller speaks with an agent, and OpenAI's side fails in one way or another.

import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, it} from 'node:test';
import {speechLike} from '../simulators/mulaw.mjs';
import {
    PATIENCE_MS,
    KEY,
    AGENT,
    database,
    realtime,
    hookline,
    dial,
    assertFaultless,
    endedCall,
    linesOf,
    said,
    texts,
    bridgeEnd,
    TAP,
    GREETING,
} from './lib/bridge.mjs';
import {startHookline} from './lib/hookline.mjs';

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
