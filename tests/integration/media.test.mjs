// media.test.mjs – Twilio's media stream against a real hookline: who is let in, what becomes of what is said, and how
// it ends, whichever side is at fault. One side is npm's ws, which keeps the rules; the other writes frames by hand.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {createDatabase} from './lib/database.mjs';
import {PUBLIC_URL, ROOT, SANITIZED, SECRETS, runHookline, startHookline} from './lib/hookline.mjs';
import {makeCertificates, NO_NGINX, startNginx} from './lib/nginx.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {get, send} from './lib/send.mjs';
import {signTwilio} from './lib/sign.mjs';
import {
    FRAME,
    OP,
    PATH,
    RawStream,
    acceptOf,
    closeFrame,
    frame,
    makeTicket,
    messages,
    newCall,
    openStream,
    refusal,
    signUrl,
    signedHeaders,
    upgradeRequest,
} from './lib/stream.mjs';
import {inTurn, until} from './lib/wait.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
const WSS = PUBLIC_URL.replace('https://', 'wss://');

let database;
let certificates;
let hookline;
let base;
let tlsPort;

before(async () => {
    database = await createDatabase();
    certificates = makeCertificates();
    hookline = await startHookline({
        DATABASE_URL: database.url,
        HOOKLINE_THREADS: 2,
        HOOKLINE_TLS_LISTEN: '127.0.0.1:0',
        HOOKLINE_TLS_CERT: join(certificates.folder, 'server.pem'),
        HOOKLINE_TLS_KEY: join(certificates.folder, 'server.key'),
    });
    base = `ws://127.0.0.1:${hookline.port}`;
    const secure = await hookline.waitForLog(({msg, scheme}) => msg === 'listening' && scheme === 'https');
    tlsPort = Number(/:(\d+)$/.exec(secure.address)[1]);
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
        () => certificates?.remove(),
    ),
);

/** Another hookline, for this test alone. */
async function start(t, env = {}, options) {
    const other = await startHookline({DATABASE_URL: database.url, ...env}, options);
    t.after(() => other.kill());
    return {...other, base: `ws://127.0.0.1:${other.port}`};
}

/** A call's events, oldest first: [{event_key, event_type, way, payload, …}]; waits for this many. */
async function eventsOf(call, count) {
    const ask = () =>
        database.rows(
            `SELECT event_key, event_type, way, provider, provider_call_id, call_sid, payload, error, occurred_at IS NOT NULL AS timed
             FROM call_events WHERE call_sid = $1 ORDER BY occurred_at, id`,
            [call.callSid],
        );
    await until(`${count} events of ${call.callSid}`, async () => (await ask()).length >= count, PATIENCE_MS);
    return ask();
}

const endOf = async (call, count = 2) =>
    (await eventsOf(call, count)).find((e) => e.event_type === 'stream-ended').payload;

/** A raw stream after its upgrade. */
async function raw(options = {}, {port = hookline.port} = {}) {
    const stream = await RawStream.open(port, upgradeRequest(), options);
    assert.equal(stream.status, 101, stream.body);
    return stream;
}

describe('who is let in', () => {
    it('a signature over the address that Twilio was given, by the scheme and slash that it may have signed', async () => {
        const signed = [
            [PATH, `${WSS}${PATH}`],
            [PATH, `${WSS}${PATH}/`],
            [PATH, `${WSS}:443${PATH}`],
            [PATH, `${WSS}:443${PATH}/`],
            [PATH, `${PUBLIC_URL}${PATH}`],
            [PATH, `${PUBLIC_URL}:443${PATH}/`],
            [`${PATH}/`, `${WSS}${PATH}`],
            [`${PATH}/`, `${WSS}${PATH}/`],
            [`${PATH}?a=b`, `${WSS}${PATH}?a=b`],
        ];
        for (const [path, url] of signed)
            assert.equal(await refusal(base, {path, headers: {'X-Twilio-Signature': signUrl(url)}}), 101, url);
    });

    it('nothing else: no signature, a spoilt one, one of another address, token or request', async () => {
        const good = signUrl(WSS + PATH);
        const wrong = [
            undefined,
            '',
            good.replace(/^./, good[0] === 'A' ? 'B' : 'A'),
            `${good}=`,
            good.slice(0, -1),
            'x',
            signUrl(`${WSS}/media-stream-twiml`),
            signUrl(`wss://other.example.com${PATH}`),
            signUrl(`ws://calls.example.com${PATH}`),
            signUrl(WSS + PATH, 'ffffffffffffffffffffffffffffffff'),
            signTwilio({CallSid: 'CA1'}, {path: PATH}).headers['X-Twilio-Signature'],
        ];
        const before_ = (await hookline.metrics()).sum('hookline_rejections_total', {provider: 'twilio'});
        for (const signature of wrong)
            assert.equal(
                await refusal(base, {headers: signature === undefined ? {} : {'X-Twilio-Signature': signature}}),
                401,
                `${signature}`,
            );
        const metrics = await hookline.metrics();
        assert.equal(metrics.sum('hookline_rejections_total', {provider: 'twilio'}) - before_, wrong.length);
        assert.ok(metrics.sum('hookline_http_requests_total', {route: PATH, status: 401}) >= wrong.length);
        const said = await hookline.waitForLog(
            ({msg, reason}) => msg === 'delivery refused' && reason === 'missing_signature',
        );
        assert.ok(said);
    });

    it('a ticket, for its call alone', async () => {
        const call = newCall();
        const path = `${PATH}/${makeTicket(call.callSid)}`;
        const stream = await openStream(base, {path, headers: {}});
        stream.say(messages(call).connected(), messages(call).start(), messages(call).stop(2));
        await stream.close();
        assert.equal((await eventsOf(call, 2)).length, 2);

        const other = newCall();
        const second = await openStream(base, {path, headers: {}});
        second.say(messages(other).start());
        assert.deepEqual(await second.closed, {code: 1008, reason: 'a ticket for another call'});
        assert.equal((await database.rows('SELECT 1 FROM call_events WHERE call_sid = $1', [other.callSid])).length, 0);
    });

    it('no ticket that has expired, was changed, is of another secret, or is none', async (t) => {
        const explaining = await start(t, {HOOKLINE_EXPLAIN_SIGNATURES: 1});
        const {callSid} = newCall();
        const good = makeTicket(callSid);
        const [call, expiry, mac] = good.split('.');
        const wrong = [
            makeTicket(callSid, {expires: -1}),
            makeTicket(callSid, {expires: 7200}),
            makeTicket(callSid, {token: 'ffffffffffffffffffffffffffffffff'}),
            `${call}.${Number(expiry) + 60}.${mac}`,
            `${call}0.${expiry}.${mac}`,
            `${call}.${expiry}.${mac[0] === 'A' ? 'B' : 'A'}${mac.slice(1)}`,
            `${call}.${expiry}`,
            'x',
            encodeURIComponent('../..'),
        ];
        for (const ticket of wrong)
            assert.equal(await refusal(base, {path: `${PATH}/${ticket}`, headers: {}}), 401, ticket);
        assert.equal(await refusal(base, {path: `${PATH}/${good}`, headers: {}}), 101);
        assert.equal(await refusal(base, {path: `${PATH}/${good}/more`, headers: {}}), 404);
        // a signature does not make up for it, whether it fits or not; and the log says why
        for (const ticket of wrong) {
            const path = `${PATH}/${ticket}`;
            assert.equal(await refusal(explaining.base, {path, headers: signedHeaders(path)}), 401, ticket);
        }
        const headers = {'X-Twilio-Signature': signUrl('wss://other.example.com')};
        for (const path of [`${PATH}/${wrong[0]}`, `${PATH}/${wrong[0]}?a=b`])
            assert.equal(await refusal(explaining.base, {path, headers}), 401);
        assert.equal(
            await refusal(explaining.base, {path: `${PATH}/${good}`, headers: signedHeaders(`${PATH}/${good}`)}),
            101,
        );
        assert.ok(await explaining.waitForLog(({tried}) => /^ticket: the stream's ticket expired/.test(tried)));
        for (const log of [hookline.logText(), explaining.logText()])
            for (const ticket of wrong.concat(good))
                assert.ok(ticket === 'x' || !log.includes(ticket.slice(-43)), `a ticket is in the log: ${ticket}`);
        await explaining.end();
    });

    it('with two secrets valid at once, tickets and signatures of either', async (t) => {
        const old = 'ffffffffffffffffffffffffffffffff';
        const other = await start(t, {TWILIO_AUTH_TOKEN: `${SECRETS.TWILIO_AUTH_TOKEN},${old}`});
        const {callSid} = newCall();
        for (const token of [SECRETS.TWILIO_AUTH_TOKEN, old]) {
            const path = `${PATH}/${makeTicket(callSid, {token})}`;
            assert.equal(await refusal(other.base, {path, headers: {}}), 101);
            const headers = {'X-Twilio-Signature': signUrl(WSS + PATH, token)};
            assert.equal(await refusal(other.base, {headers}), 101);
        }
    });

    it("an account's proof is none for a call of another account", async () => {
        const call = {...newCall(), accountSid: 'AC000000000000000000000000000000ff'};
        const stream = await openStream(base);
        stream.say(messages(call).start());
        assert.deepEqual(await stream.closed, {code: 1008, reason: 'signed by another account'});
    });

    it('a route of a provider that is off answers 404', async (t) => {
        const other = await start(t, {TWILIO_AUTH_TOKEN: null, TWILIO_ACCOUNT_SID: null});
        assert.equal(await refusal(other.base), 404);
    });

    it('the handshake is as RFC 6455 has it', async () => {
        const stream = await raw();
        assert.match(stream.head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
        assert.match(
            stream.head,
            new RegExp(`sec-websocket-accept: ${acceptOf('dGhlIHNhbXBsZSBub25jZQ==').replace(/[+/]/g, '\\$&')}`, 'i'),
        );
        assert.match(stream.head, /upgrade: websocket/i);
        assert.match(stream.head, /connection: upgrade/i);
        assert.match(stream.head, /x-request-id: /i);
        stream.leave();
        // neither an extension nor a subprotocol is accepted
        const asked = await RawStream.open(
            hookline.port,
            upgradeRequest({'Sec-WebSocket-Extensions': 'permessage-deflate', 'Sec-WebSocket-Protocol': 'a, b'}),
        );
        assert.equal(asked.status, 101);
        assert.doesNotMatch(asked.head, /extensions|protocol:/i);
        asked.leave();
        // in any case, and among other words
        const words = await RawStream.open(
            hookline.port,
            upgradeRequest({Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE'}),
        );
        assert.equal(words.status, 101);
        words.leave();
    });

    it('what is no upgrade, or a broken one, is told so', async () => {
        const cases = [
            [426, {Upgrade: null}],
            [426, {Upgrade: 'h2c'}],
            [426, {Connection: 'keep-alive'}],
            [426, {Connection: null}],
            [426, {'Sec-WebSocket-Version': '8'}],
            [426, {'Sec-WebSocket-Version': null}],
            [426, {'Sec-WebSocket-Version': '13, 8'}],
            [400, {'Sec-WebSocket-Key': null}],
            [400, {'Sec-WebSocket-Key': 'dGhlIHNhbXBsZQ=='}],
            [400, {'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ='}],
            [400, {'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZ!=='}],
            [426, {}, {version: 'HTTP/1.0'}],
            [405, {'Content-Length': '0'}, {method: 'POST'}],
            [405, {}, {method: 'HEAD'}],
        ];
        for (const [status, headers, how] of cases) {
            const stream = await RawStream.open(hookline.port, upgradeRequest(headers, how));
            assert.equal(stream.status, status, JSON.stringify([headers, how]));
            if (status === 426) {
                assert.match(stream.head, /sec-websocket-version: 13/i);
                assert.match(stream.head, /upgrade: websocket/i);
            }
            if (status === 405) assert.match(stream.head, /allow: GET\r\n/i);
            stream.leave();
        }
        assert.equal((await get(hookline.url, PATH, signedHeaders())).status, 426);
    });
});

describe('what becomes of it', () => {
    it('a whole stream: its begin, its digits and its end are events of its call', async () => {
        const call = newCall();
        const m = messages(call);
        const before_ = await hookline.metrics();
        const stream = await openStream(base);
        await until('one open stream', async () => (await hookline.metrics()).sum('hookline_media_streams') >= 1);
        stream.say(m.connected(), m.start(), m.media(2, 57), m.media(3, 77), m.media(4, 97), m.dtmf(5, '1'), m.mark(6));
        stream.say(m.dtmf(7, '#'), m.media(8, 137), m.stop(9));
        assert.equal((await stream.close()).code, 1000);

        const events = await eventsOf(call, 4);
        const key = `stream:${call.streamSid}`;
        assert.deepEqual(
            events.map((e) => [e.event_key, e.event_type]),
            [
                [`${key}:stream-started`, 'stream-started'],
                [`${key}:dtmf:5`, 'dtmf'],
                [`${key}:dtmf:7`, 'dtmf'],
                [`${key}:stream-ended`, 'stream-ended'],
            ],
        );
        for (const event of events) {
            assert.equal(event.way, 'media');
            assert.equal(event.provider, 'twilio');
            assert.equal(event.provider_call_id, call.callSid);
            assert.equal(event.error, null);
            assert.ok(event.timed);
            assert.equal(event.payload.StreamSid, call.streamSid);
            assert.equal(event.payload.AccountSid, call.accountSid);
            assert.ok(!JSON.stringify(event.payload).includes(FRAME), 'audio is in the database');
        }
        assert.deepEqual(events[0].payload.Tracks, ['inbound']);
        assert.deepEqual(events[0].payload.MediaFormat, {encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1});
        assert.deepEqual(events[0].payload.CustomParameters, {callRef: 'call-7f3a'});
        assert.deepEqual(
            events.slice(1, 3).map((e) => e.payload.Digit),
            ['1', '#'],
        );
        const {Timestamp, Milliseconds, ...end} = events[3].payload;
        assert.ok(Timestamp && Milliseconds >= 0);
        assert.deepEqual(end, {
            StreamEvent: 'stream-ended',
            StreamSid: call.streamSid,
            CallSid: call.callSid,
            AccountSid: call.accountSid,
            Reason: 'stop',
            CloseCode: 1000,
            Frames: 4,
            Bytes: 640,
            FirstTimestamp: 57,
            LastTimestamp: 137,
            Missing: 0,
            OutOfOrder: 0,
            BeforeStart: 0,
            Digits: 2,
            Dropped: 0,
        });

        const row = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [call.callSid]);
        assert.equal(row.status, 'active');
        assert.equal(row.call_sid, call.callSid);
        assert.equal(row.account_id, call.accountSid);
        assert.ok(row.connected_at);
        assert.equal(row.ended_at, null); // the end of a stream is none of the call

        let now;
        const grown = (name, labels) => now.sum(name, labels) - before_.sum(name, labels);
        await until('four acknowledged', async () => {
            now = await hookline.metrics(); // the rows are there a moment before
            return grown('hookline_deliveries_total', {provider: 'twilio', outcome: 'stored'}) === 4;
        });
        assert.equal(grown('hookline_media_streams_total'), 1);
        assert.equal(grown('hookline_media_frames_total'), 4);
        assert.equal(grown('hookline_media_audio_bytes_total'), 640);
        assert.equal(grown('hookline_media_closes_total', {code: 1000, by: 'peer'}), 1);
    });

    it("the messages of Twilio's own pages, read", async () => {
        const lines = readFileSync(join(ROOT, 'tests/fixtures/twilio/media-stream-session.jsonl'), 'utf8')
            .trim()
            .split('\n');
        const stream = await openStream(base);
        for (const line of lines) stream.text(line);
        await stream.close();
        const end = await endOf({callSid: 'CA00000000000000000000000000000001'}, 3);
        assert.deepEqual([end.Frames, end.Bytes, end.Missing, end.Digits], [4, 640, 0, 1]);
    });

    it("its begin is the event that the stream's status callback tells of", async () => {
        for (const first of ['callback', 'stream']) {
            const call = newCall();
            const callback = () =>
                send(
                    hookline.url,
                    signTwilio({
                        AccountSid: call.accountSid,
                        CallSid: call.callSid,
                        StreamSid: call.streamSid,
                        StreamName: call.streamSid,
                        StreamEvent: 'stream-started',
                        Timestamp: '2026-08-30T08:29:00.412Z',
                    }),
                );
            const heard = async () => {
                const stream = await openStream(base);
                stream.say(messages(call).start(), messages(call).stop(2));
                await stream.close();
                await eventsOf(call, 2);
            };
            if (first === 'callback') await callback();
            await heard();
            if (first === 'stream') await callback();
            const events = await eventsOf(call, 2);
            assert.deepEqual(events.map((e) => e.event_type).sort(), ['stream-ended', 'stream-started']);
            const row = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [call.callSid]);
            assert.equal(row.status, 'active');
            assert.match(row.connected_at, /^2026-08-30 08:29:00\.412/); // the earliest
        }
    });

    it('numbers may be numbers, keys and events unknown, blanks anywhere', async () => {
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(base);
        stream.say({...m.start(), sequenceNumber: 1, more: {deep: [1, {a: null}]}});
        stream.text(
            JSON.stringify({...m.media(2), sequenceNumber: 2, media: {...m.media(2).media, timestamp: 40}}, null, 2),
        );
        stream.say({event: 'speech-marker', sequenceNumber: '3', streamSid: call.streamSid}, {}, {event: null});
        stream.say({...m.media(4), streamSid: undefined}, m.media(5));
        stream.close();
        const end = await endOf(call);
        assert.deepEqual([end.Frames, end.Missing, end.Dropped, end.LastTimestamp], [3, 0, 3, 100]);
    });

    it('what is skipped, late, early, of another stream or no audio is counted', async () => {
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(base);
        stream.say(m.connected(), m.media(2), m.start(1), m.media(3), m.media(6), m.media(4), m.media(6), m.media(7));
        stream.say({...m.media(8), streamSid: newCall().streamSid}, m.media(9, 1, 'not base64!'), m.media(10, 2, ''));
        stream.say({...m.media(11), media: {}}, {...m.media(12), media: null}, m.dtmf(13, ''), m.dtmf(14, '5'));
        stream.say(m.stop(15), m.media(16), m.dtmf(17, '1'), m.stop(18));
        await stream.close();
        const end = await endOf(call, 3);
        assert.equal(end.Frames, 5);
        assert.equal(end.BeforeStart, 1);
        assert.equal(end.Missing, 2); // 4 and 5
        assert.equal(end.OutOfOrder, 3); // start's 1, then 4, then 6 again
        assert.equal(end.Digits, 1);
        assert.equal(end.Dropped, 1 + 1 + 4 + 1 + 3);
    });

    it('of a stream that never began there is nothing to store', async () => {
        const count = await database.value('SELECT count(*) FROM call_events');
        const before_ = (await hookline.metrics()).sum('hookline_media_closes_total', {code: 1000});
        const stream = await openStream(base);
        const m = messages(newCall());
        stream.say(m.connected(), m.media(2), m.stop(3));
        await stream.close();
        await until(
            'its end',
            async () => (await hookline.metrics()).sum('hookline_media_closes_total', {code: 1000}) > before_,
        );
        assert.equal(await database.value('SELECT count(*) FROM call_events'), count);
    });

    it('1011: an agent is to answer, and there is none: Twilio goes on in its document', async () => {
        const call = newCall();
        const stream = await raw();
        stream.say(messages(call).start(1, {customParameters: {action: 'bridge'}}));
        assert.equal((await stream.closeCode()).code, 1011);
        stream.send(closeFrame(1011));
        await stream.end();
        assert.equal((await endOf(call)).CloseCode, 1011);
    });

    it('1008: one that does not start in time', async () => {
        const stream = await raw();
        stream.say(messages(newCall()).connected());
        assert.deepEqual(await stream.closeCode(PATIENCE_MS), {code: 1008, reason: 'no start'});
        stream.send(closeFrame(1008));
        await stream.end();
    });

    it('after stop we close, where Twilio does not', async () => {
        const call = newCall();
        const stream = await raw();
        stream.say(messages(call).start(), messages(call).stop(2));
        const began = performance.now();
        assert.deepEqual(await stream.closeCode(), {code: 1000, reason: 'stopped'});
        assert.ok(performance.now() - began > 1500);
        stream.send(closeFrame(1000));
        await stream.end();
        const end = await endOf(call);
        assert.deepEqual([end.Reason, end.CloseCode], ['stop', 1000]);
    });

    it('secrets among its parameters are redacted, and in no log', async () => {
        const call = newCall();
        const stream = await openStream(base);
        stream.say(messages(call).start(1, {customParameters: {apiToken: 'REDACT-ME', name: 'Zoë "x"\u0000'}}));
        await stream.close();
        const [started] = await eventsOf(call, 2);
        assert.deepEqual(started.payload.CustomParameters, {apiToken: '[redacted]', name: 'Zoë "x"\ufffd'});
        assert.ok(!hookline.logText().includes('REDACT-ME'));
    });

    it('put through once more by replay, it stays as it is', async () => {
        const call = newCall();
        const stream = await openStream(base);
        stream.say(messages(call).start(), messages(call).dtmf(2, '1'), messages(call).stop(3));
        await stream.close();
        const before_ = await eventsOf(call, 3);
        const {code, stdout} = runHookline(['replay', '--all', '--provider', 'twilio'], {DATABASE_URL: database.url});
        assert.equal(code, 0, stdout);
        assert.deepEqual(await eventsOf(call, 3), before_);
        const dead = await database.value("SELECT count(*) FROM call_events WHERE error IS NOT NULL AND way = 'media'");
        assert.equal(dead, 0);
    });

    it('it is logged with its ids, and the path without the ticket', async () => {
        const call = newCall();
        const path = `${PATH}/${makeTicket(call.callSid)}`;
        const stream = await openStream(base, {path, headers: {}});
        stream.say(messages(call).start());
        await stream.close();
        const line = await hookline.waitForLog((e) => e.msg === 'media stream ended' && e.call_sid === call.callSid);
        assert.equal(line.stream_sid, call.streamSid);
        const request = await hookline.waitForLog((e) => e.msg === 'request' && e.request_id === line.request_id);
        assert.equal(request.path, PATH);
        assert.equal(request.status, 101);
    });
});

describe('how it ends', () => {
    /** Sends these after a start, and expects this close; then what the end event says. */
    async function fault(code, parts, {reason} = {}) {
        const call = newCall();
        const stream = await raw();
        stream.say(messages(call).start(), messages(call).media(2));
        stream.send(...parts(call));
        const said = await stream.closeCode();
        assert.equal(said.code, code, JSON.stringify(said));
        if (reason) assert.equal(said.reason, reason);
        stream.send(closeFrame(code));
        await stream.end();
        const end = await endOf(call);
        assert.deepEqual([end.Reason, end.CloseCode, end.Frames], ['refused', code, 1]);
        return end;
    }

    const TOO_BIG = 65_537;

    it('1002: an unmasked frame', () => fault(1002, () => [frame(OP.text, '{}', {masked: false})]));
    it('1002: a reserved bit', async () => {
        for (const rsv of [1, 2, 4]) await fault(1002, () => [frame(OP.text, '{}', {rsv})]);
    });
    it('1002: an unknown opcode', async () => {
        for (const opcode of [3, 7, 11, 15]) await fault(1002, () => [frame(opcode, 'x')]);
    });
    it('1002: a continuation of nothing, a message in a message', async () => {
        await fault(1002, () => [frame(OP.continuation, 'x')]);
        await fault(1002, () => [frame(OP.text, '{', {fin: false}), frame(OP.text, '}')]);
    });
    it('1002: a control frame in pieces, or too long', async () => {
        await fault(1002, () => [frame(OP.ping, 'x', {fin: false})]);
        await fault(1002, () => [frame(OP.ping, Buffer.alloc(126))]);
    });
    it('1002: a close frame of one byte, or with a code that nobody may send', async () => {
        await fault(1002, () => [frame(OP.close, 'x')]);
        for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999])
            await fault(1002, () => [closeFrame(code)]).catch((error) => assert.fail(`${code}: ${error.message}`));
    });
    it('1003: a binary message', () => fault(1003, () => [frame(OP.binary, '{}')], {reason: 'text only'}));
    it('1007: text that is not UTF-8, also across frames and in a close frame', async () => {
        await fault(1007, () => [frame(OP.text, Buffer.from('{"a":"\xff"}', 'latin1'))]);
        await fault(1007, () => [frame(OP.text, Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1'))]);
        await fault(1007, () => [frame(OP.text, Buffer.from([0x22, 0xc3]), {fin: false}), frame(OP.continuation, '"')]);
        await fault(1007, () => [frame(OP.text, Buffer.from([0x22, 0xc3]))]);
        await fault(1007, () => [frame(OP.close, Buffer.from([3, 232, 0xff]))]);
    });
    it('1007: no JSON object', async () => {
        for (const text of ['', 'x', '[]', '5', '{"event":', '{} {}'])
            await fault(1007, () => [frame(OP.text, text)], {reason: 'not a JSON object'});
    });
    it('1008: a second start', () =>
        fault(1008, (call) => [frame(OP.text, JSON.stringify(messages(call).start(3)))], {reason: 'a second start'}));
    it('1009: a message too big, in one frame or in many', async () => {
        await fault(1009, () => [frame(OP.text, Buffer.alloc(TOO_BIG, ' '))]);
        await fault(1009, () => [frame(OP.text, '{', {length: 2 ** 31})]);
        await fault(1009, () => [
            frame(OP.text, Buffer.alloc(40_000, ' '), {fin: false}),
            frame(OP.continuation, Buffer.alloc(40_000, ' ')),
        ]);
    });

    it('1008: a start that names neither call nor stream, or in a way that no id is written', async () => {
        const call = newCall();
        const bad = [
            {callSid: undefined},
            {callSid: ''},
            {callSid: 5},
            {callSid: "CA'"},
            {callSid: 'C'.repeat(65)},
            {streamSid: 'MZ"'},
        ];
        for (const more of bad) {
            const stream = await openStream(base);
            stream.say(messages(call).start(1, more));
            assert.equal((await stream.closed).code, 1008, JSON.stringify(more));
        }
        assert.equal((await database.rows('SELECT 1 FROM call_events WHERE call_sid = $1', [call.callSid])).length, 0);
    });

    it('a message as big as may be is taken, whole or in pieces, with pings between', async () => {
        const call = newCall();
        const stream = await raw();
        const text = JSON.stringify(messages(call).start());
        const whole = Buffer.from(text + ' '.repeat(65_536 - text.length));
        stream.send(frame(OP.text, whole));
        const media = Buffer.from(JSON.stringify(messages(call).media(2)));
        stream.send(frame(OP.text, media.subarray(0, 10), {fin: false}), frame(OP.ping, 'one'));
        for (const byte of media.subarray(10)) stream.send(frame(OP.continuation, [byte], {fin: false}));
        stream.send(frame(OP.ping, 'two'), frame(OP.continuation, '', {fin: true}), frame(OP.pong, 'nobody asked'));
        await stream.until('two pongs', () => stream.frames.filter(({opcode}) => opcode === OP.pong).length === 2);
        assert.deepEqual(
            stream.frames.map(({opcode, masked, payload}) => [opcode, masked, payload.toString()]),
            [
                [OP.pong, 0, 'one'],
                [OP.pong, 0, 'two'],
            ],
        );
        stream.send(closeFrame(1000, 'bye'));
        assert.equal((await stream.closeCode()).code, 1000);
        await stream.end();
        const end = await endOf(call);
        assert.deepEqual([end.Frames, end.Reason, end.CloseCode], [1, 'closed', 1000]);
    });

    it('frames byte by byte', async () => {
        const call = newCall();
        const stream = await raw();
        stream.socket.setNoDelay(true);
        const m = messages(call);
        for (const byte of Buffer.concat([
            frame(OP.text, JSON.stringify(m.start())),
            frame(OP.text, JSON.stringify(m.media(2))),
        ])) {
            stream.send(Buffer.from([byte]));
            if (byte % 16 === 0) await new Promise(setImmediate);
        }
        stream.send(closeFrame(1001));
        await stream.end();
        assert.deepEqual([(await endOf(call)).Frames, (await endOf(call)).CloseCode], [1, 1001]);
    });

    it('a close frame without a code is answered', async () => {
        const call = newCall();
        const stream = await raw();
        stream.say(messages(call).start());
        stream.send(frame(OP.close));
        await stream.closeCode();
        await stream.end();
        assert.equal((await endOf(call)).CloseCode, 1005);
    });

    it('frames that came right behind the handshake are read', async () => {
        const call = newCall();
        const first = frame(OP.text, JSON.stringify(messages(call).start()));
        const stream = await RawStream.open(hookline.port, Buffer.concat([Buffer.from(upgradeRequest()), first]));
        assert.equal(stream.status, 101);
        assert.equal((await eventsOf(call, 1))[0].event_type, 'stream-started');
        stream.leave();
    });

    it('a connection that just drops, by FIN or by RST', async () => {
        for (const how of ['end', 'destroy', 'unread']) {
            const call = newCall();
            const stream = await raw();
            stream.say(messages(call).start(), messages(call).media(2));
            await eventsOf(call, 1);
            if (how === 'unread') {
                stream.socket.pause();
                stream.send(frame(OP.ping));
                await sleep(100); // the pong is there: to close without having read it is an RST
            }
            if (how === 'end') stream.socket.end();
            else stream.socket.destroy();
            const end = await endOf(call);
            assert.deepEqual([end.Reason, end.CloseCode], ['dropped', 1006], how);
            stream.leave();
        }
    });

    it('silence: closed with 1001, and cut when that is not answered; pings keep a quiet one open', async (t) => {
        const other = await start(t, {HOOKLINE_STREAM_IDLE: 1});
        const [silent, quiet] = [newCall(), newCall()];
        const dead = await raw({}, {port: other.port});
        const alive = await openStream(other.base);
        dead.say(messages(silent).start());
        alive.say(messages(quiet).start());
        const began = performance.now();
        assert.deepEqual(await dead.closeCode(), {code: 1001, reason: 'silent for too long'});
        assert.ok(performance.now() - began >= 900);
        assert.ok(
            dead.frames.some(({opcode}) => opcode === OP.ping),
            'it was not pinged',
        );
        await dead.end(); // though it never answered the close
        assert.deepEqual([(await endOf(silent)).Reason, (await endOf(silent)).CloseCode], ['going_away', 1001]);
        await sleep(1000);
        assert.equal(alive.socket.readyState, alive.socket.OPEN); // ws answers pings
        assert.equal((await alive.close()).code, 1000);
        await other.end();
    });

    it('one that asks for answers and reads none is cut', async (t) => {
        const other = await start(t, {HOOKLINE_WRITE_TIMEOUT: 2});
        const call = newCall();
        const stream = await raw({}, {port: other.port});
        stream.say(messages(call).start());
        stream.socket.pause();
        const ping = frame(OP.ping, Buffer.alloc(125));
        const many = Buffer.concat(Array(500).fill(ping));
        let ended = false;
        stream.socket.on('close', () => (ended = true));
        for (let i = 0; i < 400 && !ended; i++)
            if (!stream.socket.write(many))
                await Promise.race([sleep(20), new Promise((resolve) => stream.socket.once('drain', resolve))]);
        const end = await endOf(call);
        assert.ok(['refused', 'dropped'].includes(end.Reason), end.Reason);
        stream.leave();
        const used = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${other.pid}/status`, 'utf8'))[1]);
        if (!SANITIZED) assert.ok(used < 100_000, `it grew to ${used} KB`);
        await other.end();
    });
});

describe('on the way', () => {
    it('over TLS', async () => {
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(`wss://localhost:${tlsPort}`, {ca: certificates.ca});
        stream.say(m.connected(), m.start(), m.media(2), m.dtmf(3, '9'), m.stop(4));
        assert.equal((await stream.close()).code, 1000);
        assert.equal((await eventsOf(call, 3)).length, 3);

        const other = newCall();
        const bad = await RawStream.open(tlsPort, upgradeRequest(), {secure: true});
        bad.say(messages(other).start());
        bad.send(frame(OP.text, Buffer.alloc(100_000, ' ')));
        assert.equal((await bad.closeCode()).code, 1009);
        await bad.end();
        assert.equal((await endOf(other)).CloseCode, 1009);
        assert.equal(await refusal(`wss://localhost:${tlsPort}`, {ca: certificates.ca, headers: {}}), 401);
    });

    it('over TLS: one that drops, and one that says farewell to nobody', async () => {
        const call = newCall();
        const stream = await RawStream.open(tlsPort, upgradeRequest(), {secure: true});
        stream.say(messages(call).start());
        await eventsOf(call, 1);
        stream.leave();
        assert.equal((await endOf(call)).CloseCode, 1006);
    });

    it('behind nginx, as it ships', {skip: NO_NGINX}, async (t) => {
        const other = await start(t, {HOOKLINE_PUBLIC_URL: null});
        const nginx = await startNginx({certificates, upstreams: [other.port]});
        t.after(() => nginx.stop());
        const outside = `wss://localhost:${nginx.port}`;
        const call = newCall();
        const m = messages(call);
        const headers = {'X-Twilio-Signature': signUrl(outside + PATH)};
        const stream = await openStream(outside, {ca: certificates.ca, headers});
        stream.say(m.connected(), m.start(), m.media(2), m.stop(3));
        assert.equal((await stream.close()).code, 1000);
        const end = await endOf(call);
        assert.deepEqual([end.Reason, end.Frames], ['stop', 1]);
        assert.equal(await refusal(outside, {ca: certificates.ca, headers: {}}), 401);
        const ticket = makeTicket(call.callSid);
        assert.equal(await refusal(outside, {ca: certificates.ca, headers: {}, path: `${PATH}/${ticket}`}), 101);
        assert.ok(!nginx.accessLogText().includes(ticket));
        await other.end();
    });
});

describe('many, and the end of the process', () => {
    it('fifty at once, each with its own counts', async () => {
        const calls = Array.from({length: 50}, newCall);
        const streams = await Promise.all(calls.map(() => openStream(base)));
        await Promise.all(
            streams.map(async (stream, i) => {
                const m = messages(calls[i]);
                stream.say(m.connected(), m.start());
                for (let n = 0; n < 40 + i; n++) {
                    stream.say(m.media(n + 2));
                    if (n % 10 === 0) await sleep(5);
                }
                stream.say(m.stop(42 + i));
                await stream.close();
            }),
        );
        for (const [i, call] of calls.entries()) {
            const end = await endOf(call);
            assert.deepEqual([end.Frames, end.Missing, end.Reason], [40 + i, 0, 'stop']);
        }
        await until('none open', async () => (await hookline.metrics()).sum('hookline_media_streams') <= 0);
    });

    it('a stream counts as a connection', async (t) => {
        const other = await start(t, {HOOKLINE_MAX_CONNECTIONS: 2});
        const streams = [await openStream(other.base), await openStream(other.base)];
        const third = openStream(other.base);
        assert.equal(await Promise.race([third.then(() => 'in'), sleep(700, 'waits')]), 'waits');
        await streams[0].close();
        await (await third).close();
        await streams[1].close();
        await other.end();
    });

    it('SIGTERM: a stream goes on to its end, and the process waits for it', async (t) => {
        const other = await start(t);
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(other.base);
        stream.say(m.start(), m.media(2));
        await eventsOf(call, 1);
        const stopping = other.stop('SIGTERM');
        await sleep(700);
        stream.say(m.media(3), m.dtmf(4, '7'), m.media(5), m.stop(6));
        assert.equal((await stream.close()).code, 1000);
        const {code} = await stopping;
        assert.equal(code, 0);
        const end = await endOf(call, 3);
        assert.deepEqual([end.Frames, end.Digits, end.Reason], [3, 1, 'stop']);
    });

    it('SIGTERM: one that does not end is closed with 1001 before the deadline, and its end is stored', async (t) => {
        const other = await start(t, {HOOKLINE_DRAIN_DEADLINE: 3});
        const [polite, rude] = [newCall(), newCall()];
        const stream = await openStream(other.base);
        const deaf = await raw({}, {port: other.port});
        stream.say(messages(polite).start());
        deaf.say(messages(rude).start());
        await Promise.all([eventsOf(polite, 1), eventsOf(rude, 1)]);
        const began = performance.now();
        const stopping = other.stop('SIGTERM');
        assert.deepEqual(await stream.closed, {code: 1001, reason: 'the server is stopping'});
        const took = performance.now() - began;
        assert.ok(took > 1500 && took < 4000, `closed after ${took} ms`);
        assert.equal((await stopping).code, 0);
        for (const call of [polite, rude])
            assert.deepEqual([(await endOf(call)).Reason, (await endOf(call)).CloseCode], ['going_away', 1001]);
        deaf.leave();
    });

    it('PostgreSQL goes away during a stream: its events are journaled, and drained when it is back', async (t) => {
        const proxy = await proxyTo(database.url);
        t.after(() => proxy.close());
        const other = await start(t, {DATABASE_URL: proxy.url, HOOKLINE_COMMIT_DEADLINE: 1});
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(other.base);
        stream.say(m.connected(), m.start(), m.media(2));
        await eventsOf(call, 1);
        await proxy.close();
        stream.say(m.dtmf(3, '1'), m.media(4), m.dtmf(5, '2'), m.stop(6));
        await stream.close();
        const journaled = async () => (await other.metrics()).sum('hookline_deliveries_total', {outcome: 'journaled'});
        await until('three in the journal', async () => (await journaled()) >= 3, PATIENCE_MS);
        assert.equal((await database.rows('SELECT 1 FROM call_events WHERE call_sid = $1', [call.callSid])).length, 1);
        await proxy.listen();
        const events = await eventsOf(call, 4);
        assert.deepEqual(
            events.map((e) => [e.event_key.split(':').slice(2).join(':'), e.way, e.error]),
            [
                ['stream-started', 'media', null],
                ['dtmf:3', 'media', null],
                ['dtmf:5', 'media', null],
                ['stream-ended', 'media', null],
            ],
        );
        assert.equal((await endOf(call, 4)).Frames, 2);
        await other.end();
    });

    it('neither PostgreSQL nor the journal: it is tried again until one of them takes it', async (t) => {
        const proxy = await proxyTo(database.url);
        t.after(() => proxy.close());
        const other = await start(t, {
            DATABASE_URL: proxy.url,
            HOOKLINE_COMMIT_DEADLINE: 0.5,
            HOOKLINE_DATA_DIR: '/proc/nowhere',
        });
        const call = newCall();
        const m = messages(call);
        const stream = await openStream(other.base);
        await proxy.close();
        stream.say(m.start(), m.dtmf(2, '1'), m.stop(3));
        await stream.close();
        await until(
            'refusals',
            async () => (await other.metrics()).sum('hookline_rejections_total', {provider: 'twilio'}) >= 6,
            PATIENCE_MS,
        );
        assert.ok((await other.metrics()).sum('hookline_retry_deliveries') >= 1);
        await proxy.listen();
        const events = await eventsOf(call, 3);
        assert.deepEqual(
            events.map((e) => e.event_type),
            ['stream-started', 'dtmf', 'stream-ended'],
        );
        assert.equal((await other.metrics()).sum('hookline_deliveries_lost_total'), 0);
        await other.end();
    });

    it('what neither of them took when the process ends is lost, and said to be', async (t) => {
        const proxy = await proxyTo(database.url);
        t.after(() => proxy.close());
        const other = await start(t, {
            DATABASE_URL: proxy.url,
            HOOKLINE_COMMIT_DEADLINE: 0.5,
            HOOKLINE_DATA_DIR: '/proc/nowhere',
            HOOKLINE_DRAIN_DEADLINE: 2,
        });
        const call = newCall();
        const stream = await openStream(other.base);
        await proxy.close();
        stream.say(messages(call).start());
        await until('it is tried again', async () => (await other.metrics()).sum('hookline_retry_deliveries') === 1);
        const began = performance.now();
        const {code} = await other.stop('SIGTERM');
        assert.equal(code, 0);
        assert.ok(performance.now() - began < 12_000);
        assert.ok(other.logs().some(({msg, level}) => msg === 'delivery lost' && level === 'error'));
        assert.ok(!other.logs().some(({msg}) => msg === 'deliveries are still with the store'));
        assert.equal((await stream.closed).code, 1001);
    });
});
