// Retention: what reconcile runs leave behind goes after a time, in small lots, and nothing goes that is still of use.

import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {APIS, reconcile} from './lib/backfill.mjs';
import {connect, createDatabase} from './lib/database.mjs';
import {ROOT, runHookline, startHookline} from './lib/hookline.mjs';
import {until} from './lib/wait.mjs';
import {createWorld} from '../simulators/world.mjs';

const DAY_S = 86_400;
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;
const ago = (days) => new Date(NOW_MS - days * DAY_S * 1000).toISOString();

async function newDatabase(t, options) {
    const database = await createDatabase(options);
    t.after(() => database.drop());
    return database;
}

/** A run of so many days ago, with so many changes; its id. finished: null, of one that has not ended. */
function addRun(database, provider, days, {changes = 0, status = 'done', started = ago(days), finished = ago(days)} = {}) {
    return database.value(
        `WITH run AS (INSERT INTO reconcile_runs (provider, status, started_at, finished_at, asked_at) VALUES ($1, $2, $3, $4, $5) RETURNING id),
              changed AS (INSERT INTO reconcile_changes (run_id, table_name, row_id, after)
                          SELECT id, 'voice_calls', n::text, '{}' FROM run, generate_series(1, $6) n)
         SELECT id FROM run`,
        [provider, status, started, finished, ago(days), changes],
    );
}
const addMarks = (database, provider, days, count = 1) =>
    database.rows(
        `INSERT INTO reconcile_marks (provider, what, object_id, mark, seen_at)
         SELECT $1, 'detail', $2 || ' days ' || n, 'm', $3 FROM generate_series(1, $4) n`,
        [provider, String(days), ago(days), count],
    );
const ids = async (database) => (await database.rows('SELECT id FROM reconcile_runs ORDER BY id')).map(({id}) => id);
const changes = (database) =>
    database.rows('SELECT run_id AS id, count(*) AS n FROM reconcile_changes GROUP BY run_id ORDER BY run_id');
const marks = async (database) => (await database.rows('SELECT object_id FROM reconcile_marks ORDER BY 1')).map((m) => m.object_id);
const forget = (client, most) =>
    client.query(`SELECT hookline_forget_reconcile(interval '10 days', $1)::int AS gone`, [most]).then(({rows}) => rows[0].gone);

async function serve(t, database, keepDays) {
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_RECONCILE_KEEP: keepDays * DAY_S});
    t.after(() => hookline.end());
    return hookline;
}

test('what is older goes, with its changes; what is younger, waits, runs, or is the last of its provider stays', async (t) => {
    const database = await newDatabase(t);
    const old = await addRun(database, 'twilio', 40, {changes: 3});
    await addRun(database, 'twilio', 30, {status: 'failed'});
    const young = await addRun(database, 'twilio', 5, {changes: 2});
    await addRun(database, 'vapi', 50);
    const last = await addRun(database, 'vapi', 45, {changes: 4, status: 'canceled'}); // of a provider that is asked no more
    await addRun(database, 'vapi', 44, {status: 'canceled', started: null}); // it never began, and status does not tell of it
    const waiting = [
        await addRun(database, 'teli', 60, {status: 'queued', started: null, finished: null}),
        await addRun(database, 'teli', 60, {status: 'running', finished: null, changes: 1}),
    ];
    await addMarks(database, 'twilio', 40);
    await addMarks(database, 'twilio', 20); // a mark stays for a month at least
    await database.rows(
        `INSERT INTO reconcile_windows (provider, resource, from_at, to_at, state, updated_at)
         SELECT 'twilio', 'calls', $1::timestamptz, $2::timestamptz, s, $2::timestamptz FROM unnest(ARRAY['covered', 'failed', 'refused']) s`,
        [ago(400), ago(300)],
    );

    await serve(t, database, 10);
    await until('old runs are gone', async () => (await ids(database)).length === 4);
    await until('old marks are gone', async () => (await marks(database)).length === 1);
    assert.deepEqual(await ids(database), [young, last, ...waiting]);
    assert.ok(!(await ids(database)).includes(old));
    assert.deepEqual(await changes(database), [{id: young, n: 2}, {id: last, n: 4}, {id: waiting[1], n: 1}]);
    assert.deepEqual(await marks(database), ['20 days 1']);
    assert.equal(await database.value('SELECT count(*) FROM reconcile_windows'), 3);
});

test('0 keeps them for ever', async (t) => {
    const database = await newDatabase(t);
    for (const days of [3000, 2000, 1000]) await addRun(database, 'twilio', days, {changes: 1});
    await addMarks(database, 'twilio', 3000);
    await serve(t, database, 0);
    // Housekeeping is over once it has done what is later due than that.
    await database.rows("INSERT INTO leads (name, phone) VALUES ('Dana', '+14155550151')");
    await until('housekeeping', () => database.value('SELECT phone_e164 IS NOT NULL FROM leads'), 30_000);
    assert.equal((await ids(database)).length, 3);
    assert.equal((await marks(database)).length, 1);
});

test('of two at once each removes what the other has not under its hands', async (t) => {
    const database = await newDatabase(t);
    for (const days of [43, 42, 41]) await addRun(database, 'twilio', days, {changes: 500});
    const last = await addRun(database, 'twilio', 1, {changes: 7});
    await addMarks(database, 'twilio', 40, 900);
    const hooklines = [await serve(t, database, 10), await serve(t, database, 10)];
    await until('all is gone', async () => (await ids(database)).length === 1 && (await marks(database)).length === 0, 60_000);
    assert.deepEqual(await changes(database), [{id: last, n: 7}]);
    for (const hookline of hooklines) {
        const {logs} = await hookline.stop();
        assert.deepEqual(logs.filter(({msg}) => msg === 'old reconcile runs not removed'), []);
    }
});

test('a lot has so many rows of a kind at most, and a run goes after its changes', async (t) => {
    const database = await newDatabase(t);
    const [first, second] = [await addRun(database, 'twilio', 42, {changes: 25}), await addRun(database, 'twilio', 41, {changes: 2})];
    const last = await addRun(database, 'twilio', 40);
    await addMarks(database, 'twilio', 40, 15);
    const gone = [];
    do gone.push(await forget(database.client, 10));
    while (gone.at(-1) > 0);
    assert.deepEqual(gone, [20, 15, 9, 0]); // changes and marks; then two runs with the last of the changes
    assert.deepEqual(await ids(database), [last]);
    assert.ok(first < second);
});

test('nobody waits for what another has under its hands', async (t) => {
    const database = await newDatabase(t);
    for (const days of [43, 42, 41]) await addRun(database, 'twilio', days, {changes: 1});
    await addRun(database, 'twilio', 1);
    await addMarks(database, 'twilio', 40, 2);
    const other = await connect(database.url);
    t.after(() => other.end());
    await other.query('BEGIN');
    assert.equal(await forget(other, 1), 3); // a run, its change, and a mark
    await database.rows("SET lock_timeout = '1ms'"); // to wait would be to fail
    assert.equal(await forget(database.client, 500), 5);
    assert.equal(await forget(database.client, 500), 0);
    await other.query('ROLLBACK');
    assert.equal(await forget(database.client, 500), 3);
    assert.equal((await ids(database)).length, 1);
});

test('a mark stays while its object is listed; without it, the object is fetched once more, and nothing else', async (t) => {
    const database = await newDatabase(t);
    const world = createWorld({seed: 'marks'});
    for (let i = 0; i < 4; i++) world.call({by: ['teli'], startMs: NOW_MS - (20 - i) * 600_000});
    const api = await APIS.teli.serve(world);
    t.after(() => api.close());
    const run = async (...args) => {
        const {code, report, stderr} = await reconcile(database, 'teli', APIS.teli.env(api.url), ['--since', ago(1), ...args]);
        assert.equal(code, 0, stderr);
        return report;
    };
    const young = () => database.value(`SELECT count(*) FROM reconcile_marks WHERE seen_at > now() - interval '1 hour'`);

    assert.equal((await run()).new, 4);
    assert.equal(await young(), 4);
    await database.rows(`UPDATE reconcile_marks SET seen_at = now() - interval '29 days'`);
    const {requests} = await run('--dry-run');
    assert.equal(await young(), 0);
    assert.deepEqual([(await run()).requests, await young()], [requests, 4]);
    await database.rows(`UPDATE reconcile_marks SET seen_at = now() - interval '31 days'`);
    assert.equal(await forget(database.client, 500), 4);
    const again = await run();
    assert.deepEqual([again.new, again.updated, again.requests], [0, 0, requests + 4]);
    assert.equal(await young(), 4);
});

test('windows grow together, those that a provider does not keep any more, too', async (t) => {
    const database = await newDatabase(t);
    const world = createWorld({seed: 'windows'});
    world.call({by: ['vapi'], startMs: NOW_MS - 7200_000});
    const api = await APIS.vapi.serve(world);
    t.after(() => api.close());
    for (const since of [ago(40), ago(60), ago(20), ago(40)]) {
        const {code, stderr} = await reconcile(database, 'vapi', APIS.vapi.env(api.url), ['--since', since]);
        assert.equal(code, 0, stderr);
    }
    const windows = await database.rows(
        `SELECT state, from_at = $1::timestamptz AS whole, to_at < now() - interval '13 days' AS past FROM reconcile_windows ORDER BY from_at`,
        [ago(60)],
    );
    assert.deepEqual(windows, [{state: 'refused', whole: true, past: true}, {state: 'covered', whole: false, past: false}]);
    assert.equal(await database.value('SELECT count(*) FROM reconcile_steps'), 0);
});

test('windows that many runs could not even begin become one, and are listed once', async (t) => {
    const database = await newDatabase(t);
    const world = createWorld({seed: 'no key'});
    for (let i = 0; i < 3; i++) world.call({by: ['vapi'], startMs: NOW_MS - (i + 1) * 3600_000});
    const api = await APIS.vapi.serve(world);
    t.after(() => api.close());
    const good = APIS.vapi.env(api.url);
    const count = (state) => database.value('SELECT count(*) FROM reconcile_windows WHERE state = $1', [state]);
    const run = (env, ...args) => reconcile(database, 'vapi', env, args);
    const left = [];
    for (let i = 0; i < 2; i++) {
        assert.equal((await run({...good, VAPI_API_KEY: 'another-key'})).code, 1);
        left.push(await count('pending'));
    }
    assert.equal(left[1], left[0] + 1);
    // As after two days of that; and of long ago, by themselves, some that failed.
    await database.rows(
        `WITH w AS (INSERT INTO reconcile_windows (provider, resource, from_at, to_at, state, tries)
             SELECT 'vapi', 'calls', at - interval '10 minutes', at + interval '5 minutes', 'pending', 0
             FROM generate_series(now() - interval '2 days', now(), interval '5 minutes') at
             UNION ALL
             SELECT 'vapi', 'calls', at, at + interval '5 minutes', 'failed', 2
             FROM generate_series(now() - interval '13 days', now() - interval '12 days 23 hours', interval '5 minutes') at
             RETURNING id)
         INSERT INTO reconcile_steps (window_id, what) SELECT id, 'never asked' FROM w`,
    );
    assert.ok((await count('pending')) > 500);

    const {code, report, stderr} = await run(good);
    assert.deepEqual([code, report?.new, report?.errors], [0, 3, []], stderr);
    assert.ok(report.requests < 40, JSON.stringify(report));
    const covered = await database.rows(`SELECT state, to_at < now() - interval '12 days' AS past FROM reconcile_windows ORDER BY from_at`);
    assert.deepEqual(covered, [{state: 'covered', past: true}, {state: 'covered', past: false}]);
    assert.equal(await database.value('SELECT count(*) FROM reconcile_steps'), 0);
});

test('a database of the version before keeps its rows', async (t) => {
    const database = await newDatabase(t, {migrate: false});
    const files = readdirSync(join(ROOT, 'schema')).sort();
    const before = files.filter((name) => (/^000\d_/.test(name) || name.startsWith('repeatable_')) && name !== 'repeatable_reconcile.sql');
    await database.rows('CREATE TABLE hookline_migrations (file text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())');
    for (const name of before) {
        const text = readFileSync(join(ROOT, 'schema', name), 'utf8');
        await database.client.query(text);
        const checksum = createHash('sha256').update(text).digest('hex').slice(0, 32);
        await database.rows('INSERT INTO hookline_migrations (file, checksum) VALUES ($1, $2)', [name, checksum]);
    }
    await database.rows(`INSERT INTO reconcile_state (provider, resource, watermark, cursor) VALUES ('twilio', 'calls', $1, 'never read')`, [ago(1)]);
    const run = await addRun(database, 'twilio', 400, {changes: 2});
    await addMarks(database, 'twilio', 400);

    const {code, stdout, stderr} = runHookline(['migrate'], {DATABASE_URL: database.url});
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /0010_retention\.sql/);
    const state = await database.rows('SELECT provider, resource, extract(epoch FROM watermark)::int AS watermark FROM reconcile_state');
    assert.deepEqual(state, [{provider: 'twilio', resource: 'calls', watermark: Math.floor(Date.parse(ago(1)) / 1000)}]);
    assert.deepEqual(await changes(database), [{id: run, n: 2}]);

    const fresh = await newDatabase(t);
    const SCHEMA = `SELECT format('%s.%s %s', table_name, column_name, data_type) AS line FROM information_schema.columns WHERE table_name LIKE 'reconcile%'
                    UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'reconcile%' OR tablename = 'business_agents'
                    UNION ALL SELECT format('%s %s %s %s', tablename, policyname, roles, qual) FROM pg_policies WHERE tablename LIKE 'reconcile%' ORDER BY 1`;
    assert.deepEqual(await database.rows(SCHEMA), await fresh.rows(SCHEMA));
});
