// Customers: a call whose agent is a business's makes or updates that business's customer, the person on the other side,
// by whichever provider, in any order, and however often it is told; and each call can say what it came to.

import assert from 'node:assert/strict';
import {after, afterEach, before, describe, test} from 'node:test';
import {isApiRoute, takeObjects} from './lib/api.mjs';
import {vapiCall} from './lib/calls.mjs';
import {connect, createDatabase} from './lib/database.mjs';
import {MORE_SECRETS} from './lib/fixtures.mjs';
import {startHookline} from './lib/hookline.mjs';
import {below, generator, shuffled} from './lib/random.mjs';
import {send} from './lib/send.mjs';
import {inTurn, until} from './lib/wait.mjs';

const CEDAR = {voice: 'agent_d59c7c206bdefe8e54160a54c7', unique: '1731571005416x233462410791889304', id: 'd59c7c20-6bde-4e8e-b416-0a54c769841c'};
const OURS = '+14155550101';
const START_MS = Date.UTC(2026, 7, 12, 14);

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url, ...MORE_SECRETS});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));
afterEach(() => database.client.query('TRUNCATE event_keys, call_events, voice_calls, businesses, business_agents, agent_aliases, customers, leads CASCADE'));

const sql = (text, params) => database.rows(text, params);
const addBusiness = (name, agentId, provider = 'teli') =>
    database.value(
        `WITH b AS (INSERT INTO businesses (name) VALUES ($1) RETURNING id)
         INSERT INTO business_agents (provider, agent_id, business_id) SELECT $2, $3, id FROM b RETURNING business_id`,
        [name, provider, agentId],
    );

/** A detail of Teli's: call number n, a minute after the one before. */
function detail(n, {customer = '+14155550151', direction = 'inbound', agent = CEDAR, ...more} = {}) {
    const [from_number, to_number] = direction === 'inbound' ? [customer, OURS] : [OURS, customer];
    return {
        call_id: `call_${String(n).padStart(27, '0')}`,
        voice_agent_id: agent?.voice,
        agent_id: agent?.id,
        direction,
        from_number,
        to_number,
        call_status: 'ended',
        start_timestamp: START_MS + n * 60_000,
        end_timestamp: START_MS + n * 60_000 + 30_000,
        disconnection_reason: 'user_hangup',
        ...more,
    };
}

/** A row of the list: what a detail says, less what a list does not. */
const row = ({from_number: _from, to_number: _to, extracted_fields: _x, disconnection_reason: _r, ...call}) => call;
const asObjects = (calls) => calls.map((payload) => ({provider: 'teli', route: 'api-call', payload}));
const agents = (...list) => list.map((payload) => ({provider: 'teli', route: 'api-agent', payload}));
const cedarAgent = {agent_id: CEDAR.unique, unique_id: CEDAR.unique, id: CEDAR.id, voice_agent_id: CEDAR.voice, agent_name: 'Cedar Plumbing intake'};

async function deliver(call, event = 'call_analyzed') {
    const reply = await send(hookline.url, {
        path: `/webhooks/teli/${MORE_SECRETS.TELI_WEBHOOK_SECRET}`,
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({event, call}),
    });
    assert.equal(reply.status, 200, reply.body);
}

const customers = () =>
    sql(`SELECT business_name, phone_number, name, email, extracted_fields, first_call_at, last_call_at FROM customers
         ORDER BY business_name, phone_number`);
const callsOfBusinesses = () =>
    sql('SELECT provider_call_id, business_name, customer_number, extracted_fields FROM voice_calls ORDER BY provider_call_id');
async function outcomes(calls, since = '2020-01-01', provider = 'teli') {
    const found = await sql('SELECT provider_call_id, outcome FROM hookline_customer_outcomes($1, $2, $3)', [provider, calls.map((c) => c.call_id), since]);
    const byId = new Map(found.map((o) => [o.provider_call_id, o.outcome]));
    return calls.map((c) => byId.get(c.call_id));
}
const now = () => database.value('SELECT clock_timestamp()::text');
/** As PostgreSQL writes it. */
const at = (n) => new Date(START_MS + n * 60_000).toISOString().replace('T', ' ').replace('.000Z', '+00');

test("a call of a business's agent makes its customer, in the same transaction", async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    const fields = {first_name: 'Dana', last_name: 'Ibáñez', email: 'dana@example.com', business_name: 'somebody else'};
    await deliver(detail(1, {extracted_fields: fields}));
    assert.deepEqual(await customers(), [
        {
            business_name: 'Cedar Plumbing',
            phone_number: '+14155550151',
            name: 'Dana Ibáñez',
            email: 'dana@example.com',
            extracted_fields: fields,
            first_call_at: at(1),
            last_call_at: at(1),
        },
    ]);
    const [call] = await callsOfBusinesses();
    assert.deepEqual([call.business_name, call.extracted_fields], ['Cedar Plumbing', fields]);
    const same = await database.value(
        'SELECT k.created_at = c.customer_at AND c.customer_made_at = c.customer_at FROM customers k, voice_calls c WHERE k.business_id = c.business_id',
    );
    assert.equal(same, true);
});

test('the customer is the other side: who calls in, or who is called', async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    await deliver(detail(1, {customer: '+14155550151'}));
    await deliver(detail(2, {customer: '+14155550152', direction: 'outbound'}));
    assert.deepEqual((await customers()).map((c) => c.phone_number), ['+14155550151', '+14155550152']);
});

test('its agent is known by any notation of its id', async (t) => {
    for (const [notation, id] of Object.entries(CEDAR))
        await t.test(notation, async () => {
            await addBusiness('Cedar Plumbing', id);
            await takeObjects(database, [...agents(cedarAgent), ...asObjects([detail(1, {agent: {voice: CEDAR.voice}})])]);
            assert.deepEqual(await outcomes([detail(1)]), ['created']);
            await sql('TRUNCATE event_keys, call_events, voice_calls, businesses, business_agents, agent_aliases, customers CASCADE');
        });
    await t.test('that a call itself gives', async () => {
        await addBusiness('Cedar Plumbing', CEDAR.id);
        await deliver(detail(1));
        assert.deepEqual(await outcomes([detail(1)]), ['created']);
    });
});

test('every provider whose agents are in business_agents has customers', async () => {
    const call = vapiCall('customers');
    await addBusiness('Acme', call.events[0].body.message.call.assistantId, 'vapi');
    for (const event of call.events) assert.ok((await send(hookline.url, await event.sign())).status < 300);
    const [customer] = await customers();
    assert.deepEqual([customer.business_name, customer.phone_number, customer.name], ['Acme', call.customer, 'Zoë']);
});

test('a call without a number, and one of an unknown agent, make no customer, and are stored all the same', async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    const calls = [
        detail(1, {from_number: undefined, to_number: undefined, call_type: 'web_call', direction: undefined}),
        detail(2, {customer: 'anonymous'}),
        detail(3, {agent: {voice: 'agent_unknown', id: '00000000-0000-4000-8000-000000000000'}}),
        detail(4, {agent: null}),
    ];
    for (const call of calls) await deliver(call);
    assert.deepEqual(await outcomes(calls), ['no_number', 'no_number', 'unknown_agent', 'unknown_agent']);
    assert.deepEqual(await customers(), []);
    assert.equal((await callsOfBusinesses()).length, 4);
});

test("a list's row makes no customer: the detail does", async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    const call = detail(1);
    await takeObjects(database, asObjects([row(call)]));
    assert.deepEqual(await outcomes([call]), ['no_number']);
    await takeObjects(database, asObjects([call]));
    assert.deepEqual(await outcomes([call]), ['created']);
});

test('the newest call that says something wins, in any order, and however often', async () => {
    const calls = [
        detail(1, {extracted_fields: {first_name: 'Dana', email: 'old@example.com'}}),
        detail(2, {extracted_fields: {first_name: 'Dana', last_name: 'Ibáñez', email: 'N/A'}}),
        detail(3),
        detail(4, {customer: '+14155550152', direction: 'outbound', extracted_fields: {day: 'Friday'}}),
        detail(5, {agent: {voice: 'agent_unknown'}}),
    ];
    const objects = [...asObjects([...calls, ...calls.map(row)]), ...agents(cedarAgent)];
    const wanted = [
        {
            business_name: 'Cedar Plumbing',
            phone_number: '+14155550151',
            name: 'Dana Ibáñez',
            email: 'old@example.com',
            extracted_fields: calls[1].extracted_fields,
            first_call_at: at(1),
            last_call_at: at(3),
        },
        {
            business_name: 'Cedar Plumbing',
            phone_number: '+14155550152',
            name: null,
            email: null,
            extracted_fields: {day: 'Friday'},
            first_call_at: at(4),
            last_call_at: at(4),
        },
    ];
    const random = generator(7);
    for (let round = 0; round < 6; round++) {
        const order = shuffled(random, objects);
        const half = below(random, order.length);
        await takeObjects(database, order.slice(0, half));
        await addBusiness('Cedar Plumbing', CEDAR.unique); // before, amid or after
        await takeObjects(database, order.slice(half));
        for (const call of shuffled(random, calls)) await deliver(call);
        assert.deepEqual(await customers(), wanted, `round ${round}`);
        assert.deepEqual((await callsOfBusinesses()).map((c) => c.business_name), [...Array(4).fill('Cedar Plumbing'), null]);
        await sql('TRUNCATE event_keys, call_events, voice_calls, businesses, business_agents, agent_aliases, customers CASCADE');
    }
});

test("the older system's own numbers: 5 new with 3 customers made, 6 duplicates, 2 unknown agents; then 11 duplicates", async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    const numbers = [0, 1, 2, 3, 0, 1, 4, 5, 6, 4, 0].map((n) => `+1415555015${n}`); // of the old, then of the new calls
    const known = numbers.map((customer, n) => detail(n + 1, {customer, extracted_fields: {n: String(n)}}));
    const unknown = [12, 13].map((n) => detail(n, {agent: {voice: 'agent_unknown'}}));
    const all = [...known, ...unknown];
    await takeObjects(database, asObjects(known.slice(0, 6)));
    const count = async (since) => {
        const found = {};
        for (const outcome of await outcomes(all, since)) found[outcome] = (found[outcome] ?? 0) + 1;
        return found;
    };
    const first = await now();
    await takeObjects(database, asObjects(all.flatMap((call) => [row(call), call])));
    assert.deepEqual(await count(first), {created: 3, updated: 2, duplicate: 6, unknown_agent: 2});
    const second = await now();
    await takeObjects(database, asObjects(all.flatMap((call) => [row(call), call])));
    assert.deepEqual(await count(second), {duplicate: 11, unknown_agent: 2});
    assert.equal(await database.value('SELECT count(*)::int FROM customers'), 7);
});

test('within a transaction, outcomes are those of the transaction', async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    await sql('BEGIN');
    await sql(
        `INSERT INTO voice_calls (provider, provider_call_id, agent_id, customer_number) VALUES ('teli', 'c1', $1, '+14155550151'), ('teli', 'c2', $1, '+14155550151')`,
        [CEDAR.voice],
    );
    const outcome = async () => Object.fromEntries((await sql("SELECT provider_call_id, outcome FROM hookline_customer_outcomes('teli', ARRAY['c1', 'c2'])")).map((o) => [o.provider_call_id, o.outcome]));
    assert.deepEqual(await outcome(), {c1: 'created', c2: 'updated'});
    await sql('COMMIT');
    assert.deepEqual(await outcome(), {c1: 'duplicate', c2: 'duplicate'});
});

describe('businesses', () => {
    test('that appear after their calls get them', async () => {
        const calls = [detail(1), detail(2, {customer: '+14155550152'})];
        for (const call of calls) await deliver(call);
        assert.deepEqual(await outcomes(calls), ['unknown_agent', 'unknown_agent']);
        await sql("INSERT INTO businesses (name, teli_agent_id) VALUES ('Cedar Plumbing', $1)", [CEDAR.voice]);
        assert.deepEqual(await outcomes(calls), ['created', 'created']);
    });

    test('and calls that were committed beside each other, unseen, find each other', async (t) => {
        const other = await connect(database.url);
        t.after(() => other.end());
        await other.query('BEGIN');
        await other.query("INSERT INTO businesses (name, teli_agent_id) VALUES ('Cedar Plumbing', $1)", [CEDAR.voice]);
        await deliver(detail(1));
        await other.query('COMMIT');
        await until('the sweep', async () => (await outcomes([detail(1)]))[0] === 'created');
    });

    test('change their name everywhere, and leave their calls behind', async () => {
        const id = await addBusiness('Cedar Plumbing', CEDAR.voice);
        await deliver(detail(1));
        await sql("UPDATE businesses SET name = 'Cedar & Sons' WHERE id = $1", [id]);
        assert.equal((await customers())[0].business_name, 'Cedar & Sons');
        assert.equal((await callsOfBusinesses())[0].business_name, 'Cedar & Sons');
        await sql('DELETE FROM businesses');
        assert.deepEqual(await customers(), []);
        assert.equal((await callsOfBusinesses())[0].business_name, null);
        await addBusiness('Cedar again', CEDAR.voice);
        assert.equal((await customers())[0].business_name, 'Cedar again');
    });
});

test('a call that somebody writes by hand makes a customer too, and what is written into a customer stays', async () => {
    const business = await addBusiness('Cedar Plumbing', CEDAR.voice);
    await sql(
        `INSERT INTO voice_calls (provider, provider_call_id, business_id, direction, from_number, started_at)
         VALUES ('twilio', 'CA1', $1, 'inbound', '+1 415 555 0151', '2026-08-12T14:01:00Z')`,
        [business],
    );
    assert.deepEqual((await customers()).map((c) => [c.phone_number, c.first_call_at]), [['+14155550151', at(1)]]);
    await sql("UPDATE customers SET email = 'dana@example.com'");
    await deliver(detail(2));
    const [customer] = await customers();
    assert.deepEqual([customer.email, customer.first_call_at, customer.last_call_at], ['dana@example.com', at(1), at(2)]);
});

test('a customer who was erased is not made again by what was known before', async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    await deliver(detail(1));
    await sql('DELETE FROM customers');
    await deliver(detail(1));
    assert.deepEqual(await customers(), []);
});

test('many calls of one customer at once leave what one after the other would', async () => {
    await addBusiness('Cedar Plumbing', CEDAR.voice);
    const second = await startHookline({DATABASE_URL: database.url, ...MORE_SECRETS});
    try {
        const calls = Array.from({length: 60}, (_, n) => detail(n, {customer: `+1415555015${n % 3}`, extracted_fields: {first_name: `n${n}`}}));
        await Promise.all(
            calls.map(async (call, n) => {
                const reply = await send((n % 2 ? hookline : second).url, {
                    path: `/webhooks/teli/${MORE_SECRETS.TELI_WEBHOOK_SECRET}`,
                    headers: {'Content-Type': 'application/json'},
                    body: JSON.stringify({event: 'call_analyzed', call}),
                });
                assert.equal(reply.status, 200, reply.body);
            }),
        );
        assert.deepEqual(
            (await customers()).map((c) => [c.name, c.first_call_at, c.last_call_at]),
            [0, 1, 2].map((n) => [`n${57 + n}`, at(n), at(57 + n)]),
        );
        const made = (await outcomes(calls)).filter((o) => o === 'created');
        assert.equal(made.length, 3);
    } finally {
        await second.end();
    }
});

test('routes of the API are not reachable by HTTP', async () => {
    assert.ok(isApiRoute('api-call'));
    for (const path of ['/api-call', '/webhooks/teli/api-call', '/webhooks/teli/']) {
        const {status} = await send(hookline.url, {path, headers: {'Content-Type': 'application/json'}, body: '{"call_id":"call_1"}'});
        assert.ok(status === 404 || status === 401, `${path}: ${status}`);
    }
});
