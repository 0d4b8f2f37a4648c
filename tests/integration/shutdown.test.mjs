// SIGTERM: readiness turns 503, what is in flight finishes, everything acknowledged is stored, exit 0; and an instance
// started beside it takes over without a loss.

import assert from 'node:assert/strict';
import net from 'node:net';
import {after, before, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {missing, startLoad} from './lib/load.mjs';
import {get, getJson, send} from './lib/send.mjs';
import {until} from './lib/wait.mjs';

const ENOUGH = SANITIZED ? 100 : 500;

let database;

before(async () => {
    database = await createDatabase();
});

after(async () => {
    await database?.drop();
});

async function start(t, env = {}) {
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 20, ...env});
    t.after(hookline.kill); // where the test does not get to its end
    return hookline;
}

test('SIGTERM under load: all that was acknowledged is stored, and the exit code is 0', async (t) => {
    const hookline = await start(t);
    const load = startLoad(t, [hookline.url], {name: 'term', repeat: false, senders: 32});
    await until('some load', () => load.acknowledged.size >= ENOUGH);
    const stopping = hookline.stop('SIGTERM');
    const end = await stopping;
    await load.stop();
    assert.equal(end.code, 0, hookline.logText().slice(-3000));
    assert.equal(end.signal, null);
    assert.deepEqual(await missing(database, load.acknowledged), []);
    // A 503 is an answer too; nothing else is.
    assert.deepEqual(
        load.refused.filter((reply) => reply.status !== 503),
        [],
    );
});

test('SIGINT is the same', async (t) => {
    const hookline = await start(t);
    const load = startLoad(t, [hookline.url], {name: 'int', repeat: false});
    await until('some load', () => load.acknowledged.size >= ENOUGH / 5);
    const end = await hookline.stop('SIGINT');
    await load.stop();
    assert.equal(end.code, 0);
    assert.deepEqual(await missing(database, load.acknowledged), []);
});

test('during HOOKLINE_DRAIN_DELAY readiness is 503, and deliveries are still taken', async (t) => {
    const hookline = await start(t, {HOOKLINE_DRAIN_DELAY: 2});
    assert.equal((await get(hookline.url, '/readyz')).status, 200);
    const began = performance.now();
    const stopping = hookline.stop('SIGTERM');
    await until('not ready', async () => (await get(hookline.url, '/readyz')).status === 503, 1500);

    const ready = await getJson(hookline.url, '/readyz');
    assert.equal(ready.status, 503);
    assert.match(JSON.stringify(ready.json), /drain|shutting|stopping/i);
    assert.equal((await get(hookline.url, '/livez')).status, 200);
    const call = twilioCall('while draining');
    assert.equal((await send(hookline.url, call.events[4].sign(), {agent: false})).status, 204);
    assert.deepEqual(await missing(database, new Map([[call.callSid, 1]])), []);

    const end = await stopping;
    const took = performance.now() - began;
    assert.equal(end.code, 0);
    assert.ok(took >= 1900, `it was gone after ${took} ms`);
    assert.ok(took < 12_000, `it took ${took} ms`);
    await assert.rejects(send(hookline.url, call.events[4].sign(), {agent: false}), /ECONNREFUSED/);
});

test('an idle connection does not hold it up, and neither does one that has sent half a request', async (t) => {
    const hookline = await start(t, {HOOKLINE_DRAIN_DEADLINE: 5});
    const idle = net.connect(hookline.port, '127.0.0.1');
    const half = net.connect(hookline.port, '127.0.0.1');
    for (const socket of [idle, half]) socket.on('error', () => {});
    half.write('POST /webhooks/twilio HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n');
    await sleep(200);
    const began = performance.now();
    const end = await hookline.stop('SIGTERM');
    assert.equal(end.code, 0);
    assert.ok(performance.now() - began < 10_000);
    idle.destroy();
    half.destroy();
});

test('a second SIGTERM ends at once', async (t) => {
    const hookline = await start(t, {HOOKLINE_DRAIN_DELAY: 60});
    hookline.child.kill('SIGTERM');
    await until('not ready', async () => (await get(hookline.url, '/readyz')).status === 503);
    const began = performance.now();
    hookline.child.kill('SIGTERM');
    await hookline.exited;
    assert.ok(performance.now() - began < 5000);
});

test('a second instance takes over without a loss, and what both were told is there once', async (t) => {
    const old = await start(t, {HOOKLINE_DRAIN_DELAY: 0.5});
    const next = await start(t);
    const load = startLoad(t, [old.url, next.url], {name: 'beside'});
    await until('some load', () => load.acknowledged.size >= ENOUGH);
    const end = await old.stop('SIGTERM');
    const sofar = load.acknowledged.size;
    await until('load on the new one', () => load.acknowledged.size >= sofar + ENOUGH);
    await load.stop();
    assert.equal(end.code, 0);
    assert.deepEqual(await missing(database, load.acknowledged), []);
    assert.equal((await next.stop()).code, 0);
});

test('killed in the middle, it has stored all that it acknowledged', async (t) => {
    const hookline = await start(t);
    const load = startLoad(t, [hookline.url], {name: 'kill', repeat: false, senders: 32});
    await until('some load', () => load.acknowledged.size >= ENOUGH);
    await hookline.kill();
    await load.stop();
    assert.deepEqual(await missing(database, load.acknowledged), []);
});
