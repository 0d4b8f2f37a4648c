// Who is let in by other means than a provider's own signature: Beyond Presence and Teli by a secret in the path of
// their address, agents of the operator's own by the Standard Webhooks spec.

import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {makeSecret, signAgent, signature} from './lib/agent.mjs';
import {livekitCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {ROOT, startHookline} from './lib/hookline.mjs';
import {get, send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

const OLD = 'older-path-secret-0123456789abcdef';
const NEW = 'newer-path-secret-fedcba9876543210';
const WRONG = 'wrong-path-secret-00112233445566';
const AGENT_OLD = makeSecret();
const AGENT_NEW = makeSecret();
const JSON_TYPE = {'Content-Type': 'application/json'};

let folder;
let database;
let hookline;

const secretFile = () => join(folder, 'bey');
const fixture = (path) => readFileSync(join(ROOT, 'tests/fixtures', path), 'utf8');

before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hookline-path-secret-'));
    writeFileSync(secretFile(), `${NEW}, ${OLD}\n`);
    database = await createDatabase();
    hookline = await startHookline({
        DATABASE_URL: database.url,
        BEY_WEBHOOK_SECRET_FILE: secretFile(),
        AGENT_WEBHOOK_SECRET: `${AGENT_NEW},${AGENT_OLD}`,
        HOOKLINE_EXPLAIN_SIGNATURES: '1',
        HOOKLINE_LOG_LEVEL: 'debug',
    });
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
        () => rmSync(folder, {recursive: true}),
    ),
);

const CALL_OF = 'SELECT * FROM voice_calls WHERE provider_call_id = $1';
const countEvents = () => database.value('SELECT count(*) FROM call_events');

/** What a delivery is answered; body: an object, or text. */
function post(path, body, {url = hookline.url, headers = JSON_TYPE, method = 'POST'} = {}) {
    return send(url, {path, method, headers, body: typeof body === 'object' ? JSON.stringify(body) : body});
}

/** Sends, and expects that it is refused with that reason and leaves nothing. */
async function expectRefused(provider, reason, sendIt) {
    const before = await countEvents();
    const refused = async () => (await hookline.metrics()).sum('hookline_rejections_total', {provider, reason});
    const counted = await refused();
    const reply = await sendIt();
    assert.equal(reply.status, 401, reply.body);
    assert.equal(await countEvents(), before);
    assert.equal(await refused(), counted + 1, reason);
    return reply;
}

describe('beyond_presence', () => {
    const PATH = '/webhooks/beyond-presence';
    const at = (secret) => `${PATH}/${secret}`;
    const said = (text) => ({
        event_type: 'message',
        call_id: 'c0ffee00-0000-4000-8000-000000000001',
        message: {sender: 'user', message: text, sent_at: '2026-08-12T09:30:08.400Z'},
    });
    const isReadable = (reply) => assert.equal(reply.headers['access-control-allow-origin'], '*');

    test("saving the address: the browser's preflight, then its test event", async () => {
        const {request, expected_response: expected, then} = JSON.parse(fixture('beyond_presence/cors-preflight.json'));
        const counted = await countEvents();
        const preflight = await post(at(NEW), undefined, {method: request.method, headers: request.headers});
        assert.ok(expected.status.includes(preflight.status), String(preflight.status));
        assert.equal(preflight.headers['access-control-allow-origin'], '*');
        assert.match(preflight.headers['access-control-allow-methods'], /\bPOST\b/);
        assert.match(preflight.headers['access-control-allow-headers'], /\bcontent-type\b/i);
        assert.equal(preflight.headers['access-control-allow-credentials'], undefined);

        const headers = {...JSON_TYPE, Origin: request.headers.Origin};
        const reply = await post(at(NEW), fixture(`beyond_presence/${then.request_file}`), {headers});
        assert.equal(reply.status, then.expected_status);
        assert.equal(reply.body, '{"status":"ok"}');
        isReadable(reply);
        assert.equal(await countEvents(), counted);
        assert.ok((await hookline.metrics()).sum('hookline_unstored_total', {provider: 'beyond_presence'}) >= 1);
    });

    test('every delivery is answered 200, understood or not, and is there by then', async () => {
        for (const [body, isDead] of [
            [JSON.stringify(said('exactly 200')), false],
            ['{"event_type":"avatar_blinked"}', false],
            ['{"event_type":"message"}', true],
            ['{"event_type":"mess', true],
        ]) {
            const before = await countEvents();
            const reply = await post(at(NEW), body);
            assert.equal(reply.status, 200);
            assert.equal(reply.body, '{"status":"ok"}');
            assert.match(reply.headers['content-type'], /^application\/json/);
            isReadable(reply);
            assert.equal(await countEvents(), before + 1, body);
            const {error} = await database.row('SELECT error FROM call_events ORDER BY id DESC LIMIT 1');
            assert.equal(error !== null, isDead, error);
        }
    });

    test('a page may read every refusal, too', async () => {
        for (const [wanted, path, options] of [
            [401, at(WRONG), {}],
            [401, PATH, {}],
            [405, at(NEW), {method: 'GET'}],
            [405, at(NEW), {method: 'DELETE'}],
            [415, at(NEW), {headers: {'Content-Type': 'text/plain'}}],
        ]) {
            const body = options.method === 'GET' ? undefined : JSON.stringify(said('refused'));
            const reply = await post(path, body, options);
            assert.equal(reply.status, wanted, `${options.method} ${path}`);
            isReadable(reply);
        }
    });

    test('a wrong secret, and none, leave nothing', async () => {
        for (const secret of [WRONG, `${NEW}x`, NEW.slice(0, -1), NEW.toUpperCase(), '%00', '..%2f'])
            await expectRefused('beyond_presence', 'bad_signature', () => post(at(secret), said('forged')));
        for (const path of [PATH, `${PATH}/`, `${PATH}?secret=${NEW}`])
            await expectRefused('beyond_presence', 'missing_signature', () => post(path, said('forged')));
    });

    test('a call that nobody signed is not confirmed, and is shown as its report has it', async () => {
        for (const name of ['message.user', 'call_ended.full', 'message.after-call-ended'])
            assert.equal((await post(at(NEW), fixture(`beyond_presence/webhook.${name}.json`))).status, 200);
        const call = await database.row(
            `SELECT * FROM voice_calls WHERE provider = 'beyond_presence' AND provider_call_id LIKE 'bd7656c1-%'`,
        );
        assert.equal(call.confirmed, false);
        assert.equal(call.status, 'completed');
        assert.equal(call.duration_seconds, 32);
        const lines = await database.rows(
            `SELECT role, content FROM conversation_transcripts WHERE call_id = $1 ORDER BY sequence_number`,
            [call.id],
        );
        assert.deepEqual(
            lines.map(({role}) => role),
            ['assistant', 'user', 'assistant', 'user', 'assistant'],
        );
        assert.equal(lines[4].content, 'Natürlich, sehr gerne!');
    });

    test('two secrets are good at once, until one is taken out', async () => {
        assert.equal((await post(at(OLD), said('by the older'))).status, 200);
        assert.equal((await post(at(NEW), said('by the newer'))).status, 200);

        writeFileSync(secretFile(), NEW);
        hookline.child.kill('SIGHUP');
        assert.ok(await hookline.waitForLog((entry) => entry.msg === 'reloaded'));
        assert.equal((await post(at(NEW), said('by the newer alone'))).status, 200);
        await expectRefused('beyond_presence', 'bad_signature', () => post(at(OLD), said('by the older')));
    });
});

describe('teli', () => {
    const SECRET = 'teli-path-secret-0123456789abcdef';
    const path = `/webhooks/teli/${SECRET}`;

    test('is off without a secret: its route is not there', async () => {
        const body = fixture('teli/webhook.call_started.json');
        for (const target of [path, '/webhooks/teli']) assert.equal((await post(target, body)).status, 404);
    });

    test('with one, whatever names a call is stored', async () => {
        const on = await startHookline({DATABASE_URL: database.url, TELI_WEBHOOK_SECRET: SECRET});
        try {
            for (const name of ['webhook.call_analyzed.all-fields', 'custom-tool-callback.guessed-shape']) {
                const reply = await post(path, fixture(`teli/${name}.json`), {url: on.url});
                assert.equal(reply.status, 200);
                assert.equal(reply.body, '{"status":"ok"}');
                assert.equal(reply.headers['access-control-allow-origin'], undefined);
            }
            const call = await database.row(`SELECT * FROM voice_calls WHERE provider = 'teli'`);
            assert.equal(call.status, 'completed');
            assert.equal(call.customer_number, '+14155550151');
            assert.equal(call.extracted_fields.last_name, 'Ibáñez');
            assert.equal(call.confirmed, false);
            const {status} = await post(`/webhooks/teli/${WRONG}`, '{"call_id":"call_1"}', {url: on.url});
            assert.equal(status, 401);
            assert.ok(!on.logText().includes(SECRET));
        } finally {
            await on.end();
        }
    });
});

describe('agent', () => {
    const started = (callId) => ({
        type: 'call.started',
        timestamp: '2026-08-12T09:30:00Z',
        data: {call_id: callId, direction: 'inbound', from_number: '+12025550143', to_number: '+12025550100'},
    });
    const signed = (body, options) => signAgent(body, {secrets: AGENT_NEW, ...options});
    const deliver = (delivery) => send(hookline.url, delivery);

    test("this test's signer gives the signature that the spec's own libraries are tested with", () => {
        assert.equal(
            signature(
                'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
                'msg_p5jXN8AQM9LWM0D4loKWxJek',
                1614265330,
                '{"test": 2432232314}',
            ),
            'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
        );
    });

    test('what is signed by either secret is stored before it is answered', async () => {
        const secrets = {new: AGENT_NEW, old: AGENT_OLD, both: [makeSecret(), AGENT_OLD]};
        for (const [name, by] of Object.entries(secrets)) {
            const reply = await deliver(signed(started(`signed-${name}`), {secrets: by}));
            assert.equal(reply.status, 200, reply.body);
            assert.equal(reply.body, '{"status":"ok"}');
            const call = await database.row(CALL_OF, [`signed-${name}`]);
            assert.equal(call.provider, 'agent');
            assert.equal(call.status, 'active');
            assert.equal(call.customer_number, '+12025550143');
            assert.equal(call.confirmed, null);
        }
    });

    test('changed in any part, it is refused', async () => {
        const good = signed(started('tampered'));
        const withHeader = (name, value) => ({...good, headers: {...good.headers, [name]: value}});
        const now = Number(good.headers['webhook-timestamp']);
        for (const bad of [
            {...good, body: good.body.replace('inbound', 'outbound')},
            {...good, body: `${good.body} `},
            withHeader('webhook-id', 'msg_another'),
            withHeader('webhook-timestamp', String(now + 1)),
            withHeader('webhook-signature', good.headers['webhook-signature'].replace('v1,', 'v1a,')),
            withHeader('webhook-signature', signature(makeSecret(), good.headers['webhook-id'], now, good.body)),
            withHeader('webhook-signature', 'v1,'),
        ])
            await expectRefused('agent', 'bad_signature', () => deliver(bad));
        for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
            const {[name]: _, ...headers} = good.headers;
            await expectRefused('agent', 'missing_signature', () => deliver({...good, headers}));
        }
        assert.equal((await deliver(good)).status, 200);
    });

    test('sent too long ago, or ahead of time, it is stale', async () => {
        const now = Math.floor(Date.now() / 1000);
        for (const away of [-320, 320])
            await expectRefused('agent', 'stale_signature', () =>
                deliver(signed(started('stale'), {timestamp: now + away})),
            );
        for (const away of [-280, 280])
            assert.equal((await deliver(signed(started('stale'), {timestamp: now + away}))).status, 200);
    });

    test('sent again, as it was or signed anew, it is one event', async () => {
        const first = signed(started('repeated'));
        for (const delivery of [first, first, signed(started('repeated'))])
            assert.equal((await deliver(delivery)).status, 200);
        assert.equal(
            await database.value(`SELECT count(*) FROM call_events WHERE provider_call_id = 'repeated'`),
            1,
        );
    });

    for (const order of ['after', 'before'])
        test(`what an agent tells of a LiveKit room is of that call, ${order} its events`, async () => {
            const room = livekitCall(`agent ${order}`);
            const {roomSid, roomName, callSid, customer} = room.ids;
            const of = {provider: 'livekit', provider_call_id: roomSid};
            const lines = [
                {id: 'item_1', role: 'assistant', content: ['How can I help?'], created_at: 1786550604.5},
                {id: 'item_2', role: 'user', content: ['I have a leaking tap.'], created_at: 1786550607.25},
            ];
            const tells = [
                {type: 'call.started', data: {...of, session_id: roomName, from_number: '+12025550199'}},
                {type: 'transcript.item', room: {sid: roomSid, name: roomName}, item: lines[1]},
                {type: 'call.ended', data: {...of, summary: 'A leaking tap.', messages: lines}},
            ];
            const livekit = async () => {
                for (const event of room.events) assert.equal((await deliver(await event.sign())).status, 200);
            };
            const agent = async () => {
                for (const body of tells) assert.equal((await deliver(signed(body))).status, 200);
            };
            await inTurn(...(order === 'after' ? [livekit, agent] : [agent, livekit]));

            const calls = await database.rows(CALL_OF, [roomSid]);
            assert.equal(calls.length, 1);
            assert.equal(calls[0].provider, 'livekit');
            assert.equal(calls[0].status, 'completed');
            assert.equal(calls[0].call_sid, callSid);
            assert.equal(calls[0].summary, 'A leaking tap.');
            assert.equal(calls[0].from_number, customer, "LiveKit's word stands, whoever spoke first");
            const shown = await database.rows(
                `SELECT role, content FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number`,
                [callSid],
            );
            assert.deepEqual(shown, [
                {role: 'assistant', content: 'How can I help?'},
                {role: 'user', content: 'I have a leaking tap.'},
            ]);
        });
});

test('no secret is in any log line, nor in a metric', async () => {
    // An operator's slips: they go nowhere, and are not written down either.
    for (const slip of ['/WEBHOOKS/beyond-presence/', '/x/webhooks/beyond-presence/', '/beyond-presence/a/', '/'])
        assert.equal((await get(hookline.url, slip + NEW)).status, 404);
    assert.equal((await get(hookline.url, `/media-stream/${NEW}`)).status, 426); // which is a path with a ticket
    const {body: metrics} = await get(hookline.url, '/metrics');
    const requests = hookline.logs().filter((entry) => entry.provider === 'beyond_presence' && entry.msg === 'request');
    assert.ok(requests.length > 10);
    assert.ok(requests.every(({path}) => path === '/webhooks/beyond-presence'));
    assert.ok(hookline.logs().some(({tried}) => /characters of path with secret 1 of /.test(tried)));
    for (const secret of [OLD, NEW, WRONG, AGENT_OLD.slice(6), AGENT_NEW.slice(6)])
        for (const [where, text] of Object.entries({log: hookline.logText(), metrics}))
            assert.ok(!text.includes(secret) && !text.includes(secret.slice(0, 20)), `${where}: ${secret}`);
});
