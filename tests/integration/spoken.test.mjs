// What an agent of ours on a media stream tells of a call, told in any order: the rows, the tokens of the call, and the
// transcript. Deliveries as in tests/fixtures/twilio/bridge-deliveries.jsonl, stored as dead letters and replayed, each
// in a batch of its own: no bridge is needed for it.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, test} from 'node:test';
import {createDatabase} from './lib/database.mjs';
import {ROOT, runHookline, startHookline} from './lib/hookline.mjs';

const LINES = readFileSync(join(ROOT, 'tests/fixtures/twilio/bridge-deliveries.jsonl'), 'utf8').trim().split('\n');
const CALL = JSON.parse(LINES[0]).CallSid;
const STORED = `SELECT message_key, source, role, content, sequence_number, spoken_at, ended_at, tokens_used, model, model_used,
                       interrupted, metadata, superseded FROM voice_messages ORDER BY sequence_number`;

let database;

before(async () => {
    database = await createDatabase();
    const hookline = await startHookline({DATABASE_URL: database.url}); // which makes the tables
    await hookline.end();
});
after(() => database?.drop());
/** All that was told. */
const forget = () => database.client.query('DELETE FROM event_keys; DELETE FROM call_events; DELETE FROM voice_calls');
afterEach(forget);

async function tell(lines) {
    for (const [i, line] of lines.entries()) {
        await database.rows(
            `INSERT INTO call_events (provider, event_key, event_type, way, route, payload, error)
             VALUES ('twilio', $1, 'unknown', 'media', 'media-stream', $2, 'told to be understood')`,
            [`unknown:${i}`, line],
        );
        const {code, stdout, stderr} = runHookline(['replay'], {DATABASE_URL: database.url});
        assert.equal(code, 0, stdout + stderr);
    }
    assert.equal(await database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL'), 0);
}

const rows = async () => ({
    messages: await database.rows(STORED),
    calls: await database.rows('SELECT provider_call_id, call_sid, status, total_tokens_used, transcript_source, ai_agent_used, agent_id, agent_name FROM voice_calls'),
    keys: await database.rows('SELECT event_key, event_type, call_sid FROM call_events ORDER BY 1'),
});

test('a call is told', async () => {
    await tell(LINES);
    const {messages, calls} = await rows();
    assert.deepEqual(calls, [
        {
            provider_call_id: CALL,
            call_sid: CALL,
            status: 'active',
            total_tokens_used: 173 + 288 + 170,
            transcript_source: 'bridge',
            ai_agent_used: true,
            agent_id: '019c0000-0000-7000-8000-0000000000a9',
            agent_name: 'Acme Plumbing',
        },
    ]);
    assert.deepEqual(messages.map((m) => [m.role, m.tokens_used, m.interrupted, m.model_used === m.model, m.superseded]), [
        ['assistant', 173, null, true, false],
        ['user', null, null, true, false],
        ['assistant', 288, true, true, false],
        ['user', null, null, true, false],
        ['system', 170, null, true, false],
    ]);
    assert.equal(messages[2].metadata.usage.total_tokens, 288);
    assert.deepEqual(
        (await database.rows('SELECT role, content FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number', [CALL])).map((r) => [r.role, r.content]),
        [
            ['assistant', 'Thanks for calling Acme Plumbing. How can I help?'],
            ['user', 'I have a leaking tap.'],
            ['assistant', 'Sure. A leaking tap usually needs a new washer, and we charge ninety dollars'],
            ['user', null],
        ],
    );
});

test('told backwards, or twice, it is the same', async () => {
    await tell(LINES);
    const wanted = await rows();
    await tell(LINES.slice(3, 6));
    assert.deepEqual(await rows(), wanted);
    await forget();
    await tell([...LINES].reverse());
    assert.deepEqual(await rows(), wanted);
});
