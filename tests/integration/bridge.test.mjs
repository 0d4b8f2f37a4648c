// bridge.test.mjs – a caller speaks with an agent, and what is stored of it. Real time: a telephone cannot be hurried.

import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {silence, speechLike, tone} from '../simulators/mulaw.mjs';
import {
    PATIENCE_MS,
    KEY,
    NUMBERS,
    AGENT,
    TIMELINE,
    EXPECTED,
    database,
    realtime,
    hookline,
    dial,
    assertFaultless,
    endedCall,
    messagesOf,
    linesOf,
    said,
    texts,
    bridgeEnd,
    TAP,
    GREETING,
} from './lib/bridge.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';

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
