// Bodies that are signed, and so genuine, and that nobody should have sent: each gets its 2xx and one row, a dead letter
// where it cannot be understood, and never harms the deliveries that are committed with it.

import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, before, describe, test} from 'node:test';
import {livekitCall, phoneNumber, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {signLivekit, signTwilioBytes, signTwilioJson, signVapi} from './lib/sign.mjs';
import {inTurn} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_COMMIT_DEADLINE: 30});
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
    ),
);

// ---- bodies ----

/** A Vapi message and a LiveKit event as text, with `hole` somewhere inside as it stands. */
const vapiText = (id, hole) =>
    `{"message":{"type":"status-update","status":"in-progress","timestamp":1786550604364,"extra":${hole},` +
    `"call":{"id":"${id}","type":"inboundPhoneCall","customer":{"number":"+12025550199"}}}}`;
const livekitText = (id, hole) =>
    `{"event":"room_started","room":{"sid":"${id}","name":"room-${id}","creationTime":"1786550600"},` +
    `"extra":${hole},"id":"EV_${id}","createdAt":"1786550601"}`;

const DEEP = 100_000;
const MEGABYTES = 1 << 20;

/** What stands in the hole → whether the delivery can still be understood (null: either will do). */
const HOLES = {
    'arrays nested 100,000 deep': ['['.repeat(DEEP) + ']'.repeat(DEEP), null],
    'objects nested 100,000 deep': ['{"a":'.repeat(DEEP) + '1' + '}'.repeat(DEEP), null],
    '100,000 brackets that never close': ['['.repeat(DEEP), false],
    'a number too large for any type': ['1e400000', null],
    'a number too small for any type': ['-1e-400000', null],
    'an integer of 400 digits': ['9'.repeat(400), null],
    'a number of 200,000 digits': ['1'.repeat(200_000), null],
    'a NUL character': ['"a\\u0000b"', null],
    'a key with a NUL character': ['{"a\\u0000b":1,"a\\u0000c":2}', null],
    'a lone high surrogate': ['"\\ud800"', null],
    'a lone low surrogate': ['"\\udc00 and text"', null],
    'surrogates in the wrong order': ['"\\udc00\\ud800"', null],
    'invalid UTF-8': [Buffer.from('22ff fec0 80ed a080 f888 8080 8022'.replaceAll(' ', ''), 'hex'), null],
    'UTF-8 that is cut': [Buffer.from('"\u20ac"').subarray(0, 3), false],
    'a raw control character': [Buffer.from('"a\x01b\nc"'), null],
    'one key a thousand times': [`{${Array(1000).fill('"k":1').join(',')}}`, true],
    'ten thousand keys': [`{${Array.from({length: 10_000}, (_, i) => `"k${i}":${i}`).join(',')}}`, true],
    'five megabytes of text': [JSON.stringify('x'.repeat(5 * MEGABYTES)), true],
    'five megabytes of text that cannot be compressed': [
        JSON.stringify(randomBytes(3.5 * MEGABYTES).toString('base64')),
        true,
    ],
    'a word that JSON does not know': ['NaN', false],
    'a comma too much': ['[1,2,]', null],
};

/** Whole bodies that are nothing that a provider sends. */
const BODIES = {
    text: 'hello',
    'one byte': 'x',
    'NUL bytes': '\0\0\0\0',
    'a single quote': '"',
    'half of a body': '{"message":{"type":"status-update","call":{"id":"1',
    null: 'null',
    'a number': '42',
    'a string': '"status-update"',
    'an empty object': '{}',
    'an empty array': '[]',
    'two objects': '{}{}',
    XML: '<?xml version="1.0"?><message/>',
    'a byte order mark': '\ufeff{"message":{"type":"hang"}}',
    'UTF-16': Buffer.from('{"message":{"type":"hang"}}', 'utf16le'),
    'random bytes': randomBytes(1000),
    'types where others are expected':
        '{"message":{"type":["status-update"],"call":"x","timestamp":{}},"event":7,"room":[]}',
};

/** Values in columns, of a message that is otherwise sound: too long, too large, or out of any range. */
const NOISE = randomBytes(60_000).toString('base64');
const VAPI_VALUES = {
    'a call id of 80,000 letters': (m) => (m.call.id = NOISE),
    'a Call SID of 80,000 letters': (m) => (m.call.phoneCallProviderId = m.call.transport.callSid = `CA${NOISE}`),
    'a number of 80,000 letters': (m) => (m.customer.number = m.call.customer.number = `+1${NOISE}`),
    'a status of 80,000 letters': (m) => (m.status = NOISE),
    'a type of 80,000 letters': (m) => (m.type = NOISE),
    'times before time began': (m) => (m.call.startedAt = m.call.createdAt = '-99999-01-01T00:00:00Z'),
    'times after its end': (m) => (m.call.startedAt = m.call.endedAt = '999999-12-31T23:59:59Z'),
    'a timestamp that is huge': (m) => (m.timestamp = 1e300),
    'a timestamp that is negative': (m) => (m.timestamp = -1e18),
    'a timestamp that is text': (m) => (m.timestamp = 'yesterday'),
    'a cost that is huge': (m) => (m.cost = m.call.cost = 1e308),
    'NUL characters in every text': (m) => {
        m.call.id += '\0';
        m.status += '\0';
        m.call.customer.number += '\0';
    },
    'lone surrogates in every text': (m) => {
        m.call.id += '\ud800';
        m.call.customer.number += '\udfff';
    },
    'ids that are objects': (m) => (m.call.id = {id: 1}),
    'an id that is empty': (m) => (m.call.id = ''),
    SQL: (m) => (m.call.id += "'); DROP TABLE voice_calls; --"),
};
const REPORT_VALUES = {
    'a transcript of a megabyte': (m) => (m.artifact.transcript = 'word '.repeat(200_000)),
    'ten thousand messages': (m) =>
        (m.artifact.messages = Array.from({length: 10_000}, (_, i) => ({
            role: i % 2 ? 'user' : 'bot',
            message: `line ${i}`,
            time: 1786550604364 + i,
        }))),
    'messages that are no objects': (m) => (m.artifact.messages = [null, 1, 'x', [], {}, {role: 5, message: {}}]),
    'a role that nobody knows': (m) => (m.artifact.messages[1].role = 'narrator'),
    'message times out of range': (m) => (m.artifact.messages[1].time = 1e200),
    'tokens out of range': (m) => (m.costs[0].promptTokens = 1e30),
    'a message with a NUL character and a lone surrogate': (m) => (m.artifact.messages[1].message = 'a\0b\ud800c'),
};
const LIVEKIT_VALUES = {
    'a room id of 80,000 letters': (e) => (e.room.sid = NOISE),
    'a room name of 80,000 letters': (e) => (e.room.name = NOISE),
    'a participant id of 80,000 letters': (e) => (e.participant.sid = NOISE),
    'a creation time that is huge': (e) => (e.room.creationTimeMs = '9'.repeat(30)),
    'a creation time of the last 64-bit number': (e) => (e.room.creationTimeMs = '9223372036854775807'),
    'a joining time that is negative': (e) => (e.participant.joinedAtMs = '-9223372036854775808'),
    'a time of creation that is text': (e) => (e.createdAt = 'now'),
    'metadata that is not JSON': (e) => (e.room.metadata = '{"half":'),
    'metadata with a NUL character': (e) => (e.room.metadata = '{"a":"\\u0000"}'),
    'metadata 100,000 deep': (e) => (e.room.metadata = '['.repeat(DEEP) + ']'.repeat(DEEP)),
    'attributes with NUL characters': (e) => (e.participant.attributes = {'a\0b': 'c\0d', 'sip.phoneNumber': '+1\0'}),
    'a kind that is a number': (e) => (e.participant.kind = 3),
};
const TWILIO_VALUES = {
    'invalid UTF-8': {CallerName: Buffer.from('ff41feed', 'hex')},
    'invalid UTF-8 in the number': {From: Buffer.from('2b31ff', 'hex')},
    'NUL characters': {CallerName: 'a\0b', CallStatus: 'completed\0'},
    'a duration that is huge': {CallDuration: '99999999999999999999'},
    'a duration over 31 bits': {CallDuration: '3000000000'},
    'a duration that is negative': {CallDuration: '-5'},
    'a duration that is text': {CallDuration: 'long'},
    'a time that never was': {Timestamp: 'Sun, 99 Foo 99999 99:99:99 +9999'},
    'a time far away': {Timestamp: 'Fri, 31 Dec 999999 23:59:59 +0000'},
    'a Call SID of 80,000 letters': {CallSid: `CA${NOISE}`},
    'a status of 80,000 letters': {CallStatus: NOISE},
    'five megabytes of text': {SpeechResult: 'x'.repeat(5 * MEGABYTES)},
    'five megabytes of bytes that are no text': {SpeechResult: Buffer.alloc(1 * MEGABYTES, 0xff)},
    'an empty Call SID': {CallSid: ''},
};

// ---- the conversation ----

let seed = 0;

/**
 * Sends the hostile delivery amid good ones, all at the same moment: it must get a 2xx and be one row, and the others
 * must be stored right. Gives its row.
 */
async function sendAmidNeighbours(hostile) {
    const round = `hostile-${seed++}`;
    const neighbours = Array.from({length: 4}, (_, i) => [
        twilioCall(`${round}-${i}`, {customer: phoneNumber(i)}),
        vapiCall(`${round}-${i}`, {customer: phoneNumber(i)}),
        livekitCall(`${round}-${i}`, {customer: phoneNumber(i)}),
    ]).flat();
    const last = await database.value('SELECT coalesce(max(id), 0) FROM call_events');
    const deliveries = await Promise.all(neighbours.map((call) => call.events[2].sign()));
    deliveries.splice(neighbours.length / 2, 0, hostile);

    const replies = await Promise.all(deliveries.map((delivery) => send(hookline.url, delivery)));
    for (const reply of replies)
        assert.equal(Math.floor(reply.status / 100), 2, `${reply.status} ${reply.body}\n${lastLogLines()}`);

    const rows = await database.rows('SELECT *, payload::text AS payload_text FROM call_events WHERE id > $1', [last]);
    const ofNeighbours = new Map(neighbours.map((call) => [call.providerCallId, call]));
    const others = rows.filter((row) => !ofNeighbours.has(row.provider_call_id));
    assert.equal(rows.length - others.length, neighbours.length, 'not every neighbour has its event');
    const calls = await database.rows(
        `SELECT c.provider, c.provider_call_id, c.status, c.call_sid, c.customer_number,
                (SELECT count(*) FROM voice_messages m WHERE m.call_id = c.id) AS messages,
                (SELECT count(*) FROM call_participants p WHERE p.call_id = c.id) AS participants
         FROM voice_calls c WHERE c.provider_call_id = ANY ($1)`,
        [[...ofNeighbours.keys()]],
    );
    assert.equal(calls.length, neighbours.length, 'not every neighbour has its call');
    for (const row of calls) {
        const call = ofNeighbours.get(row.provider_call_id);
        const wanted = {
            // the third event of each: ringing; the caller's transcript; the agent joined
            twilio: {call_sid: call.callSid, customer_number: call.customer, messages: 0, participants: 0},
            vapi: {call_sid: call.callSid, customer_number: call.customer, messages: 1, participants: 0},
            livekit: {call_sid: null, customer_number: null, messages: 0, participants: 1},
        }[row.provider];
        const {provider, provider_call_id: _, status, ...found} = row;
        assert.deepEqual(found, wanted, provider);
        assert.notEqual(status, 'failed');
    }
    const alive = await fetch(`${hookline.url}/livez`);
    assert.equal(alive.status, 200);

    assert.equal(others.length, 1, `expected one row for it, got ${others.length}`);
    return others[0];
}

function lastLogLines() {
    return hookline.logText().slice(-2000);
}

/** understood: true, false, or null where either will do. A dead letter says why, and keeps what came. */
function assertKept(row, understood) {
    if (understood === true) assert.equal(row.error, null);
    if (understood === false) assert.notEqual(row.error, null, 'it is no dead letter');
    assert.ok(row.payload_text !== null || row.raw !== null, 'neither payload nor raw was kept');
    if (row.error !== null) assert.ok(row.error.length > 5, `error: ${row.error}`);
    assert.ok(row.event_key.length > 0);
}

function assertMasked(row, body) {
    assertKept(row, false);
    assert.equal(row.payload_text, null);
    assert.ok(!/REDACT|ME-4/.test(row.raw.toString('latin1')), `of ${body} was kept: ${row.raw}`);
}

const concat = (text, hole) => {
    const [before, after] = text('\u0001').split('\u0001');
    return Buffer.concat([Buffer.from(before), Buffer.from(hole), Buffer.from(after)]);
};

describe('a hole in a sound message is filled with', () => {
    for (const [what, [hole, understood]] of Object.entries(HOLES)) {
        test(`vapi: ${what}`, async () => {
            const body = concat((h) => vapiText(`v-${seed}`, h), hole);
            assertKept(await sendAmidNeighbours(signVapi(body)), understood);
        });
        test(`livekit: ${what}`, async () => {
            const body = concat((h) => livekitText(`RM_${seed}`, h), hole);
            assertKept(await sendAmidNeighbours(await signLivekit(body)), understood);
        });
    }
});

describe('a whole body is', () => {
    for (const [what, body] of Object.entries(BODIES)) {
        test(what, async () => {
            for (const delivery of [signVapi(body), await signLivekit(body), signTwilioJson(body)])
                assertKept(await sendAmidNeighbours(delivery), null);
        });
    }

    test('a secret among bytes that cannot be parsed is masked', async () => {
        const bodies = (name) => [
            `${name}=REDACT-ME-1&x=1`,
            `{"${name}": "REDACT-ME-2", "x": 1,,}`,
            `{"x":1,"${name}":"REDACT-ME-3`,
            `{"${name}" : "REDACT-\\"ME-4\\"", oops`,
        ];
        for (const body of bodies('twilioAuthToken')) assertMasked(await sendAmidNeighbours(signVapi(body)), body);
        for (const body of bodies('turnPassword'))
            assertMasked(await sendAmidNeighbours(await signLivekit(body)), body);
        for (const body of bodies('CallToken')) assertMasked(await sendAmidNeighbours(signTwilioJson(body)), body);
    });

    test('what cannot be parsed is kept byte for byte', async () => {
        const row = await sendAmidNeighbours(signVapi('{"message": hello \xff}'));
        assert.equal(row.payload_text, null);
        assert.equal(row.raw.toString(), '{"message": hello \xff}');
        assert.notEqual(row.error, null);
    });

    test('nothing at all', async () => {
        const reply = await send(hookline.url, signVapi(''));
        assert.notEqual(Math.floor(reply.status / 100), 5);
        assert.notEqual(reply.status, 401);
    });
});

describe('values out of any range', () => {
    for (const [what, change] of Object.entries(VAPI_VALUES))
        test(`vapi: ${what}`, async () => {
            const {body} = vapiCall(`value-${seed}`).events[1];
            change(body.message);
            assertKept(await sendAmidNeighbours(signVapi(body)), null);
        });
    for (const [what, change] of Object.entries(REPORT_VALUES))
        test(`vapi report: ${what}`, async () => {
            const {body} = vapiCall(`report-${seed}`).events[5];
            change(body.message);
            assertKept(await sendAmidNeighbours(signVapi(body)), null);
        });
    for (const [what, change] of Object.entries(LIVEKIT_VALUES))
        test(`livekit: ${what}`, async () => {
            const {body} = livekitCall(`value-${seed}`).events[1];
            change(body);
            assertKept(await sendAmidNeighbours(await signLivekit(body)), null);
        });
    for (const [what, values] of Object.entries(TWILIO_VALUES))
        test(`twilio: ${what}`, async () => {
            const {params} = twilioCall(`value-${seed}`).events[4];
            const changed = Object.entries({...params, ...values});
            assertKept(await sendAmidNeighbours(signTwilioBytes(changed)), null);
        });
});

test('a dead letter has its key once: the same unreadable delivery again is no second row', async () => {
    const body = `not JSON ${randomBytes(8).toString('hex')}`;
    await sendAmidNeighbours(signVapi(body));
    const count = () => database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL');
    const before = await count();
    assert.equal(Math.floor((await send(hookline.url, signVapi(body))).status / 100), 2);
    assert.equal(await count(), before);
});

test('dead letters are counted, and none of it was an error of the database that we did not expect', async () => {
    const metrics = await hookline.metrics();
    const dead = await database.value('SELECT count(*) FROM call_events WHERE error IS NOT NULL');
    assert.ok(dead > 10);
    assert.ok(metrics.sum('hookline_deliveries_total', {outcome: 'dead_letter'}) >= dead);
    assert.equal(metrics.sum('hookline_queue_deliveries'), 0);
    assert.equal(metrics.sum('hookline_queue_bytes'), 0);
    assert.equal(metrics.sum('hookline_database_connections_lost_total'), 0);
});

test('many hostile and good deliveries at once: all are there afterwards', async () => {
    const rounds = SANITIZED ? 40 : 200;
    const before = await database.row('SELECT count(*) AS events, count(error) AS dead FROM call_events');
    const deliveries = [];
    for (let i = 0; i < rounds; i++) {
        deliveries.push(twilioCall(`mix-${i}`).events[4].sign());
        deliveries.push(signVapi(`broken ${i}`));
        const outOfRange = twilioCall(`mix-bad-${i}`).events[4].params;
        deliveries.push(
            signTwilioBytes(
                Object.entries({...outOfRange, CallDuration: '99999999999999999999', CallSid: `CA${NOISE}${i}`}),
            ),
        );
    }
    const replies = await Promise.all(deliveries.map((delivery) => send(hookline.url, delivery)));
    assert.deepEqual([...new Set(replies.map((reply) => Math.floor(reply.status / 100)))], [2]);
    const now = await database.row('SELECT count(*) AS events, count(error) AS dead FROM call_events');
    assert.equal(now.events - before.events, 3 * rounds);
    assert.ok(now.dead - before.dead >= rounds);
    const calls = await database.value(
        "SELECT count(*) FROM voice_calls WHERE status = 'completed' AND provider = 'twilio' AND duration_seconds = 30",
    );
    assert.ok(calls >= rounds);
});
