// Leads and calls find each other by E.164 number, whichever comes first, and whoever writes: hookline, an operator in
// psql, an older application. leads.call_sid is the linked call with the greatest (by hand, started_at, call id).

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, afterEach, before, test} from 'node:test';
import {connect, createDatabase} from './lib/database.mjs';
import {livekitCall, twilioCall, vapiCall} from './lib/calls.mjs';
import {startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn, until} from './lib/wait.mjs';

const NUMBER = '+12025550143';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_DEFAULT_REGION: 'US', HOOKLINE_COMMIT_DEADLINE: 20});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));
afterEach(() => database.client.query('DELETE FROM leads; DELETE FROM voice_calls'));

const addLead = (name, phone) => database.value('INSERT INTO leads (name, phone) VALUES ($1, $2) RETURNING id', [name, phone]);
const addCall = (sid, startedAt, number = NUMBER) =>
    database.value(
        `INSERT INTO voice_calls (provider, provider_call_id, call_sid, customer_number, started_at)
         VALUES ('twilio', $1, $1, $2, $3) RETURNING id`,
        [sid, number, startedAt],
    );
const sids = async () => Object.fromEntries((await database.rows('SELECT name, call_sid FROM leads')).map((l) => [l.name, l.call_sid]));

test('a call that hookline stores is linked in the same transaction, and the lead counts as contacted', async () => {
    await addLead('ada', '+1 (202) 555-0143');
    const call = twilioCall('leads-1', {customer: NUMBER});
    for (const event of call.events) {
        const {status} = await send(hookline.url, await event.sign());
        assert.ok(status >= 200 && status < 300, `${status}`);
        const lead = await database.row('SELECT call_sid, lead_status FROM leads');
        assert.equal(lead.call_sid, call.callSid);
        assert.equal(lead.lead_status, 'contacted');
    }
    assert.equal(await database.value('SELECT count(*)::int FROM lead_calls WHERE learned_by = $1 AND NOT ambiguous', ['number']), 1);
});

test('a lead that appears later is linked to the calls that were there', async () => {
    await addCall('CA1', '2026-01-01');
    await addCall('CA2', '2026-01-02');
    await addLead('ada', '001 202 555 0143');
    assert.deepEqual(await sids(), {ada: 'CA2'});
});

test('a number that several leads share chooses none of them, and again one when it is hers alone', async () => {
    await addCall('CA1', '2026-01-01');
    await addLead('ada', NUMBER);
    const twin = await addLead('twin', 'tel:+1-202-555-0143');
    assert.deepEqual(await sids(), {ada: null, twin: null});
    assert.equal(await database.value('SELECT bool_and(ambiguous) FROM lead_calls'), true);
    await database.client.query('UPDATE leads SET phone = $1 WHERE id = $2', ['+12025550199', twin]);
    assert.deepEqual(await sids(), {ada: 'CA1', twin: null});
    await database.client.query('UPDATE leads SET phone = $1 WHERE id = $2', [NUMBER, twin]);
    assert.deepEqual(await sids(), {ada: null, twin: null});
    await database.client.query('DELETE FROM leads WHERE id = $1', [twin]);
    assert.deepEqual(await sids(), {ada: 'CA1'});
});

test('a link by hand outweighs one by number, until it is taken back', async () => {
    await addCall('CA1', '2026-01-01');
    const second = await addCall('CA2', '2026-01-02');
    await addLead('ada', NUMBER);
    const bob = await addLead('bob', '+12025550199');
    await database.client.query("INSERT INTO lead_calls (lead_id, call_id, learned_by) VALUES ($1, $2, 'hand')", [bob, second]);
    assert.deepEqual(await sids(), {ada: 'CA1', bob: 'CA2'});
    await database.client.query("DELETE FROM lead_calls WHERE learned_by = 'hand'");
    assert.deepEqual(await sids(), {ada: 'CA2', bob: null});
});

test('a call whose start becomes known may become the most recent', async () => {
    await addLead('ada', NUMBER);
    const first = await addCall('CA1', null);
    await addCall('CA2', '2026-01-02');
    assert.deepEqual(await sids(), {ada: 'CA2'});
    await database.client.query('UPDATE voice_calls SET started_at = $1 WHERE id = $2', ['2026-02-01', first]);
    assert.deepEqual(await sids(), {ada: 'CA1'});
});

// ---- by hand, as applications do it: by leads.call_sid ----

const report = async (call, from = 0, to) => {
    for (const event of call.events.slice(from, to)) assert.ok((await send(hookline.url, await event.sign())).status < 300);
};
const writeSid = (name, sid) => database.client.query('UPDATE leads SET call_sid = $1 WHERE name = $2', [sid, name]);

test('a Call SID that an application wrote stands, though its call becomes known later, and newer calls come', async () => {
    await addLead('ada', NUMBER);
    const first = twilioCall('written first', {customer: '+12025550188'}); // another number: the lead was called elsewhere
    const second = twilioCall('newer', {customer: NUMBER});
    await writeSid('ada', first.callSid);
    await report(first);
    assert.deepEqual(await sids(), {ada: first.callSid});
    assert.equal(await database.value(`SELECT learned_by FROM lead_calls WHERE call_sid = $1`, [first.callSid]), 'hand');
    await report(second);
    assert.deepEqual(await sids(), {ada: first.callSid});
    await addLead('bob', '+12025550188'); // has the number, but the call is somebody else's by hand
    assert.deepEqual(await sids(), {ada: first.callSid, bob: null});
});

test('a call that an application took from a lead is not given back by its number', async () => {
    await addLead('ada', NUMBER);
    const taken = twilioCall('taken back', {customer: NUMBER});
    await report(taken, 2, 4);
    assert.deepEqual(await sids(), {ada: taken.callSid});
    await writeSid('ada', null);
    await report(taken); // tells an earlier start
    assert.deepEqual(await sids(), {ada: null});
    const next = twilioCall('the next one', {customer: NUMBER});
    await report(next);
    assert.deepEqual(await sids(), {ada: next.callSid});
});

test('a link by hand is of the telephone call, whichever provider reported it', async () => {
    await addLead('ada', NUMBER);
    const bob = await addLead('bob', '+12025550199');
    await addCall('CA1', '2026-01-01');
    const other = await database.value(
        `INSERT INTO voice_calls (provider, provider_call_id, call_sid, customer_number, started_at)
         VALUES ('vapi', 'v1', 'CA1', $1, '2026-01-01') RETURNING id`,
        [NUMBER],
    );
    assert.deepEqual(await sids(), {ada: 'CA1', bob: null});
    await database.client.query("INSERT INTO lead_calls (lead_id, call_id, learned_by) VALUES ($1, $2, 'hand')", [bob, other]);
    assert.deepEqual(await sids(), {ada: null, bob: 'CA1'});
});

test('a call whose number turns out to be another goes to the lead who has that', async () => {
    await addLead('ada', NUMBER);
    await addLead('bob', '+12025550199');
    const id = await addCall('CA1', '2026-01-01');
    assert.deepEqual(await sids(), {ada: 'CA1', bob: null});
    await database.client.query('UPDATE voice_calls SET customer_number = $1 WHERE id = $2', ['+1 202 555 0199', id]);
    assert.deepEqual(await sids(), {ada: null, bob: 'CA1'});
    assert.equal(await database.value('SELECT count(*) FROM lead_calls'), 1);
});

test("an application's call is linked by its numbers, though it waits for its room", async () => {
    await addLead('ada', NUMBER);
    await database.client.query(
        `INSERT INTO voice_calls (session_id, direction, from_number, to_number, call_sid) VALUES ('s1', 'inbound', $1, '+12025550100', 'CA9')`,
        ['+1 (202) 555-0143'],
    );
    assert.deepEqual(await sids(), {ada: 'CA9'});
});

test('PostgreSQL reads international numbers as hookline does', async () => {
    const numbers = JSON.parse(readFileSync(new URL('../fixtures/phone-numbers.json', import.meta.url)));
    for (const [phone, wanted] of [...numbers, [null, null], ['+44 (0)20 7946 0958', null]])
        assert.equal(await database.value('SELECT hookline_e164($1)', [phone]), wanted, `${phone}`);
});

/** hookline comes by within seconds. */
const settled = () => until('every number is read', () => database.value('SELECT bool_and(phone_e164 IS NOT NULL) FROM leads'));

test('a national number is read by hookline, in the default region, and linked then', async () => {
    await addCall('CA1', '2026-01-01');
    await addCall('CA2', '2026-01-02', '+442079460958');
    await addLead('ada', '(202) 555-0143');
    await addLead('grace', '+44 (0)20 7946 0958');
    assert.deepEqual(await sids(), {ada: null, grace: null});
    await settled();
    assert.deepEqual(await sids(), {ada: 'CA1', grace: 'CA2'});
    assert.equal(await database.value(`SELECT phone FROM leads WHERE name = 'ada'`), '(202) 555-0143');

    await database.client.query(`UPDATE leads SET phone = '202 555 0199' WHERE name = 'ada'`);
    assert.deepEqual(await sids(), {ada: null, grace: 'CA2'});
    await settled();
    await addCall('CA3', '2026-01-03', '+12025550199');
    assert.deepEqual(await sids(), {ada: 'CA3', grace: 'CA2'});
});

test('a lead and a call that were saved at the same moment find each other', async () => {
    const other = await connect(database.url);
    try {
        await other.query('BEGIN');
        await other.query('INSERT INTO leads (name, phone) VALUES ($1, $2)', ['ada', NUMBER]);
        await addCall('CA1', '2026-01-01'); // committed: it did not see the lead, nor the lead it
        await other.query('COMMIT');
        assert.deepEqual(await sids(), {ada: null});
        await until('they are linked', async () => (await sids()).ada === 'CA1');
    } finally {
        await other.end();
    }
});

test('of several leads whose calls have one Call SID, told at once, one has it', async () => {
    for (const [i, name] of ['ada', 'grace', 'joan'].entries()) await addLead(name, `+1202555017${i}`);
    const locker = await connect(database.url);
    const told = [];
    try {
        await locker.query('BEGIN; LOCK TABLE voice_calls IN ACCESS EXCLUSIVE MODE');
        const queued = async (count) => (await hookline.metrics()).sum('hookline_queue_deliveries') >= count;
        const telephone = twilioCall('one sid', {customer: '+12025550170'});
        const calls = [
            telephone,
            vapiCall('one sid', {customer: '+12025550171', callSid: telephone.callSid}),
            livekitCall('one sid', {customer: '+12025550172', callSid: telephone.callSid}),
        ];
        // The first one goes by itself, and waits for the lock: the rest gather behind it.
        told.push(send(hookline.url, twilioCall('another').events[4].sign(), {agent: false}));
        await until('it waits', () => queued(1));
        for (const call of calls)
            for (const event of call.events) told.push(send(hookline.url, await event.sign(), {agent: false}));
        await until('they wait', () => queued(told.length));
        await locker.query('ROLLBACK');
        for (const {status} of await Promise.all(told)) assert.equal(Math.floor(status / 100), 2);
        const having = Object.values(await sids()).filter((sid) => sid === telephone.callSid);
        assert.equal(having.length, 1);
        assert.equal(await database.value('SELECT count(*) FROM lead_calls'), 3);
        assert.equal((await hookline.metrics()).sum('hookline_journal_deliveries'), 0);
    } finally {
        await locker.end();
    }
});

test('what is no number links to nothing', async () => {
    await addCall('CA1', '2026-01-01');
    await addLead('ada', 'ask at the desk');
    await addLead('grace', '555-0143');
    await database.client.query(`UPDATE leads SET number_pending_since = number_pending_since - interval '1 minute'`);
    await until('both were looked at', () => database.value('SELECT count(number_pending_since) = 0 FROM leads'));
    assert.deepEqual(await sids(), {ada: null, grace: null});
});
