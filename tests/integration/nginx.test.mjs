// nginx.test.mjs – hookline behind a real nginx, which runs the file that ships (deploy/nginx/hookline.conf): where a
// provider thinks it is sending, whose word counts, what passes unchanged, and what happens when one of two is stopped.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import {after, before, describe, test} from 'node:test';
import tls from 'node:tls';
import {livekitCall, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {PUBLIC_URL, SANITIZED, SECRETS, startHookline} from './lib/hookline.mjs';
import {missing} from './lib/load.mjs';
import {makeCertificates, NO_NGINX, startNginx} from './lib/nginx.mjs';
import {send} from './lib/send.mjs';
import {signTwilio, signTwilioJson, signVapi} from './lib/sign.mjs';
import {inTurn, until} from './lib/wait.mjs';

const BEY_SECRET = 'bey-path-secret-0123456789';
const TELI_SECRET = 'teli-path-secret-0123456789';
const STRANGER = '127.0.0.2'; // an address of this machine that nobody lists

let database, certificates;
const running = [];

before(async () => {
    if (NO_NGINX) return;
    certificates = makeCertificates();
    database = await createDatabase();
});

// What is in front first: nothing is sent to what is gone.
after(() =>
    inTurn(
        ...running.reverse().map((stop) => stop),
        () => certificates?.remove(),
        () => database?.drop(),
    ),
);

async function start(env = {}) {
    const hookline = await startHookline({
        DATABASE_URL: database.url,
        BEY_WEBHOOK_SECRET: BEY_SECRET,
        TELI_WEBHOOK_SECRET: TELI_SECRET,
        ...env,
    });
    running.push(hookline.end);
    return hookline;
}

async function front(options) {
    const nginx = await startNginx({certificates, ...options});
    running.push(nginx.stop);
    return nginx;
}

/** hookline with these settings, and nginx in front of it. */
async function site(env = {}, options = {}) {
    const hookline = await start(env);
    return {hookline, nginx: await front({upstreams: [hookline.port], ...options})};
}

let calls = 0;
const params = (more = {}) => ({
    CallSid: `CA${String(++calls).padStart(32, '0')}`,
    CallStatus: 'ringing',
    CallbackSource: 'call-progress-events',
    AccountSid: SECRETS.TWILIO_ACCOUNT_SID,
    ...more,
});

/** Signed for this address; sent to the same path unless another is given. */
const twilio = (publicUrl, {path = '/webhooks/twilio', sentTo = path, headers = {}} = {}) => {
    const signed = signTwilio(params(), {path, publicUrl});
    return {...signed, path: sentTo, headers: {...signed.headers, ...headers}};
};

const connectSecurely = (nginx, servername) =>
    tls.connect({host: '127.0.0.1', port: nginx.port, servername, ca: certificates.ca});

const requestLine = (hookline, id) => hookline.waitForLog((line) => line.msg === 'request' && line.request_id === id);

describe('behind nginx', {skip: NO_NGINX}, () => {
    describe('every provider', () => {
        let hookline, nginx;
        before(async () => ({hookline, nginx} = await site()));

        for (const [name, make] of Object.entries({twilio: twilioCall, vapi: vapiCall, livekit: livekitCall})) {
            test(`${name}: a whole call, signed by its SDK, is stored`, async () => {
                const call = make(`nginx-${name}`);
                for (const event of call.events) {
                    const reply = await nginx.send(await event.sign());
                    assert.ok(reply.status === 200 || reply.status === 204, `${event.name}: ${reply.status}`);
                }
                const {status} = await database.row(
                    'SELECT status FROM voice_calls WHERE provider = $1 AND provider_call_id = $2',
                    [call.provider, call.providerCallId],
                );
                assert.equal(status, 'completed');
            });
        }

        test('twilio, a JSON body: the hash in the query arrives', async () => {
            const reply = await nginx.send(signTwilioJson(JSON.stringify({service_sid: 'GA1', transcript_sid: 'GT1'})));
            assert.equal(reply.status, 204);
        });

        test('twilio, by GET: the query is all there is', async () => {
            const query = new URLSearchParams(params({Caller: 'José & Söhne', From: '+12025550143'}));
            const {path, headers} = signTwilio({}, {path: `/webhooks/twilio?${query}`});
            const reply = await nginx.send({path, method: 'GET', headers});
            assert.equal(reply.status, 204);
        });

        const message = JSON.stringify({
            event_type: 'message',
            call_id: '0a4907cc-8067-4009-a9ce-c16d1ce7a9fc',
            message: {sender: 'user', message: 'Grüß Gott', sent_at: '2026-08-12T09:30:02.100Z'},
        });
        const json = {'Content-Type': 'application/json', Origin: 'https://bey.chat'};

        test('beyond presence: the browser asks first, then its message is stored', async () => {
            const path = `/webhooks/beyond-presence/${BEY_SECRET}`;
            const preflight = await nginx.send({
                path,
                method: 'OPTIONS',
                headers: {
                    Origin: 'https://bey.chat',
                    'Access-Control-Request-Method': 'POST',
                    'Access-Control-Request-Headers': 'content-type',
                },
            });
            assert.ok(preflight.status === 200 || preflight.status === 204);
            assert.equal(preflight.headers['access-control-allow-origin'], '*');
            assert.match(preflight.headers['access-control-allow-headers'], /content-type/i);
            const reply = await nginx.send({path, headers: json, body: message});
            assert.equal(reply.status, 200);
            assert.equal(reply.headers['access-control-allow-origin'], '*');
        });

        test('beyond presence: with a wrong secret it is refused', async () => {
            const path = '/webhooks/beyond-presence/wrong-wrong-wrong-wrong';
            assert.equal((await nginx.send({path, headers: json, body: message})).status, 401);
        });

        test('HTTP/2', async () => {
            // What localhost resolves to first, and whether others are tried, depends on the machine.
            const session = http2.connect(nginx.url, {ca: certificates.ca, family: 4});
            const {path, headers, body} = twilio(PUBLIC_URL);
            const stream = session.request({':method': 'POST', ':path': path, ...headers});
            const answered = new Promise((resolve, reject) => {
                stream.on('response', resolve).on('error', reject);
            });
            stream.end(body);
            const reply = {headers: await answered};
            assert.equal(reply.headers[':status'], 204);
            session.destroy();
            assert.equal((await nginx.lineOf(reply)).protocol, 'HTTP/2.0');
        });

        test('whoever asks for another name is sent away during the handshake', async () => {
            const socket = connectSecurely(nginx, 'x.localhost');
            const error = await new Promise((resolve) => socket.on('error', resolve).on('secureConnect', resolve));
            socket.destroy();
            assert.match(String(error?.message), /unrecognized name/);
        });

        test('metrics and readiness are for this machine only, however they are asked for', async () => {
            for (const path of ['/metrics', '/readyz', '/health', '/metrics?x=1']) {
                const get = {path, method: 'GET'};
                assert.equal((await nginx.send(get)).status, 200, path);
                assert.equal((await nginx.send(get, {from: STRANGER})).status, 403, path);
            }
            for (const path of ['//metrics', '/%6detrics', '/x/../metrics', '/metrics/', '/metrics#a', '/Metrics']) {
                const {status} = await nginx.send({path, method: 'GET'}, {from: STRANGER});
                assert.ok(status === 403 || status === 404, `${path}: ${status}`);
            }
        });
    });

    describe('the address that was signed', () => {
        test('a public URL without a port: with :443 or without', async () => {
            const {nginx} = await site();
            assert.equal((await nginx.send(twilio('https://calls.example.com'))).status, 204);
            assert.equal((await nginx.send(twilio('https://calls.example.com:443'))).status, 204);
            assert.equal((await nginx.send(twilio('https://calls.example.com:8443'))).status, 401);
            assert.equal((await nginx.send(twilio('http://calls.example.com'))).status, 401);
        });

        test('a public URL with a port: with it or without', async () => {
            const {nginx} = await site({HOOKLINE_PUBLIC_URL: 'https://calls.example.com:8443/'});
            assert.equal((await nginx.send(twilio('https://calls.example.com:8443'))).status, 204);
            assert.equal((await nginx.send(twilio('https://calls.example.com'))).status, 204);
        });

        test("no public URL: nginx's word for scheme and host, with the port of the request", async () => {
            const {nginx} = await site({HOOKLINE_PUBLIC_URL: null});
            assert.equal((await nginx.send(twilio(nginx.url))).status, 204);
            assert.equal((await nginx.send(twilio('https://localhost'))).status, 204);
            assert.equal((await nginx.send(twilio('https://localhost:1'))).status, 401);
            const implied = twilio('https://localhost', {headers: {Host: 'localhost'}});
            assert.equal((await nginx.send(implied)).status, 204);
        });

        test('no public URL, and an nginx that hookline does not trust: refused', async () => {
            const {nginx} = await site({HOOKLINE_PUBLIC_URL: null, HOOKLINE_TRUSTED_PROXIES: '10.0.0.0/8'});
            assert.equal((await nginx.send(twilio(nginx.url))).status, 401);
        });

        test('a path prefix that nginx takes off', async () => {
            const {nginx} = await site({HOOKLINE_PUBLIC_URL: `${PUBLIC_URL}/voice`}, {voice: true});
            const path = '/webhooks/twilio?odd=%7e%2f//..';
            const below = {path, sentTo: `/voice${path}`};
            assert.equal((await nginx.send(twilio(`${PUBLIC_URL}/voice`, below))).status, 204);
            assert.equal((await nginx.send(twilio(PUBLIC_URL, below))).status, 401);
            for (const other of ['/voice/metrics', '/voice/readyz', '/voice/webhooks/../metrics'])
                assert.equal((await nginx.send({path: other, method: 'GET'})).status, 404, other);
        });

        test('a query arrives byte for byte', async () => {
            const {nginx} = await site();
            const queries = [
                '',
                'a=b&a=b&&=',
                'x=%7e%7E~',
                'x=a%2Fb%2fc/d/../e//f',
                'q=+%20%2B',
                'percent=%&bad=%zz%1',
                `marks='"<>|{}[]\\^\`;,:@!$*()`,
                'bodySHA256x=1?again?',
                'grüße=日本',
            ];
            for (const query of queries) {
                const request = twilio(PUBLIC_URL, {path: `/webhooks/twilio?${query}`});
                const path = Buffer.from(request.path).toString('latin1');
                assert.equal((await nginx.send({...request, path})).status, 204, query);
            }
        });

        test('a path is not tidied up on the way', async () => {
            const {nginx} = await site();
            for (const before of ['/', '/.', '/x/..', '/%2e']) {
                const path = `${before}/webhooks/twilio`;
                assert.equal((await nginx.send(twilio(PUBLIC_URL, {path}))).status, 404, path);
            }
        });
    });

    describe('whose word counts', () => {
        const elsewhere = 'https://elsewhere.example.com';
        const claims = {
            'X-Forwarded-For': '203.0.113.9',
            'X-Forwarded-Proto': 'https',
            'X-Forwarded-Host': 'elsewhere.example.com',
            'X-Forwarded-Port': '443',
            Forwarded: 'for=203.0.113.9;host=elsewhere.example.com;proto=https',
            'X-Real-IP': '203.0.113.9',
            'X-Request-Id': 'claimed-by-the-client',
        };

        test('not that of a client through nginx; a genuine request with such headers is taken', async () => {
            const {hookline, nginx} = await site();
            assert.equal((await nginx.send(twilio(elsewhere, {headers: claims}))).status, 401);
            const reply = await nginx.send(twilio(PUBLIC_URL, {headers: claims}), {from: STRANGER});
            assert.equal(reply.status, 204);
            const id = reply.headers['x-request-id'];
            assert.match(id, /^[0-9a-f]{32}$/);
            assert.equal((await requestLine(hookline, id)).client, STRANGER);
            assert.equal((await nginx.lineOf(reply)).client, STRANGER);
        });

        test('not that of a stranger who reaches hookline itself', async () => {
            const hookline = await start({HOOKLINE_TRUSTED_PROXIES: '127.0.0.1'});
            const agent = new http.Agent({localAddress: STRANGER});
            assert.equal((await send(hookline.url, twilio(elsewhere, {headers: claims}), {agent})).status, 401);
            const reply = await send(hookline.url, twilio(PUBLIC_URL, {headers: claims}), {agent});
            assert.equal(reply.status, 204);
            const id = reply.headers['x-request-id'];
            assert.notEqual(id, claims['X-Request-Id']);
            assert.equal((await requestLine(hookline, id)).client, STRANGER);
        });

        test('that of an outer proxy which nginx knows, over two hops', async () => {
            const {hookline, nginx: inner} = await site({HOOKLINE_PUBLIC_URL: null}, {tls: false, outer: '127.0.0.1'});
            const outer = await front({upstreams: [inner.port]});
            const reply = await outer.send(twilio(outer.url, {headers: claims}), {from: STRANGER});
            assert.equal(reply.status, 204);
            const id = reply.headers['x-request-id'];
            assert.equal((await requestLine(hookline, id)).client, STRANGER);
            assert.equal((await outer.lineOf(reply)).client, STRANGER);
            assert.equal((await inner.lineOf(reply)).client, STRANGER);
            // Who goes around the outer one is a stranger to the inner one.
            assert.equal((await inner.send(twilio(elsewhere, {headers: claims}), {from: STRANGER})).status, 401);
        });

        test('not that of an outer proxy which nginx does not know', async () => {
            const {nginx: inner} = await site({HOOKLINE_PUBLIC_URL: null}, {tls: false});
            const outer = await front({upstreams: [inner.port]});
            assert.equal((await outer.send(twilio(outer.url))).status, 401);
        });
    });

    describe('bodies', () => {
        const vapi = (size) => {
            const message = {type: 'status-update', status: 'ringing', call: {id: `size-${size}`}};
            const text = JSON.stringify({message});
            return signVapi(text.slice(0, -1) + ' '.repeat(size - text.length) + '}');
        };
        const asChunks = (request) => ({...request, headers: {...request.headers, 'Transfer-Encoding': 'chunked'}});

        test('as large as both allow; one byte more is 413 from nginx, and hookline never hears of it', async () => {
            const {hookline, nginx} = await site({HOOKLINE_MAX_BODY: '64K'}, {maxBody: '64k'});
            for (const form of [(request) => request, asChunks]) {
                assert.equal((await nginx.send(form(vapi(65536)))).status, 200);
                assert.equal((await nginx.send(form(vapi(65537)))).status, 413);
            }
            const metrics = await hookline.metrics();
            assert.equal(metrics.sum('hookline_http_requests_total', {status: 413}), 0);
            assert.equal(metrics.sum('hookline_http_requests_total', {status: 200, route: '/webhooks/vapi'}), 2);
        });

        test('where nginx allows more, hookline says 413', async () => {
            const {nginx} = await site({HOOKLINE_MAX_BODY: '64K'}, {maxBody: '1m'});
            const reply = await nginx.send(vapi(65537));
            assert.equal(reply.status, 413);
            assert.equal(JSON.parse(reply.body).error.code, 'too_large');
        });

        test('ten megabytes, through a file of nginx, with their length or in chunks', async () => {
            const {nginx} = await site();
            assert.equal((await nginx.send(vapi(10 * 1024 * 1024))).status, 200);
            assert.equal((await nginx.send(asChunks(vapi(10 * 1024 * 1024 - 1)))).status, 200);
        });
    });

    describe('connections', () => {
        test('many requests share a few, chunked uploads and refusals too', async () => {
            const {hookline, nginx} = await site();
            const connections = async () => (await hookline.metrics()).sum('hookline_http_connections_total');
            const before = await connections();
            for (let i = 0; i < 150; i++) {
                const request = twilio(i % 10 ? PUBLIC_URL : 'https://wrong.example.com');
                if (i % 3 === 0) request.headers['Transfer-Encoding'] = 'chunked';
                assert.equal((await nginx.send(request)).status, i % 10 ? 204 : 401);
            }
            const opened = (await connections()) - before - 1; // and the one that asks
            assert.ok(opened <= 3, `${opened} connections for 150 requests`);
        });

        /** What nginx passes on: a server in hookline's place that notes the head of each request. */
        async function listener(t) {
            const heads = [];
            const server = http.createServer((request, response) => {
                heads.push(request.headers);
                response.end();
            });
            server.on('upgrade', (request, socket) => {
                heads.push(request.headers);
                socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
                socket.pipe(socket);
            });
            await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
            t.after(() => server.close());
            return {port: server.address().port, heads};
        }

        const upgrade = (path, protocol) =>
            `GET ${path} HTTP/1.1\r\nHost: localhost\r\n` +
            `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\n` +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

        async function connectTo(t, nginx) {
            const socket = connectSecurely(nginx, 'localhost');
            t.after(() => socket.destroy());
            const peer = {socket, received: ''};
            socket.setEncoding('latin1').on('data', (text) => (peer.received += text));
            await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject));
            return peer;
        }

        test('a WebSocket is passed on, and then bytes both ways', async (t) => {
            const {port, heads} = await listener(t);
            const nginx = await front({upstreams: [port]});
            const peer = await connectTo(t, nginx);
            peer.socket.write(upgrade('/media-stream/a-token-0123456789', 'WebSocket'));
            await until('101', () => peer.received.startsWith('HTTP/1.1 101 ') && peer.received.endsWith('\r\n\r\n'));
            peer.received = '';
            peer.socket.write('to and fro');
            await until('the echo', () => peer.received === 'to and fro');
            assert.equal(heads[0].upgrade, 'websocket');
            assert.equal(heads[0].connection, 'upgrade');
            assert.equal(heads[0]['sec-websocket-key'], 'dGhlIHNhbXBsZSBub25jZQ==');
            assert.equal(heads[0]['x-forwarded-host'], 'localhost');
        });

        test('no other upgrade is, and what hop-by-hop headers say ends here', async (t) => {
            const {port, heads} = await listener(t);
            const nginx = await front({upstreams: [port]});
            const peer = await connectTo(t, nginx);
            peer.socket.write(upgrade('/webhooks/vapi', 'h2c'));
            await until('an answer', () => peer.received.startsWith('HTTP/1.1 200 '));
            assert.equal(heads[0].upgrade, undefined);
            assert.equal(heads[0].connection, undefined); // HTTP/1.1: kept alive
        });

        test('a signature under any name arrives', async (t) => {
            const {port, heads} = await listener(t);
            const nginx = await front({upstreams: [port]});
            await nginx.send({path: '/webhooks/vapi', headers: {my_signature: 'abc'}, body: '{}'});
            assert.equal(heads[0].my_signature, 'abc');
        });
    });

    describe('two hooklines', () => {
        const ENOUGH = SANITIZED ? 60 : 300;

        /** Senders who never try again: whatever is not acknowledged is a fault. */
        function load(nginx, name) {
            const acknowledged = new Map(), failed = [];
            let running = true;
            const senders = Array.from({length: 8}, async (_, s) => {
                for (let i = 0; running; i++) {
                    const call = twilioCall(`${name}-${s}-${i}`);
                    const reply = await nginx.send(call.events[4].sign()).catch((error) => ({status: error.message}));
                    if (reply.status === 204) acknowledged.set(call.callSid, 1);
                    else failed.push(reply.status);
                }
            });
            const stop = async () => {
                running = false;
                await Promise.all(senders);
            };
            return {acknowledged, failed, stop};
        }

        for (const [how, end] of Object.entries({
            'one is stopped (SIGTERM)': (hookline) => hookline.end(),
            'one is killed': (hookline) => hookline.kill(),
        })) {
            test(`${how} under load: nothing acknowledged is lost, and no sender notices`, async (t) => {
                const patient = {HOOKLINE_COMMIT_DEADLINE: 4};
                const going = await startHookline({DATABASE_URL: database.url, ...patient});
                t.after(going.kill);
                const staying = await start(patient);
                const nginx = await front({upstreams: [going.port, staying.port]});
                const all = load(nginx, how);
                await until('some load', () => all.acknowledged.size >= ENOUGH);
                const before = nginx.accessLog().filter((line) => line.upstream === `127.0.0.1:${going.port}`).length;
                await end(going);
                const soFar = all.acknowledged.size;
                await until('load on the other', () => all.acknowledged.size >= soFar + ENOUGH);
                await all.stop();
                assert.ok(before > 0, 'the one that went has had its part');
                assert.deepEqual(all.failed, []);
                assert.deepEqual(await missing(database, all.acknowledged), []);
            });
        }

        test('both without a database and a journal: 503 of theirs, none of nginx, and the next asks them again', async () => {
            const nowhere = {DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none', HOOKLINE_DATA_DIR: '/dev/null'};
            const both = [await startHookline(nowhere, {ready: false}), await startHookline(nowhere, {ready: false})];
            running.push(...both.map((hookline) => hookline.kill));
            const nginx = await front({upstreams: both.map((hookline) => hookline.port)});
            for (let i = 0; i < 4; i++) {
                const reply = await nginx.send(twilio(PUBLIC_URL));
                assert.equal(reply.status, 503);
                assert.equal(reply.headers['retry-after'], '1');
                assert.equal((await nginx.lineOf(reply)).upstream_status, '503, 503');
            }
        });
    });

    describe("nginx's logs", () => {
        const TOKEN = 'media-token-0123456789abcdef';
        const CUT_SHORT = 'cut-short'; // by who copied it
        const secretPaths = [
            `/webhooks/beyond-presence/${BEY_SECRET}`,
            `/webhooks/teli/${TELI_SECRET}`,
            `/webhooks/teli/${TELI_SECRET}/more?x=${BEY_SECRET}`,
            `//webhooks//teli//${TELI_SECRET}`,
            `/webhooks/%74eli/${TELI_SECRET}`,
            `/Webhooks/Teli/${TELI_SECRET}`,
            `/webhooks/teli/${CUT_SHORT}`,
            `/media-stream/${TOKEN}`,
            `/media-stream/${CUT_SHORT}`,
            `/voice/webhooks/teli/${TELI_SECRET}`,
            `/voice/media-stream/${TOKEN}`,
            `/teli/${TELI_SECRET}`,
            `/webhooks/twilio?token=${TOKEN}`,
        ];
        const asked = (nginx) => async (path) => {
            await nginx.send({path, headers: {'Content-Type': 'application/json'}, body: '{}'});
            await nginx.send({path, headers: {'Content-Type': 'application/json'}, body: 'x'.repeat(70_000)});
        };
        const hidden = [BEY_SECRET, TELI_SECRET, TOKEN, CUT_SHORT];

        test('hold no path secret, no token and no query while all is well', async () => {
            const {nginx} = await site({}, {voice: true, maxBody: '64k'});
            for (const path of secretPaths) await asked(nginx)(path);
            await until('all lines', () => nginx.accessLog().length === 2 * secretPaths.length);
            const text = nginx.accessLogText();
            for (const secret of hidden) assert.ok(!text.includes(secret), text);
            const paths = new Set(nginx.accessLog().map((line) => line.path));
            const masked = ['/webhooks/beyond-presence/***', '/webhooks/teli/***', '/media-stream/***'];
            for (const path of [...masked, '/webhooks/twilio']) assert.ok(paths.has(path), `${path} in ${[...paths]}`);
        });

        test('nor in the error log, where hookline is away; other errors are there', async () => {
            const nginx = await front({upstreams: [1], voice: true, maxBody: '64k'});
            // The configuration masks what is a provider's; of a path that is nobody's it can only know the first part.
            for (const path of secretPaths.filter((path) => !/^\/teli|twilio/.test(path))) await asked(nginx)(path);
            assert.equal(nginx.errorLog().replace(/.*\[notice\].*\n/g, ''), '');
            await asked(nginx)('/webhooks/vapi');
            assert.match(nginx.errorLog(), /connect\(\) failed .* request: "POST \/webhooks\/vapi HTTP\/1\.1"/);
            assert.match(nginx.errorLog(), /client intended to send too large body/);
        });

        test('what has no secret is logged as it is', async () => {
            const {nginx} = await site();
            for (const path of ['/webhooks/twilio/voice', '/media-stream-twiml', '/nope/x']) {
                const reply = await nginx.send({path: `${path}?a=b`, method: 'GET'});
                assert.equal((await nginx.lineOf(reply)).path, path);
            }
        });
    });
});
