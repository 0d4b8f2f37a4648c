// Requests signed by the providers' own SDKs are accepted, and their rows are there at the moment of the 2xx; the same
// requests, tampered with in one place, are refused and leave nothing.

import assert from 'node:assert/strict';
import {createHmac} from 'node:crypto';
import {after, before, describe, test} from 'node:test';
import {livekitCall, NEVER_STORED, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {SECRETS, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {signLivekit, signTwilio, signTwilioJson, signVapi, signVapiHmac} from './lib/sign.mjs';
import {inTurn} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url});
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
    ),
);

const EVENTS_OF = 'SELECT * FROM call_events WHERE provider = $1 AND provider_call_id = $2 ORDER BY id';
const CALL_OF = 'SELECT * FROM voice_calls WHERE provider = $1 AND provider_call_id = $2';

/** How many rows there are of everything that a delivery may leave. */
function countRows() {
    return database.row(`SELECT (SELECT count(*) FROM event_keys) AS event_keys,
        (SELECT count(*) FROM call_events) AS call_events, (SELECT count(*) FROM voice_calls) AS voice_calls,
        (SELECT count(*) FROM voice_messages) AS voice_messages,
        (SELECT count(*) FROM call_participants) AS call_participants, (SELECT count(*) FROM leads) AS leads`);
}

// ---- accepted ----

describe('twilio', () => {
    test('a signed call is stored, event by event, before each answer', async () => {
        const call = twilioCall('accepted', {customer: '+12025550143'});
        const wanted = [
            // name, status code, then voice_calls: status, started, connected, ended
            ['voice', 200, 'pending', null, null, null],
            ['initiated', 204, 'pending', '16:03:20', null, null],
            ['ringing', 204, 'pending', '16:03:20', null, null],
            ['in-progress', 204, 'active', '16:03:20', '16:03:24', null],
            ['completed', 204, 'completed', '16:03:20', '16:03:24', '16:03:54'],
        ];
        for (const [i, [name, code, status, started, connected, ended]] of wanted.entries()) {
            const event = call.events[i];
            assert.equal(event.name, name);
            const reply = await send(hookline.url, event.sign());
            assert.equal(reply.status, code, `${name}: ${reply.body}`);

            const events = await database.rows(EVENTS_OF, ['twilio', call.providerCallId]);
            assert.equal(events.length, i + 1, name);
            const row = events[i];
            assert.equal(row.call_status, event.params.CallStatus);
            assert.equal(row.call_sid, call.callSid);
            assert.equal(row.from_number, '+12025550143');
            assert.equal(row.to_number, '+12025550100');
            assert.equal(row.error, null);
            assert.equal(row.raw, null);
            assert.equal(row.way, 'webhook');
            assert.deepEqual(row.payload, event.params);

            const stored = await database.row(CALL_OF, ['twilio', call.providerCallId]);
            assert.equal(stored.status, status, name);
            assert.equal(timeOf(stored.started_at), started, `${name}: started_at`);
            assert.equal(timeOf(stored.connected_at), connected, `${name}: connected_at`);
            assert.equal(timeOf(stored.ended_at), ended, `${name}: ended_at`);
        }
        const stored = await database.row(CALL_OF, ['twilio', call.providerCallId]);
        assert.equal(stored.call_sid, call.callSid);
        assert.equal(stored.direction, 'inbound');
        assert.equal(stored.customer_number, '+12025550143');
        assert.equal(stored.duration_seconds, 30);
    });

    test('the voice URL is answered with TwiML, a callback with nothing', async () => {
        const call = twilioCall('replies');
        const voice = await send(hookline.url, call.events[0].sign());
        assert.equal(voice.status, 200);
        assert.match(voice.headers['content-type'], /^(text|application)\/xml/);
        assert.match(voice.body, /^<\?xml .*<Response\b.*(<\/Response>|\/>)\s*$/s);

        const callback = await send(hookline.url, call.events[1].sign());
        assert.equal(callback.status, 204);
        assert.equal(callback.body, '');
    });

    test('the same key pressed twice is two events; a repeated request is one', async () => {
        const params = {CallSid: `CA${'7'.repeat(32)}`, AccountSid: SECRETS.TWILIO_ACCOUNT_SID, Digits: '1', CallStatus: 'in-progress'};
        for (const token of ['first-menu', 'first-menu', 'second-menu']) {
            const signed = signTwilio(params);
            signed.headers['I-Twilio-Idempotency-Token'] = token;
            assert.equal((await send(hookline.url, signed)).status, 200);
        }
        assert.equal((await database.rows(EVENTS_OF, ['twilio', params.CallSid])).length, 2);
        const said = await database.rows(
            'SELECT m.content FROM voice_messages m JOIN voice_calls c ON c.id = m.call_id WHERE c.provider_call_id = $1',
            [params.CallSid],
        );
        assert.deepEqual(said, [{content: '1'}, {content: '1'}]);
    });

    test('a JSON body is verified by bodySHA256', async () => {
        const body = JSON.stringify({
            event_type: 'voice_intelligence_transcript_available',
            transcript_sid: 'GT1',
            account_sid: SECRETS.TWILIO_ACCOUNT_SID,
        });
        const before = await countRows();
        const reply = await send(hookline.url, signTwilioJson(body));
        assert.equal(Math.floor(reply.status / 100), 2, reply.body);
        assert.equal((await countRows()).call_events, before.call_events + 1);
    });

    test('a number and the lead who has it are linked in the same transaction', async () => {
        const call = twilioCall('lead', {customer: '+12025550177'});
        const leadId = await database.value(
            `INSERT INTO leads (name, phone) VALUES ('Grace', '(202) 555-0177'), ('Ada', '+1 (202) 555-0177') RETURNING id`,
        );
        assert.ok(leadId);
        await send(hookline.url, call.events[1].sign());
        const links = await database.rows(
            `SELECT l.name, k.learned_by, k.ambiguous, l.call_sid FROM lead_calls k JOIN leads l ON l.id = k.lead_id
             JOIN voice_calls c ON c.id = k.call_id WHERE c.provider_call_id = $1`,
            [call.providerCallId],
        );
        // A number without its country links to nothing.
        assert.deepEqual(links, [{name: 'Ada', learned_by: 'number', ambiguous: false, call_sid: call.callSid}]);
    });

    test('a repeated delivery is acknowledged and changes nothing', async () => {
        const call = twilioCall('repeated');
        const event = call.events[4];
        assert.equal((await send(hookline.url, event.sign())).status, 204);
        const before = await countRows();
        const stored = await database.row(CALL_OF, ['twilio', call.providerCallId]);
        assert.equal((await send(hookline.url, event.sign())).status, 204);
        assert.deepEqual(await countRows(), before);
        const again = await database.row(CALL_OF, ['twilio', call.providerCallId]);
        assert.deepEqual({...again, updated_at: null}, {...stored, updated_at: null});
    });
});

describe('vapi', () => {
    test('a signed call is stored, event by event, before each answer', async () => {
        const call = vapiCall('accepted', {customer: '+12025550144'});
        const statuses = ['pending', 'active', 'active', 'active', 'completed', 'completed'];
        for (const [i, event] of call.events.entries()) {
            const reply = await send(hookline.url, event.sign());
            assert.equal(reply.status, 200, `${event.name}: ${reply.body}`);
            assert.doesNotThrow(() => JSON.parse(reply.body));
            const events = await database.rows(EVENTS_OF, ['vapi', call.providerCallId]);
            assert.equal(events.length, i + 1, event.name);
            assert.equal(events[i].event_type, event.body.message.type);
            assert.equal(events[i].call_sid, call.callSid);
            assert.equal(events[i].error, null);
            assert.equal(events[i].payload.message.timestamp, event.body.message.timestamp);
            const stored = await database.row(CALL_OF, ['vapi', call.providerCallId]);
            assert.equal(stored.status, statuses[i], event.name);
        }
        const stored = await database.row(CALL_OF, ['vapi', call.providerCallId]);
        assert.equal(stored.call_sid, call.callSid);
        assert.equal(stored.direction, 'inbound');
        assert.equal(stored.from_number, '+12025550144');
        assert.equal(stored.to_number, '+12025550100');
        assert.equal(stored.customer_number, '+12025550144');
        assert.equal(stored.end_reason, 'customer-ended-call');
        assert.equal(timeOf(stored.connected_at), '16:03:24');
        assert.equal(timeOf(stored.ended_at), '16:03:54');
        assert.equal(stored.duration_seconds, 30);
        assert.equal(Number(stored.cost), 0.1234);
        assert.equal(stored.summary, 'The customer moved an appointment to Friday.');
        assert.equal(stored.recording_url, `https://recordings.example.com/${call.providerCallId}.wav`);
        assert.match(stored.transcript, /cleaning – on Thursday/);

        const said = await database.rows(
            'SELECT role, content FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number',
            [call.callSid],
        );
        const wanted = call.lines.map((l) => ({role: l.role === 'bot' ? 'assistant' : 'user', content: l.message}));
        assert.deepEqual(said, wanted);
    });

    test('what was said live is shown until the report comes', async () => {
        const call = vapiCall('live');
        for (const i of [3, 2]) await send(hookline.url, call.events[i].sign());
        const said = await database.rows(
            'SELECT role, content FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number',
            [call.callSid],
        );
        assert.deepEqual(
            said.map((row) => `${row.role}: ${row.content}`),
            [`user: ${call.lines[1].message}`, `assistant: ${call.lines[2].message}`],
        );
    });

    test('a partial transcript is acknowledged and not stored', async () => {
        const call = vapiCall('partial');
        const body = structuredClone(call.events[2].body);
        body.message.transcriptType = 'partial';
        const before = await countRows();
        assert.equal((await send(hookline.url, signVapi(body))).status, 200);
        const now = await countRows();
        assert.deepEqual({...now, voice_calls: 0}, {...before, voice_calls: 0});
        assert.ok((await hookline.metrics()).sum('hookline_unstored_total', {provider: 'vapi'}) >= 1);
    });

    test('a report that comes again with other presigned addresses is the same event', async () => {
        const call = vapiCall('presigned');
        const report = call.events.at(-1);
        await send(hookline.url, report.sign());
        const again = structuredClone(report.body);
        again.message.artifact.presignedMonoUrl += '-other';
        assert.equal((await send(hookline.url, signVapi(again))).status, 200);
        const events = await database.rows(EVENTS_OF, ['vapi', call.providerCallId]);
        assert.equal(events.length, 1);
    });

    test('an HMAC credential is verified over the raw bytes, and only what it was set up for is accepted', async (t) => {
        const secret = 'hmac-secret-0123456789abcdef0123456789';
        const other = await startHookline({
            DATABASE_URL: database.url,
            VAPI_WEBHOOK_SECRET: null,
            VAPI_WEBHOOK_HMAC_SECRET: `${secret},older-hmac-secret-0123456789abcdef0`,
        });
        t.after(other.end);
        const call = vapiCall('hmac');
        const spaced = JSON.stringify(call.events[0].body, null, 2).replace('Zoë', 'Zo\\u00eb');
        assert.equal((await send(other.url, signVapiHmac(spaced, {secret}))).status, 200);
        const older = signVapiHmac(call.events[1].body, {secret: 'older-hmac-secret-0123456789abcdef0'});
        assert.equal((await send(other.url, older)).status, 200);
        assert.equal((await database.rows(EVENTS_OF, ['vapi', call.providerCallId])).length, 2);

        const good = () => signVapiHmac(call.events[4].body, {secret});
        const minutesAgo = (minutes) => String(Math.floor(Date.now() / 1000) - 60 * minutes);
        const before = await countRows();
        for (const [what, delivery] of Object.entries({
            'one byte of the body': flipBody(good(), '"ended"', '"endeD"'),
            'one digit of the signature': flipHeader(good(), 'x-vapi-signature'),
            'another time': withHeader(good(), 'x-vapi-timestamp', minutesAgo(0) - 1),
            'too old': signVapiHmac(call.events[4].body, {secret, timestamp: minutesAgo(30)}),
            'from the future': signVapiHmac(call.events[4].body, {secret, timestamp: minutesAgo(-30)}),
            'without its time': withHeader(good(), 'x-vapi-timestamp', undefined),
            'another secret': signVapiHmac(call.events[4].body, {secret: 'some-other-secret-0123456789abcdef'}),
            'the secret itself in the header': withHeader(good(), 'x-vapi-signature', secret),
            'the header secret of another set-up': signVapi(call.events[4].body),
        })) {
            const reply = await send(other.url, delivery);
            assert.equal(reply.status, 401, what);
        }
        assert.deepEqual(await countRows(), before);
        assert.equal((await send(other.url, good())).status, 200);
    });
});

describe('livekit', () => {
    test('a signed call is stored, event by event, before each answer', async () => {
        const call = livekitCall('accepted', {customer: '+12025550145'});
        const statuses = ['pending', 'active', 'active', 'active', 'active', 'completed'];
        for (const [i, event] of call.events.entries()) {
            const reply = await send(hookline.url, await event.sign());
            assert.equal(reply.status, 200, `${event.name}: ${reply.body}`);
            const events = await database.rows(EVENTS_OF, ['livekit', call.providerCallId]);
            assert.equal(events.length, i + 1, event.name);
            assert.equal(events[i].event_type, event.body.event);
            assert.equal(events[i].error, null);
            const stored = await database.row(CALL_OF, ['livekit', call.providerCallId]);
            assert.equal(stored.status, statuses[i], event.name);
        }
        const stored = await database.row(CALL_OF, ['livekit', call.providerCallId]);
        assert.equal(stored.session_id, call.ids.roomName);
        assert.equal(stored.room_name, call.ids.roomName);
        assert.equal(stored.call_sid, call.callSid);
        assert.equal(stored.direction, 'inbound');
        assert.equal(stored.customer_number, '+12025550145');
        assert.equal(stored.ai_agent_used, true);
        assert.match(stored.started_at, /16:03:20\.137/);
        assert.match(stored.connected_at, /16:03:21\.402/);

        const participants = await database.rows(
            `SELECT participant_id, participant_type, participant_identity, duration_seconds, connected, left_reason
             FROM call_participants WHERE call_id = $1 ORDER BY joined_at`,
            [stored.id],
        );
        assert.equal(participants.length, 2);
        assert.equal(participants[0].participant_id, call.ids.callerSid);
        assert.equal(participants[0].participant_type, 'user');
        assert.equal(participants[0].participant_identity, 'sip_+12025550145');
        assert.equal(participants[0].left_reason, 'CLIENT_INITIATED');
        assert.equal(participants[0].connected, true);
        assert.equal(participants[0].duration_seconds, 62);
        assert.equal(participants[1].participant_id, call.ids.agentSid);
        assert.equal(participants[1].participant_type, 'agent');
    });

    test('the spaces that some senders put after commas are part of what is signed', async () => {
        const call = livekitCall('spaces');
        const body = JSON.stringify(call.events[0].body).replaceAll('","', '", "');
        assert.equal((await send(hookline.url, await signLivekit(body))).status, 200);
        assert.equal((await database.rows(EVENTS_OF, ['livekit', call.providerCallId])).length, 1);
    });

    test('application/json is taken too, and a Bearer prefix does no harm', async () => {
        const call = livekitCall('json');
        const plain = await signLivekit(call.events[0].body, {contentType: 'application/json'});
        assert.equal((await send(hookline.url, plain)).status, 200);
        const prefixed = await call.events[1].sign();
        prefixed.headers.Authorization = `Bearer ${prefixed.headers.Authorization}`;
        assert.equal((await send(hookline.url, prefixed)).status, 200);
        assert.equal((await database.rows(EVENTS_OF, ['livekit', call.providerCallId])).length, 2);
    });
});

test('one Call SID joins what three providers told of a call', async () => {
    const callSid = twilioCall('joined').callSid;
    const customer = '+12025550146';
    const calls = [
        twilioCall('joined', {customer}),
        vapiCall('joined', {customer, callSid}),
        livekitCall('joined', {customer, callSid}),
    ];
    for (const call of calls)
        for (const event of call.events)
            assert.equal(Math.floor((await send(hookline.url, await event.sign())).status / 100), 2, event.name);
    const providers = await database.rows(
        'SELECT provider, status FROM voice_calls WHERE call_sid = $1 ORDER BY provider',
        [callSid],
    );
    assert.deepEqual(providers, [
        {provider: 'livekit', status: 'completed'},
        {provider: 'twilio', status: 'completed'},
        {provider: 'vapi', status: 'completed'},
    ]);
});

test('no secret that a body holds is stored, in any table', async () => {
    for (const call of [vapiCall('secrets'), livekitCall('secrets')])
        for (const event of call.events) await send(hookline.url, await event.sign());
    const twilio = twilioCall('secrets').events[0];
    await send(
        hookline.url,
        signTwilio({...twilio.params, CallToken: `${NEVER_STORED}-6`}, {path: '/webhooks/twilio/voice'}),
    );

    assert.ok(Number(await database.value('SELECT count(*) FROM call_events')) > 10);
    for (const table of ['call_events', 'voice_calls', 'voice_messages', 'call_participants']) {
        const leaks = await database.rows(
            `SELECT to_jsonb(t)::text AS row FROM ${table} t WHERE to_jsonb(t)::text LIKE $1`,
            [`%${NEVER_STORED}%`],
        );
        assert.deepEqual(leaks, [], table);
    }
    const log = hookline.logText();
    assert.ok(!log.includes(NEVER_STORED), 'a secret of a body is in the log');
    for (const secret of Object.values(SECRETS).slice(1))
        assert.ok(!log.includes(secret), 'one of our secrets is in the log');
});

// ---- refused ----

const call = {twilio: twilioCall('refused'), vapi: vapiCall('refused'), livekit: livekitCall('refused')};
const twilioGood = () => call.twilio.events[4].sign();
const vapiGood = () => call.vapi.events[4].sign();
const livekitGood = (options) => call.livekit.events[5].sign(options);
const TWILIO_PARAMS = call.twilio.events[4].params;

/** provider → what was done to a good delivery → the delivery. */
const TAMPERED = {
    twilio: {
        'one byte of the body': () => flipBody(twilioGood(), 'CallDuration=30', 'CallDuration=31'),
        'one parameter more': () => append(twilioGood(), '&Extra=1'),
        'one parameter less': () => flipBody(twilioGood(), '&FromCountry=US', ''),
        'one empty parameter less': () => flipBody(twilioGood(), '&FromCity=', ''),
        'a blank at the end of a value less': () => flipBody(twilioGood(), 'S%C3%B6hne+', 'S%C3%B6hne'),
        'a key in other letters': () => flipBody(twilioGood(), 'CallDuration=', 'callduration='),
        'another path': () => ({...twilioGood(), path: '/webhooks/twilio/voice'}),
        'a query that was not signed': () => ({...twilioGood(), path: '/webhooks/twilio?x=1'}),
        'another host than the public one': () => signTwilio(TWILIO_PARAMS, {publicUrl: 'https://calls.example.org'}),
        'one letter of the signature': () => flipHeader(twilioGood(), 'X-Twilio-Signature'),
        'the signature cut': () => withHeader(twilioGood(), 'X-Twilio-Signature', 'AAAA'),
        'an empty signature': () => withHeader(twilioGood(), 'X-Twilio-Signature', ''),
        'no signature': () => withHeader(twilioGood(), 'X-Twilio-Signature', undefined),
        'another token': () => signTwilio(TWILIO_PARAMS, {token: 'ffeeddccbbaa99887766554433221100'}),
        'an empty token': () => signTwilio(TWILIO_PARAMS, {token: ''}),
        'another account': () => signTwilio({...TWILIO_PARAMS, AccountSid: 'AC000000000000000000000000000000ad'}),
        'JSON with another body': () => ({...signTwilioJson('{"CallSid":"CA1"}'), body: '{"CallSid":"CA2"}'}),
        'JSON without bodySHA256': () => ({
            ...signTwilio({}),
            headers: {...signTwilio({}).headers, 'Content-Type': 'application/json'},
            body: '{"CallSid":"CA1"}',
        }),
    },
    vapi: {
        'no secret': () => withHeader(vapiGood(), 'X-Vapi-Secret', undefined),
        'an empty secret': () => signVapi(call.vapi.events[4].body, {secret: ''}),
        'another secret': () => signVapi(call.vapi.events[4].body, {secret: 'something-else'}),
        'one letter of the secret': () => flipHeader(vapiGood(), 'X-Vapi-Secret'),
        'the secret cut': () => signVapi(call.vapi.events[4].body, {secret: SECRETS.VAPI_WEBHOOK_SECRET.slice(0, -1)}),
        'the secret and one letter': () =>
            signVapi(call.vapi.events[4].body, {secret: `${SECRETS.VAPI_WEBHOOK_SECRET}x`}),
        'an HMAC where none is set up': () =>
            signVapiHmac(call.vapi.events[4].body, {secret: SECRETS.VAPI_WEBHOOK_SECRET}),
    },
    livekit: {
        'one byte of the body': async () => flipBody(await livekitGood(), '"room_finished"', '"room_finisheD"'),
        'a newline at the end of the body': async () => append(await livekitGood(), '\n'),
        'one letter of the token': async () => flipHeader(await livekitGood(), 'Authorization'),
        'another secret': () => livekitGood({secret: 'another-secret-0123456789abcdef0123456789abc'}),
        'an unknown key': () => livekitGood({key: 'APIunknown000001'}),
        'an expired token': () => livekitGood({ttl: -120}),
        'no token': async () => withHeader(await livekitGood(), 'Authorization', undefined),
        'an empty token': async () => withHeader(await livekitGood(), 'Authorization', ''),
        'two parts of the token': async () => {
            const good = await livekitGood();
            return withHeader(good, 'Authorization', good.headers.Authorization.split('.').slice(0, 2).join('.'));
        },
        'a token of another body': async () => {
            const other = await call.livekit.events[0].sign();
            return withHeader(await livekitGood(), 'Authorization', other.headers.Authorization);
        },
        'an API token, which signs no body': async () => {
            const good = await livekitGood();
            return withHeader(
                good,
                'Authorization',
                jwt({alg: 'HS256'}, {iss: SECRETS.LIVEKIT_API_KEY, exp: inSeconds(300)}),
            );
        },
        'alg none': () => resigned((claims) => [{alg: 'none'}, claims]),
        'alg HS512': () => resigned((claims) => [{alg: 'HS512'}, claims], 'sha512'),
        'a token without an end': () => resigned(({exp, ...claims}) => [{alg: 'HS256'}, claims]),
        'a token of tomorrow': () =>
            resigned((claims) => [{alg: 'HS256'}, {...claims, nbf: inSeconds(86_400), exp: inSeconds(90_000)}]),
    },
};

for (const [provider, cases] of Object.entries(TAMPERED)) {
    describe(`${provider} refuses`, () => {
        for (const [what, make] of Object.entries(cases)) {
            test(what, async () => {
                const delivery = await make();
                const before = await countRows();
                const refused = (await hookline.metrics()).sum('hookline_rejections_total', {provider});
                const reply = await send(hookline.url, delivery);
                assert.equal(reply.status, 401, reply.body);
                assert.deepEqual(await countRows(), before, 'something was stored');
                const metrics = await hookline.metrics();
                assert.equal(metrics.sum('hookline_rejections_total', {provider}), refused + 1);
                for (const secret of Object.values(SECRETS)) assert.ok(!reply.body.includes(secret));
            });
        }

        test('nothing of what it refused was wrong by itself: the same delivery, untouched, is taken', async () => {
            const good = await {twilio: twilioGood, vapi: vapiGood, livekit: livekitGood}[provider]();
            const reply = await send(hookline.url, good);
            assert.equal(Math.floor(reply.status / 100), 2, reply.body);
            const events = await database.rows(EVENTS_OF, [provider, call[provider].providerCallId]);
            assert.equal(events.length, 1);
        });
    });
}

// ---- not deliveries at all ----

const GOOD = {
    twilio: () => twilioCall('shape').events[4].sign(),
    vapi: () => vapiCall('shape').events[4].sign(),
    livekit: () => livekitCall('shape').events[5].sign(),
};

for (const provider of Object.keys(GOOD)) {
    describe(`${provider}: what is no delivery`, () => {
        test('other methods get 405 and Allow', async () => {
            const before = await countRows();
            for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
                const good = await GOOD[provider]();
                const reply = await send(hookline.url, {
                    ...good,
                    method,
                    body: method === 'GET' ? undefined : good.body,
                });
                // Twilio may be told to send by GET; the signature is then another.
                assert.equal(reply.status, provider === 'twilio' && method === 'GET' ? 401 : 405, method);
                if (reply.status !== 405) continue;
                assert.match(reply.headers.allow ?? '', /\bPOST\b/, method);
            }
            assert.deepEqual(await countRows(), before);
        });

        test('another content type gets 415', async () => {
            const before = await countRows();
            for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/octet-stream', '']) {
                const reply = await send(hookline.url, withHeader(await GOOD[provider](), 'Content-Type', type));
                assert.equal(reply.status, 415, type);
            }
            assert.deepEqual(await countRows(), before);
        });

        test('a body over HOOKLINE_MAX_BODY gets 413, one at the limit does not', async (t) => {
            const small = await startHookline({DATABASE_URL: database.url, HOOKLINE_MAX_BODY: 8000});
            t.after(small.end);
            const before = await countRows();
            const signed = await GOOD[provider]();
            assert.ok(signed.body.length < 8000, `${signed.body.length} bytes`);
            const padded = (bytes) =>
                Buffer.concat([Buffer.from(signed.body), Buffer.alloc(bytes - signed.body.length, ' ')]);
            const large = await send(small.url, {...signed, body: padded(8001)}, {agent: false});
            assert.equal(large.status, 413);
            assert.deepEqual(await countRows(), before);
            const fits = await send(small.url, {...signed, body: padded(8000)}, {agent: false});
            assert.notEqual(fits.status, 413); // 401, or 2xx where the body is not signed
        });

        test('without its secret the provider is off: 404, and start-up says so', async (t) => {
            const names = Object.keys(SECRETS).filter((name) => name.startsWith(provider.toUpperCase()));
            const off = await startHookline({
                DATABASE_URL: database.url,
                ...Object.fromEntries(names.map((name) => [name, null])),
            });
            t.after(off.end);
            const before = await countRows();
            const reply = await send(off.url, await GOOD[provider]());
            assert.equal(reply.status, 404);
            assert.deepEqual(await countRows(), before);
            const said = off.logs().filter((entry) => JSON.stringify(entry).toLowerCase().includes(provider));
            assert.ok(said.length > 0, `start-up did not say that ${provider} is off:\n${off.logText()}`);
        });
    });
}

test('an unknown path is 404', async () => {
    const reply = await send(hookline.url, {...(await GOOD.twilio()), path: '/webhooks/nobody'});
    assert.equal(reply.status, 404);
});

test('during a rotation both secrets are valid, and each other is not', async (t) => {
    const rotating = await startHookline({
        DATABASE_URL: database.url,
        TWILIO_AUTH_TOKEN: `11111111111111111111111111111111,${SECRETS.TWILIO_AUTH_TOKEN}`,
        VAPI_WEBHOOK_SECRET: `new-vapi-secret-0123456789,${SECRETS.VAPI_WEBHOOK_SECRET}`,
        LIVEKIT_API_KEY: null,
        LIVEKIT_API_SECRET: null,
        LIVEKIT_KEYS: `APInew:new-livekit-secret-0123456789abcdef0123,${SECRETS.LIVEKIT_API_KEY}:${SECRETS.LIVEKIT_API_SECRET}`,
    });
    t.after(rotating.end);
    const t2 = twilioCall('rotation').events[4].params;
    const v2 = vapiCall('rotation').events[4].body;
    const l2 = livekitCall('rotation').events[5].body;
    const newKey = {key: 'APInew', secret: 'new-livekit-secret-0123456789abcdef0123'};
    for (const [what, status, delivery] of [
        ['old token', 204, signTwilio(t2)],
        ['new token', 204, signTwilio(t2, {token: '11111111111111111111111111111111'})],
        ['both tokens', 401, signTwilio(t2, {token: `11111111111111111111111111111111,${SECRETS.TWILIO_AUTH_TOKEN}`})],
        ['old secret', 200, signVapi(v2)],
        ['new secret', 200, signVapi(v2, {secret: 'new-vapi-secret-0123456789'})],
        ['other secret', 401, signVapi(v2, {secret: 'new-vapi-secret'})],
        ['old pair', 200, await signLivekit(l2)],
        ['new pair', 200, await signLivekit(l2, newKey)],
        ['new key, old secret', 401, await signLivekit(l2, {...newKey, secret: SECRETS.LIVEKIT_API_SECRET})],
    ]) {
        assert.equal((await send(rotating.url, delivery)).status, status, what);
    }
});

// ---- counted ----

test('every answer is counted: by route and status, by provider and outcome', async () => {
    const before = await hookline.metrics();
    const call = twilioCall('counted');
    await send(hookline.url, call.events[1].sign());
    await send(hookline.url, call.events[2].sign());
    await send(hookline.url, withHeader(call.events[3].sign(), 'X-Twilio-Signature', undefined));
    const now = await hookline.metrics();
    const grown = (name, labels) => now.sum(name, labels) - before.sum(name, labels);
    assert.equal(grown('hookline_deliveries_total', {provider: 'twilio'}), 2);
    assert.equal(grown('hookline_rejections_total', {provider: 'twilio'}), 1);
    assert.equal(grown('hookline_http_requests_total', {status: '204'}), 2);
    assert.equal(grown('hookline_http_requests_total', {status: '401'}), 1);
    assert.equal(grown('hookline_commit_seconds_count'), 2);
    assert.equal(grown('hookline_batch_deliveries_sum'), 2);
    assert.equal(now.sum('hookline_queue_deliveries'), 0);
    assert.equal(now.sum('hookline_queue_bytes'), 0);
    assert.equal(now.sum('hookline_database_up'), 1);
    assert.equal(now.sum('hookline_build_info'), 1);
});

// ---- tampering ----

/** "16:03:20" of a timestamp in UTC; null stays null. */
function timeOf(text) {
    return text === null ? null : new Date(text).toISOString().slice(11, 19);
}

function flipBody(delivery, from, to) {
    const body = delivery.body.toString();
    assert.ok(body.includes(from), `${from} is not in the body`);
    return {...delivery, body: body.replace(from, to)};
}

function append(delivery, text) {
    return {...delivery, body: delivery.body.toString() + text};
}

/** The value's tenth character from the end becomes another one. */
function flipHeader(delivery, name) {
    const value = delivery.headers[name];
    const at = value.length - 10;
    assert.ok(at > 0);
    return withHeader(delivery, name, `${value.slice(0, at)}${value[at] === 'a' ? 'b' : 'a'}${value.slice(at + 1)}`);
}

function withHeader(delivery, name, value) {
    const {[name]: _, ...headers} = delivery.headers;
    return {...delivery, headers: value === undefined ? headers : {...headers, [name]: value}};
}

function inSeconds(seconds) {
    return Math.floor(Date.now() / 1000) + seconds;
}

function jwt(header, claims, algorithm = 'sha256', secret = SECRETS.LIVEKIT_API_SECRET) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part(header)}.${part(claims)}`;
    const signature = header.alg === 'none' ? '' : createHmac(algorithm, secret).update(signed).digest('base64url');
    return `${signed}.${signature}`;
}

/** A good delivery with its token made anew from its claims, as `change` says: [header, claims]. */
async function resigned(change, algorithm) {
    const good = await livekitGood();
    const claims = JSON.parse(Buffer.from(good.headers.Authorization.split('.')[1], 'base64url'));
    return withHeader(good, 'Authorization', jwt(...change(claims), algorithm));
}
