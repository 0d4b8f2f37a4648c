// sync.test.mjs – a run of reconcile that somebody has asked the API for: made by hookline, watched, and ended.

import assert from 'node:assert/strict';
import {mkdtempSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {phoneNumber, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {startTwilioApi} from './lib/twilio_api.mjs';
import {inTurn, until} from './lib/wait.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
const RANGE = 'since=2026-08-11T00:00:00Z&until=2026-08-14T00:00:00Z';
const TOKEN = 'a-token-of-the-operations-team';

async function setUp(t, calls, env = {HOOKLINE_API_TOKENS: `ops:${TOKEN}`}, misbehave = () => null) {
    const started = []; // the last first; what has not started keeps no other from ending
    t.after(() => inTurn(...started));
    const database = await createDatabase();
    started.unshift(database.drop);
    const twilio = await startTwilioApi(calls);
    started.unshift(twilio.close);
    twilio.misbehave = misbehave;
    const hookline = await startHookline({
        DATABASE_URL: database.url,
        TWILIO_API_URL: twilio.url,
        LIVEKIT_API_KEY: null,
        LIVEKIT_API_SECRET: null,
        HOOKLINE_RECONCILE_EVERY: 0,
        ...env,
    });
    started.unshift(hookline.end);
    const ask = async (method, path) => {
        const response = await fetch(hookline.url + path, {
            method,
            headers: {Authorization: `Bearer ${TOKEN}`},
            signal: AbortSignal.timeout(2 * PATIENCE_MS),
        });
        assert.ok(response.ok, `${path}: ${response.status}`);
        return response.json();
    };
    return {database, twilio, hookline, ask};
}

const someCalls = (count) => Array.from({length: count}, (_, i) => twilioCall(`s${i}`, {customer: phoneNumber(i)}));
const calls = (database) => database.value("SELECT count(*)::int FROM voice_calls WHERE provider = 'twilio'");

test('a run is made, and its end waited for; once more it finds nothing new', async (t) => {
    const {database, ask} = await setUp(t, someCalls(20));
    const first = await ask('POST', `/api/sync/twilio?wait=1&${RANGE}`);
    assert.deepEqual([first.created, first.updated], [20, 0]);
    assert.equal(await calls(database), 20);
    const again = await ask('POST', `/api/sync/twilio?wait=1&${RANGE}`);
    assert.deepEqual([again.created, again.updated, again.unchanged], [0, 0, 20]);
    const row = await database.row('SELECT * FROM reconcile_runs WHERE id = $1', [first.id]);
    assert.deepEqual([row.status, row.asked_by, row.dry_run], ['done', 'ops', false]);
    assert.ok(row.finished_at && row.progressed_at && Number(row.steps_done) > 0);
});

test('a dry run says what it would do, and does nothing', async (t) => {
    const {database, ask} = await setUp(t, someCalls(10));
    const run = await ask('POST', `/api/sync/twilio?wait=1&dryRun=true&${RANGE}`);
    assert.deepEqual([run.created, run.dry_run], [10, true]);
    assert.equal(await calls(database), 0);
    assert.equal(await database.value('SELECT status FROM reconcile_runs WHERE id = $1', [run.id]), 'done');
});

test('one that nobody has a key for is refused in its row', async (t) => {
    const livekit = {LIVEKIT_API_KEY: 'key', LIVEKIT_API_SECRET: 'a-secret-of-thirty-two-letters-it-is'};
    const {database, ask} = await setUp(t, [], {HOOKLINE_API_TOKENS: `ops:${TOKEN}`, ...livekit});
    for (const [provider, setting] of [['vapi', 'VAPI_API_KEY'], ['livekit', 'LIVEKIT_URL']]) {
        const {id} = await ask('POST', `/api/sync/${provider}`);
        const ended = () => database.row("SELECT status, errors FROM reconcile_runs WHERE id = $1 AND status = 'failed'", [id]);
        await until('the refusal', ended, PATIENCE_MS);
        assert.match((await ended()).errors[0], new RegExp(`cannot be asked: set ${setting}$`));
    }
});

test('one that is under way is canceled, and what it has done stays', async (t) => {
    const {database, twilio, ask} = await setUp(t, someCalls(40));
    twilio.misbehave = () => ({delayMs: 500});
    const {id} = await ask('POST', `/api/sync/twilio?${RANGE}`);
    const row = () => database.row('SELECT status, finished_at FROM reconcile_runs WHERE id = $1', [id]);
    await until('it to run', async () => (await row()).status === 'running', PATIENCE_MS);
    assert.equal((await ask('POST', `/api/sync/runs/${id}/cancel`)).id, id);
    await until('its end', async () => (await row()).finished_at, PATIENCE_MS);
    assert.equal((await row()).status, 'canceled');

    // The lease is given back: the next one goes on.
    twilio.misbehave = () => null;
    const next = await ask('POST', `/api/sync/twilio?wait=1&${RANGE}`);
    assert.equal(await calls(database), 40);
    assert.ok(next.id > id);
});

test('one that is asked for with the first token there is, which came by a reload', async (t) => {
    const file = join(mkdtempSync(join(tmpdir(), 'hookline-tokens-')), 'tokens');
    writeFileSync(file, ',\n');
    const {hookline, ask} = await setUp(t, someCalls(20), {HOOKLINE_API_TOKENS_FILE: file});
    assert.ok(hookline.logs().some(({msg}) => msg === 'API off'));
    writeFileSync(file, `ops:${TOKEN}\n`);
    hookline.child.kill('SIGHUP');
    assert.ok(await hookline.waitForLog(({msg}) => msg === 'reloaded'));
    const run = await ask('POST', `/api/sync/twilio?wait=1&${RANGE}`);
    assert.deepEqual([run.status, run.created], ['done', 20]);
});

test('one that is asked for while the schedule makes its own comes next, not when that is due again', async (t) => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    const env = {HOOKLINE_API_TOKENS: `ops:${TOKEN}`, HOOKLINE_RECONCILE_EVERY: 3600};
    const {database, ask} = await setUp(t, someCalls(5), env, () => held);
    const status = (id) => database.value('SELECT status FROM reconcile_runs WHERE id = $1', [id]);
    const own = await until(
        'the own run',
        () => database.value("SELECT id FROM reconcile_runs WHERE asked_by = 'schedule' AND status = 'running'"),
        PATIENCE_MS,
    );
    const {id} = await ask('POST', `/api/sync/twilio?${RANGE}`);
    const isSeen = `SELECT count(*) FROM pg_stat_activity, reconcile_runs r WHERE r.id = $1 AND datname = current_database()
        AND query LIKE 'SELECT DISTINCT provider FROM public.reconcile_runs%' AND state = 'idle' AND query_start > r.asked_at`;
    await until('it to be seen, while nobody waits for it', () => database.value(isSeen, [id]), PATIENCE_MS);
    assert.deepEqual([await status(own), await status(id)], ['running', 'queued']);
    release(null);
    await until('its end', async () => (await status(id)) === 'done', PATIENCE_MS);
});

test('one that is asked for after the database was silent for longer than anybody waits', async (t) => {
    const database = await createDatabase();
    const proxy = await proxyTo(database.url);
    t.after(() => inTurn(proxy.close, database.drop));
    const {ask} = await setUp(t, [], {
        DATABASE_URL: proxy.url,
        HOOKLINE_API_TOKENS: `ops:${TOKEN}`,
        HOOKLINE_STATEMENT_TIMEOUT: 1,
    });
    await sleep(2_000); // it has looked for runs, over the connection that it looks over
    proxy.hold();
    await sleep(5_000);
    proxy.release();
    await until('the API has its database again', () => ask('GET', '/api/sync/runs').catch(() => null), PATIENCE_MS);
    const {id} = await ask('POST', `/api/sync/twilio?${RANGE}`);
    const status = () => database.value('SELECT status FROM reconcile_runs WHERE id = $1', [id]);
    await until('the run is made', async () => (await status()) === 'done', 2 * PATIENCE_MS);
});
