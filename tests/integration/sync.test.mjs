// sync.test.mjs – a run of reconcile that somebody has asked the API for: made by hookline, watched, and ended.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {phoneNumber, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {startTwilioApi} from './lib/twilio_api.mjs';
import {inTurn, until} from './lib/wait.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
const RANGE = 'since=2026-08-11T00:00:00Z&until=2026-08-14T00:00:00Z';
const TOKEN = 'a-token-of-the-operations-team';

async function setUp(t, calls, {everyS = 0, misbehave} = {}) {
    const database = await createDatabase();
    const twilio = await startTwilioApi(calls);
    if (misbehave) twilio.misbehave = misbehave;
    const hookline = await startHookline({
        DATABASE_URL: database.url,
        TWILIO_API_URL: twilio.url,
        LIVEKIT_API_KEY: null,
        LIVEKIT_API_SECRET: null,
        HOOKLINE_API_TOKENS: `ops:${TOKEN}`,
        HOOKLINE_RECONCILE_EVERY: everyS,
    });
    t.after(() => inTurn(hookline.end, twilio.close, database.drop));
    const ask = async (method, path) => {
        const response = await fetch(hookline.url + path, {method, headers: {Authorization: `Bearer ${TOKEN}`}});
        assert.ok(response.ok, `${path}: ${response.status}`);
        return response.json();
    };
    return {database, twilio, ask};
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
    const {database, ask} = await setUp(t, []);
    const {id} = await ask('POST', '/api/sync/vapi');
    const ended = () => database.row("SELECT status, errors FROM reconcile_runs WHERE id = $1 AND status = 'failed'", [id]);
    await until('the refusal', ended, PATIENCE_MS);
    assert.match((await ended()).errors[0], /VAPI_API_KEY/);
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

test('one that is asked for while the schedule makes another does not wait for the next', async (t) => {
    let isSlow = true;
    const misbehave = () => (isSlow ? {delayMs: 500} : null);
    const {database, ask} = await setUp(t, someCalls(5), {everyS: 3600, misbehave});
    const running = "SELECT id FROM reconcile_runs WHERE provider = 'twilio' AND asked_by = 'schedule' AND status = 'running'";
    await until('the run of the schedule', () => database.value(running), PATIENCE_MS);
    const {id} = await ask('POST', `/api/sync/twilio?${RANGE}`);
    await sleep(3000); // meanwhile it is seen, while there is nobody to wake
    isSlow = false;
    const ended = () => database.value("SELECT id FROM reconcile_runs WHERE id = $1 AND status = 'done'", [id]);
    await until('the one that was asked for', ended, PATIENCE_MS);
});
