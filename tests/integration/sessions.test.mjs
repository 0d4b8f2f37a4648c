// Calls that are known by their session's name before their provider gives them an id: the row that an application writes
// becomes the room's, and so does what hookline heard under the name alone.

import assert from 'node:assert/strict';
import {randomUUID} from 'node:crypto';
import {after, afterEach, before, test} from 'node:test';
import {livekitCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url});
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
