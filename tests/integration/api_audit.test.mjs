// api_audit.test.mjs – GET /api/audit: an audit (see audit.test.mjs for what it finds) that is asked for by HTTP, joined,
// left and come back for.

import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdtempSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, beforeEach, describe, test} from 'node:test';
import {promisify} from 'node:util';
import {phoneNumber, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {BIN, hooklineEnv, SECRETS, startHookline} from './lib/hookline.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {send} from './lib/send.mjs';
import {LIST, startTwilioApi} from './lib/twilio_api.mjs';
import {inTurn, until} from './lib/wait.mjs';

const newToken = () => randomBytes(24).toString('base64url');
const READER = newToken();
const SYNCER = newToken();
const RANGE = 'since=2026-08-11T00:00:00Z&until=2026-08-14T00:00:00Z';
const SINCE = '2026-08-11T00:00:00.000000Z';
const TWILIO = `/api/audit?provider=twilio&since=${SINCE}`;

let database;
let twilio;
let hookline;
let env;

const someCalls = (from, count) =>
    Array.from({length: count}, (_, i) => twilioCall(`audit${from + i}`, {customer: phoneNumber(from + i)}));

before(async () => {
    database = await createDatabase();
    twilio = await startTwilioApi([]);
    env = {
        DATABASE_URL: database.url,
        TWILIO_API_URL: twilio.url,
        HOOKLINE_API_TOKENS: `reader:${READER}:read,syncer:${SYNCER}:sync`,
    };
    hookline = await startHookline(env);
});
after(() => inTurn(hookline?.end, twilio?.close, database?.drop));
beforeEach(async () => {
    await database.rows('TRUNCATE event_keys, call_events, voice_calls, leads, reconcile_state, reconcile_runs CASCADE');
    Object.assign(twilio, {calls: someCalls(0, 3), requests: [], misbehave: () => null});
});

/** {status, headers, json, body} */
async function ask(path, {token = READER, headers = {Authorization: `Bearer ${token}`}, method = 'GET', on = hookline} = {}) {
    const answer = await send(on.url, {path, method, headers}, {agent: false});
    return {...answer, json: answer.body ? JSON.parse(answer.body) : undefined};
}

const fails = (answer, status, code) => {
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.json.error.code, code);
    return answer;
};

/** What Twilio has now is stored, as a run stores it. */
async function reconcile() {
    const run = await ask(`/api/sync/twilio?wait=1&${RANGE}`, {method: 'POST', token: SYNCER});
    assert.deepEqual([run.status, run.json.status], [200, 'done'], run.body);
    twilio.requests = [];
}

/** From now on the API answers nothing, until release() is called. */
function hold() {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    twilio.misbehave = () => held;
    return () => release(null);
}

const isAsked = () => until('Twilio is asked', () => twilio.requests.length > 0);
const waiting = async (count, on = hookline) =>
    until(`${count} wait`, async () => (await on.metrics()).sum('hookline_api_requests') === count);
/** An audit asks for each span of time once. */
function auditsMade() {
    const times = {};
    for (const {path, params} of twilio.requests) if (path === LIST) times[params] = (times[params] ?? 0) + 1;
    return Math.max(0, ...Object.values(times));
}

describe('what it finds', () => {
    test('is what the command prints', async () => {
        await reconcile();
        const {status, json} = await ask(TWILIO);
        assert.equal(status, 200);
        assert.deepEqual([json.differs, json.complete, json.since], [false, true, SINCE]);
        assert.deepEqual([json.providers.length, json.providers[0].compared], [1, 3]);
        const command = ['audit', '--json', '--provider', 'twilio', '--since', SINCE];
        const {stdout} = await promisify(execFile)(BIN, command, {env: hooklineEnv(env)});
        assert.deepEqual(json, {...JSON.parse(stdout), until: json.until});
    });

    test('is in three lists, which limit bounds', async () => {
        await reconcile();
        const [gone] = twilio.calls.splice(0, 1);
        twilio.calls.push(...someCalls(3, 2));
        await database.rows("UPDATE voice_calls SET duration_seconds = NULL, versions = '{}' WHERE provider_call_id = $1", [
            twilio.calls[0].callSid,
        ]);
        const {json} = await ask(TWILIO);
        assert.deepEqual([json.differs, json.complete], [true, true]);
        const [found] = json.providers;
        assert.deepEqual(found.counts, {only_there: 2, only_here: 1, differing: 1, not_listable: 0});
        const ids = (list) => list.map(({id}) => id).sort();
        assert.deepEqual(ids(found.only_there), ids(twilio.calls.slice(-2).map(({callSid: id}) => ({id}))));
        assert.deepEqual([ids(found.only_here), ids(found.differing)], [[gone.callSid], [twilio.calls[0].callSid]]);
        const [few] = (await ask(`${TWILIO}&limit=1`)).json.providers;
        assert.deepEqual([few.only_there.length, few.counts.only_there], [1, 2]);
    });

    test('has a bound, whatever differs: the rest is counted', async (t) => {
        const call = longCall(400);
        const vapi = http.createServer((request, response) => {
            const at = new URL(request.url, 'http://127.0.0.1').searchParams;
            const inside = (at.get('createdAtGe') ?? '') <= call.createdAt && call.createdAt < (at.get('createdAtLt') ?? '9');
            response.end(JSON.stringify(inside ? [call] : []));
        });
        await new Promise((resolve) => vapi.listen(0, '127.0.0.1', resolve));
        t.after(() => vapi.close());
        const own = await startHookline({
            ...env,
            VAPI_API_URL: `http://127.0.0.1:${vapi.address().port}`,
            VAPI_API_KEY: 'a-key',
            VAPI_API_GAP: 0,
        });
        t.after(own.kill);
        await database.rows("INSERT INTO voice_calls (provider, provider_call_id, status, started_at) VALUES ('vapi', $1, 'completed', $2)", [
            call.id,
            call.startedAt,
        ]);
        await database.rows("INSERT INTO leads (name, call_sid) SELECT 'lead', 'CA-' || n FROM generate_series(1, 1200) n");
        const {status, body, json} = await ask('/api/audit?provider=vapi&limit=1000', {on: own});
        assert.equal(status, 200);
        const [{fields, cut}] = json.providers[0].differing;
        assert.equal(cut, true);
        assert.ok(fields.length > 100 && fields.length < 400, fields.length);
        assert.ok(body.length < 3_000_000, body.length);
        assert.equal(json.database.leads_without_call.count, 1200);
        assert.ok(json.database.leads_without_call.entries.length < 1000);
        await own.end();
    });

    test('says which providers have no key, and what to set', async () => {
        const {status, json} = await ask('/api/audit?provider=vapi');
        assert.equal(status, 200);
        assert.equal(json.complete, false);
        assert.deepEqual([json.providers[0].status, json.providers[0].why], ['not_asked', 'set VAPI_API_KEY']);
        const all = (await ask(`/api/audit?since=${SINCE}`)).json;
        const asked = all.providers.filter((p) => p.status === 'asked').map((p) => p.provider);
        assert.deepEqual([asked, all.complete], [['twilio'], true]);
    });

    test('says what a provider answers that cannot be asked', async () => {
        twilio.misbehave = () => ({status: 403});
        const {status, json} = await ask(TWILIO);
        assert.equal(status, 200);
        assert.deepEqual([json.complete, json.providers[0].status], [false, 'failed']);
        assert.match(json.providers[0].why, /403.*TWILIO_AUTH_TOKEN/);
    });

    test('goes back seven days, where nobody says since when', async () => {
        const {json} = await ask('/api/audit?provider=twilio');
        assert.equal(Date.parse(json.until) - Date.parse(json.since) >= 7 * 86_400_000, true);
        assert.equal(Date.parse(json.until) - Date.parse(json.since) < 7 * 86_400_000 + 60_000, true);
    });
});

/** A call of Vapi's whose messages are a megabyte and more. */
function longCall(lines) {
    const startMs = Date.now() - 86_400_000;
    const at = (ms) => new Date(startMs + ms).toISOString();
    return {
        id: '00000000-0000-4000-8000-000000000001',
        orgId: 'daedada0-7908-4278-b81a-1c725d634d53',
        type: 'inboundPhoneCall',
        createdAt: at(0),
        updatedAt: at(90_000),
        startedAt: at(1000),
        endedAt: at(81_000),
        status: 'ended',
        endedReason: 'customer-ended-call',
        artifact: {
            messages: Array.from({length: lines}, (_, i) => ({
                role: 'user',
                message: `${i} ${'word '.repeat(1000)}`,
                time: startMs + 2000 + i * 100,
                endTime: startMs + 2050 + i * 100,
                secondsFromStart: 1 + i / 10,
            })),
        },
    };
}

describe('who asks', () => {
    test('needs a token with the scope read', async () => {
        fails(await ask(TWILIO, {headers: {}}), 401, 'bad_token');
        fails(await ask(TWILIO, {token: SYNCER}), 403, 'missing_scope');
        assert.equal(fails(await ask(TWILIO, {method: 'POST'}), 405, 'method').headers.allow, 'GET, HEAD');
        assert.deepEqual(twilio.requests, []);
    });

    for (const query of [
        'provider=nobody',
        'provider=agent',
        'provider=',
        'provider=twilio,,vapi',
        'since=soon',
        'since=2261-01-01',
        'limit=0',
        'limit=1001',
        'id=x',
        'wait=later',
        'dryRun=1',
    ])
        test(`is refused what is not as it should be: ${query}`, async () => {
            fails(await ask(`/api/audit?${query}`), 422, 'invalid');
            assert.deepEqual(twilio.requests, []);
        });

    test('for what is being made joins; for anything else waits until that has ended', async () => {
        await reconcile();
        const release = hold();
        const first = ask(TWILIO);
        await isAsked();
        const second = ask(TWILIO);
        await waiting(2);
        const other = fails(await ask(`${TWILIO}&limit=7`), 503, 'queue_full');
        assert.match(other.json.error.message, /one at a time/);
        assert.equal(other.headers['retry-after'], '10');
        release();
        const [a, b] = await Promise.all([first, second]);
        assert.deepEqual([a.status, b.status, a.body === b.body], [200, 200, true]);
        assert.equal(auditsMade(), 1);
        assert.equal((await ask(`${TWILIO}&limit=7`)).status, 200);
        assert.equal(auditsMade(), 2);
    });

    test('and does not wait is told where to come back; who comes later makes another', async () => {
        await reconcile();
        const release = hold();
        const {status, headers, json} = await ask(`${TWILIO}&wait=0`);
        assert.deepEqual([status, json.status, json.since, json.providers], [202, 'running', SINCE, ['twilio']]);
        assert.equal(headers['retry-after'], '10');
        const here = await ask(`${headers.location}&wait=0`);
        assert.deepEqual([here.status, here.json, here.headers.location], [202, json, headers.location]);
        release();
        const found = await ask(headers.location);
        assert.deepEqual([found.status, found.json.differs], [200, false]);
        assert.deepEqual([found.headers.location, found.headers['retry-after']], [undefined, undefined]);
        assert.equal((await ask(headers.location)).body, found.body);
        assert.equal(auditsMade(), 1);
        assert.notEqual((await ask(TWILIO)).json.until, found.json.until);
        assert.equal(auditsMade(), 2);
    });

    test('for one that nobody knows makes it', async () => {
        await reconcile();
        const {status, json} = await ask(`/api/audit?id=17&since=${SINCE}&limit=5&provider=twilio`);
        assert.deepEqual([status, json.differs, json.since], [200, false, SINCE]);
    });

    test('and leaves keeps nobody else from it', async () => {
        const release = hold();
        const request = http.get(`${hookline.url}${TWILIO}`, {headers: {Authorization: `Bearer ${READER}`}});
        request.on('error', () => {});
        await isAsked();
        const other = ask(TWILIO);
        await waiting(2);
        request.destroy();
        await waiting(1);
        release();
        assert.equal((await other).status, 200);
        await waiting(0);
    });
});

test('nobody else waits for it', async () => {
    const release = hold();
    const audit = ask(TWILIO);
    await isAsked();
    assert.equal((await ask('/api/sync/status')).status, 200);
    release();
    assert.equal((await audit).status, 200);
});

test('an API that does not answer keeps hookline from nothing: it ends, and who waits is told', async (t) => {
    const own = await startHookline(env);
    t.after(own.kill);
    t.after(hold());
    const answer = ask(TWILIO, {on: own});
    await isAsked();
    await waiting(1, own);
    const [{status, json}, end] = await Promise.all([answer, own.stop()]);
    assert.deepEqual([status, json.status, end.code], [202, 'running', 0]);
    assert.match(JSON.stringify(end.logs.at(-1)), /all answered/);
});

test('the next has the keys that a reload brought', async (t) => {
    const file = join(mkdtempSync(join(tmpdir(), 'hookline-keys-')), 'token');
    writeFileSync(file, `${SECRETS.TWILIO_AUTH_TOKEN}\n`);
    const own = await startHookline({...env, TWILIO_AUTH_TOKEN: null, TWILIO_AUTH_TOKEN_FILE: file});
    t.after(own.kill);
    const basic = (key) => `Basic ${Buffer.from(`${SECRETS.TWILIO_ACCOUNT_SID}:${key}`).toString('base64')}`;
    const release = hold();
    const before = ask(TWILIO, {on: own});
    await isAsked();
    writeFileSync(file, 'another-token-of-the-same-account\n');
    own.child.kill('SIGHUP');
    assert.ok(await own.waitForLog(({msg}) => msg === 'reloaded'));
    release();
    assert.equal((await before).status, 200);
    assert.deepEqual(new Set(twilio.requests.map((r) => r.authorization)), new Set([basic(SECRETS.TWILIO_AUTH_TOKEN)]));
    twilio.requests = [];
    assert.equal((await ask(TWILIO, {on: own})).status, 200);
    assert.deepEqual(new Set(twilio.requests.map((r) => r.authorization)), new Set([basic('another-token-of-the-same-account')]));
    await own.end();
});

test('a database that goes away ends it, and who waits is told at once', async (t) => {
    const proxy = await proxyTo(database.url);
    t.after(proxy.close);
    const own = await startHookline({...env, DATABASE_URL: proxy.url});
    t.after(own.kill);
    const release = hold();
    const {headers} = await ask(`${TWILIO}&wait=0`, {on: own});
    const answer = ask(TWILIO, {on: own});
    await isAsked();
    await waiting(1, own);
    await proxy.close();
    release();
    fails(await answer, 503, 'database_down');
    await proxy.listen();
    // Who comes back is told of it once, and then has another made.
    await until('the API has a database', async () => (await ask('/api/sync/runs', {on: own})).status === 200);
    fails(await ask(headers.location, {on: own}), 503, 'database_down');
    assert.equal((await ask(headers.location, {on: own})).status, 200);
    await own.end();
});
