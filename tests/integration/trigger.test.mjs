// trigger.test.mjs – runs of reconcile that webhooks ask for: where a session ends, its provider's API is asked soon, and
// neither a burst nor a second instance makes many runs of that.

import assert from 'node:assert/strict';
import {once} from 'node:events';
import http from 'node:http';
import {describe, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {APIS} from './lib/backfill.mjs';
import {createDatabase} from './lib/database.mjs';
import {MORE_SECRETS} from './lib/fixtures.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {signLivekit} from './lib/sign.mjs';
import {inTurn, until} from './lib/wait.mjs';
import {createWorld} from '../simulators/world.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 30_000;
const {serve, env: apiEnv} = APIS.beyond_presence;

/** A hookline whose next run by the schedule is an hour away. */
async function setUp(t, settings = {}, {instances = 1} = {}) {
    const database = await createDatabase();
    const world = createWorld({seed: 'trigger'});
    const api = await serve(world);
    const env = {
        DATABASE_URL: database.url,
        ...MORE_SECRETS,
        ...apiEnv(api.url),
        HOOKLINE_RECONCILE_EVERY: 3600,
        HOOKLINE_RECONCILE_TRIGGER_GAP: 1,
        ...settings,
    };
    const hooklines = [];
    t.after(() => inTurn(...hooklines.map((one) => one.end), api.close, database.drop));
    while (hooklines.length < instances) hooklines.push(await startHookline(env));
    return {database, world, api, hooklines, hookline: hooklines[0]};
}

const runs = (database, askedBy) =>
    database.rows("SELECT * FROM reconcile_runs WHERE provider = 'beyond_presence' AND asked_by = $1 ORDER BY id", [askedBy]);
const untilDone = (what, database, askedBy, count = 1) => {
    const check = async () => (await runs(database, askedBy)).filter(({status}) => status === 'done').length >= count;
    return until(what, check, PATIENCE_MS);
};
const firstRun = (database) => untilDone('the first run', database, 'schedule');
const messages = (database) => database.value("SELECT count(*)::int FROM voice_messages WHERE NOT superseded");

/** A call that is over, as the world tells it from now on. */
const endedCall = (world) =>
    world.call({by: ['beyond_presence'], startMs: Math.floor(Date.now() / 1000) * 1000 - 120_000, talkMs: 30_000});

/** The webhook that says so, and nothing of what was said. */
async function tellEnded(hookline, call) {
    const body = {event_type: 'call_ended', call_id: call.told.beyond_presence.providerCallId};
    const path = `/webhooks/beyond-presence/${MORE_SECRETS.BEY_WEBHOOK_SECRET}`;
    const reply = await send(hookline.url, {path, headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
    assert.equal(reply.status, 200, reply.body);
}

// Each has its own of everything, and waits most of its time.
describe('a run that webhooks ask for', {concurrency: true}, () => {
    test('a call that has ended is asked for without waiting for the schedule', async (t) => {
        const {database, world, api, hookline} = await setUp(t);
        await firstRun(database);
        const asked = api.requests.length;
        const call = endedCall(world);
        await tellEnded(hookline, call);
        await untilDone('the run', database, 'webhook');
        assert.equal(await messages(database), call.story.lines.length);
        assert.ok(await database.value("SELECT confirmed FROM voice_calls WHERE provider = 'beyond_presence'"));
        const id = call.told.beyond_presence.providerCallId;
        assert.deepEqual(
            api.requests.slice(asked).map(({path}) => path),
            ['/v1/calls', `/v1/calls/${id}/messages`],
        );
        assert.deepEqual([(await runs(database, 'schedule')).length, (await runs(database, 'webhook')).length], [1, 1]);
    });

    test('so is one whose room at LiveKit has ended', async (t) => {
        const {database, world, hookline} = await setUp(t);
        await firstRun(database);
        const call = endedCall(world);
        const createdAt = String(Math.floor(Date.now() / 1000));
        const room = {sid: 'RM_triggerTest1', name: 'with-an-avatar', creationTime: createdAt};
        const reply = await send(hookline.url, await signLivekit({event: 'room_finished', id: 'EV_triggerTest1', createdAt, room}));
        assert.equal(reply.status, 200, reply.body);
        await untilDone('the run', database, 'webhook');
        assert.equal(await messages(database), call.story.lines.length);
        const others = "SELECT count(*)::int FROM reconcile_runs WHERE provider <> 'beyond_presence' AND asked_by = 'webhook'";
        assert.equal(await database.value(others), 0);
    });

    test('fifty at once, at two instances, make two runs at most, one after the other', async (t) => {
        const {database, world, hooklines} = await setUp(t, {HOOKLINE_RECONCILE_TRIGGER_GAP: 10}, {instances: 2});
        await firstRun(database);
        const calls = Array.from({length: 50}, () => endedCall(world));
        await Promise.all(calls.map((call, i) => tellEnded(hooklines[i % 2], call)));
        await untilDone('a run', database, 'webhook');
        const lines = calls.reduce((sum, {story}) => sum + story.lines.length, 0);
        await until('all that was said', async () => (await messages(database)) === lines, PATIENCE_MS);
        await sleep(15_000); // the other instance looks once more
        const made = await runs(database, 'webhook');
        assert.ok(made.length <= 2, `${made.length} runs`);
        assert.ok(made.every(({started_at}, i) => i === 0 || started_at >= made[i - 1].finished_at));
    });

    describe('none is made', {concurrency: true}, () => {
        const cases = [
            ['without a key', {BEY_API_KEY: null}, 0],
            ['where the schedule is off', {HOOKLINE_RECONCILE_EVERY: 0}, 0],
            ['where a setting says so', {HOOKLINE_RECONCILE_TRIGGER_GAP: 0}, 1],
        ];
        for (const [name, settings, others] of cases)
            test(name, async (t) => {
                const {database, world, api, hookline} = await setUp(t, settings);
                if (others) await firstRun(database);
                const asked = api.requests.length;
                await tellEnded(hookline, endedCall(world));
                await sleep(8000);
                assert.equal(api.requests.length, asked);
                assert.equal(await database.value("SELECT count(*)::int FROM reconcile_runs WHERE provider = 'beyond_presence'"), others);
            });
    });

    test('stopping waits neither for one that is to be made nor for one that is under way', async (t) => {
        const {database, world, hookline} = await setUp(t, {HOOKLINE_RECONCILE_TRIGGER_GAP: 3600});
        await firstRun(database);
        await tellEnded(hookline, endedCall(world));
        await hookline.end();
        assert.deepEqual(await runs(database, 'webhook'), []);

        let isSilent = false;
        let waiting = 0;
        const api = http.createServer((request, response) => {
            if (isSilent) waiting++;
            else response.end('{"data":[],"has_more":false}');
        });
        api.listen(0, '127.0.0.1');
        await once(api, 'listening');
        const another = await setUp(t, {BEY_API_URL: `http://127.0.0.1:${api.address().port}`});
        t.after(() => api.closeAllConnections() ?? api.close());
        await firstRun(another.database);
        isSilent = true;
        await tellEnded(another.hookline, endedCall(another.world));
        await until('it asks', () => waiting > 0, PATIENCE_MS);
        await another.hookline.end();
        assert.deepEqual((await runs(another.database, 'webhook')).map(({status}) => status), ['canceled']);
    });
});
