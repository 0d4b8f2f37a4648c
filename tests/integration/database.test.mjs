// PostgreSQL that is not there, goes away, hangs, loses answers, or stands behind PgBouncer: nothing that was
// acknowledged is lost, and what cannot be stored is told to come again.

import assert from 'node:assert/strict';
import net from 'node:net';
import {after, before, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {CALLS, phoneNumber, twilioCall} from './lib/calls.mjs';
import {connect, createDatabase} from './lib/database.mjs';
import {runHookline, SANITIZED, startHookline} from './lib/hookline.mjs';
import {missing, startLoad} from './lib/load.mjs';
import {startBouncer} from './lib/pgbouncer.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {inParallel} from './lib/random.mjs';
import {assertSameRows, rowsByCall, withoutIds} from './lib/rows.mjs';
import {get, getJson, send} from './lib/send.mjs';
import {inTurn, until} from './lib/wait.mjs';

const ENOUGH = SANITIZED ? 100 : 400;

let database;

before(async () => {
    database = await createDatabase();
});

after(async () => {
    await database?.drop();
});

const isUp = async (hookline) => (await getJson(hookline.url, '/readyz')).json.database === 'up';

function assertComeAgain(reply) {
    assert.equal(reply.status, 503);
    assert.equal(reply.headers['retry-after'], '1');
}

/** Waits until nothing is on its way to the database any more. */
async function drained(hookline) {
    await until('the journal is drained', async () => {
        const metrics = await hookline.metrics();
        return metrics.sum('hookline_journal_deliveries') === 0 && metrics.sum('hookline_queue_deliveries') === 0;
    });
}

const journaled = async (hookline) =>
    (await hookline.metrics()).sum('hookline_deliveries_total', {outcome: 'journaled'});

test('without PostgreSQL at start it takes deliveries into the journal, and drains it once PostgreSQL is there', async (t) => {
    const proxy = await proxyTo(database.url);
    await proxy.close();
    const hookline = await startHookline({DATABASE_URL: proxy.url}, {ready: false});
    t.after(() => inTurn(hookline.end, proxy.close));

    const ready = await getJson(hookline.url, '/readyz');
    assert.equal(ready.status, 200);
    assert.match(ready.json.database, /database|postgres/i);
    assert.equal(ready.json.journal, 'up');
    assert.equal((await get(hookline.url, '/livez')).status, 200);
    const call = twilioCall('no database');
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    const metrics = await hookline.metrics();
    assert.equal(metrics.sum('hookline_database_up'), 0);
    assert.equal(metrics.sum('hookline_journal_deliveries'), 2);
    assert.equal(await journaled(hookline), 2);
    // A forgery is refused all the same.
    const forged = call.events[4].sign({token: 'ffeeddccbbaa99887766554433221100'});
    assert.equal((await send(hookline.url, forged)).status, 401);

    await proxy.listen();
    await until('the database is up', () => isUp(hookline));
    await drained(hookline);
    assert.deepEqual(await missing(database, new Map([[call.callSid, 1]])), []);
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    const after = await hookline.metrics();
    assert.equal(after.sum('hookline_database_up'), 1);
    assert.equal(after.sum('hookline_journal_drained_total'), 2);
    assert.equal(after.sum('hookline_journal_bytes'), 0);
});

test('with neither PostgreSQL nor a journal it is not ready, says why, and everybody is told to come again', async (t) => {
    const proxy = await proxyTo(database.url);
    await proxy.close();
    const env = {DATABASE_URL: proxy.url, HOOKLINE_DATA_DIR: '/dev/null'};
    const hookline = await startHookline(env, {ready: false});
    t.after(() => inTurn(hookline.end, proxy.close));

    const ready = await getJson(hookline.url, '/readyz');
    assert.equal(ready.status, 503);
    assert.equal(ready.json.reasons.length, 2);
    assert.match(ready.json.journal, /\/dev\/null/);
    assert.equal((await get(hookline.url, '/livez')).status, 200);
    const call = twilioCall('nothing');
    assertComeAgain(await send(hookline.url, call.events[4].sign()));
    assert.equal((await hookline.metrics()).sum('hookline_deliveries_total'), 0);

    await proxy.listen();
    await until('the database is up', () => isUp(hookline));
    assert.equal((await get(hookline.url, '/readyz')).status, 200);
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    assert.deepEqual(await missing(database, new Map([[call.callSid, 1]])), []);
});

test('a database without the schema is said to be so, and gets what was journaled once it is migrated', async (t) => {
    const bare = await createDatabase({migrate: false});
    const hookline = await startHookline({DATABASE_URL: bare.url}, {ready: false});
    t.after(() => inTurn(hookline.end, bare.drop));
    const call = twilioCall('no schema');
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    await until('/readyz says that the schema is missing', async () =>
        /migrate|schema/.test((await getJson(hookline.url, '/readyz')).json.database),
    );

    const {code, stderr} = runHookline(['migrate'], {DATABASE_URL: bare.url});
    assert.equal(code, 0, stderr);
    await until('the database is up', () => isUp(hookline));
    await drained(hookline);
    assert.deepEqual(await missing(bare, new Map([[call.callSid, 1]])), []);
});

test('HOOKLINE_MIGRATE migrates when the database is first reached, however late that is', async (t) => {
    const bare = await createDatabase({migrate: false});
    const proxy = await proxyTo(bare.url);
    await proxy.close();
    const hookline = await startHookline({DATABASE_URL: proxy.url, HOOKLINE_MIGRATE: 1}, {ready: false});
    t.after(() => inTurn(hookline.end, proxy.close, bare.drop));
    const call = twilioCall('late schema');
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    await proxy.listen();
    await until('the database is up', () => isUp(hookline), 30_000);
    await drained(hookline);
    assert.deepEqual(await missing(bare, new Map([[call.callSid, 1]])), []);
});

test('a database that is read-only is not written to, and is said to be so', async (t) => {
    const quiet = await createDatabase();
    await quiet.rows(`ALTER DATABASE ${quiet.name} SET default_transaction_read_only = on`);
    const hookline = await startHookline({DATABASE_URL: quiet.url}, {ready: false});
    t.after(() => inTurn(hookline.end, quiet.drop));
    await until('/readyz says so', async () =>
        /read-only/.test((await getJson(hookline.url, '/readyz')).json.database),
    );
    const call = twilioCall('read-only');
    assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
    await quiet.rows(`ALTER DATABASE ${quiet.name} RESET default_transaction_read_only`);
    await until('the database is up', () => isUp(hookline));
    await drained(hookline);
    assert.deepEqual(await missing(quiet, new Map([[call.callSid, 1]])), []);
});

test('connections that are ended under load lose nothing', async (t) => {
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 20});
    t.after(hookline.end);
    const load = startLoad(t, [hookline.url], {name: 'terminated'});
    let ended = 0;
    for (let i = 0; i < 50 && ended < 12; i++) {
        const sofar = load.acknowledged.size;
        await until('progress', () => load.acknowledged.size >= sofar + ENOUGH / 8);
        ended += await database.value(
            `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`,
        );
    }
    const sofar = load.acknowledged.size;
    await until('progress', () => load.acknowledged.size >= sofar + 20);
    await load.stop();
    await drained(hookline);
    assert.ok(ended >= 12, `${ended} connections were ended`);
    assert.deepEqual(await missing(database, load.acknowledged), []);
    assert.deepEqual(load.refused, []);
    assert.ok((await hookline.metrics()).sum('hookline_database_connections_lost_total') >= 8);
});

test('an answer of PostgreSQL that is lost does no harm: the batch is sent again, and is there once', async (t) => {
    const proxy = await proxyTo(database.url);
    const hookline = await startHookline({DATABASE_URL: proxy.url, HOOKLINE_COMMIT_DEADLINE: 20});
    t.after(() => inTurn(hookline.end, proxy.close));
    const load = startLoad(t, [hookline.url], {name: 'lost answer'});
    for (let i = 0; i < 10; i++) {
        const sofar = load.acknowledged.size;
        await until('progress', () => load.acknowledged.size >= sofar + ENOUGH / 20);
        const connections = proxy.connections();
        proxy.dropAnswers();
        await until('a cut connection', () => proxy.connections() < Math.max(connections, 1));
        proxy.dropAnswers(false);
    }
    const sofar = load.acknowledged.size;
    await until('progress', () => load.acknowledged.size >= sofar + 20);
    await load.stop();
    await drained(hookline);
    assert.deepEqual(await missing(database, load.acknowledged), []);
});

test('PostgreSQL that hangs: the journal takes over at the commit deadline, and all is stored once', async (t) => {
    const proxy = await proxyTo(database.url);
    const hookline = await startHookline({DATABASE_URL: proxy.url, HOOKLINE_COMMIT_DEADLINE: 1});
    t.after(() => inTurn(hookline.end, proxy.close));
    proxy.hold();
    const calls = Array.from({length: 12}, (_, i) => twilioCall(`hanging-${i}`));
    const took = [];
    for (const call of calls) {
        const began = performance.now();
        assert.equal((await send(hookline.url, call.events[4].sign())).status, 204);
        took.push(performance.now() - began);
    }
    assert.ok(took[0] >= 900 && took[0] < 4000, `the first took ${took[0]} ms`);
    // It does not wait for each of them: two connections hang, then it is known.
    assert.ok(took.filter((ms) => ms >= 900).length <= 3, `they took ${took.map(Math.round)} ms`);
    assert.equal(await journaled(hookline), calls.length);
    assert.equal((await get(hookline.url, '/readyz')).status, 200);

    proxy.release();
    await until('the database is up', () => isUp(hookline), 30_000);
    await drained(hookline);
    assert.deepEqual(await missing(database, new Map(calls.map((call) => [call.callSid, 1]))), []);
});

test('more than the queue may hold goes to the journal, not back to the provider', async (t) => {
    const locker = await connect(database.url);
    t.after(() => locker.end());
    const env = {HOOKLINE_COMMIT_DEADLINE: 20, HOOKLINE_QUEUE_BYTES: '256K', HOOKLINE_DATABASE_CONNECTIONS: 1};
    const hookline = await startHookline({DATABASE_URL: database.url, ...env});
    t.after(hookline.end);
    await locker.query('BEGIN; LOCK TABLE voice_calls IN ACCESS EXCLUSIVE MODE');
    const calls = Array.from({length: 60}, (_, i) => twilioCall(`overflow-${i}`));
    const replies = [];
    for (const call of calls) {
        const reply = send(hookline.url, call.events[4].sign());
        replies.push(reply);
        await Promise.race([reply, sleep(20)]); // one by one: the journal's memory has the same bound
    }
    assert.ok((await journaled(hookline)) > 10, `${await journaled(hookline)} were journaled`);
    assert.ok((await hookline.metrics()).sum('hookline_queue_bytes', {lane: 'live'}) <= 256 * 1024);
    await locker.query('ROLLBACK');
    for (const reply of await Promise.all(replies)) assert.equal(reply.status, 204);
    await drained(hookline);
    assert.deepEqual(await missing(database, new Map(calls.map((call) => [call.callSid, 1]))), []);
});

test('a table that is locked holds deliveries up, not the server; afterwards all are stored', async (t) => {
    const locker = await connect(database.url);
    t.after(() => locker.end());
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 15});
    t.after(hookline.end);
    await locker.query('BEGIN; LOCK TABLE voice_calls IN ACCESS EXCLUSIVE MODE');
    const calls = Array.from({length: 20}, (_, i) => twilioCall(`locked-${i}`));
    const replies = Promise.all(calls.map((call) => send(hookline.url, call.events[4].sign())));
    await sleep(500);
    assert.equal((await get(hookline.url, '/livez')).status, 200);
    assert.ok((await hookline.metrics()).sum('hookline_queue_deliveries') > 0);
    await locker.query('ROLLBACK');
    for (const reply of await replies) assert.equal(reply.status, 204);
    assert.deepEqual(await missing(database, new Map(calls.map((call) => [call.callSid, 1]))), []);
});

test('a client that leaves before the answer costs nothing, and its delivery is stored', async (t) => {
    const locker = await connect(database.url);
    t.after(() => locker.end());
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 15});
    t.after(hookline.end);
    await locker.query('BEGIN; LOCK TABLE voice_calls IN ACCESS EXCLUSIVE MODE');
    const calls = Array.from({length: 20}, (_, i) => twilioCall(`left-${i}`));
    for (const call of calls) {
        const {path, headers, body} = call.events[4].sign();
        const head = Object.entries(headers)
            .map(([name, value]) => `${name}: ${value}\r\n`)
            .join('');
        const socket = net.connect(hookline.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`, () =>
            setTimeout(() => socket.destroy(), 100),
        );
    }
    const queued = async () => (await hookline.metrics()).sum('hookline_queue_deliveries');
    await until('all are queued', async () => (await queued()) === calls.length, 5000);
    await sleep(200);
    await locker.query('ROLLBACK');
    await until(
        'all are stored',
        async () => (await missing(database, new Map(calls.map((c) => [c.callSid, 1])))).length === 0,
    );
    assert.equal((await send(hookline.url, twilioCall('after').events[4].sign())).status, 204);
});

// ---- PgBouncer ----

test('through PgBouncer in transaction mode every provider works, and the rows are the same', async (t) => {
    const bouncer = await startBouncer(database.url);
    t.after(bouncer.stop);
    await database.rows("INSERT INTO phone_numbers (number, action) VALUES ('+12025550100', 'answer')");
    const pooled = {DATABASE_URL: bouncer.url, HOOKLINE_DATABASE_POOLED: 1, HOOKLINE_API_TOKENS: 'ops:api-token'};
    const hooklines = [
        await startHookline(pooled),
        await startHookline(pooled),
        await startHookline({DATABASE_URL: database.url}),
    ];
    t.after(() => inTurn(...hooklines.map((hookline) => hookline.end)));

    for (const hookline of hooklines)
        assert.equal((await hookline.metrics()).sum('hookline_dialplan_numbers'), 1);

    const told = [];
    for (const provider of Object.keys(CALLS))
        for (let i = 0; i < 9; i++)
            told.push(CALLS[provider](`bounced-${i}`, {customer: phoneNumber(500 + told.length)}));
    await inParallel(9, told, async (call, i) => {
        for (const event of call.events) {
            const reply = await send(hooklines[i % 3].url, await event.sign());
            assert.equal(Math.floor(reply.status / 100), 2, `${event.name}: ${reply.status} ${reply.body}`);
        }
    });
    const rows = await rowsByCall(database);
    for (const provider of Object.keys(CALLS)) {
        const calls = told.filter((call) => call.provider === provider);
        const [pooledRows, alsoPooled, directRows] = calls.map((call) =>
            withoutIds(rows.get(call.providerCallId), call.ids),
        );
        assert.equal(directRows.voice_calls.length, 1);
        assertSameRows(pooledRows, directRows, provider);
        assertSameRows(alsoPooled, directRows, provider);
    }

    // The API too: asked for at one, looked at by the other.
    const headers = {Authorization: 'Bearer api-token'};
    const waiting = send(hooklines[0].url, {path: '/api/sync/teli?wait=1', headers});
    const asked = await until('a run that is asked for', () => database.value('SELECT id FROM reconcile_runs'));
    const seen = await get(hooklines[1].url, `/api/sync/runs/${asked}`, headers);
    assert.deepEqual([seen.status, JSON.parse(seen.body).asked_by], [200, 'ops']);
    await database.rows(`UPDATE reconcile_runs SET status = 'done', finished_at = now()`);
    assert.equal((await waiting).status, 200);

    // What it counts on must not be the session: the same server connection serves several hooklines.
    const load = startLoad(t, [hooklines[0].url, hooklines[1].url], {name: 'bounced'});
    await until('load', () => load.acknowledged.size >= ENOUGH);
    await database.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`,
    );
    const sofar = load.acknowledged.size;
    await until('load', () => load.acknowledged.size >= sofar + 50);
    await load.stop();
    for (const hookline of hooklines) await drained(hookline);
    assert.deepEqual(await missing(database, load.acknowledged), []);
});
