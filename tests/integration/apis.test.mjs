// APIs on bad days: what reconcile makes of servers that are slow, refuse, break off, answer nonsense, know late, lead in
// circles or speak an older dialect. All five, simulated (tests/simulators/); what happens in between to hookline itself, a
// kill or a second instance, is elsewhere.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {after, before, beforeEach, describe, test} from 'node:test';
import {APIS, deliver, differences, reconcile} from './lib/backfill.mjs';
import {createDatabase} from './lib/database.mjs';
import {generator} from './lib/random.mjs';
import {rowsByCall} from './lib/rows.mjs';
import {ROOT, startHookline} from './lib/hookline.mjs';
import {until} from './lib/wait.mjs';
import {everyNth, inThisOrder} from '../simulators/api_server.mjs';
import {createWorld} from '../simulators/world.mjs';

const NOW_MS = Math.floor(Date.now() / 1000) * 1000;
const MINUTE_MS = 60_000;
const FAULTS = ['429', 'truncated', '500', 'broken', 'html', 'slow', 'html 200', '503'];

let database;
before(async () => (database = await createDatabase()));
after(() => database?.drop());
const forget = () =>
    database.rows(
        `TRUNCATE event_keys, call_events, voice_calls, reconcile_state, reconcile_runs, reconcile_changes, reconcile_windows,
         reconcile_steps, reconcile_marks, agent_aliases CASCADE`,
    );
beforeEach(forget);

/** A world of n calls of one provider, a minute between them; live: they go on. */
function worldOf(provider, n, {live = false, seed = provider, ...options} = {}) {
    const world = createWorld({seed, ...options});
    for (let i = 0; i < n; i++)
        world.call({
            by: [provider],
            startMs: NOW_MS - (20 + i) * MINUTE_MS,
            talkMs: live ? 86_400_000 : 30_000,
            outcome: i % 7 === 3 ? 'no-answer' : 'completed',
        });
    return world;
}

/** One pass over what `options` make of the API. */
async function pass(t, provider, world, options = {}, more = {}) {
    const {serve, env} = APIS[provider];
    const api = await serve(world, options);
    t.after(() => api.close());
    const {code, signal, report, stderr} = await reconcile(database, provider, {...env(api.url), ...more});
    assert.equal(signal, null, stderr);
    return {code, report, api, text: `${stderr}${JSON.stringify(report)}`};
}
const calls = () => database.value('SELECT count(*) FROM voice_calls');
const messages = () => database.value('SELECT count(*) FROM voice_messages');
const linesOf = (world) => world.calls.reduce((sum, {story}) => sum + story.lines.length, 0);

describe('whatever goes wrong on the way, the rows are the same', () => {
    for (const provider of Object.keys(APIS))
        test(provider, async (t) => {
            const world = worldOf(provider, 24, {live: provider === 'livekit'});
            await pass(t, provider, world);
            const wanted = await rowsByCall(database);
            await forget();

            const {code, report, api, text} = await pass(t, provider, world, {fault: everyNth(5, FAULTS), latencyMs: 2});
            assert.equal(code, 0, text);
            assert.deepEqual([report.status, report.error_count, report.dead_letters], ['done', 0, 0], text);
            assert.ok(api.requests.length >= 3, 'it met a fault');
            const found = await rowsByCall(database);
            assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
            for (const [id, rows] of wanted) assert.deepEqual(differences(found.get(id), rows, {}), [], id);
        });
});

test('an answer that is never whole fails its window only, and the next pass makes it good', async (t) => {
    const world = worldOf('twilio', 10);
    const always = ({path}) => (path.endsWith('/Recordings.json') ? 'html 200' : null);
    const {code, report, text} = await pass(t, 'twilio', world, {fault: always});
    assert.equal(code, 1, text);
    assert.ok(report.error_count > 0 && report.status === 'failed', text);
    assert.equal(await calls(), 10);
    const second = await pass(t, 'twilio', world);
    assert.equal(second.code, 0, second.text);
    assert.ok((await database.value('SELECT count(*) FROM voice_calls WHERE recording_url IS NOT NULL')) > 0);
});

test('a key that is not good ends the run at once, and says which it is', async (t) => {
    for (const [provider, wrong, names] of [
        ['twilio', {token: 'another'}, /TWILIO_AUTH_TOKEN/],
        ['vapi', {key: 'another'}, /VAPI_API_KEY/],
        ['livekit', {secret: 'another'}, /LIVEKIT_API_SECRET/],
        ['beyond_presence', {key: 'another'}, /BEY_API_KEY/],
        ['teli', {key: 'another'}, /TELI_API_KEY/],
    ]) {
        const {code, report, api, text} = await pass(t, provider, worldOf(provider, 3), wrong);
        assert.equal(code, 1, text);
        assert.match(report.errors.join('\n'), names);
        assert.ok(api.requests.length <= 4, `${provider}: asked ${api.requests.length} times`);
    }
});

test('lists that lead in a circle, or repeat themselves, end', async (t) => {
    for (const provider of ['twilio', 'beyond_presence'])
        for (const paging of ['loop', 'repeat']) {
            await forget();
            const world = worldOf(provider, 120);
            const {report, api, text} = await pass(t, provider, world, {paging, mostInPage: 20});
            assert.ok(api.requests.length < 600, `${provider} ${paging}: ${api.requests.length} requests`);
            assert.ok(report.error_count > 0 && report.status === 'failed', `${provider} ${paging}: ${text}`);
            assert.ok((await calls()) > 0);
        }
});

// Calls are known to an API a little late. What a pass missed, one that comes later finds.
describe('what an API knows late is found by a later pass', () => {
    for (const provider of ['twilio', 'vapi', 'livekit', 'beyond_presence', 'teli'])
        test(provider, async (t) => {
            const world = createWorld({seed: 'late', lagMs: 4 * MINUTE_MS});
            const nowMs = Math.floor(Date.now() / 1000) * 1000;
            for (let i = 0; i < 8; i++)
                world.call({by: [provider], startMs: nowMs - (8.2 - i) * MINUTE_MS, talkMs: provider === 'livekit' ? 86_400_000 : 5000});
            const first = await pass(t, provider, world);
            assert.equal(first.code, 0, first.text);
            const early = await calls();
            assert.ok(early > 0 && early < 8, `${early} calls`);
            world.lagMs = 0;
            const second = await pass(t, provider, world);
            assert.equal(second.code, 0, second.text);
            assert.deepEqual([await calls(), second.report.new], [8, 8 - early], second.text);
        });
});

describe('Beyond Presence', () => {
    for (const generation of ['bare', 'flat', 'status'])
        for (const prefix of ['/v1/calls', '/v1/conversations'])
            test(`${generation} lists of ${prefix}`, async (t) => {
                const world = worldOf('beyond_presence', 60);
                const {code, report, text} = await pass(t, 'beyond_presence', world, {generation, prefix});
                assert.equal(code, 0, text);
                assert.deepEqual([await calls(), await messages()], [60, linesOf(world)], text);
                assert.equal(await database.value("SELECT count(*) FROM voice_calls WHERE status = 'completed' AND confirmed"), 60);
                const again = await pass(t, 'beyond_presence', world, {generation, prefix});
                assert.deepEqual([again.code, again.report.new, again.report.updated], [0, 0, 0], again.text);
                assert.equal(report.new, 60);
            });

    test('a call without an end that neither name knows is over', async (t) => {
        await database.rows(
            `INSERT INTO voice_calls (provider, provider_call_id, status, created_at)
             VALUES ('beyond_presence', 'nobody-knows', 'active', now() - interval '1 day')`,
        );
        const {code, api, text} = await pass(t, 'beyond_presence', worldOf('beyond_presence', 1));
        assert.equal(code, 0, text);
        const asked = api.requests.map(({path}) => path).filter((path) => path.endsWith('nobody-knows'));
        assert.deepEqual(asked, ['/v1/calls/nobody-knows', '/v1/conversations/nobody-knows']);
        assert.equal(await database.value("SELECT status FROM voice_calls WHERE provider_call_id = 'nobody-knows'"), 'failed');
    });
});

describe('Teli', () => {
    test('a server that pays no heed to the window is asked for an export', async (t) => {
        const world = worldOf('teli', 130);
        const {code, api, text} = await pass(t, 'teli', world, {ignoresWindow: true});
        assert.equal(code, 0, text);
        assert.equal(await calls(), 130);
        assert.ok(api.requests.some(({query}) => query.get('format') === 'json'));
    });

    test('an export that is cut off is asked for in halves', async (t) => {
        const world = createWorld({seed: 'halves'});
        for (let i = 0; i < 260; i++) // a hundred and thirty at once, twice
            world.call({by: ['teli'], startMs: NOW_MS - (i < 130 ? 50 : 90) * MINUTE_MS, talkMs: 30_000});
        const {code, report, api, text} = await pass(t, 'teli', world, {exportMost: 150});
        assert.equal(code, 0, text);
        assert.equal(await calls(), 260, text);
        assert.equal(report.skipped.truncated, undefined, text);
        assert.ok(api.requests.some(({query}) => query.get('format') === 'json'));
    });
});

// A room that is in no list has ended: when, only what was heard of it can tell.
describe('LiveKit', () => {
    const HOUR_MS = 60 * MINUTE_MS;
    const BEGAN_MS = NOW_MS - 5 * HOUR_MS;
    const roomOf = ({told}) => told.livekit.room.sid;
    const heard = async (webhooks) => {
        const hookline = await startHookline({DATABASE_URL: database.url});
        await deliver(hookline, webhooks, generator(7));
        await hookline.end();
    };
    const listed = (api) => api.requests.filter(({path}) => path.endsWith('/ListRooms')).length;

    test('rooms without an end are asked about at once, and those that are over ended when they were last heard of', async (t) => {
        const world = createWorld({seed: 'unseen'});
        const room = (talkMs, recorded = false) => world.call({by: ['livekit'], startMs: BEGAN_MS, talkMs, recorded});
        const began = room(HOUR_MS);
        const joined = room(HOUR_MS);
        const left = room(HOUR_MS);
        const recorded = room(HOUR_MS, true);
        const others = [room(HOUR_MS), room(HOUR_MS), room(HOUR_MS)];
        const live = [room(24 * HOUR_MS), room(24 * HOUR_MS), room(24 * HOUR_MS)];
        const endMs = left.told.livekit.endMs;
        const told = (call, ...names) => call.webhooks.filter(({name}) => names.length === 0 || names.includes(name));
        await heard([
            ...told(began, 'room_started'),
            ...told(joined, 'room_started', 'agent joined', 'caller joined'),
            ...[left, ...others].flatMap((call) => told(call).filter(({name}) => name !== 'room_finished')),
            ...told(recorded, 'caller joined', 'egress started'),
            ...live.flatMap((call) => told(call, 'room_started', 'caller joined')),
        ]);

        const {code, api, report, text} = await pass(t, 'livekit', world);
        assert.equal(code, 0, text);
        assert.deepEqual([report.error_count, listed(api)], [0, 2], text); // the list of every run, and that of those ten
        const stored = async (call) => {
            const {status, end_reason: reason, ended_at: at} = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [roomOf(call)]);
            return [status, reason, at && Date.parse(at)];
        };
        assert.deepEqual(await stored(began), ['failed', 'ended_unseen', BEGAN_MS + 137]);
        assert.deepEqual(await stored(joined), ['completed', 'ended_unseen', BEGAN_MS + 4000]);
        for (const call of [left, ...others]) assert.deepEqual(await stored(call), ['completed', 'CLIENT_INITIATED', endMs]);
        assert.deepEqual(await stored(recorded), ['completed', 'ended_unseen', endMs + 1000]); // of its egress LiveKit knows the end
        for (const call of live) assert.deepEqual(await stored(call), ['active', null, null]);

        // Nothing more is known by asking again; by a webhook that comes late there is.
        const again = await pass(t, 'livekit', world);
        assert.deepEqual([again.code, again.report.new, again.report.updated, listed(again.api)], [0, 0, 0, 2], again.text);
        await heard([began, left].flatMap((call) => told(call, 'room_finished')));
        assert.deepEqual(await stored(began), ['failed', 'no_participant', endMs + 20_000]);
        assert.deepEqual(await stored(left), ['completed', 'CLIENT_INITIATED', endMs + 20_000]);
        const {duration_seconds: seconds} = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [roomOf(left)]);
        assert.equal(seconds, 3600 + 4 + 20 - 2); // since the caller was there, 1402 ms after the room
    });

    test('a server that is not where it is looked for ends none', async (t) => {
        const world = worldOf('livekit', 1, {live: true});
        await database.rows(
            `INSERT INTO voice_calls (provider, provider_call_id, status, created_at)
             VALUES ('livekit', 'RM_open', 'active', now() - interval '1 day')`,
        );
        const elsewhere = await APIS.livekit.serve(world);
        t.after(() => elsewhere.close());
        const {code, report, text} = await pass(t, 'livekit', world, {}, {LIVEKIT_URL: `${elsewhere.url}/nowhere`});
        assert.equal(code, 1, text);
        assert.match(report.errors.join('\n'), /the provider answers 404/);
        assert.equal(await database.value("SELECT status FROM voice_calls WHERE provider_call_id = 'RM_open'"), 'active');
    });
});

test('no more requests are in flight than the provider likes', async (t) => {
    for (const [provider, most] of [['twilio', 4], ['vapi', 2], ['livekit', 4], ['beyond_presence', 1], ['teli', 1]]) {
        await forget();
        const {code, api, text} = await pass(t, provider, worldOf(provider, 20, {live: provider === 'livekit'}), {latencyMs: 20});
        assert.equal(code, 0, text);
        assert.ok(api.mostInFlight() <= most, `${provider}: ${api.mostInFlight()}`);
    }
});

test('a 429 is waited for as long as it says, by all requests', async (t) => {
    const fault = inThisOrder(/Calls\.json/, ['429', '429', '429']);
    const {code, report, text} = await pass(t, 'twilio', worldOf('twilio', 5), {fault});
    assert.equal(code, 0, text);
    assert.equal(report.new, 5);
});

/** provider_apis.mjs as a process of its own: what it says that hookline is to be given. */
async function serveAll(t, args, env = {}) {
    const child = spawn(process.execPath, [`${ROOT}/tests/simulators/provider_apis.mjs`, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {PATH: process.env.PATH, ...env},
    });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
    await until('all of them listen', () => text.endsWith('\n\n'));
    const told = text
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s));
    return {...Object.fromEntries(told), VAPI_API_GAP: 0, BEY_API_GAP: 0, TELI_API_GAP: 0};
}

test('provider_apis.mjs serves them all, with calls for a first look', async (t) => {
    const env = await serveAll(t, ['3']);
    for (const provider of Object.keys(APIS)) {
        const {code, report, stderr} = await reconcile(database, provider, env);
        assert.equal(code, 0, `${provider}: ${stderr}${JSON.stringify(report)}`);
        assert.ok(report.new > 0, `${provider}: ${JSON.stringify(report)}`);
    }
});

/** As deploy/up does, with what it has made for webhooks. */
test('provider_apis.mjs serves the same calls another time, to whom it was told to', async (t) => {
    const made = {
        TWILIO_ACCOUNT_SID: `AC${'5'.repeat(32)}`,
        LIVEKIT_API_KEY: 'API0123456789ab',
        LIVEKIT_API_SECRET: 'a-secret-of-somebody-who-tries-it-out',
    };
    const args = ['3', '--before', String(NOW_MS / 1000), '--host', '127.0.0.86'];
    for (const isNew of [true, false]) {
        const told = await serveAll(t, args, made);
        assert.deepEqual(
            Object.keys(made).filter((name) => told[name]),
            [],
        );
        for (const provider of Object.keys(APIS)) {
            const {code, report, stderr} = await reconcile(database, provider, {...told, ...made, TWILIO_AUTH_TOKEN: 'not-for-the-api'});
            assert.equal(code, 0, `${provider}: ${stderr}${JSON.stringify(report)}`);
            assert.equal(report.new > 0, isNew, `${provider}: ${JSON.stringify(report)}`);
            assert.equal(report.updated, 0, `${provider}: ${JSON.stringify(report)}`);
            if (isNew) assert.equal(report.unchanged, 0, `${provider}: ${JSON.stringify(report)}`);
        }
    }
});
