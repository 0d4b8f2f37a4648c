// Calls that are known by their session's name before their provider gives them an id: the row that an application writes
// becomes the room's, and so does what hookline heard under the name alone.

import assert from 'node:assert/strict';
import {randomUUID} from 'node:crypto';
import {after, afterEach, before, test} from 'node:test';
import {makeSecret, signAgent} from './lib/agent.mjs';
import {livekitCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

const SECRET = makeSecret();

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url, AGENT_WEBHOOK_SECRET: SECRET});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));
afterEach(() => database.client.query('DELETE FROM voice_calls; DELETE FROM users'));

async function deliver(events) {
    for (const event of events) {
        const {status, body} = await send(hookline.url, await event.sign());
        assert.equal(status, 200, `${event.name}: ${body}`);
    }
}

/** As an application does before it has the room made. */
const openSession = (session, user, createdAt = 'now()') =>
    database.row(
        `INSERT INTO voice_calls (provider, user_id, session_id, room_name, status, metadata, created_at)
         VALUES ('livekit', $1, $2, 'Support Call', 'pending', '{"ticket": 7}', ${createdAt}) RETURNING id`,
        [user, session],
    );
const addUser = (id = randomUUID()) =>
    database.value(`INSERT INTO users (id, name) VALUES ($1, 'Grace') RETURNING id`, [id]);
const calls = () => database.rows('SELECT * FROM voice_calls ORDER BY created_at');

test("an application's row becomes the room's, under its own id, and keeps what only it knows", async () => {
    const call = livekitCall('claimed');
    const user = await addUser();
    const {id} = await openSession(call.ids.roomName, user);
    await deliver(call.events);

    const [row, ...others] = await calls();
    assert.deepEqual(others, []);
    assert.equal(row.id, id);
    assert.equal(row.provider_call_id, call.ids.roomSid);
    assert.equal(row.user_id, user);
    assert.equal(row.status, 'completed');
    assert.equal(row.call_sid, call.callSid);
    assert.ok(row.duration_seconds > 0);
    assert.equal(await database.value('SELECT count(*) FROM call_participants WHERE call_id = $1', [id]), 2);
    assert.equal(await database.value('SELECT count(*) FROM event_keys'), call.events.length);
});

test('a room that was heard of first, by any of its events, is claimed as well', async () => {
    for (const heardFirst of [1, 3, 5]) {
        const call = livekitCall(`late row ${heardFirst}`);
        await deliver([...call.events.slice(0, heardFirst)].reverse());
        const {id} = await openSession(call.ids.roomName, null, `'2026-01-01'`);
        await deliver(call.events.slice(heardFirst));
        const [row, ...others] = (await calls()).filter((c) => c.session_id === call.ids.roomName);
        assert.deepEqual(others, []);
        assert.equal(row.id, id);
        assert.equal(row.provider_call_id, call.ids.roomSid);
        assert.equal(await database.value('SELECT count(*) FROM call_participants WHERE call_id = $1', [id]), 2);
        assert.equal(row.status, 'completed');
    }
});

test('a name that is used again is another call: the row written after the first had ended waits for the second', async () => {
    const first = livekitCall('first room');
    const second = livekitCall('second room');
    for (const event of second.events) event.body.room.name = first.ids.roomName;
    await deliver(first.events);
    const {id} = await openSession(first.ids.roomName, null, `'2099-01-01'`);
    await deliver(first.events.slice(-1)); // once more: nothing may be claimed by it
    assert.equal((await calls()).find((c) => c.id === id).provider_call_id, null);

    for (const event of second.events) {
        event.body.room.creationTime = '4102444800';
        event.body.room.creationTimeMs = '4102444800000';
        event.body.createdAt = '4102444801';
    }
    await deliver(second.events.slice(0, 2));
    assert.equal((await calls()).find((c) => c.id === id).provider_call_id, second.ids.roomSid);
    assert.equal((await calls()).length, 2);
});

test('a row that was over before the room began is not its row', async () => {
    const call = livekitCall('after it was over');
    const {id} = await openSession(call.ids.roomName, null, `'2025-01-01'`);
    await database.client.query(`UPDATE voice_calls SET status = 'failed', ended_at = '2025-01-02' WHERE id = $1`, [id]);
    await deliver(call.events);
    assert.equal((await calls()).length, 2);
    assert.equal((await calls()).find((c) => c.id === id).provider_call_id, null);
});

test("a user's own row is claimed by a room that this user is in, and by no other", async () => {
    const [eve, bob] = [await addUser(), await addUser()];
    for (const [name, inRoom, claimed] of [['guessed', bob, false], ['joined', eve, true]]) {
        const call = livekitCall(name);
        for (const {body} of call.events)
            if (body.participant?.sid === call.ids.callerSid) body.participant.identity = inRoom;
        const {id} = await openSession(call.ids.roomName, eve, `'2026-01-01'`);
        await database.client.query('UPDATE voice_calls SET begun_by_user = true WHERE id = $1', [id]); // as the policies note it
        await deliver(call.events);
        const rows = (await calls()).filter((c) => c.session_id === call.ids.roomName);
        assert.equal(rows.length, claimed ? 1 : 2, name);
        assert.equal(rows.find((c) => c.id === id).provider_call_id, claimed ? call.ids.roomSid : null, name);
    }
});

test('a participant whose identity is the id of a user is that user', async () => {
    const call = livekitCall('known user');
    const user = await addUser();
    for (const {body} of call.events)
        if (body.participant?.sid === call.ids.callerSid) body.participant.identity = user.toUpperCase();
    await deliver(call.events);
    assert.deepEqual(
        await database.rows('SELECT user_id FROM call_participants ORDER BY user_id NULLS LAST'),
        [{user_id: user}, {user_id: null}],
    );
});

// ---- an agent of one's own, that knows the room by its name ----

const line = (call, id, role, content, at) => ({
    name: `agent: ${id}`,
    sign: () =>
        signAgent(
            {type: 'message', data: {provider: 'livekit', session_id: call.ids.roomName, id, role, content, created_at: at}},
            {secrets: SECRET},
        ),
});
const linesOf = (call) => [
    line(call, 'item_1', 'assistant', 'Front desk, hello?', 1767000003),
    line(call, 'item_2', 'user', 'Do you have a table for two?', 1767000006),
];
const transcript = (callId) =>
    database.rows('SELECT role, content FROM conversation_transcripts WHERE call_id = $1 ORDER BY sequence_number', [callId]);

test('what an agent says of "the room called so" is of that room, whichever is heard first', async () => {
    const orders = {
        'agent first': (lines, events) => [...lines, ...events],
        'agent last': (lines, events) => [...events, ...lines],
        between: (lines, events) => [events[0], lines[0], ...events.slice(1, 4), lines[1], ...events.slice(4)],
        'twice, the other way round': (lines, events) => [...lines, ...events, ...events, ...lines].reverse(),
    };
    for (const [name, order] of Object.entries(orders)) {
        const call = livekitCall(`agent: ${name}`);
        await deliver(order(linesOf(call), call.events));
        const [row, ...others] = (await calls()).filter((c) => c.session_id === call.ids.roomName);
        assert.deepEqual(others, [], name);
        assert.equal(row.provider_call_id, call.ids.roomSid, name);
        assert.equal(row.status, 'completed', name);
        assert.deepEqual(
            (await transcript(row.id)).map(({role}) => role),
            ['assistant', 'user'],
            name,
        );
        assert.equal(await database.value('SELECT count(*) FROM call_participants WHERE call_id = $1', [row.id]), 2, name);
    }
    assert.equal(await database.value(`SELECT count(*) FROM voice_calls WHERE provider_call_id LIKE 'session:%'`), 0);
});

test('application, agent and room, in every order', async () => {
    const call = (n) => livekitCall(`three of them ${n}`);
    const orders = ['app agent room', 'app room agent', 'agent app room', 'agent room app', 'room agent app', 'room app agent'];
    for (const [n, order] of orders.entries()) {
        const one = call(n);
        let app;
        for (const who of order.split(' ')) {
            if (who === 'app') app = await openSession(one.ids.roomName, null, `'2026-01-01'`);
            else await deliver(who === 'agent' ? linesOf(one) : one.events);
        }
        await deliver(one.events.slice(-1)); // whoever came last, the next event settles it
        const [row, ...others] = (await calls()).filter((c) => c.session_id === one.ids.roomName);
        assert.deepEqual(others, [], order);
        assert.equal(row.id, app.id, order);
        assert.equal(row.provider_call_id, one.ids.roomSid, order);
        assert.equal((await transcript(row.id)).length, 2, order);
    }
});

test('a room that never comes leaves what was said of it, under its name', async () => {
    const call = livekitCall('never comes');
    await deliver(linesOf(call));
    const [row] = await calls();
    assert.equal(row.session_id, call.ids.roomName);
    assert.equal((await transcript(row.id)).length, 2);
});

test('the agent who held the call has the last word on what was said, over what the provider heard', async () => {
    const call = vapiCall('agent over vapi');
    const heard = call.events.filter(({name}) => /transcript/.test(name));
    assert.ok(heard.length > 1);
    const said = {
        name: 'agent',
        sign: () =>
            signAgent(
                {
                    type: 'message',
                    data: {provider: 'vapi', provider_call_id: call.providerCallId, id: 'm1', role: 'user', content: 'As I said.'},
                },
                {secrets: SECRET},
            ),
    };
    await deliver([heard[0], said, ...heard.slice(1)]);
    const [row] = await calls();
    assert.deepEqual(await transcript(row.id), [{role: 'user', content: 'As I said.'}]);
});
