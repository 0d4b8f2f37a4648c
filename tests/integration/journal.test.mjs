// The journal: what was acknowledged without PostgreSQL gets there later, the same as if it had gone there at once;
// whoever left it behind, whatever became of the file, and what `hookline journal` says of it.

import assert from 'node:assert/strict';
import {appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {once} from 'node:events';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {CALLS, phoneNumber, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {listFixtures, MORE_SECRETS, providersWithFixtures, readFixture, signFixture} from './lib/fixtures.mjs';
import {newDataDir, runHookline, startHookline} from './lib/hookline.mjs';
import {missing} from './lib/load.mjs';
import {assertSameRows, rowsByCall} from './lib/rows.mjs';
import {getJson, send} from './lib/send.mjs';
import {signVapi} from './lib/sign.mjs';
import {inTurn, until} from './lib/wait.mjs';

/** Where nobody listens. */
const NOWHERE = 'postgresql://nobody@127.0.0.1:1/nothing';

let database;

before(async () => {
    database = await createDatabase();
});

after(() => database?.drop());

/** A hookline that has nothing but its journal. It ends with the test at the latest. */
async function startAlone(t, dataDir, env = {}) {
    const hookline = await startHookline({DATABASE_URL: NOWHERE, HOOKLINE_DATA_DIR: dataDir, ...env}, {ready: false});
    t.after(hookline.kill);
    return hookline;
}

async function startWith(t, dataDir, env = {}) {
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_DATA_DIR: dataDir, ...env});
    t.after(hookline.kill);
    return hookline;
}

async function sendAll(hookline, deliveries) {
    for (const delivery of deliveries) {
        const reply = await send(hookline.url, await delivery);
        assert.equal(Math.floor(reply.status / 100), 2, `${reply.status} ${reply.body}`);
    }
}

/** `count` completed calls, journaled by a hookline that is then killed: their Call SIDs, as missing() takes them. */
async function leaveBehind(t, dataDir, name, count, env) {
    const calls = Array.from({length: count}, (_, i) => twilioCall(`${name}-${i}`));
    const hookline = await startAlone(t, dataDir, env);
    await sendAll(
        hookline,
        calls.map((call) => call.events[4].sign()),
    );
    await hookline.kill();
    return new Map(calls.map((call) => [call.callSid, 1]));
}

const storedAll = (calls) => until('all is stored', async () => (await missing(database, calls)).length === 0);

/** The files of a slot, but for its lock. */
const segments = (dataDir, slot = 0) =>
    readdirSync(join(dataDir, 'journal', String(slot)))
        .filter((name) => name !== 'lock')
        .sort();

const newest = (dataDir) => join(dataDir, 'journal/0', segments(dataDir).at(-1));

const journal = (what, dataDir, env = {}) => runHookline(['journal', what], {HOOKLINE_DATA_DIR: dataDir, ...env});

// ---- who drains it ----

test('what a hookline left behind when it was killed, the next one on that folder stores', async (t) => {
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'left', 25);
    assert.equal(segments(dataDir).length, 1);
    const next = await startWith(t, dataDir);
    await storedAll(calls);
    await until('the file is gone', async () => (await next.metrics()).sum('hookline_journal_deliveries') === 0);
    await next.end();
    assert.deepEqual(segments(dataDir), []);
});

test('a hookline that is stopped leaves its journal to the next one, however often', async (t) => {
    const dataDir = newDataDir();
    const all = new Map();
    for (let round = 0; round < 3; round++) {
        const call = twilioCall(`stopped-${round}`);
        const hookline = await startAlone(t, dataDir);
        await sendAll(hookline, [call.events[4].sign()]);
        all.set(call.callSid, 1);
        await hookline.end();
    }
    assert.equal(segments(dataDir).length, 3);
    assert.match(journal('verify', dataDir).stdout, /3 deliveries wait/);
    await startWith(t, dataDir);
    await storedAll(all);
});

test('two side by side have a slot each; the one that lives adopts what the other left', async (t) => {
    const dataDir = newDataDir();
    const living = await startWith(t, dataDir);
    const calls = await leaveBehind(t, dataDir, 'beside', 10);
    assert.deepEqual(readdirSync(join(dataDir, 'journal')).sort(), ['0', '1']);
    await storedAll(calls);
    await until('the slot is empty', () => segments(dataDir, 1).length === 0);
    assert.match(living.logText(), /adopted/);
});

test('what a running hookline holds is left to it', async (t) => {
    const dataDir = newDataDir();
    const alone = await startAlone(t, dataDir);
    await sendAll(alone, [twilioCall('held').events[4].sign()]);
    const {code, stdout} = journal('drain', dataDir, {DATABASE_URL: database.url});
    assert.equal(code, 0, stdout);
    assert.match(stdout, /held by a running hookline/);
    assert.match(journal('verify', dataDir).stdout, /held by a running hookline[^]*1 deliveries wait/);
    assert.match(journal('dump', dataDir).stdout, /"provider":"twilio"/);
});

test('hookline journal drain reads a number without a country as a hookline that serves does', async (t) => {
    const dataDir = newDataDir();
    const call = vapiCall('national', {customer: '(202) 555-0177'});
    const alone = await startAlone(t, dataDir);
    await sendAll(alone, [call.events[1].sign()]);
    await alone.kill();
    const drained = journal('drain', dataDir, {DATABASE_URL: database.url, HOOKLINE_DEFAULT_REGION: 'US'});
    assert.equal(drained.code, 0, drained.stderr);
    assert.equal(
        await database.value('SELECT customer_number FROM voice_calls WHERE provider_call_id = $1', [call.providerCallId]),
        '+12025550177',
    );
});

// ---- what is stored ----

describe('every message of every provider', () => {
    test('has the same rows whether it came through the journal or not', async (t) => {
        const direct = await createDatabase();
        const drained = await createDatabase();
        t.after(() => inTurn(direct.drop, drained.drop));
        const dataDir = newDataDir();
        const secrets = {...MORE_SECRETS, TWILIO_ACCOUNT_SID: null};
        const straight = await startWith(t, newDataDir(), {DATABASE_URL: direct.url, ...secrets});
        const alone = await startAlone(t, dataDir, secrets);

        const told = [];
        for (const provider of providersWithFixtures())
            for (const name of listFixtures(provider)) {
                const route = provider === 'twilio' && name.includes('voice') ? 'voice' : 'events';
                const fixture = readFixture(provider, name);
                // Several rooms of the fixtures have one name: which of them it means depends on when it comes.
                if (provider === 'agent' && fixture.body.data?.session_id) continue;
                told.push(await signFixture(provider, route, fixture));
            }
        for (const provider of Object.keys(CALLS))
            for (const event of CALLS[provider](`both ways ${provider}`, {customer: phoneNumber(777)}).events)
                told.push(await event.sign());
        told.push(signVapi('{"message": not JSON'), signVapi('{"message":{"type":7}}'));
        for (const delivery of told) {
            const replies = [await send(straight.url, delivery), await send(alone.url, delivery)];
            assert.deepEqual(
                [replies[1].status, replies[1].body],
                [replies[0].status, replies[0].body],
                `${delivery.path}`,
            );
        }
        await alone.kill();
        const next = await startWith(t, dataDir, {DATABASE_URL: drained.url, ...secrets});
        await until('drained', async () => (await next.metrics()).sum('hookline_journal_deliveries') === 0);
        await inTurn(straight.end, next.end);

        const [wanted, found] = [await rowsByCall(direct), await rowsByCall(drained)];
        assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
        for (const [id, rows] of wanted) assertSameRows(sorted(found.get(id)), sorted(rows), id ?? 'of no call');
        assert.ok(wanted.size > 30, `${wanted.size} calls`);
        assert.equal(await drained.value('SELECT count(*) FROM call_events WHERE raw IS NOT NULL'), 1);
    });
});

function sorted(tables) {
    const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    return Object.fromEntries(Object.entries(tables).map(([table, rows]) => [table, [...rows].sort(byText)]));
}

test('received_at is when it was first received, not when it was drained', async (t) => {
    const dataDir = newDataDir();
    const before = Date.now();
    const calls = await leaveBehind(t, dataDir, 'received', 1);
    const after = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await startWith(t, dataDir);
    await storedAll(calls);
    const received = Date.parse(
        await database.value('SELECT received_at FROM call_events WHERE call_sid = $1', [[...calls.keys()][0]]),
    );
    assert.ok(received >= before - 1 && received <= after + 1, `${received}: not from ${before} to ${after}`);
});

test('one that PostgreSQL refuses for its content is a dead letter, alone', async (t) => {
    const own = await createDatabase();
    t.after(own.drop);
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'refused', 40);
    const [refused] = [...calls.keys()].slice(17);
    await own.rows(`ALTER TABLE voice_calls ADD CONSTRAINT none_of_these CHECK (call_sid <> '${refused}')`);
    const next = await startWith(t, dataDir, {DATABASE_URL: own.url});
    await until('drained', async () => (await next.metrics()).sum('hookline_journal_deliveries') === 0);
    assert.deepEqual(await missing(own, calls), [refused]);
    const dead = await own.rows('SELECT call_sid, error, payload IS NOT NULL AS kept FROM call_events WHERE error IS NOT NULL');
    assert.equal(dead.length, 1);
    assert.equal(dead[0].call_sid, refused);
    assert.match(dead[0].error, /23514/);
    assert.equal(dead[0].kept, true);
    assert.deepEqual(segments(dataDir).length, 1); // the one that it writes to now
});

// What a trigger of somebody does to the one call that it does not like.
const TROUBLES = {
    'raises an exception': `RAISE EXCEPTION 'not on a Friday';`,
    'calls what is not there': 'PERFORM there_is_no_such_function();',
    'takes longer than the statement may': 'PERFORM pg_sleep(60);',
};

for (const [what, body] of Object.entries(TROUBLES))
    test(`one delivery for which a trigger ${what} holds up nobody, and is stored once that is mended`, async (t) => {
        const own = await createDatabase();
        t.after(own.drop);
        const dataDir = newDataDir();
        // More than are put at once, in several files.
        const calls = await leaveBehind(t, dataDir, `odd ${what}`, 400, {HOOKLINE_JOURNAL_MAX_BYTES: '1M'});
        assert.ok(segments(dataDir).length >= 3);
        const [odd] = [...calls.keys()].slice(11);
        await own.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN ${body} RETURN NEW; END$$`);
        await own.rows(`CREATE TRIGGER refuse BEFORE INSERT ON voice_calls FOR EACH ROW
            WHEN (NEW.call_sid = '${odd}') EXECUTE FUNCTION refuse()`);
        const env = {DATABASE_URL: own.url, HOOKLINE_COMMIT_DEADLINE: 0.5, HOOKLINE_STATEMENT_TIMEOUT: 1};
        const next = await startWith(t, dataDir, env);
        await until('all others are stored', async () => (await missing(own, calls)).length === 1, 60_000);
        assert.deepEqual(await missing(own, calls), [odd]);
        assert.equal(await own.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL'), 0);
        // What comes in meanwhile is committed as ever.
        const live = Array.from({length: 10}, (_, i) => twilioCall(`odd beside ${what} ${i}`));
        for (const call of live) await sendAll(next, [call.events[4].sign()]);
        await until('stored', async () => (await missing(own, new Map(live.map((c) => [c.callSid, 1])))).length === 0);

        await own.rows('DROP TRIGGER refuse ON voice_calls');
        await until('drained', async () => (await next.metrics()).sum('hookline_journal_deliveries') === 0, 90_000);
        assert.deepEqual(await missing(own, calls), []);
    });

test('a host that says nothing is passed over for the next in DATABASE_URL', async (t) => {
    const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => silent.close());
    const {username, password, hostname, port, pathname} = new URL(database.url);
    const hosts = `127.0.0.1:${silent.address().port},${hostname}:${port}`;
    const url = `postgresql://${username}:${password}@${hosts}${pathname}?target_session_attrs=read-write&connect_timeout=2`;
    const hookline = await startWith(t, newDataDir(), {DATABASE_URL: url, HOOKLINE_DATABASE_CONNECTIONS: 1});
    const call = twilioCall('second host');
    await sendAll(hookline, [call.events[4].sign()]);
    await storedAll(new Map([[call.callSid, 1]]));
});

test('a journal that somebody removes while it is written to is no journal: 503, never a 2xx that is not true', async (t) => {
    const dataDir = newDataDir();
    const alone = await startAlone(t, dataDir);
    assert.equal((await send(alone.url, twilioCall('before').events[4].sign())).status, 204);
    rmSync(join(dataDir, 'journal'), {recursive: true});
    const reply = await send(alone.url, twilioCall('removed').events[4].sign());
    assert.equal(reply.status, 503);
    assert.equal(reply.headers['retry-after'], '1');
});

// ---- what became of the file ----

test('a torn end is passed over, and the file goes', async (t) => {
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'torn', 5);
    const torn = newest(dataDir);
    appendFileSync(torn, readFileSync(torn).subarray(48, 48 + 200)); // the beginning of a record
    const {code, stdout} = journal('verify', dataDir);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /cut off while it was written/);
    const next = await startWith(t, dataDir);
    await storedAll(calls);
    await until('drained', () => !existsSync(torn));
    assert.match(next.logText(), /torn end/);
});

test('a flipped bit costs one delivery; the log says which bytes, and the file is kept aside', async (t) => {
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'flipped', 9);
    const file = newest(dataDir);
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)] ^= 0x10;
    writeFileSync(file, bytes);

    const verified = journal('verify', dataDir);
    assert.equal(verified.code, 1);
    assert.match(verified.stdout, /FAULT +bytes \d+ to \d+: not a sound record; 1 deliveries missing/);
    assert.match(verified.stdout, /8 deliveries wait/);
    const dumped = journal('dump', dataDir);
    assert.equal(dumped.code, 1);
    const lines = dumped.stdout.trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(lines.length, 8);
    assert.ok(lines.every((line) => line.event_key && calls.has(line.payload.CallSid)));

    const next = await startWith(t, dataDir);
    await until('set aside', () => segments(dataDir).some((name) => name.endsWith('.aside')));
    assert.equal((await missing(database, calls)).length, 1);
    assert.match(next.logText(), /damage[^]*deliveries_missing[^]*set aside/);
    assert.equal((await next.metrics()).sum('hookline_journal_aside_total'), 1);
    await next.end();

    // With the damage mended by hand it can be drained after all.
    const aside = join(dataDir, 'journal/0', segments(dataDir).find((name) => name.endsWith('.aside')));
    bytes[Math.floor(bytes.length / 2)] ^= 0x10;
    writeFileSync(aside, bytes);
    const drained = journal('drain', dataDir, {DATABASE_URL: database.url});
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    assert.deepEqual(await missing(database, calls), []);
    assert.ok(!existsSync(aside));
});

test('a file that is missing, of another version, or no journal at all: the rest is stored', async (t) => {
    const dataDir = newDataDir();
    const rounds = [];
    for (let i = 0; i < 5; i++) {
        const call = twilioCall(`files-${i}`);
        const hookline = await startAlone(t, dataDir);
        await sendAll(hookline, [call.events[4].sign()]);
        await hookline.end();
        rounds.push(call.callSid);
    }
    const paths = segments(dataDir).map((name) => join(dataDir, 'journal/0', name));
    rmSync(paths[1]);
    const bytes = readFileSync(paths[2]);
    bytes.writeUInt32LE(9, 8);
    writeFileSync(paths[2], bytes);
    writeFileSync(paths[3], 'no journal at all, but a file of more than forty-eight bytes');
    const verified = journal('verify', dataDir);
    assert.equal(verified.code, 1);
    assert.match(verified.stdout, /it is of version 9, and this program knows version 1/);
    assert.match(verified.stdout, /not those of a journal/);
    assert.match(verified.stdout, /3 deliveries between it and the one before are missing/);

    const next = await startWith(t, dataDir);
    await storedAll(new Map([rounds[0], rounds[4]].map((sid) => [sid, 1])));
    await until('set aside', () => segments(dataDir).filter((name) => name.endsWith('.aside')).length === 2);
    assert.match(next.logText(), /deliveries are missing/);
});

test('a truncated file gives what is left of it', async (t) => {
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'truncated', 6);
    const file = newest(dataDir);
    truncateSync(file, Math.floor(readFileSync(file).length * 0.6));
    await startWith(t, dataDir);
    await until('drained', () => !existsSync(file));
    assert.equal((await missing(database, calls)).length, 3);
});

test('a disk that came back: a folder copied to another machine drains there', async (t) => {
    const dataDir = newDataDir();
    const calls = await leaveBehind(t, dataDir, 'moved', 3);
    const elsewhere = newDataDir();
    rmSync(elsewhere, {recursive: true});
    renameSync(dataDir, elsewhere);
    const {code, stdout} = journal('drain', elsewhere, {DATABASE_URL: database.url});
    assert.equal(code, 0, stdout);
    assert.match(stdout, /3 deliveries stored; 0 segments left/);
    assert.deepEqual(await missing(database, calls), []);
    assert.deepEqual(segments(elsewhere), []);
});

// ---- bounds, and wrong use ----

test('a full journal is a 503 with Retry-After and not ready, until it is drained', async (t) => {
    const dataDir = newDataDir();
    const stored = new Map();
    const alone = await startAlone(t, dataDir, {HOOKLINE_JOURNAL_MAX_BYTES: '64K'});
    let reply;
    for (let i = 0; i < 200 && reply?.status !== 503; i++) {
        const call = twilioCall(`full-${i}`);
        reply = await send(alone.url, call.events[4].sign());
        if (reply.status === 204) stored.set(call.callSid, 1);
    }
    assert.equal(reply.status, 503);
    assert.equal(reply.headers['retry-after'], '1');
    const bytes = (await alone.metrics()).sum('hookline_journal_bytes');
    assert.ok(bytes <= 65536 && bytes > 60_000, `${bytes} bytes`);
    await alone.kill();

    const next = await startWith(t, dataDir, {HOOKLINE_JOURNAL_MAX_BYTES: '64K'});
    await storedAll(stored);
    assert.equal((await getJson(next.url, '/readyz')).status, 200);
});

test('not ready when the journal is full and PostgreSQL is down', async (t) => {
    const alone = await startAlone(t, newDataDir(), {HOOKLINE_JOURNAL_MAX_BYTES: '64K'});
    assert.equal((await getJson(alone.url, '/readyz')).status, 200);
    // What a body has is kept as it is: this one leaves no room for a second.
    const body = JSON.stringify({message: {type: 'hang', extra: 'x'.repeat(64_000)}});
    assert.equal((await send(alone.url, signVapi(body))).status, 200);
    assert.equal((await send(alone.url, signVapi(body.replace('hang', 'hung')))).status, 503);
});

test('wrong use says what is right', () => {
    for (const args of [['journal'], ['journal', 'mend'], ['journal', 'verify', 'x']]) {
        const {code, stderr} = runHookline(args, {HOOKLINE_DATA_DIR: newDataDir()});
        assert.equal(code, 2);
        assert.match(stderr, /usage: hookline journal verify\|dump\|drain/);
    }
    const {code, stderr} = journal('drain', newDataDir(), {DATABASE_URL: NOWHERE});
    assert.equal(code, 1);
    assert.match(stderr, /database/);
    assert.equal(journal('verify', newDataDir()).code, 0);
});
