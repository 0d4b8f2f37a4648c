// Whatever order the deliveries of a call come in, and however often, the rows end the same (design: "equal rows").
//
// Each call is told in many orders, each under ids of its own, with random repetitions, by two hooklines on one
// database, many calls at the same time. Some are told one delivery after the other (arrival order is then what it
// says), some all at once (then batches mix). The lead who has the number comes at a random moment.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {CALLS, phoneNumber} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {below, generator, inParallel, permutations, shuffled} from './lib/random.mjs';
import {assertSameRows, rowsByCall, withoutIds} from './lib/rows.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

const SEED = Number(process.env.ORDER_SEED ?? 20261121);
const ORDERS = SANITIZED ? 30 : 120; // of each provider: all 5! of five deliveries, a sixth of the 6! of six
const AT_ONCE = SANITIZED ? 10 : 40;
const CALLS_AT_A_TIME = 24;

let database;
let hooklines = [];

before(async () => {
    database = await createDatabase();
    const env = {DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 30};
    hooklines = await Promise.all([startHookline(env), startHookline(env)]);
});

after(() => inTurn(...hooklines.map((hookline) => hookline.end), () => database?.drop()));

let made = 0;

/** A call with ids and a telephone number that no other has. */
function newCall(provider) {
    made++;
    return CALLS[provider](`order-${made}`, {customer: phoneNumber(made)});
}

/** One call in one order: {call, steps}; a step is an event of the call, or 'lead'. */
function plan(provider, order, random) {
    const call = newCall(provider);
    const steps = order.map((i) => call.events[i]);
    for (let repeats = below(random, 4); repeats > 0; repeats--)
        steps.splice(below(random, steps.length + 1), 0, call.events[below(random, call.events.length)]);
    steps.splice(below(random, steps.length + 1), 0, 'lead');
    return {call, steps, name: steps.map((step) => step.name ?? step).join(', ')};
}

async function take(step, call, random) {
    if (step === 'lead') {
        await database.client.query('INSERT INTO leads (name, phone) VALUES ($1, $2)', ['Ada', call.customer]);
        return;
    }
    const hookline = hooklines[below(random, hooklines.length)];
    const reply = await send(hookline.url, await step.sign());
    assert.equal(Math.floor(reply.status / 100), 2, `${call.provider} ${step.name}: ${reply.status} ${reply.body}`);
}

async function tell({call, steps}, atOnce, random) {
    if (!atOnce) {
        for (const step of steps) await take(step, call, random);
        return;
    }
    // A lead and a call that are committed in the same instant may miss each other; that is the sweep's business.
    await take('lead', call, random);
    await Promise.all(steps.filter((step) => step !== 'lead').map((step) => take(step, call, random)));
}

for (const provider of Object.keys(CALLS)) {
    describe(provider, () => {
        const random = generator(SEED + provider.length);
        let plans;
        let rows;

        before(async () => {
            const events = CALLS[provider]('shape').events.map((_, i) => i);
            const orders = shuffled(random, [...permutations(events)]).slice(0, ORDERS);
            plans = [inOrder(provider)];
            for (const order of orders) plans.push(plan(provider, order, random));
            for (let i = 0; i < AT_ONCE; i++) plans.push(plan(provider, shuffled(random, events), random));
            await inParallel(CALLS_AT_A_TIME, plans, (p, i) => tell(p, i > orders.length, generator(SEED + i)));
            rows = await rowsByCall(database);
        });

        test('told in order, once, every table has what was told', () => {
            checkTold(provider, plans[0].call, rows.get(plans[0].call.providerCallId));
        });

        test(`told in ${ORDERS} orders and ${AT_ONCE} times all at once, with repetitions, the rows are the same`, () => {
            const wanted = withoutIds(rows.get(plans[0].call.providerCallId), plans[0].call.ids);
            for (const {call, name} of plans.slice(1)) {
                const found = rows.get(call.providerCallId);
                assert.ok(found, `no rows of: ${name}`);
                assertSameRows(withoutIds(found, call.ids), wanted, `told as: ${name}`);
            }
        });

        test('each delivery has one event, and one key', async () => {
            const events = await database.value('SELECT count(*) FROM call_events WHERE provider = $1', [provider]);
            assert.equal(events, plans.length * plans[0].call.events.length);
            const {keys, all} = await database.row(
                'SELECT (SELECT count(*) FROM event_keys) AS keys, (SELECT count(*) FROM call_events) AS all',
            );
            assert.equal(keys, all);
        });
    });
}

/** The order in which it happened, each once, the lead there beforehand. */
function inOrder(provider) {
    const call = newCall(provider);
    return {call, steps: ['lead', ...call.events], name: 'in order'};
}

/** That the row which all others are compared with is right itself. */
function checkTold(provider, call, tables) {
    assert.equal(tables.call_events.length, call.events.length);
    assert.deepEqual(
        tables.call_events.filter((row) => row.error !== null),
        [],
    );
    assert.equal(tables.voice_calls.length, 1);
    const [row] = tables.voice_calls;
    assert.equal(row.status, 'completed');
    assert.equal(row.call_sid, call.callSid);
    assert.equal(row.customer_number, call.customer);
    assert.ok(row.started_at && row.connected_at && row.ended_at);
    assert.equal(row.duration_seconds, {twilio: 30, vapi: 30, livekit: row.duration_seconds}[provider]);
    assert.equal(tables.voice_messages.filter((m) => !m.superseded).length, {twilio: 0, vapi: 4, livekit: 0}[provider]);
    assert.equal(tables.voice_messages.filter((m) => m.superseded).length, {twilio: 0, vapi: 2, livekit: 0}[provider]);
    assert.equal(tables.call_participants.length, {twilio: 0, vapi: 0, livekit: 2}[provider]);
    assert.equal(tables.lead_calls.length, 1);
    assert.equal(tables.lead_calls[0].lead, call.customer);
    assert.equal(tables.leads.length, 1);
    assert.equal(tables.leads[0].call_sid, call.callSid);
    assert.equal(tables.leads[0].lead_status, 'contacted');
}
