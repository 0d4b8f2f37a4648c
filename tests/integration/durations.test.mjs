// Durations follow from times, whoever writes them: there is none until both are known, and it is never negative.

import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {livekitCall, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {signTwilio} from './lib/sign.mjs';
import {inTurn} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));

const callDuration = (call) =>
    database.value('SELECT duration_seconds FROM voice_calls WHERE provider_call_id = $1', [call.providerCallId]);

test('a call has no duration until it has ended', async () => {
    const call = twilioCall('durations');
    const seen = [];
    for (const event of call.events) {
        assert.ok((await send(hookline.url, await event.sign())).status < 300);
        seen.push([event.name, await callDuration(call)]);
    }
    assert.deepEqual(seen, [['voice', null], ['initiated', null], ['ringing', null], ['in-progress', null], ['completed', 30]]);
});

test("a participant's stay has no duration until it is over", async () => {
    const call = livekitCall('durations');
    let open = 0;
    for (const event of call.events) {
        assert.ok((await send(hookline.url, await event.sign())).status < 300);
        for (const stay of await database.rows('SELECT left_at, duration_seconds FROM call_participants')) {
            assert.equal(stay.duration_seconds === null, stay.left_at === null, `after ${event.name}`);
            open += stay.left_at === null;
        }
    }
    assert.ok(open > 0);
});

test('an absurd duration is as long as can be told, and costs no other fact', async () => {
    const MOST = 2 ** 31 - 1;
    const told = twilioCall('absurd');
    const {params} = told.events.at(-1);
    assert.equal((await send(hookline.url, signTwilio({...params, CallDuration: '99999999999'}))).status, 204);
    const timed = vapiCall('absurd');
    const report = timed.events.find(({name}) => name === 'end-of-call-report');
    Object.assign(report.body.message, {startedAt: '1970-01-02T00:00:00Z', endedAt: '2200-01-01T00:00:00Z'});
    delete report.body.message.durationMs;
    delete report.body.message.durationSeconds;
    assert.equal((await send(hookline.url, await report.sign())).status, 200);
    for (const call of [told, timed]) {
        assert.equal(await callDuration(call), MOST, call.provider);
        assert.equal(await database.value('SELECT status FROM voice_calls WHERE provider_call_id = $1', [call.providerCallId]), 'completed');
    }
    assert.equal(await database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL'), 0);
});

test('rows written by others get their duration by trigger, and never a negative one', async () => {
    const id = await database.value(
        "INSERT INTO voice_calls (provider, provider_call_id, connected_at) VALUES ('twilio', 'by-hand', '2026-01-01T00:00:00Z') RETURNING id",
    );
    const duration = () => database.value('SELECT duration_seconds FROM voice_calls WHERE id = $1', [id]);
    assert.equal(await duration(), null);
    await database.client.query("UPDATE voice_calls SET ended_at = '2026-01-01T00:01:30.9Z' WHERE id = $1", [id]);
    assert.equal(await duration(), 90);
    await database.client.query("UPDATE voice_calls SET ended_at = '2025-12-31T23:59:59Z' WHERE id = $1", [id]);
    assert.equal(await duration(), 0);
});
