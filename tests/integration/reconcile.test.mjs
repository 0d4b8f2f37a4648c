// Reconcile: what webhooks left out is fetched from the provider's API, once, whatever the API does on the way.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {after, before, describe, test} from 'node:test';
import {phoneNumber, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {BIN, hooklineEnv, runHookline, SANITIZED, SECRETS, startHookline} from './lib/hookline.mjs';
import {assertSameRows, rowsByCall} from './lib/rows.mjs';
import {startBouncer} from './lib/pgbouncer.mjs';
import {send} from './lib/send.mjs';
import {LIST, startTwilioApi} from './lib/twilio_api.mjs';
import {inTurn, until} from './lib/wait.mjs';

// The calls of calls.mjs are of 2026-08-12.
const RANGE = ['--since', '2026-08-11T00:00:00Z', '--until', '2026-08-14T00:00:00Z'];
const ONLY_TWILIO = {LIVEKIT_API_KEY: null, LIVEKIT_API_SECRET: null, VAPI_WEBHOOK_SECRET: null};

const someCalls = (count, name = 'r') =>
    Array.from({length: count}, (_, i) => twilioCall(`${name}${i}`, {customer: phoneNumber(i)}));

/** A database and an API for one test. */
async function setUp(t, calls, options) {
    const database = await createDatabase();
    const api = await startTwilioApi(calls, options);
    t.after(() => inTurn(api.close, database.drop));
    return {database, api, env: {DATABASE_URL: database.url, TWILIO_API_URL: api.url, ...ONLY_TWILIO}};
}

/** `hookline …` as a child, since the API is in this process: {child, ended: promise of {code, signal, stdout, stderr}}. */
function begin(env, ...args) {
    const child = spawn(BIN, args, {env: hooklineEnv(env), stdio: ['ignore', 'pipe', 'pipe']});
    const out = {stdout: '', stderr: ''};
    for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => (out[name] += chunk));
    return {child, ended: once(child, 'close').then(([code, signal]) => ({code, signal, ...out}))};
}

/** The same, to its end, with its summary: {code, stderr, …summary}. */
async function reconcile(env, ...args) {
    const {code, signal, stdout, stderr} = await begin(env, 'reconcile', 'twilio', ...RANGE, '--json', ...args).ended;
    assert.equal(signal, null, stderr);
    return {code, stderr, ...(stdout ? JSON.parse(stdout) : {})};
}

const counts = ({new: created, updated, unchanged}) => ({created, updated, unchanged});

/**
 * What the tables of facts say, and which events there were: not how each of them was heard of. That our voice URL was
 * asked is named by all that it was asked with, which Twilio's API does not tell.
 */
async function facts(database) {
    const calls = await rowsByCall(database);
    return new Map(
        [...calls].sort().map(([id, tables]) => {
            const events = tables.call_events
                .filter(({event_key}) => !event_key.startsWith('voice:'))
                .map(({event_key, error}) => ({event_key, error}));
            return [id, {...tables, call_events: events.sort(byText), voice_messages: tables.voice_messages.sort(byText)}];
        }),
    );
}

async function assertFacts(database, wanted) {
    const found = await facts(database);
    assert.deepEqual([...found.keys()], [...wanted.keys()]);
    for (const [id, rows] of wanted) assertSameRows(found.get(id), rows, id);
}

const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** Everything that a run may write, with the transactions that did. */
const everything = (database) =>
    Promise.all(
        [
            'call_events',
            'event_keys',
            'voice_calls',
            'voice_messages',
            'call_participants',
            'lead_calls',
            'leads',
            'reconcile_state',
            'reconcile_runs',
            'reconcile_windows',
            'reconcile_steps',
            'reconcile_marks',
            'reconcile_changes',
        ].map((table) => database.rows(`SELECT '${table}' AS t, x.xmin::text, to_jsonb(x) AS r FROM ${table} x ORDER BY 3::text`)),
    );

/** A number between 0 and 1 that belongs to i. */
const chance = (i) => ((i * 7919 + 104_729) % 1000) / 1000;

describe('webhooks that never came', () => {
    let whole, api, calls, wanted;
    const COUNT = SANITIZED ? 12 : 40;

    before(async () => {
        calls = someCalls(COUNT);
        whole = await createDatabase();
        api = await startTwilioApi(calls);
        const hookline = await startHookline({DATABASE_URL: whole.url});
        for (const call of calls) for (const event of call.events) await send(hookline.url, await event.sign());
        await hookline.end();
        const run = await reconcile({DATABASE_URL: whole.url, TWILIO_API_URL: api.url, ...ONLY_TWILIO});
        assert.equal(run.code, 0, run.stderr);
        wanted = await facts(whole);
    });
    after(() => inTurn(api.close, whole.drop));

    test('are made up for: the rows are those of a database that heard them all', async (t) => {
        const {database, env} = await setUp(t, calls);
        const hookline = await startHookline({DATABASE_URL: database.url});
        const all = calls.flatMap((call) => call.events).sort((a, b) => chance(a.params.CallSid.charCodeAt(5)) - chance(b.name.length));
        let i = 0;
        for (const event of all) {
            i += 1;
            if (chance(i) > 0.6) continue;
            await send(hookline.url, await event.sign());
            if (chance(i) < 0.15) await send(hookline.url, await event.sign());
        }
        await hookline.end();

        const first = await reconcile(env);
        assert.equal(first.code, 0, first.stderr);
        assert.equal(first.new + first.updated + first.unchanged, COUNT);
        assert.ok(first.updated > 0);
        assert.deepEqual(first.errors, []);
        await assertFacts(database, wanted);

        const before = await everything(database);
        const again = await reconcile(env);
        assert.deepEqual([again.code, counts(again)], [0, {created: 0, updated: 0, unchanged: COUNT}]);
        const written = (tables) => tables.flat().filter(({t}) => !/^reconcile|voice_calls/.test(t));
        assert.deepEqual(written(await everything(database)), written(before));
        await assertFacts(database, wanted);
    });

    test('of all calls: all are new, and each change is kept with what was before', async (t) => {
        const {database, env} = await setUp(t, calls);
        const {code, stderr, ...summary} = await reconcile(env);
        assert.deepEqual([code, counts(summary)], [0, {created: COUNT, updated: 0, unchanged: 0}], stderr);
        await assertFacts(database, wanted);
        const {n, fresh} = await database.row(
            `SELECT count(DISTINCT row_id)::int AS n, bool_and(before IS NULL OR after IS NOT NULL) AS fresh
             FROM reconcile_changes WHERE table_name = 'voice_calls'`,
        );
        assert.deepEqual([n, fresh], [COUNT, true]);
        assert.equal(await database.value(`SELECT count(*)::int FROM call_events WHERE way <> 'reconcile'`), 0);
        const run = await database.row('SELECT * FROM reconcile_runs');
        assert.deepEqual(
            [run.status, run.asked_by, Number(run.created), Number(run.fetched), Number(run.requests)],
            ['done', 'command', COUNT, summary.fetched, summary.requests],
        );
    });

    test('a dry run says the same, and writes nothing', async (t) => {
        const {database, env} = await setUp(t, calls);
        const before = await everything(database);
        const dry = await reconcile(env, '--dry-run');
        assert.deepEqual([dry.code, dry.dry_run, counts(dry)], [0, true, {created: COUNT, updated: 0, unchanged: 0}]);
        assert.deepEqual(await everything(database), before);
    });

    test('a run that is killed is gone on with, and ends as if it had not been', async (t) => {
        const {database, api, env} = await setUp(t, calls, {pageSize: 5});
        const {child, ended} = begin(env, 'reconcile', 'twilio', ...RANGE);
        await until('some calls are committed', async () => Number(await database.value('SELECT count(*) FROM voice_calls')) >= 5);
        child.kill('SIGKILL');
        await ended;
        const left = Number(await database.value('SELECT count(*) FROM reconcile_steps'));
        assert.ok(left > 0, 'it was killed too late');
        const asked = api.requests.length;

        await database.rows(`UPDATE reconcile_state SET leased_until = now()`); // instead of waiting for half a minute
        const {code, stderr} = await begin(env, 'reconcile', 'twilio').ended;
        assert.equal(code, 0, stderr);
        assert.equal(await database.value('SELECT count(*)::int FROM reconcile_steps'), 0);
        await assertFacts(database, wanted);
        // What was committed was not asked for again: no list from its beginning, and no call's events twice.
        const events = api.requests.filter(({path}) => path.endsWith('/Events.json')).map(({path}) => path);
        assert.ok(events.length <= COUNT + 8, `${events.length} requests for ${COUNT} calls`);
        assert.ok(api.requests.length > asked);
        assert.deepEqual(
            (await database.rows('SELECT status FROM reconcile_runs ORDER BY id')).map(({status}) => status),
            ['failed', 'done'],
        );
    });

    test('two at once are one run: the other says whose it is', async (t) => {
        const {database, api, env} = await setUp(t, calls);
        api.misbehave = () => ({delayMs: 30});
        const runs = [begin(env, 'reconcile', 'twilio', ...RANGE), begin(env, 'reconcile', 'twilio', ...RANGE)];
        const ends = await Promise.all(runs.map(({ended}) => ended));
        assert.deepEqual(ends.map(({code}) => code).sort(), [0, 1]);
        assert.match(ends.find(({code}) => code === 1).stderr, /another run over twilio is under way/);
        assert.equal(await database.value('SELECT count(*)::int FROM reconcile_runs'), 1);
        await assertFacts(database, wanted);
    });

    test('one that could not begin is in nobody\'s way', async (t) => {
        const {database, env} = await setUp(t, calls);
        await database.client.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'no runs today'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON reconcile_runs FOR EACH ROW EXECUTE FUNCTION refuse()`);
        const refused = await reconcile(env);
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, /no runs today/);
        await database.client.query('DROP TRIGGER refuse ON reconcile_runs');
        const {code, stderr} = await reconcile(env);
        assert.equal(code, 0, stderr);
        await assertFacts(database, wanted);
    });

    test('two at once through PgBouncer in transaction mode, too, and the rows are the same', async (t) => {
        const {database, api, env} = await setUp(t, calls);
        const bouncer = await startBouncer(database.url);
        t.after(bouncer.stop);
        const pooled = {...env, DATABASE_URL: bouncer.url, HOOKLINE_DATABASE_POOLED: 1};
        api.misbehave = () => ({delayMs: 30});
        const runs = [begin(pooled, 'reconcile', 'twilio', ...RANGE), begin(pooled, 'reconcile', 'twilio', ...RANGE)];
        const ends = await Promise.all(runs.map(({ended}) => ended));
        assert.deepEqual(ends.map(({code}) => code).sort(), [0, 1], JSON.stringify(ends));
        await assertFacts(database, wanted);
        api.misbehave = () => null;
        const again = await reconcile(pooled);
        assert.deepEqual([again.code, counts(again)], [0, {created: 0, updated: 0, unchanged: COUNT}]);
    });

    test('by themselves, while it serves; of two on one database one runs', async (t) => {
        const {database, api, env} = await setUp(t, calls);
        const settings = {...env, HOOKLINE_RECONCILE_EVERY: 3600, HOOKLINE_RECONCILE_SINCE: 400 * 86_400};
        const both = await Promise.all([startHookline(settings), startHookline(settings)]);
        t.after(() => inTurn(...both.map((one) => one.kill)));
        await until('the run is over', () =>
            database.value(`SELECT count(*)::int FROM reconcile_runs WHERE status = 'done'`),
        );
        for (const one of both) await one.end();
        assert.equal(await database.value('SELECT count(*)::int FROM reconcile_runs'), 1);
        await assertFacts(database, wanted);
        assert.ok(api.requests.every(({authorization}) => authorization.startsWith('Basic ')));
    });

    test('one over a part by hand does not take the place of the schedule\'s next', async (t) => {
        const {database, env} = await setUp(t, []);
        const last = () => database.value("SELECT last_run_at FROM reconcile_state WHERE resource = '*'");
        assert.equal((await reconcile(env, '--resource', 'calls')).code, 0);
        assert.equal(await last(), null);
        assert.equal((await begin(env, 'reconcile', 'twilio').ended).code, 0);
        assert.ok(await last());
    });

    test('the next begins where the last one ended, but for an overlap that can be set', async (t) => {
        const {database, api, env} = await setUp(t, []);
        const run = async (settings) => {
            api.requests.length = 0;
            const {code, stderr} = await begin({...env, ...settings}, 'reconcile', 'twilio', '--resource', 'calls').ended;
            assert.equal(code, 0, stderr);
            const begins = api.requests.filter(({path}) => path === LIST).map(({params}) => Date.parse(params.get('StartTime>')));
            return Math.min(...begins.filter(Boolean));
        };
        const state = () =>
            database.row(`SELECT extract(epoch FROM watermark) * 1000 AS until, extract(epoch FROM overlap)::int AS overlap,
                (SELECT max(id) FROM reconcile_runs) = last_run_id AS last FROM reconcile_state WHERE resource = 'calls'`);
        await run({});
        const first = await state();
        const from = await run({HOOKLINE_RECONCILE_OVERLAP: 3600});
        assert.ok(Math.abs(from - (first.until - 3_601_000)) <= 1000, `${new Date(from)}`);
        const second = await state();
        assert.deepEqual([first.overlap, second.overlap, second.last], [86_400, 3600, true]);
        assert.ok(Number(second.until) > Number(first.until));
    });

    test('stopping does not wait for an API that does not answer', async (t) => {
        const {api, env} = await setUp(t, calls);
        api.misbehave = () => ({delayMs: 3_600_000});
        const hookline = await startHookline({...env, HOOKLINE_RECONCILE_EVERY: 3600});
        t.after(hookline.kill);
        await until('it asks', () => api.requests.length > 0);
        await hookline.end();
    });
});

describe('an API that is not well', () => {
    const COUNT = 6;
    const calls = someCalls(COUNT, 'odd');

    test('429 with Retry-After: it is left alone for so long, and then asked again', async (t) => {
        const {api, env} = await setUp(t, calls);
        const times = [];
        api.misbehave = ({count}) => {
            times.push(performance.now());
            return count <= 6 ? {status: 429, headers: {'retry-after': '1'}} : null;
        };
        const run = await reconcile(env);
        assert.deepEqual([run.code, counts(run)], [0, {created: COUNT, updated: 0, unchanged: 0}], run.stderr);
        assert.ok(times.at(-1) - times[0] >= 1000);
    });

    test('500s, and then an answer: nothing is missing', async (t) => {
        const {api, env} = await setUp(t, calls);
        api.misbehave = ({count}) => (count % 3 === 1 ? {status: 500} : null);
        const run = await reconcile(env);
        assert.deepEqual([run.code, counts(run)], [0, {created: COUNT, updated: 0, unchanged: 0}], run.stderr);
    });

    test('an answer cut short is asked for again', async (t) => {
        const {api, env} = await setUp(t, calls);
        api.misbehave = ({path, params, count}) =>
            path === LIST && count <= 2 ? {body: api.text(path, params).slice(0, 500)} : null;
        const run = await reconcile(env);
        assert.deepEqual([run.code, counts(run)], [0, {created: COUNT, updated: 0, unchanged: 0}], run.stderr);
    });

    test('a body that comes too slowly is given up, and asked for again', async (t) => {
        const {api, env} = await setUp(t, calls);
        let slow = 0;
        api.misbehave = ({path}) => (path === LIST && slow++ === 0 ? {drip: 60_000} : {drip: 50});
        const run = await reconcile({...env, HOOKLINE_RECONCILE_TIMEOUT: 1});
        assert.deepEqual([run.code, counts(run)], [0, {created: COUNT, updated: 0, unchanged: 0}], run.stderr);
        assert.ok(slow > 1);
    });

    test('a request that fails leaves its window open, and the next run makes up for it', async (t) => {
        const {database, api, env} = await setUp(t, calls);
        const [sick] = calls;
        api.misbehave = ({path}) => (path.includes(sick.callSid) ? {status: 400} : null);
        const first = await reconcile(env);
        assert.equal(first.code, 1);
        assert.match(first.errors.join('\n'), new RegExp(`events ${sick.callSid}: the provider answers 400`));
        assert.deepEqual(counts(first), {created: COUNT, updated: 0, unchanged: 0});
        assert.equal(await database.value(`SELECT count(*)::int FROM reconcile_windows WHERE state = 'failed'`), 1);
        assert.equal(await database.value('SELECT count(*)::int FROM reconcile_steps'), 1);

        api.misbehave = () => null;
        const asked = api.requests.length;
        const {code} = await begin(env, 'reconcile', 'twilio', '--resource', 'calls').ended;
        assert.equal(code, 0);
        assert.equal(await database.value(`SELECT count(*)::int FROM reconcile_windows WHERE state = 'failed'`), 0);
        assert.ok(api.requests.slice(asked).some(({path}) => path.includes(`${sick.callSid}/Events.json`)));
    });

    test('a list that leads back to where it was ends, and counts as an error', async (t) => {
        const {api, env} = await setUp(t, calls, {pageSize: 2});
        api.misbehave = ({path, params}) => {
            if (path !== LIST || !params.get('Page')) return null;
            const page = JSON.parse(api.text(path, params));
            const back = new URLSearchParams(params);
            back.set('Page', params.get('Page') === '1' ? '2' : '1');
            return {body: JSON.stringify({...page, next_page_uri: `${LIST}?${back}`})};
        };
        const run = await reconcile(env, '--resource', 'calls');
        assert.equal(run.code, 1);
        assert.match(run.errors[0], /leads back to a page that was read already/);
        assert.deepEqual(counts(run), {created: COUNT, updated: 0, unchanged: 0});
    });

    test('and is read to its end by the next run, whatever else that goes on with', async (t) => {
        const {database, api, env} = await setUp(t, someCalls(10), {pageSize: 2});
        const [sick] = api.calls;
        api.misbehave = ({path, params}) => {
            if (path.includes(sick.callSid)) return {status: 400};
            if (path !== LIST || params.get('Page') !== '2') return null;
            const back = new URLSearchParams(params);
            back.set('Page', '1');
            return {body: JSON.stringify({...JSON.parse(api.text(path, params)), next_page_uri: `${LIST}?${back}`})};
        };
        const range = ['--since', '2026-08-12T00:00:00Z', '--until', '2026-08-13T00:00:00Z']; // one window
        assert.equal((await begin(env, 'reconcile', 'twilio', '--resource', 'calls', ...range).ended).code, 1);
        assert.ok((await database.value('SELECT count(*)::int FROM voice_calls')) < 10);

        // This API pays no heed to what is asked for: but for that day, nothing was said.
        const isOfThen = (params) => [...params.values()].some((value) => value.startsWith('2026-08-1'));
        const nothing = JSON.stringify({calls: [], next_page_uri: null});
        api.misbehave = ({path, params}) => (path === LIST && !isOfThen(params) ? {body: nothing} : null);
        const {code, stderr} = await begin(env, 'reconcile', 'twilio', '--resource', 'calls').ended;
        assert.equal(code, 0, stderr);
        assert.equal(await database.value('SELECT count(*)::int FROM voice_calls'), 10);
    });

    test('what an earlier run has left is forgotten only once it is planned anew', async (t) => {
        const {database, env} = await setUp(t, []);
        await database.rows(
            `INSERT INTO reconcile_windows (provider, resource, from_at, to_at, state, tries)
             VALUES ('twilio', 'calls', '2026-08-12', '2026-08-13', 'failed', 1)`,
        );
        await database.rows(`CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'full up'; END $$`);
        await database.rows('CREATE TRIGGER full_up BEFORE INSERT ON reconcile_windows EXECUTE FUNCTION full_up()');
        const left = `SELECT count(*)::int FROM reconcile_windows WHERE state = 'failed'`;
        assert.equal((await reconcile(env, '--resource', 'calls')).code, 1);
        assert.equal(await database.value(left), 1);
        await database.rows('DROP TRIGGER full_up ON reconcile_windows');
        assert.equal((await reconcile(env, '--resource', 'calls')).code, 0);
        assert.equal(await database.value(left), 0);
    });

    test('401 ends the run, and says which setting to look at', async (t) => {
        const {database, api, env} = await setUp(t, calls);
        api.misbehave = () => ({status: 401});
        const run = await reconcile(env);
        assert.equal(run.code, 1);
        assert.match(run.errors.join(), /Twilio answers 401: check TWILIO_AUTH_TOKEN/);
        assert.ok(api.requests.length <= 8);
        assert.equal(await database.value('SELECT status FROM reconcile_runs'), 'failed');
        const check = await begin(env, 'check').ended;
        assert.equal(check.code, 1);
        assert.match(check.stdout, /FAIL twilio +its API answers 401/);

        api.misbehave = () => null;
        assert.match((await begin(env, 'check').ended).stdout, /ok +twilio +its API takes the key/);
    });
});

describe('a call without an end', () => {
    const [gone, over] = someCalls(2, 'open');

    test('is ended by what the provider says, and failed where it knows no such call', async (t) => {
        const {database, api, env} = await setUp(t, [over]);
        const hookline = await startHookline({DATABASE_URL: database.url});
        for (const call of [gone, over])
            for (const event of call.events.filter(({name}) => name === 'in-progress'))
                await send(hookline.url, await event.sign());
        await hookline.end();
        await database.rows(`UPDATE voice_calls SET created_at = now() - interval '4 h', started_at = NULL`);
        const {code, stdout} = await begin(env, 'reconcile', 'twilio', '--json').ended; // the last week: the list shows neither
        assert.equal(code, 0, stdout);
        assert.deepEqual(
            await database.rows(
                `SELECT provider_call_id AS id, status, end_reason AS reason FROM voice_calls
                 ORDER BY provider_call_id = $1 DESC`,
                [gone.callSid],
            ),
            [
                {id: gone.callSid, status: 'failed', reason: 'unknown_to_provider'},
                {id: over.callSid, status: 'completed', reason: 'completed'},
            ],
        );
        assert.ok(api.requests.some(({path}) => path.endsWith(`${gone.callSid}.json`)));

        // What is reported later still wins.
        const later = await startHookline({DATABASE_URL: database.url});
        await send(later.url, await gone.events.at(-1).sign());
        await later.end();
        assert.equal(
            await database.value('SELECT status FROM voice_calls WHERE provider_call_id = $1', [gone.callSid]),
            'completed',
        );
    });

    test('is looked for in each account: what its own says of it holds, and it has failed where none knows it', async (t) => {
        const SECOND = 'AC000000000000000000000000000000ad';
        const TOKEN = 'ffeeddccbbaa99887766554433221100';
        const ours = twilioCall('second', {account: SECOND});
        const lost = twilioCall('nowhere', {account: SECOND});
        const {database, api, env} = await setUp(t, [over, ours]);
        const accounts = {...env, TWILIO_ACCOUNTS: `${SECOND}:${TOKEN}`};
        const hookline = await startHookline({DATABASE_URL: database.url, TWILIO_ACCOUNTS: accounts.TWILIO_ACCOUNTS});
        for (const [call, token] of [[over], [ours, TOKEN], [lost, TOKEN]])
            for (const event of call.events.filter(({name}) => name === 'in-progress'))
                assert.equal((await send(hookline.url, await event.sign({token}))).status, 204);
        await hookline.end();
        await database.rows(`UPDATE voice_calls SET created_at = now() - interval '4 h', started_at = NULL, connected_at = NULL`);

        const audit = async () => JSON.parse((await begin(accounts, 'audit', '--json', '--provider', 'twilio').ended).stdout).providers[0];
        const found = await audit();
        assert.deepEqual(
            found.only_here.map(({id, why}) => [id, why]),
            [[lost.callSid, 'still open here; not known there']],
        );
        assert.deepEqual(found.differing.map(({id}) => id).sort(), [over.callSid, ours.callSid].sort());

        const asked = api.requests.length;
        const {code, stdout} = await begin(accounts, 'reconcile', 'twilio', '--json').ended;
        assert.equal(code, 0, stdout);
        const stored = await database.rows('SELECT provider_call_id AS id, status, end_reason AS reason FROM voice_calls');
        assert.deepEqual(Object.fromEntries(stored.map(({id, status, reason}) => [id, [status, reason]])), {
            [over.callSid]: ['completed', 'completed'],
            [ours.callSid]: ['completed', 'completed'],
            [lost.callSid]: ['failed', 'unknown_to_provider'],
        });
        const requests = api.requests.slice(asked);
        const askedFor = ({callSid}) => requests.filter(({path}) => path.endsWith(`/${callSid}.json`)).map(({path}) => path.split('/')[3]);
        assert.deepEqual([over, ours, lost].map(askedFor), [[SECRETS.TWILIO_ACCOUNT_SID], ...Array(2).fill([SECRETS.TWILIO_ACCOUNT_SID, SECOND])]);
        const own = `Basic ${Buffer.from(`${SECOND}:${TOKEN}`).toString('base64')}`;
        for (const {path, authorization} of requests) assert.equal(authorization === own, path.includes(SECOND), path);
        assert.deepEqual((await audit()).differing, []);
    });
});

test('of more calls without an end than one run asks about, the next one begins with those that are left', async (t) => {
    const MOST = 500;
    const {database, api, env} = await setUp(t, []);
    const ids = Array.from({length: MOST + 20}, (_, i) => `CA${String(i).padStart(32, '0')}`);
    await database.rows(
        `INSERT INTO voice_calls (provider, provider_call_id, status, created_at)
         SELECT 'twilio', id, 'active', now() - interval '4 h' - n * interval '1 s' FROM unnest($1::text[]) WITH ORDINALITY AS u (id, n)`,
        [ids],
    );
    const oneOf = (path) => /\/Calls\/(CA\d+)\.json$/.exec(path)?.[1];
    api.misbehave = ({path}) => {
        const sid = oneOf(path); // they all go on
        return sid ? {body: JSON.stringify({sid, status: 'in-progress', date_created: 'Wed, 12 Aug 2026 16:03:20 +0000'})} : null;
    };
    const askedIn = async () => {
        const before = api.requests.length;
        const {code, stderr} = await begin(env, 'reconcile', 'twilio').ended;
        assert.equal(code, 0, stderr);
        return api.requests.slice(before).map(({path}) => oneOf(path)).filter(Boolean);
    };
    const first = await askedIn();
    const second = await askedIn();
    assert.deepEqual([first.length, second.length], [MOST, MOST]);
    const left = ids.filter((id) => !first.includes(id));
    assert.deepEqual(left.filter((id) => second.includes(id)), left);
});

test('used wrongly, it says how, and exits 2', () => {
    for (const [args, pattern] of [
        [['nobody'], /there is no provider "nobody"/],
        [['agent'], /agent has no API/],
        [['twilio', '--since', 'yesterday'], /--since: "yesterday" is no time/],
        [['twilio', '--since', '9999999w'], /--since: "9999999w" is no time/],
        [['twilio', '--since', '2199-01-01'], /--since: that time has not come yet/],
        [['twilio', '--resource', 'rooms'], /there is no "rooms"; there are: twilio calls/],
        [['--frobnicate'], /what is "--frobnicate"/],
    ]) {
        const {code, stderr} = runHookline(['reconcile', ...args], SECRETS);
        assert.equal(code, 2, args.join(' '));
        assert.match(stderr, pattern);
    }
});

test('of a provider that cannot be asked it says which setting is missing', () => {
    for (const [provider, setting] of [['livekit', 'LIVEKIT_URL'], ['twilio', 'TWILIO_ACCOUNT_SID'], ['vapi', 'VAPI_API_KEY']]) {
        const env = {...SECRETS, LIVEKIT_URL: null, TWILIO_ACCOUNT_SID: null, VAPI_API_KEY: null};
        const {code, stderr} = runHookline(['reconcile', provider], env);
        assert.equal(code, 1);
        assert.match(stderr, new RegExp(`cannot be asked: set ${setting}\n`));
    }
});
