// Dead letters, replayed: what this version understands ends as if it had come in now, the rest stays, and nothing is lost
// or told twice – whoever replays beside whom, and how often.
//
// One program cannot be two versions. A row that an older one could not read is made by SQL: a delivery is taken in, and
// its row then put back to what such a version would have left.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {basename} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {CALLS, phoneNumber, twilioCall, vapiCall} from './lib/calls.mjs';
import {connect, createDatabase} from './lib/database.mjs';
import {listFixtures, listObjects, MORE_SECRETS, providersWithFixtures, readFixture, signFixture} from './lib/fixtures.mjs';
import {BIN, hooklineEnv, runHookline, SANITIZED, startHookline} from './lib/hookline.mjs';
import {startLoad} from './lib/load.mjs';
import {assertSameRows, rowsByCall} from './lib/rows.mjs';
import {send} from './lib/send.mjs';
import {signVapi} from './lib/sign.mjs';
import {inTurn} from './lib/wait.mjs';

const VERSION = runHookline(['version']).stdout.trim().split(' ')[1];

/** A database with a hookline before it; both go with the test. */
async function start(t, env = {}) {
    const database = await createDatabase();
    t.after(database.drop);
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 30, ...env});
    t.after(hookline.kill);
    const take = async (...deliveries) => {
        for (const delivery of deliveries) {
            const reply = await send(hookline.url, await delivery);
            assert.equal(Math.floor(reply.status / 100), 2, `${reply.status} ${reply.body}`);
        }
    };
    return {database, hookline, take};
}

/** {code, stderr, rows: [{id, provider, key, outcome}], summary} */
function replay(database, args = [], env = {}) {
    return parse(runHookline(['replay', ...args], {DATABASE_URL: database.url, ...env}, {timeoutMs: 120_000}));
}

/** The same without waiting for it: a promise. */
async function beginReplay(database, args = []) {
    const child = spawn(BIN, ['replay', ...args], {
        env: hooklineEnv({DATABASE_URL: database.url}),
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const [code] = await once(child, 'close');
    return parse({code, stdout, stderr});
}

function parse({code, stdout, stderr}) {
    const lines = stdout.split('\n').slice(0, -1);
    const rows = lines.slice(0, -1).map((line) => {
        const [id, provider, key, outcome, ...more] = line.split('\t');
        assert.deepEqual(more, [], line);
        return {id: Number(id), provider, key, outcome};
    });
    return {code, stderr, rows, summary: lines.at(-1) ?? ''};
}

const outcomes = ({rows}) => rows.map(({outcome}) => outcome);

/** All rows of all tables with the transactions that wrote them, and where the sequences are. */
async function everything(database) {
    const tables = await database.rows(
        `SELECT c.oid::regclass::text AS name, c.relkind FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S') ORDER BY 1`,
    );
    const found = {};
    for (const {name, relkind} of tables)
        found[name] = await database.rows(
            relkind === 'S'
                ? `SELECT last_value, is_called FROM ${name}`
                : `SELECT t.xmin::text, t.ctid::text, to_jsonb(t) AS row FROM ${name} t ORDER BY t.ctid`,
        );
    return found;
}

/** Equal rows may be read in any order. */
const sorted = (tables) =>
    Object.fromEntries(
        Object.entries(tables).map(([table, list]) => [
            table,
            list
                .map((row) => JSON.parse(JSON.stringify(row, (_, v) => sortKeys(v))))
                .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
        ]),
    );
const sortKeys = (v) =>
    v && typeof v === 'object' && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v;

function assertSameCalls(found, wanted) {
    assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
    for (const [id, rows] of wanted) assertSameRows(sorted(found.get(id)), sorted(rows), id ?? 'of no call');
}

const FORGET_FACTS = `TRUNCATE voice_calls, lead_calls CASCADE; UPDATE leads SET call_sid = NULL`;

/**
 * Makes dead letters of the events that `which` (SQL over call_events e) names, as an older version would have left them:
 * nothing is known of them, and their keys were never seen. Facts are for the caller to take away.
 */
async function unlearn(database, which = 'true', {as = 'payload', route = 'kept'} = {}) {
    const changes = [
        ...['provider_call_id', 'call_sid', 'from_number', 'to_number', 'call_status', 'occurred_at', 'duration'].map(
            (column) => `${column} = NULL`,
        ),
        "event_key = e.dead_key, event_type = 'unknown', error = 'expected something else', hookline_version = '0.0.1'",
    ];
    if (as === 'raw') changes.push("payload = NULL, raw = convert_to(c.payload::text, 'UTF8')");
    if (route === 'unknown') changes.push('route = NULL');
    await database.rows(
        `WITH e AS (SELECT e.*, 'unknown:' || md5(id::text) AS dead_key FROM call_events e WHERE ${which}),
              gone AS (DELETE FROM event_keys k USING e WHERE k.key_hash = ${hashOf('e.provider', 'e.event_key')}),
              came AS (INSERT INTO event_keys (key_hash) SELECT ${hashOf('e.provider', 'e.dead_key')} FROM e
                       ON CONFLICT DO NOTHING)
         UPDATE call_events c SET ${changes.join(', ')} FROM e WHERE e.id = c.id`,
    );
}

const hashOf = (provider, key) =>
    `encode(substr(sha256(convert_to(${provider} || ':' || ${key}, 'UTF8')), 1, 16), 'hex')::uuid`;

/** That each event has its key, and no other key is there but those of dead letters that once were. */
async function checkKeys(database) {
    const without = await database.value(
        `SELECT count(*) FROM call_events e WHERE NOT EXISTS
            (SELECT FROM event_keys k WHERE k.key_hash = ${hashOf('e.provider', 'e.event_key')})`,
    );
    assert.equal(without, 0, 'events without their key');
    assert.equal(
        await database.value('SELECT count(*) - count(DISTINCT (provider, event_key)) FROM call_events'),
        0,
        'two events of one key',
    );
}

// ---- as if it had come in now ----

describe('everything that any provider sends, replayed as a dead letter of an older version', () => {
    let database;
    let hookline;
    let wanted;
    let told = 0;

    before(async () => {
        database = await createDatabase();
        hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 30, ...MORE_SECRETS});
        const take = async (delivery) => {
            const {status, body} = await send(hookline.url, await delivery);
            assert.ok(status < 300 || status === 422, `${status} ${body}`); // 422: stored, but nothing here makes speech
            told++;
        };
        for (const provider of providersWithFixtures())
            for (const name of listFixtures(provider)) {
                const route = provider === 'twilio' && name.includes('voice') ? 'voice' : 'events';
                const fixture = readFixture(provider, name);
                // Several rooms of the fixtures have one name: which of them it means depends on when it comes.
                if (provider === 'agent' && fixture.body.data?.session_id) continue;
                await take(signFixture(provider, route, fixture));
            }
        for (const provider of Object.keys(CALLS))
            for (const event of CALLS[provider](`replayed ${provider}`, {customer: phoneNumber(778)}).events)
                await take(event.sign());
        await database.rows("INSERT INTO leads (name, phone) VALUES ('Ada', $1)", [phoneNumber(778)]);
        await database.rows('DELETE FROM call_events WHERE error IS NOT NULL'); // those of the fixtures
        wanted = await rowsByCall(database);
    });

    after(() =>
        inTurn(
            () => hookline?.end(),
            () => database?.drop(),
        ),
    );

    const check = async (args = []) => {
        await database.client.query(FORGET_FACTS);
        const done = replay(database, args);
        assert.equal(done.code, 0, done.stderr);
        return done;
    };

    test('each has the route by which it came, and the version that wrote it', async () => {
        assert.ok(told > 100, `${told} deliveries`);
        assert.deepEqual(await database.rows('SELECT DISTINCT hookline_version FROM call_events'), [
            {hookline_version: VERSION},
        ]);
        const routes = await database.rows('SELECT DISTINCT provider, route FROM call_events ORDER BY 1, 2');
        assert.ok(routes.some(({provider, route}) => provider === 'twilio' && route === 'voice'));
        assert.ok(routes.every(({route}) => route !== null));
    });

    for (const as of ['payload', 'raw'])
        test(`kept as ${as}: the rows are those of a delivery that is taken in`, async () => {
            await unlearn(database, 'true', {as});
            const {rows, summary} = await check();
            assert.ok(rows.length > 100);
            assert.deepEqual([...new Set(rows.map(({outcome}) => outcome))], ['understood']);
            assert.equal(summary, `${rows.length} deliveries: ${rows.length} understood`);
            assertSameCalls(await rowsByCall(database), wanted);
            await checkKeys(database);
        });

    test('of a version that did not keep the route, all but what came by another than the first one', async () => {
        await unlearn(database, "route = 'events'", {route: 'unknown'});
        const {rows} = await check();
        assert.ok(rows.length > 100);
        assert.ok(rows.every(({outcome}) => outcome === 'understood'));
        await database.rows("UPDATE call_events SET route = 'events' WHERE route IS NULL");
        await check(['--all']);
        assertSameCalls(await rowsByCall(database), wanted);
    });

    test('--all makes all facts anew, and changes no event', async () => {
        const events = await database.rows('SELECT xmin::text, ctid::text, e.* FROM call_events e ORDER BY id');
        const {rows, summary} = await check(['--all']);
        assert.equal(rows.length, events.length);
        assert.equal(summary, `${rows.length} deliveries: ${rows.length} unchanged`);
        assert.deepEqual(
            rows.map(({id}) => id),
            events.map(({id}) => id),
        );
        assertSameCalls(await rowsByCall(database), wanted);
        assert.deepEqual(
            await database.rows('SELECT xmin::text, ctid::text, e.* FROM call_events e ORDER BY id'),
            events,
        );
    });

    test('--all over what is there already changes nothing', async () => {
        assert.equal(replay(database, ['--all']).code, 0);
        assertSameCalls(await rowsByCall(database), wanted);
    });

    test('--all fills in what an older version did not read from a body, and never changes a key', async () => {
        const keys = await database.rows('SELECT id, event_key FROM call_events ORDER BY id');
        await database.rows(
            'UPDATE call_events SET event_type = NULL, from_number = NULL, call_sid = NULL, occurred_at = NULL',
        );
        const {rows} = await check(['--all']);
        assert.deepEqual([...new Set(rows.map(({outcome}) => outcome))], ['filled in']);
        assertSameCalls(await rowsByCall(database), wanted);
        assert.deepEqual(await database.rows('SELECT id, event_key FROM call_events ORDER BY id'), keys);
    });
});

// ---- each cause of a dead letter ----

test('what still cannot be read keeps its row, with what this version says of it', async (t) => {
    const {database, hookline, take} = await start(t);
    await take(signVapi('{"message": not JSON'), signVapi('{"message":{"type":7}}'));
    const now = await database.rows('SELECT * FROM call_events ORDER BY id');
    assert.deepEqual(
        now.map((row) => [row.hookline_version, row.route, row.raw !== null, row.payload !== null]),
        [
            [VERSION, 'events', true, false],
            [VERSION, 'events', false, true],
        ],
    );
    await database.rows("UPDATE call_events SET error = 'an older one said so', hookline_version = '0.0.1'");

    const {code, rows, summary} = replay(database);
    assert.equal(code, 0);
    assert.deepEqual(
        rows.map(({id, provider, key}) => [id, provider, key]),
        now.map((row) => [row.id, 'vapi', row.event_key]),
    );
    for (const [i, {outcome}] of rows.entries()) assert.equal(outcome, `still a dead letter: ${now[i].error}`);
    assert.equal(summary, '2 deliveries: 2 still dead letters');
    assert.deepEqual(await database.rows('SELECT * FROM call_events ORDER BY id'), now);

    await hookline.end();
    const before = await everything(database);
    assert.equal(replay(database).code, 0);
    assert.deepEqual(await everything(database), before, 'a second replay wrote something');
});

test('what could not be parsed is an event once it can', async (t) => {
    const {database, take} = await start(t);
    const call = vapiCall('unparsable');
    await take(call.events[1].sign());
    const wanted = await rowsByCall(database);
    await unlearn(database, 'true', {as: 'raw'});
    await database.client.query(FORGET_FACTS);
    const {rows} = replay(database);
    assert.deepEqual(outcomes({rows}), ['understood']);
    assertSameCalls(await rowsByCall(database), wanted);
    const row = await database.row('SELECT * FROM call_events');
    assert.equal(row.raw, null);
    assert.equal(row.error, null);
    assert.equal(row.hookline_version, VERSION);
    assert.equal(row.id, rows[0].id);
    assert.equal(row.event_key, rows[0].key);
});

test('what PostgreSQL refused for its content is an event once it does not', async (t) => {
    const {database, take} = await start(t);
    const call = twilioCall('refused');
    await database.rows(
        `ALTER TABLE voice_calls ADD CONSTRAINT refuse CHECK (customer_number IS DISTINCT FROM '${call.customer}')`,
    );
    await take(call.events[4].sign());
    const dead = await database.row('SELECT * FROM call_events');
    assert.match(dead.error, /^refused by PostgreSQL: 23514/);
    assert.equal(await database.value('SELECT count(*) FROM voice_calls'), 0);

    const again = replay(database);
    assert.equal(again.code, 0);
    assert.match(again.rows[0].outcome, /^still a dead letter: refused by PostgreSQL: 23514/);
    assert.deepEqual(await database.row('SELECT * FROM call_events'), dead);

    await database.rows('ALTER TABLE voice_calls DROP CONSTRAINT refuse');
    assert.deepEqual(outcomes(replay(database)), ['understood']);
    const row = await database.row('SELECT * FROM call_events');
    assert.deepEqual({...row, error: dead.error}, {...dead, duration: row.duration});
    assert.equal(row.duration, 30);
    assert.equal(await database.value('SELECT status FROM voice_calls'), 'completed');
    await checkKeys(database);
});

test('one that PostgreSQL refuses spoils none of the others', async (t) => {
    const {database, take} = await start(t);
    const calls = Array.from({length: 20}, (_, i) => twilioCall(`beside-${i}`, {customer: phoneNumber(i)}));
    await take(...calls.map((call) => call.events[4].sign()));
    await unlearn(database);
    await database.client.query(FORGET_FACTS);
    await database.rows(
        `ALTER TABLE voice_calls ADD CONSTRAINT refuse CHECK (customer_number IS DISTINCT FROM '${calls[7].customer}')`,
    );
    const {code, rows, summary} = replay(database);
    assert.equal(code, 0);
    assert.equal(summary, '20 deliveries: 19 understood, 1 still dead letters');
    assert.match(rows[7].outcome, /^still a dead letter: refused by PostgreSQL/);
    assert.equal(rows[7].key, await database.value('SELECT event_key FROM call_events WHERE error IS NOT NULL'));
    assert.equal(await database.value('SELECT count(*) FROM voice_calls'), 19);
});

test('a payload that PostgreSQL did not take as jsonb, and which was kept as bytes, is read as JSON', async (t) => {
    const {database, hookline, take} = await start(t);
    await database.rows("ALTER TABLE call_events ADD CONSTRAINT refuse CHECK (NOT payload ? 'message')");
    const call = vapiCall('no jsonb');
    await take(call.events[1].sign());
    const dead = await database.row('SELECT * FROM call_events');
    assert.equal(dead.payload, null);
    assert.match(dead.raw.toString(), /^\{"message"/);

    await hookline.end();
    const before = await everything(database);
    assert.match(replay(database).rows[0].outcome, /^still a dead letter: refused by PostgreSQL: 23514/);
    assert.deepEqual(await everything(database), before);

    await database.rows('ALTER TABLE call_events DROP CONSTRAINT refuse');
    assert.deepEqual(outcomes(replay(database)), ['understood']);
    const row = await database.row('SELECT * FROM call_events');
    assert.equal(row.raw, null);
    assert.equal(row.payload.message.call.id, call.providerCallId);
    assert.equal(await database.value('SELECT provider_call_id FROM voice_calls'), call.providerCallId);
});

test('what is understood as something that is not stored is no dead letter any more', async (t) => {
    const {database, take} = await start(t);
    await take(signVapi('{"message":{"type":7}}'));
    await database.rows(
        `UPDATE call_events SET payload = '{"message":{"type":"transcript","transcriptType":"partial","role":"user",
            "transcript":"Hel","call":{"id":"v-1"}}}'`,
    );
    const key = await database.value('SELECT event_key FROM call_events');
    assert.deepEqual(outcomes(replay(database)), ['understood (nothing of it is a fact)']);
    const row = await database.row('SELECT * FROM call_events');
    assert.equal(row.error, null);
    assert.equal(row.event_key, key);
    assert.equal(await database.value('SELECT count(*) FROM voice_calls'), 0);
    assert.deepEqual(outcomes(replay(database)), []);
});

// ---- duplicates ----

test('a dead letter whose event came in meanwhile is removed, its facts merged', async (t) => {
    const {database, take} = await start(t);
    const call = twilioCall('duplicate');
    await take(call.events[4].sign());
    const wanted = await rowsByCall(database);
    await unlearn(database);
    await take(call.events[4].sign()); // Twilio tries once more, and this version understands it
    assert.equal(await database.value('SELECT count(*) FROM call_events'), 2);
    await database.client.query(FORGET_FACTS);
    const {code, rows, summary} = replay(database);
    assert.equal(code, 0);
    assert.equal(rows[0].outcome, 'duplicate: its event is stored already, and this row removed');
    assert.equal(rows[0].key, await database.value('SELECT event_key FROM call_events'));
    assert.equal(summary, '1 deliveries: 1 duplicates');
    assertSameCalls(await rowsByCall(database), wanted);
    await checkKeys(database);
});

test('of several dead letters of one event one is left', async (t) => {
    const {database, take} = await start(t);
    const call = twilioCall('several');
    for (let i = 0; i < 5; i++) {
        await take(call.events[4].sign());
        await unlearn(database, 'error IS NULL');
    }
    const wanted = await database.value('SELECT min(id) FROM call_events');
    const said = '5 deliveries: 1 understood, 4 duplicates';
    assert.equal(replay(database, ['--dry-run']).summary, `dry run, nothing is written: ${said}`);
    assert.equal(replay(database).summary, said);
    assert.deepEqual(await database.rows('SELECT id, error FROM call_events'), [{id: wanted, error: null}]);
    assert.equal(await database.value('SELECT count(*) FROM voice_calls'), 1);
    await checkKeys(database);
});

test('of two, the one that was stored under its own key stays', async (t) => {
    const {database, take} = await start(t);
    const call = twilioCall('own key');
    await take(call.events[4].sign());
    await unlearn(database);
    await database.client.query(FORGET_FACTS);
    await database.rows(
        `ALTER TABLE voice_calls ADD CONSTRAINT refuse CHECK (customer_number IS DISTINCT FROM '${call.customer}')`,
    );
    await take(call.events[4].sign()); // understood, and refused by PostgreSQL
    await database.rows('ALTER TABLE voice_calls DROP CONSTRAINT refuse');
    const dead = await database.rows('SELECT id FROM call_events WHERE error IS NOT NULL ORDER BY id');
    assert.equal(dead.length, 2);
    const {rows} = replay(database);
    assert.match(rows[0].outcome, /^duplicate/);
    assert.equal(rows[1].outcome, 'understood');
    assert.deepEqual(await database.rows('SELECT id, error FROM call_events'), [{id: dead[1].id, error: null}]);
    assert.equal(await database.value('SELECT status FROM voice_calls'), 'completed');
    await checkKeys(database);
});

// ---- which ones ----

test('only what is asked for is replayed', async (t) => {
    const {database, take} = await start(t);
    const [twilio, vapi] = [twilioCall('chosen'), vapiCall('chosen')];
    for (const call of [twilio, vapi]) await take(...call.events.slice(1, 4).map((event) => event.sign()));
    await database.rows(`UPDATE call_events SET received_at = now() - (10 - id) * interval '1 day 1 hour'`);
    await unlearn(database, 'id <> 2');
    const dry = (...args) => replay(database, ['--dry-run', ...args]).rows.map(({id}) => id);

    assert.deepEqual(dry(), [1, 3, 4, 5, 6]);
    assert.deepEqual(dry('--all'), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(dry('--provider', 'vapi'), [4, 5, 6]);
    assert.deepEqual(dry('--provider', 'beyond-presence'), []);
    assert.deepEqual(dry('--since', '6d'), [5, 6]);
    assert.deepEqual(dry('--since', '144h'), [5, 6]);
    assert.deepEqual(dry('--since', '1w', '--provider', 'twilio', '--all'), []);
    assert.deepEqual(dry('--since', '2w', '--provider', 'twilio', '--all'), [1, 2, 3]);
    const third = await database.value("SELECT received_at FROM call_events WHERE id = 3");
    const time = new Date(third);
    assert.deepEqual(dry('--since', new Date(time.getTime() - 1000).toISOString()), [3, 4, 5, 6]);
    assert.deepEqual(dry('--since', new Date(time.getTime() + 1000).toISOString()), [4, 5, 6]);
    const tomorrow = new Date(time.getTime() + 86_400_000).toISOString().slice(0, 10);
    assert.deepEqual(dry('--since', tomorrow), [4, 5, 6]);
    assert.deepEqual(dry('--id', '2'), [2]);
    assert.deepEqual(dry('--id', '3'), [3]);
    assert.deepEqual(dry('--id', '77'), []);

    assert.deepEqual(outcomes(replay(database, ['--id', '3'])), ['understood']);
    assert.deepEqual(outcomes(replay(database, ['--provider', 'vapi'])), Array(3).fill('understood'));
    assert.deepEqual(await database.rows('SELECT id FROM call_events WHERE error IS NOT NULL'), [{id: 1}]);
});

test('--dry-run says what would become of each, and leaves the database as it is to the byte', async (t) => {
    const {database, hookline, take} = await start(t);
    const [call, other] = [twilioCall('dry'), vapiCall('dry')];
    await take(call.events[4].sign());
    await unlearn(database);
    await take(call.events[4].sign(), other.events[1].sign());
    await unlearn(database, `provider_call_id = '${other.providerCallId}'`, {as: 'raw'});
    await take(signVapi('nothing of the kind'), other.events[4].sign());
    await hookline.end();

    const before = await everything(database);
    const {code, rows, summary} = replay(database, ['--dry-run', '--all']);
    assert.equal(code, 0);
    assert.deepEqual(
        rows.map(({id, outcome}) => [id, outcome.replace(/letter: .*/, 'letter: …')]),
        [
            [1, 'would be a duplicate: its event is stored already'],
            [2, 'its facts would be merged again'],
            [3, 'would be understood'],
            [4, 'would stay a dead letter: …'],
            [5, 'its facts would be merged again'],
        ],
    );
    assert.match(summary, /^dry run, nothing is written: 5 deliveries: 2 unchanged, 1 understood, 1 duplicates, 1 still/);
    assert.deepEqual(await everything(database), before);
});

test('rows that are no delivery of ours are left alone', async (t) => {
    const {database, hookline} = await start(t);
    await hookline.end();
    await database.rows(
        `INSERT INTO call_events (event_type, error) VALUES ('their own', 'of their own');
         INSERT INTO call_events (provider, way, payload) VALUES ('twilio', 'older', '{"CallSid": "CA1"}')`,
    );
    const before = await everything(database);
    assert.equal(replay(database).summary, '0 deliveries');
    assert.equal(replay(database, ['--all']).summary, '0 deliveries');
    assert.match(replay(database, ['--id', '1']).rows[0].outcome, /^unchanged: of a provider .* does not know/);
    assert.deepEqual(await everything(database), before);
});

test('an event that this version cannot read stays one', async (t) => {
    const {database, hookline, take} = await start(t);
    await take(vapiCall('odd').events[1].sign());
    await database.rows(`UPDATE call_events SET payload = '{"message": 5}'`);
    await hookline.end();
    const before = await everything(database);
    const {code, rows} = replay(database, ['--all']);
    assert.equal(code, 0);
    assert.match(rows[0].outcome, /^unchanged: expected a text at message\.type/);
    assert.deepEqual(await everything(database), before);
});

test('more than fit into memory at once are read page by page', async (t) => {
    const {database, take} = await start(t);
    await take(signVapi('{"message":{"type":7}}'));
    await database.rows(
        `INSERT INTO call_events (provider, route, event_key, received_at, payload, error)
         SELECT 'vapi', 'events', 'unknown:' || n, '2026-11-01Z'::timestamptz + n / 300 * interval '1 second',
                jsonb_build_object('message', jsonb_build_object('type', 'hang', 'call', jsonb_build_object('id', 'v' || n))), 'e'
         FROM generate_series(1, 1000) AS n`,
    );
    await database.rows(
        `INSERT INTO call_events (provider, route, event_key, payload, error)
         SELECT 'vapi', 'events', 'unknown:large ' || n, jsonb_build_object('message', jsonb_build_object('type', 'hang',
                'text', repeat('x', 3000000), 'call', jsonb_build_object('id', 'large' || n))), 'e'
         FROM generate_series(1, 6) AS n`,
    );
    const {code, rows, summary, stderr} = replay(database);
    assert.equal(code, 0, stderr);
    assert.equal(summary, '1007 deliveries: 1006 understood, 1 still dead letters');
    assert.equal(new Set(rows.map(({id}) => id)).size, 1007);
    assert.equal(await database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL'), 1);
    assert.equal(await database.value('SELECT count(DISTINCT provider_call_id) FROM call_events'), 1006);
    await database.client.query(FORGET_FACTS);
    assert.equal(replay(database, ['--all']).rows.length, 1007);
    assert.equal(await database.value('SELECT count(*) FROM voice_calls'), 1006);
});

// ---- beside others ----

test('replays at once, beside live traffic that tells the same: nothing is lost, and nothing told twice', async (t) => {
    const {database, hookline} = await start(t);
    const count = SANITIZED ? 60 : 300;
    const calls = Array.from({length: count}, (_, i) => [
        twilioCall(`busy-${i}`, {customer: phoneNumber(i)}),
        vapiCall(`busy-${i}`, {customer: phoneNumber(i)}),
    ]).flat();
    const deliveries = calls.flatMap((call) => call.events.map((event) => event.sign()));
    const sendAll = async () => {
        const replies = await Promise.all(deliveries.map((delivery) => send(hookline.url, delivery)));
        assert.deepEqual([...new Set(replies.map(({status}) => Math.floor(status / 100)))], [2]);
    };
    await sendAll();
    const wanted = await rowsByCall(database);
    await unlearn(database);
    await database.client.query(FORGET_FACTS);

    const load = startLoad(t, [hookline.url], {senders: 4, name: 'meanwhile'});
    const runs = [beginReplay(database), beginReplay(database), beginReplay(database, ['--all'])];
    await sendAll();
    for (const {code, stderr} of await Promise.all(runs)) {
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(stderr, /40P01/, 'a deadlock');
    }
    await load.stop();
    assert.doesNotMatch(hookline.logText(), /40P01/, 'a deadlock');
    assert.equal(replay(database, ['--all']).code, 0);

    assert.equal(await database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL'), 0);
    await checkKeys(database);
    const found = await rowsByCall(database);
    for (const call of calls) {
        const id = call.providerCallId;
        assertSameRows(sorted(found.get(id)), sorted(wanted.get(id)), id);
    }
    for (const callSid of load.acknowledged.keys()) assert.equal(found.get(callSid)?.call_events.length, 1, callSid);
});

test('behind a pooler the same', async (t) => {
    const {database, take} = await start(t);
    await take(...vapiCall('pooled').events.map((event) => event.sign()));
    const wanted = await rowsByCall(database);
    await unlearn(database);
    await database.client.query(FORGET_FACTS);
    const {code, rows} = replay(database, [], {HOOKLINE_DATABASE_POOLED: 1});
    assert.equal(code, 0);
    assert.ok(rows.every(({outcome}) => outcome === 'understood'));
    assertSameCalls(await rowsByCall(database), wanted);
});

test('a number without a country is read as a hookline that serves reads it', async (t) => {
    const {database, take} = await start(t, {HOOKLINE_DEFAULT_REGION: 'US'});
    await take(vapiCall('national', {customer: '(202) 555-0177'}).events[1].sign());
    await unlearn(database);
    await database.client.query(FORGET_FACTS);
    assert.deepEqual(outcomes(replay(database, [], {HOOKLINE_DEFAULT_REGION: 'US'})), ['understood']);
    assert.equal(await database.value('SELECT customer_number FROM voice_calls'), '+12025550177');
    const {code, stderr} = replay(database, [], {HOOKLINE_DEFAULT_REGION: 'Utopia'});
    assert.equal(code, 1);
    assert.match(stderr, /HOOKLINE_DEFAULT_REGION/);
});

// ---- what stands in the way ----

test('an argument that means nothing is refused, and it says what to write', () => {
    for (const [args, word] of [
        [['--provider', 'nobody'], /"nobody".*twilio/],
        [['--provider'], /--provider.*missing/],
        [['--since', 'yesterday'], /"yesterday".*2026-.*2h/],
        [['--since', '2026-13-01'], /--since/],
        [['--since', '2026-11-21T08:00:00'], /offset/],
        [['--since', '3y'], /--since/],
        [['--since', '-3d'], /--since/],
        [['--since', ''], /--since/],
        [['--since', '99999999d'], /--since/],
        [['--id', 'x'], /"x".*call_events\.id/],
        [['--id', '0'], /--id/],
        [['--id', '5', '--all'], /--id.*leave out/],
        [['--id', '5', '--since', '2h'], /--id.*leave out/],
        [['--everything'], /"--everything".*help replay/],
        [['vapi'], /"vapi"/],
    ]) {
        const {code, stderr, rows} = replay({url: 'postgresql://127.0.0.1:1/x'}, args);
        assert.equal(code, 2, args.join(' '));
        assert.match(stderr, word);
        assert.deepEqual(rows, []);
    }
});

test('without a database, or without its schema, it says so', async (t) => {
    for (const args of [[], ['--dry-run']]) {
        const {code, stderr} = replay({url: 'postgresql://nobody:secretword@127.0.0.1:1/nothing'}, args);
        assert.equal(code, 1);
        assert.match(stderr, /database/);
        assert.ok(!stderr.includes('secretword'));
    }
    const empty = await createDatabase({migrate: false});
    t.after(empty.drop);
    const {code, stderr} = replay(empty);
    assert.equal(code, 1);
    assert.match(stderr, /hookline migrate/);
});

test('what the database does not take is left as it is, and said', async (t) => {
    const {database, hookline, take} = await start(t);
    await take(...vapiCall('locked').events.map((event) => event.sign()));
    await unlearn(database);
    await hookline.end();
    const before = await everything(database);
    const other = await connect(database.url);
    await other.query('BEGIN; SELECT FROM call_events FOR UPDATE');
    const {code, rows, summary, stderr} = replay(database, [], {
        HOOKLINE_STATEMENT_TIMEOUT: 1,
        HOOKLINE_COMMIT_DEADLINE: 1,
    });
    await other.query('ROLLBACK');
    await other.end();
    assert.equal(code, 1);
    assert.match(stderr, /the database/);
    assert.ok(rows.length > 0);
    assert.ok(rows.every(({outcome}) => outcome.startsWith('not done')));
    assert.match(summary, /not done$/);
    assert.deepEqual(await everything(database), before);
    assert.equal(replay(database).summary, '6 deliveries: 6 understood');
});

/** Objects of APIs among the fixtures: [{provider, route, name, body}]. */
function apiObjects() {
    return providersWithFixtures().flatMap((provider) =>
        listObjects(provider).map((name) => ({...readFixture(provider, name), provider, route: basename(name).split('.')[0]})),
    );
}

async function keepUnread(database, {provider, route, body}, n) {
    const key = `unknown:${n}`;
    await database.rows(
        `WITH k AS (INSERT INTO event_keys (key_hash) VALUES (${hashOf('$1::text', '$2::text')}))
         INSERT INTO call_events (provider, event_key, event_type, route, way, payload, error, received_at)
         VALUES ($1, $2, 'unknown', $3, 'reconcile', $4, 'an older version', now())`,
        [provider, key, route, JSON.stringify(body)],
    );
}

test('what an API was asked for has the rows and the name that its callback has', async (t) => {
    const {database, hookline, take} = await start(t, {...MORE_SECRETS, TWILIO_ACCOUNT_SID: null});
    const objects = apiObjects();
    assert.ok(objects.length > 0);
    for (const [n, object] of objects.entries()) await keepUnread(database, object, n);
    const {rows} = replay(database);
    assert.deepEqual([...new Set(outcomes({rows}).map((outcome) => outcome.split(':')[0]))].sort(), [
        'duplicate',
        'understood',
    ]);
    await checkKeys(database);
    const call = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [`CA${'2'.padStart(32, '0')}`]);
    assert.deepEqual(
        [call.status, Number(call.duration_seconds), Number(call.cost), call.cost_currency, call.from_number],
        ['completed', 24, 0.014, 'USD', '+12025550100'],
    );
    assert.equal(call.recording.id, 'RE00000000000000000000000000000001');

    // The callbacks come after all: nothing of it happens a second time.
    const events = () => database.value('SELECT count(*)::int FROM call_events');
    const before = await events();
    for (const [provider, name] of [
        ['twilio', 'status-outbound-3-completed.form'],
        ['twilio', 'recording-status-completed.form'],
        ['livekit', 'events/room_started.json'],
        ['livekit', 'events/participant_joined_agent.json'],
        ['livekit', 'events/participant_joined_sip_inbound.json'],
        ['livekit', 'events/egress_ended_complete.json'],
    ])
        await take(signFixture(provider, 'events', readFixture(provider, name)));
    assert.equal(await events(), before);
    const stays = "SELECT count(*)::int FROM call_participants WHERE participant_id = 'PA_sip7JkLmNoPq'";
    assert.equal(await database.value(stays), 1);
    await hookline.end();
});
