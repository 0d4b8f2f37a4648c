// Audit: what the providers' APIs have and what is stored are compared, call by call and field by field, and nothing is
// written.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createServer} from 'node:http';
import {after, before, beforeEach, describe, test} from 'node:test';
import {takeObjects} from './lib/api.mjs';
import {createDatabase} from './lib/database.mjs';
import {BIN, hooklineEnv, SECRETS} from './lib/hookline.mjs';
import {inTurn} from './lib/wait.mjs';
import {serveLivekit} from '../simulators/livekit_api.mjs';
import {createWorld} from '../simulators/world.mjs';

const DAY_MS = 86_400_000;
const ACCOUNT = SECRETS.TWILIO_ACCOUNT_SID;
const VAPI_KEY = 'vapi-key-of-the-tests';
const ASSISTANT = '2de8bbed-041e-41b2-81c1-a340ce642e18';
const OURS = '+12025550100';
const START_MS = Math.floor(Date.now() / 1000) * 1000 - DAY_MS;

const vapiId = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const twilioId = (n) => `CA${String(n).padStart(32, '0')}`;
const iso = (ms) => new Date(ms).toISOString();
const rfc2822 = (ms) => new Date(ms).toUTCString().replace('GMT', '+0000');

/** Vapi's call number n, a minute after the one before, half a minute long. */
function vapiCall(n, {startMs = START_MS + n * 60_000, lines = ['Hello?', 'Hi, this is Juniper.'], ...more} = {}) {
    return {
        id: vapiId(n),
        orgId: 'daedada0-7908-4278-b81a-1c725d634d53',
        type: 'inboundPhoneCall',
        createdAt: iso(startMs),
        updatedAt: iso(startMs + 40_000),
        startedAt: iso(startMs + 1000),
        endedAt: iso(startMs + 31_000),
        status: 'ended',
        endedReason: 'customer-ended-call',
        assistantId: ASSISTANT,
        customer: {number: `+1415555${String(100 + n).padStart(4, '0')}`},
        cost: 0.0425,
        artifact: {
            recordingUrl: `https://storage.example.com/${vapiId(n)}.wav`,
            transcript: lines.join('\n'),
            messages: lines.map((message, i) => ({
                role: i % 2 ? 'bot' : 'user',
                message,
                time: startMs + 2000 + i * 1000,
                endTime: startMs + 2500 + i * 1000,
                secondsFromStart: 1 + i,
            })),
        },
        ...more,
    };
}

function twilioCall(n, more = {}) {
    const startMs = START_MS + n * 60_000;
    return {
        account_sid: ACCOUNT,
        sid: twilioId(n),
        date_created: rfc2822(startMs),
        date_updated: rfc2822(startMs + 31_000),
        start_time: rfc2822(startMs),
        end_time: rfc2822(startMs + 30_000),
        duration: '30',
        direction: 'inbound',
        from: `+1415555${String(200 + n).padStart(4, '0')}`,
        to: OURS,
        status: 'completed',
        price: '-0.01400',
        price_unit: 'USD',
        parent_call_sid: null,
        ...more,
    };
}

/** Both APIs, as far as an audit asks them. */
function startSimulator() {
    const api = {vapi: [], twilio: [], vapiKey: VAPI_KEY, fail: null, asked: []};
    const within = (call, field, query) =>
        (!query.get(`${field}Ge`) || call[field] >= query.get(`${field}Ge`)) &&
        (!query.get(`${field}Lt`) || call[field] < query.get(`${field}Lt`));
    const answerVapi = (path, query, request) => {
        if (request.headers.authorization !== `Bearer ${api.vapiKey}`) return [401, {message: 'Unauthorized'}];
        if (path === '/call')
            return [
                200,
                api.vapi
                    .filter((c) => !c.hidden && within(c, 'createdAt', query) && within(c, 'updatedAt', query))
                    .slice(0, Number(query.get('limit'))),
            ];
        const call = api.vapi.find((c) => path === `/call/${c.id}`);
        return call ? [200, call] : [404, {message: 'Not Found'}];
    };
    const answerTwilio = (path) => {
        const below = path.slice(`/2010-04-01/Accounts/${ACCOUNT}/`.length);
        if (below === 'Calls.json') return [200, {calls: api.twilio, next_page_uri: null}];
        if (below === 'Recordings.json') return [200, {recordings: [], next_page_uri: null}];
        if (below === 'Transcriptions.json') return [200, {transcriptions: [], next_page_uri: null}];
        if (below.endsWith('/Events.json')) return [200, {events: [], next_page_uri: null}];
        const call = api.twilio.find((c) => below === `Calls/${c.sid}.json`);
        return call ? [200, call] : [404, {code: 20404, status: 404}];
    };
    const server = createServer((request, response) => {
        const url = new URL(request.url, 'http://127.0.0.1');
        api.asked.push(`${request.method} ${request.url}`);
        const [status, body] =
            api.fail?.(url) ??
            (url.pathname.startsWith('/2010-04-01/')
                ? answerTwilio(url.pathname)
                : answerVapi(url.pathname, url.searchParams, request));
        response.writeHead(status, {'Content-Type': 'application/json'});
        response.end(JSON.stringify(body));
    });
    return new Promise((resolve) =>
        server.listen(0, '127.0.0.1', () => resolve(Object.assign(api, {server, url: `http://127.0.0.1:${server.address().port}`}))),
    );
}

let database;
let api;

before(async () => {
    database = await createDatabase();
    api = await startSimulator();
});
after(() =>
    inTurn(
        () => api?.server.close(),
        () => database?.drop(),
    ),
);
beforeEach(async () => {
    Object.assign(api, {vapi: [], twilio: [], vapiKey: VAPI_KEY, fail: null, asked: []});
    await database.client.query(
        `TRUNCATE event_keys, call_events, voice_calls, businesses, business_agents, agent_aliases, customers, leads,
                  reconcile_state, reconcile_runs, reconcile_changes, reconcile_windows, reconcile_steps, reconcile_marks CASCADE`,
    );
});

const sql = (text, params) => database.rows(text, params);

async function hookline(args, env = {}) {
    const child = spawn(BIN, args, {
        env: hooklineEnv({
            DATABASE_URL: database.url,
            VAPI_API_URL: api.url,
            VAPI_API_KEY: VAPI_KEY,
            VAPI_API_GAP: 0,
            TWILIO_API_URL: api.url,
            ...env,
        }),
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8');
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const [code] = await once(child, 'close');
    assert.doesNotMatch(stderr, /Sanitizer|runtime error:/);
    return {code, stdout, stderr};
}

/** What the APIs have now is stored, as a run stores it. */
const store = () =>
    takeObjects(database, [
        ...api.vapi.map((payload) => ({provider: 'vapi', route: 'api-call', payload})),
        ...api.twilio.map((payload) => ({provider: 'twilio', route: 'api-call', payload})),
    ]);

async function reconcile() {
    const {code, stdout, stderr} = await hookline(['reconcile', 'all', '--since', '26h']);
    assert.equal(code, 0, stdout + stderr);
}

/** {code, result, of(provider)}; result is what --json says. */
async function audit(args = [], env = {}) {
    const {code, stdout, stderr} = await hookline(['audit', '--json', ...args], env);
    assert.notEqual(stdout, '', stderr);
    const result = JSON.parse(stdout);
    return {code, result, of: (name) => result.providers.find((p) => p.provider === name)};
}

/** Everything that a pass could have written. */
const written = () =>
    sql(`SELECT (SELECT count(*) FROM call_events) AS events, (SELECT count(*) FROM event_keys) AS keys,
                (SELECT count(*) FROM reconcile_runs) AS runs, (SELECT count(*) FROM reconcile_marks) AS marks,
                (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM voice_calls c)::text AS calls,
                (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.id) FROM voice_messages m)::text AS messages`);

const ids = (list) => list.map((e) => e.id).sort();

test('after a reconcile run nothing differs, and the audit has written nothing', async () => {
    api.vapi = [1, 2, 3].map((n) => vapiCall(n));
    api.twilio = [1, 2].map((n) => twilioCall(n));
    await reconcile();
    const before = await written();
    const {code, result, of} = await audit();
    assert.deepEqual(await written(), before);
    assert.equal(code, 0, JSON.stringify(result));
    assert.deepEqual([result.differs, result.complete], [false, true]);
    assert.deepEqual([of('vapi').compared, of('twilio').compared], [3, 2]);
    for (const list of ['only_there', 'only_here', 'differing', 'not_listable'])
        assert.deepEqual([of('vapi')[list], of('twilio')[list]], [[], []], list);
});

test('a call that is only there is named', async () => {
    api.vapi = [vapiCall(1)];
    api.twilio = [twilioCall(1)];
    await store();
    api.vapi.push(vapiCall(2));
    api.twilio.push(twilioCall(2));
    const {code, of} = await audit();
    assert.equal(code, 1);
    assert.deepEqual(ids(of('vapi').only_there), [vapiId(2)]);
    assert.deepEqual(ids(of('twilio').only_there), [twilioId(2)]);
    assert.equal(of('vapi').only_there[0].at, `${iso(START_MS + 121_000).slice(0, -1)}000Z`);
    assert.deepEqual([of('vapi').only_here, of('vapi').differing], [[], []]);
});

describe('a call that is only here says why', () => {
    test('deleted there', async () => {
        api.vapi = [vapiCall(1), vapiCall(2)];
        api.twilio = [twilioCall(1), twilioCall(2)];
        await store();
        api.vapi.pop();
        api.twilio.pop();
        const {code, of} = await audit();
        assert.equal(code, 1);
        assert.deepEqual(of('vapi').only_here.map((e) => [e.id, e.why]), [[vapiId(2), 'deleted there']]);
        assert.deepEqual(of('twilio').only_here.map((e) => [e.id, e.why]), [[twilioId(2), 'deleted there']]);
    });

    test('older than what the provider keeps, and then it is not asked for', async () => {
        await sql("INSERT INTO voice_calls (provider, provider_call_id, status, started_at) VALUES ('vapi', $1, 'completed', now() - interval '20 days')", [
            vapiId(1),
        ]);
        const {code, of} = await audit(['--since', '30d']);
        assert.equal(code, 1);
        assert.deepEqual(of('vapi').only_here.map((e) => [e.id, e.why]), [[vapiId(1), 'older than the provider keeps calls']]);
        assert.deepEqual(api.asked.filter((line) => line.includes(vapiId(1))), []);
    });

    test('still open here', async () => {
        await sql("INSERT INTO voice_calls (provider, provider_call_id, status, started_at) VALUES ('vapi', $1, 'active', now() - interval '1 day')", [vapiId(1)]);
        const {code, of} = await audit();
        assert.equal(code, 1);
        assert.deepEqual(of('vapi').only_here.map((e) => e.why), ['still open here; not known there']);
    });

    test('its id is none that the provider takes, and the others can be told of all the same', async () => {
        api.vapi = [vapiCall(1), vapiCall(2)];
        await store();
        api.vapi.pop();
        api.fail = (url) => (url.pathname === `/call/${vapiId(2)}` ? [400, {message: 'id must be a UUID'}] : undefined);
        const {code, result, of} = await audit(['--provider', 'vapi']);
        assert.deepEqual([code, result.complete, of('vapi').status], [1, true, 'asked']);
        assert.deepEqual(of('vapi').only_here.map((e) => [e.id, e.why]), [
            [vapiId(2), 'not in the list; asked for by itself, it was not given'],
        ]);
        assert.deepEqual(of('vapi').skipped, {id_not_taken: 1});
    });

    test('but one that the list has not, and its own address has, is compared', async () => {
        api.vapi = [vapiCall(1)];
        await store();
        api.vapi[0].hidden = true;
        assert.equal((await audit()).code, 0);
        api.vapi[0].cost = 1.5;
        api.vapi[0].updatedAt = iso(START_MS + 300_000);
        const {code, of} = await audit();
        assert.equal(code, 1);
        assert.deepEqual(of('vapi').only_here, []);
        assert.deepEqual(of('vapi').differing.map((e) => e.id), [vapiId(1)]);
    });

    test('rooms are asked about with one request, and one that the list had not yet is there', async (t) => {
        let asked = () => 0;
        const world = createWorld({seed: 'audit', now: () => (asked() < 2 ? START_MS - DAY_MS : Date.now())});
        const late = world.call({by: ['livekit'], startMs: START_MS, talkMs: 3 * DAY_MS});
        const rooms = await serveLivekit(world);
        t.after(() => rooms.close());
        asked = () => rooms.requests.filter(({path}) => path.endsWith('/ListRooms')).length;
        const gone = ['RM_goneAAAAAAAA', 'RM_goneBBBBBBBB', 'RM_goneCCCCCCCC'];
        await sql(
            `INSERT INTO voice_calls (provider, provider_call_id, status, started_at)
             SELECT 'livekit', id, 'active', now() - interval '1 hour' FROM unnest($1::text[]) AS id`,
            [[...gone, late.told.livekit.room.sid]],
        );
        const {code, of} = await audit(['--provider', 'livekit'], {LIVEKIT_URL: rooms.url});
        assert.equal(code, 1);
        assert.deepEqual(
            of('livekit').only_here.map((e) => [e.id, e.why]),
            gone.map((id) => [id, 'still open here; not known there']),
        );
        assert.deepEqual(of('livekit').differing.map((e) => e.id), [late.told.livekit.room.sid]);
        assert.equal(asked(), 2);
    });

    test('of more than can be asked one by one', async () => {
        await sql(
            `INSERT INTO voice_calls (provider, provider_call_id, status, started_at)
             SELECT 'vapi', '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'), 'completed', now() - interval '1 day'
             FROM generate_series(1, 700) n`,
        );
        const {code, of} = await audit(['--provider', 'vapi']);
        assert.equal(code, 1);
        const because = (why) => of('vapi').only_here.filter((e) => e.why === why).length;
        assert.equal(because('deleted there'), 200);
        assert.equal(because('not in the list; not asked for by itself: there are too many'), 500);
        assert.equal(new Set(ids(of('vapi').only_here)).size, 700);
    });
});

describe('fields', () => {
    test('that differ are told with both values', async () => {
        api.vapi = [vapiCall(1), vapiCall(2)];
        api.twilio = [twilioCall(1)];
        await store();
        Object.assign(api.vapi[0], {cost: 0.05, endedReason: 'assistant-ended-call', updatedAt: iso(START_MS + 300_000)});
        Object.assign(api.twilio[0], {answered_by: 'human'});
        const {code, of} = await audit();
        assert.equal(code, 1);
        const [call] = of('vapi').differing;
        assert.equal(of('vapi').differing.length, 1);
        assert.equal(call.id, vapiId(1));
        const fields = Object.fromEntries(call.fields.map((f) => [f.field, [f.here, f.there]]));
        assert.deepEqual(fields.cost, ['0.0425', '0.05']);
        assert.deepEqual(fields.end_reason, ['customer-ended-call', 'assistant-ended-call']);
        assert.deepEqual(of('twilio').differing, [
            {id: twilioId(1), at: null, fields: [{field: 'answered_by', here: null, there: 'human'}]},
        ]);
        await reconcile();
        assert.equal((await audit()).code, 0, 'what differed is what a run changes');
    });

    test('that the API does not give are no difference', async () => {
        api.vapi = [vapiCall(1)];
        await store();
        delete api.vapi[0].cost;
        delete api.vapi[0].artifact.recordingUrl;
        assert.equal((await audit()).code, 0);
    });

    test('whose evidence is better here are no difference, and are counted', async () => {
        api.vapi = [vapiCall(1, {summary: 'a call'})];
        await store();
        await sql("UPDATE voice_calls SET summary = 'corrected', cost = 99");
        const {code, of} = await audit();
        assert.equal(code, 0);
        assert.deepEqual(of('vapi').differing, []);
        assert.deepEqual(of('vapi').kept, {summary: {count: 1, by_hand: 1}, cost: {count: 1, by_hand: 1}});
    });

    test('of an older state of the call are no difference', async () => {
        api.vapi = [vapiCall(1, {cost: 0.06, updatedAt: iso(START_MS + 300_000)})];
        await store();
        Object.assign(api.vapi[0], {cost: 0.05, updatedAt: iso(START_MS + 200_000)});
        const {code, of} = await audit();
        assert.equal(code, 0);
        assert.equal(of('vapi').kept.cost.count, 1);
    });
});

test('messages that are missing here are named, with what they say', async () => {
    api.vapi = [vapiCall(1, {lines: ['one', 'two', 'three']})];
    await store();
    await sql("DELETE FROM voice_messages WHERE content IN ('one', 'three')");
    const {code, of} = await audit();
    assert.equal(code, 1);
    assert.deepEqual(of('vapi').differing[0].fields, [
        {field: 'messages[report:0]', here: null, there: 'one'},
        {field: 'messages[report:2]', here: null, there: 'three'},
    ]);
});

test('a value too long for a list is cut off, between characters', async () => {
    api.vapi = [vapiCall(1)];
    await store();
    api.vapi[0].artifact.transcript = `x${'é'.repeat(5000)}`;
    api.vapi[0].updatedAt = iso(START_MS + 300_000);
    const {of} = await audit();
    const field = of('vapi').differing[0].fields.find((f) => f.field === 'transcript');
    assert.equal(field.there, `x${'é'.repeat(2047)}…`);
});

test('many that differ, in several fields, are each one entry', async () => {
    api.vapi = Array.from({length: 90}, (_, n) => vapiCall(n + 1));
    await store();
    for (const call of api.vapi) Object.assign(call, {cost: 1.5, endedReason: 'assistant-ended-call', updatedAt: iso(START_MS + 9_000_000)});
    await sql("DELETE FROM voice_messages WHERE content = 'Hello?'");
    const {of} = await audit();
    assert.equal(new Set(ids(of('vapi').differing)).size, 90);
    assert.equal(of('vapi').counts.differing, 90);
    for (const call of of('vapi').differing) assert.deepEqual(call.fields.map((f) => f.field).sort(), ['cost', 'end_reason', 'messages[report:0]']);
});

describe('a provider that cannot be asked', () => {
    test('is never passed over: a refused key', async () => {
        api.vapiKey = 'another';
        api.twilio = [twilioCall(1)];
        await store();
        const {code, result, of} = await audit();
        assert.equal(code, 3);
        assert.equal(result.complete, false);
        assert.equal(of('vapi').status, 'failed');
        assert.match(of('vapi').why, /answers 401: check VAPI_API_KEY/);
        assert.equal(of('twilio').status, 'asked');
        assert.equal(of('twilio').compared, 1);
    });

    test('in part: an answer that is an error, and then nothing is said of who was not in it', async () => {
        api.vapi = [vapiCall(1)];
        await store();
        api.fail = (url) => (url.pathname === '/call' ? [400, {message: 'Bad Request'}] : undefined);
        const {code, of} = await audit(['--provider', 'vapi']);
        assert.equal(code, 3);
        assert.equal(of('vapi').status, 'failed');
        assert.deepEqual(of('vapi').only_here, []);
    });

    test('in part: one object that is not given does not keep the others from being asked for', async () => {
        api.twilio = [twilioCall(1), twilioCall(2), twilioCall(3)];
        await store();
        const denied = `/Calls/${twilioId(1)}/Events.json`;
        api.fail = (url) => (url.pathname.endsWith(denied) ? [403, {code: 20003, status: 403}] : undefined);
        const {code, of} = await audit(['--provider', 'twilio']);
        assert.deepEqual([code, of('twilio').status, of('twilio').compared], [3, 'failed', 3]);
        for (const n of [2, 3]) assert.ok(api.asked.some((line) => line.includes(`/Calls/${twilioId(n)}/Events.json`)), `${n}`);
        assert.match(of('twilio').errors[0], /the provider answers 403/);
    });

    test('for want of a key is listed, and the others are compared', async () => {
        api.twilio = [twilioCall(1)];
        await store();
        const {code, of} = await audit([], {VAPI_API_KEY: null});
        assert.equal(code, 0);
        assert.deepEqual([of('vapi').status, of('vapi').why], ['not_asked', 'set VAPI_API_KEY']);
        const {code: named} = await audit(['--provider', 'vapi'], {VAPI_API_KEY: null});
        assert.equal(named, 3, 'whoever names it wants to know');
    });

    test('and a database that is not there', async () => {
        const {code, stdout, stderr} = await hookline(['audit'], {DATABASE_URL: 'postgresql://127.0.0.1:1/none'});
        assert.equal(code, 3);
        assert.equal(stdout, '');
        assert.match(stderr, /hookline: .+/);
    });
});

describe('the database by itself', () => {
    const entries = (result, name) => result.database[name].entries.map((e) => [e.about, e.why]);

    test('customers, calls, transcripts and leads that do not fit together are named', async () => {
        api.vapi = [vapiCall(1), vapiCall(2, {customer: undefined}), vapiCall(3), vapiCall(4, {assistantId: vapiId(99)})];
        const [{id}] = await sql("INSERT INTO businesses (name) VALUES ('Juniper Street Dental') RETURNING id");
        await sql("INSERT INTO business_agents (provider, agent_id, business_id) VALUES ('vapi', $1, $2)", [ASSISTANT, id]);
        await store();
        await sql("DELETE FROM customers WHERE phone_number = '+14155550103'");
        await sql("INSERT INTO customers (business_id, phone_number) VALUES ($1, '+14155550198')", [id]);
        await sql("INSERT INTO customers (business_id, phone_number, last_call_at) VALUES ($1, '+14155550199', now())", [id]);
        await sql("INSERT INTO voice_calls (provider, provider_call_id) VALUES ('agent', 'told-by-nobody')");
        await sql("INSERT INTO voice_messages (call_id, role, content) SELECT id, 'user', 'hello?' FROM voice_calls WHERE provider_call_id = 'told-by-nobody'");
        await sql("INSERT INTO leads (name, call_sid) VALUES ('Dana', 'CA-of-no-call')");
        const {code, result} = await audit();
        assert.equal(code, 1);
        assert.deepEqual(entries(result, 'customers_without_call').sort(), [
            ['+14155550198', 'not made from a call'],
            ['+14155550199', 'its call is gone'],
        ]);
        assert.deepEqual(entries(result, 'calls_without_customer').sort(), [
            [`vapi ${vapiId(2)}`, 'no number'],
            [`vapi ${vapiId(3)}`, 'missing'],
            [`vapi ${vapiId(4)}`, 'unknown agent'],
        ]);
        assert.deepEqual(entries(result, 'transcripts_without_call'), [['agent told-by-nobody', 'nothing but its transcript is known']]);
        assert.deepEqual(entries(result, 'leads_without_call'), [['CA-of-no-call', 'its call_sid is no call']]);
    });

    test('what is as it should be is listed, and is no difference', async () => {
        api.vapi = [vapiCall(1), vapiCall(2, {customer: undefined}), vapiCall(4, {assistantId: vapiId(99)})];
        const [{id}] = await sql("INSERT INTO businesses (name) VALUES ('Juniper Street Dental') RETURNING id");
        await sql("INSERT INTO business_agents (provider, agent_id, business_id) VALUES ('vapi', $1, $2)", [ASSISTANT, id]);
        await sql("INSERT INTO customers (business_id, phone_number) VALUES ($1, '+14155550198')", [id]);
        await store();
        const {code, result} = await audit();
        assert.equal(code, 0);
        assert.deepEqual([result.database.calls_without_customer.count, result.database.calls_without_customer.explained], [2, 2]);
        assert.deepEqual([result.database.customers_without_call.count, result.database.customers_without_call.explained], [1, 1]);
    });

    test('many of them', async () => {
        await sql("INSERT INTO leads (name, call_sid) SELECT 'lead', 'CA-' || n FROM generate_series(1, 1200) n");
        const {code, result} = await audit();
        assert.equal(code, 1);
        assert.equal(result.database.leads_without_call.count, 1200);
        assert.equal(new Set(ids(result.database.leads_without_call.entries)).size, 1200);
    });
});

describe('for people', () => {
    test('counts first, then twenty of each, or all', async () => {
        api.vapi = Array.from({length: 25}, (_, n) => vapiCall(n + 1));
        const short = await hookline(['audit']);
        assert.equal(short.code, 1);
        assert.match(short.stdout, /^vapi: 25 calls compared, \d+ requests\n {2}only there +25\n {2}only here +0\n {2}differing +0$/m);
        assert.equal(short.stdout.match(/^ {4}00000000-/gm).length, 20);
        assert.match(short.stdout, /… and 5 more/);
        assert.ok(short.stdout.indexOf('only there') < short.stdout.indexOf(vapiId(1)));
        const long = await hookline(['audit', '--all']);
        assert.equal(long.stdout.match(/^ {4}00000000-/gm).length, 25);
        assert.doesNotMatch(long.stdout, /more/);
    });

    test('which are not asked, and what to set', async () => {
        const {stdout} = await hookline(['audit'], {VAPI_API_KEY: null});
        assert.match(stdout, /^vapi: not asked: set VAPI_API_KEY$/m);
        assert.match(stdout, /^livekit: not asked: set LIVEKIT_URL$/m); // whose key is set, for its webhooks
    });
});

describe('the arguments', () => {
    test('choose providers: several times, or a list', async () => {
        for (const args of [['--provider', 'vapi', '--provider', 'twilio'], ['--provider', 'twilio,vapi']]) {
            const {code, result} = await audit(args);
            assert.equal(code, 0);
            assert.deepEqual(result.providers.map((p) => p.provider), ['twilio', 'vapi']);
        }
    });

    test('choose since when', async () => {
        api.vapi = [vapiCall(1, {startMs: Date.now() - 3 * DAY_MS}), vapiCall(2, {startMs: Date.now() - 3_600_000})];
        const found = async (since) => ids((await audit(['--since', since])).of('vapi').only_there);
        assert.deepEqual(await found('12h'), [vapiId(2)]);
        assert.deepEqual(await found(iso(Date.now() - 4 * DAY_MS)), [vapiId(1), vapiId(2)]);
    });

    for (const args of [['--provider', 'nobody'], ['--provider', 'agent'], ['--since', 'soon'], ['--since', '2262-01-01'], ['--since'], ['everything']])
        test(`are refused: ${args.join(' ')}`, async () => {
            const {code, stdout, stderr} = await hookline(['audit', ...args]);
            assert.equal(code, 2);
            assert.equal(stdout, '');
            assert.match(stderr, /hookline: .+/);
            assert.deepEqual(api.asked, []);
        });
});
